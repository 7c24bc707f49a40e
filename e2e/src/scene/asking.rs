//! What is asked of Kafka, and waiting for it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka::cluster::{ConfigResource, ConfigSource, Partition, Topic};
use kafka::{BrokerId, Cluster, TopicPartition};
use tokio::time::{Instant, sleep};

use super::{Configs, Outcome, Scene, ids, numbers};

/// How long anything may take that a quiet machine does within seconds.
const WITHIN: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(100);

/// Waits until something is so. What cannot be told now is asked again.
///
/// # Errors
///
/// It does not come true within that time.
pub async fn until(within: Duration, what: &str, mut is_so: impl AsyncFnMut() -> Outcome<bool>) -> Outcome {
    let deadline = Instant::now() + within;
    let why = loop {
        match is_so().await {
            Ok(true) => return Ok(()),
            Ok(false) if Instant::now() > deadline => break String::new(),
            Err(error) if Instant::now() > deadline => break error.to_string(),
            _ => sleep(POLL).await,
        }
    };
    Err(format!("in {within:?} it did not come true that {what} {why}").into())
}

impl Scene {
    /// A partition as Kafka has it now.
    ///
    /// # Errors
    ///
    /// Kafka cannot be asked.
    pub async fn partition(&self, topic: &str, partition: i32) -> Outcome<Partition> {
        let partitions = self.partitions(topic).await?;
        let found = partitions.into_iter().find(|found| found.id.get() == partition);
        found.ok_or_else(|| format!("{topic}-{partition} is not there").into())
    }

    /// A topic's partitions as Kafka has them now.
    ///
    /// # Errors
    ///
    /// Kafka cannot be asked.
    pub async fn partitions(&self, topic: &str) -> Outcome<Vec<Partition>> {
        let described = self.cluster.describe().await?.topics;
        let topic = described.into_iter().find(|found| found.name.as_str() == topic);
        Ok(topic.map(|topic| topic.partitions).unwrap_or_default())
    }

    /// A topic's partitions when each has as many replicas as it was made with, and all of them are in sync.
    ///
    /// # Errors
    ///
    /// Kafka cannot be asked.
    pub async fn settled(&self, topic: &str) -> Outcome<Vec<Partition>> {
        let mut found = Vec::new();
        self.until("every replica is in sync", async |scene| {
            found = scene.partitions(topic).await?;
            let width = scene.topics.get(&topic.parse()?).copied();
            let is_whole = |partition: &Partition| {
                Some(partition.replicas.len()) == width && Some(partition.in_sync.len()) == width
            };
            Ok(found.iter().all(is_whole))
        })
        .await?;
        Ok(found)
    }

    /// The size of each replica of a partition, as its broker's log directories say.
    ///
    /// # Errors
    ///
    /// Kafka cannot be asked.
    pub async fn replica_sizes(&self, of: &TopicPartition) -> Outcome<BTreeMap<i32, u64>> {
        let mut sizes = BTreeMap::new();
        for (broker, replicas) in self.log_dirs().await? {
            if let Some(size) = replicas.get(of) {
                sizes.insert(broker, *size);
            }
        }
        Ok(sizes)
    }

    /// Every replica with its size, by broker, as the log directories say.
    ///
    /// # Errors
    ///
    /// Kafka cannot be asked.
    pub async fn log_dirs(&self) -> Outcome<BTreeMap<i32, BTreeMap<TopicPartition, u64>>> {
        let brokers = ids(&self.kafka.ids())?;
        let mut found = BTreeMap::new();
        for (broker, folders) in self.cluster.log_dirs(&brokers).await? {
            let replicas = folders?.into_iter().flat_map(|folder| folder.replicas);
            let sizes = replicas.map(|replica| (replica.partition, replica.size));
            found.insert(broker.get(), sizes.collect());
        }
        Ok(found)
    }

    /// All dynamic configuration of brokers, of all brokers together, and of this test's topics.
    ///
    /// # Errors
    ///
    /// Kafka cannot be asked.
    pub async fn configs(&self) -> Outcome<Configs> {
        let mut resources: Vec<ConfigResource> =
            self.topics.keys().cloned().map(ConfigResource::Topic).collect();
        let brokers = ids(&self.kafka.ids())?;
        resources.extend(brokers.into_iter().map(ConfigResource::Broker));
        let mut dynamic = Configs::new();
        for (resource, entries) in self.cluster.configs(&resources, &[]).await? {
            for entry in entries? {
                if entry.source == ConfigSource::Dynamic {
                    dynamic.insert((resource.clone(), entry.name), entry.value.unwrap_or_default());
                }
            }
        }
        Ok(dynamic)
    }

    /// What has been set dynamically since the test began.
    ///
    /// # Errors
    ///
    /// Kafka cannot be asked.
    pub async fn throttles(&self) -> Outcome<Configs> {
        let mut configs = self.configs().await?;
        configs.retain(|key, value| self.before.get(key) != Some(value));
        Ok(configs)
    }

    /// Waits until something is so. A failure shows what the balancer says and what it logged.
    ///
    /// # Errors
    ///
    /// It does not come true.
    pub async fn until(&self, what: &str, mut is_so: impl AsyncFnMut(&Self) -> Outcome<bool>) -> Outcome {
        let Err(error) = until(WITHIN, what, async || is_so(self).await).await else {
            return Ok(());
        };
        let account = self.account().await;
        Err(format!("{error}\n{account}").into())
    }

    /// Waits until Kafka has a partition in sync on these brokers. They hear of the end of a reassignment one after the
    /// other, and any of them may be asked.
    ///
    /// # Errors
    ///
    /// It does not come true.
    pub async fn until_on(&self, of: &TopicPartition, brokers: &[BrokerId]) -> Outcome {
        let wanted: BTreeSet<i32> = numbers(brokers).into_iter().collect();
        self.until("the partition is where it is to be", async |scene| {
            let now = scene.partition(of.topic.as_str(), of.partition.get()).await?;
            let is_wanted = |ids: &[BrokerId]| numbers(ids).into_iter().collect::<BTreeSet<_>>() == wanted;
            Ok(is_wanted(&now.replicas) && is_wanted(&now.in_sync))
        })
        .await
    }

    /// Waits until every broker is there and every replica in sync, but those that are being copied.
    ///
    /// # Errors
    ///
    /// It does not come true.
    pub async fn until_whole(&self) -> Outcome {
        self.until("every broker is there and every replica in sync", async |scene| {
            let copying = scene.cluster.reassignments().await?;
            let described = scene.cluster.describe().await?;
            let lags = |topic: &Topic| {
                topic.partitions.iter().any(|partition| {
                    let name = TopicPartition::new(topic.name.clone(), partition.id);
                    partition.in_sync.len() < partition.replicas.len() && !copying.contains_key(&name)
                })
            };
            let all = described.brokers.len() == scene.kafka.ids().len();
            Ok(all && !described.topics.iter().any(lags))
        })
        .await
    }

    /// Waits until nothing is being reassigned and nothing has been set that was not there before.
    ///
    /// # Errors
    ///
    /// It does not come true: what is left.
    pub async fn until_clean(&self) -> Outcome {
        self.until("nothing is left behind", async |scene| {
            match scene.left_behind().await? {
                None => Ok(true),
                Some(left) => Err(left.into()),
            }
        })
        .await
    }

    /// Whether nothing is being reassigned and nothing has been set that was not there before.
    ///
    /// # Errors
    ///
    /// Kafka cannot be asked.
    pub async fn is_clean(&self) -> Outcome<bool> {
        Ok(self.left_behind().await?.is_none())
    }

    async fn left_behind(&self) -> Outcome<Option<String>> {
        let copying = self.cluster.reassignments().await?;
        let (now, before) = (self.configs().await?, &self.before);
        let left = !copying.is_empty() || now != *before;
        Ok(left.then(|| format!("{copying:?} is being copied; configured {now:?}, before {before:?}")))
    }
}
