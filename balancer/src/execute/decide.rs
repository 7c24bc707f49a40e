//! The decision: from what is journalled and what Kafka shows to the next safe steps.

use std::time::Duration;

use kafka::ids::{TopicName, TopicPartition};

use super::admission::{Admission, admit};
use super::limits::{Guidance, Limits};
use super::progress::{SETTLE, Started};
use super::seen::{Found, Seen};
use super::situation::Situation;
use super::step::{Change, MoveId, Step};
use super::throttle::{Wanted, is_throttled};
use crate::journal::{
    ActivePlan, CoolDown, Drain, ExecutionState, FinishedMove, FinishedPlan, MoveProgress, MoveState,
    Outcome, Phase, PlanHead, PlanId, Record, Replication, Spent, Timestamp,
};
use crate::plan::Purpose;

/// How many finished plans the journal keeps.
const HISTORY: usize = 50;

/// How many partitions the journal knows to be cooling down; of more, those that were moved longest ago are forgotten.
const COOL_DOWNS: usize = 20_000;

/// How long a plan whose moves are over waits until Kafka shows nothing of its throttles, so that who sees the plan's
/// end may end the balancer too. A broker that refuses to take a throttle back does not keep the next plan waiting.
const LAST_LOOKS: Duration = Duration::from_secs(60);

const HOUR: Duration = Duration::from_secs(3600);

/// The next safe steps. Doing them and deciding again leads to the end of every plan; doing some of them, or none, or
/// not knowing which, is safe too.
pub fn decide(
    state: &ExecutionState,
    seen: &Seen,
    guidance: &Guidance,
    limits: &Limits,
    now: Timestamp,
) -> Vec<Step> {
    let situation = Situation {
        state,
        seen,
        guidance,
        limits,
        now,
    };
    let mut steps = Vec::new();
    let mut wanted = Wanted::default();
    let mut spent = Spent {
        minute: Timestamp(now.0 - now.0 % 60_000),
        moves: 0,
        bytes: 0,
    };
    let mut over = Vec::new();
    for (id, plan) in &state.plans {
        match plan.phase() {
            Phase::Proposed => continue,
            _ if plan.is_over() => over.push((*id, plan)),
            phase => advance(*id, plan, phase, &situation, &mut wanted, &mut spent, &mut steps),
        }
    }
    wanted.keep_for_strangers(&situation);
    steps.extend(wanted.steps(&situation));
    let has_leftovers = wanted.has_leftovers(&situation);
    let finished = over
        .into_iter()
        .filter(|(_, plan)| !has_leftovers || is_long_over(plan, now));
    steps.extend(finished.map(|(id, plan)| finish(id, plan, &situation)));
    steps.extend(housekeeping(&situation, spent));
    steps
}

fn advance(
    id: PlanId,
    plan: &ActivePlan,
    phase: Phase,
    situation: &Situation<'_>,
    wanted: &mut Wanted,
    spent: &mut Spent,
    steps: &mut Vec<Step>,
) {
    let before = steps.len();
    for (place, progress) in plan.moves.iter().filter(|(_, progress)| progress.is_in_flight()) {
        if needs_throttle(progress) {
            wanted.add(&progress.change, situation.guidance);
        }
        let started = Started {
            id: MoveId {
                plan: id,
                place: *place,
            },
            progress,
            phase,
            situation,
        };
        steps.extend(started.next());
    }
    let admission = match phase {
        Phase::Running => admit(id, plan, situation),
        Phase::Paused => Admission::default(),
        Phase::Proposed | Phase::Stopping(_) => stopped(id, plan),
    };
    for (id, outcome) in &admission.dropped {
        steps.extend(drop_move(*id, outcome.clone(), plan, situation.now));
    }
    for id in &admission.copies {
        if let Some(progress) = plan
            .moves
            .get(&id.place)
            .filter(|progress| needs_throttle(progress))
        {
            wanted.add(&progress.change, situation.guidance);
        }
    }
    let throttled = |id: &&MoveId| {
        let progress = plan.moves.get(&id.place);
        progress
            .is_some_and(|progress| !needs_throttle(progress) || is_throttled(&progress.change, situation))
    };
    let copies = admission.copies.iter().filter(throttled);
    for id in admission.leaderships.iter().chain(copies) {
        if let Some(progress) = plan.moves.get(&id.place) {
            spent.moves += 1;
            spent.bytes = spent.bytes.saturating_add(progress.change.bytes);
            steps.push(start(*id, progress, situation));
        }
    }
    if phase == Phase::Running && steps.len() == before {
        steps.extend(lose_patience(id, plan, &admission, situation));
    }
}

/// Replicas that may still be copied are throttled; those that wait for an election are not any more.
fn needs_throttle(progress: &MoveProgress) -> bool {
    progress.change.is_copy() && !matches!(progress.state, MoveState::Electing { .. })
}

/// Of a plan that is being stopped, no further move starts.
fn stopped(id: PlanId, plan: &ActivePlan) -> Admission {
    let waiting = plan.moves.iter();
    let waiting = waiting.filter(|(_, progress)| progress.state == MoveState::Waiting);
    Admission {
        dropped: waiting
            .map(|(place, _)| {
                (
                    MoveId {
                        plan: id,
                        place: *place,
                    },
                    Outcome::Stopped,
                )
            })
            .collect(),
        ..Admission::default()
    }
}

fn drop_move(id: MoveId, outcome: Outcome, plan: &ActivePlan, now: Timestamp) -> Option<Step> {
    let progress = plan.moves.get(&id.place)?;
    let ended = progress.entering(MoveState::Ended { at: now, outcome });
    Some(Step::note(vec![Record::Move(id.plan, id.place, Some(ended))]))
}

fn start(id: MoveId, progress: &MoveProgress, situation: &Situation<'_>) -> Step {
    let change = &progress.change;
    let since = situation.now;
    let in_place = matches!(situation.seen.find(change), Found::Same(found) if found.replicas == change.to);
    let (state, request) = if in_place {
        (
            MoveState::Electing { since },
            Change::Elect(change.partition.clone()),
        )
    } else {
        let request = Change::Reassign(id, change.partition.clone(), change.to.clone());
        (MoveState::Asked { since }, request)
    };
    let cool = CoolDown {
        since,
        left: match change.is_copy() {
            true => change.removing().collect(),
            false => Vec::new(),
        },
    };
    let started = progress.entering(state);
    let intent = vec![
        Record::Move(id.plan, id.place, Some(started)),
        Record::CoolDown(change.partition.clone(), Some(cool)),
    ];
    Step::intending(intent, request)
}

/// Ends the moves that wait for something that does not come, so that no plan stands in the way of a better one.
fn lose_patience(
    id: PlanId,
    plan: &ActivePlan,
    admission: &Admission,
    situation: &Situation<'_>,
) -> Vec<Step> {
    let changes = plan.moves.values().filter_map(|progress| progress.state.since());
    let begun = plan.head.as_ref().map(|head| head.phase_since);
    let opened = situation.limits.windows.open_since(situation.now);
    let patience = Duration::from_secs(situation.limits.patience_seconds);
    let waited = changes.chain(begun).chain(opened).max();
    let waited = waited.map(|last| situation.now.since(last));
    if waited.is_none_or(|waited| waited < patience) || plan.moves.values().any(MoveProgress::is_in_flight) {
        return Vec::new();
    }
    let why = match &admission.waits_for {
        Some(why) => why.clone(),
        None => "the throttles could not be set".to_owned(),
    };
    let outcome = Outcome::NotStarted { why };
    let waiting = plan.moves.iter();
    let waiting = waiting.filter(|(_, progress)| progress.state == MoveState::Waiting);
    waiting
        .filter(|(_, progress)| situation.awaited_window(&progress.change).is_none())
        .filter_map(|(place, _)| {
            drop_move(
                MoveId {
                    plan: id,
                    place: *place,
                },
                outcome.clone(),
                plan,
                situation.now,
            )
        })
        .collect()
}

/// Whether the last move ended so long ago that its throttles are not waited for any more.
fn is_long_over(plan: &ActivePlan, now: Timestamp) -> bool {
    let ends = plan.moves.values().filter_map(|progress| match progress.state {
        MoveState::Ended { at, .. } => Some(at),
        _ => None,
    });
    ends.max().is_none_or(|last| now.since(last) > LAST_LOOKS)
}

/// Takes a plan whose moves are all over into the history.
fn finish(id: PlanId, plan: &ActivePlan, situation: &Situation<'_>) -> Step {
    let mut records = vec![Record::Plan(id, None)];
    records.extend(plan.moves.keys().map(|place| Record::Move(id, *place, None)));
    records.extend(steps_of_orders(plan, situation));
    let ended = plan.moves.values().filter_map(|progress| match &progress.state {
        MoveState::Ended { outcome, .. } => Some(FinishedMove {
            partition: progress.change.partition.clone(),
            from: progress.change.from.clone(),
            to: progress.change.to.clone(),
            bytes: progress.change.bytes,
            outcome: outcome.clone(),
        }),
        _ => None,
    });
    let mut moves: Vec<FinishedMove> = ended.collect();
    if let Some(head) = &plan.head {
        let total = moves.len();
        let done = moves
            .iter()
            .filter(|ended| ended.outcome == Outcome::Done)
            .count();
        moves = FinishedPlan::keep(moves);
        let finished = FinishedPlan {
            head: head.clone(),
            finished_at: situation.now,
            done,
            total,
            moves,
            measured: None,
        };
        records.push(Record::Finished(id, Some(finished)));
    }
    let kept = situation.state.history.len();
    let oldest = situation
        .state
        .history
        .keys()
        .take((kept + 1).saturating_sub(HISTORY));
    records.extend(oldest.map(|old| Record::Finished(*old, None)));
    Step::note(records)
}

/// Forgets that partitions were moved that are on the way to their number of replicas, such as when another replica leads
/// before the leader's goes: what is left to do does not wait for what was done for the same order.
fn steps_of_orders(plan: &ActivePlan, situation: &Situation<'_>) -> Vec<Record> {
    let is_replication = |head: &PlanHead| matches!(head.purpose, Purpose::Replicate(_));
    if !plan.head.as_ref().is_some_and(is_replication) {
        return Vec::new();
    }
    let is_step = |progress: &&MoveProgress| {
        let order = situation.state.replications.get(&progress.change.partition.topic);
        let is_left = order.is_some_and(|order| order.replicas.get() != progress.change.to.len());
        is_left
            && matches!(
                &progress.state,
                MoveState::Ended {
                    outcome: Outcome::Done,
                    ..
                }
            )
    };
    let steps = plan.moves.values().filter(is_step);
    steps
        .map(|progress| Record::CoolDown(progress.change.partition.clone(), None))
        .collect()
}

/// Keeps account of the last hour, forgets what has cooled down, and notes which drained brokers are empty and which topics
/// have as many replicas as they are to have.
fn housekeeping(situation: &Situation<'_>, spent: Spent) -> Vec<Step> {
    let mut records = Vec::new();
    if spent.moves > 0 {
        let recent = situation.state.usage.iter().copied();
        let mut usage: Vec<Spent> = recent
            .filter(|past| situation.now.since(past.minute) < HOUR)
            .collect();
        match usage.iter_mut().find(|past| past.minute == spent.minute) {
            Some(minute) => {
                minute.moves = minute.moves.saturating_add(spent.moves);
                minute.bytes = minute.bytes.saturating_add(spent.bytes);
            }
            None => usage.push(spent),
        }
        records.push(Record::Usage(usage));
    }
    for (partition, cool) in &situation.state.cool_downs {
        if !situation.is_cooling(cool) {
            records.push(Record::CoolDown(partition.clone(), None));
        }
    }
    records.extend(too_many_cool_downs(situation.state));
    for (broker, drain) in &situation.state.drains {
        let empty = situation.seen.replicas_on(*broker) == 0;
        if empty != drain.empty_since.is_some() {
            let drain = Drain {
                empty_since: empty.then_some(situation.now),
                ..drain.clone()
            };
            records.push(Record::Drain(*broker, Some(drain)));
        }
    }
    let orders = situation.state.replications.iter();
    records.extend(orders.filter_map(|(topic, order)| followed(topic, order, situation)));
    if records.is_empty() {
        Vec::new()
    } else {
        vec![Step::note(records)]
    }
}

/// What is noted of a topic's order. It ends when for a while nothing was to be done about it, since a broker may answer with
/// old metadata.
fn followed(topic: &TopicName, order: &Replication, situation: &Situation<'_>) -> Option<Record> {
    let is_over = !situation.seen.is_outstanding(topic, order);
    let noted = |over_since| {
        let order = Replication {
            over_since,
            ..order.clone()
        };
        Some(Record::Replication(topic.clone(), Some(order)))
    };
    match (is_over, order.over_since) {
        (true, None) => noted(Some(situation.now)),
        (false, Some(_)) => noted(None),
        (true, Some(since)) if situation.now.since(since) > SETTLE => {
            Some(Record::Replication(topic.clone(), None))
        }
        (true, Some(_)) | (false, None) => None,
    }
}

/// Forgets the partitions beyond [`COOL_DOWNS`].
fn too_many_cool_downs(state: &ExecutionState) -> Vec<Record> {
    let excess = state.cool_downs.len().saturating_sub(COOL_DOWNS);
    if excess == 0 {
        return Vec::new();
    }
    let mut oldest: Vec<_> = state.cool_downs.iter().collect();
    oldest.sort_by_key(|(_, cool)| cool.since);
    oldest.truncate(excess);
    let forget = |(partition, _): (&TopicPartition, _)| Record::CoolDown(partition.clone(), None);
    oldest.into_iter().map(forget).collect()
}
