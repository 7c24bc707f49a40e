//! Which pods are replaced next, because they were made with another configuration than is wanted.
//!
//! A pod that serves is taken only while every partition is in sync and keeps `min.insync.replicas` without it, unless it has
//! no replica to spare; then several are taken at once where no partition minds. The first pod with a new configuration goes
//! alone, and the others wait until it serves: what cannot start stops one broker. Nothing is counted and nothing is given up: as long as the
//! condition does not hold, it is waited for.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kafka::ids::BrokerId;

use super::facts::PodFacts;
use super::kafka::KafkaFacts;
use crate::cluster::FIRST_CONTROLLER_ID;

/// How long a pod may take to serve before it counts as one that does not start. A broker that recovers its logs may take
/// longer, and loses by being replaced no more than that time.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);

/// Of so many brokers one may be away at a time, since the others carry its load.
const BROKERS_FOR_ONE_AWAY: usize = 4;

/// How many records a controller may be behind when another one is replaced.
const MOST_LAG: u64 = 1_000;

/// The pods of a role.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pods<'a> {
    /// Those that there are.
    pub(super) present: &'a [PodFacts],
    /// How many there should be.
    pub(super) wanted: u16,
    /// The digest with which they should have been made.
    pub(super) digest: &'a str,
    /// The uids of those that have to be replaced whatever their digest is.
    pub(super) also: &'a BTreeSet<String>,
    /// By what their StatefulSet makes pods now.
    pub(super) revision: Option<&'a str>,
    /// The time.
    pub(super) now: Timestamp,
}

/// What is next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// All pods are as they should be.
    Done,
    /// These are deleted, so that new ones take their places.
    Replace(Vec<Replaced>),
    /// Something has to happen first.
    Wait(String),
}

/// A pod to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// Its name.
    pub pod: String,
    /// That very pod, and no later one of the name.
    pub uid: String,
}

impl From<&PodFacts> for Replaced {
    fn from(pod: &PodFacts) -> Self {
        Self {
            pod: pod.name.clone(),
            uid: pod.uid.clone(),
        }
    }
}

impl Pods<'_> {
    fn stale(&self) -> impl Iterator<Item = &PodFacts> {
        let stale = |pod: &&PodFacts| self.is_stale(pod) && !pod.is_leaving();
        self.present.iter().filter(stale)
    }

    fn is_stale(&self, pod: &PodFacts) -> bool {
        pod.digest.as_deref() != Some(self.digest) || self.also.contains(&pod.uid)
    }

    /// Whether it would be another one if it was made now, in what its start may hang on. One that starts, however slowly, is
    /// left alone by what its StatefulSet has new.
    fn is_outdated(&self, pod: &PodFacts) -> bool {
        let other = |now: &str| pod.revision.as_deref().is_some_and(|made_by| made_by != now);
        self.is_stale(pod) || pod.trouble.is_some() && self.revision.is_some_and(other)
    }

    /// Whether a pod does not serve, and not only since it is about to.
    fn is_stuck(&self, pod: &PodFacts) -> bool {
        let waited = pod.since.map(|since| self.now.duration_since(since));
        !pod.ready && (pod.trouble.is_some() || waited.is_some_and(|waited| waited > PATIENCE))
    }

    /// Why no pod that serves may be taken.
    pub(super) fn incomplete(&self) -> Option<String> {
        let leaving = self.present.iter().find(|pod| pod.is_leaving());
        if let Some(pod) = leaving {
            return Some(format!("{} stops", pod.name));
        }
        if self.present.len() < usize::from(self.wanted) {
            let (present, wanted) = (self.present.len(), self.wanted);
            return Some(format!("{present} of {wanted} pods are there"));
        }
        let unready = self.present.iter().find(|pod| !pod.ready)?;
        Some(match &unready.trouble {
            Some(trouble) => format!("{} does not start: {trouble}", unready.name),
            None => format!("{} is not ready", unready.name),
        })
    }

    /// Pods that do not start and would be others now: replacing them takes nothing away. `serves` is what Kafka says of one,
    /// where it says anything: Kubernetes loses sight of pods that serve when it does not hear of their nodes. Where Kafka says
    /// nothing, such as run go one after the other, each when the one before it serves or will not.
    fn stuck(&self, serves: impl Fn(&PodFacts) -> Option<bool>) -> Vec<Replaced> {
        let stuck = |pod: &&PodFacts| {
            !pod.is_leaving() && self.is_outdated(pod) && self.is_stuck(pod) && serves(pod) != Some(true)
        };
        let is_hidden = |pod: &PodFacts| pod.runs && serves(pod).is_none();
        let (hidden, useless): (Vec<&PodFacts>, Vec<&PodFacts>) =
            self.present.iter().filter(stuck).partition(|pod| is_hidden(pod));
        let comes = |pod: &PodFacts| pod.is_leaving() || !pod.ready && !self.is_stuck(pod);
        let is_complete = self.present.len() >= usize::from(self.wanted);
        let next = hidden
            .first()
            .filter(|_| is_complete && !self.present.iter().any(comes));
        match useless.is_empty() {
            true => next.map(|pod| Replaced::from(*pod)).into_iter().collect(),
            false => useless.into_iter().map(Replaced::from).collect(),
        }
    }
}

/// Why no pod that serves is replaced while Kafka does not say whether it can be spared, and what to do where replacing it is
/// the cure.
fn unasked(reason: &str) -> String {
    format!(
        "Kafka cannot be asked: {reason}. Where only new pods mend that, delete the old ones, one after the other"
    )
}

/// Brokers that are replaced whatever else there is to wait for.
pub(super) fn stuck_brokers(pods: Pods<'_>, kafka: Result<&KafkaFacts, &str>) -> Option<Step> {
    let stuck = pods.stuck(|pod| Some(kafka.ok()?.is_alive(id(pod))));
    (!stuck.is_empty()).then_some(Step::Replace(stuck))
}

/// The next step with brokers. `controller` is the one that leads where a broker is the controller, and `waits` what else
/// has to happen before one that serves is taken.
pub(super) fn brokers(
    pods: Pods<'_>,
    kafka: Result<&KafkaFacts, &str>,
    controller: Option<BrokerId>,
    waits: Option<String>,
) -> Step {
    if let Some(replace) = stuck_brokers(pods, kafka) {
        return replace;
    }
    let mut stale: Vec<&PodFacts> = pods.stale().collect();
    if stale.is_empty() {
        return Step::Done;
    }
    if let Some(reason) = waits.or_else(|| pods.incomplete()) {
        return Step::Wait(reason);
    }
    let kafka = match kafka {
        Ok(kafka) => kafka,
        Err(reason) => return Step::Wait(unasked(reason)),
    };
    let fenced = pods.present.iter().find(|pod| !kafka.is_alive(id(pod)));
    if let Some(pod) = fenced {
        return Step::Wait(format!("{} has not joined the cluster", pod.name));
    }
    if let Some((partition, count)) = kafka.out_of_sync() {
        return Step::Wait(format!("{count} partitions are not in sync, such as {partition}"));
    }
    stale.sort_by_key(|pod| (Some(id(pod)) == controller, pod.number));
    let proven = pods.present.iter().any(|pod| !pods.is_stale(pod));
    let most = match proven {
        true => (pods.present.len() / BROKERS_FOR_ONE_AWAY).max(1),
        false => 1,
    };
    // The controller goes last and alone: each change of it costs all brokers a moment.
    if stale.len() > 1 {
        stale.retain(|pod| Some(id(pod)) != controller);
    }
    Step::Replace(together(&stale, kafka, most))
}

/// The next step with controllers. They vote: one at a time, the leader last. While no broker serves nobody can say how far each
/// of them is, and nobody is served by them.
pub(super) fn controllers(pods: Pods<'_>, kafka: Result<&KafkaFacts, &str>, brokers_serve: bool) -> Step {
    let quorum = kafka.ok().and_then(|kafka| kafka.quorum.as_ref());
    let stuck = pods.stuck(|pod| {
        let voter = quorum?
            .voters
            .iter()
            .find(|voter| voter.id.get() == controller_id(pod));
        voter.map(|voter| voter.lag.is_some_and(|lag| lag <= MOST_LAG))
    });
    if !stuck.is_empty() {
        return Step::Replace(stuck);
    }
    let stale: Vec<&PodFacts> = pods.stale().collect();
    if stale.is_empty() {
        return Step::Done;
    }
    if let Some(reason) = pods.incomplete() {
        return Step::Wait(reason);
    }
    if let Err(reason) = kafka
        && brokers_serve
    {
        return Step::Wait(unasked(reason));
    }
    if let Some(quorum) = quorum {
        let behind = quorum
            .voters
            .iter()
            .find(|voter| voter.lag.is_none_or(|lag| lag > MOST_LAG));
        if let Some(voter) = behind.filter(|_| quorum.voters.len() > 1) {
            return Step::Wait(format!("controller {} is behind the others", voter.id));
        }
    }
    let leader = quorum.and_then(|quorum| quorum.leader);
    let next = stale.iter().min_by_key(|pod| {
        (
            leader.is_some_and(|leader| leader.get() == controller_id(pod)),
            pod.number,
        )
    });
    Step::Replace(next.map(|pod| Replaced::from(*pod)).into_iter().collect())
}

/// The id of a controller's pod.
fn controller_id(pod: &PodFacts) -> i32 {
    i32::from(FIRST_CONTROLLER_ID) + i32::from(pod.number)
}

/// The id of a broker's pod.
fn id(pod: &PodFacts) -> BrokerId {
    BrokerId::from(pod.number)
}

/// As many of the brokers, in order, as no partition minds, and the first of them in any case: a partition that has no
/// replica to spare is without one for a moment whenever its broker restarts.
fn together(stale: &[&PodFacts], kafka: &KafkaFacts, most: usize) -> Vec<Replaced> {
    let mut away: BTreeSet<BrokerId> = BTreeSet::new();
    let mut taken = Vec::new();
    let mut hosts: BTreeMap<BrokerId, Vec<Hosted<'_>>> = BTreeMap::new();
    for (topic, partition) in kafka.partitions() {
        let hosted = Hosted {
            in_sync: &partition.in_sync,
            least: kafka.min_in_sync.get(topic).copied(),
        };
        for replica in &partition.replicas {
            hosts.entry(*replica).or_default().push(hosted);
        }
    }
    for pod in stale {
        if taken.len() >= most {
            break;
        }
        let id = id(pod);
        let minds = |hosted: &Hosted<'_>| hosted.minds(&away, id);
        let minded = hosts.get(&id).is_some_and(|hosted| hosted.iter().any(minds));
        if taken.is_empty() || !minded {
            away.insert(id);
            taken.push(Replaced::from(*pod));
        }
    }
    taken
}

/// A partition on a broker.
#[derive(Debug, Clone, Copy)]
struct Hosted<'a> {
    in_sync: &'a [BrokerId],
    /// Its `min.insync.replicas`, where it is known.
    least: Option<usize>,
}

impl Hosted<'_> {
    /// Whether this broker must not go too when those are away.
    fn minds(&self, away: &BTreeSet<BrokerId>, broker: BrokerId) -> bool {
        let stays = |replica: &&BrokerId| !away.contains(*replica) && **replica != broker;
        let left = self.in_sync.iter().filter(stays).count();
        self.least.is_none_or(|least| left < least.max(1))
    }
}
