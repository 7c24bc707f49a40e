//! Brokers that leave and brokers that come.

use balancer::api::view::{BrokerView, SourceView};
use balancer::journal::Mode;
use e2e::BrokerSpec;
use kafka::Cluster;

use e2e::scene::{Outcome, Row, Scene, led_by, numbers};

const UNIT: f64 = 100e3;

/// Eight equal partitions that are spread evenly.
fn even(topic: &str) -> [Row<'_>; 8] {
    [
        (topic, &[0, 1], UNIT),
        (topic, &[1, 2], UNIT),
        (topic, &[2, 3], UNIT),
        (topic, &[3, 0], UNIT),
        (topic, &[0, 3], UNIT),
        (topic, &[1, 0], UNIT),
        (topic, &[2, 1], UNIT),
        (topic, &[3, 2], UNIT),
    ]
}

#[tokio::test]
async fn a_broker_is_drained_to_no_replica_at_all_and_takes_load_again_when_undrained() -> Outcome {
    let mut scene = Scene::set("drain", &even("drained")).await?;
    scene.balance(Mode::Auto, |_| {}).await?;
    let refused = scene.cli_output(&["drain", "17"])?;
    assert!(!refused.status.success());
    let said = String::from_utf8(refused.stderr)?;
    assert!(said.contains("broker 17 is not part of the cluster"), "{said}");

    let said = scene.cli(&["drain", "3"])?;
    assert!(said.contains('3'), "{said}");
    scene
        .until("Kafka has nothing on broker 3", async |scene| {
            let described = scene.cluster.describe().await?.topics;
            let mut partitions = described.iter().flat_map(|topic| &topic.partitions);
            let named = partitions.any(|partition| numbers(&partition.replicas).contains(&3));
            Ok(!named
                && scene.log_dirs().await?[&3].is_empty()
                && scene.cluster.reassignments().await?.is_empty())
        })
        .await?;
    // One look at all of them: brokers hear of the end of reassignments one after the other.
    let partitions = scene.settled("drained").await?;
    for partition in partitions {
        let racks: Vec<i32> = partition.replicas.iter().map(|id| id.get() % 2).collect();
        assert_ne!(racks[0], racks[1], "{partition:?}");
    }
    assert_eq!(numbers(&scene.state().await?.draining), [3]);
    scene
        .until("the drain is over", async |scene| scene.is_done().await)
        .await?;

    scene.cli(&["undrain", "3"])?;
    scene
        .until("broker 3 leads again", async |scene| {
            let draining = scene.state().await?.draining;
            Ok(draining.is_empty()
                && led_by(&scene.partitions("drained").await?, 3) > 0
                && scene.is_done().await?)
        })
        .await?;
    scene.end().await
}

#[tokio::test]
async fn a_new_broker_is_filled_with_its_share() -> Outcome {
    let mut scene = Scene::set("fill", &even("shared")).await?;
    scene.balance(Mode::Auto, |_| {}).await?;
    let new = scene.kafka.add_broker(&BrokerSpec::in_rack("r2")).await?;
    scene
        .until("the new broker has its share", async |scene| {
            let partitions = scene.partitions("shared").await?;
            let hosted = partitions
                .iter()
                .filter(|p| numbers(&p.in_sync).contains(&new))
                .count();
            // Sixteen replicas and eight leaders on five brokers.
            Ok(hosted >= 3 && led_by(&partitions, new) >= 1 && scene.is_done().await?)
        })
        .await?;
    let on_disk = &scene.log_dirs().await?[&new];
    assert!(
        on_disk.values().filter(|size| **size > 0).count() >= 3,
        "{on_disk:?}"
    );
    scene
        .until(
            "it is known to have no sidecar, and to be looked at from afar",
            async |scene| {
                let brokers: Vec<BrokerView> = scene.balancer()?.get("/v1/brokers").await?;
                let view = brokers.iter().find(|view| view.id.get() == new);
                let source = &view.ok_or("it is not shown")?.source;
                Ok(matches!(source, SourceView::Protocol { reason } if reason.contains("no sidecar")))
            },
        )
        .await?;
    scene.end_with_the_cluster().await.map(drop)
}
