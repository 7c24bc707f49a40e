//! The simulated cluster's answers.

use std::collections::BTreeMap;

use super::configuration::unreachable;
use super::time::{numbered, partition_id};
use super::world::{RECORD_BYTES, World};
use super::{Operation, Refusal, SimulatedCluster};
use crate::cluster::{
    Broker, Cluster, ClusterDescription, ConfigChange, ConfigEntry, ConfigResource, Each, LogDir,
    LogDirReplica, NewTopic, OffsetSpec, Partition, Reassignment, Topic,
};
use crate::error::ClusterError;
use crate::groups::{GroupDescription, GroupKind, GroupListing, TopicPositions};
use crate::ids::{BrokerId, GroupId, TopicName, TopicPartition};

impl Cluster for SimulatedCluster {
    async fn describe(&self) -> Result<ClusterDescription, ClusterError> {
        let described = self
            .request(Operation::Describe, |world, _| Ok(world.describe()))
            .await?;
        Ok(self.faults().perhaps_stale(described))
    }

    async fn log_dirs(&self, brokers: &[BrokerId]) -> Result<Each<BrokerId, Vec<LogDir>>, ClusterError> {
        self.request(Operation::LogDirs, |world, refusal| {
            Ok(each(brokers, refusal, |broker| world.log_dirs(*broker)))
        })
        .await
    }

    async fn offsets(
        &self,
        partitions: &[TopicPartition],
        which: OffsetSpec,
    ) -> Result<Each<TopicPartition, i64>, ClusterError> {
        self.request(Operation::Offsets, |world, refusal| {
            Ok(each(partitions, refusal, |partition| {
                world.offset(partition, which)
            }))
        })
        .await
    }

    async fn configs(
        &self,
        resources: &[ConfigResource],
        names: &[&str],
    ) -> Result<Each<ConfigResource, Vec<ConfigEntry>>, ClusterError> {
        self.request(Operation::Configs, |world, refusal| {
            Ok(each(resources, refusal, |resource| {
                world.configs(resource, names)
            }))
        })
        .await
    }

    async fn alter_configs(
        &self,
        changes: &[(ConfigResource, Vec<ConfigChange>)],
    ) -> Result<Each<ConfigResource, ()>, ClusterError> {
        self.request(Operation::AlterConfigs, |world, refusal| {
            Ok(pairs(changes, refusal, |resource, changes| {
                world.alter_configs(resource, changes)
            }))
        })
        .await
    }

    async fn reassignments(&self) -> Result<BTreeMap<TopicPartition, Reassignment>, ClusterError> {
        self.request(Operation::Reassignments, |world, _| {
            Ok(world.reassignments().collect())
        })
        .await
    }

    async fn reassign(
        &self,
        targets: &[(TopicPartition, Vec<BrokerId>)],
    ) -> Result<Each<TopicPartition, ()>, ClusterError> {
        self.request(Operation::Reassign, |world, refusal| {
            Ok(pairs(targets, refusal, |partition, target| {
                world.reassign(partition, target)
            }))
        })
        .await
    }

    async fn cancel_reassignments(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Each<TopicPartition, ()>, ClusterError> {
        self.request(Operation::Cancel, |world, refusal| {
            Ok(each(partitions, refusal, |partition| world.cancel(partition)))
        })
        .await
    }

    async fn elect_preferred_leaders(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Each<TopicPartition, ()>, ClusterError> {
        self.request(Operation::Elect, |world, refusal| {
            Ok(each(partitions, refusal, |partition| {
                world.elect_preferred(partition)
            }))
        })
        .await
    }

    async fn create_topics(&self, topics: &[NewTopic]) -> Result<Each<TopicName, ()>, ClusterError> {
        self.request(Operation::Topics, |world, refusal| {
            let made = topics.iter().map(|topic| {
                let made = refused_or(refusal, || world.create_topic(topic));
                (topic.name.clone(), made)
            });
            Ok(made.collect())
        })
        .await
    }

    async fn delete_topics(&self, topics: &[TopicName]) -> Result<Each<TopicName, ()>, ClusterError> {
        self.request(Operation::Topics, |world, refusal| {
            Ok(each(topics, refusal, |topic| world.delete_topic(topic)))
        })
        .await
    }

    async fn create_partitions(
        &self,
        totals: &[(TopicName, u32)],
    ) -> Result<Each<TopicName, ()>, ClusterError> {
        self.request(Operation::Topics, |world, refusal| {
            Ok(pairs(totals, refusal, |topic, total| {
                world.create_partitions(topic, *total)
            }))
        })
        .await
    }

    async fn groups(&self) -> Result<Each<BrokerId, Vec<GroupListing>>, ClusterError> {
        self.request(Operation::Groups, |world, refusal| {
            let brokers: Vec<BrokerId> = world.unfenced().into_iter().collect();
            Ok(each(&brokers, refusal, |broker| match world.runs(*broker) {
                true => Ok(world.coordinated_by(*broker)),
                false => Err(unreachable(*broker)),
            }))
        })
        .await
    }

    async fn describe_groups(
        &self,
        coordinator: BrokerId,
        _: GroupKind,
        groups: &[GroupId],
    ) -> Result<Each<GroupId, GroupDescription>, ClusterError> {
        self.request(Operation::Groups, |world, refusal| {
            world.coordinates(coordinator)?;
            Ok(each(groups, refusal, |group| {
                world.describe_group(coordinator, group)
            }))
        })
        .await
    }

    async fn positions(
        &self,
        coordinator: BrokerId,
        _: GroupKind,
        groups: &[GroupId],
    ) -> Result<Each<GroupId, Vec<TopicPositions>>, ClusterError> {
        self.request(Operation::Groups, |world, refusal| {
            world.coordinates(coordinator)?;
            Ok(each(groups, refusal, |group| world.positions(coordinator, group)))
        })
        .await
    }
}

fn each<K: Ord + Clone, V>(
    keys: &[K],
    refusal: Option<Refusal>,
    mut answer: impl FnMut(&K) -> Result<V, ClusterError>,
) -> Each<K, V> {
    keys.iter()
        .map(|key| (key.clone(), refused_or(refusal, || answer(key))))
        .collect()
}

fn pairs<K: Ord + Clone, P, V>(
    pairs: &[(K, P)],
    refusal: Option<Refusal>,
    mut answer: impl FnMut(&K, &P) -> Result<V, ClusterError>,
) -> Each<K, V> {
    pairs
        .iter()
        .map(|(key, with)| (key.clone(), refused_or(refusal, || answer(key, with))))
        .collect()
}

fn refused_or<V>(
    refusal: Option<Refusal>,
    answer: impl FnOnce() -> Result<V, ClusterError>,
) -> Result<V, ClusterError> {
    match refusal {
        Some(refusal) => Err(refusal.error()),
        None => answer(),
    }
}

impl World {
    fn describe(&self) -> ClusterDescription {
        let alive = self.unfenced();
        ClusterDescription {
            cluster_id: "simulated-cluster-0001".to_owned(),
            controller: alive.first().copied(),
            brokers: alive
                .iter()
                .filter_map(|id| self.brokers.get(id))
                .map(|state| Broker {
                    id: state.spec.id,
                    host: "127.0.0.1".to_owned(),
                    port: 9092,
                    rack: state.spec.rack.clone(),
                })
                .collect(),
            topics: self
                .topics
                .iter()
                .map(|(name, topic)| Topic {
                    name: name.clone(),
                    id: topic.id,
                    partitions: topic
                        .partitions
                        .iter()
                        .enumerate()
                        .map(|(number, state)| Partition {
                            id: partition_id(number),
                            leader: state.leader,
                            replicas: state.replicas.clone(),
                            in_sync: state.in_sync.clone(),
                        })
                        .collect(),
                })
                .collect(),
        }
    }

    fn offset(&self, partition: &TopicPartition, which: OffsetSpec) -> Result<i64, ClusterError> {
        let state = self.partition(partition)?;
        if !state.leader.is_some_and(|leader| self.runs(leader)) {
            return Err(ClusterError::Refused {
                code: "LEADER_NOT_AVAILABLE".to_owned(),
                message: format!("{partition} has no leader"),
                retriable: true,
            });
        }
        Ok(match which {
            OffsetSpec::Earliest => 0,
            OffsetSpec::Latest => state.end_offset() as i64,
        })
    }

    fn log_dirs(&self, broker: BrokerId) -> Result<Vec<LogDir>, ClusterError> {
        let state = self
            .brokers
            .get(&broker)
            .filter(|_| self.runs(broker))
            .ok_or_else(|| unreachable(broker))?;
        let mut dirs: Vec<LogDir> = (0..)
            .zip(&state.spec.volumes)
            .map(|(number, volume)| LogDir {
                path: format!("/data/{number}"),
                total_bytes: Some(*volume),
                usable_bytes: Some(*volume),
                replicas: Vec::new(),
            })
            .collect();
        let stored = self.topics.iter().flat_map(|(name, topic)| {
            let partitions = topic.partitions.iter().enumerate();
            partitions.filter_map(move |(number, state)| {
                let bytes = *state.stored.get(&broker)?;
                let lag = (state.written - bytes) / RECORD_BYTES;
                Some((numbered(name, number), bytes as u64, lag as u64))
            })
        });
        let count = dirs.len().max(1);
        for (place, (partition, size, offset_lag)) in stored.enumerate() {
            if let Some(dir) = dirs.get_mut(place % count) {
                dir.usable_bytes = dir.usable_bytes.map(|usable| usable.saturating_sub(size));
                dir.replicas.push(LogDirReplica {
                    partition,
                    size,
                    offset_lag,
                    is_future: false,
                });
            }
        }
        Ok(dirs)
    }
}
