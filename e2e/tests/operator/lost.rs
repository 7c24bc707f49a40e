//! A node that is lost, with a broker on it that nobody will ever say of that it has ended, in a cluster that is made and
//! deleted while the operator is killed.

use std::time::Duration;

use e2e::scene::{Outcome, say};
use e2e::stack::connection_to;
use kafka::Cluster;
use kafka::client::KafkaCluster;
use kafka::cluster::Broker;
use tokio::time::sleep;

use crate::installed::{Installed, selector};
use crate::traffic::Traffic;

const NAME: &str = "lost";
const PARTITIONS: u32 = 6;
/// As in the manifest.
const FIRST_PORT: u16 = 31_500;
/// Bytes per second of all partitions together.
const RATE: f64 = 100e3;

/// Brokers in three zones, and not on the node of the control plane, which is not to be lost.
const MANIFEST: &str = "
apiVersion: krallistic.github.com/v1
kind: Kafkacluster
metadata: {name: lost}
spec:
  brokerCount: 3
  controllerCount: 1
  storageClass: emptyDir
  resources: {cpu: 200m, memory: 800Mi}
  rackTopologyKey: topology.kubernetes.io/zone
  listeners: {external: {firstNodePort: 31500}}
  pod:
    affinity:
      nodeAffinity:
        requiredDuringSchedulingIgnoredDuringExecution:
          nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: NotIn, values: [node1]}]}]
  topics: [{name: orders, partitions: 6, replicationFactor: 3, config: {min.insync.replicas: 2}}]
";

/// Where a broker is.
struct Place {
    pod: String,
    uid: String,
    node: String,
}

pub(crate) async fn a_broker_is_replaced(operator: &Installed<'_>) -> Outcome {
    operator.cluster.apply(MANIFEST).await?;
    operator
        .until("the first broker's pod is there", async |operator| {
            Ok(!places(operator, "data").await?.is_empty())
        })
        .await?;
    operator.kill_operator().await?;
    operator.until_settled(NAME, 3).await?;
    let bootstrap = operator.external_bootstrap(NAME).await?;
    let traffic = Traffic::start(&bootstrap, PARTITIONS, RATE)?;
    sleep(Duration::from_secs(5)).await;

    let lost = to_lose(operator).await?;
    say(&format!("# {} is cut off, with {} on it", lost.node, lost.pod))?;
    operator.cluster.cut_off(&lost.node)?;
    operator
        .until("Kubernetes takes the node for dead", async |operator| {
            Ok(!is_ready(operator, &lost.node).await?)
        })
        .await?;
    // Sooner than `minimumGracePeriod` and the broker's own grace let it.
    operator
        .type_in(&["delete", "pod", &lost.pod, "--wait=false", "--grace-period=5"])
        .await?;
    operator
        .until("the broker is elsewhere", async |operator| {
            let now = places(operator, "data").await?;
            Ok(now
                .iter()
                .any(|place| place.pod == lost.pod && place.uid != lost.uid && place.node != lost.node))
        })
        .await?;
    operator.until_settled(NAME, 3).await?;
    operator.cluster.reconnect(&lost.node)?;
    operator
        .until("the node is back", async |operator| {
            is_ready(operator, &lost.node).await
        })
        .await?;
    operator.until_settled(NAME, 3).await?;
    // Its broker lived on, takes itself for a leader, and would tell a new client of the records that it has got itself.
    let address = at(&bootstrap, &lost.pod)?;
    operator
        .until(
            "the broker that was lost tells nobody anything any more",
            async |_| {
                let told = KafkaCluster::new(connection_to(address)?).describe().await;
                Ok(told.map_or(true, |told| {
                    told.brokers.iter().all(|broker| !is_at(broker, address))
                }))
            },
        )
        .await?;

    let (report, found) = traffic.end().await?;
    assert!(report.lost == 0 && report.acknowledged > 100, "{report:?}");
    assert!(found.below.is_empty(), "{:?}", found.below);
    operator
        .type_in(&["delete", "kafkacluster", NAME, "--wait=false"])
        .await?;
    operator.kill_operator().await?;
    operator.nothing_is_left(NAME).await
}

/// Where clients from outside find the broker of a pod.
fn at<'a>(bootstrap: &'a str, pod: &str) -> Outcome<&'a str> {
    let number: u16 = pod.rsplit('-').next().ok_or("a pod has no number")?.parse()?;
    let port = format!(":{}", FIRST_PORT + number);
    let found = bootstrap.split(',').find(|address| address.ends_with(&port));
    Ok(found.ok_or("the broker is not among those that are told of")?)
}

fn is_at(broker: &Broker, address: &str) -> bool {
    format!("{}:{}", broker.host, broker.port) == address
}

/// A broker whose node has neither the only controller nor the operator.
async fn to_lose(operator: &Installed<'_>) -> Outcome<Place> {
    let mut needed: Vec<String> = places(operator, "controller")
        .await?
        .into_iter()
        .map(|place| place.node)
        .collect();
    needed.push(operator.node().await?);
    let brokers = places(operator, "data").await?;
    let found = brokers.into_iter().find(|place| !needed.contains(&place.node));
    Ok(found.ok_or("each broker is on a node that something else needs")?)
}

async fn places(operator: &Installed<'_>, role: &str) -> Outcome<Vec<Place>> {
    let pods = operator.get(&["pods", "-l", &selector(NAME, role)]).await?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let pods = pods["items"].as_array().cloned().unwrap_or_default();
    Ok(pods
        .iter()
        .map(|pod| Place {
            pod: text(&pod["metadata"]["name"]),
            uid: text(&pod["metadata"]["uid"]),
            node: text(&pod["spec"]["nodeName"]),
        })
        .collect())
}

async fn is_ready(operator: &Installed<'_>, node: &str) -> Outcome<bool> {
    let node = operator.get(&["node", node]).await?;
    let conditions = node["status"]["conditions"].as_array().into_iter().flatten();
    Ok(conditions
        .into_iter()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True"))
}
