//! Two balancers for one cluster.

use balancer::api::view::{Phase, State};
use balancer::journal::Mode;
use e2e::Service;
use e2e::port::free;

use crate::leadership::lopsided;
use e2e::scene::{Outcome, Scene, led_by};

#[tokio::test]
async fn a_second_balancer_fences_the_first_which_then_acts_no_more() -> Outcome {
    let mut scene = Scene::set("fencing", &lopsided("fought-over")).await?;
    scene.balance(Mode::Observe, |_| {}).await?;
    scene
        .until("the first one has the journal", async |scene| {
            let answer = scene.cli_output(&["mode", "observe"])?;
            Ok(answer.status.success())
        })
        .await?;
    let mut config = scene.stack()?.config.clone();
    config.listen.set_port(free()?);
    let mut second = Service::balancer(&config)?;
    second.ready().await?;
    let state: State = second.get("/v1/state").await?;
    assert_ne!(state.phase, Phase::Fenced);

    // The first one may not even write down what it would do, and does not take over again although something stays
    // hot.
    let refused = scene.cli_output(&["mode", "auto"])?;
    assert!(!refused.status.success());
    let said = String::from_utf8(refused.stderr)?;
    assert!(said.contains("another balancer has taken over"), "{said}");
    scene
        .until("the first one is fenced", async |scene| {
            Ok(scene.state().await?.phase == Phase::Fenced)
        })
        .await?;
    scene.ticks(5).await?;
    assert_eq!(scene.state().await?.phase, Phase::Fenced);
    assert_eq!(led_by(&scene.partitions("fought-over").await?, 0), 4);
    assert!(scene.history().await?.is_empty());

    let mode = serde_json::json!({ "mode": "auto" });
    let _: serde_json::Value = second.post("/v1/mode", &mode).await?;
    scene
        .until("the second one cools", async |scene| {
            Ok(led_by(&scene.partitions("fought-over").await?, 0) <= 2)
        })
        .await?;
    assert_eq!(scene.state().await?.phase, Phase::Fenced);
    second.process.terminate().await?;
    scene.end().await
}
