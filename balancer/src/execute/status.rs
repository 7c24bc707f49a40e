//! What the executor shows of itself.

use std::collections::BTreeMap;

use kafka::ids::{BrokerId, TopicName, TopicPartition};
use serde::Serialize;

use super::limits::Limits;
use crate::journal::{
    Direction, Drain, ExecutionState, FinishedPlan, Mode, MoveProgress, Phase, PlanHead, PlanId, Replication,
    Skipped,
};

/// Everything there is to know about execution at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// The mode.
    pub mode: Mode,
    /// The plan that is proposed, being made or being stopped.
    pub plan: Option<PlanStatus>,
    /// Throttles of ours that are in Kafka or may be.
    pub throttles: Throttles,
    /// Brokers that are to be emptied.
    pub drains: BTreeMap<BrokerId, Drain>,
    /// How many replicas topics are to have that do not have them yet.
    pub replications: BTreeMap<TopicName, Replication>,
    /// Plans that are over, the newest first.
    pub history: Vec<(PlanId, FinishedPlan)>,
    /// The limits in force.
    pub limits: Limits,
    /// Journal records that could not be understood, in sentences.
    pub skipped_records: Vec<String>,
}

/// A plan and how far it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanStatus {
    /// Its number, by which it is approved.
    pub id: PlanId,
    /// Where it is in its life.
    pub phase: Phase,
    /// What else is known of it; none when that part of the journal was unreadable.
    pub head: Option<PlanHead>,
    /// Its moves in order.
    pub moves: Vec<MoveStatus>,
}

/// A move and how far it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MoveStatus {
    /// The move and its state.
    #[serde(flatten)]
    pub progress: MoveProgress,
    /// Bytes copied, where known.
    pub copied: Option<u64>,
}

/// Throttles of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Throttles {
    /// Rates at brokers, in bytes per second.
    pub rates: Vec<RateStatus>,
    /// Replicas in topics' lists.
    pub replicas: Vec<ReplicasStatus>,
}

/// A rate of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RateStatus {
    /// The broker.
    pub broker: BrokerId,
    /// What it throttles.
    pub direction: Direction,
    /// The rate set last, in bytes per second; none where somebody else has set another since.
    pub rate: Option<u64>,
    /// The value that will be put back.
    pub before: Option<String>,
}

/// Throttled replicas of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReplicasStatus {
    /// The topic.
    pub topic: TopicName,
    /// What it throttles.
    pub direction: Direction,
    /// `partition:broker`, one each.
    pub entries: Vec<String>,
}

pub(super) fn status(
    state: &ExecutionState,
    limits: &Limits,
    skipped: &[Skipped],
    copied: &BTreeMap<TopicPartition, u64>,
) -> Status {
    let plan = state.plans.iter().next().map(|(id, plan)| PlanStatus {
        id: *id,
        phase: plan.phase(),
        head: plan.head.clone(),
        moves: plan
            .moves
            .values()
            .map(|progress| MoveStatus {
                copied: copied.get(&progress.change.partition).copied(),
                progress: progress.clone(),
            })
            .collect(),
    });
    let rates = state
        .broker_throttles
        .iter()
        .filter(|(_, throttle)| !throttle.lifted);
    let replicas = state
        .topic_throttles
        .iter()
        .filter(|(_, throttle)| !throttle.entries.is_empty());
    Status {
        mode: state.mode.unwrap_or_default(),
        plan,
        throttles: Throttles {
            rates: rates
                .map(|((broker, direction), throttle)| RateStatus {
                    broker: *broker,
                    direction: *direction,
                    rate: throttle.written.last().copied().filter(|_| !throttle.yielded),
                    before: throttle.before.clone(),
                })
                .collect(),
            replicas: replicas
                .map(|((topic, direction), throttle)| ReplicasStatus {
                    topic: topic.clone(),
                    direction: *direction,
                    entries: throttle.entries.clone(),
                })
                .collect(),
        },
        drains: state.drains.clone(),
        replications: state.replications.clone(),
        history: state
            .history
            .iter()
            .rev()
            .map(|(id, plan)| (*id, plan.clone()))
            .collect(),
        limits: limits.clone(),
        skipped_records: skipped.iter().map(Skipped::to_string).collect(),
    }
}
