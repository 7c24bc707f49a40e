//! Where a cluster is reached: by clients, as its status says, and its balancer by the operator.

use super::programs::BALANCER_PORT;
use crate::cluster::{CLIENT_PORT, Cluster};
use crate::crd::ListenerStatus;

/// One entry for each listener of which the address is known. Where brokers announce the addresses of their nodes,
/// clients outside need to know one of those.
pub fn listeners(cluster: &Cluster) -> Vec<ListenerStatus> {
    let status = |name: &str, bootstrap| ListenerStatus {
        name: name.to_owned(),
        bootstrap,
        security_protocol: cluster.client_protocol().to_owned(),
    };
    let service = cluster.names.service_host(cluster.names.cluster());
    let mut listeners = vec![status("internal", format!("{service}:{CLIENT_PORT}"))];
    if let Some(external) = &cluster.listeners.external
        && let Some(host) = &external.advertised_host
    {
        listeners.push(status("external", format!("{host}:{}", external.first_node_port)));
    }
    listeners
}

/// The balancer's API, such as `http://events-balancer.kafka.svc:9405`.
pub fn balancer_url(cluster: &Cluster) -> String {
    let service = cluster.names.service_host(&cluster.names.balancer());
    format!("http://{service}:{BALANCER_PORT}")
}
