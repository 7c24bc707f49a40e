//! Where a look finds what there is in Kubernetes.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::StatefulSet;
use kube::api::ApiResource;
use kube::runtime::reflector::ObjectRef;
use kube::{Resource, ResourceExt};
use thiserror::Error;

use super::kubernetes::{Existing, Kubernetes, KubernetesError};
use super::watches::{WatchError, Watches};
use crate::build::{Role, as_text, cluster_selector, selector};
use crate::cluster::Cluster;
use crate::decide::{ClaimFacts, NodeFacts, PodFacts, SetFacts};

/// What watches have told costs nothing and may be late: by it is known that there is nothing to do, or that there may be
/// something. What is done is decided by what the API server itself answers then.
#[derive(Clone, Copy)]
pub(super) enum View<'a> {
    /// What watches have told.
    Watched(&'a Watches),
    /// What the API server answers.
    Asked(&'a Kubernetes),
}

/// Why it is not known what there is.
#[derive(Debug, Error)]
pub enum ViewError {
    /// The API server did not answer.
    #[error(transparent)]
    Kubernetes(#[from] KubernetesError),
    /// A watch has not told yet.
    #[error(transparent)]
    Watch(#[from] WatchError),
}

impl View<'_> {
    /// A StatefulSet of the cluster, where there is one. One of the name that is somebody else's says nothing.
    pub(super) async fn stateful_set(
        self,
        cluster: &Cluster,
        name: &str,
    ) -> Result<Option<SetFacts>, ViewError> {
        let (namespace, labels) = (cluster.names.namespace(), cluster_selector(cluster));
        let facts = |set: &StatefulSet| is_selected(set, namespace, &labels).then(|| SetFacts::of(set));
        Ok(match self {
            Self::Watched(watches) => {
                let key = ObjectRef::new(name).within(namespace);
                let set = watches.sets.listed().await?.get(&key);
                set.and_then(|set| facts(&set))
            }
            Self::Asked(kubernetes) => {
                let set = kubernetes.stateful_set(namespace, name).await?;
                set.as_ref().and_then(facts)
            }
        })
    }

    /// The pods of a role, by their numbers, which a StatefulSet of this name has made.
    pub(super) async fn pods(
        self,
        cluster: &Cluster,
        role: Role,
        set: &str,
    ) -> Result<Vec<PodFacts>, ViewError> {
        let (namespace, labels) = (cluster.names.namespace(), selector(cluster, role));
        let mut pods: Vec<PodFacts> = match self {
            Self::Watched(watches) => {
                let pods = watches.pods.listed().await?;
                let pods = pods.state_filter(|pod| is_selected(pod, namespace, &labels));
                pods.iter().filter_map(|pod| PodFacts::of(pod, set)).collect()
            }
            Self::Asked(kubernetes) => {
                let pods = kubernetes.pods(namespace, &as_text(&labels)).await?;
                pods.iter().filter_map(|pod| PodFacts::of(pod, set)).collect()
            }
        };
        pods.sort_by_key(|pod| pod.number);
        Ok(pods)
    }

    /// The claims of brokers.
    pub(super) async fn claims(self, cluster: &Cluster) -> Result<Vec<ClaimFacts>, ViewError> {
        let (namespace, labels) = (cluster.names.namespace(), selector(cluster, Role::Broker));
        let mut claims: Vec<ClaimFacts> = match self {
            Self::Watched(watches) => {
                let claims = watches.claims.listed().await?;
                let claims = claims.state_filter(|claim| is_selected(claim, namespace, &labels));
                claims.iter().map(|claim| ClaimFacts::of(claim)).collect()
            }
            Self::Asked(kubernetes) => {
                let claims = kubernetes.claims(namespace, &as_text(&labels)).await?;
                claims.iter().map(ClaimFacts::of).collect()
            }
        };
        claims.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(claims)
    }

    /// The nodes of these names that there are. Without the right to read nodes only racks and dead nodes are out of reach.
    pub(super) async fn nodes(self, names: BTreeSet<&str>) -> Result<BTreeMap<String, NodeFacts>, ViewError> {
        let mut nodes = BTreeMap::new();
        for name in names {
            let node = match self {
                Self::Watched(watches) => {
                    let node = watches.nodes.listed().await?.get(&ObjectRef::new(name));
                    node.map(|node| NodeFacts::of(&node))
                }
                Self::Asked(kubernetes) => kubernetes.node(name).await?.as_ref().map(NodeFacts::of),
            };
            nodes.extend(node.map(|node| (name.to_owned(), node)));
        }
        Ok(nodes)
    }

    /// All objects of a cluster, of every kind that clusters have.
    pub(super) async fn existing(self, cluster: &Cluster) -> Result<Vec<Existing>, ViewError> {
        let (namespace, labels) = (cluster.names.namespace(), cluster_selector(cluster));
        let watches = match self {
            Self::Watched(watches) => watches,
            Self::Asked(kubernetes) => return Ok(kubernetes.existing(namespace, &as_text(&labels)).await?),
        };
        let sets = watches.sets.listed().await?;
        let sets = sets.state_filter(|set| is_selected(set, namespace, &labels));
        let resource = ApiResource::erase::<StatefulSet>(&());
        let mut existing: Vec<Existing> = sets
            .iter()
            .map(|set| Existing::of(&resource, &set.metadata))
            .collect();
        for (resource, other) in &watches.others {
            let objects = other.listed().await?;
            let objects = objects.state_filter(|object| is_selected(object, namespace, &labels));
            existing.extend(
                objects
                    .iter()
                    .map(|object| Existing::of(resource, &object.metadata)),
            );
        }
        Ok(existing)
    }
}

fn is_selected<K: Resource>(object: &K, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
    let own = object.labels();
    object.meta().namespace.as_deref() == Some(namespace)
        && labels.iter().all(|(key, value)| own.get(key) == Some(value))
}
