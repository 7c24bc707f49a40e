//! Throttles: which are wanted, which are ours, and the steps from one to the other.

use std::collections::{BTreeMap, BTreeSet};

use kafka::cluster::{ConfigChange, ConfigResource};
use kafka::ids::{BrokerId, TopicName, TopicPartition};

use super::limits::Guidance;
use super::progress::{REMEMBERED, SETTLE};
use super::seen::{SeenList, SeenRate};
use super::situation::Situation;
use super::step::{Change, Step};
use super::sweep::{is_marked, mark, parse};
use crate::journal::{BrokerThrottle, Direction, ExecutionState, Outcome, Record, Timestamp, TopicThrottle};
use crate::plan::Move;

/// A rate changes when it is this far off, relative to what it is.
const HYSTERESIS: f64 = 0.1;

/// How many of the values written last are remembered as ours.
const VALUES_KEPT: usize = 4;

/// How many elements that are over are remembered for a list.
const ELEMENTS_KEPT: usize = 1000;

/// How much faster than producers a copy has to be, so that it ever catches up.
const CATCH_UP: f64 = 1.25;

/// Throttles that the moves in flight, and those about to start, are to run under.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// With each broker the bytes per second that producers write to what it copies, for each copy that it sends.
    brokers: BTreeMap<(BrokerId, Direction), f64>,
    replicas: BTreeMap<(TopicName, Direction), BTreeSet<String>>,
}

impl Wanted {
    /// Adds what one copy needs: whoever may lead is throttled in sending, who gets a copy in receiving.
    pub(super) fn add(&mut self, change: &Move, guidance: &Guidance) {
        let produced = guidance.produced.get(&change.partition).copied().unwrap_or(0.0);
        // Whoever leads sends what producers write to each of the copies.
        let sent = produced * change.adding().count() as f64;
        for broker in &change.from {
            self.add_replica(change, *broker, Direction::Leader, sent);
        }
        for broker in change.adding() {
            self.add_replica(change, broker, Direction::Follower, produced);
        }
    }

    /// Keeps what throttles a copy that no plan knows any more, as after part of the journal was lost, until it is over.
    pub(super) fn keep_for_strangers(&mut self, situation: &Situation<'_>) {
        for ((topic, direction), ours) in &situation.state.topic_throttles {
            for element in &ours.entries {
                let Some((partition, broker)) = parse(element) else {
                    continue;
                };
                let of = TopicPartition::new(topic.clone(), partition);
                if situation.seen.reassignments.contains_key(&of) && !is_accounted_for(&of, situation.state) {
                    self.brokers.entry((broker, *direction)).or_default();
                    let list = self.replicas.entry((topic.clone(), *direction)).or_default();
                    list.insert(element.clone());
                }
            }
        }
    }

    fn add_replica(&mut self, change: &Move, broker: BrokerId, direction: Direction, produced: f64) {
        *self.brokers.entry((broker, direction)).or_default() += produced;
        self.replicas
            .entry((change.partition.topic.clone(), direction))
            .or_default()
            .insert(element(change, broker));
    }

    /// The steps from what is to what is wanted.
    pub(super) fn steps(&self, situation: &Situation<'_>) -> Vec<Step> {
        let state = situation.state;
        let topics: BTreeSet<_> = self.replicas.keys().chain(state.topic_throttles.keys()).collect();
        let brokers: BTreeSet<_> = self.brokers.keys().chain(state.broker_throttles.keys()).collect();
        let nothing = BTreeSet::new();
        let lists = topics.into_iter().filter_map(|at| {
            let wanted = self.replicas.get(at).unwrap_or(&nothing);
            list_step(&at.0, at.1, wanted, situation)
        });
        let rates = brokers
            .into_iter()
            .filter_map(|at| rate_step(at.0, at.1, self.brokers.get(at).copied(), situation));
        // Lists without a rate throttle nothing, so the order in which the two appear does not matter.
        lists.chain(rates).collect()
    }

    /// Whether Kafka still shows something of ours that nothing wants any more. What cannot be read does not count.
    pub(super) fn has_leftovers(&self, situation: &Situation<'_>) -> bool {
        let mut lists = situation.state.topic_throttles.iter();
        let mut rates = situation.state.broker_throttles.iter();
        let list_is_left = |(at, ours): (&(TopicName, Direction), &TopicThrottle)| {
            let nothing = BTreeSet::new();
            let wanted = self.replicas.get(at).unwrap_or(&nothing);
            let shown = situation.seen.list(&at.0, at.1);
            situation.seen.topic_id(&at.0) == Some(ours.topic_id)
                && shown.is_some_and(|shown| is_left(ours, shown, wanted))
        };
        let rate_is_left = |(at, ours): (&(BrokerId, Direction), &BrokerThrottle)| {
            let shown = situation.seen.rates.get(at);
            !ours.yielded && !self.brokers.contains_key(at) && shown.is_some_and(|shown| is_ours(ours, shown))
        };
        lists.any(list_is_left) || rates.any(rate_is_left)
    }
}

/// Whether a plan tells what a partition's reassignment is, or told that somebody else had begun it.
fn is_accounted_for(of: &TopicPartition, state: &ExecutionState) -> bool {
    let mut planned = state.plans.values().flat_map(|plan| plan.moves.values());
    let over = state.history.values().rev().find_map(|plan| {
        let ended = plan.moves.iter().find(|ended| ended.partition == *of)?;
        Some(ended.outcome == Outcome::ReassignedElsewhere)
    });
    planned.any(|progress| progress.change.partition == *of) || over == Some(true)
}

/// Whether everything that is to throttle a copy is in force.
pub(super) fn is_throttled(change: &Move, situation: &Situation<'_>) -> bool {
    let sources = change.from.iter().map(|broker| (*broker, Direction::Leader));
    let targets = change.adding().map(|broker| (broker, Direction::Follower));
    sources.chain(targets).all(|(broker, direction)| {
        let topic = &change.partition.topic;
        let listed = situation
            .seen
            .list(topic, direction)
            .is_some_and(|list| list.is_all() || list.elements.contains(&element(change, broker)));
        let dead = !situation.seen.alive.contains(&broker);
        dead || (listed && has_rate(broker, direction, situation))
    })
}

fn has_rate(broker: BrokerId, direction: Direction, situation: &Situation<'_>) -> bool {
    let Some(rate) = situation.seen.rates.get(&(broker, direction)) else {
        return false;
    };
    match situation.state.broker_throttles.get(&(broker, direction)) {
        Some(ours) => !ours.lifted && (ours.yielded || is_ours(ours, rate)),
        None => rate.is_limited() && used_by_others(broker, direction, situation),
    }
}

fn element(change: &Move, broker: BrokerId) -> String {
    format!("{}:{broker}", change.partition.partition)
}

/// Whether a list shows elements of ours that are not wanted, or the empty value that Kafka leaves after the last one.
fn is_left(ours: &TopicThrottle, shown: &SeenList, wanted: &BTreeSet<String>) -> bool {
    let mut own = ours.entries.iter().chain(&ours.over);
    let names = own.any(|element| shown.elements.contains(element) && !wanted.contains(element));
    names || (!ours.present_before && shown.present && shown.elements.is_empty())
}

fn list_step(
    topic: &TopicName,
    direction: Direction,
    wanted: &BTreeSet<String>,
    situation: &Situation<'_>,
) -> Option<Step> {
    let at = (topic.clone(), direction);
    let ours = situation.state.topic_throttles.get(&at);
    let id = situation.seen.topic_id(topic);
    if let Some(ours) = ours
        && id != Some(ours.topic_id)
    {
        let now = situation.now;
        let note = |throttle| Step::note(vec![Record::TopicThrottle(topic.clone(), direction, throttle)]);
        return match id {
            // A request that was long on its way names the topic, and finds the new one.
            Some(topic_id) => Some(note(Some(TopicThrottle {
                topic_id,
                present_before: false,
                at: now,
                ..ours.clone()
            }))),
            None if ours.entries.is_empty() => (now.since(ours.at) > REMEMBERED).then(|| note(None)),
            None => {
                (now.since(ours.at) > SETTLE).then(|| note(Some(without(ours, ours.entries.clone(), now))))
            }
        };
    }
    let list = List {
        topic,
        direction,
        seen: situation.seen.list(topic, direction)?,
        ours,
        situation,
    };
    list.append(wanted, id?).or_else(|| list.take_back(wanted))
}

/// Our part of a list without the elements that are over, which are remembered.
fn without(ours: &TopicThrottle, over: Vec<String>, now: Timestamp) -> TopicThrottle {
    let mut left = TopicThrottle {
        at: now,
        ..ours.clone()
    };
    left.entries.retain(|entry| !over.contains(entry));
    left.over.extend(over);
    let excess = left.over.len().saturating_sub(ELEMENTS_KEPT);
    left.over.drain(..excess);
    left
}

/// A topic's list of throttled replicas and our part of it.
struct List<'a> {
    topic: &'a TopicName,
    direction: Direction,
    seen: &'a SeenList,
    ours: Option<&'a TopicThrottle>,
    situation: &'a Situation<'a>,
}

impl List<'_> {
    fn append(&self, wanted: &BTreeSet<String>, topic_id: [u8; 16]) -> Option<Step> {
        let missing: Vec<String> = wanted.difference(&self.seen.elements).cloned().collect();
        if missing.is_empty() || self.seen.is_all() {
            return None;
        }
        let mut entries = self.ours.map(|ours| ours.entries.clone()).unwrap_or_default();
        entries.extend(
            missing
                .iter()
                .filter(|new| !entries.contains(new))
                .cloned()
                .collect::<Vec<_>>(),
        );
        let mut over = self.ours.map(|ours| ours.over.clone()).unwrap_or_default();
        over.retain(|element| !entries.contains(element));
        let throttle = TopicThrottle {
            over,
            topic_id,
            present_before: self.ours.map_or(self.seen.present, |ours| ours.present_before),
            entries,
            at: self.situation.now,
        };
        let change = ConfigChange::Append {
            name: self.direction.replicas().to_owned(),
            value: missing.join(","),
        };
        Some(Step::intending(
            vec![self.record(Some(throttle))],
            Change::Throttle(self.resource(), change),
        ))
    }

    /// Takes our elements out again, and the empty value that Kafka leaves if there was none before.
    fn take_back(&self, wanted: &BTreeSet<String>) -> Option<Step> {
        let ours = self.ours?;
        let settled = self.situation.now.since(ours.at) > SETTLE;
        if ours.entries.is_empty() {
            if !ours.present_before && self.seen.present && self.seen.elements.is_empty() {
                let change = ConfigChange::Delete {
                    name: self.direction.replicas().to_owned(),
                };
                let change = Change::Unthrottle(self.resource(), change);
                let deleted = TopicThrottle {
                    at: self.situation.now,
                    ..ours.clone()
                };
                return Some(Step::settling(change, vec![self.record(Some(deleted))]));
            }
            let forgotten = self.situation.now.since(ours.at) > REMEMBERED;
            return forgotten.then(|| Step::note(vec![self.record(None)]));
        }
        let entries = ours.entries.iter();
        let over: Vec<String> = entries
            .filter(|entry| !wanted.contains(*entry))
            .cloned()
            .collect();
        if over.is_empty() {
            return None;
        }
        let value = over.join(",");
        let left = self.record(Some(without(ours, over.clone(), self.situation.now)));
        if over.iter().any(|entry| self.seen.elements.contains(entry)) {
            let name = self.direction.replicas().to_owned();
            let change = Change::Unthrottle(self.resource(), ConfigChange::Subtract { name, value });
            return Some(Step::settling(change, vec![left]));
        }
        settled.then(|| Step::note(vec![left]))
    }

    fn record(&self, throttle: Option<TopicThrottle>) -> Record {
        Record::TopicThrottle(self.topic.clone(), self.direction, throttle)
    }

    fn resource(&self) -> ConfigResource {
        ConfigResource::Topic(self.topic.clone())
    }
}

fn rate_step(
    broker: BrokerId,
    direction: Direction,
    produced: Option<f64>,
    situation: &Situation<'_>,
) -> Option<Step> {
    let wanted = produced.is_some();
    let seen = situation.seen.rates.get(&(broker, direction))?;
    let rate = Rate {
        broker,
        direction,
        seen,
        produced: produced.unwrap_or(0.0),
        situation,
    };
    let others = || used_by_others(broker, direction, situation);
    match situation.state.broker_throttles.get(&(broker, direction)) {
        None if wanted => (!(seen.is_limited() && others())).then(|| rate.set(None)),
        None => None,
        Some(ours) if ours.yielded => (!wanted).then(|| rate.forget()),
        Some(ours) if ours.lifted => rate.after_lifting(ours, wanted, others),
        Some(ours) if is_ours(ours, seen) => {
            if !wanted || (ours.before.is_some() && others()) {
                return Some(rate.put_back(ours));
            }
            let current = seen.bytes_per_second()? as f64;
            let target = rate.target() as f64;
            let off = (target - current).abs() > HYSTERESIS * current;
            off.then(|| rate.set(Some(ours)))
        }
        Some(ours) if seen.dynamic == ours.before => {
            if wanted {
                return (ours.before.is_none() || !others()).then(|| rate.set(Some(ours)));
            }
            (situation.now.since(ours.at) > SETTLE).then(|| rate.forget())
        }
        // Somebody has set it since; theirs stays.
        Some(ours) if wanted => Some(Step::note(vec![rate.record(Some(BrokerThrottle {
            yielded: true,
            ..ours.clone()
        }))])),
        Some(_) => Some(rate.forget()),
    }
}

/// A broker's rate in one direction.
struct Rate<'a> {
    broker: BrokerId,
    direction: Direction,
    seen: &'a SeenRate,
    /// Bytes per second that producers write to what passes through the broker.
    produced: f64,
    situation: &'a Situation<'a>,
}

impl Rate<'_> {
    /// What the broker can spare, in bytes per second, but not less than what lets a copy end.
    fn target(&self) -> u64 {
        let headroom = self.situation.guidance.headroom.get(&self.broker);
        let spare = headroom.map_or(0.0, |headroom| match self.direction {
            Direction::Leader => headroom.send,
            Direction::Follower => headroom.receive,
        });
        let rate = spare.max(CATCH_UP * self.produced);
        // Kafka takes a signed 64-bit number; no network is faster than this bound.
        let rate = rate.clamp(0.0, 1e15) as u64;
        mark(rate.max(self.situation.limits.throttle_floor).max(1))
    }

    fn set(&self, ours: Option<&BrokerThrottle>) -> Step {
        let rate = self.target();
        let mut written = ours.map(|ours| ours.written.clone()).unwrap_or_default();
        written.retain(|value| *value != rate);
        written.push(rate);
        let excess = written.len().saturating_sub(VALUES_KEPT);
        written.drain(..excess);
        let throttle = BrokerThrottle {
            before: match ours {
                Some(ours) => ours.before.clone(),
                // What another balancer has left is nothing to go back to.
                None if self.seen.bytes_per_second().is_some_and(is_marked) => None,
                None => self.seen.dynamic.clone(),
            },
            written,
            at: self.situation.now,
            yielded: false,
            lifted: false,
        };
        let change = ConfigChange::Set {
            name: self.direction.rate().to_owned(),
            value: rate.to_string(),
        };
        Step::intending(
            vec![self.record(Some(throttle))],
            Change::Throttle(ConfigResource::Broker(self.broker), change),
        )
    }

    /// The value before is back, but a broker may not have heard of it yet.
    fn after_lifting(&self, ours: &BrokerThrottle, wanted: bool, others: impl Fn() -> bool) -> Option<Step> {
        let shows_ours = is_ours(ours, self.seen);
        if self.seen.dynamic != ours.before && !shows_ours {
            Some(self.forget())
        } else if wanted && !(ours.before.is_some() && others()) {
            Some(self.set(Some(ours)))
        } else if self.situation.now.since(ours.at) <= SETTLE {
            None
        } else if shows_ours {
            Some(self.put_back(ours))
        } else {
            (self.situation.now.since(ours.at) > REMEMBERED).then(|| self.forget())
        }
    }

    fn put_back(&self, ours: &BrokerThrottle) -> Step {
        let name = self.direction.rate().to_owned();
        let change = match &ours.before {
            Some(value) => ConfigChange::Set {
                name,
                value: value.clone(),
            },
            None => ConfigChange::Delete { name },
        };
        let change = Change::Unthrottle(ConfigResource::Broker(self.broker), change);
        let lifted = BrokerThrottle {
            at: self.situation.now,
            lifted: true,
            ..ours.clone()
        };
        Step::settling(change, vec![self.record(Some(lifted))])
    }

    fn forget(&self) -> Step {
        Step::note(vec![self.record(None)])
    }

    fn record(&self, throttle: Option<BrokerThrottle>) -> Record {
        Record::BrokerThrottle(self.broker, self.direction, throttle)
    }
}

/// Whether a rate is one that a balancer has set: one that the journal names, or that bears the mark, which a request that
/// was long on its way has too.
fn is_ours(ours: &BrokerThrottle, seen: &SeenRate) -> bool {
    seen.dynamic != ours.before
        && seen
            .bytes_per_second()
            .is_some_and(|rate| is_marked(rate) || ours.written.contains(&rate))
}

fn used_by_others(broker: BrokerId, direction: Direction, situation: &Situation<'_>) -> bool {
    situation
        .seen
        .is_throttled_by_others(broker, direction, |topic, element| {
            is_our_element(situation.state, topic, direction, element)
        })
}

fn is_our_element(state: &ExecutionState, topic: &TopicName, direction: Direction, element: &str) -> bool {
    state
        .topic_throttles
        .get(&(topic.clone(), direction))
        .is_some_and(|ours| ours.entries.iter().any(|entry| entry == element))
}
