//! What would help against a hot partition.

use kafka::ids::BrokerId;
use serde::Serialize;

use super::Scene;
use crate::model::{BrokerIndex, PartitionIndex, PerResource, Resource};

/// What would help, with figures. Loads are in the unit of the resource that is hot.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Verdict {
    /// Another replica can lead; nothing is copied.
    LeadElsewhere {
        /// The broker of that replica.
        to: BrokerId,
        /// What that takes off the hot broker.
        relief: f64,
    },
    /// Another broker has room for the replica.
    Move {
        /// The broker.
        to: BrokerId,
        /// Bytes to copy.
        bytes: f64,
        /// What that takes off the hot broker.
        relief: f64,
    },
    /// No broker has room as it is: it takes the place of something smaller.
    Swap {
        /// The broker with the most room.
        with: BrokerId,
        /// What is missing there.
        lacking: f64,
    },
    /// It fits a broker only if nearly nothing else is there.
    Isolate {
        /// The part of what a broker should carry that it takes alone.
        share: f64,
    },
    /// No placement helps: it alone exceeds what any broker should carry.
    Split {
        /// What it takes.
        load: f64,
        /// What the largest broker should carry at most.
        limit: f64,
        /// So many partitions in its place would fit beside what others carry, when their keys spread evenly.
        partitions_that_would_help: u32,
    },
}

/// A partition that takes more than this part of what a broker should carry leaves no place for others.
const ALONE: f64 = 0.75;

pub(super) fn of(scene: &Scene<'_>, row: BrokerIndex, partition: PartitionIndex, r: Resource) -> Verdict {
    let model = scene.model;
    let counting: Vec<BrokerIndex> = model.brokers().filter(|&b| model.broker(b).counts()).collect();
    let load = model.load(partition).on_replica(true);
    let share = scene.share(row, partition, r);
    let most = |r: Resource| counting.iter().map(|&b| scene.limit(b, r)).fold(0.0, f64::max);
    for resource in [Resource::BytesIn, r] {
        let limit = most(resource);
        if load[resource] > limit && limit > 0.0 {
            // Half of what a broker should carry leaves room for what else is there.
            let parts = (load[resource] / (0.5 * limit)).ceil();
            return Verdict::Split {
                load: load[resource],
                limit,
                partitions_that_would_help: parts.min(f64::from(u32::MAX)) as u32,
            };
        }
    }
    let extra = load - model.load(partition).on_replica(false);
    if model.leader(partition) == Some(row) && extra[r] > 0.0 {
        let heirs = model.replicas(partition).iter().copied();
        let heir = heirs
            .filter(|&to| to != row && model.broker(to).counts() && fits(scene, to, &extra))
            .min_by(|&a, &b| cooler(scene, a, b, r));
        if let Some(to) = heir {
            return Verdict::LeadElsewhere {
                to: model.broker(to).id,
                relief: extra[r],
            };
        }
    }
    let moved = model
        .load(partition)
        .on_replica(model.leader(partition) == Some(row));
    let others = || {
        counting
            .iter()
            .copied()
            .filter(|&to| !model.replicas(partition).contains(&to) && keeps_racks(scene, partition, row, to))
    };
    if let Some(to) = others()
        .filter(|&to| fits(scene, to, &moved))
        .min_by(|&a, &b| cooler(scene, a, b, r))
    {
        return Verdict::Move {
            to: model.broker(to).id,
            bytes: moved.disk,
            relief: share,
        };
    }
    let alone = share / most(r).max(f64::MIN_POSITIVE);
    match others().min_by(|&a, &b| cooler(scene, a, b, r)) {
        Some(with) if alone <= ALONE => Verdict::Swap {
            with: model.broker(with).id,
            lacking: (model.broker_load(with)[r] + share - scene.limit(with, r)).max(0.0),
        },
        _ => Verdict::Isolate { share: alone },
    }
}

fn cooler(scene: &Scene<'_>, a: BrokerIndex, b: BrokerIndex, r: Resource) -> std::cmp::Ordering {
    let of = |row: BrokerIndex| scene.utilisation[row.get()][r];
    of(a).total_cmp(&of(b)).then(a.cmp(&b))
}

fn fits(scene: &Scene<'_>, to: BrokerIndex, more: &PerResource) -> bool {
    let carried = scene.model.broker_load(to);
    Resource::ALL
        .iter()
        .all(|&r| more[r] <= 0.0 || carried[r] + more[r] <= scene.limit(to, r))
}

fn keeps_racks(scene: &Scene<'_>, partition: PartitionIndex, from: BrokerIndex, to: BrokerIndex) -> bool {
    let sharers = |broker: BrokerIndex| {
        let others = scene
            .model
            .replicas(partition)
            .iter()
            .filter(|&&other| other != from);
        others
            .filter(|&&other| scene.model.rack(other) == scene.model.rack(broker))
            .count()
    };
    sharers(to) <= sharers(from)
}
