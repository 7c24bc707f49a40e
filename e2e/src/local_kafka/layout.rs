//! What a cluster is to be.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// What a cluster consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// What the brokers agree by.
    pub mode: Mode,
    /// The brokers; their ids are their indices.
    pub brokers: Vec<BrokerSpec>,
    /// Whether each broker has a Jolokia agent, with the policy that `deploy/` has for it.
    pub jolokia: bool,
    /// Further options of the agents, such as `protocol=https`.
    pub jolokia_options: Vec<String>,
    /// Properties of every broker, over the defaults; a broker's own come last.
    pub properties: BTreeMap<String, String>,
    /// The heap of each broker in MiB.
    pub heap_mib: u32,
    /// Further arguments of each broker's JVM, such as agents.
    pub jvm: Vec<String>,
    /// Where the controller listens; ZooKeeper does on the loopback interface.
    pub quorum: Ipv4Addr,
    /// Whether no other cluster may run on this machine at the time. Where nothing depends on how fast anything is, one may.
    pub is_alone: bool,
    /// Kafka's version, as `e2e/install.sh` was given it.
    pub version: String,
}

impl Default for Layout {
    /// Three brokers in three racks with Jolokia agents.
    fn default() -> Self {
        Self {
            mode: Mode::KRaft,
            brokers: ["r0", "r1", "r2"].map(BrokerSpec::in_rack).into(),
            jolokia: true,
            jolokia_options: Vec::new(),
            properties: BTreeMap::new(),
            heap_mib: 320,
            jvm: Vec::new(),
            quorum: Ipv4Addr::LOCALHOST,
            is_alone: true,
            version: "4.3.1".to_owned(),
        }
    }
}

impl Layout {
    /// The last version with ZooKeeper, and otherwise the default.
    pub fn with_zookeeper() -> Self {
        Self {
            mode: Mode::ZooKeeper,
            version: "3.9.2".to_owned(),
            ..Self::default()
        }
    }
}

/// What the brokers of a cluster agree by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A quorum of controllers, here of one.
    KRaft,
    /// A ZooKeeper; one of the brokers is the controller.
    ZooKeeper,
}

/// One broker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerSpec {
    /// `broker.rack`.
    pub rack: Option<String>,
    /// Listeners beside the plaintext one that every broker has.
    pub listeners: Vec<Listener>,
    /// Where its data is, if not in the cluster's folder.
    pub data: Option<PathBuf>,
    /// Where it runs, if not beside everything else.
    pub place: Option<Place>,
    /// Properties of this broker only.
    pub properties: BTreeMap<String, String>,
}

impl BrokerSpec {
    /// A broker in a rack, with nothing else special.
    pub fn in_rack(rack: &str) -> Self {
        Self {
            rack: Some(rack.to_owned()),
            ..Self::default()
        }
    }
}

/// A host of its own for a broker, such as one of a [`Lan`](crate::network::lan::Lan).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The host's address.
    pub address: Ipv4Addr,
    /// What a command line has to begin with to run there.
    pub enter: Vec<String>,
}

/// A listener whose port is found at start; what it needs beside (key stores, JAAS) goes into the properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The listener's name, as in `listener.name.<name>.…`.
    pub name: String,
    /// `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.
    pub protocol: String,
    /// How clients get to it.
    pub reached: Reached,
}

/// How clients get to a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reached {
    /// On the loopback interface.
    Directly,
    /// Through something in between that listens at this address, and that the broker sends its clients to.
    Through(String),
    /// From another network, in which this machine has this address.
    At(Ipv4Addr),
}

impl Listener {
    /// A listener on the loopback interface.
    pub fn new(name: &str, protocol: &str) -> Self {
        Self {
            name: name.to_owned(),
            protocol: protocol.to_owned(),
            reached: Reached::Directly,
        }
    }
}
