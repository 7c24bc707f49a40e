//! What readers may see of a sample: as many rows as `/metrics` may have series, and sums over all of them.

use std::collections::BTreeMap;
use std::ops::Add;
use std::time::Duration;

use kafka::cluster::{Broker, ClusterDescription};
use kafka::groups::{GroupKind, GroupState};
use kafka::{BrokerId, GroupId, PartitionId, TopicName, TopicPartition};

use super::commits::{Rules, Status};
use super::groups::{Group, Standing};
use super::partitions::Partitions;
use crate::config::MetricsConfig;
use crate::exposition::Grain;
use crate::logs::Span;

/// Where groups and partitions are.
#[derive(Debug, Default)]
pub(super) struct Positions {
    pub(super) brokers: Vec<Broker>,
    pub(super) groups: Vec<GroupLine>,
    pub(super) sums: Lines<SumLine>,
    pub(super) rows: Lines<RowLine>,
    /// Pairs of a group and a partition that are followed, shown or not.
    pub(super) followed: usize,
    /// Groups that are not followed for lack of room.
    pub(super) left_out: usize,
    /// Groups that could not be read.
    pub(super) unread: usize,
    /// Topics and partitions, where they are exported here.
    pub(super) topics: Vec<(TopicName, usize)>,
    pub(super) partitions: Vec<PartitionLine>,
}

/// A group.
#[derive(Debug)]
pub(super) struct GroupLine {
    pub(super) id: GroupId,
    pub(super) kind: GroupKind,
    pub(super) state: GroupState,
    pub(super) members: Option<u32>,
    pub(super) status: Status,
    pub(super) max_lag_seconds: Option<f64>,
}

/// A group in a topic.
#[derive(Debug)]
pub(super) struct SumLine {
    pub(super) group: GroupId,
    pub(super) topic: TopicName,
    pub(super) offset: f64,
    /// None as long as no partition's end was ever known.
    pub(super) lag: Option<f64>,
}

/// A group in a partition, or in all partitions of a topic.
#[derive(Debug)]
pub(super) struct RowLine {
    pub(super) group: GroupId,
    pub(super) topic: TopicName,
    pub(super) partition: Option<PartitionId>,
    pub(super) standing: Standing,
}

/// A partition.
#[derive(Debug)]
pub(super) struct PartitionLine {
    pub(super) partition: TopicPartition,
    pub(super) span: Option<Span>,
    pub(super) leader: Option<BrokerId>,
    pub(super) leader_is_preferred: bool,
    pub(super) replicas: usize,
    pub(super) in_sync: usize,
}

/// Lines up to a limit, and how many there are beyond it.
#[derive(Debug)]
pub(super) struct Lines<L> {
    pub(super) shown: Vec<L>,
    pub(super) left_out: u64,
}

impl<L> Default for Lines<L> {
    fn default() -> Self {
        Self {
            shown: Vec::new(),
            left_out: 0,
        }
    }
}

impl<L> Lines<L> {
    fn is_full(&self, limit: usize) -> bool {
        self.shown.len() >= limit
    }

    fn push(&mut self, limit: usize, line: impl FnOnce() -> L) {
        if !self.is_full(limit) {
            self.shown.push(line());
        } else {
            self.left_out += 1;
        }
    }
}

/// A group in a topic, so far.
#[derive(Debug, Default)]
struct Sum {
    offset: f64,
    lag: Option<f64>,
    /// None where it is not to be shown.
    standing: Option<Standing>,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.offset += other.offset;
        self.lag = [self.lag, other.lag].into_iter().flatten().reduce(f64::add);
        let standings = [self.standing.take(), other.standing].into_iter().flatten();
        self.standing = standings.reduce(|sum, standing| sum.and(&standing));
    }
}

/// By what is decided what is shown.
#[derive(Debug)]
pub(super) struct Exposure<'a> {
    pub(super) metrics: &'a MetricsConfig,
    pub(super) grain: Grain<'a>,
    pub(super) rules: &'a Rules,
    pub(super) now: Duration,
}

impl Exposure<'_> {
    fn limit(&self) -> usize {
        self.metrics.series_per_family as usize
    }

    /// Adds a group that has been judged.
    pub(super) fn add(&self, to: &mut Positions, id: &GroupId, group: &Group, partitions: &Partitions) {
        to.groups.push(GroupLine {
            id: id.clone(),
            kind: group.kind,
            state: group.state,
            members: group.members,
            status: group.status,
            max_lag_seconds: group.max_lag_seconds,
        });
        to.followed += group.len();
        let by_topic = matches!(self.grain, Grain::Topics);
        let mut sums: BTreeMap<&TopicName, Sum> = BTreeMap::new();
        let mut rows = group.seen(partitions).peekable();
        // Rows of one topic mostly follow each other, so that few names are looked up.
        while let Some(topic) = rows.peek().map(|seen| &seen.partition().topic) {
            let taken = self.metrics.topics.takes(topic.as_str());
            // What a group is in at all partitions takes time to find out, and is not for what is not shown.
            let merges = taken && by_topic && !to.rows.is_full(self.limit());
            let mut sum = Sum::default();
            while let Some(seen) = rows.next_if(|seen| seen.partition().topic == *topic) {
                sum.add(Sum {
                    offset: seen.offset() as f64,
                    lag: seen.lag().map(|lag| lag as f64),
                    standing: merges.then(|| seen.standing(self.now, self.rules)),
                });
                if !merges && taken && self.grain.shows(seen.partition()) {
                    to.rows.push(self.limit(), || RowLine {
                        group: id.clone(),
                        topic: topic.clone(),
                        partition: Some(seen.partition().partition),
                        standing: seen.standing(self.now, self.rules),
                    });
                }
            }
            if taken {
                sums.entry(topic).or_default().add(sum);
            }
        }
        self.add_sums(to, id, sums);
    }

    /// Adds a group's sums by topic; where topics are shown in place of partitions they are the rows, too.
    fn add_sums(&self, to: &mut Positions, id: &GroupId, sums: BTreeMap<&TopicName, Sum>) {
        for (topic, sum) in sums {
            to.sums.push(self.limit(), || SumLine {
                group: id.clone(),
                topic: topic.clone(),
                offset: sum.offset,
                lag: sum.lag,
            });
            match sum.standing {
                Some(standing) => to.rows.push(self.limit(), || RowLine {
                    group: id.clone(),
                    topic: topic.clone(),
                    partition: None,
                    standing,
                }),
                None => to.rows.left_out += u64::from(matches!(self.grain, Grain::Topics)),
            }
        }
    }

    /// Adds topics and partitions, with the offsets that could be had.
    pub(super) fn add_partitions(
        &self,
        to: &mut Positions,
        cluster: &ClusterDescription,
        starts: &BTreeMap<TopicPartition, i64>,
        ends: &BTreeMap<TopicPartition, i64>,
    ) {
        let topics = cluster.topics.iter();
        for topic in topics.filter(|topic| self.metrics.topics.takes(topic.name.as_str())) {
            to.topics.push((topic.name.clone(), topic.partitions.len()));
            for described in &topic.partitions {
                let partition = TopicPartition::new(topic.name.clone(), described.id);
                // Sums are of all.
                if !matches!(self.grain, Grain::Topics) && !self.grain.shows(&partition) {
                    continue;
                }
                let span = || {
                    Some(Span {
                        start: *starts.get(&partition)?,
                        end: *ends.get(&partition)?,
                    })
                };
                to.partitions.push(PartitionLine {
                    span: span(),
                    leader: described.leader,
                    leader_is_preferred: described.leader.is_some()
                        && described.leader == described.replicas.first().copied(),
                    replicas: described.replicas.len(),
                    in_sync: described.in_sync.len(),
                    partition,
                });
            }
        }
    }
}
