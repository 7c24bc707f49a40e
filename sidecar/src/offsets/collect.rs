//! Asking for all groups' offsets.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use kafka::cluster::{ClusterDescription, OffsetSpec};
use kafka::{Cluster, ClusterError, GroupId, TopicPartition};
use tokio::time::timeout;

use crate::clock::Clock;
use crate::config::OffsetsConfig;
use crate::consumption::Offsets;
use crate::health::Failure;
use crate::logs::Span;
use crate::logs::protocol::cluster_error_kind;
use crate::selection::Selection;

/// How many partitions one request for offsets names: an answer stays well below a megabyte.
const CHUNK: usize = 5_000;

/// How many requests for offsets are under way at the same time.
const CHUNKS_AT_ONCE: usize = 4;

/// The offsets of groups and partitions at one moment.
#[derive(Debug)]
pub(super) struct Groups {
    /// The middle of the reading.
    pub(super) at: Duration,
    /// How many brokers are alive.
    pub(super) brokers: usize,
    /// Committed offsets of the groups that could be read.
    pub(super) committed: BTreeMap<GroupId, Offsets>,
    /// Groups that could not be read.
    pub(super) failed: BTreeMap<GroupId, Failure>,
    /// Whether some broker did not list its groups, so that a group that is missing may exist all the same.
    pub(super) unlisted: bool,
    /// First and last offsets of the partitions asked for.
    pub(super) spans: BTreeMap<TopicPartition, Span>,
}

#[derive(Debug)]
pub(super) struct Collector<C> {
    clock: Clock,
    cluster: C,
    request_timeout: Duration,
    concurrency: usize,
    groups: Selection,
    all_partitions: Option<Selection>,
}

impl<C: Cluster> Collector<C> {
    pub(super) fn new(config: &OffsetsConfig, clock: Clock, cluster: C) -> Self {
        Self {
            clock,
            cluster,
            request_timeout: config.kafka.request_timeout,
            concurrency: config.concurrency as usize,
            groups: config.groups.clone(),
            all_partitions: config.export_partitions.then(|| config.metrics.topics.clone()),
        }
    }

    /// Asks for everything.
    pub(super) async fn collect(&self) -> Result<Groups, Failure> {
        let (listed, description) = tokio::join!(
            self.in_time("ListGroups", self.cluster.groups()),
            self.in_time("Metadata", self.cluster.describe())
        );
        let (listed, description) = (listed?, description?);
        let unlisted = listed.values().any(Result::is_err);
        let groups: BTreeSet<GroupId> = listed.into_values().filter_map(Result::ok).flatten().collect();
        let wanted = groups
            .into_iter()
            .filter(|group| self.groups.takes(group.as_str()));
        let began = self.clock.now();
        let answers = stream::iter(wanted)
            .map(|group| async {
                let offsets = self
                    .in_time("OffsetFetch", self.cluster.committed_offsets(&group))
                    .await;
                (group, offsets)
            })
            .buffer_unordered(self.concurrency)
            .collect::<Vec<_>>();
        let answers = answers.await;
        let at = (began + self.clock.now()) / 2;
        let (mut committed, mut failed) = (BTreeMap::new(), BTreeMap::new());
        for (group, answer) in answers {
            match answer {
                Ok(offsets) => drop(committed.insert(group, offsets)),
                Err(failure) => drop(failed.insert(group, failure)),
            }
        }
        let spans = self.spans(&committed, &description).await;
        Ok(Groups {
            at,
            brokers: description.brokers.len(),
            committed,
            failed,
            unlisted,
            spans,
        })
    }

    /// The offsets of all partitions that some group has a commit for, or of all there are. Partitions without a
    /// leader are left out, since nobody could answer for them.
    async fn spans(
        &self,
        committed: &BTreeMap<GroupId, Offsets>,
        description: &ClusterDescription,
    ) -> BTreeMap<TopicPartition, Span> {
        let consumed: BTreeSet<&TopicPartition> = committed.values().flat_map(BTreeMap::keys).collect();
        let all = description.topics.iter().flat_map(|topic| {
            let led = topic
                .partitions
                .iter()
                .filter(|partition| partition.leader.is_some());
            led.map(|partition| TopicPartition::new(topic.name.clone(), partition.id))
        });
        let exported = |partition: &TopicPartition| {
            self.all_partitions
                .as_ref()
                .is_some_and(|topics| topics.takes(partition.topic.as_str()))
        };
        let wanted: Vec<TopicPartition> = all
            .filter(|partition| consumed.contains(partition) || exported(partition))
            .collect();
        // Owned chunks, since streams cannot hold futures that borrow from what they stream.
        let chunks: Vec<Vec<TopicPartition>> = wanted.chunks(CHUNK).map(<[_]>::to_vec).collect();
        let spans = stream::iter(chunks)
            .map(|chunk| self.spans_of(chunk))
            .buffer_unordered(CHUNKS_AT_ONCE)
            .collect::<Vec<_>>();
        spans.await.into_iter().flatten().collect()
    }

    /// The offsets of some partitions; those that could not be had are left out.
    async fn spans_of(&self, partitions: Vec<TopicPartition>) -> Vec<(TopicPartition, Span)> {
        let (starts, ends) = tokio::join!(
            self.in_time(
                "ListOffsets",
                self.cluster.offsets(&partitions, OffsetSpec::Earliest)
            ),
            self.in_time(
                "ListOffsets",
                self.cluster.offsets(&partitions, OffsetSpec::Latest)
            ),
        );
        let (Ok(starts), Ok(ends)) = (starts, ends) else {
            return Vec::new();
        };
        let span = |(partition, end): (TopicPartition, Result<i64, ClusterError>)| {
            let (start, end) = (*starts.get(&partition)?.as_ref().ok()?, end.ok()?);
            Some((partition, Span { start, end }))
        };
        ends.into_iter().filter_map(span).collect()
    }

    async fn in_time<T>(
        &self,
        operation: &str,
        asking: impl Future<Output = Result<T, ClusterError>>,
    ) -> Result<T, Failure> {
        let answer = timeout(self.request_timeout, asking).await.unwrap_or_else(|_| {
            Err(ClusterError::TimedOut {
                operation: operation.to_owned(),
            })
        });
        answer.map_err(|error| Failure::new(cluster_error_kind(&error), &error))
    }
}
