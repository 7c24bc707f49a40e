//! A compacted log in memory, with fencing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::faults::{Faults, Met, UnderWay};
use super::{Fault, Operation, travel};
use crate::compacted_log::{CompactedLog, Entry, LogError, LogWriter};

/// A compacted log in memory. Clones are handles of the same log.
#[derive(Debug, Clone, Default)]
pub struct SimulatedLog {
    shared: Arc<Mutex<Shared>>,
    faults: Arc<Mutex<Faults>>,
    under_way: UnderWay,
}

#[derive(Debug, Default)]
struct Shared {
    epoch: u64,
    most_bytes: Option<usize>,
    /// The last record of each key that has one, in the order in which they were written.
    entries: Vec<Entry>,
}

/// The writer's end of a [`SimulatedLog`].
#[derive(Debug)]
pub struct SimulatedLogWriter {
    log: SimulatedLog,
    epoch: u64,
}

impl SimulatedLog {
    /// A log that is not read when its live records have more bytes than this.
    pub fn with_limit(bytes: usize) -> Self {
        let log = Self::default();
        lock(&log.shared).most_bytes = Some(bytes);
        log
    }

    /// Another client of the same log, whose requests meet faults of their own.
    pub fn client(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            faults: Arc::default(),
            under_way: UnderWay::default(),
        }
    }

    /// Loses everything, as when somebody deletes the topic.
    pub fn clear(&self) {
        lock(&self.shared).entries.clear();
    }

    /// Puts a value in the place of a record's, as when something else writes to the topic.
    pub fn corrupt(&self, key: &str, value: &[u8]) {
        for entry in &mut lock(&self.shared).entries {
            if entry.key == key {
                entry.value = Some(value.to_vec());
            }
        }
    }

    /// Asks `fault` before each request whether and how it fails. Replaces an earlier one.
    pub fn inject(&self, fault: impl FnMut(Operation) -> Option<Fault> + Send + 'static) {
        lock(&self.faults).decide_by(fault);
    }

    /// Lets every request succeed again.
    pub fn inject_nothing(&self) {
        self.inject(|_| None);
    }

    /// How many requests of this client have not been answered yet.
    pub fn requests_under_way(&self) -> usize {
        self.under_way.count()
    }

    /// Lets the client wait this long for an answer that does not come.
    pub fn set_patience(&self, patience: Duration) {
        lock(&self.faults).set_patience(patience);
    }

    /// Lets each request take this long: half of it before it takes effect, half after.
    pub fn set_latency(&self, latency: Duration) {
        lock(&self.faults).set_latency(latency);
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
        self.request(Operation::OpenLog, |shared| {
            shared.epoch += 1;
            if let Some(limit) = shared.most_bytes
                && shared.bytes() > limit
            {
                return Err(LogError::TooLarge { limit });
            }
            let writer = SimulatedLogWriter {
                log: self.clone(),
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
        let written = self.log.request(Operation::Append, |shared| {
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
        });
        written.await
    }
}

impl SimulatedLog {
    async fn request<T>(
        &self,
        operation: Operation,
        effect: impl FnOnce(&mut Shared) -> Result<T, LogError> + Send,
    ) -> Result<T, LogError> {
        let _under_way = self.under_way.enter();
        let Met { fault, way, patience } = lock(&self.faults).meet(operation);
        travel(way).await;
        let lost = || LogError::Unavailable(operation.timed_out());
        match fault {
            None | Some(Fault::Stale) => {
                let answer = effect(&mut lock(&self.shared));
                travel(way).await;
                answer
            }
            Some(Fault::Late(time)) => {
                let answer = effect(&mut lock(&self.shared));
                travel(time).await;
                answer
            }
            Some(Fault::Refused(refusal) | Fault::EachRefused(refusal)) => {
                travel(way).await;
                Err(LogError::Unavailable(refusal.error()))
            }
            Some(Fault::Lost) => {
                travel(patience).await;
                Err(lost())
            }
            Some(Fault::AnswerLost) => {
                effect(&mut lock(&self.shared))?;
                travel(patience).await;
                Err(lost())
            }
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
