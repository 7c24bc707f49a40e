//! Swaps of two replicas, where no broker has room for a copy alone.

use crate::model::{BrokerIndex, PartitionIndex, PerResource};
use crate::plan::placement::{Copy, NOTHING, Placement};

/// So many of a hot broker's replicas are weighed, the greatest first.
const GIVEN: usize = 32;
/// So many brokers are asked to take one, the coldest first.
const PARTNERS: usize = 24;

/// Swaps replicas between hot brokers and others until no swap helps enough for its bytes or `effort` swaps were
/// weighed.
pub(in crate::plan) fn swap(placement: &mut Placement<'_>, least_worth: f64, mut effort: u64) {
    for broker in placement.hot() {
        while effort > 0
            && placement
                .ledger
                .excess(broker, &placement.ledger.load[broker.get()])
                > NOTHING
        {
            let Some((given, taken)) = best_swap(placement, broker, least_worth, &mut effort) else {
                break;
            };
            placement.copy(&given);
            placement.copy(&taken);
        }
    }
}

fn best_swap(
    placement: &Placement<'_>,
    broker: BrokerIndex,
    least_worth: f64,
    effort: &mut u64,
) -> Option<(Copy, Copy)> {
    let given = greatest(placement, broker);
    let mut best: Option<(f64, (Copy, Copy))> = None;
    for partner in coldest(placement, broker) {
        for &mine in &given {
            let Some(there) = copy(placement, mine, broker, partner) else {
                continue;
            };
            for yours in placement.on(partner) {
                if *effort == 0 {
                    return best.map(|(_, pair)| pair);
                }
                *effort -= 1;
                if !placement.may_leave(partner, yours) || yours == mine {
                    continue;
                }
                let (score, back) = match weigh(placement, &there, yours, least_worth) {
                    Some(found) => found,
                    None => continue,
                };
                if best.as_ref().is_none_or(|(least, _)| score > *least) {
                    best = Some((score, (there, back)));
                }
            }
        }
    }
    best.map(|(_, pair)| pair)
}

/// What a swap gains for each byte, when it gains enough and is allowed.
fn weigh(
    placement: &Placement<'_>,
    there: &Copy,
    yours: PartitionIndex,
    least_worth: f64,
) -> Option<(f64, Copy)> {
    let (broker, partner) = (there.from, there.to);
    let mine_share = placement.share(broker, there.partition);
    let your_share = placement.share(partner, yours);
    let change = your_share - mine_share;
    let price = placement.ledger.price_of(broker, &change)
        + placement
            .ledger
            .price_of(partner, &(PerResource::default() - change));
    let bytes = placement.model.load(there.partition).disk + placement.model.load(yours).disk;
    let cost = least_worth * bytes / placement.ledger.mean_disk;
    if -price <= cost.max(NOTHING) {
        return None;
    }
    let back = copy(placement, yours, partner, broker)?;
    let fits = placement.ledger.has_room(broker, &change)
        && placement
            .ledger
            .has_room(partner, &(PerResource::default() - change));
    fits.then(|| (-price / bytes.max(1.0), back))
}

/// The copy of a replica that takes its role along.
fn copy(
    placement: &Placement<'_>,
    partition: PartitionIndex,
    from: BrokerIndex,
    to: BrokerIndex,
) -> Option<Copy> {
    let leader = placement.leader(partition)?;
    placement.may_host(partition, from, to).then_some(Copy {
        partition,
        from,
        to,
        leader: if leader == from { to } else { leader },
    })
}

fn greatest(placement: &Placement<'_>, broker: BrokerIndex) -> Vec<PartitionIndex> {
    let price = |row| {
        let freed = PerResource::default() - placement.share(broker, row);
        placement.ledger.price_of(broker, &freed)
    };
    let movable = placement
        .on(broker)
        .filter(|&row| placement.may_leave(broker, row));
    let mut rows: Vec<(f64, PartitionIndex)> = movable.map(|row| (price(row), row)).collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    rows.truncate(GIVEN);
    rows.into_iter().map(|(_, row)| row).collect()
}

fn coldest(placement: &Placement<'_>, broker: BrokerIndex) -> Vec<BrokerIndex> {
    let fill = |row| placement.ledger.fill(row, &PerResource::default());
    let others = placement
        .model
        .brokers()
        .filter(|&row| row != broker && placement.ledger.receives(row));
    let mut rows: Vec<(f64, BrokerIndex)> = others.map(|row| (fill(row), row)).collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    rows.truncate(PARTNERS);
    rows.into_iter().map(|(_, row)| row).collect()
}
