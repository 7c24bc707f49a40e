//! What a cluster's balancer says, and what is asked of it.

use std::collections::BTreeSet;

use balancer::api::view::{Phase, State};
use balancer::journal::Mode;
use balancer::model::Resource;
use kafka::ids::BrokerId;

/// What the balancer says.
#[derive(Debug, Clone, PartialEq)]
pub struct BalancerFacts {
    /// What it may do by itself at the moment.
    pub mode: Mode,
    /// What it is doing.
    pub phase: Phase,
    /// Brokers that it empties.
    pub draining: BTreeSet<BrokerId>,
    /// Hot brokers and partitions.
    pub hot: usize,
    /// The greatest imbalance of any resource.
    pub imbalance: f64,
    /// What keeps it from working well.
    pub problems: Vec<String>,
}

/// Something to ask of the balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BalancerOrder {
    /// Empty brokers.
    Drain(Vec<BrokerId>),
    /// Let brokers take load again.
    Undrain(Vec<BrokerId>),
}

impl From<State> for BalancerFacts {
    fn from(state: State) -> Self {
        let imbalances = Resource::ALL.map(|resource| state.imbalance.of(resource));
        Self {
            mode: state.mode,
            phase: state.phase,
            draining: state.draining.into_iter().collect(),
            hot: state.hot_brokers.saturating_add(state.hot_partitions),
            imbalance: imbalances.into_iter().fold(0.0, f64::max),
            problems: state.problems,
        }
    }
}
