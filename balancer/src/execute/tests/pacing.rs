//! Copies give way to producers and to consumers that are behind.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sidecar::report::BrokerTotals;

use super::{broker, brokers, partition};
use crate::execute::{Headroom, Pacer};
use crate::journal::Direction;
use crate::model::{Broker, BrokerState, Builder, Model, PartitionLoad, PartitionRow, PerResource, Topic};

/// The least that copies get, in bytes per second.
const FLOOR: u64 = 1_000_000;

/// Three brokers that can carry 100 MB/s; 0 leads a partition that 1 follows, and 2 has nothing.
fn model() -> Model {
    model_with(PartitionLoad::default())
}

/// The same with a load on the partition.
fn model_with(load: PartitionLoad) -> Model {
    let mut builder = Builder::default();
    for id in 0..3 {
        builder.broker(Broker {
            id: broker(id),
            rack: None,
            state: BrokerState::Alive,
            capacity: PerResource::splat(100e6),
            room: None,
            excluded: false,
        });
    }
    let name = partition("t", 0);
    let topic = builder.topic(&name.topic, || Topic {
        name: name.topic.clone(),
        id: [1; 16],
        excluded: false,
        min_isr: 1,
    });
    builder
        .partition(&PartitionRow {
            topic,
            number: name.partition,
            leader: Some(broker(0)),
            replicas: &brokers(&[0, 1]),
            load,
            immovable: false,
        })
        .unwrap();
    builder.build().unwrap()
}

/// The times of broker 0's produce requests in milliseconds, those of the others being 50 and 10.
fn totals(total: f64, local: f64) -> BTreeMap<kafka::BrokerId, BrokerTotals> {
    let of = |id: i32| {
        let (total, local) = if id == 0 { (total, local) } else { (50.0, 10.0) };
        BrokerTotals {
            produce_mean_ms: Some(total),
            produce_local_mean_ms: Some(local),
            ..BrokerTotals::default()
        }
    };
    (0..3).map(|id| (broker(id), of(id))).collect()
}

/// What they are usually.
fn usual() -> BTreeMap<kafka::BrokerId, BrokerTotals> {
    totals(50.0, 10.0)
}

/// With a disk that is a little slower than usual, and with one that is much slower.
fn slower() -> BTreeMap<kafka::BrokerId, BrokerTotals> {
    totals(60.0, 18.0)
}

fn much_slower() -> BTreeMap<kafka::BrokerId, BrokerTotals> {
    totals(150.0, 100.0)
}

/// Everybody sends and receives copies.
fn copying() -> BTreeSet<(kafka::BrokerId, Direction)> {
    let all = (0..3).map(broker);
    all.flat_map(|id| Direction::BOTH.map(|direction| (id, direction)))
        .collect()
}

fn new() -> Pacer {
    Pacer::new(Duration::from_secs(1), FLOOR)
}

/// A pacer that knows what is usual.
fn calm() -> Pacer {
    let mut pacer = new();
    rests(&mut pacer, 10, &usual());
    pacer
}

/// One whose copies have gone on for so long that they get all that brokers can spare.
fn at_full() -> Pacer {
    let mut pacer = calm();
    looks(&mut pacer, 100, &usual());
    assert_eq!(spared(&pacer, 0), (100.0, 100.0));
    pacer
}

/// So many looks while copies are made.
fn looks(pacer: &mut Pacer, count: usize, totals: &BTreeMap<kafka::BrokerId, BrokerTotals>) {
    for _ in 0..count {
        pacer.look(&model(), totals, &copying());
    }
}

/// So many looks while none are made.
fn rests(pacer: &mut Pacer, count: usize, totals: &BTreeMap<kafka::BrokerId, BrokerTotals>) {
    for _ in 0..count {
        pacer.look(&model(), totals, &BTreeSet::new());
    }
}

/// What copies may take at a broker for sending and for receiving, in MB/s.
fn spared(pacer: &Pacer, id: i32) -> (f64, f64) {
    let Headroom { send, receive } = pacer.headroom(&model())[&broker(id)];
    let rounded = |rate: f64| (rate / 1e4).round() / 100.0;
    (rounded(send), rounded(receive))
}

#[test]
fn copies_begin_with_the_least_and_get_a_twentieth_more_each_second_in_which_producers_are_not_slower() {
    let mut pacer = calm();
    assert_eq!(spared(&pacer, 0), (1.0, 1.0));
    looks(&mut pacer, 1, &totals(60.0, 12.0));
    assert_eq!(spared(&pacer, 0), (1.05, 1.05));
    looks(&mut pacer, 92, &totals(60.0, 12.0));
    assert!((90.0..100.0).contains(&spared(&pacer, 0).0));
    looks(&mut pacer, 2, &totals(60.0, 12.0));
    assert_eq!(spared(&pacer, 0), (100.0, 100.0));
    assert_eq!(pacer.slowed_down().count(), 0);
}

#[test]
fn five_seconds_between_looks_bring_as_much_as_five_looks() {
    let mut pacer = Pacer::new(Duration::from_secs(5), FLOOR);
    rests(&mut pacer, 10, &usual());
    looks(&mut pacer, 2, &usual());
    assert_eq!(spared(&pacer, 0), (1.63, 1.63));
}

#[test]
fn without_anything_known_of_producers_copies_get_all_from_the_beginning() {
    let mut pacer = new();
    let unknown = BTreeMap::from([(broker(0), BrokerTotals::default())]);
    looks(&mut pacer, 1, &unknown);
    assert_eq!(spared(&pacer, 0), (100.0, 100.0));
    assert_eq!(spared(&pacer, 2), (100.0, 100.0));
}

#[test]
fn a_disk_that_is_much_slower_halves_what_its_broker_spares_and_again_when_that_shows_and_is_not_enough() {
    let mut pacer = at_full();
    looks(&mut pacer, 1, &much_slower());
    assert_eq!(spared(&pacer, 0), (50.0, 50.0));
    assert_eq!(spared(&pacer, 2), (100.0, 100.0));
    looks(&mut pacer, 1, &much_slower());
    assert_eq!(spared(&pacer, 0), (50.0, 50.0));
    looks(&mut pacer, 1, &much_slower());
    assert_eq!(spared(&pacer, 0), (25.0, 25.0));
    let said: Vec<String> = pacer.slowed_down().collect();
    assert_eq!(
        said,
        ["producers are slowed down at broker 0 by its disk: copies get 25 % of what it can spare"]
    );
}

#[test]
fn one_look_at_slower_requests_is_chance_and_two_of_three_are_not() {
    let mut pacer = at_full();
    for chance in [slower(), usual(), usual()].into_iter().cycle().take(12) {
        looks(&mut pacer, 1, &chance);
    }
    assert_eq!(spared(&pacer, 0), (100.0, 100.0));
    for not in [slower(), usual(), slower()] {
        looks(&mut pacer, 1, &not);
    }
    assert_eq!(spared(&pacer, 0), (50.0, 50.0));
}

#[test]
fn where_times_vary_without_copies_more_of_it_is_chance() {
    let mut pacer = new();
    for times in [usual(), totals(80.0, 30.0)].into_iter().cycle().take(40) {
        rests(&mut pacer, 1, &times);
    }
    looks(&mut pacer, 10, &totals(80.0, 30.0));
    assert!(spared(&pacer, 0).0 > 1.5);
    looks(&mut pacer, 2, &totals(120.0, 60.0));
    assert_eq!(spared(&pacer, 0), (1.0, 1.0));
}

#[test]
fn requests_that_wait_halve_what_their_leader_sends_and_its_followers_receive() {
    let mut pacer = at_full();
    looks(&mut pacer, 1, &totals(150.0, 10.0));
    assert_eq!(spared(&pacer, 0), (50.0, 100.0));
    assert_eq!(spared(&pacer, 1), (100.0, 50.0));
    assert_eq!(spared(&pacer, 2), (100.0, 100.0));
}

#[test]
fn what_was_too_much_is_come_back_to_slowly_and_left_behind_quickly() {
    let mut pacer = calm();
    looks(&mut pacer, 50, &usual());
    let too_much = spared(&pacer, 0).0;
    looks(&mut pacer, 1, &much_slower());
    let mut parts = Vec::new();
    for _ in 0..150 {
        looks(&mut pacer, 1, &usual());
        parts.push(spared(&pacer, 0).0 / too_much);
    }
    assert!(
        (parts[0] - 0.5).abs() < 0.01,
        "it grows before the cut can have shown"
    );
    assert!((0.9..1.0).contains(&parts[65]), "{parts:?}");
    assert!((1.1..1.3).contains(&parts[90]), "{parts:?}");
    assert!(parts[120] > 4.0, "{parts:?}");
}

#[test]
fn a_pause_between_two_copies_costs_a_part_and_a_long_one_begins_anew() {
    let mut pacer = at_full();
    rests(&mut pacer, 5, &usual());
    assert_eq!(spared(&pacer, 0), (50.0, 50.0));
    rests(&mut pacer, 30, &usual());
    assert_eq!(spared(&pacer, 0), (1.0, 1.0));
}

#[test]
fn a_broker_gets_no_more_because_others_copy() {
    let mut pacer = calm();
    let only = BTreeSet::from([(broker(0), Direction::Leader), (broker(2), Direction::Follower)]);
    for _ in 0..100 {
        pacer.look(&model(), &usual(), &only);
    }
    assert_eq!(spared(&pacer, 0), (100.0, 1.0));
    assert_eq!(spared(&pacer, 1), (1.0, 1.0));
    assert_eq!(spared(&pacer, 2), (1.0, 100.0));
}

#[test]
fn a_broker_whose_report_does_not_come_keeps_what_it_has() {
    let mut pacer = at_full();
    looks(&mut pacer, 1, &much_slower());
    let mut missing = usual();
    missing.remove(&broker(0));
    looks(&mut pacer, 20, &missing);
    assert_eq!(spared(&pacer, 0), (50.0, 50.0));
}

#[test]
fn what_slowed_producers_do_not_write_is_not_to_spare() {
    let loaded = |bytes_in: f64| {
        let load = PartitionLoad {
            bytes_in,
            ..PartitionLoad::default()
        };
        model_with(load)
    };
    // What broker 1 can spare for receiving, in MB/s, of which copies get the least when producers are slowed down.
    let spare = |pacer: &Pacer, copies: f64| {
        let (_, pace) = pacer.paces().nth(1).unwrap();
        (copies / pace.receive_share()).round()
    };
    let mut pacer = calm();
    for _ in 0..100 {
        pacer.look(&loaded(60e6), &usual(), &copying());
    }
    assert_eq!(spared(&pacer, 1).1, 40.0);
    for _ in 0..100 {
        pacer.look(&loaded(20e6), &totals(500.0, 10.0), &copying());
    }
    assert_eq!(spared(&pacer, 1).1, 1.0);
    assert_eq!(spare(&pacer, 1.0), 40.0);
    // They write less although nothing slows them down: it is theirs no longer.
    for _ in 0..200 {
        pacer.look(&loaded(20e6), &usual(), &copying());
    }
    assert_eq!(spared(&pacer, 1).1, 80.0);
}

#[test]
fn consumers_that_are_behind_are_left_what_they_need_to_catch_up_within_a_minute() {
    let mut pacer = at_full();
    let mut behind = usual();
    behind.get_mut(&broker(0)).unwrap().consumers_behind = Some(3e9);
    looks(&mut pacer, 1, &behind);
    assert_eq!(spared(&pacer, 0), (50.0, 100.0));
    behind.get_mut(&broker(0)).unwrap().consumers_behind = Some(3e12);
    looks(&mut pacer, 1, &behind);
    assert_eq!(spared(&pacer, 0), (1.0, 100.0));
}
