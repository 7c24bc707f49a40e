//! The families of what a broker leads. Their names are those of kafka_exporter and of Kafka's MBeans for partitions, where
//! these have such a figure; the others are this program's own.

use kafka::{BrokerId, TopicPartition};

use crate::exposition::{Figure, Grain, Kind, Text};
use crate::logs::{Led, LogReading, Replica};
use crate::rates::{PartitionRate, PartitionRates};
use crate::report::Volume;
use crate::selection::Selection;

/// What is written of the partitions that a broker leads; what it follows its leaders export.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leading<'a> {
    pub(super) broker: BrokerId,
    pub(super) topics: &'a Selection,
    pub(super) grain: Grain<'a>,
}

/// Writes the families of log directories.
pub(super) fn write_volumes(text: &mut Text, logs: &LogReading) {
    let mut each = |name, help, value: fn(&Volume) -> Option<u64>| {
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

/// A family of logs: its name, its help, and the figure of one.
type OfLog = (&'static str, &'static str, fn(&Replica, &Led) -> Option<f64>);

const OF_LOGS: [OfLog; 12] = [
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

/// A family of rates: its name, its help, and the figure of one.
type OfRate = (&'static str, &'static str, fn(&PartitionRate) -> Figure);

const OF_RATES: [OfRate; 3] = [
    (
        "kafka_sidecar_partition_bytes_in_per_second",
        "Bytes per second from producers. Confidence: exact, weighted (the topic's exact total by measured weights) or even.",
        |rate| Figure {
            value: rate.bytes_in,
            confidence: Some(rate.bytes_in_confidence),
        },
    ),
    (
        "kafka_sidecar_partition_bytes_out_per_second",
        "Bytes per second to consumers, replication not counted. Confidence as for bytes in.",
        |rate| Figure {
            value: rate.bytes_out,
            confidence: Some(rate.bytes_out_confidence),
        },
    ),
    (
        "kafka_sidecar_partition_records_in_per_second",
        "Records per second from producers.",
        |rate| rate.records_in.into(),
    ),
];

impl Leading<'_> {
    fn takes(&self, partition: &TopicPartition) -> bool {
        self.topics.takes(partition.topic.as_str())
    }

    /// Writes what is known of logs.
    pub(super) fn write_logs(&self, text: &mut Text, logs: &LogReading) {
        let counts = logs.partition_counts.iter();
        let mut family = text.family("kafka_topic_partitions", Kind::Gauge, "Partitions of the topic.");
        for (topic, count) in counts.filter(|(topic, _)| self.topics.takes(topic.as_str())) {
            family.series(&[("topic", topic.as_str())], f64::from(*count));
        }
        let replicas = logs.replicas.iter();
        let led =
            replicas.filter_map(|(partition, replica)| Some((partition, replica, replica.led.as_ref()?)));
        let led: Vec<_> = led.filter(|(partition, ..)| self.takes(partition)).collect();
        for (name, help, value) in OF_LOGS {
            let figures = led
                .iter()
                .filter_map(|(partition, replica, led)| Some((*partition, value(replica, led)?.into())));
            self.grain
                .write(&mut text.family(name, Kind::Gauge, help), figures);
        }
        let help =
            "Partitions led, whether exported or not, with fewer replicas in sync than min.insync.replicas.";
        let name = "kafka_sidecar_partitions_under_min_isr";
        text.single(
            name,
            Kind::Gauge,
            help,
            logs.under_minimum().map(|count| count as f64),
        );
        // Ids have no sum.
        if !matches!(self.grain, Grain::Topics) {
            let help = "The id of the leading broker.";
            let mut family = text.family("kafka_topic_partition_leader", Kind::Gauge, help);
            let figures = led
                .iter()
                .map(|(partition, ..)| (*partition, f64::from(self.broker.get()).into()));
            self.grain.write(&mut family, figures);
        }
    }

    /// Writes the derived rates.
    pub(super) fn write_rates(&self, text: &mut Text, rates: &PartitionRates) {
        for (name, help, figure) in OF_RATES {
            let figures = rates.iter().filter(|(partition, _)| self.takes(partition));
            let figures = figures.map(|(partition, rate)| (partition, figure(rate)));
            self.grain
                .write(&mut text.family(name, Kind::Gauge, help), figures);
        }
    }
}
