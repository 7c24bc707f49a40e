//! What the probes of an orchestrator ask: does the loop that samples get on, and what do its sources say.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::report::{Source, SourceState};

/// How many intervals may pass without a step, beside the time that requests may take.
const PATIENCE: u32 = 10;

/// How a loop that samples is doing. The loop writes, the thread that serves reads; neither waits for the other.
#[derive(Debug)]
pub struct Probes {
    clock: Clock,
    stuck_after: Duration,
    last_step_ms: AtomicU64,
    sources: Mutex<BTreeMap<Source, SourceState>>,
}

impl Probes {
    /// Of a loop that samples every `interval`, and between two steps waits for others no longer than `waits`.
    pub fn new(clock: Clock, interval: Duration, waits: Duration) -> Self {
        Self {
            clock,
            stuck_after: interval * PATIENCE + waits,
            last_step_ms: AtomicU64::new(0),
            sources: Mutex::default(),
        }
    }

    /// Notes that the loop gets on. Sources that do not answer are no reason not to.
    pub fn step(&self) {
        let now = u64::try_from(self.clock.now().as_millis()).unwrap_or(u64::MAX);
        self.last_step_ms.store(now, Ordering::Relaxed);
    }

    /// Shows how each source did.
    pub fn show(&self, sources: BTreeMap<Source, SourceState>) {
        *self.sources.lock().unwrap_or_else(PoisonError::into_inner) = sources;
    }

    /// For how long the loop has been stuck, if it is; only a restart helps then.
    pub fn stuck_for(&self) -> Option<Duration> {
        let last = Duration::from_millis(self.last_step_ms.load(Ordering::Relaxed));
        let idle = self.clock.now().saturating_sub(last);
        (idle > self.stuck_after).then_some(idle)
    }

    /// A line to each source that was asked.
    pub fn sources(&self) -> String {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = String::new();
        for (source, state) in sources.iter() {
            let said = match &state.error {
                Some(error) => error.as_str(),
                None => "answers",
            };
            let _ = writeln!(lines, "{}: {said}", source.name());
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_loop_is_stuck_only_after_ten_intervals_and_all_that_it_may_wait_for() {
        let probes = Probes::new(Clock::start(), Duration::from_secs(5), Duration::from_secs(20));
        tokio::time::advance(Duration::from_secs(70)).await;
        assert_eq!(probes.stuck_for(), None);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(probes.stuck_for(), Some(Duration::from_secs(71)));
        probes.step();
        assert_eq!(probes.stuck_for(), None);
    }
}
