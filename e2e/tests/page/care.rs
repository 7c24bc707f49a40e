//! Names that want to be more than names, keys in place of a mouse, names for those who cannot see, weight and time.

use std::time::Duration;

use balancer::action::Action;
use balancer::api::view::{PlanStanding, SourceView, View};
use e2e::figures;
use e2e::scene::Outcome;
use serde_json::json;

use crate::browser::{Browser, DESK, ENTER, ESCAPE, PHONE};
use crate::states::nothing_went_wrong;
use crate::synthetic::{Stage, TOKEN, hot, planned, watching};

const SCRIPT: &str = "<img src=x onerror=\"window.taken=1\"><script>window.taken=1</script>";

/// A first paint later than this is broken rather than slow.
const PAINTED_WITHIN: f64 = 60_000.0;

/// All files of the page together weigh no more.
const HEAVIEST: usize = 150 * 1024;

/// Scripts wherever text from Kafka or from files can be, and the longest topic that there can be.
fn hostile() -> Outcome<View> {
    let mut view = planned(hot(watching(6, 96)?)?, PlanStanding::Waiting)?;
    let longest = "o".repeat(249);
    view.state.cluster_id = SCRIPT.to_owned();
    view.state.problems = vec![format!("{SCRIPT} {}", "x".repeat(5_000))];
    view.brokers[1].rack = Some(SCRIPT.to_owned());
    view.brokers[2].source = SourceView::Unknown {
        reason: SCRIPT.to_owned(),
    };
    view.brokers[3].state = SCRIPT.to_owned();
    view.hot.partitions[0].topic = longest.parse()?;
    view.hot.partitions[0].explanation = SCRIPT.to_owned();
    view.hot.partitions[0].advice = SCRIPT.to_owned();
    view.hot.brokers[0].explanation = SCRIPT.to_owned();
    view.partitions[0].topic = longest.parse()?;
    view.history[0].purpose = SCRIPT.to_owned();
    view.history[0].outcomes = [(SCRIPT.to_owned(), 1)].into();
    if let Some(plan) = &mut view.plan {
        plan.purpose = SCRIPT.to_owned();
        plan.unsolved = vec![SCRIPT.to_owned()];
        plan.moves[0].topic = longest.parse()?;
        plan.moves[0].reason = SCRIPT.to_owned();
        plan.moves[1].state = SCRIPT.to_owned();
    }
    Ok(view)
}

#[tokio::test]
async fn names_that_look_like_html_are_shown_as_they_are_and_do_nothing() -> Outcome {
    let stage = Stage::set(hostile()?).await?;
    let browser = Browser::open(&stage.url, DESK).await?;
    for selector in [
        "#cluster",
        "#problem-list",
        "#hot-partitions",
        "#hot-brokers",
        "#plan-purpose",
        "#moves",
        "#unsolved",
        "#broker-rows",
        "#history-rows",
    ] {
        browser.says(selector, "onerror=\"window.taken=1\"").await?;
    }
    browser.says("#partition-rows", "ooooo").await?;
    let made = browser
        .evaluate("return document.querySelectorAll('img, body script').length")
        .await?;
    assert_eq!(made, json!(0));
    assert_eq!(
        browser.evaluate("return window.taken === undefined").await?,
        json!(true)
    );
    browser.look(PHONE).await?;
    assert_eq!(browser.overflow().await?, 0);
    browser.picture("hostile-phone").await?;
    nothing_went_wrong(&browser).await?;
    browser.close().await
}

#[tokio::test]
async fn a_plan_is_approved_with_the_keyboard_alone_and_the_token_is_kept_nowhere() -> Outcome {
    let mut stage = Stage::set(planned(hot(watching(6, 96)?)?, PlanStanding::Waiting)?).await?;
    let browser = Browser::open(&stage.url, DESK).await?;
    browser.says("#sentence", "waits for approval").await?;

    // Escape leaves everything as it was.
    browser.tab_to("approve").await?;
    browser.keys(ENTER).await?;
    browser.says("#dialog", "Approve plan 12?").await?;
    browser
        .says("#dialog-says", "2 changes of leader and 2 copies")
        .await?;
    assert_eq!(browser.focus().await?, "dialog-token");
    browser.keys(ESCAPE).await?;
    browser
        .until("the dialog is closed", async |browser| {
            Ok(!browser.is_shown("#dialog").await?)
        })
        .await?;
    assert_eq!(browser.focus().await?, "approve");
    assert!(stage.orders.try_recv().is_err());

    // Without a token and with a wrong one it is said what is wrong.
    browser.keys(ENTER).await?;
    browser.keys(ENTER).await?;
    browser.says("#dialog-error", "Type the token").await?;
    browser.keys("not the token").await?;
    browser.keys(ENTER).await?;
    browser.says("#dialog-error", "no token").await?;
    browser.keys("wrong").await?;
    browser.keys(ENTER).await?;
    browser
        .says("#dialog-error", "is not the one in the balancer's token file")
        .await?;
    assert!(stage.orders.try_recv().is_err());
    browser.picture("wrong-token-light").await?;
    browser.console().await?;

    browser.keys(TOKEN).await?;
    browser.keys(ENTER).await?;
    let command = tokio::time::timeout(Duration::from_secs(60), stage.orders.recv())
        .await?
        .ok_or("no order")?;
    assert_eq!(
        command.action,
        Action::Approve {
            plan: 12,
            moves: None
        }
    );
    command
        .answer
        .send(Ok("Plan 12 is being executed.".to_owned()))
        .map_err(|_| "nobody waits")?;
    browser
        .says("#dialog-answer", "Plan 12 is being executed.")
        .await?;
    browser.keys(ENTER).await?;
    browser
        .until("the dialog is closed", async |browser| {
            Ok(!browser.is_shown("#dialog").await?)
        })
        .await?;

    // What the balancer refuses is said in its words.
    stage.show(planned(hot(watching(6, 96)?)?, PlanStanding::Executing)?);
    browser.says("#sentence", "is being executed").await?;
    browser.tab_to("stop-now").await?;
    browser.keys(ENTER).await?;
    browser
        .says("#dialog-says", "1 move in progress is cancelled")
        .await?;
    assert_eq!(browser.focus().await?, "dialog-confirm");
    browser.keys(ENTER).await?;
    let command = tokio::time::timeout(Duration::from_secs(60), stage.orders.recv())
        .await?
        .ok_or("no order")?;
    assert_eq!(command.action, Action::Stop { at_once: true });
    drop(command.answer);
    browser
        .says("#dialog-error", "The balancer is shutting down.")
        .await?;

    let kept =
        "return [document.cookie, localStorage.length, sessionStorage.length, location.href].join(' ')";
    let kept = browser.evaluate(kept).await?;
    assert_eq!(kept, json!(format!(" 0 0 {}/", stage.url)));
    let written = browser
        .evaluate("return document.documentElement.outerHTML")
        .await?;
    assert!(!written.to_string().contains(TOKEN));
    browser.close().await
}

#[tokio::test]
async fn everything_that_can_be_used_or_looked_at_has_a_name() -> Outcome {
    let stage = Stage::set(planned(hot(watching(6, 96)?)?, PlanStanding::Executing)?).await?;
    let browser = Browser::open(&stage.url, DESK).await?;
    browser.says("#sentence", "is being executed").await?;
    browser.says("#partition-rows", "topic-0").await?;
    named(&browser, 25).await?;
    for button in ["order-mode", "order-drain", "stop"] {
        browser.click(&format!("#{button}")).await?;
        named(&browser, 3).await?;
        browser.picture(&format!("{button}-light")).await?;
        browser.keys(ESCAPE).await?;
    }
    nothing_went_wrong(&browser).await?;
    browser.close().await
}

async fn named(browser: &Browser, at_least: usize) -> Outcome {
    let controls = browser.controls().await?;
    assert!(controls.len() >= at_least, "{controls:?}");
    let nameless: Vec<_> = controls
        .iter()
        .filter(|(_, name)| name.trim().is_empty())
        .collect();
    assert!(nameless.is_empty(), "{nameless:?} of {controls:?}");
    Ok(())
}

#[tokio::test]
async fn the_page_is_light_and_is_there_at_once_with_a_thousand_brokers() -> Outcome {
    let stage = Stage::set(planned(hot(watching(1_000, 100_000)?)?, PlanStanding::Waiting)?).await?;
    let browser = Browser::open(&stage.url, DESK).await?;
    browser.says("#sentence", "waits for approval").await?;
    browser.says("#partition-rows", "orders.eu-west-1-0").await?;
    let paint = "return performance.getEntriesByName('first-contentful-paint')[0].startTime";
    let first_paint_ms = browser
        .evaluate(paint)
        .await?
        .as_f64()
        .ok_or("nothing was painted")?;
    let loaded = "return performance.getEntriesByType('resource').map(e => new URL(e.name).pathname).filter(p => !p.startsWith('/v1/'))";
    let loaded = browser.evaluate(loaded).await?;
    let mut paths = vec!["/".to_owned()];
    paths.extend(
        loaded
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|path| path.as_str().map(str::to_owned)),
    );
    paths.sort();
    paths.dedup();
    let http = e2e::http::client()?;
    let mut page_bytes = 0;
    for path in &paths {
        page_bytes += http
            .get(format!("{}{path}", stage.url))
            .send()
            .await?
            .bytes()
            .await?
            .len();
    }
    nothing_went_wrong(&browser).await?;
    browser.close().await?;

    let mut events = http.get(format!("{}/v1/events", stage.url)).send().await?;
    let mut event = Vec::new();
    while !event.ends_with(b"}\n\n") {
        event.extend(events.chunk().await?.ok_or("the stream ended")?);
    }
    let figures = json!({
        "page_bytes": page_bytes,
        "page_files": paths.len(),
        "first_paint_ms": first_paint_ms,
        "first_event_bytes": event.len(),
    });
    figures::add("dashboards.json", &figures)?;
    assert!(page_bytes <= HEAVIEST, "{page_bytes} bytes in {paths:?}");
    assert!(first_paint_ms < PAINTED_WITHIN);
    Ok(())
}
