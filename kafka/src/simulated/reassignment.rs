//! Reassignments and elections, as Kafka's controller does them.
//!
//! The rules are those of `ReplicationControlManager`, `PartitionReassignmentReplicas` and
//! `PartitionReassignmentRevert` in Kafka 4.

use std::collections::BTreeSet;

use super::world::{Cause, PartitionState, World, refused};
use crate::cluster::Reassignment;
use crate::error::ClusterError;
use crate::ids::{BrokerId, TopicPartition};

impl World {
    pub(super) fn reassign(
        &mut self,
        partition: &TopicPartition,
        target: &[BrokerId],
    ) -> Result<(), ClusterError> {
        self.partition(partition)?;
        self.check_assignment(target)?;
        let alive = self.unfenced();
        let state = self.partition_mut(partition)?;
        let before = state.in_sync.len();
        state.begin_reassignment(target);
        // Nothing to copy is done at once: a new order, or a return to where the replicas were.
        let completed = state.complete_reassignment(&alive);
        let after = state.in_sync.len();
        let cause = if completed.is_some() && state.adding.is_empty() {
            Cause::ReassignmentDone
        } else {
            Cause::ReassignmentCancelled
        };
        self.note_shrink(partition, Some((before, after)), cause);
        Ok(())
    }

    pub(super) fn check_assignment(&self, replicas: &[BrokerId]) -> Result<(), ClusterError> {
        let invalid = |message: String| Err(refused("INVALID_REPLICA_ASSIGNMENT", message));
        if replicas.is_empty() {
            return invalid("the replica list is empty".to_owned());
        }
        let distinct: BTreeSet<_> = replicas.iter().collect();
        if distinct.len() != replicas.len() {
            return invalid("a broker is listed twice".to_owned());
        }
        match replicas.iter().find(|broker| !self.brokers.contains_key(broker)) {
            Some(broker) => invalid(format!("no broker {broker} is registered")),
            None => Ok(()),
        }
    }

    pub(super) fn cancel(&mut self, partition: &TopicPartition) -> Result<(), ClusterError> {
        let alive = self.unfenced();
        let state = self.partition_mut(partition)?;
        if !state.is_reassigned() {
            return Err(ClusterError::NoReassignmentInProgress(partition.to_string()));
        }
        let before = state.in_sync.len();
        let adding = std::mem::take(&mut state.adding);
        state.removing.clear();
        state.drop_replicas(&adding, &alive);
        let after = state.in_sync.len();
        self.note_shrink(partition, Some((before, after)), Cause::ReassignmentCancelled);
        Ok(())
    }

    pub(super) fn elect_preferred(&mut self, partition: &TopicPartition) -> Result<(), ClusterError> {
        let alive = self.unfenced();
        let state = self.partition_mut(partition)?;
        let preferred = state.replicas.first().copied();
        if state.leader == preferred {
            return Ok(());
        }
        match preferred {
            Some(broker) if alive.contains(&broker) && state.in_sync.contains(&broker) => {
                state.leader = Some(broker);
                Ok(())
            }
            _ => Err(refused(
                "PREFERRED_LEADER_NOT_AVAILABLE",
                format!("the preferred leader of {partition} is not in sync or not alive"),
            )),
        }
    }

    pub(super) fn reassignments(&self) -> impl Iterator<Item = (TopicPartition, Reassignment)> + '_ {
        self.topics.iter().flat_map(|(name, topic)| {
            let moving = topic.partitions.iter().enumerate();
            moving
                .filter(|(_, state)| state.is_reassigned())
                .map(move |(number, state)| {
                    let reassignment = Reassignment {
                        replicas: state.replicas.clone(),
                        adding: state.adding.clone(),
                        removing: state.removing.clone(),
                    };
                    (super::time::numbered(name, number), reassignment)
                })
        })
    }
}

impl PartitionState {
    pub(super) fn is_reassigned(&self) -> bool {
        !self.adding.is_empty() || !self.removing.is_empty()
    }

    /// Sets out for `target`: its replicas first, those to remove after them.
    fn begin_reassignment(&mut self, target: &[BrokerId]) {
        let settled: Vec<BrokerId> = self.without(&self.adding.clone());
        self.adding = target
            .iter()
            .copied()
            .filter(|broker| !settled.contains(broker))
            .collect();
        self.removing = self
            .replicas
            .iter()
            .copied()
            .filter(|broker| !target.contains(broker))
            .collect();
        self.replicas = target.iter().chain(&self.removing).copied().collect();
        for broker in &self.adding {
            self.stored.entry(*broker).or_insert(0.0);
        }
    }

    /// Ends the reassignment if all added replicas are in sync and one that stays is. Answers how many replicas were
    /// in sync before and after.
    pub(super) fn complete_reassignment(&mut self, alive: &BTreeSet<BrokerId>) -> Option<(usize, usize)> {
        let added = self.adding.iter().all(|broker| self.in_sync.contains(broker));
        let stays = self.in_sync.iter().any(|broker| !self.removing.contains(broker));
        if !added || !stays {
            return None;
        }
        let before = self.in_sync.len();
        self.adding.clear();
        let removing = std::mem::take(&mut self.removing);
        self.drop_replicas(&removing, alive);
        Some((before, self.in_sync.len()))
    }

    fn drop_replicas(&mut self, gone: &[BrokerId], alive: &BTreeSet<BrokerId>) {
        self.replicas = self.without(gone);
        self.in_sync.retain(|broker| !gone.contains(broker));
        self.stored.retain(|broker, _| !gone.contains(broker));
        if self.leader.is_none_or(|leader| gone.contains(&leader)) {
            self.elect(alive);
        }
    }

    fn without(&self, gone: &[BrokerId]) -> Vec<BrokerId> {
        let staying = self.replicas.iter().copied();
        staying.filter(|broker| !gone.contains(broker)).collect()
    }
}
