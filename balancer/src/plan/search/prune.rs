//! Taking back what a plan does not need, and copying less where less is enough.

use crate::model::{BrokerIndex, PartitionIndex, Resource};
use crate::plan::ledger::{NOTHING, Part};
use crate::plan::placement::{Copy, Placement};

/// Takes back every change whose absence does no harm, the most bytes first, then replaces copies by smaller ones, the
/// greatest first, until `effort` replicas were weighed.
pub(in crate::plan) fn prune(placement: &mut Placement<'_>, effort: u64) {
    take_back(placement);
    copy_smaller(placement, effort);
    take_back(placement);
}

fn take_back(placement: &mut Placement<'_>) {
    let mut changed: Vec<(f64, PartitionIndex)> = placement
        .changed()
        .into_iter()
        .map(|row| (placement.copied(row), row))
        .collect();
    changed.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    for (_, partition) in changed {
        let model = placement.model;
        let (replicas, leader) = (model.replicas(partition), model.leader(partition));
        let leaving = |broker: &BrokerIndex| placement.ledger.part[broker.get()] == Part::Leaves;
        if replicas.iter().any(leaving) {
            continue;
        }
        if harmless(placement, partition, replicas, leader) {
            placement.place(partition, replicas, leader);
        } else if leader.is_some_and(|leader| placement.hosts(leader, partition)) {
            let kept = placement.replicas(partition).to_vec();
            if harmless(placement, partition, &kept, leader) {
                placement.place(partition, &kept, leader);
            }
        }
    }
}

fn harmless(
    placement: &Placement<'_>,
    partition: PartitionIndex,
    replicas: &[BrokerIndex],
    leader: Option<BrokerIndex>,
) -> bool {
    let changes = placement.changes(partition, replicas, leader);
    let fits = changes.iter().all(|(broker, change)| {
        // A broker may have what it had, even beyond its headroom.
        let had = placement.model.broker_load(*broker);
        let load = placement.ledger.load[broker.get()] + *change;
        let ceiling = &placement.ledger.ceiling[broker.get()];
        let within = |&r: &Resource| load[r] <= ceiling[r].max(had[r] * (1.0 + NOTHING));
        Resource::ALL.iter().filter(|&&r| change[r] > 0.0).all(within)
    });
    fits && placement.excess_of(&changes) <= NOTHING && placement.price_of(&changes) <= NOTHING
}

/// Replaces a copy by that of a smaller replica from the same broker where that is enough too.
fn copy_smaller(placement: &mut Placement<'_>, mut effort: u64) {
    let mut changed = placement.changed();
    changed.sort_by(|&a, &b| {
        placement
            .copied(b)
            .total_cmp(&placement.copied(a))
            .then(a.cmp(&b))
    });
    for partition in changed {
        let Some(made) = single_copy(placement, partition) else {
            continue;
        };
        let weighed = placement.on(made.from).count() as u64;
        if effort < weighed {
            return;
        }
        effort -= weighed;
        if let Some(smaller) = smaller(placement, &made) {
            let model = placement.model;
            placement.place(partition, model.replicas(partition), model.leader(partition));
            placement.copy(&smaller);
        }
    }
}

/// The one copy that a partition's change consists of.
fn single_copy(placement: &Placement<'_>, partition: PartitionIndex) -> Option<Copy> {
    let before = placement.model.replicas(partition);
    let now = placement.replicas(partition);
    let mut pairs = before.iter().zip(now).filter(|(a, b)| a != b);
    let (&from, &to) = pairs.next()?;
    let leader = placement.leader(partition)?;
    let leaves = placement.ledger.part[from.get()] == Part::Leaves;
    (pairs.next().is_none() && !leaves).then_some(Copy {
        partition,
        from,
        to,
        leader,
    })
}

/// The smallest other replica whose copy would do instead of the one made.
fn smaller(placement: &Placement<'_>, made: &Copy) -> Option<Copy> {
    let model = placement.model;
    let undo = placement.changes(
        made.partition,
        model.replicas(made.partition),
        model.leader(made.partition),
    );
    let untouched = |row: PartitionIndex| placement.replicas(row) == model.replicas(row);
    let load = placement.ledger.load[made.from.get()];
    let back = load
        + model
            .load(made.partition)
            .on_replica(model.leader(made.partition) == Some(made.from));
    let allowed = placement.ledger.excess(made.from, &load) + NOTHING;
    let relieves = |row| {
        let after = back - placement.share(made.from, row);
        placement.ledger.excess(made.from, &after) <= allowed
    };
    let mut best: Option<(f64, Copy)> = None;
    for row in placement.on(made.from) {
        let disk = model.load(row).disk;
        if disk >= best.map_or(model.load(made.partition).disk, |(least, _)| least)
            || !placement.may_leave(made.from, row)
            || !untouched(row)
            || !relieves(row)
            || !placement.may_host(row, made.from, made.to)
        {
            continue;
        }
        let Some(leader) = placement.leader(row) else {
            continue;
        };
        let copy = Copy {
            partition: row,
            leader: if leader == made.from { made.to } else { leader },
            ..*made
        };
        let mut changes = placement.changes(row, &placement.replicas_after(&copy), Some(copy.leader));
        for &(broker, change) in &undo {
            match changes.iter_mut().find(|(other, _)| *other == broker) {
                Some((_, sum)) => *sum += change,
                None => changes.push((broker, change)),
            }
        }
        let fits = changes
            .iter()
            .all(|(broker, change)| placement.ledger.has_room(*broker, change));
        if fits && placement.excess_of(&changes) <= NOTHING {
            best = Some((disk, copy));
        }
    }
    best.map(|(_, copy)| copy)
}
