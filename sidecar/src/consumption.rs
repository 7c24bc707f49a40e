//! How fast groups consume each partition: differences of committed offsets.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use kafka::{GroupId, TopicName, TopicPartition};

use crate::report::{ConsumptionColumns, ConsumptionReport, VERSION};

/// Committed offsets by partition.
pub type Offsets = BTreeMap<TopicPartition, i64>;

/// How groups consume one partition, all of them together.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Consumption {
    /// Records per second that they take.
    pub records_per_second: f64,
    /// Records that those groups have not taken yet that are taking some; one that has stopped for good is behind for ever
    /// and needs nothing.
    pub records_behind: f64,
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
    last: BTreeMap<GroupId, Offsets>,
    /// When each group advanced last.
    advanced_at: BTreeMap<GroupId, Duration>,
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
            last: BTreeMap::new(),
            advanced_at: BTreeMap::new(),
            steps: VecDeque::new(),
        }
    }

    /// Takes the committed offsets of all groups that could be read, at `now` by a clock that never goes back.
    ///
    /// A group in `unread` keeps its offsets, so that its progress counts when it is read again; any other that is
    /// missing is gone. An offset that went back (a rewind) counts as no progress.
    pub fn take(
        &mut self,
        now: Duration,
        groups: BTreeMap<GroupId, Offsets>,
        unread: impl Fn(&GroupId) -> bool,
    ) {
        let mut advanced = BTreeMap::new();
        for (group, offsets) in &groups {
            let Some(last) = self.last.get(group) else {
                continue;
            };
            for (partition, offset) in offsets {
                let Some(before) = last.get(partition) else {
                    continue;
                };
                if let Some(records) = offset
                    .checked_sub(*before)
                    .and_then(|records| u64::try_from(records).ok())
                    && records > 0
                {
                    *advanced.entry(partition.clone()).or_insert(0) += records;
                    self.advanced_at.insert(group.clone(), now);
                }
            }
        }
        if self.began.is_some() {
            self.steps.push_back(Step { end: now, advanced });
        } else {
            self.began = Some(now);
        }
        self.last.retain(|group, _| unread(group));
        self.last.extend(groups);
        let (last, window) = (&self.last, self.window);
        self.advanced_at
            .retain(|group, at| last.contains_key(group) && now.saturating_sub(*at) < window);
        while let Some(oldest) = self.steps.front()
            && now.saturating_sub(oldest.end) >= self.window
        {
            self.began = Some(oldest.end);
            self.steps.pop_front();
        }
    }

    /// The consumption of each partition that some group advances in or is behind in, where `ends` are the partitions' end
    /// offsets; none until there are two samples.
    pub fn consumption(
        &self,
        ends: impl Fn(&TopicPartition) -> Option<i64>,
    ) -> Option<BTreeMap<TopicPartition, Consumption>> {
        let mut all: BTreeMap<TopicPartition, Consumption> = BTreeMap::new();
        for (partition, rate) in self.rates()? {
            all.entry(partition).or_default().records_per_second = rate;
        }
        for offsets in self.advanced_at.keys().filter_map(|group| self.last.get(group)) {
            for (partition, offset) in offsets {
                let behind = ends(partition).map_or(0, |end| end.saturating_sub(*offset).max(0));
                if behind > 0 {
                    all.entry(partition.clone()).or_default().records_behind += behind as f64;
                }
            }
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

    /// The groups' offsets as they were last read.
    pub fn committed(&self) -> &BTreeMap<GroupId, Offsets> {
        &self.last
    }
}

/// Writes consumption as a report.
pub fn report(
    consumption: &BTreeMap<TopicPartition, Consumption>,
    sampled_at_ms: u64,
    failed_groups: BTreeMap<GroupId, String>,
) -> ConsumptionReport {
    let mut topics: Vec<TopicName> = Vec::new();
    let mut rows = ConsumptionColumns::default();
    for (partition, of) in consumption {
        if topics.last() != Some(&partition.topic) {
            topics.push(partition.topic.clone());
        }
        rows.topic
            .push(u32::try_from(topics.len() - 1).unwrap_or(u32::MAX));
        rows.partition.push(partition.partition);
        rows.records_out.push(of.records_per_second.round() as u64);
        rows.records_behind.push(of.records_behind as u64);
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
    let rows = rows.topic.iter().zip(&rows.partition).zip(figures);
    rows.filter_map(|((topic, partition), (out, behind))| {
        let topic = report.topics.get(*topic as usize)?;
        let consumption = Consumption {
            records_per_second: *out as f64,
            records_behind: *behind as f64,
        };
        Some((TopicPartition::new(topic.clone(), *partition), consumption))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(number: i32) -> TopicPartition {
        TopicPartition::new("orders".parse().unwrap(), number.try_into().unwrap())
    }

    fn groups(offsets: &[(&str, i32, i64)]) -> BTreeMap<GroupId, Offsets> {
        let mut groups: BTreeMap<GroupId, Offsets> = BTreeMap::new();
        for (group, number, offset) in offsets {
            groups
                .entry(group.parse().unwrap())
                .or_default()
                .insert(partition(*number), *offset);
        }
        groups
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn none(_: &GroupId) -> bool {
        false
    }

    #[test]
    fn groups_that_read_the_same_partition_add_up() {
        let mut progress = Progress::new(seconds(5));
        progress.take(seconds(0), groups(&[("a", 0, 100), ("b", 0, 0)]), none);
        assert_eq!(progress.rates(), None);
        progress.take(seconds(5), groups(&[("a", 0, 150), ("b", 0, 25)]), none);
        assert_eq!(progress.rates().unwrap()[&partition(0)], 15.0);
    }

    #[test]
    fn a_lump_of_a_commit_is_spread_over_the_window_and_leaves_it_again() {
        let mut progress = Progress::new(seconds(5));
        for (second, offset) in [(0, 0), (5, 0), (10, 300), (15, 300)] {
            progress.take(seconds(second), groups(&[("a", 0, offset)]), none);
        }
        assert_eq!(progress.rates().unwrap()[&partition(0)], 20.0);
        for second in [20, 25] {
            progress.take(seconds(second), groups(&[("a", 0, 300)]), none);
        }
        assert!(progress.rates().unwrap().is_empty());
    }

    #[test]
    fn a_rewind_is_no_progress_and_what_is_read_again_counts() {
        let mut progress = Progress::new(seconds(5));
        for (second, offset) in [(0, 1000), (5, 0), (10, 100)] {
            progress.take(seconds(second), groups(&[("a", 0, offset)]), none);
        }
        assert_eq!(progress.rates().unwrap()[&partition(0)], 10.0);
    }

    #[test]
    fn a_group_that_could_not_be_read_once_loses_no_progress() {
        let mut progress = Progress::new(seconds(5));
        progress.take(seconds(0), groups(&[("a", 0, 0)]), none);
        progress.take(seconds(5), groups(&[]), |_| true);
        progress.take(seconds(10), groups(&[("a", 0, 100)]), none);
        assert_eq!(progress.rates().unwrap()[&partition(0)], 10.0);
    }

    #[test]
    fn a_report_is_read_back_as_what_it_was_written_from() {
        let consumption = |records_per_second, records_behind| Consumption {
            records_per_second,
            records_behind,
        };
        let written = BTreeMap::from([
            (partition(0), consumption(10.0, 0.0)),
            (partition(3), consumption(2.0, 700.0)),
        ]);
        let report = report(&written, 1, BTreeMap::new());
        assert_eq!(report.check(), Ok(()));
        assert_eq!(read(&report), written);
    }

    #[test]
    fn groups_that_are_behind_count_only_while_they_take_records() {
        let mut progress = Progress::new(seconds(5));
        let behind = |progress: &Progress| {
            let all = progress.consumption(|_| Some(1_000)).unwrap();
            all.get(&partition(0)).map_or(0.0, |of| of.records_behind)
        };
        progress.take(seconds(0), groups(&[("a", 0, 0), ("stopped", 0, 0)]), none);
        progress.take(seconds(5), groups(&[("a", 0, 400), ("stopped", 0, 0)]), none);
        assert_eq!(behind(&progress), 600.0);
        for second in [10, 15, 20] {
            progress.take(seconds(second), groups(&[("a", 0, 400), ("stopped", 0, 0)]), none);
        }
        assert_eq!(behind(&progress), 0.0);
    }
}
