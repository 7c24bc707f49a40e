//! The start script, as it is in a cluster's ConfigMap, in images of both layouts. Kafka's own scripts are replaced by ones
//! that say how they were called.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use operator::build::{Installation, Known, Object, objects};
use operator::cluster::{Cluster, ClusterId};
use operator::crd::Kafkacluster;
use serde_json::json;
use tempfile::TempDir;

/// An image's root, with what the pod mounts.
struct Image {
    root: TempDir,
}

impl Image {
    fn apache() -> Self {
        let image = Self::empty();
        image.program("opt/kafka/bin/kafka-storage.sh");
        image.program("opt/kafka/bin/kafka-server-start.sh");
        image.file("opt/kafka/libs/log4j-slf4j-impl-2.24.3.jar", "");
        image
    }

    fn confluent() -> Self {
        let image = Self::empty();
        image.program("usr/bin/kafka-storage");
        image.program("usr/bin/kafka-server-start");
        image.file("usr/share/java/kafka/slf4j-reload4j-1.7.36.jar", "");
        image
    }

    fn empty() -> Self {
        let image = Self {
            root: tempfile::tempdir().unwrap(),
        };
        image.file("tmp/.keep", "");
        for (name, text) in config_map() {
            let text = match name.as_str() {
                "start.sh" => image.within(&text),
                _ => text,
            };
            image.file(&format!("etc/kafka-operator/{name}"), &text);
        }
        image.file("etc/kafka-rack/rack", "zone-a");
        image.file("certificates/tls.crt", "the certificate\n");
        image.file("certificates/tls.key", "-----BEGIN PRIVATE KEY-----");
        image
    }

    /// The script with the image's root for the system's.
    fn within(&self, script: &str) -> String {
        let root = self.root.path().display().to_string();
        // The root itself is below the first of them.
        let folders = ["/tmp/", "/opt/kafka/", "/usr/bin", "/usr/share/", "/etc/"];
        folders.iter().fold(script.to_owned(), |script, folder| {
            script.replace(folder, &format!("{root}{folder}"))
        })
    }

    fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.path().join(path)
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn program(&self, path: &str) {
        self.file(
            path,
            "#!/bin/sh\necho \"$0 $* [$KAFKA_OPTS] [$KAFKA_LOG4J_OPTS]\"\n",
        );
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn start(&self) -> Output {
        Command::new("/bin/sh")
            .arg(self.path("etc/kafka-operator/start.sh"))
            .arg("broker")
            .env("POD_NAME", "a-12")
            .env("FIRST_NODE_ID", "0")
            .env("FIRST_NODE_PORT", "31000")
            .env("NODE_ADDRESS", "10.0.0.7")
            .env("CLUSTER_ID", "the-id")
            .env("RACK_FILE", self.path("etc/kafka-rack/rack"))
            .env("CERTIFICATES", self.path("certificates"))
            .env("KAFKA_OPTS", "-javaagent:a")
            .output()
            .unwrap()
    }

    /// What Kafka's scripts were called with, the image's root left out.
    fn calls(&self) -> String {
        let output = self.start();
        assert!(output.status.success(), "{output:?}");
        let root = self.root.path().display().to_string();
        String::from_utf8(output.stdout).unwrap().replace(&root, "")
    }
}

fn config_map() -> Vec<(String, String)> {
    let object: Kafkacluster = serde_json::from_value(json!({
        "apiVersion": "krallistic.github.com/v1",
        "kind": "Kafkacluster",
        "metadata": {"name": "a", "namespace": "b"},
        "spec": {
            "brokerCount": 20,
            "rackTopologyKey": "zone",
            "listeners": {"tls": {"secretName": "s"}, "external": {"firstNodePort": 31000}},
        },
    }))
    .unwrap();
    let known = Known {
        cluster_id: Some(ClusterId::from_random(7)),
        broker_pods: 20,
        certificate: None,
    };
    let cluster = Cluster::validate(&object).unwrap();
    let built = objects(&cluster, &Installation::default(), &known).unwrap();
    let map = built.into_iter().find_map(|object| match object {
        Object::ConfigMap(map) if map.metadata.name.as_deref() == Some("a-config") => map.data,
        _ => None,
    });
    map.unwrap().into_iter().collect()
}

#[test]
fn it_formats_and_starts_in_the_layout_of_apache() {
    let logs = "[-Dlog4j2.configurationFile=/etc/kafka-operator/log4j2.properties]";
    assert_eq!(
        Image::apache().calls(),
        format!(
            "/opt/kafka/bin/kafka-storage.sh format --ignore-formatted -t the-id -c /tmp/server.properties [] {logs}\n\
             /opt/kafka/bin/kafka-server-start.sh /tmp/server.properties [-javaagent:a] {logs}\n"
        )
    );
}

#[test]
fn it_formats_and_starts_in_the_layout_of_confluent() {
    let logs = "[-Dlog4j.configuration=file:/etc/kafka-operator/log4j.properties]";
    assert_eq!(
        Image::confluent().calls(),
        format!(
            "/usr/bin/kafka-storage format --ignore-formatted -t the-id -c /tmp/server.properties [] {logs}\n\
             /usr/bin/kafka-server-start /tmp/server.properties [-javaagent:a] {logs}\n"
        )
    );
}

#[test]
fn it_says_what_differs_from_pod_to_pod() {
    let image = Image::apache();
    image.calls();
    let properties = fs::read_to_string(image.path("tmp/server.properties")).unwrap();
    for line in ["node.id=12", "broker.rack=zone-a"] {
        assert!(
            properties.lines().any(|other| other == line),
            "{line} is not in:\n{properties}"
        );
    }
    for part in ["CLIENT://a-12.a.b.svc:9092", "EXTERNAL://10.0.0.7:31012"] {
        assert!(properties.contains(part), "{part} is not in:\n{properties}");
    }
    let replaced = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_uppercase());
    assert!(properties.split('@').skip(1).all(replaced), "{properties}");
    let identity = image.path("tmp/identity.pem");
    assert_eq!(
        fs::metadata(&identity).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let identity = fs::read_to_string(identity).unwrap();
    assert_eq!(identity, "-----BEGIN PRIVATE KEY-----\nthe certificate\n");
}

#[test]
fn it_says_why_it_does_not_start() {
    let other = Image::empty().start();
    assert_eq!(other.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&other.stderr).contains("set spec.image"));
    let image = Image::apache();
    image.file("certificates/tls.key", "-----BEGIN RSA PRIVATE KEY-----\n");
    let old_key = image.start();
    assert_eq!(old_key.status.code(), Some(65));
    assert!(String::from_utf8_lossy(&old_key.stderr).contains("not in PKCS#8"));
}
