//! What an agent, a broker and a clock can do wrong, and what readers see of it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::agent::{Agent, Manner};
use crate::broker::{config, report, start};
use crate::stub::{Mood, Sidecar, Stub, serve};
use sidecar::broker;
use sidecar::clock::Clock;
use sidecar::config::{BrokerConfig, LogSource};
use sidecar::report::{LoadReport, Source};
use tokio_util::sync::CancellationToken;

const UP: &str = "kafka_sidecar_source_up{source=\"jolokia\"} 1\n";
const DOWN: &str = "kafka_sidecar_source_up{source=\"jolokia\"} 0\n";
/// A family that only the agent tells.
const FAMILY: &str = "\nkafka_server_brokertopicmetrics_bytesin_total ";

fn beside(agent: &Agent) -> BrokerConfig {
    let mut config = config();
    config.jolokia = Some(agent.config.clone());
    config
}

async fn recovered(sidecar: &Sidecar) -> String {
    sidecar
        .get_until("/metrics", |_, metrics| {
            metrics.contains(UP) && metrics.contains(FAMILY)
        })
        .await
}

#[tokio::test]
async fn whatever_the_agent_does_is_named_with_its_cure_goes_stale_and_is_over_with_the_next_good_answer() {
    let agent = Agent::open(Manner::Honest).await;
    let mut config = beside(&agent);
    config.interval = Duration::from_millis(300);
    let sidecar = start(config, &Stub::new(Mood::Answering)).await;
    for (manner, kind, words) in [
        (Manner::Hangs, "timed_out", "did not answer within 300ms"),
        (Manner::Trickles, "timed_out", "did not answer within 300ms"),
        (
            Manner::HangsUp,
            "unreachable",
            "is it up, and does it listen there?",
        ),
        (Manner::Refuses(500), "refused", "status 500"),
        (Manner::Refuses(302), "refused", "status 302"),
        (
            Manner::Refuses(401),
            "authentication",
            "set `jolokia.user` and `password_file`",
        ),
        (Manner::Refuses(403), "authorization", "policy file"),
        (Manner::RefusesInside(403), "authorization", "not for you"),
        (Manner::Truncated, "nonsense", "makes no sense"),
        (Manner::Huge, "too_large", "larger than 16777216 bytes"),
        (Manner::WrongTypes, "no_broker", "is it a Kafka broker's"),
        (Manner::Nulls, "no_broker", "is it a Kafka broker's"),
        (Manner::NotFound, "no_broker", "is it a Kafka broker's"),
    ] {
        recovered(&sidecar).await;
        agent.becomes(manner);
        // Where the machine is busy an answer may come too late now and then, whatever it would have said.
        let counter = format!("errors_total{{source=\"jolokia\",kind=\"{kind}\"}} ");
        let is_down = |metrics: &str| metrics.contains(DOWN) && !metrics.contains(FAMILY);
        let is_named = |metrics: &str| is_down(metrics) && metrics.contains(&counter);
        sidecar
            .get_until("/metrics", |_, metrics| is_named(metrics))
            .await;
        let tells = |body: &str| {
            let error = &report(body).sources[&Source::Jolokia].error;
            error.as_ref().is_some_and(|told| told.contains(words))
        };
        sidecar
            .get_until("/v1/load", |status, body| status == 200 && tells(body))
            .await;
        assert_eq!(sidecar.get("/livez").await.0, 200);
        agent.becomes(Manner::Honest);
    }
    recovered(&sidecar).await;
}

#[tokio::test]
async fn what_is_read_now_and_then_is_not_shown_any_more_when_it_cannot_be_read() {
    let agent = Agent::open(Manner::Honest).await;
    let sidecar = start(beside(&agent), &Stub::new(Mood::Answering)).await;
    let detail = "\njvm_threads_current ";
    sidecar
        .get_until("/metrics", |_, metrics| metrics.contains(detail))
        .await;
    agent.becomes(Manner::TellsNoDetail);
    sidecar
        .get_until("/metrics", |_, metrics| {
            metrics.contains(FAMILY) && !metrics.contains(detail)
        })
        .await;
}

#[tokio::test]
async fn what_an_agent_refuses_to_tell_that_tells_the_rest_is_named() {
    let agent = Agent::open(Manner::RefusesTopics).await;
    let sidecar = start(beside(&agent), &Stub::new(Mood::Answering)).await;
    let report = report(&sidecar.get_until("/v1/load", |status, _| status == 200).await);
    let jolokia = &report.sources[&Source::Jolokia];
    let said = jolokia.error.as_deref().unwrap_or_default();
    assert!(jolokia.up && said.contains("not for you"), "{jolokia:?}");
    let metrics = sidecar.get("/metrics").await.1;
    for part in [UP, "errors_total{source=\"jolokia\",kind=\"refused\"} "] {
        assert!(metrics.contains(part), "{part:?} is not in:\n{metrics}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_read_up_to_its_limit() {
    let agent = Agent::open(Manner::Endless).await;
    let mut config = beside(&agent);
    config.interval = Duration::from_secs(3);
    let sidecar = start(config, &Stub::new(Mood::Answering)).await;
    let too_large = "errors_total{source=\"jolokia\",kind=\"too_large\"} ";
    sidecar
        .get_until("/metrics", |_, metrics| metrics.contains(too_large))
        .await;
    agent.becomes(Manner::Honest);
    recovered(&sidecar).await;
}

#[tokio::test]
async fn a_broker_that_restarts_its_counters_has_no_rates_from_before_against_after() {
    let agent = Agent::open(Manner::Honest).await;
    let sidecar = start(beside(&agent), &Stub::new(Mood::Answering)).await;
    let honest = |bytes: f64| (0.0..1e6).contains(&bytes);
    for _ in 0..3 {
        let with_totals = |status, body: &str| status == 200 && report(body).totals.bytes_in.is_some();
        let before = report(&sidecar.get_until("/v1/load", with_totals).await);
        agent.restarts();
        let later = |status, body: &str| {
            let report = (status == 200).then(|| report(body));
            report.is_some_and(|report| {
                assert!(report.totals.bytes_in.is_none_or(honest), "{:?}", report.totals);
                assert!(report.replicas.bytes_in.iter().all(|bytes| honest(*bytes as f64)));
                report.sampled_at_ms > before.sampled_at_ms + 500 && report.totals.bytes_in.is_some()
            })
        };
        sidecar.get_until("/v1/load", later).await;
    }
}

#[tokio::test]
async fn a_clock_that_is_set_changes_dates_but_no_windows() {
    static AHEAD_MS: AtomicI64 = AtomicI64::new(0);
    const DAY_MS: i64 = 86_400_000;
    let stop = CancellationToken::new();
    let (cluster, clock) = (Stub::new(Mood::Answering), Clock::start_shifted(&AHEAD_MS));
    let sampling = broker::start(config(), Some(cluster), clock, stop.clone()).unwrap();
    let sidecar = serve(sampling, stop).await;
    for days in [0, 1, -1, 0] {
        AHEAD_MS.store(days * DAY_MS, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let now = i64::try_from(now).unwrap() + days * DAY_MS;
        let dated = |status, body: &str| {
            let dated = |report: LoadReport| i64::try_from(report.sampled_at_ms).unwrap() - now;
            status == 200 && dated(report(body)).abs() < DAY_MS / 2
        };
        let report = report(&sidecar.get_until("/v1/load", dated).await);
        assert!(report.window_ms < 10_000, "{} ms", report.window_ms);
        assert!(report.replicas.bytes_in[0] < 1_000_000);
    }
}

#[tokio::test]
async fn a_thousand_topics_at_once_are_all_reported_and_exported_within_the_budget() {
    let agent = Agent::open(Manner::Crowded(1)).await;
    let mut config = beside(&agent);
    config.logs = LogSource::Jolokia;
    config.interval = Duration::from_secs(2);
    config.metrics.series_per_family = 100;
    let sidecar = start(config, &Stub::new(Mood::Failing)).await;
    for topics in [1, 1000, 1] {
        agent.becomes(Manner::Crowded(topics));
        let all = |status, body: &str| status == 200 && report(body).topics.len() == topics;
        let report = report(&sidecar.get_until("/v1/load", all).await);
        assert_eq!(report.replicas.leads.len(), topics);
        let metrics = sidecar.get("/metrics").await.1;
        let series = |family: &str| metrics.matches(&format!("\n{family}{{")).count();
        assert_eq!(series("kafka_log_log_size"), topics.min(100));
        assert!(metrics.len() < 1_000_000, "{}", metrics.len());
    }
}
