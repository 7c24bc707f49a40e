//! Names, labels and owners of objects.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use crate::cluster::Cluster;

/// The label and its value by which network policies know the operator's pods.
pub const OPERATOR_LABEL: (&str, &str) = ("app.kubernetes.io/name", "kafka-operator");

/// The label and its value by which everything that operators make is known.
pub const OURS: (&str, &str) = ("creator", "kafka-operator");

/// What a pod of a cluster does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It is a broker.
    Broker,
    /// It is a controller of KRaft.
    Controller,
    /// It exports consumer lag.
    Offsets,
    /// It is the balancer.
    Balancer,
}

impl Role {
    /// The value of the label `role`.
    fn label(self) -> &'static str {
        match self {
            Self::Broker => "data",
            Self::Controller => "controller",
            Self::Offsets => "exporter",
            Self::Balancer => "balancer",
        }
    }

    /// The name among a cluster's components, also that of its container where it has one of its own.
    pub(super) fn component(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Controller => "controller",
            Self::Offsets => "offsets",
            Self::Balancer => "balancer",
        }
    }

    /// What the objects of the role are called.
    pub(super) fn object_name(self, cluster: &Cluster) -> String {
        match self {
            Self::Broker => cluster.names.cluster().to_owned(),
            Self::Controller => cluster.names.controllers(),
            Self::Offsets => cluster.names.offsets(),
            Self::Balancer => cluster.names.balancer(),
        }
    }
}

/// The labels of everything that belongs to a cluster. These and `role` are those of the original.
pub fn cluster_selector(cluster: &Cluster) -> BTreeMap<String, String> {
    texts([("component", "kafka"), OURS, ("name", cluster.names.cluster())])
}

/// The labels that select the pods of a role.
pub fn selector(cluster: &Cluster, role: Role) -> BTreeMap<String, String> {
    let mut labels = cluster_selector(cluster);
    labels.insert("role".to_owned(), role.label().to_owned());
    labels
}

/// The same as one text, as the API takes it and as `status.selector` has it.
pub fn selector_text(cluster: &Cluster, role: Role) -> String {
    as_text(&selector(cluster, role))
}

/// Labels as one text, by which the API selects.
pub fn as_text(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    pairs.join(",")
}

/// The same as a selector of objects that have one.
pub(super) fn label_selector(cluster: &Cluster, role: Role) -> LabelSelector {
    LabelSelector {
        match_labels: Some(selector(cluster, role)),
        ..LabelSelector::default()
    }
}

/// All labels of what belongs to a role.
pub(super) fn labels(cluster: &Cluster, role: Role) -> BTreeMap<String, String> {
    let mut labels = selector(cluster, role);
    labels.extend(texts([
        ("app.kubernetes.io/name", "kafka"),
        ("app.kubernetes.io/instance", cluster.names.cluster()),
        ("app.kubernetes.io/component", role.component()),
        ("app.kubernetes.io/managed-by", "kafka-operator"),
    ]));
    if role == Role::Offsets {
        labels.insert("type".to_owned(), "exporter".to_owned());
    }
    labels
}

/// The metadata of an object of a role.
pub(super) fn object(cluster: &Cluster, role: Role, name: impl Into<String>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.into()),
        namespace: Some(cluster.names.namespace().to_owned()),
        labels: Some(labels(cluster, role)),
        owner_references: cluster.owner.clone().map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}

/// An account without rights: no pod of a cluster asks Kubernetes for anything, and so none gets a token.
pub(super) fn account(cluster: &Cluster, role: Role) -> ServiceAccount {
    ServiceAccount {
        metadata: object(cluster, role, role.object_name(cluster)),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

/// A map of texts.
pub(super) fn texts<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, String> {
    let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    pairs.into_iter().map(owned).collect()
}
