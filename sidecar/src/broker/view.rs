//! What readers see of a broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kafka::TopicPartition;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::{BrokerConfig, Granularity, MetricsConfig};
use crate::derivation::{STALE_INTERVALS, Taken};
use crate::exposition::{Families, Kind, Text};
use crate::health::Health;
use crate::logs::{Led, LogReading, Replica};
use crate::rates::{PartitionRate, PartitionRates};
use crate::report::{Confidence, LoadReport};
use crate::server::{NoReport, Served};

/// What is known after a sample.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    pub(super) health: Health,
    pub(super) families: Option<Taken<Families>>,
    pub(super) logs: Option<Taken<LogReading>>,
    pub(super) load: Option<Taken<Load>>,
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
    clock: Clock,
    stale_after: Duration,
    metrics: MetricsConfig,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    last_length: AtomicUsize,
}

impl BrokerView {
    pub(super) fn new(
        config: &BrokerConfig,
        clock: Clock,
        snapshots: watch::Receiver<Arc<Snapshot>>,
    ) -> Self {
        Self {
            clock,
            stale_after: config.interval * STALE_INTERVALS,
            metrics: config.metrics.clone(),
            snapshots,
            last_length: AtomicUsize::new(0),
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

    fn takes(&self, topic: &str) -> bool {
        self.metrics.topics.takes(topic)
    }
}

impl Served for BrokerView {
    const REPORT_PATH: &'static str = "/v1/load";
    type Report = LoadReport;

    fn metrics(&self) -> String {
        let snapshot = self.snapshot();
        let length = self.last_length.load(Ordering::Relaxed);
        let mut text = Text::new(self.metrics.series_per_family as usize, length);
        snapshot.health.write(&mut text);
        if let Some(families) = self.fresh(&snapshot.families) {
            families.write(&mut text, |topic| self.takes(topic));
        }
        let by_partition = self.metrics.granularity == Granularity::Partition;
        if let Some(logs) = self.fresh(&snapshot.logs) {
            write_volumes(&mut text, logs);
            write_partition_counts(&mut text, logs, |topic| self.takes(topic));
            if by_partition {
                write_logs(&mut text, logs, |topic| self.takes(topic));
            }
        }
        if let Some(load) = self.fresh(&snapshot.load) {
            let window = f64::from(load.report.window_ms) / 1e3;
            let help = "Time between the two samples that rates are derived from.";
            text.single("kafka_sidecar_window_seconds", Kind::Gauge, help, Some(window));
            if by_partition {
                write_rates(&mut text, &load.rates, |topic| self.takes(topic));
            }
        }
        let text = text.finish();
        self.last_length.store(text.len(), Ordering::Relaxed);
        text
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

fn write_volumes(text: &mut Text, logs: &LogReading) {
    let mut each = |name, help, value: fn(&crate::report::Volume) -> Option<u64>| {
        let mut family = text.family(name, Kind::Gauge, help);
        for volume in &logs.volumes {
            if let Some(value) = value(volume) {
                family.series(&[("path", &volume.path)], value as f64);
            }
        }
    };
    let help = "Bytes that the replicas in the log directory take.";
    each("kafka_sidecar_log_dir_used_bytes", help, |volume| {
        Some(volume.used_bytes)
    });
    let help = "Size of the log directory's volume.";
    each("kafka_sidecar_log_dir_total_bytes", help, |volume| {
        volume.total_bytes
    });
    let help = "Usable bytes on the log directory's volume.";
    each("kafka_sidecar_log_dir_usable_bytes", help, |volume| {
        volume.usable_bytes
    });
}

fn write_partition_counts(text: &mut Text, logs: &LogReading, takes: impl Fn(&str) -> bool) {
    let mut family = text.family("kafka_topic_partitions", Kind::Gauge, "Partitions of the topic.");
    for (topic, count) in logs
        .partition_counts
        .iter()
        .filter(|(topic, _)| takes(topic.as_str()))
    {
        family.series(&[("topic", topic.as_str())], f64::from(*count));
    }
}

/// Writes what the broker knows of the partitions that it leads; what it follows its leaders export.
fn write_logs(text: &mut Text, logs: &LogReading, takes: impl Fn(&str) -> bool) {
    type Value = fn(&Replica, &Led) -> Option<f64>;
    let families: [(&str, &str, Value); 12] = [
        (
            "kafka_log_log_size",
            "Size of the leader's log in bytes.",
            |replica, _| Some(replica.size as f64),
        ),
        ("kafka_log_log_logstartoffset", "First offset kept.", |_, led| {
            Some(led.span?.start as f64)
        }),
        (
            "kafka_log_log_logendoffset",
            "Offset after the last record that consumers see.",
            |_, led| Some(led.span?.end as f64),
        ),
        (
            "kafka_topic_partition_current_offset",
            "Offset after the last record that consumers see.",
            |_, led| Some(led.span?.end as f64),
        ),
        (
            "kafka_topic_partition_oldest_offset",
            "First offset kept.",
            |_, led| Some(led.span?.start as f64),
        ),
        ("kafka_topic_partition_replicas", "Replicas.", |_, led| {
            Some(led.replicas.into())
        }),
        (
            "kafka_topic_partition_in_sync_replica",
            "Replicas in sync.",
            |_, led| Some(led.in_sync.into()),
        ),
        (
            "kafka_topic_partition_under_replicated_partition",
            "1 where replicas are out of sync.",
            |_, led| Some((led.in_sync < led.replicas).into()),
        ),
        (
            "kafka_topic_partition_leader_is_preferred",
            "1 where the preferred replica leads.",
            |_, led| led.preferred.map(f64::from),
        ),
        (
            "kafka_cluster_partition_underminisr",
            "1 where fewer replicas are in sync than min.insync.replicas.",
            |_, led| Some(f64::from(led.against_minimum?.is_lt())),
        ),
        (
            "kafka_cluster_partition_atminisr",
            "1 where just as many replicas are in sync as min.insync.replicas.",
            |_, led| Some(f64::from(led.against_minimum?.is_eq())),
        ),
        ("kafka_cluster_partition_replicascount", "Replicas.", |_, led| {
            Some(led.replicas.into())
        }),
    ];
    for (name, help, value) in families {
        let mut family = text.family(name, Kind::Gauge, help);
        for (partition, replica) in &logs.replicas {
            let Some(led) = replica.led.as_ref().filter(|_| takes(partition.topic.as_str())) else {
                continue;
            };
            if let Some(value) = value(replica, led) {
                let number = partition.partition.to_string();
                family.series(
                    &[("topic", partition.topic.as_str()), ("partition", &number)],
                    value,
                );
            }
        }
    }
}

/// Writes the derived rates.
fn write_rates(text: &mut Text, rates: &PartitionRates, takes: impl Fn(&str) -> bool) {
    let mut each = |name, help, value: fn(&PartitionRate) -> (f64, Option<Confidence>)| {
        let mut family = text.family(name, Kind::Gauge, help);
        let taken = rates
            .iter()
            .filter(|(partition, _)| takes(partition.topic.as_str()));
        for (TopicPartition { topic, partition }, rate) in taken {
            let number = partition.to_string();
            let labels = [("topic", topic.as_str()), ("partition", number.as_str())];
            match value(rate) {
                (value, Some(confidence)) => {
                    let [topic, partition] = labels;
                    family.series(&[topic, partition, ("confidence", word(confidence))], value);
                }
                (value, None) => family.series(&labels, value),
            }
        }
    };
    each(
        "kafka_sidecar_partition_bytes_in_per_second",
        "Bytes per second from producers. Confidence: exact, weighted (the topic's exact total by measured weights) or even.",
        |rate| (rate.bytes_in, Some(rate.bytes_in_confidence)),
    );
    each(
        "kafka_sidecar_partition_bytes_out_per_second",
        "Bytes per second to consumers, replication not counted. Confidence as for bytes in.",
        |rate| (rate.bytes_out, Some(rate.bytes_out_confidence)),
    );
    each(
        "kafka_sidecar_partition_records_in_per_second",
        "Records per second from producers.",
        |rate| (rate.records_in, None),
    );
}

fn word(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Even => "even",
        Confidence::Weighted => "weighted",
        Confidence::Exact => "exact",
    }
}
