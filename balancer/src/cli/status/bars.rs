//! Bars of utilisation that are read without colour: pure.

/// How many columns a bar takes.
const CELLS: usize = 8;

/// The scale of a resource's bars, the same for all brokers so that they can be compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    mean: f64,
    hot_above: f64,
    /// The utilisation at which a bar is full.
    full: f64,
}

impl Scale {
    /// Bars of which the fullest broker's, or the threshold, takes all of the width.
    pub(super) fn new(mean: f64, hot_above: f64, fullest: f64) -> Self {
        Self {
            mean,
            hot_above,
            full: fullest.max(hot_above),
        }
    }

    /// A utilisation in parts of a full bar.
    pub(super) fn part(&self, utilisation: f64) -> f64 {
        if self.full > 0.0 {
            utilisation / self.full
        } else {
            0.0
        }
    }

    /// Whether a broker with this utilisation gets hot if it stays there.
    pub(super) fn is_beyond(&self, utilisation: f64) -> bool {
        self.hot_above > 0.0 && utilisation > self.hot_above
    }

    /// A bar up to `utilisation`, with a thin line at the mean and a thick one from where a broker is hot.
    pub(super) fn bar(&self, utilisation: f64) -> String {
        let mean = self.cell(self.mean).min(CELLS - 2);
        let hot = self.cell(self.hot_above).max(mean + 1);
        let is_marked = self.hot_above > 0.0;
        let glyph = |cell: usize| match cell {
            _ if is_marked && cell == mean => '│',
            _ if is_marked && cell == hot => '┃',
            _ if self.full * (cell as f64 + 0.5) / CELLS as f64 <= utilisation && utilisation > 0.0 => '█',
            _ => '·',
        };
        (0..CELLS).map(glyph).collect()
    }

    /// The cell in which a utilisation ends.
    fn cell(&self, utilisation: f64) -> usize {
        // Saturates beyond the end, and where it is no number.
        ((self.part(utilisation) * CELLS as f64) as usize).min(CELLS - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_shows_where_the_mean_and_the_threshold_are_whether_it_reaches_them_or_not() {
        let scale = Scale::new(0.4, 0.44, 0.8);
        assert_eq!(scale.bar(0.8), "████│┃██");
        assert_eq!(scale.bar(0.4), "████│┃··");
        assert_eq!(scale.bar(0.1), "█···│┃··");
        assert_eq!(scale.bar(0.0), "····│┃··");
        assert_eq!(Scale::new(0.1, 0.8, 0.2).bar(0.2), "█│·····┃");
        assert_eq!(Scale::new(0.8, 0.8, 0.8).bar(0.8), "██████│┃");
    }

    #[test]
    fn a_balancer_that_says_no_threshold_gets_bars_without_marks() {
        assert_eq!(Scale::new(0.0, 0.0, 0.5).bar(0.5), "████████");
        assert_eq!(Scale::new(0.0, 0.0, 0.0).bar(0.0), "········");
        assert_eq!(Scale::new(f64::NAN, f64::NAN, f64::NAN).bar(f64::NAN), "········");
    }
}
