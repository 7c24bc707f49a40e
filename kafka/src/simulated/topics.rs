//! Creating, growing and deleting simulated topics.

use std::collections::BTreeSet;

use super::world::{PartitionState, TopicState, World, refused};
use crate::cluster::{NewTopic, Placement};
use crate::error::ClusterError;
use crate::ids::{BrokerId, TopicName};

/// More partitions than this in one request are refused, as Kafka's controller does (`max.partitions` per batch).
const MOST_PARTITIONS: u32 = 10_000;

/// `num.partitions` of brokers.
const DEFAULT_PARTITIONS: u32 = 1;
/// `default.replication.factor` of brokers.
const DEFAULT_REPLICATION_FACTOR: u16 = 1;

impl World {
    pub(super) fn create_topic(&mut self, topic: &NewTopic) -> Result<(), ClusterError> {
        if self.topics.contains_key(&topic.name) {
            return Err(refused(
                "TOPIC_ALREADY_EXISTS",
                format!("topic {} already exists", topic.name),
            ));
        }
        let assignments = match &topic.placement {
            Placement::Manual(assignments) => {
                if assignments.is_empty() {
                    return Err(refused("INVALID_PARTITIONS", "there is no partition".to_owned()));
                }
                assignments.clone()
            }
            Placement::Automatic {
                partitions,
                replication_factor,
            } => {
                let replicas = replication_factor.unwrap_or(DEFAULT_REPLICATION_FACTOR);
                self.spread(partitions.unwrap_or(DEFAULT_PARTITIONS), usize::from(replicas), 0)?
            }
        };
        for replicas in &assignments {
            self.check_assignment(replicas)?;
        }
        let alive = self.unfenced();
        self.topics_made += 1;
        self.topics.insert(
            topic.name.clone(),
            TopicState {
                id: self.topics_made.to_be_bytes(),
                configs: topic.configs.clone(),
                partitions: assignments
                    .into_iter()
                    .map(|replicas| PartitionState::new(replicas, &alive))
                    .collect(),
            },
        );
        Ok(())
    }

    pub(super) fn create_partitions(&mut self, topic: &TopicName, total: u32) -> Result<(), ClusterError> {
        let partitions = &self.topic(topic)?.partitions;
        let present = u32::try_from(partitions.len()).unwrap_or(u32::MAX);
        if total <= present {
            return Err(refused(
                "INVALID_PARTITIONS",
                format!("topic {topic} has {present} partitions already"),
            ));
        }
        let replication_factor = partitions.first().map_or(1, |partition| partition.replicas.len());
        let added = self.spread(total - present, replication_factor, partitions.len())?;
        let alive = self.unfenced();
        if let Some(state) = self.topics.get_mut(topic) {
            let added = added
                .into_iter()
                .map(|replicas| PartitionState::new(replicas, &alive));
            state.partitions.extend(added);
        }
        Ok(())
    }

    pub(super) fn delete_topic(&mut self, topic: &TopicName) -> Result<(), ClusterError> {
        self.topic(topic)?;
        self.topics.remove(topic);
        self.forget_consumption(topic);
        Ok(())
    }

    fn spread(
        &self,
        partitions: u32,
        replication_factor: usize,
        first: usize,
    ) -> Result<Vec<Vec<BrokerId>>, ClusterError> {
        if !(1..=MOST_PARTITIONS).contains(&partitions) {
            return Err(refused(
                "INVALID_PARTITIONS",
                format!("{partitions} partitions cannot be made at once"),
            ));
        }
        let alive: BTreeSet<BrokerId> = self.unfenced();
        if !(1..=alive.len()).contains(&replication_factor) {
            return Err(refused(
                "INVALID_REPLICATION_FACTOR",
                format!("{replication_factor} replicas on {} brokers", alive.len()),
            ));
        }
        let alive: Vec<BrokerId> = alive.into_iter().collect();
        Ok((first..)
            .take(partitions as usize)
            .map(|number| {
                (0..replication_factor)
                    .map(|replica| alive[(number + replica) % alive.len()])
                    .collect()
            })
            .collect())
    }
}
