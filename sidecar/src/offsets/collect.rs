//! Asking for groups, where they are, and where partitions end.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, Stream};
use kafka::cluster::{ClusterDescription, Each, OffsetSpec};
use kafka::groups::{GroupDescription, GroupListing, TopicPositions};
use kafka::{BrokerId, Cluster, ClusterError, GroupId, TopicPartition};
use tokio::time::timeout;

use super::requests::Request;
use crate::clock::Clock;
use crate::config::OffsetsConfig;
use crate::health::Failure;
use crate::logs::protocol::cluster_error_kind;
use crate::selection::Selection;

/// How many partitions one request for offsets names: an answer stays well below a megabyte.
const CHUNK: usize = 5_000;

/// How many requests for offsets are under way at the same time.
const CHUNKS_AT_ONCE: usize = 4;

/// What there is in the cluster.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) cluster: ClusterDescription,
    /// The groups to follow, each with its coordinator.
    pub(super) groups: BTreeMap<GroupId, (BrokerId, GroupListing)>,
    /// Why some broker did not list its groups, so that a group that is missing may exist all the same.
    pub(super) unlisted: Option<Failure>,
}

/// The answer to a request about groups.
#[derive(Debug)]
pub(super) struct Answer<V> {
    pub(super) request: Request,
    /// The middle of the time that it took.
    pub(super) at: Duration,
    pub(super) groups: Result<Each<GroupId, V>, Failure>,
}

#[derive(Debug)]
pub(super) struct Collector<C> {
    clock: Clock,
    cluster: C,
    request_timeout: Duration,
    concurrency: usize,
    groups: Selection,
}

impl<C: Cluster> Collector<C> {
    pub(super) fn new(config: &OffsetsConfig, clock: Clock, cluster: C) -> Self {
        Self {
            clock,
            cluster,
            request_timeout: config.kafka.request_timeout,
            concurrency: config.concurrency as usize,
            groups: config.groups.clone(),
        }
    }

    /// Asks what there is.
    pub(super) async fn list(&self) -> Result<Listed, Failure> {
        let (listed, cluster) = tokio::join!(
            self.in_time("ListGroups", self.cluster.groups()),
            self.in_time("Metadata", self.cluster.describe())
        );
        let (listed, cluster) = (listed?, cluster?);
        let unlisted = listed.values().find_map(|listed| listed.as_ref().err());
        let unlisted = unlisted.map(failure);
        let groups = listed.into_iter().flat_map(|(coordinator, listed)| {
            let listed = listed.unwrap_or_default().into_iter();
            listed.map(move |group| (group.id.clone(), (coordinator, group)))
        });
        Ok(Listed {
            cluster,
            groups: groups
                .filter(|(group, _)| self.groups.takes(group.as_str()))
                .collect(),
            unlisted,
        })
    }

    /// Asks where groups are. Answers come as they are ready, and no more than so many are held at the same time as requests
    /// may be under way.
    pub(super) fn positions(
        &self,
        requests: Vec<Request>,
    ) -> impl Stream<Item = Answer<Vec<TopicPositions>>> + '_ {
        let ask = move |request: Request| async move {
            let ids = request.ids();
            let asking = self.cluster.positions(request.coordinator, request.kind, &ids);
            let (at, groups) = self.timed("OffsetFetch", asking).await;
            Answer { request, at, groups }
        };
        stream::iter(requests).map(ask).buffer_unordered(self.concurrency)
    }

    /// Asks for groups' states and members, in the same way.
    pub(super) fn descriptions(
        &self,
        requests: Vec<Request>,
    ) -> impl Stream<Item = Answer<GroupDescription>> + '_ {
        let ask = move |request: Request| async move {
            let ids = request.ids();
            let asking = self
                .cluster
                .describe_groups(request.coordinator, request.kind, &ids);
            let (at, groups) = self.timed("DescribeGroups", asking).await;
            Answer { request, at, groups }
        };
        stream::iter(requests).map(ask).buffer_unordered(self.concurrency)
    }

    /// One offset of each partition; those that could not be had are left out, with why of one of them.
    pub(super) async fn offsets(
        &self,
        partitions: &[TopicPartition],
        which: OffsetSpec,
    ) -> (BTreeMap<TopicPartition, i64>, Option<Failure>) {
        // Owned chunks, since streams cannot hold futures that borrow from what they stream.
        let chunks: Vec<Vec<TopicPartition>> = partitions.chunks(CHUNK).map(<[_]>::to_vec).collect();
        let ask = |chunk: Vec<TopicPartition>| async move {
            let asking = self.cluster.offsets(&chunk, which);
            self.in_time("ListOffsets", asking).await
        };
        let mut answers = std::pin::pin!(stream::iter(chunks).map(ask).buffer_unordered(CHUNKS_AT_ONCE));
        let (mut offsets, mut failed) = (BTreeMap::new(), None);
        while let Some(answer) = answers.next().await {
            let answer = answer.unwrap_or_else(|failure| {
                failed.get_or_insert(failure);
                Each::new()
            });
            for (partition, offset) in answer {
                match offset {
                    Ok(offset) => {
                        offsets.insert(partition, offset);
                    }
                    // It has been deleted since partitions were asked for.
                    Err(ClusterError::UnknownTopicOrPartition(_)) => {}
                    Err(error) => failed = failed.or_else(|| Some(failure(&error))),
                }
            }
        }
        (offsets, failed)
    }

    /// An answer, and the middle of the time that it took.
    async fn timed<T>(
        &self,
        operation: &str,
        asking: impl Future<Output = Result<T, ClusterError>>,
    ) -> (Duration, Result<T, Failure>) {
        let began = self.clock.now();
        let answer = self.in_time(operation, asking).await;
        ((began + self.clock.now()) / 2, answer)
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
        answer.map_err(|error| failure(&error))
    }
}

/// Why a request, or one group of it, failed.
pub(super) fn failure(error: &ClusterError) -> Failure {
    Failure::new(cluster_error_kind(error), error)
}
