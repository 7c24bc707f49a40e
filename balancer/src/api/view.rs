//! What the API shows: plain values, made by the loop once a tick and handed out until the next.
//!
//! These types are the API's contract. They are kept apart from the types that the balancer reckons with, so that
//! either can change without the other.

use kafka::ids::{BrokerId, PartitionId, ReplicationFactor, TopicName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::journal::Mode;
use crate::model::{PerResource, Resource};

/// Everything that the loop knew after its last tick.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// `GET /v1/state`.
    pub state: State,
    /// `GET /v1/brokers`.
    pub brokers: Vec<BrokerView>,
    /// `GET /v1/partitions`, the ones that carry most first.
    pub partitions: Vec<PartitionView>,
    /// `GET /v1/hot`.
    pub hot: HotList,
    /// `GET /v1/plan`.
    pub plan: Option<PlanView>,
    /// `GET /v1/history`, the newest first.
    pub history: Vec<FinishedPlan>,
}

/// What the balancer is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// No complete picture of the cluster yet.
    #[default]
    Starting,
    /// Nothing to do.
    Watching,
    /// A plan waits for approval.
    Waiting,
    /// A plan is being executed.
    Executing,
    /// A plan is paused; what was in flight goes on to its end.
    Paused,
    /// A plan is being stopped.
    Stopping,
    /// Another balancer took over; this one only shows what it sees.
    Fenced,
}

/// The balancer and the cluster in a few figures.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct State {
    /// The program's version.
    pub version: String,
    /// The cluster's id; empty until it is known.
    pub cluster_id: String,
    /// What it may do by itself: `observe`, `approve` or `auto`.
    #[schema(value_type = String)]
    pub mode: Mode,
    /// What it is doing.
    pub phase: Phase,
    /// When the last tick ended, in milliseconds since the Unix epoch.
    pub ticked_at_ms: u64,
    /// How long the last tick took, in milliseconds.
    pub tick_ms: u64,
    /// Live brokers.
    pub brokers: usize,
    /// Partitions.
    pub partitions: usize,
    /// Imbalance by resource: the greatest utilisation / the mean. 1 is perfect.
    pub imbalance: ResourceFigures,
    /// The mean utilisation of the brokers that count.
    #[serde(default)]
    pub mean: ResourceFigures,
    /// A broker that stays above this utilisation is hot.
    #[serde(default)]
    pub hot_above: ResourceFigures,
    /// The greatest imbalance of a resource of which some broker uses more than the floor of `heat`; 1 where none does.
    #[serde(default = "balanced")]
    pub worst_imbalance: f64,
    /// How many brokers are hot.
    pub hot_brokers: usize,
    /// How many partitions are hot.
    pub hot_partitions: usize,
    /// Brokers that are being emptied.
    #[schema(value_type = Vec<i32>)]
    pub draining: Vec<BrokerId>,
    /// Topics that were ordered another number of replicas and do not have it yet.
    #[serde(default)]
    pub replicating: Vec<ReplicationView>,
    /// When copies may start; none when they always may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<MaintenanceView>,
    /// What keeps the balancer from working well, in sentences with cause and cure.
    pub problems: Vec<String>,
}

/// A topic that is to have another number of replicas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplicationView {
    /// The topic.
    #[schema(value_type = String)]
    pub topic: TopicName,
    /// How many replicas each of its partitions is to have.
    #[schema(value_type = u16)]
    pub replicas: ReplicationFactor,
    /// How many partitions have another number.
    pub partitions_left: usize,
    /// When it was ordered, in milliseconds since the Unix epoch.
    pub asked_at_ms: u64,
}

/// When copies may start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MaintenanceView {
    /// The windows in UTC, such as `mon,tue 22:00-06:00`.
    pub windows: Vec<String>,
    /// Whether leaders change outside them too.
    pub leadership_anytime: bool,
    /// When the next one opens, in milliseconds since the Unix epoch; none while one is open.
    pub next_opening_ms: Option<u64>,
}

/// A figure for each resource.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResourceFigures {
    /// Of bytes received.
    pub bytes_in: f64,
    /// Of bytes sent.
    pub bytes_out: f64,
    /// Of processor time.
    pub cpu: f64,
    /// Of bytes stored.
    pub disk: f64,
}

/// What a balancer that does not say so is taken to be.
fn balanced() -> f64 {
    1.0
}

impl ResourceFigures {
    /// The figure of one resource.
    pub fn of(&self, resource: Resource) -> f64 {
        match resource {
            Resource::BytesIn => self.bytes_in,
            Resource::BytesOut => self.bytes_out,
            Resource::Cpu => self.cpu,
            Resource::Disk => self.disk,
        }
    }
}

impl From<PerResource> for ResourceFigures {
    fn from(figures: PerResource) -> Self {
        let PerResource {
            bytes_in,
            bytes_out,
            cpu,
            disk,
        } = figures;
        Self {
            bytes_in,
            bytes_out,
            cpu,
            disk,
        }
    }
}

/// One broker's load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BrokerView {
    /// Its id.
    #[schema(value_type = i32)]
    pub id: BrokerId,
    /// Its rack.
    pub rack: Option<String>,
    /// `alive`, `new`, `draining` or `dead`.
    pub state: String,
    /// How many replicas it hosts.
    pub replicas: usize,
    /// How many of them lead.
    pub leaders: usize,
    /// Load: bytes per second, cores, bytes.
    pub load: ResourceFigures,
    /// Load that it can carry, in the same units.
    pub capacity: ResourceFigures,
    /// Load / capacity.
    pub utilisation: ResourceFigures,
    /// Resources in which it is hot.
    #[schema(value_type = Vec<String>)]
    pub hot: Vec<Resource>,
    /// Where its figures come from.
    pub source: SourceView,
}

/// Where a broker's figures come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SourceView {
    /// Its sidecar's report.
    Sidecar {
        /// Age of the report's later sample, in milliseconds.
        age_ms: u64,
    },
    /// Offsets and log sizes over the Kafka protocol, without processor figures.
    Protocol {
        /// Why there is no report.
        reason: String,
    },
    /// Nothing is known; the last figures are kept.
    Unknown {
        /// Why.
        reason: String,
    },
}

impl SourceView {
    /// The kind as a word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sidecar { .. } => "sidecar",
            Self::Protocol { .. } => "protocol",
            Self::Unknown { .. } => "unknown",
        }
    }
}

/// One partition's load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PartitionView {
    /// The topic.
    #[schema(value_type = String)]
    pub topic: TopicName,
    /// The partition.
    #[schema(value_type = i32)]
    pub partition: PartitionId,
    /// Its leader.
    #[schema(value_type = Option<i32>)]
    pub leader: Option<BrokerId>,
    /// Its replicas, the preferred leader first.
    #[schema(value_type = Vec<i32>)]
    pub replicas: Vec<BrokerId>,
    /// Bytes per second from producers, over the last seconds.
    pub bytes_in: f64,
    /// Bytes per second that its leader sends, replication included, over the last seconds.
    pub bytes_out: f64,
    /// Bytes on each replica.
    pub disk: f64,
}

/// Hot brokers and partitions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HotList {
    /// Hot brokers.
    pub brokers: Vec<HotBrokerView>,
    /// Hot partitions.
    pub partitions: Vec<HotPartitionView>,
}

/// A broker that carries far more than its share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HotBrokerView {
    /// The broker.
    #[schema(value_type = i32)]
    pub broker: BrokerId,
    /// In which resource.
    #[schema(value_type = String)]
    pub resource: Resource,
    /// Its utilisation.
    pub utilisation: f64,
    /// The cluster's mean utilisation.
    pub mean: f64,
    /// Since when its utilisation has been too high, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// Why: `hot_partition`, `hot_topic`, `too_many_leaders`, `small_broker`, `skewed_keys` or `too_much`.
    pub cause: String,
    /// The cause in a sentence with figures.
    pub explanation: String,
}

/// A partition that makes a broker hot, or stands far above its siblings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HotPartitionView {
    /// The topic.
    #[schema(value_type = String)]
    pub topic: TopicName,
    /// The partition.
    #[schema(value_type = i32)]
    pub partition: PartitionId,
    /// Its leader.
    #[schema(value_type = Option<i32>)]
    pub leader: Option<BrokerId>,
    /// The broker that it makes hot, with its leader or with another replica.
    #[schema(value_type = i32)]
    pub broker: BrokerId,
    /// In which resource.
    #[schema(value_type = String)]
    pub resource: Resource,
    /// What it takes of that resource there.
    pub load: f64,
    /// Why, as for brokers.
    pub cause: String,
    /// The cause in a sentence with figures.
    pub explanation: String,
    /// What helps: `lead_elsewhere`, `move`, `swap`, `isolate` or `split`.
    pub verdict: String,
    /// The verdict in a sentence with figures.
    pub advice: String,
    /// How many partitions the topic would need, for `split`.
    pub partitions_that_would_help: Option<u32>,
}

/// The plan that is waiting or being executed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlanView {
    /// Its number, which `approve` takes; none for a plan that mode `observe` only suggests.
    pub id: Option<u64>,
    /// Where it stands.
    pub standing: PlanStanding,
    /// What it is for, such as `cool` or `drain 3`.
    pub purpose: String,
    /// When it was made, in milliseconds since the Unix epoch.
    pub planned_at_ms: u64,
    /// Imbalance when it was made.
    pub imbalance_before: ResourceFigures,
    /// Imbalance when all its moves are done.
    pub imbalance_after: ResourceFigures,
    /// Bytes that its moves copy.
    pub bytes: u64,
    /// No plan reaches the same balance with fewer bytes.
    pub bytes_lower_bound: u64,
    /// Its moves in order.
    pub moves: Vec<MoveView>,
    /// What it leaves unsolved and why.
    pub unsolved: Vec<String>,
    /// Replication throttles in force, by broker.
    pub throttles: Vec<ThrottleView>,
}

/// Where a plan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlanStanding {
    /// What the balancer would do if its mode let it.
    Suggested,
    /// It waits for approval.
    Waiting,
    /// It is being executed.
    Executing,
    /// What was in flight goes on to its end; no further move starts until `resume`.
    Paused,
    /// It is being stopped.
    Stopping,
}

/// One move of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MoveView {
    /// The topic.
    #[schema(value_type = String)]
    pub topic: TopicName,
    /// The partition.
    #[schema(value_type = i32)]
    pub partition: PartitionId,
    /// Its replicas before, the preferred leader first.
    #[schema(value_type = Vec<i32>)]
    pub from: Vec<BrokerId>,
    /// Its replicas after, the leader first.
    #[schema(value_type = Vec<i32>)]
    pub to: Vec<BrokerId>,
    /// Whether only the leader changes.
    pub leadership_only: bool,
    /// Why.
    pub reason: String,
    /// Bytes to copy.
    pub bytes: u64,
    /// Bytes copied so far.
    pub bytes_done: u64,
    /// How long copying takes alone at the throttle that was foreseen, in seconds.
    #[serde(default)]
    pub expected_seconds: f64,
    /// `pending`, `in_progress` or how it ended, such as `done` or `no_longer_helps`.
    pub state: String,
    /// When the change was sent to Kafka, in milliseconds since the Unix epoch.
    pub submitted_at_ms: Option<u64>,
    /// When it ended.
    pub ended_at_ms: Option<u64>,
}

/// A replication throttle that the balancer has set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ThrottleView {
    /// The broker.
    #[schema(value_type = i32)]
    pub broker: BrokerId,
    /// Bytes per second that it may send for moves.
    pub leader_rate: Option<u64>,
    /// Bytes per second that it may receive for moves.
    pub follower_rate: Option<u64>,
}

/// A plan that has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FinishedPlan {
    /// Its number.
    pub id: u64,
    /// What it was for.
    pub purpose: String,
    /// When it was made, in milliseconds since the Unix epoch.
    pub planned_at_ms: u64,
    /// When it ended.
    pub ended_at_ms: u64,
    /// Imbalance when it was made.
    pub imbalance_before: ResourceFigures,
    /// Imbalance that it foresaw.
    pub imbalance_foreseen: ResourceFigures,
    /// Imbalance that was measured some looks after its end, under the load that plans are made for as the other two; none
    /// before that, and when another plan had begun by then.
    pub imbalance_measured: Option<ResourceFigures>,
    /// How many of its moves were done.
    pub moves_done: usize,
    /// How many moves it had.
    pub moves: usize,
    /// Bytes that it copied.
    pub bytes: u64,
    /// No plan reaches the same balance with fewer bytes.
    pub bytes_lower_bound: u64,
    /// Moves that changed the leader only and were done.
    pub leadership_changes: usize,
    /// Moves that copied data and were done.
    pub replica_moves: usize,
    /// Moves that only took replicas away and were done.
    #[serde(default)]
    pub removals: usize,
    /// How many moves ended in each way.
    pub outcomes: std::collections::BTreeMap<String, usize>,
}
