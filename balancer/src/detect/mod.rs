//! Finds hot brokers and partitions, says why they are hot and what would help.

mod cause;
mod rates;
#[cfg(test)]
mod tests;
mod verdict;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use kafka::ids::{BrokerId, TopicPartition};
use serde::Serialize;

use crate::model::{BrokerIndex, Model, PartitionIndex, PerResource, Resource};

pub use cause::Cause;
pub use rates::{FAST, Rates, SLOW};
pub use verdict::Verdict;

/// When a broker or partition is hot.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DetectSettings {
    /// How far a broker's utilisation must exceed the mean, in parts of the mean.
    pub threshold: f64,
    /// A broker whose utilisation is below this is not hot.
    pub floor: PerResource,
    /// For how long it must exceed both before it is called hot.
    pub hold: Duration,
    /// A partition this many times above the median of its topic is skewed.
    pub skew: f64,
}

impl Default for DetectSettings {
    fn default() -> Self {
        Self {
            threshold: 0.1,
            floor: PerResource::splat(0.1),
            hold: Duration::from_secs(10),
            skew: 3.0,
        }
    }
}

impl DetectSettings {
    /// The utilisation above which a broker is hot where `mean` is the mean.
    pub fn limit(&self, resource: Resource, mean: f64) -> f64 {
        (mean * (1.0 + self.threshold)).max(self.floor[resource])
    }
}

/// A broker that carries too much of one resource.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HotBroker {
    /// The broker.
    pub broker: BrokerId,
    /// The resource.
    pub resource: Resource,
    /// Load / capacity.
    pub utilisation: f64,
    /// Its utilisation in parts of the mean.
    pub relative: f64,
    /// For how long it has exceeded the threshold.
    pub since: Duration,
    /// Why.
    pub cause: Cause,
}

/// A partition that makes a broker hot.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HotPartition {
    /// The partition.
    pub partition: TopicPartition,
    /// The hot broker.
    pub broker: BrokerId,
    /// The resource.
    pub resource: Resource,
    /// What the partition takes there.
    pub load: f64,
    /// The part of the broker's load that it is.
    pub share: f64,
    /// Why.
    pub cause: Cause,
    /// What would help.
    pub verdict: Verdict,
}

/// What one tick found.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Detection {
    /// Hot brokers, the hottest first.
    pub brokers: Vec<HotBroker>,
    /// Hot partitions, those of the hottest brokers first, each once.
    pub partitions: Vec<HotPartition>,
}

impl Detection {
    /// For how long each hot broker has been hot.
    pub fn hot_for(&self) -> HashMap<BrokerId, Duration> {
        let mut hot_for: HashMap<BrokerId, Duration> = HashMap::new();
        for hot in &self.brokers {
            let longest = hot_for.entry(hot.broker).or_default();
            *longest = hot.since.max(*longest);
        }
        hot_for
    }
}

/// How long a broker has been above its threshold, and whether it was called hot.
#[derive(Debug, Clone, Copy)]
struct Heat {
    since: Duration,
    /// Since when it is below the threshold, though not yet below half of it.
    eased_since: Option<Duration>,
    hot: bool,
}

/// A hot broker cools below this part of the threshold and of the floor.
pub const COOL: f64 = 0.5;

/// A hot broker also cools by staying below the threshold for so many hold times: where no placement brings it below
/// half of the threshold it would stay hot for ever.
const EASED_HOLDS: u32 = 3;

/// Looks are not a whole tick apart to the millisecond. One that comes a little early, by up to so small a part of the
/// hold time, must not put off the answer by another tick.
const EARLY: u32 = 10;

/// Heat of brokers by resource.
type HeatMap = HashMap<(BrokerId, Resource), Heat>;

/// A hot broker, in what, and for how long.
type Hot = (BrokerIndex, Resource, Duration);

/// Remembers rates and heat from tick to tick.
#[derive(Debug, Clone)]
pub struct Detector {
    settings: DetectSettings,
    rates: Rates,
    heat: HeatMap,
    /// When the last tick was, from where the latest loads are the means.
    ticked: Option<Duration>,
}

impl Detector {
    /// A detector that has seen nothing.
    pub fn new(settings: DetectSettings) -> Self {
        Self {
            settings,
            rates: Rates::default(),
            heat: HeatMap::new(),
            ticked: None,
        }
    }

    /// The rates that it keeps, by rows of the latest model.
    pub fn rates(&self) -> &Rates {
        &self.rates
    }

    /// The latest model under the fast rates: what is carried now.
    #[must_use]
    pub fn current_model(&self, model: &Model) -> Model {
        model.with_loads(|partition| self.rates.fast(partition))
    }

    /// The latest model under the load to plan for.
    #[must_use]
    pub fn planning_model(&self, model: &Model) -> Model {
        model.with_loads(|partition| self.rates.planning(partition))
    }

    /// Takes in a model whose loads are the means since the last tick; `now` counts from any moment. A tick whose time
    /// does not advance adds nothing.
    pub fn tick(&mut self, model: &Model, now: Duration) -> Detection {
        self.rates.add(model, now);
        let fast = self.current_model(model);
        let mut scene = Scene::new(&fast, &self.settings);
        let (hot, heat) = scene.hot(&self.heat, self.ticked.unwrap_or(now), now);
        self.ticked = Some(now);
        scene.look_at(&hot);
        let brokers = hot.iter().map(|&(row, r, since)| scene.describe(row, r, since));
        let detection = Detection {
            brokers: brokers.collect(),
            partitions: scene.hot_partitions(&hot),
        };
        self.heat = heat;
        detection
    }
}

/// One model under fast rates, with what follows from it.
struct Scene<'a> {
    model: &'a Model,
    settings: &'a DetectSettings,
    utilisation: Vec<PerResource>,
    mean: PerResource,
    /// The partitions on each hot broker.
    hosted: Vec<Vec<PartitionIndex>>,
    /// What all leaders carry.
    led: PerResource,
}

impl<'a> Scene<'a> {
    fn new(model: &'a Model, settings: &'a DetectSettings) -> Self {
        Self {
            utilisation: model.brokers().map(|row| model.utilisation(row)).collect(),
            mean: model.mean_utilisation(),
            hosted: Vec::new(),
            led: PerResource::default(),
            model,
            settings,
        }
    }

    /// Which brokers are hot in what and since when, the hottest first. Entering takes the threshold for the hold time,
    /// leaving takes less than [`COOL`] of it, or less than the threshold for [`EASED_HOLDS`] hold times. Heat that is
    /// seen for the first time began when the window that shows it did.
    fn hot(&self, known: &HeatMap, began: Duration, now: Duration) -> (Vec<Hot>, HeatMap) {
        let mut heat = HeatMap::new();
        let mut hot: Vec<(f64, BrokerIndex, Resource, Duration)> = Vec::new();
        let counting = self
            .model
            .brokers()
            .filter(|&row| self.model.broker(row).counts());
        for (row, r) in counting.flat_map(|row| Resource::ALL.map(|r| (row, r))) {
            let key = (self.model.broker(row).id, r);
            let before = known.get(&key).copied();
            let was_hot = before.is_some_and(|heat| heat.hot);
            let utilisation = self.utilisation[row.get()][r];
            let exceeds = |part: f64| {
                let threshold = self.settings.threshold * part;
                utilisation > self.mean[r] * (1.0 + threshold) && utilisation > self.settings.floor[r] * part
            };
            let eased_since = match exceeds(1.0) {
                true => None,
                false if was_hot && exceeds(COOL) => before.and_then(|heat| heat.eased_since).or(Some(now)),
                false => continue,
            };
            if eased_since.is_some_and(|since| now.saturating_sub(since) >= self.settings.hold * EASED_HOLDS)
            {
                continue;
            }
            let since = before.map_or(began, |heat| heat.since);
            let lasting = now.saturating_sub(since);
            let is_hot = was_hot || lasting + self.settings.hold / EARLY >= self.settings.hold;
            heat.insert(
                key,
                Heat {
                    since,
                    eased_since,
                    hot: is_hot,
                },
            );
            if is_hot {
                hot.push((utilisation / self.mean[r], row, r, lasting));
            }
        }
        hot.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let hot = hot
            .into_iter()
            .map(|(_, row, r, since)| (row, r, since))
            .collect();
        (hot, heat)
    }

    /// Collects what the explanation of hot brokers needs; nothing on the many ticks when none is hot.
    fn look_at(&mut self, hot: &[Hot]) {
        if hot.is_empty() {
            return;
        }
        let brokers: HashSet<BrokerIndex> = hot.iter().map(|&(row, ..)| row).collect();
        self.hosted = vec![Vec::new(); self.model.brokers().len()];
        for partition in self.model.partitions() {
            self.led += self.model.load(partition).on_replica(true);
            for row in self.model.replicas(partition) {
                if brokers.contains(row) {
                    self.hosted[row.get()].push(partition);
                }
            }
        }
    }

    /// What a broker should carry at most.
    fn limit(&self, row: BrokerIndex, r: Resource) -> f64 {
        self.settings.limit(r, self.mean[r]) * self.model.broker(row).capacity[r]
    }

    /// What a broker carries of a partition.
    fn share(&self, row: BrokerIndex, partition: PartitionIndex, r: Resource) -> f64 {
        let leads = self.model.leader(partition) == Some(row);
        self.model.load(partition).on_replica(leads)[r]
    }

    fn describe(&self, row: BrokerIndex, resource: Resource, since: Duration) -> HotBroker {
        let utilisation = self.utilisation[row.get()][resource];
        HotBroker {
            broker: self.model.broker(row).id,
            resource,
            utilisation,
            relative: utilisation / self.mean[resource],
            since,
            cause: cause::of_broker(self, row, resource),
        }
    }

    /// The partitions that make brokers hot: on each, those whose absence would take away at least half of the heat,
    /// and those far above their siblings that are a good part of it.
    fn hot_partitions(&self, hot: &[Hot]) -> Vec<HotPartition> {
        /// The least part of the heat that a skewed partition must be.
        const PART: f64 = 0.2;
        let mut found: Vec<HotPartition> = Vec::new();
        let mut seen = HashSet::new();
        for &(row, r, _) in hot {
            let carried = self.model.broker_load(row)[r];
            let heat = carried - self.limit(row, r);
            let mut candidates: Vec<(f64, PartitionIndex)> = self
                .hosted(row)
                .map(|partition| (self.share(row, partition, r), partition))
                .filter(|&(share, partition)| {
                    share > 0.0
                        && share >= 0.05 * carried
                        && (share >= 0.5 * heat || (share >= PART * heat && self.is_skewed(partition, r)))
                })
                .collect();
            candidates.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            for (share, partition) in candidates.into_iter().take(MOST_EACH) {
                if seen.insert(partition) {
                    found.push(HotPartition {
                        partition: self.model.name(partition),
                        broker: self.model.broker(row).id,
                        resource: r,
                        load: share,
                        share: share / carried,
                        cause: cause::of_partition(self, partition, r),
                        verdict: verdict::of(self, row, partition, r),
                    });
                }
            }
        }
        found
    }

    fn hosted(&self, row: BrokerIndex) -> impl Iterator<Item = PartitionIndex> + '_ {
        self.hosted[row.get()].iter().copied()
    }

    fn is_skewed(&self, partition: PartitionIndex, r: Resource) -> bool {
        let own = self.model.load(partition).on_replica(true)[r];
        self.median(partition, r)
            .is_some_and(|median| own > self.settings.skew * median)
    }

    /// The median load of the partition's siblings; none where there is no sibling.
    fn median(&self, partition: PartitionIndex, r: Resource) -> Option<f64> {
        let siblings = self.model.partitions_of(self.model.topic_of(partition));
        let mut loads: Vec<f64> = siblings
            .filter(|&row| row != partition)
            .map(|row| self.model.load(row).on_replica(true)[r])
            .collect();
        loads.sort_by(f64::total_cmp);
        loads.get(loads.len() / 2).copied()
    }
}

/// So many partitions of one hot broker are named.
const MOST_EACH: usize = 3;
