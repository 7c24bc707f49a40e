//! What the balancer may do by itself.

use balancer::api::view::{Phase, PlanStanding, PlanView};
use balancer::journal::Mode;
use kafka::cluster::Partition;

use crate::leadership::lopsided;
use e2e::scene::{Outcome, Scene, led_by};

#[tokio::test]
async fn observe_only_says_what_it_would_do_and_approve_waits_for_a_yes() -> Outcome {
    let mut scene = Scene::set("modes", &lopsided("asked")).await?;
    let before = placed(&scene).await?;
    scene.balance(Mode::Observe, |_| {}).await?;
    scene
        .until("a plan is suggested", async |scene| {
            Ok(plan(scene)
                .await?
                .is_some_and(|plan| plan.standing == PlanStanding::Suggested))
        })
        .await?;
    assert!(scene.state().await?.hot_brokers > 0);
    scene.ticks(5).await?;
    assert_eq!(placed(&scene).await?, before);

    let unauthorised = std::process::Command::new(e2e::process::Program::Balancer.path()?)
        .args(["mode", "auto", "--url", &scene.balancer()?.url])
        .output()?;
    assert!(!unauthorised.status.success());
    scene.cli(&["mode", "approve"])?;
    scene
        .until("a plan waits", async |scene| {
            Ok(scene.state().await?.phase == Phase::Waiting)
        })
        .await?;
    scene.ticks(5).await?;
    assert_eq!(placed(&scene).await?, before);
    let waiting = plan(&scene).await?.ok_or("no plan waits")?;
    let id = waiting.id.ok_or("the plan has no number")?;
    let wrong = scene.cli_output(&["approve", &(id + 7).to_string()])?;
    assert!(!wrong.status.success());
    assert_eq!(placed(&scene).await?, before);

    scene.cli(&["approve", &id.to_string()])?;
    scene
        .until("the plan is done", async |scene| {
            let finished = scene.history().await?;
            Ok(finished
                .iter()
                .any(|plan| plan.id == id && plan.leadership_changes > 0))
        })
        .await?;
    scene
        .until("every broker has heard of it", async |scene| {
            Ok(led_by(&placed(scene).await?, 0) < 4)
        })
        .await?;
    scene.cli(&["mode", "observe"])?;
    scene.end().await
}

async fn plan(scene: &Scene) -> Outcome<Option<PlanView>> {
    Ok(scene.balancer()?.get("/v1/plan").await?)
}

async fn placed(scene: &Scene) -> Outcome<Vec<Partition>> {
    scene.partitions("asked").await
}
