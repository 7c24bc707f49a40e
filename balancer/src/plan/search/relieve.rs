//! Copies off hot brokers, the most relief for each byte first.

use std::collections::BinaryHeap;

use super::{Scored, Targets, copy_to};
use crate::model::{BrokerIndex, PartitionIndex, PerResource};
use crate::plan::placement::{NOTHING, Placement};

/// Targets that become a little too hot are relieved in the next round.
const ROUNDS: usize = 6;

/// Copies replicas off brokers that exceed a limit, until none helps enough for its bytes.
pub(in crate::plan) fn relieve(placement: &mut Placement<'_>, targets: &Targets, least_worth: f64) {
    for _ in 0..ROUNDS {
        let mut progress = false;
        for broker in placement.hot() {
            progress |= relieve_broker(placement, targets, broker, least_worth);
        }
        if !progress {
            return;
        }
    }
}

fn relieve_broker(
    placement: &mut Placement<'_>,
    targets: &Targets,
    broker: BrokerIndex,
    least_worth: f64,
) -> bool {
    let overhead = 1e-5 * placement.ledger.mean_disk;
    let movable = placement.on(broker).filter(|&row| placement.is_movable(row));
    let mut queue: BinaryHeap<Scored> = movable
        .filter_map(|partition| {
            let score = relief(placement, broker, partition, overhead);
            (score > 0.0).then_some(Scored { score, partition })
        })
        .collect();
    let mut progress = false;
    while let Some(Scored { partition, .. }) = queue.pop() {
        // What a replica relieves only falls while the broker cools, so a stale score is never too low.
        let score = relief(placement, broker, partition, overhead);
        if score <= 0.0 {
            continue;
        }
        if queue.peek().is_some_and(|next| next.score > score) {
            queue.push(Scored { score, partition });
            continue;
        }
        if score * placement.ledger.mean_disk < least_worth {
            break;
        }
        let Some(target) = targets.best(placement, partition, broker) else {
            continue;
        };
        let freed = PerResource::default() - placement.share(broker, partition);
        let price = target.price + placement.ledger.price_of(broker, &freed);
        let cost = least_worth * placement.model.load(partition).disk / placement.ledger.mean_disk;
        if -price > cost.max(NOTHING) {
            placement.copy(&copy_to(partition, broker, &target));
            progress = true;
        }
    }
    progress
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
