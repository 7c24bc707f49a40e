//! What holds for the objects of every spec that makes sense.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use operator::build::{
    Installation, Known, Object, Role, balancer_url, broker_digest, connection, controller_digest, listeners,
    objects, selector_text, token_secret,
};
use operator::cluster::{Cluster, ClusterId};
use operator::crd::{Kafkacluster, ListenerStatus};
use proptest::prelude::*;
use serde_json::{Value, json};
use sidecar::config::{Granularity, Names};

fn cluster(spec: &Value) -> Cluster {
    named("a", spec).unwrap()
}

/// None where the spec or the name is refused.
fn named(name: &str, spec: &Value) -> Option<Cluster> {
    let object: Kafkacluster = serde_json::from_value(json!({
        "apiVersion": "krallistic.github.com/v1",
        "kind": "Kafkacluster",
        "metadata": {"name": name, "namespace": "b", "uid": "u"},
        "spec": spec,
    }))
    .unwrap();
    Cluster::validate(&object).ok()
}

fn known(broker_pods: u16) -> Known {
    Known {
        cluster_id: Some(ClusterId::from_random(7)),
        broker_pods,
        certificate: None,
    }
}

fn built(spec: &Value, broker_pods: u16) -> Vec<Object> {
    objects(&cluster(spec), &Installation::default(), &known(broker_pods)).unwrap()
}

/// A spec with any of its parts.
fn specs() -> impl Strategy<Value = Value> {
    let switches = proptest::collection::vec(any::<bool>(), 9);
    (1_u16..8, switches, 0_usize..4).prop_map(|(brokers, switches, controllers)| {
        let mut spec = json!({"brokerCount": brokers, "image": "registry.example/kafka:ours"});
        let parts = [
            json!({"zookeeperConnect": "zk"}),
            json!({"storageClass": "emptyDir"}),
            json!({"rackTopologyKey": "topology.kubernetes.io/zone"}),
            json!({"jmxSidecar": true}),
            json!({"listeners": {"tls": {"secretName": "tls"}}}),
            json!({"listeners": {"tls": {"secretName": "tls"}, "sasl": {"users": [
                {"name": "u", "passwordSecret": {"name": "s"}}]}}}),
            json!({"listeners": {"external": {"firstNodePort": 30000}}}),
            json!({"volumeDeletionPolicy": "Delete", "nodeSelector": {"disk": "fast"}}),
            json!({"pod": {"labels": {"team": "t"}, "annotations": {"n": "1"}, "imagePullSecrets": [{"name": "r"}]}}),
        ];
        for (part, _) in parts.into_iter().zip(&switches).filter(|(_, on)| **on) {
            let part: serde_json::Map<String, Value> = serde_json::from_value(part).unwrap();
            spec.as_object_mut().unwrap().extend(part);
        }
        if spec.get("zookeeperConnect").is_none() {
            spec["controllerCount"] = json!([1, 3, 5, 7][controllers]);
        }
        spec
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn objects_fit_together(spec in specs(), more in 0_u16..3) {
        let brokers = u16::try_from(spec["brokerCount"].as_u64().unwrap()).unwrap();
        let built = built(&spec, brokers + more);
        let mut names = BTreeSet::new();
        for object in &built {
            let name = object.name();
            prop_assert!(names.insert((object.kind(), name.to_owned())), "{} {name} twice", object.kind());
            prop_assert!(name.len() <= 63);
            prop_assert_eq!(object.metadata().namespace.as_deref(), Some("b"));
            let owners = object.metadata().owner_references.as_ref().unwrap();
            prop_assert_eq!((owners.len(), owners[0].uid.as_str()), (1, "u"));
        }
        let values: Vec<Value> = built.iter().map(|object| serde_json::to_value(object).unwrap()).collect();
        let pods: Vec<&Value> = values.iter().filter(|value| value["spec"]["template"].is_object()).collect();
        for pod in &pods {
            mounts_have_volumes(pod);
            is_restricted(pod);
        }
        selectors_find_pods(&values, &pods);
        references_exist(&pods, &names);
    }

    #[test]
    fn two_builds_are_the_same(spec in specs()) {
        let brokers = u16::try_from(spec["brokerCount"].as_u64().unwrap()).unwrap();
        prop_assert_eq!(built(&spec, brokers), built(&spec, brokers));
    }
}

proptest! {
    #[test]
    fn two_clusters_share_no_object(
        one in "(kafka-offset-checker-)?a(-(balancer|broker|config|controller|sidecar|token|0)){0,3}",
        other in "(kafka-offset-checker-)?a(-(balancer|broker|config|controller|sidecar|token|0)){0,3}",
    ) {
        prop_assume!(one != other);
        let spec = json!({"brokerCount": 1, "jmxSidecar": true});
        let (Some(one), Some(other)) = (named(&one, &spec), named(&other, &spec)) else {
            return Ok(());
        };
        let names = |cluster: &Cluster| -> BTreeSet<(&'static str, String)> {
            let built = objects(cluster, &Installation::default(), &known(1)).unwrap();
            let token = token_secret(cluster, "").metadata.name.unwrap();
            let names = built.iter().map(|object| (object.kind(), object.name().to_owned()));
            names.chain([("Secret", token)]).collect()
        };
        let (of_one, of_other) = (names(&one), names(&other));
        prop_assert_eq!(of_one.intersection(&of_other).next(), None);
    }

    /// Whatever stands in a spec, it is refused or built.
    #[test]
    fn any_text_is_refused_or_built(
        texts in proptest::collection::vec("[a-zA-Z0-9 .:/,@_=\\\\$é-]{0,24}", 8),
        brokers in -2_i32..2000,
        port in any::<i32>(),
    ) {
        let spec = json!({
            "brokerCount": brokers,
            "image": texts[0],
            "zookeeperConnect": texts[1],
            "storageClass": texts[2],
            "resources": {"cpu": texts[3], "memory": "1Gi", "diskSpace": "50G"},
            "rackTopologyKey": texts[4],
            "topics": [{"name": texts[5], "config": {(texts[6].clone()): texts[7]}}],
            "config": {"some.property": texts[7], (texts[6].clone()): 1},
            "listeners": {"external": {"firstNodePort": port, "advertisedHost": texts[5]},
                          "tls": {"secretName": texts[4]}},
            "balancer": {"excluded": {"topics": [texts[5]], "brokers": [brokers]},
                         "windows": [{"from": texts[6], "to": "06:00"}], "limits": {"bytesPerHour": texts[3]}},
        });
        let object: Kafkacluster = serde_json::from_value(json!({
            "apiVersion": "krallistic.github.com/v1", "kind": "Kafkacluster",
            "metadata": {"name": texts[0]}, "spec": spec,
        })).unwrap();
        match Cluster::validate(&object) {
            Ok(cluster) => prop_assert!(objects(&cluster, &Installation::default(), &known(3)).is_ok()),
            Err(problems) => prop_assert!(!problems.is_empty()),
        }
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn containers(pod: &Value) -> Vec<&Value> {
    let spec = &pod["spec"]["template"]["spec"];
    list(spec, "initContainers")
        .iter()
        .chain(list(spec, "containers"))
        .collect()
}

fn mounts_have_volumes(pod: &Value) {
    let spec = &pod["spec"]["template"]["spec"];
    let claims = list(&pod["spec"], "volumeClaimTemplates")
        .iter()
        .map(|claim| &claim["metadata"]["name"]);
    let volumes: Vec<&Value> = list(spec, "volumes")
        .iter()
        .map(|volume| &volume["name"])
        .chain(claims)
        .collect();
    let unique: BTreeSet<String> = volumes.iter().map(ToString::to_string).collect();
    assert_eq!(unique.len(), volumes.len(), "{volumes:?}");
    let mounted: Vec<&Value> = containers(pod)
        .into_iter()
        .flat_map(|container| list(container, "volumeMounts"))
        .map(|mount| &mount["name"])
        .collect();
    assert!(
        mounted.iter().all(|mount| volumes.contains(mount)),
        "{mounted:?} {volumes:?}"
    );
    assert!(
        volumes.iter().all(|volume| mounted.contains(volume)),
        "{mounted:?} {volumes:?}"
    );
}

/// The restricted pod security standard, and a root file system that cannot be written to.
fn is_restricted(pod: &Value) {
    let spec = &pod["spec"]["template"]["spec"];
    assert_eq!(spec["securityContext"]["runAsNonRoot"], json!(true));
    assert_eq!(
        spec["securityContext"]["seccompProfile"]["type"],
        "RuntimeDefault"
    );
    assert_eq!(spec["automountServiceAccountToken"], json!(false));
    assert_eq!(spec["enableServiceLinks"], json!(false));
    for container in containers(pod) {
        let context = &container["securityContext"];
        assert_eq!(context["allowPrivilegeEscalation"], json!(false));
        assert_eq!(context["readOnlyRootFilesystem"], json!(true));
        assert_eq!(context["capabilities"]["drop"], json!(["ALL"]));
        assert!(container["resources"]["limits"]["memory"].is_string());
    }
}

type Labels = BTreeMap<String, Value>;

fn labels(value: &Value) -> Labels {
    serde_json::from_value(value.clone()).unwrap_or_default()
}

/// Each selector is that of the pods of one workload, and of no other.
fn selectors_find_pods(values: &[Value], pods: &[&Value]) {
    for value in values {
        let spec = &value["spec"];
        let selector = match value["kind"].as_str().unwrap() {
            "Service" => &spec["selector"],
            "NetworkPolicy" => &spec["podSelector"]["matchLabels"],
            "StatefulSet" | "Deployment" | "PodDisruptionBudget" => &spec["selector"]["matchLabels"],
            _ => continue,
        };
        // This one is written by Kubernetes onto each pod of a StatefulSet.
        let mut selector = labels(selector);
        selector.remove("statefulset.kubernetes.io/pod-name");
        let found = pods.iter().filter(|pod| {
            let labels = labels(&pod["spec"]["template"]["metadata"]["labels"]);
            selector.iter().all(|(key, value)| labels.get(key) == Some(value))
        });
        assert_eq!(
            found.count(),
            1,
            "{} {}",
            value["kind"],
            value["metadata"]["name"]
        );
    }
}

fn references_exist(pods: &[&Value], names: &BTreeSet<(&'static str, String)>) {
    let exists = |kind, name: &Value| names.contains(&(kind, name.as_str().unwrap().to_owned()));
    for pod in pods {
        let spec = &pod["spec"]["template"]["spec"];
        assert!(exists("ServiceAccount", &spec["serviceAccountName"]));
        for volume in list(spec, "volumes")
            .iter()
            .filter(|volume| volume["configMap"].is_object())
        {
            assert!(exists("ConfigMap", &volume["configMap"]["name"]), "{volume}");
        }
        if pod["kind"] == "StatefulSet" {
            assert!(exists("Service", &pod["spec"]["serviceName"]));
        }
    }
}

#[test]
fn a_thousand_brokers_fit_into_what_kubernetes_takes() {
    const LARGEST_CONFIG_MAP: usize = 1024 * 1024;
    let spec = json!({
        "brokerCount": 1000,
        "jmxSidecar": true,
        "listeners": {"tls": {"secretName": "tls"}},
    });
    for object in built(&spec, 1000) {
        let size = serde_json::to_string(&object).unwrap().len();
        assert!(
            size < LARGEST_CONFIG_MAP,
            "{} {} has {size} bytes",
            object.kind(),
            object.name()
        );
    }
}

/// Of brokers and of controllers.
fn digests(spec: &Value) -> (String, String) {
    let (cluster, known) = (cluster(spec), known(3));
    (
        broker_digest(&cluster, &known),
        controller_digest(&cluster, &known),
    )
}

#[test]
fn brokers_and_controllers_restart_for_what_they_read_at_their_start_only() {
    let base = json!({"brokerCount": 3});
    let restarts = |name: &str, value: Value| {
        let mut spec = base.clone();
        spec[name] = value;
        let (before, after) = (digests(&base), digests(&spec));
        (before.0 != after.0, before.1 != after.1)
    };
    for (name, value) in [
        ("brokerCount", json!(5)),
        ("topics", json!([{"name": "t"}])),
        ("kafkaOptions", json!({"compressionType": "gzip"})),
        ("config", json!({"log.retention.ms": 1000})),
        ("balancer", json!({"mode": "observe"})),
        ("sidecar", json!({"image": "newer"})),
        ("pod", json!({"labels": {"team": "t"}})),
        ("resources", json!({"cpu": "3", "diskSpace": "1T"})),
    ] {
        assert_eq!(restarts(name, value), (false, false), "{name}");
    }
    for (name, value) in [
        ("image", json!("apache/kafka:4.2.0")),
        ("kafkaOptions", json!({"logRetentionHours": 24})),
        ("config", json!({"num.partitions": 3})),
        ("listeners", json!({"tls": {"secretName": "tls"}})),
    ] {
        assert_eq!(restarts(name, value), (true, true), "{name}");
    }
    for (name, value) in [
        ("resources", json!({"memory": "2Gi"})),
        ("listeners", json!({"external": {"firstNodePort": 31000}})),
        ("rackTopologyKey", json!("zone")),
        ("jmxSidecar", json!(true)),
    ] {
        assert_eq!(restarts(name, value), (true, false), "{name}");
    }
}

/// Were they others, a newer operator would restart everything that there is.
#[test]
fn the_digests_of_a_spec_are_the_same_in_every_version_of_the_operator() {
    let spec = json!({
        "brokerCount": 3,
        "image": "apache/kafka:4.3.1",
        "kafkaOptions": {"logRetentionHours": 24},
        "jmxSidecar": true,
        "rackTopologyKey": "zone",
        "listeners": {"tls": {"secretName": "tls"}, "sasl": {"users": [{"name": "u", "passwordSecret": {"name": "s"}}]},
                      "external": {"firstNodePort": 31000}},
    });
    let (broker, controller) = digests(&spec);
    assert_eq!(
        (broker.as_str(), controller.as_str()),
        ("b5548313dc1f4c1c", "5673aa34b5a0b33b")
    );
}

#[test]
fn a_cluster_in_kraft_mode_is_not_built_before_its_id_is_known() {
    let unknown = Known {
        cluster_id: None,
        ..known(3)
    };
    let build = |spec| objects(&cluster(&spec), &Installation::default(), &unknown);
    assert!(build(json!({"brokerCount": 3})).is_err());
    let zookeeper = json!({"brokerCount": 3, "image": "apache/kafka:3.9.2", "zookeeperConnect": "zk"});
    assert!(build(zookeeper).is_ok());
}

#[test]
fn pods_stay_while_their_brokers_are_being_emptied() {
    let built = built(&json!({"brokerCount": 3}), 5);
    let services = built
        .iter()
        .filter(|object| object.name().starts_with("a-broker-"))
        .count();
    assert_eq!(services, 5);
    let Some(Object::StatefulSet(brokers)) = built
        .iter()
        .find(|object| object.kind() == "StatefulSet" && object.name() == "a")
    else {
        panic!("no StatefulSet of brokers");
    };
    assert_eq!(brokers.spec.as_ref().unwrap().replicas, Some(5));
}

#[test]
fn the_status_says_where_clients_connect() {
    let hosts = BTreeMap::from([(0, "10.0.0.7"), (1, "10.0.0.8"), (2, "10.0.0.7"), (3, "10.0.0.9")]);
    let said = |spec: &Value| -> Vec<String> {
        let told = |listener: &ListenerStatus| {
            let (name, protocol) = (&listener.name, &listener.security_protocol);
            format!("{name} {protocol} {}", listener.bootstrap)
        };
        listeners(&cluster(spec), &hosts).iter().map(told).collect()
    };
    let mut spec = json!({
        "brokerCount": 3,
        "listeners": {"tls": {"secretName": "tls"}, "external": {"firstNodePort": 31000, "advertisedHost": "k.example"}},
    });
    assert_eq!(
        said(&spec),
        ["internal SSL a.b.svc:9092", "external SSL k.example:31000"]
    );
    spec["listeners"] = json!({"external": {"firstNodePort": 31000}});
    let of_nodes = "external PLAINTEXT 10.0.0.7:31000,10.0.0.8:31001,10.0.0.7:31002";
    assert_eq!(said(&spec), ["internal PLAINTEXT a.b.svc:9092", of_nodes]);
    assert_eq!(balancer_url(&cluster(&spec)), "http://a-balancer.b.svc:9405");
    let selector = selector_text(&cluster(&spec), Role::Broker);
    assert_eq!(
        selector,
        "component=kafka,creator=kafka-operator,name=a,role=data"
    );
}

#[test]
fn the_balancer_finds_its_token_in_the_secret() {
    let spec = json!({"brokerCount": 1});
    let secret = token_secret(&cluster(&spec), "of random bits");
    let key = secret.data.unwrap().into_keys().next().unwrap();
    let built = serde_json::to_value(built(&spec, 1)).unwrap();
    let is_balancer = |object: &&Value| object["metadata"]["name"] == "a-balancer";
    let of_kind = |kind: &str| {
        let objects = built.as_array().unwrap().iter().filter(is_balancer);
        objects.into_iter().find(|object| object["kind"] == kind).unwrap()
    };
    let pod = &of_kind("Deployment")["spec"]["template"]["spec"];
    let volume = list(pod, "volumes")
        .iter()
        .find(|volume| volume["secret"]["secretName"] == json!(secret.metadata.name))
        .unwrap();
    let mount = list(&pod["containers"][0], "volumeMounts")
        .iter()
        .find(|mount| mount["name"] == volume["name"])
        .unwrap();
    let file = format!("token_file: {}/{key}", mount["mountPath"].as_str().unwrap());
    let config = of_kind("ConfigMap")["data"]["config.yaml"].as_str().unwrap();
    assert!(config.contains(&file), "{file} is not in:\n{config}");
}

/// The two programs read with their own readers what is written for them.
#[test]
fn configurations_are_read_back_by_those_for_whom_they_are() {
    let spec = json!({
        "brokerCount": 2,
        "jmxSidecar": true,
        "listeners": {"tls": {"secretName": "tls"}},
        "sidecar": {"intervalSeconds": 10, "names": "Confluent", "busiestPartitions": 50},
    });
    let cluster = cluster(&spec);
    let built = built(&spec, 2);
    let data = |name: &str, key: &str| {
        let map = built.iter().find_map(|object| match object {
            Object::ConfigMap(map) if object.name() == name => map.data.clone(),
            _ => None,
        });
        map.unwrap()[key].clone()
    };
    let sidecar: sidecar::config::BrokerConfig =
        kafka::settings::parse(&data("a-sidecar-config", "1.yaml"), "sidecar").unwrap();
    assert_eq!(sidecar.broker.get(), 1);
    assert_eq!(sidecar.interval.as_secs(), 10);
    assert_eq!(sidecar.metrics.names, Names::Confluent);
    assert_eq!(sidecar.metrics.granularity, Granularity::Top(50));
    let offsets: sidecar::config::OffsetsConfig =
        kafka::settings::parse(&data("kafka-offset-checker-a", "config.yaml"), "offsets").unwrap();
    assert!(!offsets.export_partitions);
    let balancer: balancer::config::Config =
        kafka::settings::parse(&data("a-balancer", "config.yaml"), "balancer").unwrap();
    let expected = connection(&cluster, "kafka-balancer", "/etc/kafka-certificates").unwrap();
    assert_eq!(balancer.kafka, expected);
    assert_eq!(balancer.sidecars.port, Some(9404));
}
