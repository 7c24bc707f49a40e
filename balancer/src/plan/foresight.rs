//! Whether moves that were planned earlier are still worth making.

use kafka::ids::BrokerId;

use super::ledger::{Ledger, NOTHING};
use super::{Move, PlanSettings, Purpose};
use crate::model::{BrokerIndex, BrokerState, Model, PartitionIndex, PerResource};

/// What brokers will carry when the moves before are over, under the load of now.
///
/// Moves are asked about in the plan's order: one that passes on what another one brings helps only together with it.
pub struct Foresight<'a> {
    model: &'a Model,
    ledger: Ledger,
}

/// A move in the rows of a model in which it can be made.
struct Rows {
    partition: PartitionIndex,
    from: Vec<BrokerIndex>,
    to: Vec<BrokerIndex>,
    leader: BrokerIndex,
    old_leader: BrokerIndex,
}

impl<'a> Foresight<'a> {
    /// What they carry now.
    pub fn new(model: &'a Model, settings: &PlanSettings) -> Self {
        Self {
            model,
            ledger: Ledger::strict(model, &Purpose::Rebalance, settings),
        }
    }

    /// Takes a move that is being made as if it were over.
    pub fn take(&mut self, change: &Move) {
        if let Some(rows) = self.rows(change) {
            for (row, difference) in self.differences(&rows) {
                self.ledger.load[row.get()] += difference;
            }
        }
    }

    /// Whether a move helps after those before it. One that does is taken as if it were over.
    ///
    /// It does not when the partition is gone, is another topic's of the same name, is no longer placed as it was when
    /// the move was planned, or when a broker that is to get something may not have it. A move off a broker that drains or
    /// is dead then always helps; one to a new broker helps while that broker stays within its limits; any other helps
    /// while it lowers what brokers carry beyond their limits.
    pub fn still_helps(&mut self, change: &Move) -> bool {
        let Some(rows) = self.rows(change) else {
            return false;
        };
        let differences = self.differences(&rows);
        let helps = self.helps(&rows, &differences);
        if helps {
            for (row, difference) in differences {
                self.ledger.load[row.get()] += difference;
            }
        }
        helps
    }

    /// Whether a move's partition is still placed as it was when the move was planned.
    pub fn is_as_planned(&self, change: &Move) -> bool {
        self.rows(change).is_some()
    }

    fn rows(&self, change: &Move) -> Option<Rows> {
        let model = self.model;
        let partition = model.find(&change.partition)?;
        let rows = |ids: &[BrokerId]| -> Option<Vec<BrokerIndex>> {
            ids.iter().map(|&id| model.find_broker(id)).collect()
        };
        let (from, to) = (rows(&change.from)?, rows(&change.to)?);
        let now = model.replicas(partition);
        let is_as_planned = now.len() == from.len()
            && now.iter().all(|row| from.contains(row))
            && model.topic(model.topic_of(partition)).id == change.topic_id
            && !model.is_immovable(partition);
        is_as_planned.then_some(())?;
        Some(Rows {
            leader: to.first().copied()?,
            old_leader: model.leader(partition)?,
            partition,
            from,
            to,
        })
    }

    fn differences(&self, rows: &Rows) -> Vec<(BrokerIndex, PerResource)> {
        let now = self.model.load(rows.partition);
        let share = |row: BrokerIndex, hosts: &[BrokerIndex], leader: BrokerIndex| match hosts.contains(&row)
        {
            true => now
                .with_replicas(rows.from.len(), hosts.len())
                .on_replica(row == leader),
            false => PerResource::default(),
        };
        let arriving = rows.to.iter().filter(|row| !rows.from.contains(row));
        let involved = rows.from.iter().chain(arriving).copied();
        involved
            .map(|row| {
                let (after, before) = (
                    share(row, &rows.to, rows.leader),
                    share(row, &rows.from, rows.old_leader),
                );
                (row, after - before)
            })
            .collect()
    }

    fn helps(&self, rows: &Rows, differences: &[(BrokerIndex, PerResource)]) -> bool {
        let ledger = &self.ledger;
        let is_given =
            |row: BrokerIndex| !rows.from.contains(&row) || (row == rows.leader && row != rows.old_leader);
        let mut given = differences.iter().filter(|(row, _)| is_given(*row));
        if !given.all(|(row, more)| ledger.receives(*row) && ledger.has_room(*row, more)) {
            return false;
        }
        let price: f64 = differences
            .iter()
            .map(|(row, difference)| ledger.price_of(*row, difference))
            .sum();
        let state = |row: &BrokerIndex| self.model.broker(*row).state;
        let empties = rows
            .from
            .iter()
            .filter(|row| !rows.to.contains(row))
            .any(|row| matches!(state(row), BrokerState::Draining | BrokerState::Dead));
        let fills = rows
            .to
            .iter()
            .filter(|row| !rows.from.contains(row))
            .any(|row| state(row) == BrokerState::New);
        empties || if fills { price <= NOTHING } else { price < -NOTHING }
    }
}
