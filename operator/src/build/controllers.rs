//! The StatefulSet of KRaft controllers.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Lifecycle, LifecycleHandler, SleepAction};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::kafka_pod::{self, container};
use super::metadata::Role;
use super::pod::{container_port, own_resources, variable};
use super::restart::controller_digest;
use super::{CLUSTER_ID_VARIABLE, Known};
use crate::cluster::{CONTROLLER_PORT, Cluster, ClusterId, FIRST_CONTROLLER_ID};

/// A log of metadata and its snapshot take little.
const VOLUME: &str = "5Gi";
/// Bytes of the JVM's heap: metadata of hundreds of thousands of partitions.
const HEAP: u64 = 640 << 20;
const MEMORY: &str = "1Gi";
const CPU: &str = "250m";
const GRACE_SECONDS: i64 = 60;
/// Brokers that stop at the same time still need a controller to hand their leaders over.
const STOP_DELAY_SECONDS: i64 = 5;

/// So many controllers.
pub(super) fn stateful_set(
    cluster: &Cluster,
    controllers: u16,
    id: &ClusterId,
    known: &Known,
) -> StatefulSet {
    let volume = Quantity(VOLUME.to_owned());
    let (data, claim) = kafka_pod::data(cluster, Role::Controller, Some(&volume));
    let resources = own_resources(CPU, MEMORY, MEMORY);
    let mut controller = container(cluster, Role::Controller, HEAP, resources, CONTROLLER_PORT);
    controller.ports = Some(vec![container_port("controller", CONTROLLER_PORT)]);
    controller.env.get_or_insert_default().extend([
        variable("FIRST_NODE_ID", &FIRST_CONTROLLER_ID.to_string()),
        variable(CLUSTER_ID_VARIABLE, &id.to_string()),
    ]);
    controller.lifecycle = Some(Lifecycle {
        pre_stop: Some(LifecycleHandler {
            sleep: Some(SleepAction {
                seconds: STOP_DELAY_SECONDS,
            }),
            ..LifecycleHandler::default()
        }),
        ..Lifecycle::default()
    });
    let mut volumes = kafka_pod::volumes(cluster);
    volumes.extend(data);
    let mut spec = kafka_pod::spec(cluster, Role::Controller, GRACE_SECONDS);
    spec.containers = vec![controller];
    spec.volumes = Some(volumes);
    let digest = controller_digest(cluster, known);
    let template = kafka_pod::template(cluster, Role::Controller, digest, spec, []);
    kafka_pod::stateful_set(cluster, Role::Controller, controllers, template, claim)
}
