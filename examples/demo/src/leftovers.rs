//! What must not be left behind, asked of Kafka itself.

use kafka::client::KafkaCluster;
use kafka::cluster::{ConfigResource, ConfigSource};
use kafka::{Cluster, ClusterError};

/// Every entry by which replication is throttled.
const THROTTLES: [&str; 4] = [
    "leader.replication.throttled.rate",
    "follower.replication.throttled.rate",
    "leader.replication.throttled.replicas",
    "follower.replication.throttled.replicas",
];

/// What is there although nothing is being moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leftovers {
    /// Entries of brokers' and topics' configurations.
    pub(crate) throttles: usize,
    /// Reassignments in progress.
    pub(crate) reassignments: usize,
}

/// Counts them.
pub(crate) async fn leftovers(cluster: &KafkaCluster) -> Result<Leftovers, ClusterError> {
    let description = cluster.describe().await?;
    let brokers = description
        .brokers
        .iter()
        .map(|broker| ConfigResource::Broker(broker.id));
    let topics = description
        .topics
        .iter()
        .map(|topic| ConfigResource::Topic(topic.name.clone()));
    let resources: Vec<ConfigResource> = brokers
        .chain(topics)
        .chain([ConfigResource::BrokerDefault])
        .collect();
    let mut throttles = 0;
    for entries in cluster.configs(&resources, &THROTTLES).await?.into_values() {
        let set = |source| source == ConfigSource::Dynamic;
        throttles += entries?
            .iter()
            .filter(|entry| {
                set(entry.source) && entry.value.as_deref().is_some_and(|value| !value.is_empty())
            })
            .count();
    }
    Ok(Leftovers {
        throttles,
        reassignments: cluster.reassignments().await?.len(),
    })
}
