//! Why a plan is due: pure.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka::ids::{BrokerId, ReplicationFactor, TopicName};

use crate::journal::Replication;
use crate::model::{BrokerState, Model};
use crate::plan::Purpose;

/// Since when brokers that host something have been away.
#[derive(Debug, Default)]
pub(crate) struct Away(BTreeMap<BrokerId, Duration>);

impl Away {
    /// Takes in what was seen at `now`, by a clock that never goes back.
    pub(crate) fn see(&mut self, model: &Model, now: Duration) {
        let brokers = model.brokers().map(|row| model.broker(row));
        self.0 = brokers
            .filter(|broker| broker.state == BrokerState::Dead)
            .map(|broker| (broker.id, self.0.get(&broker.id).copied().unwrap_or(now)))
            .collect();
    }

    /// Whether a broker is away and has not been for `grace` yet, so that it is more likely to come back than not.
    fn is_short(&self, broker: BrokerId, grace: Duration, now: Duration) -> bool {
        let since = self.0.get(&broker);
        since.is_some_and(|since| now.saturating_sub(*since) < grace)
    }
}

/// Why a plan is due, if one is: what the brokers' states ask for comes first, then a better balance that somebody asked
/// for, then heat. A broker that has been away for less than `grace` is not emptied.
pub(crate) fn due(
    model: &Model,
    (away, grace, now): (&Away, Duration, Duration),
    is_asked: bool,
    is_hot: bool,
) -> Option<Purpose> {
    match Purpose::of_states(model) {
        Purpose::Drain(mut leaving) => {
            leaving.retain(|broker| !away.is_short(*broker, grace, now));
            (!leaving.is_empty()).then_some(Purpose::Drain(leaving))
        }
        Purpose::Fill(new) => Some(Purpose::Fill(new)),
        Purpose::Cool | Purpose::Rebalance | Purpose::Replicate(_) => None,
    }
    .or_else(|| is_asked.then_some(Purpose::Rebalance))
    .or_else(|| is_hot.then_some(Purpose::Cool))
}

/// The most topics of one plan that gives them more or fewer replicas: a plan's record names them.
const MOST_TOPICS: usize = 100;

/// What plans are tried for, one after the other until one has something to do: `due`, and the orders of topics that do not
/// have their number of replicas yet.
///
/// Emptying brokers that are dead comes first. Taking replicas away copies nothing, and what is gone does not have to be copied off a
/// broker that is to be emptied; so that is next. Adding some comes before everything that serves balance alone.
pub(crate) fn in_line(
    model: &Model,
    orders: &BTreeMap<TopicName, Replication>,
    due: Option<Purpose>,
) -> Vec<Purpose> {
    let [fewer, more] = outstanding(model, orders);
    let is_dead = |broker: &BrokerId| {
        let row = model.find_broker(*broker);
        row.is_some_and(|row| model.broker(row).state == BrokerState::Dead)
    };
    let (dead, leaving, other) = match due {
        Some(Purpose::Drain(brokers)) if brokers.iter().any(is_dead) => {
            (Some(Purpose::Drain(brokers)), None, None)
        }
        Some(Purpose::Drain(brokers)) => (None, Some(Purpose::Drain(brokers)), None),
        other => (None, None, other),
    };
    [dead, fewer, leaving, more, other]
        .into_iter()
        .flatten()
        .collect()
}

/// The orders that are not carried out yet: those of topics with too many replicas of some partition, and the others.
fn outstanding(model: &Model, orders: &BTreeMap<TopicName, Replication>) -> [Option<Purpose>; 2] {
    let mut purposes = [BTreeMap::new(), BTreeMap::<TopicName, ReplicationFactor>::new()];
    for (topic, order) in orders {
        let Some(row) = model
            .find_topic(topic)
            .filter(|row| model.topic(*row).id == order.topic_id)
        else {
            continue;
        };
        let wanted = order.replicas.get();
        let replicas = || {
            model
                .partitions_of(row)
                .map(|partition| model.replicas(partition).len())
        };
        let kind = if replicas().any(|count| count > wanted) {
            0
        } else if replicas().any(|count| count < wanted) {
            1
        } else {
            continue;
        };
        if purposes[kind].len() < MOST_TOPICS {
            purposes[kind].insert(topic.clone(), order.replicas);
        }
    }
    purposes.map(|topics| (!topics.is_empty()).then_some(Purpose::Replicate(topics)))
}
