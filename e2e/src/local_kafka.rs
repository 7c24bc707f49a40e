//! A real Kafka in KRaft mode on this machine: one controller, and brokers that tests stop, kill, start and
//! add as they like.
//!
//! The controller is a process of its own, so that every broker can be killed without the quorum being lost.

mod node;
mod port;
mod turn;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rustix::process::Signal;
use tempfile::TempDir;
use thiserror::Error;
use tokio::time::{Instant, sleep};

use node::{Addresses, Node};

/// How long a cluster or a broker may take to be ready on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How long a broker may take to hand over its leaderships and end after SIGTERM.
const STOP_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

/// What a cluster consists of.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The brokers; their ids are their indices.
    pub brokers: Vec<BrokerSpec>,
    /// Whether each broker has a Jolokia agent.
    pub jolokia: bool,
    /// The agents' policy file; the default allows reading only.
    pub jolokia_policy: PathBuf,
    /// Properties of every broker, over the defaults; a broker's own come last.
    pub properties: BTreeMap<String, String>,
    /// The heap of each broker in MiB.
    pub heap_mib: u32,
    /// Kafka's version, as `e2e/install.sh` was given it.
    pub version: String,
}

impl Default for Layout {
    /// Three brokers in three racks with Jolokia agents.
    fn default() -> Self {
        Self {
            brokers: ["r0", "r1", "r2"].map(BrokerSpec::in_rack).into(),
            jolokia: true,
            jolokia_policy: Path::new(env!("CARGO_MANIFEST_DIR")).join("java/jolokia-access.xml"),
            properties: BTreeMap::new(),
            heap_mib: 320,
            version: "4.3.1".to_owned(),
        }
    }
}

/// One broker.
#[derive(Debug, Clone, Default)]
pub struct BrokerSpec {
    /// `broker.rack`.
    pub rack: Option<String>,
    /// Listeners beside the plaintext one that every broker has.
    pub listeners: Vec<Listener>,
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

/// A listener whose port is found at start; what it needs beside (key stores, JAAS) goes into the properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The listener's name, as in `listener.name.<name>.…`.
    pub name: String,
    /// `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.
    pub protocol: String,
}

/// What can go wrong with a local Kafka.
#[derive(Debug, Error)]
pub enum LocalKafkaError {
    /// The jars are not there.
    #[error("no Kafka in {folder}: run `e2e/install.sh {version}`")]
    NotInstalled {
        /// Where they should be.
        folder: PathBuf,
        /// The version wanted.
        version: String,
    },
    /// A file, folder, port or process could not be set up.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A node ended while it should become ready.
    #[error("node {node} ended with {status}; the end of its log:\n{log}")]
    Ended {
        /// `node.id`.
        node: i32,
        /// How it ended.
        status: ExitStatus,
        /// Its last lines.
        log: String,
    },
    /// A node did not do in time what was asked.
    #[error("broker {broker} was not {what} after {after:?}; the end of its log:\n{log}")]
    TooSlow {
        /// The broker's id.
        broker: i32,
        /// What was waited for.
        what: &'static str,
        /// How long it had.
        after: Duration,
        /// Its last lines.
        log: String,
    },
    /// There is no such broker, or it does not run.
    #[error("broker {0} does not run in this cluster")]
    NotRunning(i32),
    /// A broker that runs was to be started.
    #[error("broker {0} runs already")]
    Running(i32),
    /// The broker has no such address.
    #[error("broker {broker} has no {what}")]
    NoAddress {
        /// The broker's id.
        broker: i32,
        /// What it lacks.
        what: String,
    },
}

/// A running cluster. Dropping it kills all its processes and removes its files, unless the environment has
/// `KEEP_LOCAL_KAFKA`.
///
/// Only one cluster runs at a time on a machine, whatever process started it: [`LocalKafka::start`] waits for
/// the others, since figures from a machine that runs two of them prove nothing.
#[derive(Debug)]
pub struct LocalKafka {
    // Declared, and so dropped, in this order: processes, their files, the right to run.
    brokers: Vec<Node>,
    controller: Node,
    folder: TempDir,
    layout: Layout,
    install: PathBuf,
    cluster_id: String,
    _turn: File,
}

impl LocalKafka {
    /// Starts a cluster, and returns when every broker answers and knows every other one.
    ///
    /// # Errors
    ///
    /// [`LocalKafkaError::NotInstalled`] before `e2e/install.sh` has run; otherwise what went wrong, with the
    /// end of the log of the node concerned.
    pub async fn start(layout: Layout) -> Result<Self, LocalKafkaError> {
        let cache = turn::cache_folder();
        let install = cache.join(format!("kafka-{}", layout.version));
        if !install.is_dir() {
            return Err(LocalKafkaError::NotInstalled {
                folder: install,
                version: layout.version,
            });
        }
        let turn = turn::take(&cache).await?;
        let folder = turn::new_folder(&cache).map_err(cannot("make a folder for the cluster"))?;
        let cluster_id = node::new_cluster_id();
        let controller = Node::controller(&install, folder.path(), &cluster_id)?;
        let mut cluster = Self {
            brokers: Vec::new(),
            controller,
            folder,
            layout,
            install,
            cluster_id,
            _turn: turn,
        };
        for spec in cluster.layout.brokers.clone() {
            cluster.spawn(&spec)?;
        }
        for broker in cluster.ids() {
            cluster.ready(broker).await?;
        }
        Ok(cluster)
    }

    fn spawn(&mut self, spec: &BrokerSpec) -> Result<i32, LocalKafkaError> {
        let id = i32::try_from(self.brokers.len()).map_err(|_| LocalKafkaError::NotRunning(i32::MAX))?;
        let quorum = node::Quorum {
            voters: self.controller.quorum_voters(),
            cluster_id: &self.cluster_id,
        };
        let broker = Node::broker(id, spec, &self.layout, &quorum, &self.install, self.folder.path())?;
        self.brokers.push(broker);
        Ok(id)
    }

    /// Waits until a broker lists every broker that runs.
    async fn ready(&self, broker: i32) -> Result<(), LocalKafkaError> {
        let start = Instant::now();
        let running = self.brokers.iter().filter(|node| node.is_running()).count();
        let node = self.node(broker)?;
        while node.brokers_known().await < running {
            for node in [node, &self.controller] {
                node.check_running()?;
            }
            if start.elapsed() > READY_WITHIN {
                return Err(LocalKafkaError::TooSlow {
                    broker,
                    what: "ready",
                    after: READY_WITHIN,
                    log: node.log_tail(),
                });
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// The brokers' ids, also of those that do not run at the moment.
    pub fn ids(&self) -> Vec<i32> {
        self.brokers.iter().map(Node::id).collect()
    }

    /// The plaintext addresses of all brokers, as `bootstrap.servers` takes them.
    pub fn bootstrap(&self) -> String {
        let addresses = self
            .brokers
            .iter()
            .map(|broker| broker.addresses().plaintext.clone());
        addresses.collect::<Vec<_>>().join(",")
    }

    /// The plaintext address of one broker.
    ///
    /// # Errors
    ///
    /// [`LocalKafkaError::NotRunning`] when there is no such broker.
    pub fn address(&self, broker: i32) -> Result<String, LocalKafkaError> {
        Ok(self.node(broker)?.addresses().plaintext.clone())
    }

    /// The address of one of a broker's additional listeners.
    ///
    /// # Errors
    ///
    /// [`LocalKafkaError::NoAddress`] when the broker's spec does not name it.
    pub fn listener(&self, broker: i32, name: &str) -> Result<String, LocalKafkaError> {
        let addresses: &Addresses = self.node(broker)?.addresses();
        addresses
            .listeners
            .get(name)
            .cloned()
            .ok_or_else(|| LocalKafkaError::NoAddress {
                broker,
                what: format!("listener {name}"),
            })
    }

    /// The URL of a broker's Jolokia agent, as in `http://127.0.0.1:8778/jolokia/`.
    ///
    /// # Errors
    ///
    /// [`LocalKafkaError::NoAddress`] when the layout has no agents.
    pub fn jolokia_url(&self, broker: i32) -> Result<String, LocalKafkaError> {
        let port = self.node(broker)?.addresses().jolokia;
        let port = port.ok_or_else(|| LocalKafkaError::NoAddress {
            broker,
            what: "Jolokia agent".to_owned(),
        })?;
        Ok(format!("http://127.0.0.1:{port}/jolokia/"))
    }

    /// A broker's process id.
    ///
    /// # Errors
    ///
    /// [`LocalKafkaError::NotRunning`].
    pub fn pid(&self, broker: i32) -> Result<u32, LocalKafkaError> {
        self.node(broker)?
            .pid()
            .ok_or(LocalKafkaError::NotRunning(broker))
    }

    /// Stops a broker by SIGTERM, so that it hands over its leaderships, and waits for its end.
    ///
    /// # Errors
    ///
    /// [`LocalKafkaError::TooSlow`] when it does not end, which also happens when no other broker runs.
    pub async fn stop(&mut self, broker: i32) -> Result<(), LocalKafkaError> {
        self.node_mut(broker)?.end(Signal::TERM, STOP_WITHIN).await
    }

    /// Kills a broker by SIGKILL, as a crash would.
    ///
    /// # Errors
    ///
    /// [`LocalKafkaError::NotRunning`].
    pub async fn kill(&mut self, broker: i32) -> Result<(), LocalKafkaError> {
        self.node_mut(broker)?.end(Signal::KILL, STOP_WITHIN).await
    }

    /// Starts a broker that was stopped or killed, with its data and its addresses, and waits until it is
    /// ready; its replicas may still be catching up. After a kill the controller lets it in only when the
    /// session of its former life has ended (`broker.session.timeout.ms`, 9 s by default).
    ///
    /// # Errors
    ///
    /// [`LocalKafkaError::Running`], or as [`LocalKafka::start`].
    pub async fn start_again(&mut self, broker: i32) -> Result<(), LocalKafkaError> {
        self.node_mut(broker)?.start_again()?;
        self.ready(broker).await
    }

    /// Adds a broker with the next id, which it returns when the broker is ready.
    ///
    /// # Errors
    ///
    /// As [`LocalKafka::start`].
    pub async fn add_broker(&mut self, spec: &BrokerSpec) -> Result<i32, LocalKafkaError> {
        let broker = self.spawn(spec)?;
        self.ready(broker).await?;
        Ok(broker)
    }

    /// The folder with every node's configuration, log and data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn node(&self, broker: i32) -> Result<&Node, LocalKafkaError> {
        let index = usize::try_from(broker).ok();
        index
            .and_then(|index| self.brokers.get(index))
            .ok_or(LocalKafkaError::NotRunning(broker))
    }

    fn node_mut(&mut self, broker: i32) -> Result<&mut Node, LocalKafkaError> {
        let index = usize::try_from(broker).ok();
        index
            .and_then(|index| self.brokers.get_mut(index))
            .ok_or(LocalKafkaError::NotRunning(broker))
    }
}

/// How many brokers the broker at `address` says there are; 0 when it does not answer.
async fn brokers_listed_by(address: String) -> usize {
    let ask = move || {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", address)
            .set_log_level(rdkafka::config::RDKafkaLogLevel::Emerg);
        let client: BaseConsumer = config.create().ok()?;
        let metadata = client.fetch_metadata(None, Duration::from_secs(2)).ok()?;
        Some(metadata.brokers().len())
    };
    let answer = tokio::task::spawn_blocking(ask).await;
    answer.ok().flatten().unwrap_or(0)
}

fn cannot(what: impl Into<String>) -> impl FnOnce(io::Error) -> LocalKafkaError {
    let what = what.into();
    move |source| LocalKafkaError::Io { what, source }
}
