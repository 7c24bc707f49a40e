//! Giving new brokers their share.

use std::collections::BinaryHeap;

use super::{Scored, scatter};
use crate::model::{BrokerIndex, PartitionIndex, PerResource, Resource};
use crate::plan::ledger::{NOTHING, Part};
use crate::plan::placement::{Copy, Placement};

/// So many partitions are candidates in a large cluster, divided over the new brokers; each has some thousands at least.
const CANDIDATES: usize = 50_000;
const CANDIDATES_EACH: usize = 3_000;

/// Copies replicas to brokers that are below their share, the most that they lack for each byte first, then gives
/// them leaderships of what they have.
pub(in crate::plan) fn fill(placement: &mut Placement<'_>, seed: u64) {
    let new = placement.brokers(Part::Fills);
    let each = (CANDIDATES / new.len().max(1)).max(CANDIDATES_EACH);
    for broker in new {
        lead_more(placement, broker);
        copy_more(placement, broker, each, seed);
        lead_more(placement, broker);
    }
}

fn copy_more(placement: &mut Placement<'_>, broker: BrokerIndex, most: usize, seed: u64) {
    let count = placement.model.partitions().len();
    let every = count.div_ceil(most).max(1) as u64;
    let salt = seed ^ broker.get() as u64;
    let candidates = placement
        .model
        .partitions()
        .filter(|row| every == 1 || scatter(salt ^ (u64::from(row.0) << 20)).is_multiple_of(every));
    let mut queue: BinaryHeap<Scored> = candidates
        .filter(|&row| !placement.hosts(broker, row))
        .filter_map(|partition| {
            let (score, _) = best_source(placement, broker, partition)?;
            Some(Scored { score, partition })
        })
        .collect();
    while let Some(Scored { partition, .. }) = queue.pop() {
        let Some((score, copy)) = best_source(placement, broker, partition) else {
            continue;
        };
        if queue.peek().is_some_and(|next| next.score > score) {
            queue.push(Scored { score, partition });
        } else {
            placement.copy(&copy);
        }
    }
}

/// The replica of a partition whose place the new broker takes best, and what that gains for each byte.
fn best_source(
    placement: &Placement<'_>,
    broker: BrokerIndex,
    partition: PartitionIndex,
) -> Option<(f64, Copy)> {
    let leader = placement.leader(partition)?;
    let load = placement.model.load(partition);
    let overhead = 1e-5 * placement.ledger.mean_disk;
    let mut best: Option<(f64, Copy)> = None;
    for &from in placement.replicas(partition) {
        if !placement.may_leave(from, partition) || !placement.may_host(partition, from, broker) {
            continue;
        }
        let leads = from == leader;
        let share = load.on_replica(leads);
        if !placement.ledger.has_room(broker, &share) || !can_spare(placement, from, &share) {
            continue;
        }
        let gain = -placement.ledger.price_of(broker, &share)
            - placement.ledger.price_of(from, &(PerResource::default() - share));
        let score = gain / (load.disk + overhead);
        if gain > NOTHING && best.as_ref().is_none_or(|(least, _)| score > *least) {
            let leader = if leads { broker } else { leader };
            let copy = Copy {
                partition,
                from,
                to: broker,
                leader,
            };
            best = Some((score, copy));
        }
    }
    best
}

/// Whether a broker stays near the mean without it.
fn can_spare(placement: &Placement<'_>, broker: BrokerIndex, share: &PerResource) -> bool {
    let ledger = &placement.ledger;
    let row = broker.get();
    ledger.part[row] == Part::Stays
        && Resource::ALL.iter().all(|&r| {
            let relative = (ledger.load[row][r] - share[r]) * ledger.scale[row][r];
            ledger.scale[row][r] == 0.0 || share[r] == 0.0 || relative > SPARE
        })
}

/// Brokers at less than this part of the mean give nothing away.
const SPARE: f64 = 0.9;

fn lead_more(placement: &mut Placement<'_>, broker: BrokerIndex) {
    let followed: Vec<PartitionIndex> = placement
        .on(broker)
        .filter(|&row| placement.is_free(row) && !placement.leads(broker, row))
        .collect();
    for partition in followed {
        let leading = placement.leading(partition);
        let Some(leader) = placement.leader(partition) else {
            continue;
        };
        let gain = -placement.ledger.price_of(broker, &leading)
            - placement
                .ledger
                .price_of(leader, &(PerResource::default() - leading));
        if gain > NOTHING && placement.may_lead(broker, partition) && can_spare(placement, leader, &leading) {
            placement.lead(partition, broker);
        }
    }
}
