//! Rules 1 to 3: in-sync replicas, throttles, and what belongs to others.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka::cluster::{ConfigChange, ConfigResource};
use tokio::time::advance;

use super::story::{Story, finished, outcomes, set};
use super::{a_plan, broker, brokers, partition, topic};
use crate::execute::{Change, Guidance, Headroom};
use crate::journal::{
    BrokerThrottle, Direction, MoveState, Outcome, PlanId, Record, StopHow, Timestamp, TopicThrottle,
};

use super::bench::*;

// Rule 1: in-sync replicas.

#[test]
fn a_move_that_would_leave_fewer_replicas_is_not_made() {
    let bench = Bench::moving(&[(&[0, 1, 2], &[3, 1])]);
    assert_eq!(bench.ended(), [Outcome::FewerReplicas]);
}

#[test]
fn nothing_starts_on_brokers_with_under_replicated_partitions() {
    for change in [COPY, LEAD] {
        let mut bench = Bench::moving(&[change, (&[2, 4], &[2, 4])]).throttled();
        bench.partitions[1].in_sync = brokers(&[4]);
        assert!(!bench.started().contains(&0), "{change:?}");
    }
}

#[test]
fn a_move_that_repairs_an_under_replicated_partition_starts() {
    let mut bench = Bench::moving(&[COPY]).throttled();
    bench.partitions[0].in_sync = brokers(&[1, 2]);
    bench.partitions[0].leader = Some(broker(1));
    assert_eq!(bench.started(), [0]);
}

#[test]
fn replicas_that_are_being_added_do_not_count_as_under_replicated() {
    let mut bench = Bench::moving(&[COPY, (&[1, 4, 5], &[2, 4, 5])]).throttled();
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
    assert_eq!(bench.started(), [1]);
}

#[test]
fn a_copy_is_not_cancelled_when_only_the_new_replica_keeps_enough_in_sync() {
    let mut bench = Bench::moving(&[(&[0, 1, 2], &[3, 4, 2])]);
    bench.set(
        0,
        MoveState::Copying {
            since: NOW,
            doubt: None,
        },
        &[0, 1, 2],
        &[3, 4, 2],
    );
    stopping(&mut bench, StopHow::AtOnce);
    bench.partitions[0].replicas = brokers(&[3, 4, 2, 0, 1]);
    bench.reassignments.insert(
        partition("t", 0),
        reassignment(&[3, 4, 2, 0, 1], &[3, 4], &[0, 1]),
    );
    bench.partitions[0].in_sync = brokers(&[0, 3]);
    assert!(!cancels(&bench));
    bench.partitions[0].in_sync = brokers(&[0, 1]);
    assert!(cancels(&bench));
}

// Rule 2: throttles.

#[test]
fn a_copy_starts_only_when_its_throttles_are_in_force() {
    let bench = Bench::moving(&[COPY]);
    assert!(bench.started().is_empty());
    assert_eq!(bench.throttled().started(), [0]);
}

#[test]
fn a_plan_is_not_over_before_kafka_shows_nothing_of_its_throttles() {
    let mut bench = Bench::moving(&[COPY]).throttled();
    let ended = MoveState::Ended {
        at: NOW,
        outcome: Outcome::Done,
    };
    bench.set(0, ended, COPY.0, COPY.1);
    let is_over = |bench: &Bench, seconds: u64| {
        let steps = bench.decide_at(Timestamp(NOW.0 + seconds * 1000));
        let mut intents = steps.into_iter().flat_map(|step| step.intent);
        intents.any(|record| record == Record::Plan(PlanId(1), None))
    };
    assert!(!is_over(&bench, 0));
    let lifting = bench.decide();
    for record in lifting.into_iter().flat_map(|step| step.settled) {
        bench.state.apply(record);
    }
    assert!(!is_over(&bench, 1), "the brokers have not heard of it yet");
    for entries in bench.configs.values_mut().flatten() {
        entries.retain(|entry| !entry.name.ends_with(".rate"));
        for list in entries
            .iter_mut()
            .filter(|entry| entry.name.ends_with(".replicas"))
        {
            list.value = Some(String::new());
        }
    }
    assert!(!is_over(&bench, 2), "empty values are left");
    assert!(is_over(&bench, 61), "the next plan does not wait for it");
    for entries in bench.configs.values_mut().flatten() {
        entries.retain(|entry| !entry.name.ends_with(".replicas"));
    }
    assert!(is_over(&bench, 2));
}

#[test]
fn what_a_late_request_throttles_of_a_topic_that_was_made_again_is_taken_back() {
    let mut bench = Bench::moving(&[]);
    let of_the_old_one = TopicThrottle {
        topic_id: [9; 16],
        present_before: true,
        entries: vec!["4:1".to_owned()],
        over: Vec::new(),
        at: NOW,
    };
    let throttle = Record::TopicThrottle(topic("t"), Direction::Leader, Some(of_the_old_one));
    bench.state.apply(throttle);
    let list = "leader.replication.throttled.replicas";
    bench.configure(ConfigResource::Topic(topic("t")), list, "4:1,5:1");
    for record in bench.decide().into_iter().flat_map(|step| step.intent) {
        bench.state.apply(record);
    }
    let subtract = ConfigChange::Subtract {
        name: list.to_owned(),
        value: "4:1".to_owned(),
    };
    let taken_back = Change::Unthrottle(ConfigResource::Topic(topic("t")), subtract);
    let steps = bench.decide();
    assert!(
        steps.iter().any(|step| step.change.as_ref() == Some(&taken_back)),
        "{steps:?}"
    );
}

#[test]
fn sources_are_throttled_in_sending_and_targets_in_receiving_by_what_they_can_spare() {
    let mut bench = Bench::moving(&[COPY]);
    let spare = Headroom {
        send: 2e7,
        receive: 3e7,
    };
    bench.guidance.headroom = bench.alive.iter().map(|id| (*id, spare)).collect();
    bench.guidance.headroom.remove(&broker(2));
    let rate =
        |id, direction: Direction, rate: &str| ((broker(id), direction.rate().to_owned()), rate.to_owned());
    let expected = BTreeMap::from([
        rate(0, Direction::Leader, "20000613"),
        rate(1, Direction::Leader, "20000613"),
        rate(2, Direction::Leader, "5000613"),
        rate(3, Direction::Follower, "30000613"),
    ]);
    assert_eq!(bench.rates(), expected);
}

#[test]
fn only_the_replicas_that_move_are_throttled() {
    let bench = Bench::moving(&[COPY]);
    let steps = bench.decide();
    let appended: Vec<&str> = steps
        .iter()
        .filter_map(|step| match &step.change {
            Some(Change::Throttle(_, ConfigChange::Append { value, .. })) => Some(value.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(appended, ["0:0,0:1,0:2", "0:3"]);
}

#[test]
fn a_throttle_follows_the_headroom_when_it_changes_by_more_than_a_tenth() {
    let mut bench = Bench::moving(&[COPY]);
    let at = |rate| {
        let spare = Headroom {
            send: rate,
            receive: rate,
        };
        (0..6).map(|id| (broker(id), spare)).collect()
    };
    bench.guidance.headroom = at(2e7);
    let mut bench = bench.throttled();
    bench.set(0, MoveState::Asked { since: NOW }, COPY.0, COPY.1);
    bench.guidance.headroom = at(2.15e7);
    assert!(bench.rates().is_empty());
    bench.guidance.headroom = at(1.5e7);
    assert_eq!(bench.rates().len(), 4);
    assert!(bench.rates().values().all(|rate| rate == "15000613"));
}

#[test]
fn a_copy_is_never_throttled_below_what_producers_write_to_it() {
    let mut bench = Bench::moving(&[COPY]);
    bench.guidance.produced.insert(partition("t", 0), 4e7);
    assert_eq!(bench.rates().len(), 4);
    assert!(bench.rates().values().all(|rate| rate == "50000613"));
}

#[test]
fn who_sends_two_copies_of_a_partition_may_send_what_producers_write_to_both() {
    let mut bench = Bench::moving(&[(&[0, 1, 2], &[3, 4, 2])]);
    bench.guidance.produced.insert(partition("t", 0), 4e7);
    let of = |receives: bool| {
        let rates = bench.rates().into_iter();
        let mut rates = rates.filter(move |((id, _), _)| (id.get() > 2) == receives);
        rates.next().map(|(_, rate)| rate)
    };
    assert_eq!(of(false).as_deref(), Some("100000613"));
    assert_eq!(of(true).as_deref(), Some("50000613"));
}

#[test]
fn headroom_that_is_no_number_gives_the_floor() {
    let mut bench = Bench::moving(&[COPY]);
    for odd in [f64::NAN, f64::NEG_INFINITY, -1.0] {
        let spare = Headroom {
            send: odd,
            receive: odd,
        };
        bench.guidance.headroom = bench.alive.iter().map(|id| (*id, spare)).collect();
        assert!(bench.rates().values().all(|rate| rate == "5000613"), "{odd}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_that_was_there_before_is_put_back_and_nothing_else_is_left() {
    let mut story = Story::with_brokers(4).await;
    story.topic("t", &[brokers(&[0, 1, 2])], 2).await;
    story.cluster.produce(&partition("t", 0), 2e8).unwrap();
    let rate = Direction::Leader.rate();
    story
        .alter(ConfigResource::Broker(broker(0)), set(rate, "777"))
        .await;
    let before = story.configs().await;
    let planned = story
        .plan_move(&partition("t", 0), &brokers(&[3, 1, 2]), 200_000_000)
        .await;
    let id = story
        .executor
        .start(a_plan(vec![planned]), story.now())
        .await
        .unwrap();
    story.tick(&Guidance::default()).await;
    let during = story.configs().await;
    assert_eq!(
        during[&(ConfigResource::Broker(broker(0)), rate.to_owned())],
        "5000613"
    );
    let plan = story.finish(id).await;
    assert_eq!(outcomes(&plan), [Outcome::Done]);
    assert_eq!(story.configs().await, before);
    assert_eq!(
        story.see(&partition("t", 0)).await.unwrap().leader,
        Some(broker(3))
    );
}

#[tokio::test(start_paused = true)]
async fn a_start_sweeps_what_a_dead_predecessor_left() {
    let mut story = Story::with_brokers(4).await;
    story.topic("t", &[brokers(&[0, 1, 2])], 2).await;
    story.cluster.produce(&partition("t", 0), 2e9).unwrap();
    let before = story.configs().await;
    let planned = story
        .plan_move(&partition("t", 0), &brokers(&[3, 1, 2]), 2_000_000_000)
        .await;
    let id = story
        .executor
        .start(a_plan(vec![planned]), story.now())
        .await
        .unwrap();
    story.tick(&Guidance::default()).await;
    assert!(story.configs().await.len() > before.len());
    // It finishes while nobody looks.
    advance(Duration::from_secs(3600)).await;
    story.crash().await;
    story.tick(&Guidance::default()).await;
    assert_eq!(story.configs().await, before);
    assert_eq!(
        outcomes(&finished(&story.executor.status().history, id)),
        [Outcome::Done]
    );
}

// Rule 3: what belongs to others.

#[test]
fn a_partition_that_others_reassign_is_left_to_them() {
    for state in [
        MoveState::Waiting,
        MoveState::Copying {
            since: NOW,
            doubt: None,
        },
    ] {
        let mut bench = Bench::moving(&[COPY]).throttled();
        bench.set(0, state, COPY.0, COPY.1);
        bench.partitions[0].replicas = brokers(&[4, 1, 2, 0]);
        bench
            .reassignments
            .insert(partition("t", 0), reassignment(&[4, 1, 2, 0], &[4], &[0]));
        assert_eq!(bench.ended(), [Outcome::ReassignedElsewhere]);
        assert!(bench.started().is_empty() && !cancels(&bench));
    }
}

#[test]
fn a_throttle_that_others_use_is_left_and_moves_run_under_it() {
    for (list, used) in [("7:0", true), ("*", true), ("7:5", false), ("", false)] {
        let mut bench = Bench::moving(&[COPY]);
        bench.configure(ConfigResource::Broker(broker(0)), Direction::Leader.rate(), "777");
        bench.configure(
            ConfigResource::Topic(topic("t")),
            Direction::Leader.replicas(),
            list,
        );
        let set = bench.rates();
        let overridden = set.contains_key(&(broker(0), Direction::Leader.rate().to_owned()));
        assert_eq!(overridden, !used, "{list}");
        assert_eq!(set.len(), if used { 3 } else { 4 });
    }
}

#[test]
fn a_rate_that_others_begin_to_use_is_put_back_while_our_move_goes_on() {
    let mut bench = Bench::moving(&[COPY]);
    bench.configure(ConfigResource::Broker(broker(0)), Direction::Leader.rate(), "777");
    let mut bench = bench.throttled();
    bench.set(0, MoveState::Asked { since: NOW }, COPY.0, COPY.1);
    assert!(bench.rates().is_empty());
    bench.configure(
        ConfigResource::Topic(topic("t")),
        Direction::Leader.replicas(),
        "0:0,0:1,0:2,7:0",
    );
    let put_back = ((broker(0), Direction::Leader.rate().to_owned()), "777".to_owned());
    assert_eq!(bench.rates(), BTreeMap::from([put_back]));
}

#[test]
fn a_rate_that_others_have_changed_since_is_theirs() {
    let mut bench = Bench::moving(&[COPY]).throttled();
    bench.set(0, MoveState::Asked { since: NOW }, COPY.0, COPY.1);
    bench.configure(
        ConfigResource::Broker(broker(0)),
        Direction::Leader.rate(),
        "123456",
    );
    assert!(bench.rates().is_empty());
    let steps = bench.decide();
    let yielded = steps.iter().flat_map(|step| &step.intent).any(|record| {
        matches!(record, Record::BrokerThrottle(id, Direction::Leader, Some(BrokerThrottle { yielded: true, .. }))
            if *id == broker(0))
    });
    assert!(yielded);
}

#[test]
fn a_rate_of_ours_that_a_broker_still_shows_is_not_taken_for_somebody_elses() {
    let mut bench = Bench::moving(&[COPY]).throttled();
    let at = (broker(0), Direction::Leader);
    let lifted = BrokerThrottle {
        lifted: true,
        ..bench.state.broker_throttles[&at].clone()
    };
    bench
        .state
        .apply(Record::BrokerThrottle(at.0, at.1, Some(lifted)));
    assert!(bench.started().is_empty(), "it may be gone");
    for step in bench.decide() {
        for record in step.intent {
            bench.state.apply(record);
        }
    }
    let ours = &bench.state.broker_throttles[&at];
    assert_eq!((&ours.before, ours.lifted), (&None, false));
    assert_eq!(bench.started(), [0]);
}

#[test]
fn a_reassignment_that_others_cancelled_is_not_begun_again() {
    let mut bench = Bench::moving(&[COPY]).throttled();
    let doubtful = MoveState::Copying {
        since: NOW,
        doubt: Some(crate::journal::Doubt {
            since: NOW,
            why: crate::journal::WhyDoubt::NotListed,
        }),
    };
    bench.set(0, doubtful, COPY.0, COPY.1);
    bench.partitions[0].replicas = brokers(&[1, 2, 0]);
    assert!(bench.ended().is_empty() && bench.started().is_empty());
    let later = Timestamp(NOW.0 + 11_000);
    assert_eq!(bench.ended_at(later), [Outcome::CancelledElsewhere]);
}
