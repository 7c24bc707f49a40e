//! More and fewer replicas, by order.

use super::bench::*;
use super::story::{Story, outcomes};
use super::{a_plan, broker, brokers, partition, topic};
use crate::execute::{Change, ExecuteError, Guidance};
use crate::journal::{CoolDown, MoveState, Outcome, PlanId, Record, Replication, Timestamp};
use crate::plan::{Plan, Purpose};

fn replication(replicas: i64, topic_id: [u8; 16]) -> Replication {
    Replication {
        topic_id,
        replicas: replicas.try_into().unwrap(),
        asked_at: NOW,
        over_since: None,
    }
}

fn purpose(replicas: i64) -> Purpose {
    Purpose::Replicate([(topic("t"), replicas.try_into().unwrap())].into())
}

/// A plan of these moves, made because so many replicas of `t` were ordered.
fn ordered(replicas: i64, moves: &[(&[i32], &[i32])]) -> Bench {
    let mut bench = Bench::moving(moves);
    let mut head = bench.state.plans[&PlanId(1)].head.clone().unwrap();
    head.purpose = purpose(replicas);
    bench.state.apply(Record::Plan(PlanId(1), Some(head)));
    let order = replication(replicas, ID);
    bench.state.apply(Record::Replication(topic("t"), Some(order)));
    bench
}

fn changes(bench: &Bench) -> Vec<Change> {
    bench
        .decide()
        .into_iter()
        .filter_map(|step| step.change)
        .collect()
}

#[test]
fn a_replica_that_is_added_waits_for_its_throttle_and_one_that_goes_needs_none() {
    let bench = ordered(3, &[(&[0, 1], &[0, 1, 2])]);
    let is_throttle = |change: &Change| matches!(change, Change::Throttle(..));
    assert!(!changes(&bench).is_empty() && changes(&bench).iter().all(is_throttle));
    assert_eq!(bench.throttled().started(), [0]);
    let bench = ordered(2, &[(&[0, 1, 2], &[0, 1])]);
    assert_eq!(bench.started(), [0]);
    assert!(!changes(&bench).iter().any(is_throttle));
}

#[test]
fn what_is_in_sync_goes_only_when_all_that_stays_is_in_sync() {
    let mut bench = ordered(2, &[(&[0, 1, 2], &[0, 1])]);
    bench.partitions[0].in_sync = brokers(&[0, 2]);
    assert_eq!(bench.started(), [0; 0]);
    // What is not in sync may go in any case.
    bench.partitions[0].in_sync = brokers(&[0, 1]);
    assert_eq!(bench.started(), [0]);
    bench.partitions[0].in_sync = brokers(&[0]);
    assert_eq!(bench.started(), [0]);
    bench.partitions[0].in_sync = brokers(&[1]);
    bench.partitions[0].leader = Some(broker(1));
    assert_eq!(bench.started(), [0; 0], "the first is to lead");
}

#[test]
fn a_removal_that_kafka_does_not_show_is_sent_again_only_while_it_may_be_made() {
    let mut bench = ordered(2, &[(&[0, 1, 2], &[0, 1])]);
    bench.set(0, MoveState::Asked { since: NOW }, &[0, 1, 2], &[0, 1]);
    assert_eq!(bench.started(), [0]);
    bench.partitions[0].in_sync = brokers(&[0, 2]);
    assert_eq!(bench.started(), [0; 0], "broker 0 alone would be in sync");
    bench.partitions[0].in_sync = brokers(&[0, 1, 2]);
    bench.partitions[0].leader = Some(broker(2));
    assert_eq!(bench.started(), [0; 0], "broker 2 leads");
    let late = Timestamp(NOW.0 + 121_000);
    let mut records = bench.decide_at(late).into_iter().flat_map(|step| step.intent);
    let is_given_up = |record: Record| matches!(record, Record::Move(_, _, Some(progress)) if matches!(progress.state, MoveState::Reverting { .. }));
    assert!(records.any(is_given_up));
}

#[test]
fn a_replica_that_leads_does_not_go() {
    let mut bench = ordered(2, &[(&[0, 1, 2], &[0, 1])]);
    bench.partitions[0].leader = Some(broker(2));
    assert!(matches!(bench.ended()[..], [Outcome::NoLongerHelps { .. }]));
}

#[test]
fn no_partition_gets_fewer_replicas_than_its_producers_need() {
    let bench = ordered(1, &[(&[0, 1, 2], &[0])]);
    assert_eq!(bench.ended(), [Outcome::FewerReplicas]);
}

#[test]
fn moves_that_nobody_orders_any_more_are_dropped() {
    for (moves, order) in [
        ([(&[0, 1, 2][..], &[0, 1][..])], Some(replication(3, ID))),
        ([(&[0, 1], &[0, 1, 2])], Some(replication(2, ID))),
        ([(&[0, 1], &[0, 1, 2])], Some(replication(3, [9; 16]))),
        ([(&[0, 1], &[0, 1, 2])], None),
    ] {
        let mut bench = ordered(3, &moves);
        bench.state.apply(Record::Replication(topic("t"), order));
        assert!(matches!(bench.ended()[..], [Outcome::NoLongerHelps { .. }]));
    }
}

#[test]
fn what_was_moved_before_the_order_does_not_wait_and_what_was_tried_since_does() {
    let cooling = |since: Timestamp| {
        let mut bench = ordered(2, &[(&[0, 1, 2], &[0, 1])]);
        let cool = CoolDown {
            since,
            left: Vec::new(),
        };
        let record = Record::CoolDown(partition("t", 0), Some(cool));
        bench.state.apply(record);
        bench.state.apply(Record::Replication(
            topic("t"),
            Some(Replication {
                asked_at: Timestamp(NOW.0 - 60_000),
                ..replication(2, ID)
            }),
        ));
        bench
    };
    assert_eq!(cooling(Timestamp(NOW.0 - 90_000)).started(), [0]);
    let tried = cooling(Timestamp(NOW.0 - 30_000));
    assert_eq!(
        (tried.started(), tried.ended()),
        (vec![], vec![Outcome::CoolingDown])
    );
}

#[test]
fn what_was_done_for_an_order_does_not_keep_the_rest_of_it_waiting() {
    for (replicas, outcome, forgets) in [
        (2, Outcome::Done, true),
        (2, Outcome::TooSlow, false),
        (3, Outcome::Done, false),
    ] {
        let mut bench = ordered(replicas, &[(&[0, 1, 2], &[1, 0, 2])]);
        let ended = MoveState::Ended { at: NOW, outcome };
        bench.set(0, ended, &[0, 1, 2], &[1, 0, 2]);
        let mut records = bench.decide().into_iter().flat_map(|step| step.intent);
        let is_forgotten = records.any(|record| record == Record::CoolDown(partition("t", 0), None));
        assert_eq!(is_forgotten, forgets, "{replicas} ordered");
    }
}

/// How the order stands after a decision.
fn noted(bench: &Bench) -> Vec<Option<Replication>> {
    let records = bench.decide().into_iter().flat_map(|step| step.intent);
    let orders = records.filter_map(|record| match record {
        Record::Replication(_, order) => Some(order),
        _ => None,
    });
    orders.collect()
}

#[test]
fn an_order_ends_when_its_topic_is_as_ordered_or_gone_and_stays_so() {
    let mut bench = ordered(3, &[(&[0, 1, 2], &[0, 1, 2])]);
    bench.state.plans.clear();
    let [Some(over)] = &noted(&bench)[..] else {
        panic!("{:?}", noted(&bench));
    };
    assert_eq!(over.over_since, Some(NOW));
    let past = |seconds: u64| Replication {
        over_since: Some(Timestamp(NOW.0 - seconds * 1000)),
        ..replication(3, ID)
    };
    for (seconds, noted_then) in [(5, vec![]), (11, vec![None])] {
        bench
            .state
            .apply(Record::Replication(topic("t"), Some(past(seconds))));
        assert_eq!(noted(&bench), noted_then, "after {seconds} s");
    }
    bench.partitions[0].replicas = brokers(&[0, 1]);
    assert_eq!(
        noted(&bench),
        [Some(replication(3, ID))],
        "it was too soon to say so"
    );
    let mut another = past(11);
    another.topic_id = [9; 16];
    bench.state.apply(Record::Replication(topic("t"), Some(another)));
    assert_eq!(noted(&bench), [None]);
}

#[tokio::test(start_paused = true)]
async fn a_topic_gets_replicas_and_loses_them_and_nothing_stays_of_the_order() {
    let mut story = Story::with_brokers(4).await;
    story.topic("t", &[brokers(&[0]), brokers(&[1])], 1).await;
    for number in [0, 1] {
        story.cluster.produce(&partition("t", number), 5e6).unwrap();
    }
    for (wanted, targets) in [(3, [&[0, 1, 2][..], &[1, 2, 3]]), (2, [&[0, 2], &[1, 2]])] {
        let mut moves = Vec::new();
        for (number, to) in (0..).zip(targets) {
            let name = partition("t", number);
            moves.push(story.plan_move(&name, &brokers(to), 5_000_000).await);
        }
        let order = replication(wanted, moves[0].topic_id);
        let order = vec![(topic("t"), Some(order))];
        story.executor.replicate(order).await.unwrap();
        let plan = Plan {
            purpose: purpose(wanted),
            ..a_plan(moves)
        };
        let now = story.now();
        let id = story.executor.start(plan, now).await.unwrap();
        let finished = story.finish(id).await;
        assert_eq!(outcomes(&finished), vec![Outcome::Done; 2]);
        for (number, to) in (0..).zip(targets) {
            let found = story.see(&partition("t", number)).await.unwrap();
            assert_eq!((found.replicas, found.in_sync.len()), (brokers(to), to.len()));
        }
        for _ in 0..4 {
            story.tick(&Guidance::default()).await;
        }
        assert_eq!(story.executor.replications().len(), 0);
    }
    let kept = story.cluster.shrinks();
    assert_eq!(kept.len(), 2);
    assert!(
        kept.iter().all(|shrink| (shrink.before, shrink.after) == (3, 2)),
        "{kept:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn orders_outlive_the_executor_and_there_are_not_too_many() {
    let mut story = Story::with_brokers(1).await;
    let order = |number: usize| (topic(&format!("t{number}")), Some(replication(2, ID)));
    story
        .executor
        .replicate((0..1000).map(order).collect())
        .await
        .unwrap();
    let refused = story.executor.replicate(vec![order(1000)]).await;
    assert!(matches!(
        refused,
        Err(ExecuteError::TooManyOrders {
            orders: 1001,
            most: 1000
        })
    ));
    let withdrawn = (order(7).0, None);
    story
        .executor
        .replicate(vec![withdrawn, order(1000)])
        .await
        .unwrap();
    let before = story.executor.replications().clone();
    story.crash().await;
    assert_eq!(story.executor.replications(), &before);
    assert_eq!(before.len(), 1000);
}
