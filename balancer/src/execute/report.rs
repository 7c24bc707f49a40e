//! What comes of asking the executor for something.

use std::collections::BTreeSet;

use kafka::ClusterError;
use kafka::ids::{TopicName, TopicPartition};
use thiserror::Error;

use crate::journal::{JournalError, MoveProgress, MoveState, Outcome, PlanId, Record};
use crate::plan::Plan;

/// The most moves of one plan; each is a record in one transaction of the journal.
const MOST_MOVES: usize = 10_000;

/// Why the executor could not do something.
#[derive(Debug, Error)]
pub enum ExecuteError {
    /// Another balancer has opened the journal. Nothing more may be done; the loop must stop at once.
    #[error("another balancer has taken over; this one stops")]
    Fenced,
    /// The journal could not be written, so nothing was done. The next tick tries again.
    #[error("the journal cannot be written; nothing is changed in Kafka until it can")]
    Journal(#[source] JournalError),
    /// The journal answers so late that nobody can know whether another balancer has taken over meanwhile.
    #[error(
        "the journal answers too slowly to know that no other balancer has taken over; nothing is changed meanwhile"
    )]
    SlowJournal,
    /// Kafka could not be read, so nothing was done. The next tick tries again.
    #[error("Kafka cannot be read; nothing is changed until it can")]
    Cluster(#[source] ClusterError),
    /// Another plan is being made.
    #[error("plan {0} is being made; stop it or wait for its end")]
    Busy(PlanId),
    /// There is no such plan to approve or to stop.
    #[error("there is no such plan to act on; it may be over or replaced by a newer one")]
    NoSuchPlan,
    /// No move was named to approve.
    #[error("no move is named; name at least one, or leave the list out to approve all of them")]
    NothingChosen,
    /// Moves were named that the plan does not have.
    #[error("plan {id} does not move {}; it moves {}", listed(unknown), listed(there))]
    NotInPlan {
        /// The plan.
        id: PlanId,
        /// What was named and is not there.
        unknown: BTreeSet<TopicPartition>,
        /// What there is.
        there: BTreeSet<TopicPartition>,
    },
    /// No plan is being made that could pause.
    #[error(
        "no plan is being executed that could pause; one that waits is not approved, one that stops goes on to its end"
    )]
    NothingToPause,
    /// No plan is paused.
    #[error("no plan is paused; `plan` shows what there is")]
    NothingToResume,
    /// More topics would be in the journal than it may hold.
    #[error(
        "{orders} topics would be waiting for another number of replicas, more than {most}; wait until some have theirs"
    )]
    TooManyOrders {
        /// How many there would be.
        orders: usize,
        /// How many there may be.
        most: usize,
    },
    /// The mode does not allow it.
    #[error("nothing is changed in mode observe; switch to approve or auto first")]
    Observing,
    /// The plan cannot be executed.
    #[error("the plan cannot be executed: {0}")]
    Unusable(String),
}

impl From<JournalError> for ExecuteError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Fenced => Self::Fenced,
            other => Self::Journal(other),
        }
    }
}

/// What one tick did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TickReport {
    /// Changes that Kafka has confirmed.
    pub changes: usize,
    /// Moves that ended, and how.
    pub ended: Vec<(TopicPartition, Outcome)>,
    /// Plans that are over.
    pub finished: Vec<PlanId>,
    /// Topics about whose number of replicas nothing is to be done any more.
    pub replicated: Vec<TopicName>,
    /// What went wrong, in sentences; the next tick tries again.
    pub problems: Vec<String>,
}

impl TickReport {
    pub(super) fn note_ends(&mut self, records: &[Record]) {
        for record in records {
            match record {
                Record::Move(
                    _,
                    _,
                    Some(MoveProgress {
                        change,
                        state: MoveState::Ended { outcome, .. },
                        ..
                    }),
                ) => {
                    self.ended.push((change.partition.clone(), outcome.clone()));
                }
                Record::Replication(topic, None) => self.replicated.push(topic.clone()),
                Record::Finished(plan, Some(_)) => self.finished.push(*plan),
                _ => {}
            }
        }
    }
}

/// Partitions in a sentence, not more of them than one reads.
fn listed(partitions: &BTreeSet<TopicPartition>) -> String {
    const SHOWN: usize = 50;
    let names = partitions.iter().take(SHOWN).map(ToString::to_string);
    let mut text = names.collect::<Vec<_>>().join(", ");
    if partitions.len() > SHOWN {
        text.push_str(&format!(
            " and {} more (`plan` shows all)",
            partitions.len() - SHOWN
        ));
    }
    text
}

/// Refuses plans that Kafka would refuse, or that the journal could not hold.
pub(super) fn check(plan: &Plan) -> Result<(), ExecuteError> {
    let unusable = |why: String| Err(ExecuteError::Unusable(why));
    if plan.moves.len() > MOST_MOVES {
        return unusable(format!("{} moves, more than {MOST_MOVES}", plan.moves.len()));
    }
    let mut seen = BTreeSet::new();
    for change in &plan.moves {
        let distinct: BTreeSet<_> = change.to.iter().collect();
        if change.to.is_empty() || distinct.len() != change.to.len() {
            return unusable(format!(
                "{} would be on no broker or twice on one",
                change.partition
            ));
        }
        if !seen.insert(&change.partition) {
            return unusable(format!("{} is moved twice", change.partition));
        }
        if !(change.gain.is_finite() && change.expected_seconds.is_finite()) {
            return unusable(format!("gain or time of {} is no number", change.partition));
        }
    }
    let numbers = [plan.imbalance_before, plan.imbalance_after];
    if numbers.iter().any(|i| {
        ![i.bytes_in, i.bytes_out, i.cpu, i.disk]
            .iter()
            .all(|n| n.is_finite())
    }) {
        return unusable("an imbalance is no number".to_owned());
    }
    Ok(())
}
