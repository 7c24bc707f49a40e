//! What is asked of the Kubernetes API, each request in one place. `deploy/operator.yaml` allows these and no others.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Node, PersistentVolumeClaim, Pod, ResourceRequirements, Secret};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions,
};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thiserror::Error;

use crate::build::Object;
use crate::crd::{Kafkacluster, KafkaclusterStatus};
use crate::decide::{Discarded, Replaced};

/// By this name Kubernetes knows which fields of objects are the operator's.
pub(super) const FIELD_MANAGER: &str = "kafka-operator";

/// The most pods, claims or objects of a cluster that are read at once.
const PAGE: u32 = 500;

/// How often, and how soon after one another, is looked whether a StatefulSet that leaves its pods is gone.
const ORPHANING_LOOKS: usize = 100;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// Why Kubernetes did not do something.
#[derive(Debug, Error)]
#[error("{action}: {reason}")]
pub struct KubernetesError {
    action: String,
    reason: String,
    #[source]
    source: kube::Error,
}

impl KubernetesError {
    pub(super) fn new(action: impl Into<String>, source: kube::Error) -> Self {
        Self {
            action: action.into(),
            // The library shows the whole answer, of which the message is what people want.
            reason: match &source {
                kube::Error::Api(status) => status.message.clone(),
                other => other.to_string(),
            },
            source,
        }
    }

    /// Whether the API server answered that it has no such object.
    fn is_missing(&self) -> bool {
        matches!(&self.source, kube::Error::Api(status) if status.code == 404)
    }

    /// Whether the API server answered that the object is not what it was.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(&self.source, kube::Error::Api(status) if status.code == 409)
    }
}

type Outcome<T> = Result<T, KubernetesError>;

/// The objects of one namespace, or of nodes.
#[derive(Clone)]
pub(super) struct Kubernetes {
    client: Client,
}

/// What came of giving a pod other resources while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resized {
    /// Its node will give them, or say why it does not.
    Accepted,
    /// The API server will not do that, and why.
    Refused(String),
    /// There is another pod of that name.
    Gone,
}

/// An object that is there.
#[derive(Debug, Clone)]
pub(super) struct Existing {
    resource: ApiResource,
    pub(super) name: String,
    pub(super) uid: String,
    /// Changes with every change of the object.
    pub(super) version: Option<String>,
    /// The uids of those who own it.
    pub(super) owners: Vec<String>,
}

impl Existing {
    pub(super) fn of(resource: &ApiResource, metadata: &ObjectMeta) -> Self {
        let owners = metadata.owner_references.iter().flatten();
        Self {
            resource: resource.clone(),
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
            version: metadata.resource_version.clone(),
            owners: owners.map(|owner| owner.uid.clone()).collect(),
        }
    }

    pub(super) fn kind(&self) -> &str {
        &self.resource.kind
    }
}

impl Kubernetes {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    fn dynamic(&self, namespace: &str, resource: &ApiResource) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, resource)
    }

    /// Makes an object be as it should be, whoever has changed it, and returns its version then.
    pub(super) async fn apply(&self, namespace: &str, object: &Object) -> Outcome<Option<String>> {
        let (kind, name) = (object.kind(), object.name());
        let api = self.dynamic(namespace, &object.resource());
        let forced = PatchParams::apply(FIELD_MANAGER).force();
        let applied = api.patch_metadata(name, &forced, &Patch::Apply(object)).await;
        let applied = applied.map_err(|error| KubernetesError::new(format!("{kind} {name}"), error))?;
        Ok(applied.metadata.resource_version)
    }

    /// Whether there is an object of that kind and name which no owner of this uid has.
    pub(super) async fn is_taken(&self, namespace: &str, object: &Object, uid: &str) -> Outcome<bool> {
        let (kind, name) = (object.kind(), object.name());
        let this = ListParams::default().fields(&format!("metadata.name={name}"));
        let api = self.dynamic(namespace, &object.resource());
        let found = api.list_metadata(&this).await;
        let found = found.map_err(|error| KubernetesError::new(format!("{kind} {name}"), error))?;
        let is_ours = |item: &ObjectMeta| {
            item.owner_references
                .iter()
                .flatten()
                .any(|owner| owner.uid == uid)
        };
        Ok(found.items.iter().any(|item| !is_ours(&item.metadata)))
    }

    /// All objects with these labels, of every kind that clusters have.
    pub(super) async fn existing(&self, namespace: &str, labels: &str) -> Outcome<Vec<Existing>> {
        let mut existing = Vec::new();
        for resource in Object::resources() {
            let api = self.dynamic(namespace, &resource);
            let mut page = ListParams::default().labels(labels).limit(PAGE);
            loop {
                let listed = api.list_metadata(&page).await;
                let listed = listed.map_err(|error| {
                    KubernetesError::new(format!("{} cannot be listed", resource.plural), error)
                })?;
                let next = listed.metadata.continue_.filter(|token| !token.is_empty());
                let found = listed.items.iter();
                existing.extend(found.map(|item| Existing::of(&resource, &item.metadata)));
                match next {
                    Some(token) => page = page.continue_token(&token),
                    None => break,
                }
            }
        }
        Ok(existing)
    }

    /// Deletes an object, if it is still that one.
    pub(super) async fn delete(&self, namespace: &str, existing: &Existing) -> Outcome<()> {
        let api = self.dynamic(namespace, &existing.resource);
        let this = DeleteParams::background().preconditions(this_one(&existing.uid));
        let deleted = api.delete(&existing.name, &this).await;
        gone(
            format!("{} {}", existing.resource.kind, existing.name),
            deleted.map(|_| ()),
        )
    }

    /// Deletes a StatefulSet and leaves its pods to the next one of its name, which cannot be made before this one is gone:
    /// Kubernetes takes it off its pods first. Returns when it is, or later than it should be.
    pub(super) async fn orphan(&self, namespace: &str, set: &str) -> Outcome<()> {
        let deleted = self
            .api::<StatefulSet>(namespace)
            .delete(set, &DeleteParams::orphan())
            .await;
        gone(format!("StatefulSet {set}"), deleted.map(|_| ()))?;
        for _ in 0..ORPHANING_LOOKS {
            if self.stateful_set(namespace, set).await?.is_none() {
                break;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        Ok(())
    }

    /// Deletes a claim, if it is still that one.
    pub(super) async fn delete_claim(&self, namespace: &str, claim: &Discarded) -> Outcome<()> {
        let this = DeleteParams::default().preconditions(this_one(&claim.uid));
        let claims = self.api::<PersistentVolumeClaim>(namespace);
        let deleted = claims.delete(&claim.claim, &this).await;
        gone(
            format!("PersistentVolumeClaim {}", claim.claim),
            deleted.map(|_| ()),
        )
    }

    /// Deletes a pod, if it is still that one; `forced` does not wait for its node to say that it stopped.
    pub(super) async fn delete_pod(&self, namespace: &str, pod: &Replaced, forced: bool) -> Outcome<()> {
        let mut how = DeleteParams::default().preconditions(this_one(&pod.uid));
        if forced {
            how = how.grace_period(0);
        }
        let deleted = self.api::<Pod>(namespace).delete(&pod.pod, &how).await;
        gone(format!("Pod {}", pod.pod), deleted.map(|_| ()))
    }

    /// A Kafkacluster as it is now, if it is still that one.
    pub(super) async fn cluster(&self, seen: &Kafkacluster) -> Outcome<Option<Kafkacluster>> {
        let (namespace, name) = (seen.namespace().unwrap_or_default(), seen.name_any());
        let found: Option<Kafkacluster> = self.get(&namespace, &name).await?;
        Ok(found.filter(|found| found.metadata.uid == seen.metadata.uid))
    }

    pub(super) async fn stateful_set(&self, namespace: &str, name: &str) -> Outcome<Option<StatefulSet>> {
        self.get(namespace, name).await
    }

    pub(super) async fn secret(&self, namespace: &str, name: &str) -> Outcome<Option<Secret>> {
        self.get(namespace, name).await
    }

    async fn get<K>(&self, namespace: &str, name: &str) -> Outcome<Option<K>>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let found = self.api::<K>(namespace).get_opt(name).await;
        found.map_err(|error| KubernetesError::new(format!("{} {name}", K::kind(&())), error))
    }

    /// Makes a Secret. One that somebody else has just made is left, and is a conflict.
    pub(super) async fn create_secret(&self, namespace: &str, secret: &Secret) -> Outcome<()> {
        let how = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let created = self.api::<Secret>(namespace).create(&how, secret).await;
        let name = secret.name_any();
        created
            .map(|_| ())
            .map_err(|error| KubernetesError::new(format!("Secret {name}"), error))
    }

    pub(super) async fn pods(&self, namespace: &str, labels: &str) -> Outcome<Vec<Pod>> {
        self.list(namespace, labels).await
    }

    pub(super) async fn claims(&self, namespace: &str, labels: &str) -> Outcome<Vec<PersistentVolumeClaim>> {
        self.list(namespace, labels).await
    }

    async fn list<K>(&self, namespace: &str, labels: &str) -> Outcome<Vec<K>>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let api = self.api::<K>(namespace);
        let mut page = ListParams::default().labels(labels).limit(PAGE);
        let mut all = Vec::new();
        loop {
            let listed = api.list(&page).await;
            let listed = listed.map_err(|error| {
                KubernetesError::new(format!("{} cannot be listed", K::plural(&())), error)
            })?;
            let next = listed.metadata.continue_.filter(|token| !token.is_empty());
            all.extend(listed.items);
            match next {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(all),
            }
        }
    }

    /// A node; none when there is none of the name any more.
    pub(super) async fn node(&self, name: &str) -> Outcome<Option<Node>> {
        let api: Api<Node> = Api::all(self.client.clone());
        let found = api.get_opt(name).await;
        found.map_err(|error| KubernetesError::new(format!("Node {name}"), error))
    }

    /// Writes an annotation onto a pod, if it is still that one.
    pub(super) async fn annotate(
        &self,
        namespace: &str,
        pod: &Replaced,
        key: &str,
        value: &str,
    ) -> Outcome<()> {
        let annotations = BTreeMap::from([(key, value)]);
        let patch = json!({"metadata": {"uid": pod.uid, "annotations": annotations}});
        match self.merge::<Pod>(namespace, &pod.pod, patch).await {
            Err(error) if error.is_missing() || error.is_conflict() => Ok(()),
            outcome => outcome,
        }
    }

    /// Gives a container of a pod other CPU and memory while it runs, if it is still that pod.
    pub(super) async fn resize(
        &self,
        namespace: &str,
        pod: &Replaced,
        container: &str,
        resources: &ResourceRequirements,
    ) -> Outcome<Resized> {
        // Kubernetes refuses what its nodes cannot do, or has no such subresource where it is switched off.
        const CANNOT_BE: [u16; 3] = [404, 405, 422];
        let containers = [json!({"name": container, "resources": resources})];
        let patch = json!({"metadata": {"uid": pod.uid}, "spec": {"containers": containers}});
        let how = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let api = self.api::<Pod>(namespace);
        match api.patch_resize(&pod.pod, &how, &Patch::Strategic(patch)).await {
            Ok(_) => Ok(Resized::Accepted),
            Err(kube::Error::Api(status)) if CANNOT_BE.contains(&status.code) => {
                Ok(Resized::Refused(status.message.clone()))
            }
            Err(error) => match KubernetesError::new(format!("Pod {}", pod.pod), error) {
                error if error.is_conflict() => Ok(Resized::Gone),
                error => Err(error),
            },
        }
    }

    /// Lets a claim ask for more.
    pub(super) async fn grow(&self, namespace: &str, claim: &str, size: &Quantity) -> Outcome<()> {
        let patch = json!({"spec": {"resources": {"requests": {"storage": size}}}});
        self.merge::<PersistentVolumeClaim>(namespace, claim, patch).await
    }

    async fn merge<K>(&self, namespace: &str, name: &str, patch: Value) -> Outcome<()>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let how = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patched = self
            .api::<K>(namespace)
            .patch(name, &how, &Patch::Merge(patch))
            .await;
        let action = || format!("{} {name}", K::kind(&()));
        patched
            .map(|_| ())
            .map_err(|error| KubernetesError::new(action(), error))
    }

    /// Writes the status of a cluster, all of it, unless the cluster is not what it was when this status was decided: then
    /// another one will be.
    pub(super) async fn write_status(&self, of: &Kafkacluster, status: &KafkaclusterStatus) -> Outcome<()> {
        let (namespace, name) = (of.namespace().unwrap_or_default(), of.name_any());
        let patch = json!({
            "apiVersion": Kafkacluster::api_version(&()),
            "kind": Kafkacluster::kind(&()),
            "metadata": {"resourceVersion": of.metadata.resource_version},
            "status": status,
        });
        let api = self.api::<Kafkacluster>(&namespace);
        let forced = PatchParams::apply(FIELD_MANAGER).force();
        let written = api.patch_status(&name, &forced, &Patch::Apply(patch)).await;
        gone(format!("the status of {name}"), written.map(|_| ()))
    }
}

fn this_one(uid: &str) -> Preconditions {
    Preconditions {
        uid: Some(uid.to_owned()),
        resource_version: None,
    }
}

/// That an object is not there any more, or another one, is as good as that it was dealt with.
fn gone(action: String, outcome: kube::Result<()>) -> Outcome<()> {
    match outcome.map_err(|error| KubernetesError::new(action, error)) {
        Err(error) if error.is_missing() || error.is_conflict() => Ok(()),
        outcome => outcome,
    }
}
