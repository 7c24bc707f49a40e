//! How many brokers there are pods for, and what is done with those that are to go.
//!
//! There is one way out, and where a broker stands on it follows from what is: it is remembered in the status as being
//! emptied; the balancer is asked to empty it; Kafka itself says, by its metadata and, of a broker that is alive, by its own
//! log directories, that it hosts nothing; then its pod goes; then Kafka and the balancer forget it, and so does the status.
//! A question without an answer never counts as one that was answered well.

use std::collections::{BTreeMap, BTreeSet};

use balancer::journal::Mode;
use kafka::cluster::Partition;
use kafka::ids::BrokerId;

use super::Trouble;
use super::balancer::{BalancerFacts, BalancerOrder};
use super::kafka::KafkaFacts;

/// Where a broker stands on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Leaving {
    /// Nobody could say what it hosts.
    Unseen(String),
    /// It hosts so many replicas, or is about to.
    Hosts(usize),
    /// Kafka and it itself say that it hosts nothing.
    Empty,
    /// Its pod is on its way out, or Kafka still takes it for alive.
    Going,
    /// It is gone, and Kafka and the balancer may forget it.
    Gone,
}

/// What there is, as far as numbers of brokers go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Situation<'a> {
    /// How many brokers the spec says.
    pub(super) wanted: u16,
    /// How many pods their StatefulSet keeps; none where there is no StatefulSet.
    pub(super) kept: Option<u16>,
    /// The numbers of the pods that there are.
    pub(super) pods: &'a BTreeSet<u16>,
    /// The brokers that the status calls EMPTYING.
    pub(super) remembered: &'a BTreeSet<u16>,
    /// What Kafka says, if it does.
    pub(super) kafka: Result<&'a KafkaFacts, &'a str>,
    /// What the balancer says, if it does.
    pub(super) balancer: Result<&'a BalancerFacts, &'a str>,
}

/// What is to be done about numbers of brokers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scaling {
    /// How many pods there must be.
    pub(super) pods: u16,
    /// The brokers that are to go, as far as they have got. The status has to remember all but those that are gone.
    pub(super) leaving: BTreeMap<u16, Leaving>,
    /// What to ask of the balancer.
    pub(super) orders: Vec<BalancerOrder>,
    /// What keeps brokers from going until somebody acts.
    pub(super) trouble: Option<Trouble>,
    /// What is being waited for.
    pub(super) waits: Option<String>,
}

impl Scaling {
    /// Brokers that Kafka, the balancer and the status can forget.
    pub(super) fn gone(&self) -> impl Iterator<Item = u16> {
        let gone = self
            .leaving
            .iter()
            .filter(|(_, leaving)| **leaving == Leaving::Gone);
        gone.map(|(number, _)| *number)
    }
}

/// The brokers about which Kafka has to be asked for [`scaling`] to decide: those beyond what is wanted.
pub(super) fn beyond(
    wanted: u16,
    kept: Option<u16>,
    pods: &BTreeSet<u16>,
    remembered: &BTreeSet<u16>,
) -> BTreeSet<u16> {
    // Without a StatefulSet, pods that it left are all that is known of it.
    let after = |numbers: &BTreeSet<u16>| numbers.last().map_or(0, |last| last.saturating_add(1));
    let end = kept.unwrap_or_else(|| after(pods));
    (wanted..end.max(after(remembered))).collect()
}

/// Decides.
pub(super) fn scaling(situation: Situation<'_>) -> Scaling {
    let Situation {
        wanted,
        kept,
        pods,
        remembered,
        ..
    } = situation;
    let leaving: BTreeMap<u16, Leaving> = beyond(wanted, kept, pods, remembered)
        .into_iter()
        .map(|number| (number, situation.leaving(number)))
        .collect();
    let trouble = (!leaving.is_empty()).then(|| situation.refusal()).flatten();
    let orders = situation.orders(&leaving, trouble.is_some());
    Scaling {
        pods: situation.pods(&leaving),
        waits: situation.waits(&leaving),
        orders,
        trouble,
        leaving,
    }
}

impl Situation<'_> {
    fn leaving(&self, number: u16) -> Leaving {
        let id = BrokerId::from(number);
        let kafka = match self.kafka {
            Ok(kafka) => kafka,
            Err(reason) => return Leaving::Unseen(reason.to_owned()),
        };
        let coming = |adding: &[BrokerId]| adding.contains(&id);
        let hosts = |partition: &Partition| partition.replicas.contains(&id);
        let assigned = kafka
            .partitions()
            .filter(|(_, partition)| hosts(partition))
            .count();
        let added = kafka
            .reassignments
            .values()
            .filter(|reassignment| coming(&reassignment.adding));
        let assigned = assigned.max(added.count());
        if assigned > 0 {
            return Leaving::Hosts(assigned);
        }
        if self.kept.is_some_and(|kept| number >= kept) {
            let still_there = self.pods.contains(&number) || kafka.is_alive(id);
            return if still_there {
                Leaving::Going
            } else {
                Leaving::Gone
            };
        }
        match kafka.stored.get(&id) {
            // Nothing new is placed on a broker that is not alive, and what may be on its volume is no replica of anything.
            _ if !kafka.is_alive(id) => Leaving::Empty,
            Some(Ok(0)) => Leaving::Empty,
            Some(Ok(stored)) => Leaving::Hosts(*stored),
            Some(Err(reason)) => Leaving::Unseen(reason.clone()),
            None => Leaving::Unseen("its log directories have not been read yet".to_owned()),
        }
    }

    /// The least number of pods that takes none away from a broker of which it is not proven that it hosts nothing.
    /// StatefulSets take away the pods with the highest numbers.
    fn pods(&self, leaving: &BTreeMap<u16, Leaving>) -> u16 {
        let kept = self.kept.unwrap_or(u16::MAX);
        let needed = leaving.iter().filter_map(|(number, leaving)| {
            let with_it = number.saturating_add(1);
            match leaving {
                Leaving::Hosts(_) => Some(with_it),
                // Nothing is known, and so nothing changes.
                Leaving::Unseen(_) => Some(with_it.min(kept)),
                // What follows when it is gone has to be remembered first.
                Leaving::Empty if !self.remembered.contains(number) => Some(with_it.min(kept)),
                Leaving::Empty | Leaving::Going | Leaving::Gone => None,
            }
        });
        needed.max().unwrap_or(0).max(self.wanted)
    }

    /// Why replicas cannot leave.
    fn refusal(&self) -> Option<Trouble> {
        let kafka = self.kafka.ok()?;
        let wanted = usize::from(self.wanted);
        let factors = kafka
            .partitions()
            .map(|(topic, partition)| (topic, kafka.replication_factor(topic, partition)));
        let widest = factors.max_by_key(|(_, replicas)| *replicas);
        if let Some((topic, replicas)) = widest.filter(|(_, replicas)| *replicas > wanted) {
            return Some(Trouble::new(
                "ScaleDownRefused",
                format!(
                    "topic {topic} has {replicas} replicas of a partition, which {wanted} brokers cannot hold; \
                     set spec.brokerCount to at least {replicas}, or lower its replicationFactor in spec.topics (of a topic \
                     that is not there: `kafka-balancer replication {topic} {wanted}`)"
                ),
            ));
        }
        let balancer = self.balancer.ok()?;
        (balancer.mode == Mode::Observe).then(|| {
            Trouble::new(
                "ScaleDownRefused",
                "brokers are to be removed, and the balancer only observes; set spec.balancer.mode to auto or \
                 approve (after a stop also `kafka-balancer mode auto`), or move their replicas with \
                 kafka-reassign-partitions",
            )
        })
    }

    fn orders(&self, leaving: &BTreeMap<u16, Leaving>, refused: bool) -> Vec<BalancerOrder> {
        let Ok(balancer) = self.balancer else {
            return Vec::new();
        };
        let drained = |number: &u16| balancer.draining.contains(&BrokerId::from(*number));
        // Only what the status remembers is asked for, so that a change of mind finds it there.
        let drain = leaving.iter().filter(|(number, leaving)| {
            let present = matches!(leaving, Leaving::Hosts(_) | Leaving::Empty | Leaving::Unseen(_));
            let asked = refused || !self.remembered.contains(number) || drained(number);
            // The balancer knows only brokers that are alive, and takes replicas off dead ones by itself.
            present && !asked && self.is_alive(**number)
        });
        let drain: Vec<BrokerId> = drain.map(|(number, _)| BrokerId::from(*number)).collect();
        let gone = leaving.iter().filter(|(_, leaving)| **leaving == Leaving::Gone);
        let stay = self
            .remembered
            .iter()
            .copied()
            .filter(|number| *number < self.wanted);
        // Whoever may stay is told so once, although the balancer may not show yet that it was asked to empty it.
        let back = stay.chain(gone.map(|(number, _)| *number).filter(drained));
        let undrain: Vec<BrokerId> = back.map(BrokerId::from).collect();
        let mut orders = Vec::new();
        if !drain.is_empty() {
            orders.push(BalancerOrder::Drain(drain));
        }
        if !undrain.is_empty() {
            orders.push(BalancerOrder::Undrain(undrain));
        }
        orders
    }

    fn is_alive(&self, number: u16) -> bool {
        self.kafka.is_ok_and(|kafka| kafka.is_alive(number.into()))
    }

    fn waits(&self, leaving: &BTreeMap<u16, Leaving>) -> Option<String> {
        let (number, first) = leaving
            .iter()
            .rev()
            .find(|(_, leaving)| !matches!(leaving, Leaving::Gone))?;
        let what = match first {
            Leaving::Unseen(reason) => format!("nobody can say what broker {number} hosts: {reason}"),
            Leaving::Hosts(_) => {
                let replicas: usize = leaving
                    .values()
                    .map(|leaving| match leaving {
                        Leaving::Hosts(replicas) => *replicas,
                        _ => 0,
                    })
                    .sum();
                let waits = match self.balancer {
                    Err(reason) => format!("; the balancer does not answer: {reason}"),
                    Ok(balancer) if balancer.mode == Mode::Approve => {
                        "; plans wait for `kafka-balancer approve`".to_owned()
                    }
                    Ok(_) => "; what keeps one from moving is in `kafka-balancer history`".to_owned(),
                };
                let numbers: Vec<String> = leaving.keys().map(u16::to_string).collect();
                let numbers = numbers.join(", ");
                format!("being emptied: {numbers}, with {replicas} replicas left{waits}")
            }
            Leaving::Empty => format!("broker {number} hosts nothing, and its pod goes"),
            Leaving::Going | Leaving::Gone => format!("broker {number} stops"),
        };
        Some(what)
    }
}
