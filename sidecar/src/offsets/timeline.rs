//! When a partition's end passed an offset: the age of the records that a group has not taken.

use std::time::Duration;

/// The most points that are kept of one partition: 960 bytes.
pub(super) const MAX_POINTS: usize = 60;

/// Where a partition's end was, and when.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// Later ones have larger offsets, or the same; never more than two the same.
    points: Vec<Point>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    /// Milliseconds since the start of the clock.
    at: u64,
    end: i64,
}

impl Timeline {
    /// Notes where the end is. What is no later than the last point is ignored. An end that went back is of another
    /// log (the topic was made again, or its log was truncated): nothing that was known before is true of it.
    pub(super) fn note(&mut self, at: Duration, end: i64) {
        let at = milliseconds(at);
        if let Some(last) = self.points.last() {
            if at <= last.at {
                return;
            }
            if end < last.end {
                self.points.clear();
            }
        }
        // Of a time without records its beginning and its end say all.
        if let [.., before, last] = self.points.as_mut_slice()
            && before.end == end
            && last.end == end
        {
            last.at = at;
            return;
        }
        if self.points.len() >= MAX_POINTS {
            self.thin(at);
        }
        self.points.push(Point { at, end });
    }

    /// Takes out the point that is missed least: the one whose time can be told best from its neighbours', measured by
    /// its age, so that points lie the closer the younger they are.
    fn thin(&mut self, now: u64) {
        let cost = |points: &[Point]| match points {
            [before, point, after] => {
                let age = now.saturating_sub(point.at) as f64 + 1.0;
                (between(*before, *after, point.end) - point.at as f64).abs() / age
            }
            _ => f64::INFINITY,
        };
        let costs = self.points.windows(3).map(cost).enumerate();
        if let Some((index, _)) = costs.min_by(|(_, a), (_, b)| a.total_cmp(b)) {
            self.points.remove(index + 1);
        }
    }

    /// How long ago, in seconds, the record at `offset` was written, if the end is behind it: since when a group that
    /// committed `offset` has had something to do. Between two points records are taken to come evenly, before the
    /// first at the mean rate of all. Where that is 0, it is at least the age of the first point; with one point alone
    /// nothing is known.
    pub(super) fn seconds_since(&self, offset: i64, now: Duration) -> Option<f64> {
        let age = milliseconds(now) as f64 - self.time_of(offset)?;
        Some(age.max(0.0) / 1e3)
    }

    /// Whether the end was at `offset` or before it within the last `time`.
    pub(super) fn was_at(&self, offset: i64, now: Duration, time: Duration) -> bool {
        let is_known = self.points.first().is_some_and(|first| first.end <= offset);
        let since = self.seconds_since(offset, now);
        is_known && since.is_some_and(|since| since <= time.as_secs_f64())
    }

    fn time_of(&self, offset: i64) -> Option<f64> {
        let (first, last) = (self.points.first()?, self.points.last()?);
        let after = self.points.partition_point(|point| point.end <= offset);
        if after == 0 {
            if self.points.len() < 2 {
                return None;
            }
            let (time, records) = (last.at - first.at, last.end.saturating_sub(first.end));
            if records == 0 {
                return Some(first.at as f64);
            }
            let missing = first.end.saturating_sub(offset) as f64;
            return Some(first.at as f64 - missing * time as f64 / records as f64);
        }
        let before = self.points.get(after - 1)?;
        Some(match self.points.get(after) {
            Some(after) => between(*before, *after, offset),
            None => last.at as f64,
        })
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.points.len()
    }
}

/// When the end was at `offset`, which lies between the two points.
fn between(before: Point, after: Point, offset: i64) -> f64 {
    let records = after.end.saturating_sub(before.end);
    if records == 0 {
        return before.at as f64;
    }
    let share = offset.saturating_sub(before.end) as f64 / records as f64;
    before.at as f64 + share * after.at.saturating_sub(before.at) as f64
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn timeline(points: &[(u64, i64)]) -> Timeline {
        let mut timeline = Timeline::default();
        for (at, end) in points {
            timeline.note(seconds(*at), *end);
        }
        timeline
    }

    #[test]
    fn between_two_points_records_came_evenly() {
        let timeline = timeline(&[(0, 0), (10, 100), (20, 300)]);
        assert_eq!(timeline.seconds_since(50, seconds(20)), Some(15.0));
        assert_eq!(timeline.seconds_since(200, seconds(20)), Some(5.0));
        assert_eq!(timeline.seconds_since(300, seconds(20)), Some(0.0));
    }

    #[test]
    fn before_the_first_point_records_came_at_the_mean_rate() {
        let timeline = timeline(&[(100, 1000), (110, 1100)]);
        assert_eq!(timeline.seconds_since(900, seconds(110)), Some(20.0));
    }

    #[test]
    fn a_log_that_nobody_writes_to_is_at_least_as_old_as_it_has_been_watched() {
        let timeline = timeline(&[(100, 1000), (160, 1000)]);
        assert_eq!(timeline.seconds_since(900, seconds(160)), Some(60.0));
    }

    #[test]
    fn one_point_says_nothing_of_what_was_before_it() {
        assert_eq!(timeline(&[(100, 1000)]).seconds_since(900, seconds(105)), None);
        assert_eq!(timeline(&[]).seconds_since(900, seconds(105)), None);
    }

    #[test]
    fn a_group_at_the_end_of_a_quiet_time_is_late_since_that_ended() {
        let timeline = timeline(&[(0, 100), (10, 100), (3600, 100), (3605, 200)]);
        assert_eq!(timeline.len(), 3);
        assert_eq!(timeline.seconds_since(100, seconds(3605)), Some(5.0));
    }

    #[test]
    fn an_end_that_went_back_begins_anew_and_a_late_point_is_ignored() {
        let mut timeline = timeline(&[(0, 0), (10, 100), (5, 200), (20, 40)]);
        assert_eq!(timeline.len(), 1);
        timeline.note(seconds(30), 50);
        assert_eq!(timeline.seconds_since(45, seconds(30)), Some(5.0));
    }

    #[test]
    fn thinning_keeps_a_quiet_time_and_what_is_young() {
        let mut timeline = timeline(&[(0, 100), (7200, 100)]);
        for step in 1..=500 {
            timeline.note(seconds(7200 + step * 5), 100 + i64::try_from(step).unwrap() * 10);
        }
        let now = seconds(7200 + 2500);
        assert_eq!(timeline.len(), MAX_POINTS);
        assert_eq!(timeline.seconds_since(100, now), Some(2500.0));
        assert_eq!(timeline.seconds_since(5000, now), Some(50.0));
    }

    #[test]
    fn whether_the_end_was_there_lately_is_known_only_of_what_was_seen() {
        let timeline = timeline(&[(100, 1000), (160, 1600)]);
        assert!(timeline.was_at(1500, seconds(160), seconds(20)));
        assert!(!timeline.was_at(1100, seconds(160), seconds(20)));
        assert!(!timeline.was_at(999, seconds(160), seconds(1000)));
    }

    proptest! {
        #[test]
        fn an_age_is_never_negative_and_memory_is_bounded(
            points in prop::collection::vec((0u64..100_000, 0i64..1_000_000), 0..300),
            offset in -10i64..2_000_000,
            now in 0u64..200_000,
        ) {
            let mut timeline = Timeline::default();
            for (at, end) in points {
                timeline.note(Duration::from_millis(at), end);
                prop_assert!(timeline.len() <= MAX_POINTS);
            }
            if let Some(age) = timeline.seconds_since(offset, Duration::from_millis(now)) {
                prop_assert!(age >= 0.0 && age.is_finite());
            }
        }

        #[test]
        fn who_is_further_is_not_later(
            steps in prop::collection::vec((1u64..10_000, 0i64..5_000), 2..200),
            (one, other) in (-1_000i64..200_000, -1_000i64..200_000),
        ) {
            let mut timeline = Timeline::default();
            let (mut at, mut end) = (0, 0);
            for (time, records) in steps {
                (at, end) = (at + time, end + records);
                timeline.note(Duration::from_millis(at), end);
            }
            let age = |offset| timeline.seconds_since(offset, Duration::from_millis(at)).unwrap();
            prop_assert!(age(one.min(other)) >= age(one.max(other)) - 1e-6);
        }
    }
}
