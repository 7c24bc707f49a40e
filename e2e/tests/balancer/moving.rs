//! Copies: under which throttle, and what a killed balancer leaves.

use balancer::journal::Mode;
use kafka::cluster::ConfigResource;
use kafka::settings::ByteRate;
use kafka::{BrokerId, Cluster, TopicPartition};

use e2e::scene::{Configs, FLOOR, Outcome, Row, Scene};

const LEADER_RATE: &str = "leader.replication.throttled.rate";
const FOLLOWER_RATE: &str = "follower.replication.throttled.rate";
const LEADER_REPLICAS: &str = "leader.replication.throttled.replicas";
const FOLLOWER_REPLICAS: &str = "follower.replication.throttled.replicas";

/// What a broker can send, in bytes per second: a copy of what the test has written takes half a minute.
const SENDS: u64 = 3_000_000;

/// A topic that is excluded.
const STAYS: &str = "stays";

/// Two equal partitions on brokers 0 and 1, where 2 and 3 have little: one of them has to go, and leaders do not help.
/// The last one stays on 0 and 1, for what a test adds later.
fn crowded(topic: &str) -> [Row<'_>; 5] {
    [
        (topic, &[0, 1], 400e3),
        (topic, &[1, 0], 400e3),
        (topic, &[2, 3], 60e3),
        (topic, &[3, 2], 60e3),
        (STAYS, &[0, 1], 20e3),
    ]
}

#[tokio::test]
async fn a_hot_replica_is_moved_under_a_throttle_that_follows_the_headroom() -> Outcome {
    let mut scene = Scene::set("moving", &crowded("moved")).await?;
    for partition in [0, 1] {
        scene.grow("moved", partition, 60_000_000, 400e3).await?;
    }
    scene
        .balance(Mode::Auto, |config| {
            config.capacity.bytes_out = ByteRate::from_bytes_per_second(SENDS);
            config.exclude.topics.extend(STAYS.parse());
        })
        .await?;
    let is_large = |partition: &TopicPartition| partition.partition.get() <= 1;
    scene
        .until("a large copy is being made", async |scene| {
            Ok(scene.cluster.reassignments().await?.keys().any(is_large))
        })
        .await?;
    let copying = scene.cluster.reassignments().await?;
    let large = copying.iter().find(|(partition, _)| is_large(partition));
    let (partition, copy) = large.ok_or("the copy is over already")?;
    let target = copy.adding[0];
    let topic = ConfigResource::Topic(partition.topic.clone());
    let (follower, leader) = (
        format!("{}:{target}", partition.partition),
        format!("{}:0", partition.partition),
    );
    let (followers, leaders) = (
        (topic.clone(), FOLLOWER_REPLICAS.to_owned()),
        (topic, LEADER_REPLICAS.to_owned()),
    );
    let mut before = 0;
    // Brokers hear of throttles one after the other, and the rate grows as long as nobody suffers.
    scene
        .until("the copy is throttled, with headroom to be lost", async |scene| {
            let during = scene.throttles().await?;
            let lists = |name, replica: &str| during.get(name).is_some_and(|list| list.contains(replica));
            before = rate(&during, 0, LEADER_RATE)?;
            assert!(before < SENDS, "{during:?}");
            let is_throttled = lists(&followers, &follower) && lists(&leaders, &leader);
            let receives = rate(&during, target.get(), FOLLOWER_RATE)? >= FLOOR;
            Ok(is_throttled && receives && before >= FLOOR + 1_300_000)
        })
        .await?;

    // Broker 0 gets busy while the copy goes on: it can spare less.
    scene.load_with(STAYS, 0, 1.5e6)?;
    scene
        .until("the throttle follows the load", async |scene| {
            let copying = scene.cluster.reassignments().await?;
            assert!(copying.contains_key(partition), "the copy was over too soon");
            Ok(rate(&scene.throttles().await?, 0, LEADER_RATE)? < before - 700_000)
        })
        .await?;
    let after = rate(&scene.throttles().await?, 0, LEADER_RATE)?;
    println!("broker 0 could spare {before} bytes/s and then {after}");
    scene.load_with(STAYS, 0, 20e3)?;

    nothing_is_left(&scene).await?;
    scene.until_on(partition, &copy.target()).await?;
    let sizes = scene.replica_sizes(partition).await?;
    assert!(sizes[&target.get()] >= 60_000_000, "{sizes:?}");
    scene.end().await
}

#[tokio::test]
async fn a_balancer_killed_in_the_middle_of_a_plan_finishes_it_after_its_restart() -> Outcome {
    let mut scene = Scene::set("killed", &crowded("kept")).await?;
    for partition in [0, 1] {
        scene.grow("kept", partition, 30_000_000, 400e3).await?;
    }
    scene
        .balance(Mode::Auto, |config| {
            // So slow that it is certainly not done when it is killed.
            config.capacity.bytes_out = ByteRate::from_bytes_per_second(2_000_000);
            config.exclude.topics.extend(STAYS.parse());
        })
        .await?;
    scene
        .until("a copy is being made", async |scene| {
            Ok(!scene.cluster.reassignments().await?.is_empty())
        })
        .await?;
    let balancer = &mut scene.stack.as_mut().ok_or("no stack")?.balancer;
    balancer.process.kill().await?;
    let copying = scene.cluster.reassignments().await?;
    assert!(!copying.is_empty(), "the copy was over before the kill");
    assert!(!scene.throttles().await?.is_empty());

    let balancer = &mut scene.stack.as_mut().ok_or("no stack")?.balancer;
    balancer.process.restart().await?;
    balancer.ready().await?;
    nothing_is_left(&scene).await?;
    let history = scene.history().await?;
    let first = history.last().ok_or("the plan is not in the history")?;
    let as_planned = |outcome: &str| ["done", "no_longer_helps"].contains(&outcome);
    assert!(
        first.outcomes.keys().all(|outcome| as_planned(outcome)),
        "{history:?}"
    );
    assert!(first.replica_moves >= copying.len(), "{history:?}");
    for (partition, copy) in copying {
        scene.until_on(&partition, &copy.target()).await?;
        let sizes = scene.replica_sizes(&partition).await?;
        let (least, most) = (sizes.values().min(), sizes.values().max());
        let has_copy = |broker: &BrokerId| sizes.contains_key(&broker.get());
        assert!(copy.adding.iter().all(has_copy), "{sizes:?}");
        let alike = least
            .zip(most)
            .is_some_and(|(least, most)| least * 10 >= most * 9);
        assert!(alike, "{sizes:?}");
    }
    scene.end().await
}

async fn nothing_is_left(scene: &Scene) -> Outcome {
    scene
        .until("the plan is over and nothing is left of it", async |scene| {
            let clean =
                scene.throttles().await?.is_empty() && scene.cluster.reassignments().await?.is_empty();
            Ok(clean && scene.is_done().await?)
        })
        .await
}

fn rate(configs: &Configs, broker: i32, name: &str) -> Outcome<u64> {
    let key = (ConfigResource::Broker(broker.try_into()?), name.to_owned());
    let value = configs
        .get(&key)
        .ok_or_else(|| format!("broker {broker} has no {name}: {configs:?}"))?;
    Ok(value.parse()?)
}
