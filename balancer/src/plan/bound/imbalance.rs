//! The least imbalance that any placement can have.
//!
//! Three things no placement changes: the greatest partition has to be led by one broker; what may not be moved stays
//! where it is; and a partition that has a replica in every rack keeps one in every rack, so that a rack with less
//! capacity than its part of the replicas is too full whatever its brokers exchange.

use crate::model::{PartitionIndex, PerResource};
use crate::plan::Imbalance;
use crate::plan::ledger::Part;
use crate::plan::placement::Placement;

/// The lower bound by resource, over the brokers that stay or fill; 1 where nothing stands in the way of balance.
/// `placement` is the one that the search starts from, `racks` its [`rack_floors`].
pub(in crate::plan) fn least_imbalance(placement: &Placement<'_>, racks: &[PerResource]) -> Imbalance {
    let racks = racks.iter().copied();
    let floors = racks.chain([greatest(placement), fixed(placement)]);
    floors.fold(PerResource::splat(1.0), PerResource::max).into()
}

/// What a load is in parts of what that capacity carries at the mean.
fn relative(placement: &Placement<'_>, load: &PerResource, capacity: &PerResource) -> PerResource {
    let mean = &placement.ledger.mean;
    load.ratio(&PerResource::from_fn(|r| mean[r] * capacity[r]))
}

fn greatest(placement: &Placement<'_>) -> PerResource {
    let model = placement.model;
    let leads_elsewhere = |row| {
        // Where the leader is left alone, it is nobody's who is balanced.
        let leader = placement.leader(row);
        leader.is_none_or(|leader| placement.ledger.part[leader.get()] == Part::Absent)
    };
    let load = model
        .partitions()
        .filter(|&row| !leads_elsewhere(row))
        .map(|row| model.load(row).on_replica(true))
        .fold(PerResource::default(), PerResource::max);
    relative(placement, &load, &placement.ledger.largest_capacity(model))
}

fn fixed(placement: &Placement<'_>) -> PerResource {
    let model = placement.model;
    let mut loads = vec![PerResource::default(); model.brokers().len()];
    for partition in model.partitions() {
        for &broker in model.replicas(partition) {
            if !placement.may_leave(broker, partition) {
                loads[broker.get()] += placement.share(broker, partition);
            }
        }
    }
    let receivers = model.brokers().filter(|&row| placement.ledger.receives(row));
    receivers
        .map(|row| relative(placement, &loads[row.get()], &model.broker(row).capacity))
        .fold(PerResource::default(), PerResource::max)
}

/// The least mean utilisation of each rack's brokers that any placement can have, in parts of the cluster's mean: what
/// the partitions bring that have a replica in every rack.
pub(in crate::plan) fn rack_floors(placement: &Placement<'_>) -> Vec<PerResource> {
    let model = placement.model;
    let mut capacity = vec![PerResource::default(); model.rack_count() as usize];
    for row in model.brokers().filter(|&row| placement.ledger.receives(row)) {
        capacity[model.rack(row) as usize] += model.broker(row).capacity;
    }
    let used: Vec<u32> = (0..model.rack_count())
        .filter(|&rack| capacity[rack as usize].disk > 0.0)
        .collect();
    let covers = |&row: &PartitionIndex| {
        let replicas = model.replicas(row);
        let in_rack = |rack: u32| replicas.iter().any(|&broker| model.rack(broker) == rack);
        replicas.len() >= used.len() && used.iter().all(|&rack| in_rack(rack))
    };
    let load = model
        .partitions()
        .filter(covers)
        .map(|row| model.load(row).on_replica(false))
        .fold(PerResource::default(), |sum, load| sum + load);
    capacity
        .iter()
        .map(|capacity| relative(placement, &load, capacity))
        .collect()
}
