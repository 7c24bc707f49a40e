//! From `kafkaOptions`, `config` and the two options of leaders to properties of Kafka.

use std::collections::BTreeMap;

use serde_json::Value;

use super::problem::Problems;
use crate::crd::{KafkaOptions, KafkaclusterSpec};

/// Properties that users asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    /// What brokers read when they start: a change of it needs a restart.
    pub at_start: BTreeMap<String, String>,
    /// What is set for all brokers through Kafka, without a restart. It is not in server.properties: a broker would fall
    /// back to what its file said at its start when an option is taken out of the spec.
    pub live: BTreeMap<String, String>,
}

/// What Kafka takes live for the whole cluster, by its documentation. Numbers of threads are not among them although
/// they are there: Kafka doubles or halves them at most, and a start knows no such limit.
pub const LIVE: [&str; 36] = [
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "log.cleaner.backoff.ms",
    "log.cleaner.delete.retention.ms",
    "log.cleaner.io.buffer.load.factor",
    "log.cleaner.io.buffer.size",
    "log.cleaner.io.max.bytes.per.second",
    "log.cleaner.max.compaction.lag.ms",
    "log.cleaner.min.cleanable.ratio",
    "log.cleaner.min.compaction.lag.ms",
    "log.cleanup.policy",
    "log.flush.interval.messages",
    "log.flush.interval.ms",
    "log.index.interval.bytes",
    "log.index.size.max.bytes",
    "log.message.timestamp.after.max.ms",
    "log.message.timestamp.before.max.ms",
    "log.message.timestamp.type",
    "log.preallocate",
    "log.retention.bytes",
    "log.retention.ms",
    "log.roll.jitter.ms",
    "log.roll.ms",
    "log.segment.bytes",
    "log.segment.delete.delay.ms",
    "max.connection.creation.rate",
    "max.connections",
    "max.connections.per.ip",
    "max.connections.per.ip.overrides",
    "message.max.bytes",
    "min.insync.replicas",
    "producer.id.expiration.ms",
    "transaction.partition.verification.enable",
    "unclean.leader.election.enable",
];

/// Properties that `config` may not have: by name, or by the beginning of their name where that ends in a dot.
const REFUSED: [(&str, &str); 28] = [
    ("advertised.", LISTENERS),
    (
        "authorizer.class.name",
        "the operator's own requests would be refused",
    ),
    ("broker.id", IDENTITY),
    ("broker.id.generation.enable", IDENTITY),
    (
        "broker.rack",
        "racks are those of nodes; set spec.rackTopologyKey",
    ),
    ("cluster.id", IDENTITY),
    ("config.providers", "they read files and variables of the pod"),
    ("config.providers.", "they read files and variables of the pod"),
    ("control.plane.listener.name", LISTENERS),
    (
        "controlled.shutdown.enable",
        "without it every restart is an outage",
    ),
    ("controller.listener.names", LISTENERS),
    (
        "controller.quorum.",
        "the quorum is the operator's; set spec.controllerCount",
    ),
    ("early.start.listeners", LISTENERS),
    ("follower.replication.throttled.", THROTTLES),
    ("inter.broker.listener.name", LISTENERS),
    ("leader.replication.throttled.", THROTTLES),
    ("listener.", LISTENERS),
    ("listeners", LISTENERS),
    ("log.dir", "the operator decides where volumes are mounted"),
    ("log.dirs", "the operator decides where volumes are mounted"),
    (
        "metadata.log.dir",
        "the operator decides where volumes are mounted",
    ),
    ("node.id", IDENTITY),
    (
        "process.roles",
        "the operator decides which pods are controllers; set spec.controllerCount",
    ),
    ("sasl.", "users are those of spec.listeners.sasl"),
    ("security.inter.broker.protocol", LISTENERS),
    ("ssl.", "certificates are those of spec.listeners.tls"),
    ("zookeeper.connect", "that is spec.zookeeperConnect"),
    (
        "zookeeper.metadata.migration.enable",
        "migrations from ZooKeeper are not done",
    ),
];

const LEADER_IMBALANCE: &str = "leader.imbalance.per.broker.percentage";

const IDENTITY: &str = "ids follow from the names of pods";
const LISTENERS: &str = "listeners are the operator's; set spec.listeners";
const THROTTLES: &str = "throttles are the balancer's";

/// Options with the field that set them.
struct Merged<'a> {
    properties: BTreeMap<String, (String, String)>,
    problems: &'a mut Problems,
}

impl Merged<'_> {
    fn set(&mut self, field: String, property: &str, value: String) {
        match self.properties.get(property) {
            Some((_, same)) if *same == value => {}
            Some((other, different)) => self.problems.note(
                field,
                format!("is {value}, and {other}, which is the same property ({property}), is {different}"),
                "remove one of the two",
            ),
            None => {
                self.properties.insert(property.to_owned(), (field, value));
            }
        }
    }
}

pub(super) fn read(spec: &KafkaclusterSpec, problems: &mut Problems) -> Properties {
    let mut merged = Merged {
        properties: BTreeMap::new(),
        problems,
    };
    for option in KafkaOptions::ALL {
        if let Some(value) = (option.value)(&spec.kafka_options) {
            merged.set(
                format!("spec.kafkaOptions.{}", option.name),
                option.property,
                value,
            );
        }
    }
    leaders(spec, &mut merged);
    for (property, value) in &spec.config {
        if let Some(value) = free(property, value, merged.problems) {
            merged.set(format!("spec.config.{property}"), property, value);
        }
    }
    let Merged { properties, problems } = merged;
    for (property, (field, _)) in &properties {
        if is_of_zookeeper(property) && spec.zookeeper_connect.is_none() {
            problems.note(field, "has no use in KRaft mode", "remove it");
        }
    }
    let values = properties
        .into_iter()
        .map(|(property, (_, value))| (property, value));
    let (live, at_start) = values.partition(|(property, _)| LIVE.contains(&property.as_str()));
    Properties { at_start, live }
}

/// The original said these two beside `kafkaOptions`, and had the ratio as a part of one.
fn leaders(spec: &KafkaclusterSpec, merged: &mut Merged<'_>) {
    if let Some(ratio) = spec.leader_imbalance_ratio {
        let field = "spec.leaderImbalanceRatio";
        if (0.0..=1.0).contains(&ratio) {
            let percentage = format!("{:.0}", ratio * 100.0);
            merged.set(field.to_owned(), LEADER_IMBALANCE, percentage);
        } else {
            let cause = format!("{ratio} is not between 0 and 1");
            merged.problems.note(field, cause, "write 10 % as 0.1");
        }
    }
    if let Some(seconds) = spec.leader_imbalance_interval {
        let property = "leader.imbalance.check.interval.seconds";
        merged.set(
            "spec.leaderImbalanceInterval".to_owned(),
            property,
            seconds.to_string(),
        );
    }
}

fn free(property: &str, value: &Value, problems: &mut Problems) -> Option<String> {
    let field = format!("spec.config.{property}");
    let named_well = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    if property.is_empty() || property.len() > 200 || !property.chars().all(named_well) {
        problems.note(
            field,
            "is no property of Kafka",
            "write it as in server.properties, such as log.retention.ms",
        );
        return None;
    }
    if let Some(reason) = refusal(property) {
        problems.note(field, format!("cannot be set here: {reason}"), "remove it");
        return None;
    }
    let text = plain_text(value);
    if text.is_none() {
        let cure = "write a text of one line, a number, or true or false";
        problems.note(field, "has a value that no property can have", cure);
    }
    text
}

/// Whether only a Kafka in ZooKeeper mode looks at it. KRaft moves every leader back, however many are astray.
fn is_of_zookeeper(property: &str) -> bool {
    property.starts_with("zookeeper.") || property == LEADER_IMBALANCE
}

fn refusal(property: &str) -> Option<&'static str> {
    let refused = |name: &str| property == name || name.ends_with('.') && property.starts_with(name);
    REFUSED
        .into_iter()
        .find(|(name, _)| refused(name))
        .map(|(_, reason)| reason)
}

/// The value as a property has it; none for lists, objects, nothing, and texts that would begin another property.
pub(super) fn plain_text(value: &Value) -> Option<String> {
    const LONGEST: usize = 10_000;
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    (text.len() <= LONGEST && !text.chars().any(char::is_control)).then_some(text)
}

impl Properties {
    /// A property, whichever way it is set.
    pub(super) fn get(&self, property: &str) -> Option<&str> {
        let value = self.at_start.get(property).or_else(|| self.live.get(property))?;
        Some(value)
    }
}
