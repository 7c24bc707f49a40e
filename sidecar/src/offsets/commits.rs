//! The last commits of a group in one partition, and what they say of it by Burrow's rules
//! (<https://github.com/linkedin/Burrow/wiki/Consumer-Lag-Evaluation-Rules>, `calculatePartitionStatus`).
//!
//! Burrow reads every commit from `__consumer_offsets`. Here committed offsets are sampled. A commit is a sample that
//! found another offset than the one before it, and, while the group has members, also one that found the same:
//! somebody is there who could have gone on. So a group whose members stand still is stalled, and one that has
//! nobody left has stopped.

use std::cmp::Ordering;
use std::time::Duration;

/// The most commits that a window can have.
pub(super) const MAX_WINDOW: usize = 10;

/// How a group does in a partition, or in the worst one of its partitions; in Burrow's order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Status {
    /// It keeps up, or nothing is known to be wrong.
    #[default]
    Ok,
    /// It reads, but its lag never became smaller.
    Warn,
    /// Nobody commits any more.
    Stop,
    /// It has members, and does not get on.
    Stall,
    /// Its offset went back, and is not yet again where it was.
    Rewind,
}

impl Status {
    /// Its value in the `status` label.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warn => "WARN",
            Self::Stop => "STOP",
            Self::Stall => "STALL",
            Self::Rewind => "REWIND",
        }
    }
}

/// By what commits are judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// How many commits are looked at, 2 to [`MAX_WINDOW`].
    pub(super) window: u8,
    /// A lag up to this, in records, is none.
    pub(super) allowed_lag: u64,
    /// Time between samples.
    pub(super) interval: Duration,
}

impl Rules {
    /// The time that a window takes when every sample finds a commit.
    pub(super) fn window_time(&self) -> Duration {
        self.interval * u32::from(self.window)
    }

    fn commits(&self) -> usize {
        usize::from(self.window).min(MAX_WINDOW)
    }
}

/// The window: 48 bytes. Of each commit only what the rules ask is kept; in the bits the last commit is the lowest.
#[derive(Debug, Clone, Default)]
pub(super) struct Commits {
    /// The offset before the first step back in the window.
    peak: i64,
    /// The lag at the last commit.
    lag: u64,
    last: Tenths,
    /// Time between each commit and the one before it, the last one first.
    gaps: [Gap; MAX_WINDOW - 1],
    /// Commits with a lag that is allowed.
    within: u16,
    /// Commits with another offset than the one before.
    moved: u16,
    /// Commits with a smaller lag than the one before.
    shrank: u16,
    /// Commits with a smaller offset than the one before.
    back: u16,
    commits: u8,
    samples: u8,
}

/// What a sample found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) at: Duration,
    /// How the offset is to that of the sample before.
    pub(super) moved: Ordering,
    /// The offset that it was compared to.
    pub(super) before: i64,
    /// Records that are not committed.
    pub(super) lag: u64,
    /// Whether the group has members.
    pub(super) attended: bool,
}

impl Commits {
    /// The offset that was found first is a commit, whenever it was made.
    fn begin(&mut self, found: &Found, rules: &Rules) {
        *self = Self {
            lag: found.lag,
            last: Tenths::of(found.at),
            within: u16::from(found.lag <= rules.allowed_lag),
            commits: 1,
            samples: 1,
            ..Self::default()
        };
    }

    /// Takes in what a sample found.
    pub(super) fn note(&mut self, found: &Found, rules: &Rules) {
        if self.samples == 0 {
            return self.begin(found, rules);
        }
        let all = rules.commits();
        self.samples = self.samples.saturating_add(1).min(rules.window);
        if found.moved == Ordering::Equal && !found.attended {
            return;
        }
        let now = Tenths::of(found.at);
        self.gaps.rotate_right(1);
        if let Some(gap) = self.gaps.first_mut() {
            *gap = Gap::between(self.last, now);
        }
        self.last = now;
        self.commits = self.commits.saturating_add(1).min(rules.window);
        // Of n commits n - 1 have one before them in the window.
        let pairs = all - 1;
        shift(&mut self.within, found.lag <= rules.allowed_lag, all);
        shift(&mut self.moved, found.moved != Ordering::Equal, pairs);
        shift(&mut self.shrank, found.lag < self.lag, pairs);
        let first_back = self.back == 0 && found.moved == Ordering::Less;
        shift(&mut self.back, found.moved == Ordering::Less, pairs);
        if first_back || (found.moved == Ordering::Less && found.before > self.peak) {
            self.peak = found.before;
        }
        self.lag = found.lag;
    }

    /// What is to be said now of a group at `offset` that is `lag` behind; `was_at_end` tells whether the partition's end
    /// was at the offset, or before it, within [`Rules::window_time`].
    ///
    /// A window counts when it has been watched for as many samples as it has commits.
    pub(super) fn status(
        &self,
        now: Duration,
        offset: i64,
        lag: u64,
        rules: &Rules,
        was_at_end: impl FnOnce() -> bool,
    ) -> Status {
        if lag <= rules.allowed_lag || self.samples < rules.window {
            return Status::Ok;
        }
        if self.has_stopped(now, rules) && !was_at_end() {
            return Status::Stop;
        }
        if self.within != 0 || self.commits < 2 {
            return Status::Ok;
        }
        if self.back != 0 && offset < self.peak {
            return Status::Rewind;
        }
        match (self.moved, self.shrank) {
            (0, _) => Status::Stall,
            (_, 0) => Status::Warn,
            _ => Status::Ok,
        }
    }

    /// Whether the last commit is longer ago than all of the window took. What is sampled cannot be seen to be faster than
    /// the samples, so that the window takes at least as long as these.
    fn has_stopped(&self, now: Duration, rules: &Rules) -> bool {
        let between = usize::from(self.commits.min(rules.window)).saturating_sub(1);
        let took: u64 = self.gaps.iter().take(between).map(|gap| gap.tenths()).sum();
        let took = took.max(Tenths::of(rules.window_time()).0.into());
        u64::from(Tenths::of(now).0.saturating_sub(self.last.0)) > took
    }
}

/// Puts a bit in as the lowest of `width`.
fn shift(bits: &mut u16, bit: bool, width: usize) {
    let mask = (1u16 << width) - 1;
    *bits = (*bits << 1 | u16::from(bit)) & mask;
}

/// Tenths of a second since the start of the clock, for 13 years.
#[derive(Debug, Clone, Copy, Default)]
struct Tenths(u32);

impl Tenths {
    fn of(time: Duration) -> Self {
        Self(u32::try_from(time.as_millis() / 100).unwrap_or(u32::MAX))
    }
}

/// A time in tenths of a second, in 16 bits: 12 bits of it and how often they are doubled. Exact to one part in 2,000, up
/// to five months.
#[derive(Debug, Clone, Copy, Default)]
struct Gap(u16);

impl Gap {
    const MANTISSA_BITS: u32 = 12;
    const MAX_MANTISSA: u32 = (1 << Self::MANTISSA_BITS) - 1;
    const MAX_DOUBLINGS: u32 = 15;

    fn between(before: Tenths, after: Tenths) -> Self {
        let tenths = after.0.saturating_sub(before.0);
        let bits = u32::BITS - tenths.leading_zeros();
        let doublings = bits.saturating_sub(Self::MANTISSA_BITS);
        if doublings > Self::MAX_DOUBLINGS {
            return Self(u16::MAX);
        }
        let mantissa = (tenths >> doublings).min(Self::MAX_MANTISSA);
        Self((doublings << Self::MANTISSA_BITS | mantissa) as u16)
    }

    fn tenths(self) -> u64 {
        let mantissa = u64::from(self.0) & u64::from(Self::MAX_MANTISSA);
        mantissa << (self.0 >> Self::MANTISSA_BITS)
    }
}

#[cfg(test)]
#[path = "commits_tests.rs"]
mod tests;
