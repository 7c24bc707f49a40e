//! A plan as JSON, as a table, and as what `kafka-reassign-partitions --execute` takes.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, Table, presets};
use kafka::ids::{BrokerId, PartitionId, TopicName};
use serde::Serialize;

use super::{Plan, Resource};

/// The whole plan as JSON.
///
/// # Errors
///
/// Never in practice: a plan has only keys and figures that JSON knows.
pub fn json(plan: &Plan) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(plan)
}

/// Partitions and the replicas that they get, as `kafka-reassign-partitions --execute` takes them.
///
/// # Errors
///
/// Never in practice, as [`json`].
pub fn kafka<'a>(
    moves: impl Iterator<Item = (&'a TopicName, PartitionId, &'a [BrokerId])>,
) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Reassignment<'a> {
        version: u32,
        partitions: Vec<Entry<'a>>,
    }
    #[derive(Serialize)]
    struct Entry<'a> {
        topic: &'a TopicName,
        partition: PartitionId,
        replicas: &'a [BrokerId],
    }
    let partitions = moves.map(|(topic, partition, replicas)| Entry {
        topic,
        partition,
        replicas,
    });
    serde_json::to_string(&Reassignment {
        version: 1,
        partitions: partitions.collect(),
    })
}

/// The plan as a table for people, with what it is worth below.
pub fn table(plan: &Plan) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_header([
        "partition",
        "replicas",
        "becomes",
        "bytes",
        "seconds",
        "gain",
        "why",
    ]);
    for change in &plan.moves {
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        table.add_row([
            Cell::new(&change.partition),
            Cell::new(ids(&change.from)),
            Cell::new(ids(&change.to)),
            right(Resource::Disk.amount(change.bytes as f64)),
            right(format!("{:.0}", change.expected_seconds)),
            right(format!("{:.4}", change.gain)),
            Cell::new(&change.reason),
        ]);
    }
    format!("{table}{}", worth(plan))
}

/// What a plan is worth, a line for each figure.
fn worth(plan: &Plan) -> String {
    let mut text = String::new();
    let (before, after, least) = (
        &plan.imbalance_before,
        &plan.imbalance_after,
        &plan.imbalance_lower_bound,
    );
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "\n{} leadership changes, {} replica moves, {} (at least {} for this result)\n",
        plan.leadership_changes(),
        plan.replica_moves(),
        Resource::Disk.amount(plan.bytes as f64),
        Resource::Disk.amount(plan.bytes_lower_bound as f64),
    );
    if plan.bytes > 0 {
        let _ = writeln!(
            text,
            "copying adds {} to what a broker sends or receives, for {:.0} s at least",
            Resource::BytesIn.amount(plan.copy_rate),
            plan.copy_seconds,
        );
    }
    for (name, before, after, least) in [
        ("bytes_in", before.bytes_in, after.bytes_in, least.bytes_in),
        ("bytes_out", before.bytes_out, after.bytes_out, least.bytes_out),
        ("cpu", before.cpu, after.cpu, least.cpu),
        ("disk", before.disk, after.disk, least.disk),
    ] {
        let _ = writeln!(
            text,
            "imbalance of {name}: {before:.3} -> {after:.3} (no placement has less than {least:.3})"
        );
    }
    for left in &plan.left_out {
        let bytes = Resource::Disk.amount(left.bytes as f64);
        let _ = writeln!(
            text,
            "left out: {} off broker {} ({bytes}): {}",
            left.partition, left.broker, left.reason
        );
    }
    for matter in &plan.unsolved {
        let _ = writeln!(text, "unsolved: {matter}");
    }
    text
}

/// The ids of brokers in one word.
pub fn ids(brokers: &[BrokerId]) -> String {
    let ids: Vec<String> = brokers.iter().map(ToString::to_string).collect();
    ids.join(",")
}
