//! Reassignments and elections.

use kafka::cluster::{ConfigResource, NewTopic, Placement};
use kafka::{Cluster, ClusterError, TopicName, TopicPartition};

use super::{
    Proof, all, assert_refused, create, delete, delete_entry, described_partition, described_with_leaders,
    first_partition, four_brokers, fresh_name, new_topic, only, set, sorted, unknown_broker, until,
};

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
