//! Services: where brokers, controllers and programs are found.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::metadata::{Role, object, selector, texts};
use super::programs::{BALANCER_PORT, OFFSETS_PORT};
use crate::cluster::{CLIENT_PORT, CONTROLLER_PORT, Cluster, EXTERNAL_PORT};
use crate::crd::Listeners;

/// All of them, for so many brokers.
pub(super) fn all(cluster: &Cluster, broker_pods: u16) -> Vec<Service> {
    let names = &cluster.names;
    let mut services = vec![headless(cluster, Role::Broker, port("broker", CLIENT_PORT))];
    if cluster.metadata.is_kraft() {
        services.push(headless(
            cluster,
            Role::Controller,
            port("controller", CONTROLLER_PORT),
        ));
    }
    services.extend((0..broker_pods).map(|broker| of_broker(cluster, broker)));
    services.push(of_program(
        cluster,
        Role::Offsets,
        &names.offsets(),
        port("prometheus", OFFSETS_PORT),
    ));
    services.push(of_program(
        cluster,
        Role::Balancer,
        &names.balancer(),
        port("api", BALANCER_PORT),
    ));
    services
}

/// Gives each pod a host name, also before it is ready: brokers and controllers have to find each other to become so.
fn headless(cluster: &Cluster, role: Role, port: ServicePort) -> Service {
    Service {
        metadata: object(cluster, role, role.object_name(cluster)),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            publish_not_ready_addresses: Some(true),
            selector: Some(selector(cluster, role)),
            ports: Some(vec![port]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// Reaches one broker only; where `opens_nodes`, also through a port of every node.
fn of_broker(cluster: &Cluster, broker: u16) -> Service {
    let mut selector = selector(cluster, Role::Broker);
    let pod = cluster.names.broker_pod(broker);
    selector.extend(texts([("statefulset.kubernetes.io/pod-name", pod.as_str())]));
    let mut ports = vec![port("broker", CLIENT_PORT)];
    let external = cluster.listeners.external.as_ref();
    if let Some(external) = external {
        ports.push(ServicePort {
            node_port: Some(external.first_node_port + i32::from(broker)),
            ..port("external", EXTERNAL_PORT)
        });
    }
    // A broker that announces its own node needs no other node to pass connections on.
    let on_its_node = external.is_some_and(|external| external.advertised_host.is_none());
    Service {
        metadata: object(cluster, Role::Broker, cluster.names.broker_service(broker)),
        spec: Some(ServiceSpec {
            type_: opens_nodes(cluster).then(|| "NodePort".to_owned()),
            external_traffic_policy: on_its_node.then(|| "Local".to_owned()),
            selector: Some(selector),
            ports: Some(ports),
            // There is no other pod to turn to, and a broker serves although its sidecar does not.
            publish_not_ready_addresses: Some(true),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// A port of every node is open to whoever reaches a node, and so it is there for those who ask for one only. A manifest
/// of the original's form, with ZooKeeper and without a word about listeners, gets what it always got.
fn opens_nodes(cluster: &Cluster) -> bool {
    let of_the_original = !cluster.metadata.is_kraft() && cluster.listeners == Listeners::default();
    cluster.listeners.external.is_some() || of_the_original
}

fn of_program(cluster: &Cluster, role: Role, name: &str, port: ServicePort) -> Service {
    Service {
        metadata: object(cluster, role, name),
        spec: Some(ServiceSpec {
            selector: Some(selector(cluster, role)),
            ports: Some(vec![port]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

fn port(name: &str, port: u16) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: port.into(),
        target_port: Some(IntOrString::Int(port.into())),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    }
}
