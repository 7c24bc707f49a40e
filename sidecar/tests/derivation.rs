//! One sample after another, with sources that fail in between.

// The lint's exception for tests does not reach their helpers.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kafka::TopicPartition;
use sidecar::derivation::{Derivation, Derived, Sample, Taken};
use sidecar::jmx::{JmxReading, TopicCounters};
use sidecar::logs::{Led, LogReading, Replica, Span};
use sidecar::report::Confidence;

fn partition(number: i32) -> TopicPartition {
    TopicPartition::new("orders".parse().unwrap(), number.try_into().unwrap())
}

/// Two partitions that the broker leads: one that gets 300 bytes a second and one that gets 100.
fn logs(second: u64) -> Option<Taken<LogReading>> {
    let replica = |rate: u64| Replica {
        topic_id: [1; 16],
        size: rate * second,
        led: Some(Led {
            span: Some(Span {
                start: 0,
                end: i64::try_from(second).unwrap(),
            }),
            replicas: 1,
            in_sync: 1,
            against_minimum: None,
            preferred: Some(true),
        }),
        in_sync: true,
    };
    taken(
        second,
        LogReading {
            replicas: BTreeMap::from([(partition(0), replica(300)), (partition(1), replica(100))]),
            ..LogReading::default()
        },
    )
}

fn jmx(second: u64) -> Option<Taken<JmxReading>> {
    let counters = TopicCounters {
        bytes_in: 400.0 * second as f64,
        bytes_out: 0.0,
    };
    taken(
        second,
        JmxReading {
            topics: BTreeMap::from([("orders".parse().unwrap(), counters)]),
            ..JmxReading::default()
        },
    )
}

fn taken<T>(second: u64, reading: T) -> Option<Taken<T>> {
    let reading = Arc::new(reading);
    Some(Taken {
        at: Duration::from_secs(second),
        reading,
    })
}

fn sample(jmx: Option<Taken<JmxReading>>, logs: Option<Taken<LogReading>>) -> Sample {
    Sample {
        jmx,
        logs,
        consumed: None,
    }
}

fn bytes_in(derived: Option<Derived>) -> Vec<(f64, Confidence)> {
    let rates = derived.unwrap().rates;
    rates
        .values()
        .map(|rate| (rate.bytes_in, rate.bytes_in_confidence))
        .collect()
}

fn derivation() -> Derivation {
    Derivation::new(Duration::from_secs(5))
}

const WEIGHTED: [(f64, Confidence); 2] = [(300.0, Confidence::Weighted), (100.0, Confidence::Weighted)];

#[test]
fn the_second_sample_has_rates_and_the_first_has_none() {
    let mut derivation = derivation();
    assert!(derivation.take(sample(jmx(5), logs(5))).is_none());
    assert_eq!(bytes_in(derivation.take(sample(jmx(10), logs(10)))), WEIGHTED);
}

#[test]
fn while_the_logs_cannot_be_read_the_exact_totals_are_divided_evenly_until_the_layout_is_too_old() {
    let mut derivation = derivation();
    derivation.take(sample(jmx(5), logs(5)));
    for second in [10, 15, 20] {
        let even = (200.0, Confidence::Even);
        assert_eq!(bytes_in(derivation.take(sample(jmx(second), None))), [even, even]);
    }
    assert!(derivation.take(sample(jmx(25), None)).is_none());
}

#[test]
fn while_the_agent_is_silent_the_logs_alone_give_rates() {
    let mut derivation = derivation();
    derivation.take(sample(jmx(5), logs(5)));
    let derived = derivation.take(sample(None, logs(10)));
    assert_eq!(derived.as_ref().unwrap().totals.started_at_ms, None);
    assert_eq!(bytes_in(derived), WEIGHTED);
    // The agent's window now spans two of the logs'; per second they still fit together.
    assert_eq!(bytes_in(derivation.take(sample(jmx(15), logs(15)))), WEIGHTED);
}

/// A partition to which all is written that its topic counts.
fn alone(second: u64) -> Option<Taken<LogReading>> {
    let mut logs = logs(second)?;
    Arc::make_mut(&mut logs.reading).replicas.remove(&partition(1));
    Some(logs)
}

#[test]
fn what_was_counted_between_two_samples_is_divided_by_the_time_that_the_report_tells() {
    for (agent_is_late_by, sure) in [(50, Confidence::Exact), (300, Confidence::Weighted)] {
        let mut derivation = derivation();
        derivation.take(sample(jmx(5), alone(5)));
        let mut late = jmx(10).unwrap();
        late.at += Duration::from_millis(agent_is_late_by);
        let derived = derivation.take(sample(Some(late), alone(10))).unwrap();
        let seconds = derived.window.as_secs_f64();
        let rate = derived.rates[&partition(0)];
        assert!(
            (rate.bytes_in * seconds - 2_000.0).abs() < 1e-6,
            "{rate:?} in {seconds} s"
        );
        assert!(
            (rate.records_in * seconds - 5.0).abs() < 1e-6,
            "{rate:?} in {seconds} s"
        );
        assert_eq!(rate.bytes_in_confidence, sure);
    }
}

#[test]
fn a_gap_that_is_too_long_is_not_averaged_over() {
    let mut derivation = derivation();
    derivation.take(sample(jmx(5), logs(5)));
    derivation.take(sample(None, None));
    assert!(derivation.take(sample(jmx(60), logs(60))).is_none());
    assert_eq!(bytes_in(derivation.take(sample(jmx(65), logs(65)))), WEIGHTED);
}
