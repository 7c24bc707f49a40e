//! A recorded day: one snapshot a line, a fixed time apart.

use std::io::BufRead;
use std::time::Duration;

use kafka::ids::BrokerId;
use thiserror::Error;

use super::Source;
use crate::model::snapshot::{self, SnapshotError};
use crate::model::{BrokerState, Model};

/// A recording that cannot be read.
#[derive(Debug, Error)]
pub enum RecordingError {
    /// The file cannot be read.
    #[error("line {line} cannot be read: {source}")]
    Unreadable {
        /// Counted from 1.
        line: usize,
        /// Why.
        source: std::io::Error,
    },
    /// A line is no snapshot.
    #[error("line {line}: {source}")]
    Snapshot {
        /// Counted from 1.
        line: usize,
        /// Why.
        source: SnapshotError,
    },
    /// There is no line.
    #[error("there is no snapshot; write some with `kafka-balancer snapshot --every 60s`")]
    Empty,
}

/// Snapshots that are read as the day goes on. Loads and lost brokers are those of the latest one; where partitions are
/// placed is the simulation's own matter after the first.
#[derive(Debug)]
pub struct Recording<R> {
    lines: R,
    every: Duration,
    line: usize,
    latest: Model,
}

impl<R: BufRead> Recording<R> {
    /// Starts with the first line.
    ///
    /// # Errors
    ///
    /// There is none, or it is no snapshot.
    pub fn open(mut lines: R, every: Duration) -> Result<Self, RecordingError> {
        let latest = next(&mut lines, 1)?.ok_or(RecordingError::Empty)?;
        Ok(Self {
            lines,
            every,
            line: 1,
            latest,
        })
    }

    /// The cluster at the start.
    pub fn start(&self) -> &Model {
        &self.latest
    }
}

fn next(lines: &mut impl BufRead, line: usize) -> Result<Option<Model>, RecordingError> {
    let mut text = String::new();
    loop {
        text.clear();
        let read = lines
            .read_line(&mut text)
            .map_err(|source| RecordingError::Unreadable { line, source })?;
        if read == 0 {
            return Ok(None);
        }
        if !text.trim().is_empty() {
            let model = snapshot::read(text.as_bytes());
            return model
                .map(Some)
                .map_err(|source| RecordingError::Snapshot { line, source });
        }
    }
}

impl<R: BufRead> Source for Recording<R> {
    type Error = RecordingError;

    fn at(&mut self, placed: &Model, moment: Duration) -> Result<Model, RecordingError> {
        while self.every * u32::try_from(self.line).unwrap_or(u32::MAX) <= moment {
            self.line += 1;
            // After the last line its load goes on.
            let Some(model) = next(&mut self.lines, self.line)? else {
                break;
            };
            self.latest = model;
        }
        let latest = &self.latest;
        Ok(placed.with_loads(|row| {
            let known = latest.find(&placed.name(row));
            known.map_or_else(|| *placed.load(row), |known| *latest.load(known))
        }))
    }

    fn away(&self, _moment: Duration) -> Vec<BrokerId> {
        let brokers = self.latest.brokers().map(|row| self.latest.broker(row));
        let dead = brokers.filter(|broker| broker.state == BrokerState::Dead);
        dead.map(|broker| broker.id).collect()
    }
}
