//! How long acknowledgements took.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Latencies from a producer's `send` to the acknowledgement, waiting for room in the producer's buffer
/// included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latencies {
    /// Those since the last time that somebody asked.
    pub since_last: HistogramWindow,
    /// All.
    pub overall: HistogramWindow,
}

/// Quantiles in milliseconds; all 0 when there was no acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct HistogramWindow {
    /// How many acknowledgements.
    pub count: u64,
    /// The median.
    pub p50_ms: f64,
    /// 99 % were at least as quick.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

/// Microseconds up to ten minutes, at a relative error of 1 %.
pub(crate) type Recorder = Histogram<u64>;

const MAX_MICROS: u64 = 600_000_000;

pub(crate) fn recorder() -> Result<Recorder, hdrhistogram::CreationError> {
    Histogram::new_with_bounds(1, MAX_MICROS, 2)
}

pub(crate) fn record(recorder: &mut Recorder, latency: Duration) {
    recorder.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(MAX_MICROS));
}

impl From<&Recorder> for HistogramWindow {
    fn from(recorder: &Recorder) -> Self {
        let quantile = |q| recorder.value_at_quantile(q) as f64 / 1e3;
        Self {
            count: recorder.len(),
            p50_ms: quantile(0.5),
            p99_ms: quantile(0.99),
            max_ms: recorder.max() as f64 / 1e3,
        }
    }
}
