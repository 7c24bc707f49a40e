//! The Kubernetes that tests run on does what the operator needs of one, with the images that `make images` builds. It
//! takes root, and the first time ten minutes to build Kubernetes: `make test-kubernetes` runs it.

mod kafka;
mod programs;
mod volumes;

use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

use e2e::Kubernetes;

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::test]
async fn a_cluster_of_three_nodes_does_what_the_operator_needs() -> Outcome {
    if !Kubernetes::is_wanted()? {
        return Ok(());
    }
    let cluster = Kubernetes::up(3).await?;
    volumes::three_pods_get_a_volume_each_in_three_zones(&cluster).await?;
    a_pod_is_found_by_name_from_another_one(&cluster).await?;
    this_machine_reaches_pods_and_node_ports(&cluster).await?;
    volumes::a_volume_outlives_its_pod(&cluster).await?;
    volumes::a_volume_is_full_when_it_is_and_grows_with_its_claim(&cluster).await?;
    programs::the_images_of_the_programs_start_as_restricted_pods(&cluster).await?;
    programs::the_image_of_the_sidecar_gives_a_broker_the_agent(&cluster).await?;
    kafka::a_broker_in_a_pod_takes_records_from_this_machine(&cluster).await?;
    kafka::the_image_of_kafka_3_9_has_brokers_and_zookeeper(&cluster).await
}

#[tokio::test]
async fn an_api_server_takes_the_custom_resource_and_refuses_what_breaks_its_rules() -> Outcome {
    if !Kubernetes::is_wanted()? {
        return Ok(());
    }
    let cluster = Kubernetes::control_plane().await?;
    cluster.define_kafkaclusters().await?;
    let object = |count: i32| {
        format!(
            "apiVersion: krallistic.github.com/v1\nkind: Kafkacluster\n\
             metadata: {{name: a}}\nspec: {{brokerCount: {count}}}\n"
        )
    };
    cluster.apply(&object(3)).await?;
    let image = "jsonpath={.spec.image}";
    let default = cluster
        .kubectl(&["get", "kafkacluster", "a", "-o", image])
        .await?;
    assert_eq!(default, "apache/kafka:4.3.1");
    let refused = cluster.apply(&object(-1)).await;
    assert!(
        refused
            .as_ref()
            .is_err_and(|error| error.to_string().contains("spec.brokerCount")),
        "{refused:?}"
    );
    Ok(())
}

async fn a_pod_is_found_by_name_from_another_one(cluster: &Kubernetes) -> Outcome {
    let ask = [
        "exec",
        "three-0",
        "--",
        "wget",
        "-qO-",
        "http://three-2.three:8080",
    ];
    assert_eq!(cluster.kubectl(&ask).await?, "three-2");
    Ok(())
}

async fn this_machine_reaches_pods_and_node_ports(cluster: &Kubernetes) -> Outcome {
    let pod = cluster.pod_address("three-1").await?;
    assert_eq!(get(pod, 8080).await?, "three-1");
    let node = ["get", "pod", "three-0", "-o", "jsonpath={.status.hostIP}"];
    let node: IpAddr = cluster.kubectl(&node).await?.parse()?;
    assert_eq!(get(node, 30080).await?, "three-0");
    Ok(())
}

/// Asks until there is an answer: the rules of a node port are there some time after its pod.
async fn get(address: IpAddr, port: u16) -> Result<String, Box<dyn Error>> {
    let client = e2e::http::client()?;
    let url = format!("http://{address}:{port}/");
    let asked = async {
        loop {
            if let Ok(answer) = client.get(&url).send().await {
                return answer.text().await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let text = tokio::time::timeout(Duration::from_secs(20), asked).await??;
    Ok(text.trim().to_owned())
}
