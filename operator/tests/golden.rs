//! A spec in, objects out: `golden/<case>/spec.yaml` and `objects.yaml`.
//!
//! `UPDATE_GOLDEN=1 cargo test -p operator --test golden` writes the second anew.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use operator::build::{Installation, Known, objects};
use operator::cluster::{Cluster, ClusterId};
use operator::crd::Kafkacluster;

fn folder(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(case)
}

/// The spec of a case as Kubernetes would hand it out: with a uid.
fn cluster(case: &str) -> Cluster {
    let text = std::fs::read_to_string(folder(case).join("spec.yaml")).unwrap();
    let mut object: Kafkacluster = serde_saphyr::from_str(&text).unwrap();
    object.metadata.uid = Some("5f1f1c3e-6a3c-4b5e-9d0e-0a1b2c3d4e5f".to_owned());
    Cluster::validate(&object).unwrap()
}

fn built(cluster: &Cluster) -> String {
    let known = Known {
        cluster_id: Some(ClusterId::from_random(7)),
        broker_pods: cluster.brokers,
        certificate: Some("0123456789abcdef".to_owned()),
    };
    let installation = Installation {
        sidecar_image: "krallistic/kafka-sidecar:golden".to_owned(),
        balancer_image: "krallistic/kafka-balancer:golden".to_owned(),
        namespace: Some("kafka-operator".to_owned()),
    };
    let objects = objects(cluster, &installation, &known).unwrap();
    let documents: Vec<String> = objects
        .iter()
        .map(|object| serde_saphyr::to_string(object).unwrap())
        .collect();
    documents.join("---\n")
}

fn compare(case: &str) {
    let cluster = cluster(case);
    let built = built(&cluster);
    assert_eq!(built, self::built(&cluster), "two builds differ");
    let path = folder(case).join("objects.yaml");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &built).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let first = built.lines().zip(expected.lines()).position(|(a, b)| a != b);
    assert!(
        built == expected,
        "{} differs from line {:?}; UPDATE_GOLDEN=1 writes it anew",
        path.display(),
        first.map(|line| line + 1)
    );
}

#[test]
fn the_original_manifest_with_an_image_that_has_zookeeper() {
    compare("zookeeper");
}

#[test]
fn brokers_and_controllers_by_default() {
    compare("kraft");
}

#[test]
fn a_cluster_for_production() {
    compare("production");
}

#[test]
fn cases_are_the_examples() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
    for (case, example) in [
        ("kraft", "kafka-cluster-kraft.yaml"),
        ("production", "kafka-cluster-production.yaml"),
    ] {
        assert_eq!(read(folder(case).join("spec.yaml")), read(examples.join(example)));
    }
    let original = read(examples.join("kafka-cluster.yaml"));
    let with_tag = original.replace("cp-kafka:latest", "cp-kafka:7.9.2");
    assert_eq!(read(folder("zookeeper").join("spec.yaml")), with_tag);
}
