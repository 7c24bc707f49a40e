//! What is said of listeners.

use std::collections::BTreeSet;

use kafka::connection::BootstrapAddress;
use kafka::users::{Mechanism, UserName};

use super::problem::Problems;
use crate::crd::{self, ExternalListener, KafkaclusterSpec, Sasl};

/// A user with a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: UserName,
    /// How its password is proven.
    pub mechanism: Mechanism,
    /// The Secret with its password.
    pub secret: String,
    /// The key within the Secret.
    pub key: String,
}

/// The users, of those that [`check`] finds nothing wrong with.
pub(super) fn users(spec: &KafkaclusterSpec) -> Vec<User> {
    let Some(sasl) = &spec.listeners.sasl else {
        return Vec::new();
    };
    let user = |user: &crd::User| {
        Some(User {
            name: user.name.parse().ok()?,
            mechanism: sasl.mechanism.into(),
            secret: user.password_secret.name.clone(),
            key: user.password_secret.key.clone(),
        })
    };
    sasl.users.iter().filter_map(user).collect()
}

pub(super) fn check(spec: &KafkaclusterSpec, problems: &mut Problems) {
    let listeners = &spec.listeners;
    if let Some(tls) = &listeners.tls {
        secret("spec.listeners.tls.secretName", &tls.secret_name, problems);
    }
    if let Some(sasl) = &listeners.sasl {
        check_users(sasl, problems);
    }
    if let Some(listener) = &listeners.external {
        external(listener, spec.broker_count, problems);
    }
}

fn check_users(sasl: &Sasl, problems: &mut Problems) {
    let mut users = BTreeSet::new();
    for (index, user) in sasl.users.iter().enumerate() {
        let field = format!("spec.listeners.sasl.users[{index}]");
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
        if user.name.parse::<UserName>().is_err() || !user.name.chars().all(allowed) {
            let cause = format!("`{}` is no name of a user", user.name);
            problems.note(format!("{field}.name"), cause, "use letters, digits and ._@-");
        }
        if !users.insert(&user.name) {
            let cause = format!("`{}` is there twice", user.name);
            problems.note(format!("{field}.name"), cause, "remove one of the two");
        }
        let field = format!("{field}.passwordSecret.name");
        secret(&field, &user.password_secret.name, problems);
    }
}

fn external(listener: &ExternalListener, brokers: i32, problems: &mut Problems) {
    let first = listener.first_node_port;
    let last = i64::from(first) + i64::from(brokers.max(1)) - 1;
    if first < 1024 || last > 65_535 {
        let cause = format!("ports {first} to {last} are not all ports of nodes");
        let cure = "choose a range that Kubernetes gives to nodes, 30000 to 32767 by default";
        problems.note("spec.listeners.external.firstNodePort", cause, cure);
    }
    if let Some(host) = &listener.advertised_host {
        let address: Result<BootstrapAddress, _> = format!("{host}:1").parse();
        problems.check(
            "spec.listeners.external.advertisedHost",
            "write the host alone, such as kafka.example.org",
            address.map_err(|_| format!("`{host}` is no host")),
        );
    }
}

fn secret(field: &str, name: &str, problems: &mut Problems) {
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'.');
    if name.is_empty() || name.len() > 253 || !name.bytes().all(allowed) {
        let cause = format!("`{name}` is no name of a Secret");
        problems.note(field, cause, "name one of the same namespace");
    }
}
