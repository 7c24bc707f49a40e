//! How long `kafka-sidecar offsets` takes for a sample of 5,000 groups that each have a commit in 2,500 partitions, and
//! how much memory it has at most: once with room for all 12.5 million pairs, once with the default limit.
//!
//! The cluster answers from memory, so that what is measured is this program's own work: rows made from answers,
//! judged and shown. `cargo bench -p sidecar --bench offsets`.

// The lint's exception for tests does not reach benchmarks.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use kafka::cluster::*;
use kafka::connection::ConnectionSettings;
use kafka::groups::{GroupDescription, GroupKind, GroupListing, GroupState, Position, TopicPositions};
use kafka::{BrokerId, Cluster, ClusterError, GroupId, PartitionId, TopicName, TopicPartition};
use sidecar::config::OffsetsConfig;
use sidecar::exposition::{Encoding, Format};
use sidecar::offsets::{self, OffsetsView};
use sidecar::server::Served;
use tokio_util::sync::CancellationToken;

const GROUPS: usize = 5_000;
const TOPICS: usize = 25;
const PARTITIONS: i32 = 100;
const BROKERS: i32 = 3;

/// Every group is 50 records behind in every partition and gets on by 10 a sample.
#[derive(Debug, Clone)]
struct Many {
    topics: Arc<Vec<TopicName>>,
    groups: Arc<Vec<GroupId>>,
    end: Arc<AtomicI64>,
}

fn broker(id: i32) -> BrokerId {
    id.try_into().unwrap()
}

impl Many {
    fn new() -> Self {
        let topics = (0..TOPICS).map(|number| format!("topic-{number:02}").parse().unwrap());
        let groups = (0..GROUPS).map(|number| format!("group-{number:04}").parse().unwrap());
        Self {
            topics: Arc::new(topics.collect()),
            groups: Arc::new(groups.collect()),
            end: Arc::new(AtomicI64::new(1_000)),
        }
    }

    fn positions_of_a_group(&self) -> Vec<TopicPositions> {
        let offset = self.end.load(Ordering::Relaxed) - 50;
        let positions = |topic: &TopicName| TopicPositions {
            topic: topic.clone(),
            positions: (0..PARTITIONS)
                .map(|number| Position {
                    partition: number.try_into().unwrap(),
                    offset,
                    lag: None,
                })
                .collect(),
        };
        self.topics.iter().map(positions).collect()
    }
}

fn not_asked<T>() -> Result<T, ClusterError> {
    Err(ClusterError::Nonsense("no sidecar asks for this".to_owned()))
}

impl Cluster for Many {
    async fn describe(&self) -> Result<ClusterDescription, ClusterError> {
        let partition = |number: i32| Partition {
            id: PartitionId::try_from(number).unwrap(),
            leader: Some(broker(number % BROKERS)),
            replicas: vec![broker(number % BROKERS)],
            in_sync: vec![broker(number % BROKERS)],
        };
        let topics = self.topics.iter().map(|name| Topic {
            name: name.clone(),
            id: [1; 16],
            partitions: (0..PARTITIONS).map(partition).collect(),
        });
        let brokers = (0..BROKERS).map(|id| Broker {
            id: broker(id),
            host: "localhost".to_owned(),
            port: 9092,
            rack: None,
        });
        Ok(ClusterDescription {
            cluster_id: "many".to_owned(),
            controller: None,
            brokers: brokers.collect(),
            topics: topics.collect(),
        })
    }

    async fn offsets(
        &self,
        partitions: &[TopicPartition],
        _: OffsetSpec,
    ) -> Result<Each<TopicPartition, i64>, ClusterError> {
        let end = self.end.load(Ordering::Relaxed);
        let ends = partitions.iter().map(|partition| (partition.clone(), Ok(end)));
        Ok(ends.collect())
    }

    async fn groups(&self) -> Result<Each<BrokerId, Vec<GroupListing>>, ClusterError> {
        self.end.fetch_add(10, Ordering::Relaxed);
        let mut all: Each<BrokerId, Vec<GroupListing>> = BTreeMap::new();
        for (coordinator, id) in (0..BROKERS).cycle().zip(self.groups.iter()) {
            let listed = all.entry(broker(coordinator)).or_insert_with(|| Ok(Vec::new()));
            listed.as_mut().unwrap().push(GroupListing {
                id: id.clone(),
                kind: GroupKind::Consumer,
                state: GroupState::Stable,
            });
        }
        Ok(all)
    }

    async fn describe_groups(
        &self,
        _: BrokerId,
        _: GroupKind,
        groups: &[GroupId],
    ) -> Result<Each<GroupId, GroupDescription>, ClusterError> {
        let description = GroupDescription {
            state: GroupState::Stable,
            members: 10,
        };
        let described = groups.iter().map(|group| (group.clone(), Ok(description)));
        Ok(described.collect())
    }

    async fn positions(
        &self,
        _: BrokerId,
        _: GroupKind,
        groups: &[GroupId],
    ) -> Result<Each<GroupId, Vec<TopicPositions>>, ClusterError> {
        let positions = groups
            .iter()
            .map(|group| (group.clone(), Ok(self.positions_of_a_group())));
        Ok(positions.collect())
    }

    async fn log_dirs(&self, _: &[BrokerId]) -> Result<Each<BrokerId, Vec<LogDir>>, ClusterError> {
        not_asked()
    }

    async fn configs(
        &self,
        _: &[ConfigResource],
        _: &[&str],
    ) -> Result<Each<ConfigResource, Vec<ConfigEntry>>, ClusterError> {
        not_asked()
    }

    async fn alter_configs(
        &self,
        _: &[(ConfigResource, Vec<ConfigChange>)],
    ) -> Result<Each<ConfigResource, ()>, ClusterError> {
        not_asked()
    }

    async fn reassignments(&self) -> Result<BTreeMap<TopicPartition, Reassignment>, ClusterError> {
        not_asked()
    }

    async fn reassign(
        &self,
        _: &[(TopicPartition, Vec<BrokerId>)],
    ) -> Result<Each<TopicPartition, ()>, ClusterError> {
        not_asked()
    }

    async fn cancel_reassignments(
        &self,
        _: &[TopicPartition],
    ) -> Result<Each<TopicPartition, ()>, ClusterError> {
        not_asked()
    }

    async fn elect_preferred_leaders(
        &self,
        _: &[TopicPartition],
    ) -> Result<Each<TopicPartition, ()>, ClusterError> {
        not_asked()
    }

    async fn create_topics(&self, _: &[NewTopic]) -> Result<Each<TopicName, ()>, ClusterError> {
        not_asked()
    }

    async fn delete_topics(&self, _: &[TopicName]) -> Result<Each<TopicName, ()>, ClusterError> {
        not_asked()
    }

    async fn create_partitions(&self, _: &[(TopicName, u32)]) -> Result<Each<TopicName, ()>, ClusterError> {
        not_asked()
    }
}

/// The value of a series without labels, or with exactly these.
fn value(metrics: &str, series: &str) -> Option<f64> {
    let line = metrics.lines().find(|line| line.starts_with(series))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// A figure of `/proc/self/status` in MB.
fn memory(figure: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(figure)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_000
}

fn text(view: &OffsetsView) -> String {
    let pieces = view.metrics(Format::Prometheus, Encoding::Identity);
    String::from_utf8(pieces.concat()).unwrap()
}

const DURATION: &str = "kafka_sidecar_source_collect_duration_seconds";
const SUCCESS: &str = "kafka_sidecar_source_last_success_timestamp_seconds";

/// The seconds that each of so many samples took.
async fn samples(view: &OffsetsView, count: usize) -> Vec<f64> {
    let (mut seconds, mut last) = (Vec::new(), None);
    while seconds.len() < count {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let metrics = text(view);
        let success = value(&metrics, SUCCESS);
        if success != last {
            last = success;
            seconds.extend(value(&metrics, DURATION));
        }
    }
    seconds
}

async fn measure(max_group_partitions: u32) {
    let kafka = ConnectionSettings::plaintext(vec!["localhost:9092".parse().unwrap()]);
    let mut config = OffsetsConfig::new(kafka);
    config.interval = Duration::from_secs(1);
    config.max_group_partitions = max_group_partitions;
    let stop = CancellationToken::new();
    let sampling = offsets::start(config, Many::new(), stop.clone()).unwrap();
    let view = sampling.view;
    let seconds = samples(&view, 12).await;
    let began = Instant::now();
    let metrics = text(&view);
    let written = began.elapsed();
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{} pairs of {} groups, {} groups left out\n  first sample {:.2} s, later ones up to {:.2} s\n  \
         memory now {} MB, at most {} MB\n  /metrics: {:.1} MB in {} ms",
        value(&metrics, "kafka_sidecar_group_partitions ").unwrap(),
        metrics.matches("\nkafka_consumergroup_status{").count(),
        value(&metrics, "kafka_sidecar_groups_left_out ").unwrap(),
        seconds[0],
        seconds[1..].iter().copied().fold(0.0, f64::max),
        memory("VmRSS"),
        memory("VmHWM"),
        metrics.len() as f64 / 1e6,
        written.as_millis(),
    )
    .unwrap();
    stop.cancel();
    sampling.ended.await.unwrap();
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // The smaller first, since the most memory that was ever used is of the whole process.
    measure(OffsetsConfig::DEFAULT_MAX_GROUP_PARTITIONS).await;
    measure(u32::try_from(GROUPS * TOPICS).unwrap() * u32::try_from(PARTITIONS).unwrap()).await;
}
