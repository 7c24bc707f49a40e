use proptest::prelude::*;

use super::*;

const RULES: Rules = Rules {
    window: 10,
    allowed_lag: 0,
    interval: Duration::from_secs(5),
};

fn second(second: u64) -> Duration {
    Duration::from_secs(second)
}

/// A group that is sampled every 5 s.
struct Group {
    commits: Commits,
    now: u64,
    offset: i64,
    end: i64,
}

impl Group {
    fn at(offset: i64, end: i64) -> Self {
        let mut commits = Commits::default();
        let found = Found {
            at: second(0),
            moved: Ordering::Equal,
            before: offset,
            lag: (end - offset).unsigned_abs(),
            attended: false,
        };
        commits.note(&found, &RULES);
        Self {
            commits,
            now: 0,
            offset,
            end,
        }
    }

    fn sampled(&mut self, offset: i64, end: i64, attended: bool) {
        self.now += 5;
        let found = Found {
            at: second(self.now),
            moved: offset.cmp(&self.offset),
            before: self.offset,
            lag: (end - offset).unsigned_abs(),
            attended,
        };
        self.commits.note(&found, &RULES);
        (self.offset, self.end) = (offset, end);
    }

    /// As many samples, in each of which the offset and the end moved by so much.
    fn went_on(&mut self, samples: usize, consumed: i64, produced: i64, attended: bool) {
        for _ in 0..samples {
            self.sampled(self.offset + consumed, self.end + produced, attended);
        }
    }

    fn status(&self, was_at_end: bool) -> Status {
        let lag = (self.end - self.offset).unsigned_abs();
        self.commits
            .status(second(self.now), self.offset, lag, &RULES, || was_at_end)
    }
}

#[test]
fn a_group_without_lag_is_fine_whatever_it_did() {
    let mut group = Group::at(100, 100);
    group.went_on(30, 0, 0, false);
    assert_eq!(group.status(false), Status::Ok);
}

#[test]
fn a_window_that_has_not_been_watched_long_enough_says_nothing() {
    let mut group = Group::at(0, 100);
    group.went_on(8, 0, 10, true);
    assert_eq!(group.status(false), Status::Ok);
    group.went_on(1, 0, 10, true);
    assert_eq!(group.status(false), Status::Stall);
}

#[test]
fn a_group_whose_members_left_has_stopped_once_that_is_longer_ago_than_the_window_took() {
    let mut group = Group::at(0, 100);
    group.went_on(10, 10, 20, true);
    group.went_on(10, 0, 20, false);
    assert_ne!(group.status(false), Status::Stop);
    group.went_on(1, 0, 20, false);
    assert_eq!(group.status(false), Status::Stop);
}

#[test]
fn a_group_that_the_end_left_only_just_now_has_not_stopped() {
    let mut group = Group::at(0, 0);
    group.went_on(20, 0, 0, false);
    group.went_on(1, 0, 100, false);
    assert_eq!(group.status(true), Status::Ok);
    assert_eq!(group.status(false), Status::Stop);
}

#[test]
fn a_group_without_members_that_commits_seldom_has_its_own_pace() {
    let mut group = Group::at(0, 1_000_000);
    for _ in 0..12 {
        group.went_on(11, 0, 100, false);
        group.went_on(1, 1000, 100, false);
    }
    // Nine gaps of a minute.
    group.went_on(60, 0, 100, false);
    assert_ne!(group.status(false), Status::Stop);
    group.went_on(60, 0, 100, false);
    assert_eq!(group.status(false), Status::Stop);
}

#[test]
fn a_lag_that_was_allowed_anywhere_in_the_window_is_forgiven() {
    let mut group = Group::at(100, 100);
    group.went_on(9, 0, 10, true);
    assert_eq!(group.status(false), Status::Ok);
    group.went_on(1, 0, 10, true);
    assert_eq!(group.status(false), Status::Stall);
}

#[test]
fn an_offset_that_went_back_is_a_rewind_until_it_is_regained() {
    let mut group = Group::at(1000, 2000);
    group.went_on(10, 10, 10, true);
    group.sampled(500, 2100, true);
    assert_eq!(group.status(false), Status::Rewind);
    group.sampled(800, 2100, true);
    assert_eq!(group.status(false), Status::Rewind);
    group.sampled(1100, 2100, true);
    assert_eq!(group.status(false), Status::Ok);
}

#[test]
fn a_second_step_back_does_not_lower_what_is_to_be_regained() {
    let mut group = Group::at(1000, 2000);
    group.went_on(10, 0, 10, true);
    for offset in [500, 700, 600, 900] {
        group.sampled(offset, 2100, true);
        assert_eq!(group.status(false), Status::Rewind);
    }
}

#[test]
fn a_rewind_that_has_left_the_window_is_forgotten() {
    let mut group = Group::at(1000, 2000);
    group.went_on(10, 10, 10, true);
    group.sampled(500, 2100, true);
    group.went_on(8, 20, 10, true);
    assert_eq!(group.status(false), Status::Rewind);
    group.went_on(1, 20, 10, true);
    assert_eq!(group.status(false), Status::Ok);
}

#[test]
fn members_that_do_not_get_on_are_stalled() {
    let mut group = Group::at(0, 100);
    group.went_on(20, 0, 0, true);
    assert_eq!(group.status(false), Status::Stall);
    group.went_on(1, 1, 0, true);
    assert_eq!(group.status(false), Status::Ok);
}

#[test]
fn a_lag_that_never_becomes_smaller_is_a_warning() {
    let mut group = Group::at(0, 100);
    group.went_on(20, 10, 10, true);
    assert_eq!(group.status(false), Status::Warn);
    group.went_on(1, 11, 10, true);
    assert_eq!(group.status(false), Status::Ok);
}

#[test]
fn statuses_are_in_burrows_order() {
    let ordered = [
        Status::Ok,
        Status::Warn,
        Status::Stop,
        Status::Stall,
        Status::Rewind,
    ];
    assert!(ordered.is_sorted());
}

#[test]
fn a_window_takes_no_more_than_48_bytes() {
    assert_eq!(size_of::<Commits>(), 48);
}

proptest! {
    #[test]
    fn a_gap_is_kept_to_one_part_in_two_thousand(tenths in 0u32..130_000_000) {
        let kept = Gap::between(Tenths(0), Tenths(tenths)).tenths();
        let error = u64::from(tenths).abs_diff(kept);
        prop_assert!(error * 2_000 <= u64::from(tenths), "{tenths} is kept as {kept}");
    }

    #[test]
    fn a_group_that_is_within_its_lag_is_always_fine(
        steps in prop::collection::vec((-50i64..50, 0i64..50, any::<bool>()), 0..60),
        window in 2u8..=10,
    ) {
        let rules = Rules { window, allowed_lag: 10, ..RULES };
        let mut commits = Commits::default();
        let (mut now, mut offset, mut end) = (0, 1_000i64, 1_005i64);
        for (consumed, produced, attended) in steps {
            now += 5;
            let before = offset;
            offset += consumed;
            end = (end + produced).max(offset);
            let lag = (end - offset).unsigned_abs();
            let at = second(now);
            commits.note(&Found { at, moved: offset.cmp(&before), before, lag, attended }, &rules);
            let status = commits.status(at, offset, lag, &rules, || false);
            prop_assert!(lag > 10 || status == Status::Ok);
        }
    }
}
