//! Topics: where they are placed, how they grow and go.

use kafka::Cluster;
use kafka::cluster::{ConfigResource, OffsetSpec, Placement};

use super::{
    Proof, assert_refused, assert_unknown, create, delete, described_topic, described_with_leaders,
    eventually, first_partition, four_brokers, fresh_name, new_topic, only, set, sorted, unknown_broker,
    until,
};

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
        partitions: Some(6),
        replication_factor: Some(3),
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
