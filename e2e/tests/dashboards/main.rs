//! Every query of the dashboards in `deploy/grafana` and every rule of `deploy/prometheus`, asked of a real Prometheus that
//! scrapes the real programs while that happens which a query is about. What is proven where:
//!
//! - **Panels, annotations and variables**, those of the operator's dashboard too: here. Variables are looked up and filled in
//!   as Grafana does, in two ways: where targets have the labels that the project's PodMonitors give, with each value
//!   that there is; and where they have none but `instance`, with `All`. A query finds something in some phase, or the test
//!   fails and names it; what a legend names are labels that series have.
//! - **Rules**: here that Prometheus evaluates them, and that each part between `and`, `or` and `unless` finds series once
//!   the comparisons are left out, of which nothing is left while all is well. That alerts fire when they should and not
//!   when they should not is proven by promtool, in `deploy/prometheus/tests`.
//! - **The operator** is the program itself, against the API server in memory of its own tests (`operator/tests/running`).
//!
//! The figures go into `target/e2e/dashboards.json`.

mod asked;
mod grafana;
mod operator;
mod rules;
mod stage;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use e2e::figures;
use e2e::prometheus::{Prometheus, Rule};
use e2e::scene::{Outcome, say};
use serde::Serialize;

use asked::{Asked, Round};
use grafana::{Choice, Dashboard};
use stage::Stage;

/// How often everything is scraped, and rules are evaluated.
const EVERY: Duration = Duration::from_secs(1);

/// The first phase.
const AT_REST: &str = "at rest";

#[derive(Serialize)]
struct Figures {
    panels: usize,
    queries: usize,
    queries_with_data: usize,
    alerts: usize,
    alerts_tested: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_finds_what_it_asks_for_while_it_happens() -> Outcome {
    let dashboards = grafana::dashboards()?;
    let mut stage = Stage::set().await?;
    let labelled = Prometheus::start(&stage.targets(true), EVERY).await?;
    let bare = Prometheus::start(&stage.targets(false), EVERY).await?;
    let start = now()?;

    stage.at_rest(&labelled).await?;
    let rules = labelled.rules().await?;
    let mut rounds = [
        round("with labels", &labelled, Choice::Each, &dashboards, &rules).await?,
        round("without labels", &bare, Choice::All, &dashboards, &rules).await?,
    ];
    look(&mut rounds, AT_REST, start).await?;
    stage.heat_up(&labelled).await?;
    look(&mut rounds, "hot", start).await?;
    stage.execute(&labelled).await?;
    look(&mut rounds, "execution", start).await?;
    stage.finish(&labelled).await?;
    look(&mut rounds, "after it", start).await?;
    stage.lag(&labelled).await?;
    look(&mut rounds, "lag", start).await?;
    stage.trouble(&labelled).await?;
    look(&mut rounds, "trouble", start).await?;

    for prometheus in [&labelled, &bare] {
        are_evaluated(&prometheus.rules().await?);
    }
    let missing: Vec<String> = rounds.iter().flat_map(Round::missing).collect();
    let queries: Vec<&Asked> = rounds.iter().flat_map(Round::queries).collect();
    let with_data = |place: &str| {
        queries
            .iter()
            .all(|asked| asked.place != place || asked.has_data())
    };
    let places = || dashboards.iter().flat_map(|dashboard| &dashboard.queries);
    let alerts = rules.iter().filter(|rule| rule.is_alert());
    let is_tested = |alert: &&Rule| rounds.iter().all(|round| round.has_all_of(alert));
    figures::add(
        "dashboards.json",
        &Figures {
            panels: dashboards.iter().map(|dashboard| dashboard.panels).sum(),
            queries: places().count(),
            queries_with_data: places().filter(|query| with_data(&query.place)).count(),
            alerts: alerts.clone().count(),
            alerts_tested: alerts.filter(is_tested).count(),
        },
    )?;
    assert!(
        missing.is_empty(),
        "nothing was found in any phase:\n{}",
        missing.join("\n")
    );
    Ok(())
}

/// All that is asked of one Prometheus.
async fn round<'a>(
    way: &'static str,
    prometheus: &'a Prometheus,
    choice: Choice,
    dashboards: &[Dashboard],
    rules: &[Rule],
) -> Outcome<Round<'a>> {
    let mut round = Round::new(way, prometheus);
    for dashboard in dashboards {
        let chosen = dashboard.choose(prometheus, choice).await?;
        for query in &dashboard.queries {
            round.ask(Asked::query(query, &chosen)?);
        }
    }
    for rule in rules {
        for part in rules::parts(&rule.query) {
            round.ask(Asked::part(rule, part));
        }
    }
    Ok(round)
}

/// Asks, and says what has found something now. What one Prometheus has seen the other one sees with its next scrape, and
/// what rules record of it with their next evaluation.
async fn look(rounds: &mut [Round<'_>], phase: &'static str, start: f64) -> Outcome {
    let seen = now()? + EVERY.as_secs_f64();
    for round in rounds {
        let way = round.way;
        round.until_scraped(seen).await?;
        let found = round.look((start, now()?)).await?;
        say(&format!("# {phase}, {way}: {} found something", found.len()))?;
        // Most do at rest.
        if phase != AT_REST {
            found.iter().try_for_each(|place| say(&format!("#   {place}")))?;
        }
    }
    Ok(())
}

fn are_evaluated(rules: &[Rule]) {
    assert!(!rules.is_empty());
    for rule in rules {
        assert!(rule.health == "ok", "{rule:?}");
    }
}

/// In seconds since the Unix epoch.
fn now() -> Outcome<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64())
}
