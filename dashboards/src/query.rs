//! Queries, and the selectors that they are made of.

use serde::Serialize;
use serde_json::Value;

use crate::dashboard::data_source;

/// Labels that tell clusters apart, where there are any.
pub(crate) const CLUSTER: &str = "namespace, kafka_cluster";

/// Labels that tell the sidecars of brokers apart.
pub(crate) const BROKER: &str = "namespace, kafka_cluster, $broker_label";

/// Labels that tell partitions apart, wherever they are led.
pub(crate) const PARTITION: &str = "namespace, kafka_cluster, topic, partition";

/// A family that every sidecar of a broker has, and nobody else.
pub(crate) const SIDECAR: &str = "kafka_sidecar_window_seconds";

/// Series of the chosen clusters, with further matchers or none. A label that is absent matches a choice of all.
pub(crate) fn in_cluster(metric: &str, matchers: &str) -> String {
    selector(
        metric,
        &[r#"namespace=~"$namespace",kafka_cluster=~"$cluster""#, matchers],
    )
}

/// Series of the sidecars of the chosen brokers.
pub(crate) fn at_brokers(metric: &str, matchers: &str) -> String {
    let brokers = r#"namespace=~"$namespace",kafka_cluster=~"$cluster",$broker_label=~"$broker""#;
    selector(metric, &[brokers, matchers])
}

/// Series with these matchers; empty ones are left out.
pub(crate) fn selector(metric: &str, matchers: &[&str]) -> String {
    let matchers: Vec<&str> = matchers.iter().copied().filter(|part| !part.is_empty()).collect();
    format!("{metric}{{{}}}", matchers.join(","))
}

/// The rate of a counter.
pub(crate) fn rate(selector: &str) -> String {
    format!("rate({selector}[$__rate_interval])")
}

/// The sum for each of these labels.
pub(crate) fn sum_by(labels: &str, of: &str) -> String {
    format!("sum by ({labels}) ({of})")
}

/// The greatest for each of these labels.
pub(crate) fn max_by(labels: &str, of: &str) -> String {
    format!("max by ({labels}) ({of})")
}

/// A figure of balancers, summed over clusters: of each the greatest that is told, since a balancer that was fenced goes on
/// to look.
pub(crate) fn balancers(metric: &str, matchers: &str) -> String {
    format!("sum({})", max_by(CLUSTER, &in_cluster(metric, matchers)))
}

/// Hot partitions, with further matchers or none. A verdict has no series before its first partition.
pub(crate) fn hot_partitions_in_all(matchers: &str) -> String {
    let hot = max_by(
        "namespace, kafka_cluster, verdict",
        &in_cluster("kafka_balancer_hot_partitions", matchers),
    );
    format!(
        "sum({hot}) or 0 * {}",
        balancers("kafka_balancer_hot_brokers", "")
    )
}

/// Whether brokers were hot, of as many as are chosen: those that were hot at some time come before those that never were.
pub(crate) fn heat_over_time(labels: &str) -> String {
    let hot = in_cluster("kafka_balancer_broker_hot", "");
    let were_hot = max_by(labels, &format!("max_over_time({hot}[$__range] @ end())"));
    format!("{} and on ({labels}) {}", max_by(labels, &hot), top(&were_hot))
}

/// As many of the greatest as are chosen.
pub(crate) fn top(of: &str) -> String {
    format!("topk($top, {of})")
}

/// A query of a panel.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Query {
    datasource: Value,
    editor_mode: &'static str,
    expr: String,
    format: &'static str,
    instant: bool,
    legend_format: String,
    range: bool,
    ref_id: String,
}

impl Query {
    /// Over the time that is shown.
    pub(crate) fn over_time(expr: impl Into<String>, legend: &str) -> Self {
        Self {
            datasource: data_source(),
            editor_mode: "code",
            expr: expr.into(),
            format: "time_series",
            instant: false,
            legend_format: legend.to_owned(),
            range: true,
            ref_id: String::new(),
        }
    }

    /// At the end of the time that is shown.
    pub(crate) fn now(expr: impl Into<String>, legend: &str) -> Self {
        Self {
            instant: true,
            range: false,
            ..Self::over_time(expr, legend)
        }
    }

    /// A column of a table: the figures of now, with all labels beside them.
    pub(crate) fn column(expr: impl Into<String>) -> Self {
        Self {
            format: "table",
            ..Self::now(expr, "")
        }
    }

    /// Called by the letter of its place, as transformations do.
    pub(crate) fn at(self, place: u8) -> Self {
        Self {
            ref_id: char::from(b'A' + place % 26).to_string(),
            ..self
        }
    }
}
