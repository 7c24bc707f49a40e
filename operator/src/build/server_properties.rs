//! `server.properties` of brokers and controllers, and what else their containers read.
//!
//! The files are the same for all pods of a role. What differs from pod to pod is written as `@NAME@`, which the start
//! script replaces.

use std::collections::BTreeMap;
use std::fmt::Write;

use k8s_openapi::api::core::v1::ConfigMap;

use super::metadata::{Role, object, texts};
use super::pod::CERTIFICATES;
use crate::cluster::{
    CLIENT_PORT, CONTROLLER_PORT, Cluster, EXTERNAL_PORT, FIRST_CONTROLLER_ID, Metadata, REPLICATION_PORT,
};
use crate::crd::{ClientAuthentication, ScramMechanism};

const START: &str = include_str!("files/start.sh");
const LOG4J: &str = include_str!("files/log4j.properties");
const LOG4J2: &str = include_str!("files/log4j2.properties");
const JOLOKIA_POLICY: &str = include_str!("../../../deploy/jolokia/jolokia-access.xml");

/// The folder of the ConfigMap in containers.
pub(super) const FOLDER: &str = "/etc/kafka-operator";
/// Where the volume is mounted.
pub(super) const DATA: &str = "/var/lib/kafka/data";

/// The file with the key and the certificate, which the start script makes of the Secret's.
const IDENTITY: &str = "/tmp/identity.pem";

/// What containers of brokers and controllers read.
pub(super) fn config_map(cluster: &Cluster) -> ConfigMap {
    let mut data = texts([
        ("start.sh", START),
        ("log4j.properties", LOG4J),
        ("log4j2.properties", LOG4J2),
    ]);
    data.insert("broker.properties".to_owned(), written(&broker(cluster)));
    if let Metadata::KRaft { controllers } = cluster.metadata {
        let properties = written(&controller(cluster, controllers));
        data.insert("controller.properties".to_owned(), properties);
    }
    if cluster.jmx_sidecar {
        data.insert("jolokia-access.xml".to_owned(), JOLOKIA_POLICY.to_owned());
    }
    ConfigMap {
        metadata: object(cluster, Role::Broker, cluster.names.kafka_config()),
        data: Some(data),
        ..ConfigMap::default()
    }
}

type Properties = BTreeMap<String, String>;

fn broker(cluster: &Cluster) -> Properties {
    let mut properties = texts([
        ("inter.broker.listener.name", "REPLICATION"),
        // Not the mount itself: file systems have folders there that Kafka takes for partitions.
        ("log.dirs", &format!("{DATA}/logs")),
    ]);
    let mut set = |name: &str, value: String| {
        properties.insert(name.to_owned(), value);
    };
    set("listeners", listeners(cluster));
    set("advertised.listeners", advertised(cluster));
    set("listener.security.protocol.map", protocols(cluster));
    match &cluster.metadata {
        Metadata::ZooKeeper(connect) => {
            set("broker.id", "@NODE_ID@".to_owned());
            set("zookeeper.connect", connect.to_string());
        }
        Metadata::KRaft { controllers } => {
            set("node.id", "@NODE_ID@".to_owned());
            set("process.roles", "broker".to_owned());
            quorum(cluster, *controllers, &mut set);
        }
    }
    if cluster.placement.rack_key.is_some() {
        set("broker.rack", "@RACK@".to_owned());
    }
    for (property, replicas) in replication(cluster) {
        set(property, replicas.to_string());
    }
    let clients: &[&str] = match cluster.listeners.external {
        Some(_) => &["CLIENT", "EXTERNAL"],
        None => &["CLIENT"],
    };
    security(cluster, clients, &["REPLICATION", "CONTROLLER"], &mut set);
    properties.extend(cluster.properties.at_start.clone());
    properties
}

fn controller(cluster: &Cluster, controllers: u16) -> Properties {
    let mut properties = texts([
        ("node.id", "@NODE_ID@"),
        ("process.roles", "controller"),
        ("log.dirs", &format!("{DATA}/metadata")),
    ]);
    let mut set = |name: &str, value: String| {
        properties.insert(name.to_owned(), value);
    };
    set("listeners", format!("CONTROLLER://:{CONTROLLER_PORT}"));
    set("listener.security.protocol.map", protocols(cluster));
    quorum(cluster, controllers, &mut set);
    security(cluster, &[], &["CONTROLLER"], &mut set);
    // Controllers make topics, and so they need to know defaults of brokers, such as the number of partitions.
    for (property, value) in &cluster.properties.at_start {
        set(property, value.clone());
    }
    properties
}

fn quorum(cluster: &Cluster, controllers: u16, set: &mut impl FnMut(&str, String)) {
    let voters: Vec<String> = (0..controllers)
        .map(|controller| {
            let id = FIRST_CONTROLLER_ID + controller;
            let host = cluster.names.controller_host(controller);
            format!("{id}@{host}:{CONTROLLER_PORT}")
        })
        .collect();
    set("controller.quorum.voters", voters.join(","));
    set("controller.listener.names", "CONTROLLER".to_owned());
}

fn listeners(cluster: &Cluster) -> String {
    let external = match cluster.listeners.external {
        Some(_) => format!(",EXTERNAL://:{EXTERNAL_PORT}"),
        None => String::new(),
    };
    format!("CLIENT://:{CLIENT_PORT},REPLICATION://:{REPLICATION_PORT}{external}")
}

fn advertised(cluster: &Cluster) -> String {
    let domain = cluster.names.broker_domain();
    let external = match &cluster.listeners.external {
        Some(external) => {
            let host = external.advertised_host.as_deref().unwrap_or("@NODE_ADDRESS@");
            format!(",EXTERNAL://{host}:@EXTERNAL_PORT@")
        }
        None => String::new(),
    };
    format!("CLIENT://@POD@.{domain}:{CLIENT_PORT},REPLICATION://@POD@.{domain}:{REPLICATION_PORT}{external}")
}

/// Which listener is protected by what.
fn protocols(cluster: &Cluster) -> String {
    let clients = cluster.client_protocol();
    let own = match cluster.listeners.tls {
        Some(_) => "SSL",
        None => "PLAINTEXT",
    };
    format!("CLIENT:{clients},CONTROLLER:{own},EXTERNAL:{clients},REPLICATION:{own}")
}

fn security(cluster: &Cluster, clients: &[&str], own: &[&str], set: &mut impl FnMut(&str, String)) {
    if let Some(tls) = &cluster.listeners.tls {
        set("ssl.keystore.type", "PEM".to_owned());
        set("ssl.keystore.location", IDENTITY.to_owned());
        set("ssl.truststore.type", "PEM".to_owned());
        set("ssl.truststore.location", format!("{CERTIFICATES}/ca.crt"));
        let asked = match tls.client_authentication {
            ClientAuthentication::None => "none",
            ClientAuthentication::Requested => "requested",
            ClientAuthentication::Required => "required",
        };
        for (names, asked) in [(clients, asked), (own, "required")] {
            for name in names {
                let listener = name.to_lowercase();
                set(
                    &format!("listener.name.{listener}.ssl.client.auth"),
                    asked.to_owned(),
                );
            }
        }
    }
    if let Some(sasl) = &cluster.listeners.sasl {
        let mechanism = match sasl.mechanism {
            ScramMechanism::Sha256 => "SCRAM-SHA-256",
            ScramMechanism::Sha512 => "SCRAM-SHA-512",
        };
        for name in clients {
            let listener = format!("listener.name.{}", name.to_lowercase());
            set(
                &format!("{listener}.sasl.enabled.mechanisms"),
                mechanism.to_owned(),
            );
            let module = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
            let jaas = format!("{listener}.{}.sasl.jaas.config", mechanism.to_lowercase());
            set(&jaas, module.to_owned());
        }
    }
}

/// Replicas of Kafka's own topics. It asks for three, and makes none of these topics where there are fewer brokers.
fn replication(cluster: &Cluster) -> Vec<(&'static str, u16)> {
    let (replicas, in_sync) = (cluster.brokers.min(3), cluster.brokers.min(2));
    let mut properties = vec![
        ("offsets.topic.replication.factor", replicas),
        ("transaction.state.log.min.isr", in_sync),
        ("transaction.state.log.replication.factor", replicas),
    ];
    // Share groups came after ZooKeeper had gone.
    if cluster.metadata.is_kraft() {
        properties.extend([
            ("share.coordinator.state.topic.min.isr", in_sync),
            ("share.coordinator.state.topic.replication.factor", replicas),
        ]);
    }
    properties
}

/// As Java reads it.
fn written(properties: &Properties) -> String {
    let mut text = String::new();
    for (name, value) in properties {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{name}={}", escaped(value));
    }
    text
}

/// Java reads a backslash as the beginning of an escape, and bytes beyond ASCII as Latin-1.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        if c == '\\' {
            text.push_str("\\\\");
        } else if c.is_ascii() {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a text cannot fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_so_that_java_reads_them_back() {
        assert_eq!(escaped(r"a\b"), r"a\\b");
        assert_eq!(escaped("ä😀"), r"\u00e4\ud83d\ude00");
    }
}
