//! Per-partition rates, from two readings of a broker's logs and the exact traffic of its topics.

// The lint's exception for tests does not reach their helpers.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use kafka::{TopicName, TopicPartition};
use proptest::prelude::*;
use sidecar::consumption::Consumption;
use sidecar::logs::{Led, LogReading, Replica, Span};
use sidecar::rates::{Evidence, PartitionRate, PartitionRates, RecordSize, derive};
use sidecar::report::Confidence::{self, Even, Exact, Weighted};
use sidecar::totals::TopicTraffic;
use sidecar::window::Window;

const WINDOW: Duration = Duration::from_secs(10);

fn topic() -> TopicName {
    "orders".parse().unwrap()
}

fn partition(number: usize) -> TopicPartition {
    TopicPartition::new(topic(), i32::try_from(number).unwrap().try_into().unwrap())
}

fn leader(start: i64, end: i64, size: u64) -> Replica {
    let span = Some(Span { start, end });
    Replica {
        topic_id: [1; 16],
        size,
        led: Some(Led {
            span,
            replicas: 1,
            in_sync: 1,
            against_minimum: None,
            preferred: Some(true),
        }),
        in_sync: true,
    }
}

fn follower(in_sync: bool, size: u64) -> Replica {
    Replica {
        led: None,
        in_sync,
        ..leader(0, 0, size)
    }
}

fn of_topic(id: u8, replica: Replica) -> Replica {
    let topic_id = [id; 16];
    Replica { topic_id, ..replica }
}

/// A reading of partitions 0, 1, 2… of one topic.
fn logs(replicas: impl IntoIterator<Item = Option<Replica>>) -> LogReading {
    let replicas = replicas.into_iter().enumerate();
    LogReading {
        replicas: replicas
            .filter_map(|(number, replica)| Some((partition(number), replica?)))
            .collect(),
        ..LogReading::default()
    }
}

struct Given {
    before: LogReading,
    after: LogReading,
    bytes_in: Option<f64>,
    bytes_out: f64,
    consumed: Option<BTreeMap<TopicPartition, Consumption>>,
    same_window: bool,
    last: PartitionRates,
}

/// So many records per second by what was committed lately.
fn committing(records_per_second: f64) -> Consumption {
    Consumption {
        records_per_second,
        ..Consumption::default()
    }
}

/// The same, of so many groups that have caught up.
fn caught_up(groups_caught_up: u32, records_per_second: f64) -> Consumption {
    Consumption {
        groups_caught_up,
        ..committing(records_per_second)
    }
}

fn given(before: Vec<Option<Replica>>, after: Vec<Option<Replica>>) -> Given {
    Given {
        before: logs(before),
        after: logs(after),
        bytes_in: None,
        bytes_out: 0.0,
        consumed: None,
        same_window: true,
        last: PartitionRates::new(),
    }
}

impl Given {
    /// With the exact rates of the topic on the broker.
    fn traffic(mut self, bytes_in: f64, bytes_out: f64) -> Self {
        (self.bytes_in, self.bytes_out) = (Some(bytes_in), bytes_out);
        self
    }

    fn rates(&self) -> Vec<PartitionRate> {
        let traffic = self.bytes_in.map(|bytes_in| {
            let traffic = TopicTraffic {
                bytes_in,
                bytes_out: self.bytes_out,
            };
            BTreeMap::from([(topic(), traffic)])
        });
        let rates = derive(Evidence {
            logs: Window {
                before: &self.before,
                after: &self.after,
                elapsed: WINDOW,
            },
            traffic: traffic.as_ref(),
            same_window: self.same_window,
            consumed: self.consumed.as_ref(),
            last: &self.last,
        });
        rates.into_values().collect()
    }

    fn bytes_in(&self) -> Vec<(f64, Confidence)> {
        self.rates()
            .iter()
            .map(|rate| (rate.bytes_in, rate.bytes_in_confidence))
            .collect()
    }

    fn bytes_out(&self) -> Vec<(f64, Confidence)> {
        self.rates()
            .iter()
            .map(|rate| (rate.bytes_out, rate.bytes_out_confidence))
            .collect()
    }
}

#[test]
fn a_partition_that_leads_alone_gets_the_topics_exact_bytes() {
    // The log was read a little later than the counter, so it seems to have grown by more.
    let given = given(
        vec![Some(leader(0, 100, 10_000))],
        vec![Some(leader(0, 200, 21_000))],
    )
    .traffic(1000.0, 50.0);
    assert_eq!(given.bytes_in(), [(1000.0, Exact)]);
    assert_eq!(given.bytes_out(), [(50.0, Exact)]);
}

#[test]
fn leaders_share_the_topics_bytes_as_their_logs_grew() {
    let before = vec![Some(leader(0, 100, 10_000)), Some(leader(0, 100, 10_000))];
    let after = vec![Some(leader(0, 200, 20_000)), Some(leader(0, 400, 40_000))];
    let given = given(before, after).traffic(4200.0, 0.0);
    assert_eq!(given.bytes_in(), [(1050.0, Weighted), (3150.0, Weighted)]);
    assert_eq!(given.rates()[1].records_in, 30.0);
}

#[test]
fn the_only_receiver_among_several_leaders_is_exact_and_so_are_the_idle_ones() {
    let before = vec![Some(leader(0, 100, 10_000)), Some(leader(0, 100, 10_000))];
    let after = vec![Some(leader(0, 100, 10_000)), Some(leader(0, 400, 40_000))];
    let given = given(before, after).traffic(2900.0, 0.0);
    assert_eq!(given.bytes_in(), [(0.0, Exact), (2900.0, Exact)]);
}

#[test]
fn where_old_segments_were_deleted_records_count_at_their_usual_size() {
    let before = vec![Some(leader(0, 1000, 100_000)), Some(leader(0, 1000, 100_000))];
    let after = vec![Some(leader(900, 1100, 20_000)), Some(leader(0, 1100, 110_000))];
    let given = given(before, after).traffic(2000.0, 0.0);
    assert_eq!(given.bytes_in(), [(1000.0, Weighted), (1000.0, Weighted)]);
}

#[test]
fn compaction_that_shrinks_a_log_does_not_hide_what_was_written() {
    let before = vec![Some(leader(0, 1000, 100_000)), Some(leader(0, 1000, 100_000))];
    let after = vec![Some(leader(0, 1100, 60_000)), Some(leader(0, 1100, 110_000))];
    let mut given = given(before, after).traffic(2000.0, 0.0);
    given.last = usual_sizes(&[100.0, 100.0]);
    assert_eq!(given.bytes_in(), [(1000.0, Weighted), (1000.0, Weighted)]);
}

#[test]
fn without_the_counter_the_logs_growth_stands_for_itself() {
    let before = vec![Some(leader(0, 100, 10_000))];
    let given = given(before, vec![Some(leader(0, 200, 20_000))]);
    assert_eq!(given.bytes_in(), [(1000.0, Weighted)]);
}

#[test]
fn traffic_that_no_log_shows_is_divided_evenly_and_says_so() {
    let same = vec![Some(leader(0, 100, 10_000)), Some(leader(0, 100, 10_000))];
    let given = given(same.clone(), same).traffic(500.0, 500.0);
    assert_eq!(given.bytes_in(), [(250.0, Even), (250.0, Even)]);
    assert_eq!(given.bytes_out(), [(250.0, Even), (250.0, Even)]);
}

#[test]
fn a_log_whose_offsets_are_known_at_one_end_only_makes_no_other_one_exact() {
    let mut untold = leader(0, 200, 10_000);
    untold.led.as_mut().unwrap().span = None;
    let told = leader(0, 400, 30_000);
    for (before, after) in [(untold.clone(), told.clone()), (told, untold)] {
        let before = vec![Some(leader(0, 100, 10_000)), Some(before)];
        let after = vec![Some(leader(0, 200, 20_000)), Some(after)];
        let given = given(before, after).traffic(3000.0, 0.0);
        assert_eq!(given.bytes_in(), [(1000.0, Weighted), (2000.0, Even)]);
    }
}

#[test]
fn counters_of_another_window_make_nothing_exact() {
    let mut given = given(
        vec![Some(leader(0, 100, 10_000))],
        vec![Some(leader(0, 200, 20_000))],
    )
    .traffic(900.0, 9.0);
    given.same_window = false;
    assert_eq!(given.bytes_in(), [(900.0, Weighted)]);
    assert_eq!(given.bytes_out(), [(9.0, Weighted)]);
}

#[test]
fn a_partition_whose_leader_left_takes_its_traffic_with_it() {
    let before = vec![Some(leader(0, 100, 10_000)), Some(leader(0, 100, 10_000))];
    let after = vec![Some(leader(0, 200, 20_000)), Some(follower(true, 20_000))];
    let given = given(before, after).traffic(1600.0, 0.0);
    assert_eq!(given.bytes_in(), [(1000.0, Weighted)]);
}

#[test]
fn a_follower_in_sync_that_became_leader_shows_what_it_copied_but_no_more_than_was_counted() {
    let before = vec![Some(leader(0, 100, 10_000)), Some(follower(true, 10_000))];
    let after = vec![Some(leader(0, 200, 20_000)), Some(leader(0, 200, 40_000))];
    let plenty = given(before.clone(), after.clone()).traffic(9000.0, 0.0);
    assert_eq!(plenty.bytes_in(), [(1000.0, Weighted), (3000.0, Weighted)]);
    let scarce = given(before, after).traffic(2000.0, 0.0);
    assert_eq!(scarce.bytes_in(), [(500.0, Even), (1500.0, Even)]);
}

#[test]
fn a_replica_that_caught_up_from_nothing_is_no_hot_partition() {
    let before = vec![Some(leader(0, 100, 10_000)), Some(follower(false, 0)), None];
    let huge = Some(leader(0, 1_000_000, 1_000_000_000));
    let given = given(before, vec![Some(leader(0, 200, 20_000)), huge.clone(), huge]).traffic(1200.0, 0.0);
    assert_eq!(
        given.bytes_in(),
        [(1000.0, Weighted), (100.0, Even), (100.0, Even)]
    );
}

#[test]
fn a_topic_made_again_under_its_name_does_not_inherit_the_old_ones_log() {
    // MBeans tell no ids, and then offsets that went back show it.
    for (old_id, new_id) in [(1, 2), (0, 0), (1, 0), (0, 2)] {
        let old = of_topic(old_id, leader(0, 1_000_000, 1 << 30));
        let new = of_topic(new_id, leader(0, 10, 1000));
        let given = given(vec![Some(old)], vec![Some(new)]).traffic(100.0, 0.0);
        let [rate] = given.rates()[..] else {
            panic!("one partition is led")
        };
        assert!(
            rate.bytes_in <= 100.0 && rate.bytes_in_confidence == Even,
            "{rate:?}"
        );
        assert_eq!(rate.records_in, 0.0);
    }
}

#[test]
fn a_topic_whose_id_one_source_does_not_tell_is_the_same_while_its_offsets_go_on() {
    for (old_id, new_id) in [(1, 0), (0, 1), (0, 0)] {
        let before = of_topic(old_id, leader(0, 100, 10_000));
        let after = of_topic(new_id, leader(0, 200, 20_000));
        let given = given(vec![Some(before)], vec![Some(after)]).traffic(1000.0, 50.0);
        assert_eq!(given.bytes_in(), [(1000.0, Exact)]);
        assert_eq!(given.bytes_out(), [(50.0, Exact)]);
        assert_eq!(given.rates()[0].records_in, 10.0);
    }
}

#[test]
fn records_lost_in_an_unclean_election_are_no_negative_rate() {
    let given = given(
        vec![Some(leader(0, 1000, 100_000))],
        vec![Some(leader(0, 900, 90_000))],
    );
    assert_eq!(given.bytes_in(), [(0.0, Weighted)]);
    assert_eq!(given.rates()[0].records_in, 0.0);
}

#[test]
fn bytes_out_are_what_was_written_once_for_each_group_that_has_caught_up() {
    let before = vec![Some(leader(0, 1000, 100_000)), Some(leader(0, 1000, 100_000))];
    let after = vec![Some(leader(0, 2000, 200_000)), Some(leader(0, 2000, 200_000))];
    let mut given = given(before, after).traffic(20_000.0, 40_000.0);
    given.consumed = Some(BTreeMap::from([
        (partition(0), caught_up(1, 100.0)),
        (partition(1), caught_up(3, 300.0)),
    ]));
    assert_eq!(given.bytes_out(), [(10_000.0, Weighted), (30_000.0, Weighted)]);
    given.consumed = Some(BTreeMap::new());
    assert_eq!(given.bytes_out(), [(20_000.0, Even), (20_000.0, Even)]);
}

#[test]
fn a_commit_that_comes_a_sample_later_takes_nothing_from_its_partition() {
    let before = vec![Some(leader(0, 0, 0)), Some(leader(0, 0, 0))];
    let after = vec![Some(leader(0, 3000, 300_000)), Some(leader(0, 600, 60_000))];
    let mut given = given(before, after).traffic(36_000.0, 36_000.0);
    given.consumed = Some(BTreeMap::from([
        (partition(0), caught_up(1, 360.0)),
        (partition(1), caught_up(1, 60.0)),
    ]));
    assert_eq!(given.bytes_out(), [(30_000.0, Weighted), (6_000.0, Weighted)]);
}

#[test]
fn bytes_out_that_groups_which_have_caught_up_do_not_account_for_are_a_guess_by_commits() {
    let before = vec![Some(leader(0, 1000, 100_000)), Some(leader(0, 1000, 100_000))];
    let after = vec![Some(leader(0, 2000, 200_000)), Some(leader(0, 2000, 200_000))];
    let mut given = given(before, after).traffic(20_000.0, 80_000.0);
    for groups in [0, 1] {
        given.consumed = Some(BTreeMap::from([
            (partition(0), caught_up(groups, 100.0)),
            (partition(1), committing(300.0)),
        ]));
        assert_eq!(given.bytes_out(), [(20_000.0, Even), (60_000.0, Even)]);
    }
}

/// Partitions that were all led throughout, with so many bytes each, by records of 100 bytes.
fn written(bytes: &[u64]) -> Given {
    let before = bytes.iter().map(|_| Some(leader(0, 1000, 100_000))).collect();
    let record = |bytes: &u64| {
        Some(leader(
            0,
            1000 + i64::try_from(bytes / 100).unwrap(),
            100_000 + bytes,
        ))
    };
    let per_second = bytes.iter().sum::<u64>() as f64 / WINDOW.as_secs_f64();
    given(before, bytes.iter().map(record).collect()).traffic(per_second, per_second)
}

#[test]
fn a_partition_that_may_be_all_that_is_unexplained_is_a_guess() {
    // Who reads the last of twelve has just died, which its group does not know yet.
    let mut twelve = written(&[1_000_000; 12]);
    twelve.bytes_out *= 11.0 / 12.0;
    let all = (0..12).map(|number| (partition(number), caught_up(1, 1_000.0)));
    twelve.consumed = Some(all.collect());
    assert!(
        twelve
            .bytes_out()
            .iter()
            .all(|(_, confidence)| *confidence == Even)
    );

    // The large partition is known well enough, and nothing of one that nobody is known to read.
    let mut burst = written(&[5_000_000, 300_000]);
    burst.consumed = Some(BTreeMap::from([(partition(0), caught_up(1, 5_000.0))]));
    assert_eq!(burst.bytes_out(), [(530_000.0, Weighted), (0.0, Even)]);
    burst.bytes_out = 500_000.0;
    assert_eq!(burst.bytes_out(), [(500_000.0, Weighted), (0.0, Weighted)]);
}

#[test]
fn where_nobody_tells_whether_followers_serve_no_share_is_sure() {
    let mut both = written(&[300_000, 100_000]);
    both.before.replicas.insert(partition(2), follower(true, 1_000));
    both.after.replicas.insert(partition(2), follower(true, 1_000));
    both.consumed = Some(
        [0, 1]
            .map(|number| (partition(number), caught_up(1, 100.0)))
            .into(),
    );
    both.after.followers_serve = Some(false);
    assert_eq!(both.bytes_out(), [(30_000.0, Weighted), (10_000.0, Weighted)]);
    for perhaps in [Some(true), None] {
        both.after.followers_serve = perhaps;
        assert!(both.bytes_out().iter().all(|(_, confidence)| *confidence == Even));
    }
}

#[test]
fn consumers_read_what_the_log_holds_where_kafka_compresses_anew() {
    let mut anew = written(&[300_000, 100_000]);
    anew.bytes_in = Some(200_000.0);
    anew.consumed = Some(
        [0, 1]
            .map(|number| (partition(number), caught_up(1, 100.0)))
            .into(),
    );
    assert!(anew.bytes_in().iter().all(|(_, confidence)| *confidence == Even));
    assert_eq!(anew.bytes_out(), [(30_000.0, Weighted), (10_000.0, Weighted)]);
}

#[test]
fn what_a_new_leader_sent_may_have_been_sent_elsewhere() {
    let before = vec![Some(leader(0, 1000, 100_000)), Some(follower(true, 100_000))];
    let after = vec![Some(leader(0, 2000, 200_000)), Some(leader(0, 1100, 110_000))];
    let mut given = given(before, after).traffic(11_000.0, 11_000.0);
    given.last = usual_sizes(&[100.0, 100.0]);
    given.consumed = Some(
        [0, 1]
            .map(|number| (partition(number), caught_up(1, 100.0)))
            .into(),
    );
    assert_eq!(given.bytes_out(), [(10_000.0, Weighted), (1_000.0, Even)]);
}

#[test]
fn while_logs_cannot_be_read_commits_divide_what_consumers_took() {
    let logs = vec![Some(leader(0, 1000, 100_000)), Some(leader(0, 1000, 100_000))];
    let mut unmoved = given(logs.clone(), logs).traffic(36_000.0, 36_000.0);
    unmoved.last = usual_sizes(&[100.0, 100.0]);
    unmoved.consumed = Some(BTreeMap::from([
        (partition(0), caught_up(1, 300.0)),
        (partition(1), caught_up(1, 60.0)),
    ]));
    assert_eq!(unmoved.bytes_out(), [(30_000.0, Even), (6_000.0, Even)]);
}

#[test]
fn a_log_that_was_cleaned_while_it_was_written_to_counts_by_its_records() {
    let before = vec![Some(leader(0, 1000, 100_000)), Some(leader(0, 1000, 100_000))];
    let after = vec![Some(leader(0, 1900, 120_000)), Some(leader(0, 1100, 110_000))];
    let mut given = given(before, after).traffic(10_000.0, 0.0);
    given.last = usual_sizes(&[100.0, 100.0]);
    assert_eq!(given.bytes_in(), [(9000.0, Weighted), (1000.0, Weighted)]);
    assert_eq!(
        given.rates()[0].record_size,
        Some(RecordSize::Learnt(100.0)),
        "nothing false was learnt"
    );
}

#[test]
fn weights_that_nothing_confirms_are_a_guess() {
    // Brokers compress anew, one of the partitions better than the other.
    let before = vec![Some(leader(0, 0, 0)), Some(leader(0, 0, 0))];
    let after = vec![Some(leader(0, 100, 10_000)), Some(leader(0, 100, 1_000))];
    let given = given(before, after).traffic(2_000.0, 0.0);
    assert!(given.bytes_in().iter().all(|(_, confidence)| *confidence == Even));
}

#[test]
fn a_compacted_log_alone_does_not_tell_what_was_written() {
    let before = vec![Some(leader(0, 100, 10_000))];
    let mut given = given(before, vec![Some(leader(0, 200, 20_000))]);
    given.after.rewritten.insert(topic());
    assert_eq!(given.bytes_in(), [(1000.0, Even)]);
}

#[test]
fn where_followers_serve_consumers_the_broker_that_follows_too_is_not_sure_of_its_bytes_out() {
    let before = vec![Some(leader(0, 100, 10_000)), Some(follower(true, 10_000))];
    let after = vec![Some(leader(0, 200, 20_000)), Some(follower(true, 10_000))];
    let mut given = given(before, after).traffic(1000.0, 5000.0);
    given.after.followers_serve = Some(false);
    assert_eq!(given.bytes_out(), [(5000.0, Exact)]);
    for perhaps in [Some(true), None] {
        given.after.followers_serve = perhaps;
        assert_eq!(given.bytes_out(), [(5000.0, Even)]);
    }
    given.after.replicas.remove(&partition(1));
    assert_eq!(given.bytes_out(), [(5000.0, Exact)], "it follows none");
}

fn usual_sizes(sizes: &[f64]) -> PartitionRates {
    let rate = |size| PartitionRate {
        bytes_in: 0.0,
        bytes_in_confidence: Weighted,
        bytes_out: 0.0,
        bytes_out_confidence: Weighted,
        records_in: 0.0,
        record_size: Some(RecordSize::Learnt(size)),
    };
    sizes
        .iter()
        .enumerate()
        .map(|(number, size)| (partition(number), rate(*size)))
        .collect()
}

prop_compose! {
    fn any_replica()(
        id in 1..3_u8,
        size in 0..1_u64 << 50,
        start in 0..1_i64 << 40,
        length in 0..1_i64 << 40,
        leads in any::<bool>(),
        told in any::<bool>(),
        in_sync in any::<bool>(),
    ) -> Replica {
        let span = told.then_some(Span { start, end: start + length });
        let led = leads.then_some(Led { span, replicas: 3, in_sync: 3, against_minimum: None,
        preferred: Some(true) });
        Replica { topic_id: [id; 16], size, led, in_sync }
    }
}

prop_compose! {
    /// Leaders that stay, whose logs grow, lose segments or are compacted.
    fn any_steady()(
        start in 0..1_i64 << 40,
        length in 0..1_i64 << 40,
        size in 0..1_u64 << 50,
        deleted in 0..1_i64 << 20,
        written in 0..1_i64 << 30,
        size_after in 0..1_u64 << 50,
    ) -> (Option<Replica>, Option<Replica>) {
        let end = start + length + written;
        (Some(leader(start, start + length, size)), Some(leader((start + deleted).min(end), end, size_after)))
    }
}

proptest! {
    #[test]
    fn leaders_that_stay_sum_to_the_exact_totals(
        replicas in prop::collection::vec(any_steady(), 1..12),
        bytes_in in 0.0..1e10_f64,
        bytes_out in 0.0..1e10_f64,
        consumed in prop::option::of(prop::collection::btree_map((0..12_usize).prop_map(partition), (0..4_u32, 0.0..1e7_f64), 0..12)),
    ) {
        let (before, after) = replicas.into_iter().unzip();
        let mut given = given(before, after).traffic(bytes_in, bytes_out);
        given.consumed = consumed.map(|all| all.into_iter().map(|(of, (groups, rate))| (of, caught_up(groups, rate))).collect());
        let rates = given.rates();
        for (sum, total) in [
            (rates.iter().map(|rate| rate.bytes_in).sum::<f64>(), bytes_in),
            (rates.iter().map(|rate| rate.bytes_out).sum::<f64>(), bytes_out),
        ] {
            prop_assert!((sum - total).abs() <= total * 1e-9, "{sum} is not {total}");
        }
    }

    #[test]
    fn whatever_was_read_no_rate_is_negative_or_beyond_the_topics_total_and_certainty_is_earned(
        before in prop::collection::vec(prop::option::of(any_replica()), 0..8),
        after in prop::collection::vec(prop::option::of(any_replica()), 0..8),
        traffic in (0.0..1e10_f64, 0.0..1e10_f64),
        same_window in any::<bool>(),
    ) {
        let led = |replicas: &[Option<Replica>]| -> Vec<(usize, [u8; 16])> {
            let replicas = replicas.iter().enumerate();
            let led = replicas.filter_map(|(number, replica)| Some((number, replica.as_ref().filter(|r| r.led.is_some())?.topic_id)));
            led.collect()
        };
        let same_leaders = led(&before) == led(&after);
        let mut given = given(before, after).traffic(traffic.0, traffic.1);
        given.same_window = same_window;
        let rates = given.rates();
        for (figure, confidence, total) in rates.iter().flat_map(|rate| [
            (rate.bytes_in, rate.bytes_in_confidence, traffic.0),
            (rate.bytes_out, rate.bytes_out_confidence, traffic.1),
            (rate.records_in, Even, f64::MAX),
        ]) {
            prop_assert!(figure.is_finite() && figure >= 0.0, "{figure}");
            prop_assert!(figure <= total * (1.0 + 1e-9), "{figure} of {total}");
            prop_assert!(confidence < Exact || same_leaders && same_window);
        }
    }
}
