//! The StatefulSet of brokers.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{
    Container, DownwardAPIVolumeFile, DownwardAPIVolumeSource, ObjectFieldSelector, ResourceRequirements,
    Volume,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::kafka_pod::{self, container};
use super::metadata::Role;
use super::pod::{
    container_port, empty_dir, from_field, mount, non_empty, own_resources, resources, restricted_container,
    scraped, variable,
};
use super::programs::SIDECAR_PORT;
use super::restart::{RESOURCES_ANNOTATION, broker_digest, broker_resources};
use super::server_properties::FOLDER;
use super::{CLUSTER_ID_VARIABLE, Installation, JOLOKIA_AGENT, Known, RACK_ANNOTATION, sidecar};
use crate::cluster::{CLIENT_PORT, Cluster, EXTERNAL_PORT, REPLICATION_PORT};

/// Seconds for a broker to hand over its leaders and to close its logs.
const GRACE_SECONDS: i64 = 300;

const JOLOKIA_FOLDER: &str = "/opt/kafka-operator/jolokia";
const RACK_FOLDER: &str = "/etc/kafka-rack";

/// The brokers, for as many as there must be pods.
pub(super) fn stateful_set(cluster: &Cluster, installation: &Installation, known: &Known) -> StatefulSet {
    let (data, claim) = kafka_pod::data(cluster, Role::Broker, None);
    let mut spec = kafka_pod::spec(cluster, Role::Broker, GRACE_SECONDS);
    let mut volumes = kafka_pod::volumes(cluster);
    volumes.extend(data);
    let mut init_containers = Vec::new();
    spec.containers = vec![broker(cluster, known)];
    if cluster.placement.rack_key.is_some() {
        init_containers.push(await_rack(cluster));
        volumes.push(rack_volume());
    }
    let mut annotations = BTreeMap::from([(RESOURCES_ANNOTATION.to_owned(), broker_resources(cluster))]);
    if cluster.jmx_sidecar {
        let image = installation.sidecar_image_of(cluster);
        init_containers.push(copy_agent(image));
        spec.containers.push(sidecar::container(cluster, image));
        volumes.push(empty_dir("jolokia", Quantity("64Mi".to_owned())));
        volumes.push(sidecar::volume(cluster));
        annotations.extend(scraped(SIDECAR_PORT));
    }
    spec.init_containers = non_empty(init_containers);
    spec.volumes = Some(volumes);
    let digest = broker_digest(cluster, known);
    let template = kafka_pod::template(cluster, Role::Broker, digest, spec, annotations);
    kafka_pod::stateful_set(cluster, Role::Broker, known.broker_pods, template, claim)
}

/// The CPU and memory of a broker.
pub fn broker_requirements(cluster: &Cluster) -> ResourceRequirements {
    let given = &cluster.resources;
    let memory = given.memory.written().clone();
    resources(given.cpu.written().clone(), memory.clone(), memory)
}

fn broker(cluster: &Cluster, known: &Known) -> Container {
    let (heap, resources) = (cluster.resources.heap_bytes(), broker_requirements(cluster));
    let mut broker = container(cluster, Role::Broker, heap, resources, CLIENT_PORT);
    let variables = broker.env.get_or_insert_default();
    let mounts = broker.volume_mounts.get_or_insert_default();
    variables.push(variable("FIRST_NODE_ID", "0"));
    if let Some(id) = known.cluster_id.as_ref().filter(|_| cluster.metadata.is_kraft()) {
        variables.push(variable(CLUSTER_ID_VARIABLE, &id.to_string()));
    }
    let mut ports = vec![
        container_port("kafka", CLIENT_PORT),
        container_port("replication", REPLICATION_PORT),
    ];
    if let Some(external) = &cluster.listeners.external {
        ports.push(container_port("external", EXTERNAL_PORT));
        variables.push(variable("FIRST_NODE_PORT", &external.first_node_port.to_string()));
        if external.advertised_host.is_none() {
            variables.push(from_field("NODE_ADDRESS", "status.hostIP"));
        }
    }
    if cluster.placement.rack_key.is_some() {
        variables.push(variable("RACK_FILE", &format!("{RACK_FOLDER}/rack")));
        mounts.push(mount("rack", RACK_FOLDER, true));
    }
    if cluster.jmx_sidecar {
        let options = [
            "host=127.0.0.1",
            &format!("port={}", sidecar::JOLOKIA_PORT),
            "discoveryEnabled=false",
            "executor=fixed",
            "threadNr=2",
            &format!("policyLocation=file://{FOLDER}/jolokia-access.xml"),
        ];
        let agent = format!("-javaagent:{JOLOKIA_FOLDER}/agent.jar={}", options.join(","));
        variables.push(variable("KAFKA_OPTS", &agent));
        mounts.push(mount("jolokia", JOLOKIA_FOLDER, true));
    }
    broker.ports = Some(ports);
    broker
}

/// A pod's node is known when it was scheduled; then the operator writes the rack onto the pod.
fn await_rack(cluster: &Cluster) -> Container {
    // The first process of a container is stopped by signals that it handles only; without the trap a pod that still waits
    // would take its whole grace to go.
    let wait = format!("trap 'exit 1' TERM; until [ -s {RACK_FOLDER}/rack ]; do sleep 0.5; done");
    Container {
        name: "rack".to_owned(),
        image: Some(cluster.image.to_string()),
        command: Some(["/bin/sh", "-c", &wait].map(str::to_owned).to_vec()),
        resources: Some(own_resources("10m", "16Mi", "64Mi")),
        security_context: Some(restricted_container()),
        volume_mounts: Some(vec![mount("rack", RACK_FOLDER, true)]),
        ..Container::default()
    }
}

fn rack_volume() -> Volume {
    Volume {
        name: "rack".to_owned(),
        downward_api: Some(DownwardAPIVolumeSource {
            items: Some(vec![DownwardAPIVolumeFile {
                path: "rack".to_owned(),
                field_ref: Some(ObjectFieldSelector {
                    field_path: format!("metadata.annotations['{RACK_ANNOTATION}']"),
                    ..ObjectFieldSelector::default()
                }),
                ..DownwardAPIVolumeFile::default()
            }]),
            ..DownwardAPIVolumeSource::default()
        }),
        ..Volume::default()
    }
}

fn copy_agent(image: &str) -> Container {
    let target = format!("{JOLOKIA_FOLDER}/agent.jar");
    Container {
        name: "jolokia".to_owned(),
        image: Some(image.to_owned()),
        command: Some(["cp", JOLOKIA_AGENT, &target].map(str::to_owned).to_vec()),
        resources: Some(own_resources("10m", "16Mi", "64Mi")),
        security_context: Some(restricted_container()),
        volume_mounts: Some(vec![mount("jolokia", JOLOKIA_FOLDER, false)]),
        ..Container::default()
    }
}
