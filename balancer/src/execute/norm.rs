//! How long producers' requests usually take, and whether they take longer: pure.

/// How many times longer they may take, at least, before that is seen as more than chance.
const LONGER: f64 = 1.3;

/// How many mean deviations longer that is where times vary by more.
const DEVIATIONS: f64 = 2.0;

/// Milliseconds that they may take longer whatever they took before: what brokers' own doings cost.
const SLACK_MS: f64 = 2.0;

/// How many times more than may be chance cannot be.
const CERTAIN: f64 = 3.0;

/// How much of a new measurement goes into what is usual.
const LEARNING: f64 = 0.1;

/// What is felt of copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Felt {
    /// Requests take as long as they did before there were copies.
    #[default]
    No,
    /// They take longer, which may be chance.
    Perhaps,
    /// They take so much longer that it cannot be.
    Surely,
}

/// What is usual, in milliseconds: a mean and the mean deviation from it, learnt as TCP learns round-trip times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Norm {
    mean: f64,
    deviation: f64,
}

impl Norm {
    pub(super) fn new(first: f64) -> Self {
        Self {
            mean: first,
            deviation: 0.0,
        }
    }

    pub(super) fn learn(&mut self, now: f64) {
        self.deviation += LEARNING * ((now - self.mean).abs() - self.deviation);
        self.mean += LEARNING * (now - self.mean);
    }

    /// For measurements of which each may be too much.
    pub(super) fn learn_if_less(&mut self, now: f64) {
        self.mean += LEARNING * (now - self.mean).min(0.0);
    }

    pub(super) fn compare(&self, now: f64) -> Felt {
        let chance = ((LONGER - 1.0) * self.mean).max(DEVIATIONS * self.deviation) + SLACK_MS;
        let longer = now - self.mean;
        if longer > CERTAIN * chance {
            Felt::Surely
        } else if longer > chance {
            Felt::Perhaps
        } else {
            Felt::No
        }
    }
}
