//! What a plan is asked for.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;
use std::time::Duration;

use kafka::ids::{BrokerId, TopicPartition};
use serde::Serialize;

use super::Purpose;
use crate::model::{Broker, BrokerIndex, BrokerState, Model, PerResource};

/// What a good placement is and what it may cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanSettings {
    /// How far a broker's utilisation may exceed the mean before it is relieved, in parts of the mean.
    pub threshold: f64,
    /// What a broker that is relieved or given something may exceed the mean by afterwards, in parts of the mean; at
    /// most the threshold. The closer to the mean, the more bytes it takes, and the longer it lasts.
    pub target: f64,
    /// A broker whose utilisation is below this is never too hot, and a resource of which no broker uses more is not
    /// balanced.
    pub floor: PerResource,
    /// The part of its capacity that a broker may be given.
    pub headroom: f64,
    /// The least that a copy must gain (see [`super::Move::gain`]) for each mean broker's disk that it copies.
    pub least_worth: f64,
    /// The most moves of a plan; the most useful ones come first.
    pub max_moves: usize,
    /// The most bytes that a plan may copy.
    pub max_bytes: Option<u64>,
    /// Bytes that stay free in each log directory of a broker that is given a copy.
    pub disk_reserve: u64,
    /// The throttle that is foreseen for each move, in bytes per second.
    pub throttle: f64,
    /// For how long each hot broker has been hot, where it is heat that is answered: copies off a broker
    /// may only take a part of that. Without it the load is taken to be there to stay.
    pub hot_for: Option<HashMap<BrokerId, Duration>>,
    /// Partitions that were moved lately and stay where they are; for numbers of replicas, those moved since they were ordered.
    pub cooling_down: HashSet<TopicPartition>,
    /// Chooses among equals.
    pub seed: u64,
    /// How many searches are made, of which the best is taken. The more, the longer it takes and the better it gets.
    pub searches: NonZeroU32,
    /// How many swaps and chains may be weighed, and a sixteenth as many smaller copies; bounds the time of a plan. The more,
    /// the better.
    pub effort: u64,
}

const TWO: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);

impl Default for PlanSettings {
    fn default() -> Self {
        Self {
            threshold: 0.1,
            target: 0.1,
            floor: PerResource::splat(0.1),
            headroom: 0.9,
            least_worth: 0.02,
            max_moves: usize::MAX,
            max_bytes: None,
            disk_reserve: 0,
            throttle: 50e6,
            hot_for: None,
            cooling_down: HashSet::new(),
            seed: 0,
            searches: TWO,
            effort: 2_000_000,
        }
    }
}

/// What to plan.
#[derive(Debug, Clone)]
pub struct PlanRequest<'a> {
    /// The cluster under the load to plan for.
    pub model: &'a Model,
    /// What the plan is for.
    pub purpose: Purpose,
    /// What a good placement is.
    pub settings: PlanSettings,
}

impl PlanRequest<'_> {
    /// Bytes that may be copied to each broker: what its fullest log directory has left, less the reserve, as for whoever makes
    /// the copies; otherwise what is planned would not be made.
    pub(super) fn rooms(&self) -> Vec<f64> {
        let reserve = self.settings.disk_reserve as f64;
        let room = |row| {
            self.model
                .broker(row)
                .room
                .map_or(f64::INFINITY, |room| room - reserve)
        };
        self.model.brokers().map(room).collect()
    }
}

impl Purpose {
    /// What a cluster's states ask for: emptying brokers that drain or are dead and host something, else giving new brokers
    /// their share, else balance. A broker that is excluded is emptied when somebody orders it, and not because it is dead.
    pub fn of_states(model: &Model) -> Self {
        let those = |asks: &dyn Fn(BrokerIndex, &Broker) -> bool| -> Vec<BrokerId> {
            let brokers = model.brokers().map(|row| (row, model.broker(row)));
            let asking = brokers.filter(|(row, broker)| asks(*row, broker));
            asking.map(|(_, broker)| broker.id).collect()
        };
        let leaving = those(&|row, broker| match broker.state {
            BrokerState::Draining => model.hosts_any(row),
            BrokerState::Dead => !broker.excluded && model.hosts_any(row),
            BrokerState::Alive | BrokerState::New => false,
        });
        if !leaving.is_empty() {
            return Self::Drain(leaving);
        }
        let new = those(&|_, broker| broker.state == BrokerState::New && broker.counts());
        if new.is_empty() {
            Self::Rebalance
        } else {
            Self::Fill(new)
        }
    }
}
