//! Rules 4 to 8: when moves end, who may act, how much at a time, and who decides.

use std::time::Duration;

use kafka::Cluster;
use tokio::time::advance;

use super::story::{Story, outcomes};
use super::{a_plan, broker, brokers, partition};
use crate::execute::{Change, ExecuteError, Executor, Guidance, Limits};
use crate::journal::{CoolDown, Mode, MoveProgress, MoveState, Outcome, PlanId, Record, StopHow, Timestamp};
use crate::plan::{Plan, Purpose};

use super::bench::*;

// Rule 4: moves that no longer help.

#[test]
fn a_move_that_no_longer_helps_is_dropped() {
    let mut bench = Bench::moving(&[COPY, LEAD]).throttled();
    let why = "broker 0 has cooled".to_owned();
    bench.guidance.useless.insert(partition("t", 0), why.clone());
    assert_eq!(bench.ended(), [Outcome::NoLongerHelps { why }]);
    assert_eq!(bench.started(), [1]);
}

// Rule 5: named ends.

#[test]
fn a_move_to_a_broker_that_is_gone_or_full_ends_so_and_the_others_go_on() {
    let mut bench = Bench::moving(&[COPY, (&[1, 2], &[4, 2]), LEAD]).throttled();
    bench.alive.retain(|id| *id != broker(3));
    bench.guidance.usable_bytes.insert(broker(4), 1_500_000_000);
    assert_eq!(
        bench.ended(),
        [
            Outcome::BrokerGone { broker: broker(3) },
            Outcome::DiskFull { broker: broker(4) }
        ]
    );
    assert_eq!(bench.started(), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_drain_of_which_nothing_came_is_tried_again_after_a_minute_or_when_somebody_asks() {
    let mut story = Story::with_brokers(4).await;
    story.topic("t", &[brokers(&[0, 1])], 1).await;
    story.executor.drain(broker(0), story.now()).await.unwrap();
    let planned = story.plan_move(&partition("t", 0), &brokers(&[9, 1]), 1).await;
    let drain = Plan {
        purpose: Purpose::Drain(brokers(&[0])),
        ..a_plan(vec![planned])
    };
    advance(Duration::from_secs(1)).await;
    let id = story.executor.start(drain.clone(), story.now()).await.unwrap();
    let plan = story.finish(id).await;
    assert_eq!(outcomes(&plan), [Outcome::BrokerGone { broker: broker(9) }]);
    let waits = |story: &Story| story.executor.fruitless_drain(story.now()).is_some();
    assert!(waits(&story));
    advance(Duration::from_secs(61)).await;
    assert!(!waits(&story));

    let id = story.executor.start(drain, story.now()).await.unwrap();
    story.finish(id).await;
    assert!(waits(&story));
    story.executor.drain(broker(1), story.now()).await.unwrap();
    assert!(!waits(&story));
}

#[test]
fn a_move_of_a_topic_that_was_made_again_ends_so() {
    let mut bench = Bench::moving(&[COPY]);
    let mut other = bench.the_move(0).clone();
    other.topic_id = [9; 16];
    let progress = MoveProgress::planned(other).entering(MoveState::Copying {
        since: NOW,
        doubt: None,
    });
    bench.state.apply(Record::Move(PlanId(1), 0, Some(progress)));
    assert_eq!(bench.ended(), [Outcome::TopicRecreated]);
}

#[test]
fn a_copy_that_does_not_get_on_is_given_up() {
    let mut bench = Bench::moving(&[COPY]).throttled();
    bench.set(
        0,
        MoveState::Copying {
            since: NOW,
            doubt: None,
        },
        COPY.0,
        COPY.1,
    );
    bench.partitions[0].replicas = brokers(&[3, 1, 2, 0]);
    bench
        .reassignments
        .insert(partition("t", 0), reassignment(&[3, 1, 2, 0], &[3], &[0]));
    let gives_up = |seconds: u64| {
        let steps = bench.decide_at(Timestamp(NOW.0 + seconds * 1000));
        steps
            .iter()
            .any(|step| matches!(step.change, Some(Change::Cancel(_))))
    };
    // 1 GB at half of 5 MB/s takes 400 s; twice that and 900 s of patience.
    assert!(!gives_up(1700));
    assert!(gives_up(1701));
}

#[test]
fn a_plan_does_not_wait_forever() {
    let mut bench = Bench::moving(&[COPY, (&[2, 4], &[2, 4])]).throttled();
    bench.partitions[1].in_sync = brokers(&[4]);
    bench.state.apply(Record::Move(PlanId(1), 1, None));
    assert!(bench.ended().is_empty());
    let later = Timestamp(NOW.0 + bench.limits.patience_seconds * 1000);
    let why = "broker 2 has under-replicated partitions".to_owned();
    assert_eq!(bench.ended_at(later), [Outcome::NotStarted { why }]);
}

// Rule 6: fencing.

#[tokio::test(start_paused = true)]
async fn a_fenced_executor_stops_at_once_and_for_good() {
    let mut story = Story::with_brokers(4).await;
    story.topic("t", &[brokers(&[0, 1, 2])], 2).await;
    let planned = story.plan_move(&partition("t", 0), &brokers(&[3, 1, 2]), 0).await;
    story
        .executor
        .start(a_plan(vec![planned]), story.now())
        .await
        .unwrap();
    let _second = Executor::open(
        story.cluster.clone(),
        &story.log,
        story.limits.clone(),
        Mode::Auto,
        story.now(),
    )
    .await
    .unwrap();
    let before = story.configs().await;
    for _ in 0..2 {
        let ticked = story.executor.tick(&Guidance::default(), story.now()).await;
        assert!(matches!(ticked, Err(ExecuteError::Fenced)));
    }
    assert_eq!(story.configs().await, before);
    assert!(story.cluster.reassignments().await.unwrap().is_empty());
}

// Rule 7: limits.

#[test]
fn leadership_comes_first_and_in_one_batch() {
    let bench = Bench::moving(&[COPY, LEAD, LEAD]).throttled();
    assert_eq!(bench.started(), [1, 2]);
}

#[test]
fn no_more_copies_than_allowed_burden_a_broker_or_the_cluster() {
    let copies: [(&[i32], &[i32]); 4] = [
        COPY,
        (&[0, 1, 2], &[4, 1, 2]),
        (&[1, 2, 0], &[5, 2, 0]),
        (&[2, 1, 0], &[3, 1, 0]),
    ];
    let mut bench = Bench::moving(&copies);
    bench.limits.moves_per_broker = 1;
    let bench = bench.throttled();
    assert_eq!(bench.started(), [0, 2]);
    let mut bench = Bench::moving(&copies);
    bench.limits.moves_per_cluster = 3;
    assert_eq!(bench.throttled().started(), [0, 1, 2]);
}

#[test]
fn no_more_moves_or_bytes_than_allowed_start_within_an_hour() {
    let copies: [(&[i32], &[i32]); 2] = [COPY, (&[1, 2, 0], &[5, 2, 0])];
    let mut bench = Bench::moving(&copies);
    bench.limits.moves_per_hour = 1;
    assert_eq!(bench.throttled().started(), [0]);
    let mut bench = Bench::moving(&copies);
    bench.limits.bytes_per_hour = 1_900_000_000;
    assert_eq!(bench.throttled().started(), [0]);
}

#[test]
fn a_partition_that_was_moved_is_left_alone_until_it_has_cooled_down() {
    let mut bench = Bench::moving(&[COPY]).throttled();
    let cool = |left: &[i32]| {
        let cool = CoolDown {
            since: Timestamp(NOW.0 - 60_000),
            left: brokers(left),
        };
        Record::CoolDown(partition("t", 0), Some(cool))
    };
    bench.state.apply(cool(&[4]));
    assert_eq!(bench.ended(), [Outcome::CoolingDown]);
    bench.state.apply(cool(&[3]));
    assert_eq!(bench.ended(), [Outcome::ToAndFro]);
    bench.limits.cool_down_seconds = 60;
    assert_eq!(bench.started(), [0]);
}

#[test]
fn what_leaves_a_broker_that_is_emptied_may_go_back_to_where_it_was_a_minute_ago() {
    let mut bench = Bench::moving(&[COPY]).throttled();
    let cool = CoolDown {
        since: Timestamp(NOW.0 - 60_000),
        left: brokers(&[3]),
    };
    bench.state.apply(Record::CoolDown(partition("t", 0), Some(cool)));
    let mut head = bench.state.plans[&PlanId(1)].head.clone().unwrap();
    head.purpose = Purpose::Drain(brokers(&[0]));
    bench.state.apply(Record::Plan(PlanId(1), Some(head)));
    assert_eq!(bench.started(), [0]);
}

// Rule 8: modes and stopping.

#[tokio::test(start_paused = true)]
async fn nothing_happens_before_a_yes_unless_the_mode_is_auto() {
    let mut story = Story::with_brokers(4).await;
    story.topic("t", &[brokers(&[0, 1, 2])], 2).await;
    let planned = story.plan_move(&partition("t", 0), &brokers(&[1, 0, 2]), 0).await;
    let now = story.now();
    story.executor.set_mode(Mode::Observe, now).await.unwrap();
    let id = story.executor.start(a_plan(vec![planned]), now).await.unwrap();
    assert_eq!(story.tick(&Guidance::default()).await.changes, 0);
    assert!(matches!(
        story.executor.approve(id, now).await,
        Err(ExecuteError::Observing)
    ));
    story.executor.set_mode(Mode::Approve, now).await.unwrap();
    assert_eq!(story.tick(&Guidance::default()).await.changes, 0);
    story.executor.approve(id, story.now()).await.unwrap();
    assert_eq!(story.tick(&Guidance::default()).await.finished, [id]);
    assert_eq!(
        story.see(&partition("t", 0)).await.unwrap().leader,
        Some(broker(1))
    );
}

#[tokio::test(start_paused = true)]
async fn stopping_at_once_brings_replicas_back_and_stopping_gently_lets_them_arrive() {
    for (how, outcome, replicas) in [
        (StopHow::AtOnce, Outcome::Stopped, [0, 1, 2]),
        (StopHow::Gently, Outcome::Done, [3, 1, 2]),
    ] {
        let mut story = Story::with_brokers(4).await;
        story
            .topic("t", &[brokers(&[0, 1, 2]), brokers(&[0, 1, 2])], 2)
            .await;
        story.cluster.produce(&partition("t", 0), 2e8).unwrap();
        story.executor.set_limits(Limits {
            moves_per_cluster: 1,
            ..Limits::default()
        });
        let before = story.configs().await;
        let first = story.plan_move(&partition("t", 0), &brokers(&[3, 1, 2]), 1).await;
        let second = story.plan_move(&partition("t", 1), &brokers(&[3, 1, 2]), 1).await;
        let id = story
            .executor
            .start(a_plan(vec![first, second]), story.now())
            .await
            .unwrap();
        story.tick(&Guidance::default()).await;
        story.executor.stop(how, story.now()).await.unwrap();
        let plan = story.finish(id).await;
        assert_eq!(outcomes(&plan), [outcome, Outcome::Stopped]);
        assert_eq!(
            story.see(&partition("t", 0)).await.unwrap().replicas,
            brokers(&replicas)
        );
        assert_eq!(
            story.see(&partition("t", 1)).await.unwrap().replicas,
            brokers(&[0, 1, 2])
        );
        assert_eq!(story.configs().await, before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_only_when_the_broker_hosts_no_replica_at_all() {
    let mut story = Story::with_brokers(4).await;
    story.topic("t", &[brokers(&[0, 1]), brokers(&[1, 0])], 1).await;
    story.executor.drain(broker(0), story.now()).await.unwrap();
    let empty = |story: &Story| story.executor.drains()[&broker(0)].empty_since.is_some();
    for (number, to) in [(0, [2, 1]), (1, [1, 2])] {
        story.tick(&Guidance::default()).await;
        assert!(!empty(&story));
        let request = [(partition("t", number), brokers(&to))];
        story.cluster.reassign(&request).await.unwrap();
        advance(Duration::from_millis(1)).await;
    }
    story.tick(&Guidance::default()).await;
    assert!(empty(&story));
    story.topic("u", &[brokers(&[0])], 1).await;
    story.tick(&Guidance::default()).await;
    assert!(!empty(&story));
}
