use ::balancer::journal::Mode;
use ::kafka::cluster::Reassignment;
use ::kafka::ids::TopicPartition;

use super::*;
use crate::build::broker_claim;
use crate::crd::BrokerStatus;

/// Five brokers of which three are wanted.
fn shrinking(partitions: &[(&[u16], &[u16])]) -> (Cluster, Observed) {
    let observed = settled(&cluster("brokerCount: 5"), partitions);
    (cluster("brokerCount: 3"), observed)
}

/// What the status remembers.
fn remember(observed: &mut Observed, numbers: &[u16]) {
    let emptying = |id: &u16| BrokerStatus {
        id: i32::from(*id),
        state: BrokerState::Emptying,
        ready: true,
        node: None,
        rack: None,
        replicas: None,
    };
    observed.status.brokers = numbers.iter().map(emptying).collect();
}

fn stored(observed: &mut Observed, replicas: &[(u16, Result<usize, &str>)]) {
    let facts = observed.kafka.as_mut().unwrap();
    facts.stored = replicas
        .iter()
        .map(|(id, replicas)| ((*id).into(), replicas.map_err(str::to_owned)))
        .collect();
}

fn ids(numbers: &[u16]) -> Vec<BrokerId> {
    numbers.iter().map(|number| (*number).into()).collect()
}

fn emptying(decision: &Decision) -> Vec<i32> {
    remembered(&decision.status).into_iter().map(i32::from).collect()
}

const HOSTED: [(&[u16], &[u16]); 1] = [(&[0, 3, 4], &[0, 3, 4])];
const MOVED: [(&[u16], &[u16]); 1] = [(&[0, 1, 2], &[0, 1, 2])];

#[test]
fn more_brokers_are_there_at_once() {
    let observed = settled(&cluster("brokerCount: 3"), &MOVED);
    let decision = decided(&cluster("brokerCount: 5"), &observed);
    assert_eq!(kept(&decision), Some(5));
    assert_eq!(decision.replace, [], "nobody restarts for it");
}

#[test]
fn brokers_go_when_they_are_remembered_drained_and_proven_empty() {
    let (after, mut observed) = shrinking(&HOSTED);
    stored(&mut observed, &[(3, Ok(1)), (4, Ok(1))]);
    let remembers = decided(&after, &observed);
    assert_eq!((kept(&remembers), &remembers.orders[..]), (Some(5), &[][..]));
    assert_eq!(emptying(&remembers), [3, 4]);

    observed.status = remembers.status;
    let asks = decided(&after, &observed);
    assert_eq!(asks.orders, [BalancerOrder::Drain(ids(&[3, 4]))]);
    assert_eq!(kept(&asks), Some(5));

    observed.balancer.as_mut().unwrap().draining = ids(&[3, 4]).into_iter().collect();
    let waits = decided(&after, &observed);
    assert_eq!((kept(&waits), &waits.orders[..]), (Some(5), &[][..]));
    let (_, reason, message) = condition(&waits.status, ConditionType::Progressing);
    assert_eq!(reason, "ScalingDown");
    assert!(
        message.contains("being emptied: 3, 4, with 2 replicas left"),
        "{message}"
    );

    // Metadata alone is no proof.
    observed.kafka = Ok(kafka(&[0, 1, 2, 3, 4], &MOVED));
    stored(&mut observed, &[(3, Ok(1)), (4, Ok(0))]);
    assert_eq!(
        kept(&decided(&after, &observed)),
        Some(4),
        "the highest may go before the others"
    );
    stored(&mut observed, &[(3, Ok(0)), (4, Ok(0))]);
    let goes = decided(&after, &observed);
    assert_eq!((kept(&goes), emptying(&goes)), (Some(3), vec![3, 4]));
    assert_eq!(goes.unregister, []);

    // Their pods stop, and Kafka takes them for alive for a while.
    observed.brokers.as_mut().unwrap().replicas = 3;
    assert_eq!(decided(&after, &observed).unregister, []);
    observed.broker_pods.truncate(3);
    assert_eq!(decided(&after, &observed).unregister, []);
    observed.kafka = Ok(kafka(&[0, 1, 2], &MOVED));
    let forgets = decided(&after, &observed);
    assert_eq!(forgets.unregister, ids(&[3, 4]));
    assert_eq!(forgets.orders, [BalancerOrder::Undrain(ids(&[3, 4]))]);
    assert_eq!(emptying(&forgets), [0; 0]);
    assert_eq!(kept(&forgets), Some(3));
}

#[test]
fn the_volume_of_a_broker_is_deleted_when_the_broker_is_gone_and_nothing_was_placed_on_it_in_its_last_moment()
{
    let (before, mut observed) = shrinking(&HOSTED);
    let after = cluster("brokerCount: 3, volumeDeletionPolicy: Delete");
    remember(&mut observed, &[3, 4]);
    observed.claims = (0..5)
        .map(|number| claim(&broker_claim(&after, number), "100G"))
        .collect();
    let discarded = |cluster: &Cluster, observed: &Observed| {
        let discard = decided(cluster, observed).discard;
        discard.into_iter().map(|claim| claim.claim).collect::<Vec<_>>()
    };
    observed.brokers.as_mut().unwrap().replicas = 3;
    observed.broker_pods.truncate(3);
    observed.kafka = Ok(kafka(&[0, 1, 2], &HOSTED));
    assert_eq!(discarded(&after, &observed), [""; 0], "both have got a replica");
    assert_eq!(
        kept(&decided(&after, &observed)),
        Some(5),
        "and come back with it"
    );
    observed.kafka = Ok(kafka(&[0, 1, 2, 3], &MOVED));
    assert_eq!(discarded(&after, &observed), [broker_claim(&after, 4)]);
    observed.kafka = Ok(kafka(&[0, 1, 2], &MOVED));
    assert_eq!(discarded(&after, &observed).len(), 2);
    assert_eq!(discarded(&before, &observed), [""; 0]);
    observed.kafka = Err("time-out".to_owned());
    assert_eq!(discarded(&after, &observed), [""; 0]);
}

#[test]
fn a_question_without_an_answer_is_never_taken_for_a_good_one() {
    let unanswered = |change: &dyn Fn(&mut Observed), said: &str| {
        let (after, mut observed) = shrinking(&MOVED);
        remember(&mut observed, &[3, 4]);
        stored(&mut observed, &[(3, Ok(0)), (4, Ok(0))]);
        change(&mut observed);
        let decision = decided(&after, &observed);
        assert_eq!(kept(&decision), Some(5), "{said}");
        let (_, _, message) = condition(&decision.status, ConditionType::Progressing);
        assert!(message.contains(said), "{message}");
    };
    unanswered(
        &|observed| observed.kafka = Err("time-out".to_owned()),
        "hosts: time-out",
    );
    unanswered(
        &|observed| stored(observed, &[(3, Ok(0)), (4, Err("no answer"))]),
        "hosts: no answer",
    );
    unanswered(&|observed| stored(observed, &[(3, Ok(0))]), "have not been read");
    unanswered(
        &|observed| stored(observed, &[(3, Ok(0)), (4, Ok(7))]),
        "with 7 replicas left",
    );
    let moving = |observed: &mut Observed| {
        let partition = TopicPartition::new("orders".parse().unwrap(), 0_u16.into());
        let moving = Reassignment {
            replicas: ids(&[0, 1, 2, 4]),
            adding: ids(&[4]),
            removing: ids(&[0]),
        };
        observed
            .kafka
            .as_mut()
            .unwrap()
            .reassignments
            .insert(partition, moving);
    };
    unanswered(&moving, "with 1 replicas left");
}

#[test]
fn a_broker_that_never_started_goes_when_nothing_is_assigned_to_it() {
    let (after, mut observed) = shrinking(&MOVED);
    observed.kafka = Ok(kafka(&[0, 1, 2, 3], &MOVED));
    stored(&mut observed, &[(3, Ok(0)), (4, Err("it does not answer"))]);
    let remembers = decided(&after, &observed);
    assert_eq!((kept(&remembers), emptying(&remembers)), (Some(5), vec![3, 4]));
    observed.status = remembers.status;
    assert_eq!(kept(&decided(&after, &observed)), Some(3));
    observed.kafka = Ok(kafka(&[0, 1, 2, 3], &[(&[0, 1, 4], &[0, 1])]));
    assert_eq!(kept(&decided(&after, &observed)), Some(5));
}

#[test]
fn a_broker_that_went_with_data_on_it_is_brought_back() {
    let (after, mut observed) = shrinking(&HOSTED);
    remember(&mut observed, &[3, 4]);
    // Somebody else has scaled the StatefulSet.
    observed.brokers.as_mut().unwrap().replicas = 3;
    observed.broker_pods.truncate(3);
    observed.kafka = Ok(kafka(&[0, 1, 2], &HOSTED));
    let decision = decided(&after, &observed);
    assert_eq!((kept(&decision), decision.unregister.len()), (Some(5), 0));
    // Without an answer of Kafka everything stays as it is.
    observed.kafka = Err("time-out".to_owned());
    assert_eq!(kept(&decided(&after, &observed)), Some(3));
}

#[test]
fn a_change_of_mind_lets_load_come_back() {
    let (_, mut observed) = shrinking(&HOSTED);
    remember(&mut observed, &[3, 4]);
    // A broker that somebody else drains is not ours to undrain.
    observed.balancer.as_mut().unwrap().draining = ids(&[1, 3, 4]).into_iter().collect();
    let decision = decided(&cluster("brokerCount: 5"), &observed);
    assert_eq!(decision.orders, [BalancerOrder::Undrain(ids(&[3, 4]))]);
    // It may not show yet what it was asked for.
    observed.balancer.as_mut().unwrap().draining = BTreeSet::new();
    let decision = decided(&cluster("brokerCount: 5"), &observed);
    assert_eq!(decision.orders, [BalancerOrder::Undrain(ids(&[3, 4]))]);
    // While it cannot be told, that it has to be is not forgotten.
    let mut unheard = observed.clone();
    unheard.balancer = Err("time-out".to_owned());
    assert_eq!(emptying(&decided(&cluster("brokerCount: 5"), &unheard)), [3, 4]);
    assert_eq!((kept(&decision), emptying(&decision)), (Some(5), vec![]));
}

#[test]
fn what_is_owed_to_brokers_that_are_emptied_is_not_forgotten_while_nothing_is_done() {
    let certificate = |observed: &mut Observed| observed.certificate = Err("there is no Secret s".to_owned());
    let nothing_is_done: [&dyn Fn(&mut Observed); 2] = [&|observed| observed.paused = true, &certificate];
    for nothing_is_done in nothing_is_done {
        let (after, mut observed) = shrinking(&HOSTED);
        remember(&mut observed, &[3, 4]);
        let before = observed.clone();
        nothing_is_done(&mut observed);
        let unheard = decided(&cluster("brokerCount: 5"), &observed);
        assert_eq!((&unheard.orders[..], emptying(&unheard)), (&[][..], vec![3, 4]));

        // Or their pods stop meanwhile, as they were to.
        observed.brokers.as_mut().unwrap().replicas = 3;
        observed.broker_pods.truncate(3);
        observed.kafka = Ok(kafka(&[0, 1, 2], &MOVED));
        let stopped = decided(&after, &observed);
        assert_eq!((stopped.unregister.len(), emptying(&stopped)), (0, vec![3, 4]));
        observed.status = stopped.status;
        (observed.paused, observed.certificate) = (before.paused, before.certificate);
        assert_eq!(decided(&after, &observed).unregister, ids(&[3, 4]));
    }
}

#[test]
fn what_fewer_brokers_cannot_hold_is_refused_with_the_cure() {
    let (after, mut observed) = shrinking(&[(&[0, 1, 2, 3], &[0, 1, 2, 3])]);
    remember(&mut observed, &[3, 4]);
    let decision = decided(&after, &observed);
    assert_eq!((kept(&decision), &decision.orders[..]), (Some(5), &[][..]));
    let (_, reason, message) = condition(&decision.status, ConditionType::Degraded);
    assert_eq!(reason, "ScaleDownRefused");
    assert!(
        message.contains("set spec.brokerCount to at least 4"),
        "{message}"
    );
}

#[test]
fn a_balancer_that_only_observes_or_is_away_is_named() {
    let (after, mut observed) = shrinking(&HOSTED);
    remember(&mut observed, &[3, 4]);
    observed.balancer.as_mut().unwrap().mode = Mode::Observe;
    let decision = decided(&after, &observed);
    assert_eq!(decision.orders, []);
    let (_, _, message) = condition(&decision.status, ConditionType::Degraded);
    assert!(message.contains("set spec.balancer.mode to auto"), "{message}");
    observed.balancer = Err("connection refused".to_owned());
    let decision = decided(&after, &observed);
    let (_, _, message) = condition(&decision.status, ConditionType::Progressing);
    assert!(
        message.contains("the balancer does not answer: connection refused"),
        "{message}"
    );
}

proptest::proptest! {
    /// Whatever is seen: no pod goes of which Kafka or its own broker does not say that it hosts nothing.
    #[test]
    fn no_broker_goes_with_data(
        replicas in proptest::collection::vec(proptest::sample::subsequence((0_u16..8).collect::<Vec<_>>(), 1..4), 0..6),
        said in proptest::collection::vec(proptest::option::of(0_usize..3), 8),
        wanted in 4_u16..=8,
        answered: bool,
    ) {
        let after = cluster(&format!("brokerCount: {wanted}"));
        let all: Vec<(&[u16], &[u16])> = replicas.iter().map(|replicas| (&replicas[..], &replicas[..])).collect();
        let mut observed = settled(&cluster("brokerCount: 8"), &all);
        let dirs: Vec<(u16, Result<usize, &str>)> = (0..)
            .zip(&said)
            .map(|(id, said)| (id, said.ok_or("no answer")))
            .collect();
        stored(&mut observed, &dirs);
        if !answered {
            observed.kafka = Err("time-out".to_owned());
        }
        let decision = decided(&after, &observed);
        let pods = u16::try_from(kept(&decision).unwrap()).unwrap();
        proptest::prop_assert!(pods >= wanted);
        for gone in pods..8 {
            proptest::prop_assert!(answered);
            proptest::prop_assert!(replicas.iter().all(|replicas| !replicas.contains(&gone)));
            proptest::prop_assert_eq!(said[usize::from(gone)], Some(0));
        }
    }
}
