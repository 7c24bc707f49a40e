//! Topics with another number of replicas than the spec says.

use ::balancer::journal::Mode;
use ::kafka::ReplicationFactor;

use super::*;

fn three() -> Cluster {
    cluster("brokerCount: 3, topics: [{name: orders, replicationFactor: 3}]")
}

/// Two partitions, one of which has one replica.
fn differing(cluster: &Cluster) -> Observed {
    settled(cluster, &[(&[0, 1, 2], &[0, 1, 2]), (&[0], &[0])])
}

fn replicas(number: i64) -> ReplicationFactor {
    number.try_into().unwrap()
}

fn order(number: i64) -> Vec<BalancerOrder> {
    vec![BalancerOrder::Replicate(
        [("orders".parse().unwrap(), replicas(number))].into(),
    )]
}

fn balancer(observed: &mut Observed) -> &mut BalancerFacts {
    observed.balancer.as_mut().unwrap()
}

#[test]
fn the_balancer_is_asked_once_and_progressing_says_how_far_it_is() {
    let cluster = three();
    let mut observed = differing(&cluster);
    for orders in [order(3), Vec::new()] {
        let decision = decided(&cluster, &observed);
        assert_eq!(decision.orders, orders);
        let (status, reason, message) = condition(&decision.status, ConditionType::Progressing);
        assert_eq!((status.as_str(), reason.as_str()), ("True", "Replicating"));
        assert_eq!(
            message,
            "topic orders gets 3 replicas: 1 of 2 partitions have another number"
        );
        assert_eq!(condition(&decision.status, ConditionType::Degraded).0, "False");
        assert_eq!(decision.again, SOON);
        balancer(&mut observed).replicating = [("orders".parse().unwrap(), replicas(3))].into();
    }
    let settled = settled(&cluster, &[(&[0, 1, 2], &[0, 1, 2])]);
    assert_eq!(decided(&cluster, &settled).orders, []);
}

#[test]
fn a_number_that_changes_again_takes_the_place_of_what_was_asked_before() {
    let cluster = three();
    let mut observed = settled(&cluster, &[(&[0, 1, 2], &[0, 1, 2])]);
    balancer(&mut observed).replicating = [("orders".parse().unwrap(), replicas(2))].into();
    assert_eq!(decided(&cluster, &observed).orders, order(3));
}

#[test]
fn a_topic_that_is_not_in_the_spec_any_more_is_left_to_the_balancer() {
    let without = cluster("brokerCount: 3");
    let mut observed = differing(&without);
    balancer(&mut observed).replicating = [("orders".parse().unwrap(), replicas(3))].into();
    assert_eq!(decided(&without, &observed).orders, []);
}

#[test]
fn nothing_is_asked_of_a_balancer_that_only_observes_and_the_cure_is_said() {
    let cluster = three();
    let mut observed = differing(&cluster);
    balancer(&mut observed).mode = Mode::Observe;
    let decision = decided(&cluster, &observed);
    assert_eq!(decision.orders, []);
    let (_, reason, message) = condition(&decision.status, ConditionType::Degraded);
    assert_eq!(reason, "TopicDiffers");
    for part in [
        "topic orders has 1 replicas of a partition and the spec says 3",
        "set spec.balancer.mode to auto or approve",
        "write 1 into spec.topics[].replicationFactor",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn what_is_waited_for_is_said() {
    let cluster = three();
    let mut silent = differing(&cluster);
    silent.balancer = Err("connection refused".to_owned());
    let mut starting = differing(&cluster);
    balancer(&mut starting).phase = ::balancer::api::view::Phase::Starting;
    let mut approving = differing(&cluster);
    balancer(&mut approving).mode = Mode::Approve;
    let mut few = differing(&cluster);
    few.kafka.as_mut().unwrap().description.brokers.pop();
    for (observed, orders, words) in [
        (
            silent,
            Vec::new(),
            "the balancer does not answer: connection refused",
        ),
        (
            starting,
            Vec::new(),
            "the balancer has no picture of the cluster yet",
        ),
        (approving, order(3), "plans wait for `kafka-balancer approve`"),
        (
            few,
            Vec::new(),
            "it waits for so many brokers, of which 2 are alive",
        ),
    ] {
        let decision = decided(&cluster, &observed);
        assert_eq!(decision.orders, orders);
        let (_, _, message) = condition(&decision.status, ConditionType::Progressing);
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn more_replicas_than_brokers_are_refused_with_the_field_and_the_cure() {
    let text = "{apiVersion: krallistic.github.com/v1, kind: Kafkacluster, metadata: {name: c, namespace: n, uid: u}, \
                spec: {brokerCount: 3, topics: [{name: orders, replicationFactor: 4}]}}";
    let object: Kafkacluster = serde_saphyr::from_str(text).unwrap();
    let problems = Cluster::validate(&object).unwrap_err();
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let said = said.join("; ");
    assert!(said.contains("spec.topics[0].replicationFactor"), "{said}");
    assert!(said.contains("raise spec.brokerCount"), "{said}");
}
