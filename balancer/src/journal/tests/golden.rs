//! The format as files: what each version wrote is read for ever, and what is written now does not change unnoticed.

use serde_json::{Value, json};

use super::*;
use crate::plan::{Imbalance, Move, Purpose};

const V1: &str = include_str!("../golden/v1.json");
const V2: &str = include_str!("../golden/v2.json");
const V3: &str = include_str!("../golden/v3.json");

fn imbalance(n: f64) -> Imbalance {
    Imbalance {
        bytes_in: n,
        bytes_out: n + 0.25,
        cpu: 1.0,
        disk: n + 0.5,
    }
}

pub(super) fn head(purpose: Purpose, phase: Phase) -> PlanHead {
    PlanHead {
        purpose,
        phase,
        created_at: Timestamp(1_800_000_000_000),
        phase_since: Timestamp(1_800_000_005_000),
        imbalance_before: imbalance(1.5),
        imbalance_after: imbalance(1.0),
        bytes: 3_000_000_000,
        bytes_lower_bound: 2_500_000_000,
        unsolved: vec!["orders-0 alone exceeds what a broker should carry".to_owned()],
    }
}

fn orders(number: i32) -> TopicPartition {
    TopicPartition::new("orders.eu-west".parse().unwrap(), number.try_into().unwrap())
}

fn planned(number: i32) -> Move {
    Move {
        partition: orders(number),
        topic_id: [7; 16],
        from: vec![broker(0), broker(1), broker(2)],
        from_leader: Some(broker(0)),
        to: vec![broker(3), broker(1), broker(2)],
        reason: "broker 0 receives 40 % more than the mean".to_owned(),
        bytes: 1_000_000_000,
        gain: 0.125,
        expected_seconds: 20.0,
    }
}

fn moving(plan: u64, place: u32, state: MoveState) -> Record {
    let number = i32::try_from(place).unwrap();
    let progress = MoveProgress {
        change: planned(number),
        asked_at: (state != MoveState::Waiting).then_some(Timestamp(1_800_000_005_000)),
        state,
    };
    Record::Move(PlanId(plan), place, Some(progress))
}

/// Every way in which version 1 could say that a move had ended.
fn outcomes() -> Vec<Outcome> {
    let why = "because".to_owned();
    vec![
        Outcome::Done,
        Outcome::NoLongerHelps { why: why.clone() },
        Outcome::TopicDeleted,
        Outcome::TopicRecreated,
        Outcome::ReassignedElsewhere,
        Outcome::CancelledElsewhere,
        Outcome::ChangedElsewhere,
        Outcome::BrokerGone { broker: broker(3) },
        Outcome::DiskFull { broker: broker(3) },
        Outcome::Refused { why: why.clone() },
        Outcome::Unanswered,
        Outcome::TooSlow,
        Outcome::LeaderNotElected,
        Outcome::CoolingDown,
        Outcome::ToAndFro,
        Outcome::FewerReplicas,
        Outcome::NotStarted { why },
        Outcome::Stopped,
    ]
}

fn finished(purpose: Purpose, outcomes: Vec<Outcome>) -> FinishedPlan {
    FinishedPlan {
        head: head(purpose, Phase::Running),
        finished_at: Timestamp(1_800_000_090_000),
        done: 1,
        total: outcomes.len(),
        moves: (0..)
            .zip(outcomes)
            .map(|(number, outcome)| FinishedMove {
                partition: orders(number),
                from: planned(number).from,
                to: planned(number).to,
                bytes: planned(number).bytes,
                outcome,
            })
            .collect(),
        measured: None,
    }
}

/// One record of each kind, and each shape that a kind could have in version 1.
fn records_of_version_1() -> Vec<Record> {
    let since = Timestamp(1_800_000_005_000);
    let doubting = |why| MoveState::Copying {
        since,
        doubt: Some(Doubt { since, why }),
    };
    let reverting = MoveState::Reverting {
        since,
        seen: true,
        outcome: Outcome::TooSlow,
    };
    let ended = MoveState::Ended {
        at: since,
        outcome: Outcome::Done,
    };
    let drain = |empty_since| Drain {
        asked_at: since,
        empty_since,
    };
    let stopping = |how| Record::Plan(PlanId(4), Some(head(Purpose::Cool, Phase::Stopping(how))));
    vec![
        Record::Mode(Mode::Auto),
        Record::Drain(broker(3), Some(drain(None))),
        Record::Drain(broker(4), Some(drain(Some(since)))),
        Record::Drain(broker(5), None),
        stopping(StopHow::Gently),
        Record::Plan(
            PlanId(5),
            Some(head(Purpose::Drain(vec![broker(3)]), Phase::Proposed)),
        ),
        Record::Plan(PlanId(6), Some(head(Purpose::Rebalance, Phase::Running))),
        moving(4, 0, MoveState::Waiting),
        moving(4, 1, MoveState::Asked { since }),
        moving(4, 2, MoveState::Copying { since, doubt: None }),
        moving(4, 3, doubting(WhyDoubt::BrokerGone(broker(3)))),
        moving(4, 4, doubting(WhyDoubt::NotListed)),
        moving(4, 5, MoveState::Electing { since }),
        moving(4, 6, reverting),
        moving(4, 7, ended),
        Record::Move(PlanId(4), 8, None),
        Record::BrokerThrottle(
            broker(0),
            Direction::Leader,
            Some(BrokerThrottle {
                before: Some("31415926".to_owned()),
                written: vec![5_000_000, 50_000_000],
                at: since,
                yielded: false,
                lifted: true,
            }),
        ),
        Record::TopicThrottle(
            orders(0).topic,
            Direction::Follower,
            Some(TopicThrottle {
                topic_id: [7; 16],
                present_before: true,
                entries: vec!["0:3".to_owned(), "1:3".to_owned()],
                over: Vec::new(),
                at: since,
            }),
        ),
        Record::Finished(PlanId(2), Some(finished(Purpose::Cool, outcomes()))),
        Record::Finished(
            PlanId(3),
            Some(finished(Purpose::Fill(vec![broker(4)]), Vec::new())),
        ),
        Record::Finished(PlanId(1), None),
        Record::Usage(vec![Spent {
            minute: Timestamp(1_800_000_000_000),
            moves: 2,
            bytes: 2_000_000_000,
        }]),
        Record::CoolDown(
            orders(0),
            Some(CoolDown {
                since,
                left: vec![broker(0)],
            }),
        ),
    ]
}

/// The same and what only version 2 can say.
fn records_of_version_2() -> Vec<Record> {
    let measured = FinishedPlan {
        measured: Some(imbalance(1.125)),
        ..finished(Purpose::Rebalance, vec![Outcome::NotApproved])
    };
    let mut records = records_of_version_1();
    let taken_back = TopicThrottle {
        topic_id: [7; 16],
        present_before: false,
        entries: Vec::new(),
        over: vec!["1:2".to_owned(), "1:3".to_owned()],
        at: Timestamp(1_800_000_000_000),
    };
    records.extend([
        Record::Whole,
        Record::TopicThrottle(orders(1).topic, Direction::Follower, Some(taken_back)),
        Record::Plan(PlanId(7), Some(head(Purpose::Cool, Phase::Paused))),
        Record::Finished(PlanId(8), Some(measured)),
    ]);
    records
}

/// The same and what only version 3 can say.
fn records_of_version_3() -> Vec<Record> {
    let order = |replicas: i64, over_since| Replication {
        topic_id: [7; 16],
        replicas: replicas.try_into().unwrap(),
        asked_at: Timestamp(1_800_000_005_000),
        over_since,
    };
    let wanted = [(orders(0).topic, 3_i64.try_into().unwrap())];
    let mut records = records_of_version_2();
    records.extend([
        Record::Configured(Some(Mode::Approve)),
        Record::Replication(orders(0).topic, Some(order(3, None))),
        Record::Replication(
            "payments".parse().unwrap(),
            Some(order(1, Some(Timestamp(1_800_000_090_000)))),
        ),
        Record::Replication("gone".parse().unwrap(), None),
        Record::Plan(
            PlanId(9),
            Some(head(Purpose::Replicate(wanted.into()), Phase::Running)),
        ),
    ]);
    records
}

/// Records as a golden file has them: the value as JSON, null for none.
fn written(records: &[Record]) -> Value {
    let entries = records.iter().map(|record| {
        let entry = record.to_entry().unwrap();
        let value = entry.value.map(|bytes| serde_json::from_slice(&bytes).unwrap());
        json!({ "key": entry.key, "value": value.unwrap_or(Value::Null) })
    });
    entries.collect()
}

/// What a program of today knows after it has read a golden file.
fn read(golden: &str) -> ExecutionState {
    let entries: Vec<Value> = serde_json::from_str(golden).unwrap();
    let mut state = ExecutionState::default();
    for entry in entries {
        let value = Some(&entry["value"]).filter(|value| !value.is_null());
        let entry = Entry {
            key: entry["key"].as_str().unwrap().to_owned(),
            value: value.map(|value| value.to_string().into_bytes()),
        };
        state.apply(Record::from_entry(&entry).unwrap());
    }
    state
}

fn folded(records: Vec<Record>) -> ExecutionState {
    let mut state = ExecutionState::default();
    records.into_iter().for_each(|record| state.apply(record));
    state
}

#[test]
fn what_version_1_wrote_is_read_as_it_was_meant() {
    assert_eq!(read(V1), folded(records_of_version_1()));
}

#[test]
fn what_version_2_wrote_is_read_as_it_was_meant() {
    assert_eq!(read(V2), folded(records_of_version_2()));
}

#[test]
fn what_version_3_wrote_is_read_as_it_was_meant() {
    assert_eq!(read(V3), folded(records_of_version_3()));
}

/// When this fails, the format has changed: see [`versions`] for what that asks for. `WRITE_GOLDEN=1` writes the file.
#[test]
fn what_is_written_now_is_version_3() {
    let now = serde_json::to_string_pretty(&written(&records_of_version_3())).unwrap() + "\n";
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/journal/golden/v3.json");
        std::fs::write(file, now).unwrap();
    } else {
        assert_eq!(now, V3);
    }
}
