//! Throttles of a balancer's that the journal does not account for, and taking them over so that they are put back.
//!
//! There are two ways to them. A journal that was lost, or a record of it that cannot be read, leaves throttles whose
//! rates bear the [`mark`] of a balancer. And a balancer that slept while another one took over may wake up in the
//! middle of a request, and set once more what that one has long put back. Neither is common, so all configurations are
//! read only now and then, and what is found counts when it is still there a while later: then it is not on its way to
//! be used or to be taken back by somebody else.

use std::collections::BTreeSet;
use std::time::Duration;

use kafka::ids::{BrokerId, PartitionId, TopicName, TopicPartition};

use super::seen::Seen;
use crate::journal::{BrokerThrottle, Direction, ExecutionState, Record, Timestamp, TopicThrottle};

/// How often all configurations are read.
const EVERY: Duration = Duration::from_secs(600);

/// How long what nobody accounts for has to be there.
const PATIENCE: Duration = Duration::from_secs(60);

/// The last three digits of every rate that a balancer sets. People set round numbers, so this tells the two apart when
/// there is nothing else that does.
const MARK: u64 = 613;

/// The least rate from `rate` up, in bytes per second, that bears the mark.
pub(super) fn mark(rate: u64) -> u64 {
    let marked = rate - rate % 1000 + MARK;
    if marked < rate { marked + 1000 } else { marked }
}

fn is_marked(rate: u64) -> bool {
    rate % 1000 == MARK
}

/// When to look for what nobody accounts for, and what was found the last time.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    due: Option<Timestamp>,
    strays: BTreeSet<Stray>,
}

/// Something of a balancer's in Kafka that the journal does not know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Stray {
    Rate(BrokerId, Direction, u64),
    Element(TopicName, [u8; 16], Direction, String),
}

impl Sweep {
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.due.is_none_or(|due| due <= now)
    }

    /// The records that take over what was there the last time already. `seen` has all topics and brokers.
    pub(super) fn take(&mut self, state: &ExecutionState, seen: &Seen, now: Timestamp) -> Vec<Record> {
        let found = strays(state, seen);
        let stayed: BTreeSet<Stray> = found.intersection(&self.strays).cloned().collect();
        self.strays = found.difference(&stayed).cloned().collect();
        let wait = if self.strays.is_empty() { EVERY } else { PATIENCE };
        self.due = Some(Timestamp(now.0.saturating_add(wait.as_millis() as u64)));
        let mut adopted = state.clone();
        let mut records = Vec::new();
        for stray in stayed {
            let record = take_over(&adopted, stray, now);
            adopted.apply(record.clone());
            records.push(record);
        }
        records
    }
}

fn strays(state: &ExecutionState, seen: &Seen) -> BTreeSet<Stray> {
    let mut strays = BTreeSet::new();
    for (&(broker, direction), rate) in &seen.rates {
        let Some(rate) = rate.dynamic.as_deref().and_then(|rate| rate.parse().ok()) else {
            continue;
        };
        let is_known = state.broker_throttles.contains_key(&(broker, direction));
        if is_marked(rate) && !is_known && !is_in_use(seen, broker, direction) {
            strays.insert(Stray::Rate(broker, direction, rate));
        }
    }
    for (topic, id, direction, list) in seen.lists() {
        for element in &list.elements {
            if is_stray(state, seen, topic, direction, element, &strays) {
                strays.insert(Stray::Element(topic.clone(), id, direction, element.clone()));
            }
        }
    }
    strays
}

/// Whether a list names a replica on the broker whose partition is being reassigned, by whomever.
fn is_in_use(seen: &Seen, broker: BrokerId, direction: Direction) -> bool {
    seen.lists()
        .filter(|(_, _, way, _)| *way == direction)
        .any(|(topic, _, _, list)| {
            list.elements.iter().any(|element| match parse(element) {
                Some((partition, at)) => {
                    let name = TopicPartition::new(topic.clone(), partition);
                    at == broker && seen.reassignments.contains_key(&name)
                }
                None => false,
            })
        })
}

/// An element is a balancer's when only a stray rate can give it a meaning, or when it was one that the balancer had
/// added for a move of a short while ago and that nobody's rate gives a meaning.
fn is_stray(
    state: &ExecutionState,
    seen: &Seen,
    topic: &TopicName,
    direction: Direction,
    element: &String,
    strays: &BTreeSet<Stray>,
) -> bool {
    let Some((partition, broker)) = parse(element) else {
        return false;
    };
    let ours = state.topic_throttles.get(&(topic.clone(), direction));
    let moved = TopicPartition::new(topic.clone(), partition);
    if ours.is_some_and(|ours| ours.entries.contains(element)) || seen.reassignments.contains_key(&moved) {
        return false;
    }
    let rate = seen.rates.get(&(broker, direction));
    let at_stray = strays
        .iter()
        .any(|stray| matches!(stray, Stray::Rate(at, way, _) if (*at, *way) == (broker, direction)));
    let without_meaning = rate.is_some_and(|rate| !rate.is_limited())
        && !state.broker_throttles.contains_key(&(broker, direction));
    let was_ours = state.cool_downs.get(&moved).is_some_and(|cool| {
        cool.throttled
            .iter()
            .any(|(way, one)| *way == direction && one == element)
    });
    at_stray || (without_meaning && was_ours)
}

fn take_over(state: &ExecutionState, stray: Stray, now: Timestamp) -> Record {
    match stray {
        Stray::Rate(broker, direction, rate) => {
            tracing::warn!(
                %broker, ?direction, rate,
                "A throttle bears a balancer's mark and is in no journal; it is taken away. What was there before it is not known."
            );
            let throttle = BrokerThrottle {
                before: None,
                written: vec![rate],
                at: now,
                yielded: false,
                lifted: false,
            };
            Record::BrokerThrottle(broker, direction, Some(throttle))
        }
        Stray::Element(topic, id, direction, element) => {
            tracing::warn!(%topic, ?direction, element, "A throttled replica is in no journal; it is taken out of the list.");
            let ours = state.topic_throttles.get(&(topic.clone(), direction));
            let mut entries = ours.map(|ours| ours.entries.clone()).unwrap_or_default();
            entries.push(element);
            let throttle = TopicThrottle {
                topic_id: id,
                present_before: ours.is_some_and(|ours| ours.present_before),
                entries,
                at: now,
            };
            Record::TopicThrottle(topic, direction, Some(throttle))
        }
    }
}

/// `partition:broker`.
fn parse(element: &str) -> Option<(PartitionId, BrokerId)> {
    let (partition, broker) = element.split_once(':')?;
    let partition = PartitionId::try_from(partition.parse::<i32>().ok()?).ok()?;
    Some((partition, BrokerId::try_from(broker.parse::<i32>().ok()?).ok()?))
}
