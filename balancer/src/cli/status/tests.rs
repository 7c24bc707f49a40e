use serde_json::json;

use super::*;
use crate::api::view::{BrokerView, FinishedPlan, HotPartitionView, MoveView, PlanView};
use crate::cli::tables::WIDTH;

/// The longest name that Kafka allows.
fn long_topic() -> String {
    let words = "payments.settlement-".repeat(20);
    words[..249].to_owned()
}

fn from<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn figures(n: f64) -> serde_json::Value {
    json!({"bytes_in": n, "bytes_out": n, "cpu": n, "disk": n})
}

fn broker(id: i32, utilisation: f64) -> BrokerView {
    from(json!({
        "id": id, "rack": "eu-central-1a", "state": "alive", "replicas": 123_456, "leaders": 41_152,
        "load": figures(1e8), "capacity": figures(1.25e8), "utilisation": figures(utilisation), "hot": [],
        "source": {"kind": "sidecar", "age_ms": 3_100},
    }))
}

fn change(
    partition: i32,
    state: &str,
    bytes_done: u64,
    submitted: Option<u64>,
    ended: Option<u64>,
) -> MoveView {
    from(json!({
        "topic": long_topic(), "partition": partition, "from": [1001, 1002, 1003], "to": [1002, 1003, 1012],
        "leadership_only": false, "reason": "takes 40.0 MB/s of bytes_in off broker 1001, which carries 180 % of the mean",
        "bytes": 10_000_000_000_u64, "bytes_done": bytes_done, "state": state,
        "submitted_at_ms": submitted, "ended_at_ms": ended,
    }))
}

/// Twelve brokers of which one is hot, a partition that makes it so, a plan half done, and plans before it.
fn busy(brokers: i32) -> Status {
    let mut rows: Vec<BrokerView> = (1001..1001 + brokers).map(|id| broker(id, 0.4)).collect();
    rows[0].utilisation = from(figures(0.9));
    rows[0].hot = crate::model::Resource::ALL.to_vec();
    rows[1].utilisation = from(figures(0.5));
    rows[2].source = from(
        json!({"kind": "protocol", "reason": "http://kafka-2.kafka.svc.cluster.local:9404 cannot be reached; is it up, and does it listen there?"}),
    );
    let mut state = State {
        cluster_id: "4L6g3nShT-eMCtK--X86sw".to_owned(),
        brokers: rows.len(),
        partitions: 1_000_000,
        mean: from(figures(0.44)),
        hot_above: from(figures(0.484)),
        ticked_at_ms: 1_795_816_900_000,
        ..State::default()
    };
    state.problems = vec!["Producers of broker 1001 get slower under copies: copies take 12 % of its headroom until they do not. ".repeat(2)];
    let hot: HotPartitionView = from(json!({
        "topic": long_topic(), "partition": 17, "leader": 1001, "broker": 1001, "resource": "bytes_in", "load": 5e7,
        "cause": "skewed_keys", "explanation": "takes 50.0 MB/s of bytes_in on broker 1001, 45 % of what that carries",
        "verdict": "split", "advice": "no placement helps: it takes 50.0 MB/s where a broker should carry 40.0 MB/s at most",
        "partitions_that_would_help": 4,
    }));
    let mut moves = vec![change(
        0,
        "done",
        10_000_000_000,
        Some(1_795_816_800_000),
        Some(1_795_816_850_000),
    )];
    moves.extend((1..3).map(|n| change(n, "in_progress", 2_500_000_000, Some(1_795_816_850_000), None)));
    moves.extend((3..20).map(|n| change(n, "pending", 0, None, None)));
    let plan: PlanView = from(json!({
        "id": 7, "standing": "executing", "purpose": "cool", "planned_at_ms": 1_795_816_800_000_u64,
        "imbalance_before": figures(2.0), "imbalance_after": figures(1.1), "bytes": 200_000_000_000_u64,
        "bytes_lower_bound": 190_000_000_000_u64, "moves": moves,
        "unsolved": ["broker 1001 stays hot in bytes_in: a partition of it alone takes more than any broker should carry"],
        "throttles": (1001..1013).map(|id| json!({"broker": id, "leader_rate": 50_000_613, "follower_rate": null})).collect::<Vec<_>>(),
    }));
    let finished: FinishedPlan = from(json!({
        "id": 6, "purpose": "drain 1001,1002,1003,1004,1005,1006", "planned_at_ms": 1, "ended_at_ms": 1_795_816_800_000_u64,
        "imbalance_before": figures(12.5), "imbalance_foreseen": figures(1.1), "imbalance_measured": figures(1.2),
        "moves_done": 998, "moves": 1000, "bytes": 200_000_000_000_u64, "bytes_lower_bound": 190_000_000_000_u64,
        "leadership_changes": 1, "replica_moves": 997, "outcomes": {"done": 998, "no_longer_helps": 1, "broker_gone": 1},
    }));
    Status {
        state,
        brokers: rows,
        hot: HotList {
            brokers: Vec::new(),
            partitions: vec![hot],
        },
        plan: Some(plan),
        history: vec![finished.clone(), finished],
    }
}

fn assert_fits(text: &str) {
    for line in text.lines() {
        let columns = line.chars().count();
        assert!(columns <= WIDTH.into(), "{columns} columns: {line}\n\n{text}");
    }
}

#[test]
fn twelve_busy_brokers_and_the_longest_topic_names_fit_a_hundred_columns() {
    let text = status(&busy(12), Drawing::FULL);
    assert_fits(&text);
    for part in [
        "problem: Producers of broker 1001",
        "│┃",
        "90%!",
        "50%^",
        "figures: all others from sidecars, the oldest 3 s ago",
        "(cause skewed_keys, verdict split)",
        "1 of 20 moves over (1 done), 2 in flight, 17 pending; 15.0 GB of 200.0 GB copied, 150.0 MB/s on average, about 21 min left",
        "… and 12 more pending",
        "broker 1001 sends 50.0 MB/s, receives unlimited",
        "unsolved: broker 1001",
        "12.50→1.10→1.20",
    ] {
        let unwrapped = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            unwrapped.contains(part) || text.contains(part),
            "{part:?} is not in:\n{text}"
        );
    }
    for listed in [
        crate::cli::tables::plan(&busy(12).plan.unwrap()),
        history(&busy(12).history),
    ] {
        assert_fits(&listed);
    }
}

#[test]
fn of_many_brokers_those_that_carry_most_are_shown_and_those_about_which_something_is_up() {
    let mut many = busy(40);
    many.brokers[30].state = "draining".to_owned();
    many.brokers[30].utilisation = from(figures(0.0));
    let drawing = Drawing {
        colour: false,
        most_brokers: 5,
    };
    let text = status(&many, drawing);
    assert_fits(&text);
    for id in ["1001 ", "1002 ", "1031 "] {
        assert!(
            text.lines().any(|line| line.starts_with(id)),
            "{id} is not in:\n{text}"
        );
    }
    assert!(text.contains("… and 35 more brokers"), "{text}");
}

#[test]
fn colour_is_on_what_is_marked_anyway_and_only_where_it_is_wished() {
    let drawing = |colour| Drawing {
        colour,
        most_brokers: 12,
    };
    let plain = status(&busy(12), drawing(false));
    assert!(!plain.contains('\u{1b}'));
    let coloured = status(&busy(12), drawing(true));
    assert!(coloured.contains('\u{1b}'));
    let mut stripped = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        stripped.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    stripped.push_str(rest);
    assert_eq!(stripped, plain);
}

#[test]
fn windows_are_shown_with_when_the_next_one_opens() {
    let view = |next_opening_ms| MaintenanceView {
        windows: vec!["mon,tue 22:00-06:00".to_owned(), "12:00-12:30".to_owned()],
        leadership_anytime: true,
        next_opening_ms,
    };
    let closed = maintenance(&view(Some(1_795_816_800_000)));
    assert!(closed.contains("(mon,tue 22:00-06:00; 12:00-12:30 UTC), now closed until 2026-11-27T22:00Z"));
    assert!(maintenance(&view(None)).contains("now open"));
}
