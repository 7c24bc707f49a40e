//! Which waiting moves may start, and which are dropped.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

use kafka::cluster::Partition;
use kafka::ids::BrokerId;

use super::seen::Found;
use super::situation::Situation;
use super::step::MoveId;
use crate::journal::{
    ActivePlan, CoolDown, ExecutionState, MoveProgress, MoveState, Outcome, PlanId, Replication, Timestamp,
};
use crate::plan::{Move, Purpose};

const HOUR: Duration = Duration::from_secs(3600);

/// What becomes of the waiting moves of a running plan.
#[derive(Debug, Default)]
pub(super) struct Admission {
    /// Moves that will not be made.
    pub(super) dropped: Vec<(MoveId, Outcome)>,
    /// Leadership changes to start now.
    pub(super) leaderships: Vec<MoveId>,
    /// Changes of replicas to start, copies as soon as their throttles are in force.
    pub(super) copies: Vec<MoveId>,
    /// What the first move that has to wait waits for.
    pub(super) waits_for: Option<String>,
}

/// What is in flight or was started in this tick, counted against the limits. Without the latter, changes that Kafka
/// makes in a moment would follow each other as fast as it can make them, and producers would notice.
struct Room {
    copies: usize,
    copies_on: BTreeMap<BrokerId, usize>,
    leaderships: usize,
    moves_this_hour: u64,
    bytes_this_hour: u64,
}

pub(super) fn admit(id: PlanId, plan: &ActivePlan, situation: &Situation<'_>) -> Admission {
    let mut admission = Admission::default();
    let mut room = Room::left(situation.state, situation.now);
    let purpose = plan.head.as_ref().map(|head| &head.purpose);
    let waiting = || {
        let moves = plan.moves.iter();
        moves.filter(|(_, progress)| progress.state == MoveState::Waiting)
    };
    let mut candidates = Vec::new();
    for (place, progress) in waiting() {
        let id = MoveId {
            plan: id,
            place: *place,
        };
        match verdict(&progress.change, purpose, situation) {
            Verdict::Drop(outcome) => admission.dropped.push((id, outcome)),
            Verdict::Wait(why) => admission.wait(why),
            // It costs no patience, and the state says when the next window opens.
            Verdict::Ready if situation.awaited_window(&progress.change).is_some() => {}
            Verdict::Ready => candidates.push((id, &progress.change)),
        }
    }
    for (id, change) in candidates
        .iter()
        .filter(|(_, change)| change.is_leadership_only())
    {
        match room.take_leadership(change, situation) {
            Ok(()) => admission.leaderships.push(*id),
            Err(why) => admission.wait(why),
        }
    }
    // Leadership costs nothing and may cool enough, so it comes first.
    if room.leaderships > 0 {
        return admission;
    }
    for (id, change) in candidates
        .iter()
        .filter(|(_, change)| !change.is_leadership_only())
    {
        match room.take_copy(change, situation) {
            Ok(()) => admission.copies.push(*id),
            Err(why) => admission.wait(why),
        }
    }
    admission
}

impl Admission {
    fn wait(&mut self, why: String) {
        self.waits_for.get_or_insert(why);
    }
}

enum Verdict {
    Drop(Outcome),
    Wait(String),
    Ready,
}

fn verdict(change: &Move, purpose: Option<&Purpose>, situation: &Situation<'_>) -> Verdict {
    let partition = match situation.seen.find(change) {
        Found::Same(partition) => partition,
        Found::Nothing => return Verdict::Drop(Outcome::TopicDeleted),
        Found::Another => return Verdict::Drop(Outcome::TopicRecreated),
    };
    if let Some(outcome) = reason_to_drop(change, partition, purpose, situation) {
        return Verdict::Drop(outcome);
    }
    if change.is_removal() {
        return removal(change, partition, situation);
    }
    let lagging = situation.seen.lagging(&change.partition, partition);
    let repairs = !lagging.is_empty() && lagging.iter().all(|broker| !change.to.contains(broker));
    let mut involved = change.from.iter().chain(&change.to);
    match involved.find(|broker| situation.seen.is_troubled(**broker)) {
        Some(broker) if !repairs => Verdict::Wait(format!("broker {broker} has under-replicated partitions")),
        _ if partition.leader.is_none() => Verdict::Wait(format!("{} has no leader", change.partition)),
        _ => Verdict::Ready,
    }
}

/// Whether a removal that Kafka does not show yet may be sent now.
pub(super) fn may_remove(change: &Move, partition: &Partition, situation: &Situation<'_>) -> bool {
    matches!(removal(change, partition, situation), Verdict::Ready)
}

/// Whether replicas may go that are copied nowhere. Brokers with under-replicated partitions are no hindrance, since nothing
/// burdens them; but what is in sync only goes when all that stays is in sync, too.
fn removal(change: &Move, partition: &Partition, situation: &Situation<'_>) -> Verdict {
    let name = &change.partition;
    let Some(minimum) = situation.seen.min_in_sync(&name.topic) else {
        return Verdict::Wait(format!("min.insync.replicas of {} is not known", name.topic));
    };
    if change.to.len() < minimum {
        return Verdict::Drop(Outcome::FewerReplicas);
    }
    let Some(leader) = partition.leader else {
        return Verdict::Wait(format!("{name} has no leader"));
    };
    if !change.to.contains(&leader) {
        let why = format!("broker {leader}, whose replica was to go, leads by now");
        return Verdict::Drop(Outcome::NoLongerHelps { why });
    }
    let in_sync = |broker: &&BrokerId| partition.in_sync.contains(broker);
    let staying = change.to.iter().filter(in_sync).count();
    let first_leads = change.to.first().is_some_and(|first| in_sync(&first));
    match first_leads && (staying == change.to.len() || staying == partition.in_sync.len()) {
        true => Verdict::Ready,
        false => Verdict::Wait(format!("replicas of {name} that are to stay are not in sync")),
    }
}

/// Whether somebody still wants as many replicas as a move is on the way to.
fn is_ordered(change: &Move, state: &ExecutionState) -> bool {
    let order = state.replications.get(&change.partition.topic);
    let Some(order) = order.filter(|order| order.topic_id == change.topic_id) else {
        return false;
    };
    let (from, to, wanted) = (change.from.len(), change.to.len(), order.replicas.get());
    match to.cmp(&from) {
        Ordering::Greater => to <= wanted,
        Ordering::Less => to >= wanted,
        // Another one leads before the leader's replica goes.
        Ordering::Equal => wanted < from,
    }
}

fn reason_to_drop(
    change: &Move,
    partition: &Partition,
    purpose: Option<&Purpose>,
    situation: &Situation<'_>,
) -> Option<Outcome> {
    let guidance = situation.guidance;
    if situation.seen.reassignments.contains_key(&change.partition) {
        return Some(Outcome::ReassignedElsewhere);
    }
    if partition.replicas != change.from && partition.replicas != change.to {
        return Some(Outcome::ChangedElsewhere);
    }
    let is_replication = matches!(purpose, Some(Purpose::Replicate(_)));
    if is_replication && !is_ordered(change, situation.state) {
        let why = "so many replicas are not ordered any more".to_owned();
        return Some(Outcome::NoLongerHelps { why });
    }
    if !is_replication && change.to.len() < change.from.len() {
        return Some(Outcome::FewerReplicas);
    }
    if let Some(why) = guidance.useless.get(&change.partition) {
        return Some(Outcome::NoLongerHelps { why: why.clone() });
    }
    if let Some(broker) = change
        .to
        .iter()
        .find(|broker| !situation.seen.alive.contains(broker))
    {
        return Some(Outcome::BrokerGone { broker: *broker });
    }
    let each = change.bytes / (change.adding().count().max(1) as u64);
    let full = change.adding().find(|broker| {
        let usable = guidance.usable_bytes.get(broker);
        usable.is_some_and(|usable| *usable < each.saturating_add(situation.limits.disk_reserve))
    });
    if let Some(broker) = full {
        return Some(Outcome::DiskFull { broker });
    }
    let cool = situation.state.cool_downs.get(&change.partition)?;
    let must_move = match purpose {
        // Each replica leaves such a broker once, wherever there is room for it.
        Some(Purpose::Drain(leaving)) => change.removing().any(|broker| leaving.contains(&broker)),
        Some(Purpose::Replicate(_)) => {
            let order = situation.state.replications.get(&change.partition.topic);
            order.is_some_and(|order| order.knew_of(cool))
        }
        _ => false,
    };
    if !situation.is_cooling(cool) || must_move {
        return None;
    }
    Some(match change.adding().any(|broker| cool.left.contains(&broker)) {
        true => Outcome::ToAndFro,
        false => Outcome::CoolingDown,
    })
}

impl Replication {
    /// Whether a partition had been moved already when a number of replicas was ordered: who orders it knows what was before.
    /// What failed since then is not tried again before it has cooled down.
    pub(super) fn knew_of(&self, cool: &CoolDown) -> bool {
        cool.since <= self.asked_at
    }
}

impl Situation<'_> {
    pub(super) fn is_cooling(&self, cool: &CoolDown) -> bool {
        self.now.since(cool.since) < Duration::from_secs(self.limits.cool_down_seconds)
    }
}

impl Room {
    fn left(state: &ExecutionState, now: Timestamp) -> Self {
        let recent = state.usage.iter().filter(|spent| now.since(spent.minute) < HOUR);
        let (moves, bytes) = recent.fold((0_u64, 0_u64), |(moves, bytes), spent| {
            (
                moves.saturating_add(spent.moves),
                bytes.saturating_add(spent.bytes),
            )
        });
        let mut room = Self {
            copies: 0,
            copies_on: BTreeMap::new(),
            leaderships: 0,
            moves_this_hour: moves,
            bytes_this_hour: bytes,
        };
        for progress in state.plans.values().flat_map(|plan| plan.moves.values()) {
            if progress.is_in_flight() {
                if progress.change.is_leadership_only() {
                    room.leaderships += 1;
                } else if !matches!(progress.state, MoveState::Electing { .. }) {
                    room.count_copy(&progress.change);
                }
            } else if progress.is_over_within(now, state) {
                match progress.change.is_leadership_only() {
                    true => room.leaderships += 1,
                    false => room.copies += 1,
                }
            }
        }
        room
    }

    fn take_leadership(&mut self, change: &Move, situation: &Situation<'_>) -> Result<(), String> {
        if self.leaderships >= situation.limits.leadership_changes {
            return Err("as many leadership changes as allowed are in flight".to_owned());
        }
        if let (Found::Same(partition), Some(next)) = (situation.seen.find(change), change.to.first())
            && !partition.in_sync.contains(next)
        {
            return Err(format!("broker {next} is not in sync for {}", change.partition));
        }
        self.spend(change, situation)?;
        self.leaderships += 1;
        Ok(())
    }

    fn take_copy(&mut self, change: &Move, situation: &Situation<'_>) -> Result<(), String> {
        let limits = situation.limits;
        if self.copies >= limits.moves_per_cluster {
            return Err("as many copies as allowed are in flight".to_owned());
        }
        for broker in burdened(change) {
            if self
                .copies_on
                .get(&broker)
                .is_some_and(|copies| *copies >= limits.moves_per_broker)
            {
                return Err(format!("as many copies as allowed burden broker {broker}"));
            }
        }
        self.spend(change, situation)?;
        self.count_copy(change);
        Ok(())
    }

    fn count_copy(&mut self, change: &Move) {
        self.copies += 1;
        for broker in burdened(change) {
            *self.copies_on.entry(broker).or_default() += 1;
        }
    }

    fn spend(&mut self, change: &Move, situation: &Situation<'_>) -> Result<(), String> {
        let bytes = self.bytes_this_hour.saturating_add(change.bytes);
        if self.moves_this_hour >= situation.limits.moves_per_hour {
            return Err("as many moves as allowed were started within the hour".to_owned());
        }
        if bytes > situation.limits.bytes_per_hour {
            return Err(format!(
                "{} copies {} bytes, more than the hour has left",
                change.partition, change.bytes
            ));
        }
        self.moves_this_hour += 1;
        self.bytes_this_hour = bytes;
        Ok(())
    }
}

/// The brokers that a copy burdens: the leader that sends and those that receive.
fn burdened(change: &Move) -> impl Iterator<Item = BrokerId> + '_ {
    change.from_leader.into_iter().chain(change.adding())
}

impl MoveProgress {
    /// Whether it was started in the tick of now and is over already.
    fn is_over_within(&self, now: Timestamp, state: &ExecutionState) -> bool {
        let started = state.cool_downs.get(&self.change.partition);
        matches!(self.state, MoveState::Ended { at, .. } if at == now)
            && started.is_some_and(|cool| cool.since == now)
    }

    /// Whether Kafka is making a copy for it, or may be.
    pub(crate) fn is_copying(&self) -> bool {
        let may_copy = matches!(self.state, MoveState::Asked { .. } | MoveState::Copying { .. });
        may_copy && self.change.is_copy()
    }

    /// Whether something has been asked of Kafka and is not over.
    pub(super) fn is_in_flight(&self) -> bool {
        !matches!(self.state, MoveState::Waiting | MoveState::Ended { .. })
    }
}

impl MoveState {
    /// When it came into this state, if it ever left the first.
    pub(super) fn since(&self) -> Option<Timestamp> {
        match self {
            Self::Waiting => None,
            Self::Asked { since }
            | Self::Copying { since, .. }
            | Self::Electing { since }
            | Self::Reverting { since, .. } => Some(*since),
            Self::Ended { at, .. } => Some(*at),
        }
    }
}
