//! Copies give way to producers and to consumers that are behind.

use std::collections::{BTreeMap, BTreeSet};

use sidecar::report::BrokerTotals;

use super::{broker, brokers, partition};
use crate::execute::{Headroom, Pacer};
use crate::model::{Broker, BrokerState, Builder, Model, PartitionLoad, PartitionRow, PerResource, Topic};

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

/// The times of broker 0's produce requests in milliseconds, those of the others being 5 and 1.
fn totals(total: f64, local: f64) -> BTreeMap<kafka::BrokerId, BrokerTotals> {
    let of = |id: i32| {
        let (total, local) = if id == 0 { (total, local) } else { (5.0, 1.0) };
        BrokerTotals {
            produce_mean_ms: Some(total),
            produce_local_mean_ms: Some(local),
            ..BrokerTotals::default()
        }
    };
    (0..3).map(|id| (broker(id), of(id))).collect()
}

fn copying() -> BTreeSet<kafka::BrokerId> {
    [broker(0), broker(2)].into()
}

/// A pacer that knows what is usual.
fn calm() -> Pacer {
    let mut pacer = Pacer::default();
    for _ in 0..10 {
        pacer.look(&model(), &totals(5.0, 1.0), &BTreeSet::new());
    }
    pacer
}

/// One whose copies have gone on for so long that they get all that brokers can spare.
fn at_full() -> Pacer {
    let mut pacer = calm();
    looks(&mut pacer, 20, &totals(5.0, 1.0));
    assert_eq!(spared(&pacer, 0), (100.0, 100.0));
    pacer
}

/// So many looks while copies are made.
fn looks(pacer: &mut Pacer, count: usize, totals: &BTreeMap<kafka::BrokerId, BrokerTotals>) {
    for _ in 0..count {
        pacer.look(&model(), totals, &copying());
    }
}

fn spared(pacer: &Pacer, id: i32) -> (f64, f64) {
    let Headroom { send, receive } = pacer.headroom(&model())[&broker(id)];
    (send / 1e6, receive / 1e6)
}

#[test]
fn copies_begin_with_little_and_get_a_quarter_more_with_each_look_at_which_producers_are_not_slower() {
    let mut pacer = calm();
    assert_eq!(spared(&pacer, 0), (3.125, 3.125));
    looks(&mut pacer, 1, &totals(6.0, 1.2));
    assert_eq!(spared(&pacer, 0), (3.906_25, 3.906_25));
    looks(&mut pacer, 14, &totals(6.0, 1.2));
    assert!(spared(&pacer, 0).0 > 85.0);
    looks(&mut pacer, 1, &totals(6.0, 1.2));
    assert_eq!(spared(&pacer, 0), (100.0, 100.0));
    assert_eq!(pacer.slowed_down().count(), 0);
}

#[test]
fn without_anything_known_of_producers_copies_get_all_from_the_beginning() {
    let mut pacer = Pacer::default();
    looks(
        &mut pacer,
        1,
        &BTreeMap::from([(broker(0), BrokerTotals::default())]),
    );
    assert_eq!(spared(&pacer, 0), (100.0, 100.0));
    assert_eq!(spared(&pacer, 2), (100.0, 100.0));
}

#[test]
fn a_slow_disk_halves_what_its_broker_spares_within_one_look_and_again_when_that_shows_and_is_not_enough() {
    let mut pacer = at_full();
    looks(&mut pacer, 1, &totals(20.0, 15.0));
    assert_eq!(spared(&pacer, 0), (50.0, 50.0));
    assert_eq!(spared(&pacer, 2), (100.0, 100.0));
    looks(&mut pacer, 1, &totals(20.0, 15.0));
    assert_eq!(spared(&pacer, 0), (50.0, 50.0));
    looks(&mut pacer, 1, &totals(20.0, 15.0));
    assert_eq!(spared(&pacer, 0), (25.0, 25.0));
    let said: Vec<String> = pacer.slowed_down().collect();
    assert_eq!(
        said,
        ["producers are slowed down at broker 0 by its disk: copies get 25 % of what it can spare"]
    );
}

#[test]
fn requests_that_wait_halve_what_their_leader_sends_and_its_followers_receive() {
    let mut pacer = at_full();
    looks(&mut pacer, 1, &totals(20.0, 1.0));
    assert_eq!(spared(&pacer, 0), (50.0, 100.0));
    assert_eq!(spared(&pacer, 1), (100.0, 50.0));
    assert_eq!(spared(&pacer, 2), (100.0, 100.0));
}

#[test]
fn what_was_too_much_is_come_near_to_quickly_kept_away_from_and_tried_again_later() {
    let mut pacer = calm();
    looks(&mut pacer, 12, &totals(5.0, 1.0));
    let too_much = spared(&pacer, 0).0;
    assert!((45.0..46.0).contains(&too_much));
    looks(&mut pacer, 1, &totals(20.0, 15.0));
    let mut parts = Vec::new();
    for _ in 0..60 {
        looks(&mut pacer, 1, &totals(5.0, 1.0));
        parts.push(spared(&pacer, 0).0 / too_much);
    }
    assert!(
        (parts[0] - 0.5).abs() < 1e-9,
        "it grows before the cut can have shown"
    );
    assert!(parts[9] > 0.85, "{parts:?}");
    assert!(parts[20] < 1.0, "{parts:?}");
    assert!(parts[35] > 1.05, "{parts:?}");
    assert!((parts[59] * too_much - 100.0).abs() < 1e-6, "{parts:?}");
}

#[test]
fn a_pause_between_two_copies_costs_a_part_and_a_long_one_begins_anew() {
    let mut pacer = at_full();
    pacer.look(&model(), &totals(5.0, 1.0), &BTreeSet::new());
    assert_eq!(spared(&pacer, 0), (50.0, 50.0));
    for _ in 0..10 {
        pacer.look(&model(), &totals(5.0, 1.0), &BTreeSet::new());
    }
    assert_eq!(spared(&pacer, 0), (3.125, 3.125));
}

#[test]
fn a_broker_whose_report_does_not_come_keeps_its_share() {
    let mut pacer = at_full();
    looks(&mut pacer, 1, &totals(20.0, 15.0));
    let mut missing = totals(20.0, 15.0);
    missing.remove(&broker(0));
    looks(&mut pacer, 1, &missing);
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
    let mut pacer = calm();
    for _ in 0..20 {
        pacer.look(&loaded(60e6), &totals(5.0, 1.0), &copying());
    }
    assert!((spared_in(&pacer, &loaded(60e6)) - 40.0).abs() < 1e-6);
    pacer.look(&loaded(20e6), &totals(50.0, 1.0), &copying());
    assert!((spared_in(&pacer, &loaded(20e6)) - 20.0).abs() < 1e-6);
    // They write less although nothing slows them down: it is theirs no longer.
    for _ in 0..60 {
        pacer.look(&loaded(20e6), &totals(5.0, 1.0), &copying());
    }
    assert!((spared_in(&pacer, &loaded(20e6)) - 80.0).abs() < 1e-6);
}

/// What broker 1 can spare for receiving, in MB/s.
fn spared_in(pacer: &Pacer, model: &Model) -> f64 {
    pacer.headroom(model)[&broker(1)].receive / 1e6
}

#[test]
fn consumers_that_are_behind_are_left_what_they_need_to_catch_up_within_a_minute() {
    let mut pacer = at_full();
    let mut behind = totals(5.0, 1.0);
    behind.get_mut(&broker(0)).unwrap().consumers_behind = Some(3e9);
    looks(&mut pacer, 1, &behind);
    assert_eq!(spared(&pacer, 0), (50.0, 100.0));
    behind.get_mut(&broker(0)).unwrap().consumers_behind = Some(3e12);
    looks(&mut pacer, 1, &behind);
    assert_eq!(spared(&pacer, 0), (0.0, 100.0));
}
