//! What was answered, in this crate's words; an answer that breaks the protocol's promises becomes an error.

use std::collections::HashMap;

use krafka::admin;

use crate::cluster::{
    Broker, ClusterDescription, ConfigEntry, ConfigSource, LogDir, LogDirReplica, Partition, Reassignment,
    Topic,
};
use crate::error::ClusterError;
use crate::groups::{GroupKind, GroupListing, GroupState};
use crate::ids::{BrokerId, InvalidId, PartitionId, TopicPartition};

fn nonsense(error: InvalidId) -> ClusterError {
    ClusterError::Nonsense(error.to_string())
}

pub(super) fn broker(id: i32) -> Result<BrokerId, ClusterError> {
    BrokerId::try_from(id).map_err(nonsense)
}

fn brokers(ids: Vec<i32>) -> Result<Vec<BrokerId>, ClusterError> {
    ids.into_iter().map(broker).collect()
}

/// Kafka writes -1 where there is no broker.
fn broker_or_none(id: i32) -> Option<BrokerId> {
    BrokerId::try_from(id).ok()
}

pub(super) fn partition(partition: &admin::TopicPartition) -> Result<TopicPartition, ClusterError> {
    let topic = partition.topic.parse().map_err(nonsense)?;
    let number = PartitionId::try_from(partition.partition).map_err(nonsense)?;
    Ok(TopicPartition::new(topic, number))
}

pub(super) fn description(
    cluster: admin::ClusterDescription,
    topics: Vec<krafka::TopicInfo>,
) -> Result<ClusterDescription, ClusterError> {
    let mut brokers = cluster
        .brokers
        .into_iter()
        .filter(|broker| !broker.is_fenced)
        .map(live_broker)
        .collect::<Result<Vec<_>, _>>()?;
    brokers.sort_unstable_by_key(|broker| broker.id);
    let mut topics = topics.into_iter().map(topic).collect::<Result<Vec<_>, _>>()?;
    topics.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(ClusterDescription {
        cluster_id: cluster.cluster_id,
        controller: broker_or_none(cluster.controller_id),
        brokers,
        topics,
    })
}

fn live_broker(broker: admin::ClusterBroker) -> Result<Broker, ClusterError> {
    Ok(Broker {
        id: self::broker(broker.id)?,
        port: u16::try_from(broker.port)
            .map_err(|_| ClusterError::Nonsense(format!("broker {} has port {}", broker.id, broker.port)))?,
        host: broker.host,
        rack: broker.rack,
    })
}

fn topic(topic: krafka::TopicInfo) -> Result<Topic, ClusterError> {
    let mut partitions = topic
        .partitions
        .into_values()
        .map(|partition| {
            Ok(Partition {
                id: PartitionId::try_from(partition.partition).map_err(nonsense)?,
                leader: broker_or_none(partition.leader),
                replicas: brokers(partition.replicas)?,
                in_sync: brokers(partition.isr)?,
            })
        })
        .collect::<Result<Vec<_>, ClusterError>>()?;
    partitions.sort_unstable_by_key(|partition| partition.id);
    Ok(Topic {
        name: topic.name.parse().map_err(nonsense)?,
        id: topic.topic_id,
        partitions,
    })
}

pub(super) fn reassignment(listed: admin::PartitionReassignment) -> Result<Reassignment, ClusterError> {
    Ok(Reassignment {
        replicas: brokers(listed.replicas)?,
        adding: brokers(listed.adding_replicas)?,
        removing: brokers(listed.removing_replicas)?,
    })
}

/// The directories of one broker, by path.
pub(super) fn log_dirs(
    dirs: HashMap<String, krafka::Result<admin::LogDirDescription>>,
) -> Result<Vec<LogDir>, ClusterError> {
    let mut dirs = dirs
        .into_iter()
        .map(|(path, answer)| match answer {
            Ok(dir) => log_dir(path, dir),
            Err(error) => {
                tracing::debug!(path, %error, "a log directory has failed");
                Ok(LogDir {
                    path,
                    total_bytes: None,
                    usable_bytes: None,
                    replicas: Vec::new(),
                })
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    dirs.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(dirs)
}

fn log_dir(path: String, dir: admin::LogDirDescription) -> Result<LogDir, ClusterError> {
    let mut replicas = dir
        .replicas
        .into_iter()
        .map(|(partition, replica)| {
            Ok(LogDirReplica {
                partition: self::partition(&partition)?,
                // Kafka writes -1 for what it does not know yet.
                size: u64::try_from(replica.size).unwrap_or(0),
                offset_lag: u64::try_from(replica.offset_lag).unwrap_or(0),
                is_future: replica.is_future,
            })
        })
        .collect::<Result<Vec<_>, ClusterError>>()?;
    replicas.sort_unstable_by(|a, b| a.partition.cmp(&b.partition));
    Ok(LogDir {
        path,
        total_bytes: dir.total_bytes.and_then(|bytes| u64::try_from(bytes).ok()),
        usable_bytes: dir.usable_bytes.and_then(|bytes| u64::try_from(bytes).ok()),
        replicas,
    })
}

/// `config_source` numbers of `DescribeConfigsResponse` that mean "set on this resource": the dynamic configuration of
/// a topic, of a broker, and of the default of all brokers. The last one is inherited where a single broker is asked.
const DYNAMIC_TOPIC: i8 = 1;
const DYNAMIC_BROKER: i8 = 2;
const DYNAMIC_DEFAULT_BROKER: i8 = 3;

pub(super) fn config_entry(
    resource: &crate::cluster::ConfigResource,
    entry: admin::ConfigEntry,
) -> ConfigEntry {
    use crate::cluster::ConfigResource;
    let own = match resource {
        ConfigResource::Topic(_) => DYNAMIC_TOPIC,
        ConfigResource::Broker(_) => DYNAMIC_BROKER,
        ConfigResource::BrokerDefault => DYNAMIC_DEFAULT_BROKER,
    };
    ConfigEntry {
        name: entry.name,
        value: entry.value,
        source: if entry.config_source == own {
            ConfigSource::Dynamic
        } else {
            ConfigSource::Inherited
        },
    }
}

/// The groups of a broker, by id.
pub(super) fn groups(listed: Vec<admin::ConsumerGroupListing>) -> Vec<GroupListing> {
    let mut groups: Vec<_> = listed
        .into_iter()
        .filter_map(|group| {
            let kind = group.group_type.map(|kind| kind.to_string());
            self::group(&group.group_id, kind.as_deref(), group.state.as_deref())
        })
        .collect();
    groups.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    groups
}

/// A group that a broker lists; none where nobody could ask for it. Kafka keeps what consumers of old have committed without
/// a group under the empty id.
fn group(id: &str, kind: Option<&str>, state: Option<&str>) -> Option<GroupListing> {
    let id = id
        .parse()
        .map_err(|error| tracing::debug!(%error, "a group is not followed"))
        .ok()?;
    Some(GroupListing {
        id,
        kind: kind.map_or(GroupKind::Classic, GroupKind::named),
        state: state.map_or(GroupState::Unknown, GroupState::named),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_without_an_id_is_passed_over() {
        assert_eq!(group("", Some("classic"), Some("Empty")), None);
        assert!(group("billing", None, None).is_some());
    }
}
