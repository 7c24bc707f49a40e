//! Configuration of topics and brokers.

use kafka::cluster::{ConfigEntry, ConfigResource, ConfigSource, Placement};
use kafka::{Cluster, ClusterError};

use super::{Proof, append, create, delete, delete_entry, four_brokers, only, set, subtract, until};

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
