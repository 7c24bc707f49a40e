//! Families that were read, until they are written.

use std::collections::BTreeMap;

use super::text::{Kind, Text};

/// Families by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Families(BTreeMap<String, Family>);

/// One family's series.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    kind: Kind,
    help: String,
    series: Vec<Series>,
}

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    /// What its name has after the family's, such as `_sum`.
    pub(super) suffix: &'static str,
    pub(super) labels: Vec<(String, String)>,
    pub(super) value: f64,
}

impl Families {
    /// Adds the series of `other`, none of which may be here already.
    pub fn extend(&mut self, other: &Self) {
        for (name, family) in &other.0 {
            match self.0.get_mut(name) {
                Some(found) => found.series.extend(family.series.iter().cloned()),
                None => drop(self.0.insert(name.clone(), family.clone())),
            }
        }
    }

    /// Writes all series but those of topics that `keeps_topic` refuses.
    pub fn write(&self, text: &mut Text, keeps_topic: impl Fn(&str) -> bool) {
        for (name, family) in &self.0 {
            let mut writer = text.family(name, family.kind, &family.help);
            for series in &family.series {
                let topic = series.labels.iter().find(|(label, _)| label == "topic");
                if topic.is_some_and(|(_, topic)| !keeps_topic(topic)) {
                    continue;
                }
                let labels: Vec<(&str, &str)> = series
                    .labels
                    .iter()
                    .map(|(label, value)| (label.as_str(), value.as_str()))
                    .collect();
                writer.suffixed(series.suffix, &labels, series.value);
            }
        }
    }

    /// Adds a series to the family of that name, which it begins with this kind and help if there is none.
    pub(super) fn add(&mut self, name: &str, kind: Kind, help: impl FnOnce() -> String, series: Series) {
        if let Some(family) = self.0.get_mut(name) {
            family.series.push(series);
        } else {
            let (help, series) = (help(), vec![series]);
            self.0.insert(name.to_owned(), Family { kind, help, series });
        }
    }
}

impl Series {
    /// A series of the family's own name.
    pub(super) fn new(labels: Vec<(String, String)>, value: f64) -> Self {
        Self {
            suffix: "",
            labels,
            value,
        }
    }
}
