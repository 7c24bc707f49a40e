//! The operator against a Kubernetes, a Kafka and a balancer in memory.

#![allow(clippy::unwrap_used, clippy::panic)]

mod api_server;
mod rights;
mod world;

use std::time::Duration;

use kafka::Cluster as _;
use kafka::users::{Mechanism, UserChange, Users as _};
use operator::crd::Kafkacluster;
use serde_json::{Value, json};
use tokio::time::Instant;
use zeroize::Zeroizing;

use world::{SETS, World, conditions};

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

fn listeners(users: &[&str]) -> Value {
    let user = |name: &&str| json!({"name": name, "passwordSecret": {"name": name}});
    let users: Vec<Value> = users.iter().map(user).collect();
    json!({"sasl": {"users": users}})
}

fn with_users(users: &[&str]) -> World {
    World::new(json!({"brokerCount": 3, "listeners": listeners(users)}))
}

#[tokio::test(start_paused = true)]
async fn users_have_the_passwords_of_their_secrets_and_go_with_the_spec() {
    const SHA512: Mechanism = Mechanism::ScramSha512;
    let world = with_users(&["alice", "carol"]);
    let password = |name: &str| world.kafka.password(&name.parse().unwrap(), SHA512);
    let bob = UserChange::Set {
        user: "bob".parse().unwrap(),
        mechanism: SHA512,
        password: Zeroizing::new("of other means".to_owned()),
    };
    world.kafka.alter_users(vec![bob]).await.unwrap();
    world.put_password("alice", "swordfish\n");
    let missing = |object: &Kafkacluster| {
        let mut conditions = object.status.iter().flat_map(|status| &status.conditions);
        conditions.any(|condition| {
            condition
                .message
                .contains("user carol: there is no Secret carol; make it")
        })
    };
    world
        .until(|object| missing(object) && password("alice").is_some())
        .await;
    assert_eq!(password("alice").as_deref(), Some("swordfish"));
    assert_eq!(password("carol"), None);

    world.put_password("carol", "pencil");
    world
        .until(|object| settled(object) && password("carol").is_some())
        .await;
    world.put_password("alice", "haddock");
    world
        .until(|object| settled(object) && password("alice").as_deref() == Some("haddock"))
        .await;

    world.specify("listeners", listeners(&["alice"]));
    world
        .until(|object| settled(object) && password("carol").is_none())
        .await;
    assert!(password("alice").is_some() && password("bob").is_some());
    let users = world.object().status.unwrap().users;
    let names: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
    assert_eq!(names, ["alice"]);
    let state = world.api.state();
    let told = state.objects.iter().filter(|(key, _)| !key.contains("/secrets/"));
    for (key, object) in told {
        let object = object.to_string();
        for secret in ["swordfish", "haddock", "pencil"] {
            assert!(!object.contains(secret), "{key}");
        }
    }
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
    world.look().await;
    world.api.state().writes.clear();
    for _ in 0..3 {
        world.look().await;
    }
    assert_eq!(world.api.state().writes, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_first_look_at_a_cluster_writes_its_id_down_and_then_makes_everything() {
    let world = four_brokers();
    world.look().await;
    assert_eq!(
        world
            .api
            .state()
            .objects
            .range(format!("{SETS}/")..format!("{SETS}0"))
            .count(),
        2
    );
    let writes = world.api.state().writes.clone();
    assert!(writes[0].ends_with("/kafkaclusters/c/status"), "{writes:#?}");
    let written = |path: &str| writes.iter().filter(|write| write.ends_with(path)).count();
    assert_eq!(written("/kafkaclusters/c/status"), 2, "{writes:#?}");
    assert_eq!(written("/statefulsets/c"), 1, "{writes:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_of_which_nothing_changes_costs_the_api_server_one_call_in_a_minute() {
    const MINUTES: u64 = 30;
    let world = with_users(&["alice", "carol"]);
    world.put_password("alice", "swordfish");
    world.put_password("carol", "pencil");
    world.until(settled).await;
    world.look().await;
    world.api.state().requests.clear();
    let end = Instant::now() + Duration::from_secs(60 * MINUTES);
    while Instant::now() < end {
        let again = world.look().await;
        tokio::time::sleep(again).await;
    }
    let requests = world.api.state().requests.clone();
    assert!(requests.len() as u64 <= MINUTES, "{requests:#?}");
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
        state.remove(CONFIG);
        let mut budget = state.objects[BUDGET].clone();
        budget["spec"]["maxUnavailable"] = json!(3);
        state.put(BUDGET.to_owned(), budget);
        let mut stray = state.objects["api/v1/namespaces/n/services/c-broker-0"].clone();
        stray["metadata"]["name"] = json!("c-broker-9");
        stray["metadata"]["uid"] = json!("stray");
        state.put(STRAY.to_owned(), stray);
    }
    world.look().await;
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

/// The CPU that each broker's pod asks for, and how many pods were deleted.
fn cpu_and_deletions(world: &World) -> (Vec<String>, usize) {
    let state = world.api.state();
    let pods = (0..4).map(|number| &state.objects[&format!("api/v1/namespaces/n/pods/c-{number}")]);
    let cpu = pods.map(|pod| pod["spec"]["containers"][0]["resources"]["requests"]["cpu"].clone());
    let cpu = cpu.map(|cpu| cpu.as_str().unwrap_or_default().to_owned());
    let deletions = state.writes.iter().filter(|write| write.starts_with("delete"));
    (cpu.collect(), deletions.count())
}

/// Somebody else's object.
fn foreign(world: &World, path: &str, spec: Value) -> (String, Value) {
    let name = path.rsplit('/').next().unwrap();
    let object =
        json!({"metadata": {"name": name, "namespace": "n", "labels": {"app": "theirs"}}, "spec": spec});
    let key = path.to_owned();
    (key.clone(), world.api.state().put(key, object))
}

#[tokio::test(start_paused = true)]
async fn what_has_the_name_of_an_object_of_the_cluster_and_is_somebody_elses_is_left_alone() {
    let world = four_brokers();
    let claim = json!({"spec": {"resources": {"requests": {"storage": "8Gi"}}}});
    let theirs = [
        foreign(
            &world,
            "apis/apps/v1/namespaces/n/statefulsets/c",
            json!({"volumeClaimTemplates": [claim]}),
        ),
        foreign(&world, "api/v1/namespaces/n/configmaps/c-config", json!({})),
    ];
    let said = world.fail().await;
    assert!(
        said.contains("already that belongs to no Kafkacluster of this name"),
        "{said}"
    );
    let before = world.api.state().objects.clone();
    for (key, object) in &theirs {
        assert_eq!(before.get(key), Some(object));
    }
    assert_eq!(conditions(&world.object())["Degraded"], "True");
    for (key, _) in theirs {
        world.api.state().remove(&key);
    }
    world.until(settled).await;
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_cannot_grow_holds_nothing_else_up() {
    let world = four_brokers();
    world.until(settled).await;
    let labels = world.api.state().objects["api/v1/namespaces/n/pods/c-0"]["metadata"]["labels"].clone();
    let claim = json!({
        "metadata": {"name": "kafka-data-c-0", "namespace": "n", "labels": labels},
        "spec": {"resources": {"requests": {"storage": "100G"}}},
        "status": {"phase": "Bound"},
    });
    let key = "api/v1/namespaces/n/persistentvolumeclaims/kafka-data-c-0".to_owned();
    world.api.state().put(key, claim);
    world.api.state().forbidden = Some("persistentvolumeclaims");
    world.specify("resources", json!({"diskSpace": "200G"}));
    world.specify("brokerCount", json!(5));
    let said = world.fail().await;
    assert!(said.contains("PersistentVolumeClaim kafka-data-c-0"), "{said}");
    let set = world.api.state().objects["apis/apps/v1/namespaces/n/statefulsets/c"].clone();
    assert_eq!(set["spec"]["replicas"], 5);
}

#[tokio::test(start_paused = true)]
async fn brokers_get_other_cpu_while_they_run() {
    let world = four_brokers();
    world.until(settled).await;
    world.specify("resources", json!({"cpu": "3"}));
    world
        .until(|object| settled(object) && cpu_and_deletions(&world).0 == ["3"; 4])
        .await;
    assert_eq!(cpu_and_deletions(&world).1, 0);
}

#[tokio::test(start_paused = true)]
async fn brokers_restart_for_other_cpu_where_kubernetes_cannot_give_it_while_they_run() {
    let world = four_brokers();
    world.until(settled).await;
    world.api.state().without_resize = true;
    world.specify("resources", json!({"cpu": "3"}));
    world
        .until(|object| settled(object) && cpu_and_deletions(&world).0 == ["3"; 4])
        .await;
    assert_eq!(cpu_and_deletions(&world).1, 4);
    for shrink in world.kafka.shrinks() {
        assert_eq!((shrink.before, shrink.after), (3, 2), "{shrink:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_pod_is_not_taken_by_what_watches_told_before_the_first_was() {
    let world = four_brokers();
    world.until(settled).await;
    world.api.state().silent = true;
    world.api.state().writes.clear();
    world.specify("image", json!("apache/kafka:4.3.0"));
    for _ in 0..5 {
        world.look().await;
    }
    let state = world.api.state();
    let deleted: Vec<&String> = state
        .writes
        .iter()
        .filter(|write| write.starts_with("delete"))
        .collect();
    assert_eq!(deleted, ["delete /api/v1/namespaces/n/pods/c-controller-1"]);
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

#[tokio::test(start_paused = true)]
async fn a_topic_gets_the_replicas_that_the_spec_says_and_loses_them_again() {
    let world = four_brokers();
    world.until(settled).await;
    for wanted in [4_usize, 2] {
        let topic = json!({"name": "orders", "partitions": 6, "replicationFactor": wanted});
        world.specify("topics", json!([topic]));
        world
            .until(|object| {
                let conditions = object.status.iter().flat_map(|status| &status.conditions);
                conditions
                    .into_iter()
                    .any(|condition| condition.reason == "Replicating")
            })
            .await;
        world.until(settled).await;
        let description = world.kafka.describe().await.unwrap();
        for partition in &description.topics[0].partitions {
            assert_eq!(
                (partition.replicas.len(), partition.in_sync.len()),
                (wanted, wanted)
            );
        }
    }
}
