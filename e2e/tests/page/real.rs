//! The page of a real balancer beside a real Kafka under load: what the person on call sees and does.

use balancer::api::view::PlanView;
use balancer::journal::Mode;
use e2e::scene::{Outcome, Row, Scene};
use e2e::stack::TOKEN;
use kafka::Cluster;
use kafka::settings::ByteRate;

use crate::browser::{Browser, DESK, ENTER, NIGHT, PHONE};
use crate::states::nothing_went_wrong;

/// What a partition is written in general, in bytes per second.
const UNIT: f64 = 60e3;
/// And the one that turns hot.
const HOT: f64 = 700e3;

/// What a broker can send, in bytes per second: a copy of what the test has written takes many looks.
const SENDS: u64 = 3_000_000;
const WRITTEN: u64 = 40_000_000;

/// Twelve partitions, evenly spread over four brokers in two racks, until `orders-1` turns hot on brokers 0 and 1.
const EVEN: [Row<'_>; 12] = [
    ("clicks", &[0, 1], UNIT),
    ("clicks", &[1, 2], UNIT),
    ("clicks", &[2, 3], UNIT),
    ("clicks", &[3, 0], UNIT),
    ("orders", &[1, 0], UNIT),
    ("orders", &[0, 1], UNIT),
    ("orders", &[2, 3], UNIT),
    ("orders", &[3, 2], UNIT),
    ("payments", &[0, 3], UNIT),
    ("payments", &[1, 0], UNIT),
    ("payments", &[2, 1], UNIT),
    ("payments", &[3, 2], UNIT),
];

/// One partition that has turned hot, the page, and on it a plan that waits for approval.
async fn hot_phase(name: &'static str) -> Outcome<(Scene, Browser)> {
    let mut scene = Scene::set(name, &EVEN).await?;
    for (topic, partition) in [("clicks", 0), ("orders", 0), ("orders", 1), ("payments", 1)] {
        scene.grow(topic, partition, WRITTEN, UNIT).await?;
    }
    scene
        .balance(Mode::Observe, |config| {
            config.capacity.bytes_out = ByteRate::from_bytes_per_second(SENDS);
            config.capacity.bytes_in = ByteRate::from_bytes_per_second(SENDS);
        })
        .await?;
    let browser = Browser::open(&scene.balancer()?.url, DESK).await?;
    browser.says("#link", "Live").await?;
    scene.load_with("orders", 1, HOT)?;
    browser.says("#sentence", "orders-1 makes broker").await?;
    browser.says("#hot-partitions", "orders-1").await?;
    // A suggestion is made anew with each look, until the heat has lasted long enough for copies to be worth it.
    scene
        .until("a plan with a copy is suggested", async |scene| {
            let plan: Option<PlanView> = scene.balancer()?.get("/v1/plan").await?;
            Ok(plan.is_some_and(|plan| plan.bytes > WRITTEN))
        })
        .await?;
    browser.says("#sentence", "a plan is suggested").await?;
    order(&browser, "order-mode", Some("input[value=approve]")).await?;
    browser.says("#sentence", "waits for approval").await?;
    Ok((scene, browser))
}

/// Presses a button, makes a choice if there is one, and sends the order with the token typed in.
async fn order(browser: &Browser, button: &str, choice: Option<&str>) -> Outcome<String> {
    browser.click(&format!("#{button}")).await?;
    if let Some(choice) = choice {
        browser.click(choice).await?;
    }
    let is_known = browser
        .evaluate("return document.getElementById('dialog-token').value !== ''")
        .await?;
    if is_known == false {
        browser.click("#dialog-token").await?;
        browser.keys(TOKEN).await?;
    }
    browser.keys(ENTER).await?;
    let answer = browser.says("#dialog-answer", ".").await?;
    browser.keys(ENTER).await?;
    Ok(answer)
}

#[tokio::test]
async fn a_hot_partition_is_seen_its_plan_approved_and_followed_to_its_end() -> Outcome {
    let (scene, browser) = hot_phase("page").await?;
    browser.picture("real-waiting").await?;
    browser.look(PHONE).await?;
    assert_eq!(browser.overflow().await?, 0);
    browser.picture("real-waiting-phone").await?;
    browser.look(DESK).await?;

    let answer = order(&browser, "approve", None).await?;
    assert!(answer.contains("is being executed"), "{answer}");
    browser.says("#sentence", "is being executed").await?;
    browser.says("#progress-text", "in progress").await?;
    browser.says("#progress-text", "throttle").await?;
    browser
        .until("some of it has been copied", async |browser| {
            let done = browser
                .evaluate("return document.getElementById('progress-bar').value")
                .await?;
            Ok(done.as_f64().is_some_and(|done| done > 0.1))
        })
        .await?;
    browser.picture("real-executing").await?;
    browser.look(NIGHT).await?;
    browser.picture("real-executing-dark").await?;
    browser.look(DESK).await?;

    browser.says("#history-rows", "Cools what is hot").await?;
    // Measured, unless another plan has begun by then.
    scene.ticks(5).await?;
    let history = scene.history().await?;
    let first = history.last().ok_or("no plan is in the history")?;
    assert!(first.moves_done > 0 && first.bytes > 0, "{history:?}");
    browser
        .says(
            "#history-rows",
            &format!("{} of {}", first.moves_done, first.moves),
        )
        .await?;
    browser
        .evaluate("document.getElementById('history').scrollIntoView()")
        .await?;
    browser.picture("real-history").await?;
    nothing_went_wrong(&browser).await?;
    browser.close().await?;
    scene.end().await
}

#[tokio::test]
async fn a_plan_in_the_middle_of_a_copy_is_paused_and_stopped_now_from_the_page() -> Outcome {
    let (scene, browser) = hot_phase("page-stop").await?;
    order(&browser, "approve", None).await?;
    scene
        .until("a copy is being made", async |scene| {
            Ok(!scene.cluster.reassignments().await?.is_empty())
        })
        .await?;
    // The button is there with the view that says so.
    browser.says("#sentence", "is being executed").await?;
    let answer = order(&browser, "pause", None).await?;
    assert!(answer.contains("is paused"), "{answer}");
    browser.says("#sentence", "is paused").await?;
    browser.picture("real-paused").await?;
    let answer = order(&browser, "stop-now", None).await?;
    assert!(answer.contains("the mode is observe"), "{answer}");
    browser.says("#mode", "mode observe").await?;
    browser.says("#history-rows", "stopped").await?;
    browser.picture("real-stopped").await?;
    scene.until_clean().await?;
    nothing_went_wrong(&browser).await?;
    browser.close().await?;
    scene.end().await
}
