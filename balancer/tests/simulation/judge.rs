//! What has to hold in every step, and in the end.

use std::collections::BTreeSet;

use balancer::api::view::Phase;
use balancer::journal::Direction;
use kafka::cluster::ConfigResource;
use kafka::simulated::Cause;
use kafka::{Cluster, TopicPartition};

use super::others::{self, Configs};
use super::schedule::{STEP, Schedule, TOPICS, topic};

impl Schedule {
    /// What holds at any time.
    pub(crate) async fn watch(&mut self) -> Result<(), String> {
        if self.actor.has_panicked() || self.fenced.iter().any(super::actor::Actor::has_panicked) {
            return Err("a balancer has ended by itself".to_owned());
        }
        if let Some(why) = self.others.spoiled(&self.cluster).await {
            return Err(why);
        }
        self.check_fenced()?;
        let own: BTreeSet<TopicPartition> = self
            .cluster
            .reassignments()
            .await
            .unwrap()
            .into_keys()
            .filter(|of| !self.others.moving.contains_key(of))
            .collect();
        if !self.drained && own.iter().any(|of| of.topic == topic("c")) {
            return Err(format!("a topic that is excluded is reassigned: {own:?}"));
        }
        let resumed = self.last_resumed.is_some_and(|at| at.elapsed() <= STEP * 2);
        if resumed {
            self.astray.extend(own.difference(&self.seen).cloned());
        }
        self.astray.retain(|of| own.contains(of));
        let limit = self.config.execute.moves_per_cluster;
        let counted = own.difference(&self.astray).count();
        if counted > limit && !self.journal_lost {
            return Err(format!(
                "{counted} copies at a time, {limit} are allowed: {own:?}"
            ));
        }
        self.check_throttles(&own).await?;
        self.check_in_sync()?;
        self.seen = own;
        Ok(())
    }

    /// A balancer that another one has taken over from acts no more, a tick later at most.
    fn check_fenced(&self) -> Result<(), String> {
        let Some(taken_over) = self.actor.weather.lock().unwrap().opened_at else {
            return Ok(());
        };
        for actor in &self.fenced {
            let changed = actor.weather.lock().unwrap().last_change;
            let known = taken_over.max(actor.resumed_at.unwrap_or(taken_over)) + STEP;
            if let Some(changed) = changed.filter(|changed| *changed > known) {
                return Err(format!(
                    "a fenced balancer acts {:?} later; it says {:?} and had opened the journal {:?} before",
                    changed - taken_over,
                    actor.view().state.phase,
                    actor
                        .weather
                        .lock()
                        .unwrap()
                        .opened_at
                        .map(|at| taken_over.saturating_duration_since(at)),
                ));
            }
        }
        Ok(())
    }

    /// No copy of the balancer's runs without a throttle.
    async fn check_throttles(&self, own: &BTreeSet<TopicPartition>) -> Result<(), String> {
        if own.is_empty() || !self.is_quiet() {
            return Ok(());
        }
        let configs = others::configs(&self.cluster).await;
        let reassignments = self.cluster.reassignments().await.unwrap();
        for of in own.difference(&self.astray) {
            let Some(moving) = reassignments.get(of) else {
                continue;
            };
            for target in &moving.adding {
                // Of a broker that does not answer nobody can say how it is throttled.
                let answers = self.cluster.log_dirs(&[*target]).await.unwrap()[target].is_ok();
                let ours = answers && !self.others.throttled.contains(target);
                if ours && !is_throttled(&configs, of, *target) {
                    return Err(format!(
                        "{of} is copied to broker {target} without a throttle: {}",
                        others::difference(&configs, &self.others.configs)
                    ));
                }
            }
        }
        Ok(())
    }

    fn check_in_sync(&self) -> Result<(), String> {
        for shrink in self.cluster.shrinks() {
            let of_topic = TOPICS
                .iter()
                .find(|(name, ..)| *name == shrink.partition.topic.as_str());
            let minimum = of_topic.map_or(1, |(_, _, _, minimum)| *minimum);
            let ours = shrink.cause != Cause::BrokerFenced && !self.others.moved.contains(&shrink.partition);
            if ours && shrink.before >= minimum && shrink.after < minimum {
                return Err(format!("{shrink:?} goes below min.insync.replicas"));
            }
        }
        Ok(())
    }

    /// Each topic has as many replicas as were ordered, but for the partitions that others have placed.
    async fn check_orders(&self) -> Result<(), String> {
        for topic in self.cluster.describe().await.unwrap().topics {
            let Some(wanted) = self.ordered.get(topic.name.as_str()) else {
                continue;
            };
            for found in topic.partitions {
                let name = TopicPartition::new(topic.name.clone(), found.id);
                let is_so = found.replicas.len() == wanted.get();
                if !is_so && !self.others.moved.contains(&name) {
                    return Err(format!("{name} was to have {wanted} replicas: {found:?}"));
                }
            }
        }
        Ok(())
    }

    /// Whether the balancer does nothing and has left nothing.
    pub(crate) async fn is_at_rest(&self) -> bool {
        let view = self.actor.view();
        if !view.state.replicating.is_empty() {
            return false;
        }
        let phase = view.state.phase;
        let reassignments = self.cluster.reassignments().await.unwrap();
        let own = reassignments
            .keys()
            .any(|of| !self.others.moving.contains_key(of));
        let mut found = others::configs(&self.cluster).await;
        let mut expected = self.others.configs.clone();
        for configs in [&mut found, &mut expected] {
            configs.retain(|(_, name), value| {
                // What was in a list when its record was lost cannot be known once no rate gives it a meaning; it then
                // throttles nothing. And an empty list means the same as none.
                let is_list = name.ends_with("throttled.replicas");
                let is_moot = self.journal_lost || (self.last_resumed.is_some() && value.is_empty());
                !(is_list && is_moot)
            });
        }
        phase == Phase::Watching && !own && found == expected
    }

    /// What has to hold in the end, when all is at rest.
    pub(crate) async fn judge(&mut self) -> Result<(), String> {
        self.check_orders().await?;
        let view = self.actor.view();
        for plan in &view.history {
            self.account.plans += 1;
            self.account.copies += plan.replica_moves as u64;
            for (outcome, count) in &plan.outcomes {
                *self.account.outcomes.entry(outcome.clone()).or_default() += *count as u64;
            }
        }
        Ok(())
    }
}

fn is_throttled(configs: &Configs, of: &TopicPartition, target: kafka::BrokerId) -> bool {
    let list = (
        ConfigResource::Topic(of.topic.clone()),
        Direction::Follower.replicas().to_owned(),
    );
    let rate = (
        ConfigResource::Broker(target),
        Direction::Follower.rate().to_owned(),
    );
    let element = format!("{}:{target}", of.partition);
    let listed = configs
        .get(&list)
        .is_some_and(|list| list == "*" || list.split(',').any(|found| found == element));
    listed && configs.contains_key(&rate)
}
