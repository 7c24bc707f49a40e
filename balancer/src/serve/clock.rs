//! The moments of the loop.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::journal::Timestamp;
use crate::observe::Moment;

/// Steady time for windows, wall-clock time for people and for the journal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start, by a clock that never goes back.
    pub(super) fn steady(self) -> Duration {
        self.0.elapsed()
    }

    pub(super) fn moment(self) -> Moment {
        Moment {
            steady: self.steady(),
            unix_ms: unix_ms(),
        }
    }

    pub(super) fn timestamp(self) -> Timestamp {
        Timestamp(unix_ms())
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
