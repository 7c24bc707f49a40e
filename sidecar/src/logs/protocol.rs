//! What the Kafka protocol tells of a broker's logs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kafka::cluster::{ClusterDescription, ConfigResource, LogDir, OffsetSpec, Partition};
use kafka::{BrokerId, Cluster, ClusterError, TopicName, TopicPartition};
use thiserror::Error;

use super::{Led, LogReading, Replica, Span};
use crate::report::Volume;

/// The broker configuration that makes followers serve consumers; null unless somebody sets it.
const REPLICA_SELECTOR: &str = "replica.selector.class";

const MIN_IN_SYNC: &str = "min.insync.replicas";
const CLEANUP: &str = "cleanup.policy";
const COMPRESSION: &str = "compression.type";

/// How many topics' configurations one request asks for.
const TOPICS_AT_ONCE: usize = 1_000;

/// Why a broker's logs could not be read.
#[derive(Debug, Error)]
pub enum LogsError {
    /// The cluster did not answer.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The broker is not among those alive.
    #[error("broker {0} is not registered with the cluster; is it up, and is `broker` its node.id?")]
    NotRegistered(BrokerId),
    /// The broker itself did not tell its log directories.
    #[error("broker {broker} did not tell its log directories")]
    LogDirs {
        /// The broker.
        broker: BrokerId,
        /// Its reason; none when it left itself out of the answer.
        #[source]
        source: Option<ClusterError>,
    },
    /// No answer in time.
    #[error("the logs of broker {0} could not be read in time")]
    TimedOut(BrokerId),
}

impl LogsError {
    /// A word for the `kind` label of error counters.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Cluster(error)
            | Self::LogDirs {
                source: Some(error), ..
            } => cluster_error_kind(error),
            Self::NotRegistered(_) => "not_registered",
            Self::LogDirs { source: None, .. } => "nonsense",
            Self::TimedOut(_) => "timed_out",
        }
    }
}

/// A word for the `kind` label of error counters.
pub fn cluster_error_kind(error: &ClusterError) -> &'static str {
    match error {
        ClusterError::Unreachable { .. } => "unreachable",
        ClusterError::Authentication { .. } => "authentication",
        ClusterError::Authorization { .. } => "authorization",
        ClusterError::TimedOut { .. } => "timed_out",
        ClusterError::Settings { .. } => "settings",
        ClusterError::Refused { .. } => "refused",
        ClusterError::UnknownTopicOrPartition(_)
        | ClusterError::NoReassignmentInProgress(_)
        | ClusterError::Nonsense(_) => "nonsense",
    }
}

/// Who leads what on a broker: the part of a reading that is asked first.
#[derive(Debug, Clone)]
pub struct Layout {
    broker: BrokerId,
    description: Arc<ClusterDescription>,
}

impl Layout {
    /// The layout that a description of the cluster tells of `broker`.
    pub fn of(broker: BrokerId, description: Arc<ClusterDescription>) -> Self {
        Self { broker, description }
    }

    /// Asks the cluster.
    ///
    /// # Errors
    ///
    /// It did not answer, or does not know the broker.
    pub async fn ask<C: Cluster>(cluster: &C, broker: BrokerId) -> Result<Self, LogsError> {
        let description = cluster.describe().await?;
        if !description.brokers.iter().any(|known| known.id == broker) {
            return Err(LogsError::NotRegistered(broker));
        }
        Ok(Self::of(broker, Arc::new(description)))
    }

    /// Reads sizes and offsets, all at once so that they are of one moment.
    ///
    /// # Errors
    ///
    /// The broker did not answer. A partition that did not tell its offsets is no error: it has none then.
    pub async fn read<C: Cluster>(&self, cluster: &C) -> Result<LogReading, LogsError> {
        let led = self.led();
        let brokers = [self.broker];
        let (dirs, ends, starts) = tokio::try_join!(
            cluster.log_dirs(&brokers),
            cluster.offsets(&led, OffsetSpec::Latest),
            cluster.offsets(&led, OffsetSpec::Earliest),
        )?;
        let dirs = dirs
            .into_iter()
            .find(|(broker, _)| *broker == self.broker)
            .map(|(_, dirs)| dirs);
        let broker = self.broker;
        let dirs = match dirs {
            Some(Ok(dirs)) => dirs,
            Some(Err(error)) => {
                return Err(LogsError::LogDirs {
                    broker,
                    source: Some(error),
                });
            }
            None => return Err(LogsError::LogDirs { broker, source: None }),
        };
        let span = |partition: &TopicPartition| match (starts.get(partition), ends.get(partition)) {
            (Some(Ok(start)), Some(Ok(end))) if (0..=*end).contains(start) => Some(Span {
                start: *start,
                end: *end,
            }),
            _ => None,
        };
        Ok(self.reading(dirs, span))
    }

    fn led(&self) -> Vec<TopicPartition> {
        let partitions = self.description.topics.iter().flat_map(|topic| {
            let led = topic
                .partitions
                .iter()
                .filter(|partition| partition.leader == Some(self.broker));
            led.map(|partition| TopicPartition::new(topic.name.clone(), partition.id))
        });
        partitions.collect()
    }

    fn reading(&self, dirs: Vec<LogDir>, span: impl Fn(&TopicPartition) -> Option<Span>) -> LogReading {
        let mut sizes = BTreeMap::new();
        let mut volumes = Vec::with_capacity(dirs.len());
        for dir in dirs {
            let used = dir
                .replicas
                .iter()
                .fold(0_u64, |sum, replica| sum.saturating_add(replica.size));
            volumes.push(Volume {
                path: dir.path,
                used_bytes: used,
                total_bytes: dir.total_bytes,
                usable_bytes: dir.usable_bytes,
            });
            let present = dir.replicas.into_iter().filter(|replica| !replica.is_future);
            sizes.extend(present.map(|replica| (replica.partition, replica.size)));
        }
        // Only replicas that have a log here *and* that the cluster assigns to this broker: logs left over from a
        // reassignment are waiting for deletion.
        let mut replicas = BTreeMap::new();
        for topic in &self.description.topics {
            for partition in topic
                .partitions
                .iter()
                .filter(|p| p.replicas.contains(&self.broker))
            {
                let name = TopicPartition::new(topic.name.clone(), partition.id);
                let Some(&size) = sizes.get(&name) else { continue };
                let led = self.led_state(partition, || span(&name));
                let in_sync = partition.in_sync.contains(&self.broker);
                let replica = Replica {
                    topic_id: topic.id,
                    size,
                    led,
                    in_sync,
                };
                replicas.insert(name, replica);
            }
        }
        LogReading {
            cluster_id: self.description.cluster_id.clone(),
            volumes,
            replicas,
            partition_counts: self.partition_counts(),
            followers_serve: None,
            rewritten: BTreeSet::new(),
        }
    }

    fn partition_counts(&self) -> BTreeMap<TopicName, u32> {
        let topics = self.description.topics.iter();
        let led = topics.filter(|topic| {
            let first = topic.partitions.first();
            first.is_some_and(|first| first.id.get() == 0 && first.leader == Some(self.broker))
        });
        led.map(|topic| (topic.name.clone(), count(&topic.partitions)))
            .collect()
    }

    fn led_state(&self, partition: &Partition, span: impl FnOnce() -> Option<Span>) -> Option<Led> {
        (partition.leader == Some(self.broker)).then(|| Led {
            span: span(),
            replicas: count(&partition.replicas),
            in_sync: count(&partition.in_sync),
            against_minimum: None,
            preferred: Some(partition.replicas.first() == Some(&self.broker)),
        })
    }
}

fn count<T>(things: &[T]) -> u32 {
    u32::try_from(things.len()).unwrap_or(u32::MAX)
}

/// Whether the broker lets consumers fetch from followers: whether it has a replica selector.
///
/// # Errors
///
/// The broker did not tell.
pub async fn followers_serve<C: Cluster>(cluster: &C, broker: BrokerId) -> Result<bool, LogsError> {
    let resource = ConfigResource::Broker(broker);
    let answers = cluster
        .configs(std::slice::from_ref(&resource), &[REPLICA_SELECTOR])
        .await?;
    let entries = match answers.into_iter().find(|(answered, _)| *answered == resource) {
        Some((_, entries)) => entries?,
        None => return Ok(false),
    };
    let selector = entries.into_iter().find(|entry| entry.name == REPLICA_SELECTOR);
    Ok(selector.is_some_and(|entry| entry.value.is_some_and(|class| !class.is_empty())))
}

/// What of a topic's configuration bears on what its logs show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicConfig {
    /// `min.insync.replicas`.
    pub min_in_sync: Option<u32>,
    /// Whether its logs hold something else than was written to them: compacted, or compressed anew by brokers.
    pub is_rewritten: bool,
}

/// The topics' configurations; of those that could not be had nothing.
///
/// # Errors
///
/// The cluster did not answer.
pub async fn topic_configs<C: Cluster>(
    cluster: &C,
    topics: &[TopicName],
) -> Result<BTreeMap<TopicName, TopicConfig>, LogsError> {
    let mut found = BTreeMap::new();
    for chunk in topics.chunks(TOPICS_AT_ONCE) {
        let resources: Vec<ConfigResource> = chunk.iter().cloned().map(ConfigResource::Topic).collect();
        let keys = [MIN_IN_SYNC, CLEANUP, COMPRESSION];
        for (resource, entries) in cluster.configs(&resources, &keys).await? {
            let (ConfigResource::Topic(topic), Ok(entries)) = (resource, entries) else {
                continue;
            };
            let value = |name| {
                let entry = entries.iter().find(|entry| entry.name == name);
                entry.and_then(|entry| entry.value.as_deref())
            };
            let is_compacted = value(CLEANUP).is_some_and(|policy| policy.contains("compact"));
            let is_compressed = value(COMPRESSION).is_some_and(|kind| kind != "producer");
            let config = TopicConfig {
                min_in_sync: value(MIN_IN_SYNC).and_then(|minimum| minimum.parse().ok()),
                is_rewritten: is_compacted || is_compressed,
            };
            found.insert(topic, config);
        }
    }
    Ok(found)
}
