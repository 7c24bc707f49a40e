//! What is asked, in `krafka`'s words.

use std::collections::{BTreeMap, HashMap};

use krafka::admin;

use crate::cluster::{ConfigChange, ConfigResource, NewTopic, OffsetSpec, Placement};
use crate::ids::{TopicName, TopicPartition};

pub(super) fn partition(partition: &TopicPartition) -> admin::TopicPartition {
    admin::TopicPartition::new(partition.topic.as_str(), partition.partition.get())
}

/// Each partition with its name in a request, to find its answer again.
pub(super) fn partitions(partitions: &[TopicPartition]) -> BTreeMap<TopicPartition, admin::TopicPartition> {
    partitions
        .iter()
        .map(|asked| (asked.clone(), partition(asked)))
        .collect()
}

pub(super) fn topics<'a>(topics: impl Iterator<Item = &'a TopicName>) -> BTreeMap<TopicName, String> {
    topics.map(|topic| (topic.clone(), topic.to_string())).collect()
}

pub(super) fn config_resources<'a>(
    resources: impl Iterator<Item = &'a ConfigResource>,
) -> BTreeMap<ConfigResource, admin::ConfigResource> {
    resources
        .map(|resource| (resource.clone(), config_resource(resource)))
        .collect()
}

pub(super) fn offset_spec(which: OffsetSpec) -> admin::OffsetSpec {
    match which {
        OffsetSpec::Earliest => admin::OffsetSpec::Earliest,
        OffsetSpec::Latest => admin::OffsetSpec::Latest,
    }
}

fn config_resource(resource: &ConfigResource) -> admin::ConfigResource {
    match resource {
        ConfigResource::Topic(name) => admin::ConfigResource::topic(name.as_str()),
        ConfigResource::Broker(id) => admin::ConfigResource::broker(id.get()),
        ConfigResource::BrokerDefault => admin::ConfigResource::broker_default(),
    }
}

/// The changes of each resource together, in order: a request must not name a resource twice.
pub(super) fn config_operations(
    changes: &[(ConfigResource, Vec<ConfigChange>)],
) -> Vec<(admin::ConfigResource, Vec<admin::ConfigOp>)> {
    let mut merged: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (resource, changes) in changes {
        let operations = merged.entry(resource).or_default();
        operations.extend(changes.iter().map(config_operation));
    }
    merged
        .into_iter()
        .map(|(resource, operations)| (config_resource(resource), operations))
        .collect()
}

fn config_operation(change: &ConfigChange) -> admin::ConfigOp {
    match change.clone() {
        ConfigChange::Set { name, value } => admin::ConfigOp::Set { name, value },
        ConfigChange::Delete { name } => admin::ConfigOp::Delete { name },
        ConfigChange::Append { name, value } => admin::ConfigOp::Append { name, value },
        ConfigChange::Subtract { name, value } => admin::ConfigOp::Subtract { name, value },
    }
}

/// The topic as it was asked for, whether or not Kafka will take it: its own words are better than a guess at them.
pub(super) fn new_topic(topic: &NewTopic) -> krafka::Result<admin::NewTopic> {
    let mut new = admin::NewTopic::new(topic.name.as_str(), 1, 1)?;
    new.configs = topic.configs.clone().into_iter().collect();
    match &topic.placement {
        Placement::Automatic {
            partitions,
            replication_factor,
        } => {
            // -1 is the brokers' default, since Kafka 2.4.
            new.num_partitions = partitions.map_or(-1, |count| i32::try_from(count).unwrap_or(i32::MAX));
            new.replication_factor =
                replication_factor.map_or(-1, |count| i16::try_from(count).unwrap_or(i16::MAX));
        }
        Placement::Manual(partitions) => {
            // With an assignment the counts must be -1.
            new.num_partitions = -1;
            new.replication_factor = -1;
            new.replica_assignments = partitions
                .iter()
                .enumerate()
                .map(|(number, replicas)| {
                    let number = i32::try_from(number).unwrap_or(i32::MAX);
                    (number, replicas.iter().map(|id| id.get()).collect())
                })
                .collect::<HashMap<_, _>>();
        }
    }
    Ok(new)
}
