//! Each rule by itself: what is decided in one situation, and a few stories that a rule tells.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka::Cluster;
use kafka::cluster::{
    Broker, ClusterDescription, ConfigChange, ConfigEntry, ConfigResource, ConfigSource, Each, Partition,
    Reassignment, Topic,
};
use kafka::ids::BrokerId;
use tokio::time::advance;

use super::story::{Story, finished, outcomes, set};
use super::{a_move, a_plan, broker, brokers, partition, topic};
use crate::execute::{Change, ExecuteError, Executor, Guidance, Headroom, Limits, Seen, Step, decide};
use crate::journal::{
    BrokerThrottle, CoolDown, Direction, ExecutionState, Mode, MoveProgress, MoveState, Outcome, Phase,
    PlanHead, PlanId, Record, StopHow, Timestamp,
};
use crate::plan::{Move, Purpose};

const ID: [u8; 16] = [1; 16];
const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// One situation: topic `t` of brokers 0 to 5, a plan that runs, and nothing else going on.
struct Bench {
    state: ExecutionState,
    partitions: Vec<Partition>,
    reassignments: BTreeMap<kafka::TopicPartition, Reassignment>,
    configs: Each<ConfigResource, Vec<ConfigEntry>>,
    alive: Vec<BrokerId>,
    guidance: Guidance,
    limits: Limits,
}

impl Bench {
    /// Partition `i` of `t` is to move from `moves[i].0` to `moves[i].1`, 1 GB each copy.
    fn moving(moves: &[(&[i32], &[i32])]) -> Self {
        let mut bench = Self {
            state: ExecutionState::default(),
            partitions: Vec::new(),
            reassignments: BTreeMap::new(),
            configs: Each::new(),
            alive: brokers(&[0, 1, 2, 3, 4, 5]),
            guidance: Guidance::default(),
            limits: Limits::default(),
        };
        let plan = a_plan(Vec::new());
        let head = PlanHead {
            purpose: Purpose::Cool,
            phase: Phase::Running,
            created_at: NOW,
            phase_since: NOW,
            imbalance_before: plan.imbalance_before,
            imbalance_after: plan.imbalance_after,
            bytes: 0,
            bytes_lower_bound: 0,
            unsolved: Vec::new(),
        };
        bench.state.apply(Record::Plan(PlanId(1), Some(head)));
        for (place, (from, to)) in (0..).zip(moves) {
            bench.partitions.push(Partition {
                id: i32::try_from(place).unwrap().try_into().unwrap(),
                leader: Some(broker(from[0])),
                replicas: brokers(from),
                in_sync: brokers(from),
            });
            bench.set(place, MoveState::Waiting, from, to);
        }
        bench
            .configs
            .insert(ConfigResource::Topic(topic("t")), Ok(Vec::new()));
        bench.configure(ConfigResource::Topic(topic("t")), "min.insync.replicas", "2");
        for id in bench.alive.clone() {
            bench.configs.insert(ConfigResource::Broker(id), Ok(Vec::new()));
        }
        bench
    }

    fn set(&mut self, place: u32, state: MoveState, from: &[i32], to: &[i32]) {
        let number = i32::try_from(place).unwrap();
        let change = a_move(
            partition("t", number),
            ID,
            &brokers(from),
            &brokers(to),
            1_000_000_000,
        );
        let progress = MoveProgress::planned(change).entering(state);
        self.state.apply(Record::Move(PlanId(1), place, Some(progress)));
    }

    fn the_move(&self, place: u32) -> &Move {
        &self.state.plans[&PlanId(1)].moves[&place].change
    }

    fn configure(&mut self, resource: ConfigResource, name: &str, value: &str) {
        let entry = ConfigEntry {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            source: ConfigSource::Dynamic,
        };
        let entries = self.configs.get_mut(&resource).unwrap().as_mut().unwrap();
        entries.retain(|present| present.name != name);
        entries.push(entry);
    }

    /// All throttles that the plan's moves need are in force, and ours.
    fn throttled(mut self) -> Self {
        for _ in 0..2 {
            for step in self.decide() {
                for record in step.intent {
                    self.state.apply(record);
                }
                if let Some(Change::Throttle(
                    resource,
                    ConfigChange::Set { name, value } | ConfigChange::Append { name, value },
                )) = step.change
                {
                    self.configure(resource, &name, &value);
                }
            }
        }
        for (place, progress) in self.state.plans[&PlanId(1)].moves.clone() {
            let waiting = MoveProgress::planned(progress.change);
            self.state.apply(Record::Move(PlanId(1), place, Some(waiting)));
        }
        self.state.cool_downs.clear();
        self.state.usage.clear();
        self
    }

    fn decide(&self) -> Vec<Step> {
        self.decide_at(NOW)
    }

    fn decide_at(&self, now: Timestamp) -> Vec<Step> {
        let live = |id: &BrokerId| Broker {
            id: *id,
            host: "127.0.0.1".to_owned(),
            port: 9092,
            rack: None,
        };
        let description = ClusterDescription {
            cluster_id: "c".to_owned(),
            controller: None,
            brokers: self.alive.iter().map(live).collect(),
            topics: vec![Topic {
                name: topic("t"),
                id: ID,
                partitions: self.partitions.clone(),
            }],
        };
        let seen = Seen::new(self.reassignments.clone(), description, &self.configs);
        decide(&self.state, &seen, &self.guidance, &self.limits, now)
    }

    /// The partitions that are reassigned or whose leader is elected.
    fn started(&self) -> Vec<i32> {
        let steps = self.decide();
        let started = steps.iter().filter_map(|step| match &step.change {
            Some(Change::Reassign(_, moved, _) | Change::Elect(moved)) => Some(moved.partition.get()),
            _ => None,
        });
        started.collect()
    }

    fn ended(&self) -> Vec<Outcome> {
        self.ended_at(NOW)
    }

    fn ended_at(&self, now: Timestamp) -> Vec<Outcome> {
        let steps = self.decide_at(now);
        let records = steps.into_iter().flat_map(|step| step.intent);
        records
            .filter_map(|record| match record {
                Record::Move(_, _, Some(progress)) => match progress.state {
                    MoveState::Ended { outcome, .. } => Some(outcome),
                    _ => None,
                },
                _ => None,
            })
            .collect()
    }

    /// The values that rates are set to.
    fn rates(&self) -> BTreeMap<(BrokerId, String), String> {
        let steps = self.decide();
        let rates = steps.into_iter().filter_map(|step| match step.change {
            Some(
                Change::Throttle(ConfigResource::Broker(id), ConfigChange::Set { name, value })
                | Change::Unthrottle(ConfigResource::Broker(id), ConfigChange::Set { name, value }),
            ) => Some(((id, name), value)),
            _ => None,
        });
        rates.collect()
    }
}

const COPY: (&[i32], &[i32]) = (&[0, 1, 2], &[3, 1, 2]);
const LEAD: (&[i32], &[i32]) = (&[0, 1, 2], &[1, 0, 2]);

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
        rate(0, Direction::Leader, "20000000"),
        rate(1, Direction::Leader, "20000000"),
        rate(2, Direction::Leader, "5000000"),
        rate(3, Direction::Follower, "30000000"),
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
    assert!(bench.rates().values().all(|rate| rate == "15000000"));
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
        assert!(bench.rates().values().all(|rate| rate == "5000000"), "{odd}");
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
        "5000000"
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

#[test]
fn a_move_of_a_topic_that_was_made_again_ends_so() {
    let mut bench = Bench::moving(&[COPY]);
    let mut other = bench.the_move(0).clone();
    other.topic_id = [9; 16];
    let progress =
        MoveProgress::planned(other).entering(MoveState::Copying { since: NOW, doubt: None });
    bench.state.apply(Record::Move(PlanId(1), 0, Some(progress)));
    assert_eq!(bench.ended(), [Outcome::TopicRecreated]);
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
    let _second = Executor::open(story.cluster.clone(), &story.log, story.limits.clone(), Mode::Auto)
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

fn reassignment(replicas: &[i32], adding: &[i32], removing: &[i32]) -> Reassignment {
    Reassignment {
        replicas: brokers(replicas),
        adding: brokers(adding),
        removing: brokers(removing),
    }
}

fn cancels(bench: &Bench) -> bool {
    let cancel = |step: &Step| matches!(step.change, Some(Change::Cancel(_)));
    bench.decide().iter().any(cancel)
}

fn stopping(bench: &mut Bench, how: StopHow) {
    let mut head = bench.state.plans[&PlanId(1)].head.clone().unwrap();
    head.phase = Phase::Stopping(how);
    bench.state.apply(Record::Plan(PlanId(1), Some(head)));
}
