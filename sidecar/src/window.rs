//! Two readings and the time between them.

use std::time::Duration;

/// A window between two readings of one source.
#[derive(Debug)]
pub struct Window<'a, T> {
    /// The earlier reading.
    pub before: &'a T,
    /// The later reading.
    pub after: &'a T,
    /// Time between them, by a clock that never goes back. Not zero.
    pub elapsed: Duration,
}

// Derived ones would ask the same of `T`.
impl<T> Clone for Window<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Window<'_, T> {}

impl<T> Window<'_, T> {
    /// The same readings, so much time apart.
    #[must_use]
    pub fn over(self, elapsed: Duration) -> Self {
        Self { elapsed, ..self }
    }

    /// An amount over the window, as a rate per second.
    pub fn per_second(&self, amount: f64) -> f64 {
        amount / self.elapsed.as_secs_f64()
    }
}

/// How much a counter grew. One that fell was reset, and has counted from 0 since then.
pub fn growth(before: f64, after: f64) -> f64 {
    if after >= before {
        after - before
    } else {
        after.max(0.0)
    }
}
