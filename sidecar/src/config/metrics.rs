//! What `/metrics` says.

use kafka::settings::{Fields, Section, Setting};
use serde::Serialize;
use serde_json::Value;

use crate::selection::Selection;

/// What `/metrics` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MetricsConfig {
    /// By whose rules MBeans' figures are named; of no effect in `offsets`, which reads none.
    pub names: Names,
    /// Which families there are, by the names that they have in Prometheus' format.
    pub families: Selection,
    /// Which topics have series of their own. The report to the balancer has all of them, whatever this says.
    pub topics: Selection,
    /// Which partitions have series of their own.
    pub granularity: Granularity,
    /// The most series that a family may have.
    pub series_per_family: u32,
}

/// By whose rules for the JMX exporter figures are named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Names {
    /// Strimzi's: `kafka_server_brokertopicmetrics_bytesin_total`.
    #[default]
    Strimzi,
    /// Confluent's: `kafka_server_brokertopicmetrics_bytesinpersec`.
    Confluent,
}

/// Which partitions have series of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Granularity {
    /// None; there are sums by topic in their place.
    Topic,
    /// All.
    Partition,
    /// So many, the busiest.
    Top(u32),
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self {
            names: Names::Strimzi,
            families: Selection::default(),
            topics: Selection::default(),
            granularity: Granularity::Partition,
            series_per_family: 20_000,
        }
    }
}

impl Section for MetricsConfig {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let default = Self::default();
        let names = fields.or("names", default.names);
        let families = fields.section("families");
        let topics = fields.section("topics");
        let granularity = fields.or("granularity", default.granularity);
        let series_per_family = fields.within("series_per_family", default.series_per_family, 10..=1_000_000);
        Some(Self {
            names: names?,
            families: families?,
            topics: topics?,
            granularity: granularity?,
            series_per_family: series_per_family?,
        })
    }
}

impl Setting for Names {
    fn read(value: &Value) -> Result<Self, String> {
        match value.as_str() {
            Some("strimzi") => Ok(Self::Strimzi),
            Some("confluent") => Ok(Self::Confluent),
            _ => Err(format!("{value} is neither strimzi nor confluent")),
        }
    }
}

impl Setting for Granularity {
    fn read(value: &Value) -> Result<Self, String> {
        let wrong = || format!("{value} is none of partition, topic and {{top: N}} with N from 1 to 100000");
        match value {
            Value::String(word) if word == "topic" => Ok(Self::Topic),
            Value::String(word) if word == "partition" => Ok(Self::Partition),
            Value::Object(fields) => {
                let top = fields.get("top").filter(|_| fields.len() == 1);
                let top = top.and_then(|top| u32::try_from(top.as_u64()?).ok());
                let top = top.filter(|top| (1..=100_000).contains(top)).ok_or_else(wrong)?;
                Ok(Self::Top(top))
            }
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_has_every_key() {
        let readme = include_str!("../../../README.md");
        let config = serde_json::to_value(MetricsConfig::default()).unwrap();
        for (key, value) in config.as_object().unwrap() {
            let within = if value.is_object() { ".allow`, `deny" } else { "" };
            let named = format!("| `metrics.{key}{within}` |");
            assert!(readme.contains(&named), "{named} is not in README.md");
        }
    }
}
