//! What the API server tells by itself: one watch for each kind of object, which keeps what decisions need of them, and says
//! which cluster to look at.
//!
//! What is kept may be late. It says when there is something to do, and never that it may be done ([`View`](super::view::View)).

use std::fmt::Debug;
use std::hash::Hash;
use std::time::Duration;

use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec, StatefulSetStatus};
use k8s_openapi::api::core::v1::{
    Container, ContainerState, ContainerStatus, Node, NodeStatus, PersistentVolumeClaim,
    PersistentVolumeClaimSpec, PersistentVolumeClaimStatus, Pod, PodSpec, PodStatus, PodTemplateSpec,
    VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kafka::error::with_causes;
use kube::api::ApiResource;
use kube::core::{DynamicObject, NamespaceResourceScope, PartialObjectMeta};
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::DefaultBackoff;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::build::{
    CLUSTER_ID_VARIABLE, CONFIGURATION_ANNOTATION, OURS, Object, RACK_ANNOTATION, RESOURCES_ANNOTATION,
};
use crate::crd::Kafkacluster;
use crate::decide::{RESIZE_IN_PROGRESS, RESIZE_PENDING};

/// How long a look waits for a watch to have listed what there is, which takes long only after the start.
const LISTED_WITHIN: Duration = Duration::from_secs(10);

/// After this time what a failing watch has told before is too old to go by.
const FAILS_FOR: Duration = Duration::from_secs(120);

/// Objects that are listed at once: while a page is read it is in memory as a whole, and nodes list all their images.
const PAGE: u32 = 100;

/// What decisions read of annotations.
const READ_ANNOTATIONS: [&str; 3] = [CONFIGURATION_ANNOTATION, RACK_ANNOTATION, RESOURCES_ANNOTATION];

/// What decisions read of a pod's conditions.
const READ_CONDITIONS: [&str; 5] = [
    "Ready",
    "ContainersReady",
    "PodScheduled",
    RESIZE_PENDING,
    RESIZE_IN_PROGRESS,
];

/// Which clusters to look at. What is watched is kept for as long as this is polled.
pub type Triggers = BoxStream<'static, ObjectRef<Kafkacluster>>;

/// Why what is watched cannot be said.
#[derive(Debug, Error)]
pub enum WatchError {
    /// The API server refused, or could not be asked.
    #[error("{kind} cannot be watched: {reason}")]
    Failed {
        /// Of what kind the objects are.
        kind: String,
        /// What was said.
        reason: String,
    },
    /// The list is not complete yet.
    #[error("{0} have not been listed yet")]
    Unlisted(String),
}

/// Everything that is watched.
pub(super) struct Watches {
    pub(super) sets: Watched<StatefulSet>,
    pub(super) pods: Watched<Pod>,
    pub(super) claims: Watched<PersistentVolumeClaim>,
    pub(super) nodes: Watched<Node>,
    /// Of the kinds of which it matters only that objects are there, and in which version.
    pub(super) others: Vec<(ApiResource, Watched<PartialObjectMeta<DynamicObject>>)>,
}

/// Since when a watch tells nothing, and what was said in place of it.
#[derive(Debug, Clone)]
struct Failure {
    since: Instant,
    reason: String,
}

/// Waits longer and longer between failures that follow each other, also where a watch begins well each time: it does so
/// before it asks anything.
struct Patience(DefaultBackoff);

impl Iterator for Patience {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next()
    }
}

impl Backoff for Patience {
    /// Begins anew by itself after two quiet minutes.
    fn reset(&mut self) {}
}

/// The objects of a kind.
pub(super) struct Watched<K: Resource + Clone + 'static>
where
    K::DynamicType: Eq + Hash + Clone,
{
    kind: String,
    store: Store<K>,
    failure: watch::Receiver<Option<Failure>>,
}

impl<K: Resource + Clone + 'static> Watched<K>
where
    K::DynamicType: Eq + Hash + Clone,
{
    /// What is kept, when all that there was at first has been listed, and unless the watch has failed for long since.
    pub(super) async fn listed(&self) -> Result<&Store<K>, WatchError> {
        let listed = self.store.wait_until_ready();
        let mut failure = self.failure.clone();
        if listed.now_or_never().is_some_and(|listed| listed.is_ok()) {
            return match &*failure.borrow() {
                Some(failure) if failure.since.elapsed() > FAILS_FOR => Err(WatchError::Failed {
                    kind: self.kind.clone(),
                    reason: failure.reason.clone(),
                }),
                _ => Ok(&self.store),
            };
        }
        tokio::select! {
            biased;
            Ok(()) = self.store.wait_until_ready() => Ok(&self.store),
            Ok(failed) = failure.wait_for(Option::is_some) => Err(WatchError::Failed {
                kind: self.kind.clone(),
                reason: failed.as_ref().map(|failed| failed.reason.clone()).unwrap_or_default(),
            }),
            () = tokio::time::sleep(LISTED_WITHIN) => Err(WatchError::Unlisted(self.kind.clone())),
        }
    }
}

impl Watches {
    /// Watches that begin when what is returned beside them is polled.
    pub(super) fn new(client: &Client, namespace: Option<&str>) -> (Self, Triggers) {
        let ours = || {
            let (label, value) = OURS;
            watcher::Config::default().labels(&format!("{label}={value}"))
        };
        let (sets, of_sets) = watched(scoped(client, namespace), (), ours(), trim_set);
        let (pods, of_pods) = watched(scoped(client, namespace), (), ours(), trim_pod);
        let (claims, of_claims) = watched(scoped(client, namespace), (), ours(), trim_claim);
        let nodes = Api::<Node>::all(client.clone());
        let (nodes, of_nodes) = watched(nodes, (), watcher::Config::default(), trim_node);
        let mut triggers = vec![of_sets, of_pods, of_claims, of_nodes];
        let mut others = Vec::new();
        let sets_are = ApiResource::erase::<StatefulSet>(&());
        for resource in Object::resources() {
            if resource == sets_are {
                continue;
            }
            let api = match namespace {
                Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
                None => Api::all_with(client.clone(), &resource),
            };
            let (other, of_other) = watched(
                api,
                resource.clone(),
                ours(),
                |object: &mut PartialObjectMeta<_>| {
                    object.metadata = trimmed(&mut object.metadata);
                },
            );
            others.push((resource, other));
            triggers.push(of_other);
        }
        let watches = Self {
            sets,
            pods,
            claims,
            nodes,
            others,
        };
        (watches, stream::select_all(triggers).boxed())
    }
}

fn scoped<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + DeserializeOwned,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

fn watched<K>(
    api: Api<K>,
    of: K::DynamicType,
    config: watcher::Config,
    trim: fn(&mut K),
) -> (Watched<K>, Triggers)
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    K::DynamicType: Eq + Hash + Clone + Send + Sync + Unpin,
{
    let kind = K::plural(&of).into_owned();
    let writer = Writer::new(of);
    let store = writer.as_reader();
    let (failed, failure) = watch::channel(None);
    let name = kind.clone();
    let stream = watcher(api, config.page_size(PAGE))
        .backoff(Patience(DefaultBackoff::default()))
        .modify(trim)
        .reflect(writer)
        .inspect(move |event| {
            failed.send_if_modified(|last: &mut Option<Failure>| match event {
                Err(error) => {
                    let reason = with_causes(error);
                    if last.is_none() {
                        tracing::warn!(kind = name, reason, "A watch fails, and is begun again.");
                    }
                    let since = last.as_ref().map_or_else(Instant::now, |failure| failure.since);
                    *last = Some(Failure { since, reason });
                    true
                }
                // It is begun before anything is asked.
                Ok(watcher::Event::Init | watcher::Event::InitApply(_)) => false,
                Ok(_) => last.take().is_some(),
            });
        })
        .touched_objects()
        .filter_map(|object| std::future::ready(object.ok().and_then(|object| of_cluster(object.meta()))))
        .boxed();
    (Watched { kind, store, failure }, stream)
}

/// The cluster to which an object belongs. Pods and claims are owned by their StatefulSet only.
fn of_cluster(object: &ObjectMeta) -> Option<ObjectRef<Kafkacluster>> {
    let kind = Kafkacluster::kind(&());
    let mut owners = object.owner_references.iter().flatten();
    let owner = owners.find(|owner| owner.kind == kind).map(|owner| &owner.name);
    let label = || object.labels.as_ref()?.get("name");
    let name = owner.or_else(label)?;
    Some(ObjectRef::new(name).within(object.namespace.as_ref()?))
}

/// Which object it is and of whom, and what decisions read of its annotations.
fn trimmed(metadata: &mut ObjectMeta) -> ObjectMeta {
    let mut metadata = std::mem::take(metadata);
    metadata.managed_fields = None;
    metadata.finalizers = None;
    metadata.annotations = metadata.annotations.map(|mut annotations| {
        annotations.retain(|key, _| READ_ANNOTATIONS.contains(&key.as_str()));
        annotations
    });
    metadata
}

fn trim_set(set: &mut StatefulSet) {
    let status = set.status.take();
    let spec = set.spec.take().unwrap_or_default();
    let pod = spec.template.spec.unwrap_or_default();
    let containers = pod.containers.into_iter().map(|container| Container {
        name: container.name,
        env: container.env.map(|mut variables| {
            variables.retain(|variable| variable.name == CLUSTER_ID_VARIABLE);
            variables
        }),
        ..Container::default()
    });
    let claims = spec.volume_claim_templates.map(|mut claims| {
        claims.iter_mut().for_each(trim_claim);
        claims
    });
    *set = StatefulSet {
        metadata: trimmed(&mut set.metadata),
        spec: Some(StatefulSetSpec {
            replicas: spec.replicas,
            volume_claim_templates: claims,
            template: PodTemplateSpec {
                spec: Some(PodSpec {
                    containers: containers.collect(),
                    ..PodSpec::default()
                }),
                ..PodTemplateSpec::default()
            },
            ..StatefulSetSpec::default()
        }),
        status: status.map(|status| StatefulSetStatus {
            update_revision: status.update_revision,
            ..StatefulSetStatus::default()
        }),
    };
}

fn trim_pod(pod: &mut Pod) {
    let status = pod.status.take().unwrap_or_default();
    let conditions = status.conditions.map(|mut conditions| {
        conditions.retain(|condition| READ_CONDITIONS.contains(&condition.type_.as_str()));
        conditions
    });
    let states = |statuses: Option<Vec<ContainerStatus>>| {
        let state = |status: ContainerStatus| ContainerStatus {
            name: status.name,
            ready: status.ready,
            state: status.state.map(|state| ContainerState {
                terminated: None,
                ..state
            }),
            ..ContainerStatus::default()
        };
        statuses.map(|statuses| statuses.into_iter().map(state).collect())
    };
    let host_ip = status.host_ip;
    *pod = Pod {
        metadata: trimmed(&mut pod.metadata),
        spec: pod.spec.take().map(|spec| PodSpec {
            node_name: spec.node_name,
            ..PodSpec::default()
        }),
        status: Some(PodStatus {
            host_ip,
            conditions,
            init_container_statuses: states(status.init_container_statuses),
            container_statuses: states(status.container_statuses),
            ..PodStatus::default()
        }),
    };
}

fn trim_claim(claim: &mut PersistentVolumeClaim) {
    let status = claim.status.take();
    let resources = claim.spec.take().and_then(|spec| spec.resources);
    *claim = PersistentVolumeClaim {
        metadata: trimmed(&mut claim.metadata),
        spec: Some(PersistentVolumeClaimSpec {
            resources: resources.map(|resources| VolumeResourceRequirements {
                requests: resources.requests,
                ..VolumeResourceRequirements::default()
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: status.map(|status| PersistentVolumeClaimStatus {
            phase: status.phase,
            ..PersistentVolumeClaimStatus::default()
        }),
    };
}

fn trim_node(node: &mut Node) {
    let conditions = node.status.take().and_then(|status| status.conditions);
    *node = Node {
        metadata: trimmed(&mut node.metadata),
        spec: None,
        status: Some(NodeStatus {
            conditions: conditions.map(|mut conditions| {
                conditions.retain(|condition| condition.type_ == "Ready");
                conditions
            }),
            ..NodeStatus::default()
        }),
    };
}

#[cfg(test)]
mod tests {
    use kube::ResourceExt;
    use serde_json::json;

    use super::*;
    use crate::decide::{ClaimFacts, NodeFacts, Pending, PodFacts, SetFacts};

    /// An object of a kind, with fields that nobody reads.
    fn object<K: DeserializeOwned>(spec: serde_json::Value, status: serde_json::Value) -> K {
        let metadata = json!({
            "name": "c-0",
            "namespace": "n",
            "uid": "u",
            "resourceVersion": "7",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "deletionTimestamp": "2026-01-02T00:00:00Z",
            "labels": {"zone": "a", "controller-revision-hash": "c-1"},
            "annotations": {
                CONFIGURATION_ANNOTATION: "d", RACK_ANNOTATION: "r", RESOURCES_ANNOTATION: "m", "else": "x",
            },
            "managedFields": [{"manager": "m"}],
        });
        serde_json::from_value(json!({"metadata": metadata, "spec": spec, "status": status})).unwrap()
    }

    #[test]
    fn what_decisions_read_is_kept_and_the_rest_is_not() {
        let claim = json!({"resources": {"requests": {"storage": "1G"}, "limits": {"storage": "2G"}}});
        let variables = json!([
            {"name": "X", "value": "y"},
            {"name": CLUSTER_ID_VARIABLE, "value": "MkU3OEVBNTcwNTJENDM2Qg"},
        ]);
        let template = json!({"spec": {"containers": [{"name": "kafka", "env": variables, "image": "i"}]}});
        let spec = json!({
            "replicas": 3,
            "selector": {},
            "serviceName": "c",
            "template": template,
            "volumeClaimTemplates": [{"spec": claim}],
        });
        let mut set: StatefulSet = object(spec, json!({"replicas": 3, "updateRevision": "c-2"}));
        let facts = SetFacts::of(&set);
        trim_set(&mut set);
        assert_eq!(SetFacts::of(&set), facts);
        assert!(facts.claim.is_some() && facts.cluster_id.is_some() && facts.revision.is_some());

        let waiting = json!({"name": "kafka", "state": {"waiting": {"reason": "Crash", "message": "m"}}});
        let container = json!({"image": "i", "imageID": "i", "ready": false, "restartCount": 1});
        let mut statuses = waiting.as_object().unwrap().clone();
        statuses.extend(container.as_object().unwrap().clone());
        let status = json!({
            "conditions": [
                {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"},
                {"type": "ContainersReady", "status": "False"},
                {"type": RESIZE_PENDING, "status": "True", "reason": "Infeasible"},
            ],
            "containerStatuses": [statuses],
            "hostIP": "10.0.0.2",
            "podIP": "10.0.0.1",
        });
        let mut pod: Pod = object(
            json!({"nodeName": "node", "containers": [{"name": "kafka"}]}),
            status,
        );
        let facts = PodFacts::of(&pod, "c").unwrap();
        trim_pod(&mut pod);
        assert_eq!(PodFacts::of(&pod, "c").as_ref(), Some(&facts));
        assert_eq!(facts.trouble.as_deref(), Some("Crash: m"));
        assert_eq!(facts.revision.as_deref(), Some("c-1"));
        assert_eq!(facts.host.as_deref(), Some("10.0.0.2"));
        assert_eq!(pod.metadata.managed_fields, None);
        assert_eq!(facts.resize, Some(Pending::Infeasible));
        assert_eq!(pod.annotations().len(), 3);

        let mut held: PersistentVolumeClaim = object(claim, json!({"phase": "Bound"}));
        let facts = ClaimFacts::of(&held);
        trim_claim(&mut held);
        assert_eq!(ClaimFacts::of(&held), facts);
        assert!(facts.bound);

        let conditions =
            json!([{"type": "Ready", "status": "True"}, {"type": "DiskPressure", "status": "False"}]);
        let mut node: Node = object(
            json!({}),
            json!({"conditions": conditions, "images": [{"names": ["i"]}]}),
        );
        let facts = NodeFacts::of(&node);
        trim_node(&mut node);
        assert_eq!(NodeFacts::of(&node), facts);
        assert!(facts.alive);
    }
}
