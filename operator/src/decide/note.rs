//! What people are told in events: what is done, and conditions that changed.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kafka::ids::BrokerId;

use super::live::name;
use super::{BalancerOrder, Decision, Replaced, UserSteps};
use crate::crd::{ConditionType, KafkaclusterStatus};

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Whether somebody should look.
    pub is_warning: bool,
    /// One word.
    pub reason: String,
    /// One sentence.
    pub message: String,
}

impl Note {
    fn new(reason: &str, message: String) -> Self {
        Self {
            is_warning: false,
            reason: reason.to_owned(),
            message,
        }
    }
}

/// What there is to tell of a decision.
pub(super) fn notes(before: &KafkaclusterStatus, decision: &Decision) -> Vec<Note> {
    let mut notes = Vec::new();
    for (claim, size) in &decision.grow {
        notes.push(Note::new("VolumeGrows", format!("{claim} grows to {}", size.0)));
    }
    if !decision.defaults.is_empty() {
        let names: Vec<&str> = decision.defaults.iter().map(name).collect();
        let message = format!("applied live to all brokers: {}", names.join(", "));
        notes.push(Note::new("ConfigurationApplied", message));
    }
    let topics = decision.topics.said().into_iter();
    notes.extend(topics.map(|said| Note::new("TopicChanged", said)));
    notes.extend(users(&decision.users));
    let asked = decision.orders.iter().map(asked);
    notes.extend(asked.map(|asked| Note::new("BalancerAsked", asked)));
    for broker in &decision.unregister {
        notes.push(Note::new(
            "BrokerRemoved",
            format!("broker {broker} has left the cluster"),
        ));
    }
    let pod = |reason: &str, why: &str, pod: &Replaced| Note::new(reason, format!("{} {why}", pod.pod));
    let buried = decision.bury.iter();
    notes.extend(buried.map(|replaced| pod("PodBuried", "is given up with its node", replaced)));
    let resized = decision.resize.iter();
    notes
        .extend(resized.map(|resized| pod("PodResized", "gets other CPU and memory while it runs", resized)));
    let replaced = decision.replace.iter();
    notes.extend(replaced.map(|replaced| pod("PodReplaced", "is replaced", replaced)));
    notes.extend(notes_of_conditions(before, &decision.status));
    notes
}

fn asked(order: &BalancerOrder) -> String {
    let brokers = |brokers: &[BrokerId]| {
        let brokers: Vec<String> = brokers.iter().map(ToString::to_string).collect();
        brokers.join(", ")
    };
    match order {
        BalancerOrder::Drain(leaving) => {
            format!("the balancer is asked to empty brokers {}", brokers(leaving))
        }
        BalancerOrder::Undrain(back) => format!(
            "the balancer is told that load may go to brokers {}",
            brokers(back)
        ),
        BalancerOrder::Replicate(topics) => {
            let topics: Vec<String> = topics
                .iter()
                .map(|(topic, replicas)| format!("{topic} {replicas}"))
                .collect();
            format!(
                "the balancer is asked for so many replicas: topic {}",
                topics.join(", topic ")
            )
        }
    }
}

/// Many users are told of in one sentence.
fn users(steps: &UserSteps) -> Vec<Note> {
    let set: Vec<&str> = steps.set.iter().map(|user| user.name.as_str()).collect();
    let removed: Vec<&str> = steps.remove.iter().map(|(user, _)| user.as_str()).collect();
    let told = [
        (
            "UserChanged",
            "with the password of their Secrets can log in",
            set,
        ),
        ("UserRemoved", "can no longer log in as before", removed),
    ];
    let told = told.into_iter().filter(|(_, _, users)| !users.is_empty());
    told.map(|(reason, what, users)| Note::new(reason, format!("users {what}: {}", users.join(", "))))
        .collect()
}

/// Conditions are told when they turn, not each time that their message counts something.
pub fn notes_of_conditions(before: &KafkaclusterStatus, after: &KafkaclusterStatus) -> Vec<Note> {
    let turned = |condition: &&Condition| {
        let mut old = before.conditions.iter();
        let old = old.find(|old| old.type_ == condition.type_);
        old.is_none_or(|old| old.status != condition.status || old.reason != condition.reason)
    };
    let told = |condition: &&Condition| {
        let told = [
            ConditionType::Ready,
            ConditionType::Degraded,
            ConditionType::Paused,
        ];
        let begins_well = condition.status != "True" && before.conditions.is_empty();
        told.iter().any(|told| told.name() == condition.type_) && !begins_well
    };
    let note = |condition: &Condition| Note {
        is_warning: condition.type_ == ConditionType::Degraded.name() && condition.status == "True",
        reason: condition.reason.clone(),
        message: format!("{}: {}", condition.type_, condition.message),
    };
    after
        .conditions
        .iter()
        .filter(turned)
        .filter(told)
        .map(note)
        .collect()
}
