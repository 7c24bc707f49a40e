//! `deploy/operator.yaml` allows what the operator asks, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use operator::build::Object;
use serde_json::{Value, json};

use crate::api_server::Right;
use crate::settled;
use crate::world::World;

/// All that the ClusterRoles of the manifest allow.
fn allowed() -> BTreeSet<Right> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/operator.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let roles = documents
        .into_iter()
        .filter(|document| document["kind"] == json!("ClusterRole"));
    let rules = roles.flat_map(|role| {
        let role: ClusterRole = serde_json::from_value(role).unwrap();
        role.rules.unwrap_or_default()
    });
    rules.flat_map(|rule| rights(&rule)).collect()
}

fn rights(rule: &PolicyRule) -> Vec<Right> {
    let mut rights = Vec::new();
    for group in rule.api_groups.iter().flatten() {
        for resource in rule.resources.iter().flatten() {
            let right = |verb: &String| (verb.clone(), group.clone(), resource.clone());
            rights.extend(rule.verbs.iter().map(right));
        }
    }
    rights
}

fn right(verb: &str, group: &str, resource: &str) -> Right {
    (verb.to_owned(), group.to_owned(), resource.to_owned())
}

/// What is watched for clusters themselves, and what Kubernetes asks on the operator's behalf.
fn beside_reconciling() -> BTreeSet<Right> {
    let mut rights: BTreeSet<Right> = ["list", "watch"]
        .map(|verb| right(verb, "krallistic.github.com", "kafkaclusters"))
        .into();
    for verb in ["create", "list", "watch", "patch"] {
        rights.insert(right(verb, "apiextensions.k8s.io", "customresourcedefinitions"));
    }
    rights.insert(right(
        "update",
        "krallistic.github.com",
        "kafkaclusters/finalizers",
    ));
    // A series of events.
    rights.insert(right("patch", "events.k8s.io", "events"));
    rights
}

#[tokio::test(start_paused = true)]
async fn every_right_is_used_and_none_is_missing() {
    let world = World::new(json!({
        "brokerCount": 4,
        "rackTopologyKey": "zone",
        "resources": {"diskSpace": "100G"},
        "volumeDeletionPolicy": "Delete",
    }));
    let node = json!({"metadata": {"name": "node", "labels": {"zone": "a"}}});
    world.api.state().put("api/v1/nodes/node".to_owned(), node);
    world.until(settled).await;
    // Volumes grow, brokers restart, and one leaves.
    let claims = [0, 3].map(|number| {
        let name = format!("kafka-data-c-{number}");
        let claim = json!({
            "metadata": {"name": name, "namespace": "n", "labels": {
                "component": "kafka", "creator": "kafka-operator", "name": "c", "role": "data",
            }},
            "spec": {"resources": {"requests": {"storage": "100G"}}},
            "status": {"phase": "Bound"},
        });
        let key = format!("api/v1/namespaces/n/persistentvolumeclaims/{name}");
        world.api.state().put(key.clone(), claim);
        key
    });
    world.specify("resources", json!({"diskSpace": "200G"}));
    world.look().await;
    world.specify("resources", json!({"diskSpace": "200G", "cpu": "3"}));
    world.look().await;
    world.specify("image", json!("apache/kafka:4.3.0"));
    world.specify("brokerCount", json!(3));
    world
        .until(|object| settled(object) && object.status.as_ref().unwrap().brokers.len() == 3)
        .await;
    let is_there = claims.map(|claim| world.api.state().objects.contains_key(&claim));
    assert_eq!(is_there, [true, false]);
    // Every kind that can be applied can be removed, too.
    let mut used = world.api.state().used.clone();
    used.extend(
        Object::resources()
            .into_iter()
            .map(|kind| ("delete".to_owned(), kind.group, kind.plural)),
    );
    used.extend(beside_reconciling());
    let allowed = allowed();
    let missing: Vec<_> = used.difference(&allowed).collect();
    let unused: Vec<_> = allowed.difference(&used).collect();
    assert!(
        missing.is_empty() && unused.is_empty(),
        "missing: {missing:?}; unused: {unused:?}"
    );
}
