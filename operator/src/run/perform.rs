//! Takes the steps of a decision, in their order.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};
use kafka::error::with_causes;
use kafka::users::UserChange;
use kube::ResourceExt;
use rand::RngExt;
use rand::distr::Alphanumeric;
use sha2::{Digest, Sha256};

use super::clients::Clients;
use super::kafka as asking;
use super::kubernetes::{Existing, KubernetesError, Resized};
use super::look::{Look, bearer};
use super::memory::Applied;
use super::{Operator, ReconcileError, passwords};
use crate::build::{
    KAFKA_CONTAINER, Object, RACK_ANNOTATION, RESOURCES_ANNOTATION, broker_requirements, broker_resources,
    token_secret,
};
use crate::cluster::Cluster;
use crate::crd::Kafkacluster;
use crate::decide::{BalancerOrder, Decision, Replaced, UserSteps};

/// Characters of a balancer's token, 190 bits.
const TOKEN_LENGTH: usize = 32;

/// Requests of which the answers are awaited together.
const ASKED_AT_ONCE: usize = 16;

/// What of the objects of a cluster is not as decided.
#[derive(Default)]
pub(super) struct Changes<'a> {
    /// Whether the balancer has no token yet.
    token: bool,
    /// Objects that differ, are missing or were not applied by this process, and what is known to be there of each.
    apply: Vec<(&'a Object, Applied)>,
    remove: Vec<&'a Existing>,
}

impl Changes<'_> {
    /// Whether all objects are as decided.
    pub(super) fn is_empty(&self) -> bool {
        !self.token && self.apply.is_empty() && self.remove.is_empty()
    }
}

impl<C: Clients> Operator<C> {
    /// Takes all steps but the last, which is the status. What Kubernetes refuses ends them; what Kafka or the balancer
    /// refuse is told when everything else has been done.
    pub(super) async fn perform(
        &self,
        cluster: &Cluster,
        object: &Kafkacluster,
        look: &Look<C::Kafka>,
        decision: &Decision,
    ) -> Result<(), ReconcileError> {
        let namespace = cluster.names.namespace();
        let kubernetes = &self.kubernetes;
        for (pod, rack) in &decision.racks {
            kubernetes.annotate(namespace, pod, RACK_ANNOTATION, rack).await?;
        }
        for pod in &decision.bury {
            kubernetes.delete_pod(namespace, pod, true).await?;
        }
        let mut failures = Vec::new();
        for (claim, size) in &decision.grow {
            // A class that cannot grow, or a quota, is nothing that keeps brokers from being mended.
            let grown = kubernetes.grow(namespace, claim, size).await;
            failures.extend(grown.err().map(|error| error.to_string()));
        }
        if decision.recreate {
            kubernetes.orphan(namespace, cluster.names.cluster()).await?;
        }
        self.apply(cluster, object, self.changes(object, look, decision))
            .await?;
        if let Some(kafka) = &look.kafka {
            failures.extend(asking::perform(kafka.as_ref(), decision).await);
            failures.extend(self.alter_users(cluster, kafka.as_ref(), &decision.users).await?);
        }
        for order in &decision.orders {
            failures.extend(self.order(cluster, order).await.err());
        }
        for claim in &decision.discard {
            kubernetes.delete_claim(namespace, claim).await?;
        }
        for pod in &decision.resize {
            // A quota may refuse one, and what comes then may be what mends a broker.
            let resized = self.resize(cluster, object, pod).await;
            failures.extend(resized.err().map(|error| error.to_string()));
        }
        for pod in &decision.replace {
            kubernetes.delete_pod(namespace, pod, false).await?;
        }
        match failures.is_empty() {
            true => Ok(()),
            false => Err(ReconcileError::Refused {
                reason: failures.join("; "),
                again: decision.again,
            }),
        }
    }

    /// What of the objects of a cluster is not as decided.
    pub(super) fn changes<'a>(
        &self,
        object: &Kafkacluster,
        look: &'a Look<C::Kafka>,
        decision: &'a Decision,
    ) -> Changes<'a> {
        let uid = object.uid().unwrap_or_default();
        let mut changes = Changes::default();
        // Nothing can be built: then nothing is removed either.
        if decision.objects.is_empty() {
            return changes;
        }
        changes.token = !look.has_token;
        for wanted in &decision.objects {
            let is_it =
                |existing: &&Existing| existing.kind() == wanted.kind() && existing.name == wanted.name();
            let written = serde_json::to_vec(wanted).unwrap_or_default();
            let now = Applied {
                digest: Sha256::digest(&written).to_vec(),
                version: look
                    .existing
                    .iter()
                    .find(is_it)
                    .and_then(|found| found.version.clone()),
            };
            let (kind, name) = (wanted.kind(), wanted.name());
            if now.version.is_none() || !self.memory.is_applied(&uid, kind, name, &now) {
                changes.apply.push((wanted, now));
            }
        }
        let wanted: BTreeSet<(&str, &str)> = decision
            .objects
            .iter()
            .map(|object| (object.kind(), object.name()))
            .collect();
        let unwanted = look.existing.iter().filter(|existing| {
            existing.owners.contains(&uid) && !wanted.contains(&(existing.kind(), existing.name.as_str()))
        });
        changes.remove = unwanted.collect();
        changes
    }

    /// Applies objects that are not as decided, and deletes those of the cluster that it should not have.
    async fn apply(
        &self,
        cluster: &Cluster,
        object: &Kafkacluster,
        changes: Changes<'_>,
    ) -> Result<(), ReconcileError> {
        let namespace = cluster.names.namespace();
        let uid = object.uid().unwrap_or_default();
        if changes.token {
            let secret = token_secret(cluster, &random_token());
            match self.kubernetes.create_secret(namespace, &secret).await {
                // Somebody was faster, and that token is as good.
                Err(error) if error.is_conflict() => {}
                made => made?,
            }
            self.memory
                .secrets(&uid, |secrets| secrets.forget(&secret.name_any()));
        }
        // What has not the cluster's labels may be somebody else's.
        let unknown = changes.apply.iter().filter(|(_, now)| now.version.is_none());
        let asked: Vec<_> = unknown
            .map(|(wanted, _)| self.refuse_taken(namespace, wanted, &uid))
            .collect();
        let asked = stream::iter(asked).buffer_unordered(ASKED_AT_ONCE);
        asked.try_collect::<()>().await?;
        for (wanted, now) in changes.apply {
            let version = self.kubernetes.apply(namespace, wanted).await?;
            let (kind, name) = (wanted.kind(), wanted.name());
            self.memory.applied(&uid, kind, name, Applied { version, ..now });
        }
        for unwanted in changes.remove {
            tracing::info!(
                kind = unwanted.kind(),
                name = unwanted.name,
                namespace,
                "Not wanted any more."
            );
            self.kubernetes.delete(namespace, unwanted).await?;
        }
        Ok(())
    }

    async fn refuse_taken(&self, namespace: &str, wanted: &Object, uid: &str) -> Result<(), ReconcileError> {
        if !self.kubernetes.is_taken(namespace, wanted, uid).await? {
            return Ok(());
        }
        Err(ReconcileError::Taken {
            kind: wanted.kind().to_owned(),
            name: wanted.name().to_owned(),
        })
    }

    /// Changes users, with passwords that are read now, and returns what failed.
    async fn alter_users(
        &self,
        cluster: &Cluster,
        kafka: &C::Kafka,
        steps: &UserSteps,
    ) -> Result<Vec<String>, KubernetesError> {
        let removed = steps.remove.iter().map(|(user, mechanism)| UserChange::Remove {
            user: user.clone(),
            mechanism: *mechanism,
        });
        let mut changes: Vec<UserChange> = removed.collect();
        let mut failures = Vec::new();
        for user in &steps.set {
            let secret = self
                .kubernetes
                .secret(cluster.names.namespace(), &user.secret)
                .await?;
            match passwords::password(secret.as_ref(), &user.secret, &user.key) {
                Ok(password) => changes.push(UserChange::Set {
                    user: user.name.clone(),
                    mechanism: user.mechanism,
                    password,
                }),
                Err(error) => failures.push(format!("user {}: {error}", user.name)),
            }
            passwords::wipe(secret);
        }
        failures.extend(asking::alter_users(kafka, changes).await);
        Ok(failures)
    }

    /// Gives a pod the brokers' CPU and memory while it runs, and writes that onto it; or keeps that Kubernetes would not.
    async fn resize(
        &self,
        cluster: &Cluster,
        object: &Kafkacluster,
        pod: &Replaced,
    ) -> Result<(), KubernetesError> {
        let (namespace, resources) = (cluster.names.namespace(), broker_requirements(cluster));
        let given = broker_resources(cluster);
        match self
            .kubernetes
            .resize(namespace, pod, KAFKA_CONTAINER, &resources)
            .await?
        {
            Resized::Refused(reason) => {
                tracing::info!(pod = pod.pod, namespace, reason, "Not resized while it runs.");
                let uid = object.uid().unwrap_or_default();
                self.memory.note_not_resized(&uid, &pod.uid, given);
                Ok(())
            }
            Resized::Gone => Ok(()),
            Resized::Accepted => {
                self.kubernetes
                    .annotate(namespace, pod, RESOURCES_ANNOTATION, &given)
                    .await
            }
        }
    }

    async fn order(&self, cluster: &Cluster, order: &BalancerOrder) -> Result<(), String> {
        let (namespace, token) = (cluster.names.namespace(), cluster.names.balancer_token());
        let secret = self.kubernetes.secret(namespace, &token).await;
        let secret = secret.map_err(|error| error.to_string())?;
        let token = secret.as_ref().and_then(bearer);
        let done = self.clients.order(cluster, token, order).await;
        done.map_err(|error| format!("the balancer does not take an order: {}", with_causes(&error)))
    }
}

fn random_token() -> String {
    rand::rng()
        .sample_iter(&Alphanumeric)
        .take(TOKEN_LENGTH)
        .map(char::from)
        .collect()
}
