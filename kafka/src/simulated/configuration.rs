//! Configuration entries of the simulated cluster: those that this project reads or changes.

use std::collections::BTreeMap;

use super::world::{TopicState, World, refused};
use crate::cluster::{ConfigChange, ConfigEntry, ConfigResource, ConfigSource};
use crate::error::ClusterError;
use crate::ids::BrokerId;

/// The names of a throttle: its rate at a broker, its replicas at a topic.
#[derive(Debug)]
pub(super) struct ThrottleNames {
    pub(super) rate: &'static str,
    pub(super) replicas: &'static str,
}

pub(super) const LEADER: ThrottleNames = ThrottleNames {
    rate: "leader.replication.throttled.rate",
    replicas: "leader.replication.throttled.replicas",
};

pub(super) const FOLLOWER: ThrottleNames = ThrottleNames {
    rate: "follower.replication.throttled.rate",
    replicas: "follower.replication.throttled.replicas",
};

/// Entries of topics that have a value without anybody setting one.
const TOPIC_DEFAULTS: [(&str, &str); 6] = [
    ("cleanup.policy", "delete"),
    (FOLLOWER.replicas, ""),
    (LEADER.replicas, ""),
    ("min.insync.replicas", "1"),
    ("retention.bytes", "-1"),
    ("retention.ms", "604800000"),
];

/// Entries that are lists, so that elements can be added and taken out.
const LISTS: [&str; 3] = ["cleanup.policy", FOLLOWER.replicas, LEADER.replicas];

impl World {
    pub(super) fn configs(
        &self,
        resource: &ConfigResource,
        names: &[&str],
    ) -> Result<Vec<ConfigEntry>, ClusterError> {
        let (dynamic, inherited): (_, BTreeMap<String, String>) = match resource {
            ConfigResource::Topic(name) => (
                &self.topic(name)?.configs,
                TOPIC_DEFAULTS
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
            ),
            ConfigResource::Broker(id) => (self.broker_configs(*id)?, self.broker_default.clone()),
            ConfigResource::BrokerDefault => (&self.broker_default, BTreeMap::new()),
        };
        let mut entries: BTreeMap<String, (String, ConfigSource)> = inherited
            .into_iter()
            .map(|(name, value)| (name, (value, ConfigSource::Inherited)))
            .collect();
        for (name, value) in dynamic {
            entries.insert(name.clone(), (value.clone(), ConfigSource::Dynamic));
        }
        Ok(entries
            .into_iter()
            .filter(|(name, _)| names.is_empty() || names.contains(&name.as_str()))
            .map(|(name, (value, source))| ConfigEntry {
                name,
                value: Some(value),
                source,
            })
            .collect())
    }

    /// A broker's configuration is read and changed at that broker.
    fn broker_configs(&self, id: BrokerId) -> Result<&BTreeMap<String, String>, ClusterError> {
        match self.brokers.get(&id) {
            Some(state) if self.runs(id) => Ok(&state.configs),
            _ => Err(unreachable(id)),
        }
    }

    pub(super) fn alter_configs(
        &mut self,
        resource: &ConfigResource,
        changes: &[ConfigChange],
    ) -> Result<(), ClusterError> {
        let current = match resource {
            ConfigResource::Topic(name) => &self.topic(name)?.configs,
            ConfigResource::Broker(id) => self.broker_configs(*id)?,
            ConfigResource::BrokerDefault => &self.broker_default,
        };
        let mut altered = current.clone();
        for change in changes {
            apply(&mut altered, change)?;
        }
        let slot = match resource {
            ConfigResource::Topic(name) => self.topics.get_mut(name).map(|topic| &mut topic.configs),
            ConfigResource::Broker(id) => self.brokers.get_mut(id).map(|broker| &mut broker.configs),
            ConfigResource::BrokerDefault => Some(&mut self.broker_default),
        };
        if let Some(slot) = slot {
            *slot = altered;
        }
        Ok(())
    }
}

pub(super) fn unreachable(broker: BrokerId) -> ClusterError {
    ClusterError::Unreachable {
        message: format!("broker {broker} does not answer"),
        source: None,
    }
}

/// As `ConfigurationControlManager` does it: elements that are there are not added again, and a list that has lost
/// its last element stays behind as an empty dynamic value.
fn apply(configs: &mut BTreeMap<String, String>, change: &ConfigChange) -> Result<(), ClusterError> {
    let (name, value) = match change {
        ConfigChange::Delete { name } => {
            configs.remove(name);
            return Ok(());
        }
        ConfigChange::Set { name, value } => (name, value.clone()),
        ConfigChange::Append { name, value } => {
            let mut elements = list(configs, name)?;
            for element in value.split(',') {
                if !elements.iter().any(|present| present == element) {
                    elements.push(element.to_owned());
                }
            }
            (name, elements.join(","))
        }
        ConfigChange::Subtract { name, value } => {
            let mut elements = list(configs, name)?;
            elements.retain(|present| !value.split(',').any(|element| element == present));
            (name, elements.join(","))
        }
    };
    check(name, &value)?;
    configs.insert(name.clone(), value);
    Ok(())
}

fn list(configs: &BTreeMap<String, String>, name: &str) -> Result<Vec<String>, ClusterError> {
    if !LISTS.contains(&name) {
        return Err(refused("INVALID_CONFIG", format!("{name} is not a list")));
    }
    let inherited = TOPIC_DEFAULTS.iter().find(|(known, _)| *known == name);
    let value = configs
        .get(name)
        .map(String::as_str)
        .or(inherited.map(|(_, value)| *value))
        .unwrap_or("");
    Ok(value
        .split(',')
        .filter(|element| !element.is_empty())
        .map(str::to_owned)
        .collect())
}

fn check(name: &str, value: &str) -> Result<(), ClusterError> {
    let valid = match name {
        name if name == LEADER.rate || name == FOLLOWER.rate => {
            value.parse::<i64>().is_ok_and(|rate| rate >= 0)
        }
        name if name == LEADER.replicas || name == FOLLOWER.replicas => {
            value.is_empty() || value == "*" || value.split(',').all(|element| replica(element).is_some())
        }
        "min.insync.replicas" => value.parse::<i32>().is_ok_and(|count| count >= 1),
        _ => true,
    };
    if valid {
        Ok(())
    } else {
        Err(refused(
            "INVALID_CONFIG",
            format!("`{value}` is no value for {name}"),
        ))
    }
}

/// `partition:broker`.
fn replica(element: &str) -> Option<(usize, i32)> {
    let (partition, broker) = element.trim().split_once(':')?;
    Some((partition.parse().ok()?, broker.parse().ok()?))
}

impl TopicState {
    /// Whether the topic's list names this partition's replica on this broker.
    pub(super) fn throttles(&self, names: &ThrottleNames, number: usize, broker: BrokerId) -> bool {
        let Some(value) = self.configs.get(names.replicas) else {
            return false;
        };
        value == "*"
            || value
                .split(',')
                .any(|element| replica(element) == Some((number, broker.get())))
    }
}
