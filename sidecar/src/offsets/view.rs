//! What readers see of groups.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kafka::{GroupId, TopicName, TopicPartition};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::{Granularity, MetricsConfig, OffsetsConfig};
use crate::consumption::Offsets;
use crate::derivation::{STALE_INTERVALS, Taken};
use crate::exposition::{Kind, Text};
use crate::health::Health;
use crate::logs::Span;
use crate::report::ConsumptionReport;
use crate::server::{NoReport, Served};

/// What is known after a sample.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    pub(super) health: Health,
    pub(super) positions: Option<Taken<Positions>>,
    pub(super) report: Option<Taken<ConsumptionReport>>,
}

/// Where groups and partitions are.
#[derive(Debug)]
pub(super) struct Positions {
    pub(super) brokers: usize,
    pub(super) committed: BTreeMap<GroupId, Offsets>,
    pub(super) spans: BTreeMap<TopicPartition, Span>,
}

/// What readers see: the last snapshot, without what is too old.
#[derive(Debug)]
pub struct OffsetsView {
    clock: Clock,
    stale_after: Duration,
    metrics: MetricsConfig,
    export_partitions: bool,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    last_length: AtomicUsize,
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
            export_partitions: config.export_partitions,
            snapshots,
            last_length: AtomicUsize::new(0),
        }
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    fn is_fresh<T>(&self, taken: &Taken<T>) -> bool {
        self.clock.now().saturating_sub(taken.at) <= self.stale_after
    }

    fn takes(&self, topic: &TopicName) -> bool {
        self.metrics.topics.takes(topic.as_str())
    }

    fn write_positions(&self, text: &mut Text, positions: &Positions) {
        let brokers = Some(positions.brokers as f64);
        text.single("kafka_brokers", Kind::Gauge, "Brokers that are alive.", brokers);
        if self.metrics.granularity == Granularity::Partition {
            self.write_groups(text, positions);
        }
        self.write_group_sums(text, positions);
        if self.export_partitions {
            self.write_partitions(text, &positions.spans);
        }
    }

    fn write_groups(&self, text: &mut Text, positions: &Positions) {
        type Value = fn(i64, Option<&Span>) -> Option<f64>;
        let families: [(&str, &str, Value); 2] = [
            (
                "kafka_consumergroup_current_offset",
                "Offset that the group committed.",
                |offset, _| Some(offset as f64),
            ),
            (
                "kafka_consumergroup_lag",
                "Records that the group has not committed yet.",
                |offset, span| Some(lag(offset, *span?)),
            ),
        ];
        for (name, help, value) in families {
            let mut family = text.family(name, Kind::Gauge, help);
            for (group, offsets) in &positions.committed {
                for (partition, offset) in offsets
                    .iter()
                    .filter(|(partition, _)| self.takes(&partition.topic))
                {
                    if let Some(value) = value(*offset, positions.spans.get(partition)) {
                        let (topic, number) = (partition.topic.as_str(), partition.partition.to_string());
                        let labels = [
                            ("consumergroup", group.as_str()),
                            ("topic", topic),
                            ("partition", &number),
                        ];
                        family.series(&labels, value);
                    }
                }
            }
        }
    }

    fn write_group_sums(&self, text: &mut Text, positions: &Positions) {
        let mut sums: BTreeMap<(&GroupId, &TopicName), (f64, f64)> = BTreeMap::new();
        for (group, offsets) in &positions.committed {
            for (partition, offset) in offsets
                .iter()
                .filter(|(partition, _)| self.takes(&partition.topic))
            {
                let (offsets, lags) = sums.entry((group, &partition.topic)).or_default();
                *offsets += *offset as f64;
                *lags += positions
                    .spans
                    .get(partition)
                    .map_or(0.0, |span| lag(*offset, *span));
            }
        }
        type Value = fn(&(f64, f64)) -> f64;
        let families: [(&str, &str, Value); 2] = [
            (
                "kafka_consumergroup_current_offset_sum",
                "Sum over the topic's partitions.",
                |sums| sums.0,
            ),
            (
                "kafka_consumergroup_lag_sum",
                "Sum over the topic's partitions.",
                |sums| sums.1,
            ),
        ];
        for (name, help, value) in families {
            let mut family = text.family(name, Kind::Gauge, help);
            for ((group, topic), sums) in &sums {
                family.series(
                    &[("consumergroup", group.as_str()), ("topic", topic.as_str())],
                    value(sums),
                );
            }
        }
    }

    fn write_partitions(&self, text: &mut Text, spans: &BTreeMap<TopicPartition, Span>) {
        type Value = fn(&Span) -> i64;
        let families: [(&str, &str, Value); 2] = [
            (
                "kafka_topic_partition_current_offset",
                "Offset after the last record that consumers see.",
                |span| span.end,
            ),
            (
                "kafka_topic_partition_oldest_offset",
                "First offset kept.",
                |span| span.start,
            ),
        ];
        for (name, help, value) in families {
            let mut family = text.family(name, Kind::Gauge, help);
            for (partition, span) in spans.iter().filter(|(partition, _)| self.takes(&partition.topic)) {
                let number = partition.partition.to_string();
                let labels = [
                    ("topic", partition.topic.as_str()),
                    ("partition", number.as_str()),
                ];
                family.series(&labels, value(span) as f64);
            }
        }
    }
}

/// Records that are not committed yet. The end may have been read before the commit, then there are none.
fn lag(offset: i64, span: Span) -> f64 {
    span.end.saturating_sub(offset).max(0) as f64
}

impl Served for OffsetsView {
    const REPORT_PATH: &'static str = "/v1/consumption";
    type Report = ConsumptionReport;

    fn metrics(&self) -> String {
        let snapshot = self.snapshot();
        let length = self.last_length.load(Ordering::Relaxed);
        let mut text = Text::new(self.metrics.series_per_family as usize, length);
        snapshot.health.write(&mut text);
        if let Some(positions) = snapshot.positions.as_ref().filter(|taken| self.is_fresh(taken)) {
            self.write_positions(&mut text, &positions.reading);
        }
        let text = text.finish();
        self.last_length.store(text.len(), Ordering::Relaxed);
        text
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
