//! Asking Kafka, and changing it: what a decision needs, and what it says.

use std::collections::BTreeMap;

use kafka::cluster::{Cluster, ConfigEntry, ConfigResource, ConfigSource, Each};
use kafka::error::{ClusterError, with_causes};
use kafka::ids::TopicName;
use kafka::membership::Membership;
use kafka::users::{UserChange, UserName, Users};

use crate::cluster::LIVE;
use crate::decide::{Decision, KafkaFacts, MIN_IN_SYNC, Questions};

/// Asks Kafka.
pub(super) async fn look(
    kafka: &(impl Cluster + Membership + Users),
    questions: &Questions,
) -> Result<KafkaFacts, ClusterError> {
    let defaults = [ConfigResource::BrokerDefault];
    // A move that begins or ends while topics are read is in one of the two lists: its partition's replicas, of which some
    // come and some go, are never taken for as many as there should be.
    let mut reassignments = kafka.reassignments().await?;
    let (description, defaults) = tokio::try_join!(kafka.describe(), kafka.configs(&defaults, &LIVE))?;
    reassignments.extend(kafka.reassignments().await?);
    let mut facts = KafkaFacts {
        description,
        quorum: None,
        min_in_sync: BTreeMap::new(),
        stored: BTreeMap::new(),
        reassignments,
        defaults: set(defaults.into_values().next().transpose()?.unwrap_or_default()),
        users: Ok(BTreeMap::new()),
        topic_configs: BTreeMap::new(),
    };
    if !questions.users.is_empty() {
        let users = kafka.users(&questions.users).await;
        // A Kafka that is too old for this can be asked everything else.
        facts.users = users.map_err(|error| with_causes(&error));
    }
    if questions.quorum {
        facts.quorum = Some(kafka.quorum().await?);
    }
    if questions.restarts {
        let topics = facts.description.topics.iter();
        let topics = topics
            .map(|topic| ConfigResource::Topic(topic.name.clone()))
            .collect();
        facts.min_in_sync = of_topics(kafka, topics, &[MIN_IN_SYNC])
            .await?
            .into_iter()
            .filter_map(|(topic, entries)| Some((topic, least(&entries)?)))
            .collect();
    }
    if !questions.leaving.is_empty() {
        let leaving: Vec<_> = questions.leaving.iter().copied().collect();
        let stored = kafka.log_dirs(&leaving).await?.into_iter().map(|(broker, dirs)| {
            let replicas = dirs.map(|dirs| dirs.iter().map(|dir| dir.replicas.len()).sum());
            (broker, replicas.map_err(|error| with_causes(&error)))
        });
        facts.stored = stored.collect();
    }
    let there = facts.description.topics.iter();
    let there = there.filter(|topic| questions.topics.contains(&topic.name));
    let there = there
        .map(|topic| ConfigResource::Topic(topic.name.clone()))
        .collect();
    facts.topic_configs = of_topics(kafka, there, &[])
        .await?
        .into_iter()
        .map(|(topic, entries)| (topic, set(entries)))
        .collect();
    Ok(facts)
}

/// The configuration of topics, without those that could not be read: they may have gone since.
async fn of_topics(
    kafka: &impl Cluster,
    topics: Vec<ConfigResource>,
    names: &[&str],
) -> Result<BTreeMap<TopicName, Vec<ConfigEntry>>, ClusterError> {
    if topics.is_empty() {
        return Ok(BTreeMap::new());
    }
    let answers = kafka.configs(&topics, names).await?;
    let of_topic =
        |(resource, entries): (ConfigResource, Result<Vec<ConfigEntry>, ClusterError>)| match resource {
            ConfigResource::Topic(topic) => Some((topic, entries.ok()?)),
            ConfigResource::Broker(_) | ConfigResource::BrokerDefault => None,
        };
    Ok(answers.into_iter().filter_map(of_topic).collect())
}

fn set(entries: Vec<ConfigEntry>) -> BTreeMap<String, String> {
    let dynamic = entries
        .into_iter()
        .filter(|entry| entry.source == ConfigSource::Dynamic);
    dynamic
        .filter_map(|entry| Some((entry.name, entry.value?)))
        .collect()
}

fn least(entries: &[ConfigEntry]) -> Option<usize> {
    let entry = entries.iter().find(|entry| entry.name == MIN_IN_SYNC)?;
    entry.value.as_deref()?.parse().ok()
}

/// Makes the changes of a decision that go through Kafka, each of them, and says which failed.
pub(super) async fn perform(kafka: &(impl Cluster + Membership), decision: &Decision) -> Vec<String> {
    let mut failures = Vec::new();
    if !decision.defaults.is_empty() {
        let changes = [(ConfigResource::BrokerDefault, decision.defaults.clone())];
        note(
            "the defaults of brokers",
            kafka.alter_configs(&changes).await,
            &mut failures,
        );
    }
    let topics = &decision.topics;
    if !topics.make.is_empty() {
        note(
            "making a topic",
            kafka.create_topics(&topics.make).await,
            &mut failures,
        );
    }
    if !topics.grow.is_empty() {
        note(
            "adding partitions",
            kafka.create_partitions(&topics.grow).await,
            &mut failures,
        );
    }
    if !topics.configure.is_empty() {
        let changes = topics.configure.iter();
        let changes: Vec<_> = changes
            .map(|(topic, changes)| (ConfigResource::Topic(topic.clone()), changes.clone()))
            .collect();
        note(
            "configuring a topic",
            kafka.alter_configs(&changes).await,
            &mut failures,
        );
    }
    for broker in &decision.unregister {
        if let Err(error) = kafka.unregister_broker(*broker).await {
            failures.push(format!("taking out broker {broker}: {}", with_causes(&error)));
        }
    }
    failures
}

/// Changes users, and says which changes failed. Taking away what is not there is as good as having done so.
pub(super) async fn alter_users(kafka: &impl Users, changes: Vec<UserChange>) -> Vec<String> {
    if changes.is_empty() {
        return Vec::new();
    }
    let there = |error: &ClusterError| !matches!(error, ClusterError::Refused { code, .. } if code == "RESOURCE_NOT_FOUND");
    let failure = |(user, done): (UserName, Result<(), ClusterError>)| {
        let error = done.err().filter(there)?;
        Some(format!("user {user}: {}", with_causes(&error)))
    };
    match kafka.alter_users(changes).await {
        Ok(each) => each.into_iter().filter_map(failure).collect(),
        Err(error) => vec![format!("users: {}", with_causes(&error))],
    }
}

/// Notes what failed; what was done by another request in between was done all the same. Kafka calls partitions that are there
/// already invalid; a number that is wrong differs at the next look, too.
fn note<K>(action: &str, outcome: Result<Each<K, ()>, ClusterError>, failures: &mut Vec<String>) {
    const THERE: [&str; 2] = ["TOPIC_ALREADY_EXISTS", "INVALID_PARTITIONS"];
    let there = |error: &ClusterError| matches!(error, ClusterError::Refused { code, .. } if THERE.contains(&code.as_str()));
    let errors: Vec<ClusterError> = match outcome {
        Ok(each) => each.into_values().filter_map(Result::err).collect(),
        Err(error) => vec![error],
    };
    for error in errors.iter().filter(|error| !there(error)) {
        failures.push(format!("{action}: {}", with_causes(error)));
    }
}
