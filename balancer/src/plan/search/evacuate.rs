//! Emptying brokers that leave.

use super::{Offer, Target, Targets, copy_to};
use crate::model::{BrokerIndex, PartitionIndex, Resource};
use crate::plan::ledger::Part;
use crate::plan::placement::Placement;

/// Copies every replica off the brokers that leave, the greatest first, and returns those that cannot go. What is
/// excluded stays where it was brought.
pub(in crate::plan) fn evacuate(
    placement: &mut Placement<'_>,
    targets: &Targets,
) -> Vec<(PartitionIndex, BrokerIndex)> {
    let mut stuck = Vec::new();
    let mut leaving: Vec<(f64, PartitionIndex, BrokerIndex)> = Vec::new();
    for broker in placement.brokers(Part::Leaves) {
        for partition in placement.on(broker) {
            if placement.may_leave(broker, partition) {
                leaving.push((size(placement, broker, partition), partition, broker));
            } else {
                stuck.push((partition, broker));
            }
        }
    }
    leaving.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    for (_, partition, broker) in leaving {
        let target = targets
            .best(placement, partition, broker)
            .or_else(|| widest(placement, partition, broker));
        match target {
            Some(target) => placement.copy(&copy_to(partition, broker, &target)),
            None => stuck.push((partition, broker)),
        }
        let model = placement.model;
        if model.topic(model.topic_of(partition)).excluded {
            placement.pin(partition);
        }
    }
    stuck
}

/// The greatest part of the mean broker's load that a replica is.
fn size(placement: &Placement<'_>, broker: BrokerIndex, partition: PartitionIndex) -> f64 {
    let share = placement.share(broker, partition);
    let scale = &placement.ledger.scale[broker.get()];
    Resource::ALL
        .iter()
        .fold(0.0, |size, &r| size.max(share[r] * scale[r]))
}

/// Where no rack is free any more, a target in the rack that holds the fewest other replicas.
fn widest(placement: &Placement<'_>, partition: PartitionIndex, from: BrokerIndex) -> Option<Target> {
    let offer = Offer::new(placement, partition, from);
    let hosts = || {
        placement.model.brokers().filter(|&to| {
            placement.ledger.receives(to) && !placement.hosts(to, partition) && placement.fits(partition, to)
        })
    };
    let sharers = |to| placement.rack_sharers(partition, from, to);
    let fewest = hosts().map(sharers).min()?;
    hosts()
        .filter(|&to| sharers(to) == fewest)
        .filter_map(|to| offer.target(to))
        .min_by(Offer::order)
}
