//! The operator against a Kubernetes, a Kafka and a balancer in memory.

#![allow(clippy::unwrap_used, clippy::panic)]

mod api_server;
mod rights;
mod world;

use kafka::Cluster as _;
use operator::crd::Kafkacluster;
use serde_json::json;

use world::{World, conditions};

/// Whether all is as the spec says, and brokers serve.
fn settled(object: &Kafkacluster) -> bool {
    let conditions = conditions(object);
    let is = |kind: &str, status: &str| conditions.get(kind).is_some_and(|found| found == status);
    is("Ready", "True") && is("Progressing", "False") && is("Degraded", "False")
}

fn brokers(object: &Kafkacluster) -> usize {
    object.status.as_ref().map_or(0, |status| status.brokers.len())
}

fn four_brokers() -> World {
    World::new(json!({
        "brokerCount": 4,
        "topics": [{"name": "orders", "partitions": 6, "replicationFactor": 3, "config": {"min.insync.replicas": 2}}],
        "kafkaOptions": {"compressionType": "gzip"},
    }))
}

#[tokio::test(start_paused = true)]
async fn a_cluster_comes_up_with_its_topics_and_options_and_is_then_left_alone() {
    let world = four_brokers();
    world
        .until(|object| settled(object) && brokers(object) == 4)
        .await;
    let description = world.kafka.describe().await.unwrap();
    let topics: Vec<_> = description
        .topics
        .iter()
        .map(|topic| topic.partitions.len())
        .collect();
    assert_eq!(topics, [6]);
    world.operator.reconcile(&world.object()).await.unwrap();
    world.api.state().writes.clear();
    for _ in 0..3 {
        world.operator.reconcile(&world.object()).await.unwrap();
    }
    assert_eq!(world.api.state().writes, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_changes_or_deletes_is_put_back_and_what_is_not_wanted_goes() {
    let world = four_brokers();
    world.until(settled).await;
    const CONFIG: &str = "api/v1/namespaces/n/configmaps/c-config";
    const BUDGET: &str = "apis/policy/v1/namespaces/n/poddisruptionbudgets/c";
    const STRAY: &str = "api/v1/namespaces/n/services/c-broker-9";
    {
        let mut state = world.api.state();
        state.objects.remove(CONFIG);
        let mut budget = state.objects[BUDGET].clone();
        budget["spec"]["maxUnavailable"] = json!(3);
        state.put(BUDGET.to_owned(), budget);
        let mut stray = state.objects["api/v1/namespaces/n/services/c-broker-0"].clone();
        stray["metadata"]["name"] = json!("c-broker-9");
        stray["metadata"]["uid"] = json!("stray");
        state.put(STRAY.to_owned(), stray);
    }
    world.operator.reconcile(&world.object()).await.unwrap();
    let state = world.api.state();
    assert!(state.objects.contains_key(CONFIG));
    assert_eq!(state.objects[BUDGET]["spec"]["maxUnavailable"], json!(1));
    assert!(!state.objects.contains_key(STRAY));
}

#[tokio::test(start_paused = true)]
async fn a_new_image_reaches_every_broker_and_no_partition_falls_below_its_minimum() {
    let world = four_brokers();
    world.until(settled).await;
    world.specify("image", json!("apache/kafka:4.3.0"));
    let images = |world: &World| {
        let state = world.api.state();
        let pods = state.objects.range("api/v1/namespaces/n/pods/".to_owned()..);
        let pods = pods.take_while(|(key, _)| key.starts_with("api/v1/namespaces/n/pods/"));
        let new =
            |pod: &serde_json::Value| pod["spec"]["containers"][0]["image"] == json!("apache/kafka:4.3.0");
        pods.filter(|(_, pod)| new(pod)).count()
    };
    world.until(|object| images(&world) == 7 && settled(object)).await;
    let shrinks = world.kafka.shrinks();
    assert!(shrinks.len() >= 6, "each of four brokers was away: {shrinks:?}");
    for shrink in shrinks {
        assert_eq!((shrink.before, shrink.after), (3, 2), "{shrink:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_leaves_when_it_is_empty_and_is_forgotten() {
    let world = four_brokers();
    world
        .until(|object| settled(object) && brokers(object) == 4)
        .await;
    world.specify("brokerCount", json!(3));
    world
        .until(|object| settled(object) && brokers(object) == 3)
        .await;
    let description = world.kafka.describe().await.unwrap();
    let gone = 3_u16.into();
    assert!(description.brokers.iter().all(|broker| broker.id != gone));
    for partition in description.topics.iter().flat_map(|topic| &topic.partitions) {
        assert!(!partition.replicas.contains(&gone));
        assert_eq!(partition.replicas.len(), 3);
    }
    assert_eq!(
        world.kafka.shrinks(),
        [],
        "its replicas went when others were in sync"
    );
}
