//! Opening a compacted topic for one writer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use krafka::admin;
use krafka::error::{ErrorCode, KrafkaError};
use krafka::producer::{Acks, TransactionalProducer};
use tokio::time::Instant;

use super::errors;
use super::log_reader;
use super::log_writer::{self, KafkaLogWriter};
use super::session::Session;
use crate::compacted_log::{CompactedLog, Entry, LogError};
use crate::connection::ConnectionSettings;
use crate::error::ClusterError;
use crate::ids::TopicName;

/// Which topic a log is in, and who writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactedLogSettings {
    /// The topic, which has one partition. It is created when it is missing.
    pub topic: TopicName,
    /// The writer's `transactional.id`: of all that use the same, only the last one that opened may write.
    pub transactional_id: String,
    /// How many replicas the topic is created with; fewer where there are fewer brokers and for half a minute no other comes.
    pub replication_factor: u16,
    /// The most bytes of keys and values that [`CompactedLog::open`] holds at any moment.
    pub max_live_bytes: usize,
}

/// A log in a compacted topic of real brokers.
///
/// Each [`open`](CompactedLog::open) makes a connection of its own, with what the credential files say then.
#[derive(Debug, Clone)]
pub struct KafkaCompactedLog {
    connection: ConnectionSettings,
    settings: CompactedLogSettings,
    gathering: Arc<Mutex<Gathering>>,
}

/// The brokers of a cluster that may be starting.
#[derive(Debug)]
struct Gathering {
    /// The most that were seen alive.
    most: usize,
    since: Instant,
}

impl Gathering {
    /// Whether more may come than the `alive` that are seen now.
    fn goes_on(&mut self, alive: usize) -> bool {
        if alive > self.most {
            self.most = alive;
            self.since = Instant::now();
        }
        self.since.elapsed() < BROKERS_COME
    }
}

/// So long another broker of a cluster that starts is waited for, so that the topic gets all its replicas.
const BROKERS_COME: Duration = Duration::from_secs(30);

/// Kafka aborts a transaction that is open for longer. It ends any append that is still waited for long before, and a
/// writer that was stopped for longer in the middle of one (a suspended machine) is closed, until Kafka 4.0 fenced.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);

impl KafkaCompactedLog {
    /// The log with these settings in the cluster that is reached in this way. Nothing is sent yet.
    pub fn new(connection: ConnectionSettings, settings: CompactedLogSettings) -> Self {
        Self {
            connection,
            settings,
            gathering: Arc::new(Mutex::new(Gathering {
                most: 0,
                since: Instant::now(),
            })),
        }
    }
}

impl CompactedLog for KafkaCompactedLog {
    type Writer = KafkaLogWriter;

    async fn open(&self) -> Result<(KafkaLogWriter, Vec<Entry>), LogError> {
        let session = Session::open(&self.connection)
            .await
            .map_err(LogError::Unavailable)?;
        self.ensure_topic(&session).await.map_err(LogError::Unavailable)?;
        let topic = &self.settings.topic;
        let producer = self
            .fence(&session)
            .await
            .map_err(|error| log_writer::log_error("InitProducerId", topic, error))?;
        let writer = KafkaLogWriter::new(producer, topic.clone());
        let entries = log_reader::read(&session, topic, self.settings.max_live_bytes).await?;
        Ok((writer, entries))
    }
}

impl KafkaCompactedLog {
    /// Makes this the only writer: Kafka raises the producer's epoch, having ended what the last writer left open.
    async fn fence(&self, session: &Session) -> krafka::Result<TransactionalProducer> {
        session
            .kafka()
            .producer()
            .acks(Acks::All)
            .linger(Duration::ZERO)
            .delivery_timeout(session.timeout())
            .max_block(session.timeout())
            .transaction_timeout(TRANSACTION_TIMEOUT)
            .metrics_push(false)
            .build_transactional(&self.settings.transactional_id)
            .await
    }

    async fn ensure_topic(&self, session: &Session) -> Result<(), ClusterError> {
        let topic = &self.settings.topic;
        let described = session
            .admin
            .describe_topics([topic.as_str()], Default::default())
            .await
            .map(|mut topics| topics.remove(topic.as_str()));
        match session.outcome_for("DescribeTopics", topic, described)? {
            Some(Ok(found)) => self.check_topic(session, found.partitions.len()).await,
            Some(Err(KrafkaError::Broker {
                code: ErrorCode::UnknownTopicOrPartition,
                ..
            }))
            | None => {
                self.create_topic(session).await?;
                self.await_leader(session).await
            }
            Some(Err(error)) => Err(errors::of_call("DescribeTopics", topic, error)),
        }
    }

    /// A topic of the same name that somebody made for something else would lose records.
    async fn check_topic(&self, session: &Session, partitions: usize) -> Result<(), ClusterError> {
        let topic = &self.settings.topic;
        let unfit = |message: String| ClusterError::Refused {
            code: "INVALID_CONFIG".to_owned(),
            message: format!("topic {topic} cannot hold a compacted log: {message}"),
            retriable: false,
        };
        if partitions != 1 {
            return Err(unfit(format!(
                "it has {partitions} partitions, but must have one"
            )));
        }
        let resource = admin::ConfigResource::topic(topic.as_str());
        let only = admin::DescribeConfigsOptions::default().config_names(vec!["cleanup.policy".to_owned()]);
        let answer = session
            .admin
            .describe_configs([resource.clone()], only)
            .await
            .and_then(|mut answers| answers.remove(&resource).unwrap_or_else(|| Ok(Vec::new())));
        let entries = session.outcome_for("DescribeConfigs", topic, answer)?;
        match entries.into_iter().find_map(|entry| entry.value) {
            Some(policy) if policy != "compact" => Err(unfit(format!(
                "its cleanup.policy is {policy}; set it to compact"
            ))),
            _ => Ok(()),
        }
    }

    async fn create_topic(&self, session: &Session) -> Result<(), ClusterError> {
        let name = self.settings.topic.as_str();
        let alive = session
            .outcome("DescribeCluster", session.live_brokers().await)?
            .brokers
            .len();
        let wanted = i16::try_from(self.settings.replication_factor).unwrap_or(i16::MAX);
        let may_more_come = {
            let mut gathering = self.gathering.lock().unwrap_or_else(PoisonError::into_inner);
            gathering.goes_on(alive)
        };
        if alive < usize::from(self.settings.replication_factor) && may_more_come {
            return Err(ClusterError::Refused {
                code: "INVALID_REPLICATION_FACTOR".to_owned(),
                message: format!(
                    "topic {name} is to have {wanted} replicas, and {alive} brokers are alive; should no other come within \
                     {} seconds, it is made with as many as there are",
                    BROKERS_COME.as_secs()
                ),
                retriable: true,
            });
        }
        let replicas = i16::try_from(alive).unwrap_or(i16::MAX).min(wanted).max(1);
        let new = admin::NewTopic::new(name, 1, replicas).map(|topic| {
            topic
                .with_config("cleanup.policy", "compact")
                .with_config("min.insync.replicas", replicas.min(2).to_string())
                .with_config("unclean.leader.election.enable", "false")
                // Only closed segments are compacted.
                .with_config("segment.ms", "3600000")
                .with_config("segment.bytes", "16777216")
                .with_config("min.cleanable.dirty.ratio", "0.1")
        });
        let answer = match new {
            Ok(new) => session.admin.create_topics([new], Default::default()).await,
            Err(error) => Err(error),
        };
        let answer = answer.and_then(|mut answers| answers.remove(name).unwrap_or(Ok(())));
        match answer {
            // Somebody else, or an earlier try whose answer was lost.
            Err(KrafkaError::Broker {
                code: ErrorCode::TopicAlreadyExists,
                ..
            }) => Ok(()),
            answer => session.outcome_for("CreateTopics", &self.settings.topic, answer),
        }
    }

    /// Brokers hear of a new topic at different times; until then some say that there is none.
    async fn await_leader(&self, session: &Session) -> Result<(), ClusterError> {
        let deadline = Instant::now() + session.timeout();
        loop {
            let error = match log_reader::committed_range(session, &self.settings.topic).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            let unknown = matches!(error, ClusterError::UnknownTopicOrPartition(_)) || error.is_retriable();
            if !unknown || Instant::now() >= deadline {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
