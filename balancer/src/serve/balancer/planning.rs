//! Plans: when one is made, for what, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};

use kafka::{Cluster, CompactedLog, ReplicationFactor, TopicName};

use super::{Balancer, Hands, Looked, settings};
use crate::execute::{Limits, PlanStatus};
use crate::journal::{Mode, Phase, StopHow, Timestamp};
use crate::model::Model;
use crate::observe::ReportSource;
use crate::occasion::{Fruitless, due, in_line, of_states};
use crate::plan::{Foresight, Plan, PlanRequest, PlanSettings, Purpose, plan};
use crate::serve::waits;

/// How long a proposal waits for its approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// Until somebody asks for a rebalance, which takes its place.
    UntilAnother,
    /// Until the orders that it is for are taken back.
    UntilWithdrawn,
}

impl<C: Cluster + Clone, L: CompactedLog, R: ReportSource> Balancer<C, L, R> {
    /// Plans when nothing is being executed and there is a reason to.
    pub(super) async fn plan(&mut self) {
        let now = self.timestamp();
        let Some(looked) = &self.last else { return };
        let (mode, cooling_down, cooling_since_ordered) = match &self.hands {
            Hands::Open(executor) if executor.is_busy() => {
                self.suggestion = None;
                return;
            }
            Hands::Open(executor) => (
                executor.mode(),
                executor.cooling_down(now),
                executor.cooling_since_ordered(now),
            ),
            Hands::Opening { .. } | Hands::Fenced => (Mode::Observe, BTreeSet::new(), BTreeSet::new()),
        };
        let ordered = settings(&self.config, cooling_since_ordered);
        let settings = settings(&self.config, cooling_down);
        let stands = self.standing_proposal(&looked.planned, &settings);
        if stands == Some(Stands::UntilWithdrawn) || (stands.is_some() && !self.rebalance_asked) {
            return;
        }
        let (line, waits) = self.line(looked, now);
        self.problems.extend(waits);
        let (made, is_shut_out) = self.first_of(line, &settings, &ordered, now);
        match (mode, made) {
            (Mode::Observe, made) => self.suggestion = made,
            // What waits for a window takes the proposal's place when it has opened.
            (Mode::Approve, None) if is_shut_out && stands.is_some() => self.suggestion = None,
            (Mode::Approve | Mode::Auto, None) => self.withdraw().await,
            (Mode::Approve | Mode::Auto, Some(made)) => self.start(made).await,
        }
    }

    /// What plans are tried for, and what of it has to wait.
    fn line(&self, looked: &Looked, now: Timestamp) -> (Vec<Purpose>, Option<String>) {
        let model = &looked.planned;
        let away = (&self.away, self.config.execute.broker_grace, self.clock.now());
        let of_states = of_states(model, away);
        let is_hot = !looked.detection.brokers.is_empty();
        let Hands::Open(executor) = &self.hands else {
            let due = due(of_states, self.rebalance_asked, is_hot);
            return (in_line(model, &BTreeMap::new(), due, is_hot, None), None);
        };
        let (of_states, waits) = waits::after_fruitless_drain(of_states, executor.fruitless_drain(now));
        let due = due(of_states, self.rebalance_asked, is_hot);
        let fruitless = executor.fruitless_orders();
        let fruitless = fruitless.map(|(purpose, is_latest)| Fruitless { purpose, is_latest });
        let line = in_line(model, executor.replications(), due, is_hot, fruitless.as_ref());
        (line, waits)
    }

    /// The plan for the first of these purposes for which something can be done, and whether the maintenance windows kept
    /// one of those before it from being planned. Numbers of replicas are planned with settings of their own.
    fn first_of(
        &mut self,
        line: Vec<Purpose>,
        settings: &PlanSettings,
        ordered: &PlanSettings,
        now: Timestamp,
    ) -> (Option<Plan>, bool) {
        let limits = Limits::from(&self.config.execute);
        let mut is_shut_out = false;
        let Some(looked) = &self.last else {
            return (None, is_shut_out);
        };
        for purpose in line {
            self.problems.extend(waits::of_purpose(&purpose, &limits, now));
            let is_order = matches!(purpose, Purpose::Replicate(_));
            let settings = if is_order { ordered } else { settings };
            let Some(settings) = waits::narrow(settings.clone(), &purpose, &limits, now) else {
                is_shut_out = true;
                continue;
            };
            // What was asked for once is planned once.
            self.rebalance_asked &= is_order;
            let hot_for = (purpose == Purpose::Cool).then(|| looked.detection.hot_for());
            let found = plan(&PlanRequest {
                model: &looked.planned,
                purpose,
                settings: PlanSettings { hot_for, ..settings },
            });
            self.problems.extend(found.unsolved.clone());
            if !found.moves.is_empty() {
                return (Some(found), is_shut_out);
            }
        }
        (None, is_shut_out)
    }

    /// Whether a plan waits for approval and is still worth waiting for. One that is not is replaced or withdrawn.
    fn standing_proposal(&self, model: &Model, settings: &PlanSettings) -> Option<Stands> {
        let Hands::Open(executor) = &self.hands else {
            return None;
        };
        let is_proposed =
            |plan: &PlanStatus| plan.phase == Phase::Proposed && executor.mode() == Mode::Approve;
        let plan = executor.status().plan.filter(is_proposed)?;
        let mut foresight = Foresight::new(model, settings);
        let mut moves = plan.moves.iter().map(|status| &status.progress.change);
        match ordered_by(&plan) {
            Some(wanted) => {
                let orders = executor.replications();
                let stands = |(topic, replicas): (&TopicName, &ReplicationFactor)| {
                    let order = orders.get(topic);
                    order.is_some_and(|order| order.replicas == *replicas)
                };
                let stands = wanted.iter().all(stands) && moves.any(|change| foresight.is_as_planned(change));
                stands.then_some(Stands::UntilWithdrawn)
            }
            None => {
                let helps = moves.any(|change| foresight.still_helps(change));
                helps.then_some(Stands::UntilAnother)
            }
        }
    }

    /// Nothing is to be done: what was proposed before is not waited for any longer.
    async fn withdraw(&mut self) {
        self.suggestion = None;
        let now = self.timestamp();
        let Hands::Open(executor) = &mut self.hands else {
            return;
        };
        if executor.is_proposing() {
            let stopped = executor.stop(StopHow::Gently, now).await;
            if let Err(error) = stopped {
                self.note_failure(error);
            }
        }
    }

    async fn start(&mut self, made: Plan) {
        self.suggestion = None;
        let now = self.timestamp();
        let Hands::Open(executor) = &mut self.hands else {
            return;
        };
        tracing::info!(
            purpose = ?made.purpose,
            leadership_changes = made.leadership_changes(),
            replica_moves = made.replica_moves(),
            removals = made.removals(),
            bytes = made.bytes,
            bytes_lower_bound = made.bytes_lower_bound,
            "There is a plan."
        );
        match executor.start(made, now).await {
            // The first change goes out in the same tick: each second that a broker is hot counts.
            Ok(_) => self.execute().await,
            Err(error) => self.note_failure(error),
        }
    }
}

/// The numbers of replicas that a plan is for, where it is for that.
fn ordered_by(plan: &PlanStatus) -> Option<&BTreeMap<TopicName, ReplicationFactor>> {
    match &plan.head.as_ref()?.purpose {
        Purpose::Replicate(wanted) => Some(wanted),
        Purpose::Cool | Purpose::Drain(_) | Purpose::Fill(_) | Purpose::Rebalance => None,
    }
}
