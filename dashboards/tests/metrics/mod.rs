//! The metrics that the programs write, as `docs/metrics.md` and the sources say.

use std::collections::{BTreeMap, BTreeSet};

use super::file;

/// What kind of metric it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gauge,
    Counter,
    Summary,
}

/// Metrics by name, with their labels.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    families: BTreeMap<String, (Kind, BTreeSet<String>)>,
}

/// Names in a text: of metrics, labels, functions, variables.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| !word.is_empty())
}

/// Selectors in a query: the metric and the labels that are matched.
pub(crate) fn selectors(query: &str) -> impl Iterator<Item = (&str, impl Iterator<Item = &str>)> {
    query.match_indices('{').filter_map(|(at, _)| {
        let name = words(&query[..at])
            .last()
            .filter(|name| query[..at].ends_with(name))?;
        let matchers = query[at + 1..].split('}').next()?;
        let labels = matchers.split(',').filter_map(|matcher| words(matcher).next());
        Some((name, labels))
    })
}

impl Metrics {
    /// Those of both sidecars, the balancer and the operator.
    pub(crate) fn of_the_programs() -> Self {
        let mut metrics = Self::default();
        metrics.read_tables(&read("docs/metrics.md"));
        metrics.read_source(&read("operator/src/run/telemetry.rs"), "kafka_operator_");
        metrics
    }

    /// Whether a word in a query is meant to be a metric.
    pub(crate) fn is_name(word: &str) -> bool {
        ["kafka_", "jvm_", "process_"]
            .iter()
            .any(|prefix| word.starts_with(prefix))
    }

    pub(crate) fn have(&self, name: &str) -> bool {
        self.family(name).is_some()
    }

    pub(crate) fn have_label(&self, name: &str, label: &str) -> bool {
        let Some((kind, labels)) = self.family(name) else {
            return false;
        };
        labels.contains(label)
            || (label == "quantile" && *kind == Kind::Summary && self.families.contains_key(name))
    }

    /// Whether it only grows.
    pub(crate) fn grow(&self, name: &str) -> bool {
        let is_part = !self.families.contains_key(name);
        self.family(name)
            .is_some_and(|(kind, _)| is_part || *kind == Kind::Counter)
    }

    /// A family by its name, or by the name of a summary's sum or count.
    fn family(&self, name: &str) -> Option<&(Kind, BTreeSet<String>)> {
        let whole = ["_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
        let summary = whole
            .and_then(|whole| self.families.get(whole))
            .filter(|(kind, _)| *kind == Kind::Summary);
        self.families.get(name).or(summary)
    }

    /// Rows of tables: name, type, labels. Of two names the first is the one by Strimzi's rules, which dashboards use.
    fn read_tables(&mut self, page: &str) {
        for row in page.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let [_, names, kind, labels, ..] = cells.as_slice() else {
                continue;
            };
            let kind = match *kind {
                "gauge" => Kind::Gauge,
                "counter" => Kind::Counter,
                "summary" => Kind::Summary,
                _ => continue,
            };
            let name = names.split("<br>").next().unwrap().trim_matches('`');
            let labels = words(labels).filter(|label| *label != "none").map(str::to_owned);
            let family = self
                .families
                .entry(name.to_owned())
                .or_insert((kind, BTreeSet::new()));
            family.1.extend(labels);
        }
    }

    /// Texts of a source that begin so. Which labels belong to which of them is not read: any text of one word may be one.
    fn read_source(&mut self, source: &str, prefix: &str) {
        let texts: BTreeSet<&str> = source.split('"').skip(1).step_by(2).collect();
        let is_word = |text: &&&str| words(text).next() == Some(**text);
        let labels: BTreeSet<String> = texts
            .iter()
            .filter(is_word)
            .map(|text| (*text).to_owned())
            .collect();
        for name in texts.iter().filter(|text| text.starts_with(prefix)) {
            let kind = match name.rsplit('_').next() {
                Some("total") => Kind::Counter,
                Some("seconds") => Kind::Summary,
                _ => Kind::Gauge,
            };
            self.families.insert((*name).to_owned(), (kind, labels.clone()));
        }
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(file(path)).unwrap()
}
