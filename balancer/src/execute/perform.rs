//! Doing what was decided: the journal first, then Kafka.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka::cluster::{ConfigChange, ConfigResource, Each};
use kafka::error::ClusterError;
use kafka::ids::TopicPartition;
use kafka::{Cluster, CompactedLog};
use tokio::time::Instant;

use super::step::{Change, MoveId, Step};
use super::{ExecuteError, TickReport};
use crate::journal::{ExecutionState, Journal, MoveState, Outcome, Record, Timestamp};

/// How long a written record vouches for it that no other balancer has taken over.
const CONFIRMED_FOR: Duration = Duration::from_secs(2);

/// How often a record is written anew when its answer took longer than it vouches for.
const CONFIRMATIONS: usize = 2;

/// The longest text of Kafka's that an outcome carries.
const LONGEST_REASON: usize = 300;

/// One round of steps against one cluster.
pub(super) struct Round<'a, C, L: CompactedLog> {
    pub(super) cluster: &'a C,
    pub(super) journal: &'a mut Journal<L>,
    pub(super) now: Timestamp,
    pub(super) report: &'a mut TickReport,
    /// Records to write when the round is over.
    settled: Vec<Record>,
    /// Whether every request was answered and none was refused.
    smooth: bool,
    /// When the journal was last known to be this balancer's.
    confirmed: Instant,
}

impl<'a, C: Cluster, L: CompactedLog> Round<'a, C, L> {
    pub(super) fn new(
        cluster: &'a C,
        journal: &'a mut Journal<L>,
        now: Timestamp,
        report: &'a mut TickReport,
    ) -> Self {
        Self {
            cluster,
            journal,
            now,
            report,
            settled: Vec::new(),
            smooth: true,
            confirmed: Instant::now(),
        }
    }

    /// Does all steps. Answers whether everything went well, so that deciding again at once makes sense.
    pub(super) async fn perform(mut self, steps: Vec<Step>) -> Result<bool, ExecuteError> {
        let mut intents = Vec::new();
        let mut throttles = Vec::new();
        let mut reassignments = Vec::new();
        let mut cancellations = Vec::new();
        let mut elections = Vec::new();
        let mut unthrottles = Vec::new();
        for step in steps {
            if let Some(change) = &step.change {
                tracing::debug!(?change, "A change is due.");
            }
            intents.extend(step.intent);
            match step.change {
                None => {}
                Some(Change::Throttle(resource, change)) => throttles.push((resource, change, step.settled)),
                Some(Change::Unthrottle(resource, change)) => {
                    unthrottles.push((resource, change, step.settled))
                }
                Some(Change::Reassign(id, partition, to)) => reassignments.push((id, partition, to)),
                Some(Change::Cancel(partition)) => cancellations.push(partition),
                Some(Change::Elect(partition)) => elections.push(partition),
            }
        }
        let changes_kafka =
            throttles.len() + unthrottles.len() + reassignments.len() + cancellations.len() + elections.len();
        if intents.is_empty() && changes_kafka > 0 {
            // Nothing new to write, but only a write shows that no other balancer has taken over.
            intents.push(Record::Mode(self.journal.state().mode.unwrap_or_default()));
        }
        self.report.note_ends(&intents);
        // Counted from before the record was sent: its answer may be late, and who took over meanwhile has not seen it.
        self.confirmed = Instant::now();
        self.journal.record(intents).await?;
        self.alter(throttles).await?;
        self.reassign(reassignments).await?;
        self.cancel(cancellations).await?;
        self.elect(elections).await?;
        self.alter(unthrottles).await?;
        self.report.note_ends(&self.settled);
        self.journal.record(self.settled).await?;
        Ok(self.smooth)
    }

    /// Makes sure that no other balancer has taken over since the journal was written last: answers may have taken long,
    /// and the process may have been asleep.
    async fn confirm(&mut self) -> Result<(), ExecuteError> {
        for _ in 0..CONFIRMATIONS {
            if self.confirmed.elapsed() <= CONFIRMED_FOR {
                return Ok(());
            }
            let mode = self.journal.state().mode.unwrap_or_default();
            self.confirmed = Instant::now();
            self.journal.record(vec![Record::Mode(mode)]).await?;
        }
        match self.confirmed.elapsed() <= CONFIRMED_FOR {
            true => Ok(()),
            false => Err(ExecuteError::SlowJournal),
        }
    }

    async fn alter(
        &mut self,
        changes: Vec<(ConfigResource, ConfigChange, Vec<Record>)>,
    ) -> Result<(), ExecuteError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.confirm().await?;
        let mut by_resource: BTreeMap<ConfigResource, (Vec<ConfigChange>, Vec<Record>)> = BTreeMap::new();
        for (resource, change, settled) in changes {
            let all = by_resource.entry(resource).or_default();
            all.0.push(change);
            all.1.extend(settled);
        }
        let request: Vec<_> = by_resource
            .iter()
            .map(|(resource, (changes, _))| (resource.clone(), changes.clone()))
            .collect();
        let Some(answers) = self.answered(self.cluster.alter_configs(&request).await) else {
            return Ok(());
        };
        for (resource, answer) in answers {
            let settled = by_resource.remove(&resource).map(|(_, settled)| settled);
            match answer {
                // A topic that is gone took its throttles with it.
                Ok(()) | Err(ClusterError::UnknownTopicOrPartition(_)) => {
                    self.report.changes += 1;
                    self.settled.extend(settled.unwrap_or_default());
                }
                Err(error) => self.trouble(&error),
            }
        }
        Ok(())
    }

    async fn reassign(
        &mut self,
        moves: Vec<(MoveId, TopicPartition, Vec<kafka::BrokerId>)>,
    ) -> Result<(), ExecuteError> {
        if moves.is_empty() {
            return Ok(());
        }
        self.confirm().await?;
        let ids: BTreeMap<TopicPartition, MoveId> = moves.iter().map(|(id, p, _)| (p.clone(), *id)).collect();
        let request: Vec<_> = moves
            .into_iter()
            .map(|(_, partition, to)| (partition, to))
            .collect();
        let Some(answers) = self.answered(self.cluster.reassign(&request).await) else {
            return Ok(());
        };
        for (partition, answer) in answers {
            match answer {
                Ok(()) => self.report.changes += 1,
                Err(error) => {
                    self.trouble(&error);
                    let refused = !error.is_retriable() && !error.outcome_is_unknown();
                    if let Some(id) = ids.get(&partition).filter(|_| refused) {
                        self.settled
                            .extend(refuse(self.journal.state(), *id, &error, self.now));
                    }
                }
            }
        }
        Ok(())
    }

    async fn cancel(&mut self, partitions: Vec<TopicPartition>) -> Result<(), ExecuteError> {
        if partitions.is_empty() {
            return Ok(());
        }
        self.confirm().await?;
        let answers = self.cluster.cancel_reassignments(&partitions).await;
        for (_, answer) in self.answered(answers).unwrap_or_default() {
            match answer {
                // It was over before the request came.
                Ok(()) | Err(ClusterError::NoReassignmentInProgress(_)) => self.report.changes += 1,
                Err(error) => self.trouble(&error),
            }
        }
        Ok(())
    }

    async fn elect(&mut self, partitions: Vec<TopicPartition>) -> Result<(), ExecuteError> {
        if partitions.is_empty() {
            return Ok(());
        }
        self.confirm().await?;
        let answers = self.cluster.elect_preferred_leaders(&partitions).await;
        for (_, answer) in self.answered(answers).unwrap_or_default() {
            match answer {
                Ok(()) => self.report.changes += 1,
                Err(error) => self.trouble(&error),
            }
        }
        Ok(())
    }

    fn answered<K, V>(&mut self, answer: Result<Each<K, V>, ClusterError>) -> Option<Each<K, V>> {
        match answer {
            Ok(answers) => Some(answers),
            Err(error) => {
                self.trouble(&error);
                None
            }
        }
    }

    /// Whatever did not go well is seen, and decided on, in the next tick.
    fn trouble(&mut self, error: &ClusterError) {
        self.smooth = false;
        self.report.problems.push(error.to_string());
    }
}

/// Kafka has refused for good. A move that was only to begin ends so; one on its way back ends as it was to end.
fn refuse(state: &ExecutionState, id: MoveId, error: &ClusterError, at: Timestamp) -> Option<Record> {
    let progress = state.plans.get(&id.plan)?.moves.get(&id.place)?;
    let outcome = match &progress.state {
        MoveState::Reverting { outcome, .. } => outcome.clone(),
        _ => Outcome::Refused {
            why: error.to_string().chars().take(LONGEST_REASON).collect(),
        },
    };
    let ended = progress.entering(MoveState::Ended { at, outcome });
    Some(Record::Move(id.plan, id.place, Some(ended)))
}
