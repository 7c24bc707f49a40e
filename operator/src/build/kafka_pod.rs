//! What pods of brokers and of controllers have in common.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{
    StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec, StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{
    Affinity, Container, PersistentVolumeClaim, PersistentVolumeClaimSpec, PodAffinityTerm, PodAntiAffinity,
    PodSpec, PodTemplateSpec, Probe, ResourceRequirements, TCPSocketAction, Toleration,
    TopologySpreadConstraint, Volume, VolumeResourceRequirements, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::metadata;
use super::metadata::{Role, label_selector, labels, object};
use super::pod::{
    CERTIFICATES, certificates, config_volume, empty_dir, from_field, mount, non_empty, restricted_container,
    restricted_pod, variable,
};
use super::restart::CONFIGURATION_ANNOTATION;
use super::server_properties::{DATA, FOLDER};
use crate::cluster::{Cluster, Storage};
use crate::crd::VolumeDeletionPolicy;

/// The name of the volume, which is also that of its claims.
const DATA_VOLUME: &str = "kafka-data";

/// The container of a broker or a controller.
pub const KAFKA_CONTAINER: &str = "kafka";

/// The user of both images.
const KAFKA_USER: i64 = 1000;

/// The container of a broker or a controller; `heap` is in bytes.
pub(super) fn container(
    cluster: &Cluster,
    role: Role,
    heap: u64,
    resources: ResourceRequirements,
    port: u16,
) -> Container {
    let mut variables = vec![
        from_field("POD_NAME", "metadata.name"),
        variable("KAFKA_HEAP_OPTS", &format!("-Xms{0}M -Xmx{0}M", heap >> 20)),
    ];
    let mut mounts = vec![
        mount(DATA_VOLUME, DATA, false),
        mount("configuration", FOLDER, true),
        mount("tmp", "/tmp", false),
    ];
    if cluster.listeners.tls.is_some() {
        variables.push(variable("CERTIFICATES", CERTIFICATES));
        mounts.push(mount("certificates", CERTIFICATES, true));
    }
    let probe = |period, failures| Probe {
        tcp_socket: Some(TCPSocketAction {
            port: IntOrString::Int(port.into()),
            ..TCPSocketAction::default()
        }),
        period_seconds: Some(period),
        timeout_seconds: Some(5),
        failure_threshold: Some(failures),
        ..Probe::default()
    };
    Container {
        name: KAFKA_CONTAINER.to_owned(),
        image: Some(cluster.image.to_string()),
        command: Some(
            ["/bin/sh", &format!("{FOLDER}/start.sh"), role.component()]
                .map(str::to_owned)
                .to_vec(),
        ),
        env: Some(variables),
        resources: Some(resources),
        // The port opens when the node has joined. After an unclean stop logs are recovered first: up to an hour.
        startup_probe: Some(probe(2, 1800)),
        readiness_probe: Some(probe(5, 2)),
        liveness_probe: Some(probe(10, 12)),
        security_context: Some(restricted_container()),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

/// The volumes of that container, but for the one with the data.
pub(super) fn volumes(cluster: &Cluster) -> Vec<Volume> {
    let mut volumes = vec![
        config_volume("configuration", &cluster.names.kafka_config()),
        empty_dir("tmp", Quantity("1Gi".to_owned())),
    ];
    volumes.extend(certificates(cluster));
    volumes
}

/// Where the data is: a volume of the pod, or a claim for one of its own.
pub(super) fn data(
    cluster: &Cluster,
    role: Role,
    size: Option<&Quantity>,
) -> (Option<Volume>, Option<PersistentVolumeClaim>) {
    match &cluster.storage {
        Storage::EmptyDir(most) => (Some(empty_dir(DATA_VOLUME, most.written().clone())), None),
        Storage::Volume {
            class,
            size: of_brokers,
            ..
        } => {
            let size = size.unwrap_or(of_brokers.written()).clone();
            let claim = PersistentVolumeClaim {
                metadata: ObjectMeta {
                    name: Some(DATA_VOLUME.to_owned()),
                    labels: Some(metadata::selector(cluster, role)),
                    ..ObjectMeta::default()
                },
                spec: Some(PersistentVolumeClaimSpec {
                    access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
                    storage_class_name: class.clone(),
                    resources: Some(VolumeResourceRequirements {
                        requests: Some(BTreeMap::from([("storage".to_owned(), size)])),
                        ..VolumeResourceRequirements::default()
                    }),
                    ..PersistentVolumeClaimSpec::default()
                }),
                ..PersistentVolumeClaim::default()
            };
            (None, Some(claim))
        }
    }
}

/// So many pods of a role, with the claim of each.
pub(super) fn stateful_set(
    cluster: &Cluster,
    role: Role,
    pods: u16,
    template: PodTemplateSpec,
    claim: Option<PersistentVolumeClaim>,
) -> StatefulSet {
    let name = role.object_name(cluster);
    StatefulSet {
        metadata: object(cluster, role, &name),
        spec: Some(StatefulSetSpec {
            replicas: Some(pods.into()),
            service_name: Some(name),
            selector: label_selector(cluster, role),
            // A quorum forms when most controllers are there; one after the other would wait for ever. Brokers need not
            // wait for each other either.
            pod_management_policy: Some("Parallel".to_owned()),
            // The operator deletes pods itself, in an order that keeps partitions in sync.
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("OnDelete".to_owned()),
                ..StatefulSetUpdateStrategy::default()
            }),
            revision_history_limit: Some(2),
            template,
            volume_claim_templates: claim.map(|claim| vec![claim]),
            persistent_volume_claim_retention_policy: retention(cluster),
            ..StatefulSetSpec::default()
        }),
        ..StatefulSet::default()
    }
}

/// The claim of a broker.
pub fn broker_claim(cluster: &Cluster, broker: u16) -> String {
    format!("{DATA_VOLUME}-{}", cluster.names.broker_pod(broker))
}

/// What becomes of claims; none where there are none.
fn retention(cluster: &Cluster) -> Option<StatefulSetPersistentVolumeClaimRetentionPolicy> {
    let Storage::Volume { deletion, .. } = &cluster.storage else {
        return None;
    };
    let policy = match deletion {
        VolumeDeletionPolicy::Retain => "Retain",
        VolumeDeletionPolicy::Delete => "Delete",
    };
    Some(StatefulSetPersistentVolumeClaimRetentionPolicy {
        when_deleted: Some(policy.to_owned()),
        // That of a broker which was taken away goes when Kafka has said, after its end, that nothing is placed on it.
        when_scaled: Some("Retain".to_owned()),
    })
}

/// The pod with its metadata, to which users may add; `digest` is that of the configuration.
pub(super) fn template(
    cluster: &Cluster,
    role: Role,
    digest: String,
    spec: PodSpec,
    annotations: impl IntoIterator<Item = (String, String)>,
) -> PodTemplateSpec {
    let pod = &cluster.placement.pod;
    let mut all_labels = pod.labels.clone();
    all_labels.extend(labels(cluster, role));
    let mut all_annotations = pod.annotations.clone();
    all_annotations.extend(annotations);
    all_annotations.insert(CONFIGURATION_ANNOTATION.to_owned(), digest);
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(all_labels),
            annotations: Some(all_annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(spec),
    }
}

/// A pod's spec with everything but containers and volumes.
pub(super) fn spec(cluster: &Cluster, role: Role, grace_seconds: i64) -> PodSpec {
    let placement = &cluster.placement;
    PodSpec {
        affinity: Some(
            placement
                .pod
                .affinity
                .clone()
                .unwrap_or_else(|| apart(cluster, role)),
        ),
        automount_service_account_token: Some(false),
        // Kafka's images take variables of Services for properties, and so they stay away: a Service `kafka` stops them.
        enable_service_links: Some(false),
        image_pull_secrets: non_empty(placement.pod.image_pull_secrets.clone()),
        node_selector: Some(placement.node_selector.clone()).filter(|labels| !labels.is_empty()),
        priority_class_name: placement.pod.priority_class_name.clone(),
        security_context: Some(restricted_pod(KAFKA_USER)),
        service_account_name: Some(cluster.names.cluster().to_owned()),
        termination_grace_period_seconds: Some(grace_seconds),
        tolerations: Some(tolerations(cluster)),
        topology_spread_constraints: placement.rack_key.as_ref().map(|key| {
            vec![TopologySpreadConstraint {
                label_selector: Some(label_selector(cluster, role)),
                max_skew: 1,
                topology_key: key.clone(),
                // A rack that is down must not keep brokers from the others.
                when_unsatisfiable: "ScheduleAnyway".to_owned(),
                ..TopologySpreadConstraint::default()
            }]
        }),
        ..PodSpec::default()
    }
}

/// Rather on nodes of their own.
fn apart(cluster: &Cluster, role: Role) -> Affinity {
    Affinity {
        pod_anti_affinity: Some(PodAntiAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![WeightedPodAffinityTerm {
                weight: 50,
                pod_affinity_term: PodAffinityTerm {
                    label_selector: Some(label_selector(cluster, role)),
                    topology_key: "kubernetes.io/hostname".to_owned(),
                    ..PodAffinityTerm::default()
                },
            }]),
            ..PodAntiAffinity::default()
        }),
        ..Affinity::default()
    }
}

fn tolerations(cluster: &Cluster) -> Vec<Toleration> {
    let of_outage = |key: &str| Toleration {
        key: Some(key.to_owned()),
        operator: Some("Exists".to_owned()),
        effect: Some("NoExecute".to_owned()),
        toleration_seconds: Some(cluster.placement.grace_seconds),
        ..Toleration::default()
    };
    let mut tolerations = vec![
        of_outage("node.kubernetes.io/not-ready"),
        of_outage("node.kubernetes.io/unreachable"),
    ];
    tolerations.extend(cluster.placement.pod.tolerations.clone());
    tolerations
}
