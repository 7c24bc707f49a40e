//! What a reader of `/metrics` gets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::json;
use sidecar::report::BrokerTotals;

use super::*;
use crate::api::view::{MaintenanceView, Phase, PlanStanding, SourceView, ThrottleView};
use crate::execute::{RateStatus, ReplicasStatus};
use crate::journal::{Direction, Outcome};
use crate::model::{Broker, BrokerState, Builder, PerResource};

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

/// All that there ever is.
fn everything() {
    let figures = json!({"bytes_in": 1.0, "bytes_out": 1.0, "cpu": 1.0, "disk": 1.0});
    let hot = json!({
        "topic": "t", "partition": 0, "leader": 1, "broker": 1, "resource": "bytes_in", "load": 1.0, "cause": "hot_partition",
        "explanation": "", "verdict": "move", "advice": "", "partitions_that_would_help": null,
    });
    let change = json!({
        "topic": "t", "partition": 0, "from": [1], "to": [2], "leadership_only": false, "reason": "", "bytes": 1,
        "bytes_done": 0, "state": "pending", "submitted_at_ms": null, "ended_at_ms": null,
    });
    let plan = json!({
        "id": 7, "standing": "executing", "purpose": "cool", "planned_at_ms": 0, "imbalance_before": figures,
        "imbalance_after": figures, "bytes": 1, "bytes_lower_bound": 0, "moves": [change], "unsolved": [],
        "throttles": [{"broker": 1, "leader_rate": 1, "follower_rate": 1}],
    });
    let mut view = View {
        brokers: vec![broker(1, Vec::new())],
        plan: Some(serde_json::from_value(plan).unwrap()),
        ..View::default()
    };
    view.hot.partitions = vec![serde_json::from_value(hot).unwrap()];
    let mut model = Builder::default();
    model.broker(Broker {
        id: 1.try_into().unwrap(),
        rack: None,
        state: BrokerState::Alive,
        capacity: PerResource::splat(1.0),
        room: None,
        excluded: false,
    });
    let model = model.build().unwrap();
    let mut pacer = Pacer::default();
    let totals = BTreeMap::from([(1.try_into().unwrap(), BrokerTotals::default())]);
    pacer.look(&model, &totals, &BTreeSet::new());
    describe();
    show(&View::default(), &view);
    show_paces(&pacer);
    show_leaders(&model);
    show_acting(None);
    count_tick(true, Duration::ZERO);
    count_ends("done", 1);
    count_execution(&TickReport::default(), |_: &Outcome| String::new());
}

/// A row to each family of a text, with the labels of its first sample.
fn table(text: &str) -> String {
    let mut out = String::from("\n| name | type | labels | is |\n|---|---|---|---|\n");
    let mut families: Vec<&str> = text.split("# HELP ").skip(1).collect();
    families.sort_unstable();
    for family in families {
        let mut lines = family.lines();
        let (name, help) = lines.next().unwrap().split_once(' ').unwrap();
        let kind = lines.next().unwrap().rsplit(' ').next().unwrap();
        let sample = lines.next().unwrap();
        let labels = sample
            .split_once('{')
            .map_or("", |(_, rest)| rest.split_once('}').unwrap().0);
        let labels = labels.split(',').filter_map(|label| label.split('=').next());
        let labels: Vec<&str> = labels.filter(|label| !["", "quantile"].contains(label)).collect();
        let labels = if labels.is_empty() {
            "none".to_owned()
        } else {
            labels.join(", ")
        };
        writeln!(out, "| `{name}` | {kind} | {labels} | {help} |").unwrap();
    }
    out.push('\n');
    out
}

#[test]
fn the_documentation_names_every_family() {
    let text = shown(everything);
    let described = include_str!("../metrics.rs").lines();
    let described = described.filter(|line| line.starts_with("    describe_")).count();
    assert_eq!(text.matches("# HELP").count(), described, "{text}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once("<!-- families of balancer -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    let due = format!(
        "{before}<!-- families of balancer -->\n{}<!-- end -->{after}",
        table(&text)
    );
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, due).unwrap();
    } else {
        assert_eq!(page, due);
    }
}
