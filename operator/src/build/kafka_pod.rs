//! What pods of brokers and of controllers have in common.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{
    StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, ConfigMapVolumeSource, Container, EmptyDirVolumeSource, EnvVar, EnvVarSource,
    ObjectFieldSelector, PersistentVolumeClaim, PersistentVolumeClaimSpec, PodAffinityTerm, PodAntiAffinity,
    PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ResourceRequirements, SeccompProfile,
    SecretVolumeSource, SecurityContext, TCPSocketAction, Toleration, TopologySpreadConstraint, Volume,
    VolumeMount, VolumeResourceRequirements, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::metadata::{Role, label_selector, labels, texts};
use super::restart::{CONFIGURATION_ANNOTATION, configuration_digest};
use super::server_properties::{CERTIFICATES, DATA, FOLDER};
use super::{Known, metadata};
use crate::cluster::{Cluster, Storage};
use crate::crd::VolumeDeletionPolicy;

/// The name of the volume, which is also that of its claims.
pub(super) const DATA_VOLUME: &str = "kafka-data";

/// The user of both images.
const KAFKA_USER: i64 = 1000;

/// The container of a broker or a controller; `heap` is in bytes.
pub(super) fn container(
    cluster: &Cluster,
    file: &str,
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
        name: "kafka".to_owned(),
        image: Some(cluster.image.to_string()),
        command: Some(
            ["/bin/sh", &format!("{FOLDER}/start.sh"), file]
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

/// The cluster's certificate; none without TLS.
pub(super) fn certificates(cluster: &Cluster) -> Option<Volume> {
    let tls = cluster.listeners.tls.as_ref()?;
    Some(Volume {
        name: "certificates".to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(tls.secret_name.clone()),
            // Of the group, and of nobody else.
            default_mode: Some(0o440),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    })
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

/// What becomes of claims; none where there are none.
pub(super) fn retention(cluster: &Cluster) -> Option<StatefulSetPersistentVolumeClaimRetentionPolicy> {
    let Storage::Volume { deletion, .. } = &cluster.storage else {
        return None;
    };
    let policy = match deletion {
        VolumeDeletionPolicy::Retain => "Retain",
        VolumeDeletionPolicy::Delete => "Delete",
    };
    Some(StatefulSetPersistentVolumeClaimRetentionPolicy {
        when_deleted: Some(policy.to_owned()),
        when_scaled: Some(policy.to_owned()),
    })
}

/// The operator deletes pods itself, in an order that keeps partitions in sync.
pub(super) fn update_strategy() -> StatefulSetUpdateStrategy {
    StatefulSetUpdateStrategy {
        type_: Some("OnDelete".to_owned()),
        ..StatefulSetUpdateStrategy::default()
    }
}

/// The pod's metadata, with what users add.
pub(super) fn template(
    cluster: &Cluster,
    role: Role,
    known: &Known,
    spec: PodSpec,
    annotations: impl IntoIterator<Item = (String, String)>,
) -> PodTemplateSpec {
    let pod = &cluster.placement.pod;
    let mut all_labels = pod.labels.clone();
    all_labels.extend(labels(cluster, role));
    let mut all_annotations = pod.annotations.clone();
    all_annotations.extend(annotations);
    let digest = configuration_digest(cluster, known);
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

/// A pod that is no root, in the sense of the restricted pod security standard.
pub(super) fn restricted_pod(user: i64) -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(user),
        run_as_group: Some(user),
        fs_group: Some(user),
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            ..SeccompProfile::default()
        }),
        ..PodSecurityContext::default()
    }
}

/// A container that can do nothing but compute and write to its volumes.
pub(super) fn restricted_container() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            ..Capabilities::default()
        }),
        ..SecurityContext::default()
    }
}

/// Requests and limits; what is limited is memory only, since a limit of CPU stops programs that have done no harm.
pub(super) fn resources(cpu: Quantity, memory: Quantity, memory_limit: Quantity) -> ResourceRequirements {
    ResourceRequirements {
        requests: Some(BTreeMap::from([
            ("cpu".to_owned(), cpu),
            ("memory".to_owned(), memory),
        ])),
        limits: Some(BTreeMap::from([("memory".to_owned(), memory_limit)])),
        ..ResourceRequirements::default()
    }
}

/// Quantities of the operator's own.
pub(super) fn own_resources(cpu: &str, memory: &str, memory_limit: &str) -> ResourceRequirements {
    let quantity = |text: &str| Quantity(text.to_owned());
    resources(quantity(cpu), quantity(memory), quantity(memory_limit))
}

pub(super) fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        ..EnvVar::default()
    }
}

pub(super) fn from_field(name: &str, path: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                field_path: path.to_owned(),
                ..ObjectFieldSelector::default()
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    }
}

pub(super) fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

pub(super) fn config_volume(name: &str, config_map: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: config_map.to_owned(),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }
}

pub(super) fn empty_dir(name: &str, most: Quantity) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            size_limit: Some(most),
            ..EmptyDirVolumeSource::default()
        }),
        ..Volume::default()
    }
}

pub(super) fn non_empty<T>(values: Vec<T>) -> Option<Vec<T>> {
    Some(values).filter(|values| !values.is_empty())
}

/// Annotations by which many Prometheus find what to scrape.
pub(super) fn scraped(port: u16) -> BTreeMap<String, String> {
    texts([
        ("prometheus.io/scrape", "true"),
        ("prometheus.io/port", &port.to_string()),
        ("prometheus.io/path", "/metrics"),
    ])
}
