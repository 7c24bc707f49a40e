//! The partitions of the cluster, numbered, so that thousands of groups need not name them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use kafka::cluster::Topic;
use kafka::{PartitionId, TopicName, TopicPartition};

use super::timeline::Timeline;

/// How long ago a record may have been written that a group which has caught up has not committed: Kafka Connect commits
/// once a minute (`offset.flush.interval.ms`).
pub(super) const CAUGHT_UP: Duration = Duration::from_secs(90);

/// How long ago a partition was written to last that may be written to again.
const WRITTEN: Duration = Duration::from_secs(3_600);

/// The number of a partition, for as long as it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(u32);

/// All partitions that some group has been seen in.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    topics: HashMap<TopicName, Slots>,
    tracked: Vec<Option<Tracked>>,
    free: Vec<Slot>,
}

/// The slots of a topic's partitions.
#[derive(Debug)]
struct Slots {
    id: [u8; 16],
    /// By partition number; none where no group has been seen.
    slots: Vec<Option<Slot>>,
}

/// What is known of a partition that some group consumes.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) partition: TopicPartition,
    /// Its end, as its leader told last.
    pub(super) end: Option<i64>,
    /// When that was.
    pub(super) told: Duration,
    /// Whether it was in the last sample.
    pub(super) is_current: bool,
    pub(super) timeline: Timeline,
    /// Records that groups have advanced since the last sample, all together.
    pub(super) advanced: u64,
    /// Records that groups have not taken yet which take some, all together.
    pub(super) behind: f64,
    /// How many groups have caught up.
    pub(super) caught_up: u32,
}

impl Tracked {
    /// Whether groups have something to read here: some are behind, or have caught up where something was written lately.
    pub(super) fn is_read(&self, now: Duration) -> bool {
        let before_last = self.end.map(|end| end.saturating_sub(1));
        let is_written = || before_last.is_some_and(|offset| self.timeline.was_at(offset, now, WRITTEN));
        self.behind > 0.0 || (self.caught_up > 0 && is_written())
    }
}

impl Partitions {
    /// Takes in which topics there are. Returns the slots that stand for nothing any more, since their topics are gone or
    /// were made again.
    pub(super) fn set_topics(&mut self, topics: &[Topic]) -> BTreeSet<Slot> {
        let existing: HashMap<&TopicName, &Topic> = topics.iter().map(|topic| (&topic.name, topic)).collect();
        let mut gone: BTreeSet<Slot> = BTreeSet::new();
        self.topics.retain(|name, slots| {
            let same = existing.get(name).is_some_and(|topic| topic.id == slots.id);
            if !same {
                gone.extend(slots.slots.iter().flatten());
            }
            same
        });
        for slot in &gone {
            if let Some(tracked) = self.tracked.get_mut(slot.0 as usize) {
                *tracked = None;
            }
        }
        self.free.extend(&gone);
        for topic in topics {
            // Numbers start at 0 and have no gaps.
            let count = topic.partitions.len();
            let slots = self.topics.entry(topic.name.clone()).or_insert_with(|| Slots {
                id: topic.id,
                slots: Vec::new(),
            });
            slots.slots.resize(count.max(slots.slots.len()), None);
        }
        gone
    }

    /// The slots of some of a topic's partitions, in their order; none for what does not exist.
    pub(super) fn slots<'a>(
        &'a mut self,
        topic: &TopicName,
        partitions: impl Iterator<Item = PartitionId> + 'a,
    ) -> impl Iterator<Item = Option<Slot>> + 'a {
        let (tracked, free) = (&mut self.tracked, &mut self.free);
        let topic = topic.clone();
        let mut of_topic = self.topics.get_mut(&topic);
        partitions.map(move |number| {
            let index = usize::try_from(number.get()).ok()?;
            let slot = of_topic.as_mut()?.slots.get_mut(index)?;
            if slot.is_none() {
                let partition = TopicPartition::new(topic.clone(), number);
                *slot = Some(track(tracked, free, partition)?);
            }
            *slot
        })
    }

    /// Takes in where partitions end, at `at`; any other is taken to end where it did.
    pub(super) fn set_ends(&mut self, at: Duration, ends: &BTreeMap<TopicPartition, i64>) {
        for tracked in self.tracked.iter_mut().flatten() {
            let end = ends.get(&tracked.partition);
            tracked.is_current = end.is_some();
            if let Some(end) = end {
                (tracked.end, tracked.told) = (Some(*end), at);
                tracked.timeline.note(at, *end);
            }
        }
    }

    /// What is known of a partition.
    pub(super) fn get(&self, slot: Slot) -> Option<&Tracked> {
        self.tracked.get(slot.0 as usize)?.as_ref()
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Tracked> {
        self.tracked.get_mut(slot.0 as usize)?.as_mut()
    }

    /// All that are tracked.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Tracked> {
        self.tracked.iter().flatten()
    }

    /// Begins a sample: nothing has advanced yet, and nobody is behind or has caught up.
    pub(super) fn begin_sample(&mut self) {
        for tracked in self.tracked.iter_mut().flatten() {
            tracked.advanced = 0;
            tracked.behind = 0.0;
            tracked.caught_up = 0;
        }
    }
}

/// Gives a partition a slot; none when there are four billion.
fn track(
    tracked: &mut Vec<Option<Tracked>>,
    free: &mut Vec<Slot>,
    partition: TopicPartition,
) -> Option<Slot> {
    let new = Some(Tracked {
        partition,
        end: None,
        told: Duration::ZERO,
        is_current: false,
        timeline: Timeline::default(),
        advanced: 0,
        behind: 0.0,
        caught_up: 0,
    });
    if let Some(slot) = free.pop()
        && let Some(place) = tracked.get_mut(slot.0 as usize)
    {
        *place = new;
        return Some(slot);
    }
    let slot = Slot(u32::try_from(tracked.len()).ok()?);
    tracked.push(new);
    Some(slot)
}

#[cfg(test)]
pub(super) mod tests {
    use kafka::cluster::Partition;

    use super::*;

    /// A topic without leaders or replicas.
    pub(in crate::offsets) fn topic(name: &str, id: u8, partitions: i32) -> Topic {
        let partition = |number: i32| Partition {
            id: number.try_into().unwrap(),
            leader: None,
            replicas: Vec::new(),
            in_sync: Vec::new(),
        };
        Topic {
            name: name.parse().unwrap(),
            id: [id; 16],
            partitions: (0..partitions).map(partition).collect(),
        }
    }

    fn slots(partitions: &mut Partitions, topic: &str, numbers: &[i32]) -> Vec<Option<Slot>> {
        let numbers = numbers
            .iter()
            .map(|number| PartitionId::try_from(*number).unwrap());
        partitions.slots(&topic.parse().unwrap(), numbers).collect()
    }

    #[test]
    fn a_partition_keeps_its_slot_and_one_that_is_not_there_has_none() {
        let mut partitions = Partitions::default();
        partitions.set_topics(&[topic("a", 1, 2), topic("b", 2, 1)]);
        let first = slots(&mut partitions, "a", &[1, 7]);
        assert!(first[0].is_some() && first[1].is_none());
        assert_eq!(slots(&mut partitions, "unknown", &[0]), [None]);
        assert_ne!(slots(&mut partitions, "b", &[0]), first[..1]);
        assert!(
            partitions
                .set_topics(&[topic("a", 1, 8), topic("b", 2, 1)])
                .is_empty()
        );
        assert_eq!(slots(&mut partitions, "a", &[1])[0], first[0]);
        assert!(slots(&mut partitions, "a", &[7])[0].is_some());
    }

    #[test]
    fn a_topic_that_was_made_again_has_nothing_of_the_old_one() {
        let mut partitions = Partitions::default();
        partitions.set_topics(&[topic("a", 1, 1)]);
        let old = slots(&mut partitions, "a", &[0])[0].unwrap();
        partitions.set_ends(Duration::ZERO, &BTreeMap::from([("a-0".parse().unwrap(), 5)]));
        let gone = partitions.set_topics(&[topic("a", 2, 1)]);
        assert_eq!(gone, BTreeSet::from([old]));
        assert!(partitions.get(old).is_none());
        let new = slots(&mut partitions, "a", &[0])[0].unwrap();
        assert_eq!(partitions.get(new).unwrap().end, None);
        assert_eq!(partitions.iter().count(), 1);
    }
}
