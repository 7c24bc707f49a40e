//! What a producer knows to be in the log.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;

use crate::consumer::Consumption;
use crate::history::History;
use crate::latency::{self, Recorder};
use crate::record::BATCH_OVERHEAD_BYTES;

/// Reports of one batch come within microseconds of each other, those of the next with the next response.
const SAME_BATCH: Duration = Duration::from_micros(500);

/// The truth about a load that has ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Accounts {
    /// Tells this load's records from others in the same topics.
    pub run: u64,
    /// Each partition written to.
    pub partitions: Vec<PartitionAccount>,
    /// What each group read.
    pub consumed: Vec<Consumption>,
}

/// The truth about one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartitionAccount {
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// How many records were sent; they have the sequence numbers from 0 to this, exclusive.
    pub sent: u64,
    /// The sequence numbers of those that were not acknowledged. They may be in the log all the same.
    pub unacknowledged: BTreeSet<u64>,
    /// The bytes of the acknowledged ones in the log, batch headers included.
    pub bytes: u64,
}

impl PartitionAccount {
    /// How many records were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.sent.saturating_sub(self.unacknowledged.len() as u64)
    }
}

/// One producer's book.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) partitions: Vec<PartitionLedger>,
    pub(crate) since_last: Recorder,
    pub(crate) overall: Recorder,
    last_report: Option<(usize, Instant)>,
}

#[derive(Debug)]
pub(crate) struct PartitionLedger {
    pub(crate) account: PartitionAccount,
    pub(crate) history: History,
}

/// A record on its way.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The partition's index in the ledger.
    pub(crate) partition: usize,
    pub(crate) sequence: u64,
    pub(crate) bytes: u64,
    pub(crate) at: Instant,
}

impl Ledger {
    pub(crate) fn new(
        partitions: impl Iterator<Item = (String, i32)>,
    ) -> Result<Self, hdrhistogram::CreationError> {
        let open = |(topic, partition)| PartitionLedger {
            account: PartitionAccount {
                topic,
                partition,
                sent: 0,
                unacknowledged: BTreeSet::new(),
                bytes: 0,
            },
            history: History::default(),
        };
        Ok(Self {
            partitions: partitions.map(open).collect(),
            since_last: latency::recorder()?,
            overall: latency::recorder()?,
            last_report: None,
        })
    }

    /// Books a record as sent. Until its acknowledgement is booked it counts as not acknowledged.
    pub(crate) fn sent(&mut self, partition: usize, sequence: u64) {
        let account = &mut self.partitions[partition].account;
        account.sent += 1;
        account.unacknowledged.insert(sequence);
    }

    /// Whether a record that was sent has been acknowledged.
    pub(crate) fn has_acknowledged(&self, partition: usize, sequence: u64) -> bool {
        !self.partitions[partition]
            .account
            .unacknowledged
            .contains(&sequence)
    }

    /// Books an acknowledgement. A batch's header is booked with its first record; where batches begin is
    /// not reported, but in one response a partition has one batch.
    pub(crate) fn acknowledged(&mut self, sent: &Sent, now: Instant, wall: SystemTime) {
        let same_batch = self.last_report.is_some_and(|(partition, at)| {
            partition == sent.partition && now.saturating_duration_since(at) < SAME_BATCH
        });
        self.last_report = Some((sent.partition, now));
        let bytes = if same_batch {
            sent.bytes
        } else {
            sent.bytes + BATCH_OVERHEAD_BYTES
        };
        let ledger = &mut self.partitions[sent.partition];
        ledger.account.unacknowledged.remove(&sent.sequence);
        ledger.account.bytes += bytes;
        ledger.history.add(wall, bytes);
        let latency = now.saturating_duration_since(sent.at);
        for recorder in [&mut self.since_last, &mut self.overall] {
            latency::record(recorder, latency);
        }
    }
}
