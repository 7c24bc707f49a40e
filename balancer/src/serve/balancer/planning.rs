//! Plans: when one is made, for what, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};

use kafka::{Cluster, CompactedLog, ReplicationFactor, TopicName};

use super::{Balancer, Hands, settings};
use crate::execute::{Limits, PlanStatus};
use crate::journal::{Mode, Phase, StopHow};
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
        let model = &looked.planned;
        let stands = self.standing_proposal(model, &settings);
        if stands == Some(Stands::UntilWithdrawn) || (stands.is_some() && !self.rebalance_asked) {
            return;
        }
        let away = (&self.away, self.config.execute.broker_grace, self.clock.now());
        let is_hot = !looked.detection.brokers.is_empty();
        let nothing = BTreeMap::new();
        let (orders, fruitless, fruitless_drain) = match &self.hands {
            Hands::Open(executor) => (
                executor.replications(),
                executor.fruitless_orders(),
                executor.fruitless_drain(now),
            ),
            Hands::Opening { .. } | Hands::Fenced => (&nothing, None, None),
        };
        let (of_states, waits) = waits::after_fruitless_drain(of_states(model, away), fruitless_drain);
        self.problems.extend(waits);
        let due = due(of_states, self.rebalance_asked, is_hot);
        let fruitless = fruitless.map(|(purpose, is_latest)| Fruitless { purpose, is_latest });
        let limits = Limits::from(&self.config.execute);
        let mut made = None;
        let mut is_shut_out = false;
        // A broker of which nothing can be taken keeps nobody else hot.
        let last = (is_hot && due != Some(Purpose::Cool)).then_some(Purpose::Cool);
        let line = in_line(model, orders, due, fruitless.as_ref());
        for purpose in line.into_iter().chain(last) {
            let waits = waits::of_purpose(&purpose, &limits, now);
            self.problems.extend(waits);
            let settings = match purpose {
                Purpose::Replicate(_) => &ordered,
                _ => &settings,
            };
            let Some(settings) = waits::narrow(settings.clone(), &purpose, &limits, now) else {
                is_shut_out = true;
                continue;
            };
            let is_heat = purpose == Purpose::Cool;
            // What was asked for once is planned once.
            self.rebalance_asked &= matches!(purpose, Purpose::Replicate(_));
            let hot_for = is_heat.then(|| looked.detection.hot_for());
            let found = plan(&PlanRequest {
                model,
                purpose,
                settings: PlanSettings { hot_for, ..settings },
            });
            self.problems.extend(found.unsolved.clone());
            if !found.moves.is_empty() {
                made = Some(found);
                break;
            }
        }
        match (mode, made) {
            (Mode::Observe, made) => self.suggestion = made,
            // What waits for a window takes the proposal's place when it has opened.
            (Mode::Approve, None) if is_shut_out && stands.is_some() => self.suggestion = None,
            (Mode::Approve | Mode::Auto, None) => self.withdraw().await,
            (Mode::Approve | Mode::Auto, Some(made)) => self.start(made).await,
        }
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
