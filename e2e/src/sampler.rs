//! Whether partitions stay in sync, looked at again and again beside a test.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kafka::client::KafkaCluster;
use kafka::cluster::ConfigResource;
use kafka::connection::ConnectionSettings;
use kafka::{Cluster, ClusterError, TopicName, TopicPartition};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

const EVERY: Duration = Duration::from_millis(200);
const MINIMUM: &str = "min.insync.replicas";

/// Looks at all partitions every 200 ms. Dropping it ends that.
#[derive(Debug)]
pub struct Sampler {
    found: Arc<Mutex<Found>>,
    task: JoinHandle<()>,
}

/// What a sampler has found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Looks at the cluster with every broker alive.
    pub looks: usize,
    /// Partitions that had fewer replicas in sync than `min.insync.replicas` in such a look, with how many.
    pub below: BTreeMap<TopicPartition, usize>,
    /// Whether the test itself has taken something away.
    excused: bool,
}

impl Sampler {
    /// Begins to look at a cluster of so many brokers.
    pub fn start(connection: ConnectionSettings, brokers: usize) -> Self {
        let found = Arc::new(Mutex::new(Found::default()));
        let into = Arc::clone(&found);
        let task = tokio::spawn(async move {
            let cluster = KafkaCluster::new(connection);
            let mut minimums = BTreeMap::new();
            let mut ticks = interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                // While it cannot look, no look is counted.
                let _ = look(&cluster, brokers, &mut minimums, &into).await;
            }
        });
        Self { found, task }
    }

    /// From now on what is out of sync is the test's own doing: it has taken a broker away.
    pub fn excuse(&self) {
        lock(&self.found).excused = true;
    }

    /// From now on it is not any more: every broker is back, and every replica in sync.
    pub fn excuse_no_more(&self) {
        lock(&self.found).excused = false;
    }

    /// What it has found so far.
    pub fn found(&self) -> Found {
        lock(&self.found).clone()
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn look(
    cluster: &KafkaCluster,
    brokers: usize,
    minimums: &mut BTreeMap<TopicName, usize>,
    into: &Mutex<Found>,
) -> Result<(), ClusterError> {
    let excused = lock(into).excused;
    let description = cluster.describe().await?;
    if excused || description.brokers.len() < brokers {
        return Ok(());
    }
    let known: BTreeSet<_> = description
        .topics
        .iter()
        .map(|topic| topic.name.clone())
        .collect();
    let new: Vec<_> = known
        .iter()
        .filter(|name| !minimums.contains_key(*name))
        .cloned()
        .collect();
    if !new.is_empty() {
        minimums.extend(asked(cluster, new).await?);
    }
    let mut found = lock(into);
    if found.excused {
        return Ok(());
    }
    found.looks += 1;
    for topic in description.topics {
        let Some(&minimum) = minimums.get(&topic.name) else {
            continue;
        };
        for partition in topic.partitions {
            if partition.in_sync.len() < minimum && partition.replicas.len() >= minimum {
                let name = TopicPartition::new(topic.name.clone(), partition.id);
                found.below.insert(name, partition.in_sync.len());
            }
        }
    }
    Ok(())
}

async fn asked(
    cluster: &KafkaCluster,
    topics: Vec<TopicName>,
) -> Result<BTreeMap<TopicName, usize>, ClusterError> {
    let resources: Vec<_> = topics.into_iter().map(ConfigResource::Topic).collect();
    let mut minimums = BTreeMap::new();
    for (resource, entries) in cluster.configs(&resources, &[MINIMUM]).await? {
        // A topic that was deleted in between is looked at no more.
        let (ConfigResource::Topic(topic), Ok(entries)) = (resource, entries) else {
            continue;
        };
        let value = entries.into_iter().find_map(|entry| entry.value?.parse().ok());
        minimums.extend(value.map(|minimum| (topic, minimum)));
    }
    Ok(minimums)
}

fn lock(found: &Mutex<Found>) -> MutexGuard<'_, Found> {
    found.lock().unwrap_or_else(PoisonError::into_inner)
}
