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
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::api::view::{MaintenanceView, Phase, PlanStanding, SourceView, ThrottleView};
    use crate::execute::{RateStatus, ReplicasStatus};
    use crate::journal::Direction;

    /// What a reader of `/metrics` gets.
    fn shown(what: impl FnOnce()) -> String {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, what);
        recorder.handle().render()
    }

    fn has(text: &str, line: &str) -> bool {
        text.lines().any(|shown| shown == line)
    }

    fn broker(id: i32, hot: Vec<Resource>) -> BrokerView {
        BrokerView {
            id: id.try_into().unwrap(),
            rack: None,
            state: "alive".to_owned(),
            replicas: 1,
            leaders: 1,
            load: ResourceFigures::default(),
            capacity: ResourceFigures::default(),
            utilisation: ResourceFigures::default(),
            hot,
            source: SourceView::Sidecar { age_ms: 0 },
        }
    }

    #[test]
    fn a_broker_is_hot_in_its_resource_until_it_cools_or_leaves() {
        let hot = View {
            brokers: vec![
                broker(1, vec![Resource::BytesIn]),
                broker(2, vec![Resource::Disk]),
            ],
            ..View::default()
        };
        let cooled = View {
            brokers: vec![broker(1, Vec::new())],
            ..View::default()
        };
        let during = shown(|| show(&View::default(), &hot));
        assert!(has(
            &during,
            r#"kafka_balancer_broker_hot{broker="1",resource="bytes_in"} 1"#
        ));
        assert!(has(
            &during,
            r#"kafka_balancer_broker_hot{broker="1",resource="disk"} 0"#
        ));
        let after = shown(|| {
            show(&View::default(), &hot);
            show(&hot, &cooled);
        });
        assert!(has(
            &after,
            r#"kafka_balancer_broker_hot{broker="1",resource="bytes_in"} 0"#
        ));
        assert!(has(
            &after,
            r#"kafka_balancer_broker_hot{broker="2",resource="disk"} 0"#
        ));
        assert!(has(
            &after,
            r#"kafka_balancer_broker_source{broker="2",source="sidecar"} 0"#
        ));
    }

    #[test]
    fn one_phase_is_shown_and_no_throttle_of_a_plan_that_is_over() {
        let mut executing = View::default();
        executing.state.phase = Phase::Executing;
        executing.plan = Some(PlanView {
            id: Some(7),
            standing: PlanStanding::Executing,
            purpose: "cool".to_owned(),
            planned_at_ms: 0,
            imbalance_before: ResourceFigures::default(),
            imbalance_after: ResourceFigures::default(),
            bytes: 0,
            bytes_lower_bound: 0,
            moves: Vec::new(),
            unsolved: Vec::new(),
            throttles: vec![ThrottleView {
                broker: 1.try_into().unwrap(),
                leader_rate: Some(5_000_613),
                follower_rate: None,
            }],
        });
        let mut over = View::default();
        over.state.phase = Phase::Watching;
        let text = shown(|| {
            show(&View::default(), &executing);
            show(&executing, &over);
        });
        let info = |phase: &str, value: u8| {
            let line = format!(r#"kafka_balancer_info{{version="",mode="observe",phase="{phase}"}} {value}"#);
            has(&text, &line)
        };
        assert!(info("executing", 0) && info("watching", 1), "{text}");
        let throttle = r#"kafka_balancer_throttle_bytes_per_second{broker="1",direction="leader"} 0"#;
        assert!(has(&text, throttle), "{text}");
    }

    #[test]
    fn throttles_of_its_own_are_counted_after_their_plan_too_while_the_balancer_acts() {
        let rate = |rate| RateStatus {
            broker: 1.try_into().unwrap(),
            direction: Direction::Leader,
            rate,
            before: None,
        };
        let own = Throttles {
            rates: vec![rate(Some(5_000_613)), rate(None)],
            replicas: vec![ReplicasStatus {
                topic: "orders".parse().unwrap(),
                direction: Direction::Leader,
                entries: vec!["0:1".to_owned()],
            }],
        };
        let kept = shown(|| show_acting(Some(&own)));
        assert!(has(&kept, r#"kafka_balancer_throttles{kind="rate"} 1"#));
        assert!(has(&kept, r#"kafka_balancer_throttles{kind="list"} 1"#));
        let fenced = shown(|| {
            show_acting(Some(&own));
            show_acting(None);
        });
        assert!(has(&fenced, r#"kafka_balancer_throttles{kind="rate"} 0"#));
        assert!(has(&kept, "kafka_balancer_acts 1") && has(&fenced, "kafka_balancer_acts 0"));
    }

    #[test]
    fn copies_may_start_unless_a_maintenance_window_is_awaited() {
        let always = shown(|| show(&View::default(), &View::default()));
        assert!(has(&always, "kafka_balancer_window_open 1"));
        let mut outside = View::default();
        outside.state.maintenance = Some(MaintenanceView {
            windows: vec!["mon 22:00-06:00".to_owned()],
            leadership_anytime: true,
            next_opening_ms: Some(1),
        });
        let waiting = shown(|| show(&View::default(), &outside));
        assert!(has(&waiting, "kafka_balancer_window_open 0"));
    }
}
