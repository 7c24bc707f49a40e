//! Orders of numbers of replicas: what they name, checked.

use std::collections::BTreeMap;

use kafka::cluster::{ConfigResource, Topic};
use kafka::error::with_causes;
use kafka::{Cluster, ClusterError, CompactedLog, ReplicationFactor, TopicName};

use super::Balancer;
use crate::action::ActionError;
use crate::execute::{MIN_IN_SYNC, min_in_sync};
use crate::journal::{Replication, Timestamp};
use crate::observe::ReportSource;

impl<C: Cluster + Clone, L: CompactedLog, R: ReportSource> Balancer<C, L, R> {
    /// What is to be remembered of an order that can be obeyed.
    pub(super) async fn replications(
        &self,
        topics: &BTreeMap<TopicName, Option<ReplicationFactor>>,
        now: Timestamp,
    ) -> Result<Vec<(TopicName, Option<Replication>)>, ActionError> {
        if topics.is_empty() {
            return Err(ActionError::NoTopic);
        }
        // What the last look saw may be gone, and made again under the same name.
        let description = self.cluster.describe().await.map_err(not_now)?;
        let known: BTreeMap<&TopicName, &Topic> = description
            .topics
            .iter()
            .map(|topic| (&topic.name, topic))
            .collect();
        let mut orders = Vec::new();
        for (name, replicas) in topics {
            let Some(replicas) = *replicas else {
                orders.push((name.clone(), None));
                continue;
            };
            let topic = known
                .get(name)
                .ok_or_else(|| ActionError::UnknownTopic(name.clone()))?;
            if replicas.get() > description.brokers.len() {
                return Err(ActionError::TooManyReplicas {
                    topic: name.clone(),
                    replicas,
                    brokers: description.brokers.len(),
                });
            }
            let order = Replication {
                topic_id: topic.id,
                replicas,
                asked_at: now,
                over_since: None,
            };
            orders.push((name.clone(), Some(order)));
        }
        self.check_minimums(&orders).await?;
        Ok(orders)
    }

    async fn check_minimums(&self, orders: &[(TopicName, Option<Replication>)]) -> Result<(), ActionError> {
        let wanted = orders
            .iter()
            .filter_map(|(topic, order)| Some((topic, order.as_ref()?.replicas)));
        let wanted: BTreeMap<&TopicName, ReplicationFactor> = wanted.collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let resources: Vec<ConfigResource> = wanted
            .keys()
            .map(|topic| ConfigResource::Topic((*topic).clone()))
            .collect();
        let answers = self
            .cluster
            .configs(&resources, &[MIN_IN_SYNC])
            .await
            .map_err(not_now)?;
        for (topic, replicas) in wanted {
            let entries = match answers.get(&ConfigResource::Topic(topic.clone())) {
                Some(Ok(entries)) => entries,
                Some(Err(error)) => return Err(ActionError::NotNow(with_causes(error))),
                None => continue,
            };
            if let Some(minimum) = min_in_sync(entries).filter(|minimum| replicas.get() < *minimum) {
                return Err(ActionError::TooFewReplicas {
                    topic: topic.clone(),
                    replicas,
                    minimum,
                });
            }
        }
        Ok(())
    }
}

fn not_now(error: ClusterError) -> ActionError {
    ActionError::NotNow(with_causes(&error))
}
