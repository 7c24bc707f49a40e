//! What somebody else is doing.

use std::collections::BTreeMap;

use balancer::journal::Mode;
use kafka::Cluster;
use kafka::cluster::{ConfigChange, ConfigResource};

use crate::leadership::lopsided;
use e2e::scene::{Outcome, Row, Scene, ids, led_by, partition_of};

#[tokio::test]
async fn a_foreign_reassignment_and_its_throttle_are_kept_while_something_else_is_cooled() -> Outcome {
    let mut rows: Vec<Row<'_>> = lopsided("ours").into();
    rows.push(("theirs", &[0, 1], 10e3));
    let mut scene = Scene::set("foreign", &rows).await?;
    scene.grow("theirs", 0, 20_000_000, 10e3).await?;

    // Slower than the test: 20 MB at 50 kB/s.
    let theirs = throttle("theirs")?;
    for (_, set) in scene.cluster.alter_configs(&theirs).await? {
        set?;
    }
    let partition = partition_of("theirs", 0)?;
    let target = ids(&[2, 1])?;
    for (_, begun) in scene
        .cluster
        .reassign(&[(partition.clone(), target.clone())])
        .await?
    {
        begun?;
    }
    scene
        .until("the foreign throttle shows", async |scene| {
            Ok(scene.throttles().await?.len() == 5)
        })
        .await?;
    let before = scene.throttles().await?;
    let reassigning = scene.cluster.reassignments().await?;

    scene.balance(Mode::Auto, |_| {}).await?;
    scene
        .until("broker 0 is cooled", async |scene| {
            let cooled = led_by(&scene.partitions("ours").await?, 0) <= 2;
            Ok(cooled && scene.is_done().await?)
        })
        .await?;
    scene.ticks(5).await?;
    assert_eq!(scene.throttles().await?, before);
    assert_eq!(scene.cluster.reassignments().await?, reassigning);
    assert_eq!(reassigning.keys().collect::<Vec<_>>(), [&partition]);

    // Whoever began it lets it end, and takes the throttle away.
    let lifted: Vec<_> = theirs
        .iter()
        .map(|(resource, set)| (resource.clone(), deletions(set)))
        .collect();
    for (_, deleted) in scene.cluster.alter_configs(&lifted).await? {
        deleted?;
    }
    scene
        .until("the foreign reassignment is over", async |scene| {
            Ok(scene.cluster.reassignments().await?.is_empty() && scene.throttles().await?.is_empty())
        })
        .await?;
    scene.until_on(&partition, &target).await?;
    scene.end().await
}

/// What `kafka-reassign-partitions --execute --throttle 50000` would set for the reassignment of 0, 1 to 2, 1.
fn throttle(topic: &str) -> Outcome<Vec<(ConfigResource, Vec<ConfigChange>)>> {
    let rate = |broker: i32, name: &str| -> Outcome<_> {
        Ok((
            ConfigResource::Broker(broker.try_into()?),
            vec![set(name, "50000")],
        ))
    };
    let lists = BTreeMap::from([
        ("leader.replication.throttled.replicas", "0:0,0:1"),
        ("follower.replication.throttled.replicas", "0:2"),
    ]);
    let lists = lists.into_iter().map(|(name, value)| set(name, value)).collect();
    Ok(vec![
        (ConfigResource::Topic(topic.parse()?), lists),
        rate(0, "leader.replication.throttled.rate")?,
        rate(1, "leader.replication.throttled.rate")?,
        rate(2, "follower.replication.throttled.rate")?,
    ])
}

fn set(name: &str, value: &str) -> ConfigChange {
    ConfigChange::Set {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

fn deletions(changes: &[ConfigChange]) -> Vec<ConfigChange> {
    let name = |change: &ConfigChange| match change {
        ConfigChange::Set { name, .. }
        | ConfigChange::Delete { name }
        | ConfigChange::Append { name, .. }
        | ConfigChange::Subtract { name, .. } => name.clone(),
    };
    let deletion = |change| ConfigChange::Delete { name: name(change) };
    changes.iter().map(deletion).collect()
}
