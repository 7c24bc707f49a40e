//! What a Prometheus answers.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A series of an answer.
#[derive(Debug, Clone)]
pub struct Series {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its samples in their order, without those that are no number.
    pub samples: Vec<f64>,
}

/// A rule as Prometheus tells it.
#[derive(Debug, Clone, Deserialize)]
pub struct Rule {
    /// The alert, or the series that is recorded.
    pub name: String,
    /// What is asked, as Prometheus writes it.
    pub query: String,
    /// Whether it could be evaluated: `ok`, `err` or `unknown`.
    pub health: String,
    /// Why not.
    #[serde(default, rename = "lastError")]
    pub last_error: String,
    #[serde(rename = "type")]
    kind: String,
}

impl Rule {
    /// Whether it is an alert.
    pub fn is_alert(&self) -> bool {
        self.kind == "alerting"
    }
}

/// When, and the figure as text.
pub(super) type Sample = (f64, String);

/// Series of any of the forms in which they are told.
#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
pub(super) enum Found {
    Vector(Vec<Point>),
    Matrix(Vec<Line>),
    Scalar(Sample),
}

#[derive(Deserialize)]
pub(super) struct Point {
    metric: BTreeMap<String, String>,
    value: Sample,
}

#[derive(Deserialize)]
pub(super) struct Line {
    metric: BTreeMap<String, String>,
    values: Vec<Sample>,
}

impl Found {
    pub(super) fn series(self) -> Vec<Series> {
        let series = |labels, samples: Vec<Sample>| Series {
            labels,
            samples: samples.iter().filter_map(number).collect(),
        };
        match self {
            Self::Scalar(value) => vec![series(BTreeMap::new(), vec![value])],
            Self::Vector(found) => found
                .into_iter()
                .map(|one| series(one.metric, vec![one.value]))
                .collect(),
            Self::Matrix(found) => found
                .into_iter()
                .map(|one| series(one.metric, one.values))
                .collect(),
        }
    }
}

fn number((_, text): &Sample) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| !number.is_nan())
}
