//! One simulated cluster with an executor, and what the tests do to it.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka::Cluster;
use kafka::cluster::{ConfigChange, ConfigResource, ConfigSource, NewTopic, Partition, Placement};
use kafka::ids::{BrokerId, TopicPartition};
use kafka::simulated::{SimulatedBroker, SimulatedCluster, SimulatedLog};
use tokio::time::Instant;

use super::{a_move, broker, no_configs};
use crate::execute::{Executor, Guidance, Limits, TickReport};
use crate::journal::{FinishedPlan, Mode, Outcome, PlanId, Timestamp};
use crate::plan::Move;

pub(super) type Configs = BTreeMap<(ConfigResource, String), String>;

pub(super) struct Story {
    pub(super) cluster: SimulatedCluster,
    pub(super) log: SimulatedLog,
    pub(super) limits: Limits,
    pub(super) executor: Executor<SimulatedCluster, SimulatedLog>,
    began: Instant,
}

impl Story {
    /// Brokers 0 to `count`-1 and an executor in mode auto.
    pub(super) async fn with_brokers(count: i32) -> Self {
        let cluster = SimulatedCluster::new((0..count).map(|id| SimulatedBroker::new(broker(id))));
        let log = SimulatedLog::default();
        let limits = Limits {
            disk_reserve: 1000,
            ..Limits::default()
        };
        let executor = Executor::open(cluster.clone(), &log, limits.clone(), Mode::Auto, Timestamp(0))
            .await
            .unwrap();
        Self {
            cluster,
            log,
            limits,
            executor,
            began: Instant::now(),
        }
    }

    pub(super) async fn topic(&self, name: &str, assignments: &[Vec<BrokerId>], min_in_sync: usize) {
        let mut configs = no_configs();
        configs.insert("min.insync.replicas".to_owned(), min_in_sync.to_string());
        let new = NewTopic {
            name: super::topic(name),
            placement: Placement::Manual(assignments.to_vec()),
            configs,
        };
        for (_, made) in self.cluster.create_topics(&[new]).await.unwrap() {
            made.unwrap();
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp(1_800_000_000_000 + self.began.elapsed().as_millis() as u64)
    }

    /// A move of a partition from where it is.
    pub(super) async fn plan_move(&self, name: &TopicPartition, to: &[BrokerId], bytes: u64) -> Move {
        let description = self.cluster.describe().await.unwrap();
        let topic = description
            .topics
            .iter()
            .find(|topic| topic.name == name.topic)
            .unwrap();
        let found = &topic.partitions[name.partition.get() as usize];
        let mut planned = a_move(name.clone(), topic.id, &found.replicas, to, bytes);
        planned.from_leader = found.leader;
        planned
    }

    pub(super) async fn see(&self, name: &TopicPartition) -> Option<Partition> {
        let description = self.cluster.describe().await.unwrap();
        let topic = description
            .topics
            .into_iter()
            .find(|topic| topic.name == name.topic)?;
        topic.partitions.into_iter().nth(name.partition.get() as usize)
    }

    /// Lets the executor die and a new one take over.
    pub(super) async fn crash(&mut self) {
        self.restart(Mode::Auto).await;
    }

    /// The same with another configuration.
    pub(super) async fn restart(&mut self, mode: Mode) {
        let (cluster, limits, now) = (self.cluster.clone(), self.limits.clone(), self.now());
        self.executor = Executor::open(cluster, &self.log, limits, mode, now)
            .await
            .unwrap();
    }

    pub(super) async fn tick(&mut self, guidance: &Guidance) -> TickReport {
        let now = self.now();
        let report = self.executor.tick(guidance, now).await.unwrap();
        tokio::time::advance(Duration::from_secs(5)).await;
        report
    }

    /// Ticks until nothing of ours is in Kafka and no plan is left.
    pub(super) async fn finish(&mut self, id: PlanId) -> FinishedPlan {
        for _ in 0..1000 {
            self.tick(&Guidance::default()).await;
            let status = self.executor.status();
            if status.plan.is_none()
                && status.throttles.rates.is_empty()
                && status.throttles.replicas.is_empty()
            {
                return finished(&status.history, id);
            }
        }
        panic!("never at rest: {:#?}", self.executor.status());
    }

    pub(super) async fn alter(&self, resource: ConfigResource, change: ConfigChange) {
        let answers = self
            .cluster
            .alter_configs(&[(resource.clone(), vec![change])])
            .await
            .unwrap();
        assert!(answers[&resource].is_ok());
    }

    /// Every dynamic entry of every running broker and every topic.
    pub(super) async fn configs(&self) -> Configs {
        let description = self.cluster.describe().await.unwrap();
        let topics = description
            .topics
            .iter()
            .map(|topic| ConfigResource::Topic(topic.name.clone()));
        let alive = description
            .brokers
            .iter()
            .map(|broker| ConfigResource::Broker(broker.id));
        let resources: Vec<_> = topics.chain(alive).collect();
        let mut found = Configs::new();
        for (resource, entries) in self.cluster.configs(&resources, &[]).await.unwrap() {
            for entry in entries.unwrap_or_default() {
                if entry.source == ConfigSource::Dynamic {
                    found.insert((resource.clone(), entry.name), entry.value.unwrap());
                }
            }
        }
        found
    }
}

pub(super) fn finished(history: &[(PlanId, FinishedPlan)], id: PlanId) -> FinishedPlan {
    let (_, plan) = history.iter().find(|(finished, _)| *finished == id).unwrap();
    plan.clone()
}

pub(super) fn outcomes(plan: &FinishedPlan) -> Vec<Outcome> {
    plan.moves.iter().map(|ended| ended.outcome.clone()).collect()
}

pub(super) fn set(name: &str, value: &str) -> ConfigChange {
    ConfigChange::Set {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}
