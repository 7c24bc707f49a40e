use kafka::TopicName;
use kafka::cluster::Topic;
use kafka::groups::Position;
use proptest::prelude::*;

use super::*;
use crate::offsets::partitions;

const RULES: Rules = Rules {
    window: 10,
    allowed_lag: 0,
    interval: Duration::from_secs(5),
};
const WINDOW: Duration = Duration::from_secs(15);

/// Groups that consume a topic of three partitions.
struct Cluster {
    groups: Groups,
    partitions: Partitions,
    rules: Rules,
    /// Of groups that are read.
    state: GroupState,
}

fn second(second: u64) -> Duration {
    Duration::from_secs(second)
}

fn topic_name() -> TopicName {
    "orders".parse().unwrap()
}

fn topic(id: u8) -> Topic {
    partitions::tests::topic("orders", id, 3)
}

fn id(group: &str) -> GroupId {
    group.parse().unwrap()
}

impl Cluster {
    fn new(max_rows: usize) -> Self {
        let mut partitions = Partitions::default();
        partitions.set_topics(&[topic(1)]);
        Self {
            groups: Groups::new(max_rows),
            partitions,
            rules: RULES,
            state: GroupState::Stable,
        }
    }

    fn read_with_lags(&mut self, at: u64, group: &str, offsets: &[(i32, i64, Option<i64>)]) {
        let listing = GroupListing {
            id: id(group),
            kind: GroupKind::Classic,
            state: self.state,
        };
        let position = |(number, offset, lag): &(i32, i64, Option<i64>)| Position {
            partition: (*number).try_into().unwrap(),
            offset: *offset,
            lag: *lag,
        };
        let topics = TopicPositions {
            topic: topic_name(),
            positions: offsets.iter().map(position).collect(),
        };
        self.groups
            .read(second(at), &listing, &[topics], &mut self.partitions);
    }

    fn read(&mut self, at: u64, group: &str, offsets: &[(i32, i64)]) {
        let offsets: Vec<_> = offsets.iter().map(|(n, offset)| (*n, *offset, None)).collect();
        self.read_with_lags(at, group, &offsets);
    }

    /// Each sample begins with this and ends with `judge`.
    fn begin(&mut self) {
        self.partitions.begin_sample();
    }

    fn judge(&mut self, at: u64, ends: &[(i32, i64)]) {
        let ends = ends.iter().map(|(number, end)| {
            let partition = TopicPartition::new(topic_name(), (*number).try_into().unwrap());
            (partition, *end)
        });
        self.partitions.set_ends(second(at), &ends.collect());
        for (_, group) in self.groups.iter_mut() {
            group.judge(second(at), WINDOW, &self.rules, &mut self.partitions);
        }
    }

    fn standings(&self, at: u64, group: &str) -> Vec<(i32, Standing)> {
        let group = &self.groups.followed[&id(group)];
        let seen = group.seen(&self.partitions);
        seen.map(|seen| {
            (
                seen.partition().partition.get(),
                seen.standing(second(at), &self.rules),
            )
        })
        .collect()
    }

    fn advanced(&self) -> Vec<u64> {
        self.partitions.iter().map(|tracked| tracked.advanced).collect()
    }

    fn behind(&self) -> Vec<f64> {
        self.partitions.iter().map(|tracked| tracked.behind).collect()
    }

    fn caught_up(&self) -> Vec<u32> {
        self.partitions.iter().map(|tracked| tracked.caught_up).collect()
    }

    fn names(&self) -> Vec<&str> {
        self.groups.followed.keys().map(GroupId::as_str).collect()
    }
}

#[test]
fn groups_that_read_the_same_partition_add_up() {
    let mut cluster = Cluster::new(100);
    for (at, offset) in [(0, 0), (5, 100)] {
        cluster.begin();
        cluster.read(at, "a", &[(0, offset), (1, 0)]);
        cluster.read(at, "b", &[(0, 2 * offset)]);
    }
    assert_eq!(cluster.advanced(), [300, 0]);
}

#[test]
fn a_rewind_is_no_progress_and_what_is_read_again_counts() {
    let mut cluster = Cluster::new(100);
    for (at, offset, advanced) in [(0, 1000, 0), (5, 0, 0), (10, 100, 100)] {
        cluster.begin();
        cluster.read(at, "a", &[(0, offset)]);
        assert_eq!(cluster.advanced(), [advanced]);
    }
}

#[test]
fn a_group_that_could_not_be_read_once_loses_no_progress() {
    let mut cluster = Cluster::new(100);
    cluster.read(0, "a", &[(0, 0)]);
    cluster.begin();
    cluster.judge(5, &[(0, 1000)]);
    cluster.begin();
    cluster.read(10, "a", &[(0, 100)]);
    cluster.judge(10, &[(0, 1000)]);
    assert_eq!(cluster.advanced(), [100]);
    let rate = cluster.standings(10, "a")[0].1.rate;
    assert!((0.0..=10.0).contains(&rate), "{rate}");
}

#[test]
fn groups_that_are_behind_count_only_while_they_take_records() {
    let mut cluster = Cluster::new(100);
    for (at, offset, behind) in [(0, 0, 0.0), (5, 400, 600.0), (10, 400, 600.0), (20, 400, 0.0)] {
        cluster.begin();
        cluster.read(at, "a", &[(0, offset)]);
        cluster.read(at, "stopped", &[(0, 0)]);
        cluster.judge(at, &[(0, 1_000)]);
        assert_eq!(cluster.behind(), [behind]);
    }
}

#[test]
fn a_group_has_caught_up_that_has_committed_what_was_written_90_s_ago() {
    let mut cluster = Cluster::new(100);
    // What is written is committed 10 s later by one and never by the other.
    for (at, end, caught_up) in [(0, 100, 0), (5, 200, 0), (10, 300, 1), (15, 400, 1), (40, 900, 1)] {
        cluster.begin();
        cluster.read(at, "a", &[(0, end - 200)]);
        cluster.read(at, "stopped", &[(0, 0)]);
        cluster.judge(at, &[(0, end)]);
        assert_eq!(cluster.caught_up(), [caught_up], "after {at} s");
    }
    for (at, caught_up) in [(50, 1), (115, 1), (125, 0)] {
        cluster.begin();
        cluster.read(at, "a", &[(0, 700)]);
        cluster.judge(at, &[(0, 10_000)]);
        assert_eq!(
            cluster.caught_up(),
            [caught_up],
            "{at} s, of which it took nothing for a while"
        );
    }
}

#[test]
fn a_group_has_caught_up_while_there_is_somebody_to_read() {
    let caught_up = |state, at| {
        let mut cluster = Cluster::new(100);
        for (at, offset) in [(0, 100), (5, 200)] {
            cluster.begin();
            cluster.read(at, "a", &[(0, offset)]);
            cluster.judge(at, &[(0, offset)]);
        }
        cluster.state = state;
        cluster.begin();
        cluster.read(at, "a", &[(0, 200)]);
        cluster.judge(at, &[(0, 200)]);
        cluster.caught_up()[0]
    };
    assert_eq!(caught_up(GroupState::Stable, 1_000), 1);
    // Without members it counts while its last commit is young.
    assert_eq!(caught_up(GroupState::Empty, 90), 1);
    assert_eq!(caught_up(GroupState::Empty, 100), 0);
}

#[test]
fn a_group_that_cannot_be_read_has_caught_up_no_more_whatever_was_told() {
    let mut cluster = Cluster::new(100);
    for (at, caught_up) in [(0, 1), (50, 1), (95, 0)] {
        cluster.begin();
        if at == 0 {
            cluster.read_with_lags(at, "a", &[(0, 100, Some(0))]);
        }
        cluster.judge(at, &[(0, 100)]);
        assert_eq!(cluster.caught_up(), [caught_up], "after {at} s");
    }
}

#[test]
fn a_partition_is_read_where_groups_are_behind_or_have_caught_up_with_what_was_written_in_an_hour() {
    let mut cluster = Cluster::new(100);
    let is_read = |cluster: &mut Cluster, at, offset, end| {
        cluster.begin();
        cluster.read(at, "a", &[(0, offset)]);
        cluster.judge(at, &[(0, end)]);
        cluster
            .partitions
            .iter()
            .all(|tracked| tracked.is_read(second(at)))
    };
    assert!(
        !is_read(&mut cluster, 0, 100, 100),
        "nobody has seen it written to"
    );
    assert!(!is_read(&mut cluster, 5, 100, 100));
    assert!(is_read(&mut cluster, 10, 150, 200), "it is behind");
    assert!(is_read(&mut cluster, 20, 200, 200));
    assert!(is_read(&mut cluster, 3_600, 200, 200));
    assert!(
        !is_read(&mut cluster, 3_700, 200, 200),
        "nothing was written for an hour"
    );
}

#[test]
fn lag_is_up_to_the_end_and_unknown_where_that_is() {
    let mut cluster = Cluster::new(100);
    cluster.read(0, "a", &[(0, 90), (1, 120), (2, 5)]);
    cluster.judge(0, &[(0, 100), (1, 100)]);
    let standings = cluster.standings(0, "a");
    let lags: Vec<_> = standings.iter().map(|(_, standing)| standing.lag).collect();
    assert_eq!(lags, [Some(10), Some(0), None]);
    assert_eq!(standings[1].1.lag_seconds, Some(0.0));
}

#[test]
fn a_group_whose_lag_is_allowed_is_not_late() {
    let mut cluster = Cluster::new(100);
    cluster.rules.allowed_lag = 1;
    for at in [0, 60] {
        cluster.begin();
        cluster.read(at, "a", &[(0, 99), (1, 98)]);
        cluster.judge(at, &[(0, 100), (1, 100)]);
    }
    let late: Vec<_> = cluster
        .standings(60, "a")
        .iter()
        .map(|(_, s)| s.lag_seconds)
        .collect();
    assert_eq!(late, [Some(0.0), Some(60.0)]);
}

#[test]
fn a_lag_that_the_coordinator_tells_is_believed() {
    let mut cluster = Cluster::new(100);
    cluster.read_with_lags(0, "share", &[(0, 50, Some(7)), (1, 50, None)]);
    cluster.judge(0, &[(0, 100), (1, 100)]);
    let standings = cluster.standings(0, "share");
    assert_eq!((standings[0].1.lag, standings[1].1.lag), (Some(7), Some(50)));
    cluster.judge(10, &[(0, 107), (1, 150)]);
    // Of partition 0 all records up to 100 are taken, although it says to begin with 50.
    let standings = cluster.standings(10, "share");
    assert_eq!(standings[0].1.lag_seconds, Some(10.0));
    assert_eq!(standings[1].1.lag_seconds, Some(20.0));
}

#[test]
fn a_group_is_as_late_and_as_bad_as_in_its_worst_partition() {
    let mut cluster = Cluster::new(100);
    for step in 0..12 {
        let end = 100 + 10 * i64::try_from(step).unwrap();
        cluster.begin();
        cluster.read(5 * step, "a", &[(0, end), (1, 100)]);
        cluster.judge(5 * step, &[(0, end), (1, end)]);
    }
    let group = &cluster.groups.followed[&id("a")];
    assert_eq!(group.status, Status::Stall);
    assert_eq!(group.max_lag_seconds, Some(55.0));
    let standings = cluster.standings(55, "a");
    assert_eq!(
        (standings[0].1.status, standings[1].1.lag),
        (Status::Ok, Some(110))
    );
}

#[test]
fn a_group_that_cannot_be_read_keeps_its_status_and_becomes_later_all_the_same() {
    let mut cluster = Cluster::new(100);
    for step in 0..12 {
        let end = 100 + 10 * i64::try_from(step).unwrap();
        cluster.begin();
        cluster.read(5 * step, "a", &[(0, end - 5)]);
        cluster.judge(5 * step, &[(0, end)]);
    }
    let before = cluster.groups.followed[&id("a")].status;
    for step in 12..40 {
        cluster.begin();
        cluster.judge(5 * step, &[(0, 1_000)]);
    }
    let group = &cluster.groups.followed[&id("a")];
    assert_eq!((before, group.status), (Status::Warn, Status::Warn));
    let standing = cluster.standings(195, "a")[0].1;
    assert_eq!((standing.status, standing.lag), (Status::Warn, Some(795)));
    assert!(group.max_lag_seconds.unwrap() > 130.0);
}

#[test]
fn positions_may_come_and_go_and_the_others_keep_what_is_known_of_them() {
    let mut cluster = Cluster::new(100);
    for (at, offsets) in [
        (0, &[(0, 0), (2, 0)][..]),
        (5, &[(0, 50), (1, 70), (2, 50)]),
        (10, &[(1, 170), (2, 100)]),
    ] {
        cluster.begin();
        cluster.read(at, "a", offsets);
    }
    let standings = cluster.standings(10, "a");
    let known: Vec<_> = standings
        .iter()
        .map(|(n, s)| (*n, s.offset, s.rate > 2.0))
        .collect();
    assert_eq!(known.len(), 2);
    assert!(
        known.contains(&(1, 170, true)) && known.contains(&(2, 100, true)),
        "{known:?}"
    );
    assert_eq!(cluster.groups.rows, 2);
}

#[test]
fn groups_that_do_not_fit_are_left_out_from_the_last_name_on() {
    let mut cluster = Cluster::new(5);
    for group in ["c", "a", "d", "b"] {
        cluster.read(0, group, &[(0, 0), (1, 0)]);
    }
    assert_eq!(cluster.names(), ["a", "b"]);
    assert_eq!((cluster.groups.left_out(), cluster.groups.rows), (2, 4));
    let ids = ["a", "b", "c", "d", "new"].map(id);
    let fitting: Vec<_> = cluster
        .groups
        .fitting(ids.iter())
        .into_iter()
        .map(|(id, rows)| (id.as_str(), rows))
        .collect();
    assert_eq!(fitting, [("a", Some(2)), ("b", Some(2)), ("new", None)]);
}

#[test]
fn room_that_became_free_goes_to_who_was_left_out() {
    let mut cluster = Cluster::new(4);
    for group in ["a", "b", "c"] {
        cluster.read(0, group, &[(0, 0), (1, 0)]);
    }
    cluster.groups.forget(|group, _| group.as_str() == "a");
    let ids = ["b", "c"].map(id);
    assert_eq!(cluster.groups.fitting(ids.iter()).len(), 2);
    cluster.read(5, "c", &[(0, 0), (1, 0)]);
    assert_eq!(cluster.names(), ["b", "c"]);
    assert_eq!(cluster.groups.left_out(), 0);
}

#[test]
fn a_topic_that_was_made_again_takes_nothing_of_the_old_one_along() {
    let mut cluster = Cluster::new(100);
    cluster.read(0, "a", &[(0, 1_000)]);
    let gone = cluster.partitions.set_topics(&[topic(2)]);
    cluster.groups.forget_slots(&gone);
    assert_eq!(cluster.groups.rows, 0);
    cluster.begin();
    cluster.read(5, "a", &[(0, 10)]);
    assert_eq!(cluster.advanced(), [0]);
    assert_eq!(cluster.standings(5, "a")[0].1.status, Status::Ok);
}

#[test]
fn a_row_takes_72_bytes() {
    assert_eq!(size_of::<Row>(), 72);
}

proptest! {
    #[test]
    fn rows_are_counted_and_never_more_than_there_is_room_for(
        reads in prop::collection::vec((0u8..8, 0i32..5, any::<bool>()), 0..100),
        max_rows in 0usize..12,
    ) {
        let mut cluster = Cluster::new(max_rows);
        for (at, (group, partitions, forgotten)) in (0..).zip(reads) {
            let name = format!("group-{group}");
            let offsets: Vec<_> = (0..partitions).map(|number| (number, 7)).collect();
            cluster.read(at, &name, &offsets);
            if forgotten {
                cluster.groups.forget(|group, _| group.as_str() == name);
            }
            let counted: usize = cluster.groups.followed.values().map(Group::len).sum();
            prop_assert_eq!(cluster.groups.rows, counted);
            prop_assert!(counted <= max_rows);
            for left_out in cluster.groups.left_out.keys() {
                prop_assert!(!cluster.groups.followed.contains_key(left_out));
            }
        }
    }
}
