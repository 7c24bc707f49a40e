//! Decisions, by what is wanted and what is.

use std::collections::BTreeMap;

use ::kafka::cluster::{Broker, ClusterDescription, Partition, Topic};
use ::kafka::ids::BrokerId;
use ::kafka::membership::{Quorum, Voter};
use k8s_openapi::jiff::SignedDuration;

use super::*;
use crate::crd::{ConditionType, Kafkacluster};

mod replication;
mod rolling;
mod scaling;
mod status;

pub(super) fn now() -> Timestamp {
    "2030-01-01T12:00:00Z".parse().unwrap()
}

pub(super) fn ago(seconds: i64) -> Option<Timestamp> {
    Some(now() - SignedDuration::from_secs(seconds))
}

/// A cluster of this spec, which begins after `brokerCount: N`.
pub(super) fn cluster(spec: &str) -> Cluster {
    let text = format!(
        "{{apiVersion: krallistic.github.com/v1, kind: Kafkacluster, metadata: {{name: c, namespace: n, uid: u}}, spec: {{{spec}}}}}"
    );
    let object: Kafkacluster = serde_saphyr::from_str(&text).unwrap();
    Cluster::validate(&object).unwrap()
}

/// All partitions of one topic, each with its replicas and those in sync.
pub(super) fn kafka(alive: &[u16], partitions: &[(&[u16], &[u16])]) -> KafkaFacts {
    let ids = |numbers: &[u16]| -> Vec<BrokerId> { numbers.iter().map(|number| (*number).into()).collect() };
    let broker = |id: &u16| Broker {
        id: (*id).into(),
        host: format!("c-{id}"),
        port: 9091,
        rack: None,
    };
    let partition = |(number, (replicas, in_sync)): (u16, &(&[u16], &[u16]))| Partition {
        id: number.into(),
        leader: in_sync.first().map(|id| (*id).into()),
        replicas: ids(replicas),
        in_sync: ids(in_sync),
    };
    let name: ::kafka::TopicName = "orders".parse().unwrap();
    KafkaFacts {
        description: ClusterDescription {
            cluster_id: "x".to_owned(),
            controller: alive.first().map(|id| (*id).into()),
            brokers: alive.iter().map(broker).collect(),
            topics: vec![Topic {
                name: name.clone(),
                id: [1; 16],
                partitions: (0..).zip(partitions).map(partition).collect(),
            }],
        },
        quorum: Some(Quorum {
            leader: BrokerId::try_from(1000).ok(),
            voters: (1000_u16..1003)
                .map(|id| Voter {
                    id: id.into(),
                    lag: Some(0),
                })
                .collect(),
        }),
        min_in_sync: BTreeMap::from([(name, 2)]),
        stored: BTreeMap::new(),
        reassignments: BTreeMap::new(),
        defaults: BTreeMap::new(),
        users: Ok(BTreeMap::new()),
        topic_configs: BTreeMap::new(),
    }
}

/// A pod that serves and was made with this digest.
pub(super) fn pod(set: &str, number: u16, digest: &str) -> PodFacts {
    PodFacts {
        name: format!("{set}-{number}"),
        uid: format!("uid-{set}-{number}"),
        number,
        digest: Some(digest.to_owned()),
        resources: None,
        resize: None,
        revision: None,
        ready: true,
        runs: true,
        since: ago(3600),
        gone_by: None,
        node: Some("node".to_owned()),
        host: Some(format!("10.0.0.{number}")),
        rack: None,
        trouble: None,
        sidecar_trouble: None,
    }
}

/// What there is of a cluster in which nothing is to be done: three controllers and so many brokers.
pub(super) fn settled(cluster: &Cluster, partitions: &[(&[u16], &[u16])]) -> Observed {
    let id = ClusterId::from_random(7);
    let known = Known {
        cluster_id: Some(id.clone()),
        broker_pods: cluster.brokers,
        certificate: None,
    };
    let set = |replicas| SetFacts {
        replicas,
        claim: Some(Quantity("100G".to_owned())),
        cluster_id: Some(id.clone()),
        revision: None,
    };
    let alive: Vec<u16> = (0..cluster.brokers).collect();
    let broker = |number: &u16| PodFacts {
        resources: Some(broker_resources(cluster)),
        ..pod("c", *number, &broker_digest(cluster, &known))
    };
    let controller = |number| pod("c-controller", number, &controller_digest(cluster, &known));
    Observed {
        generation: Some(3),
        status: KafkaclusterStatus {
            cluster_id: Some(id.to_string()),
            ..KafkaclusterStatus::default()
        },
        paused: false,
        brokers: Some(set(cluster.brokers)),
        controllers: Some(set(3)),
        broker_pods: alive.iter().map(broker).collect(),
        controller_pods: (0..3).map(controller).collect(),
        claims: Vec::new(),
        not_resized: BTreeSet::new(),
        nodes: Ok(BTreeMap::new()),
        certificate: Ok(None),
        passwords: BTreeMap::new(),
        kafka: Ok(kafka(&alive, partitions)),
        balancer: Ok(BalancerFacts {
            mode: ::balancer::journal::Mode::Auto,
            phase: ::balancer::api::view::Phase::Watching,
            draining: BTreeSet::new(),
            replicating: BTreeMap::new(),
            hot: 0,
            imbalance: 1.04,
        }),
        now: now(),
        random: 9,
    }
}

pub(super) fn decided(cluster: &Cluster, observed: &Observed) -> Decision {
    decide(cluster, &Installation::default(), observed).unwrap()
}

/// The status, reason and message of a condition.
pub(super) fn condition(status: &KafkaclusterStatus, kind: ConditionType) -> (String, String, String) {
    let found = status
        .conditions
        .iter()
        .find(|found| found.type_ == kind.name())
        .unwrap();
    (found.status.clone(), found.reason.clone(), found.message.clone())
}

/// How many pods the brokers' StatefulSet of a decision keeps.
pub(super) fn kept(decision: &Decision) -> Option<i32> {
    decision.objects.iter().find_map(|object| match object {
        Object::StatefulSet(set) if object.name() == "c" => set.spec.as_ref()?.replicas,
        _ => None,
    })
}

pub(super) fn names(pods: &[Replaced]) -> Vec<&str> {
    pods.iter().map(|replaced| replaced.pod.as_str()).collect()
}

#[test]
fn what_is_as_wanted_is_left_alone() {
    let cluster = cluster("brokerCount: 3");
    let mut observed = settled(&cluster, &[(&[0, 1, 2], &[0, 1, 2])]);
    let first = decided(&cluster, &observed);
    observed.status = first.status;
    let second = decided(&cluster, &observed);
    let nothing = Decision {
        objects: second.objects.clone(),
        status: observed.status.clone(),
        again: LATER,
        ..Decision::default()
    };
    assert_eq!(second, nothing);
}

#[test]
fn an_id_is_written_down_before_anything_is_made_and_never_changes() {
    let cluster = cluster("brokerCount: 3");
    let mut observed = settled(&cluster, &[]);
    observed.status = KafkaclusterStatus::default();
    (observed.brokers, observed.controllers) = (None, None);
    (observed.broker_pods, observed.controller_pods) = (Vec::new(), Vec::new());
    let first = decided(&cluster, &observed);
    assert_eq!(first.objects, []);
    assert_eq!(
        first.status.cluster_id,
        Some(ClusterId::from_random(9).to_string())
    );
    observed.status = first.status.clone();
    observed.random = 10;
    let second = decided(&cluster, &observed);
    assert_eq!(second.status.cluster_id, first.status.cluster_id);
    assert_eq!(kept(&second), Some(3));
}

#[test]
fn a_lost_status_takes_the_id_with_which_pods_have_started() {
    let cluster = cluster("brokerCount: 3");
    let mut observed = settled(&cluster, &[]);
    observed.status = KafkaclusterStatus::default();
    let decision = decided(&cluster, &observed);
    assert_eq!(
        decision.status.cluster_id,
        Some(ClusterId::from_random(7).to_string())
    );
    assert_eq!(kept(&decision), Some(3));
}

#[test]
fn nothing_is_changed_while_it_is_paused() {
    let before = cluster("brokerCount: 3");
    let mut observed = settled(&before, &[(&[0, 1, 2], &[0, 1, 2])]);
    observed.paused = true;
    let decision = decided(&cluster("brokerCount: 5, image: 'apache/kafka:4.3.0'"), &observed);
    let untouched = Decision {
        status: decision.status.clone(),
        notes: decision.notes.clone(),
        again: LATER,
        ..Decision::default()
    };
    assert_eq!(decision, untouched);
    assert_eq!(condition(&decision.status, ConditionType::Paused).0, "True");
}

#[test]
fn a_certificate_that_is_missing_stops_everything_and_is_named() {
    let cluster = cluster("brokerCount: 3, listeners: {tls: {secretName: s}}");
    let mut observed = settled(&cluster, &[]);
    observed.certificate = Err("there is no Secret s".to_owned());
    let decision = decided(&cluster, &observed);
    assert_eq!((decision.objects.len(), decision.replace.len()), (0, 0));
    let (status, reason, message) = condition(&decision.status, ConditionType::Degraded);
    assert_eq!((status.as_str(), reason.as_str()), ("True", "NoCertificate"));
    assert!(message.contains("no Secret s"), "{message}");
}

fn claim(name: &str, asked: &str) -> ClaimFacts {
    ClaimFacts {
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        asked: Some(Quantity(asked.to_owned())),
        bound: true,
    }
}

#[test]
fn volumes_grow_by_their_claims_and_a_new_stateful_set_that_takes_over_the_pods() {
    let cluster = cluster("brokerCount: 3, resources: {diskSpace: 200G}");
    let mut observed = settled(&cluster, &[]);
    observed.claims = vec![
        claim("a", "100G"),
        claim("b", "200000M"),
        ClaimFacts {
            bound: false,
            ..claim("c", "100G")
        },
    ];
    let decision = decided(&cluster, &observed);
    assert_eq!(decision.grow, [("a".to_owned(), Quantity("200G".to_owned()))]);
    assert!(decision.recreate);
    assert_eq!(decision.replace, [], "pods go on with their volumes");
}

#[test]
fn topics_are_made_when_all_brokers_are_there_and_never_get_less() {
    let topics = "topics: [{name: new, partitions: 4}, {name: orders, partitions: 1}]";
    let cluster = cluster(&format!("brokerCount: 3, {topics}"));
    let mut observed = settled(&cluster, &[(&[0, 1, 2], &[0, 1, 2]), (&[0, 1, 2], &[0, 1, 2])]);
    let decision = decided(&cluster, &observed);
    assert_eq!(decision.topics.make.len(), 1);
    assert_eq!(decision.topics.grow, []);
    let (_, reason, message) = condition(&decision.status, ConditionType::Degraded);
    assert_eq!(reason, "TopicDiffers");
    assert!(
        message.contains("has 2 partitions and the spec says 1"),
        "{message}"
    );
    observed.kafka.as_mut().unwrap().description.brokers.pop();
    assert_eq!(decided(&cluster, &observed).topics.make, []);
}

#[test]
fn topics_get_partitions_and_what_is_said_of_their_configuration() {
    let cluster =
        cluster("brokerCount: 3, topics: [{name: orders, partitions: 5, config: {retention.ms: 7}}]");
    let mut observed = settled(&cluster, &[(&[0, 1, 2], &[0, 1, 2])]);
    // Its configuration was not answered: nothing is known to differ.
    let unknown = decided(&cluster, &observed).topics;
    assert_eq!((unknown.grow.len(), unknown.configure.len()), (1, 0));
    let throttles = (
        "leader.replication.throttled.replicas".to_owned(),
        "0:1".to_owned(),
    );
    let set = BTreeMap::from([("retention.ms".to_owned(), "8".to_owned()), throttles]);
    let facts = observed.kafka.as_mut().unwrap();
    facts.topic_configs.insert("orders".parse().unwrap(), set);
    let topics = decided(&cluster, &observed).topics;
    let change = ConfigChange::Set {
        name: "retention.ms".to_owned(),
        value: "7".to_owned(),
    };
    assert_eq!(topics.configure, [("orders".parse().unwrap(), vec![change])]);
}

#[test]
fn a_configuration_that_kafka_tells_in_other_words_is_as_it_should_be() {
    let changes = |wanted: &str, told: &str| {
        let topic = format!("{{name: orders, partitions: 1, config: {{some: '{wanted}'}}}}");
        let cluster = cluster(&format!("brokerCount: 3, topics: [{topic}]"));
        let mut observed = settled(&cluster, &[(&[0, 1, 2], &[0, 1, 2])]);
        let set = BTreeMap::from([("some".to_owned(), told.to_owned())]);
        let facts = observed.kafka.as_mut().unwrap();
        facts.topic_configs.insert("orders".parse().unwrap(), set);
        decided(&cluster, &observed).topics.configure.len()
    };
    let same = [
        ("compact, delete", "compact,delete"),
        ("1", "1.0"),
        ("0.50", "0.5"),
        ("TRUE", "true"),
        ("007", "7"),
        ("lz4", "lz4"),
    ];
    let others = [
        ("compact", "compact,delete"),
        ("0.5", "0.51"),
        ("9223372036854775806", "9223372036854775807"),
        ("LZ4", "lz4"),
        ("true", "false"),
    ];
    for (wanted, told) in same {
        assert_eq!(changes(wanted, told), 0, "{wanted} {told}");
    }
    for (wanted, told) in others {
        assert_eq!(changes(wanted, told), 1, "{wanted} {told}");
    }
}
