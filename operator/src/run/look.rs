//! Reads what there is of a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use balancer::client::Token;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kafka::error::with_causes;
use kube::ResourceExt;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::clients::Clients;
use super::kafka as asking;
use super::kubernetes::{Existing, KubernetesError};
use super::passwords;
use super::secrets::{Known, Secrets};
use super::view::{View, ViewError};
use super::{Operator, certificates};
use crate::build::{Role, TOKEN_KEY, broker_resources, connection};
use crate::cluster::{Cluster, User};
use crate::crd::{Kafkacluster, PAUSED_ANNOTATION};
use crate::decide::{BalancerFacts, KafkaFacts, Observed, PodFacts, questions};

/// Before a process has run for so long without being ready nobody asks whether it serves all the same.
const STARTS_WITHIN: SignedDuration = SignedDuration::from_mins(2);

/// What was seen of a cluster, and what it was seen with.
pub(super) struct Look<K> {
    pub(super) observed: Observed,
    pub(super) kafka: Option<Arc<K>>,
    /// All objects of the cluster.
    pub(super) existing: Vec<Existing>,
    /// Whether there is a Secret with the balancer's token.
    pub(super) has_token: bool,
}

/// What can be said of an object without looking at anything else.
pub(super) fn at_first(object: &Kafkacluster) -> Observed {
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
        not_resized: BTreeSet::new(),
        nodes: Ok(BTreeMap::new()),
        certificate: Ok(None),
        passwords: BTreeMap::new(),
        kafka: Err("it was not asked".to_owned()),
        balancer: Err("it was not asked".to_owned()),
        now: Timestamp::now(),
        random: rand::random(),
    }
}

impl<C: Clients> Operator<C> {
    /// Reads everything. What Kubernetes does not answer is an error, since nothing can be decided without it; what
    /// Kafka and the balancer do not answer is part of what was seen.
    pub(super) async fn look(
        &self,
        view: View<'_>,
        cluster: &Cluster,
        object: &Kafkacluster,
    ) -> Result<Look<C::Kafka>, ViewError> {
        let uid = object.metadata.uid.clone().unwrap_or_default();
        let mut observed = at_first(object);
        self.look_at_kubernetes(view, cluster, &uid, &mut observed)
            .await?;
        let existing = view.existing(cluster).await?;
        self.read_secrets(cluster, &uid, object.metadata.generation)
            .await?;
        let has_token = self.memory.secrets(&uid, |secrets| {
            of_secrets(secrets, cluster, &mut observed);
            let token = secrets.of(&cluster.names.balancer_token());
            token.is_some_and(|known| known.version.is_some())
        });
        let mut kafka = None;
        // Kubernetes loses sight of brokers that serve when it does not hear of their nodes.
        let may_serve = |pod: &PodFacts| {
            let unseen = pod.since.map(|since| observed.now.duration_since(since));
            pod.ready || pod.runs && unseen.is_some_and(|unseen| unseen > STARTS_WITHIN)
        };
        if observed.broker_pods.iter().any(may_serve) {
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
            existing,
            has_token,
        })
    }

    /// Reads what Kubernetes has of pods, and of what they are made by and run on.
    async fn look_at_kubernetes(
        &self,
        view: View<'_>,
        cluster: &Cluster,
        uid: &str,
        observed: &mut Observed,
    ) -> Result<(), ViewError> {
        let names = &cluster.names;
        observed.brokers = view.stateful_set(cluster, names.cluster()).await?;
        if cluster.metadata.is_kraft() {
            let set = names.controllers();
            observed.controllers = view.stateful_set(cluster, &set).await?;
            observed.controller_pods = view.pods(cluster, Role::Controller, &set).await?;
        }
        observed.broker_pods = view.pods(cluster, Role::Broker, names.cluster()).await?;
        observed.claims = view.claims(cluster).await?;
        let pods = observed.broker_pods.iter().chain(&observed.controller_pods);
        let nodes = view
            .nodes(pods.filter_map(|pod| pod.node.as_deref()).collect())
            .await;
        observed.nodes = nodes.map_err(|error| with_causes(&error));
        let present = observed.broker_pods.iter().map(|pod| pod.uid.as_str());
        let resources = broker_resources(cluster);
        observed.not_resized = self.memory.not_resized(uid, &present.collect(), &resources);
        Ok(())
    }

    /// Reads the Secrets whose turn it is.
    async fn read_secrets(
        &self,
        cluster: &Cluster,
        uid: &str,
        generation: Option<i64>,
    ) -> Result<(), KubernetesError> {
        let token = cluster.names.balancer_token();
        let tls = cluster.listeners.tls.as_ref().map(|tls| tls.secret_name.as_str());
        let users = cluster.users.iter().map(|user| user.secret.as_str());
        let wanted: BTreeSet<&str> = users.chain(tls).chain([token.as_str()]).collect();
        let due = self
            .memory
            .secrets(uid, |secrets| secrets.due(&wanted, generation, Instant::now()));
        for name in due {
            let secret = self.kubernetes.secret(cluster.names.namespace(), &name).await?;
            let mut certificate = None;
            if tls == Some(name.as_str()) {
                let kept = certificates::keep(&self.certificates.join(uid), &name, secret.as_ref()).await;
                certificate = Some(kept.map_err(|error| with_causes(&error)));
            }
            let of_users = cluster.users.iter().filter(|user| user.secret == name);
            let passwords = of_users.map(|user| {
                let password = passwords::password(secret.as_ref(), &name, &user.key);
                (user.key.clone(), password.err().map(|error| error.to_string()))
            });
            let version = |secret: &Secret| secret.resource_version().unwrap_or_default();
            let known = Known {
                passwords: passwords.collect(),
                version: secret.as_ref().map(version),
                certificate,
            };
            passwords::wipe(secret);
            self.memory
                .secrets(uid, |secrets| secrets.keep(name, known, Instant::now()));
        }
        Ok(())
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

/// What is known of the certificate and of passwords.
fn of_secrets(secrets: &Secrets, cluster: &Cluster, observed: &mut Observed) {
    if let Some(tls) = &cluster.listeners.tls {
        let certificate = secrets.of(&tls.secret_name);
        let certificate = certificate.and_then(|known| known.certificate.clone());
        observed.certificate = certificate
            .unwrap_or_else(|| Err("it was not read".to_owned()))
            .map(Some);
    }
    let password = |user: &User| {
        let known = secrets.of(&user.secret);
        let unread = || Err(format!("the Secret {} was not read", user.secret));
        known.map_or_else(unread, |known| known.password(&user.secret, &user.key))
    };
    let users = cluster.users.iter();
    observed.passwords = users.map(|user| (user.name.clone(), password(user))).collect();
}

/// The token of a Secret.
pub(super) fn bearer(secret: &Secret) -> Option<Token> {
    let token = secret.data.as_ref()?.get(TOKEN_KEY)?;
    let token = std::str::from_utf8(&token.0).ok()?.trim();
    Some(Token::Text(Zeroizing::new(token.to_owned())))
}
