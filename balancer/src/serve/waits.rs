//! What has to wait, and what was left alone, in sentences for whoever looks at the state: pure.

use crate::execute::{Limits, Status};
use crate::journal::{FinishedPlan, MoveState, Phase, Timestamp};
use crate::plan::{PlanSettings, Purpose};

/// Journal records that are named one by one at most.
const NAMED_RECORDS: usize = 10;

/// What the executor's state says.
pub(super) fn of_execution(status: &Status, now: Timestamp) -> Vec<String> {
    let skipped = &status.skipped_records;
    let mut sentences: Vec<String> = skipped.iter().take(NAMED_RECORDS).cloned().collect();
    if skipped.len() > NAMED_RECORDS {
        let more = skipped.len() - NAMED_RECORDS;
        sentences.push(format!(
            "{more} more journal records are left alone; the log names them"
        ));
    }
    sentences.extend(plan_waits(status, now));
    sentences
}

/// Whether moves of the plan that is being made wait for a window.
fn plan_waits(status: &Status, now: Timestamp) -> Option<String> {
    let plan = status.plan.as_ref().filter(|plan| plan.phase == Phase::Running)?;
    let waiting = plan.moves.iter().map(|status| &status.progress);
    let opens = waiting
        .filter(|progress| progress.state == MoveState::Waiting)
        .filter_map(|progress| status.limits.awaited_window(&progress.change, now));
    let (count, opens) = opens.fold((0_usize, None), |(count, _), opens| (count + 1, Some(opens)));
    Some(format!(
        "{count} moves of plan {} wait outside the maintenance windows; the next one opens at {}",
        plan.id, opens?
    ))
}

/// What of a plan that is due has to wait for a window.
pub(super) fn of_purpose(purpose: &Purpose, limits: &Limits, now: Timestamp) -> Option<String> {
    let opens = limits.windows.next_opening(now)?;
    let matter = match purpose {
        Purpose::Drain(leaving) => format!("emptying brokers {}", super::show::broker_list(leaving)),
        Purpose::Fill(new) => format!("filling brokers {}", super::show::broker_list(new)),
        Purpose::Replicate(topics) => format!(
            "giving {} another number of replicas",
            super::show::topic_list(topics)
        ),
        Purpose::Cool => "copying partitions off hot brokers".to_owned(),
        Purpose::Rebalance => "copying for a better balance".to_owned(),
    };
    let is_replication = matches!(purpose, Purpose::Replicate(_));
    let meanwhile = match limits.leadership_anytime && !is_replication {
        true => "only leaders change",
        false => "nothing is planned",
    };
    Some(format!(
        "{matter} waits: outside the maintenance windows {meanwhile}; the next one opens at {opens}"
    ))
}

/// What the brokers' states ask for, unless the last plan for the same did nothing and the next try is yet to come.
pub(super) fn after_fruitless_drain(
    of_states: Option<Purpose>,
    fruitless: Option<(&FinishedPlan, Timestamp)>,
) -> (Option<Purpose>, Option<String>) {
    let waits = match (&of_states, fruitless) {
        (Some(Purpose::Drain(brokers)), Some((plan, again)))
            if of_states.as_ref() == Some(&plan.head.purpose) =>
        {
            let ends = super::show::outcomes(&plan.moves);
            let ends: Vec<String> = ends.iter().map(|(end, count)| format!("{count} {end}")).collect();
            let brokers = super::show::broker_list(brokers);
            let ends = ends.join(", ");
            Some(format!(
                "the last plan to empty brokers {brokers} moved nothing ({ends}; `kafka-balancer history`); the next is made at {again}"
            ))
        }
        _ => None,
    };
    (of_states.filter(|_| waits.is_none()), waits)
}

/// What may be planned at `now`: outside the windows other leaders, or nothing at all. Replicas neither come nor go there.
pub(super) fn narrow(
    settings: PlanSettings,
    purpose: &Purpose,
    limits: &Limits,
    now: Timestamp,
) -> Option<PlanSettings> {
    match (limits.windows.is_open(now), limits.leadership_anytime) {
        (true, _) => Some(settings),
        (false, _) if matches!(purpose, Purpose::Replicate(_)) => None,
        (false, true) => Some(PlanSettings {
            max_bytes: Some(0),
            ..settings
        }),
        (false, false) => None,
    }
}
