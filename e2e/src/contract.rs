//! What every [`Cluster`] and every [`CompactedLog`] must do, so that a test against the simulated ones says something
//! about the real ones.
//!
//! Each function is one sentence of the contract. It takes a running cluster of four brokers or more, makes topics of
//! its own in it and removes them, so that the functions can share a cluster, at the same time or one after the other.
//! The one exception is [`cancelling_takes_a_reassignment_back`], which throttles brokers.

use std::error::Error;
use std::time::Duration;

use kafka::cluster::{
    ClusterDescription, ConfigChange, ConfigEntry, ConfigResource, ConfigSource, Each, NewTopic, OffsetSpec,
    Partition, Placement, Topic,
};
use kafka::compacted_log::{Entry, LogError, LogWriter};
use kafka::{BrokerId, Cluster, ClusterError, CompactedLog, PartitionId, TopicName, TopicPartition};
use thiserror::Error;
use tokio::time::Instant;

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

/// A created topic is described with its own id, and exactly where it was placed.
pub async fn a_topic_is_described_where_it_was_placed<C: Cluster>(cluster: &C) -> Proof {
    let [a, b, c, d] = four_brokers(cluster).await?;
    let placement = vec![vec![a, b, c], vec![d, c, b]];
    let topic = create(cluster, "placed", Placement::Manual(placement.clone())).await?;
    let described = described_with_leaders(cluster, &topic).await?;
    assert_ne!(described.id, [0; 16], "a topic has an id");
    for (number, (partition, replicas)) in described.partitions.iter().zip(&placement).enumerate() {
        assert_eq!(usize::try_from(partition.id.get())?, number);
        assert_eq!(&partition.replicas, replicas, "the order of the replicas is kept");
        assert_eq!(
            partition.leader,
            Some(replicas[0]),
            "the first replica leads at first"
        );
        assert_eq!(
            sorted(&partition.in_sync),
            sorted(replicas),
            "all are in sync at first"
        );
    }
    assert_eq!(described.partitions.len(), placement.len());
    delete(cluster, topic).await
}

/// Where Kafka chooses, each replica of a partition is on another broker.
pub async fn kafka_places_each_replica_on_another_broker<C: Cluster>(cluster: &C) -> Proof {
    let placement = Placement::Automatic {
        partitions: 6,
        replication_factor: 3,
    };
    let topic = create(cluster, "automatic", placement).await?;
    let described = described_with_leaders(cluster, &topic).await?;
    assert_eq!(described.partitions.len(), 6);
    for partition in &described.partitions {
        let mut brokers = sorted(&partition.replicas);
        brokers.dedup();
        assert_eq!(brokers.len(), 3, "{:?}", partition.replicas);
    }
    delete(cluster, topic).await
}

/// Creating a topic that is there is refused, and so is a placement on a broker that is not.
pub async fn a_topic_that_cannot_be_is_refused_by_name<C: Cluster>(cluster: &C) -> Proof {
    let [a, b, ..] = four_brokers(cluster).await?;
    let topic = create(cluster, "twice", Placement::Manual(vec![vec![a, b]])).await?;
    let again = new_topic(&topic, Placement::Manual(vec![vec![a, b]]));
    let nowhere_name = fresh_name("nowhere")?;
    let nowhere = new_topic(&nowhere_name, Placement::Manual(vec![vec![a, unknown_broker()?]]));
    let mut answers = cluster.create_topics(&[again, nowhere]).await?;
    assert_refused(answers.remove(&topic), "TOPIC_ALREADY_EXISTS");
    assert_refused(answers.remove(&nowhere_name), "INVALID_REPLICA_ASSIGNMENT");
    delete(cluster, topic).await
}

/// A reassignment is in progress until it has ended, and ends with exactly the target's replicas, all in sync.
pub async fn a_reassignment_ends_with_exactly_the_target<C: Cluster>(cluster: &C) -> Proof {
    let [a, b, c, d] = four_brokers(cluster).await?;
    let topic = create(cluster, "moved", Placement::Manual(vec![vec![a, b]])).await?;
    let partition = first_partition(&topic)?;
    described_with_leaders(cluster, &topic).await?;
    let target = vec![c, d, b];
    only(cluster.reassign(&[(partition.clone(), target.clone())]).await?)??;
    // It may be over before it is asked for; while it is not, it says where it goes.
    if let Some(reassignment) = cluster.reassignments().await?.get(&partition) {
        assert_eq!(reassignment.target(), target);
        assert_eq!(sorted(&reassignment.adding), sorted(&[c, d]));
        assert_eq!(reassignment.removing, [a]);
    }
    until("the reassignment has ended", async || {
        Ok(!cluster.reassignments().await?.contains_key(&partition))
    })
    .await?;
    until("the target's replicas are there and in sync", async || {
        let now = described_partition(cluster, &partition).await?;
        Ok(now.is_some_and(|now| now.replicas == target && sorted(&now.in_sync) == sorted(&target)))
    })
    .await?;
    delete(cluster, topic).await
}

/// Another order of the same replicas moves no data; the leader changes only when it is elected.
pub async fn another_order_of_replicas_changes_the_leader_by_election_only<C: Cluster>(cluster: &C) -> Proof {
    let [a, b, c, _] = four_brokers(cluster).await?;
    let topic = create(cluster, "reordered", Placement::Manual(vec![vec![a, b, c]])).await?;
    let partition = first_partition(&topic)?;
    described_with_leaders(cluster, &topic).await?;
    let target = vec![b, c, a];
    only(cluster.reassign(&[(partition.clone(), target.clone())]).await?)??;
    if let Some(reassignment) = cluster.reassignments().await?.get(&partition) {
        assert!(
            reassignment.adding.is_empty(),
            "nothing is copied: {reassignment:?}"
        );
    }
    until("the replicas have the new order", async || {
        let now = described_partition(cluster, &partition).await?;
        Ok(now.is_some_and(|now| now.replicas == target))
    })
    .await?;
    let leader = described_partition(cluster, &partition)
        .await?
        .and_then(|now| now.leader);
    assert_eq!(leader, Some(a), "nobody was elected yet");

    only(
        cluster
            .elect_preferred_leaders(std::slice::from_ref(&partition))
            .await?,
    )??;
    until("the first replica leads", async || {
        let now = described_partition(cluster, &partition).await?;
        Ok(now.is_some_and(|now| now.leader == Some(b)))
    })
    .await?;
    // Once more: it leads already, and that is fine.
    only(
        cluster
            .elect_preferred_leaders(std::slice::from_ref(&partition))
            .await?,
    )??;
    delete(cluster, topic).await
}

/// Cancelling a reassignment takes it back: the replicas are those that were there before.
///
/// `fill` writes some megabytes to partition 0 of the topic, so that the throttled move takes longer than the test.
pub async fn cancelling_takes_a_reassignment_back<C: Cluster>(
    cluster: &C,
    fill: impl AsyncFnOnce(TopicName) -> Proof,
) -> Proof {
    let [a, b, c, d] = four_brokers(cluster).await?;
    let compacted = NewTopic {
        configs: [("cleanup.policy".to_owned(), "compact".to_owned())].into(),
        ..new_topic(&fresh_name("cancelled")?, Placement::Manual(vec![vec![a, b]]))
    };
    only(cluster.create_topics(std::slice::from_ref(&compacted)).await?)??;
    let topic = compacted.name;
    let partition = first_partition(&topic)?;
    described_with_leaders(cluster, &topic).await?;
    fill(topic.clone()).await?;

    let throttled = [
        (
            ConfigResource::Broker(c),
            vec![set("follower.replication.throttled.rate", "1024")],
        ),
        (
            ConfigResource::Broker(d),
            vec![set("follower.replication.throttled.rate", "1024")],
        ),
        (
            ConfigResource::Topic(topic.clone()),
            vec![set(
                "follower.replication.throttled.replicas",
                &format!("0:{c},0:{d}"),
            )],
        ),
    ];
    all(cluster.alter_configs(&throttled).await?)?;
    only(cluster.reassign(&[(partition.clone(), vec![c, d])]).await?)??;
    until("the reassignment is in progress", async || {
        let listed = cluster.reassignments().await?;
        Ok(listed.get(&partition).is_some_and(|it| it.target() == [c, d]))
    })
    .await?;
    only(
        cluster
            .cancel_reassignments(std::slice::from_ref(&partition))
            .await?,
    )??;
    until("the replicas are those of before", async || {
        let in_progress = cluster.reassignments().await?.contains_key(&partition);
        let now = described_partition(cluster, &partition).await?;
        Ok(!in_progress && now.is_some_and(|now| now.replicas == [a, b]))
    })
    .await?;

    let unthrottled = [c, d].map(|broker| {
        let change = delete_entry("follower.replication.throttled.rate");
        (ConfigResource::Broker(broker), vec![change])
    });
    all(cluster.alter_configs(&unthrottled).await?)?;
    delete(cluster, topic).await
}

/// Where nothing is in progress there is nothing to cancel, which is told apart from every other error.
pub async fn without_a_reassignment_there_is_nothing_to_cancel<C: Cluster>(cluster: &C) -> Proof {
    let [a, b, ..] = four_brokers(cluster).await?;
    let topic = create(cluster, "still", Placement::Manual(vec![vec![a, b]])).await?;
    let partition = first_partition(&topic)?;
    described_with_leaders(cluster, &topic).await?;
    let answer = only(cluster.cancel_reassignments(&[partition]).await?)?;
    assert!(
        matches!(answer, Err(ClusterError::NoReassignmentInProgress(_))),
        "{answer:?}"
    );
    delete(cluster, topic).await
}

/// A broker that does not exist is no target, and one bad partition does not spoil the others.
pub async fn one_bad_target_does_not_spoil_the_others<C: Cluster>(cluster: &C) -> Proof {
    let [a, b, c, _] = four_brokers(cluster).await?;
    let topic = create(cluster, "mixed", Placement::Manual(vec![vec![a, b], vec![a, b]])).await?;
    described_with_leaders(cluster, &topic).await?;
    let (bad, good) = (
        first_partition(&topic)?,
        TopicPartition::new(topic.clone(), 1.try_into()?),
    );
    let targets = [
        (bad.clone(), vec![a, unknown_broker()?]),
        (good.clone(), vec![b, c]),
    ];
    let mut answers = cluster.reassign(&targets).await?;
    assert_refused(answers.remove(&bad), "INVALID_REPLICA_ASSIGNMENT");
    assert!(matches!(answers.remove(&good), Some(Ok(()))));
    until("the good one has moved", async || {
        let now = described_partition(cluster, &good).await?;
        Ok(now.is_some_and(|now| now.replicas == [b, c]))
    })
    .await?;
    delete(cluster, topic).await
}

/// Whatever is asked of a topic that does not exist, the answer is that it does not exist.
pub async fn what_does_not_exist_is_said_to_be_unknown<C: Cluster>(cluster: &C) -> Proof {
    let [a, ..] = four_brokers(cluster).await?;
    let topic = fresh_name("absent")?;
    let partition = first_partition(&topic)?;
    let partitions = std::slice::from_ref(&partition);
    let resource = ConfigResource::Topic(topic.clone());
    let change = (resource.clone(), vec![set("retention.ms", "1000")]);
    assert_unknown(cluster.reassign(&[(partition.clone(), vec![a])]).await?);
    assert_unknown(cluster.cancel_reassignments(partitions).await?);
    assert_unknown(cluster.elect_preferred_leaders(partitions).await?);
    assert_unknown(cluster.offsets(partitions, OffsetSpec::Latest).await?);
    assert_unknown(cluster.configs(&[resource], &[]).await?);
    assert_unknown(cluster.alter_configs(&[change]).await?);
    assert_unknown(cluster.create_partitions(&[(topic.clone(), 3)]).await?);
    assert_unknown(cluster.delete_topics(&[topic]).await?);
    Ok(())
}

/// A topic's configuration says what was set on the topic itself; lists are changed by their elements.
pub async fn a_topics_own_configuration_is_told_from_what_it_inherits<C: Cluster>(cluster: &C) -> Proof {
    const LIST: &str = "leader.replication.throttled.replicas";
    let [a, b, ..] = four_brokers(cluster).await?;
    let topic = create(cluster, "configured", Placement::Manual(vec![vec![a, b]])).await?;
    let resource = ConfigResource::Topic(topic.clone());
    let list_is = |expected: Option<&'static [&'static str]>| entry_is(cluster, &resource, LIST, expected);
    list_is(None).await?;
    let alter = async |change| -> Proof {
        only(cluster.alter_configs(&[(resource.clone(), vec![change])]).await?)??;
        Ok(())
    };

    alter(set(LIST, "0:1,0:2")).await?;
    list_is(Some(&["0:1", "0:2"])).await?;
    alter(append(LIST, "0:3,0:2")).await?;
    list_is(Some(&["0:1", "0:2", "0:3"])).await?;
    alter(subtract(LIST, "0:1,0:9")).await?;
    list_is(Some(&["0:2", "0:3"])).await?;
    alter(delete_entry(LIST)).await?;
    list_is(None).await?;

    entry_is(cluster, &resource, "retention.ms", None).await?;
    let both = [
        (resource.clone(), vec![set("retention.ms", "7200000")]),
        (resource.clone(), vec![set("segment.ms", "3600000")]),
    ];
    only(cluster.alter_configs(&both).await?)??;
    entry_is(cluster, &resource, "retention.ms", Some(&["7200000"])).await?;
    entry_is(cluster, &resource, "segment.ms", Some(&["3600000"])).await?;
    delete(cluster, topic).await
}

/// A broker's throttles are its own, and are gone when they are deleted.
pub async fn a_brokers_throttle_is_its_own_until_it_is_deleted<C: Cluster>(cluster: &C) -> Proof {
    let [a, b, ..] = four_brokers(cluster).await?;
    let (throttled, other) = (ConfigResource::Broker(a), ConfigResource::Broker(b));
    for name in [
        "leader.replication.throttled.rate",
        "follower.replication.throttled.rate",
    ] {
        only(
            cluster
                .alter_configs(&[(throttled.clone(), vec![set(name, "123456789")])])
                .await?,
        )??;
        entry_is(cluster, &throttled, name, Some(&["123456789"])).await?;
        entry_is(cluster, &other, name, None).await?;
        only(
            cluster
                .alter_configs(&[(throttled.clone(), vec![delete_entry(name)])])
                .await?,
        )??;
        entry_is(cluster, &throttled, name, None).await?;
    }
    Ok(())
}

/// Partitions are added up to the total asked for; fewer than there are is refused.
pub async fn partitions_are_added_and_never_taken_away<C: Cluster>(cluster: &C) -> Proof {
    let [a, b, ..] = four_brokers(cluster).await?;
    let topic = create(cluster, "grown", Placement::Manual(vec![vec![a, b]])).await?;
    only(cluster.create_partitions(&[(topic.clone(), 3)]).await?)??;
    until("there are three partitions", async || {
        let described = described_topic(cluster, &topic).await?;
        Ok(described.is_some_and(|topic| topic.partitions.len() == 3))
    })
    .await?;
    let fewer = cluster.create_partitions(&[(topic.clone(), 2)]).await?;
    assert_refused(fewer.into_values().next(), "INVALID_PARTITIONS");
    delete(cluster, topic).await
}

/// A deleted topic is gone, and one of the same name made later is another one.
pub async fn a_topic_made_again_is_another_one<C: Cluster>(cluster: &C) -> Proof {
    let [a, b, c, _] = four_brokers(cluster).await?;
    let topic = create(cluster, "again", Placement::Manual(vec![vec![a, b]])).await?;
    let first = described_with_leaders(cluster, &topic).await?;
    delete(cluster, topic.clone()).await?;
    until("the deleted topic is gone", async || {
        Ok(described_topic(cluster, &topic).await?.is_none())
    })
    .await?;
    let again = new_topic(&topic, Placement::Manual(vec![vec![b, c]]));
    until("the name can be used again", async || {
        let answer = only(cluster.create_topics(std::slice::from_ref(&again)).await?)?;
        Ok(answer.is_ok())
    })
    .await?;
    let second = eventually("there is a topic with another id", async || {
        let described = described_topic(cluster, &topic).await?;
        Ok(described.filter(|topic| topic.id != first.id))
    })
    .await?;
    assert_eq!(second.partitions[0].replicas, [b, c]);
    delete(cluster, topic).await
}

/// A log that nobody wrote to begins and ends at offset 0.
pub async fn an_empty_partition_begins_and_ends_at_offset_zero<C: Cluster>(cluster: &C) -> Proof {
    let [a, b, ..] = four_brokers(cluster).await?;
    let topic = create(cluster, "empty", Placement::Manual(vec![vec![a, b]])).await?;
    let partition = first_partition(&topic)?;
    described_with_leaders(cluster, &topic).await?;
    for which in [OffsetSpec::Earliest, OffsetSpec::Latest] {
        let partitions = std::slice::from_ref(&partition);
        until("the partition has offset 0", async || {
            Ok(matches!(only(cluster.offsets(partitions, which).await?)?, Ok(0)))
        })
        .await?;
    }
    delete(cluster, topic).await
}

/// Each broker lists the replicas that it has, and no others.
pub async fn each_broker_lists_its_own_replicas<C: Cluster>(cluster: &C) -> Proof {
    let [a, b, c, _] = four_brokers(cluster).await?;
    let topic = create(cluster, "stored", Placement::Manual(vec![vec![a, b]])).await?;
    let partition = first_partition(&topic)?;
    described_with_leaders(cluster, &topic).await?;
    until(
        "the brokers with a replica list it, and the one without does not",
        async || {
            let dirs = all(cluster.log_dirs(&[a, b, c]).await?)?;
            let lists_it = dirs.into_iter().map(|(broker, dirs)| {
                let mut replicas = dirs.iter().flat_map(|dir| &dir.replicas);
                (
                    broker,
                    replicas.any(|replica| replica.partition == partition && !replica.is_future),
                )
            });
            Ok(lists_it.collect::<Vec<_>>() == [(a, true), (b, true), (c, false)])
        },
    )
    .await?;
    let absent = cluster.log_dirs(&[unknown_broker()?]).await?;
    assert!(
        matches!(absent.into_values().next(), Some(Err(_))),
        "no broker, no answer"
    );
    delete(cluster, topic).await
}

/// Every broker says which groups it coordinates, and a group that never was has committed nothing.
pub async fn an_absent_group_has_committed_nothing<C: Cluster>(cluster: &C) -> Proof {
    let described = cluster.describe().await?;
    let group = "contract-absent".parse()?;
    let listed = all(cluster.groups().await?)?;
    let brokers: Vec<_> = described.brokers.iter().map(|broker| broker.id).collect();
    assert_eq!(
        listed.iter().map(|(broker, _)| *broker).collect::<Vec<_>>(),
        brokers
    );
    assert!(listed.iter().all(|(_, groups)| !groups.contains(&group)));
    assert!(cluster.committed_offsets(&group).await?.is_empty());
    Ok(())
}

/// A log gives back the last record of each key, in the order of writing, and not the keys that were removed.
pub async fn the_last_record_of_a_key_counts<L: CompactedLog>(new_log: &L) -> Proof {
    let (mut writer, found) = new_log.open().await?;
    assert_eq!(found, [], "a new log is empty");
    writer
        .append(vec![entry("a", "1"), entry("b", "1"), entry("c", "1")])
        .await?;
    writer.append(vec![entry("a", "2")]).await?;
    writer.append(Vec::new()).await?;
    writer
        .append(vec![removed("c"), entry("d", "1"), entry("d", "2")])
        .await?;
    drop(writer);
    let (_writer, found) = new_log.open().await?;
    assert_eq!(found, [entry("b", "1"), entry("a", "2"), entry("d", "2")]);
    Ok(())
}

/// Whoever opens a log ends the writing of whoever had it open, for good, and misses nothing of theirs.
pub async fn opening_a_log_fences_the_writer_before<L: CompactedLog>(new_log: &L) -> Proof {
    let (mut old, _) = new_log.open().await?;
    old.append(vec![entry("a", "old")]).await?;
    let (mut new, found) = new_log.open().await?;
    assert_eq!(found, [entry("a", "old")]);
    for _ in 0..2 {
        let late = old.append(vec![entry("a", "late"), entry("b", "late")]).await;
        assert!(matches!(late, Err(LogError::Fenced)), "{late:?}");
    }
    new.append(vec![entry("c", "new")]).await?;
    let late = old.append(vec![entry("a", "later")]).await;
    assert!(matches!(late, Err(LogError::Fenced)), "{late:?}");
    let (_newest, found) = new_log.open().await?;
    assert_eq!(found, [entry("a", "old"), entry("c", "new")]);
    let late = new.append(vec![entry("c", "late")]).await;
    assert!(matches!(late, Err(LogError::Fenced)), "{late:?}");
    Ok(())
}

/// A log with more live records than allowed is not read. `new_log` must allow less than 4,000 bytes.
pub async fn a_log_that_is_too_large_is_not_read<L: CompactedLog>(new_log: &L) -> Proof {
    let (mut writer, _) = new_log.open().await?;
    for key in ["a", "b", "c", "d"] {
        writer.append(vec![entry(key, &"x".repeat(1000))]).await?;
    }
    let opened = new_log.open().await.map(|(_, entries)| entries.len());
    assert!(matches!(opened, Err(LogError::TooLarge { .. })), "{opened:?}");
    Ok(())
}

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

/// Waits until the entry has been set on the resource itself to these elements, or until it has not been set there.
async fn entry_is<C: Cluster>(
    cluster: &C,
    resource: &ConfigResource,
    name: &str,
    expected: Option<&[&str]>,
) -> Proof {
    until(&format!("{name} of {resource:?} is {expected:?}"), async || {
        let answer = only(cluster.configs(std::slice::from_ref(resource), &[name]).await?)?;
        if let Err(ClusterError::UnknownTopicOrPartition(_)) = answer {
            return Ok(false);
        }
        let entries: Vec<ConfigEntry> = answer?;
        assert!(entries.iter().all(|entry| entry.name == name), "{entries:?}");
        let own = entries
            .into_iter()
            .find(|entry| entry.source == ConfigSource::Dynamic)
            .and_then(|entry| entry.value);
        let mut elements: Option<Vec<_>> = own.as_deref().map(|value| value.split(',').collect());
        elements.iter_mut().for_each(|elements| elements.sort_unstable());
        Ok(elements.as_deref() == expected)
    })
    .await
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

fn entry(key: &str, value: &str) -> Entry {
    Entry {
        key: key.to_owned(),
        value: Some(value.as_bytes().to_vec()),
    }
}

fn removed(key: &str) -> Entry {
    Entry {
        key: key.to_owned(),
        value: None,
    }
}
