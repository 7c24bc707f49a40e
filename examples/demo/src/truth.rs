//! What the clients themselves know, against which the programs' figures are held.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kafka::cluster::ClusterDescription;
use load::{Load, PartitionRate};
use sidecar::report::LoadReport;

use crate::workload::Name;

/// Where a partition is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    /// The broker that leads it.
    pub(crate) leader: Option<i32>,
    /// The brokers that have it.
    pub(crate) replicas: Vec<i32>,
}

/// Where each partition is by Kafka's own metadata.
pub(crate) fn placed(cluster: &ClusterDescription) -> BTreeMap<Name, Placed> {
    let of_topic = |topic: &kafka::cluster::Topic| {
        let name = topic.name.as_str().to_owned();
        let placed = |partition: &kafka::cluster::Partition| {
            let replicas = partition.replicas.iter().map(|broker| broker.get()).collect();
            let leader = partition.leader.map(kafka::BrokerId::get);
            ((name.clone(), partition.id.get()), Placed { leader, replicas })
        };
        topic.partitions.iter().map(placed).collect::<Vec<_>>()
    };
    cluster.topics.iter().flat_map(of_topic).collect()
}

/// What each broker receives and sends by the clients' rates and Kafka's metadata alone, in bytes/s.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Traffic(BTreeMap<i32, (f64, f64)>);

impl Traffic {
    /// Adds up rates where the partitions are; `sent_by_leader` says how often a byte of a topic leaves its leader.
    pub(crate) fn of(
        rates: &[PartitionRate],
        placed: &BTreeMap<Name, Placed>,
        sent_by_leader: impl Fn(&str) -> f64,
    ) -> Self {
        let mut traffic: BTreeMap<i32, (f64, f64)> = BTreeMap::new();
        for rate in rates {
            let Some(place) = placed.get(&(rate.topic.clone(), rate.partition)) else {
                continue;
            };
            for &broker in &place.replicas {
                traffic.entry(broker).or_default().0 += rate.bytes_per_second;
            }
            if let Some(leader) = place.leader {
                traffic.entry(leader).or_default().1 += rate.bytes_per_second * sent_by_leader(&rate.topic);
            }
        }
        Self(traffic)
    }

    /// The greatest broker's bytes in / the mean; all brokers have the same capacity.
    pub(crate) fn imbalance_in(&self) -> f64 {
        imbalance(self.0.values().map(|(received, _)| *received))
    }

    /// The greatest broker's bytes out / the mean.
    pub(crate) fn imbalance_out(&self) -> f64 {
        imbalance(self.0.values().map(|(_, sent)| *sent))
    }
}

fn imbalance(loads: impl Iterator<Item = f64> + Clone) -> f64 {
    let mean = loads.clone().sum::<f64>() / loads.clone().count().max(1) as f64;
    let greatest = loads.fold(0.0, f64::max);
    if mean > 0.0 { greatest / mean } else { 1.0 }
}

/// Each partition's rate over a window, as counted by the producers at the acknowledgements.
pub(crate) fn counted(
    load: &Load,
    partitions: &[PartitionRate],
    from: SystemTime,
    to: SystemTime,
) -> Vec<PartitionRate> {
    let seconds = to
        .duration_since(from)
        .unwrap_or_default()
        .as_secs_f64()
        .max(1e-3);
    let of_partition = |rate: &PartitionRate| {
        let bytes = load.bytes_in(&rate.topic, rate.partition, from, to)?;
        Some(PartitionRate {
            bytes_per_second: bytes / seconds,
            ..rate.clone()
        })
    };
    partitions.iter().filter_map(of_partition).collect()
}

/// A partition that takes less is not compared: of so few records, one more or less at a window's edge is already a
/// good part.
const COMPARED_FROM_BYTES_PER_SECOND: f64 = 20_000.0;

/// How far two samples of one sidecar may be apart from each other's windows, in milliseconds.
const SEAM_MS: u64 = 50;

/// Errors of the sidecars' bytes_in of single partitions, over windows of two samples (10 s).
#[derive(Debug, Default)]
pub(crate) struct RateErrors {
    last: BTreeMap<i32, Vec<Sample>>,
    errors: Vec<f64>,
}

/// One report of one broker's sidecar.
#[derive(Debug)]
struct Sample {
    from_ms: u64,
    to_ms: u64,
    /// Bytes by each partition that the broker led.
    bytes: BTreeMap<Name, f64>,
}

impl RateErrors {
    /// Takes in a report; the same one may come again.
    pub(crate) fn observe(&mut self, load: &Load, report: &LoadReport) {
        let samples = self.last.entry(report.broker.get()).or_default();
        let sample = Sample::of(report);
        match samples.last() {
            Some(last) if last.to_ms == sample.to_ms => return,
            Some(last) if last.to_ms.abs_diff(sample.from_ms) > SEAM_MS => samples.clear(),
            _ => {}
        }
        samples.push(sample);
        // The first of the three only shows that the broker led from the beginning of the window.
        if let [before, first, second] = samples.as_slice() {
            self.errors.extend(errors(load, before, first, second));
            samples.drain(..2);
        }
    }

    /// How many windows of a partition were compared.
    pub(crate) fn count(&self) -> usize {
        self.errors.len()
    }

    /// 95 % of the windows had no greater error; 0.05 is 5 %.
    pub(crate) fn p95(&self) -> Option<f64> {
        let mut sorted = self.errors.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (sorted.len() as f64 * 0.95).ceil() as usize;
        sorted.get(rank.checked_sub(1)?).copied()
    }
}

fn errors(load: &Load, before: &Sample, first: &Sample, second: &Sample) -> Vec<f64> {
    let led: BTreeSet<&Name> = before.bytes.keys().collect();
    let (from, to) = (time(first.from_ms), time(second.to_ms));
    let seconds = second.to_ms.saturating_sub(first.from_ms) as f64 / 1e3;
    let error = |(name, bytes): (&Name, &f64)| {
        let reported = bytes + second.bytes.get(name)?;
        let counted = load.bytes_in(&name.0, name.1, from, to)?;
        (counted >= COMPARED_FROM_BYTES_PER_SECOND * seconds).then(|| (reported / counted - 1.0).abs())
    };
    let both = first.bytes.iter().filter(|(name, _)| led.contains(name));
    both.filter_map(error).collect()
}

impl Sample {
    fn of(report: &LoadReport) -> Self {
        let seconds = f64::from(report.window_ms) / 1e3;
        let rows = &report.replicas;
        let row = |index: usize| {
            let topic = report.topics.get(rows.topic[index] as usize)?;
            let bytes = rows.bytes_in[index] as f64 * seconds;
            (rows.leads[index] == 1)
                .then(|| ((topic.as_str().to_owned(), rows.partition[index].get()), bytes))
        };
        Self {
            from_ms: report.sampled_at_ms.saturating_sub(report.window_ms.into()),
            to_ms: report.sampled_at_ms,
            bytes: (0..rows.topic.len()).filter_map(row).collect(),
        }
    }
}

fn time(unix_ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(unix_ms)
}
