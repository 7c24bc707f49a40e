//! `kafkaOptions`: options of brokers by the names that the original gave them, and the properties that they are.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// One option: how it is named here, which property of Kafka it is, and how it is read.
#[derive(Debug, Clone, Copy)]
pub struct KafkaOption {
    /// The name within `kafkaOptions`.
    pub name: &'static str,
    /// The property of Kafka.
    pub property: &'static str,
    /// The value that is set, as server.properties would have it.
    pub value: fn(&KafkaOptions) -> Option<String>,
}

/// The struct and the table are made of the same lines, so that no option can be in one of them only.
macro_rules! kafka_options {
    ($(#[doc = $doc:literal] $(#[$attribute:meta])* $field:ident: $type:ty = $name:literal => $property:literal,)*) => {
        /// Options of brokers by name. What Kafka can take without a restart is applied live.
        #[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        pub struct KafkaOptions {
            $(
                #[doc = $doc]
                #[serde(rename = $name, default, skip_serializing_if = "Option::is_none")]
                $(#[$attribute])*
                pub $field: Option<$type>,
            )*
        }

        impl KafkaOptions {
            /// Every option there is. Some properties have two names here.
            pub const ALL: &'static [KafkaOption] = &[
                $(KafkaOption {
                    name: $name,
                    property: $property,
                    value: |options| options.$field.as_ref().map(text),
                },)*
            ];
        }
    };
}

kafka_options! {
    /// Whether a topic is made when a client asks for one that is missing.
    auto_create_topics_enable: bool = "autoCreateTopicsEnable" => "auto.create.topics.enable",
    /// The same as autoCreateTopicsEnable.
    auto_create_topics: bool = "autoCreateTopics" => "auto.create.topics.enable",
    /// Whether Kafka moves leaders back to preferred replicas by itself.
    auto_leader_rebalance_enable: bool = "autoLeaderRebalanceEnable" => "auto.leader.rebalance.enable",
    /// Threads for housekeeping.
    #[schemars(range(min = 1))]
    background_threads: i32 = "backgroundThreads" => "background.threads",
    /// The same as backgroundThreads, as it was once spelt.
    #[schemars(range(min = 1))]
    backgroud_threads: i32 = "backgroudThreads" => "background.threads",
    /// How logs are compressed: uncompressed, gzip, snappy, lz4, zstd, or producer for as they come.
    #[schemars(extend("enum" = ["uncompressed", "gzip", "snappy", "lz4", "zstd", "producer"]))]
    compression_type: String = "compressionType" => "compression.type",
    /// Whether topics can be deleted.
    delete_topic_enable: bool = "deleteTopicEnable" => "delete.topic.enable",
    /// Seconds between two looks at the balance of leaders; leaderImbalanceInterval says the same.
    #[schemars(range(min = 1))]
    leader_imbalance_check_interval_seconds: i32 = "leaderImbalanceCheckIntervalSeconds" => "leader.imbalance.check.interval.seconds",
    /// Percentage of a broker's leaders that may be led elsewhere than preferred; leaderImbalanceRatio says the same. Of use with zookeeperConnect only.
    #[schemars(range(min = 0, max = 100))]
    leader_imbalance_broker_percentage: i32 = "leaderImbalanceBrokerPercentage" => "leader.imbalance.per.broker.percentage",
    /// Records of a partition after which it is flushed to disk.
    #[schemars(range(min = 1))]
    log_flush_interval_messages: i64 = "logFlushIntervalMessages" => "log.flush.interval.messages",
    /// Milliseconds after which a partition is flushed to disk.
    #[schemars(range(min = 0))]
    log_flush_interval_ms: i64 = "logFlushIntervalMs" => "log.flush.interval.ms",
    /// Milliseconds between two records of what was flushed.
    #[schemars(range(min = 0))]
    log_flush_offset_checkpoint_interval_ms: i32 = "logFlushOffsetCheckpointIntervalMs" => "log.flush.offset.checkpoint.interval.ms",
    /// Milliseconds between two looks for logs to flush.
    #[schemars(range(min = 0))]
    log_flush_scheduler_interval_ms: i64 = "logFlushSchedulerIntervalMs" => "log.flush.scheduler.interval.ms",
    /// The same as logFlushSchedulerIntervalMs, as it was once spelt.
    #[schemars(range(min = 0))]
    log_flush_scheduler_interval_ms_once: i64 = "LogFlushSchedulerIntervalMs" => "log.flush.scheduler.interval.ms",
    /// Bytes of a partition that are kept; -1 for all.
    #[schemars(schema_with = "schema::int_or_string")]
    log_retention_bytes: IntOrString = "logRetentionBytes" => "log.retention.bytes",
    /// Hours for which records are kept; -1 for ever.
    #[schemars(range(min = -1))]
    log_retention_hours: i32 = "logRetentionHours" => "log.retention.hours",
    /// Hours after which a new segment begins.
    #[schemars(range(min = 1))]
    log_roll_hours: i32 = "logRollHours" => "log.roll.hours",
    /// Hours by which logRollHours is shortened at random, so that segments do not all begin at once.
    #[schemars(range(min = 0))]
    log_roll_jitter_hours: i32 = "logRollJitterHours" => "log.roll.jitter.hours",
    /// Bytes after which a new segment begins.
    #[schemars(range(min = 14))]
    log_segment_bytes: i32 = "logSegmentBytes" => "log.segment.bytes",
    /// Milliseconds for which a segment's file outlives its deletion.
    #[schemars(range(min = 0))]
    log_segment_delete_delay_ms: i64 = "logSegmentDeleteDelayMS" => "log.segment.delete.delay.ms",
    /// The largest batch of records that is taken, in bytes.
    #[schemars(range(min = 0))]
    messages_max_bytes: i32 = "messagesMaxBytes" => "message.max.bytes",
    /// In-sync replicas below which a partition takes no records of producers that wait for all.
    #[schemars(range(min = 1))]
    min_insync_replicas: i32 = "minInsyncReplicas" => "min.insync.replicas",
    /// Threads that work on requests.
    #[schemars(range(min = 1))]
    num_io_threads: i32 = "numIOThreads" => "num.io.threads",
    /// Threads that read and write connections, of each listener.
    #[schemars(range(min = 1))]
    num_network_threads: i32 = "numNetworkThreads" => "num.network.threads",
    /// Threads that recover logs at a start.
    #[schemars(range(min = 1))]
    num_recovery_threads_per_data_dir: i32 = "numRecoveryThreadsPerDataDir" => "num.recovery.threads.per.data.dir",
    /// Threads that copy from each other broker.
    #[schemars(range(min = 1))]
    num_replica_fetchers: i32 = "numReplicaFetchers" => "num.replica.fetchers",
    /// The most bytes of what a client may note beside an offset.
    #[schemars(range(min = 0))]
    offset_metadata_max_bytes: i32 = "offsetMetadataMaxBytes" => "offset.metadata.max.bytes",
    /// Milliseconds within which a commit of offsets must be on all replicas.
    #[schemars(range(min = 1))]
    offset_commit_timeout_ms: i32 = "offsetCommitTimeoutMs" => "offsets.commit.timeout.ms",
    /// Bytes that are read at a time when offsets are loaded.
    #[schemars(range(min = 1))]
    offset_load_buffer_size: i32 = "offsetLoadBufferSize" => "offsets.load.buffer.size",
    /// Milliseconds between two looks for offsets to forget.
    #[schemars(range(min = 1))]
    offset_retention_check_interval_ms: i64 = "offsetRetentionCheckIntervalMs" => "offsets.retention.check.interval.ms",
    /// Minutes after which offsets of a group without members are forgotten.
    #[schemars(range(min = 1))]
    offset_retention_minutes: i32 = "offsetRetentionMinutes" => "offsets.retention.minutes",
    /// Partitions of the topic of offsets; it counts when that topic is made.
    #[schemars(range(min = 1))]
    offset_topic_num_partitions: i32 = "offsetTopicNumPartitions" => "offsets.topic.num.partitions",
    /// Replicas of the topic of offsets; it counts when that topic is made.
    #[schemars(range(min = 1))]
    offset_topic_replication_factor: i32 = "offsetTopicReplicationFactor" => "offsets.topic.replication.factor",
    /// Bytes of a segment of the topic of offsets.
    #[schemars(range(min = 1))]
    offset_topic_segments_bytes: i32 = "offsetTopicSegmentsBytes" => "offsets.topic.segment.bytes",
    /// Requests that may wait before connections are no longer read.
    #[schemars(range(min = 1))]
    queued_max_request: i32 = "queuedMaxRequest" => "queued.max.requests",
    /// Bytes that a follower waits for.
    #[schemars(range(min = 0))]
    replica_fetch_min_bytes: i32 = "replicaFetchMinBytes" => "replica.fetch.min.bytes",
    /// Milliseconds for which a follower waits for replicaFetchMinBytes.
    #[schemars(range(min = 0))]
    replica_fetch_wait_max_ms: i32 = "replicaFetchWaitMaxMs" => "replica.fetch.wait.max.ms",
    /// Milliseconds between two records of high watermarks on disk.
    #[schemars(range(min = 0))]
    replica_high_watermark_checkpoint_interval_ms: i64 = "replicaHighWatermarkCheckpointIntervalMs" => "replica.high.watermark.checkpoint.interval.ms",
    /// Milliseconds behind its leader after which a replica is out of sync.
    #[schemars(range(min = 1))]
    replica_lag_time_max_ms: i64 = "replicaLagTimeMaxMs" => "replica.lag.time.max.ms",
    /// The buffer of a follower's connection, in bytes; -1 for the system's.
    #[schemars(range(min = -1))]
    replica_socket_receive_buffer_bytes: i32 = "replicaSocketReceiveBufferBytes" => "replica.socket.receive.buffer.bytes",
    /// Milliseconds for which a follower waits for an answer; more than replicaFetchWaitMaxMs.
    #[schemars(range(min = 1))]
    replica_socket_timeout_ms: i32 = "replicaSocketTimeoutMs" => "replica.socket.timeout.ms",
    /// Milliseconds for which a broker waits for an answer of another.
    #[schemars(range(min = 1))]
    request_timeout_ms: i32 = "requestTimeoutMs" => "request.timeout.ms",
    /// Whether a replica that is not in sync may lead when no other can: it loses acknowledged records.
    unclean_leader_election_enable: bool = "uncleanLeaderElectionEnable" => "unclean.leader.election.enable",
    /// Milliseconds within which ZooKeeper must be reached; of use with zookeeperConnect only.
    #[schemars(range(min = 1))]
    zookeeper_connection_timeout_ms: i32 = "zookeeperConnectionTimeoutMs" => "zookeeper.connection.timeout.ms",
    /// Milliseconds after which ZooKeeper takes a silent broker for dead; of use with zookeeperConnect only.
    #[schemars(range(min = 1))]
    zookeeper_session_timeout_ms: i32 = "zookeeperSessionTimeoutMs" => "zookeeper.session.timeout.ms",
}

impl KafkaOptions {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// As server.properties has it.
trait PropertyValue {
    fn text(&self) -> String;
}

fn text(value: &impl PropertyValue) -> String {
    value.text()
}

macro_rules! text_by_display {
    ($($type:ty),*) => {$(
        impl PropertyValue for $type {
            fn text(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

text_by_display!(bool, i32, i64, String);

impl PropertyValue for IntOrString {
    fn text(&self) -> String {
        match self {
            Self::Int(number) => number.to_string(),
            Self::String(text) => text.clone(),
        }
    }
}
