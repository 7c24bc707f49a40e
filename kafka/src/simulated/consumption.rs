//! Groups that consume from the simulated cluster and commit their offsets.

use std::collections::BTreeMap;

use super::world::World;
use crate::error::ClusterError;
use crate::ids::{BrokerId, GroupId, TopicName, TopicPartition};

#[derive(Debug, Default)]
pub(super) struct Group {
    positions: BTreeMap<TopicPartition, Position>,
}

#[derive(Debug)]
struct Position {
    offset: f64,
    records_per_second: f64,
}

impl World {
    pub(super) fn consume_at(
        &mut self,
        group: &GroupId,
        partition: &TopicPartition,
        offset: u64,
        records_per_second: f64,
    ) -> Result<(), ClusterError> {
        self.partition(partition)?;
        let positions = &mut self.groups.entry(group.clone()).or_default().positions;
        positions.insert(
            partition.clone(),
            Position {
                offset: offset as f64,
                records_per_second: records_per_second.max(0.0),
            },
        );
        Ok(())
    }

    /// Lets every group read on for this long.
    pub(super) fn consume(&mut self, seconds: f64) {
        let mut groups = std::mem::take(&mut self.groups);
        for group in groups.values_mut() {
            for (partition, position) in &mut group.positions {
                if let Ok(state) = self.partition(partition) {
                    let read = position.offset + position.records_per_second * seconds;
                    position.offset = position.offset.max(read.min(state.end_offset()));
                }
            }
        }
        self.groups = groups;
    }

    pub(super) fn forget_consumption(&mut self, topic: &TopicName) {
        for group in self.groups.values_mut() {
            group.positions.retain(|partition, _| partition.topic != *topic);
        }
    }

    /// The groups that a broker coordinates: they are spread over the running brokers by the sum of their ids' bytes.
    pub(super) fn coordinated_by(&self, broker: BrokerId) -> Vec<GroupId> {
        let running: Vec<BrokerId> = self.brokers.keys().copied().filter(|b| self.runs(*b)).collect();
        self.groups
            .keys()
            .filter(|group| {
                let sum: usize = group.as_str().bytes().map(usize::from).sum();
                running.get(sum % running.len().max(1)) == Some(&broker)
            })
            .cloned()
            .collect()
    }

    pub(super) fn committed(&self, group: &GroupId) -> BTreeMap<TopicPartition, i64> {
        let Some(group) = self.groups.get(group) else {
            return BTreeMap::new();
        };
        group
            .positions
            .iter()
            .map(|(partition, position)| (partition.clone(), position.offset as i64))
            .collect()
    }
}
