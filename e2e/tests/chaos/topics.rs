//! Topics that are deleted in the middle of their copies.

use std::collections::BTreeMap;

use e2e::Layout;
use e2e::scene::{Outcome, Scene};
use kafka::Cluster;
use kafka::cluster::{ConfigResource, ConfigSource};
use tokio::time::Instant;

use crate::matrix;
use crate::stage::{COPY, ROWS, all_in_sync, in_the_middle, layout, over, sampler, slowly};

#[tokio::test]
async fn topics_deleted_and_made_again_in_mid_copy_end_their_moves_by_name_and_the_others_go_on() -> Outcome {
    let mut scene = Scene::set_on(layout(Layout::default())?, "deleted", &ROWS).await?;
    let sampler = sampler(&scene)?;
    scene.grow("moved", 0, COPY, 20e3).await?;
    let mut moves = vec![scene.a_move("moved", 0, &[3, 1, 2], COPY).await?];
    for topic in ["deleted", "reborn"] {
        scene.make_topic(topic, &[0, 1, 2]).await?;
        scene.fill(topic, usize::try_from(COPY)?).await?;
        moves.push(scene.a_move(topic, 0, &[3, 1, 2], COPY).await?);
    }
    let plan = scene.write_plan(moves).await?;
    scene
        .balance_alone(|config| {
            slowly(config);
            config.execute.moves_per_broker = 3;
        })?
        .ready()
        .await?;
    for topic in ["deleted", "reborn", "moved"] {
        in_the_middle(&scene, topic, 3).await?;
    }

    let gone = ["deleted".parse()?, "reborn".parse()?];
    for (_, deleted) in scene.cluster.delete_topics(&gone).await? {
        deleted?;
    }
    scene
        .until("the topic can be made again", async |scene| {
            Ok(scene.make_topic("reborn", &[0, 1, 2]).await.is_ok())
        })
        .await?;
    let struck = Instant::now();
    let outcomes = over(&scene, plan).await?;
    let recovery_seconds_max = struck.elapsed().as_secs_f64();
    let expected = ["done", "topic_deleted", "topic_recreated"].map(|outcome| (outcome.to_owned(), 1));
    assert_eq!(outcomes, BTreeMap::from(expected));
    scene
        .until("the new topic has nothing of the old one", async |scene| {
            let untouched = scene.partition("reborn", 0).await?;
            let resource = ConfigResource::Topic("reborn".parse()?);
            let mut configs = scene
                .cluster
                .configs(std::slice::from_ref(&resource), &[])
                .await?;
            let entries = configs.remove(&resource).ok_or("it is not described")??;
            let dynamic = entries
                .iter()
                .filter(|entry| entry.source == ConfigSource::Dynamic);
            let names: Vec<_> = dynamic.map(|entry| entry.name.as_str()).collect();
            Ok(names == ["min.insync.replicas"] && e2e::scene::numbers(&untouched.replicas) == [0, 1, 2])
        })
        .await?;
    for (_, deleted) in scene.cluster.delete_topics(&gone[1..]).await? {
        deleted?;
    }
    all_in_sync(&sampler);
    matrix::record_end(
        &scene,
        "topic deleted, and topic deleted and made again, in mid-copy",
        2,
        outcomes,
        recovery_seconds_max,
    )?;
    scene.end().await
}
