//! What readers see of groups.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::watch;

use super::exposure::Positions;
use super::families;
use crate::clock::Clock;
use crate::config::{MetricsConfig, OffsetsConfig};
use crate::derivation::{STALE_INTERVALS, Taken};
use crate::exposition::{Encoding, Format, Text};
use crate::health::Health;
use crate::report::ConsumptionReport;
use crate::server::{NoReport, Served};

/// What is known after a sample.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    pub(super) health: Health,
    pub(super) positions: Option<Taken<Positions>>,
    pub(super) report: Option<Taken<ConsumptionReport>>,
}

/// What readers see: the last snapshot, without what is too old.
#[derive(Debug)]
pub struct OffsetsView {
    clock: Clock,
    stale_after: Duration,
    metrics: MetricsConfig,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl OffsetsView {
    pub(super) fn new(
        config: &OffsetsConfig,
        clock: Clock,
        snapshots: watch::Receiver<Arc<Snapshot>>,
    ) -> Self {
        Self {
            clock,
            stale_after: config.interval * STALE_INTERVALS,
            metrics: config.metrics.clone(),
            snapshots,
        }
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    fn is_fresh<T>(&self, taken: &Taken<T>) -> bool {
        self.clock.now().saturating_sub(taken.at) <= self.stale_after
    }
}

impl Served for OffsetsView {
    const REPORT_PATH: &'static str = "/v1/consumption";
    type Report = ConsumptionReport;

    fn metrics(&self, format: Format, encoding: Encoding) -> Vec<Bytes> {
        let snapshot = self.snapshot();
        let mut text = Text::new(format, encoding, &self.metrics);
        snapshot.health.write(&mut text);
        if let Some(positions) = snapshot.positions.as_ref().filter(|taken| self.is_fresh(taken)) {
            families::write(&mut text, &positions.reading, self.metrics.granularity);
        }
        text.finish()
    }

    fn report(&self) -> Result<Arc<ConsumptionReport>, NoReport> {
        let snapshot = self.snapshot();
        let reason = match &snapshot.report {
            Some(taken) if self.is_fresh(taken) => return Ok(Arc::clone(&taken.reading)),
            Some(_) => "the last report is too old to say anything about now",
            None => "there is no report yet: rates need two samples",
        };
        let states = snapshot.health.states().into_values();
        let failures = states.filter_map(|state| Some(format!("; {}", state.error?)));
        Err(NoReport {
            error: std::iter::once(reason.to_owned()).chain(failures).collect(),
        })
    }

    fn was_ready(&self) -> bool {
        self.snapshot().report.is_some()
    }
}
