//! The balancer's configuration.

mod capacity;
mod host_name;
mod tuning;
mod windows;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use kafka::connection::{ConnectionSettings, Tls, TlsIdentity};
use kafka::ids::{BrokerId, TopicName};
use kafka::settings::{Fields, Section, Setting, write_duration};
use serde::Serialize;

use crate::journal::Mode;
pub use capacity::{BrokerCapacity, CapacitySettings};
pub use host_name::HostName;
pub use tuning::{ExecuteSettings, HeatSettings, PlanLimits};

/// Everything that `kafka-balancer serve` is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Config {
    /// How to reach the cluster.
    pub kafka: ConnectionSettings,
    /// Where the API and the metrics are served; loopback unless told otherwise.
    pub listen: SocketAddr,
    /// The certificate by which it proves who it is; without one it serves over plain HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsIdentity>,
    /// Names by which it may be asked, beside addresses and `localhost`. Without any, every name is right, and none where it
    /// listens on loopback.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostName>,
    /// File with the token that allows actions; without it they are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// What the balancer may do by itself until somebody says otherwise through the API; it counts again once it is changed here.
    pub mode: Mode,
    /// Time between two looks at the cluster.
    #[serde(serialize_with = "write_duration")]
    pub tick: Duration,
    /// Where the brokers' sidecars are.
    pub sidecars: Sidecars,
    /// What brokers can carry.
    pub capacity: CapacitySettings,
    /// When a broker is hot.
    pub heat: HeatSettings,
    /// What a plan may cost.
    pub plan: PlanLimits,
    /// How much may happen at a time.
    pub execute: ExecuteSettings,
    /// What is left alone.
    pub exclude: Exclusions,
    /// The record of plans, moves and throttles.
    pub journal: JournalSettings,
}

/// Where the brokers' sidecars are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sidecars {
    /// Sidecars at known addresses.
    pub list: Vec<SidecarAddress>,
    /// For all other brokers: the port of the sidecar on the broker's own host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Whom the balancer trusts and who it is where sidecars serve under TLS; those on brokers' own hosts are asked by `https`
    /// then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

/// One broker's sidecar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SidecarAddress {
    /// The broker.
    pub broker: BrokerId,
    /// Its sidecar, such as `http://10.0.0.7:9404`.
    pub url: String,
}

/// What is left alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Exclusions {
    /// Topics whose partitions only move when their broker is drained.
    pub topics: Vec<TopicName>,
    /// Whether Kafka's own topics are treated that way too; moving them moves coordinators.
    pub internal_topics: bool,
    /// Brokers that neither give nor take.
    pub brokers: Vec<BrokerId>,
}

/// The record of plans, moves and throttles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JournalSettings {
    /// Its topic.
    pub topic: TopicName,
    /// The transactional id, by which a second balancer fences the first.
    pub transactional_id: String,
    /// Replicas of the topic when it is made; fewer when there are fewer brokers.
    pub replication_factor: u16,
}

impl Sidecars {
    /// Address of the sidecar of `broker`, whose listener is on `host`; none when it has none.
    pub fn address(&self, broker: BrokerId, host: &str) -> Option<String> {
        let known = self.list.iter().find(|sidecar| sidecar.broker == broker);
        known.map(|sidecar| sidecar.url.clone()).or_else(|| {
            let host = if host.contains(':') {
                format!("[{host}]")
            } else {
                host.to_owned()
            };
            let scheme = if self.tls.is_some() { "https" } else { "http" };
            self.port.map(|port| format!("{scheme}://{host}:{port}"))
        })
    }
}

impl Section for Config {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let kafka = fields.section("kafka");
        let listen = fields.or("listen", SocketAddr::from(([127, 0, 0, 1], 9405)));
        let tls = fields.optional_section("tls");
        let hosts = fields.list("hosts");
        let token_file = fields.optional("token_file");
        let mode = fields.or("mode", Mode::Observe);
        let tick = fields.within(
            "tick",
            Duration::from_secs(5),
            Duration::from_secs(1)..=Duration::from_secs(300),
        );
        let sidecars = fields.section("sidecars");
        let capacity = fields.section("capacity");
        let heat = fields.section("heat");
        let plan = fields.section("plan");
        let execute = fields.section("execute");
        let exclude = fields.section("exclude");
        let journal = fields.section("journal");
        Some(Self {
            kafka: kafka?,
            listen: listen?,
            tls: tls?,
            hosts: hosts?,
            token_file: token_file?,
            mode: mode?,
            tick: tick?,
            sidecars: sidecars?,
            capacity: capacity?,
            heat: heat?,
            plan: plan?,
            execute: execute?,
            exclude: exclude?,
            journal: journal?,
        })
    }
}

impl Section for Sidecars {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let list: Option<Vec<SidecarAddress>> = fields.sections("list");
        let port = fields.optional::<u16>("port");
        let tls = fields.optional_section("tls");
        let list = list?;
        for (index, sidecar) in list.iter().enumerate() {
            if list[..index].iter().any(|other| other.broker == sidecar.broker) {
                fields.problem(
                    &format!("list[{index}]"),
                    format!("broker {} is listed twice", sidecar.broker),
                );
            }
        }
        Some(Self {
            list,
            port: port?,
            tls: tls?,
        })
    }
}

impl Section for SidecarAddress {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let broker = fields.required("broker");
        let url: Option<String> = fields.required("url");
        if let Some(url) = &url
            && !["http://", "https://"]
                .iter()
                .any(|scheme| url.starts_with(scheme))
        {
            fields.problem(
                "url",
                format!("`{url}` is no address of a sidecar, such as http://10.0.0.7:9404"),
            );
        }
        Some(Self {
            broker: broker?,
            url: url?,
        })
    }
}

impl Section for Exclusions {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let topics = fields.list("topics");
        let internal_topics = fields.or("internal_topics", true);
        let brokers = fields.list("brokers");
        Some(Self {
            topics: topics?,
            internal_topics: internal_topics?,
            brokers: brokers?,
        })
    }
}

impl Section for JournalSettings {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let topic = fields.optional::<TopicName>("topic");
        let transactional_id = fields.or("transactional_id", "kafka-balancer".to_owned());
        let replication_factor = fields.within("replication_factor", 3_u16, 1..=9);
        let default = || "__kafka_balancer_journal".parse().ok();
        let topic = topic?.or_else(default);
        Some(Self {
            topic: topic?,
            transactional_id: transactional_id?,
            replication_factor: replication_factor?,
        })
    }
}

impl Setting for Mode {
    fn read(value: &serde_json::Value) -> Result<Self, String> {
        serde_json::from_value(value.clone())
            .map_err(|_| format!("{value} is no mode; modes are observe, approve and auto"))
    }
}

#[cfg(test)]
mod tests;
