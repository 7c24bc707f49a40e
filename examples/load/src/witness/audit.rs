//! Compares one partition's log with its account.

use crate::ledger::PartitionAccount;

use super::{RecordName, SAMPLES, WitnessReport};

/// What was seen of a partition so far: a bit for each sequence number that was sent.
pub(super) struct Audit {
    account: PartitionAccount,
    seen: Vec<u64>,
    highest: Option<u64>,
    duplicated: u64,
    out_of_order: u64,
    foreign: u64,
}

impl Audit {
    pub(super) fn new(account: &PartitionAccount) -> Self {
        let words = usize::try_from(account.sent.div_ceil(64)).unwrap_or(usize::MAX);
        Self {
            account: account.clone(),
            seen: vec![0; words],
            highest: None,
            duplicated: 0,
            out_of_order: 0,
            foreign: 0,
        }
    }

    /// Takes the next record of the log.
    pub(super) fn observe(&mut self, sequence: u64) {
        if sequence >= self.account.sent {
            self.foreign += 1;
            return;
        }
        if self.has_seen(sequence) {
            self.duplicated += 1;
        } else if self.highest.is_some_and(|highest| sequence < highest) {
            self.out_of_order += 1;
        }
        self.highest = self.highest.max(Some(sequence));
        let (word, bit) = place(sequence);
        if let Some(word) = self.seen.get_mut(word) {
            *word |= bit;
        }
    }

    pub(super) fn observe_foreign(&mut self) {
        self.foreign += 1;
    }

    /// Adds what this partition's log proves, once it has been read to its end.
    pub(super) fn finish(self, report: &mut WitnessReport) {
        report.acknowledged += self.account.acknowledged();
        report.duplicated += self.duplicated;
        report.out_of_order += self.out_of_order;
        report.foreign += self.foreign;
        for sequence in 0..self.account.sent {
            let acknowledged = !self.account.unacknowledged.contains(&sequence);
            match (acknowledged, self.has_seen(sequence)) {
                (true, false) => {
                    report.lost += 1;
                    if report.lost_samples.len() < SAMPLES {
                        report.lost_samples.push(RecordName {
                            topic: self.account.topic.clone(),
                            partition: self.account.partition,
                            sequence,
                        });
                    }
                }
                (false, true) => report.unacknowledged_but_there += 1,
                (true, true) | (false, false) => {}
            }
        }
    }

    fn has_seen(&self, sequence: u64) -> bool {
        let (word, bit) = place(sequence);
        self.seen.get(word).is_some_and(|word| word & bit != 0)
    }
}

fn place(sequence: u64) -> (usize, u64) {
    (
        usize::try_from(sequence / 64).unwrap_or(usize::MAX),
        1 << (sequence % 64),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audit(sent: u64, unacknowledged: &[u64], log: &[u64]) -> WitnessReport {
        let mut audit = Audit::new(&PartitionAccount {
            topic: "t".to_owned(),
            partition: 0,
            sent,
            unacknowledged: unacknowledged.iter().copied().collect(),
            bytes: 0,
        });
        log.iter().for_each(|&sequence| audit.observe(sequence));
        let mut report = WitnessReport::default();
        audit.finish(&mut report);
        report
    }

    #[test]
    fn a_log_with_every_record_once_and_in_order_is_clean() {
        let all: Vec<u64> = (0..200).collect();
        let report = audit(200, &[], &all);
        assert!(report.is_clean());
        assert_eq!(report.acknowledged, 200);
    }

    #[test]
    fn an_acknowledged_record_that_is_not_there_is_lost_and_an_unacknowledged_one_is_not() {
        let report = audit(4, &[2], &[0, 3]);
        assert_eq!((report.acknowledged, report.lost), (3, 1));
        assert_eq!(report.lost_samples[0].sequence, 1);
    }

    #[test]
    fn repeats_and_late_comers_are_told_apart() {
        let report = audit(4, &[], &[0, 2, 2, 1, 3, 0]);
        assert_eq!((report.duplicated, report.out_of_order, report.lost), (2, 1, 0));
    }

    #[test]
    fn a_record_that_was_never_acknowledged_may_be_there_and_one_that_was_never_sent_is_foreign() {
        let report = audit(2, &[1], &[0, 1, 2]);
        assert_eq!((report.unacknowledged_but_there, report.foreign), (1, 1));
        assert!(report.is_clean());
    }
}
