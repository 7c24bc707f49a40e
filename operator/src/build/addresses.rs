//! Where clients reach a cluster, as its status says.

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
