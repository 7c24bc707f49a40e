//! How groups consume each partition, all of them together: how fast, by differences of committed offsets, and how many of
//! them have caught up.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use kafka::{GroupId, TopicName, TopicPartition};

use crate::report::{ConsumptionColumns, ConsumptionReport, MAX_REPLICAS, VERSION};

/// How groups consume one partition, all of them together.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Consumption {
    /// Records per second that they take.
    pub records_per_second: f64,
    /// Records that those groups have not taken yet that are taking some; one that has stopped for good is behind for ever
    /// and needs nothing.
    pub records_behind: f64,
    /// How many groups have caught up, so that they read what is written when it is written. Their commits come seconds
    /// later and in lumps, at moments of their own for each partition.
    pub groups_caught_up: u32,
}

/// How many sampling intervals rates are smoothed over. Consumers commit in lumps, by default every 5 s.
const SMOOTHED_INTERVALS: u32 = 3;

/// The shortest time that rates are smoothed over: three of the default commit intervals.
const MIN_WINDOW: Duration = Duration::from_secs(15);

/// How far groups advanced, over a sliding window.
#[derive(Debug)]
pub struct Progress {
    window: Duration,
    began: Option<Duration>,
    steps: VecDeque<Step>,
}

/// What happened between two samples.
#[derive(Debug)]
struct Step {
    end: Duration,
    advanced: BTreeMap<TopicPartition, u64>,
}

impl Progress {
    /// Nothing known yet, of samples that will be taken every `interval`.
    pub fn new(interval: Duration) -> Self {
        Self {
            window: MIN_WINDOW.max(interval * SMOOTHED_INTERVALS),
            began: None,
            steps: VecDeque::new(),
        }
    }

    /// The time that rates are smoothed over.
    pub fn window(&self) -> Duration {
        self.window
    }

    /// Takes in by how many records all groups together have advanced in each partition since the sample before, at `now`
    /// by a clock that never goes back. The first sample only begins the window.
    pub fn take(&mut self, now: Duration, advanced: BTreeMap<TopicPartition, u64>) {
        if self.began.is_some() {
            self.steps.push_back(Step { end: now, advanced });
        } else {
            self.began = Some(now);
        }
        while let Some(oldest) = self.steps.front()
            && now.saturating_sub(oldest.end) >= self.window
        {
            self.began = Some(oldest.end);
            self.steps.pop_front();
        }
    }

    /// The consumption of each partition that some group advances in, or that is among `readers`: with the records that
    /// groups are behind there, and how many have caught up. None until there are two samples.
    pub fn consumption(
        &self,
        readers: impl IntoIterator<Item = (TopicPartition, f64, u32)>,
    ) -> Option<BTreeMap<TopicPartition, Consumption>> {
        let mut all: BTreeMap<TopicPartition, Consumption> = BTreeMap::new();
        for (partition, rate) in self.rates()? {
            all.entry(partition).or_default().records_per_second = rate;
        }
        for (partition, behind, caught_up) in readers {
            let of = all.entry(partition).or_default();
            (of.records_behind, of.groups_caught_up) = (behind, caught_up);
        }
        Some(all)
    }

    /// Records per second of each partition, over all groups; none until there are two samples.
    fn rates(&self) -> Option<BTreeMap<TopicPartition, f64>> {
        let elapsed = self.steps.back()?.end.checked_sub(self.began?)?.as_secs_f64();
        if elapsed <= 0.0 {
            return None;
        }
        let mut rates: BTreeMap<TopicPartition, f64> = BTreeMap::new();
        for (partition, records) in self.steps.iter().flat_map(|step| &step.advanced) {
            *rates.entry(partition.clone()).or_default() += *records as f64 / elapsed;
        }
        Some(rates)
    }
}

/// Writes consumption as a report. What is beyond [`MAX_REPLICAS`] is left out: nothing is known of it then.
pub fn report(
    consumption: &BTreeMap<TopicPartition, Consumption>,
    sampled_at_ms: u64,
    failed_groups: BTreeMap<GroupId, String>,
) -> ConsumptionReport {
    let mut topics: Vec<TopicName> = Vec::new();
    let mut rows = ConsumptionColumns::default();
    for (partition, of) in consumption.iter().take(MAX_REPLICAS) {
        if topics.last() != Some(&partition.topic) {
            topics.push(partition.topic.clone());
        }
        rows.topic
            .push(u32::try_from(topics.len() - 1).unwrap_or(u32::MAX));
        rows.partition.push(partition.partition);
        rows.records_out.push(of.records_per_second.round() as u64);
        rows.records_behind.push(of.records_behind as u64);
        rows.groups_caught_up.push(of.groups_caught_up);
    }
    ConsumptionReport {
        version: VERSION,
        sampled_at_ms,
        topics,
        rows,
        failed_groups,
    }
}

/// Reads a report that was checked back into consumption.
pub fn read(report: &ConsumptionReport) -> BTreeMap<TopicPartition, Consumption> {
    let rows = &report.rows;
    let figures = rows.records_out.iter().zip(&rows.records_behind);
    let figures = figures.zip(&rows.groups_caught_up);
    let rows = rows.topic.iter().zip(&rows.partition).zip(figures);
    rows.filter_map(|((topic, partition), ((out, behind), caught_up))| {
        let topic = report.topics.get(*topic as usize)?;
        let consumption = Consumption {
            records_per_second: *out as f64,
            records_behind: *behind as f64,
            groups_caught_up: *caught_up,
        };
        Some((TopicPartition::new(topic.clone(), *partition), consumption))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(number: i32) -> TopicPartition {
        TopicPartition::new("t".parse().unwrap(), number.try_into().unwrap())
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn rates_are_what_was_advanced_in_the_window_by_its_time() {
        let mut progress = Progress::new(seconds(5));
        progress.take(seconds(0), BTreeMap::new());
        assert_eq!(progress.consumption([]), None);
        progress.take(seconds(5), BTreeMap::from([(partition(0), 100)]));
        progress.take(
            seconds(10),
            BTreeMap::from([(partition(0), 50), (partition(1), 10)]),
        );
        let consumption = progress
            .consumption([(partition(0), 0.0, 3), (partition(2), 7.0, 0)])
            .unwrap();
        let rate = |number| consumption[&partition(number)].records_per_second;
        assert_eq!((rate(0), rate(1), rate(2)), (15.0, 1.0, 0.0));
        assert_eq!(consumption[&partition(0)].groups_caught_up, 3);
        assert_eq!(consumption[&partition(2)].records_behind, 7.0);
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let mut progress = Progress::new(seconds(5));
        progress.take(seconds(0), BTreeMap::new());
        progress.take(seconds(5), BTreeMap::from([(partition(0), 1_000)]));
        for second in [10, 15, 20] {
            progress.take(seconds(second), BTreeMap::from([(partition(0), 50)]));
        }
        assert_eq!(progress.rates().unwrap()[&partition(0)], 10.0);
    }

    #[test]
    fn a_report_is_read_back_as_what_it_was_written_from() {
        let consumption = |records_per_second, records_behind| Consumption {
            records_per_second,
            records_behind,
            groups_caught_up: 2,
        };
        let written = BTreeMap::from([
            (partition(0), consumption(10.0, 0.0)),
            (partition(3), consumption(2.0, 700.0)),
        ]);
        let report = report(&written, 1, BTreeMap::new());
        assert_eq!(report.check(), Ok(()));
        assert_eq!(read(&report), written);
    }
}
