//! Per-partition rates, which Kafka does not have: derived from what it has.
//!
//! Kafka counts bytes by topic and broker, exactly. Its logs tell by how much each partition grew. So the bytes that
//! a partition's log grew by, or its new records at its usual bytes per record where segments were deleted in
//! between, are weights; the weights of a topic's leaders on the broker are scaled to the topic's exact count. For
//! consumers the weights are the records by which groups advanced.

use std::collections::{BTreeMap, BTreeSet};

use kafka::{TopicName, TopicPartition};

use crate::consumption::Consumption;
use crate::logs::{LogReading, Replica};
use crate::report::Confidence;
use crate::totals::TopicTraffic;
use crate::window::Window;

/// How much of a new observation goes into the usual bytes per record.
const SMOOTHING: f64 = 0.3;

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
    /// The usual size of a record in bytes, batch overhead and compression included; none while unknown.
    pub record_size: Option<f64>,
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
    /// Records per second that consumers take of each partition, where it is known.
    pub consumed: Option<&'a BTreeMap<TopicPartition, Consumption>>,
    /// The rates derived last, for the usual record sizes in them.
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
        .map(|(partition, replica)| (partition, grown(evidence, partition, replica)))
        .collect();
    for topic in led.chunk_by(|(a, _), (b, _)| a.topic == b.topic) {
        let name = &topic[0].0.topic;
        let leaders = Leaders {
            growths: topic.iter().map(|(_, growth)| *growth).collect(),
            departed: departed.get(name).copied().unwrap_or(0),
            same_window: evidence.same_window,
            others_count: followed.contains(name),
        };
        // A topic without counters has carried nothing since the broker began to host it.
        let traffic = evidence
            .traffic
            .map(|traffic| traffic.get(name).copied().unwrap_or_default());
        let bytes_in = leaders.bytes_in(traffic.map(|traffic| traffic.bytes_in));
        let consumed: Vec<f64> = topic
            .iter()
            .map(|(partition, growth)| growth.consumed(evidence, partition))
            .collect();
        let bytes_out = leaders.bytes_out(traffic.map(|traffic| traffic.bytes_out), &consumed, &bytes_in);
        for (((partition, growth), bytes_in), bytes_out) in topic.iter().zip(bytes_in).zip(bytes_out) {
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
    rates
}

/// How much of the window the growth of a log is known for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tenure {
    /// The broker led the partition at both ends.
    Throughout,
    /// The broker followed in sync at first: its log grew as the leader's did.
    Joined,
    /// The replica is new, caught up, or its log was replaced: its growth says nothing about traffic.
    Unknown,
}

/// By how much a log grew, per second.
#[derive(Debug, Clone, Copy)]
struct Growth {
    tenure: Tenure,
    bytes: f64,
    records: f64,
    record_size: Option<f64>,
}

impl Growth {
    /// Bytes per second that groups took by their commits.
    fn consumed(&self, evidence: Evidence<'_>, partition: &TopicPartition) -> f64 {
        let records = evidence
            .consumed
            .and_then(|consumed| consumed.get(partition))
            .map(|of| of.records_per_second);
        records.unwrap_or(0.0).max(0.0) * self.record_size.unwrap_or(1.0)
    }
}

fn grown(evidence: Evidence<'_>, partition: &TopicPartition, after: &Replica) -> Growth {
    let window = evidence.logs;
    let usual = evidence.last.get(partition).and_then(|rate| rate.record_size);
    let span = after.led.and_then(|led| led.span);
    let over_all = span
        .filter(|span| span.end > span.start && after.size > 0)
        .map(|span| {
            // Wrong for compacted topics, whose offsets have gaps, so only where nothing better is known.
            after.size as f64 / (span.end - span.start) as f64
        });
    let unknown = Growth {
        tenure: Tenure::Unknown,
        bytes: 0.0,
        records: 0.0,
        record_size: usual.or(over_all),
    };
    let before = window
        .before
        .replicas
        .get(partition)
        .filter(|before| before.topic_id == after.topic_id);
    let Some(before) = before else {
        return Growth {
            record_size: over_all,
            ..unknown
        };
    };
    let bytes = after
        .size
        .checked_sub(before.size)
        .map(|bytes| bytes as f64)
        .filter(|bytes| *bytes > 0.0);
    let Some(old_led) = before.led else {
        if !before.in_sync {
            return unknown;
        }
        let bytes = bytes.unwrap_or(0.0);
        return Growth {
            tenure: Tenure::Joined,
            bytes: window.per_second(bytes),
            records: window.per_second(unknown.record_size.map_or(0.0, |size| bytes / size)),
            ..unknown
        };
    };
    let (records, nothing_deleted) = match (old_led.span, span) {
        // Offsets go back only when records were lost in an unclean election.
        (Some(old), Some(new)) => ((new.end - old.end).max(0) as f64, old.start == new.start),
        _ => (0.0, false),
    };
    let observed = bytes
        .filter(|_| nothing_deleted && records > 0.0)
        .map(|bytes| bytes / records);
    let record_size = match (usual, observed) {
        (Some(usual), Some(observed)) => Some(usual + SMOOTHING * (observed - usual)),
        (known, None) => known.or(over_all),
        (None, observed) => observed,
    };
    let bytes = match bytes {
        Some(bytes) if nothing_deleted || span.is_none() => bytes,
        _ => records * record_size.unwrap_or(0.0),
    };
    Growth {
        tenure: Tenure::Throughout,
        bytes: window.per_second(bytes),
        records: window.per_second(records),
        record_size,
    }
}

/// The topics of which consumers may read partitions that the broker only follows.
fn followed(logs: &LogReading) -> BTreeSet<&TopicName> {
    let replicas = logs.replicas.iter().filter(|_| logs.followers_serve);
    let followed = replicas.filter(|(_, replica)| replica.led.is_none());
    followed.map(|(partition, _)| &partition.topic).collect()
}

/// How many partitions of each topic the broker led at first and does not lead any more.
fn departed<'a>(window: Window<'a, LogReading>) -> BTreeMap<&'a TopicName, usize> {
    let mut departed = BTreeMap::new();
    for (partition, before) in &window.before.replicas {
        let after = window.after.replicas.get(partition);
        let still = after.is_some_and(|after| after.led.is_some() && after.topic_id == before.topic_id);
        if before.led.is_some() && !still {
            *departed.entry(&partition.topic).or_default() += 1;
        }
    }
    departed
}

/// A rate and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Share {
    rate: f64,
    confidence: Confidence,
}

/// The partitions of one topic that the broker leads.
struct Leaders {
    growths: Vec<Growth>,
    departed: usize,
    same_window: bool,
    /// Whether the topic's bytes out may be of partitions that the broker follows.
    others_count: bool,
}

impl Leaders {
    /// Whether the same partitions were led all the time, so that they account for all of the topic's traffic.
    fn unchanged(&self) -> bool {
        self.departed == 0
            && self
                .growths
                .iter()
                .all(|growth| growth.tenure == Tenure::Throughout)
    }

    fn measured(&self) -> Vec<f64> {
        self.growths.iter().map(|growth| growth.bytes).collect()
    }

    fn bytes_in(&self, total: Option<f64>) -> Vec<Share> {
        let Some(total) = total else {
            return self.unscaled(1.0, 0.0);
        };
        if self.unchanged() {
            let measured = self.measured();
            return match divide(total, &measured) {
                Some(shares) => {
                    let receivers = measured.iter().filter(|bytes| **bytes > 0.0).count();
                    self.shares(
                        shares,
                        if receivers == 1 {
                            Confidence::Exact
                        } else {
                            Confidence::Weighted
                        },
                    )
                }
                None => self.evenly(total),
            };
        }
        // Some of the traffic went to partitions that came or went, nobody knows how much. What is measured of the
        // others stands, but never exceeds what was counted; what is left over is for the unknown ones.
        let measured: f64 = self.measured().iter().sum();
        let scale = if measured > total { total / measured } else { 1.0 };
        let unknown = self
            .growths
            .iter()
            .filter(|growth| growth.tenure == Tenure::Unknown)
            .count();
        let left_over = (total - measured).max(0.0) / (unknown + self.departed).max(1) as f64;
        self.unscaled(scale, left_over)
    }

    fn bytes_out(&self, total: Option<f64>, consumed: &[f64], bytes_in: &[Share]) -> Vec<Share> {
        let Some(total) = total else {
            let consumed = consumed.to_vec();
            let known = consumed.iter().any(|rate| *rate > 0.0);
            return self.shares(
                consumed,
                if known {
                    Confidence::Weighted
                } else {
                    Confidence::Even
                },
            );
        };
        if total == 0.0 || (self.growths.len() == 1 && self.unchanged()) {
            let mut shares = self.evenly(total);
            for share in shares
                .iter_mut()
                .filter(|share| share.rate > 0.0 && self.others_count)
            {
                share.confidence = share.confidence.min(Confidence::Even);
            }
            return shares;
        }
        if let Some(shares) = divide(total, consumed) {
            return self.shares(shares, Confidence::Weighted);
        }
        // No group commits here. Consumers that keep up read what is written; that is a guess, not a measurement.
        let written: Vec<f64> = bytes_in.iter().map(|share| share.rate).collect();
        match divide(total, &written) {
            Some(shares) => self.shares(shares, Confidence::Even),
            None => self.evenly(total),
        }
    }

    /// Divides a total that nothing is known about but its sum. It is exact where there is nothing to divide.
    fn evenly(&self, total: f64) -> Vec<Share> {
        let certain = self.unchanged() && (total == 0.0 || self.growths.len() == 1);
        let share = total / self.growths.len() as f64;
        let confidence = if certain {
            Confidence::Exact
        } else {
            Confidence::Even
        };
        self.shares(vec![share; self.growths.len()], confidence)
    }

    fn unscaled(&self, scale: f64, unknown: f64) -> Vec<Share> {
        let share = |growth: &Growth| match growth.tenure {
            Tenure::Unknown => Share {
                rate: unknown,
                confidence: Confidence::Even,
            },
            Tenure::Throughout | Tenure::Joined => Share {
                rate: growth.bytes * scale,
                confidence: Confidence::Weighted,
            },
        };
        self.growths.iter().map(share).collect()
    }

    fn shares(&self, rates: Vec<f64>, confidence: Confidence) -> Vec<Share> {
        let limit = if self.same_window {
            Confidence::Exact
        } else {
            Confidence::Weighted
        };
        let confidence = confidence.min(limit);
        rates.into_iter().map(|rate| Share { rate, confidence }).collect()
    }
}

/// Divides a total by weights; none where no weight is above 0.
fn divide(total: f64, weights: &[f64]) -> Option<Vec<f64>> {
    let sum: f64 = weights.iter().sum();
    (sum > 0.0).then(|| weights.iter().map(|weight| total * (weight / sum)).collect())
}
