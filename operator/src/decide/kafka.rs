//! What Kafka says of a cluster, as far as decisions need it.

use std::collections::{BTreeMap, BTreeSet};

use kafka::cluster::{ClusterDescription, Partition, Reassignment};
use kafka::ids::{BrokerId, TopicName, TopicPartition};
use kafka::membership::Quorum;
use kafka::users::UserName;

use super::users::KnownUsers;

/// The configuration that says how many replicas have to be in sync for a partition to be written to.
pub(crate) const MIN_IN_SYNC: &str = "min.insync.replicas";

/// What Kafka answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaFacts {
    /// Brokers that are alive, and all topics.
    pub description: ClusterDescription,
    /// In KRaft mode the controllers, where they were asked about.
    pub quorum: Option<Quorum>,
    /// `min.insync.replicas` of each topic, where it was asked about.
    pub min_in_sync: BTreeMap<TopicName, usize>,
    /// How many replicas there are in the log directories of each broker that was asked, or why it did not say.
    pub stored: BTreeMap<BrokerId, Result<usize, String>>,
    /// Reassignments in progress.
    pub reassignments: BTreeMap<TopicPartition, Reassignment>,
    /// What is set for all brokers at run time.
    pub defaults: BTreeMap<String, String>,
    /// Those of the users that were asked about who can log in.
    pub users: KnownUsers,
    /// What is set at run time for each topic of the spec that is there.
    pub topic_configs: BTreeMap<TopicName, BTreeMap<String, String>>,
}

/// What of it has to be asked, beyond what always is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Questions {
    /// Brokers whose log directories matter, since they are to be removed.
    pub leaving: BTreeSet<BrokerId>,
    /// Whether brokers are to be replaced: then each topic's `min.insync.replicas` matters.
    pub restarts: bool,
    /// Whether controllers are to be replaced: then it matters which of them leads.
    pub quorum: bool,
    /// Users of whom it matters whether they can log in.
    pub users: BTreeSet<UserName>,
    /// Topics of which the configuration matters.
    pub topics: BTreeSet<TopicName>,
}

impl KafkaFacts {
    /// Whether a broker is alive.
    pub fn is_alive(&self, broker: BrokerId) -> bool {
        self.description.brokers.iter().any(|alive| alive.id == broker)
    }

    /// All partitions.
    pub fn partitions(&self) -> impl Iterator<Item = (&TopicName, &Partition)> {
        let topics = self.description.topics.iter();
        topics.flat_map(|topic| {
            topic
                .partitions
                .iter()
                .map(move |partition| (&topic.name, partition))
        })
    }

    /// How many replicas a partition has when what is being done with it is over.
    pub fn replication_factor(&self, topic: &TopicName, partition: &Partition) -> usize {
        let name = TopicPartition::new(topic.clone(), partition.id);
        let moving = self.reassignments.get(&name);
        moving.map_or(partition.replicas.len(), |moving| moving.target().len())
    }

    /// How many replicas each broker hosts, by what the controller assigned, those that are being added included.
    pub fn assigned(&self) -> BTreeMap<BrokerId, usize> {
        let mut assigned = BTreeMap::new();
        for (_, partition) in self.partitions() {
            for replica in &partition.replicas {
                *assigned.entry(*replica).or_default() += 1;
            }
        }
        assigned
    }

    /// Partitions of which a replica is not in sync, such as `orders-3`: the first of them and how many there are.
    pub fn out_of_sync(&self) -> Option<(String, usize)> {
        let mut behind = self
            .partitions()
            .filter(|(_, partition)| partition.in_sync.len() < partition.replicas.len());
        let (topic, first) = behind.next()?;
        Some((format!("{topic}-{}", first.id), behind.count() + 1))
    }
}
