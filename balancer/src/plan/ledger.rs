//! What each broker carries and should carry, and the price of the difference.

use super::{PlanSettings, Purpose};
use crate::model::{BrokerIndex, Model, PerResource, Resource};

/// How a broker takes part in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// It is balanced.
    Stays,
    /// It is to get its share.
    Fills,
    /// It is to be emptied.
    Leaves,
    /// It is left alone.
    Absent,
}

/// Excess below this is rounding.
pub(super) const NOTHING: f64 = 1e-9;

/// A plan aims this far below the threshold, in parts of the mean, so that rounding does not leave a broker above it.
const MARGIN: f64 = 0.001;

/// Loads and limits of all brokers.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    pub(super) part: Vec<Part>,
    pub(super) load: Vec<PerResource>,
    /// What a broker should carry at most.
    pub(super) limit: Vec<PerResource>,
    /// What the broker that can carry most may carry before it is relieved, in each resource that is balanced.
    pub(super) tolerated: PerResource,
    /// What a broker that fills should carry at least.
    pub(super) least: Vec<PerResource>,
    /// What a broker may be given, at most.
    pub(super) ceiling: Vec<PerResource>,
    /// 1 / what the broker would carry at the mean; 0 where the resource is not balanced.
    pub(super) scale: Vec<PerResource>,
    /// The mean utilisation once the leaving brokers' load is on the others.
    pub(super) mean: PerResource,
    /// The disk that a broker takes at the mean, and at least a byte, since it divides.
    pub(super) mean_disk: f64,
}

impl Ledger {
    /// Loads as they are. A broker within the threshold is not too hot, wherever the target is.
    pub(super) fn new(model: &Model, purpose: &Purpose, settings: &PlanSettings) -> Self {
        let mut ledger = Self::strict(model, purpose, settings);
        ledger.tolerate(model, settings);
        ledger
    }

    /// Lets brokers that are within the threshold be as they are, however far they are from the target.
    pub(super) fn tolerate(&mut self, model: &Model, settings: &PlanSettings) {
        for row in model.brokers().filter(|row| self.part[row.get()] == Part::Stays) {
            let load = self.load[row.get()];
            let tolerated = self.allowed(&model.broker(row).capacity, settings.threshold, settings);
            let limit = &mut self.limit[row.get()];
            let lenient = |r: Resource| if load[r] <= tolerated[r] { load[r] } else { 0.0 };
            *limit = PerResource::from_fn(|r| limit[r].max(lenient(r)));
        }
    }

    /// Loads as they are, with every broker beyond the target too hot.
    pub(super) fn strict(model: &Model, purpose: &Purpose, settings: &PlanSettings) -> Self {
        let part: Vec<Part> = model.brokers().map(|row| part(model, purpose, row)).collect();
        let load: Vec<PerResource> = model.brokers().map(|row| *model.broker_load(row)).collect();
        let mut total = PerResource::default();
        let mut capacity = PerResource::default();
        let mut busiest = PerResource::default();
        let mut receivers = 0.0_f64;
        for row in model.brokers() {
            if part[row.get()] != Part::Absent {
                total += load[row.get()];
                busiest = busiest.max(model.utilisation(row));
            }
            if matches!(part[row.get()], Part::Stays | Part::Fills) {
                capacity += model.broker(row).capacity;
                receivers += 1.0;
            }
        }
        let mean = total.ratio(&capacity);
        let mut ledger = Self {
            load,
            limit: Vec::new(),
            tolerated: PerResource::splat(f64::INFINITY),
            least: Vec::new(),
            ceiling: Vec::new(),
            scale: Vec::new(),
            mean,
            mean_disk: (total.disk / receivers.max(1.0)).max(1.0),
            part,
        };
        for row in model.brokers() {
            ledger.push_limits(row, &model.broker(row).capacity, &busiest, settings);
        }
        ledger.tolerated = ledger.most_tolerated(model, settings);
        ledger
    }

    /// Brokers in a rack that no placement can relieve are held against what their rack has to carry; against the
    /// cluster's mean they would exchange bytes in vain. Half of the target keeps them close to each other, since they
    /// are the worst that there is.
    pub(super) fn allow_for_racks(&mut self, model: &Model, floors: &[PerResource], settings: &PlanSettings) {
        for row in model.brokers().filter(|row| self.part[row.get()] != Part::Leaves) {
            let (floor, capacity) = (floors[model.rack(row) as usize], model.broker(row).capacity);
            let mean = self.mean;
            let limit = &mut self.limit[row.get()];
            *limit = PerResource::from_fn(|r| {
                let held = mean[r] * floor[r] * (1.0 + settings.target / 2.0) * capacity[r];
                limit[r].max(held)
            });
        }
    }

    /// What a broker of that capacity carries at so much beyond the mean, or at the floor where that is more.
    fn allowed(&self, capacity: &PerResource, beyond: f64, settings: &PlanSettings) -> PerResource {
        PerResource::from_fn(|r| {
            (self.mean[r] * (1.0 + beyond - MARGIN)).max(settings.floor[r]) * capacity[r]
        })
    }

    fn most_tolerated(&self, model: &Model, settings: &PlanSettings) -> PerResource {
        let receivers = || model.brokers().filter(|&row| self.receives(row));
        PerResource::from_fn(|r| {
            if receivers().all(|row| self.scale[row.get()][r] == 0.0) {
                return f64::INFINITY;
            }
            let allowed = |row| self.allowed(&model.broker(row).capacity, settings.threshold, settings)[r];
            receivers().map(allowed).fold(0.0, f64::max)
        })
    }

    /// `busiest` is the greatest utilisation of a broker: what no broker uses to speak of is not balanced.
    fn push_limits(
        &mut self,
        row: BrokerIndex,
        capacity: &PerResource,
        busiest: &PerResource,
        settings: &PlanSettings,
    ) {
        let (part, mean) = (self.part[row.get()], self.mean);
        let balanced = |r: Resource| mean[r] > 0.0 && busiest[r] > settings.floor[r];
        self.limit.push(match part {
            Part::Leaves => PerResource::default(),
            _ => self.allowed(capacity, settings.target, settings),
        });
        self.least.push(PerResource::from_fn(|r| match part {
            Part::Fills if balanced(r) => mean[r] * (1.0 - settings.threshold) * capacity[r],
            _ => 0.0,
        }));
        self.ceiling
            .push(PerResource::from_fn(|r| capacity[r] * settings.headroom));
        self.scale.push(PerResource::from_fn(|r| match part {
            Part::Absent => 0.0,
            Part::Leaves if mean[r] > 0.0 => 1.0 / (mean[r] * capacity[r]),
            _ if balanced(r) => 1.0 / (mean[r] * capacity[r]),
            _ => 0.0,
        }));
    }

    /// Whether a broker may be given replicas or leaderships.
    pub(super) fn receives(&self, broker: BrokerIndex) -> bool {
        matches!(self.part[broker.get()], Part::Stays | Part::Fills)
    }

    /// The capacity of the largest broker that may be given something, by resource.
    pub(super) fn largest_capacity(&self, model: &Model) -> PerResource {
        let receivers = model.brokers().filter(|&row| self.receives(row));
        let capacities = receivers.map(|row| model.broker(row).capacity);
        capacities.fold(PerResource::default(), PerResource::max)
    }

    /// How far a broker would be beyond its limits under a load, in parts of the mean.
    #[inline]
    fn beyond(&self, broker: usize, load: &PerResource, r: Resource) -> f64 {
        let high = load[r] - self.limit[broker][r];
        let low = self.least[broker][r] - load[r];
        high.max(low).max(0.0) * self.scale[broker][r]
    }

    /// The excess of a broker over its limits, in parts of the mean, summed over resources.
    pub(super) fn excess(&self, broker: BrokerIndex, load: &PerResource) -> f64 {
        let row = broker.get();
        Resource::ALL.iter().map(|&r| self.beyond(row, load, r)).sum()
    }

    /// How the price changes when a broker's load does. The price of excess is convex: one broker far beyond its limits
    /// is worse than many that are a little beyond, so that heat may pass through a broker on its way to a cold one.
    #[inline]
    pub(super) fn price_of(&self, broker: BrokerIndex, change: &PerResource) -> f64 {
        let row = broker.get();
        let load = &self.load[row];
        let after = *load + *change;
        let each = |r: Resource| {
            if change[r] == 0.0 || self.scale[row][r] == 0.0 {
                return 0.0;
            }
            let (before, after) = (self.beyond(row, load, r), self.beyond(row, &after, r));
            (after - before) * (1.0 + after + before)
        };
        each(Resource::BytesIn) + each(Resource::BytesOut) + each(Resource::Cpu) + each(Resource::Disk)
    }

    /// The price of all that brokers carry beyond their limits.
    pub(super) fn total_price(&self) -> f64 {
        let each = |row: usize| {
            let beyond = |&r: &Resource| self.beyond(row, &self.load[row], r);
            Resource::ALL
                .iter()
                .map(beyond)
                .map(|beyond| beyond + beyond * beyond)
                .sum::<f64>()
        };
        (0..self.load.len()).map(each).sum()
    }

    /// Whether a broker carries more than it should.
    pub(super) fn is_hot(&self, broker: BrokerIndex) -> bool {
        let row = broker.get();
        let beyond = |r: Resource| (self.load[row][r] - self.limit[row][r]) * self.scale[row][r];
        Resource::ALL.into_iter().any(|r| beyond(r) > NOTHING)
    }

    /// How full a broker would be: the greatest part of a limit that is used in a balanced resource.
    pub(super) fn fill(&self, broker: BrokerIndex, change: &PerResource) -> f64 {
        let row = broker.get();
        let mut fill = 0.0_f64;
        for r in Resource::ALL {
            if self.scale[row][r] > 0.0 {
                fill = fill.max((self.load[row][r] + change[r]) / self.limit[row][r]);
            }
        }
        fill
    }

    /// Whether a broker may be given that much more without going beyond its headroom.
    pub(super) fn has_room(&self, broker: BrokerIndex, more: &PerResource) -> bool {
        let row = broker.get();
        Resource::ALL
            .iter()
            .all(|&r| more[r] <= 0.0 || self.load[row][r] + more[r] <= self.ceiling[row][r])
    }
}

fn part(model: &Model, purpose: &Purpose, row: BrokerIndex) -> Part {
    let broker = model.broker(row);
    match purpose {
        Purpose::Drain(leaving) if leaving.contains(&broker.id) => Part::Leaves,
        _ if !broker.counts() => Part::Absent,
        Purpose::Fill(new) if new.contains(&broker.id) => Part::Fills,
        _ => Part::Stays,
    }
}
