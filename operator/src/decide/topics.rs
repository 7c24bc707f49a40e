//! What has to be done so that the topics of a spec are there as it says. Nothing here takes anything away.

use kafka::cluster::{ConfigChange, NewTopic, Placement};
use kafka::ids::TopicName;

use super::Trouble;
use super::kafka::KafkaFacts;
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
    /// What differs and cannot be changed without harm.
    pub troubles: Vec<Trouble>,
}

impl Topics {
    /// Decides for all topics of a spec. None is made before all brokers are there, so that its replicas are spread.
    pub fn decide(wanted: &[Topic], kafka: &KafkaFacts, all_alive: bool) -> Self {
        let mut topics = Self::default();
        for topic in wanted {
            let present = kafka
                .description
                .topics
                .iter()
                .find(|present| present.name == topic.name);
            match present {
                Some(present) => topics.compare(topic, present, kafka),
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
        self.compare_replicas(wanted, present, kafka);
        let set = kafka.topic_configs.get(name);
        let differs = |(key, value): &(&String, &String)| set.and_then(|set| set.get(*key)) != Some(value);
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

    fn compare_replicas(&mut self, wanted: &Topic, present: &kafka::cluster::Topic, kafka: &KafkaFacts) {
        let Some(replicas) = wanted.replication_factor else {
            return;
        };
        let other = present
            .partitions
            .iter()
            .map(|partition| kafka.replication_factor(&present.name, partition))
            .find(|found| *found != usize::from(replicas));
        if let Some(found) = other {
            let name = &wanted.name;
            self.troubles.push(Trouble::new(
                "TopicDiffers",
                format!(
                    "topic {name} has {found} replicas of a partition and the spec says {replicas}; change them with \
                     kafka-reassign-partitions, or write {found}"
                ),
            ));
        }
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
