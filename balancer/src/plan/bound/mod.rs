//! The fewest bytes that any plan of the same result has to copy.
//!
//! Let a plan leave broker b with load `after(b, r)`, where `limit(b, r)` was allowed. Every plan that leaves no broker
//! further beyond its limits takes at least `D(b, r) = before(b, r) - max(limit(b, r), after(b, r))` off b. What a
//! broker loses of r is lost either with a change of leaders, which copies nothing, or with a replica that goes, whose
//! log is copied. So the replicas on b are the items of a knapsack that has to be filled to `D(b, r)`: an item has a
//! part that is free (what leading adds, when there is another replica to lead) and a part that costs its log's size.
//! The cheapest whole choice is bounded from below ([`knapsack::least_cost`]). All resources need the same copies, so the
//! greatest of a broker's four figures holds; copies off different brokers are different copies, so the figures add up.
//! The same holds for what brokers that fill have to receive, and the greater of the two sums holds.
//!
//! Fractions make one large partition look like the cure, which it is not: wherever it goes, the broker that gets it has
//! to make room. So for each of the few largest partitions, every broker's cost is bounded twice, with the partition on it
//! and without, and the cheapest brokers that could have its replicas are taken ([`Shedding::around`]).

mod imbalance;
mod knapsack;

use super::ledger::{Ledger, Part};
use crate::model::{BrokerIndex, Model, PartitionIndex, PerResource, Resource};
pub(super) use imbalance::{least_imbalance, rack_floors};
use knapsack::{Item, least_cost};

/// Relative error that sums of floating-point numbers may have.
const ROUNDING: f64 = 1e-9;

/// So many partitions are taken for large ones.
const LARGE: usize = 4;
/// One that brings less than this part of what a broker carries at the mean is none.
const LEAST_LARGE: f64 = 0.1;
/// Beyond so many replicas one partition makes no difference that would be worth the time.
const MOST_REPLICAS: usize = 100_000;

/// The lower bound in bytes, for the loads that a plan leaves.
pub(super) fn lower_bound(model: &Model, ledger: &Ledger, after: &[PerResource]) -> u64 {
    let shedding = Shedding::new(model, ledger, after);
    let each: Vec<f64> = model.brokers().map(|row| shedding.cost(row, None)).collect();
    let large = match model.replica_count() <= MOST_REPLICAS {
        true => large(model, ledger),
        false => Vec::new(),
    };
    let leaving = large
        .into_iter()
        .filter_map(|row| shedding.around(row, &each))
        .fold(each.iter().sum(), f64::max);
    let filling = model
        .brokers()
        .filter(|row| ledger.part[row.get()] == Part::Fills);
    let arriving: f64 = filling
        .map(|row| most(|r| giving(model, ledger, after, row, r)))
        .sum();
    (leaving.max(arriving) * (1.0 - ROUNDING)) as u64
}

fn most(figure: impl Fn(Resource) -> f64) -> f64 {
    Resource::ALL.into_iter().map(figure).fold(0.0, f64::max)
}

/// The partitions whose followers bring most, in parts of what a broker carries at the mean.
fn large(model: &Model, ledger: &Ledger) -> Vec<PartitionIndex> {
    let capacity = ledger.largest_capacity(model);
    let size = |row| {
        let share = model.load(row).on_replica(false);
        most(|r| share[r] / (ledger.mean[r] * capacity[r]).max(f64::MIN_POSITIVE))
    };
    let sized = model.partitions().map(|row| (size(row), row));
    let mut found: Vec<(f64, PartitionIndex)> = sized.filter(|&(size, _)| size >= LEAST_LARGE).collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    found.truncate(LARGE);
    found.into_iter().map(|(_, row)| row).collect()
}

/// What brokers have to shed.
struct Shedding<'a> {
    model: &'a Model,
    ledger: &'a Ledger,
    after: &'a [PerResource],
    hosted: Vec<Vec<PartitionIndex>>,
}

impl<'a> Shedding<'a> {
    fn new(model: &'a Model, ledger: &'a Ledger, after: &'a [PerResource]) -> Self {
        let mut hosted = vec![Vec::new(); after.len()];
        for partition in model.partitions() {
            for broker in model.replicas(partition) {
                hosted[broker.get()].push(partition);
            }
        }
        Self {
            model,
            ledger,
            after,
            hosted,
        }
    }

    /// What a broker sheds at least, in bytes. A partition may be set apart: it stays or goes as the caller says, whether
    /// it follows there afterwards or is not there, and its own bytes are not counted.
    fn cost(&self, broker: BrokerIndex, apart: Option<(PartitionIndex, bool)>) -> f64 {
        let row = broker.get();
        let (model, ledger) = (self.model, self.ledger);
        let set_apart = apart.map_or(PerResource::default(), |(partition, hosts)| {
            let load = model.load(partition);
            let now = match model.replicas(partition).contains(&broker) {
                true => load.on_replica(model.leader(partition) == Some(broker)),
                false => PerResource::default(),
            };
            let then = if hosts {
                load.on_replica(false)
            } else {
                PerResource::default()
            };
            then - now
        });
        most(|r| {
            if ledger.scale[row][r] == 0.0 {
                return 0.0;
            }
            let before = model.broker_load(broker)[r];
            let allowed = ledger.limit[row][r].max(self.after[row][r]);
            let needed = before + set_apart[r] - allowed - before * ROUNDING;
            self.taking_off(broker, r, needed, apart.map(|(partition, _)| partition))
        })
    }

    fn taking_off(
        &self,
        broker: BrokerIndex,
        resource: Resource,
        mut needed: f64,
        apart: Option<PartitionIndex>,
    ) -> f64 {
        if needed <= 0.0 {
            return 0.0;
        }
        let model = self.model;
        let hosted = &self.hosted[broker.get()];
        let mut items: Vec<Item> = Vec::with_capacity(hosted.len());
        for &partition in hosted.iter().filter(|&&partition| Some(partition) != apart) {
            let load = model.load(partition);
            let leads = model.leader(partition) == Some(broker);
            let whole = load.on_replica(leads)[resource];
            let free = if leads && model.replicas(partition).len() > 1 {
                (whole - load.on_replica(false)[resource]).max(0.0)
            } else {
                0.0
            };
            needed -= free;
            items.push(Item {
                brings: whole - free,
                costs: load.disk,
            });
        }
        least_cost(items, needed)
    }

    /// The bound with the replicas of one partition on those brokers where that is cheapest. None where some of them are
    /// on brokers that are left alone or leave.
    ///
    /// A partition that has a replica in every rack keeps it that way, so that its replicas are chosen rack by rack.
    fn around(&self, partition: PartitionIndex, each: &[f64]) -> Option<f64> {
        let (model, ledger) = (self.model, self.ledger);
        let replicas = model.replicas(partition);
        if !replicas.iter().all(|&row| ledger.receives(row)) {
            return None;
        }
        let disk = model.load(partition).disk;
        let mut without = 0.0;
        let mut extra: Vec<(f64, u32)> = Vec::new();
        for row in model.brokers() {
            let hosts = replicas.contains(&row);
            let absent = match hosts {
                true => self.cost(row, Some((partition, false))),
                false => each[row.get()],
            };
            without += absent;
            if ledger.receives(row) {
                let arrival = if hosts { 0.0 } else { disk };
                let present = self.cost(row, Some((partition, true))) + arrival;
                extra.push((present - absent, model.rack(row)));
            }
        }
        extra.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut racks: Vec<u32> = replicas.iter().map(|&row| model.rack(row)).collect();
        racks.sort_unstable();
        racks.dedup();
        let used = |rack: u32| extra.iter().any(|&(_, other)| other == rack);
        let is_rack_by_rack = racks.len() == replicas.len()
            && (0..model.rack_count()).filter(|&rack| used(rack)).count() == racks.len();
        let cheapest: f64 = if is_rack_by_rack {
            let in_rack = |&rack: &u32| extra.iter().find(|&&(_, other)| other == rack);
            racks.iter().filter_map(in_rack).map(|(cost, _)| cost).sum()
        } else {
            extra.iter().take(replicas.len()).map(|(cost, _)| cost).sum()
        };
        Some(without + cheapest)
    }
}

fn giving(model: &Model, ledger: &Ledger, after: &[PerResource], broker: BrokerIndex, r: Resource) -> f64 {
    let row = broker.get();
    if ledger.scale[row][r] == 0.0 {
        return 0.0;
    }
    let before = model.broker_load(broker)[r];
    let mut needed = ledger.least[row][r].min(after[row][r]) * (1.0 - ROUNDING) - before;
    if needed <= 0.0 {
        return 0.0;
    }
    let mut items: Vec<Item> = Vec::new();
    for partition in model.partitions() {
        let load = model.load(partition);
        let most = load.on_replica(true)[r].max(load.on_replica(false)[r]);
        if model.replicas(partition).contains(&broker) {
            let leads = model.leader(partition) == Some(broker);
            needed -= most - load.on_replica(leads)[r];
        } else {
            items.push(Item {
                brings: most,
                costs: load.disk,
            });
        }
    }
    least_cost(items, needed)
}
