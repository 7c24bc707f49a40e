//! What people order beside the start and the stop of a plan: single approvals, a pause, its end, and numbers of replicas. And
//! what the loop tells of a plan that is over.

use std::collections::BTreeSet;
use std::time::Duration;

use kafka::ids::{TopicName, TopicPartition};
use kafka::{Cluster, CompactedLog};

use super::{ExecuteError, Executor};
use crate::journal::{
    FinishedMove, FinishedPlan, Mode, MoveState, Outcome, Phase, PlanHead, PlanId, Record, Replication,
    Timestamp,
};
use crate::plan::{Imbalance, Purpose};

/// So many times the time after which a plan's result is measured, it may still be: a balancer may be away in between,
/// but what is seen much later says nothing of the plan any more.
const STILL_MEASURED: u32 = 10;

/// How long after a plan to empty brokers that did nothing another one is made, in milliseconds: what keeps replicas where
/// they are, such as full disks, seldom ends by itself, and each plan takes a place in the history.
const DRAIN_AGAIN_MS: u64 = 60_000;

/// How many topics may wait for another number of replicas at a time; each is a record of the journal.
const MOST_REPLICATIONS: usize = 1_000;

impl<C: Cluster, L: CompactedLog> Executor<C, L> {
    /// Remembers how many replicas topics are to have, all of them or none, and forgets it of those without a number. The
    /// plans that do it come from the planner; the order ends when nothing is to be done about it any more.
    ///
    /// # Errors
    ///
    /// [`ExecuteError::TooManyOrders`], and those of the journal.
    pub async fn replicate(
        &mut self,
        orders: Vec<(TopicName, Option<Replication>)>,
    ) -> Result<(), ExecuteError> {
        let known = &self.journal.state().replications;
        let mut after: BTreeSet<&TopicName> = known.keys().collect();
        for (topic, order) in &orders {
            match order {
                Some(_) => after.insert(topic),
                None => after.remove(topic),
            };
        }
        if after.len() > MOST_REPLICATIONS {
            return Err(ExecuteError::TooManyOrders {
                orders: after.len(),
                most: MOST_REPLICATIONS,
            });
        }
        let as_known = |topic: &TopicName, order: &Replication| {
            let same =
                |known: &&Replication| (known.topic_id, known.replicas) == (order.topic_id, order.replicas);
            known.get(topic).filter(same).cloned()
        };
        // One that is known is written anew all the same, since the journal's log may have lost it.
        let records = orders.iter().map(|(topic, order)| {
            let order = order.clone();
            let order = order.map(|order| as_known(topic, &order).unwrap_or(order));
            Record::Replication(topic.clone(), order)
        });
        let records = records.collect();
        self.record(records).await
    }

    /// Partitions of topics that are to have another number of replicas, that were moved a short while ago, and since that was
    /// ordered; of any other, who ordered it knew.
    pub fn cooling_since_ordered(&self, now: Timestamp) -> BTreeSet<TopicPartition> {
        let state = self.journal.state();
        let mut cooling = self.cooling_down(now);
        cooling.retain(|partition| {
            let order = state.replications.get(&partition.topic);
            let cool = state.cool_downs.get(partition);
            matches!((order, cool), (Some(order), Some(cool)) if !order.knew_of(cool))
        });
        cooling
    }

    /// The last plan for numbers of replicas, where it ended with nothing done; and whether no other plan ended since.
    pub fn fruitless_orders(&self) -> Option<(&Purpose, bool)> {
        let history = &self.journal.state().history;
        let is_replication = |plan: &FinishedPlan| matches!(plan.head.purpose, Purpose::Replicate(_));
        let (id, last) = history.iter().rev().find(|(_, plan)| is_replication(plan))?;
        let is_latest = history.last_key_value().is_some_and(|(latest, _)| latest == id);
        (last.done == 0).then_some((&last.head.purpose, is_latest))
    }

    /// The last plan, where it was to empty brokers, ended a moment ago with nothing done, and nobody has asked to empty one
    /// since: another one would most likely end so, too. And when it is worth another try.
    pub fn fruitless_drain(&self, now: Timestamp) -> Option<(&FinishedPlan, Timestamp)> {
        let state = self.journal.state();
        let (_, last) = state.history.last_key_value()?;
        // What people ended says nothing of what would have come of it.
        let by_people =
            |ended: &FinishedMove| matches!(ended.outcome, Outcome::Stopped | Outcome::NotApproved);
        let is_fruitless = matches!(last.head.purpose, Purpose::Drain(_))
            && last.done == 0
            && !last.moves.iter().any(by_people);
        let is_asked_anew = state
            .drains
            .values()
            .any(|drain| drain.asked_at >= last.finished_at);
        let again = Timestamp(last.finished_at.0.saturating_add(DRAIN_AGAIN_MS));
        (is_fruitless && !is_asked_anew && now < again).then_some((last, again))
    }

    /// Lets the moves of these partitions of a proposed plan run. All others of the plan end at once, with
    /// [`Outcome::NotApproved`]; answers how many those are.
    ///
    /// # Errors
    ///
    /// [`ExecuteError::NothingChosen`], [`ExecuteError::NotInPlan`], and those of [`Executor::approve`].
    pub async fn approve_only(
        &mut self,
        id: PlanId,
        chosen: &BTreeSet<TopicPartition>,
        now: Timestamp,
    ) -> Result<usize, ExecuteError> {
        if chosen.is_empty() {
            return Err(ExecuteError::NothingChosen);
        }
        let proposed = self.journal.state().plans.get(&id);
        let Some(plan) = proposed.filter(|plan| plan.phase() == Phase::Proposed) else {
            return Err(ExecuteError::NoSuchPlan);
        };
        if self.mode() == Mode::Observe {
            return Err(ExecuteError::Observing);
        }
        let there: BTreeSet<TopicPartition> = plan
            .moves
            .values()
            .map(|progress| progress.change.partition.clone())
            .collect();
        if !chosen.is_subset(&there) {
            let unknown = chosen.difference(&there).cloned().collect();
            return Err(ExecuteError::NotInPlan { id, unknown, there });
        }
        let others = plan
            .moves
            .iter()
            .filter(|(_, progress)| !chosen.contains(&progress.change.partition));
        let mut records: Vec<Record> = others
            .map(|(place, progress)| {
                let ended = progress.entering(MoveState::Ended {
                    at: now,
                    outcome: Outcome::NotApproved,
                });
                Record::Move(id, *place, Some(ended))
            })
            .collect();
        let ended = records.len();
        if let Some(head) = plan.head.clone() {
            let running = PlanHead {
                phase: Phase::Running,
                phase_since: now,
                ..head
            };
            records.push(Record::Plan(id, Some(running)));
        }
        self.record(records).await?;
        Ok(ended)
    }

    /// Starts no further move of the plan that is being made; what is in flight goes on to its end under its throttles.
    /// A plan that is paused already stays so.
    ///
    /// # Errors
    ///
    /// [`ExecuteError::NothingToPause`], and those of the journal.
    pub async fn pause(&mut self, now: Timestamp) -> Result<PlanId, ExecuteError> {
        match self.heading() {
            Some((id, head)) if head.phase == Phase::Running => {
                self.enter(id, head, Phase::Paused, now).await?;
                Ok(id)
            }
            Some((id, head)) if head.phase == Phase::Paused => Ok(id),
            _ => Err(ExecuteError::NothingToPause),
        }
    }

    /// Goes on with a plan that is paused. Its patience begins anew.
    ///
    /// # Errors
    ///
    /// [`ExecuteError::NothingToResume`], [`ExecuteError::Observing`], and those of the journal.
    pub async fn resume(&mut self, now: Timestamp) -> Result<PlanId, ExecuteError> {
        let paused = self.heading().filter(|(_, head)| head.phase == Phase::Paused);
        let Some((id, head)) = paused else {
            return Err(ExecuteError::NothingToResume);
        };
        if self.mode() == Mode::Observe {
            return Err(ExecuteError::Observing);
        }
        self.enter(id, head, Phase::Running, now).await?;
        Ok(id)
    }

    /// Takes in the imbalance of now. It is written once into the plan that ended last, when that was at least `after`
    /// ago and no other has begun since.
    ///
    /// # Errors
    ///
    /// Those of the journal.
    pub async fn measure(
        &mut self,
        imbalance: Imbalance,
        after: Duration,
        now: Timestamp,
    ) -> Result<(), ExecuteError> {
        let Imbalance {
            bytes_in,
            bytes_out,
            cpu,
            disk,
        } = imbalance;
        let is_known = [bytes_in, bytes_out, cpu, disk].iter().all(|n| n.is_finite());
        let Some((id, ended)) = self.journal.state().history.last_key_value() else {
            return Ok(());
        };
        let age = now.since(ended.finished_at);
        let is_due = age >= after && age < after * STILL_MEASURED;
        if ended.measured.is_some() || !is_known || !is_due || self.is_busy() {
            return Ok(());
        }
        let measured = FinishedPlan {
            measured: Some(imbalance),
            ..ended.clone()
        };
        let id = *id;
        self.record(vec![Record::Finished(id, Some(measured))]).await
    }

    fn heading(&self) -> Option<(PlanId, PlanHead)> {
        let (id, plan) = self.journal.state().plans.first_key_value()?;
        Some((*id, plan.head.clone()?))
    }
}
