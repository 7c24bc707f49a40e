//! How an operator runs.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::build::Installation;

/// What `kafka-operator run` is told.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// Run the Kafkaclusters of this namespace only; of all namespaces when missing
    #[arg(long, env = "KAFKA_OPERATOR_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Where /livez, /readyz and /metrics are served
    #[arg(long, default_value = "0.0.0.0:8080", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// The Lease by which one of several operators acts
    #[arg(long, default_value = "kafka-operator", value_name = "NAME")]
    pub lease: String,
    /// The namespace of this operator's pod, which alone network policies let in; any namespace when missing
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAMESPACE")]
    pub own_namespace: Option<String>,
    /// The namespace of the Lease; that of this pod, or of the current context, when missing
    #[arg(long, value_name = "NAMESPACE")]
    pub lease_namespace: Option<String>,
    /// What this operator is called in the Lease; a random name when missing
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub identity: Option<String>,
    /// A folder of this process alone, for the certificates with which it connects to clusters that have TLS
    #[arg(long, default_value = "/tmp/kafka-operator", value_name = "FOLDER")]
    pub certificates: PathBuf,
    /// The image of sidecars and of the exporter of consumer lag, where a cluster names none
    #[arg(long, env = "KAFKA_SIDECAR_IMAGE", value_name = "IMAGE", default_value_t = Installation::default().sidecar_image)]
    pub sidecar_image: String,
    /// The image of balancers, where a cluster names none
    #[arg(long, env = "KAFKA_BALANCER_IMAGE", value_name = "IMAGE", default_value_t = Installation::default().balancer_image)]
    pub balancer_image: String,
}

impl Settings {
    /// What clusters are built with.
    pub(super) fn installation(&self) -> Installation {
        Installation {
            sidecar_image: self.sidecar_image.clone(),
            balancer_image: self.balancer_image.clone(),
            namespace: self.own_namespace.clone(),
        }
    }
}
