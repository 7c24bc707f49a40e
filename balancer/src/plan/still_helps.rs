//! Whether a move that was planned earlier is still worth making.

use super::ledger::Ledger;
use super::placement::NOTHING;
use super::{Move, PlanSettings, Purpose};
use crate::model::{BrokerIndex, BrokerState, Model, PerResource};

/// Whether a move still helps under the current load.
///
/// It does not when the partition is gone, is another topic's of the same name, is no longer placed as it was when
/// the move was planned, or when a broker that is to get something may not have it. A move off a broker that drains or
/// is dead then always helps; one to a new broker helps while that broker stays within its limits; any other helps
/// while it lowers what brokers carry beyond their limits.
pub fn still_helps(model: &Model, change: &Move, settings: &PlanSettings) -> bool {
    let Some(partition) = model.find(&change.partition) else {
        return false;
    };
    let rows = |ids: &[kafka::ids::BrokerId]| -> Option<Vec<BrokerIndex>> {
        ids.iter().map(|&id| model.find_broker(id)).collect()
    };
    let (Some(from), Some(to)) = (rows(&change.from), rows(&change.to)) else {
        return false;
    };
    let now = model.replicas(partition);
    let same_place = now.len() == from.len() && now.iter().all(|row| from.contains(row));
    if !same_place
        || model.topic(model.topic_of(partition)).id != change.topic_id
        || model.is_immovable(partition)
    {
        return false;
    }
    let (Some(&leader), Some(old_leader)) = (to.first(), model.leader(partition)) else {
        return false;
    };
    let ledger = Ledger::strict(model, &Purpose::Rebalance, settings);
    let load = model.load(partition);
    let share = |row: BrokerIndex, rows: &[BrokerIndex], leader: BrokerIndex| {
        if rows.contains(&row) {
            load.on_replica(row == leader)
        } else {
            PerResource::default()
        }
    };
    let involved = from.iter().chain(to.iter().filter(|row| !from.contains(row)));
    let mut price = 0.0;
    for &row in involved {
        let difference = share(row, &to, leader) - share(row, now, old_leader);
        let gets = !from.contains(&row) || (row == leader && row != old_leader);
        if gets && !(ledger.receives(row) && ledger.has_room(row, &difference)) {
            return false;
        }
        price += ledger.price_of(row, &difference);
    }
    let state = |row: &BrokerIndex| model.broker(*row).state;
    let empties = from
        .iter()
        .filter(|row| !to.contains(row))
        .any(|row| matches!(state(row), BrokerState::Draining | BrokerState::Dead));
    let fills = to
        .iter()
        .filter(|row| !from.contains(row))
        .any(|row| state(row) == BrokerState::New);
    empties || if fills { price <= NOTHING } else { price < -NOTHING }
}
