//! Tables for people.

use comfy_table::{Table, presets};

use crate::api::view::{
    BrokerView, FinishedPlan, MaintenanceView, MoveView, PlanView, ReplicationView, ResourceFigures,
    SourceView, State,
};
use crate::client::Status;
use crate::journal::Timestamp;
use crate::model::Resource;
use crate::plan::MoveKind;

/// The whole status: a summary, the brokers, what is hot, the plan.
pub(super) fn status(status: &Status) -> String {
    let mut parts = vec![summary(&status.state)];
    parts.extend(status.state.maintenance.as_ref().map(maintenance));
    parts.extend(status.state.replicating.iter().map(replication));
    parts.push(brokers(&status.brokers));
    for partition in &status.hot.partitions {
        parts.push(format!(
            "hot: {}-{} {}\n     {}",
            partition.topic, partition.partition, partition.explanation, partition.advice,
        ));
    }
    for broker in &status.hot.brokers {
        parts.push(format!("hot: broker {} {}", broker.broker, broker.explanation));
    }
    if let Some(shown) = &status.plan {
        parts.push(plan(shown));
    }
    for problem in &status.state.problems {
        parts.push(format!("problem: {problem}"));
    }
    parts.join("\n\n")
}

fn summary(state: &State) -> String {
    format!(
        "cluster {}: {} brokers, {} partitions; mode {}, {}; imbalance in {:.2} out {:.2} cpu {:.2} disk {:.2}",
        if state.cluster_id.is_empty() {
            "?"
        } else {
            &state.cluster_id
        },
        state.brokers,
        state.partitions,
        word(&state.mode),
        word(&state.phase),
        state.imbalance.bytes_in,
        state.imbalance.bytes_out,
        state.imbalance.cpu,
        state.imbalance.disk,
    )
}

fn replication(order: &ReplicationView) -> String {
    format!(
        "topic {} is to have {} replicas: {} partitions have another number",
        order.topic, order.replicas, order.partitions_left
    )
}

fn maintenance(view: &MaintenanceView) -> String {
    let now = match view.next_opening_ms {
        Some(opens) => format!("closed until {}", Timestamp(opens)),
        None => "open".to_owned(),
    };
    let leaders = match view.leadership_anytime {
        true => "leaders change at any time",
        false => "so do changes of leaders",
    };
    format!(
        "copies wait for maintenance windows ({} UTC), now {now}; {leaders}",
        view.windows.join("; ")
    )
}

/// A unit variant's name as the API writes it.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

fn brokers(brokers: &[BrokerView]) -> String {
    let mut table = plain_table(&[
        "broker", "rack", "state", "leaders", "replicas", "in", "out", "cpu", "disk", "hot", "source",
    ]);
    for broker in brokers {
        let share = |value: f64| format!("{:.0} %", value * 100.0);
        let hot: Vec<String> = broker.hot.iter().map(word).collect();
        table.add_row([
            broker.id.to_string(),
            broker.rack.clone().unwrap_or_default(),
            broker.state.clone(),
            broker.leaders.to_string(),
            broker.replicas.to_string(),
            share(broker.utilisation.bytes_in),
            share(broker.utilisation.bytes_out),
            share(broker.utilisation.cpu),
            share(broker.utilisation.disk),
            hot.join(" "),
            source(&broker.source),
        ]);
    }
    table.to_string()
}

fn source(source: &SourceView) -> String {
    match source {
        SourceView::Sidecar { age_ms } => format!("sidecar, {:.0} s ago", *age_ms as f64 / 1000.0),
        SourceView::Protocol { reason } => format!("Kafka protocol ({reason})"),
        SourceView::Unknown { reason } => format!("unknown ({reason})"),
    }
}

/// A plan and its moves.
pub(super) fn plan(plan: &PlanView) -> String {
    let head = format!(
        "plan {}({}, {}): {} moves, {} to copy (at least {} for this balance); imbalance in {:.2} → {:.2}, out {:.2} → {:.2}",
        plan.id.map_or_else(String::new, |id| format!("{id} ")),
        plan.purpose,
        word(&plan.standing),
        plan.moves.len(),
        size(plan.bytes),
        size(plan.bytes_lower_bound),
        plan.imbalance_before.bytes_in,
        plan.imbalance_after.bytes_in,
        plan.imbalance_before.bytes_out,
        plan.imbalance_after.bytes_out,
    );
    let mut table = plain_table(&["partition", "from", "to", "copied", "state", "why"]);
    for change in &plan.moves {
        table.add_row([
            format!("{}-{}", change.topic, change.partition),
            ids(&change.from),
            ids(&change.to),
            copied(change),
            change.state.clone(),
            change.reason.clone(),
        ]);
    }
    let unsolved: String = plan
        .unsolved
        .iter()
        .map(|line| format!("\nunsolved: {line}"))
        .collect();
    format!("{head}\n{table}{unsolved}")
}

/// Plans that are over, the newest first.
pub(super) fn history(plans: &[FinishedPlan]) -> String {
    let mut table = plain_table(&[
        "plan",
        "purpose",
        "ended",
        "done",
        "copied",
        "at least",
        "imbalance in",
        "imbalance out",
        "outcomes",
    ]);
    for plan in plans {
        let outcomes: Vec<String> = plan
            .outcomes
            .iter()
            .map(|(outcome, count)| format!("{count} {outcome}"))
            .collect();
        table.add_row([
            plan.id.to_string(),
            plan.purpose.clone(),
            Timestamp(plan.ended_at_ms).to_string(),
            format!("{}/{}", plan.moves_done, plan.moves),
            size(plan.bytes),
            size(plan.bytes_lower_bound),
            course(plan, |figures| figures.bytes_in),
            course(plan, |figures| figures.bytes_out),
            outcomes.join(", "),
        ]);
    }
    format!("{table}\nimbalance: before → planned → measured afterwards")
}

/// A figure before, as planned, and as it came.
fn course(plan: &FinishedPlan, figure: impl Fn(&ResourceFigures) -> f64) -> String {
    let measured = plan.imbalance_measured.as_ref();
    format!(
        "{:.2} → {:.2} → {}",
        figure(&plan.imbalance_before),
        figure(&plan.imbalance_foreseen),
        measured.map_or("?".to_owned(), |measured| format!("{:.2}", figure(measured))),
    )
}

fn copied(change: &MoveView) -> String {
    match MoveKind::of(&change.from, &change.to) {
        MoveKind::Leadership => "leader only".to_owned(),
        MoveKind::Removal => "replicas go".to_owned(),
        MoveKind::Copy => format!("{} of {}", size(change.bytes_done), size(change.bytes)),
    }
}

/// The plan as `kafka-reassign-partitions --execute` takes it.
pub(super) fn kafka_plan(plan: &PlanView) -> Result<String, serde_json::Error> {
    let partitions: Vec<_> = plan
        .moves
        .iter()
        .map(|change| {
            serde_json::json!({ "topic": change.topic, "partition": change.partition, "replicas": change.to })
        })
        .collect();
    serde_json::to_string_pretty(&serde_json::json!({ "version": 1, "partitions": partitions }))
}

fn ids(brokers: &[kafka::BrokerId]) -> String {
    brokers
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",")
}

fn size(bytes: u64) -> String {
    Resource::Disk.amount(bytes as f64)
}

fn plain_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_header(header.iter().copied());
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_shows_what_was_there_what_was_planned_and_what_came_of_it() {
        let figures = |n| ResourceFigures {
            bytes_in: n,
            bytes_out: 1.0,
            ..ResourceFigures::default()
        };
        let plan = |imbalance_measured| FinishedPlan {
            id: 7,
            purpose: "drain 3".to_owned(),
            planned_at_ms: 1_795_816_740_000,
            ended_at_ms: 1_795_816_800_000,
            imbalance_before: figures(1.5),
            imbalance_foreseen: figures(1.05),
            imbalance_measured,
            moves_done: 1,
            moves: 3,
            bytes: 2_000_000_000,
            bytes_lower_bound: 1_900_000_000,
            leadership_changes: 0,
            replica_moves: 1,
            removals: 0,
            outcomes: [("done".to_owned(), 1), ("not_approved".to_owned(), 2)].into(),
        };
        let text = history(&[plan(Some(figures(1.07))), plan(None)]);
        for part in [
            "7",
            "drain 3",
            "2026-11-27T22:00Z",
            "1/3",
            "2.0 GB",
            "1.9 GB",
            "1.50 → 1.05 → 1.07",
            "1.50 → 1.05 → ?",
            "1 done, 2 not_approved",
        ] {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
    }

    #[test]
    fn windows_are_shown_with_when_the_next_one_opens() {
        let view = |next_opening_ms| MaintenanceView {
            windows: vec!["mon,tue 22:00-06:00".to_owned(), "12:00-12:30".to_owned()],
            leadership_anytime: true,
            next_opening_ms,
        };
        let closed = maintenance(&view(Some(1_795_816_800_000)));
        assert!(
            closed.contains("(mon,tue 22:00-06:00; 12:00-12:30 UTC), now closed until 2026-11-27T22:00Z")
        );
        assert!(maintenance(&view(None)).contains("now open"));
    }
}
