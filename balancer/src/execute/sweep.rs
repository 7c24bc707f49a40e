//! Throttles of a balancer's that the journal does not account for, and taking them over so that they are put back.
//!
//! There are two ways to them. A journal that was lost, or a record of it that cannot be read, leaves throttles whose
//! rates bear the [`mark`] of a balancer. And a balancer that slept while another one took over may wake up in the
//! middle of a request, and set once more what that one has long put back. Neither is common, so all configurations are
//! read only at the start and now and then.
//!
//! What throttles a copy is taken over at once and kept until the copy is over. What throttles nothing is taken over when it
//! is still there a while later: then it is not on its way to be used, or to be taken back by somebody else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka::ids::{BrokerId, PartitionId, TopicName, TopicPartition};

use super::seen::Seen;
use crate::journal::{BrokerThrottle, Direction, ExecutionState, Record, Timestamp, TopicThrottle};

/// How often all configurations are read.
const EVERY: Duration = Duration::from_secs(600);

/// How long what throttles nothing has to be there.
const PATIENCE: Duration = Duration::from_secs(60);

/// The last three digits of every rate that a balancer sets. People set round numbers, so this tells the two apart when
/// there is nothing else that does.
const MARK: u64 = 613;

/// The least rate from `rate` up, in bytes per second, that bears the mark.
pub(super) fn mark(rate: u64) -> u64 {
    let marked = rate - rate % 1000 + MARK;
    if marked < rate { marked + 1000 } else { marked }
}

/// Whether a rate, in bytes per second, bears the mark.
pub(super) fn is_marked(rate: u64) -> bool {
    rate % 1000 == MARK
}

/// When to look for what nobody accounts for, and what was found the last time.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    due: Option<Timestamp>,
    strays: BTreeSet<Stray>,
    /// Whether the journal has lost something that has not been made good.
    has_lost: bool,
}

/// Something of a balancer's in Kafka that the journal does not know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Stray {
    Rate(BrokerId, Direction, u64),
    Element(TopicName, [u8; 16], Direction, String),
}

impl Sweep {
    /// To begin with, after a journal was opened that is whole or has lost something.
    pub(super) fn of_a_journal(has_lost: bool) -> Self {
        Self {
            has_lost,
            ..Self::default()
        }
    }

    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.due.is_none_or(|due| due <= now)
    }

    /// The records that take over what was there the last time already. `seen` has all topics and brokers.
    pub(super) fn take(&mut self, state: &ExecutionState, seen: &Seen, now: Timestamp) -> Vec<Record> {
        let search = Search {
            state,
            seen,
            before: &self.strays,
            has_lost: self.has_lost,
        };
        let mut due = BTreeSet::new();
        let mut found = BTreeSet::new();
        for (stray, is_in_use) in search.strays() {
            if is_in_use || self.strays.contains(&stray) {
                due.insert(stray);
            } else {
                found.insert(stray);
            }
        }
        self.strays = found;
        let wait = if self.strays.is_empty() { EVERY } else { PATIENCE };
        self.due = Some(Timestamp(now.0.saturating_add(wait.as_millis() as u64)));
        let mut records = Vec::new();
        if due.is_empty() && self.strays.is_empty() {
            self.has_lost = false;
            if !state.whole {
                records.push(Record::Whole);
            }
        }
        let mut adopted = state.clone();
        for stray in due {
            let record = take_over(&adopted, stray, now);
            adopted.apply(record.clone());
            records.push(record);
        }
        records
    }
}

/// What a search for strays goes by.
struct Search<'a> {
    state: &'a ExecutionState,
    seen: &'a Seen,
    /// What was found the last time.
    before: &'a BTreeSet<Stray>,
    /// Whether the journal has lost something, so that what bears the mark is more likely ours than what does not.
    has_lost: bool,
}

impl Search<'_> {
    /// All strays, and whether each throttles a copy that is being made.
    fn strays(&self) -> BTreeMap<Stray, bool> {
        let rates = self.stray_rates();
        let has_lost = self.has_lost || !rates.is_empty();
        let mut strays: BTreeMap<Stray, bool> = rates
            .iter()
            .map(|(&(broker, direction), &rate)| {
                let stray = Stray::Rate(broker, direction, rate);
                (stray, self.is_in_use(broker, direction))
            })
            .collect();
        for (topic, id, direction, list) in self.seen.lists() {
            let ours = self.state.topic_throttles.get(&(topic.clone(), direction));
            for element in &list.elements {
                if ours.is_some_and(|ours| ours.entries.contains(element)) {
                    continue;
                }
                let stray = Stray::Element(topic.clone(), id, direction, element.clone());
                if let Some(is_in_use) = self.judge(topic, direction, element, &stray, has_lost) {
                    strays.insert(stray, is_in_use);
                }
            }
        }
        strays
    }

    fn stray_rates(&self) -> BTreeMap<(BrokerId, Direction), u64> {
        let marked = self.seen.rates.iter().filter_map(|(at, rate)| {
            let rate = rate.bytes_per_second()?;
            is_marked(rate).then_some((*at, rate))
        });
        marked
            .filter(|(at, _)| !self.state.broker_throttles.contains_key(at))
            .collect()
    }

    /// Whether a list names a replica on the broker whose partition is being reassigned, by whomever.
    fn is_in_use(&self, broker: BrokerId, direction: Direction) -> bool {
        let lists = self.seen.lists().filter(|(_, _, way, _)| *way == direction);
        lists.into_iter().any(|(topic, _, _, list)| {
            list.elements.iter().any(|element| {
                parse(element).is_some_and(|(partition, at)| {
                    let of = TopicPartition::new(topic.clone(), partition);
                    at == broker && self.seen.reassignments.contains_key(&of)
                })
            })
        })
    }

    /// None for an element that is somebody else's, as far as can be known; else whether it throttles a copy.
    fn judge(
        &self,
        topic: &TopicName,
        direction: Direction,
        element: &str,
        stray: &Stray,
        has_lost: bool,
    ) -> Option<bool> {
        let (partition, broker) = parse(element)?;
        let of = TopicPartition::new(topic.clone(), partition);
        let at = (broker, direction);
        let rate = self.seen.rates.get(&at);
        let is_marked = match rate {
            Some(rate) => rate.bytes_per_second().is_some_and(is_marked),
            // What a broker that is down had is in force again when it comes back, perhaps before the next search.
            None => self
                .state
                .broker_throttles
                .get(&at)
                .is_some_and(|ours| !ours.yielded),
        };
        if self.seen.reassignments.contains_key(&of) {
            return (is_marked && has_lost).then_some(true);
        }
        let ours = self.state.topic_throttles.get(&(topic.clone(), direction));
        let was_ours = ours.is_some_and(|ours| ours.over.iter().any(|over| over == element));
        let is_ours = match rate?.is_limited() {
            true => is_marked && has_lost,
            false => self.before.contains(stray),
        };
        (was_ours || is_ours).then_some(false)
    }
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
            let mut over = ours.map(|ours| ours.over.clone()).unwrap_or_default();
            over.retain(|over| *over != element);
            entries.push(element);
            let throttle = TopicThrottle {
                topic_id: id,
                present_before: ours.is_some_and(|ours| ours.present_before),
                entries,
                over,
                at: now,
            };
            Record::TopicThrottle(topic, direction, Some(throttle))
        }
    }
}

/// `partition:broker`.
pub(super) fn parse(element: &str) -> Option<(PartitionId, BrokerId)> {
    let (partition, broker) = element.split_once(':')?;
    let partition = PartitionId::try_from(partition.parse::<i32>().ok()?).ok()?;
    Some((partition, BrokerId::try_from(broker.parse::<i32>().ok()?).ok()?))
}
