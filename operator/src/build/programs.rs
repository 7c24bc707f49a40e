//! What runs once per cluster beside the brokers: the exporter of consumer lag and the balancer.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy};
use k8s_openapi::api::core::v1::{
    ConfigMap, Container, PodSpec, PodTemplateSpec, ResourceRequirements, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sidecar::config::{DEFAULT_INTERVAL, DEFAULT_PORT, Granularity, MetricsConfig, Names};

use super::metadata::{Role, label_selector, labels, object};
use super::pod::{
    CERTIFICATES, certificates, config_volume, container_port, http_probe, mount, non_empty,
    restricted_container, restricted_pod, scraped,
};
use super::restart::{CONFIGURATION_ANNOTATION, digest};
use crate::cluster::Cluster;
use crate::crd;

/// Where sidecars serve.
pub(super) const SIDECAR_PORT: u16 = DEFAULT_PORT;
/// Where the exporter of consumer lag serves, as the original's did.
pub(super) const OFFSETS_PORT: u16 = 8080;
/// Where the balancer serves.
pub(super) const BALANCER_PORT: u16 = 9405;

/// The user of the images of the operator's programs.
const USER: i64 = 65532;
const FILE: &str = "config.yaml";
const FOLDER: &str = "/etc/kafka-operator";

/// What tells one program from the other.
pub(super) struct Program<'a> {
    pub(super) role: Role,
    pub(super) image: &'a str,
    pub(super) account: &'a str,
    pub(super) command: &'static str,
    pub(super) port: u16,
    pub(super) port_name: &'static str,
    pub(super) resources: ResourceRequirements,
    /// Beside the configuration and the certificates.
    pub(super) extra: Vec<(Volume, VolumeMount)>,
}

/// The ConfigMap of a program.
pub(super) fn config_map(cluster: &Cluster, role: Role, config: &str) -> ConfigMap {
    ConfigMap {
        metadata: object(cluster, role, role.object_name(cluster)),
        data: Some(BTreeMap::from([(FILE.to_owned(), config.to_owned())])),
        ..ConfigMap::default()
    }
}

/// The Deployment of a program. It starts anew with another configuration, and costs Kafka nothing by that.
pub(super) fn deployment(cluster: &Cluster, program: Program<'_>, config: &str) -> Deployment {
    let name = program.role.object_name(cluster);
    let mut annotations = scraped(program.port);
    annotations.insert(CONFIGURATION_ANNOTATION.to_owned(), digest(config));
    Deployment {
        metadata: object(cluster, program.role, &name),
        spec: Some(DeploymentSpec {
            replicas: Some(1),
            selector: label_selector(cluster, program.role),
            // Two at a time would count everything twice.
            strategy: Some(DeploymentStrategy {
                type_: Some("Recreate".to_owned()),
                ..DeploymentStrategy::default()
            }),
            revision_history_limit: Some(2),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels(cluster, program.role)),
                    annotations: Some(annotations),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(cluster, &name, program)),
            },
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

fn pod(cluster: &Cluster, config_map: &str, program: Program<'_>) -> PodSpec {
    let mut volumes = vec![config_volume("configuration", config_map)];
    let mut mounts = vec![mount("configuration", FOLDER, true)];
    if let Some(volume) = certificates(cluster) {
        volumes.push(volume);
        mounts.push(mount("certificates", CERTIFICATES, true));
    }
    for (volume, mount) in program.extra {
        volumes.push(volume);
        mounts.push(mount);
    }
    let container = Container {
        name: program.role.component().to_owned(),
        image: Some(program.image.to_owned()),
        args: Some(
            [program.command, "--config", &format!("{FOLDER}/{FILE}")]
                .map(str::to_owned)
                .to_vec(),
        ),
        ports: Some(vec![container_port(program.port_name, program.port)]),
        liveness_probe: Some(http_probe("/livez", program.port, 3)),
        readiness_probe: Some(http_probe("/readyz", program.port, 3)),
        resources: Some(program.resources),
        security_context: Some(restricted_container()),
        volume_mounts: Some(mounts),
        ..Container::default()
    };
    PodSpec {
        automount_service_account_token: Some(false),
        containers: vec![container],
        enable_service_links: Some(false),
        image_pull_secrets: non_empty(cluster.placement.pod.image_pull_secrets.clone()),
        security_context: Some(restricted_pod(USER)),
        service_account_name: Some(program.account.to_owned()),
        volumes: Some(volumes),
        ..PodSpec::default()
    }
}

/// Every address of the pod, since who asks is elsewhere.
pub(super) fn everywhere(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))
}

/// How often sidecars and the exporter sample.
pub(super) fn sampling_interval(cluster: &Cluster) -> Duration {
    let seconds = cluster.sidecar.interval_seconds;
    seconds.map_or(DEFAULT_INTERVAL, |seconds| Duration::from_secs(seconds.into()))
}

/// What `/metrics` of sidecars and the exporter says.
pub(super) fn metrics(cluster: &Cluster) -> MetricsConfig {
    let default = MetricsConfig::default();
    let said = &cluster.sidecar;
    MetricsConfig {
        names: said.names.map_or(default.names, |names| match names {
            crd::MetricNames::Strimzi => Names::Strimzi,
            crd::MetricNames::Confluent => Names::Confluent,
        }),
        granularity: match (said.granularity, said.busiest_partitions) {
            (Some(crd::Granularity::Topic), _) => Granularity::Topic,
            (_, Some(busiest)) => Granularity::Top(busiest),
            (Some(crd::Granularity::Partition), None) => Granularity::Partition,
            (None, None) => default.granularity,
        },
        series_per_family: said.series_per_family.unwrap_or(default.series_per_family),
        ..default
    }
}
