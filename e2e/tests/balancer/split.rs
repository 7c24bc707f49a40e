//! Heat that no placement takes away.

use balancer::api::view::HotList;
use balancer::journal::Mode;

use e2e::scene::{Outcome, Row, Scene};

#[tokio::test]
async fn a_partition_too_big_for_any_broker_is_to_be_split_and_nothing_is_shuffled_in_vain() -> Outcome {
    let rows: [Row<'_>; 6] = [
        ("big", &[0, 1], 1.5e6),
        ("big", &[1, 2], 30e3),
        ("big", &[2, 3], 30e3),
        ("big", &[3, 0], 30e3),
        ("beside", &[0, 1], 30e3),
        ("beside", &[0, 3], 30e3),
    ];
    let mut scene = Scene::set("split", &rows).await?;
    let before = (scene.partitions("big").await?, scene.partitions("beside").await?);
    scene.balance(Mode::Auto, |_| {}).await?;
    scene
        .until("the partition is to be split", async |scene| {
            let hot = hot(scene).await?;
            Ok(hot
                .partitions
                .iter()
                .any(|partition| partition.verdict == "split"))
        })
        .await?;
    scene.ticks(10).await?;
    let hot = hot(&scene).await?;
    let big = hot
        .partitions
        .iter()
        .find(|found| found.verdict == "split")
        .ok_or("it is hot no more")?;
    assert_eq!((big.topic.as_str(), big.partition.get()), ("big", 0));
    // 1.5 MB/s where the mean of brokers is 0.8 MB/s.
    let parts = big.partitions_that_would_help.ok_or("a split into how many?")?;
    assert!((2..=4).contains(&parts), "{big:?}");
    assert!(big.advice.contains("split"), "{big:?}");
    let after = (scene.partitions("big").await?, scene.partitions("beside").await?);
    assert_eq!(after, before);
    let history = scene.history().await?;
    assert!(history.is_empty(), "{history:?}");
    scene.end().await
}

async fn hot(scene: &Scene) -> Outcome<HotList> {
    Ok(scene.balancer()?.get("/v1/hot").await?)
}
