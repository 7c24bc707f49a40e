//! Why a broker or a partition is hot.

use std::collections::HashMap;

use kafka::ids::{TopicName, TopicPartition};
use serde::Serialize;

use super::Scene;
use crate::model::{BrokerIndex, PartitionIndex, Resource};

/// Why something is hot, with figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Cause {
    /// One partition is the better part of the heat.
    HotPartition {
        /// The partition.
        partition: TopicPartition,
        /// The part of the broker's load that it is.
        share: f64,
    },
    /// One topic's partitions are at least half of the load.
    HotTopic {
        /// The topic.
        topic: TopicName,
        /// The part of the load that it is: of the broker's, or of the cluster's for a partition.
        share: f64,
    },
    /// The broker leads more than its share.
    TooManyLeaders {
        /// How many it leads.
        leaders: usize,
        /// How many a broker leads in the mean.
        mean: f64,
    },
    /// The broker can carry less than others.
    SmallBroker {
        /// Its capacity in parts of the mean capacity.
        capacity: f64,
    },
    /// A few of the topic's keys get most of its records: the partition is far above its siblings.
    SkewedKeys {
        /// The partition's load in parts of the median of its siblings.
        ratio: f64,
    },
    /// Nothing sticks out; there is too much on the broker.
    TooMuch {
        /// Its utilisation in parts of the mean.
        relative: f64,
    },
}

pub(super) fn of_broker(scene: &Scene<'_>, row: BrokerIndex, r: Resource) -> Cause {
    let model = scene.model;
    let carried = model.broker_load(row)[r];
    let heat = carried - scene.limit(row, r);
    let mut topics: HashMap<u32, f64> = HashMap::new();
    let mut greatest: Option<(f64, PartitionIndex)> = None;
    let mut leaders = 0;
    for partition in scene.hosted(row) {
        let share = scene.share(row, partition, r);
        *topics.entry(model.topic_of(partition).0).or_default() += share;
        if greatest.is_none_or(|(most, _)| share > most) {
            greatest = Some((share, partition));
        }
        leaders += usize::from(model.leader(partition) == Some(row));
    }
    let counting: Vec<BrokerIndex> = model.brokers().filter(|&b| model.broker(b).counts()).collect();
    let count = counting.len().max(1) as f64;
    let capacity: f64 = counting.iter().map(|&b| model.broker(b).capacity[r]).sum::<f64>() / count;
    let own = model.broker(row).capacity[r] / capacity;
    let relative = scene.utilisation[row.get()][r] / scene.mean[r];
    if own < 0.8 && relative * own < 1.0 + scene.settings.threshold {
        return Cause::SmallBroker { capacity: own };
    }
    if let Some((share, partition)) = greatest
        && share >= 0.5 * heat
        && share >= 0.2 * carried
    {
        return Cause::HotPartition {
            partition: model.name(partition),
            share: share / carried,
        };
    }
    let hottest = topics.iter().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(a.0)));
    if let Some((&topic, &share)) = hottest
        && share >= 0.5 * carried
    {
        return Cause::HotTopic {
            topic: model.topic(crate::model::TopicIndex(topic)).name.clone(),
            share: share / carried,
        };
    }
    let led = model.partitions().len() as f64 / count;
    let leads = matches!(r, Resource::BytesOut | Resource::Cpu);
    if leads && leaders as f64 > led * (1.0 + scene.settings.threshold) {
        return Cause::TooManyLeaders { leaders, mean: led };
    }
    Cause::TooMuch { relative }
}

pub(super) fn of_partition(scene: &Scene<'_>, partition: PartitionIndex, r: Resource) -> Cause {
    let model = scene.model;
    let own = model.load(partition).on_replica(true)[r];
    if let Some(median) = scene.median(partition, r)
        && own > scene.settings.skew * median
    {
        let ratio = own / median.max(own * 1e-6);
        return Cause::SkewedKeys { ratio };
    }
    let topic = model.topic_of(partition);
    let load_of = |row| model.load(row).on_replica(true)[r];
    let siblings: f64 = model.partitions_of(topic).map(load_of).sum();
    let all = scene.led[r];
    if model.partitions_of(topic).len() > 1 && siblings >= 0.5 * all {
        return Cause::HotTopic {
            topic: model.topic(topic).name.clone(),
            share: siblings / all,
        };
    }
    Cause::HotPartition {
        partition: model.name(partition),
        share: own / all,
    }
}
