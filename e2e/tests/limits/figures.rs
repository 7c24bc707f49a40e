//! What was measured, for people and for whoever compares runs.

use std::path::Path;

use e2e::scene::{Outcome, say};
use serde::{Deserialize, Serialize};

/// How much longer the 99th percentile of producers' latencies may be while copies are made.
const RATIO: f64 = 1.5;

/// Producers' latencies in milliseconds over some time, and what was done meanwhile.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Window {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) seconds: f64,
    /// Bytes that were copied.
    pub(crate) copied: f64,
    /// What the busiest disk or cable carried, as a part of what it can.
    pub(crate) utilisation: f64,
}

/// What came of one test.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    /// What is near its limit.
    pub(crate) limit: String,
    pub(crate) before: Window,
    pub(crate) during: Window,
    /// During copies that nobody throttles: how much producers depend on them at all.
    pub(crate) uncontrolled: Window,
    /// Of the 99th percentiles.
    pub(crate) during_over_before: f64,
    pub(crate) uncontrolled_over_before: f64,
}

impl Row {
    pub(crate) fn new(limit: &str, before: Window, during: Window, uncontrolled: Window) -> Self {
        Self {
            limit: limit.to_owned(),
            before,
            during,
            uncontrolled,
            during_over_before: during.p99_ms / before.p99_ms,
            uncontrolled_over_before: uncontrolled.p99_ms / before.p99_ms,
        }
    }

    /// Shows it, puts it in the place of what an earlier run recorded, and says whether producers have noticed too much.
    pub(crate) fn judge(&self) -> Outcome {
        self.show()?;
        self.record()?;
        assert!(
            self.during_over_before <= RATIO,
            "producers notice copies: {self:?}"
        );
        Ok(())
    }

    fn show(&self) -> Outcome {
        say(&format!(
            "{:>14} {:>8} {:>8} {:>8} {:>6} {:>12} {:>8}",
            self.limit, "p50 ms", "p99 ms", "/ before", "used", "copied MB/s", "seconds"
        ))?;
        let rows = [
            ("before", self.before),
            ("during", self.during),
            ("uncontrolled", self.uncontrolled),
        ];
        for (name, window) in rows {
            say(&format!(
                "{name:>14} {:>8.1} {:>8.1} {:>8.2} {:>5.0}% {:>12.2} {:>8.0}",
                window.p50_ms,
                window.p99_ms,
                window.p99_ms / self.before.p99_ms,
                100.0 * window.utilisation,
                window.copied / window.seconds / 1e6,
                window.seconds
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
