//! A log of keyed records with one writer at a time: a compacted Kafka topic written with a transactional id.
//!
//! Opening it fences whoever had it open (KIP-98: `InitProducerId` raises the epoch of the transactional id), and
//! only then reads, so that nothing a predecessor wrote can be missed or come later.

use std::future::Future;

use thiserror::Error;

use crate::error::ClusterError;

/// One keyed record. A log keeps at least the last record of each key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What the record is about.
    pub key: String,
    /// Its content; none removes the key.
    pub value: Option<Vec<u8>>,
}

/// Why a record could not be read or written.
#[derive(Debug, Error)]
pub enum LogError {
    /// Another writer has opened the log. This one must not act any more.
    #[error("another writer has opened the log; this one must stop")]
    Fenced,
    /// The log could not be read or written; whether an append took effect may be unknown.
    #[error("the log cannot be reached")]
    Unavailable(#[source] ClusterError),
    /// This writer cannot go on, though nobody is known to have taken over: Kafka ended its transaction while it was asleep or
    /// cut off, for instance. Opening the log again helps.
    #[error("this writer cannot go on; the log has to be opened again")]
    Closed(#[source] ClusterError),
    /// More is in the log than this program is willing to hold.
    #[error("the log holds more than {limit} bytes of live records; refusing to read it")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
}

/// Where a log can be opened.
pub trait CompactedLog: Send + Sync + 'static {
    /// The writer's end.
    type Writer: LogWriter;

    /// Fences the previous writer, then reads the last record of each key, in the order in which they were written.
    fn open(&self) -> impl Future<Output = Result<(Self::Writer, Vec<Entry>), LogError>> + Send;
}

/// The one writer of a log.
pub trait LogWriter: Send + 'static {
    /// Writes all entries or none, and returns when a majority of in-sync replicas has them.
    ///
    /// # Errors
    ///
    /// [`LogError::Fenced`] is final. After [`LogError::Unavailable`] the entries may or may not be in the log;
    /// writing them again is harmless, since the last record of a key wins.
    fn append(&mut self, entries: Vec<Entry>) -> impl Future<Output = Result<(), LogError>> + Send;
}
