//! Whether figures are as true as they say they are.

use std::collections::BTreeMap;

use sidecar::report::Confidence;

use super::bench::{Counted, Figure, Figures};
use e2e::scene::Outcome;

/// How far a figure that is called exact may be from the truth, and one that is called weighted.
pub(crate) const EXACT: f64 = 0.01;
pub(crate) const WEIGHTED: f64 = 0.10;

/// What a window of the sidecar cannot tell from nothing, in bytes: what surrounds records on the wire.
const NOTHING: f64 = 2_000.0;

/// Which direction is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    In,
    Out,
}

/// The errors of what was judged so far, by what it was about and how sure the sidecar was.
#[derive(Debug, Default)]
pub(crate) struct Verdict(BTreeMap<(String, Confidence), Vec<f64>>);

impl Verdict {
    /// Compares one window with what clients counted, by partition. Sums over a topic's partitions on a broker may be off by
    /// `sums`.
    ///
    /// # Errors
    ///
    /// A figure is not as true as it says.
    pub(crate) fn judge(
        &mut self,
        about: &str,
        direction: Direction,
        counted: &Counted,
        figures: &Figures,
        sums: f64,
    ) -> Outcome {
        let mut by_broker: BTreeMap<(&str, i32), (f64, f64)> = BTreeMap::new();
        for (name, bytes) in counted {
            let figure = figures
                .get(name)
                .ok_or_else(|| format!("nobody tells of {name:?}"))?;
            let (said, confidence) = said(*figure, direction);
            let truth = *bytes as f64;
            let sum = by_broker.entry((&name.0, figure.broker)).or_default();
            sum.0 += said;
            sum.1 += truth;
            let off = error(said, truth);
            self.0
                .entry((about.to_owned(), confidence))
                .or_default()
                .push(off);
            let allowed = match confidence {
                Confidence::Exact => EXACT,
                Confidence::Weighted => WEIGHTED,
                Confidence::Even => continue,
            };
            if off > allowed {
                let message =
                    format!("{about}: {name:?} has {truth} and the sidecar says {said}, {confidence:?}");
                return Err(format!("{message}; {figures:#?}").into());
            }
        }
        for ((topic, broker), (said, truth)) in by_broker {
            if error(said, truth) > sums {
                return Err(
                    format!("{about}: {topic} has {truth} on broker {broker}, and it says {said}").into(),
                );
            }
        }
        Ok(())
    }

    /// How often the sidecar was how sure about this.
    pub(crate) fn times(&self, about: &str, confidence: Confidence) -> usize {
        self.0.get(&(about.to_owned(), confidence)).map_or(0, Vec::len)
    }
}

fn said(figure: Figure, direction: Direction) -> (f64, Confidence) {
    match direction {
        Direction::In => (figure.bytes_in, figure.bytes_in_confidence),
        Direction::Out => (figure.bytes_out, figure.bytes_out_confidence),
    }
}

fn error(said: f64, truth: f64) -> f64 {
    ((said - truth).abs() - NOTHING).max(0.0) / truth.max(1.0)
}

impl Drop for Verdict {
    /// Shows what was judged, also of a test that fails.
    fn drop(&mut self) {
        println!(
            "{:<34} {:<9} {:>7} {:>9} {:>9}",
            "about", "says", "figures", "median %", "most %"
        );
        for ((about, confidence), errors) in &mut self.0 {
            errors.sort_by(f64::total_cmp);
            let median = 100.0 * errors[errors.len() / 2];
            let most = 100.0 * errors.last().copied().unwrap_or_default();
            let said = format!("{confidence:?}").to_lowercase();
            println!(
                "{about:<34} {said:<9} {:>7} {median:>9.2} {most:>9.2}",
                errors.len()
            );
        }
    }
}
