//! How clients reach brokers.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How clients reach brokers, and how they prove who they are.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listeners {
    /// TLS for clients, and mutual TLS among brokers, controllers and what the operator runs beside them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Users with passwords. They are for clients: brokers among themselves have TLS, and without it a network policy only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sasl: Option<Sasl>,
    /// For clients outside of the Kubernetes cluster: each broker is announced with an address of a node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalListener>,
}

/// TLS from a Secret as cert-manager writes it.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// The Secret with tls.crt, tls.key (PKCS#8, unencrypted) and ca.crt. The certificate is for
    /// `<cluster>.<namespace>.svc`, where clients begin, `*.<cluster>.<namespace>.svc`,
    /// `*.<cluster>-controller.<namespace>.svc` and what brokers announce to clients outside, and for both server and
    /// client use.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,
    /// Whether clients need a certificate of the same authority.
    #[serde(default)]
    pub client_authentication: ClientAuthentication,
}

/// Whether clients need a certificate.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientAuthentication {
    /// None is asked for.
    #[default]
    None,
    /// One is asked for, and nobody is refused for having none.
    Requested,
    /// Nobody without one is let in.
    Required,
}

/// Users with passwords.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sasl {
    /// How passwords are proven.
    #[serde(default)]
    pub mechanism: ScramMechanism,
    /// The users. They are made in Kafka, get the password that is in their Secret, also when it changes, and one that is
    /// taken out of the list can no longer log in. Users who were made by other means stay.
    #[schemars(
        length(min = 1, max = 1000),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub users: Vec<User>,
}

/// How passwords are proven, without being sent.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ScramMechanism {
    /// RFC 5802 and 7677.
    #[serde(rename = "SCRAM-SHA-256")]
    Sha256,
    /// RFC 5802 with SHA-512.
    #[default]
    #[serde(rename = "SCRAM-SHA-512")]
    Sha512,
}

/// A user.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Its name.
    #[schemars(length(min = 1, max = 200), regex(pattern = "^[a-zA-Z0-9._@-]+$"))]
    pub name: String,
    /// Where its password is.
    pub password_secret: PasswordSecret,
}

/// A key of a Secret of the same namespace.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PasswordSecret {
    /// The Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key within it. The line end after a password is not part of it.
    #[serde(default = "default_key")]
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// For clients outside of the Kubernetes cluster.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.firstNodePort >= 1024 && self.firstNodePort <= 65535")
        .message("firstNodePort is no port of nodes; by default Kubernetes gives those from 30000 to 32767")
)]
pub struct ExternalListener {
    /// The port of broker 0 on each node; broker N has the port N above it.
    pub first_node_port: i32,
    /// The host that brokers announce; the address of the node on which a broker runs when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub advertised_host: Option<String>,
}

fn default_key() -> String {
    "password".to_owned()
}

impl Listeners {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
