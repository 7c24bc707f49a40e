//! The operator's own metrics.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

const CLUSTERS: &str = "kafka_operator_clusters";
const RECONCILIATIONS: &str = "kafka_operator_reconciliations_total";
const SECONDS: &str = "kafka_operator_reconciliation_seconds";

/// Records from now on.
pub(super) fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new().install_recorder()?;
    describe_gauge!(CLUSTERS, "Kafkaclusters that this operator runs.");
    describe_counter!(
        RECONCILIATIONS,
        "Looks at a Kafkacluster, by whether all that was to be done was done."
    );
    describe_histogram!(
        SECONDS,
        Unit::Seconds,
        "How long a look with all that followed from it took."
    );
    Ok(handle)
}

/// Records a look at one of so many clusters.
pub(super) fn reconciled(clusters: usize, took: Duration, done: bool) {
    gauge!(CLUSTERS).set(u32::try_from(clusters).unwrap_or(u32::MAX));
    counter!(RECONCILIATIONS, "outcome" => if done { "done" } else { "failed" }).increment(1);
    histogram!(SECONDS).record(took);
}
