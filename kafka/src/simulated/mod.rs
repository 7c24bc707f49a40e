//! A Kafka cluster in memory, under Tokio's clock.
//!
//! [`SimulatedCluster`] behaves as a KRaft cluster of Kafka 4 does, as far as [`Cluster`](crate::Cluster) shows it:
//! copying takes the time that bandwidth and throttles allow, a new replica joins the in-sync replicas when it has
//! caught up, a broker that stops is fenced after its session has timed out. There is no background task: every
//! call first brings the model up to the present, so tests under a paused clock are exact and fast.
//!
//! Tests can make any request fail before or after it took effect ([`SimulatedCluster::inject`]), which is how a
//! client sees a connection that breaks.

mod configuration;
mod consumption;
mod faults;
mod log;
mod membership;
mod reassignment;
mod requests;
mod time;
mod topics;
mod users;
mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::ClusterError;
use crate::ids::{BrokerId, GroupId, TopicPartition};

pub use faults::{Fault, Operation, Refusal};
pub use log::{SimulatedLog, SimulatedLogWriter};
pub use world::{Cause, Shrink};

use faults::{Faults, Met, UnderWay};
use world::World;

/// What a simulated broker is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedBroker {
    /// Its id.
    pub id: BrokerId,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// The size of the volume of each log directory, in bytes.
    pub volumes: Vec<u64>,
    /// Bytes per second that it can send, and again that it can receive, to bring replicas into sync.
    pub replication_bandwidth: f64,
}

impl SimulatedBroker {
    /// A broker without a rack, with one volume of 1 TB and 100 MB/s for replication.
    pub fn new(id: BrokerId) -> Self {
        Self {
            id,
            rack: None,
            volumes: vec![1_000_000_000_000],
            replication_bandwidth: 1e8,
        }
    }

    /// The same broker in a rack.
    pub fn in_rack(self, rack: &str) -> Self {
        Self {
            rack: Some(rack.to_owned()),
            ..self
        }
    }
}

/// A Kafka cluster in memory. Clones are handles of the same cluster.
#[derive(Debug, Clone)]
pub struct SimulatedCluster {
    world: Arc<Mutex<World>>,
    faults: Arc<Mutex<Faults>>,
    under_way: UnderWay,
}

impl SimulatedCluster {
    /// A cluster of these brokers, all running, without topics. Call it inside a Tokio runtime, whose clock it uses.
    pub fn new(brokers: impl IntoIterator<Item = SimulatedBroker>) -> Self {
        Self {
            world: Arc::new(Mutex::new(World::new(brokers, Instant::now()))),
            faults: Arc::default(),
            under_way: UnderWay::default(),
        }
    }

    /// Another client of the same cluster, whose requests meet faults of their own.
    pub fn client(&self) -> Self {
        Self {
            world: Arc::clone(&self.world),
            faults: Arc::default(),
            under_way: UnderWay::default(),
        }
    }

    /// Kills a broker. Kafka notices when its session times out, after 9 s (`broker.session.timeout.ms`).
    pub fn stop_broker(&self, broker: BrokerId) {
        self.world().stop_broker(broker);
    }

    /// Starts a broker that was stopped. It catches up and joins the in-sync replicas again.
    pub fn start_broker(&self, broker: BrokerId) {
        self.world().start_broker(broker);
    }

    /// Changes how many bytes per second a broker can send, and again receive, to bring replicas into sync.
    pub fn set_bandwidth(&self, broker: BrokerId, bytes_per_second: f64) {
        self.world().set_bandwidth(broker, bytes_per_second.max(1.0));
    }

    /// Changes the sizes of a broker's volumes, in bytes, as when something else fills them or is cleared away.
    pub fn set_volumes(&self, broker: BrokerId, volumes: Vec<u64>) {
        self.world().set_volumes(broker, volumes);
    }

    /// How many requests of this client have not been answered yet.
    pub fn requests_under_way(&self) -> usize {
        self.under_way.count()
    }

    /// Adds a new broker.
    pub fn add_broker(&self, broker: SimulatedBroker) {
        self.world().add_broker(broker);
    }

    /// Has producers write this many bytes per second to a partition from now on.
    ///
    /// # Errors
    ///
    /// [`ClusterError::UnknownTopicOrPartition`].
    pub fn produce_at(&self, partition: &TopicPartition, bytes_per_second: f64) -> Result<(), ClusterError> {
        self.world().partition_mut(partition)?.produce_rate = bytes_per_second.max(0.0);
        Ok(())
    }

    /// Has producers write this many bytes to a partition at once; its in-sync replicas have them immediately.
    ///
    /// # Errors
    ///
    /// [`ClusterError::UnknownTopicOrPartition`].
    pub fn produce(&self, partition: &TopicPartition, bytes: f64) -> Result<(), ClusterError> {
        self.world().partition_mut(partition)?.append(bytes.max(0.0));
        Ok(())
    }

    /// Has a group consume a partition from `offset` on, committing as it goes, at most this many records per second.
    ///
    /// # Errors
    ///
    /// [`ClusterError::UnknownTopicOrPartition`].
    pub fn consume_at(
        &self,
        group: &GroupId,
        partition: &TopicPartition,
        offset: u64,
        records_per_second: f64,
    ) -> Result<(), ClusterError> {
        self.world()
            .consume_at(group, partition, offset, records_per_second)
    }

    /// Asks `fault` before each request whether and how it fails. Replaces an earlier one.
    pub fn inject(&self, fault: impl FnMut(Operation) -> Option<Fault> + Send + 'static) {
        self.faults().decide_by(fault);
    }

    /// Lets every request succeed again.
    pub fn inject_nothing(&self) {
        self.faults().decide_by(|_| None);
    }

    /// Lets each request take this long: half of it before it takes effect, half after.
    pub fn set_latency(&self, latency: Duration) {
        self.faults().set_latency(latency);
    }

    /// Lets the client wait this long for an answer that does not come.
    pub fn set_patience(&self, patience: Duration) {
        self.faults().set_patience(patience);
    }

    /// Every time that a partition lost an in-sync replica, and why, oldest first.
    pub fn shrinks(&self) -> Vec<Shrink> {
        self.world().shrinks.clone()
    }

    /// The model, brought up to the present.
    fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance(Instant::now());
        world
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One request: travels, meets its fault, takes effect, and its answer travels back. The effect is told what to
    /// answer of each thing that it is about, if that is an error.
    async fn request<T>(
        &self,
        operation: Operation,
        effect: impl FnOnce(&mut World, Option<Refusal>) -> Result<T, ClusterError> + Send,
    ) -> Result<T, ClusterError> {
        let _under_way = self.under_way.enter();
        let Met { fault, way, patience } = self.faults().meet(operation);
        travel(way).await;
        match fault {
            None | Some(Fault::Stale) => {
                let answer = effect(&mut self.world(), None);
                travel(way).await;
                answer
            }
            Some(Fault::Late(time)) => {
                let answer = effect(&mut self.world(), None);
                travel(time).await;
                answer
            }
            Some(Fault::EachRefused(refusal)) => {
                let answer = effect(&mut self.world(), Some(refusal));
                travel(way).await;
                answer
            }
            Some(Fault::Refused(refusal)) => {
                travel(way).await;
                Err(refusal.error())
            }
            Some(Fault::Lost) => {
                travel(patience).await;
                Err(operation.timed_out())
            }
            Some(Fault::AnswerLost) => {
                // What was asked happens; whether it went well stays with the broker.
                let _ = effect(&mut self.world(), None);
                travel(patience).await;
                Err(operation.timed_out())
            }
        }
    }
}

async fn travel(way: Duration) {
    if !way.is_zero() {
        sleep(way).await;
    }
}

#[cfg(test)]
mod tests;
