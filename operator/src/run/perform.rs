//! Takes the steps of a decision, in their order.

use std::collections::BTreeSet;

use kafka::error::with_causes;
use kube::ResourceExt;
use rand::RngExt;
use rand::distr::Alphanumeric;
use sha2::{Digest, Sha256};

use super::clients::Clients;
use super::kafka as asking;
use super::kubernetes::{Existing, KubernetesError};
use super::look::{Look, bearer};
use super::memory::Applied;
use super::{Operator, ReconcileError};
use crate::build::{Object, RACK_ANNOTATION, cluster_selector_text, token_secret};
use crate::cluster::Cluster;
use crate::crd::Kafkacluster;
use crate::decide::{BalancerOrder, Decision};

/// Characters of a balancer's token, 190 bits.
const TOKEN_LENGTH: usize = 32;

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
        for (claim, size) in &decision.grow {
            kubernetes.grow(namespace, claim, size).await?;
        }
        if decision.recreate {
            kubernetes.orphan(namespace, cluster.names.cluster()).await?;
        }
        if !decision.objects.is_empty() {
            self.apply(cluster, object, look, decision).await?;
        }
        for (pod, rack) in &decision.racks {
            kubernetes.annotate(namespace, pod, RACK_ANNOTATION, rack).await?;
        }
        let mut failures = match &look.kafka {
            Some(kafka) => asking::perform(kafka.as_ref(), decision).await,
            None => Vec::new(),
        };
        for order in &decision.orders {
            failures.extend(self.order(cluster, look, order).await.err());
        }
        for pod in &decision.bury {
            kubernetes.delete_pod(namespace, pod, true).await?;
        }
        for pod in &decision.replace {
            kubernetes.delete_pod(namespace, pod, false).await?;
        }
        match failures.is_empty() {
            true => Ok(()),
            false => Err(ReconcileError::Refused(failures.join("; "))),
        }
    }

    /// Applies all objects, and deletes those of the cluster that are none of them.
    async fn apply(
        &self,
        cluster: &Cluster,
        object: &Kafkacluster,
        look: &Look<C::Kafka>,
        decision: &Decision,
    ) -> Result<(), ReconcileError> {
        let namespace = cluster.names.namespace();
        let uid = object.uid().unwrap_or_default();
        if look.token.is_none() {
            let secret = token_secret(cluster, &random_token());
            match self.kubernetes.create_secret(namespace, &secret).await {
                // Somebody was faster, and that token is as good.
                Err(error) if error.is_conflict() => {}
                made => made?,
            }
        }
        let labels = cluster_selector_text(cluster);
        let existing = self.kubernetes.existing(namespace, &labels).await?;
        for wanted in &decision.objects {
            let is_it =
                |existing: &&Existing| existing.kind() == wanted.kind() && existing.name == wanted.name();
            let version = existing
                .iter()
                .find(is_it)
                .and_then(|existing| existing.version.clone());
            self.apply_one(namespace, &uid, wanted, version).await?;
        }
        let wanted: BTreeSet<(&str, &str)> = decision
            .objects
            .iter()
            .map(|object| (object.kind(), object.name()))
            .collect();
        let orphans = existing.iter().filter(|existing| {
            existing.owners.contains(&uid) && !wanted.contains(&(existing.kind(), existing.name.as_str()))
        });
        for orphan in orphans {
            tracing::info!(
                kind = orphan.kind(),
                name = orphan.name,
                namespace,
                "Not wanted any more."
            );
            self.kubernetes.delete(namespace, orphan).await?;
        }
        Ok(())
    }

    /// Applies an object unless it has not changed since it was last applied, and is wanted as it was then.
    async fn apply_one(
        &self,
        namespace: &str,
        uid: &str,
        object: &Object,
        version: Option<String>,
    ) -> Result<(), KubernetesError> {
        let written = serde_json::to_vec(object).unwrap_or_default();
        let digest = Sha256::digest(&written).to_vec();
        let now = Applied { digest, version };
        let (kind, name) = (object.kind(), object.name());
        if now.version.is_some() && self.memory.is_applied(uid, kind, name, &now) {
            return Ok(());
        }
        let version = self.kubernetes.apply(namespace, object).await?;
        self.memory.applied(uid, kind, name, Applied { version, ..now });
        Ok(())
    }

    async fn order(
        &self,
        cluster: &Cluster,
        look: &Look<C::Kafka>,
        order: &BalancerOrder,
    ) -> Result<(), String> {
        let token = look.token.as_ref().and_then(bearer);
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
