//! Network policies: who may connect to what.
//!
//! Clients may come from anywhere, since listeners say who they must be, and so may Prometheus; the balancer acts for
//! those with its token only. Brokers among themselves and controllers trust whoever reaches them where there is no TLS:
//! their ports are for pods of the cluster and for the operator, of its namespace alone where that is known, since any pod
//! may have its label. The kubelet's probes come from the pod's own node, which policies do not hold up.

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Installation;
use super::metadata::{OPERATOR_LABEL, Role, cluster_selector, label_selector, object, texts};
use super::programs::{BALANCER_PORT, OFFSETS_PORT, SIDECAR_PORT};
use crate::cluster::{CLIENT_PORT, CONTROLLER_PORT, Cluster, EXTERNAL_PORT, REPLICATION_PORT};

/// All of them.
pub(super) fn policies(cluster: &Cluster, installation: &Installation) -> Vec<NetworkPolicy> {
    let mut clients = vec![CLIENT_PORT];
    if cluster.listeners.external.is_some() {
        clients.push(EXTERNAL_PORT);
    }
    if cluster.jmx_sidecar {
        clients.push(SIDECAR_PORT);
    }
    let mut policies = vec![policy(
        cluster,
        Role::Broker,
        vec![
            from_anywhere(&clients),
            from_cluster(cluster, installation, REPLICATION_PORT),
        ],
    )];
    if cluster.metadata.is_kraft() {
        let rules = vec![from_cluster(cluster, installation, CONTROLLER_PORT)];
        policies.push(policy(cluster, Role::Controller, rules));
    }
    policies.push(policy(
        cluster,
        Role::Offsets,
        vec![from_anywhere(&[OFFSETS_PORT])],
    ));
    policies.push(policy(
        cluster,
        Role::Balancer,
        vec![from_anywhere(&[BALANCER_PORT])],
    ));
    policies
}

fn policy(cluster: &Cluster, role: Role, ingress: Vec<NetworkPolicyIngressRule>) -> NetworkPolicy {
    NetworkPolicy {
        metadata: object(cluster, role, role.object_name(cluster)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(label_selector(cluster, role)),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(ingress),
            ..NetworkPolicySpec::default()
        }),
    }
}

fn from_anywhere(ports: &[u16]) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule {
        ports: Some(ports.iter().copied().map(port).collect()),
        from: None,
    }
}

fn from_cluster(cluster: &Cluster, installation: &Installation, to: u16) -> NetworkPolicyIngressRule {
    let pods = |labels| LabelSelector {
        match_labels: Some(labels),
        ..LabelSelector::default()
    };
    let own = NetworkPolicyPeer {
        pod_selector: Some(pods(cluster_selector(cluster))),
        ..NetworkPolicyPeer::default()
    };
    let namespace = installation.namespace.as_deref();
    let operator = NetworkPolicyPeer {
        namespace_selector: Some(LabelSelector {
            match_labels: namespace.map(|name| texts([("kubernetes.io/metadata.name", name)])),
            ..LabelSelector::default()
        }),
        pod_selector: Some(pods(texts([OPERATOR_LABEL]))),
        ..NetworkPolicyPeer::default()
    };
    NetworkPolicyIngressRule {
        ports: Some(vec![port(to)]),
        from: Some(vec![own, operator]),
    }
}

fn port(port: u16) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(port.into())),
        protocol: Some("TCP".to_owned()),
        ..NetworkPolicyPort::default()
    }
}
