//! How a cluster's Kafka and its balancer are reached.

use std::time::Duration;

use balancer::client::{ClientError, Server, Token};
use kafka::client::KafkaCluster;
use kafka::connection::ConnectionSettings;
use kafka::membership::Membership;

use crate::build::balancer_url;
use crate::cluster::Cluster;

/// How long the balancer has for an answer. A cluster whose balancer is slow must not keep the others waiting.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes clients. Tests have another one, whose clients reach no network.
pub trait Clients: Send + Sync + 'static {
    /// A client of Kafka.
    type Kafka: kafka::Cluster + Membership;

    /// A client of the Kafka that is reached in this way.
    fn kafka(&self, settings: ConnectionSettings) -> Self::Kafka;

    /// Where a cluster's balancer is.
    fn balancer_url(&self, cluster: &Cluster) -> String;
}

/// The clients of real clusters.
#[derive(Debug, Clone, Copy)]
pub struct Network;

impl Clients for Network {
    type Kafka = KafkaCluster;

    fn kafka(&self, settings: ConnectionSettings) -> KafkaCluster {
        KafkaCluster::new(settings)
    }

    fn balancer_url(&self, cluster: &Cluster) -> String {
        balancer_url(cluster)
    }
}

/// A client of the balancer at this address.
pub(super) fn balancer(url: &str, token: Option<Token>) -> Result<Server, ClientError> {
    Server::new(url, token, PATIENCE)
}
