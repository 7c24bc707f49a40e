//! Building the report that the balancer reads.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka::{BrokerId, TopicName};

use crate::logs::LogReading;
use crate::rates::PartitionRates;
use crate::report::{
    BrokerTotals, Confidence, ConfidenceCode, LoadReport, ReplicaColumns, Source, SourceState, VERSION,
};

/// What a report says besides rates and replicas.
#[derive(Debug, Clone)]
pub struct Heading {
    /// The broker.
    pub broker: BrokerId,
    /// When the later sample was taken, in milliseconds since the Unix epoch.
    pub sampled_at_ms: u64,
    /// Time between the samples.
    pub window: Duration,
    /// How the sources did.
    pub sources: BTreeMap<Source, SourceState>,
    /// The broker's own figures.
    pub totals: BrokerTotals,
}

/// Builds the report. Rates are rounded to whole numbers.
pub fn report(heading: Heading, logs: &LogReading, rates: &PartitionRates) -> LoadReport {
    let mut topics: Vec<TopicName> = Vec::new();
    let mut rows = ReplicaColumns::default();
    for (partition, replica) in &logs.replicas {
        if topics.last() != Some(&partition.topic) {
            topics.push(partition.topic.clone());
        }
        let rate = rates.get(partition);
        // A follower sends nothing to clients and takes nothing from producers: that is certain.
        let confidence = |of_led: Option<Confidence>| ConfidenceCode(of_led.unwrap_or(Confidence::Exact));
        rows.topic
            .push(u32::try_from(topics.len() - 1).unwrap_or(u32::MAX));
        rows.partition.push(partition.partition);
        rows.leads.push(u8::from(replica.led.is_some()));
        rows.size.push(replica.size);
        rows.bytes_in.push(whole(rate.map(|rate| rate.bytes_in)));
        rows.bytes_out.push(whole(rate.map(|rate| rate.bytes_out)));
        rows.records_in.push(whole(rate.map(|rate| rate.records_in)));
        rows.bytes_in_confidence
            .push(confidence(rate.map(|rate| rate.bytes_in_confidence)));
        rows.bytes_out_confidence
            .push(confidence(rate.map(|rate| rate.bytes_out_confidence)));
    }
    LoadReport {
        version: VERSION,
        cluster_id: Some(logs.cluster_id.clone()).filter(|id| !id.is_empty()),
        broker: heading.broker,
        sampled_at_ms: heading.sampled_at_ms,
        window_ms: u32::try_from(heading.window.as_millis())
            .unwrap_or(u32::MAX)
            .max(1),
        sources: heading.sources,
        totals: heading.totals,
        log_dirs: logs.volumes.clone(),
        topics,
        replicas: rows,
    }
}

/// Rounds a rate; `as` saturates, so that no rate wraps.
fn whole(rate: Option<f64>) -> u64 {
    rate.unwrap_or(0.0).round() as u64
}
