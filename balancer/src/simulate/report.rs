//! What came of a day.

use std::time::Duration;

use serde::Serialize;

use crate::model::PerResource;

/// A day with the balancer and the same day without it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// How long it lasted.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub length: Duration,
    /// With the balancer.
    pub balanced: Side,
    /// Without it.
    pub left_alone: Side,
}

/// One of the two.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Side {
    /// Seconds that brokers were beyond the threshold, summed over brokers, by resource.
    pub violation_seconds: PerResource,
    /// The same, each second multiplied by how far the broker was above the mean, in parts of the mean.
    pub excess_seconds: PerResource,
    /// How often something became hot when nothing was.
    pub episodes: u32,
    /// Plans that were made.
    pub plans: u32,
    /// Changes of leaders that were made.
    pub leadership_changes: u64,
    /// Replicas that were copied.
    pub replica_moves: u64,
    /// Bytes that were copied.
    pub bytes_copied: u64,
    /// The plans' lower bounds on bytes, added up.
    pub bytes_lower_bound: u64,
    /// Moves that were dropped since they did not help any more when their turn came.
    pub dropped: u64,
    /// Replicas that came back to a broker, and leaderships that did, within an hour of leaving it.
    pub oscillations: u64,
}

fn seconds<S: serde::Serializer>(length: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(length.as_secs_f64())
}
