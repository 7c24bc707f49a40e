//! What Kafka shows: the facts that a decision rests on.

use std::collections::{BTreeMap, BTreeSet};

use kafka::cluster::{
    ClusterDescription, ConfigEntry, ConfigResource, ConfigSource, Each, Partition, Reassignment, Topic,
};
use kafka::error::ClusterError;
use kafka::ids::{BrokerId, TopicName, TopicPartition};

use crate::journal::{Direction, ExecutionState, MoveState, Phase, Replication};
use crate::plan::Move;

/// The entry of how many replicas in sync producers may ask for; see [`min_in_sync`].
pub(crate) const MIN_IN_SYNC: &str = "min.insync.replicas";

/// The configuration entries that decisions rest on.
pub(super) const CONFIGS: [&str; 5] = [
    MIN_IN_SYNC,
    "leader.replication.throttled.rate",
    "leader.replication.throttled.replicas",
    "follower.replication.throttled.rate",
    "follower.replication.throttled.replicas",
];

/// What Kafka shows at one moment. Reassignments are read before the description, so that one that ends in between
/// looks as if it went on, and not as if it had never been.
#[derive(Debug, Clone)]
pub struct Seen {
    /// All reassignments in progress.
    pub reassignments: BTreeMap<TopicPartition, Reassignment>,
    /// Brokers that are alive.
    pub alive: BTreeSet<BrokerId>,
    /// The rates in force at the brokers whose configuration could be read.
    pub rates: BTreeMap<(BrokerId, Direction), SeenRate>,
    topics: BTreeMap<TopicName, SeenTopic>,
    /// Brokers that hold a replica of an under-replicated partition.
    troubled: BTreeSet<BrokerId>,
}

/// A broker's throttle rate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenRate {
    /// The value set for this very broker.
    pub dynamic: Option<String>,
    /// The value that is in force without it, if it limits anything.
    pub inherited: Option<String>,
}

#[derive(Debug, Clone)]
struct SeenTopic {
    topic: Topic,
    min_in_sync: Option<usize>,
    lists: BTreeMap<Direction, SeenList>,
}

/// A topic's list of throttled replicas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenList {
    /// Whether the topic has a dynamic value, even an empty one.
    pub present: bool,
    /// Its elements.
    pub elements: BTreeSet<String>,
}

impl SeenList {
    /// Whether all replicas of the topic are throttled.
    pub fn is_all(&self) -> bool {
        self.elements.contains("*")
    }
}

/// What is found where a move's partition should be.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// It.
    Same(&'a Partition),
    /// No such partition.
    Nothing,
    /// A topic of the same name that was made later.
    Another,
}

impl Seen {
    /// Puts together what was read. Configurations may be missing for some resources.
    pub fn new(
        reassignments: BTreeMap<TopicPartition, Reassignment>,
        description: ClusterDescription,
        configs: &Each<ConfigResource, Vec<ConfigEntry>>,
    ) -> Self {
        let topics: BTreeMap<_, _> = description
            .topics
            .into_iter()
            .map(|topic| {
                let entries = configs.get(&ConfigResource::Topic(topic.name.clone()));
                (topic.name.clone(), SeenTopic::new(topic, entries))
            })
            .collect();
        let alive: BTreeSet<BrokerId> = description.brokers.iter().map(|broker| broker.id).collect();
        let mut rates = BTreeMap::new();
        for broker in &alive {
            if let Some(Ok(entries)) = configs.get(&ConfigResource::Broker(*broker)) {
                for direction in Direction::BOTH {
                    rates.insert((*broker, direction), SeenRate::new(entries, direction));
                }
            }
        }
        let mut seen = Self {
            reassignments,
            alive,
            rates,
            topics,
            troubled: BTreeSet::new(),
        };
        seen.troubled = seen.find_troubled();
        seen
    }

    /// The partition that a move is about.
    pub fn find(&self, change: &Move) -> Found<'_> {
        let Some(seen) = self.topics.get(&change.partition.topic) else {
            return Found::Nothing;
        };
        if seen.topic.id != change.topic_id {
            return Found::Another;
        }
        let wanted = change.partition.partition;
        match seen
            .topic
            .partitions
            .iter()
            .find(|partition| partition.id == wanted)
        {
            Some(partition) => Found::Same(partition),
            None => Found::Nothing,
        }
    }

    /// The topic's id, if there is such a topic.
    pub fn topic_id(&self, topic: &TopicName) -> Option<[u8; 16]> {
        self.topics.get(topic).map(|seen| seen.topic.id)
    }

    /// The topic's min.insync.replicas; none where it could not be read.
    pub fn min_in_sync(&self, topic: &TopicName) -> Option<usize> {
        self.topics.get(topic)?.min_in_sync
    }

    /// All topics' lists of throttled replicas that could be read, with the topics' ids.
    pub fn lists(&self) -> impl Iterator<Item = (&TopicName, [u8; 16], Direction, &SeenList)> {
        self.topics.iter().flat_map(|(name, seen)| {
            let lists = seen.lists.iter();
            lists.map(move |(direction, list)| (name, seen.topic.id, *direction, list))
        })
    }

    /// The topic's list of throttled replicas; none where it could not be read.
    pub fn list(&self, topic: &TopicName, direction: Direction) -> Option<&SeenList> {
        self.topics.get(topic)?.lists.get(&direction)
    }

    /// Whether a broker holds a replica of an under-replicated partition. Replicas that a reassignment adds are not
    /// expected to be in sync yet.
    pub fn is_troubled(&self, broker: BrokerId) -> bool {
        self.troubled.contains(&broker)
    }

    /// The replicas of a partition that should be in sync and are not.
    pub fn lagging(&self, name: &TopicPartition, partition: &Partition) -> Vec<BrokerId> {
        let adding = self
            .reassignments
            .get(name)
            .map(|moving| moving.adding.as_slice());
        let expected = |broker: &&BrokerId| !adding.unwrap_or_default().contains(broker);
        let replicas = partition.replicas.iter().filter(expected);
        replicas
            .copied()
            .filter(|broker| !partition.in_sync.contains(broker))
            .collect()
    }

    /// Whether a broker's throttle is used by somebody else: a list names a replica there that is not ours.
    pub fn is_throttled_by_others(
        &self,
        broker: BrokerId,
        direction: Direction,
        ours: impl Fn(&TopicName, &str) -> bool,
    ) -> bool {
        let suffix = format!(":{broker}");
        self.topics.iter().any(|(name, seen)| {
            let Some(list) = seen.lists.get(&direction) else {
                return false;
            };
            let named = |element: &String| element.ends_with(&suffix) && !ours(name, element);
            list.elements.iter().any(named) || (list.is_all() && seen.has_replica_on(broker))
        })
    }

    /// How many replicas each broker holds or is about to get.
    pub fn replicas_on(&self, broker: BrokerId) -> usize {
        let partitions = self.topics.values().flat_map(|seen| &seen.topic.partitions);
        let hosted = partitions
            .filter(|partition| partition.replicas.contains(&broker))
            .count();
        let coming = self
            .reassignments
            .values()
            .filter(|moving| moving.adding.contains(&broker))
            .count();
        hosted.max(coming)
    }

    /// Whether a topic still has to get more or fewer replicas because of an order. One whose topic is gone, or must not have
    /// so few, is not waited for.
    pub fn is_outstanding(&self, topic: &TopicName, order: &Replication) -> bool {
        let Some(seen) = self
            .topics
            .get(topic)
            .filter(|seen| seen.topic.id == order.topic_id)
        else {
            return false;
        };
        let wanted = order.replicas.get();
        let differs = |partition: &Partition| {
            let name = TopicPartition::new(topic.clone(), partition.id);
            partition.replicas.len() != wanted || self.reassignments.contains_key(&name)
        };
        seen.min_in_sync.is_none_or(|minimum| minimum <= wanted) && seen.topic.partitions.iter().any(differs)
    }

    fn find_troubled(&self) -> BTreeSet<BrokerId> {
        let mut troubled = BTreeSet::new();
        for (name, seen) in &self.topics {
            for partition in &seen.topic.partitions {
                if partition.in_sync.len() >= partition.replicas.len() {
                    continue;
                }
                let full_name = TopicPartition::new(name.clone(), partition.id);
                if !self.lagging(&full_name, partition).is_empty() {
                    troubled.extend(&partition.replicas);
                }
            }
        }
        troubled
    }
}

impl SeenTopic {
    fn new(topic: Topic, entries: Option<&Result<Vec<ConfigEntry>, ClusterError>>) -> Self {
        let mut seen = Self {
            topic,
            min_in_sync: None,
            lists: BTreeMap::new(),
        };
        if let Some(Ok(entries)) = entries {
            seen.min_in_sync = min_in_sync(entries);
            for direction in Direction::BOTH {
                seen.lists
                    .insert(direction, SeenList::new(entry(entries, direction.replicas())));
            }
        }
        seen
    }

    fn has_replica_on(&self, broker: BrokerId) -> bool {
        let partitions = self.topic.partitions.iter();
        partitions
            .flat_map(|partition| &partition.replicas)
            .any(|replica| *replica == broker)
    }
}

impl SeenList {
    fn new(entry: Option<&ConfigEntry>) -> Self {
        let value = entry.and_then(|entry| entry.value.as_deref()).unwrap_or("");
        let elements = value
            .split(',')
            .map(str::trim)
            .filter(|element| !element.is_empty());
        Self {
            present: entry.is_some_and(|entry| entry.source == ConfigSource::Dynamic),
            elements: elements.map(str::to_owned).collect(),
        }
    }
}

impl SeenRate {
    /// Whether anything limits the broker in this direction.
    pub fn is_limited(&self) -> bool {
        self.dynamic.is_some() || self.inherited.is_some()
    }

    /// The value set for this very broker, in bytes per second.
    pub fn bytes_per_second(&self) -> Option<u64> {
        self.dynamic.as_deref()?.parse().ok()
    }

    fn new(entries: &[ConfigEntry], direction: Direction) -> Self {
        let Some(entry) = entry(entries, direction.rate()) else {
            return Self::default();
        };
        let unlimited = entry.value.as_deref() == Some("9223372036854775807");
        match entry.source {
            ConfigSource::Dynamic => Self {
                dynamic: entry.value.clone(),
                inherited: None,
            },
            ConfigSource::Inherited => Self {
                dynamic: None,
                inherited: entry.value.clone().filter(|_| !unlimited),
            },
        }
    }
}

/// Every topic and every broker that is alive.
pub(super) fn all_configs(description: &ClusterDescription) -> Vec<ConfigResource> {
    let topics = description.topics.iter();
    let topics = topics.map(|topic| ConfigResource::Topic(topic.name.clone()));
    let brokers = description.brokers.iter();
    topics
        .chain(brokers.map(|broker| ConfigResource::Broker(broker.id)))
        .collect()
}

/// A topic's min.insync.replicas, where its entries tell.
pub(crate) fn min_in_sync(entries: &[ConfigEntry]) -> Option<usize> {
    entry(entries, MIN_IN_SYNC)?.value.as_deref()?.parse().ok()
}

fn entry<'a>(entries: &'a [ConfigEntry], name: &str) -> Option<&'a ConfigEntry> {
    entries.iter().find(|entry| entry.name == name)
}

/// The brokers and topics whose configuration a decision needs: those that copies of unfinished plans touch, those
/// that carry throttles of ours, topics whose replicas are to be more or fewer, and the topics that could carry somebody else's throttle on the same brokers.
pub(super) fn needed_configs(
    state: &ExecutionState,
    description: &ClusterDescription,
) -> Vec<ConfigResource> {
    let mut brokers: BTreeSet<BrokerId> = state.broker_throttles.keys().map(|(broker, _)| *broker).collect();
    let mut topics: BTreeSet<&TopicName> = state.topic_throttles.keys().map(|(topic, _)| topic).collect();
    topics.extend(state.replications.keys());
    for plan in state
        .plans
        .values()
        .filter(|plan| plan.phase() != Phase::Proposed)
    {
        for progress in plan.moves.values() {
            if matches!(progress.state, MoveState::Ended { .. }) {
                continue;
            }
            topics.insert(&progress.change.partition.topic);
            if progress.change.is_copy() {
                brokers.extend(progress.change.from.iter().chain(&progress.change.to));
            }
        }
    }
    let alive: BTreeSet<BrokerId> = description.brokers.iter().map(|broker| broker.id).collect();
    let mut resources = Vec::new();
    for topic in &description.topics {
        let mut replicas = topic.partitions.iter().flat_map(|partition| &partition.replicas);
        if topics.contains(&topic.name) || replicas.any(|broker| brokers.contains(broker)) {
            resources.push(ConfigResource::Topic(topic.name.clone()));
        }
    }
    let reachable = brokers.intersection(&alive);
    resources.extend(reachable.map(|broker| ConfigResource::Broker(*broker)));
    resources
}
