//! What must hold at the end.

use serde::Serialize;

use crate::summary::Summary;
use crate::watch::BALANCED;

const DETECT_SECONDS: f64 = 15.0;
const ACT_SECONDS: f64 = 5.0;
const BYTES_OVER_BOUND: f64 = 1.3;
const RATE_ERROR: f64 = 0.05;
const P99_RATIO: f64 = 1.5;
/// A p99 below this is not held against the one before. Producers, consumers, the controller, all brokers and the
/// programs share this machine's processors, of which there may be two: a few collections of garbage that coincide
/// move such a p99 by tens of milliseconds, with or without the balancer.
const P99_ALLOWANCE_MS: f64 = 100.0;

/// One thing that must hold, with the figure that was measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Expectation {
    pub(crate) what: &'static str,
    pub(crate) figure: String,
    pub(crate) bound: String,
    pub(crate) holds: bool,
}

/// All of them.
pub(crate) fn expectations(summary: &Summary, was_calm: bool) -> Vec<Expectation> {
    let counts = |resource: &str| summary.resources_above_floor.contains(&resource);
    let imbalances = [
        ("bytes in", "bytes_in", summary.imbalance_after.bytes_in),
        ("bytes out", "bytes_out", summary.imbalance_after.bytes_out),
        ("CPU", "cpu", summary.imbalance_after.cpu),
        ("disk", "disk", summary.imbalance_after.disk),
    ];
    let (worst, figure) = imbalances
        .into_iter()
        .filter(|(_, resource, _)| counts(resource))
        .map(|(name, _, figure)| (name, figure))
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap_or(("no resource above its floor", f64::INFINITY));
    let p99_bound = (summary.produce_p99_ms_before * P99_RATIO).max(P99_ALLOWANCE_MS);
    let start = summary.counted_imbalance_start;
    let before = summary.counted_imbalance_before;
    let after = summary.counted_imbalance_after;
    vec![
        at_most(
            "balanced before the shift, as the clients count",
            start.bytes_in.max(start.bytes_out),
            BALANCED,
            2,
            "",
        ),
        holds(
            "left alone while it was balanced",
            if was_calm { "yes" } else { "no" },
            "yes",
            was_calm,
        ),
        at_least(
            "unbalanced by the shift, as the clients count",
            before.bytes_in.max(before.bytes_out),
            1.3,
        ),
        at_most_if_any(
            "hot partition named with its cause",
            summary.detect_seconds,
            DETECT_SECONDS,
            1,
            " s",
        ),
        at_most_if_any(
            "first change after that",
            summary.act_seconds,
            ACT_SECONDS,
            1,
            " s",
        ),
        Expectation {
            figure: format!("{figure:.2} ({worst})"),
            ..at_most("imbalance at the end, by the balancer", figure, BALANCED, 2, "")
        },
        at_most(
            "imbalance at the end, as the clients count",
            after.bytes_in.max(after.bytes_out),
            BALANCED,
            2,
            "",
        ),
        bytes(summary),
        at_most(
            "produce p99 until it was calm",
            summary.produce_p99_ms_during,
            p99_bound,
            0,
            " ms",
        ),
        none("acknowledged records lost", summary.records_lost),
        none("records duplicated", summary.records_duplicated),
        Expectation {
            figure: percent(summary.rate_error_p95),
            bound: format!("≤ {} % (p95)", RATE_ERROR * 100.0),
            ..at_most_if_any(
                "sidecars' bytes in of a partition, 10 s windows, off by",
                summary.rate_error_p95,
                RATE_ERROR,
                3,
                "",
            )
        },
        none("throttles left in Kafka", summary.throttles_left as u64),
        none("reassignments left in Kafka", summary.reassignments_left as u64),
        none("still hot", summary.hot_left as u64),
    ]
}

fn bytes(summary: &Summary) -> Expectation {
    let (moved, bound) = (summary.bytes_moved as f64, summary.bytes_lower_bound as f64);
    let figure = if moved == 0.0 {
        "no bytes were needed".to_owned()
    } else {
        format!(
            "{:.2} ({:.1} of {:.1} MB)",
            moved / bound,
            moved / 1e6,
            bound / 1e6
        )
    };
    // Bytes without a bound above 0 were not needed at all.
    let is_within = moved <= bound * BYTES_OVER_BOUND;
    holds(
        "bytes moved / lower bound",
        &figure,
        &format!("≤ {BYTES_OVER_BOUND}"),
        is_within,
    )
}

fn holds(what: &'static str, figure: &str, bound: &str, holds: bool) -> Expectation {
    Expectation {
        what,
        figure: figure.to_owned(),
        bound: bound.to_owned(),
        holds,
    }
}

fn at_most(what: &'static str, figure: f64, bound: f64, digits: usize, unit: &str) -> Expectation {
    holds(
        what,
        &format!("{figure:.digits$}{unit}"),
        &format!("≤ {bound:.digits$}{unit}"),
        figure <= bound,
    )
}

fn at_least(what: &'static str, figure: f64, bound: f64) -> Expectation {
    holds(
        what,
        &format!("{figure:.2}"),
        &format!("≥ {bound:.2}"),
        figure >= bound,
    )
}

fn at_most_if_any(
    what: &'static str,
    figure: Option<f64>,
    bound: f64,
    digits: usize,
    unit: &str,
) -> Expectation {
    match figure {
        Some(figure) => at_most(what, figure, bound, digits, unit),
        None => holds(what, "never", &format!("≤ {bound:.digits$}{unit}"), false),
    }
}

fn none(what: &'static str, count: u64) -> Expectation {
    holds(what, &count.to_string(), "0", count == 0)
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(
        || "nothing to compare".to_owned(),
        |share| format!("{:.1} %", share * 100.0),
    )
}
