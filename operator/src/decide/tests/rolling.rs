use super::*;

const IN_SYNC: [(&[u16], &[u16]); 2] = [(&[0, 1, 2], &[0, 1, 2]), (&[1, 2, 3], &[1, 2, 3])];

/// Six brokers whose image is to change, as they were before.
fn to_roll() -> (Cluster, Observed) {
    let before = cluster("brokerCount: 6");
    let after = cluster("brokerCount: 6, image: 'apache/kafka:4.3.0'");
    let mut observed = settled(&before, &IN_SYNC);
    let known = known(&after, &observed, 6);
    // Controllers have been replaced already.
    observed.controller_pods = (0..3)
        .map(|number| pod("c-controller", number, &controller_digest(&after, &known)))
        .collect();
    (after, observed)
}

fn fresh(cluster: &Cluster, observed: &mut Observed, number: usize) {
    let known = known(cluster, observed, cluster.brokers);
    observed.broker_pods[number].digest = Some(broker_digest(cluster, &known));
}

#[test]
fn controllers_go_first_one_at_a_time_and_the_leader_last() {
    let before = cluster("brokerCount: 3");
    let after = cluster("brokerCount: 3, image: 'apache/kafka:4.3.0'");
    let mut observed = settled(&before, &[(&[0, 1, 2], &[0, 1, 2])]);
    let wanted = controller_digest(&after, &known(&after, &observed, 3));
    let mut order = Vec::new();
    for _ in 0..3 {
        let decision = decided(&after, &observed);
        let [replaced] = &decision.replace[..] else {
            panic!("{:?}", decision.replace)
        };
        order.push(replaced.pod.clone());
        let pod = observed
            .controller_pods
            .iter_mut()
            .find(|pod| pod.name == replaced.pod)
            .unwrap();
        pod.digest = Some(wanted.clone());
        (pod.ready, pod.since) = (false, ago(60));
        assert_eq!(
            decided(&after, &observed).replace,
            [],
            "nobody goes while one is away"
        );
        observed
            .controller_pods
            .iter_mut()
            .for_each(|pod| pod.ready = true);
    }
    assert_eq!(order, ["c-controller-1", "c-controller-2", "c-controller-0"]);
    assert!(
        names(&decided(&after, &observed).replace)[0].starts_with("c-"),
        "then brokers"
    );
}

#[test]
fn a_controller_that_is_behind_keeps_the_others_from_going() {
    let before = cluster("brokerCount: 3");
    let after = cluster("brokerCount: 3, image: 'apache/kafka:4.3.0'");
    let mut observed = settled(&before, &[]);
    let quorum = observed.kafka.as_mut().unwrap().quorum.as_mut().unwrap();
    quorum.voters[1].lag = Some(100_000);
    assert_eq!(decided(&after, &observed).replace, []);
}

#[test]
fn the_first_broker_goes_alone_and_then_as_many_as_no_partition_minds() {
    let (after, mut observed) = to_roll();
    assert_eq!(names(&decided(&after, &observed).replace), ["c-0"]);
    fresh(&after, &mut observed, 0);
    // Of six brokers one may be away at a time, whatever partitions bear.
    assert_eq!(names(&decided(&after, &observed).replace), ["c-1"]);
    let many = cluster("brokerCount: 12");
    let after = cluster("brokerCount: 12, image: 'apache/kafka:4.3.0'");
    let mut observed = settled(&many, &IN_SYNC);
    let wanted = known(&after, &observed, 12);
    observed.controller_pods = (0..3)
        .map(|number| pod("c-controller", number, &controller_digest(&after, &wanted)))
        .collect();
    fresh(&after, &mut observed, 0);
    // 1, 2 and 3 share a partition that needs two of its three replicas.
    assert_eq!(names(&decided(&after, &observed).replace), ["c-1", "c-4", "c-5"]);
}

#[test]
fn no_broker_that_serves_is_replaced_while_anything_is_missing() {
    let away = |change: &dyn Fn(&mut Observed), said: &str| {
        let (after, mut observed) = to_roll();
        change(&mut observed);
        let decision = decided(&after, &observed);
        assert_eq!(decision.replace, [], "{said}");
        let (status, _, message) = condition(&decision.status, ConditionType::Progressing);
        assert_eq!(status, "True");
        assert!(message.contains(said), "{message}");
    };
    let unready = |observed: &mut Observed| {
        (observed.broker_pods[4].ready, observed.broker_pods[4].since) = (false, ago(60));
    };
    away(&unready, "c-4 is not ready");
    away(&|observed| observed.broker_pods[4].gone_by = ago(-5), "c-4 stops");
    away(&|observed| observed.broker_pods.truncate(5), "5 of 6 pods");
    away(
        &|observed| observed.kafka = Err("time-out".to_owned()),
        "Kafka cannot be asked: time-out",
    );
    away(
        &|observed| observed.kafka = Ok(kafka(&[0, 1, 2, 3, 4], &IN_SYNC)),
        "c-5 has not joined",
    );
    away(
        &|observed| observed.kafka = Ok(kafka(&[0, 1, 2, 3, 4, 5], &[(&[0, 1], &[0, 1]), (&[3, 4], &[3])])),
        "1 partitions are not in sync, such as orders-1",
    );
}

#[test]
fn an_image_that_does_not_start_stops_one_broker_and_the_next_spec_mends_it() {
    let (after, mut observed) = to_roll();
    fresh(&after, &mut observed, 0);
    observed.broker_pods[0].ready = false;
    observed.broker_pods[0].since = ago(40);
    observed.broker_pods[0].trouble = Some("ImagePullBackOff: no such image".to_owned());
    observed.kafka = Ok(kafka(&[1, 2, 3, 4, 5], &[]));
    let decision = decided(&after, &observed);
    assert_eq!(decision.replace, []);
    let (_, reason, message) = condition(&decision.status, ConditionType::Degraded);
    assert_eq!(reason, "PodsDoNotStart");
    assert!(
        message.contains("c-0 does not start: ImagePullBackOff"),
        "{message}"
    );
    let mended = cluster("brokerCount: 6, image: 'apache/kafka:4.3.2'");
    let wanted = known(&mended, &observed, 6);
    for pod in &mut observed.controller_pods {
        pod.digest = Some(controller_digest(&mended, &wanted));
    }
    assert_eq!(names(&decided(&mended, &observed).replace), ["c-0"]);
}

/// Kubernetes has not heard of these brokers for an hour.
fn lose_sight_of(observed: &mut Observed, brokers: std::ops::Range<usize>) {
    for pod in &mut observed.broker_pods[brokers] {
        pod.ready = false;
    }
}

#[test]
fn brokers_of_which_kubernetes_does_not_hear_stay_while_kafka_says_that_they_serve() {
    let (after, mut observed) = to_roll();
    lose_sight_of(&mut observed, 0..6);
    assert_eq!(decided(&after, &observed).replace, []);
    observed.kafka = Ok(kafka(&[0, 1, 2], &[]));
    assert_eq!(names(&decided(&after, &observed).replace), ["c-3", "c-4", "c-5"]);
}

#[test]
fn brokers_that_run_and_of_which_nobody_hears_go_one_after_the_other() {
    let (after, mut observed) = to_roll();
    lose_sight_of(&mut observed, 0..6);
    observed.kafka = Err("time-out".to_owned());
    assert_eq!(names(&decided(&after, &observed).replace), ["c-0"]);
    fresh(&after, &mut observed, 0);
    observed.broker_pods[0].since = ago(60);
    assert_eq!(
        decided(&after, &observed).replace,
        [],
        "the first has not started"
    );
    observed.broker_pods[0].ready = true;
    assert_eq!(names(&decided(&after, &observed).replace), ["c-1"]);
    // One whose process does not run serves nobody, whatever is heard of it.
    observed.broker_pods[4].runs = false;
    assert_eq!(names(&decided(&after, &observed).replace), ["c-4"]);
}

#[test]
fn a_pod_that_does_not_start_is_replaced_when_it_would_be_another_one_now_and_one_that_serves_is_not() {
    let cluster = cluster("brokerCount: 3");
    let mut observed = settled(&cluster, &[]);
    observed.brokers.as_mut().unwrap().revision = Some("c-2".to_owned());
    for pod in &mut observed.broker_pods {
        pod.revision = Some("c-1".to_owned());
    }
    assert_eq!(decided(&cluster, &observed).replace, []);
    let pod = &mut observed.broker_pods[2];
    (pod.ready, pod.runs) = (false, false);
    pod.trouble = Some("ImagePullBackOff: no pull secret".to_owned());
    observed.kafka = Ok(kafka(&[0, 1], &[]));
    assert_eq!(names(&decided(&cluster, &observed).replace), ["c-2"]);
    observed.broker_pods[2].revision = Some("c-2".to_owned());
    assert_eq!(decided(&cluster, &observed).replace, []);
}

#[test]
fn controllers_of_brokers_that_serve_stay_while_kafka_cannot_be_asked_how_far_they_are() {
    let before = cluster("brokerCount: 3");
    let after = cluster("brokerCount: 3, image: 'apache/kafka:4.3.0'");
    let mut observed = settled(&before, &[]);
    observed.kafka = Err("time-out".to_owned());
    let decision = decided(&after, &observed);
    assert_eq!(decision.replace, []);
    let (_, _, message) = condition(&decision.status, ConditionType::Progressing);
    assert!(message.contains("Kafka cannot be asked: time-out"), "{message}");
    assert!(message.contains("one after the other"), "{message}");
    lose_sight_of(&mut observed, 0..3);
    assert_eq!(names(&decided(&after, &observed).replace), ["c-controller-0"]);
}

#[test]
fn brokers_that_do_not_start_do_not_wait_for_a_controller_that_stops() {
    let (after, mut observed) = to_roll();
    let mut controllers = settled(&cluster("brokerCount: 6"), &[]).controller_pods;
    controllers[2].gone_by = ago(-5);
    observed.controller_pods = controllers;
    for pod in &mut observed.broker_pods {
        (pod.ready, pod.runs) = (false, false);
        pod.trouble = Some("CrashLoopBackOff".to_owned());
    }
    observed.kafka = Err("no broker is ready".to_owned());
    assert_eq!(names(&decided(&after, &observed).replace).len(), 6);
}

#[test]
fn with_zookeeper_the_broker_that_is_the_controller_goes_last() {
    let spec = "brokerCount: 2, zookeeperConnect: zk, image: 'apache/kafka:3.9.2'";
    let before = cluster(spec);
    let after = cluster(&format!("{spec}, config: {{num.partitions: 4}}"));
    let mut observed = settled(&before, &[]);
    observed.kafka.as_mut().unwrap().description.controller = Some(0.into());
    assert_eq!(names(&decided(&after, &observed).replace), ["c-1"]);
    fresh(&after, &mut observed, 1);
    assert_eq!(names(&decided(&after, &observed).replace), ["c-0"]);
}

#[test]
fn a_pod_is_given_up_only_when_its_node_is_gone_or_kafka_agrees_that_it_is_dead() {
    let cluster = cluster("brokerCount: 3");
    let node = |alive| NodeFacts {
        alive,
        labels: BTreeMap::new(),
    };
    let buried = |gone_by, node: Option<NodeFacts>, alive: &[u16]| {
        let mut observed = settled(&cluster, &[]);
        observed.kafka = Ok(kafka(alive, &[]));
        observed.broker_pods[2].gone_by = gone_by;
        observed.nodes = Ok(node.map(|node| ("node".to_owned(), node)).into_iter().collect());
        names(&decided(&cluster, &observed).bury).len()
    };
    assert_eq!(buried(ago(100), None, &[0, 1, 2]), 1, "its node is gone");
    assert_eq!(
        buried(ago(100), Some(node(false)), &[0, 1]),
        1,
        "it is dead for Kafka, too"
    );
    assert_eq!(buried(ago(100), Some(node(false)), &[0, 1, 2]), 0, "it may run");
    assert_eq!(
        buried(ago(100), Some(node(true)), &[0, 1]),
        0,
        "its node will say"
    );
    assert_eq!(buried(ago(30), None, &[0, 1]), 0, "it may take a while");
    assert_eq!(buried(None, None, &[0, 1]), 0, "it was not told to go");
}

proptest::proptest! {
    /// Whatever is in sync and whoever is stale: no partition that has a replica to spare falls below its minimum.
    #[test]
    fn every_partition_keeps_its_minimum(
        partitions in proptest::collection::vec(proptest::sample::subsequence((0_u16..16).collect::<Vec<_>>(), 1..4), 1..20),
        fresh_pods in proptest::sample::subsequence((0_usize..16).collect::<Vec<_>>(), 0..16),
    ) {
        let before = cluster("brokerCount: 16");
        let after = cluster("brokerCount: 16, image: 'apache/kafka:4.3.0'");
        let all: Vec<(&[u16], &[u16])> = partitions.iter().map(|replicas| (&replicas[..], &replicas[..])).collect();
        let mut observed = settled(&before, &all);
        let wanted = known(&after, &observed, 16);
        for pod in &mut observed.controller_pods {
            pod.digest = Some(controller_digest(&after, &wanted));
        }
        for number in fresh_pods.iter().copied() {
            fresh(&after, &mut observed, number);
        }
        let decision = decided(&after, &observed);
        let away: Vec<u16> = decision.replace.iter().map(|pod| pod.pod[2..].parse().unwrap()).collect();
        proptest::prop_assert_eq!(away.is_empty(), fresh_pods.len() == 16);
        proptest::prop_assert!(away.len() <= 4);
        for replicas in &partitions {
            let missing: Vec<&u16> = away.iter().filter(|broker| replicas.contains(broker)).collect();
            // The first broker goes in any case: a partition without a replica to spare cannot be helped.
            let unavoidable = missing.len() <= 1 && missing.first() == away.first().as_ref();
            let untouched = missing.is_empty();
            proptest::prop_assert!(untouched || unavoidable || replicas.len() - missing.len() >= 2);
        }
    }
}
