//! What is written and read, where it is placed, and which partition turns hot.

use std::collections::BTreeMap;
use std::time::Duration;

use load::{Connection, GroupSettings, LoadSettings, PartitionRate, Shift, TopicSettings};

use crate::options::Options;

/// Each partition has one replica in each.
pub(crate) const RACKS: u32 = 3;

/// The most used first.
const TOPICS: [(&str, u32); 5] = [
    ("orders", 24),
    ("clicks", 20),
    ("payments", 20),
    ("sessions", 16),
    ("audit", 16),
];

/// What the group of the accounts reads; the archive's reads everything.
const READ_BY_ACCOUNTS: [&str; 2] = ["orders", "payments"];

/// What part of all that is written the hot partition makes up after the shift. Its leader sends three times of it (two
/// followers, one group), so that on six brokers it fills 90 % of one broker's fair share of bytes out: much enough to
/// make a broker hot, little enough that a placement exists.
const HOT_PART: f64 = 0.15;

/// A partition, as the load names it.
pub(crate) type Name = (String, i32);

/// Everything about the load that is known before it runs.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    /// The load itself.
    pub(crate) settings: LoadSettings,
    /// Each partition's rate before the shift.
    pub(crate) rates: Vec<PartitionRate>,
    /// What makes a partition hot.
    pub(crate) shift: Shift,
    /// The partition that turns hot.
    pub(crate) hot: Name,
}

impl Workload {
    /// The workload that the options ask for; no connection is made.
    pub(crate) fn new(options: &Options) -> Self {
        let topics = TOPICS.map(|(name, partitions)| TopicSettings {
            name: name.to_owned(),
            partitions,
        });
        let all = TOPICS.map(|(name, _)| name);
        let settings = LoadSettings {
            bytes_per_second: options.rate * 1e6,
            topic_skew: 0.7,
            partition_skew: 0.7,
            // Brokers are busy with requests rather than with bytes, and librdkafka sends one for each partition: six
            // brokers that share two cores do a few hundred a second with ease, and thousands not at all.
            value_bytes: 4_096..=12_288,
            linger: Duration::from_millis(50),
            producers: 2,
            groups: vec![group("archive", &all), group("accounts", &READ_BY_ACCOUNTS)],
            seed: options.seed,
            ..LoadSettings::new(Connection::default(), topics.into())
        };
        let rates = settings.rates();
        let hot = turns_hot(&rates, options.factor);
        Self {
            shift: Shift {
                topic: hot.0.clone(),
                partition: Some(hot.1),
                factor: options.factor,
            },
            settings,
            rates,
            hot,
        }
    }

    /// The rates while the shift is in force.
    pub(crate) fn shifted(&self) -> Vec<PartitionRate> {
        let mut rates = self.rates.clone();
        for rate in &mut rates {
            if (rate.topic.as_str(), rate.partition) == (self.hot.0.as_str(), self.hot.1) {
                rate.bytes_per_second *= self.shift.factor;
            }
        }
        rates
    }

    /// How often each byte of the topic leaves its leader: once for each follower and once for each group.
    pub(crate) fn sent_by_leader(&self, topic: &str) -> f64 {
        let reads = |group: &&GroupSettings| group.topics.iter().any(|read| read == topic);
        f64::from(RACKS - 1) + self.settings.groups.iter().filter(reads).count() as f64
    }

    /// Replicas of each partition, the leader first, such that all brokers receive and send about the same: the
    /// greatest partition first, each to where the sum of squares grows least. Broker `b` is in rack `b % RACKS`.
    pub(crate) fn placement(&self, brokers_per_rack: u32) -> BTreeMap<Name, Vec<i32>> {
        let candidates = candidates(brokers_per_rack);
        let mut loads = vec![[0.0_f64; 2]; (RACKS * brokers_per_rack) as usize];
        let mut by_rate: Vec<&PartitionRate> = self.rates.iter().collect();
        by_rate.sort_by(|a, b| b.bytes_per_second.total_cmp(&a.bytes_per_second));
        let mut placement = BTreeMap::new();
        for rate in by_rate {
            let written = rate.bytes_per_second;
            let sent = written * self.sent_by_leader(&rate.topic);
            let growth = |replicas: &[usize]| -> f64 {
                let receives: f64 = replicas.iter().map(|&broker| loads[broker][0]).sum();
                written * receives + sent * loads[replicas[0]][1]
            };
            let best = candidates
                .iter()
                .min_by(|a, b| growth(a).total_cmp(&growth(b)))
                .map_or(&[][..], Vec::as_slice);
            for (place, &broker) in best.iter().enumerate() {
                loads[broker][0] += written;
                loads[broker][1] += if place == 0 { sent } else { 0.0 };
            }
            let replicas = best.iter().map(|&broker| broker as i32).collect();
            placement.insert((rate.topic.clone(), rate.partition), replicas);
        }
        placement
    }
}

/// Every list of one broker from each rack, with each of them first.
fn candidates(brokers_per_rack: u32) -> Vec<Vec<usize>> {
    let racks = RACKS as usize;
    let mut choices = vec![Vec::new()];
    for rack in 0..racks {
        let in_rack = (0..brokers_per_rack as usize).map(|broker| broker * racks + rack);
        choices = in_rack
            .flat_map(|broker| {
                choices.iter().map(move |chosen: &Vec<usize>| {
                    let mut chosen = chosen.clone();
                    chosen.push(broker);
                    chosen
                })
            })
            .collect();
    }
    let led_by = |first: usize| {
        move |chosen: &Vec<usize>| {
            let mut chosen = chosen.clone();
            chosen.rotate_left(first);
            chosen
        }
    };
    (0..racks)
        .flat_map(|first| choices.iter().map(led_by(first)).collect::<Vec<_>>())
        .collect()
}

fn group(id: &str, topics: &[&str]) -> GroupSettings {
    GroupSettings {
        id: id.to_owned(),
        topics: topics.iter().map(ToString::to_string).collect(),
        commit_interval: Duration::from_secs(2),
    }
}

/// The partition of the second topic that `factor` brings closest to [`HOT_PART`].
fn turns_hot(rates: &[PartitionRate], factor: f64) -> Name {
    let total: f64 = rates.iter().map(|rate| rate.bytes_per_second).sum();
    let part = |rate: &PartitionRate| {
        let hot = rate.bytes_per_second * factor;
        hot / (total - rate.bytes_per_second + hot)
    };
    let distance = |rate: &&PartitionRate| (part(rate) - HOT_PART).abs();
    let of_topic = rates.iter().filter(|rate| rate.topic == TOPICS[1].0);
    let closest = of_topic.min_by(|a, b| distance(a).total_cmp(&distance(b)));
    closest.map_or_else(
        || (TOPICS[1].0.to_owned(), 0),
        |rate| (rate.topic.clone(), rate.partition),
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::truth::{Placed, Traffic};

    fn workload(seed: u64) -> Workload {
        Workload::new(&Options::parse_from(["demo", "--seed", &seed.to_string()]))
    }

    fn traffic(workload: &Workload, rates: &[PartitionRate]) -> Traffic {
        let placed = workload.placement(2).into_iter().map(|(name, replicas)| {
            let placed = Placed {
                leader: Some(replicas[0]),
                replicas,
            };
            (name, placed)
        });
        Traffic::of(rates, &placed.collect(), |topic| workload.sent_by_leader(topic))
    }

    #[test]
    fn the_start_is_balanced_and_the_shift_makes_one_broker_hot() {
        for seed in 0..20 {
            let workload = workload(seed);
            let balanced = traffic(&workload, &workload.rates);
            assert!(balanced.imbalance_in() <= 1.03, "seed {seed}: {balanced:?}");
            assert!(balanced.imbalance_out() <= 1.03, "seed {seed}: {balanced:?}");
            let hot = traffic(&workload, &workload.shifted());
            assert!(hot.imbalance_out() >= 1.4, "seed {seed}: {hot:?}");
            assert!(hot.imbalance_in() >= 1.1, "seed {seed}: {hot:?}");
        }
    }

    #[test]
    fn every_partition_has_a_replica_in_each_rack() {
        for replicas in workload(1).placement(3).into_values() {
            let mut racks: Vec<i32> = replicas.iter().map(|broker| broker % RACKS as i32).collect();
            racks.sort_unstable();
            assert_eq!(racks, [0, 1, 2]);
        }
    }
}
