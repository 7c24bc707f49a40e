//! The reports that sidecars serve to the balancer: `GET /v1/load` of every `broker`, `GET /v1/consumption` of
//! `offsets`.
//!
//! Columns instead of objects: a report of 4,000 replicas stays under 100 KB when compressed.

use std::collections::BTreeMap;

use kafka::ids::{BrokerId, GroupId, PartitionId, TopicName};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The version of both reports that this program writes and reads.
pub const VERSION: u32 = 1;

/// The most replicas that a report may hold; Kafka itself advises against more than a few thousand on a broker.
pub const MAX_REPLICAS: usize = 200_000;

/// How sure a rate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// A guess: nothing is known but the topic's total on the broker, which was divided evenly, or by weights that do not
    /// account for it.
    Even,
    /// The topic's exact total, divided by weights that were measured for each partition and account for it within 10 %.
    Weighted,
    /// Measured for this very partition; within 1 %.
    Exact,
}

impl Confidence {
    /// Its value in the `confidence` label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Even => "even",
            Self::Weighted => "weighted",
            Self::Exact => "exact",
        }
    }
}

/// What one broker carries, over one window between two samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadReport {
    /// [`VERSION`].
    pub version: u32,
    /// The cluster that the broker belongs to, where known.
    pub cluster_id: Option<String>,
    /// The broker.
    pub broker: BrokerId,
    /// When the later sample was taken, in milliseconds since the Unix epoch.
    pub sampled_at_ms: u64,
    /// Time between the two samples, in milliseconds. Rates are means over it.
    pub window_ms: u32,
    /// Where the figures come from and whether each source answered.
    pub sources: BTreeMap<Source, SourceState>,
    /// The broker's own figures.
    pub totals: BrokerTotals,
    /// Its log directories' volumes.
    pub log_dirs: Vec<Volume>,
    /// Names that `replicas.topic` indexes.
    pub topics: Vec<TopicName>,
    /// A row for each replica on the broker.
    pub replicas: ReplicaColumns,
}

/// Where a sidecar reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The broker's MBeans through its Jolokia agent.
    Jolokia,
    /// The broker's logs through the Kafka protocol.
    Protocol,
    /// The consumption report of the cluster's `offsets` sidecar.
    Consumption,
}

impl Source {
    /// Its name, as in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jolokia => "jolokia",
            Self::Protocol => "protocol",
            Self::Consumption => "consumption",
        }
    }
}

/// Whether a source answered the last time that it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceState {
    /// Whether it did.
    pub up: bool,
    /// What went wrong when it did not, or what it would not tell when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A broker's own figures over the window; none where the source did not tell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerTotals {
    /// Bytes per second from producers (Δ Count of `BytesInPerSec`).
    pub bytes_in: Option<f64>,
    /// Bytes per second to consumers (Δ Count of `BytesOutPerSec`).
    pub bytes_out: Option<f64>,
    /// Bytes per second from leaders elsewhere (Δ Count of `ReplicationBytesInPerSec`).
    pub replication_in: Option<f64>,
    /// Bytes per second to followers elsewhere (Δ Count of `ReplicationBytesOutPerSec`).
    pub replication_out: Option<f64>,
    /// Cores that the broker's process used (Δ `ProcessCpuTime` / Δ time).
    pub cpu_cores_used: Option<f64>,
    /// Cores that the broker's process may use (`AvailableProcessors`).
    pub cpu_cores: Option<f64>,
    /// Share of time that request handlers were idle, 0 to 1.
    pub request_handler_idle: Option<f64>,
    /// Share of time that network threads were idle, 0 to 1.
    pub network_idle: Option<f64>,
    /// Mean time of the window's Produce requests in milliseconds, from arrival to answer.
    pub produce_mean_ms: Option<f64>,
    /// Mean time of the window's produce requests that was spent in the local log, in milliseconds; high on a slow disk.
    pub produce_local_mean_ms: Option<f64>,
    /// Bytes that consumers have not read yet of the partitions that the broker leads, as far as they are reading; none
    /// where nobody tells how groups consume.
    pub consumers_behind: Option<f64>,
    /// Under-replicated partitions that the broker leads.
    pub under_replicated: Option<u32>,
    /// When the broker's JVM started, in milliseconds since the Unix epoch; a new value means a restart.
    pub started_at_ms: Option<u64>,
}

/// The volume of one log directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// Path of the directory on the broker.
    pub path: String,
    /// Bytes that the replicas in it take.
    pub used_bytes: u64,
    /// Size of the volume, where the broker tells.
    pub total_bytes: Option<u64>,
    /// Usable bytes on the volume, where the broker tells.
    pub usable_bytes: Option<u64>,
}

/// A row for each replica on the broker; all columns are as long as `topic`.
///
/// Rates are whole bytes or records per second, 0 on replicas that do not lead.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplicaColumns {
    /// Index into the report's `topics`.
    pub topic: Vec<u32>,
    /// The partition's number.
    pub partition: Vec<PartitionId>,
    /// Whether the replica leads; 1 or 0, since digits compress better than words.
    pub leads: Vec<u8>,
    /// Size of its log in bytes.
    pub size: Vec<u64>,
    /// Bytes per second from producers.
    pub bytes_in: Vec<u64>,
    /// Bytes per second to consumers, replication not counted.
    pub bytes_out: Vec<u64>,
    /// Records per second from producers.
    pub records_in: Vec<u64>,
    /// How sure `bytes_in` is: 0 even, 1 weighted, 2 exact.
    pub bytes_in_confidence: Vec<ConfidenceCode>,
    /// How sure `bytes_out` is: 0 even, 1 weighted, 2 exact.
    pub bytes_out_confidence: Vec<ConfidenceCode>,
}

/// [`Confidence`] as a digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct ConfidenceCode(pub Confidence);

impl From<ConfidenceCode> for u8 {
    fn from(code: ConfidenceCode) -> u8 {
        match code.0 {
            Confidence::Even => 0,
            Confidence::Weighted => 1,
            Confidence::Exact => 2,
        }
    }
}

impl TryFrom<u8> for ConfidenceCode {
    type Error = String;

    fn try_from(code: u8) -> Result<Self, String> {
        match code {
            0 => Ok(Self(Confidence::Even)),
            1 => Ok(Self(Confidence::Weighted)),
            2 => Ok(Self(Confidence::Exact)),
            other => Err(format!("{other} is no confidence: 0 even, 1 weighted, 2 exact")),
        }
    }
}

/// How groups consume each partition: what `offsets` serves and `broker` weighs bytes_out with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsumptionReport {
    /// [`VERSION`].
    pub version: u32,
    /// When the later sample was taken, in milliseconds since the Unix epoch.
    pub sampled_at_ms: u64,
    /// Names that `rows.topic` indexes.
    pub topics: Vec<TopicName>,
    /// A row for each partition that some group consumes, or that was written to lately where some group has caught up.
    pub rows: ConsumptionColumns,
    /// Groups that could not be read, with the reason.
    pub failed_groups: BTreeMap<GroupId, String>,
}

/// A row for each consumed partition; all columns are as long as `topic`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsumptionColumns {
    /// Index into the report's `topics`.
    pub topic: Vec<u32>,
    /// The partition's number.
    pub partition: Vec<PartitionId>,
    /// Records per second over all groups.
    pub records_out: Vec<u64>,
    /// Records that groups that take some have not taken yet.
    pub records_behind: Vec<u64>,
    /// Groups that have taken what was written until a short while ago: they read what is written.
    pub groups_caught_up: Vec<u32>,
}

/// A report that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidReport {
    /// A report of a version that this program does not read.
    #[error(
        "report version {0} is not understood, only version {VERSION}; update the older of the two programs"
    )]
    Version(u32),
    /// Columns of different lengths.
    #[error("column `{column}` has {found} rows where {expected} are due")]
    Length {
        /// The column.
        column: &'static str,
        /// Its length.
        found: usize,
        /// The length of `topic`.
        expected: usize,
    },
    /// More rows than [`MAX_REPLICAS`].
    #[error("{0} rows are more than the {MAX_REPLICAS} that a report may hold")]
    TooLarge(usize),
    /// A topic index beyond the list of topics.
    #[error("row {row} names topic {index} of {topics}")]
    Topic {
        /// The row.
        row: usize,
        /// Its index.
        index: u32,
        /// How many topics there are.
        topics: usize,
    },
    /// A figure that cannot be.
    #[error("`{field}` is {value}, which is no finite number from 0 up")]
    Figure {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// A window of no length has no rates.
    #[error("the window is 0 ms long")]
    Window,
}

impl LoadReport {
    /// Checks what the types cannot: lengths, indexes, figures.
    ///
    /// # Errors
    ///
    /// The first contradiction found.
    pub fn check(&self) -> Result<(), InvalidReport> {
        check_version(self.version)?;
        if self.window_ms == 0 {
            return Err(InvalidReport::Window);
        }
        let rows = &self.replicas;
        check_lengths(
            rows.topic.len(),
            &[
                ("partition", rows.partition.len()),
                ("leads", rows.leads.len()),
                ("size", rows.size.len()),
                ("bytes_in", rows.bytes_in.len()),
                ("bytes_out", rows.bytes_out.len()),
                ("records_in", rows.records_in.len()),
                ("bytes_in_confidence", rows.bytes_in_confidence.len()),
                ("bytes_out_confidence", rows.bytes_out_confidence.len()),
            ],
        )?;
        check_topics(&rows.topic, self.topics.len())?;
        self.totals.check()
    }
}

impl BrokerTotals {
    fn check(&self) -> Result<(), InvalidReport> {
        let figures = [
            ("bytes_in", self.bytes_in),
            ("bytes_out", self.bytes_out),
            ("replication_in", self.replication_in),
            ("replication_out", self.replication_out),
            ("cpu_cores_used", self.cpu_cores_used),
            ("cpu_cores", self.cpu_cores),
            ("request_handler_idle", self.request_handler_idle),
            ("network_idle", self.network_idle),
            ("consumers_behind", self.consumers_behind),
            ("produce_mean_ms", self.produce_mean_ms),
            ("produce_local_mean_ms", self.produce_local_mean_ms),
        ];
        for (field, figure) in figures {
            if let Some(value) = figure
                && !(value.is_finite() && value >= 0.0)
            {
                return Err(InvalidReport::Figure {
                    field,
                    value: value.to_string(),
                });
            }
        }
        Ok(())
    }
}

impl ConsumptionReport {
    /// Checks what the types cannot: lengths and indexes.
    ///
    /// # Errors
    ///
    /// The first contradiction found.
    pub fn check(&self) -> Result<(), InvalidReport> {
        check_version(self.version)?;
        let rows = &self.rows;
        check_lengths(
            rows.topic.len(),
            &[
                ("partition", rows.partition.len()),
                ("records_out", rows.records_out.len()),
                ("records_behind", rows.records_behind.len()),
                ("groups_caught_up", rows.groups_caught_up.len()),
            ],
        )?;
        check_topics(&rows.topic, self.topics.len())
    }
}

fn check_version(version: u32) -> Result<(), InvalidReport> {
    if version == VERSION {
        Ok(())
    } else {
        Err(InvalidReport::Version(version))
    }
}

fn check_lengths(expected: usize, columns: &[(&'static str, usize)]) -> Result<(), InvalidReport> {
    if expected > MAX_REPLICAS {
        return Err(InvalidReport::TooLarge(expected));
    }
    match columns.iter().find(|(_, found)| *found != expected) {
        Some(&(column, found)) => Err(InvalidReport::Length {
            column,
            found,
            expected,
        }),
        None => Ok(()),
    }
}

fn check_topics(indexes: &[u32], topics: usize) -> Result<(), InvalidReport> {
    match indexes.iter().position(|&index| index as usize >= topics) {
        Some(row) => Err(InvalidReport::Topic {
            row,
            index: indexes[row],
            topics,
        }),
        None => Ok(()),
    }
}
