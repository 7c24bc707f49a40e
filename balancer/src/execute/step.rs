//! What a decision consists of.

use kafka::cluster::{ConfigChange, ConfigResource};
use kafka::ids::{BrokerId, TopicPartition};

use crate::journal::{PlanId, Record};

/// One thing to do: write the intent, change Kafka, write what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Written before anything is changed.
    pub intent: Vec<Record>,
    /// The change.
    pub change: Option<Change>,
    /// Written when Kafka has said that the change is made.
    pub settled: Vec<Record>,
}

/// A change in Kafka.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Throttles something more, or otherwise.
    Throttle(ConfigResource, ConfigChange),
    /// Starts a reassignment for a move, or puts replicas that are back in their old order.
    Reassign(MoveId, TopicPartition, Vec<BrokerId>),
    /// Cancels a reassignment.
    Cancel(TopicPartition),
    /// Has the first replica elected leader.
    Elect(TopicPartition),
    /// Takes a throttle of ours away.
    Unthrottle(ConfigResource, ConfigChange),
}

/// A move by its plan and its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MoveId {
    /// The plan.
    pub plan: PlanId,
    /// The move's place in it.
    pub place: u32,
}

impl Step {
    pub(super) fn note(records: Vec<Record>) -> Self {
        Self {
            intent: records,
            change: None,
            settled: Vec::new(),
        }
    }

    pub(super) fn intending(intent: Vec<Record>, change: Change) -> Self {
        Self {
            intent,
            change: Some(change),
            settled: Vec::new(),
        }
    }

    pub(super) fn settling(change: Change, settled: Vec<Record>) -> Self {
        Self {
            intent: Vec::new(),
            change: Some(change),
            settled,
        }
    }
}
