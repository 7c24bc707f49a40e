//! The balancer's own metrics.

use kafka::ids::BrokerId;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::api::view::{HotList, PlanView, ResourceFigures, State, View};
use crate::execute::{Pacer, Slowed, TickReport};
use crate::model::Resource;

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
        "kafka_balancer_broker_hot",
        "1 while a broker is hot in a resource."
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
    describe_gauge!("kafka_balancer_hot_brokers", "Hot brokers.");
    describe_gauge!("kafka_balancer_hot_partitions", "Hot partitions by verdict.");
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
            let is_so = f64::from(u8::from(pace.slowed() == Some(slowed)));
            gauge!("kafka_balancer_producers_slowed", &labels).set(is_so);
        }
        gauge!("kafka_balancer_consumers_reserved_bytes_per_second", "broker" => broker).set(pace.reserved());
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
    show_sources(view);
    gauge!("kafka_balancer_hot_brokers").set(view.hot.brokers.len() as f64);
    gauge!("kafka_balancer_problems").set(view.state.problems.len() as f64);
    let orders = &view.state.replicating;
    let left: usize = orders.iter().map(|order| order.partitions_left).sum();
    gauge!("kafka_balancer_replication_orders").set(orders.len() as f64);
    gauge!("kafka_balancer_replication_partitions_left").set(left as f64);
    show_hot(&before.hot, &view.hot);
    show_plan(before.plan.as_ref(), view.plan.as_ref());
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
    let gone = before
        .brokers
        .iter()
        .filter(|old| view.brokers.iter().all(|new| new.id != old.id));
    let nothing = ResourceFigures::default();
    for broker in gone {
        show_broker(broker.id, [&nothing; 3], &[]);
    }
    for broker in &view.brokers {
        let figures = [&broker.load, &broker.capacity, &broker.utilisation];
        show_broker(broker.id, figures, &broker.hot);
    }
    for state in ["alive", "new", "draining", "dead"] {
        let count = view.brokers.iter().filter(|broker| broker.state == state).count();
        gauge!("kafka_balancer_brokers", "state" => state).set(count as f64);
    }
}

fn show_broker(id: BrokerId, [load, capacity, utilisation]: [&ResourceFigures; 3], hot: &[Resource]) {
    show_figures("kafka_balancer_broker_load", Some(id.to_string()), load);
    show_figures("kafka_balancer_broker_capacity", Some(id.to_string()), capacity);
    show_figures(
        "kafka_balancer_broker_utilisation",
        Some(id.to_string()),
        utilisation,
    );
    for resource in Resource::ALL {
        let labels = [
            ("resource", resource.name().to_owned()),
            ("broker", id.to_string()),
        ];
        let is_hot = f64::from(u8::from(hot.contains(&resource)));
        gauge!("kafka_balancer_broker_hot", &labels).set(is_hot);
    }
}

fn show_figures(name: &'static str, broker: Option<String>, figures: &ResourceFigures) {
    for resource in Resource::ALL {
        let mut labels = vec![("resource", resource.name().to_owned())];
        labels.extend(broker.clone().map(|broker| ("broker", broker)));
        gauge!(name, &labels).set(figures.of(resource));
    }
}

fn show_sources(view: &View) {
    for broker in &view.brokers {
        let current = broker.source.name();
        for source in ["sidecar", "protocol", "unknown"] {
            let labels = [("broker", broker.id.to_string()), ("source", source.to_owned())];
            gauge!("kafka_balancer_broker_source", &labels).set(f64::from(u8::from(source == current)));
        }
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
