//! Two balancers at once.

use std::time::Duration;

use balancer::api::view::{Phase, State};
use e2e::scene::{Outcome, Scene};
use e2e::tap::Kind;
use e2e::{Layout, Service};
use tokio::time::{Instant, sleep};

use crate::matrix::{self, say};
use crate::stage::{
    COPY, ROWS, all_in_sync, in_the_middle, layout, over, sampler, slowly, tap, through_the_tap,
};

/// For longer than an executor remembers a throttle that it has taken away.
const REMEMBERED: Duration = Duration::from_secs(15);

/// For longer than Kafka leaves a transaction of the journal open.
const SUSPENDED: Duration = Duration::from_secs(75);

#[tokio::test]
async fn a_balancer_halted_in_mid_copy_spoils_nothing_when_it_wakes_up_after_another_has_finished() -> Outcome
{
    let mut scene = Scene::set_on(layout(Layout::default())?, "takeover", &ROWS).await?;
    let sampler = sampler(&scene)?;
    scene.grow("moved", 0, COPY, 20e3).await?;
    let moves = vec![scene.a_move("moved", 0, &[3, 1, 2], COPY).await?];
    let plan = scene.write_plan(moves).await?;
    scene.balance_alone(slowly)?.ready().await?;
    in_the_middle(&scene, "moved", 3).await?;
    let first = scene.stack.take().ok_or("nothing has been started")?;
    first.balancer.process.halt()?;

    scene.balance_alone(slowly)?.ready().await?;
    let outcomes = over(&scene, plan).await?;
    assert!(outcomes.keys().eq(["done"]), "{outcomes:?}");

    first.balancer.process.go_on()?;
    let awake = Instant::now();
    until_fenced(&scene, &first.balancer).await?;
    scene.until_clean().await?;
    let took = awake.elapsed().as_secs_f64();
    scene.ticks(5).await?;
    assert!(scene.is_clean().await?);
    all_in_sync(&sampler);
    matrix::record_end(
        &scene,
        "balancer halted in mid-copy, and awake after another has finished",
        1,
        outcomes,
        took,
    )?;
    drop(first);
    scene.end().await
}

#[tokio::test]
async fn a_throttle_that_was_on_its_way_when_its_balancer_was_halted_is_swept_by_the_next_one() -> Outcome {
    let mut scene = Scene::set_on(layout(Layout::default())?, "late", &ROWS).await?;
    let sampler = sampler(&scene)?;
    scene.grow("moved", 0, COPY / 10, 20e3).await?;
    let moves = vec![scene.a_move("moved", 0, &[3, 1, 2], COPY / 10).await?];
    let plan = scene.write_plan(moves).await?;
    let (tap, connection) = (tap()?, through_the_tap(&scene)?);
    tap.hold_at(Kind::IncrementalAlterConfigs, 1);
    let process = scene
        .balance_alone(|config| config.kafka = connection)?
        .process
        .pid();
    tap.aim(process)?;
    scene
        .until("the first throttle is on its way", async |_| {
            Ok(tap.struck().is_some())
        })
        .await?;
    let first = scene.stack.take().ok_or("nothing has been started")?;

    scene.balance_alone(|_| {})?.ready().await?;
    let outcomes = over(&scene, plan).await?;
    assert!(outcomes.keys().eq(["done"]), "{outcomes:?}");
    sleep(REMEMBERED).await;
    tap.release();
    scene
        .until("the late throttle shows", async |scene| {
            Ok(!scene.throttles().await?.is_empty())
        })
        .await?;
    say(&format!(
        "left by the late request: {:?}",
        scene.throttles().await?
    ))?;
    let late = Instant::now();
    first.balancer.process.go_on()?;
    until_fenced(&scene, &first.balancer).await?;
    // A balancer looks for such throttles when it starts, and else every ten minutes.
    let second = scene.balancer_mut()?;
    second.process.restart().await?;
    second.ready().await?;
    scene
        .until("the late throttle is swept", async |scene| scene.is_clean().await)
        .await?;
    all_in_sync(&sampler);
    matrix::record_end(
        &scene,
        "throttle on its way while another balancer takes over and finishes",
        1,
        outcomes,
        late.elapsed().as_secs_f64(),
    )?;
    drop(first);
    scene.end().await
}

#[tokio::test]
async fn a_balancer_suspended_in_the_middle_of_a_transaction_goes_on_when_it_wakes_up() -> Outcome {
    let mut scene = Scene::set_on(layout(Layout::default())?, "suspended", &ROWS).await?;
    scene.grow("moved", 0, COPY / 2, 20e3).await?;
    let moves = vec![scene.a_move("moved", 0, &[3, 1, 2], COPY / 2).await?];
    let plan = scene.write_plan(moves).await?;
    let (tap, connection) = (tap()?, through_the_tap(&scene)?);
    // By then throttles are set.
    tap.hold_at(Kind::EndTxn, 3);
    let balancer = scene.balance_alone(|config| {
        slowly(config);
        config.kafka = connection;
    })?;
    tap.aim(balancer.process.pid())?;
    scene
        .until("it is suspended", async |_| Ok(tap.struck().is_some()))
        .await?;
    sleep(SUSPENDED).await;
    scene.balancer()?.process.go_on()?;
    tap.release();
    let awake = Instant::now();
    // Kafka has aborted the transaction, and nobody else has taken over.
    let outcomes = over(&scene, plan).await?;
    assert!(outcomes.keys().eq(["done"]), "{outcomes:?}");
    matrix::record_end(
        &scene,
        "balancer suspended in a transaction for longer than Kafka waits",
        1,
        outcomes,
        awake.elapsed().as_secs_f64(),
    )?;
    scene.end().await
}

async fn until_fenced(scene: &Scene, balancer: &Service) -> Outcome {
    scene
        .until("the first one knows that it is fenced", async |_| {
            let state: State = balancer.get("/v1/state").await?;
            Ok(state.phase == Phase::Fenced)
        })
        .await
}
