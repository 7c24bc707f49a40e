//! What the balancer's API says at one moment.

use std::time::{SystemTime, UNIX_EPOCH};

use balancer::api::view::{
    BrokerView, FinishedPlan, HotList, HotPartitionView, Phase, PlanView, ResourceFigures, State,
};
use balancer::model::{PerResource, Resource};
use e2e::Service;
use e2e::stack::StackError;

use crate::workload::Name;

/// All that is shown and judged of the API.
#[derive(Debug, Clone)]
pub(crate) struct Sight {
    /// When it was asked, in milliseconds since the Unix epoch.
    pub(crate) at_ms: u64,
    pub(crate) state: State,
    pub(crate) brokers: Vec<BrokerView>,
    pub(crate) hot: HotList,
    pub(crate) plan: Option<PlanView>,
    pub(crate) history: Vec<FinishedPlan>,
}

impl Sight {
    /// Asks the balancer.
    pub(crate) async fn take(balancer: &Service) -> Result<Self, StackError> {
        Ok(Self {
            state: balancer.get("/v1/state").await?,
            brokers: balancer.get("/v1/brokers").await?,
            hot: balancer.get("/v1/hot").await?,
            plan: balancer.get("/v1/plan").await?,
            history: balancer.get("/v1/history").await?,
            at_ms: now_ms(),
        })
    }

    /// The entry of a partition in the hot list.
    pub(crate) fn hot_partition(&self, name: &Name) -> Option<&HotPartitionView> {
        let is_named =
            |hot: &&HotPartitionView| (hot.topic.as_str(), hot.partition.get()) == (name.0.as_str(), name.1);
        self.hot.partitions.iter().find(is_named)
    }

    /// The resources of which some broker uses more than the floor; in others imbalance means nothing.
    pub(crate) fn resources_above(&self, floor: &PerResource) -> Vec<Resource> {
        let above = |resource: &Resource| {
            let used = |broker: &BrokerView| broker.utilisation.of(*resource) > floor[*resource];
            self.brokers.iter().any(used)
        };
        Resource::ALL.into_iter().filter(above).collect()
    }

    /// The greatest imbalance among those resources; 1 when there is none.
    pub(crate) fn worst_imbalance(&self, floor: &PerResource) -> f64 {
        let resources = self.resources_above(floor).into_iter();
        resources
            .map(|resource| self.state.imbalance.of(resource))
            .fold(1.0, f64::max)
    }

    /// Whether nothing is hot and nothing is going on.
    pub(crate) fn is_calm(&self) -> bool {
        self.state.phase == Phase::Watching && self.hot.brokers.is_empty() && self.hot.partitions.is_empty()
    }

    /// Plans made since then that have ended.
    pub(crate) fn plans_since(&self, ms: u64) -> impl Iterator<Item = &FinishedPlan> {
        self.history.iter().filter(move |plan| plan.planned_at_ms >= ms)
    }

    /// When the first change of the plan in progress was sent to Kafka, unless that was before `ms`.
    pub(crate) fn first_change_since(&self, ms: u64) -> Option<u64> {
        let moves = self.plan.iter().flat_map(|plan| &plan.moves);
        moves
            .filter_map(|change| change.submitted_at_ms)
            .filter(|&at| at >= ms)
            .min()
    }

    /// What the balancer calls imbalance now.
    pub(crate) fn imbalance(&self) -> ResourceFigures {
        self.state.imbalance
    }
}

/// The wall clock in milliseconds since the Unix epoch, as the API has it.
pub(crate) fn now_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}
