//! What producers sent to each partition.

use super::*;

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
