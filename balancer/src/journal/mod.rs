//! The journal: what this balancer has set out to do and what it has put into Kafka, written before it is done.
//!
//! A journal is a [`CompactedLog`] of versioned JSON values. Its state is the fold of its records, so that a balancer
//! that starts knows exactly what the one before it knew. Records that cannot be understood are left alone and named.
//!
//! What is live of it stays below 100 MB however long a balancer runs, and is a few megabytes at most in practice: at most
//! 10,000 moves of one plan with 2.5 kB each, their throttles, 50 plans that are over with 750 kB each, an hour's account
//! by minute, 1.5 kB for each of 20,000 partitions that cool down, and half a kB for each of 1,000 topics whose replicas are
//! to be more or fewer.

mod calendar;
mod codec;
mod record;
mod state;
mod versions;

use kafka::CompactedLog;
use kafka::compacted_log::{Entry, LogError, LogWriter};
use thiserror::Error;

pub use codec::{Record, Skipped};
pub use record::{
    BrokerThrottle, CoolDown, Direction, Doubt, Drain, FinishedMove, FinishedPlan, Mode, MoveProgress,
    MoveState, Outcome, Phase, PlanHead, PlanId, Replication, Spent, StopHow, Timestamp, TopicThrottle,
    WhyDoubt,
};
pub use state::{ActivePlan, ExecutionState};

/// Why the journal could not be read or written.
#[derive(Debug, Error)]
pub enum JournalError {
    /// Another balancer has opened the journal. This one must not act any more.
    #[error("another balancer has taken over; this one stops")]
    Fenced,
    /// The journal's log failed. What was to be written is kept and written before anything else.
    #[error("the journal cannot be reached; nothing is changed in Kafka until it can")]
    Unavailable(#[source] LogError),
    /// The journal has to be opened again, which fences whoever may have opened it meanwhile.
    #[error("the journal has to be opened again")]
    Closed(#[source] LogError),
    /// A value cannot be put into JSON.
    #[error("a record cannot be written as JSON")]
    Unwritable(#[source] serde_json::Error),
}

/// The journal, opened by its one writer.
pub struct Journal<L: CompactedLog> {
    writer: L::Writer,
    state: ExecutionState,
    /// Records that the state has and the log may lack. Writing them again is harmless.
    unwritten: Vec<Entry>,
    skipped: Vec<Skipped>,
}

impl<L: CompactedLog> Journal<L> {
    /// Fences whoever had it open, then reads all of it.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unavailable`]; [`JournalError::Fenced`] when another one opens it at the same time.
    pub async fn open(log: &L) -> Result<Self, JournalError> {
        let (writer, entries) = log.open().await.map_err(JournalError::from)?;
        let mut state = ExecutionState::default();
        let mut skipped = Vec::new();
        for entry in &entries {
            match Record::from_entry(entry) {
                Ok(record) => state.apply(record),
                Err(skip) => skipped.push(skip),
            }
        }
        Ok(Self {
            writer,
            state,
            unwritten: Vec::new(),
            skipped,
        })
    }

    /// The fold of all records.
    pub fn state(&self) -> &ExecutionState {
        &self.state
    }

    /// The records that were found on opening, could not be understood and have not been written anew since.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Writes records, all or none, together with any that could not be written before.
    ///
    /// # Errors
    ///
    /// After any error the caller must not act on these records. They are part of the state all the same, as they
    /// would be after a crash between writing and acting.
    pub async fn record(&mut self, records: Vec<Record>) -> Result<(), JournalError> {
        for record in records {
            let entry = record.to_entry().map_err(JournalError::Unwritable)?;
            self.unwritten.retain(|present| present.key != entry.key);
            self.skipped.retain(|skipped| skipped.key != entry.key);
            self.unwritten.push(entry);
            self.state.apply(record);
        }
        if self.unwritten.is_empty() {
            return Ok(());
        }
        self.writer.append(self.unwritten.clone()).await?;
        self.unwritten.clear();
        Ok(())
    }
}

impl From<LogError> for JournalError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Fenced => Self::Fenced,
            LogError::Closed(_) => Self::Closed(error),
            other => Self::Unavailable(other),
        }
    }
}

#[cfg(test)]
mod tests;
