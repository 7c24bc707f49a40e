//! Copies off hot brokers, the most relief for each byte first.

use std::collections::BinaryHeap;

use super::{Scored, Targets, copy_to};
use crate::model::{BrokerIndex, PartitionIndex, PerResource};
use crate::plan::ledger::NOTHING;
use crate::plan::placement::Placement;
use crate::plan::worth::Worth;

/// Targets that become a little too hot are relieved in the next round.
const ROUNDS: usize = 6;
/// When so many replicas in a row find no place, the rest will not find one either.
const PATIENCE: usize = 48;

/// Copies replicas off brokers that exceed a limit, until none helps enough for its bytes.
pub(in crate::plan) fn relieve(placement: &mut Placement<'_>, targets: &Targets, worth: &mut Worth<'_>) {
    for _ in 0..ROUNDS {
        let mut progress = false;
        for broker in placement.hot() {
            progress |= relieve_broker(placement, targets, (broker, broker), worth);
        }
        if !progress {
            return;
        }
    }
}

/// Relieves a broker on the account of the one whose heat is the reason.
pub(super) fn relieve_broker(
    placement: &mut Placement<'_>,
    targets: &Targets,
    (broker, payer): (BrokerIndex, BrokerIndex),
    worth: &mut Worth<'_>,
) -> bool {
    let overhead = 1e-5 * placement.ledger.mean_disk;
    let movable = placement
        .on(broker)
        .filter(|&row| placement.may_leave(broker, row));
    let mut queue: BinaryHeap<Scored> = movable
        .filter_map(|partition| {
            let score = relief(placement, broker, partition, overhead) * targets.whim(partition);
            (score > 0.0).then_some(Scored { score, partition })
        })
        .collect();
    let mut progress = false;
    let mut refused = 0;
    while refused < PATIENCE
        && let Some(Scored { partition, .. }) = queue.pop()
    {
        // What a replica relieves only falls while the broker cools, so a stale score is never too low.
        let relief = relief(placement, broker, partition, overhead);
        if relief <= 0.0 {
            continue;
        }
        let score = relief * targets.whim(partition);
        if queue.peek().is_some_and(|next| next.score > score) {
            queue.push(Scored { score, partition });
            continue;
        }
        let bytes = placement.model.load(partition).disk;
        let (gain, cost) = (relief * (bytes + overhead), cost(placement, worth, bytes));
        if gain < cost {
            worth.gains_too_little(broker, partition, gain, cost);
            continue;
        }
        if !worth.allows(payer, bytes) {
            worth.takes_too_long(placement, broker, partition, gain);
            continue;
        }
        let Some(target) = targets.best(placement, partition, broker) else {
            refused += 1;
            continue;
        };
        let freed = PerResource::default() - placement.share(broker, partition);
        let price = target.price + placement.ledger.price_of(broker, &freed);
        if -price > cost.max(NOTHING) {
            placement.copy(&copy_to(partition, broker, &target));
            worth.spend(payer, bytes);
            progress = true;
            refused = 0;
        } else {
            refused += 1;
        }
    }
    progress
}

/// What a copy has to gain. Copies below a hundredth of a broker's disk are worth any gain: they remove the last
/// of the heat, of which little is left then.
fn cost(placement: &Placement<'_>, worth: &Worth<'_>, bytes: f64) -> f64 {
    const SMALL: f64 = 0.01;
    worth.cost(placement, (bytes - SMALL * placement.ledger.mean_disk).max(0.0))
}

/// By how much a broker's excess falls when a replica leaves, for each byte.
fn relief(placement: &Placement<'_>, broker: BrokerIndex, partition: PartitionIndex, overhead: f64) -> f64 {
    let ledger = &placement.ledger;
    let load = ledger.load[broker.get()];
    let after = load - placement.share(broker, partition);
    let gain = ledger.excess(broker, &load) - ledger.excess(broker, &after);
    if gain <= NOTHING {
        return 0.0;
    }
    gain / (placement.model.load(partition).disk + overhead)
}
