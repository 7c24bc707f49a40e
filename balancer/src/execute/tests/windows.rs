//! Maintenance windows: the calendar against a count of minutes, and what waits for them.

use proptest::prelude::*;

use super::bench::*;
use super::brokers;
use crate::execute::{Day, TimeOfDay, Window, Windows};
use crate::journal::{Outcome, Timestamp};

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60;

fn window(days: &[Day], from: &str, to: &str) -> Window {
    Window {
        days: days.to_vec(),
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
    }
}

fn time() -> impl Strategy<Value = TimeOfDay> {
    // Few different times, so that windows touch and overlap.
    (0..24_u32, prop_oneof![Just(0), Just(30), Just(59)])
        .prop_map(|(hour, minute)| format!("{hour:02}:{minute:02}").parse().unwrap())
}

fn windows() -> impl Strategy<Value = Vec<Window>> {
    let day = proptest::sample::select(Day::ALL.to_vec());
    let days = proptest::collection::vec(day, 0..4);
    let window = (days, time(), time()).prop_map(|(days, from, to)| Window { days, from, to });
    proptest::collection::vec(window, 1..5)
}

/// The definition, read off the clock and the day of the week.
fn is_within(window: &Window, minute: u64) -> bool {
    let today = Day::ALL[usize::try_from((minute / DAY + 3) % 7).unwrap()];
    let yesterday = Day::ALL[usize::try_from((minute / DAY + 2) % 7).unwrap()];
    let begins = |day: Day| window.days.is_empty() || window.days.contains(&day);
    let clock = format!("{:02}:{:02}", minute % DAY / 60, minute % 60);
    let clock: TimeOfDay = clock.parse().unwrap();
    if window.from < window.to {
        begins(today) && window.from <= clock && clock < window.to
    } else {
        (begins(today) && window.from <= clock) || (begins(yesterday) && clock < window.to)
    }
}

proptest! {
    #[test]
    fn windows_are_open_when_the_clock_says_so(
        each in windows(),
        minute in 20_000 * DAY..20_030 * DAY,
        within in 0..MINUTE,
    ) {
        let is_open = |minute: u64| each.iter().any(|window| is_within(window, minute));
        let windows = Windows::new(each.clone());
        let at = Timestamp(minute * MINUTE + within);
        prop_assert_eq!(windows.is_open(at), is_open(minute));
        let opens = (minute..=minute + 7 * DAY).find(|later| is_open(*later));
        let opens = opens.filter(|opens| *opens != minute).map(|opens| Timestamp(opens * MINUTE));
        prop_assert_eq!(windows.next_opening(at), opens);
        let closed = (0..7 * DAY).find(|back| !is_open(minute - back));
        let since = closed.filter(|back| *back > 0).map(|back| Timestamp((minute - back + 1) * MINUTE));
        prop_assert_eq!(windows.open_since(at), since);
    }
}

#[test]
fn without_windows_it_is_always_open() {
    let windows = Windows::default();
    assert!(windows.is_open(NOW));
    assert_eq!(windows.next_opening(NOW), None);
    assert_eq!(windows.open_since(NOW), None);
}

#[test]
fn a_window_that_ends_where_it_begins_is_a_whole_day() {
    let windows = Windows::new(vec![window(&[], "06:00", "06:00")]);
    assert!(windows.is_open(NOW));
    assert_eq!(windows.open_since(NOW), None);
    assert_eq!(
        window(&[Day::Mon, Day::Sun], "22:00", "06:00").to_string(),
        "mon,sun 22:00-06:00"
    );
}

#[test]
fn what_is_no_time_of_day_is_refused() {
    for text in [
        "24:00", "9:00", "09:60", "0900", "09:000", "+9:00", "", "09:00:00",
    ] {
        let error = text.parse::<TimeOfDay>().unwrap_err();
        assert!(error.contains("00:00 to 23:59"), "{error}");
    }
}

/// 1_800_000_000_000 is a Friday, 08:00.
fn closed() -> Windows {
    Windows::new(vec![window(&[Day::Sat], "22:00", "06:00")])
}

#[test]
fn outside_the_windows_copies_wait_and_leaders_change() {
    let mut bench = Bench::moving(&[COPY, LEAD]).throttled();
    bench.limits.windows = closed();
    assert_eq!(bench.started(), [1]);
    bench.limits.leadership_anytime = false;
    assert!(bench.started().is_empty());
    bench.limits.windows = Windows::new(vec![window(&[Day::Fri], "07:00", "09:00")]);
    assert_eq!(bench.started(), [1]);
}

#[test]
fn a_move_that_waits_for_a_window_does_not_lose_patience_before_it_has_been_open_that_long() {
    let mut bench = Bench::moving(&[COPY, (&[2, 4], &[2, 4])]).throttled();
    bench
        .state
        .apply(crate::journal::Record::Move(crate::journal::PlanId(1), 1, None));
    bench.limits.windows = closed();
    let opens = bench.limits.windows.next_opening(NOW).unwrap();
    assert_eq!(opens.to_string(), "2027-01-16T22:00Z");
    let patience = bench.limits.patience_seconds * 1000;
    assert!(bench.ended_at(Timestamp(opens.0 - 1)).is_empty());
    // Now it waits for something else.
    bench.partitions[1].in_sync = brokers(&[4]);
    assert!(bench.ended_at(Timestamp(opens.0 + patience - 1)).is_empty());
    let why = "broker 2 has under-replicated partitions".to_owned();
    assert_eq!(
        bench.ended_at(Timestamp(opens.0 + patience)),
        [Outcome::NotStarted { why }]
    );
}

#[test]
fn a_copy_in_flight_goes_on_when_the_window_closes() {
    let mut bench = Bench::moving(&[COPY]).throttled();
    bench.limits.windows = closed();
    bench.set(
        0,
        crate::journal::MoveState::Copying {
            since: NOW,
            doubt: None,
        },
        COPY.0,
        COPY.1,
    );
    bench.partitions[0].replicas = brokers(&[3, 1, 2, 0]);
    bench
        .reassignments
        .insert(super::partition("t", 0), reassignment(&[3, 1, 2, 0], &[3], &[0]));
    assert!(bench.decide().is_empty(), "{:?}", bench.decide());
}

#[test]
fn what_may_start_outside_the_windows_loses_patience_for_its_own_reason() {
    let mut bench = Bench::moving(&[COPY, LEAD]).throttled();
    bench.limits.windows = closed();
    bench.partitions[1].in_sync = brokers(&[0, 2]);
    let later = Timestamp(NOW.0 + bench.limits.patience_seconds * 1000);
    let why = "broker 0 has under-replicated partitions".to_owned();
    assert_eq!(bench.ended_at(later), [Outcome::NotStarted { why }]);
}
