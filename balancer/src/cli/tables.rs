//! Tables for people, none of them wider than [`WIDTH`].

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};

use crate::api::view::{FinishedPlan, MoveView, PlanView, ResourceFigures};
use crate::journal::Timestamp;
use crate::model::Resource;
use crate::plan::MoveKind;
use crate::plan::output::ids;

/// What fits the windows and mails that tables end up in, in columns. What is longer goes on in the next line.
pub(super) const WIDTH: u16 = 100;

/// A unit variant's name as the API writes it.
pub(super) fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// A plan and its moves.
pub(super) fn plan(plan: &PlanView) -> String {
    format!("{}\n{}{}", plan_head(plan), moves(&plan.moves), unsolved(plan))
}

/// A plan in a few lines.
pub(super) fn plan_head(plan: &PlanView) -> String {
    paragraph(&format!(
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
    ))
}

fn moves(moves: &[MoveView]) -> Table {
    let mut table = plain_table(&["partition", "from", "to", "copied", "state", "why"]);
    for change in moves {
        table.add_row([
            format!("{}-{}", change.topic, change.partition),
            ids(&change.from),
            ids(&change.to),
            copied(change),
            change.state.clone(),
            change.reason.clone(),
        ]);
    }
    table
}

/// What a plan leaves unsolved, each in lines of its own.
pub(super) fn unsolved(plan: &PlanView) -> String {
    let lines = plan.unsolved.iter();
    lines
        .map(|line| format!("\n{}", labelled("unsolved:", line)))
        .collect()
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
    // Moments and figures stay in one piece.
    for index in [2, 6, 7] {
        if let Some(column) = table.column_mut(index) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    format!("{table}\nimbalance: before→planned→measured afterwards")
}

/// A figure before, as planned, and as it came.
fn course(plan: &FinishedPlan, figure: impl Fn(&ResourceFigures) -> f64) -> String {
    let measured = plan.imbalance_measured.as_ref();
    format!(
        "{:.2}→{:.2}→{}",
        figure(&plan.imbalance_before),
        figure(&plan.imbalance_foreseen),
        measured.map_or("?".to_owned(), |measured| format!("{:.2}", figure(measured))),
    )
}

pub(super) fn copied(change: &MoveView) -> String {
    match MoveKind::of(&change.from, &change.to) {
        MoveKind::Leadership => "leader only".to_owned(),
        MoveKind::Removal => "replicas go".to_owned(),
        MoveKind::Copy => format!("{} of {}", size(change.bytes_done), size(change.bytes)),
    }
}

pub(super) fn size(bytes: u64) -> String {
    Resource::Disk.amount(bytes as f64)
}

pub(super) fn plain_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(header.iter().copied());
    // The blank between columns is the style's.
    for column in table.column_iter_mut() {
        column.set_padding((0, 0));
    }
    table
}

/// Text in lines of [`WIDTH`].
pub(super) fn paragraph(text: &str) -> String {
    in_columns(&[text])
}

/// The same behind a label, in a column of its own.
pub(super) fn labelled(label: &str, text: &str) -> String {
    in_columns(&[label, text])
}

fn in_columns(texts: &[&str]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .add_row(texts.iter().copied());
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    table.trim_fmt()
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
            "1.50→1.05→1.07",
            "1.50→1.05→?",
            "not_approved",
        ] {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
    }
}
