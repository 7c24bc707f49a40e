//! What consumers took of each partition.

use super::*;

#[test]
fn bytes_out_are_what_was_written_once_for_each_group_that_has_caught_up() {
    let mut given = written(&[100_000, 100_000]).traffic(20_000.0, 40_000.0);
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
    let mut given = written(&[300_000, 60_000]);
    given.consumed = Some(BTreeMap::from([
        (partition(0), caught_up(1, 360.0)),
        (partition(1), caught_up(1, 60.0)),
    ]));
    assert_eq!(given.bytes_out(), [(30_000.0, Weighted), (6_000.0, Weighted)]);
}

#[test]
fn bytes_out_that_groups_which_have_caught_up_do_not_account_for_are_a_guess_by_commits() {
    let mut given = written(&[100_000, 100_000]).traffic(20_000.0, 80_000.0);
    for groups in [0, 1] {
        given.consumed = Some(BTreeMap::from([
            (partition(0), caught_up(groups, 100.0)),
            (partition(1), committing(300.0)),
        ]));
        assert_eq!(given.bytes_out(), [(20_000.0, Even), (60_000.0, Even)]);
    }
}

/// A group has caught up in so many partitions.
fn all_caught_up(partitions: usize) -> Option<BTreeMap<TopicPartition, Consumption>> {
    Some(
        (0..partitions)
            .map(|number| (partition(number), caught_up(1, 100.0)))
            .collect(),
    )
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
    twelve.consumed = all_caught_up(12);
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
    both.consumed = all_caught_up(2);
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
    anew.consumed = all_caught_up(2);
    assert!(anew.bytes_in().iter().all(|(_, confidence)| *confidence == Even));
    assert_eq!(anew.bytes_out(), [(30_000.0, Weighted), (10_000.0, Weighted)]);
}

#[test]
fn what_a_new_leader_sent_may_have_been_sent_elsewhere() {
    let before = vec![Some(leader(0, 1000, 100_000)), Some(follower(true, 100_000))];
    let after = vec![Some(leader(0, 2000, 200_000)), Some(leader(0, 1100, 110_000))];
    let mut given = given(before, after).traffic(11_000.0, 11_000.0);
    given.last = usual_sizes(&[100.0, 100.0]);
    given.consumed = all_caught_up(2);
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
