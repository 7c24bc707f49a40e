//! Both kinds of sidecar with all that they can show: beside the recorded agent and the cluster of one topic.

use std::time::Duration;

use axum::routing::post;
use axum::{Json, Router};
use kafka::connection::ConnectionSettings;
use serde_json::Value;
use sidecar::clock::Clock;
use sidecar::config::{BrokerConfig, ConsumptionConfig, JolokiaConfig, MetricsConfig, OffsetsConfig};
use sidecar::{broker, offsets};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::recording;
use crate::stub::{self, Mood, Sidecar, Stub, serve};

fn kafka() -> ConnectionSettings {
    ConnectionSettings::plaintext(vec!["localhost:9092".parse().unwrap()])
}

/// A sidecar of a broker. The one for offsets cannot be reached, so that errors are shown too.
pub(crate) async fn start_broker(metrics: MetricsConfig) -> Sidecar {
    let config = BrokerConfig {
        interval: Duration::from_millis(100),
        jolokia: Some(JolokiaConfig::new(agent().await.parse().unwrap())),
        consumption: Some(ConsumptionConfig {
            timeout: Duration::from_millis(100),
            ..ConsumptionConfig::new("http://127.0.0.1:1/v1/consumption".parse().unwrap())
        }),
        metrics,
        ..BrokerConfig::new(stub::broker(), kafka())
    };
    let stop = CancellationToken::new();
    let sampling = broker::start(
        config,
        Some(Stub::new(Mood::Answering)),
        Clock::start(),
        stop.clone(),
    )
    .unwrap();
    serve(sampling, stop).await
}

fn offsets_config(metrics: MetricsConfig, export_partitions: bool) -> OffsetsConfig {
    OffsetsConfig {
        interval: Duration::from_millis(100),
        export_partitions,
        metrics,
        ..OffsetsConfig::new(kafka())
    }
}

/// A sidecar for offsets.
pub(crate) async fn start_offsets(metrics: MetricsConfig, export_partitions: bool) -> Sidecar {
    serve_offsets(offsets_config(metrics, export_partitions)).await
}

async fn serve_offsets(config: OffsetsConfig) -> Sidecar {
    let stop = CancellationToken::new();
    let sampling = offsets::start(config, Stub::new(Mood::Answering), stop.clone()).unwrap();
    serve(sampling, stop).await
}

/// The metrics of a broker's sidecar, once it shows everything.
pub(crate) async fn broker(metrics: MetricsConfig) -> String {
    let sidecar = start_broker(metrics).await;
    // The agent is asked for topics when they are known.
    let is_of_topic =
        |line: &str| line.starts_with("kafka_server_brokertopicmetrics_") && line.contains("topic=\"");
    let is_full = |metrics: &str| {
        let parts = [
            "bytes_in_per_second{",
            "atminisr{",
            "source_errors_total{",
            "\nkafka_server_",
        ];
        parts.iter().all(|part| metrics.contains(part)) && metrics.lines().any(is_of_topic)
    };
    sidecar.get_until("/metrics", |_, metrics| is_full(metrics)).await
}

/// The metrics of the sidecar for offsets, once it shows everything. After three samples it warns of the groups, whose lag
/// never becomes smaller.
pub(crate) async fn offsets(metrics: MetricsConfig, export_partitions: bool) -> String {
    let mut config = offsets_config(metrics, export_partitions);
    config.status.window = 3;
    let sidecar = serve_offsets(config).await;
    let is_full = |metrics: &str| metrics.contains("lag_seconds{") && metrics.contains("partition_status{");
    sidecar.get_until("/metrics", |_, metrics| is_full(metrics)).await
}

/// An agent that answers what was recorded.
async fn agent() -> String {
    async fn read(Json(reads): Json<Vec<Value>>) -> String {
        recording::answer(reads.iter().map(|read| read["mbean"].as_str().unwrap()))
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jolokia/", listener.local_addr().unwrap());
    let router = Router::new().route("/jolokia/", post(read));
    tokio::spawn(async { axum::serve(listener, router).await });
    url
}
