//! Reads what there is of a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use balancer::client::Token;
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::jiff::Timestamp;
use kafka::error::with_causes;
use kube::ResourceExt;
use zeroize::Zeroizing;

use super::clients::Clients;
use super::kafka as asking;
use super::kubernetes::{Kubernetes, KubernetesError};
use super::{Operator, certificates};
use crate::build::{Role, TOKEN_KEY, connection, selector_text};
use crate::cluster::Cluster;
use crate::crd::{Kafkacluster, PAUSED_ANNOTATION};
use crate::decide::{
    BalancerFacts, ClaimFacts, KafkaFacts, NodeFacts, Observed, PodFacts, SetFacts, questions,
};

/// What was seen of a cluster, and what it was seen with.
pub(super) struct Look<K> {
    pub(super) observed: Observed,
    pub(super) kafka: Option<Arc<K>>,
    /// The Secret with the balancer's token, where there is one.
    pub(super) token: Option<Secret>,
}

/// What can be said of an object without looking at anything else.
pub(super) fn at_first(object: &Kafkacluster, failure: Option<String>) -> Observed {
    Observed {
        generation: object.metadata.generation,
        status: object.status.clone().unwrap_or_default(),
        paused: object
            .annotations()
            .get(PAUSED_ANNOTATION)
            .is_some_and(|value| value == "true"),
        brokers: None,
        controllers: None,
        broker_pods: Vec::new(),
        controller_pods: Vec::new(),
        claims: Vec::new(),
        nodes: Ok(BTreeMap::new()),
        certificate: Ok(None),
        kafka: Err("it was not asked".to_owned()),
        balancer: Err("it was not asked".to_owned()),
        failure,
        now: Timestamp::now(),
        random: rand::random(),
    }
}

impl<C: Clients> Operator<C> {
    /// Reads everything. What Kubernetes does not answer is an error, since nothing can be decided without it; what
    /// Kafka and the balancer do not answer is part of what was seen.
    pub(super) async fn look(
        &self,
        cluster: &Cluster,
        object: &Kafkacluster,
    ) -> Result<Look<C::Kafka>, KubernetesError> {
        let uid = object.metadata.uid.clone().unwrap_or_default();
        let (names, kubernetes) = (&cluster.names, &self.kubernetes);
        let namespace = names.namespace();
        let mut observed = at_first(object, self.memory.failure(&uid));
        let set = kubernetes.stateful_set(namespace, names.cluster()).await?;
        observed.brokers = set.as_ref().map(SetFacts::of);
        if cluster.metadata.is_kraft() {
            let set = kubernetes.stateful_set(namespace, &names.controllers()).await?;
            observed.controllers = set.as_ref().map(SetFacts::of);
            observed.controller_pods =
                pods(kubernetes, cluster, Role::Controller, &names.controllers()).await?;
        }
        observed.broker_pods = pods(kubernetes, cluster, Role::Broker, names.cluster()).await?;
        let claims = kubernetes
            .claims(namespace, &selector_text(cluster, Role::Broker))
            .await?;
        observed.claims = claims.iter().map(ClaimFacts::of).collect();
        observed.nodes = self.nodes(&observed).await;
        observed.certificate = self.certificate(cluster, &uid).await?;
        let token = kubernetes.secret(namespace, &names.balancer_token()).await?;
        let mut kafka = None;
        if observed.broker_pods.iter().any(|pod| pod.ready) {
            let (said, client) = self.ask_kafka(cluster, &uid, &observed).await;
            (observed.kafka, kafka) = (said, client);
            let state = self.clients.balancer_state(cluster).await;
            observed.balancer = state
                .map(BalancerFacts::from)
                .map_err(|error| with_causes(&error));
        } else {
            observed.kafka = Err("no broker is ready".to_owned());
            observed.balancer = Err("no broker is ready".to_owned());
        }
        Ok(Look {
            observed,
            kafka,
            token,
        })
    }

    /// The nodes on which pods are. Without the right to read nodes only racks and dead nodes are out of reach.
    async fn nodes(&self, observed: &Observed) -> Result<BTreeMap<String, NodeFacts>, String> {
        let pods = observed.broker_pods.iter().chain(&observed.controller_pods);
        let names: BTreeSet<&String> = pods.filter_map(|pod| pod.node.as_ref()).collect();
        let mut nodes = BTreeMap::new();
        for name in names {
            let node = self.kubernetes.node(name).await;
            let node = node.map_err(|error| error.to_string())?;
            nodes.extend(node.map(|node| (name.clone(), NodeFacts::of(&node))));
        }
        Ok(nodes)
    }

    async fn certificate(
        &self,
        cluster: &Cluster,
        uid: &str,
    ) -> Result<Result<Option<String>, String>, KubernetesError> {
        let Some(tls) = &cluster.listeners.tls else {
            return Ok(Ok(None));
        };
        let secret = self
            .kubernetes
            .secret(cluster.names.namespace(), &tls.secret_name)
            .await?;
        let folder = self.certificates.join(uid);
        let kept = certificates::keep(&folder, &tls.secret_name, secret.as_ref()).await;
        Ok(kept.map(Some).map_err(|error| with_causes(&error)))
    }

    async fn ask_kafka(
        &self,
        cluster: &Cluster,
        uid: &str,
        observed: &Observed,
    ) -> (Result<KafkaFacts, String>, Option<Arc<C::Kafka>>) {
        let settings = connection(cluster, "kafka-operator", self.certificates.join(uid));
        let settings = match settings {
            Ok(settings) => settings,
            Err(error) => return (Err(with_causes(&error)), None),
        };
        let client = self
            .memory
            .kafka(uid, settings, |settings| self.clients.kafka(settings));
        let said = asking::look(client.as_ref(), &questions(cluster, observed)).await;
        (said.map_err(|error| with_causes(&error)), Some(client))
    }
}

async fn pods(
    kubernetes: &Kubernetes,
    cluster: &Cluster,
    role: Role,
    set: &str,
) -> Result<Vec<PodFacts>, KubernetesError> {
    let labels = selector_text(cluster, role);
    let pods: Vec<Pod> = kubernetes.pods(cluster.names.namespace(), &labels).await?;
    let mut pods: Vec<PodFacts> = pods.iter().filter_map(|pod| PodFacts::of(pod, set)).collect();
    pods.sort_by_key(|pod| pod.number);
    Ok(pods)
}

/// The token of a Secret.
pub(super) fn bearer(secret: &Secret) -> Option<Token> {
    let token = secret.data.as_ref()?.get(TOKEN_KEY)?;
    let token = std::str::from_utf8(&token.0).ok()?.trim();
    Some(Token::Text(Zeroizing::new(token.to_owned())))
}
