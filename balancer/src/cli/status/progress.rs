//! The plan that there is, and how far it is.

use std::collections::BTreeMap;

use crate::api::view::{MoveView, PlanStanding, PlanView};
use crate::cli::tables::{copied, labelled, paragraph, plain_table, plan_head, size, unsolved};
use crate::model::Resource;
use crate::plan::output::ids;

/// Moves in flight that are listed at most, and those that wait.
const MOST_IN_FLIGHT: usize = 12;
const MOST_PENDING: usize = 5;

/// Head, progress, what is in flight and what comes next, throttles, and what stays unsolved; `now_ms` by the clock of the balancer.
pub(super) fn plan(plan: &PlanView, now_ms: u64) -> String {
    let mut parts = vec![plan_head(plan)];
    let is_begun = plan.moves.iter().any(|change| change.submitted_at_ms.is_some());
    if is_begun || plan.standing != PlanStanding::Suggested {
        parts.push(paragraph(&progress(plan, now_ms)));
    }
    parts.push(moves(plan, now_ms));
    if !plan.throttles.is_empty() {
        parts.push(labelled("throttles:", &throttles(plan)));
    }
    format!("{}{}", parts.join("\n"), unsolved(plan))
}

fn is_in_flight(change: &&MoveView) -> bool {
    change.submitted_at_ms.is_some() && change.ended_at_ms.is_none()
}

fn is_pending(change: &&MoveView) -> bool {
    change.submitted_at_ms.is_none() && change.ended_at_ms.is_none()
}

fn progress(plan: &PlanView, now_ms: u64) -> String {
    let mut ended: BTreeMap<&str, usize> = BTreeMap::new();
    for change in plan.moves.iter().filter(|change| change.ended_at_ms.is_some()) {
        *ended.entry(&change.state).or_default() += 1;
    }
    let ways: Vec<String> = ended
        .iter()
        .map(|(way, count)| format!("{count} {way}"))
        .collect();
    let over: usize = ended.values().sum();
    let (done, total) = plan.moves.iter().fold((0, 0), |(done, total), change| {
        (done + change.bytes_done, total + change.bytes)
    });
    let began = plan
        .moves
        .iter()
        .filter_map(|change| change.submitted_at_ms)
        .min();
    let still: u64 = plan
        .moves
        .iter()
        .filter(|change| change.ended_at_ms.is_none())
        .map(|change| change.bytes.saturating_sub(change.bytes_done))
        .sum();
    let left = began.and_then(|began| left(done, still, began, now_ms));
    format!(
        "{over} of {} moves over{}, {} in flight, {} pending; {} of {} copied{}",
        plan.moves.len(),
        if ways.is_empty() {
            String::new()
        } else {
            format!(" ({})", ways.join(", "))
        },
        plan.moves.iter().filter(is_in_flight).count(),
        plan.moves.iter().filter(is_pending).count(),
        size(done),
        size(total),
        left.map_or_else(String::new, |left| format!(", {left} left")),
    )
}

/// How long what is still to be copied takes at the pace since `began_ms`; none before the first byte.
fn left(done: u64, still: u64, began_ms: u64, now_ms: u64) -> Option<String> {
    let took = now_ms.checked_sub(began_ms).filter(|took| *took > 0)?;
    if done == 0 || still == 0 {
        return None;
    }
    let pace = done as f64 / (took as f64 / 1000.0);
    let seconds = still as f64 / pace;
    let time = match seconds {
        ..100.0 => format!("{seconds:.0} s"),
        ..6_000.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    };
    Some(format!(
        "{} on average, about {time}",
        Resource::BytesIn.amount(pace)
    ))
}

fn moves(plan: &PlanView, now_ms: u64) -> String {
    let flying = plan.moves.iter().filter(is_in_flight);
    let pending = plan.moves.iter().filter(is_pending);
    let (in_flight, waiting) = (flying.clone().count(), pending.clone().count());
    if in_flight + waiting == 0 {
        return "no move is left".to_owned();
    }
    let mut table = plain_table(&["partition", "from", "to", "copied", "state", "why"]);
    for change in flying.take(MOST_IN_FLIGHT).chain(pending.take(MOST_PENDING)) {
        let left = change.submitted_at_ms.and_then(|began| {
            left(
                change.bytes_done,
                change.bytes.saturating_sub(change.bytes_done),
                began,
                now_ms,
            )
        });
        table.add_row([
            format!("{}-{}", change.topic, change.partition),
            ids(&change.from),
            ids(&change.to),
            match left {
                Some(left) => format!("{}; {left}", copied(change)),
                None => copied(change),
            },
            change.state.clone(),
            change.reason.clone(),
        ]);
    }
    let mut text = table.to_string();
    for (count, most, what) in [
        (in_flight, MOST_IN_FLIGHT, "in flight"),
        (waiting, MOST_PENDING, "pending; `plan` lists all"),
    ] {
        if count > most {
            text.push_str(&format!("\n… and {} more {what}", count - most));
        }
    }
    text
}

fn throttles(plan: &PlanView) -> String {
    let rate = |rate: Option<u64>| {
        rate.map_or("unlimited".to_owned(), |rate| {
            Resource::BytesIn.amount(rate as f64)
        })
    };
    let each = plan.throttles.iter().map(|throttle| {
        format!(
            "broker {} sends {}, receives {}",
            throttle.broker,
            rate(throttle.leader_rate),
            rate(throttle.follower_rate)
        )
    });
    each.collect::<Vec<_>>().join("; ")
}
