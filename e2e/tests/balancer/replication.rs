//! Topics that get more replicas under load, and fewer.

use std::collections::BTreeSet;

use balancer::journal::Mode;
use kafka::cluster::{ConfigResource, Partition};
use kafka::settings::ByteRate;
use kafka::{Cluster, TopicPartition};

use e2e::scene::{Outcome, Row, Scene};

const TOPIC: &str = "replicated";

/// One replica of each partition.
const ALONE: [Row<'_>; 4] = [
    (TOPIC, &[0], 200e3),
    (TOPIC, &[1], 200e3),
    (TOPIC, &[2], 200e3),
    (TOPIC, &[3], 200e3),
];

#[tokio::test]
async fn a_topic_gets_three_replicas_and_keeps_two_and_no_record_is_lost() -> Outcome {
    let mut scene = Scene::set("replication", &ALONE).await?;
    for partition in 0..4 {
        scene.grow(TOPIC, partition, 30_000_000, 200e3).await?;
    }
    scene
        .balance(Mode::Auto, |config| {
            // A copy takes long enough to be seen, and to be in the middle when the balancer is killed.
            config.capacity.bytes_out = ByteRate::from_bytes_per_second(3_000_000);
            // And comes to its end also where the machine is so busy that producers feel it.
            config.execute.throttle_floor = ByteRate::from_bytes_per_second(1_500_000);
        })
        .await?;
    let refused = scene.cli_output(&["replication", TOPIC, "5"])?;
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("on 4 live brokers"), "{said}");

    scene.cli(&["replication", TOPIC, "3"])?;
    copies_are_throttled(&scene).await?;
    scene.balancer_mut()?.process.kill().await?;
    assert!(
        !scene.cluster.reassignments().await?.is_empty(),
        "the copies were over before the kill"
    );
    let balancer = scene.balancer_mut()?;
    balancer.process.restart().await?;
    balancer.ready().await?;
    until_done(&scene, 3).await?;

    scene.cli(&["replication", TOPIC, "2"])?;
    until_done(&scene, 2).await?;
    scene
        .until("plans that took replicas away are over", async |scene| {
            let history = scene.history().await?;
            let removing = history
                .iter()
                .filter(|plan| plan.purpose == "replicate replicated=2");
            let (removals, bytes) = removing.fold((0, 0), |(removals, bytes), plan| {
                (removals + plan.removals, bytes + plan.bytes)
            });
            Ok((removals, bytes) == (4, 0))
        })
        .await?;
    scene.end().await
}

/// Waits until a replica is being added, and sees it throttled where it is copied to.
async fn copies_are_throttled(scene: &Scene) -> Outcome {
    scene
        .until("a replica is being added under a throttle", async |scene| {
            let copying = scene.cluster.reassignments().await?;
            let throttles = scene.throttles().await?;
            let is_throttled = |of: &TopicPartition, target: &kafka::BrokerId| {
                let list = (
                    ConfigResource::Topic(of.topic.clone()),
                    "follower.replication.throttled.replicas".to_owned(),
                );
                let rate = (
                    ConfigResource::Broker(*target),
                    "follower.replication.throttled.rate".to_owned(),
                );
                let element = format!("{}:{target}", of.partition);
                throttles.contains_key(&rate)
                    && throttles.get(&list).is_some_and(|all| all.contains(&element))
            };
            let mut added = copying
                .iter()
                .flat_map(|(of, copy)| copy.adding.iter().map(move |target| (of, target)));
            Ok(added.any(|(of, target)| is_throttled(of, target)))
        })
        .await
}

/// Waits until each partition has so many replicas in sync, in both racks, and nothing is left of the order.
async fn until_done(scene: &Scene, replicas: usize) -> Outcome {
    let is_as_ordered = |partition: &Partition| {
        let racks: BTreeSet<i32> = partition.replicas.iter().map(|broker| broker.get() % 2).collect();
        let has_led_before = partition.leader == partition.replicas.first().copied();
        (partition.replicas.len(), partition.in_sync.len(), racks.len()) == (replicas, replicas, 2)
            && has_led_before
    };
    scene
        .until(
            "every partition is as ordered and nothing is left",
            async |scene| {
                let partitions = scene.partitions(TOPIC).await?;
                let is_over = scene.state().await?.replicating.is_empty() && scene.is_clean().await?;
                Ok(is_over && partitions.len() == ALONE.len() && partitions.iter().all(is_as_ordered))
            },
        )
        .await
}
