//! A real Kafka on this machine: one KRaft controller or one ZooKeeper, and brokers that tests stop, kill, start and
//! add as they like.
//!
//! The quorum is a process of its own, so that every broker can be killed without it being lost.

mod layout;
mod node;
mod properties;
mod turn;

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

pub use layout::{BrokerSpec, Layout, Listener, Mode, Place, Reached};
use node::Node;
use properties::Addresses;
use turn::Turn;

/// How long a cluster or a broker may take to be ready on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How long a broker may take to hand over its leaderships and end after SIGTERM.
const STOP_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

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
    /// The controller was to be killed, and it is one of the brokers.
    #[error("in ZooKeeper mode the controller is a broker: kill the one that `Cluster::describe` names")]
    ControllerIsBroker,
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
/// the others, since figures of speed from a machine that runs two of them prove nothing. Two whose layouts say so run
/// beside each other.
#[derive(Debug)]
pub struct LocalKafka {
    // Declared, and so dropped, in this order: processes, their files, the right to run.
    brokers: Vec<Node>,
    quorum: Node,
    folder: TempDir,
    layout: Layout,
    install: PathBuf,
    cluster_id: String,
    _turn: Turn,
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
        let turn = Turn::take(&cache, layout.is_alone).await?;
        let folder = turn
            .new_folder(&cache)
            .map_err(cannot("make a folder for the cluster"))?;
        let cluster_id = node::new_cluster_id();
        let quorum = match layout.mode {
            Mode::KRaft => Node::controller(&install, folder.path(), &cluster_id, layout.quorum)?,
            Mode::ZooKeeper => Node::zookeeper(&install, folder.path())?,
        };
        let mut cluster = Self {
            brokers: Vec::new(),
            quorum,
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
        let quorum = self.quorum.address();
        let folder = self.folder.path();
        let broker = Node::broker(
            id,
            spec,
            &self.layout,
            quorum,
            &self.cluster_id,
            &self.install,
            folder,
        )?;
        self.brokers.push(broker);
        Ok(id)
    }

    /// Waits until a broker lists every broker that runs.
    async fn ready(&self, broker: i32) -> Result<(), LocalKafkaError> {
        let start = Instant::now();
        let running = self.brokers.iter().filter(|node| node.is_running()).count();
        let node = self.node(broker)?;
        while node.brokers_known().await < running {
            node.check_running()?;
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
        let options = &self.layout.jolokia_options;
        let is_secure = options.iter().any(|option| option == "protocol=https");
        let scheme = if is_secure { "https" } else { "http" };
        Ok(format!("{scheme}://127.0.0.1:{port}/jolokia/"))
    }

    /// The host of its own that a broker runs on, if it does; one that was added since the start does not.
    pub fn place(&self, broker: i32) -> Option<&Place> {
        let index = usize::try_from(broker).ok()?;
        self.layout.brokers.get(index)?.place.as_ref()
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
    /// session of its former life has ended (`broker.session.timeout.ms`, 9 s by default). In ZooKeeper mode
    /// a broker that comes too early ends, and is started once more.
    ///
    /// # Errors
    ///
    /// [`LocalKafkaError::Running`], or as [`LocalKafka::start`].
    pub async fn start_again(&mut self, broker: i32) -> Result<(), LocalKafkaError> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            self.node_mut(broker)?.start_again()?;
            match self.ready(broker).await {
                Err(LocalKafkaError::Ended { .. })
                    if self.layout.mode == Mode::ZooKeeper && Instant::now() < deadline => {}
                outcome => return outcome,
            }
        }
    }

    /// The process id of the controller in KRaft mode, or of ZooKeeper.
    ///
    /// # Errors
    ///
    /// [`LocalKafkaError::NotRunning`].
    pub fn quorum_pid(&self) -> Result<u32, LocalKafkaError> {
        let pid = self.quorum.pid();
        pid.ok_or(LocalKafkaError::NotRunning(self.quorum.id()))
    }

    /// Kills the controller of a cluster in KRaft mode by SIGKILL. Brokers go on serving, but nothing of the
    /// cluster can be changed.
    ///
    /// # Errors
    ///
    /// [`LocalKafkaError::NotRunning`], and [`LocalKafkaError::ControllerIsBroker`] in ZooKeeper mode.
    pub async fn kill_controller(&mut self) -> Result<(), LocalKafkaError> {
        self.controller()?.end(Signal::KILL, STOP_WITHIN).await
    }

    /// Starts the killed controller again with its data and its address, and waits until it listens.
    ///
    /// # Errors
    ///
    /// [`LocalKafkaError::Running`], [`LocalKafkaError::ControllerIsBroker`], or as [`LocalKafka::start`].
    pub async fn restart_controller(&mut self) -> Result<(), LocalKafkaError> {
        let start = Instant::now();
        let controller = self.controller()?;
        controller.start_again()?;
        while tokio::net::TcpStream::connect(controller.address())
            .await
            .is_err()
        {
            controller.check_running()?;
            if start.elapsed() > READY_WITHIN {
                return Err(LocalKafkaError::TooSlow {
                    broker: controller.id(),
                    what: "ready",
                    after: READY_WITHIN,
                    log: controller.log_tail(),
                });
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    fn controller(&mut self) -> Result<&mut Node, LocalKafkaError> {
        match self.layout.mode {
            Mode::KRaft => Ok(&mut self.quorum),
            Mode::ZooKeeper => Err(LocalKafkaError::ControllerIsBroker),
        }
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

    /// What the cluster was started as; brokers that were added since are not part of it.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Where Java finds Kafka's classes, for its command-line tools.
    pub fn class_path(&self) -> String {
        format!("{}/libs/*", self.install.display())
    }

    /// As [`LocalKafka::class_path`], with Kafka's example of a streams application. Kafka 4 only.
    pub fn streams_class_path(&self) -> String {
        let streams = format!("streams-{}", self.layout.version);
        let folder = self.install.with_file_name(streams);
        format!("{}:{}/*", self.class_path(), folder.display())
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
