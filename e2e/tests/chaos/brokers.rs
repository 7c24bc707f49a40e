//! Brokers that die in the middle of a copy.

use std::time::Duration;

use e2e::Layout;
use e2e::scene::{Outcome, Scene};
use tokio::time::Instant;

use crate::matrix;
use crate::stage::{COPY, ROWS, all_in_sync, in_the_middle, layout, over, sampler, slowly};

#[tokio::test]
async fn a_copy_is_finished_when_its_target_or_its_source_dies_and_comes_back() -> Outcome {
    let mut scene = Scene::set_on(layout(Layout::default())?, "broker-dies", &ROWS).await?;
    let sampler = sampler(&scene)?;
    scene.grow("moved", 0, COPY, 20e3).await?;
    let mut longest: f64 = 0.0;
    // The second time it is the leader, which sends.
    for (target, victim) in [([3, 1, 2], 3), ([0, 1, 2], 3)] {
        let copy = scene.a_move("moved", 0, &target, COPY).await?;
        let plan = scene.write_plan(vec![copy]).await?;
        scene.balance_alone(slowly)?.ready().await?;
        in_the_middle(&scene, "moved", target[0]).await?;

        sampler.excuse();
        scene.kafka.kill(victim).await?;
        scene.kafka.start_again(victim).await?;
        let back = Instant::now();
        scene.until_whole().await?;
        sampler.excuse_no_more();
        let outcomes = over(&scene, plan).await?;
        longest = longest.max(back.elapsed().as_secs_f64());
        assert_eq!(outcomes.into_keys().collect::<Vec<_>>(), ["done"]);
        scene.stack.take();
    }
    all_in_sync(&sampler);
    matrix::record_end(
        &scene,
        "target, and source, of a copy killed and restarted",
        2,
        [("done".to_owned(), 2)].into(),
        longest,
    )?;
    scene.end().await
}

#[tokio::test]
async fn a_copy_to_a_broker_that_stays_away_is_given_up_by_name_and_its_throttle_goes_when_it_is_back()
-> Outcome {
    let mut scene = Scene::set_on(layout(Layout::default())?, "broker-away", &ROWS).await?;
    let sampler = sampler(&scene)?;
    scene.grow("moved", 0, COPY, 20e3).await?;
    let copy = scene.a_move("moved", 0, &[3, 1, 2], COPY).await?;
    let plan = scene.write_plan(vec![copy]).await?;
    scene
        .balance_alone(|config| {
            slowly(config);
            config.execute.broker_grace = Duration::from_secs(10);
        })?
        .ready()
        .await?;
    in_the_middle(&scene, "moved", 3).await?;
    sampler.excuse();
    scene.kafka.kill(3).await?;
    scene
        .until("the copy is given up", async |scene| {
            let finished = scene.history().await?.into_iter().find(|past| past.id == plan.0);
            Ok(finished.is_some_and(|past| past.outcomes.keys().eq(["broker_gone"])))
        })
        .await?;
    scene.kafka.start_again(3).await?;
    let back = Instant::now();
    let outcomes = over(&scene, plan).await?;
    let recovery_seconds_max = back.elapsed().as_secs_f64();
    scene.until_whole().await?;
    sampler.excuse_no_more();
    let partition = scene.partition("moved", 0).await?;
    assert_eq!(e2e::scene::numbers(&partition.replicas), [0, 1, 2]);
    all_in_sync(&sampler);
    matrix::record_end(
        &scene,
        "target of a copy killed, and away for longer than the grace",
        1,
        outcomes,
        recovery_seconds_max,
    )?;
    scene.end().await
}
