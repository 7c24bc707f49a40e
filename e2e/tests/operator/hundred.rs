//! An operator with a hundred clusters, which are objects alone: nothing runs in their pods.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use e2e::Kubernetes;
use e2e::process::{Memory, Process};
use e2e::scene::{Outcome, say};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::figures::Figures;
use crate::installed::{Installed, file};

const CLUSTERS: usize = 100;
const BROKERS: usize = 3;
/// Of brokers and of a controller.
const PODS: usize = CLUSTERS * (BROKERS + 1);
/// In 10^6 bytes.
const MOST_MEMORY: f64 = 64.0;
/// A minute and cluster.
const MOST_CALLS: f64 = 1.0;
/// So long nothing is to change before calls are counted, and so long they are.
const IDLE: Duration = Duration::from_secs(120);

pub(crate) async fn clusters_cost_little(cluster: &Kubernetes, figures: &mut Figures) -> Outcome {
    cluster
        .kubectl(&["apply", "-f", &file("deploy/operator.yaml")])
        .await?;
    // The operator runs here, where its memory can be read, with no more rights than in its pod.
    let (_folder, kubeconfig) = kubeconfig(cluster).await?;
    let operator = Process::start_operator(
        &kubeconfig,
        &["--listen=127.0.0.1:0", "--lease-namespace=kafka-operator"],
    )?;
    let installed = Installed::when_defined(cluster).await?;
    let objects: Vec<String> = (0..CLUSTERS).map(object).collect();
    cluster.apply(&objects.join("---\n")).await?;
    installed
        .until("all pods are there", async |installed| {
            Ok(brokers_and_controllers(installed).await?.len() == PODS)
        })
        .await?;
    run_their_pods(&installed).await?;

    sleep(IDLE).await;
    let (before, start) = (calls(cluster)?, Instant::now());
    sleep(IDLE).await;
    let mut made = calls(cluster)?;
    for (call, count) in before {
        made.entry(call).and_modify(|made| *made -= count);
    }
    made.retain(|_, count| *count > 0);
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    let idle = made.values().sum::<usize>() as f64 / minutes / CLUSTERS as f64;
    let memory = Memory::of(operator.pid())?.peak_mb();
    say(&format!(
        "# {memory:.1} MB, {idle:.2} calls a minute and cluster: {made:?}"
    ))?;
    figures.memory_mb = Some(memory);
    figures.idle_calls = Some(idle);
    assert!(memory <= MOST_MEMORY, "{memory} MB");
    assert!(idle <= MOST_CALLS, "{idle} calls a minute and cluster: {made:?}");
    Ok(())
}

fn object(number: usize) -> String {
    format!(
        "apiVersion: krallistic.github.com/v1\nkind: Kafkacluster\nmetadata: {{name: c{number}}}\n\
         spec: {{brokerCount: {BROKERS}, controllerCount: 1, storageClass: emptyDir, jmxSidecar: true}}\n"
    )
}

/// A way to Kubernetes with the rights of the operator's account.
async fn kubeconfig(cluster: &Kubernetes) -> Outcome<(TempDir, PathBuf)> {
    let token = [
        "create",
        "token",
        "kafka-operator",
        "-n",
        "kafka-operator",
        "--duration=2h",
    ];
    let token = cluster.kubectl(&token).await?;
    let folder = TempDir::with_prefix("kubeconfig")?;
    let path = folder.path().join("kubeconfig");
    std::fs::copy(cluster.kubeconfig(), &path)?;
    let (file, token) = (
        format!("--kubeconfig={}", path.display()),
        format!("--token={token}"),
    );
    cluster
        .kubectl(&["config", &file, "set-credentials", "operator", &token])
        .await?;
    cluster
        .kubectl(&["config", &file, "set-context", "--current", "--user=operator"])
        .await?;
    Ok((folder, path))
}

async fn brokers_and_controllers(installed: &Installed<'_>) -> Outcome<Vec<String>> {
    installed
        .names(&["pods", "-l", "creator=kafka-operator,role in (data,controller)"])
        .await
}

/// Says of all pods what kubelets would say.
async fn run_their_pods(installed: &Installed<'_>) -> Outcome {
    let pods = brokers_and_controllers(installed).await?;
    let running = |name: &String| -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "default"},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        })
    };
    let list =
        json!({"apiVersion": "v1", "kind": "List", "items": pods.iter().map(running).collect::<Vec<_>>()});
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), list.to_string())?;
    let path = file.path().display().to_string();
    let apply = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--subresource=status",
        "-f",
        &path,
    ];
    installed.cluster.kubectl(&apply).await.map(drop)?;
    Ok(())
}

/// How often the operator has asked what, but for watches and its lease.
fn calls(cluster: &Kubernetes) -> Outcome<BTreeMap<String, usize>> {
    let mut calls = BTreeMap::new();
    for line in cluster.audit_log()?.lines() {
        let event: Value = serde_json::from_str(line)?;
        let (verb, object) = (&event["verb"], &event["objectRef"]);
        if verb == "watch" || object["resource"] == "leases" {
            continue;
        }
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let call = format!("{} {}", text(verb), text(&object["resource"]));
        *calls.entry(call).or_default() += 1;
    }
    Ok(calls)
}
