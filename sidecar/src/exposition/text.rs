//! A writer of Prometheus' text format (version 0.0.4) with a limit of series to each family.

use std::collections::BTreeMap;
use std::fmt::Write;

/// What a family's values mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, but for restarts.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Quantiles with `_sum` and `_count`.
    Summary,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Summary => "summary",
        }
    }
}

/// The text so far.
#[derive(Debug)]
pub struct Text {
    out: String,
    series_per_family: usize,
    dropped: BTreeMap<String, u64>,
}

/// Writes the series of one family.
#[derive(Debug)]
pub struct FamilyWriter<'a> {
    text: &'a mut Text,
    name: &'a str,
    help: &'a str,
    kind: Kind,
    written: usize,
}

impl Text {
    /// An empty text whose families have at most so many series. It will be about as long as `length`; growing to
    /// megabytes step by step would take thrice the memory.
    pub fn new(series_per_family: usize, length: usize) -> Self {
        Self {
            out: String::with_capacity(length),
            series_per_family,
            dropped: BTreeMap::new(),
        }
    }

    /// Begins a family; all its series must be written before the next one begins. A family without series leaves no
    /// trace.
    pub fn family<'a>(&'a mut self, name: &'a str, kind: Kind, help: &'a str) -> FamilyWriter<'a> {
        FamilyWriter {
            text: self,
            name,
            help,
            kind,
            written: 0,
        }
    }

    /// A family of a single series without labels; nothing where there is no value.
    pub fn single(&mut self, name: &str, kind: Kind, help: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.family(name, kind, help).series(&[], value);
        }
    }

    /// The text, with how many series of which family did not fit.
    pub fn finish(mut self) -> String {
        let dropped = std::mem::take(&mut self.dropped);
        let mut family = self.family(
            "kafka_sidecar_series_dropped",
            Kind::Gauge,
            "Series of this answer that were left out since their family is limited.",
        );
        for (name, count) in &dropped {
            family.series(&[("family", name)], *count as f64);
        }
        self.out
    }
}

impl FamilyWriter<'_> {
    /// Writes a series of the family's own name.
    pub fn series(&mut self, labels: &[(&str, &str)], value: f64) {
        self.suffixed("", labels, value);
    }

    /// Writes a series whose name has a suffix, such as `_sum`.
    pub fn suffixed(&mut self, suffix: &str, labels: &[(&str, &str)], value: f64) {
        if self.written >= self.text.series_per_family {
            *self.text.dropped.entry(self.name.to_owned()).or_default() += 1;
            return;
        }
        if self.written == 0 {
            self.header();
        }
        self.written += 1;
        let out = &mut self.text.out;
        out.push_str(self.name);
        out.push_str(suffix);
        for (index, (label, value)) in labels.iter().enumerate() {
            out.push(if index == 0 { '{' } else { ',' });
            out.push_str(label);
            out.push_str("=\"");
            escape(value, out);
            out.push('"');
        }
        if !labels.is_empty() {
            out.push('}');
        }
        // Writing to a string cannot fail.
        let _ = writeln!(out, " {value}");
    }

    /// Counts series that do not fit and that the caller therefore did not even make.
    pub fn left_out(&mut self, count: u64) {
        if count > 0 {
            *self.text.dropped.entry(self.name.to_owned()).or_default() += count;
        }
    }

    fn header(&mut self) {
        let (name, kind) = (self.name, self.kind.word());
        let _ = writeln!(self.text.out, "# HELP {name} {}\n# TYPE {name} {kind}", self.help);
    }
}

/// Escapes a label's value as the format has it.
fn escape(value: &str, out: &mut String) {
    for character in value.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            plain => out.push(plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_escaped_so_that_no_client_can_forge_a_series() {
        let mut text = Text::new(10, 0);
        text.family("a", Kind::Gauge, "A.")
            .series(&[("x", "1\"} 5\nb\\"), ("y", "ü")], 1.5);
        assert_eq!(
            text.finish(),
            "# HELP a A.\n# TYPE a gauge\na{x=\"1\\\"} 5\\nb\\\\\",y=\"ü\"} 1.5\n"
        );
    }

    #[test]
    fn a_family_beyond_its_limit_is_cut_and_says_by_how_much() {
        let mut text = Text::new(2, 0);
        let mut family = text.family("a", Kind::Counter, "A.");
        for value in ["1", "2", "3", "4"] {
            family.series(&[("x", value)], 1.0);
        }
        family.left_out(3);
        let text = text.finish();
        assert!(
            text.contains("a{x=\"2\"} 1\n") && !text.contains("a{x=\"3\"}"),
            "{text}"
        );
        assert!(
            text.contains("kafka_sidecar_series_dropped{family=\"a\"} 5\n"),
            "{text}"
        );
    }
}
