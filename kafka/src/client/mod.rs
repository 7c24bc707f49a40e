//! [`Cluster`] and [`CompactedLog`](crate::CompactedLog) over Kafka's protocol, with the `krafka` library, which
//! nothing outside this module names.
//!
//! # What is retried here, and what is not
//!
//! `krafka` repeats a read until the call's deadline. It repeats a change only when the change was never sent (no
//! connection) or when the broker answered with one of `NOT_CONTROLLER`, `NOT_COORDINATOR`, `COORDINATOR_NOT_AVAILABLE`,
//! `COORDINATOR_LOAD_IN_PROGRESS`, `NOT_LEADER_OR_FOLLOWER`, `LEADER_NOT_AVAILABLE` or `THROTTLING_QUOTA_EXCEEDED`.
//! A change that was sent and not answered fails with [`ClusterError::TimedOut`] or [`ClusterError::Unreachable`].
//!
//! One of those answers does not prove that nothing happened: a KRaft controller that loses its leadership fails what
//! it has not yet seen committed with `NOT_CONTROLLER`, although its successor may commit it, and brokers repeat
//! a forwarded request after that answer too. So a change may be applied twice within one call. Every change of
//! [`Cluster`] bears that, being the same the second time, but its answer may then be that of the second: creating
//! a topic may say `TOPIC_ALREADY_EXISTS`, deleting one that it does not exist, adding partitions
//! `INVALID_PARTITIONS`, and cancelling [`ClusterError::NoReassignmentInProgress`].

mod compacted_log;
mod convert;
mod credentials;
mod errors;
mod groups;
mod log_reader;
mod log_writer;
mod membership;
mod requests;
mod session;
mod users;

use std::collections::BTreeMap;
use std::sync::Arc;

use krafka::admin;

use crate::cluster::{
    Cluster, ClusterDescription, ConfigChange, ConfigEntry, ConfigResource, Each, LogDir, NewTopic,
    OffsetSpec, Reassignment,
};
use crate::connection::ConnectionSettings;
use crate::error::ClusterError;
use crate::groups::{GroupDescription, GroupKind, GroupListing, TopicPositions};
use crate::ids::{BrokerId, GroupId, TopicName, TopicPartition};
use session::Sessions;

pub use compacted_log::{CompactedLogSettings, KafkaCompactedLog};
pub use log_writer::KafkaLogWriter;

/// A cluster of real brokers.
///
/// It connects at the first call. When nothing of the cluster can be reached any more, or the credentials are refused,
/// the connection is given up, and the next call makes a new one with what the credential files say by then.
/// Each request has [`ConnectionSettings::request_timeout`], with all looking up and repeating. A call makes one, only
/// `groups` up to three one after the other; connecting has the same time again. `groups` and `offsets` wait for each broker
/// for less than half of it: one that is still loading or hangs is named with its error when all others have answered.
#[derive(Debug, Clone)]
pub struct KafkaCluster {
    sessions: Arc<Sessions>,
}

impl KafkaCluster {
    /// A cluster that is reached in this way. Nothing is sent yet.
    pub fn new(settings: ConnectionSettings) -> Self {
        Self {
            sessions: Arc::new(Sessions::new(settings)),
        }
    }
}

impl Cluster for KafkaCluster {
    /// One request for the brokers and one for all topics, however many there are. Each is answered by any one broker
    /// from what it has heard of the controller, so that for a moment two calls may contradict each other. Only
    /// a partition's leader never goes back to one of an older epoch.
    async fn describe(&self) -> Result<ClusterDescription, ClusterError> {
        let session = self.sessions.current().await?;
        let (cluster, topics) = tokio::join!(session.live_brokers(), session.all_topics());
        let cluster = session.outcome("DescribeCluster", cluster)?;
        let topics = session.outcome("Metadata", topics)?;
        convert::description(cluster, topics)
    }

    /// A directory that has failed (its disk is gone) is listed without sizes and without replicas.
    async fn log_dirs(&self, brokers: &[BrokerId]) -> Result<Each<BrokerId, Vec<LogDir>>, ClusterError> {
        let asked: BTreeMap<_, _> = brokers.iter().map(|id| (*id, id.get())).collect();
        let ids: Vec<_> = asked.values().copied().collect();
        let session = self.sessions.current().await?;
        let answers = session.admin.describe_log_dirs(ids, Default::default()).await;
        session.each("DescribeLogDirs", asked, answers, |_, dirs| {
            convert::log_dirs(dirs)
        })
    }

    async fn offsets(
        &self,
        partitions: &[TopicPartition],
        which: OffsetSpec,
    ) -> Result<Each<TopicPartition, i64>, ClusterError> {
        let asked = requests::partitions(partitions);
        let spec = requests::offset_spec(which);
        let specs: Vec<_> = asked
            .values()
            .map(|partition| (partition.clone(), spec))
            .collect();
        let session = self.sessions.current().await?;
        let options = admin::ListOffsetsOptions::default().timeout(session.patience());
        let answers = session.admin.list_offsets(specs, options).await;
        session.each("ListOffsets", asked, answers, |_, listed| Ok(listed.offset))
    }

    async fn configs(
        &self,
        resources: &[ConfigResource],
        names: &[&str],
    ) -> Result<Each<ConfigResource, Vec<ConfigEntry>>, ClusterError> {
        let asked = requests::config_resources(resources.iter());
        let wanted: Vec<_> = asked.values().cloned().collect();
        let mut options = admin::DescribeConfigsOptions::default();
        if !names.is_empty() {
            options = options.config_names(names.iter().map(|&name| name.to_owned()).collect());
        }
        let session = self.sessions.current().await?;
        let answers = session.admin.describe_configs(wanted, options).await;
        session.each("DescribeConfigs", asked, answers, |resource, entries| {
            Ok(entries
                .into_iter()
                .map(|entry| convert::config_entry(resource, entry))
                .collect())
        })
    }

    /// A broker takes changes of its own configuration only itself (`ConfigAdminManager.preprocess`), so that nothing
    /// can be changed of one that is down; all other changes go to the controller.
    async fn alter_configs(
        &self,
        changes: &[(ConfigResource, Vec<ConfigChange>)],
    ) -> Result<Each<ConfigResource, ()>, ClusterError> {
        let asked = requests::config_resources(changes.iter().map(|(resource, _)| resource));
        let operations = requests::config_operations(changes);
        let session = self.sessions.current().await?;
        let answers = session
            .admin
            .incremental_alter_configs(operations, Default::default())
            .await;
        session.each("IncrementalAlterConfigs", asked, answers, |_, done| Ok(done))
    }

    async fn reassignments(&self) -> Result<BTreeMap<TopicPartition, Reassignment>, ClusterError> {
        let session = self.sessions.current().await?;
        let answer = session
            .admin
            .list_partition_reassignments(Default::default())
            .await;
        let listed = session.outcome("ListPartitionReassignments", answer)?;
        listed
            .into_iter()
            .map(|(partition, reassignment)| {
                Ok((
                    convert::partition(&partition)?,
                    convert::reassignment(reassignment)?,
                ))
            })
            .collect()
    }

    async fn reassign(
        &self,
        targets: &[(TopicPartition, Vec<BrokerId>)],
    ) -> Result<Each<TopicPartition, ()>, ClusterError> {
        let targets = targets.iter().map(|(partition, replicas)| {
            let replicas = replicas.iter().map(|id| id.get()).collect();
            (partition.clone(), Some(replicas))
        });
        self.alter_reassignments(targets.collect()).await
    }

    async fn cancel_reassignments(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Each<TopicPartition, ()>, ClusterError> {
        let targets = partitions.iter().map(|partition| (partition.clone(), None));
        self.alter_reassignments(targets.collect()).await
    }

    async fn elect_preferred_leaders(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Each<TopicPartition, ()>, ClusterError> {
        let asked = requests::partitions(partitions);
        if asked.is_empty() {
            // Without a list this request means all partitions of the cluster; an empty one is not risked.
            return Ok(Each::new());
        }
        let wanted = asked.values().cloned().collect();
        let session = self.sessions.current().await?;
        let answers = session
            .admin
            .elect_leaders(admin::ElectionType::Preferred, Some(wanted), Default::default())
            .await;
        session.each("ElectLeaders", asked, answers, |_, done| Ok(done))
    }

    async fn create_topics(&self, topics: &[NewTopic]) -> Result<Each<TopicName, ()>, ClusterError> {
        let asked = requests::topics(topics.iter().map(|topic| &topic.name));
        let wanted: krafka::Result<Vec<_>> = topics.iter().map(requests::new_topic).collect();
        let session = self.sessions.current().await?;
        let answers = match wanted {
            Ok(topics) => session.admin.create_topics(topics, Default::default()).await,
            Err(error) => Err(error),
        };
        session.each("CreateTopics", asked, answers, |_, done| Ok(done))
    }

    async fn delete_topics(&self, topics: &[TopicName]) -> Result<Each<TopicName, ()>, ClusterError> {
        let asked = requests::topics(topics.iter());
        let names: Vec<_> = asked.values().cloned().collect();
        let session = self.sessions.current().await?;
        let answers = session.admin.delete_topics(names, Default::default()).await;
        session.each("DeleteTopics", asked, answers, |_, done| Ok(done))
    }

    async fn create_partitions(
        &self,
        totals: &[(TopicName, u32)],
    ) -> Result<Each<TopicName, ()>, ClusterError> {
        let asked = requests::topics(totals.iter().map(|(topic, _)| topic));
        let totals: Vec<_> = totals
            .iter()
            .map(|(topic, total)| (topic.to_string(), i32::try_from(*total).unwrap_or(i32::MAX)))
            .collect();
        let session = self.sessions.current().await?;
        let answers = session.admin.create_partitions(totals, Default::default()).await;
        session.each("CreatePartitions", asked, answers, |_, done| Ok(done))
    }

    async fn groups(&self) -> Result<Each<BrokerId, Vec<GroupListing>>, ClusterError> {
        let session = self.sessions.current().await?;
        let learned = session.learn_brokers().await;
        session.outcome("DescribeCluster", learned)?;
        let options = admin::ListConsumerGroupsOptions::default().timeout(session.patience());
        let answers = session.admin.list_consumer_groups(options).await;
        let answers = session.outcome("ListGroups", answers)?;
        let asked = answers
            .keys()
            .map(|&id| Ok((convert::broker(id)?, id)))
            .collect::<Result<BTreeMap<_, _>, ClusterError>>()?;
        session.each("ListGroups", asked, Ok(answers), |_, listed| {
            Ok(convert::groups(listed))
        })
    }

    async fn describe_groups(
        &self,
        coordinator: BrokerId,
        kind: GroupKind,
        groups: &[GroupId],
    ) -> Result<Each<GroupId, GroupDescription>, ClusterError> {
        let session = self.sessions.current().await?;
        groups::describe(&session, coordinator, kind, groups).await
    }

    /// Committed offsets are those that an open transaction can still change, too, as Kafka's own tools show them.
    async fn positions(
        &self,
        coordinator: BrokerId,
        kind: GroupKind,
        groups: &[GroupId],
    ) -> Result<Each<GroupId, Vec<TopicPositions>>, ClusterError> {
        let session = self.sessions.current().await?;
        groups::positions(&session, coordinator, kind, groups).await
    }
}

impl KafkaCluster {
    /// Starts a reassignment of each partition to the replicas given, or cancels the one in progress where there are none.
    async fn alter_reassignments(
        &self,
        targets: BTreeMap<TopicPartition, Option<Vec<i32>>>,
    ) -> Result<Each<TopicPartition, ()>, ClusterError> {
        let asked: BTreeMap<_, _> = targets
            .keys()
            .map(|partition| (partition.clone(), requests::partition(partition)))
            .collect();
        let wanted: Vec<_> = asked.values().cloned().zip(targets.into_values()).collect();
        let session = self.sessions.current().await?;
        let answers = session
            .admin
            .alter_partition_reassignments(wanted, Default::default())
            .await;
        session.each("AlterPartitionReassignments", asked, answers, |_, done| Ok(done))
    }
}

#[cfg(test)]
mod tests {
    use krafka::testing::{ApiKey, Control, FakeBroker};

    use super::session::tests::{TIMEOUT, session_with};
    use super::*;
    use crate::connection::Security;

    #[tokio::test(start_paused = true)]
    async fn a_leader_that_does_not_answer_costs_nobody_the_offsets_of_the_others() {
        let brokers = FakeBroker::start_in_memory(2);
        brokers.create_topic("orders", 2);
        for number in 0..2 {
            assert!(brokers.set_leader("orders", number, number));
        }
        brokers.on(ApiKey::ListOffsets, |request| match request.node_id {
            0 => Control::Silence,
            _ => Control::Pass,
        });
        let session = session_with(&brokers, Security::Plaintext).await;
        let cluster = KafkaCluster {
            sessions: Arc::new(Sessions::connected(session)),
        };
        let partitions = ["orders-0", "orders-1"].map(|name| name.parse().unwrap());
        let asking = cluster.offsets(&partitions, OffsetSpec::Latest);
        let offsets = tokio::time::timeout(TIMEOUT / 2, asking).await.unwrap().unwrap();
        let [silent, answering] = partitions.map(|partition| &offsets[&partition]);
        assert!(matches!(silent, Err(ClusterError::TimedOut { .. })), "{silent:?}");
        assert!(matches!(answering, Ok(0)), "{answering:?}");
    }
}
