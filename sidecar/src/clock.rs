//! The clocks of the two programs: steady time for windows, the calendar for people and for what outlives a restart.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Time since the start, which never goes back, and the calendar's.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    calendar: Calendar,
}

#[derive(Debug, Clone, Copy)]
enum Calendar {
    System,
    Steady,
    Shifted(&'static AtomicI64),
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
            calendar: Calendar::System,
        }
    }

    /// A clock that starts now, in 1970, and whose calendar goes with Tokio's clock; for simulations, in which that is
    /// paused.
    pub fn start_simulated() -> Self {
        Self {
            started: Instant::now(),
            calendar: Calendar::Steady,
        }
    }

    /// A clock that starts now, and whose calendar is ahead of the system's by so many milliseconds; for tests in which
    /// somebody sets the clock.
    pub fn start_shifted(ahead_ms: &'static AtomicI64) -> Self {
        Self {
            started: Instant::now(),
            calendar: Calendar::Shifted(ahead_ms),
        }
    }

    /// Time since the start.
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Milliseconds since the Unix epoch.
    pub fn unix_ms(&self) -> u64 {
        let system = || millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        match self.calendar {
            Calendar::System => system(),
            Calendar::Steady => millis(self.now()),
            Calendar::Shifted(ahead_ms) => system().saturating_add_signed(ahead_ms.load(Ordering::Relaxed)),
        }
    }

    /// Time until `after` the next multiple of `period` since the Unix epoch that is at least half a period away.
    ///
    /// All sidecars of a cluster sample at the multiples of their interval and the balancer looks a little later, so
    /// that a look finds samples of one and the same window, and finds them fresh. Where the clocks of hosts differ,
    /// it finds what it would have found anyway: windows that differ by as much.
    pub fn until_multiple(&self, period: Duration, after: Duration) -> Duration {
        let period = millis(period).max(1);
        let into = (self.unix_ms() + period - millis(after) % period) % period;
        let next = period - into;
        Duration::from_millis(if next < period / 2 { next + period } else { next })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn samples_are_a_whole_period_apart_however_long_each_takes() {
        let clock = Clock::start_simulated();
        let period = Duration::from_secs(5);
        for (taken, expected) in [
            (0, 5_000),
            (1_700, 10_000),
            (2_400, 15_000),
            (4_900, 25_000),
            (7_000, 35_000),
        ] {
            tokio::time::sleep(Duration::from_millis(taken)).await;
            tokio::time::sleep(clock.until_multiple(period, Duration::ZERO)).await;
            assert_eq!(clock.unix_ms(), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_comes_a_little_after_the_samples() {
        let clock = Clock::start_simulated();
        let period = Duration::from_secs(5);
        tokio::time::sleep(clock.until_multiple(period, period / 5)).await;
        assert_eq!(clock.unix_ms() % 5_000, 1_000);
    }
}
