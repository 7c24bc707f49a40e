//! How two well-known sets of rules for the JMX exporter name Kafka's figures.
//!
//! `kafka.server:type=BrokerTopicMetrics,name=BytesInPerSec,topic=t` Count is
//! `kafka_server_brokertopicmetrics_bytesin_total{topic="t"}` by Strimzi's rules and
//! `kafka_server_brokertopicmetrics_bytesinpersec{topic="t"}` by Confluent's. Both put domain, type and name in lower case
//! after each other and make labels of all other key properties; in the rest they differ.

use crate::config::Names;

/// What names are made of words of Kafka's. Results need not be in legal characters or lower case yet.
#[derive(Debug)]
pub(super) struct Dialect {
    /// Of the `name` of a gauge.
    pub(super) gauge: fn(&str) -> String,
    /// Of the `name` of a counter.
    pub(super) counter: fn(&str) -> String,
    /// Of the `name` of a meter of time, such as `RequestHandlerAvgIdlePercent`: for its count, and how many nanoseconds make
    /// one of it.
    pub(super) time: fn(&str) -> (String, f64),
    /// Of the same, for the share of the last minute.
    pub(super) share: fn(&str) -> String,
    /// Of the `type` of Kafka's newer metrics, such as `raft-metrics`.
    pub(super) group: fn(&str) -> String,
    /// Of the key properties of those.
    pub(super) label: fn(&str) -> String,
}

impl From<Names> for &'static Dialect {
    fn from(names: Names) -> Self {
        match names {
            Names::Strimzi => &STRIMZI,
            Names::Confluent => &CONFLUENT,
        }
    }
}

const STRIMZI: Dialect = Dialect {
    gauge: |name| name.replace("Percent", "_percent"),
    counter: |name| format!("{}_total", name.strip_suffix("PerSec").unwrap_or(name)),
    time: |name| (format!("{}_seconds_total", without_percent(name)), 1e9),
    share: |name| format!("{}_percent", without_percent(name)),
    // The rules join the words of KRaft's types and only of those.
    group: |kind| match kind {
        "raft-metrics" | "raft-channel-metrics" | "broker-metadata-metrics" => kind.replace('-', ""),
        _ => kind.to_owned(),
    },
    label: str::to_owned,
};

const CONFLUENT: Dialect = Dialect {
    gauge: str::to_owned,
    counter: str::to_owned,
    time: |name| (name.to_owned(), 1.0),
    share: |name| format!("{name}_oneminuterate"),
    group: |kind| match kind {
        "socket-server-metrics" => kind.replace('-', ""),
        _ => kind.to_owned(),
    },
    label: snake_case,
};

fn without_percent(name: &str) -> &str {
    name.strip_suffix("Percent").unwrap_or(name)
}

/// `clientSoftwareName` is `client_software_name`.
fn snake_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for character in name.chars() {
        if character.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(character.to_ascii_lowercase());
    }
    out
}
