//! How figures are shown: units, colours, words.

use serde_json::{Value, json};

/// A unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A number of things.
    Count,
    /// One figure over another.
    Ratio,
    /// 0 to 1, shown in percent.
    Share,
    /// Bytes on disks and networks, in powers of ten.
    Bytes,
    /// Bytes of memory, in powers of two.
    Memory,
    /// Bytes per second.
    BytesPerSecond,
    /// Records.
    Records,
    /// Records per second.
    RecordsPerSecond,
    /// Requests per second.
    RequestsPerSecond,
    /// Other events per second.
    PerSecond,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

impl Unit {
    /// Grafana's name of it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Count => "short",
            Self::Ratio => "none",
            Self::Share => "percentunit",
            Self::Bytes => "decbytes",
            Self::Memory => "bytes",
            Self::BytesPerSecond => "Bps",
            Self::Records => "suffix: records",
            Self::RecordsPerSecond => "suffix: records/s",
            Self::RequestsPerSecond => "reqps",
            Self::PerSecond => "cps",
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
        }
    }
}

/// A colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    /// As it should be.
    Green,
    /// Look at it.
    Orange,
    /// Act.
    Red,
    /// Neither good nor bad.
    Blue,
    /// Unimportant.
    Grey,
}

impl Colour {
    const fn name(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Orange => "orange",
            Self::Red => "red",
            Self::Blue => "blue",
            Self::Grey => "#808080",
        }
    }
}

/// From which figures on which colour counts.
#[derive(Debug, Clone)]
pub(crate) struct Thresholds {
    base: Colour,
    steps: Vec<(f64, Colour)>,
}

impl Thresholds {
    /// No figure is better than another.
    pub(crate) fn none() -> Self {
        Self::from(Colour::Blue)
    }

    /// More is worse.
    pub(crate) fn rising(orange: f64, red: f64) -> Self {
        Self::from(Colour::Green)
            .then(orange, Colour::Orange)
            .then(red, Colour::Red)
    }

    /// Less is worse.
    pub(crate) fn falling(orange: f64, red: f64) -> Self {
        Self::from(Colour::Red)
            .then(red, Colour::Orange)
            .then(orange, Colour::Green)
    }

    /// Any is bad.
    pub(crate) fn red_from(red: f64) -> Self {
        Self::from(Colour::Green).then(red, Colour::Red)
    }

    /// Any is to be looked at.
    pub(crate) fn orange_from(orange: f64) -> Self {
        Self::from(Colour::Green).then(orange, Colour::Orange)
    }

    /// None is bad.
    pub(crate) fn red_below(green: f64) -> Self {
        Self::from(Colour::Red).then(green, Colour::Green)
    }

    /// This colour up to the first step.
    pub(crate) fn from(base: Colour) -> Self {
        Self {
            base,
            steps: Vec::new(),
        }
    }

    /// From this figure on this colour.
    pub(crate) fn then(mut self, from: f64, colour: Colour) -> Self {
        self.steps.push((from, colour));
        self
    }

    /// Whether there is any step.
    pub(crate) fn matter(&self) -> bool {
        !self.steps.is_empty()
    }

    /// As Grafana takes them.
    pub(crate) fn json(&self) -> Value {
        let base = json!({"color": self.base.name(), "value": null});
        let steps = self
            .steps
            .iter()
            .map(|(from, colour)| json!({"color": colour.name(), "value": from}));
        let steps: Vec<Value> = std::iter::once(base).chain(steps).collect();
        json!({"mode": "absolute", "steps": steps})
    }
}

/// A word in place of a figure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Word(pub(crate) u8, pub(crate) &'static str, pub(crate) Colour);

/// Words in place of figures, as Grafana takes them.
pub(crate) fn mappings(words: &[Word]) -> Value {
    let mut options = serde_json::Map::new();
    for (index, Word(figure, text, colour)) in words.iter().enumerate() {
        let result = json!({"color": colour.name(), "index": index, "text": text});
        options.insert(figure.to_string(), result);
    }
    match options.is_empty() {
        true => json!([]),
        false => json!([{"type": "value", "options": options}]),
    }
}
