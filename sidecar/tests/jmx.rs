//! What a Jolokia agent beside Kafka 4.3.1 answered, and what becomes of it.

// The lint's exception for tests does not reach their helpers.
#![allow(clippy::unwrap_used)]

#[path = "recording/mod.rs"]
mod recording;

use kafka::TopicName;
use sidecar::config::{MetricsConfig, Names};
use sidecar::exposition::{Encoding, Format, Text};
use sidecar::jmx::{JmxReading, TopicCounters, reads};
use sidecar::jolokia::{JolokiaError, parse};
use sidecar::totals::{broker_totals, topic_traffic};
use sidecar::window::Window;
use std::time::Duration;

fn recorded(names: Names) -> JmxReading {
    let reads = reads(true);
    let answer = recording::answer(reads.iter().map(|read| read.mbean));
    JmxReading::new(parse(answer.as_bytes(), &reads).unwrap(), names).unwrap()
}

fn reading() -> JmxReading {
    recorded(Names::Strimzi)
}

#[test]
fn the_figures_of_a_real_broker_are_found() {
    let reading = reading();
    assert_eq!(reading.started_at_ms, 1_795_768_525_102);
    assert_eq!(reading.cores, Some(2.0));
    assert_eq!(reading.under_replicated, Some(0));
    assert!(reading.refused.is_empty());
    let counters = reading.counters;
    for figure in [
        counters.bytes_in,
        counters.bytes_out,
        counters.replication_in,
        counters.cpu_ns,
    ] {
        assert!(figure.is_some());
    }
    assert!(counters.handler_idle_ns.unwrap() > 1e9);
    let topics: f64 = reading.topics.values().map(|topic| topic.bytes_in).sum();
    assert_eq!(
        Some(topics),
        counters.bytes_in,
        "the topics' bytes are the broker's"
    );
    let produce = counters.produce.unwrap();
    assert!(
        (produce.sum - produce.sum.round()).abs() < 1e-6,
        "mean times count is a whole number of milliseconds"
    );
}

#[test]
fn the_recording_is_told_in_both_formats_and_by_both_sets_of_names() {
    for (names, format, file) in [
        (
            Names::Strimzi,
            Format::Prometheus,
            "metrics-strimzi.prometheus.txt",
        ),
        (
            Names::Strimzi,
            Format::OpenMetrics,
            "metrics-strimzi.openmetrics.txt",
        ),
        (
            Names::Confluent,
            Format::OpenMetrics,
            "metrics-confluent.openmetrics.txt",
        ),
    ] {
        let mut text = Text::new(format, Encoding::Identity, &MetricsConfig::default());
        let mut reading = recorded(names);
        reading.families.extend(reading.detail.as_ref().unwrap());
        reading.families.write(&mut text, |_| true);
        let written = String::from_utf8(text.finish().concat()).unwrap();
        let expected = format!("{}/tests/data/{file}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(expected, written).unwrap();
        } else {
            assert_eq!(written, std::fs::read_to_string(expected).unwrap());
        }
    }
}

#[test]
fn a_restart_within_the_window_has_no_rates_and_a_reset_counter_no_negative_one() {
    let before = reading();
    let mut restarted = before.clone();
    restarted.started_at_ms += 60_000;
    let window = |after| Window {
        before: &before,
        after,
        elapsed: Duration::from_secs(10),
    };
    assert_eq!(topic_traffic(window(&restarted)), None);
    assert_eq!(broker_totals(window(&restarted)).bytes_in, None);
    let mut reset = before.clone();
    let orders = "orders".parse().unwrap();
    reset.topics.get_mut(&orders).unwrap().bytes_in = 500.0;
    assert_eq!(topic_traffic(window(&reset)).unwrap()[&orders].bytes_in, 50.0);
}

#[test]
fn topics_whose_counters_are_missing_at_one_end_are_not_taken_for_idle_or_busy_ones() {
    let orders: TopicName = "orders".parse().unwrap();
    let seen = |orders_in: Option<f64>, all_in: f64| {
        let mut reading = JmxReading::default();
        reading.counters.bytes_in = Some(all_in);
        let counted = orders_in.map(|bytes_in| TopicCounters {
            bytes_in,
            bytes_out: 0.0,
        });
        reading
            .topics
            .extend(counted.map(|counted| (orders.clone(), counted)));
        reading
    };
    let traffic = |before: &JmxReading, after: &JmxReading| {
        let elapsed = Duration::from_secs(10);
        topic_traffic(Window {
            before,
            after,
            elapsed,
        })
    };
    let (early, late) = (seen(Some(5e6), 9e6), seen(Some(6e6), 10e6));
    assert_eq!(traffic(&early, &late).unwrap()[&orders].bytes_in, 1e5);
    assert_eq!(traffic(&early, &seen(None, 10e6)), None);
    assert_eq!(traffic(&seen(None, 9e6), &late), None);
    // Nobody had used it before.
    assert_eq!(traffic(&seen(None, 4e6), &late).unwrap()[&orders].bytes_in, 6e5);
}

#[test]
fn mean_produce_time_is_that_of_the_window_and_not_of_the_brokers_life() {
    let before = reading();
    let mut after = before.clone();
    let produce = after.counters.produce.as_mut().unwrap();
    produce.count += 10.0;
    produce.sum += 70.0;
    let totals = broker_totals(Window {
        before: &before,
        after: &after,
        elapsed: Duration::from_secs(5),
    });
    assert!((totals.produce_mean_ms.unwrap() - 7.0).abs() < 1e-6);
    assert_eq!(
        totals.produce_local_mean_ms, None,
        "nothing happened, so there is no mean"
    );
}

#[test]
fn answers_that_are_nonsense_are_errors_and_not_figures() {
    let reads = reads(false);
    let refused = r#"{"error":"Origin null is not allowed to call this agent","status":403}"#;
    assert!(matches!(
        parse(refused.as_bytes(), &reads),
        Err(JolokiaError::Forbidden(_))
    ));
    for nonsense in [
        "",
        "<html>",
        "null",
        "[]",
        "[{}]",
        r#"[{"status":200,"value":7}]"#,
    ] {
        assert!(
            matches!(parse(nonsense.as_bytes(), &reads), Err(JolokiaError::Nonsense(_))),
            "{nonsense}"
        );
    }
    // An agent whose JVM is no broker has nothing of what is asked.
    let empty = format!(
        "[{}]",
        vec![r#"{"status":404,"error":"none"}"#; reads.len()].join(",")
    );
    let error = JmxReading::new(parse(empty.as_bytes(), &reads).unwrap(), Names::Strimzi).unwrap_err();
    assert!(error.to_string().contains("is it a Kafka broker's"), "{error}");
}

#[test]
fn null_is_absent_and_text_may_be_a_number() {
    let answer = r#"[{"status":200,"value":{"a:type=T,name=x":{"Value":null},"a:type=T,name=y":{"Value":"12.5"},
        "a:type=T,name=z":{"Value":{"error":"no such attribute"}}}}]"#;
    let read = sidecar::jolokia::Read {
        mbean: "a:type=T,name=*",
        attributes: &["Value"],
    };
    let beans = parse(answer.as_bytes(), &[read]).unwrap().remove(0).unwrap();
    let values: Vec<Option<f64>> = beans.iter().map(|bean| bean.number("Value")).collect();
    assert_eq!(values, [None, Some(12.5), None]);
}
