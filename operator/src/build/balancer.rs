//! The balancer.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use kafka::settings::to_yaml;

use super::metadata::{Role, object};
use super::pod::{CERTIFICATES, mount, own_resources, secret_volume};
use super::programs::{self, BALANCER_PORT, Program, SIDECAR_PORT, everywhere};
use super::{BuildError, Installation, TOKEN_KEY, connection};
use crate::cluster::Cluster;

const TOKEN_FOLDER: &str = "/etc/kafka-balancer-token";

/// Its configuration, YAML.
pub(super) fn config(cluster: &Cluster) -> Result<String, BuildError> {
    let mut config = cluster.balancer.clone();
    config.kafka = connection(cluster, "kafka-balancer", CERTIFICATES)?;
    config.listen = everywhere(BALANCER_PORT);
    config.token_file = Some(format!("{TOKEN_FOLDER}/{TOKEN_KEY}").into());
    config.sidecars.port = cluster.jmx_sidecar.then_some(SIDECAR_PORT);
    Ok(to_yaml(&config)?)
}

/// Its Deployment.
pub(super) fn deployment(cluster: &Cluster, installation: &Installation, config: &str) -> Deployment {
    let token = secret_volume("token", &cluster.names.balancer_token());
    let account = cluster.names.balancer();
    let program = Program {
        role: Role::Balancer,
        image: installation.balancer_image_of(cluster),
        account: &account,
        command: "serve",
        port: BALANCER_PORT,
        port_name: "api",
        resources: own_resources("100m", "64Mi", "1Gi"),
        extra: vec![(token, mount("token", TOKEN_FOLDER, true))],
    };
    programs::deployment(cluster, program, config)
}

/// The Secret with which the operator and those who may read it command the balancer. It is made once, of a random
/// token, and not part of [`super::objects`], which are the same every time.
pub fn token_secret(cluster: &Cluster, token: &str) -> Secret {
    let token = ByteString(token.as_bytes().to_vec());
    Secret {
        metadata: object(cluster, Role::Balancer, cluster.names.balancer_token()),
        type_: Some("Opaque".to_owned()),
        data: Some(BTreeMap::from([(TOKEN_KEY.to_owned(), token)])),
        ..Secret::default()
    }
}
