//! What a node of a cluster is told in its `server.properties`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::{BrokerSpec, Layout, Reached};

pub(super) type Properties = BTreeMap<String, String>;

const PLAINTEXT: &str = "PLAINTEXT";

/// How soon ZooKeeper takes a broker for dead, and lets a new one have its number.
const SESSION_MS: u32 = 6_000;

/// How long a broker waits at its start for ZooKeeper to answer, before it ends.
const CONNECTED_WITHIN_MS: u32 = 60_000;

/// Where a node listens; fixed for its life.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    pub(super) plaintext: String,
    /// By their names, on the loopback interface.
    pub(super) listeners: BTreeMap<String, String>,
    pub(super) jolokia: Option<u16>,
}

impl Addresses {
    pub(super) fn only(address: String) -> Self {
        Self {
            plaintext: address,
            listeners: BTreeMap::new(),
            jolokia: None,
        }
    }
}

pub(super) fn of_controller(id: i32, address: &str, data: &Path) -> Properties {
    of([
        ("process.roles", "controller".to_owned()),
        ("node.id", id.to_string()),
        ("controller.quorum.voters", format!("{id}@{address}")),
        ("controller.listener.names", "CONTROLLER".to_owned()),
        ("listeners", format!("CONTROLLER://{address}")),
        ("log.dirs", data.display().to_string()),
    ])
}

pub(super) fn of_zookeeper(port: u16, data: &Path) -> Properties {
    of([
        ("clientPortAddress", "127.0.0.1".to_owned()),
        ("clientPort", port.to_string()),
        ("dataDir", data.display().to_string()),
        ("tickTime", (SESSION_MS / 3).to_string()),
        ("admin.enableServer", "false".to_owned()),
        // A disk that is busy with other things shall end no session; what a killed process has written is not lost.
        ("forceSync", "no".to_owned()),
    ])
}

/// How a broker finds its controller.
pub(super) fn by_kraft(id: i32, voters: &str) -> Properties {
    of([
        ("process.roles", "broker".to_owned()),
        ("node.id", id.to_string()),
        ("controller.quorum.voters", voters.to_owned()),
        ("controller.listener.names", "CONTROLLER".to_owned()),
    ])
}

/// How a broker finds its ZooKeeper.
pub(super) fn by_zookeeper(id: i32, address: &str) -> Properties {
    of([
        ("broker.id", id.to_string()),
        ("zookeeper.connect", address.to_owned()),
        ("zookeeper.session.timeout.ms", SESSION_MS.to_string()),
        // As long as a session otherwise, and ZooKeeper may itself be starting on a busy machine.
        ("zookeeper.connection.timeout.ms", CONNECTED_WITHIN_MS.to_string()),
    ])
}

pub(super) fn of_broker(
    spec: &BrokerSpec,
    layout: &Layout,
    addresses: &Addresses,
    quorum: Properties,
    data: &Path,
) -> Properties {
    let mut all = defaults(layout.brokers.len());
    all.extend(quorum);
    all.extend(listeners(spec, addresses));
    all.insert("log.dirs".to_owned(), data.display().to_string());
    if let Some(rack) = &spec.rack {
        all.insert("broker.rack".to_owned(), rack.clone());
    }
    all.extend(layout.properties.clone());
    all.extend(spec.properties.clone());
    all
}

fn defaults(brokers: usize) -> Properties {
    let replication = brokers.clamp(1, 3);
    let min_in_sync = replication.saturating_sub(1).max(1);
    of([
        ("inter.broker.listener.name", PLAINTEXT.to_owned()),
        ("auto.create.topics.enable", "false".to_owned()),
        ("default.replication.factor", replication.to_string()),
        ("min.insync.replicas", min_in_sync.to_string()),
        ("offsets.topic.replication.factor", replication.to_string()),
        ("offsets.topic.num.partitions", "3".to_owned()),
        (
            "transaction.state.log.replication.factor",
            replication.to_string(),
        ),
        ("transaction.state.log.min.isr", min_in_sync.to_string()),
        ("transaction.state.log.num.partitions", "2".to_owned()),
        ("group.initial.rebalance.delay.ms", "0".to_owned()),
        // The defaults are for machines with more cores than this one may have.
        ("num.network.threads", "2".to_owned()),
        ("num.io.threads", "4".to_owned()),
        ("background.threads", "2".to_owned()),
        ("log.cleaner.dedupe.buffer.size", (8 << 20).to_string()),
    ])
}

fn listeners(spec: &BrokerSpec, addresses: &Addresses) -> Properties {
    let mut bound = format!("{PLAINTEXT}://{}", addresses.plaintext);
    let mut advertised = bound.clone();
    let mut protocols = format!("CONTROLLER:PLAINTEXT,{PLAINTEXT}:PLAINTEXT");
    for listener in &spec.listeners {
        let name = &listener.name;
        let own = &addresses.listeners[name];
        let port = own.rsplit(':').next().unwrap_or_default();
        let (at, known_as) = match &listener.reached {
            Reached::Directly => (own.clone(), own.clone()),
            Reached::Through(address) => (own.clone(), address.clone()),
            Reached::At(host) => (format!("0.0.0.0:{port}"), format!("{host}:{port}")),
        };
        let _ = write!(bound, ",{name}://{at}");
        let _ = write!(advertised, ",{name}://{known_as}");
        let _ = write!(protocols, ",{name}:{}", listener.protocol);
    }
    of([
        ("listeners", bound),
        ("advertised.listeners", advertised),
        ("listener.security.protocol.map", protocols),
    ])
}

pub(super) fn of<const N: usize>(pairs: [(&str, String); N]) -> Properties {
    pairs.map(|(key, value)| (key.to_owned(), value)).into()
}

/// Java's properties format, in which a backslash in a value starts an escape.
pub(super) fn render(properties: &Properties) -> String {
    properties.iter().fold(String::new(), |mut text, (key, value)| {
        let _ = writeln!(text, "{key}={}", value.replace('\\', "\\\\").replace('\n', "\\n"));
        text
    })
}
