//! What of a spec needs brokers to restart.
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

/// The digest of all that brokers and controllers read at their start only.
pub fn configuration_digest(cluster: &Cluster, known: &Known) -> String {
    let mut said = format!(
        "image={}\nheap={}\n",
        cluster.image,
        cluster.resources.heap_bytes()
    );
    let mut say = |key: &str, value: &str| {
        // Writing to a text cannot fail.
        let _ = writeln!(said, "{key}={value}");
    };
    if let Metadata::ZooKeeper(connect) = &cluster.metadata {
        say("zookeeper", &connect.to_string());
    }
    for (property, value) in &cluster.properties.at_start {
        say(&format!("property {property}"), value);
    }
    if let Some(tls) = &cluster.listeners.tls {
        say("tls", &format!("{:?}", tls.client_authentication));
        say("certificate", known.certificate.as_deref().unwrap_or_default());
    }
    if let Some(sasl) = &cluster.listeners.sasl {
        say("sasl", &format!("{:?}", sasl.mechanism));
    }
    if let Some(external) = &cluster.listeners.external {
        say("external port", &external.first_node_port.to_string());
        say(
            "external host",
            external.advertised_host.as_deref().unwrap_or_default(),
        );
    }
    if let Some(key) = &cluster.placement.rack_key {
        say("rack", key);
    }
    if cluster.jmx_sidecar {
        say("sidecar", "jolokia");
    }
    digest(&said)
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
