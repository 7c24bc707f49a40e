//! What nodes have to do with pods: racks, and nodes that died.

use k8s_openapi::jiff::SignedDuration;
use kafka::ids::BrokerId;

use super::facts::PodFacts;
use super::rolling::Replaced;
use super::{Observed, Trouble};
use crate::cluster::Cluster;

/// How long after a pod should have been gone its node is not expected to say so any more.
const OVERDUE: SignedDuration = SignedDuration::from_secs(60);

/// The racks to write onto brokers' pods, and what keeps brokers from getting theirs.
pub(super) fn racks(cluster: &Cluster, observed: &Observed) -> (Vec<(Replaced, String)>, Vec<Trouble>) {
    let (mut racks, mut troubles) = (Vec::new(), Vec::new());
    let Some(key) = &cluster.placement.rack_key else {
        return (racks, troubles);
    };
    let nodes = match &observed.nodes {
        Ok(nodes) => nodes,
        Err(reason) => {
            let message = format!("nodes cannot be read, and brokers wait for their racks: {reason}");
            return (racks, vec![Trouble::new("NoRack", message)]);
        }
    };
    for pod in observed.broker_pods.iter().filter(|pod| !pod.is_leaving()) {
        let Some(name) = &pod.node else { continue };
        let Some(node) = nodes.get(name) else { continue };
        match node.labels.get(key).filter(|rack| !rack.is_empty()) {
            Some(rack) if pod.rack.as_ref() != Some(rack) => racks.push((pod.into(), rack.clone())),
            Some(_) => {}
            None => troubles.push(Trouble::new(
                "NoRack",
                format!(
                    "{} waits: its node {name} has no label {key}; label the node",
                    pod.name
                ),
            )),
        }
    }
    (racks, troubles)
}

/// Pods that nobody will ever say of that they are gone. A pod of a node that is gone is gone with it. A broker whose node
/// does not report may still run, and so Kafka has to say, too, that it is not alive. A controller could vote twice: it
/// is left until its node is deleted.
pub(super) fn buried(observed: &Observed) -> Vec<Replaced> {
    let Ok(nodes) = &observed.nodes else {
        return Vec::new();
    };
    let overdue = |pod: &&PodFacts| {
        let over = pod.gone_by.map(|gone_by| observed.now.duration_since(gone_by));
        over.is_some_and(|over| over > OVERDUE)
    };
    let node_is_gone = |pod: &PodFacts| pod.node.as_ref().is_some_and(|name| !nodes.contains_key(name));
    let is_dead = |pod: &PodFacts| {
        let node = pod.node.as_ref().and_then(|name| nodes.get(name));
        let kafka = observed.kafka.as_ref();
        node.is_some_and(|node| !node.alive)
            && kafka.is_ok_and(|kafka| !kafka.is_alive(BrokerId::from(pod.number)))
    };
    let brokers = observed.broker_pods.iter().filter(overdue);
    let brokers = brokers.filter(|pod| node_is_gone(pod) || is_dead(pod));
    let controllers = observed.controller_pods.iter().filter(overdue);
    let controllers = controllers.filter(|pod| node_is_gone(pod));
    brokers.chain(controllers).map(Replaced::from).collect()
}
