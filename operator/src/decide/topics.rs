//! What has to be done so that the topics of a spec are there as it says. Nothing here takes anything away but replicas that
//! the spec does not want any more, and of those at least one in-sync replica stays, which the balancer sees to.

use std::collections::BTreeMap;

use balancer::api::view::Phase;
use balancer::journal::Mode;
use kafka::cluster::{ConfigChange, NewTopic, Placement};
use kafka::ids::{ReplicationFactor, TopicName};

use super::Trouble;
use super::balancer::BalancerFacts;
use super::kafka::{KafkaFacts, MIN_IN_SYNC};
use super::live::name;
use crate::cluster::Topic;

/// What to do with topics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topics {
    /// Topics to make.
    pub make: Vec<NewTopic>,
    /// Topics that get more partitions, with how many there are to be then.
    pub grow: Vec<(TopicName, u32)>,
    /// Configurations to change.
    pub configure: Vec<(TopicName, Vec<ConfigChange>)>,
    /// Topics of which the balancer is to make the number of replicas what the spec says.
    pub replicate: BTreeMap<TopicName, ReplicationFactor>,
    /// What the balancer is doing, or is waited for to do, a sentence for each topic.
    pub doing: Vec<String>,
    /// What differs and cannot be changed without harm.
    pub troubles: Vec<Trouble>,
}

/// The most topics whose replicas the balancer is to change at a time; the others' turn comes then.
const MOST_REPLICATIONS: usize = 500;

impl Topics {
    /// Decides for all topics of a spec. None is made before all brokers are there, so that its replicas are spread.
    pub fn decide(
        wanted: &[Topic],
        kafka: &KafkaFacts,
        balancer: Result<&BalancerFacts, &str>,
        all_alive: bool,
    ) -> Self {
        let mut topics = Self::default();
        for topic in wanted {
            let present = kafka
                .description
                .topics
                .iter()
                .find(|present| present.name == topic.name);
            match present {
                Some(present) => {
                    topics.compare(topic, present, kafka);
                    topics.compare_replicas(topic, present, kafka, balancer);
                }
                None if all_alive => topics.make.push(new(topic)),
                None => {}
            }
        }
        topics
    }

    fn compare(&mut self, wanted: &Topic, present: &kafka::cluster::Topic, kafka: &KafkaFacts) {
        let name = &wanted.name;
        let partitions = u32::try_from(present.partitions.len()).unwrap_or(u32::MAX);
        match wanted.partitions {
            Some(wanted) if wanted > partitions => self.grow.push((name.clone(), wanted)),
            Some(wanted) if wanted < partitions => self.troubles.push(Trouble::new(
                "TopicDiffers",
                format!(
                    "topic {name} has {partitions} partitions and the spec says {wanted}; partitions cannot be taken \
                     away: write {partitions}, or make another topic"
                ),
            )),
            _ => {}
        }
        let set = kafka.topic_configs.get(name);
        let differs = |(key, value): &(&String, &String)| {
            let found = set.and_then(|set| set.get(*key));
            !found.is_some_and(|found| means_the_same(found, value))
        };
        let changes: Vec<ConfigChange> = wanted
            .config
            .iter()
            .filter(differs)
            .map(|(key, value)| ConfigChange::Set {
                name: key.clone(),
                value: value.clone(),
            })
            .collect();
        // Without an answer about its configuration nothing is known to differ.
        if set.is_some() && !changes.is_empty() {
            self.configure.push((name.clone(), changes));
        }
    }

    fn compare_replicas(
        &mut self,
        wanted: &Topic,
        present: &kafka::cluster::Topic,
        kafka: &KafkaFacts,
        balancer: Result<&BalancerFacts, &str>,
    ) {
        let name = &wanted.name;
        let replicas = wanted.replication_factor.map(i64::from);
        let Some(Ok(replicas)) = replicas.map(ReplicationFactor::try_from) else {
            return;
        };
        let found = present.partitions.iter();
        let found = found.map(|partition| kafka.replication_factor(name, partition));
        let others: Vec<usize> = found.filter(|found| *found != replicas.get()).collect();
        let ordered = balancer.ok().and_then(|balancer| balancer.replicating.get(name));
        if others.is_empty() && ordered.is_none() {
            return;
        }
        if others.is_empty() && ordered == Some(&replicas) {
            self.doing.push(format!(
                "topic {name} gets {replicas} replicas: the last are under way"
            ));
            return;
        }
        if balancer.is_ok_and(|balancer| balancer.mode == Mode::Observe) {
            let differs = others.first().map(|found| only_observed(name, *found, replicas));
            self.troubles.extend(differs);
            return;
        }
        let minimum = kafka
            .topic_configs
            .get(name)
            .and_then(|set| set.get(MIN_IN_SYNC)?.parse().ok());
        if let Some(minimum) = minimum.filter(|minimum: &usize| *minimum > replicas.get()) {
            self.troubles.push(below_minimum(name, replicas, minimum));
            return;
        }
        let hindrance = hindrance(replicas, kafka, balancer);
        let waiting = balancer.map_or(0, |balancer| balancer.replicating.len()) + self.replicate.len();
        if hindrance.is_none() && ordered != Some(&replicas) && waiting < MOST_REPLICATIONS {
            self.replicate.insert(name.clone(), replicas);
        }
        let needs_a_yes = balancer.is_ok_and(|balancer| balancer.mode == Mode::Approve);
        let approval = needs_a_yes.then(|| "plans wait for `kafka-balancer approve`".to_owned());
        let waits = hindrance
            .or(approval)
            .map_or_else(String::new, |waits| format!("; {waits}"));
        self.doing.push(format!(
            "topic {name} gets {replicas} replicas: {} of {} partitions have another number{waits}",
            others.len(),
            present.partitions.len()
        ));
    }

    /// What will be done, a sentence for each topic.
    pub fn said(&self) -> Vec<String> {
        let made = self
            .make
            .iter()
            .map(|topic| format!("topic {} is made", topic.name));
        let grown = self
            .grow
            .iter()
            .map(|(topic, total)| format!("topic {topic} gets {total} partitions"));
        let configured = self.configure.iter().map(|(topic, changes)| {
            let names: Vec<&str> = changes.iter().map(name).collect();
            format!("topic {topic}: {} is set", names.join(", "))
        });
        made.chain(grown).chain(configured).collect()
    }
}

/// Whether two values of a configuration mean the same: Kafka tells a topic's as it has read them, such as `compact,delete` for
/// `compact, delete` and `1.0` for `1` (`ConfigDef.convertToString`).
fn means_the_same(a: &str, b: &str) -> bool {
    let elements =
        |list: &'_ str| -> Vec<String> { list.split(',').map(|one| one.trim().to_owned()).collect() };
    let (a, b) = (elements(a), elements(b));
    let is_same = |(a, b): (&String, &String)| match (a.parse::<i64>(), b.parse::<i64>()) {
        (Ok(a), Ok(b)) => a == b,
        _ => match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(a), Ok(b)) => a == b,
            _ => {
                a == b || a.eq_ignore_ascii_case(b) && ["true", "false"].contains(&a.to_lowercase().as_str())
            }
        },
    };
    a.len() == b.len() && a.iter().zip(&b).all(is_same)
}

/// A topic whose configuration in Kafka asks for more replicas in sync than there are to be.
fn below_minimum(topic: &TopicName, replicas: ReplicationFactor, minimum: usize) -> Trouble {
    Trouble::new(
        "TopicDiffers",
        format!(
            "topic {topic} is to have {replicas} replicas, and its {MIN_IN_SYNC} is {minimum}, so that nobody could write to it; \
             lower {MIN_IN_SYNC} in spec.topics[].config, or write at least {minimum} into spec.topics[].replicationFactor"
        ),
    )
}

/// What has to come before the balancer can be asked for so many replicas.
fn hindrance(
    replicas: ReplicationFactor,
    kafka: &KafkaFacts,
    balancer: Result<&BalancerFacts, &str>,
) -> Option<String> {
    let alive = kafka.description.brokers.len();
    match balancer {
        Err(reason) => Some(format!("the balancer does not answer: {reason}")),
        Ok(balancer) if balancer.phase == Phase::Starting => {
            Some("the balancer has no picture of the cluster yet".to_owned())
        }
        Ok(_) => (replicas.get() > alive)
            .then(|| format!("it waits for so many brokers, of which {alive} are alive")),
    }
}

fn only_observed(topic: &TopicName, found: usize, wanted: ReplicationFactor) -> Trouble {
    Trouble::new(
        "TopicDiffers",
        format!(
            "topic {topic} has {found} replicas of a partition and the spec says {wanted}, and the balancer only observes; set \
             spec.balancer.mode to auto or approve (after a stop also `kafka-balancer mode auto`), or write {found} into \
             spec.topics[].replicationFactor"
        ),
    )
}

fn new(topic: &Topic) -> NewTopic {
    NewTopic {
        name: topic.name.clone(),
        placement: Placement::Automatic {
            partitions: topic.partitions,
            replication_factor: topic.replication_factor,
        },
        configs: topic.config.clone(),
    }
}
