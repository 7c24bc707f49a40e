//! Bytes by second, for the last hour.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const KEPT_SECONDS: usize = 3_600;

/// Bytes by second of the wall clock.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// The second that the front bucket stands for, since the epoch.
    first: u64,
    buckets: VecDeque<u64>,
}

impl History {
    pub(crate) fn add(&mut self, at: SystemTime, bytes: u64) {
        let second = since_epoch(at).as_secs();
        if self.buckets.is_empty() {
            self.first = second;
        }
        // A wall clock that is set back adds to the oldest bucket that is kept.
        let index = usize::try_from(second.saturating_sub(self.first)).unwrap_or(usize::MAX);
        if index >= self.buckets.len() {
            let drop = index.saturating_sub(KEPT_SECONDS - 1);
            let kept = self.buckets.len().saturating_sub(drop);
            self.buckets.drain(..self.buckets.len() - kept);
            self.first = self.first.saturating_add(drop as u64);
            self.buckets.resize(index - drop + 1, 0);
        }
        let index = usize::try_from(second.saturating_sub(self.first)).unwrap_or(0);
        if let Some(bucket) = self.buckets.get_mut(index) {
            *bucket += bytes;
        }
    }

    /// The bytes of a window; a second that is only partly in it counts in proportion.
    pub(crate) fn between(&self, from: SystemTime, to: SystemTime) -> f64 {
        let (from, to) = (since_epoch(from).as_secs_f64(), since_epoch(to).as_secs_f64());
        let in_window = |(second, &bytes): (u64, &u64)| {
            let start = second as f64;
            let overlap = to.min(start + 1.0) - from.max(start);
            overlap.max(0.0) * bytes as f64
        };
        (self.first..).zip(&self.buckets).map(in_window).sum()
    }
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_window_takes_whole_seconds_whole_and_cut_seconds_in_proportion() {
        let mut history = History::default();
        for second in 100..110_u32 {
            history.add(at(f64::from(second) + 0.3), 1_000);
        }
        assert_eq!(history.between(at(101.0), at(104.0)).round(), 3_000.0);
        assert_eq!(history.between(at(101.5), at(103.25)).round(), 1_750.0);
        assert_eq!(history.between(at(0.0), at(1_000.0)).round(), 10_000.0);
    }

    #[test]
    fn only_the_last_hour_is_kept() {
        let mut history = History::default();
        history.add(at(0.0), 7);
        history.add(at(3_600.0), 1);
        history.add(at(1e9), 1);
        assert_eq!(history.between(at(0.0), at(2e9)).round(), 1.0);
        assert!(history.buckets.len() <= KEPT_SECONDS);
    }
}
