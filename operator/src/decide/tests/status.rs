use ::balancer::api::view::Phase;
use ::kafka::cluster::Reassignment;
use ::kafka::ids::TopicPartition;

use super::*;
use crate::crd::{BrokerState, BrokerStatus, ScramMechanism, UserStatus};
use crate::decide::{notes_of_conditions, unseen, with_failure, with_refusal};

#[test]
fn a_cluster_that_serves_says_so_in_every_field() {
    let cluster = cluster("brokerCount: 3, rackTopologyKey: zone");
    let mut observed = settled(&cluster, &[(&[0, 1, 2], &[0, 1, 2]), (&[0, 1, 2], &[0, 1, 2])]);
    let zone = BTreeMap::from([("zone".to_owned(), "a".to_owned())]);
    let node = NodeFacts {
        alive: true,
        labels: zone,
    };
    observed.nodes = Ok(BTreeMap::from([("node".to_owned(), node)]));
    let decision = decided(&cluster, &observed);
    assert_eq!(decision.racks.len(), 3, "racks are written onto pods");
    observed
        .broker_pods
        .iter_mut()
        .for_each(|pod| pod.rack = Some("a".to_owned()));
    let decision = decided(&cluster, &observed);
    assert_eq!(decision.racks, []);
    let status = decision.status;
    let all: Vec<(&str, &str)> = status
        .conditions
        .iter()
        .map(|condition| (condition.type_.as_str(), condition.status.as_str()))
        .collect();
    let wanted = ["Ready", "Progressing", "Balanced", "Degraded", "Paused"];
    assert_eq!(
        all,
        wanted
            .into_iter()
            .zip(["True", "False", "True", "False", "False"])
            .collect::<Vec<_>>()
    );
    assert!(
        status
            .conditions
            .iter()
            .all(|condition| condition.observed_generation == Some(3))
    );
    let broker = BrokerStatus {
        id: 0,
        state: BrokerState::Normal,
        ready: true,
        node: Some("node".to_owned()),
        rack: Some("a".to_owned()),
        replicas: Some(2),
    };
    assert_eq!(status.brokers[0], broker);
    assert_eq!(
        (status.broker_count, status.hot, status.imbalance.as_deref()),
        (Some(3), Some(0), Some("1.04"))
    );
    assert_eq!(status.observed_generation, Some(3));
}

#[test]
fn ready_needs_pods_controllers_and_kafkas_word() {
    let ready = |change: &dyn Fn(&mut Observed)| {
        let cluster = cluster("brokerCount: 3");
        let mut observed = settled(&cluster, &[]);
        change(&mut observed);
        let (status, reason, _) = condition(&decided(&cluster, &observed).status, ConditionType::Ready);
        (status, reason)
    };
    let is = |status: &str, reason: &str| (status.to_owned(), reason.to_owned());
    assert_eq!(ready(&|_| {}), is("True", "AllBrokersServe"));
    assert_eq!(
        ready(&|seen| seen.broker_pods[1].ready = false),
        is("False", "BrokersNotReady")
    );
    assert_eq!(
        ready(&|seen| seen.kafka = Ok(kafka(&[0, 2], &[]))),
        is("False", "BrokersNotReady")
    );
    assert_eq!(
        ready(&|seen| seen.kafka = Err("no".to_owned())),
        is("Unknown", "KafkaUnreachable")
    );
    assert_eq!(
        ready(&|seen| seen.controller_pods[0].ready = false),
        is("True", "AllBrokersServe")
    );
    let two_away = |seen: &mut Observed| {
        seen.controller_pods[..2]
            .iter_mut()
            .for_each(|pod| pod.ready = false)
    };
    assert_eq!(ready(&two_away), is("False", "ControllersNotReady"));
}

#[test]
fn a_condition_keeps_its_time_until_it_turns() {
    let cluster = cluster("brokerCount: 3");
    let mut observed = settled(&cluster, &[]);
    observed.status = decided(&cluster, &observed).status;
    let began = observed.now;
    observed.now = began + SignedDuration::from_secs(60);
    observed.broker_pods[0].ready = false;
    let status = decided(&cluster, &observed).status;
    let since = |kind: &str| {
        let condition = status.conditions.iter().find(|condition| condition.type_ == kind);
        condition.unwrap().last_transition_time.0
    };
    assert_eq!(since("Ready"), observed.now);
    assert_eq!(since("Paused"), began);
}

#[test]
fn balance_is_what_the_balancer_says() {
    let balanced = |change: &dyn Fn(&mut BalancerFacts)| {
        let cluster = cluster("brokerCount: 3");
        let mut observed = settled(&cluster, &[]);
        change(observed.balancer.as_mut().unwrap());
        let (status, reason, _) = condition(&decided(&cluster, &observed).status, ConditionType::Balanced);
        format!("{status} {reason}")
    };
    assert_eq!(balanced(&|_| {}), "True NothingHot");
    assert_eq!(balanced(&|balancer| balancer.hot = 2), "False Hot");
    assert_eq!(
        balanced(&|balancer| balancer.phase = Phase::Waiting),
        "False PlanWaits"
    );
    assert_eq!(
        balanced(&|balancer| balancer.phase = Phase::Starting),
        "Unknown Starting"
    );
    assert_eq!(
        balanced(&|balancer| balancer.phase = Phase::Fenced),
        "Unknown Fenced"
    );
    assert_eq!(
        balanced(&|balancer| balancer.draining = [1_u16.into()].into()),
        "False Emptying"
    );
}

#[test]
fn brokers_between_which_replicas_move_are_looked_at_soon_again() {
    let cluster = cluster("brokerCount: 3");
    let mut observed = settled(&cluster, &[(&[0, 1], &[0, 1])]);
    assert_eq!(decided(&cluster, &observed).again, LATER);
    let moving = Reassignment {
        replicas: [2_u16, 0, 1].map(BrokerId::from).to_vec(),
        adding: vec![2_u16.into()],
        removing: vec![1_u16.into()],
    };
    let partition = TopicPartition::new("orders".parse().unwrap(), 0_u16.into());
    let reassignments = &mut observed.kafka.as_mut().unwrap().reassignments;
    reassignments.insert(partition, moving);
    let decision = decided(&cluster, &observed);
    let states = decision.status.brokers.iter().map(|broker| broker.state);
    let wanted = [
        BrokerState::Normal,
        BrokerState::Rebalancing,
        BrokerState::Rebalancing,
    ];
    assert_eq!(states.collect::<Vec<_>>(), wanted);
    assert_eq!(decision.again, SOON);
}

#[test]
fn a_spec_that_makes_no_sense_is_said_and_how_the_brokers_are_is_not() {
    let cluster = cluster("brokerCount: 3");
    let mut observed = settled(&cluster, &[]);
    observed.status = decided(&cluster, &observed).status;
    observed.generation = Some(4);
    let problem = crate::cluster::Problem {
        field: "spec.image".to_owned(),
        cause: "is wrong".to_owned(),
        cure: "write another".to_owned(),
    };
    let status = refused(&observed, &[problem]);
    let (_, reason, message) = condition(&status, ConditionType::Degraded);
    assert_eq!(reason, "InvalidSpec");
    assert!(
        message.contains("spec.image: is wrong; write another"),
        "{message}"
    );
    assert_eq!(status.brokers, observed.status.brokers);
    assert_eq!(condition(&status, ConditionType::Ready).0, "Unknown");
    assert_eq!(condition(&status, ConditionType::Balanced).0, "Unknown");
    assert_eq!(status.observed_generation, Some(4));

    observed.status.brokers.clear();
    assert_eq!(
        condition(&refused(&observed, &[]), ConditionType::Ready).0,
        "False"
    );
}

#[test]
fn conditions_are_told_when_they_turn_only() {
    let cluster = cluster("brokerCount: 3");
    let mut observed = settled(&cluster, &[]);
    let told = |decision: &Decision| -> Vec<String> {
        decision.notes.iter().map(|note| note.reason.clone()).collect()
    };
    let first = decided(&cluster, &observed);
    assert_eq!(told(&first), ["AllBrokersServe"]);
    observed.status = first.status;
    let unseen_for = |observed: &Observed, why: &str| {
        let status = unseen(observed, why);
        let notes = notes_of_conditions(&observed.status, &status);
        let told = notes.into_iter().map(|note| (note.reason, note.is_warning));
        (status, told.collect::<Vec<_>>())
    };
    let (status, told_then) = unseen_for(&observed, "pods cannot be listed");
    assert_eq!(told_then, [("ChangeFailed".to_owned(), true)]);
    assert_eq!(
        condition(&status, ConditionType::Ready).0,
        "True",
        "as it was seen last"
    );
    observed.status = status;
    assert_eq!(unseen_for(&observed, "pods cannot be listed, again").1, []);
    let mended = decided(&cluster, &observed);
    assert_eq!(condition(&mended.status, ConditionType::Degraded).0, "False");
}

#[test]
fn other_words_for_why_kafka_cannot_be_asked_are_told_from_news() {
    let cluster = cluster("brokerCount: 3");
    let mut observed = settled(&cluster, &[]);
    observed.kafka = Err("a lookup timed out".to_owned());
    let before = decided(&cluster, &observed).status;
    observed.status = before.clone();
    observed.kafka = Err("there is no such name".to_owned());
    let reworded = decided(&cluster, &observed).status;
    assert_ne!(before, reworded);
    assert!(is_reworded(&before, &reworded));
    observed.broker_pods[1].ready = false;
    assert!(!is_reworded(&before, &decided(&cluster, &observed).status));
    let answered = decided(&cluster, &settled(&cluster, &[])).status;
    assert!(!is_reworded(&before, &answered) && !is_reworded(&answered, &before));
}

#[test]
fn what_is_refused_is_told_beside_what_is_seen_and_nothing_is_written_down_as_done() {
    let cluster = cluster("brokerCount: 3");
    let mut observed = settled(&cluster, &[]);
    observed.broker_pods[1].ready = false;
    let leaving = BrokerStatus {
        id: 3,
        state: BrokerState::Emptying,
        ready: false,
        node: None,
        rack: None,
        replicas: Some(0),
    };
    let stays = BrokerStatus {
        id: 2,
        ..leaving.clone()
    };
    observed.status.brokers = vec![stays, leaving.clone()];
    let mut decision = decided(&cluster, &observed);
    let user = |password: Option<&str>| UserStatus {
        name: "alice".to_owned(),
        mechanism: ScramMechanism::Sha512,
        password: password.map(str::to_owned),
    };
    decision.status.users = vec![user(Some("new"))];
    let removed = UserStatus {
        name: "carol".to_owned(),
        ..user(None)
    };
    observed.status.users = vec![user(Some("old")), removed.clone()];
    let status = with_refusal(&observed, &decision, "the topic is refused");
    let (ready, reason, _) = condition(&status, ConditionType::Ready);
    assert_eq!((ready.as_str(), reason.as_str()), ("False", "BrokersNotReady"));
    let (degraded, reason, message) = condition(&status, ConditionType::Degraded);
    assert_eq!((degraded.as_str(), reason.as_str()), ("True", "ChangeFailed"));
    assert!(message.contains("the topic is refused"), "{message}");
    assert!(
        status.brokers.contains(&leaving),
        "it has not been seen to be gone"
    );
    let state = status.brokers.iter().find(|broker| broker.id == 2).unwrap().state;
    assert_eq!(
        state,
        BrokerState::Emptying,
        "the balancer may not have heard that it may stay"
    );
    assert_eq!(status.users, [user(Some("old")), removed]);
}

#[test]
fn how_brokers_are_is_told_also_where_kubernetes_refuses_a_change_and_nothing_that_was_decided_is() {
    let cluster = cluster("brokerCount: 3");
    let mut observed = settled(&cluster, &[]);
    observed.status = decided(&cluster, &observed).status;
    observed.broker_pods[1].ready = false;
    observed.generation = Some(4);
    let mut decision = decided(&cluster, &observed);
    decision.status.cluster_id = Some("another".to_owned());
    let status = with_failure(&observed, &decision, "a quota");
    assert_eq!(condition(&status, ConditionType::Ready).1, "BrokersNotReady");
    assert!(!status.brokers[1].ready);
    assert_eq!(condition(&status, ConditionType::Degraded).1, "ChangeFailed");
    assert_eq!(status.observed_generation, Some(3));
    assert_eq!(status.cluster_id, observed.status.cluster_id);
}

#[test]
fn a_sidecar_that_does_not_run_is_told_and_its_broker_serves_all_the_same() {
    let pod = serde_json::json!({
        "metadata": {"name": "c-0"},
        "status": {
            "conditions": [
                {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"},
                {"type": "ContainersReady", "status": "False"},
            ],
            "containerStatuses": [
                {"name": "kafka", "ready": true, "image": "", "imageID": "", "restartCount": 0, "state": {"running": {}}},
                {"name": "sidecar", "ready": false, "image": "", "imageID": "", "restartCount": 9,
                 "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
            ],
        },
    });
    let mut lost = pod.clone();
    lost["status"]["conditions"][1]["status"] = "True".into();
    let facts = |pod: serde_json::Value| PodFacts::of(&serde_json::from_value(pod).unwrap(), "c").unwrap();
    let serves = facts(pod);
    assert!(serves.ready && serves.runs && serves.trouble.is_none());
    assert!(!facts(lost).ready, "its node is not heard of");

    let cluster = cluster("brokerCount: 3");
    let mut observed = settled(&cluster, &[]);
    observed.broker_pods[0].sidecar_trouble = serves.sidecar_trouble;
    let status = decided(&cluster, &observed).status;
    assert_eq!(condition(&status, ConditionType::Ready).0, "True");
    let (_, reason, message) = condition(&status, ConditionType::Degraded);
    assert_eq!(reason, "PodsDoNotStart");
    assert!(
        message.contains("the sidecar of c-0 does not run: CrashLoopBackOff"),
        "{message}"
    );
}

#[test]
fn a_broker_that_was_moved_gets_its_rack_also_while_nothing_else_is_changed() {
    let cluster = cluster("brokerCount: 3, rackTopologyKey: zone, listeners: {tls: {secretName: s}}");
    let mut observed = settled(&cluster, &[]);
    let node = NodeFacts {
        alive: true,
        labels: BTreeMap::from([("zone".to_owned(), "a".to_owned())]),
    };
    observed.nodes = Ok(BTreeMap::from([("node".to_owned(), node)]));
    let racks = |observed: &Observed| decided(&cluster, observed).racks.len();
    observed.paused = true;
    assert_eq!(racks(&observed), 3);
    observed.paused = false;
    observed.certificate = Err("there is no Secret s".to_owned());
    assert_eq!(racks(&observed), 3);
}
