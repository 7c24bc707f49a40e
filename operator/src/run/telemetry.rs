//! The operator's own metrics.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

use super::ReconcileError;
use crate::crd::Kafkacluster;

const CLUSTERS: &str = "kafka_operator_clusters";
const STATES: &str = "kafka_operator_kafkaclusters";
const RECONCILIATIONS: &str = "kafka_operator_reconciliations_total";
const ERRORS: &str = "kafka_operator_errors_total";
const SECONDS: &str = "kafka_operator_reconciliation_seconds";

/// How a Kafkacluster is, what needs somebody first.
const DEGRADED: &str = "degraded";
const NOT_READY: &str = "not_ready";
const PROGRESSING: &str = "progressing";
const AS_WANTED: &str = "as_wanted";

/// Records from now on.
pub(super) fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new().install_recorder()?;
    describe_gauge!(CLUSTERS, "Kafkaclusters that this operator runs.");
    describe_gauge!(
        STATES,
        "Kafkaclusters by the first that is so of degraded, not_ready, progressing and as_wanted, as their conditions say."
    );
    describe_counter!(
        RECONCILIATIONS,
        "Looks at a Kafkacluster, by whether all that was to be done was done."
    );
    describe_counter!(
        ERRORS,
        "Why looks failed: kubernetes or refused (by Kafka or the balancer) a change, taken names, unseen or unbuildable objects."
    );
    describe_histogram!(
        SECONDS,
        Unit::Seconds,
        "How long a look with all that followed from it took."
    );
    Ok(handle)
}

/// Begins to count at 0, so that the first of each shows as an increase.
pub(super) fn begin() {
    for outcome in ["done", "failed"] {
        counter!(RECONCILIATIONS, "outcome" => outcome).increment(0);
    }
    for kind in ["kubernetes", "refused", "taken", "unseen", "unbuildable"] {
        counter!(ERRORS, "kind" => kind).increment(0);
    }
}

/// Shows which clusters there are.
pub(super) fn show(clusters: &[Arc<Kafkacluster>]) {
    gauge!(CLUSTERS).set(clusters.len() as f64);
    for state in [DEGRADED, NOT_READY, PROGRESSING, AS_WANTED] {
        let are_so = clusters.iter().filter(|cluster| state_of(cluster) == state);
        gauge!(STATES, "state" => state).set(are_so.count() as f64);
    }
}

fn state_of(cluster: &Kafkacluster) -> &'static str {
    let conditions = cluster.status.iter().flat_map(|status| &status.conditions);
    let is = |kind: &str| {
        conditions
            .clone()
            .any(|condition| condition.type_ == kind && condition.status == "True")
    };
    match () {
        () if is("Degraded") => DEGRADED,
        () if !is("Ready") => NOT_READY,
        () if is("Progressing") => PROGRESSING,
        () => AS_WANTED,
    }
}

/// Records a look at a cluster.
pub(super) fn reconciled<T>(took: Duration, outcome: &Result<T, ReconcileError>) {
    let name = if outcome.is_ok() { "done" } else { "failed" };
    counter!(RECONCILIATIONS, "outcome" => name).increment(1);
    if let Err(error) = outcome {
        let kind = match error {
            ReconcileError::Kubernetes(_) => "kubernetes",
            ReconcileError::Refused { .. } => "refused",
            ReconcileError::Taken { .. } => "taken",
            ReconcileError::View(_) => "unseen",
            ReconcileError::Build(_) => "unbuildable",
        };
        counter!(ERRORS, "kind" => kind).increment(1);
    }
    histogram!(SECONDS).record(took);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cluster(conditions: &[(&str, &str)]) -> Arc<Kafkacluster> {
        let condition = |(kind, status): &(&str, &str)| json!({"type": kind, "status": status, "reason": "R", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let conditions: Vec<_> = conditions.iter().map(condition).collect();
        let object = json!({
            "apiVersion": "krallistic.github.com/v1",
            "kind": "Kafkacluster",
            "metadata": {"name": "c"},
            "spec": {"brokerCount": 3},
            "status": {"conditions": conditions},
        });
        Arc::new(serde_json::from_value(object).unwrap())
    }

    #[test]
    fn a_cluster_is_counted_once_by_what_needs_somebody_first() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let text = || recorder.handle().render();
        metrics::with_local_recorder(&recorder, || {
            show(&[
                cluster(&[("Ready", "False"), ("Degraded", "True")]),
                cluster(&[("Ready", "Unknown"), ("Progressing", "True")]),
                cluster(&[]),
                cluster(&[("Ready", "True"), ("Progressing", "False")]),
            ]);
        });
        for (state, count) in [
            ("degraded", 1),
            ("not_ready", 2),
            ("progressing", 0),
            ("as_wanted", 1),
        ] {
            let line = format!("kafka_operator_kafkaclusters{{state=\"{state}\"}} {count}");
            assert!(text().lines().any(|shown| shown == line), "{}", text());
        }
        metrics::with_local_recorder(&recorder, || show(&[]));
        assert!(text().lines().any(|shown| shown == "kafka_operator_clusters 0"));
    }
}
