//! What the journal's records are about.

use std::fmt;
use std::time::Duration;

use kafka::ids::{BrokerId, ReplicationFactor, TopicPartition};
use serde::{Deserialize, Serialize};

use crate::plan::{Imbalance, Move, Purpose};

/// A moment, in milliseconds since the Unix epoch. Wall-clock time, since it has to mean the same after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// How long ago `earlier` was; nothing when the clock was set back.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A plan's number; later plans have greater ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlanId(pub u64);

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// That a journal is whole; there is nothing else to say about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Whole {}

/// How much the balancer may do by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It says what it would do.
    #[default]
    Observe,
    /// It does what somebody has approved.
    Approve,
    /// It acts.
    Auto,
}

/// How a plan is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopHow {
    /// Moves in flight finish, no other starts.
    Gently,
    /// Moves in flight are cancelled, their replicas go back.
    AtOnce,
}

/// Where a plan is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Made, but nobody has said yes.
    Proposed,
    /// Its moves are being made.
    Running,
    /// What was in flight goes on to its end; no further move starts until somebody says so.
    Paused,
    /// No further move starts.
    Stopping(StopHow),
}

/// What is known of a plan besides its moves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanHead {
    /// What it is for.
    pub purpose: Purpose,
    /// Where it is in its life.
    pub phase: Phase,
    /// When it was handed in.
    pub created_at: Timestamp,
    /// When it came into its phase.
    pub phase_since: Timestamp,
    /// Imbalance when it was planned.
    pub imbalance_before: Imbalance,
    /// Imbalance that it is to reach.
    pub imbalance_after: Imbalance,
    /// Bytes that all moves copy.
    pub bytes: u64,
    /// The lower bound on bytes for the same result.
    pub bytes_lower_bound: u64,
    /// What could not be done and why, the first of it; see [`PlanHead::shorten`].
    pub unsolved: Vec<String>,
}

impl PlanHead {
    /// The first sentences of what a plan leaves unsolved, as many as fit beside the rest in a record.
    pub fn shorten(unsolved: Vec<String>) -> Vec<String> {
        const SENTENCES: usize = 100;
        const CHARACTERS: usize = 600;
        let short = |sentence: String| sentence.chars().take(CHARACTERS).collect();
        unsolved.into_iter().take(SENTENCES).map(short).collect()
    }
}

/// A move and how far it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MoveProgress {
    /// The move as planned.
    pub change: Move,
    /// How far it is.
    pub state: MoveState,
    /// When it was first asked of Kafka, if it was.
    #[serde(default)]
    pub asked_at: Option<Timestamp>,
}

impl MoveProgress {
    /// A move of which nothing has been asked of Kafka.
    pub fn planned(change: Move) -> Self {
        Self {
            change,
            state: MoveState::Waiting,
            asked_at: None,
        }
    }

    /// The same move in another state.
    #[must_use]
    pub fn entering(&self, state: MoveState) -> Self {
        let asked = match &state {
            MoveState::Asked { since } | MoveState::Electing { since } => Some(*since),
            _ => None,
        };
        Self {
            change: self.change.clone(),
            asked_at: self.asked_at.or(asked),
            state,
        }
    }
}

/// How far a move is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum MoveState {
    /// Nothing has been asked of Kafka.
    Waiting,
    /// The reassignment has been asked for, or was about to be; Kafka has not been seen doing it.
    Asked {
        /// Since when.
        since: Timestamp,
    },
    /// Kafka was seen copying.
    Copying {
        /// Since when.
        since: Timestamp,
        /// What does not fit, if anything.
        doubt: Option<Doubt>,
    },
    /// The replicas are as wanted; the first one is to lead.
    Electing {
        /// Since when.
        since: Timestamp,
    },
    /// It is being cancelled; the replicas go back.
    Reverting {
        /// Since when.
        since: Timestamp,
        /// Whether Kafka was seen copying before, so that no request can be on its way any more.
        seen: bool,
        /// How it will have ended.
        outcome: Outcome,
    },
    /// It is over.
    Ended {
        /// Since when.
        at: Timestamp,
        /// How it ended.
        outcome: Outcome,
    },
}

/// What Kafka shows that does not fit a move that is in flight. It counts only when it stays, since a broker may
/// answer with metadata that is older than what the controller knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    /// Since when.
    pub since: Timestamp,
    /// What.
    pub why: WhyDoubt,
}

/// What does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyDoubt {
    /// The topic is not there.
    NoTopic,
    /// Kafka lists no reassignment, but the replicas are not those wanted.
    NotListed,
    /// A broker that gets a copy is not alive.
    BrokerGone(BrokerId),
}

/// How a move ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// As planned.
    Done,
    /// Dropped, because it would not help any more.
    NoLongerHelps {
        /// Why not.
        why: String,
    },
    /// The topic was deleted.
    TopicDeleted,
    /// The topic was deleted and made again; this is another one.
    TopicRecreated,
    /// Somebody else is reassigning the partition.
    ReassignedElsewhere,
    /// Somebody else has cancelled the reassignment.
    CancelledElsewhere,
    /// The replicas are not what they were when the move was planned.
    ChangedElsewhere,
    /// A broker that was to get a copy, or to lead, is not alive.
    BrokerGone {
        /// Which.
        broker: BrokerId,
    },
    /// A broker that was to get a copy has no room for it.
    DiskFull {
        /// Which.
        broker: BrokerId,
    },
    /// Kafka refused it.
    Refused {
        /// Kafka's words.
        why: String,
    },
    /// Kafka did not answer, again and again.
    Unanswered,
    /// The copy took far longer than it should even at the least rate.
    TooSlow,
    /// The new leader was not elected in time.
    LeaderNotElected,
    /// The partition was moved a short while ago.
    CoolingDown,
    /// It would bring a replica back to where it was a short while ago.
    ToAndFro,
    /// It would leave the partition fewer replicas than it has, which could take it below min.insync.replicas.
    FewerReplicas,
    /// What it waited for did not come.
    NotStarted {
        /// What it waited for.
        why: String,
    },
    /// Somebody stopped the plan.
    Stopped,
    /// Somebody approved other moves of the plan, and not this one.
    NotApproved,
}

/// A direction of replication: what a broker sends, or what it receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// What the leader sends.
    Leader,
    /// What the follower receives.
    Follower,
}

impl Direction {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Leader, Self::Follower];

    /// The broker's configuration entry for the rate, in bytes per second.
    pub fn rate(self) -> &'static str {
        match self {
            Self::Leader => "leader.replication.throttled.rate",
            Self::Follower => "follower.replication.throttled.rate",
        }
    }

    /// The topic's configuration entry for the replicas, a list of `partition:broker`.
    pub fn replicas(self) -> &'static str {
        match self {
            Self::Leader => "leader.replication.throttled.replicas",
            Self::Follower => "follower.replication.throttled.replicas",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
        }
    }
}

/// A rate that this balancer has set at a broker, or was about to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerThrottle {
    /// The dynamic value that was there before; it is put back.
    pub before: Option<String>,
    /// The values, in bytes per second, that may be in force because of this balancer, the newest last.
    pub written: Vec<u64>,
    /// When the newest was written.
    pub at: Timestamp,
    /// Somebody else has changed the value since, so it is theirs.
    pub yielded: bool,
    /// Kafka has said that the value before is back. It is remembered until every broker must have heard of it, so
    /// that what a broker still shows is not taken for somebody else's.
    pub lifted: bool,
}

/// Replicas that this balancer has added to a topic's list of throttled ones, or was about to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicThrottle {
    /// The topic's id; a topic of the same name made later has none of these.
    pub topic_id: [u8; 16],
    /// Whether the topic had a dynamic value before, even an empty one.
    pub present_before: bool,
    /// The elements that were added, as Kafka writes them: `partition:broker`.
    pub entries: Vec<String>,
    /// Elements that were added and taken out again, the last one last. A request that is late may add them once more.
    pub over: Vec<String>,
    /// When they were last changed.
    pub at: Timestamp,
}

/// A broker that is to be emptied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// When somebody asked for it.
    pub asked_at: Timestamp,
    /// Since when it hosts no replica at all.
    pub empty_since: Option<Timestamp>,
}

/// How many replicas somebody wants a topic to have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replication {
    /// The topic's id; a topic of the same name made later is another one.
    pub topic_id: [u8; 16],
    /// How many replicas each of its partitions is to have.
    pub replicas: ReplicationFactor,
    /// When somebody asked for it.
    pub asked_at: Timestamp,
    /// Since when nothing is to be done about it any more.
    pub over_since: Option<Timestamp>,
}

/// What was started in one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// The minute's start.
    pub minute: Timestamp,
    /// Moves started.
    pub moves: u64,
    /// Bytes that they copy.
    pub bytes: u64,
}

/// When a partition was last moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoolDown {
    /// When the move started.
    pub since: Timestamp,
    /// The brokers whose copy it took elsewhere.
    pub left: Vec<BrokerId>,
}

/// A plan that is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FinishedPlan {
    /// What is known of it.
    pub head: PlanHead,
    /// When its last move ended.
    pub finished_at: Timestamp,
    /// How many of its moves were done.
    pub done: usize,
    /// How many moves it had.
    pub total: usize,
    /// Its moves, the first of them; see [`FinishedPlan::keep`].
    pub moves: Vec<FinishedMove>,
    /// Imbalance that was measured a few looks after its end; none when another plan began before that.
    pub measured: Option<Imbalance>,
}

impl FinishedPlan {
    /// How many moves are kept.
    pub const MOST_MOVES: usize = 1000;

    /// How many bytes of JSON they take at most. Together with the head they stay within the megabyte that Kafka takes
    /// by default; a record that it refused could never be written, and nothing after it.
    pub const MOST_BYTES: usize = 600_000;

    /// The first of `moves`, as many as a record may have.
    pub fn keep(mut moves: Vec<FinishedMove>) -> Vec<FinishedMove> {
        moves.truncate(Self::MOST_MOVES);
        let mut bytes = 0_usize;
        let fits = |ended: &FinishedMove| {
            let more = serde_json::to_vec(ended).map_or(usize::MAX, |json| json.len() + 1);
            bytes = bytes.saturating_add(more);
            bytes <= Self::MOST_BYTES
        };
        let fitting = moves.iter().map(fits).take_while(|fits| *fits).count();
        moves.truncate(fitting);
        moves
    }
}

/// A move that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishedMove {
    /// The partition.
    pub partition: TopicPartition,
    /// Its replicas before.
    pub from: Vec<BrokerId>,
    /// The replicas that it was to have.
    pub to: Vec<BrokerId>,
    /// Bytes that it was to copy.
    pub bytes: u64,
    /// How it ended.
    pub outcome: Outcome,
}
