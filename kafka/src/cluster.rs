//! What the binaries need of a Kafka cluster, as a trait, and the values that cross it.

use std::collections::BTreeMap;
use std::future::Future;

use serde::{Deserialize, Serialize};

use crate::error::ClusterError;
use crate::groups::{GroupDescription, GroupKind, GroupListing, TopicPositions};
use crate::ids::{BrokerId, GroupId, PartitionId, TopicName, TopicPartition};

/// A result per thing asked for: one bad partition does not spoil the others' answers.
pub type Each<K, V> = BTreeMap<K, Result<V, ClusterError>>;

/// A Kafka cluster, seen from outside through its protocol.
///
/// Every method is one logical request with a deadline of its own; none retries a change whose outcome is unknown
/// ([`ClusterError::outcome_is_unknown`]), so that callers decide after reading what is.
pub trait Cluster: Send + Sync + 'static {
    /// Brokers, topics, leaders, replicas and in-sync replicas, read afresh.
    fn describe(&self) -> impl Future<Output = Result<ClusterDescription, ClusterError>> + Send;

    /// The log directories of each broker, asked at that broker.
    fn log_dirs(
        &self,
        brokers: &[BrokerId],
    ) -> impl Future<Output = Result<Each<BrokerId, Vec<LogDir>>, ClusterError>> + Send;

    /// One offset of each partition, asked at its leader.
    fn offsets(
        &self,
        partitions: &[TopicPartition],
        which: OffsetSpec,
    ) -> impl Future<Output = Result<Each<TopicPartition, i64>, ClusterError>> + Send;

    /// The configuration of topics and brokers; only the entries named in `names`, or all when it is empty.
    fn configs(
        &self,
        resources: &[ConfigResource],
        names: &[&str],
    ) -> impl Future<Output = Result<Each<ConfigResource, Vec<ConfigEntry>>, ClusterError>> + Send;

    /// Changes single configuration entries and leaves all others (IncrementalAlterConfigs).
    fn alter_configs(
        &self,
        changes: &[(ConfigResource, Vec<ConfigChange>)],
    ) -> impl Future<Output = Result<Each<ConfigResource, ()>, ClusterError>> + Send;

    /// All reassignments in progress, whoever started them.
    fn reassignments(
        &self,
    ) -> impl Future<Output = Result<BTreeMap<TopicPartition, Reassignment>, ClusterError>> + Send;

    /// Starts a reassignment of each partition to the replicas given, the preferred leader first. One that is in
    /// progress for the partition is replaced.
    fn reassign(
        &self,
        targets: &[(TopicPartition, Vec<BrokerId>)],
    ) -> impl Future<Output = Result<Each<TopicPartition, ()>, ClusterError>> + Send;

    /// Cancels the reassignment of each partition; replicas go back to where they were.
    fn cancel_reassignments(
        &self,
        partitions: &[TopicPartition],
    ) -> impl Future<Output = Result<Each<TopicPartition, ()>, ClusterError>> + Send;

    /// Makes the first replica of each partition its leader, if it is in sync. A partition whose preferred replica
    /// leads already is fine.
    fn elect_preferred_leaders(
        &self,
        partitions: &[TopicPartition],
    ) -> impl Future<Output = Result<Each<TopicPartition, ()>, ClusterError>> + Send;

    /// Creates topics.
    fn create_topics(
        &self,
        topics: &[NewTopic],
    ) -> impl Future<Output = Result<Each<TopicName, ()>, ClusterError>> + Send;

    /// Deletes topics and all that is in them.
    fn delete_topics(
        &self,
        topics: &[TopicName],
    ) -> impl Future<Output = Result<Each<TopicName, ()>, ClusterError>> + Send;

    /// Raises the number of partitions of each topic to the total given.
    fn create_partitions(
        &self,
        totals: &[(TopicName, u32)],
    ) -> impl Future<Output = Result<Each<TopicName, ()>, ClusterError>> + Send;

    /// The groups that each broker coordinates; a broker that does not answer is named with its error.
    fn groups(&self) -> impl Future<Output = Result<Each<BrokerId, Vec<GroupListing>>, ClusterError>> + Send;

    /// The state and the number of members of groups of one kind, asked at their coordinator as `groups` told it.
    /// A group that has moved since answers `NOT_COORDINATOR`. One request: callers divide what is too much for it.
    fn describe_groups(
        &self,
        coordinator: BrokerId,
        kind: GroupKind,
        groups: &[GroupId],
    ) -> impl Future<Output = Result<Each<GroupId, GroupDescription>, ClusterError>> + Send;

    /// How far groups of one kind are, asked at their coordinator as `groups` told it; partitions that a group has no
    /// position in are left out. One request, as `describe_groups`.
    fn positions(
        &self,
        coordinator: BrokerId,
        kind: GroupKind,
        groups: &[GroupId],
    ) -> impl Future<Output = Result<Each<GroupId, Vec<TopicPositions>>, ClusterError>> + Send;
}

/// Brokers and topics of a cluster at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterDescription {
    /// The cluster's id, the same for its whole life.
    pub cluster_id: String,
    /// The controller as brokers report it; on KRaft any live broker may be named.
    pub controller: Option<BrokerId>,
    /// All registered brokers that are alive, by id.
    pub brokers: Vec<Broker>,
    /// All topics, internal ones too, by name.
    pub topics: Vec<Topic>,
}

/// A live broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Its id.
    pub id: BrokerId,
    /// The host of the listener that was asked.
    pub host: String,
    /// The port of that listener.
    pub port: u16,
    /// `broker.rack`.
    pub rack: Option<String>,
}

/// A topic and its partitions, by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: TopicName,
    /// Its id, which a topic of the same name made later does not share; all zero before Kafka 2.8.
    pub id: [u8; 16],
    /// Its partitions by number.
    pub partitions: Vec<Partition>,
}

/// A partition's replicas at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number.
    pub id: PartitionId,
    /// Its leader; none while it is offline.
    pub leader: Option<BrokerId>,
    /// All replicas, the preferred leader first. During a reassignment those being added are among them.
    pub replicas: Vec<BrokerId>,
    /// The replicas in sync with the leader.
    pub in_sync: Vec<BrokerId>,
}

/// One log directory of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDir {
    /// Its path on the broker.
    pub path: String,
    /// Size of its volume in bytes, where the broker tells (Kafka 3.3 and later).
    pub total_bytes: Option<u64>,
    /// Usable bytes on its volume, where the broker tells.
    pub usable_bytes: Option<u64>,
    /// The replicas in it.
    pub replicas: Vec<LogDirReplica>,
}

/// One replica in a log directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDirReplica {
    /// The partition.
    pub partition: TopicPartition,
    /// Size of its log in bytes.
    pub size: u64,
    /// How many records it is behind its leader's high watermark.
    pub offset_lag: u64,
    /// Whether this is the copy that a move between directories is making.
    pub is_future: bool,
}

/// Which offset of a log is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The first one kept.
    Earliest,
    /// The one after the last record that consumers may see (the high watermark).
    Latest,
}

/// What a configuration belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigResource {
    /// A topic.
    Topic(TopicName),
    /// One broker.
    Broker(BrokerId),
    /// All brokers' dynamic default.
    BrokerDefault,
}

/// One configuration entry as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its name.
    pub name: String,
    /// Its value; none where it is secret or unset.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
}

/// Where a configuration value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigSource {
    /// Set on this very resource at run time: what `alter_configs` sets and removes.
    Dynamic,
    /// Anything else: the cluster-wide dynamic default, the broker's file, Kafka's default.
    Inherited,
}

/// A change of one configuration entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigChange {
    /// Gives it a value.
    Set {
        /// The entry.
        name: String,
        /// Its new value.
        value: String,
    },
    /// Removes the dynamic value, so that the inherited one is in force again.
    Delete {
        /// The entry.
        name: String,
    },
    /// Adds elements to a list, leaving those that are there.
    Append {
        /// The entry.
        name: String,
        /// Elements, joined by commas.
        value: String,
    },
    /// Takes elements out of a list, leaving all others.
    Subtract {
        /// The entry.
        name: String,
        /// Elements, joined by commas.
        value: String,
    },
}

/// A reassignment in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reassignment {
    /// All replicas at the moment, those being added included.
    pub replicas: Vec<BrokerId>,
    /// Those that are being added.
    pub adding: Vec<BrokerId>,
    /// Those that go when the added ones are in sync.
    pub removing: Vec<BrokerId>,
}

impl Reassignment {
    /// The replicas that there will be when it is done, in order.
    pub fn target(&self) -> Vec<BrokerId> {
        self.replicas
            .iter()
            .copied()
            .filter(|broker| !self.removing.contains(broker))
            .collect()
    }
}

/// A topic to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: TopicName,
    /// Where its replicas go.
    pub placement: Placement,
    /// Its own configuration; everything else is the brokers' default.
    pub configs: BTreeMap<String, String>,
}

/// Where a new topic's replicas go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// Where Kafka likes.
    Automatic {
        /// How many partitions; as many as brokers make by default when none.
        partitions: Option<u32>,
        /// How many replicas of each; as many as brokers make by default when none.
        replication_factor: Option<u16>,
    },
    /// On these brokers, the preferred leader first, one list a partition.
    Manual(Vec<Vec<BrokerId>>),
}
