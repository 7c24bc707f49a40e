//! Which partitions are the busiest, so that the answer does not change with every burst.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka::TopicPartition;

use crate::config::Granularity;

/// Rates are averaged over about so many seconds: clients send and commit in lumps.
const MEAN_SECONDS: f64 = 60.0;

/// By how much a partition must be busier than one that is shown to take its place.
const ADVANTAGE: f64 = 1.25;

/// The busiest partitions as of the last rates.
#[derive(Debug)]
pub struct Busiest {
    most: usize,
    means: BTreeMap<TopicPartition, f64>,
    chosen: BTreeSet<TopicPartition>,
}

impl Busiest {
    /// None yet, and never more than so many.
    pub fn new(most: u32) -> Self {
        Self {
            most: most as usize,
            means: BTreeMap::new(),
            chosen: BTreeSet::new(),
        }
    }

    /// What is needed for this granularity: nothing unless it is that of the busiest partitions.
    pub fn of(granularity: Granularity) -> Option<Self> {
        match granularity {
            Granularity::Top(most) => Some(Self::new(most)),
            Granularity::Topic | Granularity::Partition => None,
        }
    }

    /// Takes the rates of a window, whatever their unit, and returns the busiest partitions. What has no rate any more is
    /// forgotten.
    pub fn take<'a>(
        &mut self,
        window: Duration,
        rates: impl Iterator<Item = (&'a TopicPartition, f64)>,
    ) -> &BTreeSet<TopicPartition> {
        let weight = 1.0 - (-window.as_secs_f64() / MEAN_SECONDS).exp();
        let mean = |partition: &TopicPartition, rate: f64| match self.means.get(partition) {
            Some(mean) => mean + weight * (rate - mean),
            None => rate,
        };
        self.means = rates
            .map(|(partition, rate)| (partition.clone(), mean(partition, rate)))
            .collect();
        let mut ranked: Vec<(f64, bool, &TopicPartition)> = self
            .means
            .iter()
            .map(|(partition, mean)| match self.chosen.contains(partition) {
                true => (mean * ADVANTAGE, true, partition),
                false => (*mean, false, partition),
            })
            .collect();
        // Among equals, such as idle ones, those that are shown stay.
        ranked.sort_by(|a, b| {
            let (a_rest, b_rest) = ((Reverse(a.1), a.2), (Reverse(b.1), b.2));
            b.0.total_cmp(&a.0).then_with(|| a_rest.cmp(&b_rest))
        });
        self.chosen = ranked
            .into_iter()
            .take(self.most)
            .map(|(_, _, partition)| partition.clone())
            .collect();
        &self.chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(5);

    fn take(busiest: &mut Busiest, rates: &[(&str, f64)]) -> Vec<String> {
        let rates: Vec<(TopicPartition, f64)> = rates
            .iter()
            .map(|(partition, rate)| (partition.parse().unwrap(), *rate))
            .collect();
        let rates = rates.iter().map(|(partition, rate)| (partition, *rate));
        let chosen = busiest.take(WINDOW, rates);
        chosen.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_partition_that_is_busier_for_a_while_takes_the_place_of_one_that_is_shown_and_a_burst_does_not() {
        let mut busiest = Busiest::new(2);
        let calm = [("a-0", 100.0), ("a-1", 90.0), ("a-2", 80.0), ("a-3", 0.0)];
        assert_eq!(take(&mut busiest, &calm), ["a-0", "a-1"]);
        let burst = [("a-0", 100.0), ("a-1", 0.0), ("a-2", 160.0), ("a-3", 0.0)];
        assert_eq!(take(&mut busiest, &burst), ["a-0", "a-1"]);
        for _ in 0..10 {
            take(&mut busiest, &burst);
        }
        assert_eq!(take(&mut busiest, &burst), ["a-0", "a-2"]);
        assert_eq!(
            take(&mut busiest, &calm),
            ["a-0", "a-2"],
            "nor do they change back"
        );
    }

    #[test]
    fn idle_partitions_keep_their_places_and_one_that_is_gone_leaves_its_own() {
        let mut busiest = Busiest::new(2);
        assert_eq!(take(&mut busiest, &[("b-0", 0.0), ("b-1", 0.0)]), ["b-0", "b-1"]);
        let more = [("a-0", 0.0), ("b-0", 0.0), ("b-1", 0.0)];
        assert_eq!(take(&mut busiest, &more), ["b-0", "b-1"]);
        assert_eq!(take(&mut busiest, &more[..2]), ["a-0", "b-0"]);
    }
}
