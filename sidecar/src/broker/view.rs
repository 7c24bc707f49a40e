//! What readers see of a broker.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use kafka::{BrokerId, TopicPartition};
use tokio::sync::watch;

use super::families::{Leading, write_volumes};
use crate::clock::Clock;
use crate::config::{BrokerConfig, MetricsConfig};
use crate::derivation::{STALE_INTERVALS, Taken};
use crate::exposition::{Encoding, Families, Format, Grain, Kind, Text};
use crate::health::Health;
use crate::logs::LogReading;
use crate::rates::PartitionRates;
use crate::report::LoadReport;
use crate::server::{NoReport, Served};

/// What is known after a sample.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    pub(super) health: Health,
    pub(super) families: Option<Taken<Families>>,
    pub(super) logs: Option<Taken<LogReading>>,
    pub(super) load: Option<Taken<Load>>,
    /// The partitions that have series of their own, where only the busiest have.
    pub(super) busiest: Arc<BTreeSet<TopicPartition>>,
}

/// What was derived from two samples.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) report: Arc<LoadReport>,
    pub(super) rates: PartitionRates,
}

/// What readers see: the last snapshot, without what is too old.
#[derive(Debug)]
pub struct BrokerView {
    broker: BrokerId,
    clock: Clock,
    stale_after: Duration,
    metrics: MetricsConfig,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl BrokerView {
    pub(super) fn new(
        config: &BrokerConfig,
        clock: Clock,
        snapshots: watch::Receiver<Arc<Snapshot>>,
    ) -> Self {
        Self {
            broker: config.broker,
            clock,
            stale_after: config.interval * STALE_INTERVALS,
            metrics: config.metrics.clone(),
            snapshots,
        }
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    fn fresh<'a, T>(&self, taken: &'a Option<Taken<T>>) -> Option<&'a T> {
        let taken = taken.as_ref()?;
        let age = self.clock.now().saturating_sub(taken.at);
        (age <= self.stale_after).then_some(taken.reading.as_ref())
    }
}

impl Served for BrokerView {
    const REPORT_PATH: &'static str = "/v1/load";
    type Report = LoadReport;

    fn metrics(&self, format: Format, encoding: Encoding) -> Vec<Bytes> {
        let snapshot = self.snapshot();
        let mut text = Text::new(format, encoding, &self.metrics);
        snapshot.health.write(&mut text);
        if let Some(families) = self.fresh(&snapshot.families) {
            families.write(&mut text, |topic| self.metrics.topics.takes(topic));
        }
        let leading = Leading {
            broker: self.broker,
            topics: &self.metrics.topics,
            grain: Grain::new(self.metrics.granularity, &snapshot.busiest),
        };
        if let Some(logs) = self.fresh(&snapshot.logs) {
            write_volumes(&mut text, logs);
            leading.write_logs(&mut text, logs);
        }
        if let Some(load) = self.fresh(&snapshot.load) {
            let window = f64::from(load.report.window_ms) / 1e3;
            let help = "Time between the two samples that rates are derived from.";
            text.single("kafka_sidecar_window_seconds", Kind::Gauge, help, Some(window));
            leading.write_rates(&mut text, &load.rates);
        }
        text.finish()
    }

    fn report(&self) -> Result<Arc<LoadReport>, NoReport> {
        let snapshot = self.snapshot();
        if let Some(load) = self.fresh(&snapshot.load) {
            return Ok(Arc::clone(&load.report));
        }
        let began = match &snapshot.load {
            None => "there is no report yet: rates need two samples".to_owned(),
            Some(load) => {
                let age = self.clock.now().saturating_sub(load.at).as_secs();
                format!("the last report is {age} s old, too old to say anything about now")
            }
        };
        let states = snapshot.health.states();
        let failures = states
            .iter()
            .filter_map(|(source, state)| Some(format!("; {source:?}: {}", state.error.as_ref()?)));
        Err(NoReport {
            error: std::iter::once(began).chain(failures).collect(),
        })
    }

    fn was_ready(&self) -> bool {
        self.snapshot().load.is_some()
    }
}
