//! Per-partition rates, which Kafka does not have: derived from what it has.
//!
//! Kafka counts bytes by topic and broker, exactly. Its logs tell by how much each partition grew. So the bytes that
//! a partition's log grew by, or its new records at its usual bytes per record where segments were deleted or cleaned in
//! between, are weights; the weights of a topic's leaders on the broker are scaled to the topic's exact count. For
//! consumers the weights are what was written, once for each group that has caught up with it. Where weights do not add up
//! to what was counted, they are no measurement, and the figures say so; then those of consumers are the records by which
//! groups advanced, which commits tell late and in lumps, or where nobody commits what was written.

mod growth;
mod leaders;

use std::collections::{BTreeMap, BTreeSet};

use kafka::{TopicName, TopicPartition};

use crate::consumption::Consumption;
use crate::logs::LogReading;
use crate::report::Confidence;
use crate::totals::TopicTraffic;
use crate::window::Window;
use growth::Growth;
use leaders::Leaders;

/// What a partition carries, as its leader knows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PartitionRate {
    /// Bytes per second from producers.
    pub bytes_in: f64,
    /// How sure that is.
    pub bytes_in_confidence: Confidence,
    /// Bytes per second to consumers.
    pub bytes_out: f64,
    /// How sure that is.
    pub bytes_out_confidence: Confidence,
    /// Records per second from producers.
    pub records_in: f64,
    /// The usual size of a record, batch overhead and compression included; none while unknown.
    pub record_size: Option<RecordSize>,
}

/// Bytes per record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RecordSize {
    /// Of records that were seen to be written.
    Learnt(f64),
    /// Of all that the log holds, over all offsets that it spans; too little for a compacted log, whose offsets have gaps.
    Assumed(f64),
}

impl RecordSize {
    /// The bytes.
    pub fn bytes(self) -> f64 {
        let (Self::Learnt(bytes) | Self::Assumed(bytes)) = self;
        bytes
    }

    fn is_learnt(self) -> bool {
        matches!(self, Self::Learnt(_))
    }
}

/// The rates of the partitions that a broker leads.
pub type PartitionRates = BTreeMap<TopicPartition, PartitionRate>;

/// What rates are derived from.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// The logs before and after.
    pub logs: Window<'a, LogReading>,
    /// Each topic's exact traffic, where it is known.
    pub traffic: Option<&'a BTreeMap<TopicName, TopicTraffic>>,
    /// Whether `traffic` is of the same window as `logs`; what is not cannot be exact.
    pub same_window: bool,
    /// How groups consume each partition, where it is known.
    pub consumed: Option<&'a BTreeMap<TopicPartition, Consumption>>,
    /// The rates derived last, for what was learnt with them.
    pub last: &'a PartitionRates,
}

/// Derives the rate of each partition that the broker leads at the window's end.
pub fn derive(evidence: Evidence<'_>) -> PartitionRates {
    let departed = departed(evidence.logs);
    let followed = followed(evidence.logs.after);
    let mut rates = PartitionRates::new();
    let led: Vec<(&TopicPartition, Growth)> = evidence
        .logs
        .after
        .replicas
        .iter()
        .filter(|(_, replica)| replica.led.is_some())
        .map(|(partition, replica)| (partition, Growth::of(evidence, partition, replica)))
        .collect();
    for of_topic in led.chunk_by(|(a, _), (b, _)| a.topic == b.topic) {
        let topic = &of_topic[0].0.topic;
        let leaders = Leaders {
            growths: of_topic.iter().map(|(_, growth)| *growth).collect(),
            departed: departed.get(topic).copied().unwrap_or(0),
            same_window: evidence.same_window,
            others_count: match followed.contains(topic) {
                true => evidence.logs.after.followers_serve,
                false => Some(false),
            },
            rewritten: evidence.logs.after.rewritten.contains(topic),
        };
        let partitions: Vec<&TopicPartition> = of_topic.iter().map(|(partition, _)| *partition).collect();
        derive_topic(evidence, topic, &partitions, leaders, &mut rates);
    }
    rates
}

fn derive_topic(
    evidence: Evidence<'_>,
    topic: &TopicName,
    partitions: &[&TopicPartition],
    mut leaders: Leaders,
    rates: &mut PartitionRates,
) {
    // A topic without counters has carried nothing since the broker began to host it.
    let traffic = evidence
        .traffic
        .map(|traffic| traffic.get(topic).copied().unwrap_or_default());
    let bytes_in = leaders.bytes_in(traffic.map(|traffic| traffic.bytes_in));
    let consumption = partitions
        .iter()
        .map(|partition| evidence.consumed?.get(*partition));
    let consumption: Vec<Consumption> = consumption.map(|of| of.copied().unwrap_or_default()).collect();
    let bytes_out = leaders.bytes_out(traffic.map(|traffic| traffic.bytes_out), &consumption, &bytes_in);
    let figures = leaders.growths.iter().zip(bytes_in).zip(bytes_out);
    for (partition, ((growth, bytes_in), bytes_out)) in partitions.iter().zip(figures) {
        let rate = PartitionRate {
            bytes_in: bytes_in.rate,
            bytes_in_confidence: bytes_in.confidence,
            bytes_out: bytes_out.rate,
            bytes_out_confidence: bytes_out.confidence,
            records_in: growth.records,
            record_size: growth.record_size,
        };
        rates.insert((*partition).clone(), rate);
    }
}

/// The topics of which consumers may read partitions that the broker only follows, for all that is known.
fn followed(logs: &LogReading) -> BTreeSet<&TopicName> {
    let replicas = logs.replicas.iter();
    let replicas = replicas.filter(|_| logs.followers_serve != Some(false));
    let followed = replicas.filter(|(_, replica)| replica.led.is_none());
    followed.map(|(partition, _)| &partition.topic).collect()
}

/// How many partitions of each topic the broker led at first and does not lead any more.
fn departed<'a>(window: Window<'a, LogReading>) -> BTreeMap<&'a TopicName, usize> {
    let mut departed = BTreeMap::new();
    for (partition, before) in &window.before.replicas {
        let after = window.after.replicas.get(partition);
        let still = after.is_some_and(|after| after.led.is_some() && before.is_same_topic(after));
        if before.led.is_some() && !still {
            *departed.entry(&partition.topic).or_default() += 1;
        }
    }
    departed
}
