//! The cluster as the balancer sees it: brokers, topics, partitions and their load, in columns.
//!
//! A [`Model`] never changes. Its layout (who has which replica) is shared between models that differ in load only.
//! A row of a partition takes about 80 bytes with three replicas.

mod builder;
mod resource;
pub mod snapshot;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kafka::ids::{BrokerId, PartitionId, TopicName, TopicPartition};
use serde::{Deserialize, Serialize};

pub use builder::{Builder, InvalidModel, PartitionRow};
pub use resource::{PerResource, Resource};

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(crate) u32);

        impl $name {
            /// The row.
            pub const fn get(self) -> usize {
                self.0 as usize
            }
        }
    };
}

index!(
    /// A broker's row in one model.
    BrokerIndex
);
index!(
    /// A topic's row in one model.
    TopicIndex
);
index!(
    /// A partition's row in one model. Rows are sorted by topic, then by number.
    PartitionIndex
);

/// What a broker is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BrokerState {
    /// It works.
    Alive,
    /// It works and has joined lately.
    New,
    /// It works and is to be emptied.
    Draining,
    /// It does not answer.
    Dead,
}

/// One broker.
#[derive(Debug, Clone, PartialEq)]
pub struct Broker {
    /// Its id.
    pub id: BrokerId,
    /// Its rack, where it has one. A broker without a rack counts as a rack of its own.
    pub rack: Option<Arc<str>>,
    /// What it is there for.
    pub state: BrokerState,
    /// What it can carry, in the units of load.
    pub capacity: PerResource,
    /// Bytes free in its fullest log directory, where known. Kafka chooses a new replica's directory by how many replicas
    /// are there (`LogManager.nextLogDir`), so that a copy may land in any of them.
    pub room: Option<f64>,
    /// Whether balancing leaves it alone: nothing goes there, nothing is taken away, and it counts in no mean.
    pub excluded: bool,
}

impl Broker {
    /// Whether it takes part in balance: it works, stays and is not excluded.
    pub fn counts(&self) -> bool {
        !self.excluded && matches!(self.state, BrokerState::Alive | BrokerState::New)
    }
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: TopicName,
    /// Its id; zeros where it is not known. A topic of the same name made later has another one.
    pub id: [u8; 16],
    /// Whether its partitions stay where they are as long as their brokers do.
    pub excluded: bool,
}

/// Load of one partition. Its leader carries `bytes_in`, `bytes_out`, `cpu_leader` and `disk`, each follower
/// `bytes_in`, `cpu_follower` and `disk`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionLoad {
    /// Bytes per second from producers.
    pub bytes_in: f64,
    /// Bytes per second that the leader sends, to consumers and to followers.
    pub bytes_out: f64,
    /// Bytes of the log, of each replica.
    pub disk: f64,
    /// Processor that the leader takes.
    pub cpu_leader: f64,
    /// Processor that each follower takes.
    pub cpu_follower: f64,
}

impl PartitionLoad {
    /// The load when there are `after` replicas instead of `before`: the leader sends what producers write to each follower.
    #[must_use]
    pub fn with_replicas(&self, before: usize, after: usize) -> Self {
        let more = after as f64 - before as f64;
        Self {
            bytes_out: (self.bytes_out + more * self.bytes_in).max(0.0),
            ..*self
        }
    }

    /// What a replica carries.
    pub fn on_replica(&self, leads: bool) -> PerResource {
        PerResource {
            bytes_in: self.bytes_in,
            bytes_out: if leads { self.bytes_out } else { 0.0 },
            cpu: if leads { self.cpu_leader } else { self.cpu_follower },
            disk: self.disk,
        }
    }
}

/// Who has which replica.
#[derive(Debug)]
struct Layout {
    brokers: Vec<Broker>,
    /// Rack of each broker as a number; brokers without a rack have one of their own.
    racks: Vec<u32>,
    rack_count: u32,
    topics: Vec<Topic>,
    /// The first partition of each topic, and the number of partitions at the end.
    topic_first: Vec<u32>,
    topic_of: Vec<u32>,
    number: Vec<PartitionId>,
    leader: Vec<Option<BrokerIndex>>,
    /// The first replica of each partition, and the number of replicas at the end.
    replica_first: Vec<u32>,
    replicas: Vec<BrokerIndex>,
    /// Replicas that are not in sync; few at any time.
    lagging: HashSet<(PartitionIndex, BrokerIndex)>,
    immovable: Vec<bool>,
    broker_rows: HashMap<BrokerId, BrokerIndex>,
    topic_rows: HashMap<TopicName, TopicIndex>,
}

/// The cluster at one moment.
#[derive(Debug, Clone)]
pub struct Model {
    layout: Arc<Layout>,
    loads: Vec<PartitionLoad>,
    broker_loads: Vec<PerResource>,
}

impl Model {
    /// All brokers.
    pub fn brokers(&self) -> impl ExactSizeIterator<Item = BrokerIndex> + use<> {
        (0..self.layout.brokers.len() as u32).map(BrokerIndex)
    }

    /// One broker.
    pub fn broker(&self, broker: BrokerIndex) -> &Broker {
        &self.layout.brokers[broker.get()]
    }

    /// The broker of that id.
    pub fn find_broker(&self, id: BrokerId) -> Option<BrokerIndex> {
        self.layout.broker_rows.get(&id).copied()
    }

    /// The number of a broker's rack, below [`Model::rack_count`].
    pub fn rack(&self, broker: BrokerIndex) -> u32 {
        self.layout.racks[broker.get()]
    }

    /// How many racks there are, each broker without one counted as a rack.
    pub fn rack_count(&self) -> u32 {
        self.layout.rack_count
    }

    /// All topics.
    pub fn topics(&self) -> impl ExactSizeIterator<Item = TopicIndex> + use<> {
        (0..self.layout.topics.len() as u32).map(TopicIndex)
    }

    /// One topic.
    pub fn topic(&self, topic: TopicIndex) -> &Topic {
        &self.layout.topics[topic.get()]
    }

    /// The topic of that name.
    pub fn find_topic(&self, name: &TopicName) -> Option<TopicIndex> {
        self.layout.topic_rows.get(name).copied()
    }

    /// The partitions of one topic, by number.
    pub fn partitions_of(&self, topic: TopicIndex) -> impl ExactSizeIterator<Item = PartitionIndex> + use<> {
        let first = &self.layout.topic_first;
        (first[topic.get()]..first[topic.get() + 1]).map(PartitionIndex)
    }

    /// All partitions.
    pub fn partitions(&self) -> impl ExactSizeIterator<Item = PartitionIndex> + use<> {
        (0..self.layout.number.len() as u32).map(PartitionIndex)
    }

    /// The row of a partition.
    pub fn find(&self, partition: &TopicPartition) -> Option<PartitionIndex> {
        let topic = self.find_topic(&partition.topic)?.get();
        let first = self.layout.topic_first[topic] as usize;
        let end = self.layout.topic_first[topic + 1] as usize;
        let row = self.layout.number[first..end]
            .binary_search(&partition.partition)
            .ok()?;
        Some(PartitionIndex((first + row) as u32))
    }

    /// The topic of a partition.
    pub fn topic_of(&self, partition: PartitionIndex) -> TopicIndex {
        TopicIndex(self.layout.topic_of[partition.get()])
    }

    /// The number of a partition in its topic.
    pub fn number(&self, partition: PartitionIndex) -> PartitionId {
        self.layout.number[partition.get()]
    }

    /// Topic and number of a partition.
    pub fn name(&self, partition: PartitionIndex) -> TopicPartition {
        let topic = self.topic(self.topic_of(partition));
        TopicPartition::new(topic.name.clone(), self.number(partition))
    }

    /// The leader, if there is one; not always the first replica.
    pub fn leader(&self, partition: PartitionIndex) -> Option<BrokerIndex> {
        self.layout.leader[partition.get()]
    }

    /// The replicas, the preferred leader first.
    pub fn replicas(&self, partition: PartitionIndex) -> &[BrokerIndex] {
        &self.layout.replicas[self.replica_range(partition)]
    }

    /// Whether there is any replica on a broker.
    pub fn hosts_any(&self, broker: BrokerIndex) -> bool {
        self.layout.replicas.contains(&broker)
    }

    /// Whether a broker's replica of a partition is in sync.
    pub fn is_in_sync(&self, partition: PartitionIndex, broker: BrokerIndex) -> bool {
        !self.layout.lagging.contains(&(partition, broker))
    }

    /// Where a partition's replicas are among all replicas.
    pub(crate) fn replica_range(&self, partition: PartitionIndex) -> std::ops::Range<usize> {
        let first = &self.layout.replica_first;
        first[partition.get()] as usize..first[partition.get() + 1] as usize
    }

    /// How many replicas there are in all.
    pub fn replica_count(&self) -> usize {
        self.layout.replicas.len()
    }

    /// Whether the partition stays as it is since somebody else is reassigning it, it is offline, or its size is unknown.
    pub fn is_immovable(&self, partition: PartitionIndex) -> bool {
        self.layout.immovable[partition.get()]
    }

    /// The load of a partition.
    pub fn load(&self, partition: PartitionIndex) -> &PartitionLoad {
        &self.loads[partition.get()]
    }

    /// What a broker carries: the sum over its replicas.
    pub fn broker_load(&self, broker: BrokerIndex) -> &PerResource {
        &self.broker_loads[broker.get()]
    }

    /// Load / capacity of a broker.
    pub fn utilisation(&self, broker: BrokerIndex) -> PerResource {
        self.broker_load(broker).ratio(&self.broker(broker).capacity)
    }

    /// Total load / total capacity of the brokers that count.
    pub fn mean_utilisation(&self) -> PerResource {
        let mut load = PerResource::default();
        let mut capacity = PerResource::default();
        for broker in self.brokers().filter(|&broker| self.broker(broker).counts()) {
            load += *self.broker_load(broker);
            capacity += self.broker(broker).capacity;
        }
        load.ratio(&capacity)
    }

    /// Imbalance of each resource: the greatest utilisation of a broker that counts / the mean; 1 where there is
    /// no load.
    pub fn imbalance(&self) -> PerResource {
        let mean = self.mean_utilisation();
        let mut worst = PerResource::default();
        for broker in self.brokers().filter(|&broker| self.broker(broker).counts()) {
            worst = worst.max(self.utilisation(broker));
        }
        PerResource::from_fn(|r| if mean[r] > 0.0 { worst[r] / mean[r] } else { 1.0 })
    }

    /// The greatest imbalance of a resource of which some broker uses more than `floor`; 1 where none does, since what
    /// hardly anybody uses is never even.
    pub fn worst_imbalance(&self, floor: &PerResource) -> f64 {
        let mut busiest = PerResource::default();
        for broker in self.brokers().filter(|&broker| self.broker(broker).counts()) {
            busiest = busiest.max(self.utilisation(broker));
        }
        let imbalance = self.imbalance();
        let used = Resource::ALL.into_iter().filter(|&r| busiest[r] > floor[r]);
        used.map(|r| imbalance[r]).fold(1.0, f64::max)
    }

    /// The same layout under another load, of which `load` tells each partition's.
    #[must_use]
    pub fn with_loads(&self, load: impl FnMut(PartitionIndex) -> PartitionLoad) -> Self {
        Self::assemble(Arc::clone(&self.layout), self.partitions().map(load).collect())
    }

    fn assemble(layout: Arc<Layout>, loads: Vec<PartitionLoad>) -> Self {
        let mut model = Self {
            broker_loads: vec![PerResource::default(); layout.brokers.len()],
            layout,
            loads,
        };
        for partition in model.partitions() {
            let leader = model.leader(partition);
            for &broker in &model.layout.replicas[model.replica_range(partition)] {
                model.broker_loads[broker.get()] +=
                    model.loads[partition.get()].on_replica(leader == Some(broker));
            }
        }
        model
    }
}
