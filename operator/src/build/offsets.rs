//! The exporter of consumer lag, which also tells sidecars how fast groups consume.

use k8s_openapi::api::apps::v1::Deployment;
use kafka::settings::to_yaml;
use sidecar::config::OffsetsConfig;

use super::metadata::Role;
use super::pod::{CERTIFICATES, own_resources};
use super::programs::{self, OFFSETS_PORT, Program, everywhere, metrics, sampling_interval};
use super::{BuildError, Installation, connection};
use crate::cluster::Cluster;

/// Its configuration, YAML.
pub(super) fn config(cluster: &Cluster) -> Result<String, BuildError> {
    let mut config = OffsetsConfig::new(connection(cluster, "kafka-offset-checker", CERTIFICATES)?);
    config.listen = everywhere(OFFSETS_PORT);
    config.interval = sampling_interval(cluster);
    config.metrics = metrics(cluster);
    // Sidecars export partitions, where there are any; sums over both would count twice.
    config.export_partitions = !cluster.jmx_sidecar;
    Ok(to_yaml(&config)?)
}

/// Its Deployment.
pub(super) fn deployment(cluster: &Cluster, installation: &Installation, config: &str) -> Deployment {
    let program = Program {
        role: Role::Offsets,
        image: installation.sidecar_image_of(cluster),
        account: cluster.names.cluster(),
        command: "offsets",
        port: OFFSETS_PORT,
        port_name: "prometheus",
        resources: own_resources("50m", "64Mi", "512Mi"),
        extra: Vec::new(),
    };
    programs::deployment(cluster, program, config)
}
