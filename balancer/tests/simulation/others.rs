//! What other people do to the cluster, and what there therefore has to be.

use std::collections::{BTreeMap, BTreeSet};

use balancer::journal::Direction;
use kafka::cluster::{ConfigChange, ConfigResource, ConfigSource};
use kafka::simulated::SimulatedCluster;
use kafka::{BrokerId, Cluster, TopicName, TopicPartition};

/// Dynamic configuration entries.
pub(crate) type Configs = BTreeMap<(ConfigResource, String), String>;

/// Other people's work.
#[derive(Debug, Default)]
pub(crate) struct Others {
    /// What dynamic configuration there has to be when the balancer is at rest.
    pub(crate) configs: Configs,
    /// Where others are moving partitions, and where those were.
    pub(crate) moving: BTreeMap<TopicPartition, Moving>,
    /// Partitions that others have moved at any time.
    pub(crate) moved: BTreeSet<TopicPartition>,
    /// Brokers whose rates others have ever set or taken away.
    pub(crate) throttled: BTreeSet<BrokerId>,
}

/// A reassignment of somebody else's.
#[derive(Debug, Clone)]
pub(crate) struct Moving {
    pub(crate) from: Vec<BrokerId>,
    pub(crate) to: Vec<BrokerId>,
}

impl Others {
    /// Whether any rate or list of theirs is there that could be under one of the balancer's.
    pub(crate) fn have_throttles_of_their_own(&self) -> bool {
        self.configs
            .keys()
            .any(|(_, name)| name.contains("replication.throttled"))
    }

    pub(crate) async fn reassign(
        &mut self,
        cluster: &SimulatedCluster,
        of: TopicPartition,
        to: Vec<BrokerId>,
    ) {
        let Some(partition) = find(cluster, &of).await else {
            return;
        };
        let answers = cluster.reassign(&[(of.clone(), to.clone())]).await.unwrap();
        if answers[&of].is_ok() {
            self.moved.insert(of.clone());
            let from = partition.replicas;
            self.moving.insert(of, Moving { from, to });
        }
    }

    /// As `kafka-reassign-partitions --throttle` does: lists, then a rate.
    pub(crate) async fn throttle(
        &mut self,
        cluster: &SimulatedCluster,
        topic: &TopicName,
        at: BrokerId,
        rate: u64,
        all: bool,
    ) {
        let list = if all {
            "*".to_owned()
        } else {
            format!("0:{at},1:{at}")
        };
        for direction in Direction::BOTH {
            self.set(
                cluster,
                ConfigResource::Topic(topic.clone()),
                direction.replicas(),
                &list,
            )
            .await;
            self.set(
                cluster,
                ConfigResource::Broker(at),
                direction.rate(),
                &rate.to_string(),
            )
            .await;
        }
    }

    /// Takes all rates away that others have set; the lists stay, and throttle nothing.
    pub(crate) async fn unthrottle(&mut self, cluster: &SimulatedCluster, is_up: impl Fn(BrokerId) -> bool) {
        let theirs: Vec<_> = self
            .configs
            .keys()
            .filter(|(_, name)| name.ends_with("throttled.rate"))
            .cloned()
            .collect();
        for (resource, name) in theirs {
            if matches!(resource, ConfigResource::Broker(broker) if !is_up(broker)) {
                continue;
            }
            let change = ConfigChange::Delete { name: name.clone() };
            let request = [(resource.clone(), vec![change])];
            if cluster.alter_configs(&request).await.unwrap()[&resource].is_ok() {
                self.configs.remove(&(resource, name));
            }
        }
    }

    pub(crate) async fn set(
        &mut self,
        cluster: &SimulatedCluster,
        resource: ConfigResource,
        name: &str,
        value: &str,
    ) {
        let change = ConfigChange::Set {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        let request = [(resource.clone(), vec![change])];
        if cluster.alter_configs(&request).await.unwrap()[&resource].is_ok() {
            if let ConfigResource::Broker(broker) = resource {
                self.throttled.insert(broker);
            }
            self.configs.insert((resource, name.to_owned()), value.to_owned());
        }
    }

    /// A topic is gone, and what was set for it.
    pub(crate) fn forget(&mut self, topic: &TopicName) {
        self.configs
            .retain(|(resource, _), _| *resource != ConfigResource::Topic(topic.clone()));
        self.moving.retain(|of, _| of.topic != *topic);
    }

    /// Notes which of their reassignments are over, and answers one that was not let go on.
    pub(crate) async fn spoiled(&mut self, cluster: &SimulatedCluster) -> Option<String> {
        let listed = cluster.reassignments().await.unwrap();
        let mut over = Vec::new();
        for (of, moving) in &self.moving {
            if listed.get(of).is_some_and(|now| now.target() == moving.to) {
                continue;
            }
            over.push(of.clone());
            let Some(now) = find(cluster, of).await else {
                continue;
            };
            let is = |wanted: &[BrokerId]| {
                now.replicas.len() == wanted.len() && wanted.iter().all(|id| now.replicas.contains(id))
            };
            if !listed.contains_key(of) && is(&moving.from) && !is(&moving.to) {
                return Some(format!(
                    "the reassignment of {of} by others was cancelled: {moving:?}"
                ));
            }
        }
        self.moving.retain(|of, _| !over.contains(of));
        None
    }
}

/// A partition as Kafka has it now.
pub(crate) async fn find(
    cluster: &SimulatedCluster,
    of: &TopicPartition,
) -> Option<kafka::cluster::Partition> {
    let description = cluster.describe().await.unwrap();
    let topic = description
        .topics
        .into_iter()
        .find(|topic| topic.name == of.topic)?;
    topic
        .partitions
        .into_iter()
        .find(|found| found.id == of.partition)
}

/// Every dynamic entry of every running broker and every topic.
pub(crate) async fn configs(cluster: &SimulatedCluster) -> Configs {
    let description = cluster.describe().await.unwrap();
    let topics = description
        .topics
        .iter()
        .map(|topic| ConfigResource::Topic(topic.name.clone()));
    let alive = description
        .brokers
        .iter()
        .map(|broker| ConfigResource::Broker(broker.id));
    let resources: Vec<_> = topics.chain(alive).collect();
    let mut found = Configs::new();
    for (resource, entries) in cluster.configs(&resources, &[]).await.unwrap() {
        for entry in entries.unwrap_or_default() {
            if entry.source == ConfigSource::Dynamic {
                found.insert((resource.clone(), entry.name), entry.value.unwrap());
            }
        }
    }
    found
}
