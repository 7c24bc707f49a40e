//! `kafka-sidecar offsets` as its readers see it, over HTTP.

use crate::full::start_offsets;
use crate::stub;
use sidecar::config::MetricsConfig;
use sidecar::consumption::read;
use sidecar::report::ConsumptionReport;

#[tokio::test]
async fn two_groups_progress_adds_up_and_a_third_that_cannot_be_read_is_named() {
    let sidecar = start_offsets(MetricsConfig::default(), false).await;
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
        "kafka_consumergroup_status{consumergroup=\"billing\",status=\"OK\"} 1\n",
        "kafka_consumergroup_state{consumergroup=\"billing\",state=\"Stable\"} 1\n",
        "kafka_consumergroup_kind{consumergroup=\"billing\",kind=\"consumer\"} 1\n",
        "kafka_consumergroup_members{consumergroup=\"billing\"} 3\n",
        "kafka_broker_info{id=\"7\",address=\"localhost:9092\"} 1\n",
        "kafka_sidecar_groups_unread 1\n",
        "kafka_consumergroup_lag{consumergroup=\"billing\",topic=\"orders\",partition=\"0\"} 5\n",
        "kafka_consumergroup_lag_sum{consumergroup=\"search\",topic=\"orders\"} 5\n",
        "kafka_brokers 1\n",
    ] {
        assert!(metrics.contains(line), "{line:?} is not in:\n{metrics}");
    }
}

#[tokio::test]
async fn topics_have_no_series_of_their_own_where_brokers_sidecars_export_them() {
    let sidecar = start_offsets(MetricsConfig::default(), false).await;
    let metrics = sidecar
        .get_until("/metrics", |_, metrics| {
            metrics.contains("kafka_consumergroup_lag{")
        })
        .await;
    assert!(!metrics.contains("kafka_topic_partition"), "{metrics}");
}
