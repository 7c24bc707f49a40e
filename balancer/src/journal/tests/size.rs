//! The largest that records get, with the longest names, reasons and lists there can be.

use super::*;
use crate::plan::{Move, Purpose};

/// What Kafka takes as one batch by default (`max.message.bytes`).
const MOST_OF_KAFKA: usize = 1_048_588;

fn size(record: &Record) -> usize {
    let entry = record.to_entry().unwrap();
    entry.key.len() + entry.value.map_or(0, |value| value.len())
}

fn longest(number: u32) -> TopicPartition {
    let name = format!("{number:0>249}").parse().unwrap();
    TopicPartition::new(name, i32::MAX.try_into().unwrap())
}

/// Nine replicas, more than anybody has, with the largest ids.
fn nine(from: i32) -> Vec<BrokerId> {
    (0..9).map(|place| broker(i32::MAX - from - place)).collect()
}

fn largest_move(place: u32) -> Record {
    let why = "x".repeat(300);
    let change = Move {
        partition: longest(place),
        topic_id: [255; 16],
        from: nine(0),
        from_leader: Some(broker(i32::MAX)),
        to: nine(9),
        reason: "x".repeat(1000),
        bytes: u64::MAX,
        gain: 0.123_456_789_012_345_6,
        expected_seconds: 1.234_567_890_123_456_7e100,
    };
    let progress = MoveProgress {
        change,
        state: MoveState::Reverting {
            since: Timestamp(u64::MAX),
            seen: true,
            outcome: Outcome::Refused { why },
        },
        asked_at: Some(Timestamp(u64::MAX)),
    };
    Record::Move(PlanId(u64::MAX), place, Some(progress))
}

fn largest_finished() -> FinishedPlan {
    let topics = (0..100).map(|number| (longest(number).topic, 32_767_i64.try_into().unwrap()));
    let head = PlanHead {
        unsolved: PlanHead::shorten(vec!["x".repeat(10_000); 10_000]),
        ..golden::head(Purpose::Replicate(topics.collect()), Phase::Paused)
    };
    let ended = |number| FinishedMove {
        partition: longest(number),
        from: nine(0),
        to: nine(9),
        bytes: u64::MAX,
        outcome: Outcome::NotStarted {
            why: "ü".repeat(300)
        },
    };
    FinishedPlan {
        measured: Some(head.imbalance_before),
        head,
        finished_at: Timestamp(u64::MAX),
        done: 10_000,
        total: 10_000,
        moves: FinishedPlan::keep((0..10_000).map(ended).collect()),
    }
}

#[test]
fn the_largest_plans_moves_and_cool_downs_stay_within_what_is_said() {
    let left = Some(CoolDown {
        since: Timestamp(u64::MAX),
        left: nine(0),
    });
    let cool = size(&Record::CoolDown(longest(9999), left));
    assert!(cool <= 1_500, "{cool}");
    let each = size(&largest_move(9999));
    assert!(each <= 2_500, "{each}");
    assert!(10_000 * each <= 25_000_000);
    let order = Replication {
        topic_id: [255; 16],
        replicas: 32_767_i64.try_into().unwrap(),
        asked_at: Timestamp(u64::MAX),
        over_since: Some(Timestamp(u64::MAX)),
    };
    let order = size(&Record::Replication(longest(9999).topic, Some(order)));
    assert!(order <= 500, "{order}");
}

#[test]
fn a_plan_that_is_over_fits_into_a_record_however_long_its_names_are() {
    let plan = largest_finished();
    assert!(!plan.moves.is_empty());
    let bytes = size(&Record::Finished(PlanId(u64::MAX), Some(plan)));
    assert!(bytes < MOST_OF_KAFKA * 3 / 4, "{bytes}");
}

#[test]
fn an_ordinary_plan_keeps_its_thousand_moves() {
    let ended = |number| FinishedMove {
        partition: TopicPartition::new("orders.eu-west.v1".parse().unwrap(), number),
        from: vec![broker(0), broker(1), broker(2)],
        to: vec![broker(3), broker(1), broker(2)],
        bytes: 1_000_000_000,
        outcome: Outcome::NoLongerHelps {
            why: "under the load of now it would not make the cluster better".to_owned(),
        },
    };
    let moves = (0..1200).map(|number: i32| ended(number.try_into().unwrap()));
    assert_eq!(
        FinishedPlan::keep(moves.collect()).len(),
        FinishedPlan::MOST_MOVES
    );
}
