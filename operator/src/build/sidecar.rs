//! The sidecar of each broker.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Container, Volume};
use kafka::BrokerId;
use kafka::settings::to_yaml;
use sidecar::config::{BrokerConfig, ConsumptionConfig, JolokiaConfig};

use super::metadata::{Role, object};
use super::pod::{
    CERTIFICATES, config_volume, container_port, from_field, http_probe, mount, own_resources,
    restricted_container,
};
use super::programs::{OFFSETS_PORT, SIDECAR_PORT, everywhere, metrics, sampling_interval};
use super::{BuildError, connection};
use crate::cluster::Cluster;

/// Where the Jolokia agent listens, on the pod's loopback only.
pub(super) const JOLOKIA_PORT: u16 = 8778;

const FOLDER: &str = "/etc/kafka-sidecar";

/// A file for each broker: a StatefulSet's pods are all alike, and each sidecar has to know its own broker.
pub(super) fn config_map(cluster: &Cluster, broker_pods: u16) -> Result<ConfigMap, BuildError> {
    let data = (0..broker_pods)
        .map(|broker| Ok((format!("{broker}.yaml"), to_yaml(&config(cluster, broker)?)?)))
        .collect::<Result<BTreeMap<_, _>, BuildError>>()?;
    Ok(ConfigMap {
        metadata: object(cluster, Role::Broker, cluster.names.sidecar_config()),
        data: Some(data),
        ..ConfigMap::default()
    })
}

fn config(cluster: &Cluster, broker: u16) -> Result<BrokerConfig, BuildError> {
    let mut connection = connection(cluster, "kafka-sidecar", CERTIFICATES)?;
    connection.bootstrap = vec![cluster.names.broker_address(broker)?];
    let id = BrokerId::try_from(i32::from(broker))?;
    let jolokia = format!("http://127.0.0.1:{JOLOKIA_PORT}/jolokia/");
    let offsets = cluster.names.service_host(&cluster.names.offsets());
    let consumption = format!("http://{offsets}:{OFFSETS_PORT}/v1/consumption");
    let mut config = BrokerConfig::new(id, connection);
    config.listen = everywhere(SIDECAR_PORT);
    config.interval = sampling_interval(cluster);
    config.jolokia = Some(JolokiaConfig::new(jolokia.parse().map_err(BuildError::Url)?));
    let consumption = consumption.parse().map_err(BuildError::Url)?;
    config.consumption = Some(ConsumptionConfig::new(consumption));
    config.metrics = metrics(cluster);
    Ok(config)
}

/// The container. Whether the broker is ready does not depend on it.
pub(super) fn container(cluster: &Cluster, image: &str) -> Container {
    let mut mounts = vec![mount("sidecar", FOLDER, true)];
    if cluster.listeners.tls.is_some() {
        mounts.push(mount("certificates", CERTIFICATES, true));
    }
    Container {
        name: "sidecar".to_owned(),
        image: Some(image.to_owned()),
        args: Some(
            ["broker", "--config", &format!("{FOLDER}/$(BROKER).yaml")]
                .map(str::to_owned)
                .to_vec(),
        ),
        env: Some(vec![from_field(
            "BROKER",
            "metadata.labels['apps.kubernetes.io/pod-index']",
        )]),
        ports: Some(vec![container_port("metrics", SIDECAR_PORT)]),
        liveness_probe: Some(http_probe("/livez", SIDECAR_PORT, 6)),
        resources: Some(own_resources("50m", "32Mi", "128Mi")),
        security_context: Some(restricted_container()),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

/// Its volume.
pub(super) fn volume(cluster: &Cluster) -> Volume {
    config_volume("sidecar", &cluster.names.sidecar_config())
}
