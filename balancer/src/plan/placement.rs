//! The placement that a search changes step by step, with loads kept up to date.

use super::ledger::{Ledger, Part};
use super::spread::Spread;
use super::{PlanRequest, Purpose};
use crate::model::{BrokerIndex, Model, PartitionIndex, PerResource};

/// A copy of one partition from one broker to another, and who leads afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Copy {
    pub(super) partition: PartitionIndex,
    pub(super) from: BrokerIndex,
    pub(super) to: BrokerIndex,
    pub(super) leader: BrokerIndex,
}

/// What of a partition may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Freedom {
    /// Replicas and leader.
    All,
    /// Replicas but the leader's, which goes on leading.
    Followers,
    /// Nothing.
    None,
}

/// Who has which replica and who leads, and what follows from it.
pub(super) struct Placement<'a> {
    pub(super) model: &'a Model,
    pub(super) ledger: Ledger,
    pub(super) spread: Spread,
    replicas: Vec<BrokerIndex>,
    leader: Vec<Option<BrokerIndex>>,
    /// Partitions that a broker hosts; some that left it again may still be listed.
    hosted: Vec<Vec<PartitionIndex>>,
    freedom: Vec<Freedom>,
    /// Bytes that may still be copied to each broker.
    room: Vec<f64>,
    changed: Vec<bool>,
    touched: Vec<PartitionIndex>,
    /// How partitions were placed before a trial changed them, the latest change last; none outside of trials.
    undo: Option<Vec<Placed>>,
}

/// A partition, its replicas and its leader.
type Placed = (PartitionIndex, Vec<BrokerIndex>, Option<BrokerIndex>);

/// Changes of load, at most one a broker.
pub(super) type Changes = Vec<(BrokerIndex, PerResource)>;

impl<'a> Placement<'a> {
    /// As it is. `spreads` says whether the spread of replicas and leaders decides where all else is equal.
    pub(super) fn new(request: &PlanRequest<'a>, spreads: bool) -> Self {
        let model = request.model;
        let mut hosted: Vec<Vec<PartitionIndex>> = vec![Vec::new(); model.brokers().len()];
        let mut replicas = Vec::with_capacity(model.replica_count());
        for partition in model.partitions() {
            for &broker in model.replicas(partition) {
                hosted[broker.get()].push(partition);
                replicas.push(broker);
            }
        }
        let ledger = Ledger::new(model, &request.purpose, &request.settings);
        // A broker that leaves takes nothing with it, not even what is excluded.
        let is_leaving = |row| {
            let mut hosts = model.replicas(row).iter();
            hosts.any(|host| ledger.part[host.get()] == Part::Leaves)
        };
        let free = |row| {
            !model.is_immovable(row)
                && model.leader(row).is_some()
                && (!model.topic(model.topic_of(row)).excluded || is_leaving(row))
        };
        let freedom = |row| if free(row) { Freedom::All } else { Freedom::None };
        let mut freedom: Vec<Freedom> = model.partitions().map(freedom).collect();
        if !matches!(request.purpose, Purpose::Drain(_)) {
            for name in &request.settings.cooling_down {
                if let Some(row) = model.find(name) {
                    freedom[row.get()] = Freedom::None;
                }
            }
        }
        Self {
            ledger,
            spread: Spread::new(model, spreads),
            leader: model.partitions().map(|row| model.leader(row)).collect(),
            changed: vec![false; freedom.len()],
            touched: Vec::new(),
            undo: None,
            model,
            replicas,
            hosted,
            freedom,
            room: request.rooms(),
        }
    }

    pub(super) fn replicas(&self, partition: PartitionIndex) -> &[BrokerIndex] {
        &self.replicas[self.model.replica_range(partition)]
    }

    pub(super) fn leader(&self, partition: PartitionIndex) -> Option<BrokerIndex> {
        self.leader[partition.get()]
    }

    pub(super) fn leads(&self, broker: BrokerIndex, partition: PartitionIndex) -> bool {
        self.leader(partition) == Some(broker)
    }

    pub(super) fn hosts(&self, broker: BrokerIndex, partition: PartitionIndex) -> bool {
        self.replicas(partition).contains(&broker)
    }

    /// Whether everything of a partition may change.
    pub(super) fn is_free(&self, partition: PartitionIndex) -> bool {
        self.freedom[partition.get()] == Freedom::All
    }

    /// Whether a broker's replica may be copied elsewhere.
    pub(super) fn may_leave(&self, broker: BrokerIndex, partition: PartitionIndex) -> bool {
        match self.freedom[partition.get()] {
            Freedom::All => true,
            Freedom::Followers => !self.leads(broker, partition),
            Freedom::None => false,
        }
    }

    /// Keeps a partition where it is.
    pub(super) fn pin(&mut self, partition: PartitionIndex) {
        self.freedom[partition.get()] = Freedom::None;
    }

    /// Keeps a partition's leader where it is.
    pub(super) fn pin_leader(&mut self, partition: PartitionIndex) {
        if self.is_free(partition) {
            self.freedom[partition.get()] = Freedom::Followers;
        }
    }

    /// The partitions on a broker.
    pub(super) fn on(&self, broker: BrokerIndex) -> impl Iterator<Item = PartitionIndex> + '_ {
        self.hosted[broker.get()]
            .iter()
            .copied()
            .filter(move |&partition| self.hosts(broker, partition))
    }

    /// The partitions that are not as they were, in the order in which they were first changed.
    pub(super) fn changed(&self) -> Vec<PartitionIndex> {
        let differs = |&row: &PartitionIndex| {
            self.replicas(row) != self.model.replicas(row) || self.leader(row) != self.model.leader(row)
        };
        self.touched.iter().copied().filter(differs).collect()
    }

    /// Bytes that bring a partition from these replicas to where it is now.
    pub(super) fn copied_since(&self, partition: PartitionIndex, before: &[BrokerIndex]) -> f64 {
        let now = self.replicas(partition).iter();
        let arrived = now.filter(|broker| !before.contains(broker)).count();
        arrived as f64 * self.model.load(partition).disk
    }

    /// Bytes that a partition's change copies.
    pub(super) fn copied(&self, partition: PartitionIndex) -> f64 {
        self.copied_since(partition, self.model.replicas(partition))
    }

    /// Bytes that all changes copy.
    pub(super) fn bytes_copied(&self) -> f64 {
        self.touched.iter().map(|&row| self.copied(row)).sum()
    }

    /// What a broker carries of a partition.
    pub(super) fn share(&self, broker: BrokerIndex, partition: PartitionIndex) -> PerResource {
        let leads = self.leads(broker, partition);
        self.model.load(partition).on_replica(leads)
    }

    /// What leading adds to following.
    pub(super) fn leading(&self, partition: PartitionIndex) -> PerResource {
        let load = self.model.load(partition);
        load.on_replica(true) - load.on_replica(false)
    }

    /// Brokers that leave or are left alone are never given the leadership, and nobody beyond the headroom.
    pub(super) fn may_lead(&self, broker: BrokerIndex, partition: PartitionIndex) -> bool {
        self.ledger.receives(broker) && self.ledger.has_room(broker, &self.leading(partition))
    }

    /// How many other replicas share the rack, when the one on `from` is on `to` instead.
    pub(super) fn rack_sharers(
        &self,
        partition: PartitionIndex,
        from: BrokerIndex,
        to: BrokerIndex,
    ) -> usize {
        let rack = self.model.rack(to);
        self.replicas(partition)
            .iter()
            .filter(|&&other| other != from && self.model.rack(other) == rack)
            .count()
    }

    /// Whether a copy fits there: into the log directory with the least room, since it may land in any.
    pub(super) fn fits(&self, partition: PartitionIndex, to: BrokerIndex) -> bool {
        self.model.load(partition).disk <= self.room[to.get()]
    }

    /// Whether a replica may be copied there: a broker that receives, has none and has room, and racks no worse than
    /// before.
    pub(super) fn may_host(&self, partition: PartitionIndex, from: BrokerIndex, to: BrokerIndex) -> bool {
        self.ledger.receives(to)
            && !self.hosts(to, partition)
            && self.fits(partition, to)
            && self.rack_sharers(partition, from, to) <= self.rack_sharers(partition, from, from)
    }

    /// How loads change when a partition's replicas and leader become these.
    pub(super) fn changes(
        &self,
        partition: PartitionIndex,
        replicas: &[BrokerIndex],
        leader: Option<BrokerIndex>,
    ) -> Changes {
        let load = self.model.load(partition);
        let mut changes = Changes::with_capacity(replicas.len() + 1);
        for &broker in self.replicas(partition) {
            let before = self.share(broker, partition);
            if !replicas.contains(&broker) {
                changes.push((broker, PerResource::default() - before));
            } else if self.leads(broker, partition) != (leader == Some(broker)) {
                changes.push((broker, load.on_replica(leader == Some(broker)) - before));
            }
        }
        for &broker in replicas {
            if !self.hosts(broker, partition) {
                changes.push((broker, load.on_replica(leader == Some(broker))));
            }
        }
        changes
    }

    /// The replicas of a partition after a copy, in the same order.
    pub(super) fn replicas_after(&self, copy: &Copy) -> Vec<BrokerIndex> {
        let swap = |&broker: &BrokerIndex| if broker == copy.from { copy.to } else { broker };
        self.replicas(copy.partition).iter().map(swap).collect()
    }

    /// How the price changes under changes of load.
    pub(super) fn price_of(&self, changes: &Changes) -> f64 {
        changes
            .iter()
            .map(|(broker, change)| self.ledger.price_of(*broker, change))
            .sum()
    }

    /// The excess of the brokers named, before and after changes of load.
    pub(super) fn excess_of(&self, changes: &Changes) -> f64 {
        let each = |(broker, change): &(BrokerIndex, PerResource)| {
            let load = self.ledger.load[broker.get()];
            self.ledger.excess(*broker, &(load + *change)) - self.ledger.excess(*broker, &load)
        };
        changes.iter().map(each).sum()
    }

    /// Places a partition.
    pub(super) fn place(
        &mut self,
        partition: PartitionIndex,
        replicas: &[BrokerIndex],
        leader: Option<BrokerIndex>,
    ) {
        if let Some(undo) = &mut self.undo {
            let before = self.replicas[self.model.replica_range(partition)].to_vec();
            undo.push((partition, before, self.leader[partition.get()]));
        }
        for (broker, change) in self.changes(partition, replicas, leader) {
            self.ledger.load[broker.get()] += change;
        }
        self.take_room(partition, replicas);
        self.count(partition, replicas, leader);
        for &broker in replicas {
            if !self.hosts(broker, partition) && !self.hosted[broker.get()].contains(&partition) {
                self.hosted[broker.get()].push(partition);
            }
        }
        let range = self.model.replica_range(partition);
        self.replicas[range].copy_from_slice(replicas);
        self.leader[partition.get()] = leader;
        if !std::mem::replace(&mut self.changed[partition.get()], true) {
            self.touched.push(partition);
        }
    }

    /// Books the room that copies take, and gives back that of copies that are not made after all. What leaves makes no
    /// room, since it is deleted only when the copy is complete.
    fn take_room(&mut self, partition: PartitionIndex, replicas: &[BrokerIndex]) {
        let (model, disk) = (self.model, self.model.load(partition).disk);
        let before = model.replicas(partition);
        for &broker in replicas.iter().filter(|broker| !before.contains(broker)) {
            if !self.hosts(broker, partition) {
                self.room[broker.get()] -= disk;
            }
        }
        for place in model.replica_range(partition) {
            let broker = self.replicas[place];
            if !before.contains(&broker) && !replicas.contains(&broker) {
                self.room[broker.get()] += disk;
            }
        }
    }

    fn count(&mut self, partition: PartitionIndex, replicas: &[BrokerIndex], leader: Option<BrokerIndex>) {
        let topic = self.model.topic_of(partition);
        for place in self.model.replica_range(partition) {
            if !replicas.contains(&self.replicas[place]) {
                self.spread.leave(topic, self.replicas[place]);
            }
        }
        for &broker in replicas {
            if !self.hosts(broker, partition) {
                self.spread.arrive(topic, broker);
            }
        }
        self.spread.pass(self.leader[partition.get()], leader);
    }

    /// Makes changes that are kept only when `is_worth` says so, which hears the bytes that they copy.
    pub(super) fn attempt(
        &mut self,
        change: impl FnOnce(&mut Self),
        is_worth: impl FnOnce(&Self, f64) -> bool,
    ) -> bool {
        self.undo = Some(Vec::new());
        change(self);
        let made = self.undo.take().unwrap_or_default();
        let copied = |(partition, before, _): &Placed| self.copied_since(*partition, before);
        let kept = !made.is_empty() && is_worth(self, made.iter().map(copied).sum());
        if !kept {
            for (partition, replicas, leader) in made.into_iter().rev() {
                self.place(partition, &replicas, leader);
            }
        }
        kept
    }

    /// Gives the leadership to another replica.
    pub(super) fn lead(&mut self, partition: PartitionIndex, leader: BrokerIndex) {
        let replicas = self.replicas(partition).to_vec();
        self.place(partition, &replicas, Some(leader));
    }

    /// Makes a copy.
    pub(super) fn copy(&mut self, copy: &Copy) {
        let replicas = self.replicas_after(copy);
        self.place(copy.partition, &replicas, Some(copy.leader));
    }

    /// Brokers in a part, by row.
    pub(super) fn brokers(&self, part: Part) -> Vec<BrokerIndex> {
        self.model
            .brokers()
            .filter(|row| self.ledger.part[row.get()] == part)
            .collect()
    }

    /// Brokers that stay and exceed a limit, the worst first.
    pub(super) fn hot(&self) -> Vec<BrokerIndex> {
        let mut hot: Vec<(f64, BrokerIndex)> = self
            .model
            .brokers()
            .filter(|&row| self.ledger.receives(row) && self.ledger.is_hot(row))
            .map(|row| (self.ledger.excess(row, &self.ledger.load[row.get()]), row))
            .collect();
        hot.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        hot.into_iter().map(|(_, row)| row).collect()
    }
}
