//! Heat that a change of leaders takes away.

use std::collections::{BTreeMap, BTreeSet};

use balancer::journal::Mode;

use e2e::scene::{Outcome, Row, Scene, led_by};

const UNIT: f64 = 150e3;

/// Eight equal partitions whose replicas are spread evenly and whose leaders are not: broker 0 leads four, 1 and 3 one
/// each.
pub(crate) fn lopsided(topic: &str) -> [Row<'_>; 8] {
    [
        (topic, &[0, 1], UNIT),
        (topic, &[0, 3], UNIT),
        (topic, &[0, 1], UNIT),
        (topic, &[0, 3], UNIT),
        (topic, &[1, 2], UNIT),
        (topic, &[3, 2], UNIT),
        (topic, &[2, 1], UNIT),
        (topic, &[2, 3], UNIT),
    ]
}

#[tokio::test]
async fn a_hot_leader_is_cooled_by_leadership_alone_without_a_byte_moved() -> Outcome {
    let mut scene = Scene::set("leadership", &lopsided("led")).await?;
    let hosts = replica_sets(&scene).await?;
    scene.balance(Mode::Auto, |_| {}).await?;
    scene
        .until("broker 0 leads less and 1 and 3 lead more", async |scene| {
            let partitions = scene.partitions("led").await?;
            Ok(led_by(&partitions, 0) == 2 && led_by(&partitions, 1) == 2)
        })
        .await?;
    scene
        .until("the plan is over", async |scene| scene.is_done().await)
        .await?;

    assert_eq!(replica_sets(&scene).await?, hosts);
    let history = scene.history().await?;
    let bytes: u64 = history.iter().map(|plan| plan.bytes).sum();
    let copies: usize = history.iter().map(|plan| plan.replica_moves).sum();
    assert_eq!((bytes, copies), (0, 0), "{history:?}");
    assert!(
        history.iter().any(|plan| plan.leadership_changes >= 2),
        "{history:?}"
    );
    scene.end().await
}

/// Who hosts each partition, by Kafka's metadata and by the brokers' log directories.
async fn replica_sets(scene: &Scene) -> Outcome<BTreeMap<i32, (BTreeSet<i32>, BTreeSet<i32>)>> {
    let on_disk = scene.log_dirs().await?;
    let mut sets = BTreeMap::new();
    for partition in scene.partitions("led").await? {
        let of_this = |broker: &i32| {
            let mut replicas = on_disk[broker].keys();
            replicas.any(|replica| replica.topic.as_str() == "led" && replica.partition == partition.id)
        };
        let metadata = partition.replicas.iter().map(|id| id.get()).collect();
        let disk = on_disk.keys().copied().filter(of_this).collect();
        sets.insert(partition.id.get(), (metadata, disk));
    }
    Ok(sets)
}
