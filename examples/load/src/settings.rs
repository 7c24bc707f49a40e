//! What load to make.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;
use rdkafka::ClientConfig;
use serde::Serialize;
use thiserror::Error;

use crate::record;

/// How to reach the cluster.
#[derive(Debug, Clone, Default)]
pub struct Connection {
    /// `bootstrap.servers`.
    pub bootstrap: String,
    /// Further librdkafka properties, such as `security.protocol`.
    pub properties: BTreeMap<String, String>,
}

impl Connection {
    /// A plaintext connection.
    pub fn to(bootstrap: impl Into<String>) -> Self {
        Self {
            bootstrap: bootstrap.into(),
            properties: BTreeMap::new(),
        }
    }

    pub(crate) fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.extend(self.properties.clone());
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }
}

/// A topic of the load. It must exist ([`crate::create_topics`]) and keep its records until the witness has
/// read them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSettings {
    /// The topic's name.
    pub name: String,
    /// How many partitions it has.
    pub partitions: u32,
}

/// A group with one consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSettings {
    /// `group.id`.
    pub id: String,
    /// What it reads.
    pub topics: Vec<String>,
    /// How often it commits its offsets.
    pub commit_interval: Duration,
}

/// A load. Rates are of bytes as they are in the log, before replication.
#[derive(Debug, Clone)]
pub struct LoadSettings {
    /// The cluster.
    pub connection: Connection,
    /// The topics, the most used first.
    pub topics: Vec<TopicSettings>,
    /// All topics together, in bytes/s.
    pub bytes_per_second: f64,
    /// The exponent of Zipf's law over the topics; 0 makes them equal.
    pub topic_skew: f64,
    /// The exponent of Zipf's law over the partitions of a topic; which partition has which rank is random.
    pub partition_skew: f64,
    /// How many keys each partition has.
    pub keys: u32,
    /// The exponent of Zipf's law over the keys of a partition.
    pub key_skew: f64,
    /// The size of a value in bytes, evenly distributed; at least 20.
    pub value_bytes: RangeInclusive<usize>,
    /// How many producers, among which the partitions are dealt.
    pub producers: u32,
    /// `linger.ms`, up to which every latency contains. librdkafka sends a request for each partition: at its
    /// default of 5 ms, brokers that share a small machine are busy with requests rather than with bytes.
    pub linger: Duration,
    /// The consumers.
    pub groups: Vec<GroupSettings>,
    /// Makes ranks, sizes and keys repeatable.
    pub seed: u64,
}

impl LoadSettings {
    /// 4 MB/s in values of 1 to 4 KiB with one producer, evenly over partitions, and no consumer.
    pub fn new(connection: Connection, topics: Vec<TopicSettings>) -> Self {
        Self {
            connection,
            topics,
            bytes_per_second: 4e6,
            topic_skew: 0.0,
            partition_skew: 0.0,
            keys: 1_000,
            key_skew: 1.0,
            value_bytes: 1_024..=4_096,
            producers: 1,
            linger: Duration::from_millis(20),
            groups: Vec::new(),
            seed: 1,
        }
    }

    /// The rate of each partition by Zipf's law.
    pub fn rates(&self) -> Vec<PartitionRate> {
        let mut random = Pcg64Mcg::seed_from_u64(self.seed);
        let mut rates = Vec::new();
        for (topic, of_topic) in self
            .topics
            .iter()
            .zip(zipf_shares(self.topics.len(), self.topic_skew))
        {
            let mut shares = zipf_shares(topic.partitions as usize, self.partition_skew);
            shares.shuffle(&mut random);
            rates.extend((0..).zip(shares).map(|(partition, share)| PartitionRate {
                topic: topic.name.clone(),
                partition,
                bytes_per_second: self.bytes_per_second * of_topic * share,
            }));
        }
        rates
    }

    pub(crate) fn validate(&self) -> Result<(), InvalidSettings> {
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let skews = [self.topic_skew, self.partition_skew, self.key_skew];
        if self.topics.is_empty() || self.topics.iter().any(|topic| topic.partitions == 0) {
            Err(InvalidSettings::NoPartitions)
        } else if !positive(self.bytes_per_second) {
            Err(InvalidSettings::Rate(self.bytes_per_second))
        } else if let Some(skew) = skews.into_iter().find(|skew| !(0.0..=10.0).contains(skew)) {
            Err(InvalidSettings::Skew(skew))
        } else if self.keys == 0 || self.producers == 0 {
            Err(InvalidSettings::NoneOf(if self.keys == 0 {
                "keys"
            } else {
                "producers"
            }))
        } else if self.value_bytes.is_empty()
            || *self.value_bytes.start() < record::HEADER_BYTES
            || *self.value_bytes.end() > MAX_VALUE_BYTES
        {
            Err(InvalidSettings::ValueBytes)
        } else {
            Ok(())
        }
    }
}

/// Kafka's and librdkafka's default for the largest message is 1 MB.
const MAX_VALUE_BYTES: usize = 900_000;

/// What one partition takes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartitionRate {
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// Bytes in the log a second.
    pub bytes_per_second: f64,
}

/// Settings that make no load.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum InvalidSettings {
    /// Nothing to write to.
    #[error("a load needs at least one topic, and each topic at least one partition")]
    NoPartitions,
    /// An impossible rate.
    #[error("{0} bytes/s is no rate; it must be above 0")]
    Rate(f64),
    /// An impossible exponent.
    #[error("{0} is no exponent for Zipf's law here; it must be from 0 (even) to 10")]
    Skew(f64),
    /// A count that must not be 0.
    #[error("there must be at least one of the {0}")]
    NoneOf(&'static str),
    /// Values too small for their header, or too large for Kafka.
    #[error("values must have from {min} to {MAX_VALUE_BYTES} bytes", min = record::HEADER_BYTES)]
    ValueBytes,
}

/// `count` shares that sum to 1, proportional to 1 / rank^exponent.
fn zipf_shares(count: usize, exponent: f64) -> Vec<f64> {
    let weights: Vec<f64> = (1..=count).map(|rank| (rank as f64).powf(-exponent)).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_sum_to_the_whole_and_fall_by_rank() {
        let topics = [("a", 4), ("b", 2)].map(|(name, partitions)| TopicSettings {
            name: name.to_owned(),
            partitions,
        });
        let settings = LoadSettings {
            topic_skew: 1.0,
            partition_skew: 1.0,
            bytes_per_second: 3e6,
            ..LoadSettings::new(Connection::default(), topics.into())
        };
        let rates = settings.rates();
        let of = |topic: &str| -> Vec<f64> {
            let of_topic = rates.iter().filter(|rate| rate.topic == topic);
            of_topic.map(|rate| rate.bytes_per_second).collect()
        };
        // Zipf's weights of two topics are 1 and 1/2.
        assert!((of("a").iter().sum::<f64>() - 2e6).abs() < 1.0);
        assert!((of("b").iter().sum::<f64>() - 1e6).abs() < 1.0);
        let highest = of("a").into_iter().fold(0.0, f64::max);
        let lowest = of("a").into_iter().fold(f64::MAX, f64::min);
        assert!((highest / lowest - 4.0).abs() < 1e-9);
    }
}
