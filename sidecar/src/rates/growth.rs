//! By how much logs grew, and what that says of what was written to them.

use kafka::TopicPartition;

use super::{Evidence, RecordSize};
use crate::logs::Replica;

/// How much of a new observation goes into the usual bytes per record.
const SMOOTHING: f64 = 0.3;

/// How much of the window the growth of a log is known for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tenure {
    /// The broker led the partition at both ends.
    Throughout,
    /// The broker followed in sync at first: its log grew as the leader's did.
    Joined,
    /// The replica is new, caught up, or its log was replaced: its growth says nothing about traffic.
    Unknown,
}

/// By how much a log grew, per second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Growth {
    pub(super) tenure: Tenure,
    /// Bytes that it grew by, where no segment was deleted.
    bytes: Option<f64>,
    /// Records that were appended.
    pub(super) records: f64,
    /// Bytes per record of this window.
    observed: Option<f64>,
    /// Bytes per record as they were known before it.
    pub(super) record_size: Option<RecordSize>,
}

impl Growth {
    /// By how much the log of a partition grew that the broker leads at the window's end.
    pub(super) fn of(evidence: Evidence<'_>, partition: &TopicPartition, after: &Replica) -> Self {
        let window = evidence.logs;
        let span = after.led.and_then(|led| led.span);
        let over_all = span
            .filter(|span| span.end > span.start && after.size > 0)
            .map(|span| RecordSize::Assumed(after.size as f64 / (span.end - span.start) as f64));
        let before = window.before.replicas.get(partition);
        let Some(before) = before.filter(|before| before.is_same_topic(after)) else {
            return Self::unknown(over_all);
        };
        let last = evidence.last.get(partition);
        let known = last
            .and_then(|rate| rate.record_size)
            .filter(|size| size.is_learnt());
        let record_size = known.or(over_all);
        let grown = after.size.checked_sub(before.size);
        let grown = grown.map(|bytes| window.per_second(bytes as f64));
        let Some(old_led) = before.led else {
            if !before.in_sync {
                return Self::unknown(record_size);
            }
            let bytes = grown.unwrap_or(0.0);
            return Self {
                tenure: Tenure::Joined,
                bytes: Some(bytes),
                records: record_size.map_or(0.0, |size| bytes / size.bytes()),
                ..Self::unknown(record_size)
            };
        };
        let (records, nothing_deleted) = match (old_led.span, span) {
            // Offsets go back only when records were lost in an unclean election.
            (Some(old), Some(new)) => ((new.end - old.end).max(0) as f64, old.start == new.start),
            (None, None) => (0.0, true),
            (None, Some(_)) | (Some(_), None) => return Self::unknown(record_size),
        };
        let records = window.per_second(records);
        let bytes = grown.filter(|bytes| nothing_deleted && *bytes > 0.0);
        Self {
            tenure: Tenure::Throughout,
            bytes,
            records,
            observed: bytes.filter(|_| records > 0.0).map(|bytes| bytes / records),
            record_size,
        }
    }

    fn unknown(record_size: Option<RecordSize>) -> Self {
        Self {
            tenure: Tenure::Unknown,
            bytes: None,
            records: 0.0,
            observed: None,
            record_size,
        }
    }

    /// Bytes per second as the log shows them, or as records at their usual size where it does not.
    pub(super) fn measured(&self) -> f64 {
        self.bytes.unwrap_or_else(|| self.estimated())
    }

    /// Bytes per second as records at their usual size.
    pub(super) fn estimated(&self) -> f64 {
        self.records * self.record_size.map_or(0.0, RecordSize::bytes)
    }

    /// The usual size with what this window showed of it.
    pub(super) fn learn(&mut self) {
        if let Some(observed) = self.observed {
            let usual = match self.record_size {
                Some(RecordSize::Learnt(usual)) => usual + SMOOTHING * (observed - usual),
                _ => observed,
            };
            self.record_size = Some(RecordSize::Learnt(usual));
        }
    }

    /// Bytes per second that consumers took of the partition, at so many records per second.
    pub(super) fn consumed(&self, records_per_second: f64) -> f64 {
        records_per_second.max(0.0) * self.record_size.map_or(1.0, RecordSize::bytes)
    }
}
