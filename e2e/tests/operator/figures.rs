//! What was measured, for `target/e2e/operator.json`.

use e2e::scene::Outcome;
use serde::Serialize;

/// The figures; what a test did not measure is left as an earlier one wrote it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Figures {
    /// Seconds from the end of `kubectl apply` to the first pod; 2 are wanted.
    pub(crate) first_pod_seconds: Option<f64>,
    /// Seconds from the end of `kubectl apply` until three brokers are Ready; 45 are wanted.
    pub(crate) ready_seconds: Option<f64>,
    /// Seconds in which all brokers and controllers were replaced.
    pub(crate) rolled_seconds: Option<f64>,
    /// Seconds in which a broker was emptied and removed.
    pub(crate) shrunk_seconds: Option<f64>,
    /// Records that were acknowledged in all of that.
    pub(crate) records_acknowledged: Option<u64>,
    /// Those of them that were lost; 0 are wanted.
    pub(crate) records_lost: Option<u64>,
    /// Those that are there twice.
    pub(crate) records_duplicated: Option<u64>,
    /// Looks at all partitions, one every 200 ms.
    pub(crate) looks: Option<usize>,
    /// Partitions that had fewer replicas in sync than their minimum in one of them; 0 are wanted.
    pub(crate) below_minimum: Option<usize>,
    /// Operators that were killed meanwhile.
    pub(crate) operators_killed: Option<usize>,
    /// Memory of an operator with 100 clusters in 10^6 bytes, at its peak; 64 are wanted.
    pub(crate) memory_mb: Option<f64>,
    /// Calls of the API a minute and cluster beyond watches and the lease, when nothing happens; 1 is wanted.
    pub(crate) idle_calls: Option<f64>,
}

impl Figures {
    /// Adds the figures to those in the file.
    pub(crate) fn write(&self) -> Outcome {
        e2e::figures::add("operator.json", self)
    }
}
