//! What was measured, for people and for whoever compares runs.

use std::path::Path;

use e2e::scene::{Outcome, say};
use serde::{Deserialize, Serialize};

/// How much longer the 99th percentile of producers' latencies may be while copies are made.
const RATIO: f64 = 1.5;

/// Milliseconds that it may be longer whatever it was before: a collection of garbage in one of several brokers that share
/// two cores takes as long.
const ALLOWANCE_MS: f64 = 5.0;

/// Producers' latencies in milliseconds over some time.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) seconds: f64,
    /// Bytes per second that were copied.
    pub(crate) copied: f64,
}

/// What came of one test.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    /// What is near its limit.
    pub(crate) limit: String,
    pub(crate) before: Latency,
    pub(crate) during: Latency,
    /// During copies that nobody throttles.
    pub(crate) uncontrolled: Latency,
}

impl Row {
    /// Shows it, puts it in the place of what an earlier run recorded, and says whether producers have noticed too much.
    pub(crate) fn judge(&self) -> Outcome {
        self.show()?;
        self.record()?;
        let bound = RATIO * self.before.p99_ms + ALLOWANCE_MS;
        assert!(
            self.uncontrolled.p99_ms > bound,
            "producers do not notice copies that nobody throttles, so that this proves nothing: {self:?}"
        );
        assert!(self.during.p99_ms <= bound, "producers notice copies: {self:?}");
        Ok(())
    }

    fn show(&self) -> Outcome {
        say(&format!(
            "{:>14} {:>8} {:>8} {:>8} {:>12} {:>8}",
            self.limit, "p50 ms", "p99 ms", "/ before", "copied MB/s", "seconds"
        ))?;
        let rows = [
            ("before", self.before),
            ("during", self.during),
            ("uncontrolled", self.uncontrolled),
        ];
        for (name, latency) in rows {
            say(&format!(
                "{name:>14} {:>8.1} {:>8.1} {:>8.2} {:>12.2} {:>8.0}",
                latency.p50_ms,
                latency.p99_ms,
                latency.p99_ms / self.before.p99_ms,
                latency.copied / 1e6,
                latency.seconds
            ))?;
        }
        Ok(())
    }

    fn record(&self) -> Outcome {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/e2e");
        std::fs::create_dir_all(&folder)?;
        let file = folder.join("limits.json");
        let before = std::fs::read(&file).unwrap_or_default();
        let mut rows: Vec<Self> = serde_json::from_slice(&before).unwrap_or_default();
        rows.retain(|old| old.limit != self.limit);
        rows.push(self.clone());
        Ok(std::fs::write(file, serde_json::to_vec_pretty(&rows)?)?)
    }
}
