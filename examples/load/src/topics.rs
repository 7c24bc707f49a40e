//! Creates the topics of a load.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use thiserror::Error;

use crate::settings::{Connection, TopicSettings};

const WITHIN: Duration = Duration::from_secs(30);

/// Where the replicas of new topics go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// Wherever Kafka puts that many of each partition.
    ReplicationFactor(i32),
    /// Partition `p` of each topic has the broker ids at index `p`, modulo their number; the first one leads.
    Replicas(Vec<Vec<i32>>),
}

/// A topic that could not be created.
#[derive(Debug, Error)]
pub enum TopicError {
    /// The cluster did not answer.
    #[error("topics cannot be created")]
    Request(#[from] KafkaError),
    /// The cluster refused one.
    #[error("topic {topic} cannot be created: {code}")]
    Refused {
        /// The topic.
        topic: String,
        /// Kafka's reason.
        code: RDKafkaErrorCode,
    },
    /// A placement that places nothing, or a topic with more partitions than Kafka can have.
    #[error("topic {0} cannot be placed: it needs a list of replicas and at most 2147483647 partitions")]
    Placement(String),
}

/// Creates topics with the given `config` (as in `("retention.ms", "3600000")`), and returns when every one is
/// there. One that exists is an error.
///
/// # Errors
///
/// [`TopicError`].
pub async fn create_topics(
    connection: &Connection,
    topics: &[TopicSettings],
    placement: &Placement,
    config: &[(&str, &str)],
) -> Result<(), TopicError> {
    for topic in topics {
        let refused = || TopicError::Placement(topic.name.clone());
        let count = i32::try_from(topic.partitions).map_err(|_| refused())?;
        let replicas: Vec<&[i32]> = match placement {
            Placement::ReplicationFactor(_) => Vec::new(),
            Placement::Replicas(lists) if lists.is_empty() => return Err(refused()),
            Placement::Replicas(lists) => {
                let cycle = lists.iter().cycle().map(Vec::as_slice);
                cycle.take(topic.partitions as usize).collect()
            }
        };
        let replication = match placement {
            Placement::ReplicationFactor(factor) => TopicReplication::Fixed(*factor),
            Placement::Replicas(_) => TopicReplication::Variable(&replicas),
        };
        let mut new = NewTopic::new(&topic.name, count, replication);
        new.config.extend_from_slice(config);
        let admin: AdminClient<DefaultClientContext> = connection.client_config().create()?;
        let options = AdminOptions::new()
            .operation_timeout(Some(WITHIN))
            .request_timeout(Some(WITHIN));
        for result in admin.create_topics([&new], &options).await? {
            result.map_err(|(topic, code)| TopicError::Refused { topic, code })?;
        }
    }
    Ok(())
}
