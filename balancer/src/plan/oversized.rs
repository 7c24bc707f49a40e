//! Partitions that are too large for every broker: only splitting them helps.

use std::collections::HashSet;

use super::placement::Placement;
use crate::model::{BrokerIndex, PartitionIndex, Resource};

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

/// Gives each partition that no placement helps a home where it stays, one a broker. The rest of what is on that broker
/// is relieved until the broker is close to what the partition alone takes, which is the best that there is: the partition
/// is not moved in vain, and its neighbours do not suffer beside it.
pub(super) fn set_aside(placement: &mut Placement<'_>, threshold: f64) -> Vec<Oversized> {
    let mut found = find(placement);
    found.sort_by(|a, b| {
        (b.load / b.limit)
            .total_cmp(&(a.load / a.limit))
            .then(a.partition.cmp(&b.partition))
    });
    let mut homes = HashSet::new();
    for oversized in &found {
        settle(placement, &mut homes, oversized.partition, threshold);
    }
    found
}

fn find(placement: &Placement<'_>) -> Vec<Oversized> {
    let (model, most) = (placement.model, placement.ledger.tolerated);
    let each = |partition| {
        let load = model.load(partition).on_replica(true);
        let exceeded = Resource::ALL
            .into_iter()
            .filter(|&r| load[r] > most[r] && most[r] > 0.0);
        let resource = exceeded.max_by(|&a, &b| (load[a] / most[a]).total_cmp(&(load[b] / most[b])))?;
        Some(Oversized {
            partition,
            resource,
            load: load[resource],
            limit: most[resource],
        })
    };
    model.partitions().filter_map(each).collect()
}

/// Keeps the replicas that are too large where they are, or passes the leadership to one of the largest brokers that has
/// no such partition yet. Where that cannot be, the partition is left to the search.
fn settle(
    placement: &mut Placement<'_>,
    homes: &mut HashSet<(BrokerIndex, Resource)>,
    partition: PartitionIndex,
    threshold: f64,
) {
    let most = placement.ledger.tolerated;
    let load = placement.model.load(partition);
    let exceeding = |leads: bool| {
        let share = load.on_replica(leads);
        Resource::ALL.into_iter().filter(move |&r| share[r] > most[r])
    };
    let Some(leader) = placement.leader(partition) else {
        return;
    };
    let largest = placement.ledger.largest_capacity(placement.model);
    let is_home = |homes: &HashSet<_>, broker: BrokerIndex, leads| {
        // On a smaller broker there is a better placement, which the search finds.
        let capacity = &placement.model.broker(broker).capacity;
        exceeding(leads).all(|r| !homes.contains(&(broker, r)) && capacity[r] >= largest[r])
    };
    let replicas = placement.replicas(partition).to_vec();
    let follows_large = exceeding(false).next().is_some();
    if !is_home(homes, leader, true) {
        let heir = replicas.iter().copied().find(|&other| {
            other != leader && is_home(homes, other, true) && placement.may_lead(other, partition)
        });
        match heir {
            Some(heir) if !follows_large && placement.is_free(partition) => placement.lead(partition, heir),
            _ => return,
        }
    }
    let leader = placement.leader(partition);
    for broker in replicas {
        let leads = leader == Some(broker);
        let share = load.on_replica(leads);
        for r in exceeding(leads) {
            homes.insert((broker, r));
            // Neighbours go where that makes more than a small difference; smaller for leaders, which copy nothing.
            let beside = match r {
                Resource::BytesOut => threshold / 2.0,
                _ => threshold,
            };
            let limit = &mut placement.ledger.limit[broker.get()][r];
            *limit = limit.max(share[r] * (1.0 + beside));
        }
    }
    if follows_large {
        placement.pin(partition);
    } else {
        placement.pin_leader(partition);
    }
}
