//! Partitions that are too large for every broker: only splitting them helps.

use super::placement::Placement;
use crate::model::{PartitionIndex, Resource};

/// A partition that alone exceeds what the largest broker should carry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Oversized {
    pub(super) partition: PartitionIndex,
    pub(super) resource: Resource,
    /// What its leader carries.
    pub(super) load: f64,
    /// What the largest broker should carry at most.
    pub(super) limit: f64,
}

/// Pins partitions that no placement helps, and takes the heat of their brokers as given: neither the partition nor
/// its neighbours are copied in vain, and nothing is added to those brokers.
pub(super) fn set_aside(placement: &mut Placement<'_>) -> Vec<Oversized> {
    let model = placement.model;
    let mut largest = crate::model::PerResource::default();
    for broker in model.brokers().filter(|&row| placement.ledger.receives(row)) {
        let row = broker.get();
        for r in Resource::ALL {
            let balanced = placement.ledger.scale[row][r] > 0.0;
            let limit = if balanced {
                placement.ledger.limit[row][r]
            } else {
                f64::INFINITY
            };
            largest[r] = largest[r].max(limit);
        }
    }
    let mut found = Vec::new();
    for partition in model.partitions() {
        let load = model.load(partition).on_replica(true);
        let exceeded = Resource::ALL.into_iter().filter(|&r| load[r] > largest[r]);
        let worst = exceeded.max_by(|&a, &b| (load[a] / largest[a]).total_cmp(&(load[b] / largest[b])));
        let Some(resource) = worst.filter(|&r| largest[r] > 0.0) else {
            continue;
        };
        found.push(Oversized {
            partition,
            resource,
            load: load[resource],
            limit: largest[resource],
        });
        placement.pin(partition);
        for broker in placement.replicas(partition).to_vec() {
            let share = placement.share(broker, partition);
            for r in Resource::ALL.into_iter().filter(|&r| share[r] > largest[r]) {
                let carried = placement.ledger.load[broker.get()][r];
                let limit = &mut placement.ledger.limit[broker.get()][r];
                *limit = limit.max(carried);
            }
        }
    }
    found
}
