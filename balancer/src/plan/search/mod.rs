//! The steps of a plan's search: empty, change leaders, copy, swap, and take back what is not needed.
//!
//! Each step only takes changes that lower the convex price of [`super::ledger::Ledger`], so each ends.

mod chain;
mod evacuate;
mod fill;
mod leadership;
mod prune;
mod relieve;
mod swap;

use std::cmp::Ordering;

use super::placement::{Copy, Placement};
use crate::model::{BrokerIndex, PartitionIndex, PerResource};

pub(super) use chain::chain;
pub(super) use evacuate::evacuate;
pub(super) use fill::fill;
pub(super) use leadership::change_leaders;
pub(super) use prune::prune;
pub(super) use relieve::relieve;
pub(super) use swap::swap;

/// A candidate in a queue: the greatest score first, then the lowest partition.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scored {
    score: f64,
    partition: PartitionIndex,
}

impl Eq for Scored {}

impl Ord for Scored {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then(other.partition.cmp(&self.partition))
    }
}

impl PartialOrd for Scored {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The brokers that a search looks at for a copy: all, or in a large cluster a share that differs from partition to
/// partition.
pub(super) struct Targets {
    brokers: Vec<BrokerIndex>,
    seed: u64,
    /// Varies the order in which replicas are moved; 0 keeps it.
    salt: u64,
}

impl Targets {
    /// So many are looked at first.
    const SAMPLE: usize = 64;

    pub(super) fn new(placement: &Placement<'_>, seed: u64, salt: u64) -> Self {
        let receives = |&row: &BrokerIndex| placement.ledger.receives(row);
        Self {
            brokers: placement.model.brokers().filter(receives).collect(),
            seed,
            salt,
        }
    }

    /// What a replica's relief is multiplied by when replicas are put into order: a few percent that differ from search
    /// to search.
    fn whim(&self, partition: PartitionIndex) -> f64 {
        match self.salt {
            0 => 1.0,
            salt => 1.0 + 0.05 * (scatter(salt ^ u64::from(partition.0)) >> 11) as f64 / (1_u64 << 53) as f64,
        }
    }

    /// The best copy of a replica off `from`, by the price that it adds elsewhere, then by how full it makes the
    /// target.
    fn best(
        &self,
        placement: &Placement<'_>,
        partition: PartitionIndex,
        from: BrokerIndex,
    ) -> Option<Target> {
        let offer = Offer::new(placement, partition, from);
        let count = self.brokers.len();
        if count <= Self::SAMPLE {
            return offer.best(self.brokers.iter().copied());
        }
        let start = scatter(self.seed ^ u64::from(partition.0)) as usize % count;
        let sample = (0..Self::SAMPLE).map(|step| self.brokers[(start + step) % count]);
        match offer.best(sample) {
            Some(target) if target.price <= 0.0 => Some(target),
            _ => offer.best(self.brokers.iter().copied()),
        }
    }
}

/// SplitMix64's finalizer (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
pub(super) fn scatter(value: u64) -> u64 {
    let mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Where a replica may go, what that adds to the price there, and who leads then.
#[derive(Debug, Clone, Copy)]
struct Target {
    to: BrokerIndex,
    leader: BrokerIndex,
    price: f64,
    fill: f64,
    crowd: (u16, u32),
}

/// One replica that is to leave a broker.
struct Offer<'p, 'm> {
    placement: &'p Placement<'m>,
    partition: PartitionIndex,
    from: BrokerIndex,
    leader: Option<BrokerIndex>,
    follower: PerResource,
    leading: PerResource,
    /// Another replica that could take the leadership over, and what that costs there.
    heir: Option<(BrokerIndex, f64)>,
}

impl<'p, 'm> Offer<'p, 'm> {
    fn new(placement: &'p Placement<'m>, partition: PartitionIndex, from: BrokerIndex) -> Self {
        let leading = placement.leading(partition);
        let leader = placement.leader(partition);
        let others = placement
            .replicas(partition)
            .iter()
            .filter(|&&other| other != from && leader == Some(from) && placement.may_lead(other, partition));
        let heir = others
            .map(|&other| (other, placement.ledger.price_of(other, &leading)))
            .min_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        Self {
            follower: placement.model.load(partition).on_replica(false),
            placement,
            partition,
            from,
            leader,
            leading,
            heir,
        }
    }

    fn best(&self, brokers: impl Iterator<Item = BrokerIndex>) -> Option<Target> {
        let legal = brokers.filter(|&to| self.placement.may_host(self.partition, self.from, to));
        legal.filter_map(|to| self.target(to)).min_by(Self::order)
    }

    fn crowd(&self, to: BrokerIndex) -> (u16, u32) {
        let topic = self.placement.model.topic_of(self.partition);
        self.placement.spread.crowd(topic, to)
    }

    fn order(a: &Target, b: &Target) -> Ordering {
        // To a search that spreads, brokers that are filled about the same are the same.
        let about = |target: &Target| match target.crowd {
            (0, 0) => target.fill,
            _ => (target.fill * 20.0).floor(),
        };
        a.price
            .total_cmp(&b.price)
            .then(about(a).total_cmp(&about(b)))
            .then(a.crowd.cmp(&b.crowd))
            .then(a.fill.total_cmp(&b.fill))
            .then(a.to.cmp(&b.to))
    }

    fn target(&self, to: BrokerIndex) -> Option<Target> {
        let ledger = &self.placement.ledger;
        let as_follower = |leader, heir_price| {
            ledger.has_room(to, &self.follower).then(|| Target {
                to,
                leader,
                price: heir_price + ledger.price_of(to, &self.follower),
                fill: ledger.fill(to, &self.follower),
                crowd: self.crowd(to),
            })
        };
        match self.leader {
            Some(leader) if leader != self.from => as_follower(leader, 0.0),
            Some(_) => {
                let load = self.follower + self.leading;
                let as_leader = ledger.has_room(to, &load).then(|| Target {
                    to,
                    leader: to,
                    price: ledger.price_of(to, &load),
                    fill: ledger.fill(to, &load),
                    crowd: self.crowd(to),
                });
                let passed = self.heir.and_then(|(heir, price)| as_follower(heir, price));
                match (as_leader, passed) {
                    (Some(a), Some(b)) => Some(if b.price < a.price { b } else { a }),
                    (a, b) => a.or(b),
                }
            }
            None => None,
        }
    }
}

/// The copy that a target stands for.
fn copy_to(partition: PartitionIndex, from: BrokerIndex, target: &Target) -> Copy {
    Copy {
        partition,
        from,
        to: target.to,
        leader: target.leader,
    }
}
