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
mod resizing;
mod rolling;
mod scaling;
mod status;
#[cfg(test)]
mod tests;
mod topics;
mod users;
mod volumes;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ::kafka::cluster::ConfigChange;
use ::kafka::ids::BrokerId;
use ::kafka::users::UserName;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::jiff::Timestamp;

use crate::build::{
    self, BuildError, Installation, Known, Object, broker_digest, broker_resources, controller_digest,
};
use crate::cluster::{Cluster, ClusterId, Metadata};
use crate::crd::{BrokerState, KafkaclusterStatus, UserStatus};

pub use balancer::{BalancerFacts, BalancerOrder};
pub use facts::{ClaimFacts, Discarded, NodeFacts, Pending, PodFacts, SetFacts};
pub(crate) use facts::{RESIZE_IN_PROGRESS, RESIZE_PENDING};
pub(crate) use kafka::MIN_IN_SYNC;
pub use kafka::{KafkaFacts, Questions};
pub use note::{Note, notes_of_conditions};
pub use rolling::Replaced;
pub use status::{is_reworded, refused, unseen, with_failure, with_refusal};
pub use topics::Topics;
pub use users::{KnownUsers, UserSteps};

use resizing::{Resizing, resizing};
use rolling::{Pods, Step};
use scaling::{Scaling, Situation};

/// When to look again while something is under way.
pub const SOON: Duration = Duration::from_secs(5);
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
    /// The uids of pods that Kubernetes would not give these resources while they run.
    pub not_resized: BTreeSet<String>,
    /// A digest of the certificate where the cluster has TLS, or why there is none.
    pub certificate: Result<Option<String>, String>,
    /// For each user of the spec which version of which Secret has its password, or what is wrong with the Secret.
    pub passwords: BTreeMap<UserName, Result<String, String>>,
    /// What Kafka says, or why it does not.
    pub kafka: Result<KafkaFacts, String>,
    /// What the balancer says, or why it does not.
    pub balancer: Result<BalancerFacts, String>,
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
    /// Claims of brokers that are gone, which are deleted with their volumes.
    pub discard: Vec<Discarded>,
    /// Whether the brokers' StatefulSet is deleted without its pods, since what it asks for volumes cannot be changed.
    pub recreate: bool,
    /// Objects as they should be. Empty while nothing can be built; then nothing is removed either.
    pub objects: Vec<Object>,
    /// Racks to write onto pods.
    pub racks: Vec<(Replaced, String)>,
    /// Changes of what is set for all brokers at run time.
    pub defaults: Vec<ConfigChange>,
    /// What is done with topics.
    pub topics: Topics,
    /// What is done with users.
    pub users: UserSteps,
    /// What is asked of the balancer.
    pub orders: Vec<BalancerOrder>,
    /// Brokers that Kafka can forget.
    pub unregister: Vec<BrokerId>,
    /// Pods whose node is dead, which would never be gone otherwise.
    pub bury: Vec<Replaced>,
    /// Pods that get the brokers' CPU and memory while they run.
    pub resize: Vec<Replaced>,
    /// Pods that are replaced.
    pub replace: Vec<Replaced>,
    /// The status, written when all that has been done. What has to be remembered before something is done is in the
    /// status first, and done the next time.
    pub status: KafkaclusterStatus,
    /// What is wrong and does not mend itself.
    pub troubles: Vec<Trouble>,
    /// What people are told.
    pub notes: Vec<Note>,
    /// When to look again.
    pub again: Duration,
}

impl Decision {
    /// Whether there is anything to do but to keep objects as they are and to write the status.
    pub fn acts(&self) -> bool {
        let Self {
            grow,
            discard,
            recreate,
            objects: _,
            racks,
            defaults,
            topics,
            users,
            orders,
            unregister,
            bury,
            resize,
            replace,
            status: _,
            troubles: _,
            notes: _,
            again: _,
        } = self;
        let topics = topics.make.len() + topics.grow.len() + topics.configure.len();
        let pods = racks.len() + bury.len() + resize.len() + replace.len();
        let users = users.set.len() + users.remove.len();
        let asked = users + defaults.len() + topics + orders.len() + unregister.len();
        *recreate || grow.len() + discard.len() + pods + asked > 0
    }
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
    /// The users that have to be remembered.
    users: Vec<UserStatus>,
}

/// What has to be asked of Kafka for a decision, by what there is in Kubernetes.
pub fn questions(cluster: &Cluster, observed: &Observed) -> Questions {
    let known = known(cluster, observed, cluster.brokers);
    let stale =
        |pods: &[PodFacts], digest: &str| pods.iter().any(|pod| pod.digest.as_deref() != Some(digest));
    let digest = broker_digest(cluster, &known);
    let resized = resized(cluster, observed, &digest);
    Questions {
        leaving: leaving(cluster, observed)
            .into_iter()
            .map(BrokerId::from)
            .collect(),
        restarts: stale(&observed.broker_pods, &digest) || !resized.replace.is_empty(),
        quorum: cluster.metadata.is_kraft()
            && stale(&observed.controller_pods, &controller_digest(cluster, &known)),
        users: users_of(cluster, observed),
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
    let (racks, without_rack) = nodes::racks(cluster, observed);
    let mut decision = Decision {
        racks,
        ..Decision::default()
    };
    let mut progress = Progress {
        users: observed.status.users.clone(),
        doing: Vec::new(),
        troubles: scaling.trouble.iter().cloned().chain(without_rack).collect(),
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
        // A pod that was moved meanwhile waits for its rack, and changes nothing of the cluster.
        decision = Decision {
            racks: decision.racks,
            ..Decision::default()
        };
        progress.users.clone_from(&observed.status.users);
    }
    decision.status = status::status(cluster, observed, &progress);
    decision.status.cluster_id = identity(cluster, observed);
    if observed.paused || decision.objects.is_empty() {
        status::keep_emptying(&mut decision.status, &observed.status);
    }
    decision.troubles.clone_from(&progress.troubles);
    decision.notes = note::notes(&observed.status, &decision);
    let settled = progress.doing.is_empty() && status::is_settled(&decision.status);
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
    volumes::volumes(cluster, observed, &progress.scaling, decision);
    decision.bury = nodes::buried(observed);
    decision.orders.clone_from(&progress.scaling.orders);
    if cluster.metadata.is_kraft() {
        decision.unregister = progress.scaling.gone().map(BrokerId::from).collect();
    }
    if let Ok(kafka) = &observed.kafka {
        let alive = (0..cluster.brokers).all(|number| kafka.is_alive(number.into()));
        decision.defaults = live::changes(&cluster.properties, &kafka.defaults);
        let balancer = observed.balancer.as_ref().map_err(String::as_str);
        decision.topics = Topics::decide(&cluster.topics, kafka, balancer, alive);
        progress.troubles.extend(decision.topics.troubles.iter().cloned());
        let replicate = decision.topics.replicate.clone();
        let order = (!replicate.is_empty()).then_some(BalancerOrder::Replicate(replicate));
        decision.orders.extend(order);
    }
    if let Some(waits) = &progress.scaling.waits {
        progress.doing.push(("ScalingDown", waits.clone()));
    }
    let replicating = decision.topics.doing.iter().cloned();
    progress
        .doing
        .extend(replicating.map(|doing| ("Replicating", doing)));
    roll(cluster, observed, known, progress, decision);
    if let Ok(kafka) = &observed.kafka {
        let digest = broker_digest(cluster, known);
        let is_wanted = |pod: &PodFacts| pod.digest.as_deref() == Some(digest.as_str());
        let decided = users::users(users::Situation {
            wanted: &cluster.users,
            passwords: &observed.passwords,
            remembered: &observed.status.users,
            known: &kafka.users,
            brokers_as_wanted: observed.broker_pods.iter().all(is_wanted),
        });
        decision.users = decided.steps;
        progress.users = decided.remembered;
        progress.troubles.extend(decided.troubles);
        progress.doing.extend(decided.doing.map(|doing| ("Users", doing)));
    }
}

/// The users of the spec, and those that were made here.
fn users_of(cluster: &Cluster, observed: &Observed) -> BTreeSet<UserName> {
    let wanted = cluster.users.iter().map(|user| user.name.clone());
    let made = observed
        .status
        .users
        .iter()
        .filter_map(|user| user.name.parse().ok());
    wanted.chain(made).collect()
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
    let (mut next, waits) = roll_controllers(cluster, observed, known);
    let digest = broker_digest(cluster, known);
    let resized = resized(cluster, observed, &digest);
    let pods = Pods {
        present: &observed.broker_pods,
        wanted: observed.brokers.as_ref().map_or(0, |set| set.replicas),
        digest: &digest,
        also: &resized.replace,
        revision: revision(observed.brokers.as_ref()),
        now: observed.now,
    };
    resize(resized.resize, resized.waits, progress, decision);
    if matches!(next, Step::Wait(_)) {
        next = rolling::stuck_brokers(pods, kafka).unwrap_or(next);
    }
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

/// What is next with controllers, and what they wait for to be complete.
fn roll_controllers(cluster: &Cluster, observed: &Observed, known: &Known) -> (Step, Option<String>) {
    let Metadata::KRaft { controllers } = cluster.metadata else {
        return (Step::Done, None);
    };
    let digest = controller_digest(cluster, known);
    let pods = Pods {
        present: &observed.controller_pods,
        wanted: controllers,
        digest: &digest,
        also: &BTreeSet::new(),
        revision: revision(observed.controllers.as_ref()),
        now: observed.now,
    };
    let serve = observed.broker_pods.iter().any(|pod| pod.ready);
    let kafka = observed.kafka.as_ref().map_err(String::as_str);
    (rolling::controllers(pods, kafka, serve), pods.incomplete())
}

fn revision(set: Option<&SetFacts>) -> Option<&str> {
    set?.revision.as_deref()
}

fn resized(cluster: &Cluster, observed: &Observed, digest: &str) -> Resizing {
    let wanted = broker_resources(cluster);
    resizing(&observed.broker_pods, digest, &wanted, &observed.not_resized)
}

fn resize(pods: Vec<Replaced>, waits: Option<String>, progress: &mut Progress, decision: &mut Decision) {
    let names: Vec<&str> = pods.iter().map(|pod| pod.pod.as_str()).collect();
    let said = (!names.is_empty()).then(|| format!("{} get other CPU and memory", names.join(", ")));
    let said = said.into_iter().chain(waits);
    progress.doing.extend(said.map(|said| ("Resizing", said)));
    decision.resize = pods;
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

/// Whether the status of a decision remembers what has to stand there before it is done.
pub fn remembers(before: &KafkaclusterStatus, decision: &Decision) -> bool {
    let after = &decision.status;
    before.cluster_id != after.cluster_id && decision.objects.is_empty()
        || before.users != after.users
        || remembered(before) != remembered(after)
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
