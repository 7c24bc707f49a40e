//! What was measured, as `summary.json` has it.

use std::io;
use std::path::Path;

use balancer::api::view::{FinishedPlan, ResourceFigures};
use load::witness::{RecordName, WitnessReport};
use serde::Serialize;

use crate::expectations::Expectation;
use crate::leftovers::Leftovers;
use crate::story::{Cooling, WarmUp, milliseconds};
use crate::truth::{RateErrors, Traffic};
use crate::watch::seconds;

/// All figures of one run. Times in seconds or milliseconds and memory in 10^6 bytes, as the names say.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    /// Whether every expectation holds.
    pub(crate) passed: bool,
    pub(crate) hot_partition: String,
    pub(crate) cause: Option<String>,
    pub(crate) verdict: Option<String>,
    /// From the shift until the API names the hot partition with its cause.
    pub(crate) detect_seconds: Option<f64>,
    /// From then until the first change is sent to Kafka; 0 when the change went out before the API was asked.
    pub(crate) act_seconds: Option<f64>,
    /// From the shift until all is calm and balanced, for good.
    pub(crate) settle_seconds: Option<f64>,
    /// By the balancer, before the shift.
    pub(crate) imbalance_start: ResourceFigures,
    /// By the balancer, before its first change.
    pub(crate) imbalance_before: ResourceFigures,
    /// By the balancer, at the end.
    pub(crate) imbalance_after: ResourceFigures,
    /// The same three by the clients' counts and Kafka's metadata.
    pub(crate) counted_imbalance_start: CountedImbalance,
    pub(crate) counted_imbalance_before: CountedImbalance,
    pub(crate) counted_imbalance_after: CountedImbalance,
    /// Imbalance counts where a broker uses more than the floor.
    pub(crate) resources_above_floor: Vec<&'static str>,
    pub(crate) bytes_moved: u64,
    pub(crate) bytes_lower_bound: u64,
    pub(crate) leadership_changes: usize,
    pub(crate) replica_moves: usize,
    pub(crate) produce_p50_ms_before: f64,
    pub(crate) produce_p50_ms_during: f64,
    pub(crate) produce_p99_ms_before: f64,
    pub(crate) produce_p99_ms_during: f64,
    pub(crate) records_acked: u64,
    pub(crate) records_lost: u64,
    pub(crate) lost_samples: Vec<RecordName>,
    pub(crate) records_duplicated: u64,
    /// 95 % of the sidecars' windows are closer than this to what the producers counted; 0.05 is 5 %.
    pub(crate) rate_error_p95: Option<f64>,
    pub(crate) rate_windows_compared: usize,
    pub(crate) throttles_left: usize,
    pub(crate) reassignments_left: usize,
    pub(crate) hot_left: usize,
    /// The greatest of the sidecars beside brokers, at its peak.
    pub(crate) sidecar_rss_mb: f64,
    pub(crate) balancer_rss_mb: f64,
    pub(crate) expectations: Vec<Expectation>,
}

/// Imbalance as it follows from what clients count.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct CountedImbalance {
    pub(crate) bytes_in: f64,
    pub(crate) bytes_out: f64,
}

impl From<&Traffic> for CountedImbalance {
    fn from(traffic: &Traffic) -> Self {
        Self {
            bytes_in: traffic.imbalance_in(),
            bytes_out: traffic.imbalance_out(),
        }
    }
}

/// Everything that a summary is made of.
pub(crate) struct Measured<'a> {
    pub(crate) hot_partition: String,
    pub(crate) warm_up: &'a WarmUp,
    pub(crate) cooling: &'a Cooling,
    pub(crate) resources_above_floor: Vec<&'static str>,
    pub(crate) errors: &'a RateErrors,
    pub(crate) leftovers: Leftovers,
    pub(crate) witness: &'a WitnessReport,
    pub(crate) sidecar_rss_mb: f64,
    pub(crate) balancer_rss_mb: f64,
}

impl Summary {
    /// The figures, without judgement yet.
    pub(crate) fn new(measured: Measured<'_>) -> Self {
        let (warm_up, cooling) = (measured.warm_up, measured.cooling);
        let plans: Vec<&FinishedPlan> = cooling.end.plans_since(cooling.shifted_ms).collect();
        let after_shift = |at: u64| seconds(cooling.shifted_ms, at);
        let named = cooling.named.as_ref();
        let hot = &cooling.end.hot;
        Self {
            passed: false,
            hot_partition: measured.hot_partition,
            cause: named.map(|named| named.cause.clone()),
            verdict: named.map(|named| named.verdict.clone()),
            detect_seconds: named.map(|named| after_shift(named.seen_ms)),
            act_seconds: named
                .zip(cooling.first_change_ms)
                .map(|(named, change)| seconds(named.seen_ms, change)),
            settle_seconds: cooling.settled_ms.map(after_shift),
            imbalance_start: warm_up.balance.reported,
            imbalance_before: cooling.hot.reported,
            imbalance_after: cooling.after.reported,
            counted_imbalance_start: (&warm_up.balance.counted).into(),
            counted_imbalance_before: (&cooling.hot.counted).into(),
            counted_imbalance_after: (&cooling.after.counted).into(),
            resources_above_floor: measured.resources_above_floor,
            bytes_moved: plans.iter().map(|plan| plan.bytes).sum(),
            bytes_lower_bound: plans.iter().map(|plan| plan.bytes_lower_bound).sum(),
            leadership_changes: plans.iter().map(|plan| plan.leadership_changes).sum(),
            replica_moves: plans.iter().map(|plan| plan.replica_moves).sum(),
            produce_p50_ms_before: milliseconds(&warm_up.latencies, 0.5),
            produce_p50_ms_during: milliseconds(&cooling.latencies, 0.5),
            produce_p99_ms_before: milliseconds(&warm_up.latencies, 0.99),
            produce_p99_ms_during: milliseconds(&cooling.latencies, 0.99),
            records_acked: measured.witness.acknowledged,
            records_lost: measured.witness.lost,
            lost_samples: measured.witness.lost_samples.clone(),
            records_duplicated: measured.witness.duplicated,
            rate_error_p95: measured.errors.p95(),
            rate_windows_compared: measured.errors.count(),
            throttles_left: measured.leftovers.throttles,
            reassignments_left: measured.leftovers.reassignments,
            hot_left: hot.brokers.len() + hot.partitions.len(),
            sidecar_rss_mb: measured.sidecar_rss_mb,
            balancer_rss_mb: measured.balancer_rss_mb,
            expectations: Vec::new(),
        }
    }

    /// With the judgement.
    pub(crate) fn judged(mut self, expectations: Vec<Expectation>) -> Self {
        self.passed = expectations.iter().all(|expectation| expectation.holds);
        self.expectations = expectations;
        self
    }

    /// Writes it as JSON.
    pub(crate) fn write(&self, file: &Path) -> io::Result<()> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(file, serde_json::to_vec_pretty(self)?)
    }
}
