//! What copies may take of what a broker can spare: pure, and a step with each look.

use super::norm::Felt;

/// By what it grows in a second as long as copies have never been too much: from a hundredth to all in one and a half minutes.
const GROWTH: f64 = 1.05;

/// The same up to what was once too much, and a little beyond.
const RETURN: f64 = 1.01;

/// How far beyond what was once too much that is no longer a guess, and growth is as at the beginning.
const BEYOND: f64 = 1.25;

/// What is left when it is too much.
const CUT: f64 = 0.5;

/// Seconds without copies after which half is left, and ten of which Kafka looks back on.
const REST: f64 = 5.0;

/// Bytes per second that copies may take in one direction at one broker.
///
/// Kafka looks ten seconds back: of what a rate has grown by, ten seconds' worth pass at once, and a rate that was too much is seen late.
/// So it begins with the least there is and grows by parts of itself, slowly enough that it is not much more by the time
/// that what it did is seen.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Allowance {
    now: f64,
    /// What was too much when it was cut last.
    too_much: Option<f64>,
    /// Whether copies may have been felt in the last two looks, the later one first.
    felt: [bool; 2],
    /// The next look may still see what was before the cut.
    is_stale: bool,
}

/// Between what and what an allowance may be, in bytes per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    /// Less would keep copies from ever being over.
    pub(super) least: f64,
    /// What the broker can spare.
    pub(super) most: f64,
}

impl Allowance {
    pub(super) fn get(self) -> f64 {
        self.now
    }

    /// All there is, since nothing would ever say that it is too much.
    pub(super) fn all(bounds: Bounds) -> Self {
        Self {
            now: bounds.most,
            ..Self::default()
        }
    }

    /// Takes in what the last `seconds` of copies were felt as: it is cut when that was much, or when two looks of three saw something.
    pub(super) fn look(&mut self, felt: Felt, seconds: f64, bounds: Bounds) {
        let was_stale = std::mem::take(&mut self.is_stale);
        if !was_stale {
            let is_too_much = match felt {
                Felt::No => false,
                Felt::Perhaps => self.felt.contains(&true),
                Felt::Surely => true,
            };
            if is_too_much {
                self.cut();
            } else {
                self.felt = [felt != Felt::No, self.felt[0]];
                if felt == Felt::No {
                    self.now *= self.growth().powf(seconds);
                }
            }
        }
        self.keep_within(bounds);
    }

    /// Takes in that there were no copies for `seconds`.
    pub(super) fn rest(&mut self, seconds: f64, bounds: Bounds) {
        self.now *= CUT.powf(seconds / REST);
        // What was too much is less and less likely to be so again.
        self.too_much = self.too_much.map(|rate| rate * GROWTH.powf(seconds));
        self.felt = [false; 2];
        self.is_stale = false;
        self.keep_within(bounds);
    }

    fn cut(&mut self) {
        *self = Self {
            now: CUT * self.now,
            too_much: Some(self.now),
            felt: [false; 2],
            is_stale: true,
        };
    }

    fn growth(&self) -> f64 {
        match self.too_much {
            Some(rate) if self.now < BEYOND * rate => RETURN,
            _ => GROWTH,
        }
    }

    pub(super) fn keep_within(&mut self, bounds: Bounds) {
        self.now = self.now.min(bounds.most).max(bounds.least);
    }
}
