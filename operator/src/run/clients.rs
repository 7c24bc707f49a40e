//! How a cluster's Kafka and its balancer are reached.

use std::future::Future;
use std::time::Duration;

use balancer::api::view::State;
use balancer::client::{ClientError, Server, Token};
use kafka::client::KafkaCluster;
use kafka::connection::{ConnectionSettings, Tls};
use kafka::membership::Membership;
use kafka::users::Users;

use crate::build::balancer_url;
use crate::cluster::Cluster;
use crate::decide::BalancerOrder;

/// How long the balancer has for an answer. A cluster whose balancer is slow must not keep the others waiting.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reaches Kafka and balancers. Tests have others, that reach no network.
pub trait Clients: Send + Sync + 'static {
    /// A client of Kafka.
    type Kafka: kafka::Cluster + Membership + Users;

    /// A client of the Kafka that is reached in this way.
    fn kafka(&self, settings: ConnectionSettings) -> Self::Kafka;

    /// What a cluster's balancer says of itself.
    fn balancer_state(&self, cluster: &Cluster) -> impl Future<Output = Result<State, ClientError>> + Send;

    /// Asks something of a cluster's balancer.
    fn order(
        &self,
        cluster: &Cluster,
        token: Option<Token>,
        order: &BalancerOrder,
    ) -> impl Future<Output = Result<(), ClientError>> + Send;
}

/// The clients of real clusters.
#[derive(Debug, Clone, Copy)]
pub struct Network;

impl Clients for Network {
    type Kafka = KafkaCluster;

    fn kafka(&self, settings: ConnectionSettings) -> KafkaCluster {
        KafkaCluster::new(settings)
    }

    async fn balancer_state(&self, cluster: &Cluster) -> Result<State, ClientError> {
        server(cluster, None)?.state().await
    }

    async fn order(
        &self,
        cluster: &Cluster,
        token: Option<Token>,
        order: &BalancerOrder,
    ) -> Result<(), ClientError> {
        let server = server(cluster, token)?;
        let done = match order {
            BalancerOrder::Drain(brokers) => server.drain(brokers).await,
            BalancerOrder::Undrain(brokers) => server.undrain(brokers).await,
            BalancerOrder::Replicate(topics) => {
                let topics = topics.iter();
                let topics = topics.map(|(topic, replicas)| (topic.clone(), Some(*replicas)));
                server.replicate(topics.collect()).await
            }
        };
        done.map(|_| ())
    }
}

/// The balancer of a cluster, which serves over plain HTTP: its Service is asked within Kubernetes only.
fn server(cluster: &Cluster, token: Option<Token>) -> Result<Server, ClientError> {
    Server::new(&balancer_url(cluster), &Tls::default(), token, PATIENCE)
}
