//! What can be chosen above a dashboard.

use serde::Serialize;
use serde_json::{Value, json};

use crate::dashboard::data_source;
use crate::query::{SIDECAR, in_cluster, selector};

/// A choice.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(crate) struct Variable(Value);

/// Of whom a dashboard tells: what its namespaces and clusters are looked up in.
const ANY: &str = r#"__name__=~"kafka_sidecar_source_up|kafka_balancer_info""#;

/// How Grafana's Prometheus data source is asked for the values of a variable.
#[derive(Debug, Clone, Copy)]
enum Lookup {
    LabelNames = 0,
    LabelValues = 1,
}

impl Variable {
    /// The Prometheus that is asked.
    pub(crate) fn data_source() -> Self {
        Self(json!({
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "prometheus",
            "regex": "",
            "refresh": 1,
            "hide": 0,
            "includeAll": false,
            "multi": false,
            "options": [],
        }))
    }

    /// Namespaces of Kubernetes; all includes what has none.
    pub(crate) fn namespace() -> Self {
        let query = format!("label_values({}, namespace)", selector("", &[ANY]));
        Self::any("namespace", "Namespace", &query)
    }

    /// Namespaces in which operators run.
    pub(crate) fn namespace_of_operators() -> Self {
        Self::any(
            "namespace",
            "Namespace",
            "label_values(kafka_operator_clusters, namespace)",
        )
    }

    /// Clusters; all includes what has no such label.
    pub(crate) fn cluster() -> Self {
        let series = selector("", &[ANY, r#"namespace=~"$namespace""#]);
        Self::any(
            "cluster",
            "Cluster",
            &format!("label_values({series}, kafka_cluster)"),
        )
    }

    /// The label that tells the sidecars of brokers apart: the first of those that there are.
    pub(crate) fn broker_label() -> Self {
        let query = format!("label_names({})", in_cluster(SIDECAR, ""));
        let regex = "/^(broker|instance|kubernetes_pod_name|pod)$/";
        Self::one("broker_label", "Brokers by", &query, Lookup::LabelNames, regex)
    }

    /// Brokers, by their sidecars.
    pub(crate) fn broker() -> Self {
        let series = in_cluster(SIDECAR, "");
        Self::any(
            "broker",
            "Broker",
            &format!("label_values({series}, $broker_label)"),
        )
    }

    /// Brokers, by their ids, as the balancer knows them.
    pub(crate) fn broker_id() -> Self {
        let series = in_cluster("kafka_balancer_broker_utilisation", "");
        Self::any("broker_id", "Broker", &format!("label_values({series}, broker)"))
    }

    /// Topics, by a family that has them.
    pub(crate) fn topic(family: &str) -> Self {
        let series = in_cluster(family, "");
        Self::any("topic", "Topic", &format!("label_values({series}, topic)"))
    }

    /// Consumer groups.
    pub(crate) fn group() -> Self {
        let series = in_cluster("kafka_consumergroup_members", "");
        Self::any(
            "group",
            "Group",
            &format!("label_values({series}, consumergroup)"),
        )
    }

    /// How many of the greatest are shown.
    pub(crate) fn top() -> Self {
        Self::among("top", "Top", &["5", "10", "20", "50"], "10")
    }

    /// Resources of a broker.
    pub(crate) fn resource() -> Self {
        let resources = ["bytes_in", "bytes_out", "cpu", "disk"];
        Self::among("resource", "Resource", &resources, "bytes_in")
    }

    /// Several, or all.
    fn any(name: &str, label: &str, query: &str) -> Self {
        let Self(mut variable) = Self::one(name, label, query, Lookup::LabelValues, "");
        variable["multi"] = json!(true);
        variable["includeAll"] = json!(true);
        variable["allValue"] = json!(".*");
        variable["current"] = json!({"text": ["All"], "value": ["$__all"]});
        Self(variable)
    }

    /// One that is looked up; the first until another one is chosen.
    fn one(name: &str, label: &str, query: &str, lookup: Lookup, regex: &str) -> Self {
        Self(json!({
            "name": name,
            "label": label,
            "type": "query",
            "datasource": data_source(),
            "query": {
                "qryType": lookup as u8,
                "query": query,
                "refId": "PrometheusVariableQueryEditor-VariableQuery",
            },
            "regex": regex,
            "refresh": 2,
            "sort": 1,
            "hide": 0,
            "includeAll": false,
            "multi": false,
            "options": [],
        }))
    }

    /// One of these.
    fn among(name: &str, label: &str, values: &[&str], chosen: &str) -> Self {
        let options: Vec<Value> = values
            .iter()
            .map(|value| json!({"selected": *value == chosen, "text": value, "value": value}))
            .collect();
        Self(json!({
            "name": name,
            "label": label,
            "type": "custom",
            "query": values.join(","),
            "hide": 0,
            "includeAll": false,
            "multi": false,
            "options": options,
            "current": {"selected": true, "text": chosen, "value": chosen},
        }))
    }
}
