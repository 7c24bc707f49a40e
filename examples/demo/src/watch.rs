//! What has happened since the shift, from one look at the balancer's API to the next: pure.

use balancer::api::view::{FinishedPlan, ResourceFigures};
use balancer::model::PerResource;

use crate::sight::Sight;
use crate::workload::Name;

/// What every resource above its floor must come down to.
pub(crate) const BALANCED: f64 = 1.10;

/// The hot partition as it was named.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    /// When the API showed it first, in milliseconds since the Unix epoch.
    pub(crate) seen_ms: u64,
    pub(crate) cause: String,
    pub(crate) verdict: String,
}

/// What is known so far.
#[derive(Debug)]
pub(crate) struct Watch {
    hot: Name,
    shifted_ms: u64,
    floor: PerResource,
    pub(crate) named: Option<Named>,
    pub(crate) first_change_ms: Option<u64>,
    /// Since when all has been calm and balanced.
    pub(crate) settled_ms: Option<u64>,
    /// What the balancer said last before the first change.
    pub(crate) imbalance_before: ResourceFigures,
    plan: Option<u64>,
    plans_over: usize,
}

impl Watch {
    pub(crate) fn new(hot: Name, shifted_ms: u64, floor: PerResource) -> Self {
        Self {
            hot,
            shifted_ms,
            floor,
            named: None,
            first_change_ms: None,
            settled_ms: None,
            imbalance_before: ResourceFigures::default(),
            plan: None,
            plans_over: 0,
        }
    }

    /// What is being waited for.
    pub(crate) fn headline(&self) -> String {
        let (topic, partition) = &self.hot;
        match (&self.named, self.first_change_ms, self.settled_ms) {
            (None, ..) => format!("{topic}-{partition} is hot; waiting for the balancer to notice"),
            (Some(_), None, _) => format!("{topic}-{partition} is named; waiting for the first change"),
            (Some(_), Some(_), None) => "cooling".to_owned(),
            (Some(_), Some(_), Some(_)) => "calm; waiting whether it lasts".to_owned(),
        }
    }

    /// Takes in a look; returns what is new in sentences.
    pub(crate) fn note(&mut self, sight: &Sight) -> Vec<String> {
        let mut events = Vec::new();
        self.note_name(sight, &mut events);
        self.note_changes(sight, &mut events);
        // Calm before the partition was even named is the calm before the storm.
        let is_over = self.named.is_some() && self.first_change_ms.is_some();
        let is_settled = is_over && sight.is_calm() && sight.worst_imbalance(&self.floor) <= BALANCED;
        self.settled_ms = is_settled.then(|| self.settled_ms.unwrap_or(sight.at_ms));
        events
    }

    fn note_name(&mut self, sight: &Sight, events: &mut Vec<String>) {
        if let (None, Some(hot)) = (&self.named, sight.hot_partition(&self.hot)) {
            events.push(format!(
                "{}-{} is named {:.1} s after the shift: {}",
                hot.topic,
                hot.partition,
                seconds(self.shifted_ms, sight.at_ms),
                hot.explanation,
            ));
            self.named = Some(Named {
                seen_ms: sight.at_ms,
                cause: hot.cause.clone(),
                verdict: hot.verdict.clone(),
            });
        }
    }

    fn note_changes(&mut self, sight: &Sight, events: &mut Vec<String>) {
        // A plan that came and went between two looks has made its first change by its end.
        let by_then = sight
            .plans_since(self.shifted_ms)
            .filter(|plan| plan.leadership_changes + plan.replica_moves > 0)
            .map(|plan| plan.ended_at_ms)
            .min();
        let first_change = sight.first_change_since(self.shifted_ms).or(by_then);
        self.first_change_ms = self.first_change_ms.or(first_change);
        if self.first_change_ms.is_none() {
            self.imbalance_before = sight.state.imbalance;
        }
        let plan = sight.plan.as_ref().filter(|plan| plan.id.is_some());
        if let Some(plan) = plan.filter(|plan| plan.id != self.plan) {
            self.plan = plan.id;
            let leaders = plan.moves.iter().filter(|change| change.leadership_only).count();
            events.push(format!(
                "a plan: {leaders} changes of leaders, {} copies of {:.1} MB, at least {:.1} MB by the bound",
                plan.moves.len() - leaders,
                plan.bytes as f64 / 1e6,
                plan.bytes_lower_bound as f64 / 1e6,
            ));
        }
        let over: Vec<&FinishedPlan> = sight.plans_since(self.shifted_ms).collect();
        // The newest come first.
        let news = over.len().saturating_sub(self.plans_over);
        for plan in over.iter().take(news).rev() {
            let outcomes = plan
                .outcomes
                .iter()
                .map(|(outcome, count)| format!("{count} {outcome}"));
            events.push(format!(
                "the plan is over: {}",
                outcomes.collect::<Vec<_>>().join(", ")
            ));
        }
        self.plans_over = over.len();
    }
}

/// Seconds from one moment to a later one, both in milliseconds.
pub(crate) fn seconds(from_ms: u64, to_ms: u64) -> f64 {
    to_ms.saturating_sub(from_ms) as f64 / 1e3
}
