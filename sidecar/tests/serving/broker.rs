//! `kafka-sidecar broker` as its readers see it, over HTTP.

use std::time::Duration;

use crate::stub::{self, Mood, Sidecar, Stub, serve};
use kafka::connection::ConnectionSettings;
use sidecar::broker;
use sidecar::clock::Clock;
use sidecar::config::{BrokerConfig, JolokiaConfig};
use sidecar::report::{LoadReport, Source};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(crate) fn config() -> BrokerConfig {
    let mut kafka = ConnectionSettings::plaintext(vec!["localhost:9092".parse().unwrap()]);
    kafka.request_timeout = Duration::from_secs(1);
    BrokerConfig {
        interval: Duration::from_millis(100),
        ..BrokerConfig::new(stub::broker(), kafka)
    }
}

pub(crate) async fn start(config: BrokerConfig, cluster: &Stub) -> Sidecar {
    let stop = CancellationToken::new();
    let sampling = broker::start(config, Some(cluster.clone()), Clock::start(), stop.clone()).unwrap();
    serve(sampling, stop).await
}

pub(crate) fn report(body: &str) -> LoadReport {
    let report: LoadReport = serde_json::from_str(body).unwrap();
    report.check().unwrap();
    report
}

#[tokio::test]
async fn a_broker_that_hangs_leaves_the_sidecar_alive_without_a_report_and_says_why() {
    let sidecar = start(config(), &Stub::new(Mood::Hanging)).await;
    assert_eq!(sidecar.get("/livez").await.0, 200);
    assert_eq!(sidecar.get("/readyz").await.0, 503);
    assert_eq!(sidecar.get("/metrics").await.0, 200);
    let told = sidecar
        .get_until("/v1/load", |_, body| body.contains("could not be read in time"))
        .await;
    assert!(told.contains("rates need two samples"), "{told}");
    assert_eq!(sidecar.get("/v1/load").await.0, 503);
    let metrics = sidecar.get("/metrics").await.1;
    assert!(
        metrics.contains("kafka_sidecar_source_up{source=\"protocol\"} 0\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("errors_total{source=\"protocol\",kind=\"timed_out\"} "),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_thread_that_is_stuck_keeps_nobody_from_asking_and_fails_the_liveness_probe_until_it_gets_on() {
    let cluster = Stub::new(Mood::Spinning);
    let mut config = config();
    config.kafka.as_mut().unwrap().request_timeout = Duration::from_millis(50);
    let sidecar = start(config, &cluster).await;
    let said = sidecar.get_until("/livez", |status, _| status == 503).await;
    assert!(said.contains("stuck"), "{said}");
    assert_eq!(sidecar.get("/metrics").await.0, 200);
    assert_eq!(sidecar.get("/readyz").await.0, 503);
    cluster.becomes(Mood::Failing);
    sidecar.get_until("/livez", |status, _| status == 200).await;
    let said = sidecar
        .get_until("/readyz", |_, said| said.contains("protocol: "))
        .await;
    assert!(
        said.contains("no report yet") && said.contains("nobody is there"),
        "{said}"
    );
}

#[tokio::test]
async fn two_samples_make_a_report_and_series_of_what_the_broker_leads() {
    let sidecar = start(config(), &Stub::new(Mood::Answering)).await;
    let report = report(&sidecar.get_until("/v1/load", |status, _| status == 200).await);
    assert_eq!(report.cluster_id.as_deref(), Some("stub"));
    assert_eq!(report.replicas.leads, [1]);
    let expected = 1000.0 / (f64::from(report.window_ms) / 1e3);
    let found = report.replicas.bytes_in[0] as f64;
    assert!(
        (found / expected - 1.0).abs() < 0.05,
        "{found} is not about {expected}"
    );
    assert_eq!(sidecar.get("/readyz").await.0, 200);
    let metrics = sidecar
        .get_until("/metrics", |_, body| body.contains("bytes_in_per_second{"))
        .await;
    for line in [
        "kafka_sidecar_partition_bytes_in_per_second{topic=\"orders\",partition=\"0\",confidence=\"weighted\"} ",
        "kafka_log_log_size{topic=\"orders\",partition=\"0\"} ",
        "kafka_topic_partition_current_offset{topic=\"orders\",partition=\"0\"} ",
        "kafka_topic_partitions{topic=\"orders\"} 1\n",
        "kafka_sidecar_log_dir_total_bytes{path=\"/data\"} 1099511627776\n",
    ] {
        assert!(metrics.contains(line), "{line:?} is not in:\n{metrics}");
    }
}

#[tokio::test]
async fn an_agent_that_never_answers_costs_certainty_but_no_report() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jolokia/", silent.local_addr().unwrap());
    let mut config = config();
    config.jolokia = Some(JolokiaConfig {
        timeout: Duration::from_millis(50),
        ..JolokiaConfig::new(url.parse().unwrap())
    });
    let sidecar = start(config, &Stub::new(Mood::Answering)).await;
    let report = report(&sidecar.get_until("/v1/load", |status, _| status == 200).await);
    let jolokia = &report.sources[&Source::Jolokia];
    assert!(
        !jolokia.up
            && jolokia
                .error
                .as_ref()
                .unwrap()
                .contains("did not answer within 50ms"),
        "{jolokia:?}"
    );
    assert!(report.sources[&Source::Protocol].up);
    assert_eq!(report.totals.bytes_in, None);
}

#[tokio::test]
async fn a_broker_that_goes_away_takes_its_series_along_but_not_the_exporter_and_both_come_back() {
    let cluster = Stub::new(Mood::Answering);
    let sidecar = start(config(), &cluster).await;
    sidecar.get_until("/v1/load", |status, _| status == 200).await;
    cluster.becomes(Mood::Failing);
    let told = sidecar.get_until("/v1/load", |status, _| status == 503).await;
    assert!(
        told.contains("too old") && told.contains("nobody is there"),
        "{told}"
    );
    sidecar
        .get_until("/metrics", |_, body| !body.contains("kafka_log_log_size"))
        .await;
    assert_eq!(sidecar.get("/readyz").await.0, 200);
    cluster.becomes(Mood::Answering);
    sidecar.get_until("/v1/load", |status, _| status == 200).await;
    sidecar
        .get_until("/metrics", |_, body| {
            body.contains("source_up{source=\"protocol\"} 1")
        })
        .await;
}
