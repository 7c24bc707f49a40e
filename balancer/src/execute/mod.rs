//! Making a plan happen, against live traffic and whatever else happens to the cluster.
//!
//! A level-triggered loop. Each tick reads what Kafka shows, compares it with the journal, and does the next safe
//! things ([`decide`], a function from values to values). Nothing depends on having seen a change happen or on having
//! an answer: a request whose outcome is unknown is read back, a balancer that died is continued by the next one.

mod admission;
mod decide;
mod limits;
mod orders;
mod pacer;
mod perform;
mod progress;
mod report;
mod seen;
mod situation;
mod status;
mod step;
mod sweep;
mod throttle;
mod windows;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka::ids::{BrokerId, TopicName, TopicPartition};
use kafka::{Cluster, ClusterError, CompactedLog};

pub use decide::decide;
pub use limits::{Guidance, Headroom, Limits};
pub use pacer::{Pace, Pacer, Slowed};
pub use report::{ExecuteError, TickReport};
pub use seen::{Found, Seen, SeenList, SeenRate};
pub(crate) use seen::{MIN_IN_SYNC, min_in_sync};
pub use status::{MoveStatus, PlanStatus, RateStatus, ReplicasStatus, Status, Throttles};
pub use step::{Change, MoveId, Step};
pub use windows::{Day, TimeOfDay, Window, Windows};

use crate::journal::{
    ActivePlan, BrokerThrottle, Drain, ExecutionState, Journal, Mode, MoveProgress, Phase, PlanHead, PlanId,
    Record, Replication, Skipped, StopHow, Timestamp, TopicThrottle,
};
use crate::plan::{Plan, Purpose};
use perform::Round;
use progress::SETTLE;
use sweep::Sweep;

/// How many times one tick decides again after all went well, so that what can follow at once does. The longest way
/// is from the end of a copy to the last throttle gone.
const ROUNDS: usize = 8;

/// How long an executor with nothing to write may not know that another one has taken over.
const CONFIRM_EVERY: Duration = Duration::from_secs(10);

/// Makes plans happen. There is at most one that acts for a cluster: opening one fences the one before.
pub struct Executor<C, L: CompactedLog> {
    cluster: C,
    journal: Journal<L>,
    limits: Limits,
    fenced: bool,
    confirmed_at: Timestamp,
    sweep: Sweep,
    copied: BTreeMap<TopicPartition, u64>,
}

impl<C: Cluster, L: CompactedLog> Executor<C, L> {
    /// Takes over from whichever executor was there. The first tick goes on where it was, and sweeps what it left.
    /// `configured` is the mode of the configuration. It holds until somebody chooses one with [`Executor::set_mode`], which
    /// outlives this executor, and holds again once the configuration has another one than at the opening before.
    ///
    /// # Errors
    ///
    /// [`ExecuteError::Journal`], or [`ExecuteError::Fenced`] when another one opens at the same time.
    pub async fn open(
        cluster: C,
        log: &L,
        limits: Limits,
        configured: Mode,
        now: Timestamp,
    ) -> Result<Self, ExecuteError> {
        let journal = Journal::open(log).await?;
        let is_new = *journal.state() == ExecutionState::default();
        let has_lost = (!is_new && !journal.state().whole) || !journal.skipped().is_empty();
        let mut executor = Self {
            cluster,
            journal,
            limits,
            fenced: false,
            confirmed_at: Timestamp(0),
            sweep: Sweep::of_a_journal(has_lost),
            copied: BTreeMap::new(),
        };
        let mut records = Vec::new();
        if is_new {
            records.push(Record::Whole);
        }
        if executor.journal.state().mode.is_none() {
            records.push(Record::Mode(configured));
        }
        executor.record(records).await?;
        let before = executor.journal.state().configured;
        if before.is_some_and(|before| before != configured) {
            executor.set_mode(configured, now).await?;
        }
        // Last, so that a start which fails before is made good by the next one.
        if before != Some(configured) {
            executor
                .record(vec![Record::Configured(Some(configured))])
                .await?;
        }
        Ok(executor)
    }

    /// Hands a plan in: it runs in mode auto and waits for [`Executor::approve`] otherwise. It takes the place of a
    /// plan that nobody has approved.
    ///
    /// # Errors
    ///
    /// [`ExecuteError::Busy`], [`ExecuteError::Unusable`], and those of the journal.
    pub async fn start(&mut self, plan: Plan, now: Timestamp) -> Result<PlanId, ExecuteError> {
        report::check(&plan)?;
        let state = self.journal.state();
        if let Some((id, _)) = state
            .plans
            .iter()
            .find(|(_, plan)| plan.phase() != Phase::Proposed)
        {
            return Err(ExecuteError::Busy(*id));
        }
        let last = state.plans.keys().chain(state.history.keys()).max();
        let id = PlanId(last.map_or(1, |last| last.0.saturating_add(1)));
        let mut records = Vec::new();
        for (old, plan) in &state.plans {
            records.push(Record::Plan(*old, None));
            records.extend(plan.moves.keys().map(|place| Record::Move(*old, *place, None)));
        }
        let phase = match self.mode() {
            Mode::Auto => Phase::Running,
            Mode::Observe | Mode::Approve => Phase::Proposed,
        };
        let head = PlanHead {
            purpose: plan.purpose,
            phase,
            created_at: now,
            phase_since: now,
            imbalance_before: plan.imbalance_before,
            imbalance_after: plan.imbalance_after,
            bytes: plan.bytes,
            bytes_lower_bound: plan.bytes_lower_bound,
            unsolved: PlanHead::shorten(plan.unsolved),
        };
        records.push(Record::Plan(id, Some(head)));
        records.extend(
            (0..)
                .zip(plan.moves)
                .map(|(place, change)| Record::Move(id, place, Some(MoveProgress::planned(change)))),
        );
        self.record(records).await?;
        Ok(id)
    }

    /// Lets a proposed plan run.
    ///
    /// # Errors
    ///
    /// [`ExecuteError::NoSuchPlan`], [`ExecuteError::Observing`], and those of the journal.
    pub async fn approve(&mut self, id: PlanId, now: Timestamp) -> Result<(), ExecuteError> {
        if self.mode() == Mode::Observe {
            return Err(ExecuteError::Observing);
        }
        let proposed = self
            .journal
            .state()
            .plans
            .get(&id)
            .and_then(|plan| plan.head.clone());
        let Some(head) = proposed.filter(|head| head.phase == Phase::Proposed) else {
            return Err(ExecuteError::NoSuchPlan);
        };
        self.enter(id, head, Phase::Running, now).await
    }

    /// Stops the plan that is being made; one that is only proposed is dropped. The next tick begins to act on it.
    ///
    /// # Errors
    ///
    /// [`ExecuteError::NoSuchPlan`], and those of the journal.
    pub async fn stop(&mut self, how: StopHow, now: Timestamp) -> Result<(), ExecuteError> {
        let stopping = self.stopping(how, now, |_| true);
        self.record(vec![stopping.ok_or(ExecuteError::NoSuchPlan)?]).await
    }

    /// What is to be written for the plan to stop, where there is one that is meant. Whatever it stops for has to be written with
    /// it, so that no failure comes between the two.
    fn stopping(&self, how: StopHow, now: Timestamp, is_meant: impl Fn(&PlanHead) -> bool) -> Option<Record> {
        let (id, plan) = self.journal.state().plans.iter().next()?;
        let head = plan.head.clone().filter(is_meant)?;
        let phase = match head.phase {
            Phase::Stopping(StopHow::AtOnce) => head.phase,
            _ => Phase::Stopping(how),
        };
        Some(in_phase(*id, head, phase, now))
    }

    /// Changes the mode. When nothing is to be changed any more, a plan that runs is stopped gently, and one that waits for
    /// approval is over.
    ///
    /// # Errors
    ///
    /// Those of the journal.
    pub async fn set_mode(&mut self, mode: Mode, now: Timestamp) -> Result<(), ExecuteError> {
        let ends = |head: &PlanHead| mode == Mode::Observe && !matches!(head.phase, Phase::Stopping(_));
        let stopping = self.stopping(StopHow::Gently, now, ends);
        let records = [Record::Mode(mode)].into_iter().chain(stopping);
        self.record(records.collect()).await
    }

    /// Remembers that a broker is to be emptied. The plans that do it come from the planner.
    ///
    /// # Errors
    ///
    /// Those of the journal.
    pub async fn drain(&mut self, broker: BrokerId, now: Timestamp) -> Result<(), ExecuteError> {
        if self.journal.state().drains.contains_key(&broker) {
            return Ok(());
        }
        let drain = Drain {
            asked_at: now,
            empty_since: None,
        };
        self.record(vec![Record::Drain(broker, Some(drain))]).await
    }

    /// Forgets that a broker is to be emptied. A plan that empties it is stopped gently: what it has begun arrives, and what
    /// else it would take off the broker may stay.
    ///
    /// # Errors
    ///
    /// Those of the journal.
    pub async fn undrain(&mut self, broker: BrokerId, now: Timestamp) -> Result<(), ExecuteError> {
        let is_draining = self.journal.state().drains.contains_key(&broker);
        let empties = |head: &PlanHead| {
            is_draining && matches!(&head.purpose, Purpose::Drain(brokers) if brokers.contains(&broker))
        };
        let stopping = self.stopping(StopHow::Gently, now, empties);
        let records = [Record::Drain(broker, None)].into_iter().chain(stopping);
        self.record(records.collect()).await
    }

    /// Does the next safe things. Without a plan, an order or a throttle of ours, Kafka is asked only now and then, for what
    /// a balancer has left there that nobody accounts for.
    ///
    /// # Errors
    ///
    /// [`ExecuteError::Fenced`] is final. After [`ExecuteError::Cluster`] or [`ExecuteError::Journal`] the next tick
    /// goes on.
    pub async fn tick(&mut self, guidance: &Guidance, now: Timestamp) -> Result<TickReport, ExecuteError> {
        let mut report = TickReport::default();
        self.copied.clone_from(&guidance.copied);
        // What could not be written last time comes first, and whether another one has taken over shows.
        let confirmation = self.confirmation(now);
        self.record(confirmation).await?;
        let sweeps = self.sweep.is_due(now);
        if sweeps {
            let seen = self.read_all().await.map_err(ExecuteError::Cluster)?;
            let taken_over = self.sweep.take(self.journal.state(), &seen, now);
            self.record(taken_over).await?;
        }
        let rounds = if sweeps || !self.is_idle(now) { ROUNDS } else { 0 };
        for _ in 0..rounds {
            let seen = self.read().await.map_err(ExecuteError::Cluster)?;
            let steps = decide(self.journal.state(), &seen, guidance, &self.limits, now);
            if steps.is_empty() {
                break;
            }
            let round = Round::new(&self.cluster, &mut self.journal, now, &mut report);
            let outcome = round.perform(steps).await;
            if !self.watch_for_fencing(outcome)? {
                break;
            }
        }
        Ok(report)
    }

    /// Whether there is nothing that Kafka would have to be asked about in every tick.
    fn is_idle(&self, now: Timestamp) -> bool {
        let state = self.journal.state();
        let acts = |plan: &ActivePlan| plan.phase() != Phase::Proposed;
        let is_over = |throttle: &BrokerThrottle| throttle.lifted && now.since(throttle.at) > SETTLE;
        let is_taken_back =
            |throttle: &TopicThrottle| throttle.entries.is_empty() && now.since(throttle.at) > SETTLE;
        !state.plans.values().any(acts)
            && state.broker_throttles.values().all(is_over)
            && state.topic_throttles.values().all(is_taken_back)
            && state.drains.is_empty()
            && state.replications.is_empty()
    }

    /// The mode is written again now and then, since only a write shows that another one has taken over, and an executor
    /// may have nothing else to write for hours.
    fn confirmation(&mut self, now: Timestamp) -> Vec<Record> {
        if now.since(self.confirmed_at) < CONFIRM_EVERY {
            return Vec::new();
        }
        self.confirmed_at = now;
        vec![Record::Mode(self.mode())]
    }

    /// Everything there is to know.
    pub fn status(&self) -> Status {
        status::status(
            self.journal.state(),
            &self.limits,
            self.journal.skipped(),
            &self.copied,
        )
    }

    /// The mode.
    pub fn mode(&self) -> Mode {
        self.journal.state().mode.unwrap_or_default()
    }

    /// Brokers that are to be emptied; see [`Drain::empty_since`] for those that are.
    pub fn drains(&self) -> &BTreeMap<BrokerId, Drain> {
        &self.journal.state().drains
    }

    /// How many replicas topics are to have that do not have them yet.
    pub fn replications(&self) -> &BTreeMap<TopicName, Replication> {
        &self.journal.state().replications
    }

    /// Whether a plan is being made or stopped, so that no other can start.
    pub fn is_busy(&self) -> bool {
        let mut plans = self.journal.state().plans.values();
        plans.any(|plan| plan.phase() != Phase::Proposed)
    }

    /// Whether a plan waits for approval.
    pub fn is_proposing(&self) -> bool {
        let mut plans = self.journal.state().plans.values();
        plans.any(|plan| plan.phase() == Phase::Proposed)
    }

    /// What is known of the plan that is being made or stopped, and its moves with their states.
    pub fn moving(&self) -> Option<(&PlanHead, impl Iterator<Item = &MoveProgress>)> {
        let plans = self.journal.state().plans.values();
        let plan = plans.into_iter().find(|plan| plan.phase() != Phase::Proposed)?;
        Some((plan.head.as_ref()?, plan.moves.values()))
    }

    /// Partitions of which something has been asked of Kafka and is not over.
    pub fn own_partitions(&self) -> BTreeSet<TopicPartition> {
        let moves = self
            .journal
            .state()
            .plans
            .values()
            .flat_map(|plan| plan.moves.values());
        moves
            .filter(|progress| progress.is_in_flight())
            .map(|progress| progress.change.partition.clone())
            .collect()
    }

    /// Partitions that were moved a short while ago, which a plan does better to leave alone.
    pub fn cooling_down(&self, now: Timestamp) -> BTreeSet<TopicPartition> {
        let time = Duration::from_secs(self.limits.cool_down_seconds);
        let cooling = self.journal.state().cool_downs.iter();
        cooling
            .filter(|(_, cool)| now.since(cool.since) < time)
            .map(|(partition, _)| partition.clone())
            .collect()
    }

    /// Records of the journal that could not be understood and were left alone.
    pub fn skipped_records(&self) -> &[Skipped] {
        self.journal.skipped()
    }

    /// Changes the limits from now on.
    #[cfg(test)]
    fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    async fn enter(
        &mut self,
        id: PlanId,
        head: PlanHead,
        phase: Phase,
        now: Timestamp,
    ) -> Result<(), ExecuteError> {
        self.record(vec![in_phase(id, head, phase, now)]).await
    }

    async fn record(&mut self, records: Vec<Record>) -> Result<(), ExecuteError> {
        if self.fenced {
            return Err(ExecuteError::Fenced);
        }
        let outcome = self.journal.record(records).await.map_err(ExecuteError::from);
        self.watch_for_fencing(outcome)
    }

    fn watch_for_fencing<T>(&mut self, outcome: Result<T, ExecuteError>) -> Result<T, ExecuteError> {
        self.fenced |= matches!(outcome, Err(ExecuteError::Fenced));
        outcome
    }

    async fn read(&self) -> Result<Seen, ClusterError> {
        // In this order: see `Seen`.
        let reassignments = self.cluster.reassignments().await?;
        let description = self.cluster.describe().await?;
        let resources = seen::needed_configs(self.journal.state(), &description);
        let configs = if resources.is_empty() {
            BTreeMap::new()
        } else {
            self.cluster.configs(&resources, &seen::CONFIGS).await?
        };
        Ok(Seen::new(reassignments, description, &configs))
    }

    /// As [`Executor::read`], with the configuration of every topic and of every broker that is alive.
    async fn read_all(&self) -> Result<Seen, ClusterError> {
        let reassignments = self.cluster.reassignments().await?;
        let description = self.cluster.describe().await?;
        let resources = seen::all_configs(&description);
        let configs = self.cluster.configs(&resources, &seen::CONFIGS).await?;
        Ok(Seen::new(reassignments, description, &configs))
    }
}

fn in_phase(id: PlanId, head: PlanHead, phase: Phase, now: Timestamp) -> Record {
    let head = PlanHead {
        phase,
        phase_since: now,
        ..head
    };
    Record::Plan(id, Some(head))
}

#[cfg(test)]
mod tests;
