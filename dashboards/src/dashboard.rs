//! A dashboard as Grafana's classic model has it.

use serde::Serialize;
use serde_json::{Value, json};

use crate::layout::{Layout, Placed};
use crate::query::{CLUSTER, in_cluster};
use crate::variable::Variable;

/// The tag by which the dashboards find each other.
const TAG: &str = "kafka-operator";

/// The model's version: what Grafana 11.0 writes, and later ones read.
const SCHEMA_VERSION: u8 = 39;

/// A dashboard.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dashboard {
    uid: String,
    title: String,
    description: &'static str,
    tags: [&'static str; 1],
    schema_version: u8,
    version: u8,
    editable: bool,
    graph_tooltip: u8,
    timezone: &'static str,
    refresh: &'static str,
    time: Value,
    templating: List<Variable>,
    annotations: List<Value>,
    links: Vec<Value>,
    panels: Vec<Placed>,
    #[serde(skip)]
    name: &'static str,
}

#[derive(Debug, Clone, Serialize)]
struct List<T> {
    list: Vec<T>,
}

impl Dashboard {
    /// A dashboard; its uid and its file are called by its name.
    pub(crate) fn new(name: &'static str, title: &str, description: &'static str) -> Self {
        Self {
            uid: format!("{TAG}-{name}"),
            title: format!("Kafka / {title}"),
            description,
            tags: [TAG],
            schema_version: SCHEMA_VERSION,
            version: 1,
            editable: true,
            graph_tooltip: 1,
            timezone: "browser",
            refresh: "30s",
            time: json!({"from": "now-1h", "to": "now"}),
            templating: List {
                list: vec![Variable::data_source()],
            },
            annotations: List {
                list: vec![built_in()],
            },
            links: vec![others()],
            panels: Vec::new(),
            name,
        }
    }

    /// With these choices, besides that of the data source.
    pub(crate) fn variables(mut self, variables: impl IntoIterator<Item = Variable>) -> Self {
        self.templating.list.extend(variables);
        self
    }

    /// With what the balancer executes, marked in every panel.
    pub(crate) fn executions(mut self) -> Self {
        self.annotations.list.push(executions());
        self
    }

    /// With these panels.
    pub(crate) fn panels(mut self, layout: Layout) -> Self {
        self.panels = layout.placed();
        self
    }

    /// The name and the text of its file.
    pub(crate) fn file(&self) -> Result<(String, String), serde_json::Error> {
        let text = serde_json::to_string_pretty(self)?;
        Ok((format!("{}.json", self.name), format!("{text}\n")))
    }
}

/// The data source that is chosen above.
pub(crate) fn data_source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

/// What people write into graphs, which each dashboard of Grafana's has.
fn built_in() -> Value {
    json!({
        "builtIn": 1,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": true,
        "hide": true,
        "iconColor": "rgba(0, 211, 255, 1)",
        "name": "Annotations & Alerts",
        "type": "dashboard",
    })
}

/// From where a plan is carried out to where that is over. The query is there twice: Grafana 11 reads the first, editors of
/// later versions the second.
fn executions() -> Value {
    let phases = in_cluster("kafka_balancer_info", r#"phase=~"executing|paused|stopping""#);
    let query = format!("max by ({CLUSTER}, mode, phase) ({phases}) == 1");
    json!({
        "name": "Executions",
        "datasource": data_source(),
        "enable": true,
        "hide": false,
        "iconColor": "purple",
        "expr": query,
        "step": "15s",
        "titleFormat": "The balancer is {{phase}}",
        "textFormat": "cluster {{kafka_cluster}}, mode {{mode}}",
        "tagKeys": "phase,mode",
        "target": {
            "datasource": data_source(),
            "editorMode": "code",
            "expr": query,
            "interval": "15s",
            "range": true,
            "refId": "Anno",
        },
    })
}

/// Links to the other dashboards, with what is chosen here.
fn others() -> Value {
    json!({
        "type": "dashboards",
        "title": "Kafka",
        "tags": [TAG],
        "asDropdown": false,
        "icon": "external link",
        "includeVars": true,
        "keepTime": true,
        "targetBlank": false,
        "tooltip": "",
        "url": "",
    })
}
