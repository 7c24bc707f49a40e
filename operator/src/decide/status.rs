//! The status: conditions, brokers, and where clients connect.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kafka::ids::BrokerId;

use ::balancer::api::view::Phase;

use super::facts::PodFacts;
use super::{Decision, Observed, Progress, Trouble};
use crate::build::{Role, listeners, selector_text};
use crate::cluster::{Cluster, Metadata, Problem};
use crate::crd::{BrokerState, BrokerStatus, ConditionType, KafkaclusterStatus, UserStatus};

/// The longest message of a condition, in characters.
const LONGEST: usize = 4_000;

/// For so long nobody is told what keeps a new pod from starting: volumes and images come in time.
const SETTLES: SignedDuration = SignedDuration::from_secs(30);

/// What a condition says.
struct Said {
    status: &'static str,
    reason: &'static str,
    message: String,
}

impl Said {
    fn new(status: bool, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: if status { "True" } else { "False" },
            reason,
            message: message.into(),
        }
    }

    fn unknown(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: "Unknown",
            ..Self::new(false, reason, message)
        }
    }
}

/// Whether the balancer, which was asked to empty a broker, could not be told otherwise yet.
fn still_asked(observed: &Observed, number: u16) -> bool {
    let mut brokers = observed.status.brokers.iter();
    observed.balancer.is_err()
        && brokers.any(|broker| broker.state == BrokerState::Emptying && broker.id == i32::from(number))
}

/// The status of a spec that makes no sense. What was written down stays, for nothing is touched; what would have to be looked
/// at to be known is not.
pub fn refused(observed: &Observed, problems: &[Problem]) -> KafkaclusterStatus {
    let mut status = observed.status.clone();
    status.observed_generation = observed.generation;
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let message = format!(
        "nothing is changed until the spec makes sense: {}",
        problems.join("; ")
    );
    let said = [
        (ConditionType::Degraded, Said::new(true, "InvalidSpec", message)),
        (
            ConditionType::Progressing,
            Said::new(false, "InvalidSpec", "the spec makes no sense"),
        ),
        (ConditionType::Paused, paused(observed.paused)),
    ];
    put(&mut status, observed, said);
    let unseen = || Said::unknown("InvalidSpec", "nobody looks until the spec makes sense");
    let said = match status.brokers.is_empty() {
        true => vec![(
            ConditionType::Ready,
            Said::new(false, "InvalidSpec", "nothing was ever built"),
        )],
        false => vec![
            (ConditionType::Ready, unseen()),
            (ConditionType::Balanced, unseen()),
        ],
    };
    put(&mut status, observed, said);
    status
}

/// Keeps the brokers that were being emptied as they were: what is still to be done about them, or to be taken back, was not done.
pub(super) fn keep_emptying(status: &mut KafkaclusterStatus, before: &KafkaclusterStatus) {
    let emptying = before.brokers.iter();
    for emptying in emptying.filter(|broker| broker.state == BrokerState::Emptying) {
        match status.brokers.iter_mut().find(|broker| broker.id == emptying.id) {
            Some(stays) => stays.state = BrokerState::Emptying,
            None => status.brokers.push(emptying.clone()),
        }
    }
}

/// The status when nothing could be looked at. What was seen before stays.
pub fn unseen(observed: &Observed, failure: &str) -> KafkaclusterStatus {
    let mut status = observed.status.clone();
    let trouble = Trouble::new("ChangeFailed", failure);
    put(
        &mut status,
        observed,
        [(ConditionType::Degraded, degraded(&[trouble]))],
    );
    status
}

/// The status when Kafka or the balancer refused a part of what was decided. What would be written down as done is left as it
/// was, since it may not be.
pub fn with_refusal(observed: &Observed, decision: &Decision, failure: &str) -> KafkaclusterStatus {
    let mut status = decision.status.clone();
    let before = &observed.status;
    keep_emptying(&mut status, before);
    let is_same = |a: &UserStatus, b: &UserStatus| a.name == b.name && a.mechanism == b.mechanism;
    for user in &mut status.users {
        let old = before.users.iter().find(|old| is_same(old, user));
        user.password = old.and_then(|old| old.password.clone());
    }
    for old in &before.users {
        if !status.users.iter().any(|user| is_same(user, old)) {
            status.users.push(old.clone());
        }
    }
    status.users.sort();
    let mut troubles = decision.troubles.clone();
    troubles.insert(0, Trouble::new("ChangeFailed", failure));
    put(
        &mut status,
        observed,
        [(ConditionType::Degraded, degraded(&troubles))],
    );
    status
}

/// The status when Kubernetes did not do something. What was decided may not be so, and is not said; how brokers are has been
/// seen, and is.
pub fn with_failure(observed: &Observed, decision: &Decision, failure: &str) -> KafkaclusterStatus {
    let mut status = with_refusal(observed, decision, failure);
    let before = &observed.status;
    status.observed_generation = before.observed_generation;
    status.users.clone_from(&before.users);
    status.cluster_id.clone_from(&before.cluster_id);
    status
}

/// Whether brokers serve and replicas stay where they are: nobody tells when a move has ended.
pub(super) fn is_settled(status: &KafkaclusterStatus) -> bool {
    let mut conditions = status.conditions.iter();
    let mut brokers = status.brokers.iter();
    conditions.any(|condition| condition.type_ == ConditionType::Ready.name() && condition.status == "True")
        && brokers.all(|broker| broker.state == BrokerState::Normal)
}

/// The status as it is now.
pub(super) fn status(cluster: &Cluster, observed: &Observed, progress: &Progress) -> KafkaclusterStatus {
    let balancer = observed.balancer.as_ref().ok();
    let mut status = KafkaclusterStatus {
        observed_generation: observed.generation,
        conditions: observed.status.conditions.clone(),
        broker_count: i32::try_from(observed.broker_pods.len()).ok(),
        selector: Some(selector_text(cluster, Role::Broker)),
        cluster_id: None,
        brokers: brokers(cluster, observed, progress),
        listeners: listeners(cluster, &hosts(observed)),
        users: progress.users.clone(),
        hot: balancer.map(|balancer| i32::try_from(balancer.hot).unwrap_or(i32::MAX)),
        imbalance: balancer.map(|balancer| format!("{:.2}", balancer.imbalance)),
    };
    let mut troubles = progress.troubles.clone();
    troubles.extend(stuck_pods(observed));
    let ready = ready(cluster, observed);
    let said = [
        (ConditionType::Progressing, progressing(progress, &ready)),
        (ConditionType::Ready, ready),
        (ConditionType::Balanced, balanced(observed)),
        (ConditionType::Degraded, degraded(&troubles)),
        (ConditionType::Paused, paused(observed.paused)),
    ];
    put(&mut status, observed, said);
    status
}

/// The addresses of the nodes on which brokers run.
fn hosts(observed: &Observed) -> BTreeMap<u16, &str> {
    let pods = observed.broker_pods.iter();
    pods.filter_map(|pod| Some((pod.number, pod.host.as_deref()?)))
        .collect()
}

fn brokers(cluster: &Cluster, observed: &Observed, progress: &Progress) -> Vec<BrokerStatus> {
    let kafka = observed.kafka.as_ref().ok();
    let assigned = kafka.map(super::KafkaFacts::assigned).unwrap_or_default();
    let is_gone = |number: &u16| progress.scaling.leaving.get(number) == Some(&super::scaling::Leaving::Gone);
    let mut numbers = super::numbers(observed);
    numbers.extend(progress.scaling.leaving.keys());
    numbers.retain(|number| !is_gone(number));
    let broker = |number: u16| {
        let id = BrokerId::from(number);
        let pod = observed.broker_pods.iter().find(|pod| pod.number == number);
        let moving = kafka.is_some_and(|kafka| {
            let mut reassignments = kafka.reassignments.values();
            reassignments.any(|moving| moving.adding.contains(&id) || moving.removing.contains(&id))
        });
        BrokerStatus {
            id: number.into(),
            state: match number >= cluster.brokers || still_asked(observed, number) {
                true => BrokerState::Emptying,
                false if moving => BrokerState::Rebalancing,
                false => BrokerState::Normal,
            },
            ready: pod.is_some_and(|pod| pod.ready),
            node: pod.and_then(|pod| pod.node.clone()),
            rack: pod.and_then(|pod| pod.rack.clone()),
            replicas: kafka.map(|_| assigned.get(&id).map_or(0, |count| *count as i64)),
        }
    };
    numbers.into_iter().map(broker).collect()
}

/// What is wrong with pods that do not start, in the words of Kubernetes.
fn stuck_pods(observed: &Observed) -> Option<Trouble> {
    let pods = observed.controller_pods.iter().chain(&observed.broker_pods);
    let late = |pod: &&PodFacts| {
        let waited = pod.since.map(|since| observed.now.duration_since(since));
        waited.is_none_or(|waited| waited > SETTLES)
    };
    let stuck: Vec<String> = pods
        .filter(late)
        .filter_map(|pod| match (&pod.trouble, &pod.sidecar_trouble) {
            (Some(trouble), _) => Some(format!("{} does not start: {trouble}", pod.name)),
            (None, Some(trouble)) => Some(format!("the sidecar of {} does not run: {trouble}", pod.name)),
            (None, None) => None,
        })
        .collect();
    (!stuck.is_empty()).then(|| Trouble::new("PodsDoNotStart", stuck.join("; ")))
}

fn ready(cluster: &Cluster, observed: &Observed) -> Said {
    let serving =
        |pods: &[PodFacts], wanted: u16| pods.iter().filter(|pod| pod.number < wanted && pod.ready).count();
    if let Metadata::KRaft { controllers } = cluster.metadata {
        let serving = serving(&observed.controller_pods, controllers);
        if serving * 2 <= usize::from(controllers) {
            let message = format!("{serving} of {controllers} controllers serve, and most of them have to");
            return Said::new(false, "ControllersNotReady", message);
        }
    }
    let wanted = cluster.brokers;
    let ready = serving(&observed.broker_pods, wanted);
    if ready < usize::from(wanted) {
        return Said::new(
            false,
            "BrokersNotReady",
            format!("{ready} of {wanted} brokers serve"),
        );
    }
    match &observed.kafka {
        Err(reason) => Said::unknown(
            "KafkaUnreachable",
            format!("all pods are ready, and Kafka cannot be asked: {reason}"),
        ),
        Ok(kafka) => {
            let alive = (0..wanted)
                .filter(|number| kafka.is_alive((*number).into()))
                .count();
            let message = format!("{alive} of {wanted} brokers serve");
            match alive == usize::from(wanted) {
                true => Said::new(true, "AllBrokersServe", message),
                false => Said::new(false, "BrokersNotReady", message),
            }
        }
    }
}

fn progressing(progress: &Progress, ready: &Said) -> Said {
    match progress.doing.first() {
        Some((reason, _)) => {
            let doing: Vec<&str> = progress.doing.iter().map(|(_, doing)| doing.as_str()).collect();
            Said::new(true, reason, doing.join("; "))
        }
        None if ready.status == "False" => Said::new(true, "Starting", ready.message.clone()),
        None if ready.status == "Unknown" => Said::unknown(ready.reason, ready.message.clone()),
        None => Said::new(false, "AsWanted", "all is as the spec says"),
    }
}

fn balanced(observed: &Observed) -> Said {
    let balancer = match &observed.balancer {
        Ok(balancer) => balancer,
        Err(reason) => {
            return Said::unknown(
                "BalancerUnreachable",
                format!("the balancer does not answer: {reason}"),
            );
        }
    };
    let draining: Vec<String> = balancer.draining.iter().map(ToString::to_string).collect();
    if !draining.is_empty() {
        let message = format!("brokers {} are being emptied", draining.join(", "));
        return Said::new(false, "Emptying", message);
    }
    if balancer.phase == Phase::Starting {
        return Said::unknown("Starting", "the balancer has no picture of the cluster yet");
    }
    if balancer.hot > 0 {
        let message = format!(
            "{} brokers and partitions are hot; see `kafka-balancer status`",
            balancer.hot
        );
        return Said::new(false, "Hot", message);
    }
    match balancer.phase {
        Phase::Executing | Phase::Stopping | Phase::Paused => {
            Said::new(false, "Moving", "a plan is under way; see `kafka-balancer plan`")
        }
        Phase::Waiting => Said::new(
            false,
            "PlanWaits",
            "a plan waits for a yes; see `kafka-balancer plan` and `kafka-balancer approve`",
        ),
        Phase::Fenced => Said::unknown(
            "Fenced",
            "another balancer has taken over, and this one only watches",
        ),
        Phase::Starting | Phase::Watching => Said::new(true, "NothingHot", "no broker is hot"),
    }
}

fn degraded(troubles: &[Trouble]) -> Said {
    match troubles.first() {
        None => Said::new(false, "NothingWrong", "nothing needs anybody"),
        Some(first) => {
            let all: Vec<&str> = troubles.iter().map(|trouble| trouble.message.as_str()).collect();
            Said::new(true, first.reason, all.join("; "))
        }
    }
}

fn paused(is_paused: bool) -> Said {
    match is_paused {
        true => Said::new(
            true,
            "Annotated",
            format!(
                "nothing is changed until the annotation {} is removed",
                crate::crd::PAUSED_ANNOTATION
            ),
        ),
        false => Said::new(false, "NotAnnotated", "nobody has paused it"),
    }
}

/// Whether nothing but the wording is new of what is not known: why Kafka or a balancer cannot be asked is told in other words
/// by each broker, and in any order.
pub fn is_reworded(before: &KafkaclusterStatus, after: &KafkaclusterStatus) -> bool {
    let mut reworded = before.clone();
    for (old, new) in reworded.conditions.iter_mut().zip(&after.conditions) {
        if old.status == "Unknown" {
            old.message.clone_from(&new.message);
        }
    }
    reworded == *after
}

/// Puts conditions in, in the order of their types. A condition that has not turned keeps its time.
fn put(
    status: &mut KafkaclusterStatus,
    observed: &Observed,
    said: impl IntoIterator<Item = (ConditionType, Said)>,
) {
    for (kind, said) in said {
        let old = status.conditions.iter().find(|old| old.type_ == kind.name());
        let since: Timestamp = match old {
            Some(old) if old.status == said.status => old.last_transition_time.0,
            _ => observed.now,
        };
        let condition = Condition {
            last_transition_time: Time(since),
            message: said.message.chars().take(LONGEST).collect(),
            observed_generation: observed.generation,
            reason: said.reason.to_owned(),
            status: said.status.to_owned(),
            type_: kind.name().to_owned(),
        };
        status.conditions.retain(|old| old.type_ != kind.name());
        status.conditions.push(condition);
    }
    let place = |condition: &Condition| {
        let known = ConditionType::ALL
            .iter()
            .position(|kind| kind.name() == condition.type_);
        known.unwrap_or(ConditionType::ALL.len())
    };
    status.conditions.sort_by_key(place);
}
