//! Topics of the spec.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::schema;

/// A topic that is made when it is missing, and kept as it is said here.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Topic {
    /// Its name.
    #[schemars(length(min = 1, max = 249), regex(pattern = "^[a-zA-Z0-9._-]+$"))]
    pub name: String,
    /// How many partitions it has; the brokers' num.partitions when missing. Partitions are added, never taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub partitions: Option<i32>,
    /// How many replicas each partition has; the brokers' default.replication.factor when missing. Another number is ordered
    /// of the balancer, which adds replicas or takes some away; Progressing says how far it is. When the number or the topic is
    /// taken out of the spec, what is under way goes on to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub replication_factor: Option<i32>,
    /// Configuration of the topic, such as cleanup.policy: compact.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::free_properties")]
    pub config: BTreeMap<String, Value>,
}
