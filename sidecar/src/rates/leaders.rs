//! Dividing a topic's exact traffic over the partitions of it that the broker leads.

use super::growth::{Growth, Tenure};
use crate::consumption::Consumption;
use crate::report::Confidence;

/// How far weights may be from what was counted, all of them together, to be taken for measurements: by that much a figure
/// called weighted may be wrong.
const CLOSE: f64 = 0.10;

/// The part of a topic's bytes below which it does not matter whether a figure is a part of that more or less.
const LITTLE: f64 = 0.01;

/// How far the growth of logs may be from what was counted for their bytes per record to be learnt. Both are read a few
/// milliseconds after one another.
const VERY_CLOSE: f64 = 0.03;

/// A rate and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Share {
    pub(super) rate: f64,
    pub(super) confidence: Confidence,
}

/// The partitions of one topic that the broker leads.
pub(super) struct Leaders {
    pub(super) growths: Vec<Growth>,
    /// How many it led at first and does not lead any more.
    pub(super) departed: usize,
    /// Whether logs and counters are of the same window.
    pub(super) same_window: bool,
    /// Whether the topic's bytes out may be of partitions that the broker follows; none where nobody tells.
    pub(super) others_count: Option<bool>,
    /// Whether the logs hold something else than was written to them: compacted, or compressed anew.
    pub(super) rewritten: bool,
}

impl Leaders {
    /// Whether the same partitions were led all the time, so that they account for all of the topic's traffic.
    fn unchanged(&self) -> bool {
        let throughout = |growth: &Growth| growth.tenure == Tenure::Throughout;
        self.departed == 0 && self.growths.iter().all(throughout)
    }

    fn measured(&self) -> Vec<f64> {
        self.growths.iter().map(Growth::measured).collect()
    }

    /// Divides the bytes from producers, and learns from them how large records are.
    pub(super) fn bytes_in(&mut self, total: Option<f64>) -> Vec<Share> {
        let Some(total) = total else {
            if !self.rewritten {
                self.learn();
            }
            return self.unscaled(1.0, 0.0);
        };
        if !self.unchanged() {
            return self.changed(total);
        }
        let measured = self.measured();
        if is_within(VERY_CLOSE, &measured, total) {
            self.learn();
        }
        let receivers = measured.iter().filter(|bytes| **bytes > 0.0).count();
        if receivers == 0 {
            return self.evenly(total);
        }
        let estimated: Vec<f64> = self.growths.iter().map(Growth::estimated).collect();
        // Logs that were cleaned in the window, or that Kafka compresses anew, grew by something else than was written.
        let (weights, confidence) = if receivers == 1 {
            (measured, Confidence::Exact)
        } else if is_within(CLOSE, &measured, total) {
            (measured, Confidence::Weighted)
        } else if is_within(CLOSE, &estimated, total) {
            (estimated, Confidence::Weighted)
        } else {
            (measured, Confidence::Even)
        };
        self.shares(divide(total, &weights), confidence)
    }

    /// Some of the traffic went to partitions that came or went, nobody knows how much. What is measured of the others
    /// stands, but never exceeds what was counted; what is left over is for the unknown ones.
    fn changed(&self, total: f64) -> Vec<Share> {
        let measured: f64 = self.measured().iter().sum();
        // More grew than was counted: some of it was counted where it was led before.
        let scale = if measured > total { total / measured } else { 1.0 };
        let unknown = |growth: &&Growth| growth.tenure == Tenure::Unknown;
        let unknown = self.growths.iter().filter(unknown).count();
        let left_over = (total - measured).max(0.0) / (unknown + self.departed).max(1) as f64;
        self.unscaled(scale, left_over)
    }

    /// Divides the bytes to consumers.
    pub(super) fn bytes_out(
        &self,
        total: Option<f64>,
        consumption: &[Consumption],
        bytes_in: &[Share],
    ) -> Vec<Share> {
        let growths = self.growths.iter().zip(consumption);
        let committed: Vec<f64> = growths
            .map(|(growth, of)| growth.consumed(of.records_per_second))
            .collect();
        let Some(total) = total else {
            return self.shares(committed, Confidence::Even);
        };
        if total == 0.0 || (self.growths.len() == 1 && self.others_count == Some(false)) {
            return self.evenly(total);
        }
        // Consumers that commit nothing and keep up read what is written.
        let weights = if committed.iter().any(|bytes| *bytes > 0.0) {
            committed
        } else {
            rates(bytes_in)
        };
        if self.others_count != Some(false) {
            return self.guess(total, &weights);
        }
        let read = self.read(consumption, bytes_in);
        let unexplained = (read.iter().sum::<f64>() - total).abs();
        if unexplained > CLOSE * total {
            return self.guess(total, &weights);
        }
        // It may all be of one partition.
        let sure = |growth: &Growth, rate: f64| {
            growth.tenure == Tenure::Throughout && unexplained <= CLOSE * rate.max(LITTLE * total)
        };
        let mut shares = self.shares(divide(total, &read), Confidence::Weighted);
        for (share, growth) in shares.iter_mut().zip(&self.growths) {
            if !sure(growth, share.rate) {
                share.confidence = Confidence::Even;
            }
        }
        shares
    }

    /// What groups that have caught up read: what was written, as the counter confirms it, or else as the logs hold it, since
    /// that is what is read where Kafka compresses anew.
    fn read(&self, consumption: &[Consumption], bytes_in: &[Share]) -> Vec<f64> {
        let is_guess = |share: &Share| share.confidence == Confidence::Even;
        let written = if bytes_in.iter().all(is_guess) {
            self.measured()
        } else {
            rates(bytes_in)
        };
        let readers = consumption.iter().map(|of| f64::from(of.groups_caught_up));
        written
            .iter()
            .zip(readers)
            .map(|(bytes, groups)| bytes * groups)
            .collect()
    }

    fn guess(&self, total: f64, weights: &[f64]) -> Vec<Share> {
        if weights.iter().sum::<f64>() > 0.0 {
            self.shares(divide(total, weights), Confidence::Even)
        } else {
            let share = total / self.growths.len() as f64;
            self.shares(vec![share; self.growths.len()], Confidence::Even)
        }
    }

    /// Divides a total that nothing is known about but its sum. It is exact where there is nothing to divide.
    fn evenly(&self, total: f64) -> Vec<Share> {
        let certain = self.unchanged() && (total == 0.0 || self.growths.len() == 1);
        let share = total / self.growths.len() as f64;
        let confidence = if certain {
            Confidence::Exact
        } else {
            Confidence::Even
        };
        self.shares(vec![share; self.growths.len()], confidence)
    }

    fn unscaled(&self, scale: f64, unknown: f64) -> Vec<Share> {
        let is_measured = !self.rewritten && is_close(CLOSE, scale, 1.0);
        let known = if is_measured {
            Confidence::Weighted
        } else {
            Confidence::Even
        };
        let share = |growth: &Growth| match growth.tenure {
            Tenure::Unknown => Share {
                rate: unknown,
                confidence: Confidence::Even,
            },
            Tenure::Throughout | Tenure::Joined => Share {
                rate: growth.measured() * scale,
                confidence: known,
            },
        };
        self.growths.iter().map(share).collect()
    }

    fn learn(&mut self) {
        self.growths.iter_mut().for_each(Growth::learn);
    }

    fn shares(&self, rates: Vec<f64>, confidence: Confidence) -> Vec<Share> {
        let limit = if self.same_window {
            Confidence::Exact
        } else {
            Confidence::Weighted
        };
        let confidence = confidence.min(limit);
        rates.into_iter().map(|rate| Share { rate, confidence }).collect()
    }
}

fn is_within(tolerance: f64, weights: &[f64], total: f64) -> bool {
    is_close(tolerance, weights.iter().sum(), total)
}

fn is_close(tolerance: f64, found: f64, total: f64) -> bool {
    (found - total).abs() <= tolerance * total
}

fn rates(shares: &[Share]) -> Vec<f64> {
    shares.iter().map(|share| share.rate).collect()
}

/// Divides a total by weights, of which some are above 0.
fn divide(total: f64, weights: &[f64]) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| total * (weight / sum)).collect()
}
