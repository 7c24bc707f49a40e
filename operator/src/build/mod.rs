//! From a cluster to the Kubernetes objects that it needs.
//!
//! [`objects`] is a function of its arguments: the same cluster gives the same objects, to the byte, so that applying
//! them again changes nothing.

mod addresses;
mod balancer;
mod brokers;
mod controllers;
mod disruption;
mod kafka_pod;
mod metadata;
mod network;
mod offsets;
mod pod;
mod programs;
mod restart;
mod server_properties;
mod services;
mod sidecar;

use std::path::PathBuf;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kafka::connection::{ConnectionSettings, InvalidAddress, Security, Tls, TlsIdentity};
use kube::api::ApiResource;
use serde::Serialize;
use thiserror::Error;

use crate::cluster::{Cluster, ClusterId, Metadata};

pub use addresses::{balancer_url, listeners};
pub use balancer::token_secret;
pub use brokers::broker_requirements;
pub use kafka_pod::{KAFKA_CONTAINER, broker_claim};
pub use metadata::{OPERATOR_LABEL, OURS, Role, as_text, cluster_selector, selector, selector_text};
pub use restart::{
    CONFIGURATION_ANNOTATION, RESOURCES_ANNOTATION, broker_digest, broker_resources, controller_digest,
};

/// On a broker's pod: the rack of its node. The operator writes it when the pod has a node, and the broker waits for it,
/// since a pod cannot ask for the labels of its node.
pub const RACK_ANNOTATION: &str = "krallistic.github.com/rack";

/// The variable of brokers and controllers with the cluster's id in KRaft mode.
pub const CLUSTER_ID_VARIABLE: &str = "CLUSTER_ID";

/// The file in the sidecar's image that an init container copies for the broker's JVM, for which the image has a `cp`.
pub const JOLOKIA_AGENT: &str = "/opt/jolokia/jolokia-agent.jar";

/// The key of the balancer's token within its Secret.
pub const TOKEN_KEY: &str = "token";

/// What the operator was installed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// The image of sidecars and of the exporter of consumer lag, unless a cluster names its own.
    pub sidecar_image: String,
    /// The image of balancers, unless a cluster names its own.
    pub balancer_image: String,
    /// The namespace in which the operator runs, where it runs in a pod.
    pub namespace: Option<String>,
}

impl Default for Installation {
    fn default() -> Self {
        let version = env!("CARGO_PKG_VERSION");
        Self {
            sidecar_image: format!("krallistic/kafka-sidecar:{version}"),
            balancer_image: format!("krallistic/kafka-balancer:{version}"),
            namespace: None,
        }
    }
}

impl Installation {
    /// The image of a cluster's sidecars and of its exporter of consumer lag.
    fn sidecar_image_of<'a>(&'a self, cluster: &'a Cluster) -> &'a str {
        cluster.sidecar.image.as_ref().unwrap_or(&self.sidecar_image)
    }

    /// The image of a cluster's balancer.
    fn balancer_image_of<'a>(&'a self, cluster: &'a Cluster) -> &'a str {
        cluster.balancer_image.as_ref().unwrap_or(&self.balancer_image)
    }
}

/// What is known of a running cluster and in no spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// In KRaft mode the id, which was decided before the first pod was made.
    pub cluster_id: Option<ClusterId>,
    /// How many brokers there must be pods for: more than the spec says while brokers are being emptied.
    pub broker_pods: u16,
    /// A digest of the certificate and key that brokers were given; with another one they restart.
    pub certificate: Option<String>,
}

/// One object of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "their names are Kubernetes'")]
pub enum Object {
    ServiceAccount(Box<ServiceAccount>),
    ConfigMap(Box<ConfigMap>),
    Service(Box<Service>),
    NetworkPolicy(Box<NetworkPolicy>),
    PodDisruptionBudget(Box<PodDisruptionBudget>),
    StatefulSet(Box<StatefulSet>),
    Deployment(Box<Deployment>),
}

macro_rules! objects {
    ($($kind:ident),*) => {
        $(impl From<$kind> for Object {
            fn from(object: $kind) -> Self {
                Self::$kind(Box::new(object))
            }
        })*

        impl Object {
            /// Its metadata.
            pub fn metadata(&self) -> &ObjectMeta {
                match self {
                    $(Self::$kind(object) => &object.metadata,)*
                }
            }

            /// Its kind.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$kind(_) => stringify!($kind),)*
                }
            }

            /// How its kind is called by the API.
            pub fn resource(&self) -> ApiResource {
                match self {
                    $(Self::$kind(_) => ApiResource::erase::<$kind>(&()),)*
                }
            }

            /// All kinds that a cluster can have objects of.
            pub fn resources() -> Vec<ApiResource> {
                vec![$(ApiResource::erase::<$kind>(&())),*]
            }
        }
    };
}

objects!(
    ServiceAccount,
    ConfigMap,
    Service,
    NetworkPolicy,
    PodDisruptionBudget,
    StatefulSet,
    Deployment
);

impl Object {
    /// Its name.
    pub fn name(&self) -> &str {
        self.metadata().name.as_deref().unwrap_or_default()
    }
}

/// Why objects cannot be built.
#[derive(Debug, Error)]
pub enum BuildError {
    /// A cluster in KRaft mode has no id yet.
    #[error(
        "the cluster has no id yet; it has to be decided, and kept in the status, before anything is built"
    )]
    NoClusterId,
    /// A broker's address is none. Names that were validated make none such.
    #[error(transparent)]
    Address(#[from] InvalidAddress),
    /// The address of a program of the operator's is none.
    #[error("{0}")]
    Url(String),
    /// A broker's id is none.
    #[error(transparent)]
    Broker(#[from] kafka::ids::InvalidId),
    /// A configuration cannot be written.
    #[error("a configuration cannot be written: {0}")]
    Configuration(#[from] serde_saphyr::ser::Error),
}

/// All objects of a cluster, in the order in which they are applied: what others refer to comes first.
///
/// # Errors
///
/// The id of a cluster in KRaft mode is not known. The other errors do not happen to clusters that were validated.
pub fn objects(
    cluster: &Cluster,
    installation: &Installation,
    known: &Known,
) -> Result<Vec<Object>, BuildError> {
    let mut objects = vec![
        metadata::account(cluster, Role::Broker).into(),
        metadata::account(cluster, Role::Balancer).into(),
        server_properties::config_map(cluster).into(),
    ];
    if cluster.jmx_sidecar {
        objects.push(sidecar::config_map(cluster, known.broker_pods)?.into());
    }
    let offsets = offsets::config(cluster)?;
    let balancer = balancer::config(cluster)?;
    objects.push(programs::config_map(cluster, Role::Offsets, &offsets).into());
    objects.push(programs::config_map(cluster, Role::Balancer, &balancer).into());
    objects.extend(
        services::all(cluster, known.broker_pods)
            .into_iter()
            .map(Object::from),
    );
    objects.extend(
        network::policies(cluster, installation)
            .into_iter()
            .map(Object::from),
    );
    objects.extend(disruption::budgets(cluster).into_iter().map(Object::from));
    if let Metadata::KRaft { controllers } = cluster.metadata {
        let id = known.cluster_id.as_ref().ok_or(BuildError::NoClusterId)?;
        objects.push(controllers::stateful_set(cluster, controllers, id, known).into());
    }
    objects.push(brokers::stateful_set(cluster, installation, known).into());
    objects.push(offsets::deployment(cluster, installation, &offsets).into());
    objects.push(balancer::deployment(cluster, installation, &balancer).into());
    Ok(objects)
}

/// How the operator and what it runs reach the cluster, with the files of the cluster's certificate in `certificates`
/// where it has TLS.
///
/// # Errors
///
/// None for clusters that were validated.
pub fn connection(
    cluster: &Cluster,
    client_id: &str,
    certificates: impl Into<PathBuf>,
) -> Result<ConnectionSettings, InvalidAddress> {
    // Three are enough to find the others, and who connects is not restarted when brokers are added.
    const BOOTSTRAP: u16 = 3;
    let brokers = 0..cluster.brokers.min(BOOTSTRAP);
    let bootstrap = brokers
        .map(|broker| cluster.names.broker_address(broker))
        .collect::<Result<_, _>>()?;
    let mut connection = ConnectionSettings::plaintext(bootstrap);
    client_id.clone_into(&mut connection.client_id);
    if cluster.listeners.tls.is_some() {
        let folder: PathBuf = certificates.into();
        connection.security = Security::Ssl(Tls {
            ca_file: Some(folder.join("ca.crt")),
            identity: Some(TlsIdentity {
                cert_file: folder.join("tls.crt"),
                key_file: folder.join("tls.key"),
            }),
        });
    }
    Ok(connection)
}
