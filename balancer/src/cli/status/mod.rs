//! What `status` shows: what somebody on call wants to know, in few lines.

mod bars;
mod brokers;
mod progress;
#[cfg(test)]
mod tests;

use super::tables::{history, labelled, paragraph, word};
use crate::api::view::{HotList, MaintenanceView, ReplicationView, State};
use crate::client::Status;
use crate::journal::Timestamp;

/// Hot partitions that are listed at most, and hot brokers; the hottest come first.
const MOST_HOT: usize = 10;

/// How a status is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Drawing {
    /// Whether what is hot is in colour too.
    pub(super) colour: bool,
    /// Brokers that are listed at most.
    pub(super) most_brokers: usize,
}

impl Drawing {
    /// Everything, as text.
    pub(super) const FULL: Self = Self {
        colour: false,
        most_brokers: usize::MAX,
    };
}

/// The whole status: a summary and what is wrong, the brokers, what is hot, the plan, and the plans before it.
pub(super) fn status(status: &Status, drawing: Drawing) -> String {
    let state = &status.state;
    let mut parts = vec![summary(state)];
    parts.extend(state.problems.iter().map(|problem| labelled("problem:", problem)));
    parts.extend(
        state
            .maintenance
            .as_ref()
            .map(|view| paragraph(&maintenance(view))),
    );
    parts.extend(state.replicating.iter().map(replication));
    parts.push(brokers::table(state, &status.brokers, drawing));
    parts.extend(hot(&status.hot));
    if let Some(plan) = &status.plan {
        parts.push(progress::plan(plan, state.ticked_at_ms));
    }
    if !status.history.is_empty() {
        parts.push(history(&status.history));
    }
    parts.join("\n\n")
}

fn hot(list: &HotList) -> Vec<String> {
    let partitions = list.partitions.iter().take(MOST_HOT).map(|hot| {
        let text = format!(
            "{}-{} (cause {}, verdict {}) {}; {}",
            hot.topic, hot.partition, hot.cause, hot.verdict, hot.explanation, hot.advice
        );
        labelled("hot:", &text)
    });
    let more = list.partitions.len().saturating_sub(MOST_HOT);
    let more = (more > 0).then(|| format!("… and {more} more hot partitions"));
    let brokers = list.brokers.iter().take(MOST_HOT);
    let brokers = brokers.map(|hot| labelled("hot:", &format!("broker {} {}", hot.broker, hot.explanation)));
    let lines: Vec<String> = partitions.chain(more).chain(brokers).collect();
    if lines.is_empty() {
        return Vec::new();
    }
    vec![lines.join("\n")]
}

fn summary(state: &State) -> String {
    paragraph(&format!(
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
    ))
}

fn replication(order: &ReplicationView) -> String {
    paragraph(&format!(
        "topic {} is to have {} replicas: {} partitions have another number",
        order.topic, order.replicas, order.partitions_left
    ))
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
