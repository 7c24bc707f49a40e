//! What there is of a cluster in Kubernetes, as far as decisions need it.
//!
//! Objects come from outside: what they say is taken where it makes sense, and left out where not.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ContainerStatus, Node, PersistentVolumeClaim, Pod, PodCondition, PodSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::build::{
    CLUSTER_ID_VARIABLE, CONFIGURATION_ANNOTATION, KAFKA_CONTAINER, RACK_ANNOTATION, RESOURCES_ANNOTATION,
};
use crate::cluster::ClusterId;

/// The condition of a pod whose containers were given resources that its node has not given them yet.
pub(crate) const RESIZE_PENDING: &str = "PodResizePending";

/// The condition of a pod that is being given other resources, also when that failed.
pub(crate) const RESIZE_IN_PROGRESS: &str = "PodResizeInProgress";

/// The label by which a StatefulSet says by what it made a pod.
const REVISION_LABEL: &str = "controller-revision-hash";

/// A StatefulSet.
#[derive(Debug, Clone, PartialEq)]
pub struct SetFacts {
    /// How many pods it keeps.
    pub replicas: u16,
    /// What it asks for each pod's volume, where pods have volumes.
    pub claim: Option<Quantity>,
    /// The id of the Kafka cluster with which its pods start.
    pub cluster_id: Option<ClusterId>,
    /// What it makes pods by, as Kubernetes calls it.
    pub revision: Option<String>,
}

/// A pod of a broker or a controller.
#[derive(Debug, Clone, PartialEq)]
pub struct PodFacts {
    /// Its name.
    pub name: String,
    /// Tells it from a later pod of the same name.
    pub uid: String,
    /// The number at the end of its name.
    pub number: u16,
    /// The digest of the configuration with which it was made.
    pub digest: Option<String>,
    /// The CPU and memory that it was given last.
    pub resources: Option<String>,
    /// What keeps it from having them.
    pub resize: Option<Pending>,
    /// By what its StatefulSet made it.
    pub revision: Option<String>,
    /// Whether its broker or controller serves, whatever else is in it does.
    pub ready: bool,
    /// Whether the process of its broker or controller runs, as far as its node has said.
    pub runs: bool,
    /// Since when it is ready, or is not.
    pub since: Option<Timestamp>,
    /// When it has to be gone at the latest, where it is being deleted.
    pub gone_by: Option<Timestamp>,
    /// The node on which it runs.
    pub node: Option<String>,
    /// That node's address.
    pub host: Option<String>,
    /// The rack that was written onto it.
    pub rack: Option<String>,
    /// What keeps its broker or controller from starting, in Kubernetes' words.
    pub trouble: Option<String>,
    /// What keeps its sidecar from running.
    pub sidecar_trouble: Option<String>,
}

/// Why a pod that was given other resources does not have them yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pending {
    /// Its node has no room at the moment.
    Deferred,
    /// Its node can never give them, or cannot take back what it has.
    Infeasible,
}

/// A claim for a volume.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimFacts {
    /// Its name.
    pub name: String,
    /// The size it asks for.
    pub asked: Option<Quantity>,
    /// Whether it has its volume; one that has not cannot ask for more.
    pub bound: bool,
    /// Tells it from a later claim of the same name.
    pub uid: String,
}

/// A claim that is deleted, and its volume with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discarded {
    /// Its name.
    pub claim: String,
    /// That very claim, and no later one of the name.
    pub uid: String,
}

impl From<&ClaimFacts> for Discarded {
    fn from(claim: &ClaimFacts) -> Self {
        Self {
            claim: claim.name.clone(),
            uid: claim.uid.clone(),
        }
    }
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFacts {
    /// Whether its kubelet reports.
    pub alive: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl SetFacts {
    /// Of a StatefulSet.
    pub fn of(set: &StatefulSet) -> Self {
        let spec = set.spec.clone().unwrap_or_default();
        let claim = spec.volume_claim_templates.unwrap_or_default().into_iter().next();
        Self {
            replicas: u16::try_from(spec.replicas.unwrap_or(1)).unwrap_or(0),
            claim: claim.and_then(|claim| asked(&claim)),
            cluster_id: spec.template.spec.as_ref().and_then(cluster_id),
            revision: set
                .status
                .as_ref()
                .and_then(|status| status.update_revision.clone()),
        }
    }
}

fn cluster_id(spec: &PodSpec) -> Option<ClusterId> {
    let mut variables = spec
        .containers
        .iter()
        .flat_map(|container| container.env.iter().flatten());
    let variable = variables.find(|variable| variable.name == CLUSTER_ID_VARIABLE)?;
    variable.value.as_deref()?.parse().ok()
}

impl PodFacts {
    /// Of a pod of the StatefulSet of this name; none for any other pod.
    pub fn of(pod: &Pod, set: &str) -> Option<Self> {
        let name = pod.metadata.name.clone()?;
        let number = name.strip_prefix(set)?.strip_prefix('-')?.parse().ok()?;
        let annotation = |key: &str| pod.annotations().get(key).cloned();
        let status = pod.status.clone().unwrap_or_default();
        let conditions = status.conditions.unwrap_or_default();
        let condition = |kind: &str| conditions.iter().find(|condition| condition.type_ == kind);
        let turned = condition("Ready").and_then(|ready| ready.last_transition_time.as_ref());
        let is = |kind: &str, due: &str| condition(kind).is_some_and(|condition| condition.status == due);
        let is_resize = |condition: &&PodCondition| {
            [RESIZE_PENDING, RESIZE_IN_PROGRESS].contains(&condition.type_.as_str())
                && condition.status == "True"
        };
        let resizes = conditions.iter().filter(is_resize);
        let resize = resizes.filter_map(|resize| match resize.reason.as_deref()? {
            // A kubelet does not take memory away that is in use, and the page cache of a broker uses all it has.
            "Infeasible" | "Error" => Some(Pending::Infeasible),
            "Deferred" => Some(Pending::Deferred),
            _ => None,
        });
        let resize = resize.max();
        let unschedulable = condition("PodScheduled")
            .filter(|condition| condition.status == "False")
            .map(|condition| shown("Unschedulable", condition.message.as_deref()));
        let (own, beside): (Vec<ContainerStatus>, Vec<ContainerStatus>) = status
            .container_statuses
            .unwrap_or_default()
            .into_iter()
            .partition(|container| container.name == KAFKA_CONTAINER);
        // A pod is not ready while its sidecar is not. Of a node that is lost `Ready` alone turns, and containers stay what
        // they were.
        let beside_it = is("ContainersReady", "False") && own.iter().any(|container| container.ready);
        let ready = is("Ready", "True") || beside_it;
        let starting = status.init_container_statuses.unwrap_or_default();
        let waits = starting.iter().chain(&own).find_map(waiting);
        Some(Self {
            uid: pod.metadata.uid.clone().unwrap_or_default(),
            number,
            digest: annotation(CONFIGURATION_ANNOTATION),
            resources: annotation(RESOURCES_ANNOTATION),
            resize,
            revision: pod.labels().get(REVISION_LABEL).cloned(),
            ready,
            runs: own.iter().any(is_running),
            since: turned
                .or(pod.metadata.creation_timestamp.as_ref())
                .map(|time| time.0),
            gone_by: pod.metadata.deletion_timestamp.as_ref().map(|time| time.0),
            node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
            host: status.host_ip,
            rack: annotation(RACK_ANNOTATION),
            trouble: unschedulable.or(waits).filter(|_| !ready),
            sidecar_trouble: beside.iter().find_map(waiting),
            name,
        })
    }

    /// Whether it has been told to go.
    pub fn is_leaving(&self) -> bool {
        self.gone_by.is_some()
    }
}

fn is_running(container: &ContainerStatus) -> bool {
    let state = container.state.as_ref();
    state.is_some_and(|state| state.running.is_some())
}

/// Why a container does not run, unless it is only about to.
fn waiting(container: &ContainerStatus) -> Option<String> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref()?;
    let coming = ["ContainerCreating", "PodInitializing"].contains(&reason);
    (!coming).then(|| shown(reason, waiting.message.as_deref()))
}

fn shown(reason: &str, message: Option<&str>) -> String {
    const LONGEST: usize = 300;
    let text = match message {
        Some(message) => format!("{reason}: {message}"),
        None => reason.to_owned(),
    };
    text.chars().take(LONGEST).collect()
}

impl ClaimFacts {
    /// Of a claim.
    pub fn of(claim: &PersistentVolumeClaim) -> Self {
        Self {
            name: claim.name_any(),
            asked: asked(claim),
            bound: claim
                .status
                .as_ref()
                .is_some_and(|status| status.phase.as_deref() == Some("Bound")),
            uid: claim.metadata.uid.clone().unwrap_or_default(),
        }
    }
}

fn asked(claim: &PersistentVolumeClaim) -> Option<Quantity> {
    let requests = claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?;
    requests.get("storage").cloned()
}

impl NodeFacts {
    /// Of a node.
    pub fn of(node: &Node) -> Self {
        let status = node.status.clone().unwrap_or_default();
        let mut conditions = status.conditions.into_iter().flatten();
        Self {
            alive: conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True"),
            labels: node.labels().clone(),
        }
    }
}
