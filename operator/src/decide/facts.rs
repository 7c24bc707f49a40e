//! What there is of a cluster in Kubernetes, as far as decisions need it.
//!
//! Objects come from outside: what they say is taken where it makes sense, and left out where not.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ContainerStatus, Node, PersistentVolumeClaim, Pod, PodCondition, PodSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::build::{CLUSTER_ID_VARIABLE, CONFIGURATION_ANNOTATION, RACK_ANNOTATION, RESOURCES_ANNOTATION};
use crate::cluster::ClusterId;

/// The condition of a pod whose containers were given resources that its node has not given them yet.
pub(crate) const RESIZE_PENDING: &str = "PodResizePending";

/// The condition of a pod that is being given other resources, also when that failed.
pub(crate) const RESIZE_IN_PROGRESS: &str = "PodResizeInProgress";

/// A StatefulSet.
#[derive(Debug, Clone, PartialEq)]
pub struct SetFacts {
    /// How many pods it keeps.
    pub replicas: u16,
    /// What it asks for each pod's volume, where pods have volumes.
    pub claim: Option<Quantity>,
    /// The id of the Kafka cluster with which its pods start.
    pub cluster_id: Option<ClusterId>,
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
    /// Whether it serves.
    pub ready: bool,
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
    /// What keeps it from starting, in Kubernetes' words.
    pub trouble: Option<String>,
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
        let ready = conditions.iter().find(|condition| condition.type_ == "Ready");
        let turned = ready.and_then(|ready| ready.last_transition_time.as_ref());
        let ready = ready.is_some_and(|ready| ready.status == "True");
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
        let unschedulable = conditions
            .iter()
            .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")
            .map(|condition| shown("Unschedulable", condition.message.as_deref()));
        let containers = [status.init_container_statuses, status.container_statuses];
        let waiting = containers.iter().flatten().flatten().find_map(waiting);
        Some(Self {
            uid: pod.metadata.uid.clone().unwrap_or_default(),
            number,
            digest: annotation(CONFIGURATION_ANNOTATION),
            resources: annotation(RESOURCES_ANNOTATION),
            resize,
            ready,
            since: turned
                .or(pod.metadata.creation_timestamp.as_ref())
                .map(|time| time.0),
            gone_by: pod.metadata.deletion_timestamp.as_ref().map(|time| time.0),
            node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
            host: status.host_ip,
            rack: annotation(RACK_ANNOTATION),
            trouble: unschedulable.or(waiting).filter(|_| !ready),
            name,
        })
    }

    /// Whether it has been told to go.
    pub fn is_leaving(&self) -> bool {
        self.gone_by.is_some()
    }
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
