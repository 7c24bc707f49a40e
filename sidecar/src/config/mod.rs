//! The configuration files of `broker` and `offsets`.
//!
//! What is serialised from these types is read back as the same value.

mod metrics;
mod sources;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use kafka::BrokerId;
use kafka::connection::{ConnectionSettings, TlsIdentity};
use kafka::settings::{Fields, Section, Setting, write_duration};
use serde::Serialize;
use serde_json::Value;

use crate::selection::Selection;
pub use metrics::{Granularity, MetricsConfig, Names};
pub use sources::{ConsumptionConfig, Credentials, HttpUrl, JolokiaConfig};

/// The port of Kafka's exporters by custom; see Prometheus' list of default ports.
pub const DEFAULT_PORT: u16 = 9404;

/// How often is sampled unless said otherwise.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);

const MIN_INTERVAL: Duration = Duration::from_secs(1);
const MAX_INTERVAL: Duration = Duration::from_secs(300);

/// What `kafka-sidecar broker` reads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BrokerConfig {
    /// The `node.id` of the broker beside which it runs.
    pub broker: BrokerId,
    /// Where it serves.
    pub listen: SocketAddr,
    /// The certificate by which it proves who it is; without one it serves over plain HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsIdentity>,
    /// Time from one sample to the next, 1 s to 5 m.
    #[serde(serialize_with = "write_duration")]
    pub interval: Duration,
    /// How it reaches the cluster; not needed where logs are read through Jolokia.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kafka: Option<ConnectionSettings>,
    /// How it reads the broker's logs.
    pub logs: LogSource,
    /// The broker's Jolokia agent; without one there are no exact totals, and no CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jolokia: Option<JolokiaConfig>,
    /// Where the cluster's `offsets` serves; without it bytes_out is guessed from bytes_in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumption: Option<ConsumptionConfig>,
    /// What `/metrics` says.
    pub metrics: MetricsConfig,
}

/// What `kafka-sidecar offsets` reads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OffsetsConfig {
    /// Where it serves.
    pub listen: SocketAddr,
    /// The certificate by which it proves who it is; without one it serves over plain HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsIdentity>,
    /// Time from one sample to the next, 1 s to 5 m.
    #[serde(serialize_with = "write_duration")]
    pub interval: Duration,
    /// How it reaches the cluster.
    pub kafka: ConnectionSettings,
    /// How many requests about groups are under way at the same time.
    pub concurrency: u32,
    /// Which groups are read.
    pub groups: Selection,
    /// The most pairs of a group and a partition that are followed; groups that do not fit are left out, the last ones by
    /// name. A pair takes 72 bytes.
    pub max_group_partitions: u32,
    /// How it is decided how groups do.
    pub status: StatusConfig,
    /// Whether it exports partitions' offsets too: for clusters whose brokers have no sidecar. Where they have, sums
    /// over both would count twice.
    pub export_partitions: bool,
    /// What `/metrics` says.
    pub metrics: MetricsConfig,
}

/// How a broker's logs are read: sizes, offsets, who leads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogSource {
    /// Over the Kafka protocol; through Jolokia while that fails or where `kafka` is not given.
    #[default]
    Automatic,
    /// Over the Kafka protocol only.
    Protocol,
    /// Through Jolokia only, which costs the broker four times as much.
    Jolokia,
}

/// How it is decided how groups do, by Burrow's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StatusConfig {
    /// How many of the last commits are looked at, 3 to 10.
    pub window: u32,
    /// A lag of up to so many records is always fine, and never late. 1 for topics that are written with transactions.
    pub allowed_lag: u64,
}

impl Default for StatusConfig {
    fn default() -> Self {
        Self {
            window: 10,
            allowed_lag: 0,
        }
    }
}

impl BrokerConfig {
    /// The defaults of everything but the broker and its cluster.
    pub fn new(broker: BrokerId, kafka: ConnectionSettings) -> Self {
        Self {
            broker,
            listen: default_listen(),
            tls: None,
            interval: DEFAULT_INTERVAL,
            kafka: Some(kafka),
            logs: LogSource::Automatic,
            jolokia: None,
            consumption: None,
            metrics: MetricsConfig::default(),
        }
    }
}

impl OffsetsConfig {
    /// How many requests about groups are under way unless said otherwise.
    pub const DEFAULT_CONCURRENCY: u32 = 16;

    /// How many pairs of a group and a partition are followed unless said otherwise: 144 MB.
    pub const DEFAULT_MAX_GROUP_PARTITIONS: u32 = 2_000_000;

    /// The defaults of everything but the cluster.
    pub fn new(kafka: ConnectionSettings) -> Self {
        Self {
            listen: default_listen(),
            tls: None,
            interval: DEFAULT_INTERVAL,
            kafka,
            concurrency: Self::DEFAULT_CONCURRENCY,
            groups: Selection::default(),
            max_group_partitions: Self::DEFAULT_MAX_GROUP_PARTITIONS,
            status: StatusConfig::default(),
            export_partitions: false,
            metrics: MetricsConfig::default(),
        }
    }
}

/// Loopback: whoever wants to be seen from outside says so.
fn default_listen() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT))
}

impl Section for BrokerConfig {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let broker = fields.required("broker");
        let listen = fields.or("listen", default_listen());
        let tls = fields.optional_section("tls");
        let interval = fields.within("interval", DEFAULT_INTERVAL, MIN_INTERVAL..=MAX_INTERVAL);
        let kafka: Option<Option<ConnectionSettings>> = fields.optional_section("kafka");
        let logs = fields.or("logs", LogSource::Automatic);
        let jolokia: Option<Option<JolokiaConfig>> = fields.optional_section("jolokia");
        if let (Some(kafka), Some(logs), Some(jolokia)) = (&kafka, logs, &jolokia) {
            let (has_kafka, has_jolokia) = (kafka.is_some(), jolokia.is_some());
            match logs {
                LogSource::Jolokia if !has_jolokia => {
                    fields.problem(
                        "jolokia",
                        "is missing, and `logs` says that they are read through it",
                    );
                }
                LogSource::Protocol if !has_kafka => {
                    fields.problem(
                        "kafka",
                        "is missing, and `logs` says that they are read over its protocol",
                    );
                }
                LogSource::Automatic if !has_kafka && !has_jolokia => {
                    fields.problem("kafka", "is missing; without it `jolokia` is needed");
                }
                _ => {}
            }
        }
        let consumption = fields.optional_section("consumption");
        let metrics = fields.section("metrics");
        Some(Self {
            broker: broker?,
            listen: listen?,
            tls: tls?,
            interval: interval?,
            kafka: kafka?,
            logs: logs?,
            jolokia: jolokia?,
            consumption: consumption?,
            metrics: metrics?,
        })
    }
}

impl Section for OffsetsConfig {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let listen = fields.or("listen", default_listen());
        let tls = fields.optional_section("tls");
        let interval = fields.within("interval", DEFAULT_INTERVAL, MIN_INTERVAL..=MAX_INTERVAL);
        let kafka = fields.section("kafka");
        let concurrency = fields.within("concurrency", Self::DEFAULT_CONCURRENCY, 1..=256);
        let groups = fields.section("groups");
        let pairs = Self::DEFAULT_MAX_GROUP_PARTITIONS;
        let max_group_partitions = fields.within("max_group_partitions", pairs, 1_000..=100_000_000);
        let status = fields.section("status");
        let export_partitions = fields.or("export_partitions", false);
        let metrics = fields.section("metrics");
        Some(Self {
            listen: listen?,
            tls: tls?,
            interval: interval?,
            kafka: kafka?,
            concurrency: concurrency?,
            groups: groups?,
            max_group_partitions: max_group_partitions?,
            status: status?,
            export_partitions: export_partitions?,
            metrics: metrics?,
        })
    }
}

impl Section for StatusConfig {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let default = Self::default();
        let window = fields.within("window", default.window, 3..=10);
        let allowed_lag = fields.or("allowed_lag", default.allowed_lag);
        Some(Self {
            window: window?,
            allowed_lag: allowed_lag?,
        })
    }
}

impl Setting for LogSource {
    fn read(value: &Value) -> Result<Self, String> {
        match value.as_str() {
            Some("automatic") => Ok(Self::Automatic),
            Some("protocol") => Ok(Self::Protocol),
            Some("jolokia") => Ok(Self::Jolokia),
            _ => Err(format!("{value} is none of automatic, protocol and jolokia")),
        }
    }
}

#[cfg(test)]
mod tests {
    use kafka::connection::Tls;
    use kafka::settings::{parse, to_yaml};

    use super::*;

    #[test]
    fn the_example_configurations_are_accepted() {
        let broker = include_str!("../../../examples/config/sidecar.yaml");
        assert!(parse::<BrokerConfig>(broker, "example").is_ok());
        let offsets = include_str!("../../../examples/config/offsets.yaml");
        assert!(parse::<OffsetsConfig>(offsets, "example").is_ok());
    }

    #[test]
    fn what_another_program_writes_is_read_as_the_same() {
        let kafka = ConnectionSettings::plaintext(vec!["127.0.0.1:9092".parse().unwrap()]);
        let mut broker = BrokerConfig::new(3.try_into().unwrap(), kafka.clone());
        broker.tls = Some(TlsIdentity {
            cert_file: "/etc/sidecar/tls.crt".into(),
            key_file: "/etc/sidecar/tls.key".into(),
        });
        broker.jolokia = Some(JolokiaConfig {
            tls: Tls {
                ca_file: Some("/etc/jolokia/ca.pem".into()),
                identity: None,
            },
            credentials: Some(Credentials {
                user: "sidecar".to_owned(),
                password_file: "/etc/jolokia/password".into(),
            }),
            ..JolokiaConfig::new("https://kafka-0:8778/jolokia/".parse().unwrap())
        });
        broker.consumption = Some(ConsumptionConfig {
            timeout: Duration::from_secs(2),
            ..ConsumptionConfig::new("http://offsets:9404/v1/consumption".parse().unwrap())
        });
        broker.metrics.topics.deny.push("__*".parse().unwrap());
        broker.metrics.families.allow.push("kafka_*".parse().unwrap());
        broker.metrics.granularity = Granularity::Top(50);
        broker.metrics.names = Names::Confluent;
        assert_eq!(
            parse::<BrokerConfig>(&to_yaml(&broker).unwrap(), "x").unwrap(),
            broker
        );
        let offsets = OffsetsConfig::new(kafka);
        assert_eq!(
            parse::<OffsetsConfig>(&to_yaml(&offsets).unwrap(), "x").unwrap(),
            offsets
        );
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let text = "
interval: 100ms
kafka: {bootstrap: []}
tls: {cert_file: /c}
jolokia: {url: 'ftp://x/', user: a}
metrics: {granularity: replica, names: mine, topics: {allow: orders}}
";
        let message = parse::<BrokerConfig>(text, "x").unwrap_err().to_string();
        for part in [
            "broker: is missing",
            "interval: 100ms is not between 1s and 5m",
            "kafka.bootstrap: names no broker",
            "tls.key_file: is missing",
            "jolokia.url: `ftp://x/` is no address",
            "jolokia.user: `user` and `password_file` belong together",
            "metrics.granularity: \"replica\" is none of partition, topic and {top: N}",
            "metrics.names: \"mine\" is neither strimzi nor confluent",
            "metrics.topics.allow: `orders` is no list",
        ] {
            assert!(message.contains(part), "{part:?} is not in:\n{message}");
        }
        let text = "
kafka: {bootstrap: ['localhost:9092']}
max_group_partitions: 10
status: {window: 11, allowed_lag: -1}
metrics: {granularity: {top: 0}}
";
        let message = parse::<OffsetsConfig>(text, "x").unwrap_err().to_string();
        for part in [
            "max_group_partitions: 10 is not between 1000 and 100000000",
            "status.window: 11 is not between 3 and 10",
            "status.allowed_lag: `-1` is no whole number",
            "metrics.granularity: {\"top\":0} is none of partition, topic and {top: N}",
        ] {
            assert!(message.contains(part), "{part:?} is not in:\n{message}");
        }
    }
}
