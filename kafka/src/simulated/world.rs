//! What the simulated cluster consists of.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::SimulatedBroker;
use super::consumption::Group;
use crate::error::ClusterError;
use crate::ids::{BrokerId, GroupId, TopicName, TopicPartition};
use crate::users::{Mechanism, UserName};

/// `broker.session.timeout.ms` of Kafka 4: how long after its last heartbeat a broker is fenced.
pub(super) const SESSION_TIMEOUT: Duration = Duration::from_secs(9);

/// Bytes of a record, to count offsets from bytes.
pub(super) const RECORD_BYTES: f64 = 1000.0;

/// Why a partition lost an in-sync replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The replica's broker was fenced.
    BrokerFenced,
    /// A reassignment was done, and the replica was one to remove.
    ReassignmentDone,
    /// A reassignment was cancelled or replaced, and the replica was one that it had added.
    ReassignmentCancelled,
}

/// A loss of in-sync replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shrink {
    /// The partition.
    pub partition: TopicPartition,
    /// How many replicas were in sync before.
    pub before: usize,
    /// How many are after.
    pub after: usize,
    /// Why.
    pub cause: Cause,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) now: Instant,
    pub(super) brokers: BTreeMap<BrokerId, BrokerState>,
    pub(super) broker_default: BTreeMap<String, String>,
    pub(super) topics: BTreeMap<TopicName, TopicState>,
    pub(super) topics_made: u128,
    pub(super) groups: BTreeMap<GroupId, Group>,
    pub(super) shrinks: Vec<Shrink>,
    pub(super) passwords: BTreeMap<(UserName, Mechanism), String>,
}

#[derive(Debug)]
pub(super) struct BrokerState {
    pub(super) spec: SimulatedBroker,
    pub(super) configs: BTreeMap<String, String>,
    pub(super) life: Life,
}

/// Whether a broker runs, and whether Kafka knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Running,
    /// Dead since then, but its session has not timed out yet.
    Silent(Instant),
    Fenced,
}

#[derive(Debug)]
pub(super) struct TopicState {
    pub(super) id: [u8; 16],
    pub(super) configs: BTreeMap<String, String>,
    pub(super) partitions: Vec<PartitionState>,
}

#[derive(Debug)]
pub(super) struct PartitionState {
    pub(super) replicas: Vec<BrokerId>,
    pub(super) adding: Vec<BrokerId>,
    pub(super) removing: Vec<BrokerId>,
    pub(super) in_sync: Vec<BrokerId>,
    pub(super) leader: Option<BrokerId>,
    /// Bytes in the leader's log.
    pub(super) written: f64,
    /// Bytes in each replica's log.
    pub(super) stored: BTreeMap<BrokerId, f64>,
    /// Bytes per second from producers.
    pub(super) produce_rate: f64,
}

impl World {
    pub(super) fn new(brokers: impl IntoIterator<Item = SimulatedBroker>, now: Instant) -> Self {
        let mut world = Self {
            now,
            brokers: BTreeMap::new(),
            broker_default: BTreeMap::new(),
            topics: BTreeMap::new(),
            topics_made: 0,
            groups: BTreeMap::new(),
            shrinks: Vec::new(),
            passwords: BTreeMap::new(),
        };
        for broker in brokers {
            world.add_broker(broker);
        }
        world
    }

    pub(super) fn add_broker(&mut self, spec: SimulatedBroker) {
        self.brokers.entry(spec.id).or_insert(BrokerState {
            spec,
            configs: BTreeMap::new(),
            life: Life::Running,
        });
    }

    pub(super) fn stop_broker(&mut self, broker: BrokerId) {
        let now = self.now;
        if let Some(state) = self.brokers.get_mut(&broker)
            && state.life == Life::Running
        {
            state.life = Life::Silent(now);
        }
    }

    pub(super) fn start_broker(&mut self, broker: BrokerId) {
        let Some(state) = self.brokers.get_mut(&broker) else {
            return;
        };
        state.life = Life::Running;
        for partition in self.topics.values_mut().flat_map(|topic| &mut topic.partitions) {
            if partition.leader.is_none() && partition.in_sync.contains(&broker) {
                partition.leader = Some(broker);
                partition.written = partition.stored.get(&broker).copied().unwrap_or(0.0);
            }
        }
    }

    pub(super) fn set_bandwidth(&mut self, broker: BrokerId, bytes_per_second: f64) {
        if let Some(state) = self.brokers.get_mut(&broker) {
            state.spec.replication_bandwidth = bytes_per_second;
        }
    }

    pub(super) fn set_volumes(&mut self, broker: BrokerId, volumes: Vec<u64>) {
        if let Some(state) = self.brokers.get_mut(&broker) {
            state.spec.volumes = volumes;
        }
    }

    pub(super) fn runs(&self, broker: BrokerId) -> bool {
        self.brokers
            .get(&broker)
            .is_some_and(|state| state.life == Life::Running)
    }

    /// Brokers that Kafka takes for alive.
    pub(super) fn unfenced(&self) -> BTreeSet<BrokerId> {
        let mut unfenced = BTreeSet::new();
        for (id, state) in &self.brokers {
            if state.life != Life::Fenced {
                unfenced.insert(*id);
            }
        }
        unfenced
    }

    pub(super) fn topic(&self, topic: &TopicName) -> Result<&TopicState, ClusterError> {
        self.topics
            .get(topic)
            .ok_or_else(|| ClusterError::UnknownTopicOrPartition(topic.to_string()))
    }

    pub(super) fn partition(&self, partition: &TopicPartition) -> Result<&PartitionState, ClusterError> {
        self.topics
            .get(&partition.topic)
            .zip(usize::try_from(partition.partition.get()).ok())
            .and_then(|(topic, number)| topic.partitions.get(number))
            .ok_or_else(|| ClusterError::UnknownTopicOrPartition(partition.to_string()))
    }

    pub(super) fn partition_mut(
        &mut self,
        partition: &TopicPartition,
    ) -> Result<&mut PartitionState, ClusterError> {
        self.topics
            .get_mut(&partition.topic)
            .zip(usize::try_from(partition.partition.get()).ok())
            .and_then(|(topic, number)| topic.partitions.get_mut(number))
            .ok_or_else(|| ClusterError::UnknownTopicOrPartition(partition.to_string()))
    }
}

impl PartitionState {
    pub(super) fn new(replicas: Vec<BrokerId>, alive: &BTreeSet<BrokerId>) -> Self {
        let mut in_sync: Vec<_> = replicas.iter().copied().filter(|b| alive.contains(b)).collect();
        let leader = in_sync.first().copied();
        if in_sync.is_empty() {
            in_sync.clone_from(&replicas);
        }
        Self {
            stored: replicas.iter().map(|broker| (*broker, 0.0)).collect(),
            replicas,
            adding: Vec::new(),
            removing: Vec::new(),
            in_sync,
            leader,
            written: 0.0,
            produce_rate: 0.0,
        }
    }

    /// Writes to the leader; the in-sync replicas follow at once.
    pub(super) fn append(&mut self, bytes: f64) {
        self.written += bytes;
        for broker in &self.in_sync {
            self.stored.insert(*broker, self.written);
        }
    }

    /// Makes the first in-sync replica that is alive, in the order of the replicas, the leader.
    pub(super) fn elect(&mut self, alive: &BTreeSet<BrokerId>) {
        self.leader = self
            .replicas
            .iter()
            .copied()
            .find(|broker| self.in_sync.contains(broker) && alive.contains(broker));
    }

    pub(super) fn end_offset(&self) -> f64 {
        (self.written / RECORD_BYTES).floor()
    }
}

pub(super) fn refused(code: &str, message: String) -> ClusterError {
    ClusterError::Refused {
        code: code.to_owned(),
        message,
        retriable: false,
    }
}
