//! The images of Kafka.

use std::time::Duration;

use e2e::Kubernetes;
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::Outcome;

pub(crate) async fn a_broker_in_a_pod_takes_records_from_this_machine(cluster: &Kubernetes) -> Outcome {
    let manifest = include_str!("kafka.yaml").replace("VERSION", env!("CARGO_PKG_VERSION"));
    cluster.apply(&manifest).await?;
    let ready = ["wait", "--for=condition=Ready", "pod/kafka", "--timeout=120s"];
    cluster.kubectl(&ready).await?;
    let address = cluster.pod_address("kafka").await?;
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", format!("{address}:9092"))
        .create()?;
    // Makes the topic too.
    let record = FutureRecord::to("greetings").key("from").payload("outside");
    let written = producer.send(record, Duration::from_secs(60)).await;
    assert_eq!(written.map_err(|(error, _)| error)?.offset, 0);
    cluster
        .kubectl(&["delete", "pod", "kafka", "--wait=false"])
        .await?;
    Ok(())
}

pub(crate) async fn the_image_of_kafka_3_9_has_brokers_and_zookeeper(cluster: &Kubernetes) -> Outcome {
    cluster.apply(include_str!("zookeeper.yaml")).await?;
    let ready = ["wait", "--for=condition=Ready", "pod/zookeeper", "--timeout=120s"];
    cluster.kubectl(&ready).await?;
    let list = "kafka-topics --bootstrap-server localhost:9092 --create --topic greetings";
    let made = cluster
        .kubectl(&["exec", "zookeeper", "-c", "kafka", "--", "sh", "-c", list])
        .await?;
    assert_eq!(made, "Created topic greetings.");
    Ok(())
}
