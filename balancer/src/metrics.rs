//! The balancer's own metrics.

use std::collections::HashSet;

use kafka::ids::BrokerId;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::api::view::{BrokerView, HotList, PlanView, ResourceFigures, State, View};
use crate::execute::{Pacer, Slowed, Throttles, TickReport};
use crate::model::{Model, Resource};

/// Says what each metric is.
pub(crate) fn describe() {
    describe_gauge!(
        "kafka_balancer_info",
        "1; the labels tell version, mode and phase."
    );
    describe_gauge!(
        "kafka_balancer_imbalance",
        "Greatest utilisation of a broker / mean utilisation, by resource."
    );
    describe_gauge!(
        "kafka_balancer_worst_imbalance",
        "The greatest imbalance of a resource of which some broker uses more than the floor of `heat`; 1 where none does."
    );
    describe_gauge!(
        "kafka_balancer_broker_load",
        "What a broker carries, by resource: bytes per second, cores, bytes."
    );
    describe_gauge!(
        "kafka_balancer_broker_capacity",
        "What a broker can carry, by resource, in the same units."
    );
    describe_gauge!(
        "kafka_balancer_broker_utilisation",
        "Load / capacity of a broker, by resource."
    );
    describe_gauge!(
        "kafka_balancer_brokers",
        "Brokers by state: alive, new, draining or dead."
    );
    describe_gauge!(
        "kafka_balancer_broker_source",
        "1 for where a broker's figures come from: sidecar, protocol or unknown."
    );
    describe_gauge!(
        "kafka_balancer_partitions",
        "Partitions, those without a leader too."
    );
    describe_gauge!(
        "kafka_balancer_acts",
        "1 while the balancer could change something: its journal is open, and no other balancer has taken over."
    );
    describe_gauge!("kafka_balancer_hot_brokers", "Hot brokers.");
    describe_gauge!(
        "kafka_balancer_broker_hot",
        "1 while a broker is hot, by resource."
    );
    describe_gauge!("kafka_balancer_hot_partitions", "Hot partitions by verdict.");
    describe_gauge!(
        "kafka_balancer_partitions_without_leader",
        "Partitions without a leader: nobody can write to them or read from them."
    );
    describe_gauge!(
        "kafka_balancer_replication_orders",
        "Topics that were ordered another number of replicas and do not have it yet."
    );
    describe_gauge!(
        "kafka_balancer_replication_partitions_left",
        "Partitions of those topics that have another number of replicas."
    );
    describe_gauge!("kafka_balancer_plan_moves", "Moves of the current plan by state.");
    describe_gauge!("kafka_balancer_plan_bytes", "Bytes that the current plan copies.");
    describe_gauge!(
        "kafka_balancer_plan_bytes_copied",
        "Bytes that the current plan has copied."
    );
    describe_gauge!(
        "kafka_balancer_throttle_bytes_per_second",
        "Replication throttles that the balancer has set."
    );
    describe_gauge!(
        "kafka_balancer_throttles",
        "Replication throttles of the balancer's own that are in Kafka or may be, by kind: rate (of a broker) or list (of a topic's replicas)."
    );
    describe_gauge!(
        "kafka_balancer_window_open",
        "1 while copies may start, which is always where there are no maintenance windows."
    );
    describe_gauge!(
        "kafka_balancer_throttle_share",
        "The part of a broker's headroom that copies may take, by direction: less than 1 while they slow producers down."
    );
    describe_gauge!(
        "kafka_balancer_producers_slowed",
        "1 while copies slow a broker's producers down, by reason: disk (its own log) or waiting (queues, late followers)."
    );
    describe_gauge!(
        "kafka_balancer_consumers_reserved_bytes_per_second",
        "What a broker's copies leave to consumers that are behind, so that they catch up."
    );
    describe_gauge!(
        "kafka_balancer_problems",
        "What keeps the balancer from working well; `/v1/state` has the sentences."
    );
    describe_histogram!(
        "kafka_balancer_tick_seconds",
        "Time of one tick: looking, detecting, planning, executing."
    );
    describe_counter!("kafka_balancer_ticks_total", "Ticks by result.");
    describe_counter!(
        "kafka_balancer_changes_total",
        "Changes that Kafka has confirmed."
    );
    describe_counter!(
        "kafka_balancer_moves_ended_total",
        "Moves that ended, by outcome."
    );
}

/// Counts what a tick of the executor did.
pub(crate) fn count_execution(
    report: &TickReport,
    outcome_name: impl Fn(&crate::journal::Outcome) -> String,
) {
    counter!("kafka_balancer_changes_total").increment(report.changes as u64);
    for (_, outcome) in &report.ended {
        counter!("kafka_balancer_moves_ended_total", "outcome" => outcome_name(outcome)).increment(1);
    }
}

/// Counts moves that ended alike because somebody decided so.
pub(crate) fn count_ends(outcome: &str, moves: usize) {
    counter!("kafka_balancer_moves_ended_total", "outcome" => outcome.to_owned()).increment(moves as u64);
}

/// Shows how copies are paced.
pub(crate) fn show_paces(pacer: &Pacer) {
    for (broker, pace) in pacer.paces() {
        let broker = broker.to_string();
        for (direction, share) in [("leader", pace.send_share()), ("follower", pace.receive_share())] {
            let labels = [("broker", broker.clone()), ("direction", direction.to_owned())];
            gauge!("kafka_balancer_throttle_share", &labels).set(share);
        }
        for (reason, slowed) in [("disk", Slowed::Disk), ("waiting", Slowed::Waiting)] {
            let labels = [("broker", broker.clone()), ("reason", reason.to_owned())];
            let is_so = flag(pace.slowed() == Some(slowed));
            gauge!("kafka_balancer_producers_slowed", &labels).set(is_so);
        }
        gauge!("kafka_balancer_consumers_reserved_bytes_per_second", "broker" => broker).set(pace.reserved());
    }
}

/// Shows how many partitions nobody leads.
pub(crate) fn show_leaders(model: &Model) {
    let leaderless = model
        .partitions()
        .filter(|&partition| model.leader(partition).is_none());
    gauge!("kafka_balancer_partitions_without_leader").set(leaderless.count() as f64);
}

/// Shows whether the balancer acts, and which throttles are its own, whether a plan needs them or not. One that does not
/// act knows of none.
pub(crate) fn show_acting(throttles: Option<&Throttles>) {
    gauge!("kafka_balancer_acts").set(flag(throttles.is_some()));
    let rates = throttles.map_or(0, |own| {
        own.rates.iter().filter(|rate| rate.rate.is_some()).count()
    });
    let lists = throttles.map_or(0, |own| own.replicas.len());
    for (kind, count) in [("rate", rates), ("list", lists)] {
        gauge!("kafka_balancer_throttles", "kind" => kind).set(count as f64);
    }
}

/// Counts a tick.
pub(crate) fn count_tick(seen: bool, took: std::time::Duration) {
    counter!("kafka_balancer_ticks_total", "result" => if seen { "seen" } else { "blind" }).increment(1);
    histogram!("kafka_balancer_tick_seconds").record(took);
}

/// Shows what is served as gauges. `before` is what was shown last: series that are no longer meant go to 0.
pub(crate) fn show(before: &View, view: &View) {
    show_info(&before.state, &view.state);
    show_figures("kafka_balancer_imbalance", None, &view.state.imbalance);
    gauge!("kafka_balancer_worst_imbalance").set(view.state.worst_imbalance);
    show_brokers(before, view);
    gauge!("kafka_balancer_partitions").set(view.state.partitions as f64);
    let is_open = view
        .state
        .maintenance
        .as_ref()
        .is_none_or(|windows| windows.next_opening_ms.is_none());
    gauge!("kafka_balancer_window_open").set(flag(is_open));
    gauge!("kafka_balancer_hot_brokers").set(view.hot.brokers.len() as f64);
    gauge!("kafka_balancer_problems").set(view.state.problems.len() as f64);
    let orders = &view.state.replicating;
    let left: usize = orders.iter().map(|order| order.partitions_left).sum();
    gauge!("kafka_balancer_replication_orders").set(orders.len() as f64);
    gauge!("kafka_balancer_replication_partitions_left").set(left as f64);
    show_hot(&before.hot, &view.hot);
    show_plan(before.plan.as_ref(), view.plan.as_ref());
}

/// 1 for yes.
fn flag(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

fn show_info(before: &State, state: &State) {
    let info = |state: &State, value: f64| {
        let labels = [
            ("version", state.version.clone()),
            ("mode", format!("{:?}", state.mode).to_lowercase()),
            ("phase", format!("{:?}", state.phase).to_lowercase()),
        ];
        gauge!("kafka_balancer_info", &labels).set(value);
    };
    info(before, 0.0);
    info(state, 1.0);
}

fn show_brokers(before: &View, view: &View) {
    for broker in &view.brokers {
        let figures = [&broker.load, &broker.capacity, &broker.utilisation];
        show_broker(broker, figures, Some(broker.source.name()), &broker.hot);
    }
    let stays: HashSet<BrokerId> = view.brokers.iter().map(|broker| broker.id).collect();
    for gone in before.brokers.iter().filter(|old| !stays.contains(&old.id)) {
        show_broker(gone, [&ResourceFigures::default(); 3], None, &[]);
    }
    for state in ["alive", "new", "draining", "dead"] {
        let count = view.brokers.iter().filter(|broker| broker.state == state).count();
        gauge!("kafka_balancer_brokers", "state" => state).set(count as f64);
    }
}

fn show_broker(
    broker: &BrokerView,
    [load, capacity, utilisation]: [&ResourceFigures; 3],
    current: Option<&str>,
    hot: &[Resource],
) {
    let id = broker.id.to_string();
    show_figures("kafka_balancer_broker_load", Some(id.clone()), load);
    show_figures("kafka_balancer_broker_capacity", Some(id.clone()), capacity);
    show_figures("kafka_balancer_broker_utilisation", Some(id.clone()), utilisation);
    for source in ["sidecar", "protocol", "unknown"] {
        let labels = [("broker", id.clone()), ("source", source.to_owned())];
        gauge!("kafka_balancer_broker_source", &labels).set(flag(current == Some(source)));
    }
    for resource in Resource::ALL {
        let labels = [("broker", id.clone()), ("resource", resource.name().to_owned())];
        gauge!("kafka_balancer_broker_hot", &labels).set(flag(hot.contains(&resource)));
    }
}

fn show_figures(name: &'static str, broker: Option<String>, figures: &ResourceFigures) {
    for resource in Resource::ALL {
        let mut labels = vec![("resource", resource.name().to_owned())];
        labels.extend(broker.clone().map(|broker| ("broker", broker)));
        gauge!(name, &labels).set(figures.of(resource));
    }
}

fn show_hot(before: &HotList, hot: &HotList) {
    let verdicts = before
        .partitions
        .iter()
        .chain(&hot.partitions)
        .map(|partition| &partition.verdict);
    for verdict in verdicts {
        let count = hot
            .partitions
            .iter()
            .filter(|partition| partition.verdict == *verdict)
            .count();
        gauge!("kafka_balancer_hot_partitions", "verdict" => verdict.clone()).set(count as f64);
    }
}

fn show_plan(before: Option<&PlanView>, plan: Option<&PlanView>) {
    let moves = |plan: Option<&PlanView>| plan.map(|plan| plan.moves.clone()).unwrap_or_default();
    let (old, new) = (moves(before), moves(plan));
    for state in old.iter().chain(&new).map(|change| &change.state) {
        let count = new.iter().filter(|change| change.state == *state).count();
        gauge!("kafka_balancer_plan_moves", "state" => state.clone()).set(count as f64);
    }
    gauge!("kafka_balancer_plan_bytes").set(plan.map_or(0.0, |plan| plan.bytes as f64));
    let copied: u64 = new.iter().map(|change| change.bytes_done).sum();
    gauge!("kafka_balancer_plan_bytes_copied").set(copied as f64);
    show_throttles(before, plan);
}

fn show_throttles(before: Option<&PlanView>, plan: Option<&PlanView>) {
    let set = |plan: Option<&PlanView>, is_gone: bool| {
        for throttle in plan.into_iter().flat_map(|plan| &plan.throttles) {
            for (direction, rate) in [
                ("leader", throttle.leader_rate),
                ("follower", throttle.follower_rate),
            ] {
                let labels = [
                    ("broker", throttle.broker.to_string()),
                    ("direction", direction.to_owned()),
                ];
                let rate = rate.filter(|_| !is_gone).unwrap_or(0);
                gauge!("kafka_balancer_throttle_bytes_per_second", &labels).set(rate as f64);
            }
        }
    };
    set(before, true);
    set(plan, false);
}

#[cfg(test)]
mod tests;
