//! Where a cluster is reached: by clients, as its status says, and its balancer by the operator.

use std::collections::BTreeMap;

use super::programs::BALANCER_PORT;
use crate::cluster::{CLIENT_PORT, Cluster};
use crate::crd::ListenerStatus;

/// Brokers that clients outside are told of: they need one that answers, to know of all others.
const TOLD: usize = 3;

/// One entry for each listener of which the address is known; `hosts` has the addresses of the nodes on which brokers run,
/// which brokers announce to clients outside unless they have another host to announce.
pub fn listeners(cluster: &Cluster, hosts: &BTreeMap<u16, &str>) -> Vec<ListenerStatus> {
    let status = |name: &str, bootstrap| ListenerStatus {
        name: name.to_owned(),
        bootstrap,
        security_protocol: cluster.client_protocol().to_owned(),
    };
    let service = cluster.names.service_host(cluster.names.cluster());
    let mut listeners = vec![status("internal", format!("{service}:{CLIENT_PORT}"))];
    if let Some(external) = &cluster.listeners.external {
        let first = external.first_node_port;
        let on_its_node = |(broker, host): (&u16, &&str)| format!("{host}:{}", first + i32::from(*broker));
        let bootstrap = match &external.advertised_host {
            Some(host) => format!("{host}:{first}"),
            None => hosts
                .iter()
                .take(TOLD)
                .map(on_its_node)
                .collect::<Vec<_>>()
                .join(","),
        };
        if !bootstrap.is_empty() {
            listeners.push(status("external", bootstrap));
        }
    }
    listeners
}

/// The balancer's API, such as `http://events-balancer.kafka.svc:9405`.
pub fn balancer_url(cluster: &Cluster) -> String {
    let service = cluster.names.service_host(&cluster.names.balancer());
    format!("http://{service}:{BALANCER_PORT}")
}
