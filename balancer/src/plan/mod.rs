//! Plans: ordered moves with reasons and costs.
//!
//! One planner cools, drains, fills and rebalances. It lowers a convex price of what brokers carry beyond their limits,
//! first by changes of leaders, then by copies in the order of what they relieve for each byte, then by swaps and chains,
//! and takes back what turned out not to be needed. How many replicas partitions have changes by order only, by a way of its
//! own (`replicate`). The same request gives the same plan.

mod bound;
mod explain;
mod foresight;
mod ledger;
pub mod output;
mod oversized;
mod placement;
mod portfolio;
mod replicate;
mod request;
mod search;
mod spread;
#[cfg(test)]
mod tests;
mod worth;

use std::collections::BTreeMap;

use kafka::ids::{BrokerId, ReplicationFactor, TopicName, TopicPartition};
use serde::{Deserialize, Serialize};

use crate::model::PerResource;
pub use crate::model::Resource;
pub use foresight::Foresight;
pub use request::{PlanRequest, PlanSettings};
pub use worth::LeftOut;

/// Plans.
///
/// It always succeeds: what cannot be done is named in [`Plan::unsolved`].
pub fn plan(request: &PlanRequest<'_>) -> Plan {
    match &request.purpose {
        Purpose::Replicate(wanted) => replicate::plan(request, wanted),
        Purpose::Cool | Purpose::Drain(_) | Purpose::Fill(_) | Purpose::Rebalance => {
            explain::explain(request, portfolio::best(request))
        }
    }
}

/// One partition's change of replicas or leader.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// The partition.
    pub partition: TopicPartition,
    /// The topic's id when the move was planned; a topic of the same name made later is another one.
    pub topic_id: [u8; 16],
    /// Its replicas when the move was planned, the preferred leader first.
    pub from: Vec<BrokerId>,
    /// Its leader when the move was planned.
    pub from_leader: Option<BrokerId>,
    /// The replicas that it is to have, the preferred leader first. That one is to lead afterwards.
    pub to: Vec<BrokerId>,
    /// Why, in a sentence with figures.
    pub reason: String,
    /// Bytes to copy: the log's size times the replicas added. 0 when none is.
    pub bytes: u64,
    /// How much the move lowers the excess over the threshold, summed over brokers and resources, in parts of the
    /// mean utilisation.
    pub gain: f64,
    /// Expected time at the throttle that was foreseen, in seconds.
    pub expected_seconds: f64,
}

impl Move {
    /// The brokers that get a copy that they do not have yet.
    pub fn adding(&self) -> impl Iterator<Item = BrokerId> + '_ {
        self.to
            .iter()
            .copied()
            .filter(|broker| !self.from.contains(broker))
    }

    /// The brokers that lose their copy.
    pub fn removing(&self) -> impl Iterator<Item = BrokerId> + '_ {
        self.from
            .iter()
            .copied()
            .filter(|broker| !self.to.contains(broker))
    }

    /// Whether some broker gets a copy.
    pub fn is_copy(&self) -> bool {
        MoveKind::of(&self.from, &self.to) == MoveKind::Copy
    }

    /// Whether replicas only go, so that nothing is copied.
    pub fn is_removal(&self) -> bool {
        MoveKind::of(&self.from, &self.to) == MoveKind::Removal
    }

    /// Whether the set of replicas stays as it is.
    pub fn is_leadership_only(&self) -> bool {
        MoveKind::of(&self.from, &self.to) == MoveKind::Leadership
    }
}

/// What a move does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveKind {
    /// Some broker gets a copy.
    Copy,
    /// Replicas only go.
    Removal,
    /// The set of replicas stays as it is.
    Leadership,
}

impl MoveKind {
    /// That of a move from these replicas to those.
    pub fn of(from: &[BrokerId], to: &[BrokerId]) -> Self {
        if to.iter().any(|broker| !from.contains(broker)) {
            Self::Copy
        } else if from.iter().any(|broker| !to.contains(broker)) {
            Self::Removal
        } else {
            Self::Leadership
        }
    }
}

/// Imbalance of each resource: the greatest utilisation of a broker / the cluster's mean utilisation. 1 is perfect.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imbalance {
    /// Of bytes per second received.
    pub bytes_in: f64,
    /// Of bytes per second sent.
    pub bytes_out: f64,
    /// Of processor time.
    pub cpu: f64,
    /// Of bytes stored.
    pub disk: f64,
}

impl From<PerResource> for Imbalance {
    fn from(figures: PerResource) -> Self {
        let PerResource {
            bytes_in,
            bytes_out,
            cpu,
            disk,
        } = figures;
        Self {
            bytes_in,
            bytes_out,
            cpu,
            disk,
        }
    }
}

/// What a plan is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Cool hot brokers and partitions.
    Cool,
    /// Empty brokers that are draining.
    Drain(Vec<BrokerId>),
    /// Give new brokers their share.
    Fill(Vec<BrokerId>),
    /// Give each partition of these topics so many replicas.
    Replicate(BTreeMap<TopicName, ReplicationFactor>),
    /// Somebody asked for a better balance although nothing is hot.
    Rebalance,
}

/// Moves in the order in which they are to be made, and what they are worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What it is for.
    pub purpose: Purpose,
    /// The moves: leadership first, then copies.
    pub moves: Vec<Move>,
    /// Imbalance when it was planned.
    pub imbalance_before: Imbalance,
    /// Imbalance when all moves are done.
    pub imbalance_after: Imbalance,
    /// No placement that keeps the constraints has less imbalance, whatever it copies.
    pub imbalance_lower_bound: Imbalance,
    /// Bytes that all moves copy.
    pub bytes: u64,
    /// No plan reaches the same imbalance with fewer bytes than this.
    pub bytes_lower_bound: u64,
    /// What a copy is expected to add to the bytes per second that its brokers send and receive, while it is made.
    pub copy_rate: f64,
    /// How long all copies take at that rate at least, in seconds: those of the broker that has most to send or receive.
    pub copy_seconds: f64,
    /// Copies that would help and are not worth it, those that would gain most.
    pub left_out: Vec<LeftOut>,
    /// What could not be done and why, in sentences.
    pub unsolved: Vec<String>,
}

impl Plan {
    /// How many moves change the leader only.
    pub fn leadership_changes(&self) -> usize {
        self.moves
            .iter()
            .filter(|change| change.is_leadership_only())
            .count()
    }

    /// How many moves only take replicas away.
    pub fn removals(&self) -> usize {
        self.moves.iter().filter(|change| change.is_removal()).count()
    }

    /// How many moves copy data.
    pub fn replica_moves(&self) -> usize {
        self.moves.iter().filter(|change| change.is_copy()).count()
    }
}
