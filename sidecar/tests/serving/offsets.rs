//! `kafka-sidecar offsets` as its readers see it, over HTTP.

use std::time::Duration;

use crate::stub::{self, Mood, Sidecar, Stub, serve};
use kafka::connection::ConnectionSettings;
use sidecar::config::OffsetsConfig;
use sidecar::consumption::read;
use sidecar::offsets;
use sidecar::report::ConsumptionReport;
use tokio_util::sync::CancellationToken;

async fn start(export_partitions: bool) -> Sidecar {
    let kafka = ConnectionSettings::plaintext(vec!["localhost:9092".parse().unwrap()]);
    let mut config = OffsetsConfig::new(kafka);
    config.interval = Duration::from_millis(100);
    config.export_partitions = export_partitions;
    let stop = CancellationToken::new();
    let sampling = offsets::start(config, Stub::new(Mood::Answering), stop.clone()).unwrap();
    serve(sampling, stop).await
}

#[tokio::test]
async fn two_groups_progress_adds_up_and_a_third_that_cannot_be_read_is_named() {
    let sidecar = start(false).await;
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

/// A family's name, its type and the names of its series' labels.
fn families(metrics: &str) -> Vec<String> {
    let mut families: Vec<String> = Vec::new();
    let mut kind = "";
    for line in metrics.lines() {
        if let Some(header) = line.strip_prefix("# TYPE ") {
            kind = header;
        }
        if line.starts_with('#') {
            continue;
        }
        let labels: Vec<_> = line.split(['{', ',']).skip(1).collect();
        let labels: Vec<_> = labels
            .iter()
            .filter_map(|label| label.split('=').next())
            .collect();
        let family = format!("{kind} {}", labels.join(","));
        if families.last() != Some(&family) {
            families.push(family.trim_end().to_owned());
        }
    }
    families.dedup();
    families
}

#[tokio::test]
async fn the_names_types_and_labels_are_those_that_dashboards_know() {
    let sidecar = start(true).await;
    let metrics = sidecar
        .get_until("/metrics", |_, metrics| metrics.contains("lag_seconds{"))
        .await;
    assert_eq!(
        families(&metrics),
        include_str!("../data/offsets-families.txt")
            .lines()
            .collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn topics_have_no_series_of_their_own_where_brokers_sidecars_export_them() {
    let sidecar = start(false).await;
    let metrics = sidecar
        .get_until("/metrics", |_, metrics| {
            metrics.contains("kafka_consumergroup_lag{")
        })
        .await;
    assert!(!metrics.contains("kafka_topic_partition"), "{metrics}");
}
