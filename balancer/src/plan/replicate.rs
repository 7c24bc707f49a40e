//! More or fewer replicas of the partitions of topics, since somebody ordered it.
//!
//! What is added goes into racks that have none yet, and there to whom it burdens least. What goes first are replicas that are
//! of no use: on brokers that are dead, or not in sync; then those on brokers that are to be emptied, in racks that have
//! another, and on the fullest brokers. The leader stays, unless its broker is to be emptied; then it is another one's turn to
//! lead first, and the next plan takes the replica away.
//!
//! An order is obeyed for excluded topics too: it names the topic, and balance does not. Brokers that are excluded or to be
//! emptied get nothing. What was tried for it a short while ago is left to cool down, since it would most likely fail again.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};

use kafka::ids::{ReplicationFactor, TopicName};

use super::explain::{self, CUT, Change, IMMOVABLE};
use super::ledger::Ledger;
use super::spread::Spread;
use super::{Imbalance, Move, Plan, PlanRequest, PlanSettings};
use crate::model::{BrokerIndex, BrokerState, Model, PartitionIndex, PerResource, TopicIndex};

/// No cluster is better balanced than one in which every broker carries the mean.
const PERFECT: Imbalance = Imbalance {
    bytes_in: 1.0,
    bytes_out: 1.0,
    cpu: 1.0,
    disk: 1.0,
};

/// Plans so many replicas for each partition of these topics.
pub(super) fn plan(request: &PlanRequest<'_>, wanted: &BTreeMap<TopicName, ReplicationFactor>) -> Plan {
    let (model, settings) = (request.model, &request.settings);
    let start = Ledger::new(model, &request.purpose, settings);
    let mut orders = Orders {
        model,
        settings,
        ledger: start.clone(),
        spread: Spread::new(model, true),
        room: request.rooms(),
        made: Vec::new(),
        unsolved: Vec::new(),
        hindered: 0,
    };
    let mut left = outstanding(model, wanted);
    while !left.is_empty() && orders.made.len() < settings.max_moves {
        let next = left.len().min(settings.max_moves - orders.made.len());
        // The largest find their places first, since they find the fewest.
        let mut next: Vec<Outstanding> = left.drain(..next).collect();
        next.sort_by(|a, b| (a.grows.cmp(&b.grows)).then(b.bytes.total_cmp(&a.bytes)));
        for each in next {
            orders.obey(each.partition, each.wanted);
        }
    }
    let Orders {
        made: mut changes,
        unsolved,
        hindered,
        ..
    } = orders;
    let replicas = |change: &Change| model.replicas(change.partition).len();
    changes.sort_by_key(|change| (change.bytes > 0, replicas(change), change.bytes));
    let kept = explain::within_limits(&mut changes, settings) && left.is_empty();
    let mut ledger = start;
    let imbalance_before = explain::imbalance(model, &ledger);
    let moves: Vec<Move> = changes
        .iter()
        .map(|change| explain::describe(&mut ledger, model, change, settings))
        .collect();
    let more = hindered - unsolved.len();
    let mut told = unsolved;
    told.extend((more > 0).then(|| explain::more(more)));
    told.extend((!kept).then(|| CUT.to_owned()));
    let bytes = moves.iter().map(|change| change.bytes).sum();
    Plan {
        purpose: request.purpose.clone(),
        bytes,
        // Each replica that is added has to be copied, wherever it goes.
        bytes_lower_bound: bytes,
        copy_rate: settings.throttle,
        copy_seconds: explain::copy_seconds(&moves, settings.throttle),
        imbalance_before,
        imbalance_after: explain::imbalance(model, &ledger),
        imbalance_lower_bound: PERFECT,
        moves,
        left_out: Vec::new(),
        unsolved: told,
    }
}

/// A partition that has too many or too few replicas.
struct Outstanding {
    partition: PartitionIndex,
    /// How many it is to have.
    wanted: usize,
    /// Whether it is to have more.
    grows: bool,
    /// Bytes of one replica.
    bytes: f64,
}

/// What is to be done, the most urgent first: what copies nothing, then the partitions that would lose most with a broker, then
/// the quickest.
fn outstanding(model: &Model, wanted: &BTreeMap<TopicName, ReplicationFactor>) -> VecDeque<Outstanding> {
    let topics = wanted.iter().filter_map(|(name, replicas)| {
        let topic = model.find_topic(name)?;
        Some((topic, replicas.get()))
    });
    let of_topic = |(topic, wanted): (TopicIndex, usize)| {
        model.partitions_of(topic).map(move |partition| Outstanding {
            partition,
            wanted,
            grows: model.replicas(partition).len() < wanted,
            bytes: model.load(partition).disk,
        })
    };
    let replicas = |of: &Outstanding| model.replicas(of.partition).len();
    let copied = |of: &Outstanding| of.bytes * of.wanted.saturating_sub(replicas(of)) as f64;
    let mut rows: Vec<Outstanding> = topics
        .flat_map(of_topic)
        .filter(|of| replicas(of) != of.wanted)
        .collect();
    rows.sort_by(|a, b| {
        (a.grows.cmp(&b.grows))
            .then(replicas(a).cmp(&replicas(b)))
            .then(copied(a).total_cmp(&copied(b)))
            .then(a.partition.cmp(&b.partition))
    });
    rows.into()
}

/// Orders and what has come of them so far.
struct Orders<'a> {
    model: &'a Model,
    settings: &'a PlanSettings,
    ledger: Ledger,
    spread: Spread,
    /// Bytes that may still be copied to each broker. What goes makes no room, since it may go later than something comes.
    room: Vec<f64>,
    made: Vec<Change>,
    /// Why partitions do not get what is ordered, the first of them.
    unsolved: Vec<String>,
    /// How many do not.
    hindered: usize,
}

impl Orders<'_> {
    fn obey(&mut self, partition: PartitionIndex, wanted: usize) {
        let Some(leader) = self.model.leader(partition) else {
            return self.hinder(partition, "it has no leader".to_owned());
        };
        if self.model.is_immovable(partition) {
            return self.hinder(partition, IMMOVABLE.to_owned());
        }
        if self.settings.cooling_down.contains(&self.model.name(partition)) {
            let why = "it was moved since that was ordered, and is left to cool down";
            return self.hinder(partition, why.to_owned());
        }
        let replicas = self.model.replicas(partition);
        if replicas.len() < wanted {
            self.add(partition, leader, wanted);
        } else {
            self.remove(partition, leader, wanted);
        }
    }

    fn add(&mut self, partition: PartitionIndex, leader: BrokerIndex, wanted: usize) {
        let before = self.model.replicas(partition);
        if let Some(dead) = self.dead_among(before) {
            return self.hinder(partition, dead);
        }
        let mut to = before.to_vec();
        while to.len() < wanted {
            if !self.may_send(partition, leader, to.len() + 1) {
                let leader = self.names(&[leader]);
                let why = format!("broker {leader}, which leads, has no room to send to another one");
                self.hinder(partition, format!("{wanted} are ordered, and {why}"));
                break;
            }
            let Some(host) = self.host(partition, &to) else {
                let why = "no other broker may take one; those do not that are to be emptied, are excluded or have no room";
                self.hinder(partition, format!("{wanted} are ordered, and {why}"));
                break;
            };
            to.push(host);
        }
        if to.len() > before.len() {
            let added: Vec<BrokerIndex> = to[before.len()..].to_vec();
            let reason = format!(
                "{wanted} replicas instead of {} are ordered: brokers {} get one",
                before.len(),
                self.names(&added)
            );
            self.make(partition, leader, to, reason);
        }
    }

    /// Whether the leader can send what producers write to so many replicas.
    fn may_send(&self, partition: PartitionIndex, leader: BrokerIndex, replicas: usize) -> bool {
        let load = self.model.load(partition);
        let after = load.with_replicas(self.model.replicas(partition).len(), replicas);
        let more = after.on_replica(true) - load.on_replica(true);
        self.ledger.has_room(leader, &more)
    }

    /// The best broker for another replica.
    fn host(&self, partition: PartitionIndex, hosts: &[BrokerIndex]) -> Option<BrokerIndex> {
        let share = self.model.load(partition).on_replica(false);
        let topic = self.model.topic_of(partition);
        let may = |row: &BrokerIndex| {
            self.ledger.receives(*row)
                && !hosts.contains(row)
                && share.disk <= self.room[row.get()]
                && self.ledger.has_room(*row, &share)
        };
        let burden = |row: BrokerIndex| Burden {
            sharers: self.sharers(row, hosts),
            price: self.ledger.price_of(row, &share),
            fill: self.ledger.fill(row, &share),
            crowd: self.spread.crowd(topic, row),
            row,
        };
        let burdens = self.model.brokers().filter(may).map(burden);
        burdens.min_by(Burden::order).map(|burden| burden.row)
    }

    fn remove(&mut self, partition: PartitionIndex, leader: BrokerIndex, wanted: usize) {
        let before = self.model.replicas(partition);
        let mut kept: Vec<BrokerIndex> = Vec::new();
        while kept.len() < wanted {
            let left = before.iter().copied().filter(|row| !kept.contains(row));
            let use_of = |row: BrokerIndex| self.use_of(row, partition, &kept);
            let Some(best) = left.min_by(|a, b| use_of(*a).order(&use_of(*b))) else {
                break;
            };
            kept.push(best);
        }
        if let Some(dead) = self.dead_among(&kept) {
            return self.hinder(partition, dead);
        }
        if !kept.contains(&leader) {
            return self.pass_leadership(partition, leader, &kept);
        }
        let (stays, goes): (Vec<BrokerIndex>, Vec<BrokerIndex>) =
            before.iter().partition(|row| kept.contains(row));
        let reason = format!(
            "{wanted} replicas instead of {} are ordered: brokers {} lose theirs",
            before.len(),
            self.names(&goes)
        );
        self.make(partition, leader, stays, reason);
    }

    /// Another replica leads before the leader's goes. What is of no use goes at once, since nothing starts while it is there.
    fn pass_leadership(&mut self, partition: PartitionIndex, leader: BrokerIndex, kept: &[BrokerIndex]) {
        let before = self.model.replicas(partition);
        let Some(heir) = self.heir(partition, kept) else {
            return;
        };
        let is_useful = |row: &BrokerIndex| !self.use_of(*row, partition, kept).useless;
        let others: Vec<BrokerIndex> = before
            .iter()
            .copied()
            .filter(|row| *row != heir && is_useful(row))
            .collect();
        let reason = format!(
            "fewer replicas are ordered, and broker {}, which is to be emptied, leads: broker {} leads first",
            self.names(&[leader]),
            self.names(&[heir])
        );
        self.make(
            partition,
            heir,
            std::iter::once(heir).chain(others).collect(),
            reason,
        );
    }

    /// Who leads next: one that has room for it where there is one, the first replica where it may, and else the least filled.
    fn heir(&self, partition: PartitionIndex, kept: &[BrokerIndex]) -> Option<BrokerIndex> {
        let load = self.model.load(partition);
        let more = load.on_replica(true) - load.on_replica(false);
        let first = self.model.replicas(partition).first();
        let against = |row: BrokerIndex| (!self.ledger.has_room(row, &more), first != Some(&row));
        let fill = |row: BrokerIndex| self.ledger.fill(row, &more);
        kept.iter().copied().min_by(|a, b| {
            against(*a)
                .cmp(&against(*b))
                .then(fill(*a).total_cmp(&fill(*b)))
                .then(a.cmp(b))
        })
    }

    /// Notes a change. The preferred leader stays the first replica where it can lead.
    fn make(&mut self, partition: PartitionIndex, leader: BrokerIndex, to: Vec<BrokerIndex>, reason: String) {
        let model = self.model;
        let can_lead = |row: &BrokerIndex| {
            let is_back = !self.is_leaving(*row) && model.is_in_sync(partition, *row);
            *row == leader || is_back
        };
        let first = to.first().copied().filter(can_lead).unwrap_or(leader);
        let others = to.iter().copied().filter(|row| *row != first);
        let to: Vec<BrokerIndex> = std::iter::once(first).chain(others).collect();
        let (topic, before) = (model.topic_of(partition), model.replicas(partition));
        for &row in to.iter().filter(|row| !before.contains(row)) {
            self.room[row.get()] -= model.load(partition).disk;
            self.spread.arrive(topic, row);
        }
        for &row in before.iter().filter(|row| !to.contains(row)) {
            self.spread.leave(topic, row);
        }
        let change = Change {
            reason: Some(reason),
            ..Change::new(model, partition, first, to)
        };
        explain::apply(&mut self.ledger, model, &change);
        self.made.push(change);
    }

    fn hinder(&mut self, partition: PartitionIndex, why: String) {
        self.hindered += 1;
        if self.unsolved.len() < explain::SENTENCES {
            let replicas = self.model.replicas(partition).len();
            let name = self.model.name(partition);
            self.unsolved
                .push(format!("{name} has {replicas} replicas: {why}"));
        }
    }

    /// What keeps a partition with these replicas from being changed: nothing starts while one of them is away.
    fn dead_among(&self, replicas: &[BrokerIndex]) -> Option<String> {
        let is_dead = |row: &&BrokerIndex| self.model.broker(**row).state == BrokerState::Dead;
        let dead = replicas.iter().find(is_dead)?;
        Some(format!(
            "broker {} is not alive and has one that stays",
            self.names(&[*dead])
        ))
    }

    fn is_leaving(&self, row: BrokerIndex) -> bool {
        matches!(
            self.model.broker(row).state,
            BrokerState::Draining | BrokerState::Dead
        )
    }

    /// How many of these brokers are in the same rack.
    fn sharers(&self, row: BrokerIndex, hosts: &[BrokerIndex]) -> usize {
        let rack = self.model.rack(row);
        hosts
            .iter()
            .filter(|host| self.model.rack(**host) == rack)
            .count()
    }

    fn use_of(&self, row: BrokerIndex, partition: PartitionIndex, kept: &[BrokerIndex]) -> Use {
        let broker = self.model.broker(row);
        Use {
            useless: broker.state == BrokerState::Dead || !self.model.is_in_sync(partition, row),
            leaves: broker.state == BrokerState::Draining,
            follows: self.model.leader(partition) != Some(row),
            sharers: self.sharers(row, kept),
            may_go: !broker.excluded,
            is_second: self.model.replicas(partition).first() != Some(&row),
            fill: self.ledger.fill(row, &PerResource::default()),
            row,
        }
    }

    fn names(&self, rows: &[BrokerIndex]) -> String {
        let ids: Vec<String> = rows
            .iter()
            .map(|row| self.model.broker(*row).id.to_string())
            .collect();
        ids.join(", ")
    }
}

/// What another replica on a broker would cost; the least is the best.
struct Burden {
    sharers: usize,
    price: f64,
    fill: f64,
    crowd: (u16, u32),
    row: BrokerIndex,
}

impl Burden {
    fn order(&self, other: &Self) -> Ordering {
        // Brokers that are filled about the same are the same, so that a topic's replicas are spread.
        let about = |burden: &Self| (burden.fill * 20.0).floor();
        self.sharers
            .cmp(&other.sharers)
            .then(self.price.total_cmp(&other.price))
            .then(about(self).total_cmp(&about(other)))
            .then(self.crowd.cmp(&other.crowd))
            .then(self.fill.total_cmp(&other.fill))
            .then(self.row.cmp(&other.row))
    }
}

/// What speaks against keeping a replica, the weightiest first; the least is kept.
struct Use {
    useless: bool,
    leaves: bool,
    follows: bool,
    sharers: usize,
    may_go: bool,
    is_second: bool,
    fill: f64,
    row: BrokerIndex,
}

impl Use {
    fn order(&self, other: &Self) -> Ordering {
        let weighty = |of: &Self| {
            (
                of.useless,
                of.leaves,
                of.follows,
                of.sharers,
                of.may_go,
                of.is_second,
            )
        };
        weighty(self)
            .cmp(&weighty(other))
            .then(self.fill.total_cmp(&other.fill))
            .then(self.row.cmp(&other.row))
    }
}
