use serde_json::{Value, json};

use super::*;

fn object(spec: Value) -> Kafkacluster {
    serde_json::from_value(json!({
        "apiVersion": "krallistic.github.com/v1",
        "kind": "Kafkacluster",
        "metadata": {"name": "a", "namespace": "b"},
        "spec": spec,
    }))
    .unwrap()
}

fn cluster(spec: Value) -> Cluster {
    Cluster::validate(&object(spec)).unwrap()
}

/// What is said of a spec, line by line.
fn problems(spec: Value) -> String {
    let problems = Cluster::validate(&object(spec)).unwrap_err();
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn the_number_of_brokers_is_all_that_a_spec_needs() {
    let cluster = cluster(json!({"brokerCount": 3}));
    assert_eq!(cluster.metadata, Metadata::KRaft { controllers: 3 });
    assert_eq!(cluster.image.to_string(), crd::DEFAULT_IMAGE);
    assert_eq!(cluster.client_protocol(), "PLAINTEXT");
    assert_eq!(cluster.resources.heap_bytes(), 2457 << 20);
}

#[test]
fn an_image_whose_kafka_cannot_do_what_is_asked_is_refused_with_the_tag_to_use() {
    for image in [
        "confluentinc/cp-kafka:latest",
        "confluentinc/cp-kafka:8.0.0",
        "apache/kafka:4.3.1",
    ] {
        let said = problems(json!({"brokerCount": 1, "image": image, "zookeeperConnect": "zk"}));
        assert!(said.starts_with("spec.image: "), "{said}");
        assert!(said.contains("confluentinc/cp-kafka:7.9.2"), "{said}");
    }
    let fine = json!({"brokerCount": 1, "image": "confluentinc/cp-kafka:7.9.2", "zookeeperConnect": "zk"});
    assert!(matches!(cluster(fine).metadata, Metadata::ZooKeeper(_)));
    let old = problems(json!({"brokerCount": 1, "image": "confluentinc/cp-kafka:7.0.1"}));
    assert!(old.contains("not ready for KRaft"), "{old}");
    let users = json!({"sasl": {"users": [{"name": "u", "passwordSecret": {"name": "s"}}]}});
    let without = json!({"brokerCount": 1, "image": "confluentinc/cp-kafka:7.4.1", "listeners": users});
    let said = problems(without);
    assert!(said.contains("no users with passwords in KRaft mode"), "{said}");
}

#[test]
fn every_problem_is_told_at_once_with_field_cause_and_cure() {
    let said = problems(json!({
        "brokerCount": 2,
        "image": "bitnami/kafka:3.9",
        "controllerCount": 2,
        "resources": {"cpu": "0", "memory": "1Mi", "diskSpace": "much"},
        "topics": [
            {"name": "a.b", "replicationFactor": 3},
            {"name": "a_b"},
            {"name": "__consumer_offsets"},
            {"name": "low", "replicationFactor": 1, "config": {"leader.replication.throttled.replicas": "*"}},
        ],
        "kafkaOptions": {"minInsyncReplicas": 2, "zookeeperSessionTimeoutMs": 6000, "leaderImbalanceBrokerPercentage": 5},
        "leaderImbalanceRatio": 10,
        "rackTopologyKey": "my zone",
        "sidecar": {"intervalSeconds": 0, "image": "a b", "granularity": "Topic", "busiestPartitions": 50},
        "listeners": {"external": {"firstNodePort": 65535}},
        "pod": {"labels": {"role": "mine"}, "annotations": {"krallistic.github.com/rack": "r"}},
        "balancer": {"thresholds": {"imbalance": 9.0}, "limits": {"throttleFloor": "fast"}},
    }));
    for part in [
        "spec.image: `bitnami/kafka:3.9` cannot be used",
        "spec.controllerCount: is 2",
        "spec.resources.cpu: `0` is not between 100m and 1024",
        "spec.resources.memory: `1Mi` is not between 512Mi and 4Ti",
        "spec.resources.diskSpace: `much` is no quantity",
        "spec.topics[0].replicationFactor: 3 replicas cannot be on 2 brokers",
        "spec.topics[1].name: there is a topic of the name `a_b`",
        "spec.topics[2].name: `__consumer_offsets` is a topic of Kafka's own",
        "spec.topics[3].replicationFactor: 1 is less than min.insync.replicas, 2",
        "spec.topics[3].config.leader.replication.throttled.replicas: cannot be set here",
        "spec.kafkaOptions.zookeeperSessionTimeoutMs: has no use in KRaft mode",
        "spec.kafkaOptions.leaderImbalanceBrokerPercentage: has no use in KRaft mode",
        "spec.leaderImbalanceRatio: 10 is not between 0 and 1",
        "spec.listeners.external.firstNodePort: ports 65535 to 65536",
        "spec.rackTopologyKey: `my zone` is no label of nodes",
        "spec.sidecar.intervalSeconds: 0 is not between 1 and 300",
        "spec.sidecar.image: `a b` is no image",
        "spec.sidecar.busiestPartitions: has no use with granularity Topic",
        "spec.pod.labels: `role` is the operator's",
        "spec.pod.annotations: `krallistic.github.com/rack` is the operator's",
        "spec.balancer.thresholds.imbalance: 9 is not between",
        "spec.balancer.limits.throttleFloor: `fast` is no quantity",
    ] {
        assert!(said.contains(part), "{part:?} is not in:\n{said}");
    }
}

#[test]
fn two_names_of_an_option_are_one_unless_they_contradict() {
    let twice = json!({"autoCreateTopics": false, "autoCreateTopicsEnable": false, "backgroudThreads": 4});
    let properties = cluster(json!({"brokerCount": 1, "kafkaOptions": twice})).properties;
    assert_eq!(properties.get("auto.create.topics.enable"), Some("false"));
    assert_eq!(properties.get("background.threads"), Some("4"));

    let said = problems(json!({
        "brokerCount": 1,
        "kafkaOptions": {"LogFlushSchedulerIntervalMs": 1, "logFlushSchedulerIntervalMs": 2, "logRetentionHours": 1},
        "config": {"log.retention.hours": 2},
        "leaderImbalanceRatio": 0.1,
    }));
    assert!(said.contains("spec.kafkaOptions.LogFlushSchedulerIntervalMs: is 1, and spec.kafkaOptions.logFlushSchedulerIntervalMs, which is the same property (log.flush.scheduler.interval.ms), is 2"), "{said}");
    assert!(
        said.contains("spec.config.log.retention.hours: is 2, and spec.kafkaOptions.logRetentionHours"),
        "{said}"
    );
}

#[test]
fn options_are_properties_of_kafka_under_their_real_names() {
    let options = json!({
        "leaderImbalanceBrokerPercentage": 5, "messagesMaxBytes": 6, "numIOThreads": 7, "offsetCommitTimeoutMs": 8,
        "offsetTopicSegmentsBytes": 9, "queuedMaxRequest": 10, "logRetentionBytes": "-1", "offsetRetentionMinutes": 11,
    });
    let spec = json!({"brokerCount": 1, "image": "apache/kafka:3.9.2", "zookeeperConnect": "zk", "kafkaOptions": options});
    let properties = cluster(spec).properties;
    for (property, value) in [
        ("leader.imbalance.per.broker.percentage", "5"),
        ("message.max.bytes", "6"),
        ("num.io.threads", "7"),
        ("offsets.commit.timeout.ms", "8"),
        ("offsets.topic.segment.bytes", "9"),
        ("queued.max.requests", "10"),
        ("log.retention.bytes", "-1"),
        ("offsets.retention.minutes", "11"),
    ] {
        assert_eq!(properties.get(property), Some(value), "{property}");
    }
    assert!(properties.live.contains_key("message.max.bytes"));
    assert!(properties.at_start.contains_key("num.io.threads"));
}

#[test]
fn properties_that_would_break_the_cluster_are_refused_by_name() {
    for property in [
        "node.id",
        "advertised.listeners",
        "listener.name.client.ssl.client.auth",
        "ssl.keystore.password",
        "log.dirs",
        "controller.quorum.bootstrap.servers",
        "controlled.shutdown.enable",
        "leader.replication.throttled.rate",
        "authorizer.class.name",
        "a b",
        "",
    ] {
        let said = problems(json!({"brokerCount": 1, "config": {property: "x"}}));
        assert!(said.starts_with(&format!("spec.config.{property}: ")), "{said}");
    }
    let lines = problems(json!({"brokerCount": 1, "config": {"compression.type": "a\nnode.id=7"}}));
    assert!(lines.contains("has a value that no property can have"), "{lines}");
    let fine = json!({"brokerCount": 1, "config": {"log.dirs.ok": true, "num.partitions": 3, "log.retention.ms": "1"}});
    let properties = cluster(fine).properties;
    assert_eq!(properties.at_start["num.partitions"], "3");
    assert_eq!(properties.live["log.retention.ms"], "1");
}

#[test]
fn what_is_said_of_the_balancer_is_in_its_own_configuration() {
    let spec = json!({
        "mode": "approve",
        "thresholds": {"imbalance": 0.2, "holdSeconds": 30},
        "limits": {"bytesPerHour": "5T", "throttleFloor": "8M", "movesPerBroker": 3},
        "capacity": {"bytesIn": "300M"},
        "excluded": {"topics": ["audit"], "brokers": [1]},
        "windows": [{"days": ["sat"], "from": "22:00", "to": "06:00"}],
    });
    let config = cluster(json!({"brokerCount": 3, "balancer": spec})).balancer;
    assert_eq!(config.heat.threshold, 0.2);
    assert_eq!(config.heat.hold.as_secs(), 30);
    assert_eq!(config.execute.bytes_per_hour.bytes(), 5_000_000_000_000);
    assert_eq!(config.execute.throttle_floor.bytes_per_second(), 8_000_000);
    assert_eq!(config.execute.moves_per_broker, 3);
    assert_eq!(config.execute.windows.len(), 1);
    assert_eq!(config.capacity.bytes_in.bytes_per_second(), 300_000_000);
    assert_eq!(config.exclude.topics[0].as_str(), "audit");
}
