//! Swaps of two replicas, where no broker has room for a copy alone.

use crate::model::{BrokerIndex, PartitionIndex, PerResource};
use crate::plan::ledger::NOTHING;
use crate::plan::placement::{Copy, Placement};
use crate::plan::worth::Worth;

/// So many of a hot broker's replicas are weighed, the greatest first.
const GIVEN: usize = 32;
/// So many brokers are asked at a time to take one, the coldest first.
const PARTNERS: usize = 24;

/// Swaps replicas between hot brokers and others until no swap helps enough for its bytes or `effort` swaps were
/// weighed.
pub(in crate::plan) fn swap(placement: &mut Placement<'_>, worth: &mut Worth<'_>, effort: &mut u64) {
    for broker in placement.hot() {
        while *effort > 0 && placement.ledger.is_hot(broker) {
            let Some((given, taken)) = best_swap(placement, broker, worth, effort) else {
                break;
            };
            let copied = [given, taken].map(|copy| placement.model.load(copy.partition).disk);
            worth.spend(broker, copied.iter().sum());
            placement.copy(&given);
            placement.copy(&taken);
        }
    }
}

fn best_swap(
    placement: &Placement<'_>,
    broker: BrokerIndex,
    worth: &Worth<'_>,
    effort: &mut u64,
) -> Option<(Copy, Copy)> {
    let given = greatest(placement, broker, GIVEN);
    let partners = coldest(placement, broker);
    let mut asked = partners.chunks(PARTNERS);
    asked.find_map(|partners| best_swap_with(placement, broker, &given, partners, worth, effort))
}

fn best_swap_with(
    placement: &Placement<'_>,
    broker: BrokerIndex,
    given: &[PartitionIndex],
    partners: &[BrokerIndex],
    worth: &Worth<'_>,
    effort: &mut u64,
) -> Option<(Copy, Copy)> {
    let mut best: Option<(f64, (Copy, Copy))> = None;
    for &partner in partners {
        for &mine in given {
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
                let (score, back) = match weigh(placement, &there, yours, worth) {
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
    worth: &Worth<'_>,
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
    let cost = worth.cost(placement, bytes);
    if -price <= cost.max(NOTHING) || !worth.allows(broker, bytes) {
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

/// The replicas whose absence would relieve a broker most.
pub(super) fn greatest(placement: &Placement<'_>, broker: BrokerIndex, most: usize) -> Vec<PartitionIndex> {
    let price = |row| {
        let freed = PerResource::default() - placement.share(broker, row);
        placement.ledger.price_of(broker, &freed)
    };
    let movable = placement
        .on(broker)
        .filter(|&row| placement.may_leave(broker, row));
    let mut rows: Vec<(f64, PartitionIndex)> = movable.map(|row| (price(row), row)).collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    rows.truncate(most);
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
    rows.into_iter().map(|(_, row)| row).collect()
}
