//! Topics that no load writes to, so that a test can delete them.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use kafka::Cluster;
use kafka::cluster::{NewTopic, Placement};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

use super::{Outcome, Scene, ids};

/// As large as those of a load, so that brokers that bring every few records to the disk bring copies in equal pieces.
const RECORD: usize = 1_000;
const BATCH: &str = "65536";
const WITHIN: Duration = Duration::from_secs(60);

impl Scene {
    /// Makes a topic of one partition on these brokers, one of which may be away. What is left of it at the end is for the
    /// test to look at.
    ///
    /// # Errors
    ///
    /// Kafka refuses.
    pub async fn make_topic(&self, name: &str, replicas: &[i32]) -> Outcome {
        let minimum = replicas.len().saturating_sub(1).max(1).to_string();
        let new = NewTopic {
            name: name.parse()?,
            placement: Placement::Manual(vec![ids(replicas)?]),
            configs: BTreeMap::from([("min.insync.replicas".to_owned(), minimum)]),
        };
        for (_, made) in self.cluster.create_topics(&[new]).await? {
            made?;
        }
        Ok(())
    }

    /// Writes so many bytes, or a little more, to the one partition of a topic.
    ///
    /// # Errors
    ///
    /// Kafka does not take them.
    pub async fn fill(&self, topic: &str, bytes: usize) -> Outcome {
        let (bootstrap, topic) = (self.kafka.bootstrap(), topic.to_owned());
        let filled = tokio::task::spawn_blocking(move || fill(&bootstrap, &topic, bytes)).await?;
        Ok(filled.map_err(|error| error.to_string())?)
    }
}

fn fill(bootstrap: &str, topic: &str, bytes: usize) -> Result<(), Box<dyn Error + Send + Sync>> {
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("acks", "all")
        // Followers fetch whole batches, however small the piece is that they ask for.
        .set("batch.size", BATCH)
        .create()?;
    let payload = vec![b'x'; RECORD];
    for _ in 0..bytes.div_ceil(RECORD) {
        let record = BaseRecord::<(), _>::to(topic).partition(0).payload(&payload);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    Ok(producer.flush(WITHIN)?)
}
