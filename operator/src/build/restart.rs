//! What of a spec needs brokers or controllers to restart.
//!
//! The digest of it stands on each pod; a pod with another one than the spec's has to be replaced. It covers what users
//! and Secrets say, not what is made of it: a newer operator that writes a property more restarts nobody. For the same
//! reason a value that is not set has no part in it, so that a new field leaves old digests as they are.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::Known;
use crate::cluster::{Cluster, Metadata};

/// On a pod: the digest of the configuration with which it was made.
pub const CONFIGURATION_ANNOTATION: &str = "krallistic.github.com/configuration";

/// On a broker's pod: the CPU and memory that it was given last, when it was made or while it ran.
pub const RESOURCES_ANNOTATION: &str = "krallistic.github.com/resources";

/// What brokers are given that they can get while they run: in thousandths of cores and in bytes. The heap, which follows from the
/// memory, is read at the start and is part of the [digest](broker_digest).
pub fn broker_resources(cluster: &Cluster) -> String {
    let given = &cluster.resources;
    format!("{}m {}", given.cpu.number(), given.memory.number())
}

/// The digest of all that brokers read at their start only.
pub fn broker_digest(cluster: &Cluster, known: &Known) -> String {
    let mut said = Said::by_all(cluster, known);
    said.note("heap", &cluster.resources.heap_bytes().to_string());
    if let Metadata::ZooKeeper(connect) = &cluster.metadata {
        said.note("zookeeper", &connect.to_string());
    }
    if let Some(tls) = &cluster.listeners.tls {
        said.note("client certificates", &format!("{:?}", tls.client_authentication));
    }
    if let Some(sasl) = &cluster.listeners.sasl {
        said.note("sasl", &format!("{:?}", sasl.mechanism));
    }
    if let Some(external) = &cluster.listeners.external {
        said.note("external port", &external.first_node_port.to_string());
        said.note(
            "external host",
            external.advertised_host.as_deref().unwrap_or_default(),
        );
    }
    if let Some(key) = &cluster.placement.rack_key {
        said.note("rack", key);
    }
    if cluster.jmx_sidecar {
        said.note("sidecar", "jolokia");
    }
    digest(&said.0)
}

/// The digest of all that controllers read at their start only. What is the brokers' alone, such as their memory and how
/// clients reach them, has no part in it.
pub fn controller_digest(cluster: &Cluster, known: &Known) -> String {
    digest(&Said::by_all(cluster, known).0)
}

/// What was said, a line for each thing.
struct Said(String);

impl Said {
    /// What brokers and controllers both read.
    fn by_all(cluster: &Cluster, known: &Known) -> Self {
        let mut said = Self(String::new());
        said.note("image", &cluster.image.to_string());
        for (property, value) in &cluster.properties.at_start {
            said.note(&format!("property {property}"), value);
        }
        if cluster.listeners.tls.is_some() {
            said.note("certificate", known.certificate.as_deref().unwrap_or_default());
        }
        said
    }

    fn note(&mut self, key: &str, value: &str) {
        // Writing to a text cannot fail.
        let _ = writeln!(self.0, "{key}={value}");
    }
}

/// 16 hexadecimal digits that stand for a text.
pub(super) fn digest(text: &str) -> String {
    const BYTES: usize = 8;
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().take(BYTES).fold(String::new(), |mut digits, byte| {
        // Writing to a text cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}
