//! Changes of leaders: they copy nothing.

use std::collections::BinaryHeap;

use super::Scored;
use crate::model::{BrokerIndex, PartitionIndex, PerResource};
use crate::plan::placement::Placement;

/// The least that a change must lower the price.
const LEAST_GAIN: f64 = 1e-6;
/// Heat that has to pass through several brokers passes one further in each round.
const ROUNDS: usize = 32;

/// Passes leaderships from brokers that send or compute too much to replicas elsewhere, until none helps.
pub(in crate::plan) fn change_leaders(placement: &mut Placement<'_>) {
    for _ in 0..ROUNDS {
        let mut progress = false;
        for broker in placement.hot() {
            progress |= pass_on(placement, broker);
        }
        if !progress {
            return;
        }
    }
}

/// Passes on leaderships of one broker, the one that helps most first.
pub(super) fn pass_on(placement: &mut Placement<'_>, broker: BrokerIndex) -> bool {
    let led = placement
        .on(broker)
        .filter(|&row| placement.leads(broker, row) && placement.is_free(row));
    let mut queue: BinaryHeap<Scored> = led
        .filter_map(|partition| {
            let (score, _) = best_heir(placement, broker, partition)?;
            Some(Scored { score, partition })
        })
        .collect();
    let mut progress = false;
    while let Some(Scored { partition, .. }) = queue.pop() {
        let Some((score, heir)) = best_heir(placement, broker, partition) else {
            continue;
        };
        if queue.peek().is_some_and(|next| next.score > score) {
            queue.push(Scored { score, partition });
            continue;
        }
        placement.lead(partition, heir);
        progress = true;
    }
    progress
}

/// The replica that lowers the price most by leading instead, and by how much.
fn best_heir(
    placement: &Placement<'_>,
    broker: BrokerIndex,
    partition: PartitionIndex,
) -> Option<(f64, BrokerIndex)> {
    let leading = placement.leading(partition);
    let freed = placement
        .ledger
        .price_of(broker, &(PerResource::default() - leading));
    if freed > -LEAST_GAIN {
        return None;
    }
    let heirs = placement
        .replicas(partition)
        .iter()
        .filter(|&&other| other != broker && placement.may_lead(other, partition));
    heirs
        .map(|&other| (-freed - placement.ledger.price_of(other, &leading), other))
        .filter(|&(gain, _)| gain > LEAST_GAIN)
        .max_by(|a, b| {
            let leaders = |row| placement.spread.leaders(row);
            a.0.total_cmp(&b.0)
                .then(leaders(b.1).cmp(&leaders(a.1)))
                .then(b.1.cmp(&a.1))
        })
}
