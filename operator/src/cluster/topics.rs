//! Topics that are to be there.

use std::collections::{BTreeMap, BTreeSet};

use kafka::ids::TopicName;

use super::problem::Problems;
use super::properties::{Properties, plain_text};
use crate::crd;

/// A topic that is to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: TopicName,
    /// At least so many partitions; as many as brokers make by default when none.
    pub partitions: Option<u32>,
    /// So many replicas of each; as many as brokers make by default when none.
    pub replication_factor: Option<u16>,
    /// Its configuration.
    pub config: BTreeMap<String, String>,
}

/// Configurations of topics that are not the user's.
const THROTTLES: &str = "replication.throttled.replicas";

pub(super) fn read(
    topics: &[crd::Topic],
    brokers: u16,
    properties: &Properties,
    problems: &mut Problems,
) -> Vec<Topic> {
    let mut taken = BTreeSet::new();
    let mut read = Vec::new();
    for (index, topic) in topics.iter().enumerate() {
        let field = format!("spec.topics[{index}]");
        // Metrics of Kafka cannot tell `a.b` from `a_b`, and so it refuses the second of them.
        if !taken.insert(topic.name.replace('.', "_")) {
            let cause = format!("there is a topic of the name `{}` before it", topic.name);
            problems.note(
                format!("{field}.name"),
                cause,
                "rename it; a dot and an underscore count as the same",
            );
        }
        read.extend(one(&field, topic, brokers, properties, problems));
    }
    read
}

fn one(
    field: &str,
    topic: &crd::Topic,
    brokers: u16,
    properties: &Properties,
    problems: &mut Problems,
) -> Option<Topic> {
    let parsed = topic.name.parse::<TopicName>();
    let name = problems.check(
        format!("{field}.name"),
        "use letters, digits, dots, underscores and hyphens",
        parsed,
    );
    let name = name.filter(|name| {
        let internal = name.is_internal() || topic.name.starts_with("__");
        if internal {
            let cause = format!("`{}` is a topic of Kafka's own", topic.name);
            problems.note(format!("{field}.name"), cause, "remove it");
        }
        !internal
    });
    let partitions = positive(&format!("{field}.partitions"), topic.partitions, problems);
    let replicas = positive(
        &format!("{field}.replicationFactor"),
        topic.replication_factor,
        problems,
    );
    let config = configuration(field, topic, problems);
    if let Some(replicas) = replicas {
        replicas_fit(field, replicas, brokers, &config, properties, problems);
    }
    Some(Topic {
        name: name?,
        partitions,
        replication_factor: replicas.and_then(|replicas| replicas.try_into().ok()),
        config,
    })
}

fn positive(field: &str, number: Option<i32>, problems: &mut Problems) -> Option<u32> {
    let number = number?;
    let positive = u32::try_from(number).ok().filter(|number| *number > 0);
    if positive.is_none() {
        problems.note(field, format!("is {number}"), "write at least 1");
    }
    positive
}

fn replicas_fit(
    field: &str,
    replicas: u32,
    brokers: u16,
    config: &BTreeMap<String, String>,
    properties: &Properties,
    problems: &mut Problems,
) {
    let field = format!("{field}.replicationFactor");
    if replicas > u32::from(brokers) {
        let cause = format!(
            "{replicas} replicas cannot be on {brokers} brokers, since each is on a broker of its own"
        );
        problems.note(
            &field,
            cause,
            "write fewer, or raise spec.brokerCount to at least as many",
        );
    }
    let minimum = config
        .get("min.insync.replicas")
        .map(String::as_str)
        .or_else(|| properties.get("min.insync.replicas"))
        .and_then(|minimum| minimum.parse::<u32>().ok());
    if let Some(minimum) = minimum.filter(|minimum| replicas < *minimum) {
        let cause =
            format!("{replicas} is less than min.insync.replicas, {minimum}: no producer could write");
        problems.note(&field, cause, "write more, or lower min.insync.replicas");
    }
}

fn configuration(field: &str, topic: &crd::Topic, problems: &mut Problems) -> BTreeMap<String, String> {
    let mut config = BTreeMap::new();
    for (key, value) in &topic.config {
        let field = format!("{field}.config.{key}");
        if key.ends_with(THROTTLES) {
            problems.note(
                field,
                "cannot be set here: throttles are the balancer's",
                "remove it",
            );
        } else if let Some(text) = plain_text(value) {
            config.insert(key.clone(), text);
        } else {
            let cure = "write a text of one line, a number, or true or false";
            problems.note(field, "has a value that no topic can have", cure);
        }
    }
    config
}
