//! What is done next with a cluster: a function from what is wanted and what is to the next safe steps.
//!
//! There is no clock, no network and no memory here. What was decided before is seen in what is, so that a decision is as
//! good after a crash, a missed event or somebody else's change as it is otherwise.

mod balancer;
mod facts;
mod kafka;
mod live;
mod nodes;
mod note;
mod rolling;
mod scaling;
mod status;
#[cfg(test)]
mod tests;
mod topics;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ::kafka::cluster::ConfigChange;
use ::kafka::ids::BrokerId;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::jiff::Timestamp;

use crate::build::{self, BuildError, Installation, Known, Object, broker_digest, controller_digest};
use crate::cluster::{Cluster, ClusterId, Metadata, Storage, disk_bytes};
use crate::crd::{BrokerState, KafkaclusterStatus};

pub use balancer::{BalancerFacts, BalancerOrder};
pub use facts::{ClaimFacts, NodeFacts, PodFacts, SetFacts};
pub use kafka::{KafkaFacts, Questions};
pub use note::{Note, notes_of_conditions};
pub use rolling::Replaced;
pub use status::{refused, with_failure};
pub use topics::Topics;

use rolling::{Pods, Step};
use scaling::{Scaling, Situation};

/// When to look again while something is under way.
const SOON: Duration = Duration::from_secs(5);
/// When to look again in any case: Kafka and the balancer tell nobody that something has changed.
pub const LATER: Duration = Duration::from_secs(60);

/// What there is of a cluster.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The generation of the spec.
    pub generation: Option<i64>,
    /// The status as it was written last.
    pub status: KafkaclusterStatus,
    /// Whether somebody wished that nothing be changed.
    pub paused: bool,
    /// The brokers' StatefulSet.
    pub brokers: Option<SetFacts>,
    /// The controllers' StatefulSet.
    pub controllers: Option<SetFacts>,
    /// The brokers' pods.
    pub broker_pods: Vec<PodFacts>,
    /// The controllers' pods.
    pub controller_pods: Vec<PodFacts>,
    /// The claims for brokers' volumes.
    pub claims: Vec<ClaimFacts>,
    /// The nodes on which pods are, as far as there still are such.
    pub nodes: Result<BTreeMap<String, NodeFacts>, String>,
    /// A digest of the certificate where the cluster has TLS, or why there is none.
    pub certificate: Result<Option<String>, String>,
    /// What Kafka says, or why it does not.
    pub kafka: Result<KafkaFacts, String>,
    /// What the balancer says, or why it does not.
    pub balancer: Result<BalancerFacts, String>,
    /// Why the last attempt to change something failed, if it did.
    pub failure: Option<String>,
    /// The time.
    pub now: Timestamp,
    /// Random bits, for an id that is decided once.
    pub random: u128,
}

/// The next safe steps, in the order in which they are taken.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    /// Claims that ask for more from now on.
    pub grow: Vec<(String, Quantity)>,
    /// Whether the brokers' StatefulSet is deleted without its pods, since what it asks for volumes cannot be changed.
    pub recreate: bool,
    /// Objects as they should be. Empty while nothing can be built; then nothing is removed either.
    pub objects: Vec<Object>,
    /// Racks to write onto pods.
    pub racks: Vec<(String, String)>,
    /// Changes of what is set for all brokers at run time.
    pub defaults: Vec<ConfigChange>,
    /// What is done with topics.
    pub topics: Topics,
    /// What is asked of the balancer.
    pub orders: Vec<BalancerOrder>,
    /// Brokers that Kafka can forget.
    pub unregister: Vec<BrokerId>,
    /// Pods whose node is dead, which would never be gone otherwise.
    pub bury: Vec<Replaced>,
    /// Pods that are replaced.
    pub replace: Vec<Replaced>,
    /// The status, written when all that has been done. What has to be remembered before something is done is in the
    /// status first, and done the next time.
    pub status: KafkaclusterStatus,
    /// What people are told.
    pub notes: Vec<Note>,
    /// When to look again.
    pub again: Duration,
}

/// Something that does not mend itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    reason: &'static str,
    message: String,
}

impl Trouble {
    fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// How far things have got: what the status tells.
struct Progress {
    scaling: Scaling,
    /// What is being done or waited for.
    doing: Vec<(&'static str, String)>,
    troubles: Vec<Trouble>,
}

/// What has to be asked of Kafka for a decision, by what there is in Kubernetes.
pub fn questions(cluster: &Cluster, observed: &Observed) -> Questions {
    let known = known(cluster, observed, cluster.brokers);
    let stale = |pods: &[PodFacts], digest: String| {
        let wanted = Some(digest.as_str());
        pods.iter().any(|pod| pod.digest.as_deref() != wanted)
    };
    Questions {
        leaving: leaving(cluster, observed)
            .into_iter()
            .map(BrokerId::from)
            .collect(),
        restarts: stale(&observed.broker_pods, broker_digest(cluster, &known)),
        quorum: cluster.metadata.is_kraft()
            && stale(&observed.controller_pods, controller_digest(cluster, &known)),
        topics: cluster.topics.iter().map(|topic| topic.name.clone()).collect(),
    }
}

/// Decides.
///
/// # Errors
///
/// None that a cluster which was validated can bring about.
pub fn decide(
    cluster: &Cluster,
    installation: &Installation,
    observed: &Observed,
) -> Result<Decision, BuildError> {
    let scaling = scaling::scaling(Situation {
        wanted: cluster.brokers,
        kept: observed.brokers.as_ref().map(|set| set.replicas),
        pods: &numbers(observed),
        remembered: &remembered(&observed.status),
        kafka: observed.kafka.as_ref().map_err(String::as_str),
        balancer: observed.balancer.as_ref().map_err(String::as_str),
    });
    let known = known(cluster, observed, scaling.pods);
    let mut decision = Decision::default();
    let mut progress = Progress {
        doing: Vec::new(),
        troubles: scaling.trouble.iter().cloned().collect(),
        scaling,
    };
    match (&observed.certificate, kept_identity(observed)) {
        (Err(reason), _) => progress
            .troubles
            .push(Trouble::new("NoCertificate", reason.clone())),
        (Ok(_), None) if cluster.metadata.is_kraft() => {
            let doing = "the id of the cluster is written down before anything is made".to_owned();
            progress.doing.push(("Starting", doing));
        }
        (Ok(_), _) => {
            decision.objects = build::objects(cluster, installation, &known)?;
            steps(cluster, observed, &known, &mut progress, &mut decision);
        }
    }
    if observed.paused {
        decision = Decision::default();
    }
    decision.status = status::status(cluster, observed, &progress);
    decision.status.cluster_id = identity(cluster, observed);
    decision.notes = note::notes(&observed.status, &decision);
    let settled = progress.doing.is_empty() && status::is_ready(&decision.status);
    decision.again = if settled || observed.paused { LATER } else { SOON };
    Ok(decision)
}

/// The steps of a cluster that can be built.
fn steps(
    cluster: &Cluster,
    observed: &Observed,
    known: &Known,
    progress: &mut Progress,
    decision: &mut Decision,
) {
    volumes(cluster, observed, decision);
    let (racks, troubles) = nodes::racks(cluster, observed);
    decision.racks = racks;
    progress.troubles.extend(troubles);
    decision.bury = nodes::buried(observed);
    decision.orders.clone_from(&progress.scaling.orders);
    if cluster.metadata.is_kraft() {
        decision.unregister.clone_from(&progress.scaling.unregister);
    }
    if let Ok(kafka) = &observed.kafka {
        let alive = (0..cluster.brokers).all(|number| kafka.is_alive(number.into()));
        decision.defaults = live::changes(&cluster.properties, &kafka.defaults);
        decision.topics = Topics::decide(&cluster.topics, kafka, alive);
        progress.troubles.extend(decision.topics.troubles.iter().cloned());
    }
    if let Some(waits) = &progress.scaling.waits {
        progress.doing.push(("ScalingDown", waits.clone()));
    }
    roll(cluster, observed, known, progress, decision);
}

/// Replaces pods: controllers first, then brokers, so that no broker talks to a controller older than itself.
fn roll(
    cluster: &Cluster,
    observed: &Observed,
    known: &Known,
    progress: &mut Progress,
    decision: &mut Decision,
) {
    let kafka = observed.kafka.as_ref().map_err(String::as_str);
    let (mut next, mut waits) = (Step::Done, None);
    if let Metadata::KRaft { controllers } = cluster.metadata {
        let digest = controller_digest(cluster, known);
        let pods = Pods {
            present: &observed.controller_pods,
            wanted: controllers,
            digest: &digest,
            now: observed.now,
        };
        next = rolling::controllers(pods, kafka);
        waits = pods.incomplete();
    }
    let digest = broker_digest(cluster, known);
    let pods = Pods {
        present: &observed.broker_pods,
        wanted: observed.brokers.as_ref().map_or(0, |set| set.replicas),
        digest: &digest,
        now: observed.now,
    };
    if next == Step::Done {
        // In KRaft mode any broker may be named as the controller, and none is.
        let controller = match cluster.metadata {
            Metadata::ZooKeeper(_) => kafka.ok().and_then(|kafka| kafka.description.controller),
            Metadata::KRaft { .. } => None,
        };
        next = rolling::brokers(pods, kafka, controller, waits.clone());
    }
    match next {
        Step::Done => {
            let unready = waits.or_else(|| pods.incomplete());
            progress.doing.extend(unready.map(|reason| ("Starting", reason)));
        }
        Step::Replace(pods) => {
            let names: Vec<&str> = pods.iter().map(|replaced| replaced.pod.as_str()).collect();
            progress
                .doing
                .push(("Rolling", format!("{} are replaced", names.join(", "))));
            decision.replace = pods;
        }
        Step::Wait(reason) => {
            progress
                .doing
                .push(("Rolling", format!("pods are to be replaced; first: {reason}")));
        }
    }
}

fn volumes(cluster: &Cluster, observed: &Observed, decision: &mut Decision) {
    let Storage::Volume { size, .. } = &cluster.storage else {
        return;
    };
    let smaller = |asked: &Option<Quantity>| {
        let bytes = asked.as_ref().and_then(disk_bytes);
        bytes.is_some_and(|bytes| bytes < size.number())
    };
    let growing = observed.claims.iter().filter(|claim| smaller(&claim.asked));
    decision.grow = growing
        .map(|claim| (claim.name.clone(), size.written().clone()))
        .collect();
    decision.recreate = observed.brokers.as_ref().is_some_and(|set| smaller(&set.claim));
}

/// The id that is written down, or that pods have started with when the status was lost.
fn kept_identity(observed: &Observed) -> Option<ClusterId> {
    let written = observed.status.cluster_id.as_deref();
    let written = written.and_then(|id| id.parse::<ClusterId>().ok());
    let sets = [&observed.brokers, &observed.controllers];
    let started = sets.into_iter().flatten().find_map(|set| set.cluster_id.clone());
    written.or(started)
}

/// The id for the status: in KRaft mode decided once, in ZooKeeper mode what Kafka says.
fn identity(cluster: &Cluster, observed: &Observed) -> Option<String> {
    if cluster.metadata.is_kraft() {
        let id = kept_identity(observed).unwrap_or_else(|| ClusterId::from_random(observed.random));
        return Some(id.to_string());
    }
    let said = observed
        .kafka
        .as_ref()
        .ok()
        .map(|kafka| kafka.description.cluster_id.clone());
    said.or_else(|| observed.status.cluster_id.clone())
}

fn known(cluster: &Cluster, observed: &Observed, broker_pods: u16) -> Known {
    Known {
        cluster_id: kept_identity(observed).filter(|_| cluster.metadata.is_kraft()),
        broker_pods,
        certificate: observed.certificate.clone().ok().flatten(),
    }
}

/// The brokers that the status calls EMPTYING.
fn remembered(status: &KafkaclusterStatus) -> BTreeSet<u16> {
    let emptying = status
        .brokers
        .iter()
        .filter(|broker| broker.state == BrokerState::Emptying);
    emptying
        .filter_map(|broker| u16::try_from(broker.id).ok())
        .collect()
}

fn numbers(observed: &Observed) -> BTreeSet<u16> {
    observed.broker_pods.iter().map(|pod| pod.number).collect()
}

fn leaving(cluster: &Cluster, observed: &Observed) -> BTreeSet<u16> {
    let kept = observed.brokers.as_ref().map(|set| set.replicas);
    scaling::beyond(
        cluster.brokers,
        kept,
        &numbers(observed),
        &remembered(&observed.status),
    )
}
