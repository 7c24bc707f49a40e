//! Asking the broker for its logs over the Kafka protocol.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use kafka::{BrokerId, Cluster, TopicName};
use tokio::time::timeout;
use tracing::debug;

use super::collect::{Outcome, taken};
use crate::clock::Clock;
use crate::config::BrokerConfig;
use crate::derivation::Taken;
use crate::health::Failure;
use crate::logs::LogReading;
use crate::logs::protocol::{Layout, LogsError, TopicConfig, followers_serve, topic_configs};

#[derive(Debug)]
pub(super) struct Protocol<C> {
    broker: BrokerId,
    clock: Clock,
    cluster: C,
    /// How long a request may take.
    limit: Duration,
    /// How long one may take while MBeans tell the same.
    brief_limit: Duration,
    /// What is learnt of configurations, since it seldom changes.
    followers_serve: bool,
    topics: BTreeMap<TopicName, TopicConfig>,
    learnt: u64,
}

/// How often new topics are learnt about to once that all are learnt about anew.
const ALL_EVERY: u64 = 10;

impl<C: Cluster> Protocol<C> {
    pub(super) fn new(config: &BrokerConfig, clock: Clock, cluster: C) -> Self {
        let limit = config.kafka.as_ref().map(|kafka| kafka.request_timeout);
        Self {
            broker: config.broker,
            clock,
            cluster,
            brief_limit: config.interval / 2,
            limit: limit.unwrap_or(config.interval),
            followers_serve: false,
            topics: BTreeMap::new(),
            learnt: 0,
        }
    }

    /// Asks who leads what. `is_brief` says that there is something better to do than to wait.
    pub(super) async fn layout(&self, is_brief: bool) -> Result<Layout, LogsError> {
        self.in_time(is_brief, Layout::ask(&self.cluster, self.broker))
            .await
    }

    /// Reads the logs. `asked` is how long it took to learn the layout.
    pub(super) async fn read(
        &self,
        is_brief: bool,
        layout: Result<Layout, LogsError>,
        asked: Duration,
    ) -> Outcome<Taken<LogReading>> {
        let began = self.clock.now();
        let result = match layout {
            Ok(layout) => self.in_time(is_brief, layout.read(&self.cluster)).await,
            Err(error) => Err(error),
        };
        let result = result.map(|mut reading| {
            self.complete(&mut reading);
            taken(began, self.clock, reading)
        });
        Outcome {
            result: result.map_err(|error| Failure::new(error.kind(), &error)),
            duration: asked + (self.clock.now() - began),
        }
    }

    /// Adds what was learnt of configurations.
    fn complete(&self, reading: &mut LogReading) {
        reading.followers_serve = Some(self.followers_serve);
        let rewritten = self.topics.iter().filter(|(_, config)| config.is_rewritten);
        reading.rewritten = rewritten.map(|(topic, _)| topic.clone()).collect();
        for (partition, replica) in &mut reading.replicas {
            let minimum = || self.topics.get(&partition.topic)?.min_in_sync;
            if let Some(led) = &mut replica.led {
                // Kafka asks for no more replicas than there are (`Partition.effectiveMinIsr`).
                led.against_minimum = minimum().map(|minimum| led.in_sync.cmp(&minimum.min(led.replicas)));
            }
        }
    }

    /// Learns what changes only with configurations. Who may not describe the broker's is not told, and assumes Kafka's
    /// default, that followers do not serve; who may not describe topics' does not say which partitions are at their
    /// minimum, and takes logs for what was written.
    pub(super) async fn learn(&mut self, reading: &LogReading) {
        let asking = followers_serve(&self.cluster, self.broker);
        match self.in_time(false, asking).await {
            Ok(serve) => self.followers_serve = serve,
            Err(error) => debug!(%error, "the broker's replica selector is not known"),
        }
        let led = reading
            .replicas
            .iter()
            .filter(|(_, replica)| replica.led.is_some());
        let led: BTreeSet<&TopicName> = led.map(|(partition, _)| &partition.topic).collect();
        self.topics.retain(|topic, _| led.contains(topic));
        let all = self.learnt.is_multiple_of(ALL_EVERY);
        self.learnt += 1;
        let unknown = led
            .into_iter()
            .filter(|topic| all || !self.topics.contains_key(*topic));
        let unknown: Vec<TopicName> = unknown.cloned().collect();
        match self.in_time(false, topic_configs(&self.cluster, &unknown)).await {
            Ok(found) => self.topics.extend(found),
            Err(error) => debug!(%error, "the topics' configurations are not known"),
        }
    }

    async fn in_time<T>(
        &self,
        is_brief: bool,
        asking: impl Future<Output = Result<T, LogsError>>,
    ) -> Result<T, LogsError> {
        let limit = if is_brief { self.brief_limit } else { self.limit };
        timeout(limit, asking)
            .await
            .unwrap_or(Err(LogsError::TimedOut(self.broker)))
    }
}
