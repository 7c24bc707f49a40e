//! `kafka-sidecar offsets` as its readers see it, over HTTP.

use std::time::Duration;

use crate::stub::{self, Mood, Stub, serve};
use kafka::connection::ConnectionSettings;
use sidecar::config::OffsetsConfig;
use sidecar::consumption::read;
use sidecar::offsets;
use sidecar::report::ConsumptionReport;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn two_groups_progress_adds_up_and_a_third_that_cannot_be_read_is_named() {
    let kafka = ConnectionSettings::plaintext(vec!["localhost:9092".parse().unwrap()]);
    let mut config = OffsetsConfig::new(kafka);
    config.interval = Duration::from_millis(100);
    let stop = CancellationToken::new();
    let (view, _) = offsets::start(config, Stub::new(Mood::Answering), stop.clone());
    let sidecar = serve(view, stop).await;
    let body = sidecar
        .get_until("/v1/consumption", |status, _| status == 200)
        .await;
    let report: ConsumptionReport = serde_json::from_str(&body).unwrap();
    report.check().unwrap();
    assert!(read(&report)[&stub::partition()].records_per_second > 0.0);
    let (group, reason) = report.failed_groups.first_key_value().unwrap();
    assert_eq!(group.as_str(), "broken");
    assert!(reason.contains("describe on group broken"), "{reason}");
    let metrics = sidecar.get("/metrics").await.1;
    for line in [
        "kafka_consumergroup_lag{consumergroup=\"billing\",topic=\"orders\",partition=\"0\"} 5\n",
        "kafka_consumergroup_lag_sum{consumergroup=\"search\",topic=\"orders\"} 5\n",
        "kafka_brokers 1\n",
    ] {
        assert!(metrics.contains(line), "{line:?} is not in:\n{metrics}");
    }
}
