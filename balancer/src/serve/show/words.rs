//! Names and lists as the API, metrics and sentences have them.

use std::collections::BTreeMap;

use kafka::{ReplicationFactor, TopicName};

use crate::journal::{FinishedMove, Mode, Outcome};
use crate::plan::Purpose;

/// What a plan is for, in few words.
pub(super) fn purpose_name(purpose: &Purpose) -> String {
    let with = |word: &str, brokers: &[kafka::BrokerId]| {
        let ids: Vec<String> = brokers.iter().map(ToString::to_string).collect();
        format!("{word} {}", ids.join(","))
    };
    match purpose {
        Purpose::Cool => "cool".to_owned(),
        Purpose::Rebalance => "rebalance".to_owned(),
        Purpose::Drain(brokers) => with("drain", brokers),
        Purpose::Fill(brokers) => with("fill", brokers),
        Purpose::Replicate(topics) => {
            let named = topics
                .iter()
                .map(|(topic, replicas)| format!("{topic}={replicas}"));
            format!("replicate {}", first_of(named, topics.len()))
        }
    }
}

/// Brokers' ids, as a sentence names them.
pub(in crate::serve) fn broker_list(brokers: &[kafka::BrokerId]) -> String {
    brokers
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Topics' names, as a sentence names them.
pub(in crate::serve) fn topic_list(topics: &BTreeMap<TopicName, ReplicationFactor>) -> String {
    first_of(topics.keys().map(ToString::to_string), topics.len())
}

/// The first of so many things, and how many more there are: no more than one reads.
pub(in crate::serve) fn first_of(things: impl Iterator<Item = String>, count: usize) -> String {
    const SHOWN: usize = 5;
    let shown = things.take(SHOWN).collect::<Vec<_>>().join(", ");
    match count.saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The mode as people write it.
pub(in crate::serve) fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Observe => "observe",
        Mode::Approve => "approve",
        Mode::Auto => "auto",
    }
}

/// How many moves ended in each way.
pub(in crate::serve) fn outcomes(moves: &[FinishedMove]) -> BTreeMap<String, usize> {
    let mut outcomes = BTreeMap::new();
    for ended in moves {
        *outcomes.entry(outcome_name(&ended.outcome)).or_default() += 1;
    }
    outcomes
}

/// The outcome as a word for the API and for metrics.
pub(in crate::serve) fn outcome_name(outcome: &Outcome) -> String {
    let name = match outcome {
        Outcome::Done => "done",
        Outcome::NoLongerHelps { .. } => "no_longer_helps",
        Outcome::TopicDeleted => "topic_deleted",
        Outcome::TopicRecreated => "topic_recreated",
        Outcome::ReassignedElsewhere => "reassigned_elsewhere",
        Outcome::CancelledElsewhere => "cancelled_elsewhere",
        Outcome::ChangedElsewhere => "changed_elsewhere",
        Outcome::BrokerGone { .. } => "broker_gone",
        Outcome::DiskFull { .. } => "disk_full",
        Outcome::Refused { .. } => "refused",
        Outcome::Unanswered => "unanswered",
        Outcome::TooSlow => "too_slow",
        Outcome::LeaderNotElected => "leader_not_elected",
        Outcome::CoolingDown => "cooling_down",
        Outcome::ToAndFro => "to_and_fro",
        Outcome::FewerReplicas => "fewer_replicas",
        Outcome::NotStarted { .. } => "not_started",
        Outcome::Stopped => "stopped",
        Outcome::NotApproved => "not_approved",
    };
    name.to_owned()
}
