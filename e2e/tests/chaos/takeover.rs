//! Two balancers at once.

use balancer::api::view::{Phase, State};
use e2e::scene::{Outcome, Scene};
use e2e::{Layout, Service};
use tokio::time::Instant;

use crate::matrix;
use crate::stage::{COPY, ROWS, all_in_sync, in_the_middle, layout, over, sampler, slowly};

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
    scene
        .until("nothing is left behind", async |scene| scene.is_clean().await)
        .await?;
    let took = awake.elapsed().as_secs_f64();
    scene.ticks(5).await?;
    assert!(scene.is_clean().await?);
    all_in_sync(&sampler);
    matrix::record(matrix::Row {
        fault: "balancer halted in mid-copy, and awake after another has finished".to_owned(),
        kafka: matrix::version(scene.kafka.layout()),
        points: 1,
        outcomes,
        leftovers: 0,
        recovery_seconds_max: took,
    })?;
    drop(first);
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
