//! Per-partition rates, from two readings of a broker's logs and the exact traffic of its topics.

// The lint's exception for tests does not reach their helpers.
#![allow(clippy::unwrap_used)]

mod bytes_in;
mod bytes_out;
mod properties;

use std::collections::BTreeMap;
use std::time::Duration;

use kafka::{TopicName, TopicPartition};
use sidecar::consumption::Consumption;
use sidecar::logs::{Led, LogReading, Replica, Span};
use sidecar::rates::{Evidence, PartitionRate, PartitionRates, RecordSize, derive};
use sidecar::report::Confidence::{self, Even, Exact, Weighted};
use sidecar::totals::TopicTraffic;
use sidecar::window::Window;

const WINDOW: Duration = Duration::from_secs(10);

fn topic() -> TopicName {
    "orders".parse().unwrap()
}

fn partition(number: usize) -> TopicPartition {
    TopicPartition::new(topic(), i32::try_from(number).unwrap().try_into().unwrap())
}

fn leader(start: i64, end: i64, size: u64) -> Replica {
    let span = Some(Span { start, end });
    Replica {
        topic_id: [1; 16],
        size,
        led: Some(Led {
            span,
            replicas: 1,
            in_sync: 1,
            against_minimum: None,
            preferred: Some(true),
        }),
        in_sync: true,
    }
}

fn follower(in_sync: bool, size: u64) -> Replica {
    Replica {
        led: None,
        in_sync,
        ..leader(0, 0, size)
    }
}

fn of_topic(id: u8, replica: Replica) -> Replica {
    let topic_id = [id; 16];
    Replica { topic_id, ..replica }
}

/// A reading of partitions 0, 1, 2… of one topic.
fn logs(replicas: impl IntoIterator<Item = Option<Replica>>) -> LogReading {
    let replicas = replicas.into_iter().enumerate();
    LogReading {
        replicas: replicas
            .filter_map(|(number, replica)| Some((partition(number), replica?)))
            .collect(),
        ..LogReading::default()
    }
}

struct Given {
    before: LogReading,
    after: LogReading,
    bytes_in: Option<f64>,
    bytes_out: f64,
    consumed: Option<BTreeMap<TopicPartition, Consumption>>,
    same_window: bool,
    last: PartitionRates,
}

/// So many records per second by what was committed lately.
fn committing(records_per_second: f64) -> Consumption {
    Consumption {
        records_per_second,
        ..Consumption::default()
    }
}

/// The same, of so many groups that have caught up.
fn caught_up(groups_caught_up: u32, records_per_second: f64) -> Consumption {
    Consumption {
        groups_caught_up,
        ..committing(records_per_second)
    }
}

fn given(before: Vec<Option<Replica>>, after: Vec<Option<Replica>>) -> Given {
    Given {
        before: logs(before),
        after: logs(after),
        bytes_in: None,
        bytes_out: 0.0,
        consumed: None,
        same_window: true,
        last: PartitionRates::new(),
    }
}

impl Given {
    /// With the exact rates of the topic on the broker.
    fn traffic(mut self, bytes_in: f64, bytes_out: f64) -> Self {
        (self.bytes_in, self.bytes_out) = (Some(bytes_in), bytes_out);
        self
    }

    fn rates(&self) -> Vec<PartitionRate> {
        let traffic = self.bytes_in.map(|bytes_in| {
            let traffic = TopicTraffic {
                bytes_in,
                bytes_out: self.bytes_out,
            };
            BTreeMap::from([(topic(), traffic)])
        });
        let rates = derive(Evidence {
            logs: Window {
                before: &self.before,
                after: &self.after,
                elapsed: WINDOW,
            },
            traffic: traffic.as_ref(),
            same_window: self.same_window,
            consumed: self.consumed.as_ref(),
            last: &self.last,
        });
        rates.into_values().collect()
    }

    fn bytes_in(&self) -> Vec<(f64, Confidence)> {
        self.rates()
            .iter()
            .map(|rate| (rate.bytes_in, rate.bytes_in_confidence))
            .collect()
    }

    fn bytes_out(&self) -> Vec<(f64, Confidence)> {
        self.rates()
            .iter()
            .map(|rate| (rate.bytes_out, rate.bytes_out_confidence))
            .collect()
    }
}

fn usual_sizes(sizes: &[f64]) -> PartitionRates {
    let rate = |size| PartitionRate {
        bytes_in: 0.0,
        bytes_in_confidence: Weighted,
        bytes_out: 0.0,
        bytes_out_confidence: Weighted,
        records_in: 0.0,
        record_size: Some(RecordSize::Learnt(size)),
    };
    sizes
        .iter()
        .enumerate()
        .map(|(number, size)| (partition(number), rate(*size)))
        .collect()
}
