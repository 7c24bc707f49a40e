//! The fewest bytes that any plan of the same result has to copy.
//!
//! Let a plan leave broker b with load `after(b, r)`, where `limit(b, r)` was allowed. Every plan that leaves no broker
//! further beyond its limits takes at least `D(b, r) = before(b, r) - max(limit(b, r), after(b, r))` off b. What a
//! broker loses of r is lost either with a change of leaders, which copies nothing, or with a replica that goes, whose
//! log is copied. So the replicas on b are the items of a knapsack that has to be filled to `D(b, r)`: an item has a
//! part that is free (what leading adds, when there is another replica to lead) and a part that costs its log's size.
//! The cheapest whole choice is bounded from below ([`knapsack::least_cost`]). All resources need the same copies, so the
//! greatest of a broker's four figures holds; copies off different brokers are different copies, so the figures add up.
//! The same holds for what brokers that fill have to receive, and the greater of the two sums holds.

mod imbalance;
mod knapsack;

use super::ledger::{Ledger, Part};
use crate::model::{BrokerIndex, Model, PartitionIndex, PerResource, Resource};
pub(super) use imbalance::{least_imbalance, rack_floors};
use knapsack::{Item, least_cost};

/// Relative error that sums of floating-point numbers may have.
const ROUNDING: f64 = 1e-9;

/// The lower bound in bytes, for the loads that a plan leaves.
pub(super) fn lower_bound(model: &Model, ledger: &Ledger, after: &[PerResource]) -> u64 {
    let mut hosted: Vec<Vec<PartitionIndex>> = vec![Vec::new(); after.len()];
    let wanted = |broker: BrokerIndex| needs(model, ledger, after, broker);
    let needy: Vec<bool> = model
        .brokers()
        .map(|row| Resource::ALL.iter().any(|&r| wanted(row)[r] > 0.0))
        .collect();
    for partition in model.partitions() {
        for broker in model.replicas(partition) {
            if needy[broker.get()] {
                hosted[broker.get()].push(partition);
            }
        }
    }
    let leaving: f64 = model
        .brokers()
        .filter(|row| needy[row.get()])
        .map(|row| most(|r| taking_off(model, row, &hosted[row.get()], r, wanted(row)[r])))
        .sum();
    let filling = model
        .brokers()
        .filter(|row| ledger.part[row.get()] == Part::Fills);
    let arriving: f64 = filling
        .map(|row| most(|r| giving(model, ledger, after, row, r)))
        .sum();
    (leaving.max(arriving) * (1.0 - ROUNDING)) as u64
}

fn most(figure: impl Fn(Resource) -> f64) -> f64 {
    Resource::ALL.into_iter().map(figure).fold(0.0, f64::max)
}

fn needs(model: &Model, ledger: &Ledger, after: &[PerResource], broker: BrokerIndex) -> PerResource {
    let row = broker.get();
    PerResource::from_fn(|r| {
        if ledger.scale[row][r] > 0.0 {
            let before = model.broker_load(broker)[r];
            (before - ledger.limit[row][r].max(after[row][r]) - before * ROUNDING).max(0.0)
        } else {
            0.0
        }
    })
}

fn taking_off(
    model: &Model,
    broker: BrokerIndex,
    hosted: &[PartitionIndex],
    resource: Resource,
    mut needed: f64,
) -> f64 {
    if needed <= 0.0 {
        return 0.0;
    }
    let mut items: Vec<Item> = Vec::with_capacity(hosted.len());
    for &partition in hosted {
        let load = model.load(partition);
        let leads = model.leader(partition) == Some(broker);
        let whole = load.on_replica(leads)[resource];
        let free = if leads && model.replicas(partition).len() > 1 {
            (whole - load.on_replica(false)[resource]).max(0.0)
        } else {
            0.0
        };
        needed -= free;
        items.push(Item {
            brings: whole - free,
            costs: load.disk,
        });
    }
    least_cost(items, needed)
}

fn giving(model: &Model, ledger: &Ledger, after: &[PerResource], broker: BrokerIndex, r: Resource) -> f64 {
    let row = broker.get();
    if ledger.scale[row][r] == 0.0 {
        return 0.0;
    }
    let before = model.broker_load(broker)[r];
    let mut needed = ledger.least[row][r].min(after[row][r]) * (1.0 - ROUNDING) - before;
    if needed <= 0.0 {
        return 0.0;
    }
    let mut items: Vec<Item> = Vec::new();
    for partition in model.partitions() {
        let load = model.load(partition);
        let most = load.on_replica(true)[r].max(load.on_replica(false)[r]);
        if model.replicas(partition).contains(&broker) {
            let leads = model.leader(partition) == Some(broker);
            needed -= most - load.on_replica(leads)[r];
        } else {
            items.push(Item {
                brings: most,
                costs: load.disk,
            });
        }
    }
    least_cost(items, needed)
}
