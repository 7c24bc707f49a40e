//! One JVM of a cluster: its configuration, its process and its data.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use super::{BrokerSpec, Layout, LocalKafkaError, brokers_listed_by, cannot, port};
use crate::child::Child;

/// The controller's `node.id`, far from any broker's.
const CONTROLLER: i32 = 3000;
const CONTROLLER_HEAP_MIB: u32 = 160;
const PLAINTEXT: &str = "PLAINTEXT";

/// What a broker needs in order to find its cluster.
pub(super) struct Quorum<'a> {
    pub(super) voters: String,
    pub(super) cluster_id: &'a str,
}

/// Where a broker listens; fixed for its life.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    pub(super) plaintext: String,
    pub(super) listeners: BTreeMap<String, String>,
    pub(super) jolokia: Option<u16>,
}

#[derive(Debug)]
pub(super) struct Node {
    id: i32,
    addresses: Addresses,
    arguments: Vec<String>,
    log: PathBuf,
    child: Child,
}

impl Node {
    pub(super) fn controller(
        install: &Path,
        cluster: &Path,
        cluster_id: &str,
    ) -> Result<Self, LocalKafkaError> {
        let folder = cluster.join("controller");
        let address = local_address()?;
        let properties = properties([
            ("process.roles", "controller".to_owned()),
            ("node.id", CONTROLLER.to_string()),
            ("controller.quorum.voters", format!("{CONTROLLER}@{address}")),
            ("controller.listener.names", "CONTROLLER".to_owned()),
            ("listeners", format!("CONTROLLER://{address}")),
            ("log.dirs", folder.join("data").display().to_string()),
        ]);
        format_storage(&folder, CONTROLLER, cluster_id)?;
        std::fs::copy(
            install.join("bootstrap.checkpoint"),
            folder.join("data/bootstrap.checkpoint"),
        )
        .map_err(cannot("copy the controller's first metadata"))?;
        let addresses = Addresses {
            plaintext: address,
            listeners: BTreeMap::new(),
            jolokia: None,
        };
        let jvm = jvm_arguments(install, CONTROLLER_HEAP_MIB);
        Self::launch(CONTROLLER, addresses, jvm, &properties, &folder)
    }

    pub(super) fn broker(
        id: i32,
        spec: &BrokerSpec,
        layout: &Layout,
        quorum: &Quorum<'_>,
        install: &Path,
        cluster: &Path,
    ) -> Result<Self, LocalKafkaError> {
        let folder = cluster.join(format!("broker-{id}"));
        let mut listeners = BTreeMap::new();
        for listener in &spec.listeners {
            listeners.insert(listener.name.clone(), local_address()?);
        }
        let jolokia = match layout.jolokia {
            true => Some(port::free().map_err(cannot("find a free port"))?),
            false => None,
        };
        let addresses = Addresses {
            plaintext: local_address()?,
            listeners,
            jolokia,
        };
        let properties = broker_properties(id, spec, layout, &addresses, quorum, &folder.join("data"));
        format_storage(&folder, id, quorum.cluster_id)?;
        let mut jvm = Vec::new();
        if let Some(port) = jolokia {
            let agent = install.join("jolokia-agent.jar");
            jvm.push(format!(
                "-javaagent:{}=port={port},host=127.0.0.1,discoveryEnabled=false,policyLocation=file://{}",
                agent.display(),
                layout.jolokia_policy.display()
            ));
        }
        jvm.extend(jvm_arguments(install, layout.heap_mib));
        Self::launch(id, addresses, jvm, &properties, &folder)
    }

    fn launch(
        id: i32,
        addresses: Addresses,
        mut arguments: Vec<String>,
        properties: &BTreeMap<String, String>,
        folder: &Path,
    ) -> Result<Self, LocalKafkaError> {
        let file = folder.join("server.properties");
        std::fs::write(&file, render(properties)).map_err(cannot(format!("write {}", file.display())))?;
        arguments.extend(["kafka.Kafka".to_owned(), file.display().to_string()]);
        let log = folder.join("log");
        let child = run_java(&arguments, &log)?;
        Ok(Self {
            id,
            addresses,
            arguments,
            log,
            child,
        })
    }

    pub(super) fn start_again(&mut self) -> Result<(), LocalKafkaError> {
        if self.is_running() {
            return Err(LocalKafkaError::Running(self.id));
        }
        self.child = run_java(&self.arguments, &self.log)?;
        Ok(())
    }

    pub(super) fn id(&self) -> i32 {
        self.id
    }

    pub(super) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    pub(super) fn quorum_voters(&self) -> String {
        format!("{}@{}", self.id, self.addresses.plaintext)
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.is_running().then(|| self.child.pid())
    }

    pub(super) fn is_running(&self) -> bool {
        self.child.exit_status().is_none()
    }

    pub(super) fn check_running(&self) -> Result<(), LocalKafkaError> {
        match self.child.exit_status() {
            None => Ok(()),
            Some(status) => Err(LocalKafkaError::Ended {
                node: self.id,
                status,
                log: self.log_tail(),
            }),
        }
    }

    pub(super) fn log_tail(&self) -> String {
        self.child.log_tail()
    }

    pub(super) async fn brokers_known(&self) -> usize {
        brokers_listed_by(self.addresses.plaintext.clone()).await
    }

    pub(super) async fn end(&mut self, signal: Signal, within: Duration) -> Result<(), LocalKafkaError> {
        if !self.is_running() {
            return Err(LocalKafkaError::NotRunning(self.id));
        }
        self.child
            .signal(signal)
            .map_err(cannot(format!("signal broker {}", self.id)))?;
        let ended = tokio::time::timeout(within, self.child.ended()).await;
        ended.map(|_| ()).map_err(|_| LocalKafkaError::TooSlow {
            broker: self.id,
            what: "stopped",
            after: within,
            log: self.log_tail(),
        })
    }
}

fn run_java(arguments: &[String], log: &Path) -> Result<Child, LocalKafkaError> {
    Child::spawn(Path::new("java"), arguments, log).map_err(cannot("start java through setpriv"))
}

fn jvm_arguments(install: &Path, heap_mib: u32) -> Vec<String> {
    let log4j = Path::new(env!("CARGO_MANIFEST_DIR")).join("java/log4j2.xml");
    vec![
        format!("-Xmx{heap_mib}m"),
        // Light rather than fast at its peak: several of these share a small machine with what is measured.
        "-XX:+UseSerialGC".to_owned(),
        "-XX:TieredStopAtLevel=1".to_owned(),
        "-XX:+ExitOnOutOfMemoryError".to_owned(),
        format!("-Dlog4j2.configurationFile={}", log4j.display()),
        "-cp".to_owned(),
        format!("{}/libs/*", install.display()),
    ]
}

/// Does what `StorageTool format` does for one folder. The `directory.id` that is missing here is made by the
/// node at its first start (`MetaPropertiesEnsemble`).
fn format_storage(folder: &Path, id: i32, cluster_id: &str) -> Result<(), LocalKafkaError> {
    let data = folder.join("data");
    let meta = properties([
        ("version", "1".to_owned()),
        ("cluster.id", cluster_id.to_owned()),
        ("node.id", id.to_string()),
    ]);
    std::fs::create_dir_all(&data)
        .and_then(|()| std::fs::write(data.join("meta.properties"), render(&meta)))
        .map_err(cannot(format!("format {}", data.display())))
}

fn broker_properties(
    id: i32,
    spec: &BrokerSpec,
    layout: &Layout,
    addresses: &Addresses,
    quorum: &Quorum<'_>,
    data: &Path,
) -> BTreeMap<String, String> {
    let mut listeners = format!("{PLAINTEXT}://{}", addresses.plaintext);
    let mut protocols = format!("CONTROLLER:PLAINTEXT,{PLAINTEXT}:PLAINTEXT");
    for listener in &spec.listeners {
        let _ = write!(
            listeners,
            ",{}://{}",
            listener.name, addresses.listeners[&listener.name]
        );
        let _ = write!(protocols, ",{}:{}", listener.name, listener.protocol);
    }
    let replication = layout.brokers.len().clamp(1, 3);
    let min_in_sync = replication.saturating_sub(1).max(1);
    let mut all = properties([
        ("process.roles", "broker".to_owned()),
        ("node.id", id.to_string()),
        ("controller.quorum.voters", quorum.voters.clone()),
        ("controller.listener.names", "CONTROLLER".to_owned()),
        ("listeners", listeners),
        ("listener.security.protocol.map", protocols),
        ("inter.broker.listener.name", PLAINTEXT.to_owned()),
        ("log.dirs", data.display().to_string()),
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
    ]);
    if let Some(rack) = &spec.rack {
        all.insert("broker.rack".to_owned(), rack.clone());
    }
    all.extend(layout.properties.clone());
    all.extend(spec.properties.clone());
    all
}

fn properties<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs.map(|(key, value)| (key.to_owned(), value)).into()
}

/// Java's properties format, in which a backslash in a value starts an escape.
fn render(properties: &BTreeMap<String, String>) -> String {
    properties.iter().fold(String::new(), |mut text, (key, value)| {
        let _ = writeln!(text, "{key}={}", value.replace('\\', "\\\\").replace('\n', "\\n"));
        text
    })
}

fn local_address() -> Result<String, LocalKafkaError> {
    let port = port::free().map_err(cannot("find a free port"))?;
    Ok(format!("127.0.0.1:{port}"))
}

/// 22 characters, of which the last carries only the 2 bits that 16 bytes leave for it, as Kafka's `Uuid` has
/// it. Each start has its own, so that a client that is left over from another cluster is refused.
pub(super) fn new_cluster_id() -> String {
    let random = RandomState::new();
    let digits: String = (0..2)
        .map(|half| format!("{:016x}", random.hash_one(half)))
        .collect();
    format!("{}A", &digits[..21])
}
