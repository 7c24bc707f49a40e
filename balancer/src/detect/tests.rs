//! What detection promises, on synthetic ticks.

use kafka::ids::{BrokerId, TopicName};
use proptest::prelude::*;

use super::*;
use crate::model::{Broker, BrokerState, Builder, PartitionLoad, PartitionRow, Topic};

/// Six brokers of 100 bytes/s each, twelve partitions of one replica or two, with the bytes in given.
fn cluster(replicas: usize, bytes_in: &[f64], topic_id: u8) -> Model {
    let mut builder = Builder::default();
    for id in 0..6 {
        builder.broker(Broker {
            id: id.try_into().unwrap(),
            rack: None,
            state: BrokerState::Alive,
            capacity: PerResource::splat(100.0),
            room: None,
            excluded: false,
        });
    }
    let name: TopicName = "orders".parse().unwrap();
    let topic = builder.topic(&name, || Topic {
        name: name.clone(),
        id: [topic_id; 16],
        excluded: false,
    });
    for (number, &bytes_in) in bytes_in.iter().enumerate() {
        let number = number as i32;
        let ids: Vec<BrokerId> = (0..replicas as i32)
            .map(|slot| ((number + slot) % 6).try_into().unwrap())
            .collect();
        let row = PartitionRow {
            topic,
            number: number.try_into().unwrap(),
            leader: ids.first().copied(),
            replicas: &ids,
            lagging: &[],
            load: PartitionLoad {
                bytes_in,
                bytes_out: 2.0 * bytes_in,
                ..PartitionLoad::default()
            },
            immovable: false,
        };
        builder.partition(&row).unwrap();
    }
    builder.build().unwrap()
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn a_partition_whose_load_doubles_is_named_with_its_cause_within_fifteen_seconds() {
    let mut detector = Detector::new(DetectSettings::default());
    let even = cluster(1, &[10.0; 12], 1);
    for tick in 0..60 {
        assert_eq!(detector.tick(&even, seconds(tick * 5)), Detection::default());
    }
    let mut loads = [10.0; 12];
    loads[4] = 20.0;
    let doubled = cluster(1, &loads, 1);
    let named = (60..63)
        .map(|tick| detector.tick(&doubled, seconds(tick * 5)))
        .last()
        .unwrap();
    let hot = &named.partitions[0];
    assert_eq!(
        (hot.partition.to_string(), hot.broker.get()),
        ("orders-4".to_owned(), 4)
    );
    assert!(
        matches!(named.brokers[0].cause, Cause::HotPartition { .. }),
        "{:?}",
        named.brokers
    );
}

/// One tick after a load that was even for five minutes, and its time.
fn after_an_even_load() -> (Detector, u64) {
    let mut detector = Detector::new(DetectSettings::default());
    let even = cluster(1, &[10.0; 12], 1);
    for tick in 0..60 {
        detector.tick(&even, seconds(tick * 5));
    }
    (detector, 60 * 5)
}

fn with_fifth(load: f64) -> Model {
    let mut loads = [10.0; 12];
    loads[4] = load;
    cluster(1, &loads, 1)
}

#[test]
fn a_look_that_comes_a_little_early_does_not_put_off_the_answer() {
    let (mut detector, start) = after_an_even_load();
    let doubled = with_fifth(20.0);
    let early = |ticks: u64| seconds(start + ticks * 5) - Duration::from_millis(7 * (ticks + 1));
    assert!(detector.tick(&doubled, early(0)).brokers.is_empty());
    assert!(!detector.tick(&doubled, early(1)).brokers.is_empty());
}

#[test]
fn a_plan_is_made_for_the_whole_of_a_step_that_falls_into_the_middle_of_a_sample() {
    let (mut detector, start) = after_an_even_load();
    let row = PartitionIndex(4);
    detector.tick(&with_fifth(14.0), seconds(start));
    let step = with_fifth(30.0);
    detector.tick(&step, seconds(start + 5));
    assert_eq!(detector.planning_model(&step).load(row).bytes_in, 30.0);
    let (mut detector, start) = after_an_even_load();
    let stray = with_fifth(60.0);
    detector.tick(&stray, seconds(start));
    assert!(detector.planning_model(&stray).load(row).bytes_in < 32.0);
}

#[test]
fn a_hot_broker_that_stays_between_half_of_the_threshold_and_the_threshold_cools_after_a_while() {
    let (mut detector, start) = after_an_even_load();
    let mut hot_after = Vec::new();
    for tick in 0..24 {
        let load = if tick < 4 { 20.0 } else { 11.9 };
        let found = detector.tick(&with_fifth(load), seconds(start + tick * 5));
        hot_after.push(!found.brokers.is_empty());
    }
    let first = hot_after.iter().position(|hot| *hot);
    let last = hot_after.iter().rposition(|hot| *hot);
    assert_eq!(first, Some(1));
    assert!(last.is_some_and(|last| (9..18).contains(&last)), "{hot_after:?}");
}

#[test]
fn a_partition_that_no_broker_can_carry_gets_the_advice_to_split_it() {
    let mut loads = [5.0; 12];
    loads[0] = 90.0;
    let model = cluster(1, &loads, 1);
    let mut detector = Detector::new(DetectSettings::default());
    let found = (0..4)
        .map(|tick| detector.tick(&model, seconds(tick * 5)))
        .last()
        .unwrap();
    let hot = found
        .partitions
        .iter()
        .find(|hot| hot.partition.partition.get() == 0)
        .unwrap();
    assert!(
        matches!(hot.cause, Cause::SkewedKeys { ratio } if ratio > 17.0),
        "{:?}",
        hot.cause
    );
    // The mean is 24.2 of 100, so a broker should carry 26.6, and half of that is 13.3.
    assert!(
        matches!(
            hot.verdict,
            Verdict::Split {
                partitions_that_would_help: 7,
                ..
            }
        ),
        "{:?}",
        hot.verdict
    );
}

#[test]
fn the_first_sample_counts_in_full_and_the_slow_rate_follows_slowly() {
    let mut detector = Detector::new(DetectSettings::default());
    let first = cluster(1, &[10.0; 12], 1);
    detector.tick(&first, seconds(0));
    let row = PartitionIndex(0);
    assert!((detector.rates().slow(row).bytes_in - 10.0).abs() < 1e-9);
    let mut now = 0;
    for _ in 0..100 {
        now += 10;
        detector.tick(&first, seconds(now));
    }
    let double = cluster(1, &[20.0; 12], 1);
    detector.tick(&double, seconds(now + 10));
    let (fast, slow) = (
        detector.rates().fast(row).bytes_in,
        detector.rates().slow(row).bytes_in,
    );
    assert!((fast - (20.0 - 10.0 * (-1.0_f64).exp())).abs() < 1e-6, "{fast}");
    assert!(slow < 10.6 && slow > 10.2, "{slow}");
    assert_eq!(detector.planning_model(&double).load(row).bytes_in, fast);
}

#[test]
fn a_topic_made_again_starts_with_new_rates_and_a_longer_one_keeps_its_old_ones() {
    let mut detector = Detector::new(DetectSettings::default());
    detector.tick(&cluster(1, &[10.0; 3], 1), seconds(0));
    detector.tick(&cluster(1, &[30.0; 4], 1), seconds(5));
    let kept = detector.rates().fast(PartitionIndex(0)).bytes_in;
    assert!(kept > 10.0 && kept < 30.0, "{kept}");
    assert!((detector.rates().fast(PartitionIndex(3)).bytes_in - 30.0).abs() < 1e-9);
    detector.tick(&cluster(1, &[50.0; 4], 2), seconds(10));
    assert!((detector.rates().fast(PartitionIndex(0)).bytes_in - 50.0).abs() < 1e-9);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn noise_around_an_even_load_is_never_hot_and_a_steady_heat_never_flaps(
        noise in prop::collection::vec(-0.04..0.04_f64, 12 * 60),
        heat in prop::option::of(2.0..3.0_f64),
    ) {
        let mut detector = Detector::new(DetectSettings::default());
        let mut changes = 0;
        let mut was = false;
        for (tick, noise) in noise.chunks(12).enumerate() {
            let mut loads: Vec<f64> = noise.iter().map(|n| 10.0 * (1.0 + n)).collect();
            loads[7] *= heat.unwrap_or(1.0);
            let found = detector.tick(&cluster(2, &loads, 1), seconds(tick as u64 * 5));
            let hot = found.brokers.iter().any(|b| b.broker.get() == 1 && b.resource == Resource::BytesIn);
            changes += u32::from(hot != was);
            was = hot;
        }
        prop_assert_eq!(changes, u32::from(heat.is_some()));
    }
}
