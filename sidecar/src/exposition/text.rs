//! A writer of both text formats, with a limit of series to each family.

use std::collections::BTreeMap;
use std::fmt::Write;

use axum::body::Bytes;

use super::pages::Pages;
use super::{Encoding, Format};
use crate::config::MetricsConfig;
use crate::selection::Selection;

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

/// The text so far.
#[derive(Debug)]
pub struct Text {
    pages: Pages,
    format: Format,
    families: Selection,
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
    is_taken: bool,
    written: usize,
}

impl Text {
    /// An empty text of the families that are configured, each with at most as many series.
    pub fn new(format: Format, encoding: Encoding, config: &MetricsConfig) -> Self {
        Self {
            pages: Pages::new(encoding),
            format,
            families: config.families.clone(),
            series_per_family: config.series_per_family as usize,
            dropped: BTreeMap::new(),
        }
    }

    /// Begins a family; all its series must be written before the next one begins. A family without series leaves no
    /// trace.
    pub fn family<'a>(&'a mut self, name: &'a str, kind: Kind, help: &'a str) -> FamilyWriter<'a> {
        FamilyWriter {
            is_taken: self.families.takes(name),
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

    /// The text in pieces, with how many series of which family did not fit.
    pub fn finish(mut self) -> Vec<Bytes> {
        let dropped = std::mem::take(&mut self.dropped);
        let mut family = self.family(
            "kafka_sidecar_series_dropped",
            Kind::Gauge,
            "Series of this answer that were left out since their family is limited.",
        );
        for (name, count) in &dropped {
            family.series(&[("family", name)], *count as f64);
        }
        if self.format == Format::OpenMetrics {
            self.pages.page().push_str("# EOF\n");
        }
        self.pages.finish()
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
            self.left_out(1);
            return;
        }
        if !self.is_taken {
            return;
        }
        if self.written == 0 {
            self.header();
        }
        self.written += 1;
        let out = self.text.pages.page();
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
        out.push(' ');
        write_number(value, out);
        out.push('\n');
    }

    /// Counts series that do not fit and that the caller therefore did not even make.
    pub fn left_out(&mut self, count: u64) {
        if count > 0 && self.is_taken {
            *self.text.dropped.entry(self.name.to_owned()).or_default() += count;
        }
    }

    /// In OpenMetrics a counter's samples end in `_total` and its family does not. A counter whose samples are known under
    /// another name keeps that, and says no more than that its type is unknown.
    fn header(&mut self) {
        let (name, kind) = match (self.text.format, self.kind) {
            (Format::OpenMetrics, Kind::Counter) => match self.name.strip_suffix("_total") {
                Some(family) => (family, "counter"),
                None => (self.name, "unknown"),
            },
            (Format::Prometheus, Kind::Counter) => (self.name, "counter"),
            (_, Kind::Gauge) => (self.name, "gauge"),
            (_, Kind::Summary) => (self.name, "summary"),
        };
        let out = self.text.pages.page();
        out.push_str("# HELP ");
        out.push_str(name);
        out.push(' ');
        match self.text.format {
            Format::Prometheus => out.push_str(&self.help.replace('\\', "\\\\").replace('\n', "\\n")),
            Format::OpenMetrics => escape(self.help, out),
        }
        // Writing to a string cannot fail.
        let _ = writeln!(out, "\n# TYPE {name} {kind}");
    }
}

fn write_number(value: f64, out: &mut String) {
    let _ = if value == f64::INFINITY {
        out.write_str("+Inf")
    } else if value == f64::NEG_INFINITY {
        out.write_str("-Inf")
    } else {
        write!(out, "{value}")
    };
}

/// Escapes a label's value as both formats have it.
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

    fn limited(format: Format, series_per_family: u32) -> Text {
        let config = MetricsConfig {
            series_per_family,
            ..MetricsConfig::default()
        };
        Text::new(format, Encoding::Identity, &config)
    }

    fn finished(text: Text) -> String {
        String::from_utf8(text.finish().concat()).unwrap()
    }

    #[test]
    fn label_values_are_escaped_so_that_no_client_can_forge_a_series() {
        let mut text = limited(Format::Prometheus, 10);
        text.family("a", Kind::Gauge, "A\n\"\\.")
            .series(&[("x", "1\"} 5\nb\\"), ("y", "ü")], 1.5);
        assert_eq!(
            finished(text),
            "# HELP a A\\n\"\\\\.\n# TYPE a gauge\na{x=\"1\\\"} 5\\nb\\\\\",y=\"ü\"} 1.5\n"
        );
    }

    #[test]
    fn openmetrics_has_counters_without_their_suffix_in_the_header_and_an_end() {
        let mut text = limited(Format::OpenMetrics, 10);
        text.family("a_total", Kind::Counter, "A \"quoted\".")
            .series(&[], 1.0);
        text.family("bytesinpersec", Kind::Counter, "B.").series(&[], 2.0);
        text.family("c", Kind::Gauge, "C.").series(&[], f64::INFINITY);
        assert_eq!(
            finished(text),
            "# HELP a A \\\"quoted\\\".\n# TYPE a counter\na_total 1\n\
             # HELP bytesinpersec B.\n# TYPE bytesinpersec unknown\nbytesinpersec 2\n\
             # HELP c C.\n# TYPE c gauge\nc +Inf\n# EOF\n"
        );
    }

    #[test]
    fn a_family_beyond_its_limit_is_cut_and_says_by_how_much() {
        let mut text = limited(Format::Prometheus, 2);
        let mut family = text.family("a", Kind::Counter, "A.");
        for value in ["1", "2", "3", "4"] {
            family.series(&[("x", value)], 1.0);
        }
        family.left_out(3);
        let text = finished(text);
        assert!(
            text.contains("a{x=\"2\"} 1\n") && !text.contains("a{x=\"3\"}"),
            "{text}"
        );
        assert!(
            text.contains("kafka_sidecar_series_dropped{family=\"a\"} 5\n"),
            "{text}"
        );
    }

    #[test]
    fn a_family_that_is_denied_is_neither_written_nor_counted_as_dropped() {
        let mut config = MetricsConfig::default();
        config.families.deny.push("jvm_*".parse().unwrap());
        let mut text = Text::new(Format::Prometheus, Encoding::Identity, &config);
        let mut family = text.family("jvm_threads_current", Kind::Gauge, "T.");
        family.series(&[], 1.0);
        family.left_out(3);
        text.family("kafka_brokers", Kind::Gauge, "B.").series(&[], 3.0);
        assert_eq!(
            finished(text),
            "# HELP kafka_brokers B.\n# TYPE kafka_brokers gauge\nkafka_brokers 3\n"
        );
    }
}
