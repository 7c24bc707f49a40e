//! What a cluster's balancer says, and what is asked of it.

use std::collections::{BTreeMap, BTreeSet};

use balancer::api::view::{Phase, State};
use balancer::journal::Mode;
use kafka::ids::{BrokerId, ReplicationFactor, TopicName};

/// What the balancer says.
#[derive(Debug, Clone, PartialEq)]
pub struct BalancerFacts {
    /// What it may do by itself at the moment.
    pub mode: Mode,
    /// What it is doing.
    pub phase: Phase,
    /// Brokers that it empties.
    pub draining: BTreeSet<BrokerId>,
    /// Topics that it was asked to give another number of replicas, as long as they do not have it.
    pub replicating: BTreeMap<TopicName, ReplicationFactor>,
    /// Hot brokers and partitions.
    pub hot: usize,
    /// The greatest imbalance of a resource of which anything is used to speak of.
    pub imbalance: f64,
}

/// Something to ask of the balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BalancerOrder {
    /// Empty brokers.
    Drain(Vec<BrokerId>),
    /// Let brokers take load again.
    Undrain(Vec<BrokerId>),
    /// Have each partition of topics have so many replicas.
    Replicate(BTreeMap<TopicName, ReplicationFactor>),
}

impl From<State> for BalancerFacts {
    fn from(state: State) -> Self {
        let replicating = state.replicating.into_iter();
        Self {
            mode: state.mode,
            phase: state.phase,
            draining: state.draining.into_iter().collect(),
            replicating: replicating.map(|order| (order.topic, order.replicas)).collect(),
            hot: state.hot_brokers.saturating_add(state.hot_partitions),
            imbalance: state.worst_imbalance,
        }
    }
}
