//! What the page shows of every state that a balancer can be in.

use std::time::Duration;

use balancer::api::view::{Phase, PlanStanding, SourceView, View};
use balancer::journal::Mode;
use e2e::scene::Outcome;

use crate::browser::{Browser, DESK, Look, NIGHT, PHONE};
use crate::synthetic::{Stage, hot, now_ms, planned, watching};

/// What the page must show of a view.
struct Expected {
    name: &'static str,
    view: View,
    phase: &'static str,
    sentence: &'static str,
    /// Buttons that steer the plan.
    offered: &'static [&'static str],
}

const STEERING: [&str; 5] = ["approve", "resume", "pause", "stop", "stop-now"];

fn states() -> Outcome<Vec<Expected>> {
    let calm = || watching(6, 96);
    let standing = |standing| planned(hot(calm()?)?, standing);
    let mut troubled = calm()?;
    troubled.state.problems = vec![
        "the journal is not open: Kafka cannot be reached at kafka-0:9092; check the bootstrap addresses"
            .to_owned(),
        "producers' requests to broker 3 get slower under copies, so these may take 25 % of the headroom"
            .to_owned(),
    ];
    troubled.brokers[5].source = SourceView::Protocol {
        reason: "http://10.0.0.7:9404 does not answer within 2s".to_owned(),
    };
    troubled.brokers[4].state = "draining".to_owned();
    troubled.state.draining = vec![4.try_into()?];
    let mut fenced = calm()?;
    fenced.state.phase = Phase::Fenced;
    fenced.state.mode = Mode::Observe;
    let mut empty = View::default();
    empty.state.phase = Phase::Watching;
    empty.state.ticked_at_ms = now_ms();
    Ok(vec![
        Expected {
            name: "starting",
            view: View::default(),
            phase: "Starting",
            sentence: "looks at the cluster for the first time",
            offered: &[],
        },
        Expected {
            name: "empty",
            view: empty,
            phase: "Watching",
            sentence: "The cluster has no live brokers.",
            offered: &[],
        },
        Expected {
            name: "watching",
            view: calm()?,
            phase: "Watching",
            sentence: "Nothing is hot.",
            offered: &[],
        },
        Expected {
            name: "hot",
            view: hot(calm()?)?,
            phase: "Watching",
            sentence: "orders.eu-west-1-0 makes broker 2 hot.",
            offered: &[],
        },
        Expected {
            name: "suggested",
            view: standing(PlanStanding::Suggested)?,
            phase: "Watching",
            sentence: "Mode observe: a plan is suggested, nothing is changed.",
            offered: &[],
        },
        Expected {
            name: "waiting",
            view: standing(PlanStanding::Waiting)?,
            phase: "Waiting for approval",
            sentence: "orders.eu-west-1-0 makes broker 2 hot. Plan 12 waits for approval.",
            offered: &["approve", "stop"],
        },
        Expected {
            name: "executing",
            view: standing(PlanStanding::Executing)?,
            phase: "Executing",
            sentence: "Plan 12 is being executed.",
            offered: &["pause", "stop", "stop-now"],
        },
        Expected {
            name: "paused",
            view: standing(PlanStanding::Paused)?,
            phase: "Paused",
            sentence: "Plan 12 is paused.",
            offered: &["resume", "stop", "stop-now"],
        },
        Expected {
            name: "stopping",
            view: standing(PlanStanding::Stopping)?,
            phase: "Stopping",
            sentence: "Plan 12 is being stopped.",
            offered: &["stop-now"],
        },
        Expected {
            name: "problems",
            view: troubled,
            phase: "Watching",
            sentence: "Nothing is hot.",
            offered: &[],
        },
        Expected {
            name: "fenced",
            view: fenced,
            phase: "Taken over",
            sentence: "Another balancer has taken over this cluster",
            offered: &[],
        },
        Expected {
            name: "thousand",
            view: planned(hot(watching(1_000, 100_000)?)?, PlanStanding::Waiting)?,
            phase: "Waiting for approval",
            sentence: "orders.eu-west-1-0 makes broker 2 hot. Plan 12 waits for approval.",
            offered: &["approve", "stop"],
        },
    ])
}

#[tokio::test]
async fn every_state_is_said_in_a_sentence_with_the_buttons_that_are_of_use_then() -> Outcome {
    let stage = Stage::set(View::default()).await?;
    let browser = Browser::open(&stage.url, DESK).await?;
    for expected in states()? {
        stage.show(expected.view.clone());
        browser
            .says("#sentence", expected.sentence)
            .await
            .map_err(|error| format!("{}: {error}", expected.name))?;
        assert_eq!(browser.text("#phase").await?, expected.phase, "{}", expected.name);
        for id in STEERING {
            let shown = browser.is_shown(&format!("#{id}")).await?;
            assert_eq!(shown, expected.offered.contains(&id), "{} {id}", expected.name);
        }
        let problems = &expected.view.state.problems;
        assert_eq!(
            browser.is_shown("#problems").await?,
            !problems.is_empty(),
            "{}",
            expected.name
        );
        for problem in problems {
            browser.says("#problem-list", &problem[1..]).await?;
        }
        let looks = [
            ("light", DESK),
            ("dark", NIGHT),
            ("phone", PHONE),
            ("phone-dark", Look { dark: true, ..PHONE }),
        ];
        for (name, look) in looks {
            browser.look(look).await?;
            let wide = browser.overflow().await?;
            assert_eq!(
                wide, 0,
                "{} is {wide} pixels too wide at {}",
                expected.name, look.width
            );
            browser.picture(&format!("{}-{name}", expected.name)).await?;
        }
        browser.look(DESK).await?;
    }
    nothing_went_wrong(&browser).await?;
    browser.close().await
}

#[tokio::test]
async fn what_is_hot_and_what_is_done_about_it_is_there_in_figures() -> Outcome {
    let stage = Stage::set(planned(hot(watching(6, 96)?)?, PlanStanding::Executing)?).await?;
    let browser = Browser::open(&stage.url, DESK).await?;
    for (selector, words) in [
        ("#detail", "It takes 58 % of broker 2’s bytes out."),
        ("#detail", "2 changes of leader and 2 copies, 69.3 GB to copy"),
        ("#hot-partitions", "108 MB/s"),
        ("#hot-partitions", "58 %"),
        ("#hot-partitions", "8.1 times the median"),
        ("#hot-partitions", "Lead elsewhere: Let broker 1 lead it"),
        ("#hot-brokers", "Broker 2 is hot in bytes out."),
        (
            "#progress-text",
            "1 of 4 moves over · 13.7 GB of 69.3 GB copied · 1 in progress",
        ),
        ("#progress-text", "throttle 50.0 MB/s to 80.0 MB/s"),
        (
            "#plan-facts",
            "no plan reaches this balance with less than 65.5 GB",
        ),
        ("#plan-facts", "bytes out 1.94 → 1.06"),
        ("#moves", "leader 2 → 1"),
        ("#moves", "replica 1 → 3"),
        ("#moves", "13.7 GB of 41.2 GB"),
        ("#unsolved", "what would help is excluded"),
        ("#broker-rows", "▲ 62 %"),
        ("#strip", "hot above 35 %"),
        ("#strip", "highest 62 %, broker 2"),
        ("#partition-rows", "orders.eu-west-1-0"),
        ("#history-rows", "1.71 → 1.05 → 1.06"),
        ("#history-rows", "4 done, 1 no longer helps"),
    ] {
        browser.says(selector, words).await?;
    }
    nothing_went_wrong(&browser).await?;
    browser.close().await
}

#[tokio::test]
async fn what_is_old_is_called_old_and_a_lost_connection_is_taken_up_again() -> Outcome {
    let mut stage = Stage::set(watching(6, 96)?).await?;
    let browser = Browser::open(&stage.url, DESK).await?;
    browser.says("#link", "Live").await?;
    assert!(!browser.is_shown("#stale").await?);
    browser.says("#stale", "has sent nothing since").await?;
    browser.says("#link", "No news since").await?;
    browser.picture("stale-light").await?;
    stage.show(watching(6, 96)?);
    browser.says("#link", "Live").await?;
    assert!(!browser.is_shown("#stale").await?);

    stage.end();
    browser
        .says("#stale", "The connection to the balancer is lost")
        .await?;
    browser.says("#link", "Connection lost").await?;
    browser.look(NIGHT).await?;
    browser.picture("lost-dark").await?;
    let address = stage.url.clone();
    drop(stage);
    let stage = Stage::set_at(&address, hot(watching(6, 96)?)?).await?;
    browser.says("#sentence", "makes broker 2 hot").await?;
    browser.says("#link", "Live").await?;
    drop(stage);
    browser.close().await
}

#[tokio::test]
async fn the_page_gives_way_to_others_when_too_many_are_open() -> Outcome {
    let stage = Stage::set(watching(6, 96)?).await?;
    let http = e2e::http::client()?;
    let mut open = Vec::new();
    loop {
        let answer = http.get(format!("{}/v1/events", stage.url)).send().await?;
        if !answer.status().is_success() {
            break;
        }
        open.push(answer);
    }
    let browser = Browser::open(&stage.url, DESK).await?;
    browser
        .says(
            "#stale",
            "pages of this balancer are open, which is the most at a time",
        )
        .await?;
    browser.picture("refused-light").await?;
    drop(open);
    // A stream that nobody reads any more is noticed with the next view.
    for _ in 0..20 {
        stage.show(watching(6, 96)?);
        tokio::time::sleep(Duration::from_millis(500)).await;
        if browser.text("#link").await? == "Live" {
            return browser.close().await;
        }
    }
    browser.says("#link", "Live").await?;
    browser.close().await
}

/// No error and nothing that the page's policy forbade.
pub(crate) async fn nothing_went_wrong(browser: &Browser) -> Outcome {
    let console = browser.console().await?;
    assert!(console.is_empty(), "{console:#?}");
    Ok(())
}
