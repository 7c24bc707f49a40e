//! A compacted log in memory, with fencing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::faults::Faults;
use super::{Fault, Operation, travel};
use crate::compacted_log::{CompactedLog, Entry, LogError, LogWriter};

/// A compacted log in memory. Clones are handles of the same log.
#[derive(Debug, Clone, Default)]
pub struct SimulatedLog {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    epoch: u64,
    most_bytes: Option<usize>,
    /// The last record of each key that has one, in the order in which they were written.
    entries: Vec<Entry>,
    faults: Faults,
}

/// The writer's end of a [`SimulatedLog`].
#[derive(Debug)]
pub struct SimulatedLogWriter {
    shared: Arc<Mutex<Shared>>,
    epoch: u64,
}

impl SimulatedLog {
    /// A log that is not read when its live records have more bytes than this.
    pub fn with_limit(bytes: usize) -> Self {
        let log = Self::default();
        lock(&log.shared).most_bytes = Some(bytes);
        log
    }

    /// Asks `fault` before each request whether and how it fails. Replaces an earlier one.
    pub fn inject(&self, fault: impl FnMut(Operation) -> Option<Fault> + Send + 'static) {
        lock(&self.shared).faults.decide_by(fault);
    }

    /// Lets every request succeed again.
    pub fn inject_nothing(&self) {
        self.inject(|_| None);
    }

    /// Lets each request take this long: half of it before it takes effect, half after.
    pub fn set_latency(&self, latency: Duration) {
        lock(&self.shared).faults.set_latency(latency);
    }

    /// The last record of each key, in the order in which they were written.
    pub fn entries(&self) -> Vec<Entry> {
        lock(&self.shared).entries.clone()
    }
}

impl Shared {
    fn bytes(&self) -> usize {
        let value = |entry: &Entry| entry.value.as_ref().map_or(0, Vec::len);
        self.entries
            .iter()
            .map(|entry| entry.key.len() + value(entry))
            .sum()
    }
}

impl CompactedLog for SimulatedLog {
    type Writer = SimulatedLogWriter;

    async fn open(&self) -> Result<(SimulatedLogWriter, Vec<Entry>), LogError> {
        request(&self.shared, Operation::OpenLog, |shared| {
            shared.epoch += 1;
            if let Some(limit) = shared.most_bytes
                && shared.bytes() > limit
            {
                return Err(LogError::TooLarge { limit });
            }
            let writer = SimulatedLogWriter {
                shared: Arc::clone(&self.shared),
                epoch: shared.epoch,
            };
            Ok((writer, shared.entries.clone()))
        })
        .await
    }
}

impl LogWriter for SimulatedLogWriter {
    async fn append(&mut self, entries: Vec<Entry>) -> Result<(), LogError> {
        let epoch = self.epoch;
        request(&self.shared, Operation::Append, |shared| {
            if shared.epoch != epoch {
                return Err(LogError::Fenced);
            }
            for entry in entries {
                shared.entries.retain(|present| present.key != entry.key);
                if entry.value.is_some() {
                    shared.entries.push(entry);
                }
            }
            Ok(())
        })
        .await
    }
}

async fn request<T>(
    shared: &Arc<Mutex<Shared>>,
    operation: Operation,
    effect: impl FnOnce(&mut Shared) -> Result<T, LogError> + Send,
) -> Result<T, LogError> {
    let (fault, way) = lock(shared).faults.meet(operation);
    travel(way).await;
    let lost = || LogError::Unavailable(operation.timed_out());
    match fault {
        None => {
            let answer = effect(&mut lock(shared));
            travel(way).await;
            answer
        }
        Some(Fault::Lost | Fault::Refused) => Err(lost()),
        Some(Fault::AnswerLost) => {
            effect(&mut lock(shared))?;
            Err(lost())
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
