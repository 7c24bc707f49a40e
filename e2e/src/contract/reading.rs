//! Offsets, log directories and groups.

use kafka::Cluster;
use kafka::cluster::{OffsetSpec, Placement};
use kafka::groups::{GroupKind, GroupListing, GroupState};

use super::{
    Proof, all, create, delete, described_with_leaders, first_partition, four_brokers, only, unknown_broker,
    until,
};

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
    let lists_it = |groups: &[GroupListing]| groups.iter().any(|listing| listing.id == group);
    assert!(listed.iter().all(|(_, groups)| !lists_it(groups)));
    let mut coordinators = 0;
    for broker in brokers {
        let asked = [group.clone()];
        let positions = cluster.positions(broker, GroupKind::Classic, &asked).await?;
        let described = cluster
            .describe_groups(broker, GroupKind::Classic, &asked)
            .await?;
        // Only its coordinator knows that there is no such group; before the first group there is none at all.
        if let Some(Ok(positions)) = positions.get(&group) {
            coordinators += 1;
            assert!(positions.is_empty());
            if let Some(Ok(described)) = described.get(&group) {
                assert_eq!((described.state, described.members), (GroupState::Dead, 0));
            }
        }
    }
    assert!(coordinators <= 1);
    Ok(())
}
