//! An operator that was applied to a cluster, and what is asked of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use e2e::Kubernetes;
use e2e::scene::{Outcome, say};
use serde_json::Value;
use tokio::time::{Instant, sleep};

const POLL: Duration = Duration::from_millis(200);
/// How long anything may take that a quiet machine does within a minute.
pub(crate) const WITHIN: Duration = Duration::from_secs(600);
/// Where the operator is.
const NAMESPACE: &str = "kafka-operator";
const DEFINITION: &str = "crd/kafkaclusters.krallistic.github.com";

/// A file of the repository.
pub(crate) fn file(path: &str) -> String {
    format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"))
}

/// The labels of what belongs to a role of a Kafkacluster.
pub(crate) fn selector(name: &str, role: &str) -> String {
    format!("creator=kafka-operator,name={name},role={role}")
}

/// A Kubernetes with an operator.
pub(crate) struct Installed<'a> {
    pub(crate) cluster: &'a Kubernetes,
    killed: AtomicUsize,
}

impl<'a> Installed<'a> {
    fn new(cluster: &'a Kubernetes) -> Self {
        let killed = AtomicUsize::new(0);
        Self { cluster, killed }
    }

    /// Applies `deploy/operator.yaml` and waits until a Kafkacluster can be applied.
    pub(crate) async fn by_its_manifest(cluster: &'a Kubernetes) -> Outcome<Self> {
        Self::new(cluster)
            .type_in(&["apply", "-f", &file("deploy/operator.yaml")])
            .await?;
        Self::when_defined(cluster).await
    }

    /// Waits until an operator that was started by other means has defined Kafkaclusters.
    pub(crate) async fn when_defined(cluster: &'a Kubernetes) -> Outcome<Self> {
        let installed = Self::new(cluster);
        installed
            .until("Kafkaclusters are defined", async |this| {
                let wait = ["wait", "--for=condition=Established", DEFINITION, "--timeout=1s"];
                Ok(this.cluster.kubectl(&wait).await.is_ok())
            })
            .await?;
        Ok(installed)
    }

    /// What a user types, with what is answered, for whoever watches.
    pub(crate) async fn type_in(&self, arguments: &[&str]) -> Outcome<String> {
        let root = file("");
        let shown: Vec<&str> = arguments
            .iter()
            .map(|argument| argument.strip_prefix(&root).unwrap_or(argument))
            .collect();
        say(&format!("$ kubectl {}", shown.join(" ")))?;
        let answer = self.cluster.kubectl(arguments).await?;
        say(&answer)?;
        Ok(answer)
    }

    /// An object, or the list of those that a selector finds.
    pub(crate) async fn get(&self, what: &[&str]) -> Outcome<Value> {
        let arguments = [&["get", "-o", "json"], what].concat();
        Ok(serde_json::from_str(&self.cluster.kubectl(&arguments).await?)?)
    }

    /// The names of what a selector finds.
    pub(crate) async fn names(&self, what: &[&str]) -> Outcome<Vec<String>> {
        let arguments = [
            &["get", "--no-headers", "-o", "custom-columns=:metadata.name"],
            what,
        ]
        .concat();
        let found = self.cluster.kubectl(&arguments).await?;
        Ok(found.lines().map(str::to_owned).collect())
    }

    /// The message of a condition of a Kafkacluster, if its status is as given.
    pub(crate) async fn condition(&self, of: &str, kind: &str, status: &str) -> Outcome<Option<String>> {
        let object = self.get(&["kafkacluster", of]).await?;
        let conditions = object["status"]["conditions"].as_array();
        let found = conditions.into_iter().flatten().find(|condition| {
            condition["type"] == kind
                && condition["status"] == status
                && condition["observedGeneration"] == object["metadata"]["generation"]
        });
        Ok(found.and_then(|condition| condition["message"].as_str().map(str::to_owned)))
    }

    /// Waits until a Kafkacluster is Ready with so many brokers and nothing more is to be done.
    pub(crate) async fn until_settled(&self, name: &str, brokers: u64) -> Outcome {
        self.until(
            &format!("{name} is as wanted with {brokers} brokers"),
            async |this| {
                let object = this.get(&["kafkacluster", name]).await?;
                let count = object["status"]["brokerCount"].as_u64();
                let ready = this.condition(name, "Ready", "True").await?;
                let progressing = this.condition(name, "Progressing", "False").await?;
                Ok(count == Some(brokers) && ready.is_some() && progressing.is_some())
            },
        )
        .await
    }

    /// Waits until something holds; says what it waits for where that takes longer, and shows everything where it never
    /// does.
    pub(crate) async fn until(
        &self,
        what: &str,
        mut holds: impl AsyncFnMut(&Self) -> Outcome<bool>,
    ) -> Outcome {
        let start = Instant::now();
        let mut last = Ok(false);
        while start.elapsed() < WITHIN {
            // What cannot be asked now may be asked again: an API server that was killed comes back.
            last = holds(self).await;
            if matches!(last, Ok(true)) {
                return say(&format!("# {what}: {:.1} s", start.elapsed().as_secs_f64()));
            }
            sleep(POLL).await;
        }
        self.show().await?;
        Err(format!("not within {WITHIN:?}: {what} (at last: {last:?})").into())
    }

    /// Waits until nothing of a deleted Kafkacluster is left but its volumes.
    pub(crate) async fn nothing_is_left(&self, name: &str) -> Outcome {
        let label = format!("creator=kafka-operator,name={name}");
        let kinds = "pods,services,configmaps,serviceaccounts,statefulsets,deployments,networkpolicies,\
                     poddisruptionbudgets,secrets";
        self.until(&format!("nothing of {name} is left"), async |this| {
            Ok(this.names(&[kinds, "-l", &label]).await?.is_empty())
        })
        .await
    }

    /// Everything that helps to understand what went wrong.
    async fn show(&self) -> Outcome {
        let logs = ["logs", "-n", NAMESPACE, "deploy/kafka-operator", "--tail=60"];
        let shown: [&[&str]; 4] = [
            &["get", "pods,pvc,statefulsets", "-A", "-o", "wide"],
            &["get", "kafkaclusters", "-A", "-o", "yaml"],
            &["get", "events", "-A", "--sort-by=.lastTimestamp"],
            &logs,
        ];
        for arguments in shown {
            match self.cluster.kubectl(arguments).await {
                Ok(answer) => say(&answer)?,
                Err(error) => say(&error.to_string())?,
            }
        }
        Ok(())
    }

    /// How many operators were killed.
    pub(crate) fn killed(&self) -> usize {
        self.killed.load(Ordering::Relaxed)
    }

    /// Where clients outside of the Kubernetes cluster connect, as the status tells.
    pub(crate) async fn external_bootstrap(&self, name: &str) -> Outcome<String> {
        let object = self.get(&["kafkacluster", name]).await?;
        let listeners = object["status"]["listeners"].as_array();
        let external = listeners
            .into_iter()
            .flatten()
            .find(|listener| listener["name"] == "external");
        let bootstrap = external.and_then(|listener| listener["bootstrap"].as_str());
        Ok(bootstrap.ok_or("the status has no external listener")?.to_owned())
    }

    /// The node that the operator runs on.
    pub(crate) async fn node(&self) -> Outcome<String> {
        let label = "-lapp.kubernetes.io/name=kafka-operator";
        let node = [
            "get",
            "pod",
            "-n",
            NAMESPACE,
            label,
            "-o",
            "jsonpath={.items[0].spec.nodeName}",
        ];
        Ok(self.cluster.kubectl(&node).await?)
    }

    /// Kills the operator, as a node does that dies.
    pub(crate) async fn kill_operator(&self) -> Outcome {
        let label = "-lapp.kubernetes.io/name=kafka-operator";
        let kill = [
            "delete",
            "pod",
            "-n",
            NAMESPACE,
            label,
            "--force",
            "--grace-period=0",
        ];
        self.cluster.kubectl(&kill).await.map(drop)?;
        self.killed.fetch_add(1, Ordering::Relaxed);
        say("# the operator was killed")
    }
}
