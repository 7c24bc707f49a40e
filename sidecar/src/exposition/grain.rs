//! How fine series about partitions are.

use std::collections::BTreeSet;

use kafka::TopicPartition;

use super::text::FamilyWriter;
use crate::config::Granularity;
use crate::report::Confidence;

/// How fine series about partitions are at the moment.
#[derive(Debug, Clone, Copy)]
pub enum Grain<'a> {
    /// One to each topic.
    Topics,
    /// One to each partition.
    Partitions,
    /// One to each of these.
    Among(&'a BTreeSet<TopicPartition>),
}

/// A figure of a partition, or of several together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// The figure.
    pub value: f64,
    /// How sure it is, where that is to be said.
    pub confidence: Option<Confidence>,
}

impl From<f64> for Figure {
    fn from(value: f64) -> Self {
        Self {
            value,
            confidence: None,
        }
    }
}

impl<'a> Grain<'a> {
    /// The grain that is configured; `busiest` are the partitions that are shown where only some are.
    pub fn new(granularity: Granularity, busiest: &'a BTreeSet<TopicPartition>) -> Self {
        match granularity {
            Granularity::Topic => Self::Topics,
            Granularity::Partition => Self::Partitions,
            Granularity::Top(_) => Self::Among(busiest),
        }
    }

    /// Whether the partition has series of its own.
    pub fn shows(self, partition: &TopicPartition) -> bool {
        match self {
            Self::Topics => false,
            Self::Partitions => true,
            Self::Among(shown) => shown.contains(partition),
        }
    }

    /// Writes a family of one figure to each partition, in the partitions' order: those that are shown, or the sum of each
    /// topic, which is no surer than what is in it.
    pub fn write<'p>(
        self,
        family: &mut FamilyWriter<'_>,
        figures: impl Iterator<Item = (&'p TopicPartition, Figure)>,
    ) {
        let mut figures = figures.peekable();
        while let Some((first, mut figure)) = figures.next() {
            let topic = ("topic", first.topic.as_str());
            match self {
                Self::Topics => {
                    while let Some((_, next)) = figures.next_if(|(next, _)| next.topic == first.topic) {
                        figure.value += next.value;
                        figure.confidence = figure.confidence.min(next.confidence);
                    }
                    write(family, &[topic], figure);
                }
                Self::Partitions | Self::Among(_) => {
                    if self.shows(first) {
                        write(
                            family,
                            &[topic, ("partition", &first.partition.to_string())],
                            figure,
                        );
                    }
                }
            }
        }
    }
}

fn write(family: &mut FamilyWriter<'_>, of: &[(&str, &str)], figure: Figure) {
    match figure.confidence {
        None => family.series(of, figure.value),
        Some(confidence) => {
            let labels: Vec<(&str, &str)> = of
                .iter()
                .copied()
                .chain([("confidence", confidence.as_str())])
                .collect();
            family.series(&labels, figure.value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Encoding, Format, Kind, Text};
    use super::*;
    use crate::config::MetricsConfig;

    fn written(grain: Grain<'_>) -> String {
        let figures = [
            ("a-0", 1.0, Confidence::Exact),
            ("a-1", 2.0, Confidence::Weighted),
            ("b-0", 4.0, Confidence::Exact),
        ];
        let figures = figures.map(|(partition, value, confidence)| {
            let confidence = Some(confidence);
            (
                partition.parse::<TopicPartition>().unwrap(),
                Figure { value, confidence },
            )
        });
        let mut text = Text::new(Format::Prometheus, Encoding::Identity, &MetricsConfig::default());
        let figures = figures.iter().map(|(partition, figure)| (partition, *figure));
        grain.write(&mut text.family("x", Kind::Gauge, "X."), figures);
        let text = String::from_utf8(text.finish().concat()).unwrap();
        text.lines().skip(2).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_topics_sum_is_as_sure_as_the_least_sure_of_its_partitions() {
        let due = "x{topic=\"a\",confidence=\"weighted\"} 3\nx{topic=\"b\",confidence=\"exact\"} 4";
        assert_eq!(written(Grain::Topics), due);
    }

    #[test]
    fn of_some_partitions_only_those_are_written() {
        let shown = BTreeSet::from(["a-1".parse().unwrap()]);
        let due = "x{topic=\"a\",partition=\"1\",confidence=\"weighted\"} 2";
        assert_eq!(written(Grain::Among(&shown)), due);
        assert_eq!(written(Grain::Partitions).lines().count(), 3);
    }
}
