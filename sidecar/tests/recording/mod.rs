//! What a Jolokia agent beside Kafka 4.3.1 answered when it was asked for all that a sidecar reads.

// The lint's exception for tests does not reach their helpers.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

const RECORDED: &str = include_str!("../data/jolokia-kafka-4.3.1.json");

/// The answer to one bulk request that reads these MBeans, in their order.
pub(crate) fn answer<'a>(mbeans: impl Iterator<Item = &'a str>) -> String {
    let recorded: Vec<Value> = serde_json::from_str(RECORDED).unwrap();
    let of = |mbean: &str| {
        let recorded = recorded.iter().find(|answer| answer["request"]["mbean"] == mbean);
        let nothing = json!({"status": 404, "error": format!("No MBean with pattern {mbean}")});
        recorded.cloned().unwrap_or(nothing)
    };
    Value::Array(mbeans.map(of).collect()).to_string()
}
