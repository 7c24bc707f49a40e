//! One JVM of a cluster: its configuration, its process and its data.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use super::properties::{self, Addresses};
use super::{BrokerSpec, Layout, LocalKafkaError, Mode, brokers_listed_by, cannot};
use crate::child::Child;
use crate::port;

/// The number of the controller or the ZooKeeper, far from any broker's.
const CONTROLLER: i32 = 3000;
const QUORUM_HEAP_MIB: u32 = 160;
const KAFKA: &str = "kafka.Kafka";
const ZOOKEEPER: &str = "org.apache.zookeeper.server.quorum.QuorumPeerMain";

#[derive(Debug)]
pub(super) struct Node {
    id: i32,
    addresses: Addresses,
    /// The whole command line.
    line: Vec<String>,
    log: PathBuf,
    child: Child,
}

impl Node {
    pub(super) fn controller(
        install: &Path,
        cluster: &Path,
        cluster_id: &str,
        host: Ipv4Addr,
    ) -> Result<Self, LocalKafkaError> {
        let folder = cluster.join("controller");
        let address = address_on(host)?;
        let properties = properties::of_controller(CONTROLLER, &address, &folder.join("data"));
        format_storage(&folder.join("data"), CONTROLLER, cluster_id)?;
        std::fs::copy(
            install.join("bootstrap.checkpoint"),
            folder.join("data/bootstrap.checkpoint"),
        )
        .map_err(cannot("copy the controller's first metadata"))?;
        let jvm = java(install, QUORUM_HEAP_MIB);
        let addresses = Addresses::only(address);
        Self::launch(CONTROLLER, addresses, jvm, KAFKA, &properties, &folder)
    }

    pub(super) fn zookeeper(install: &Path, cluster: &Path) -> Result<Self, LocalKafkaError> {
        let folder = cluster.join("zookeeper");
        let data = folder.join("data");
        let port = port::free().map_err(cannot("find a free port"))?;
        std::fs::create_dir_all(&data).map_err(cannot(format!("make {}", data.display())))?;
        let properties = properties::of_zookeeper(port, &data);
        let jvm = java(install, QUORUM_HEAP_MIB);
        let addresses = Addresses::only(format!("127.0.0.1:{port}"));
        Self::launch(CONTROLLER, addresses, jvm, ZOOKEEPER, &properties, &folder)
    }

    pub(super) fn broker(
        id: i32,
        spec: &BrokerSpec,
        layout: &Layout,
        quorum: &str,
        cluster_id: &str,
        install: &Path,
        cluster: &Path,
    ) -> Result<Self, LocalKafkaError> {
        let folder = cluster.join(format!("broker-{id}"));
        let place = spec.place.as_ref();
        let host = place.map_or(Ipv4Addr::LOCALHOST, |place| place.address);
        let mut listeners = BTreeMap::new();
        for listener in &spec.listeners {
            listeners.insert(listener.name.clone(), address_on(host)?);
        }
        let jolokia = match layout.jolokia {
            true => Some(port::free().map_err(cannot("find a free port"))?),
            false => None,
        };
        let addresses = Addresses {
            plaintext: address_on(host)?,
            listeners,
            jolokia,
        };
        let data = spec.data.clone().unwrap_or_else(|| folder.join("data"));
        for folder in [&folder, &data] {
            std::fs::create_dir_all(folder).map_err(cannot(format!("make {}", folder.display())))?;
        }
        if layout.mode == Mode::KRaft {
            // In ZooKeeper mode a broker does that itself.
            format_storage(&data, id, cluster_id)?;
        }
        let quorum = match layout.mode {
            Mode::KRaft => properties::by_kraft(id, &voters(quorum)),
            Mode::ZooKeeper => properties::by_zookeeper(id, quorum),
        };
        let properties = properties::of_broker(spec, layout, &addresses, quorum, &data);
        let mut line = place.map(|place| place.enter.clone()).unwrap_or_default();
        line.extend(java(install, layout.heap_mib));
        if let Some(port) = jolokia {
            let agent = install.join("jolokia-agent.jar");
            // Who asks is on the same host.
            let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/jolokia/jolokia-access.xml");
            let mut options = vec![format!(
                "-javaagent:{}=port={port},host=127.0.0.1,discoveryEnabled=false,policyLocation=file://{}",
                agent.display(),
                policy.display()
            )];
            options.extend_from_slice(&layout.jolokia_options);
            line.push(options.join(","));
        }
        line.extend(layout.jvm.iter().cloned());
        Self::launch(id, addresses, line, KAFKA, &properties, &folder)
    }

    fn launch(
        id: i32,
        addresses: Addresses,
        mut line: Vec<String>,
        main: &str,
        properties: &BTreeMap<String, String>,
        folder: &Path,
    ) -> Result<Self, LocalKafkaError> {
        let file = folder.join("server.properties");
        std::fs::write(&file, properties::render(properties))
            .map_err(cannot(format!("write {}", file.display())))?;
        line.extend([main.to_owned(), file.display().to_string()]);
        let log = folder.join("log");
        let child = run(&line, &log)?;
        Ok(Self {
            id,
            addresses,
            line,
            log,
            child,
        })
    }

    pub(super) fn start_again(&mut self) -> Result<(), LocalKafkaError> {
        if self.is_running() {
            return Err(LocalKafkaError::Running(self.id));
        }
        self.child = run(&self.line, &self.log)?;
        Ok(())
    }

    pub(super) fn id(&self) -> i32 {
        self.id
    }

    pub(super) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    pub(super) fn address(&self) -> &str {
        &self.addresses.plaintext
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

fn run(line: &[String], log: &Path) -> Result<Child, LocalKafkaError> {
    Child::spawn(line, log).map_err(cannot("start java through setpriv"))
}

fn java(install: &Path, heap_mib: u32) -> Vec<String> {
    let files = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("java")
        .display()
        .to_string();
    vec![
        "java".to_owned(),
        format!("@{files}/options"),
        format!("-Xmx{heap_mib}m"),
        "-XX:+ExitOnOutOfMemoryError".to_owned(),
        // What `e2e/install.sh` has kept of a broker with an agent.
        format!("-XX:SharedArchiveFile={}-classes/broker.jsa", install.display()),
        format!("-Dlog4j2.configurationFile={files}/log4j2.xml"),
        "-cp".to_owned(),
        format!("{}/libs/*", install.display()),
    ]
}

/// Does what `StorageTool format` does for one folder. The `directory.id` that is missing here is made by the
/// node at its first start (`MetaPropertiesEnsemble`).
fn format_storage(data: &Path, id: i32, cluster_id: &str) -> Result<(), LocalKafkaError> {
    let meta = properties::of([
        ("version", "1".to_owned()),
        ("cluster.id", cluster_id.to_owned()),
        ("node.id", id.to_string()),
    ]);
    std::fs::create_dir_all(data)
        .and_then(|()| std::fs::write(data.join("meta.properties"), properties::render(&meta)))
        .map_err(cannot(format!("format {}", data.display())))
}

fn voters(controller: &str) -> String {
    format!("{CONTROLLER}@{controller}")
}

fn address_on(host: Ipv4Addr) -> Result<String, LocalKafkaError> {
    let port = port::free().map_err(cannot("find a free port"))?;
    Ok(format!("{host}:{port}"))
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
