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

/// What the brokers' states ask for. A broker that has been away for less than `grace` is not emptied.
pub(crate) fn of_states(model: &Model, (away, grace, now): (&Away, Duration, Duration)) -> Option<Purpose> {
    match Purpose::of_states(model) {
        Purpose::Drain(mut leaving) => {
            leaving.retain(|broker| !away.is_short(*broker, grace, now));
            (!leaving.is_empty()).then_some(Purpose::Drain(leaving))
        }
        Purpose::Fill(new) => Some(Purpose::Fill(new)),
        Purpose::Cool | Purpose::Rebalance | Purpose::Replicate(_) => None,
    }
}

/// Why a plan is due, if one is: what the brokers' states ask for comes first, then a better balance that somebody asked
/// for, then heat.
pub(crate) fn due(of_states: Option<Purpose>, is_asked: bool, is_hot: bool) -> Option<Purpose> {
    of_states
        .or_else(|| is_asked.then_some(Purpose::Rebalance))
        .or_else(|| is_hot.then_some(Purpose::Cool))
}

/// The most topics of one plan that gives them more or fewer replicas: a plan's record names them.
const MOST_TOPICS: usize = 100;

/// A plan for numbers of replicas that ended with nothing done: the last one that was made for any.
pub(crate) struct Fruitless<'a> {
    pub(crate) purpose: &'a Purpose,
    /// Whether no other plan was made since.
    pub(crate) is_latest: bool,
}

/// What plans are tried for, one after the other until one has something to do: `due`, the orders of topics that do not
/// have their number of replicas yet, and at last what is hot, since a broker of which nothing can be taken keeps nobody else
/// hot.
///
/// Emptying brokers that are dead comes first. Taking replicas away copies nothing, and what is gone does not have to be copied off a
/// broker that is to be emptied; so that is next. Adding some comes before everything that serves balance alone. After a plan for
/// orders that did nothing, everything else has its turn once, and then the orders that come next: what cannot go on would keep
/// all others waiting.
pub(crate) fn in_line(
    model: &Model,
    orders: &BTreeMap<TopicName, Replication>,
    due: Option<Purpose>,
    is_hot: bool,
    fruitless: Option<&Fruitless<'_>>,
) -> Vec<Purpose> {
    let heat = (is_hot && due != Some(Purpose::Cool)).then_some(Purpose::Cool);
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
    let mut all = [fewer.clone(), more.clone()].concat();
    let tried = fruitless.and_then(|fruitless| {
        let place = all.iter().position(|purpose| purpose == fruitless.purpose)?;
        Some((place, fruitless.is_latest))
    });
    let Some((place, is_latest)) = tried else {
        let line = dead.into_iter().chain(fewer).chain(leaving).chain(more);
        return line.chain(other).chain(heat).collect();
    };
    all.rotate_left(place + 1);
    let others = leaving.into_iter().chain(other).collect();
    let (first, then) = if is_latest { (others, all) } else { (all, others) };
    let line = dead.into_iter().chain(first).chain(then);
    line.chain(heat).collect()
}

/// The orders that are not carried out yet: those of topics with too many replicas of some partition, and the others, each in
/// parts of [`MOST_TOPICS`].
fn outstanding(model: &Model, orders: &BTreeMap<TopicName, Replication>) -> [Vec<Purpose>; 2] {
    let mut topics: [Vec<(TopicName, ReplicationFactor)>; 2] = Default::default();
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
        topics[kind].push((topic.clone(), order.replicas));
    }
    topics.map(|topics| {
        let parts = topics.chunks(MOST_TOPICS);
        parts
            .map(|part| Purpose::Replicate(part.iter().cloned().collect()))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Timestamp;
    use crate::model::{Broker, Builder, PartitionLoad, PartitionRow, PerResource, Topic};

    /// Brokers 0 to 2, of which the last is to be emptied, and topics with so many replicas.
    fn model(topics: &[(&str, usize)]) -> Model {
        let mut builder = Builder::default();
        let id = |broker: i32| BrokerId::try_from(broker).unwrap();
        for broker in 0..3 {
            builder.broker(Broker {
                id: id(broker),
                rack: None,
                state: if broker == 2 {
                    BrokerState::Draining
                } else {
                    BrokerState::Alive
                },
                capacity: PerResource::splat(100.0),
                room: None,
                excluded: false,
            });
        }
        for (name, replicas) in topics {
            let name: TopicName = name.parse().unwrap();
            let topic = builder.topic(&name, || Topic {
                name: name.clone(),
                id: [0; 16],
                excluded: false,
            });
            let replicas: Vec<BrokerId> = (0..3).map(id).take(*replicas).collect();
            let row = PartitionRow {
                topic,
                number: 0.try_into().unwrap(),
                leader: Some(id(0)),
                replicas: &replicas,
                lagging: &[],
                load: PartitionLoad::default(),
                immovable: false,
            };
            builder.partition(&row).unwrap();
        }
        builder.build().unwrap()
    }

    fn orders(model: &Model, replicas: i64) -> BTreeMap<TopicName, Replication> {
        let order = Replication {
            topic_id: [0; 16],
            replicas: replicas.try_into().unwrap(),
            asked_at: Timestamp(0),
            over_since: None,
        };
        let name = |partition| model.name(partition).topic;
        model
            .partitions()
            .map(|partition| (name(partition), order.clone()))
            .collect()
    }

    fn replicate(topic: &str, replicas: i64) -> Purpose {
        Purpose::Replicate([(topic.parse().unwrap(), replicas.try_into().unwrap())].into())
    }

    #[test]
    fn orders_that_came_to_nothing_let_everything_else_go_first_and_then_the_next_orders() {
        let model = model(&[("a", 3), ("b", 1)]);
        let orders = orders(&model, 2);
        let drain = || Purpose::Drain(vec![2.try_into().unwrap()]);
        let (fewer, more) = (replicate("a", 2), replicate("b", 2));
        let line = |fruitless: Option<(&Purpose, bool)>| {
            let fruitless = fruitless.map(|(purpose, is_latest)| Fruitless { purpose, is_latest });
            in_line(&model, &orders, Some(drain()), false, fruitless.as_ref())
        };
        assert_eq!(line(None), [fewer.clone(), drain(), more.clone()]);
        assert_eq!(line(Some((&fewer, true))), [drain(), more.clone(), fewer.clone()]);
        assert_eq!(
            line(Some((&fewer, false))),
            [more.clone(), fewer.clone(), drain()]
        );
        assert_eq!(line(Some((&more, true))), [drain(), fewer.clone(), more.clone()]);
        // What is not ordered any more changes nothing.
        let past = replicate("c", 2);
        assert_eq!(line(Some((&past, true))), [fewer, drain(), more]);
    }

    #[test]
    fn heat_has_its_turn_after_a_broker_that_cannot_be_emptied_and_only_one() {
        let model = model(&[("a", 2)]);
        let drain = || Purpose::Drain(vec![2.try_into().unwrap()]);
        let line = |due| in_line(&model, &BTreeMap::new(), due, true, None);
        assert_eq!(line(Some(drain())), [drain(), Purpose::Cool]);
        assert_eq!(line(Some(Purpose::Cool)), [Purpose::Cool]);
    }

    #[test]
    fn every_order_has_its_turn_however_many_there_are() {
        let names: Vec<String> = (0..250).map(|number| format!("t{number}")).collect();
        let topics: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let model = model(&topics);
        let line = in_line(&model, &orders(&model, 2), None, false, None);
        let parts: Vec<usize> = line
            .iter()
            .map(|purpose| match purpose {
                Purpose::Replicate(topics) => topics.len(),
                _ => 0,
            })
            .collect();
        assert_eq!(parts, [100, 100, 50]);
    }
}
