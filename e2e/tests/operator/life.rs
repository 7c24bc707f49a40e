//! A cluster's life in KRaft mode, with a load on it all the time and a witness at its end.

use std::time::Duration;

use e2e::scene::{Outcome, say};
use e2e::stack::connection_to;
use futures::future::try_join;
use kafka::Cluster;
use kafka::client::KafkaCluster;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use crate::figures::Figures;
use crate::installed::{Installed, WITHIN, selector};
use crate::repairs;
use crate::traffic::{TOPIC, Traffic};

const NAME: &str = "life";
const PARTITIONS: u32 = 12;
/// Bytes per second of all partitions together: brokers, Kubernetes and clients share a small machine.
const RATE: f64 = 300e3;

/// Three brokers and three controllers, on volumes, with sidecars and a balancer that acts by itself.
const MANIFEST: &str = "
apiVersion: krallistic.github.com/v1
kind: Kafkacluster
metadata: {name: life}
spec:
  brokerCount: 3
  resources: {cpu: 200m, memory: 800Mi, diskSpace: 2Gi}
  rackTopologyKey: topology.kubernetes.io/zone
  jmxSidecar: true
  # So little that the load is worth balancing.
  balancer: {capacity: {bytesIn: 2M, bytesOut: 4M}}
  listeners: {external: {firstNodePort: 31200}}
  topics:
    - {name: orders, partitions: 12, replicationFactor: 3, config: {min.insync.replicas: 2}}
    - {name: audit, partitions: 3, replicationFactor: 1}
";

pub(crate) async fn a_cluster_grows_rolls_and_shrinks_under_load(
    operator: &Installed<'_>,
    figures: &mut Figures,
) -> Outcome {
    create(operator, figures).await?;
    let bootstrap = operator.external_bootstrap(NAME).await?;
    let cluster = KafkaCluster::new(connection_to(&bootstrap)?);
    operator
        .until("the topic is there", async |_| {
            Ok(replicas(&cluster, TOPIC).await?.len() == PARTITIONS as usize)
        })
        .await?;
    let traffic = Traffic::start(&bootstrap, PARTITIONS, RATE)?;

    grow(operator, &cluster).await?;
    roll(operator, figures).await?;
    repairs::what_others_change_is_as_it_should_be_again(operator, NAME).await?;
    enlarge(operator).await?;
    replicate(operator, &cluster).await?;
    change_its_mind(operator, &cluster).await?;
    shrink(operator, &cluster, figures).await?;

    let (report, mut found) = traffic.end().await?;
    // One replica alone is not there while its broker is replaced.
    found
        .below
        .retain(|partition, _| partition.topic.as_str() != "audit");
    figures.operators_killed = Some(operator.killed());
    figures.records_acknowledged = Some(report.acknowledged);
    figures.records_lost = Some(report.lost);
    figures.records_duplicated = Some(report.duplicated);
    figures.looks = Some(found.looks);
    figures.below_minimum = Some(found.below.len());
    assert!(report.lost == 0 && report.out_of_order == 0, "{report:?}");
    assert!(report.acknowledged > 1_000, "{report:?}");
    assert!(found.looks > 100, "only {} looks", found.looks);
    assert!(found.below.is_empty(), "{:?}", found.below);

    operator.type_in(&["delete", "kafkacluster", NAME]).await?;
    operator.nothing_is_left(NAME).await?;
    let volumes = operator.names(&["pvc", "-l", &selector(NAME, "data")]).await?;
    assert_eq!(
        volumes.len(),
        4,
        "volumes are kept, and those that were used again: {volumes:?}"
    );
    Ok(())
}

async fn create(operator: &Installed<'_>, figures: &mut Figures) -> Outcome {
    let of_cluster = format!("creator=kafka-operator,name={NAME}");
    let pods = ["pods", "-l", &of_cluster];
    let applied = async {
        operator.cluster.apply(MANIFEST).await?;
        Outcome::Ok(Instant::now())
    };
    let first_pod = async {
        operator.cluster.appears(&pods).await?;
        Outcome::Ok(Instant::now())
    };
    // It watches already when the manifest is applied, for a look now and then is late itself.
    let (start, first_pod) = timeout(WITHIN, try_join(applied, first_pod)).await??;
    let waited = (first_pod - start).as_secs_f64();
    say(&format!("# the first pod is there: {waited:.1} s"))?;
    figures.first_pod_seconds = Some(waited);
    operator
        .until("three brokers are ready", async |operator| {
            Ok(operator.condition(NAME, "Ready", "True").await?.is_some())
        })
        .await?;
    figures.ready_seconds = Some(start.elapsed().as_secs_f64());
    operator.until_settled(NAME, 3).await
}

/// The replicas of each partition of a topic.
async fn replicas(cluster: &KafkaCluster, topic: &str) -> Outcome<Vec<Vec<i32>>> {
    let topics = cluster.describe().await?.topics;
    let topic = topics.into_iter().find(|found| found.name.as_str() == topic);
    let partitions = topic.map(|topic| topic.partitions).unwrap_or_default();
    let replicas = |partition: kafka::cluster::Partition| e2e::scene::numbers(&partition.replicas);
    Ok(partitions.into_iter().map(replicas).collect())
}

async fn hosted(cluster: &KafkaCluster, broker: i32) -> Outcome<usize> {
    let replicas = replicas(cluster, TOPIC).await?;
    Ok(replicas
        .iter()
        .filter(|replicas| replicas.contains(&broker))
        .count())
}

/// A fourth broker is there, and gets its part of the load, though the operator is killed on the way.
async fn grow(operator: &Installed<'_>, cluster: &KafkaCluster) -> Outcome {
    operator
        .type_in(&["scale", "kafkacluster", NAME, "--replicas=4"])
        .await?;
    operator.kill_operator().await?;
    operator
        .until("the new broker hosts replicas", async |_| {
            Ok(hosted(cluster, 3).await? > 0)
        })
        .await?;
    operator.until_settled(NAME, 4).await
}

/// The uids of the brokers' pods.
async fn uids(operator: &Installed<'_>) -> Outcome<Vec<String>> {
    let pods = operator.get(&["pods", "-l", &selector(NAME, "data")]).await?;
    let pods = pods["items"].as_array().into_iter().flatten();
    Ok(pods.map(|pod| pod["metadata"]["uid"].to_string()).collect())
}

/// Every broker and every controller is replaced, though the operator and the API server are killed on the way.
async fn roll(operator: &Installed<'_>, figures: &mut Figures) -> Outcome {
    let before = uids(operator).await?;
    let start = Instant::now();
    // Kafka takes it at its start only.
    let change = "{\"spec\": {\"config\": {\"num.partitions\": 2}}}";
    operator
        .type_in(&["patch", "kafkacluster", NAME, "--type=merge", "-p", change])
        .await?;
    operator
        .until("the first broker is replaced", async |operator| {
            let now = uids(operator).await?;
            Ok(before.iter().any(|uid| !now.contains(uid)))
        })
        .await?;
    operator.kill_operator().await?;
    sleep(Duration::from_secs(5)).await;
    operator.cluster.kill_api_server()?;
    say("# the API server was killed")?;
    operator
        .until("all brokers are replaced", async |operator| {
            let now = uids(operator).await?;
            Ok(now.len() == 4 && now.iter().all(|uid| !before.contains(uid)))
        })
        .await?;
    operator.until_settled(NAME, 4).await?;
    figures.rolled_seconds = Some(start.elapsed().as_secs_f64());
    Ok(())
}

/// Volumes get larger under the brokers.
async fn enlarge(operator: &Installed<'_>) -> Outcome {
    let before = (uids(operator).await?, degraded_since(operator).await?);
    let change = "{\"spec\": {\"resources\": {\"diskSpace\": \"3Gi\"}}}";
    operator
        .type_in(&["patch", "kafkacluster", NAME, "--type=merge", "-p", change])
        .await?;
    operator
        .until("all volumes are larger", async |operator| {
            let claims = operator.get(&["pvc", "-l", &selector(NAME, "data")]).await?;
            let claims = claims["items"].as_array().cloned().unwrap_or_default();
            Ok(claims.len() == 4
                && claims
                    .iter()
                    .all(|claim| claim["status"]["capacity"]["storage"] == "3Gi"))
        })
        .await?;
    operator.until_settled(NAME, 4).await?;
    assert_eq!(uids(operator).await?, before.0, "brokers were replaced");
    assert_eq!(
        degraded_since(operator).await?,
        before.1,
        "something went wrong meanwhile"
    );
    Ok(())
}

/// When the condition Degraded last changed.
async fn degraded_since(operator: &Installed<'_>) -> Outcome<String> {
    let object = operator.get(&["kafkacluster", NAME]).await?;
    let conditions = object["status"]["conditions"].as_array();
    let degraded = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Degraded");
    Ok(degraded.ok_or("there is no condition Degraded")?["lastTransitionTime"].to_string())
}

/// A topic of one replica gets two more.
async fn replicate(operator: &Installed<'_>, cluster: &KafkaCluster) -> Outcome {
    let change = "[{\"op\": \"replace\", \"path\": \"/spec/topics/1/replicationFactor\", \"value\": 3}]";
    operator
        .type_in(&["patch", "kafkacluster", NAME, "--type=json", "-p", change])
        .await?;
    operator
        .until("each partition of audit has three replicas", async |_| {
            let replicas = replicas(cluster, "audit").await?;
            Ok(replicas.len() == 3 && replicas.iter().all(|replicas| replicas.len() == 3))
        })
        .await?;
    operator.until_settled(NAME, 4).await
}

/// A broker that is being emptied may stay when the spec says so again.
async fn change_its_mind(operator: &Installed<'_>, cluster: &KafkaCluster) -> Outcome {
    operator
        .type_in(&["scale", "kafkacluster", NAME, "--replicas=3"])
        .await?;
    let before = hosted(cluster, 3).await?;
    operator
        .until("the last broker is being emptied", async |operator| {
            let leaves = !cluster.reassignments().await?.is_empty() || hosted(cluster, 3).await? < before;
            Ok(leaves && state(operator, 3).await? == "EMPTYING")
        })
        .await?;
    operator
        .type_in(&["scale", "kafkacluster", NAME, "--replicas=4"])
        .await?;
    operator.until_settled(NAME, 4).await?;
    operator
        .until("the balancer lets it take load again", async |operator| {
            let says = [
                "exec",
                "deploy/life-balancer",
                "--",
                "kafka-balancer",
                "status",
                "--output=json",
            ];
            let says: Value = serde_json::from_str(&operator.cluster.kubectl(&says).await?)?;
            let drains = says["state"]["draining"]
                .as_array()
                .ok_or("nothing is said of drains")?;
            let is_done = drains.is_empty() && says["state"]["phase"] == "watching";
            Ok(is_done && state(operator, 3).await? == "NORMAL" && hosted(cluster, 3).await? > 0)
        })
        .await
}

/// What the status says of a broker.
async fn state(operator: &Installed<'_>, id: u32) -> Outcome<String> {
    let object = operator.get(&["kafkacluster", NAME]).await?;
    let brokers = object["status"]["brokers"].as_array();
    let broker = brokers.into_iter().flatten().find(|broker| broker["id"] == id);
    let state = broker.and_then(|broker| broker["state"].as_str());
    Ok(state.unwrap_or_default().to_owned())
}

/// The last broker is emptied and goes, though operator and balancer are killed on the way.
async fn shrink(operator: &Installed<'_>, cluster: &KafkaCluster, figures: &mut Figures) -> Outcome {
    let start = Instant::now();
    operator
        .type_in(&["scale", "kafkacluster", NAME, "--replicas=3"])
        .await?;
    operator
        .until("replicas leave it", async |_| {
            let moving = cluster.reassignments().await?;
            Ok(!moving.is_empty() || hosted(cluster, 3).await? == 0)
        })
        .await?;
    operator.kill_operator().await?;
    let label = format!("-l{}", selector(NAME, "balancer"));
    operator
        .type_in(&["delete", "pod", &label, "--force", "--grace-period=0"])
        .await?;
    operator.until_settled(NAME, 3).await?;
    figures.shrunk_seconds = Some(start.elapsed().as_secs_f64());
    assert_eq!(hosted(cluster, 3).await?, 0);
    let described = cluster.describe().await?;
    assert_eq!(
        described.brokers.len(),
        3,
        "it is unregistered: {:?}",
        described.brokers
    );
    let pods = operator.names(&["pods", "-l", &selector(NAME, "data")]).await?;
    assert_eq!(pods, ["life-0", "life-1", "life-2"]);
    Ok(())
}
