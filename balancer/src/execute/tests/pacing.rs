//! Copies give way to producers and to consumers that are behind.

use std::collections::{BTreeMap, BTreeSet};

use sidecar::report::BrokerTotals;

use super::{broker, brokers, partition};
use crate::execute::{Headroom, Pacer};
use crate::model::{Broker, BrokerState, Builder, Model, PartitionLoad, PartitionRow, PerResource, Topic};

/// Three brokers that can carry 100 MB/s; 0 leads a partition that 1 follows, and 2 has nothing.
fn model() -> Model {
    with_lagging(&[])
}

/// The same, of which these replicas lag.
fn with_lagging(lagging: &[i32]) -> Model {
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
    });
    builder
        .partition(&PartitionRow {
            topic,
            number: name.partition,
            leader: Some(broker(0)),
            replicas: &brokers(&[0, 1]),
            lagging: &brokers(lagging),
            load: PartitionLoad {
                // So little that headroom stays a round figure.
                bytes_in: 1e-9,
                ..PartitionLoad::default()
            },
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

fn spared(pacer: &Pacer, id: i32) -> (f64, f64) {
    let Headroom { send, receive } = pacer.headroom(&model())[&broker(id)];
    (send / 1e6, receive / 1e6)
}

#[test]
fn a_broker_whose_producers_are_not_slower_spares_all_its_headroom() {
    let mut pacer = calm();
    pacer.look(&model(), &totals(6.0, 1.2), &copying());
    assert_eq!(spared(&pacer, 0), (100.0, 100.0));
    assert_eq!(pacer.slowed_down().count(), 0);
}

#[test]
fn a_slow_disk_halves_what_its_broker_spares_within_one_look_and_again_in_the_next() {
    let mut pacer = calm();
    pacer.look(&model(), &totals(20.0, 15.0), &copying());
    assert_eq!(spared(&pacer, 0), (50.0, 50.0));
    assert_eq!(spared(&pacer, 2), (100.0, 100.0));
    pacer.look(&model(), &totals(20.0, 15.0), &copying());
    assert_eq!(spared(&pacer, 0), (25.0, 25.0));
    let said: Vec<String> = pacer.slowed_down().collect();
    assert_eq!(
        said,
        ["producers are slowed down at broker 0 by its disk: copies get 25 % of what it can spare"]
    );
}

#[test]
fn requests_that_wait_halve_what_their_leader_sends_and_its_followers_receive() {
    let mut pacer = calm();
    pacer.look(&model(), &totals(20.0, 1.0), &copying());
    assert_eq!(spared(&pacer, 0), (50.0, 100.0));
    assert_eq!(spared(&pacer, 1), (100.0, 50.0));
    assert_eq!(spared(&pacer, 2), (100.0, 100.0));
}

#[test]
fn producers_that_wait_for_one_replica_more_are_not_slowed_down_by_copies() {
    let mut pacer = Pacer::default();
    pacer.look(&with_lagging(&[1]), &totals(1.0, 0.5), &BTreeSet::new());
    pacer.look(&model(), &totals(6.0, 0.5), &copying());
    pacer.look(&model(), &totals(6.5, 0.5), &copying());
    assert_eq!(pacer.slowed_down().count(), 0);
    // What comes on top of that does count.
    pacer.look(&model(), &totals(20.0, 0.5), &copying());
    assert_eq!(pacer.slowed_down().count(), 1);
}

#[test]
fn what_was_taken_comes_back_by_and_by_and_at_once_when_there_are_no_copies() {
    let mut pacer = calm();
    pacer.look(&model(), &totals(20.0, 15.0), &copying());
    pacer.look(&model(), &totals(5.0, 1.0), &copying());
    assert!((spared(&pacer, 0).0 - 60.0).abs() < 1e-6);
    pacer.look(&model(), &totals(5.0, 1.0), &BTreeSet::new());
    assert_eq!(spared(&pacer, 0), (100.0, 100.0));
}

#[test]
fn consumers_that_are_behind_are_left_what_they_need_to_catch_up_within_a_minute() {
    let mut pacer = calm();
    let mut behind = totals(5.0, 1.0);
    behind.get_mut(&broker(0)).unwrap().consumers_behind = Some(3e9);
    pacer.look(&model(), &behind, &copying());
    assert_eq!(spared(&pacer, 0), (50.0, 100.0));
    behind.get_mut(&broker(0)).unwrap().consumers_behind = Some(3e12);
    pacer.look(&model(), &behind, &copying());
    assert_eq!(spared(&pacer, 0), (0.0, 100.0));
}
