//! The part of a headroom that copies may take: pure, and a step with each look.

/// What copies begin with. Kafka lets ten seconds' worth of a new rate pass at once, so that even the first must be small.
const START: f64 = 1.0 / 32.0;

/// By how much a share grows with each look as long as producers have not been slowed down.
const GROWTH: f64 = 1.25;

/// What is left of a share when producers are slowed down.
const CUT: f64 = 0.5;

/// The least that a share falls to.
const LEAST: f64 = 1.0 / 64.0;

/// Looks that it takes to come back from half to all of a headroom. Less takes less: its cube root.
const RETURN: f64 = 30.0;

/// How steeply a share grows around the one that was too much: CUBIC's constant, per look cubed.
const STEEPNESS: f64 = (1.0 - CUT) / (RETURN * RETURN * RETURN);

/// A look whose measurements may be from before the last cut.
const STALE_LOOKS: u32 = 1;

/// A share from 0 to 1.
///
/// It begins small and grows by a quarter with each look. When it turns out to be too much, it is halved. From there it
/// grows quickly at first, slowly when it gets near what was too much, and faster again when that is too much no longer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Share {
    now: f64,
    /// How it was cut last.
    cut: Option<Cut>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Cut {
    /// What was too much, and what was left.
    from: f64,
    to: f64,
    /// Looks since.
    age: u32,
}

impl Default for Share {
    fn default() -> Self {
        Self {
            now: START,
            cut: None,
        }
    }
}

impl Share {
    /// All of the headroom, from the beginning.
    pub(super) fn all() -> Self {
        Self { now: 1.0, cut: None }
    }

    pub(super) fn get(self) -> f64 {
        self.now
    }

    /// Takes in whether the copies of this share slow producers down.
    pub(super) fn look(&mut self, is_too_much: bool) {
        if let Some(cut) = &mut self.cut {
            cut.age += 1;
            if cut.age <= STALE_LOOKS {
                return;
            }
        }
        if is_too_much {
            self.cut_from(self.now);
            return;
        }
        self.now = match self.cut {
            None => self.now * GROWTH,
            Some(cut) => cut.grown().max(self.now),
        }
        .min(1.0);
    }

    /// A look without copies. After some of them it begins anew, since Kafka forgets what has passed.
    pub(super) fn rest(&mut self) {
        if self.now <= START {
            *self = Self::default();
        } else if let Some(cut) = self.cut {
            self.cut_from(cut.from);
        } else {
            self.now *= CUT;
        }
    }

    fn cut_from(&mut self, from: f64) {
        self.now = (self.now * CUT).max(LEAST);
        self.cut = Some(Cut {
            from,
            to: self.now,
            age: 0,
        });
    }
}

impl Cut {
    /// What it has grown to.
    fn grown(&self) -> f64 {
        let back_after = ((self.from - self.to).max(0.0) / STEEPNESS).cbrt();
        self.from + STEEPNESS * (f64::from(self.age) - back_after).powi(3)
    }
}
