use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, advance};

use super::*;
use crate::cluster::{Cluster, ConfigChange, ConfigResource, NewTopic, Placement};
use crate::compacted_log::{CompactedLog, Entry, LogError, LogWriter};
use crate::groups::GroupKind;
use crate::membership::Membership;

fn broker(id: i32) -> BrokerId {
    BrokerId::try_from(id).unwrap()
}

fn brokers<const N: usize>(ids: [i32; N]) -> Vec<BrokerId> {
    ids.map(broker).to_vec()
}

fn partition(name: &str) -> TopicPartition {
    TopicPartition::new(name.parse().unwrap(), 0.try_into().unwrap())
}

async fn cluster_with(name: &str, replicas: Vec<BrokerId>, bytes: f64) -> (SimulatedCluster, TopicPartition) {
    let cluster = SimulatedCluster::new((0..4).map(|id| SimulatedBroker::new(broker(id))));
    let topic = NewTopic {
        name: name.parse().unwrap(),
        placement: Placement::Manual(vec![replicas]),
        configs: BTreeMap::new(),
    };
    cluster.create_topics(&[topic]).await.unwrap();
    cluster.produce(&partition(name), bytes).unwrap();
    (cluster, partition(name))
}

async fn state(cluster: &SimulatedCluster) -> crate::cluster::Partition {
    cluster.describe().await.unwrap().topics[0].partitions[0].clone()
}

#[tokio::test(start_paused = true)]
async fn a_new_replica_takes_the_time_that_bandwidth_allows() {
    let (cluster, t) = cluster_with("t", brokers([0, 1]), 1e9).await;
    cluster.reassign(&[(t.clone(), brokers([2, 1]))]).await.unwrap();
    advance(Duration::from_millis(9_990)).await;
    assert_eq!(cluster.reassignments().await.unwrap()[&t].adding, brokers([2]));
    assert_eq!(state(&cluster).await.replicas, brokers([2, 1, 0]));
    advance(Duration::from_millis(20)).await;
    assert!(cluster.reassignments().await.unwrap().is_empty());
    let done = state(&cluster).await;
    assert_eq!((done.replicas, done.leader), (brokers([2, 1]), Some(broker(2))));
}

#[tokio::test(start_paused = true)]
async fn a_throttle_slows_the_replicas_that_it_names_and_no_others() {
    for (replicas, seconds) in [("0:2", 100.0), ("7:2", 10.0), ("*", 100.0)] {
        let (cluster, t) = cluster_with("t", brokers([0, 1]), 1e9).await;
        let set = |name: &str, value: &str| ConfigChange::Set {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        cluster
            .alter_configs(&[
                (
                    ConfigResource::Broker(broker(2)),
                    vec![set("follower.replication.throttled.rate", "10000000")],
                ),
                (
                    ConfigResource::Topic(t.topic.clone()),
                    vec![set("follower.replication.throttled.replicas", replicas)],
                ),
            ])
            .await
            .unwrap();
        cluster.reassign(&[(t.clone(), brokers([2, 1]))]).await.unwrap();
        let start = Instant::now();
        while !cluster.reassignments().await.unwrap().is_empty() {
            advance(Duration::from_millis(100)).await;
        }
        let took = start.elapsed().as_secs_f64();
        assert!((took - seconds).abs() < 0.2, "{replicas}: {took} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_order_costs_nothing_and_leaves_the_leader() {
    let (cluster, t) = cluster_with("t", brokers([0, 1]), 1e9).await;
    cluster.reassign(&[(t.clone(), brokers([1, 0]))]).await.unwrap();
    assert!(cluster.reassignments().await.unwrap().is_empty());
    assert_eq!(state(&cluster).await.leader, Some(broker(0)));
    cluster.elect_preferred_leaders(&[t]).await.unwrap();
    assert_eq!(state(&cluster).await.leader, Some(broker(1)));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_reassignment_leaves_the_replicas_that_were_there() {
    let (cluster, t) = cluster_with("t", brokers([0, 1]), 1e9).await;
    cluster.reassign(&[(t.clone(), brokers([2, 1]))]).await.unwrap();
    let again = cluster
        .cancel_reassignments(std::slice::from_ref(&t))
        .await
        .unwrap();
    assert!(again[&t].is_ok());
    // Kafka keeps the order of the reassignment: those that stay come first.
    assert_eq!(state(&cluster).await.replicas, brokers([1, 0]));
    let again = cluster
        .cancel_reassignments(std::slice::from_ref(&t))
        .await
        .unwrap();
    assert!(matches!(
        again[&t],
        Err(ClusterError::NoReassignmentInProgress(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_stopped_broker_is_fenced_loses_its_leaders_and_catches_up_later() {
    let (cluster, t) = cluster_with("t", brokers([0, 1]), 1e6).await;
    cluster.produce_at(&t, 1e6).unwrap();
    cluster.stop_broker(broker(0));
    advance(Duration::from_secs(8)).await;
    assert_eq!(state(&cluster).await.in_sync, brokers([0, 1]));
    advance(Duration::from_secs(2)).await;
    let without = state(&cluster).await;
    assert_eq!((without.in_sync, without.leader), (brokers([1]), Some(broker(1))));
    advance(Duration::from_secs(60)).await;
    cluster.start_broker(broker(0));
    assert_eq!(state(&cluster).await.in_sync, brokers([1]));
    advance(Duration::from_secs(5)).await;
    assert_eq!(state(&cluster).await.in_sync, brokers([1, 0]));
}

#[tokio::test(start_paused = true)]
async fn elements_are_added_to_a_list_once_and_an_emptied_list_stays_as_an_empty_value() {
    let (cluster, t) = cluster_with("t", brokers([0, 1]), 0.0).await;
    let name = "leader.replication.throttled.replicas";
    let topic = ConfigResource::Topic(t.topic.clone());
    let value = async || {
        let each = cluster
            .configs(std::slice::from_ref(&topic), &[name])
            .await
            .unwrap();
        each[&topic].as_ref().unwrap()[0].clone()
    };
    let append = |value: &str| ConfigChange::Append {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    for add in ["0:0,0:1", "0:1,0:2"] {
        cluster
            .alter_configs(&[(topic.clone(), vec![append(add)])])
            .await
            .unwrap();
    }
    assert_eq!(value().await.value.as_deref(), Some("0:0,0:1,0:2"));
    let subtract = ConfigChange::Subtract {
        name: name.to_owned(),
        value: "0:2,0:1,0:0".to_owned(),
    };
    cluster
        .alter_configs(&[(topic.clone(), vec![subtract])])
        .await
        .unwrap();
    let left = value().await;
    assert_eq!(
        (left.value.as_deref(), left.source),
        (Some(""), crate::cluster::ConfigSource::Dynamic)
    );
}

#[tokio::test(start_paused = true)]
async fn a_topic_made_again_has_another_id() {
    let (cluster, t) = cluster_with("t", brokers([0, 1]), 0.0).await;
    let first = cluster.describe().await.unwrap().topics[0].id;
    cluster
        .delete_topics(std::slice::from_ref(&t.topic))
        .await
        .unwrap();
    assert!(cluster.produce(&t, 1.0).is_err());
    let topic = NewTopic {
        name: t.topic.clone(),
        placement: Placement::Automatic {
            partitions: Some(3),
            replication_factor: Some(2),
        },
        configs: BTreeMap::new(),
    };
    cluster.create_topics(&[topic]).await.unwrap();
    assert_ne!(cluster.describe().await.unwrap().topics[0].id, first);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_hides_a_change_that_happened() {
    let (cluster, t) = cluster_with("t", brokers([0, 1]), 1e9).await;
    for (fault, happened) in [(Fault::Lost, false), (Fault::AnswerLost, true)] {
        cluster.inject(move |operation| (operation == Operation::Reassign).then_some(fault));
        let error = cluster
            .reassign(&[(t.clone(), brokers([2, 1]))])
            .await
            .unwrap_err();
        assert!(error.outcome_is_unknown());
        assert_eq!(cluster.reassignments().await.unwrap().contains_key(&t), happened);
    }
}

/// Where the group is in its only partition, asked at its coordinator; all other brokers say that they are not.
async fn committed(cluster: &SimulatedCluster, group: &GroupId) -> i64 {
    let mut found = None;
    for (broker, listed) in cluster.groups().await.unwrap() {
        let coordinates = listed.unwrap().iter().any(|listing| listing.id == *group);
        let asked = [group.clone()];
        let positions = cluster
            .positions(broker, GroupKind::Consumer, &asked)
            .await
            .unwrap();
        let described = cluster
            .describe_groups(broker, GroupKind::Consumer, &asked)
            .await
            .unwrap();
        assert_eq!(positions[group].is_ok(), coordinates);
        assert_eq!(described[group].is_ok(), coordinates);
        if let Ok(topics) = &positions[group] {
            assert_eq!(described[group].as_ref().unwrap().members, 1);
            found = Some(topics[0].positions[0].offset);
        }
    }
    found.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_group_reads_at_its_pace_and_commits_as_it_goes() {
    let (cluster, t) = cluster_with("t", brokers([0, 1]), 1e6).await;
    let group: GroupId = "g".parse().unwrap();
    cluster.consume_at(&group, &t, 100, 30.0).unwrap();
    advance(Duration::from_secs(10)).await;
    assert_eq!(committed(&cluster, &group).await, 400);
    advance(Duration::from_secs(60)).await;
    assert_eq!(committed(&cluster, &group).await, 1000);
}

#[tokio::test]
async fn the_second_writer_of_a_log_fences_the_first() {
    let log = SimulatedLog::default();
    let entry = |value: &str| Entry {
        key: "k".to_owned(),
        value: Some(value.into()),
    };
    let (mut first, _) = log.open().await.unwrap();
    first.append(vec![entry("1"), entry("2")]).await.unwrap();
    let (mut second, read) = log.open().await.unwrap();
    assert_eq!(read, [entry("2")]);
    assert!(matches!(
        first.append(vec![entry("3")]).await,
        Err(LogError::Fenced)
    ));
    second
        .append(vec![Entry {
            key: "k".to_owned(),
            value: None,
        }])
        .await
        .unwrap();
    assert!(log.entries().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_gone_can_be_taken_out_and_one_that_is_alive_cannot() {
    let cluster = SimulatedCluster::new([0, 1].map(|id| SimulatedBroker::new(broker(id))));
    assert!(cluster.unregister_broker(broker(1)).await.is_err());
    cluster.stop_broker(broker(1));
    for _ in 0..2 {
        cluster.unregister_broker(broker(1)).await.unwrap();
    }
    let alive = cluster.describe().await.unwrap().brokers;
    assert_eq!(alive.len(), 1);
}
