//! `/metrics` of both kinds of sidecar, as different readers ask for it.

use crate::full::{self, start_broker, start_offsets};
use crate::sample::families;
use sidecar::config::{Granularity, MetricsConfig};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

#[tokio::test]
async fn a_reader_gets_the_format_that_it_accepts_packed_if_it_likes() {
    let prometheus =
        "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
    for sidecar in [
        start_broker(MetricsConfig::default()).await,
        start_offsets(MetricsConfig::default(), true).await,
    ] {
        sidecar
            .get_until("/metrics", |_, metrics| metrics.contains("_success_timestamp_"))
            .await;
        for (headers, content_type, packed) in [
            (vec![], PROMETHEUS, false),
            (vec![("accept", "*/*")], PROMETHEUS, false),
            (vec![("accept", prometheus)], OPENMETRICS, false),
            (vec![("accept-encoding", "gzip")], PROMETHEUS, true),
            (
                vec![("accept", prometheus), ("accept-encoding", "gzip")],
                OPENMETRICS,
                true,
            ),
        ] {
            let metrics = sidecar.metrics(&headers).await;
            assert_eq!(
                (metrics.content_type.as_str(), metrics.packed),
                (content_type, packed)
            );
            let begins = metrics.text.starts_with("# HELP kafka_sidecar_source_up ");
            let ends = metrics.text.ends_with("\n# EOF\n");
            assert_eq!((begins, ends), (true, content_type == OPENMETRICS), "{headers:?}");
        }
    }
}

fn by(granularity: Granularity) -> MetricsConfig {
    MetricsConfig {
        granularity,
        ..MetricsConfig::default()
    }
}

#[tokio::test]
async fn by_topic_there_are_sums_and_no_partitions() {
    let broker = full::broker(by(Granularity::Topic)).await;
    let offsets = full::offsets(by(Granularity::Topic), true).await;
    for (metrics, lines) in [
        (
            &broker,
            [
                "\nkafka_log_log_size{topic=\"orders\"} ",
                "\nkafka_topic_partition_current_offset{topic=\"orders\"} ",
                "\nkafka_sidecar_partition_bytes_in_per_second{topic=\"orders\",confidence=\"",
            ],
        ),
        (
            &offsets,
            [
                "\nkafka_consumergroup_lag{consumergroup=\"billing\",topic=\"orders\"} 5\n",
                "\nkafka_consumergroup_lag_seconds{consumergroup=\"billing\",topic=\"orders\"} ",
                "\nkafka_topic_partition_current_offset{topic=\"orders\"} ",
            ],
        ),
    ] {
        assert!(!metrics.contains("partition=\""), "{metrics}");
        for line in lines {
            assert!(metrics.contains(line), "{line:?} is not in:\n{metrics}");
        }
    }
    assert!(!families(&broker).contains_key("kafka_topic_partition_leader"));
}

#[tokio::test]
async fn of_the_busiest_partitions_there_is_all_that_there_is_of_all() {
    let (all, busiest) = (by(Granularity::Partition), by(Granularity::Top(1)));
    let sample = families(&full::broker(busiest.clone()).await);
    for (name, family) in families(&full::broker(all.clone()).await) {
        assert_eq!(
            sample.get(&name).map(|found| &found.labels),
            Some(&family.labels),
            "{name}"
        );
    }
    let sample = families(&full::offsets(busiest, true).await);
    for (name, family) in families(&full::offsets(all, true).await) {
        assert_eq!(
            sample.get(&name).map(|found| &found.labels),
            Some(&family.labels),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_partition_of_one_replica_needs_no_second_in_sync_whatever_its_minimum_is() {
    for granularity in [Granularity::Partition, Granularity::Topic, Granularity::Top(1)] {
        let metrics = full::broker(by(granularity)).await;
        for (family, count) in [
            ("kafka_cluster_partition_underminisr", " 0"),
            ("kafka_cluster_partition_atminisr", " 1"),
            ("kafka_sidecar_partitions_under_min_isr", " 0"),
        ] {
            let line = metrics.lines().find(|line| line.starts_with(family)).unwrap();
            assert!(line.ends_with(count), "{line}");
        }
    }
}

#[tokio::test]
async fn what_is_denied_is_not_there() {
    let mut metrics = MetricsConfig::default();
    metrics.families.deny.push("kafka_network_*".parse().unwrap());
    metrics.topics.deny.push("orders".parse().unwrap());
    let sidecar = start_broker(metrics.clone()).await;
    let broker = sidecar
        .get_until("/metrics", |_, metrics| metrics.contains("window_seconds"))
        .await;
    assert!(
        !broker.contains("orders") && !broker.contains("kafka_network_"),
        "{broker}"
    );
    assert!(broker.contains("\nkafka_server_brokertopicmetrics_bytesin_total "));
    metrics.families.deny.clear();
    let sidecar = start_offsets(metrics, true).await;
    let offsets = sidecar
        .get_until("/metrics", |_, metrics| {
            metrics.contains("kafka_consumergroup_members")
        })
        .await;
    assert!(!offsets.contains("orders"), "{offsets}");
}
