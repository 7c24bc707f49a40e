//! What every [`Cluster`] and every [`CompactedLog`](kafka::CompactedLog) must do, so that a test against the
//! simulated ones says something about the real ones.
//!
//! Each function is one sentence of the contract. It takes a running cluster of four brokers or more, makes topics of
//! its own in it and removes them, so that the functions can share a cluster, at the same time or one after the other.
//! The one exception is [`cancelling_takes_a_reassignment_back`], which throttles brokers.

mod configuration;
mod logs;
mod reading;
mod reassignments;
mod topics;

use std::error::Error;
use std::time::Duration;

use kafka::cluster::{ClusterDescription, ConfigChange, Each, NewTopic, Partition, Placement, Topic};
use kafka::{BrokerId, Cluster, ClusterError, PartitionId, TopicName, TopicPartition};
use thiserror::Error;
use tokio::time::Instant;

pub use configuration::*;
pub use logs::*;
pub use reading::*;
pub use reassignments::*;
pub use topics::*;

/// Whether a sentence of the contract holds; an error is a request that failed or something that never came true.
pub type Proof = Result<(), Unproven>;

/// What kept a sentence from being proven.
pub type Unproven = Box<dyn Error + Send + Sync>;

/// Something that should have come true in time.
#[derive(Debug, Error)]
#[error("it did not come true within {PATIENCE:?} that {0}")]
pub struct NeverTrue(String);

/// The longest that brokers may take to agree with each other or to finish a move of next to nothing.
const PATIENCE: Duration = Duration::from_secs(60);

async fn four_brokers<C: Cluster>(cluster: &C) -> Result<[BrokerId; 4], Unproven> {
    let brokers = cluster.describe().await?.brokers;
    let ids: Vec<_> = brokers.iter().take(4).map(|broker| broker.id).collect();
    ids.try_into()
        .map_err(|ids| format!("the contract needs four brokers, not {ids:?}").into())
}

fn unknown_broker() -> Result<BrokerId, kafka::ids::InvalidId> {
    BrokerId::try_from(77_777)
}

/// A name that no earlier run has used in the same cluster.
fn fresh_name(stem: &str) -> Result<TopicName, kafka::ids::InvalidId> {
    format!("contract-{stem}-{}", std::process::id()).parse()
}

fn first_partition(topic: &TopicName) -> Result<TopicPartition, kafka::ids::InvalidId> {
    Ok(TopicPartition::new(topic.clone(), PartitionId::try_from(0)?))
}

fn new_topic(name: &TopicName, placement: Placement) -> NewTopic {
    NewTopic {
        name: name.clone(),
        placement,
        configs: Default::default(),
    }
}

async fn create<C: Cluster>(cluster: &C, stem: &str, placement: Placement) -> Result<TopicName, Unproven> {
    let name = fresh_name(stem)?;
    only(cluster.create_topics(&[new_topic(&name, placement)]).await?)??;
    Ok(name)
}

async fn delete<C: Cluster>(cluster: &C, topic: TopicName) -> Proof {
    only(cluster.delete_topics(&[topic]).await?)??;
    Ok(())
}

/// The topic once it has leaders and all its replicas in sync.
async fn described_with_leaders<C: Cluster>(cluster: &C, topic: &TopicName) -> Result<Topic, Unproven> {
    eventually(
        &format!("{topic} has leaders and its replicas are in sync"),
        async || {
            let settled = |it: &Partition| it.leader.is_some() && it.in_sync.len() == it.replicas.len();
            let described = described_topic(cluster, topic).await?;
            Ok(described.filter(|topic| topic.partitions.iter().all(settled)))
        },
    )
    .await
}

async fn described_topic<C: Cluster>(cluster: &C, name: &TopicName) -> Result<Option<Topic>, ClusterError> {
    let ClusterDescription { topics, .. } = cluster.describe().await?;
    Ok(topics.into_iter().find(|topic| topic.name == *name))
}

async fn described_partition<C: Cluster>(
    cluster: &C,
    wanted: &TopicPartition,
) -> Result<Option<Partition>, ClusterError> {
    let topic = described_topic(cluster, &wanted.topic).await?;
    let mut partitions = topic.into_iter().flat_map(|topic| topic.partitions);
    Ok(partitions.find(|partition| partition.id == wanted.partition))
}

/// Asks again and again until it is so: brokers hear of a change one after the other.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> Result<bool, Unproven>) -> Proof {
    eventually(what, async || Ok(is_so().await?.then_some(()))).await
}

/// Asks again and again until there is an answer.
async fn eventually<T>(
    what: &str,
    mut ask: impl AsyncFnMut() -> Result<Option<T>, Unproven>,
) -> Result<T, Unproven> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        if Instant::now() > deadline {
            return Err(NeverTrue(what.to_owned()).into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The one answer to a question about one thing.
fn only<K: Ord, V>(answers: Each<K, V>) -> Result<Result<V, ClusterError>, Unproven> {
    let mut answers: Vec<_> = answers.into_values().collect();
    match (answers.pop(), answers.is_empty()) {
        (Some(answer), true) => Ok(answer),
        _ => Err("one thing was asked for, and there is not one answer".into()),
    }
}

/// All answers, none of which may be an error.
fn all<K: Ord, V>(answers: Each<K, V>) -> Result<Vec<(K, V)>, ClusterError> {
    answers
        .into_iter()
        .map(|(key, answer)| answer.map(|answer| (key, answer)))
        .collect()
}

fn assert_refused(answer: Option<Result<(), ClusterError>>, expected: &str) {
    assert!(
        matches!(&answer, Some(Err(ClusterError::Refused { code, .. })) if code == expected),
        "{expected} was expected, not {answer:?}"
    );
}

#[track_caller]
fn assert_unknown<K: Ord + std::fmt::Debug, V: std::fmt::Debug>(answers: Each<K, V>) {
    let unknown = |answer: &Result<V, _>| matches!(answer, Err(ClusterError::UnknownTopicOrPartition(_)));
    assert!(answers.len() == 1 && answers.values().all(unknown), "{answers:?}");
}

fn sorted(brokers: &[BrokerId]) -> Vec<BrokerId> {
    let mut sorted = brokers.to_vec();
    sorted.sort_unstable();
    sorted
}

fn set(name: &str, value: &str) -> ConfigChange {
    let (name, value) = (name.to_owned(), value.to_owned());
    ConfigChange::Set { name, value }
}

fn append(name: &str, value: &str) -> ConfigChange {
    let (name, value) = (name.to_owned(), value.to_owned());
    ConfigChange::Append { name, value }
}

fn subtract(name: &str, value: &str) -> ConfigChange {
    let (name, value) = (name.to_owned(), value.to_owned());
    ConfigChange::Subtract { name, value }
}

fn delete_entry(name: &str) -> ConfigChange {
    ConfigChange::Delete {
        name: name.to_owned(),
    }
}
