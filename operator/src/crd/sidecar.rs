//! Settings of sidecars and of the exporter of consumer lag.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of the sidecars and of the exporter of consumer lag. Brokers do not restart for them: a sidecar takes them when
/// its pod is next made, the exporter at once.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SidecarSpec {
    /// The image of both; the operator's own version when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500))]
    pub image: Option<String>,
    /// Seconds between two samples, 1 to 300; 5 when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i32>", range(min = 1, max = 300))]
    pub interval_seconds: Option<u32>,
    /// By whose rules figures are named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<MetricNames>,
    /// How fine series are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granularity: Option<Granularity>,
    /// Only so many partitions have series of their own, the busiest of each sidecar and of the exporter; all when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i32>", range(min = 1, max = 100_000))]
    pub busiest_partitions: Option<u32>,
    /// The most series of one metric; 20000 when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i32>", range(min = 10, max = 1_000_000))]
    pub series_per_family: Option<u32>,
}

/// By whose rules for the JMX exporter figures of MBeans are named, so that dashboards find them; Strimzi's when missing.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MetricNames {
    /// kafka_server_brokertopicmetrics_bytesin_total.
    Strimzi,
    /// kafka_server_brokertopicmetrics_bytesinpersec.
    Confluent,
}

/// How fine series for Prometheus are; by partition when missing.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Granularity {
    /// A series to each topic.
    Topic,
    /// A series to each partition, too.
    Partition,
}

impl SidecarSpec {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
