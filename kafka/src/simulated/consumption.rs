//! Groups that consume from the simulated cluster and commit their offsets.

use std::collections::BTreeMap;

use super::configuration::unreachable;
use super::world::World;
use crate::error::ClusterError;
use crate::groups::{self, GroupDescription, GroupKind, GroupListing, GroupState, TopicPositions};
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

    /// The groups that a broker coordinates.
    pub(super) fn coordinated_by(&self, broker: BrokerId) -> Vec<GroupListing> {
        let groups = self.groups.iter();
        groups
            .filter(|(id, _)| self.coordinator(id) == Some(broker))
            .map(|(id, group)| GroupListing {
                id: id.clone(),
                kind: GroupKind::Consumer,
                state: group.state(),
            })
            .collect()
    }

    /// Groups are spread over the running brokers by the sum of their ids' bytes.
    fn coordinator(&self, group: &GroupId) -> Option<BrokerId> {
        let running: Vec<BrokerId> = self.brokers.keys().copied().filter(|b| self.runs(*b)).collect();
        let sum: usize = group.as_str().bytes().map(usize::from).sum();
        running.get(sum % running.len().max(1)).copied()
    }

    /// Whether the broker answers at all.
    pub(super) fn coordinates(&self, broker: BrokerId) -> Result<(), ClusterError> {
        match self.runs(broker) {
            true => Ok(()),
            false => Err(unreachable(broker)),
        }
    }

    fn group(&self, coordinator: BrokerId, id: &GroupId) -> Result<Option<&Group>, ClusterError> {
        match self.coordinator(id) == Some(coordinator) {
            true => Ok(self.groups.get(id)),
            false => Err(ClusterError::Refused {
                code: "NOT_COORDINATOR".to_owned(),
                message: format!("broker {coordinator} does not coordinate group {id}"),
                retriable: true,
            }),
        }
    }

    /// A group that is not there is dead, as DescribeGroups has it.
    pub(super) fn describe_group(
        &self,
        coordinator: BrokerId,
        id: &GroupId,
    ) -> Result<GroupDescription, ClusterError> {
        let group = self.group(coordinator, id)?;
        Ok(GroupDescription {
            state: group.map_or(GroupState::Dead, Group::state),
            members: group.map_or(0, |group| group.is_reading().into()),
        })
    }

    pub(super) fn positions(
        &self,
        coordinator: BrokerId,
        id: &GroupId,
    ) -> Result<Vec<TopicPositions>, ClusterError> {
        let mut topics: BTreeMap<&TopicName, Vec<groups::Position>> = BTreeMap::new();
        let group = self.group(coordinator, id)?;
        for (partition, position) in group.iter().flat_map(|group| &group.positions) {
            let positions = topics.entry(&partition.topic).or_default();
            positions.push(groups::Position {
                partition: partition.partition,
                offset: position.offset as i64,
                lag: None,
            });
        }
        let topics = topics.into_iter();
        let topics = topics.map(|(topic, positions)| TopicPositions {
            topic: topic.clone(),
            positions,
        });
        Ok(topics.collect())
    }
}

impl Group {
    /// Whether it has a member: one that reads nothing has left.
    fn is_reading(&self) -> bool {
        let mut positions = self.positions.values();
        positions.any(|position| position.records_per_second > 0.0)
    }

    fn state(&self) -> GroupState {
        match self.is_reading() {
            true => GroupState::Stable,
            false => GroupState::Empty,
        }
    }
}
