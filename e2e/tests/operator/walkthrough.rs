//! The walk-through of the README, typed by somebody new.

use e2e::scene::Outcome;

use crate::installed::{Installed, file, selector};

const NAME: &str = "test-cluster-1";

pub(crate) async fn the_readme_does_what_it_says(operator: &Installed<'_>) -> Outcome {
    zookeeper(operator).await?;
    let manifest = create(operator).await?;
    what_was_created(operator).await?;
    resize(operator, &manifest).await?;
    delete(operator, &manifest).await
}

async fn zookeeper(operator: &Installed<'_>) -> Outcome {
    let answer = operator
        .type_in(&["apply", "-f", &file("examples/manual-zookeeper.yaml")])
        .await?;
    for created in [
        "service/zk-headless created",
        "configmap/zk-config created",
        "statefulset.apps/zk created",
    ] {
        assert!(answer.contains(created), "{answer}");
    }
    Ok(())
}

/// Applies the original's manifest as it is, reads what has to be changed in it, and changes that. Returns the manifest.
async fn create(operator: &Installed<'_>) -> Outcome<Manifest> {
    let original = file("examples/kafka-cluster.yaml");
    let answer = operator.type_in(&["apply", "-f", &original]).await?;
    assert!(answer.contains(&format!("{NAME} created")), "{answer}");
    let shown = operator.type_in(&["get", "kafkacluster"]).await?;
    let header = shown.lines().next().unwrap_or_default();
    for column in ["NAME", "READY", "BROKERS", "HOT", "IMBALANCE", "AGE"] {
        assert!(header.contains(column), "{shown}");
    }
    let mut message = String::new();
    operator
        .until("the image is refused", async |operator| {
            message = operator
                .condition(NAME, "Degraded", "True")
                .await?
                .unwrap_or_default();
            Ok(!message.is_empty())
        })
        .await?;
    assert!(
        message.contains("spec.image") && message.contains("cp-kafka:7.9"),
        "{message}"
    );

    let mut manifest = Manifest::new(&std::fs::read_to_string(original)?)?;
    manifest.replace("confluentinc/cp-kafka:latest", "confluentinc/cp-kafka:7.9.2")?;
    let answer = operator.type_in(&["apply", "-f", &manifest.path()]).await?;
    assert!(answer.contains(&format!("{NAME} configured")), "{answer}");
    operator.until_settled(NAME, 3).await?;
    Ok(manifest)
}

async fn what_was_created(operator: &Installed<'_>) -> Outcome {
    operator.type_in(&["get", "pods,service"]).await?;
    let pods = operator.names(&["pods"]).await?;
    for pod in ["test-cluster-1-0", "test-cluster-1-1", "test-cluster-1-2", "zk-0"] {
        assert!(pods.iter().any(|name| name == pod), "{pods:?}");
    }
    let checker = "kafka-offset-checker-test-cluster-1-";
    assert!(pods.iter().any(|name| name.starts_with(checker)), "{pods:?}");
    let services = operator.get(&["services"]).await?;
    let services = services["items"].as_array().cloned().unwrap_or_default();
    let service = |name: &str| {
        services
            .iter()
            .find(|service| service["metadata"]["name"] == name)
    };
    let headless = service(NAME).ok_or("there is no Service of the cluster")?;
    assert_eq!(headless["spec"]["clusterIP"], "None");
    for broker in 0..3 {
        let name = format!("{NAME}-broker-{broker}");
        let of_broker = service(&name).ok_or_else(|| format!("there is no Service {name}"))?;
        assert_eq!(of_broker["spec"]["type"], "NodePort");
        assert_eq!(of_broker["spec"]["ports"][0]["port"], 9092);
    }
    let describe = "kafka-topics --bootstrap-server localhost:9092 --describe --topic 'test[12]'";
    let in_pod = ["exec", "test-cluster-1-0", "-c", "kafka", "--"];
    let topics = operator
        .type_in(&[&in_pod[..], &["sh", "-c", describe]].concat())
        .await?;
    for (name, partitions, replicas) in [("test1", 1, 1), ("test2", 2, 2)] {
        let is_it = |line: &str| {
            line.contains(&format!("Topic: {name}\t"))
                && line.contains(&format!("PartitionCount: {partitions}\t"))
                && line.contains(&format!("ReplicationFactor: {replicas}\t"))
        };
        assert!(topics.lines().any(is_it), "{topics}");
    }
    Ok(())
}

async fn resize(operator: &Installed<'_>, manifest: &Manifest) -> Outcome {
    for (from, to) in [(3, 5), (5, 3)] {
        let mut resized = Manifest::new(manifest.text())?;
        resized.replace("brokerCount: 3", &format!("brokerCount: {to}"))?;
        operator.type_in(&["apply", "-f", &resized.path()]).await?;
        operator
            .until(&format!("{from} brokers become {to}"), async |operator| {
                let pods = operator.names(&["pods", "-l", &selector(NAME, "data")]).await?;
                Ok(pods.len() == to)
            })
            .await?;
        operator.until_settled(NAME, to as u64).await?;
        operator.type_in(&["get", "pods"]).await?;
    }
    Ok(())
}

async fn delete(operator: &Installed<'_>, manifest: &Manifest) -> Outcome {
    let answer = operator.type_in(&["delete", "-f", &manifest.path()]).await?;
    assert!(answer.contains("deleted"), "{answer}");
    operator.nothing_is_left(NAME).await?;
    operator.type_in(&["get", "pods"]).await?;
    let zookeeper = file("examples/manual-zookeeper.yaml");
    operator
        .type_in(&["delete", "-f", &zookeeper, "--wait=false"])
        .await?;
    Ok(())
}

/// A manifest that a user edits.
pub(crate) struct Manifest {
    text: String,
    file: tempfile::NamedTempFile,
}

impl Manifest {
    pub(crate) fn new(text: &str) -> Outcome<Self> {
        let file = tempfile::Builder::new().suffix(".yaml").tempfile()?;
        std::fs::write(file.path(), text)?;
        Ok(Self {
            text: text.to_owned(),
            file,
        })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn path(&self) -> String {
        self.file.path().display().to_string()
    }

    pub(crate) fn replace(&mut self, from: &str, to: &str) -> Outcome {
        if !self.text.contains(from) {
            return Err(format!("the manifest has no `{from}`").into());
        }
        self.text = self.text.replace(from, to);
        Ok(std::fs::write(self.file.path(), &self.text)?)
    }
}
