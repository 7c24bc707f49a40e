//! One connection to the cluster, shared by all callers and replaced when it is of no more use.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use krafka::__private::network::BrokerConnection;
use krafka::__private::{kafka_metadata, kafka_pool};
use krafka::admin::{self, AdminClient};
use krafka::error::{ErrorCode, KrafkaError};
use krafka::{Kafka, KafkaBuilder, TopicInfo};

use super::credentials;
use super::errors;
use crate::cluster::{ConfigResource, Each};
use crate::connection::{ConnectionSettings, Security};
use crate::error::ClusterError;
use crate::ids::{BrokerId, TopicName, TopicPartition};
use crate::password_file::PasswordError;

/// Makes a session when there is none, and hands it to everybody.
#[derive(Debug)]
pub(super) struct Sessions {
    settings: ConnectionSettings,
    current: Arc<Mutex<Option<Arc<Session>>>>,
    /// Held while connecting, so that one caller does it for all; the last failure is in it.
    connecting: tokio::sync::Mutex<Option<ConnectError>>,
    attempts: AtomicU64,
}

/// Why no session could be made; cloned to everybody who waited for it.
#[derive(Debug, Clone)]
enum ConnectError {
    Password(Arc<PasswordError>),
    Kafka(KrafkaError),
}

impl From<ConnectError> for ClusterError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Password(error) => Self::Settings {
                message: error.to_string(),
                source: Some(Box::new(error)),
            },
            ConnectError::Kafka(error) => errors::of_connecting(error),
        }
    }
}

impl Sessions {
    pub(super) fn new(settings: ConnectionSettings) -> Self {
        Self {
            settings,
            current: Arc::default(),
            connecting: tokio::sync::Mutex::new(None),
            attempts: AtomicU64::new(0),
        }
    }

    /// The session that there is, or a new one.
    ///
    /// Whoever waits while another caller connects gets that attempt's outcome, good or bad, instead of trying again.
    pub(super) async fn current(&self) -> Result<Arc<Session>, ClusterError> {
        if let Some(session) = self.slot().clone() {
            return Ok(session);
        }
        let attempts_before = self.attempts.load(Ordering::Acquire);
        let mut last_failure = self.connecting.lock().await;
        if let Some(session) = self.slot().clone() {
            return Ok(session);
        }
        if self.attempts.load(Ordering::Acquire) != attempts_before
            && let Some(failure) = last_failure.clone()
        {
            return Err(failure.into());
        }
        let outcome = connect(&self.settings).await;
        self.attempts.fetch_add(1, Ordering::AcqRel);
        match outcome {
            Ok(kafka) => {
                *last_failure = None;
                let session = Arc::new(Session::new(kafka, &self.settings, Arc::downgrade(&self.current)));
                *self.slot() = Some(Arc::clone(&session));
                Ok(session)
            }
            Err(error) => {
                *last_failure = Some(error.clone());
                Err(error.into())
            }
        }
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Arc<Session>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects with what the credential files say now.
async fn connect(settings: &ConnectionSettings) -> Result<Kafka, ConnectError> {
    let bootstrap: Vec<String> = settings.bootstrap.iter().map(ToString::to_string).collect();
    connect_with(Kafka::builder(bootstrap.join(",")), settings).await
}

async fn connect_with(builder: KafkaBuilder, settings: &ConnectionSettings) -> Result<Kafka, ConnectError> {
    let security = credentials::load(&settings.security)
        .await
        .map_err(|error| ConnectError::Password(Arc::new(error)))?;
    let timeout = settings.request_timeout;
    let mut builder = builder
        .client_id(&settings.client_id)
        .security(security)
        .request_timeout(timeout)
        // A broker that swallows packets must leave time to ask another one.
        .connect_timeout(timeout / 3);
    if let Security::Ssl(_) | Security::SaslSsl { .. } = settings.security {
        // A rotated certificate is used for new connections before the old one is refused.
        builder = builder.tls_reload_interval(Some(Duration::from_secs(60)));
    }
    match tokio::time::timeout(timeout, builder.connect()).await {
        Ok(outcome) => outcome.map_err(ConnectError::Kafka),
        Err(_) => Err(ConnectError::Kafka(KrafkaError::timeout("no broker answered"))),
    }
}

/// One connection to the cluster.
#[derive(Debug)]
pub(super) struct Session {
    kafka: Kafka,
    pub(super) admin: AdminClient,
    timeout: Duration,
    slot: Weak<Mutex<Option<Arc<Session>>>>,
}

impl Session {
    fn new(kafka: Kafka, settings: &ConnectionSettings, slot: Weak<Mutex<Option<Arc<Session>>>>) -> Self {
        Self {
            admin: kafka.admin().default_api_timeout(settings.request_timeout),
            kafka,
            timeout: settings.request_timeout,
            slot,
        }
    }

    /// A session that nobody else uses.
    pub(super) async fn open(settings: &ConnectionSettings) -> Result<Self, ClusterError> {
        let kafka = connect(settings).await?;
        Ok(Self::new(kafka, settings, Weak::new()))
    }

    pub(super) fn kafka(&self) -> &Kafka {
        &self.kafka
    }

    /// The time that one call has.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How long brokers that are asked all at once are waited for: less than a call has, so that one which does not answer
    /// costs its own answer only, also where the caller gives up after the time of a call.
    pub(super) fn patience(&self) -> Duration {
        self.timeout * 2 / 5
    }

    /// The cluster with the brokers that are alive, of which there is one at least.
    pub(super) async fn live_brokers(&self) -> krafka::Result<admin::ClusterDescription> {
        // What is asked of brokers after this has to fit into the time of a call, too.
        let soon = admin::DescribeClusterOptions::default().timeout(self.timeout / 2);
        let cluster = self.admin.describe_cluster(soon).await?;
        some_alive(cluster.brokers.iter().any(|broker| !broker.is_fenced))?;
        Ok(cluster)
    }

    /// All topics, asked of a broker now.
    pub(super) async fn all_topics(&self) -> krafka::Result<Vec<TopicInfo>> {
        // Listing names fetches the metadata of all topics and keeps it; the library shows what it has kept only
        // through a consumer. Describing topics by name instead would take a request per 2,000 partitions.
        let everything = admin::ListTopicsOptions::default().include_internal(true);
        self.admin.list_topics(everything).await?;
        let kept = self.kept_metadata().await?;
        some_alive(!kept.brokers.is_empty())?;
        Ok(kept.topics)
    }

    /// Makes the library know all brokers that are alive, which it otherwise learns by chance.
    pub(super) async fn learn_brokers(&self) -> krafka::Result<()> {
        let mut alive: Vec<i32> = self
            .live_brokers()
            .await?
            .brokers
            .iter()
            .map(|broker| broker.id)
            .collect();
        alive.sort_unstable();
        let kept = self.kept_metadata().await?;
        if !kept.brokers.iter().map(krafka::BrokerInfo::id).eq(alive) {
            self.admin.list_topics(Default::default()).await?;
        }
        Ok(())
    }

    /// The connection to a broker, which is known since `learn_brokers`.
    pub(super) async fn connection_to(&self, broker: BrokerId) -> krafka::Result<Arc<BrokerConnection>> {
        let known = kafka_metadata(&self.kafka).broker(broker.get());
        let known = known.ok_or_else(|| {
            KrafkaError::broker(
                ErrorCode::BrokerNotAvailable,
                format!("broker {broker} is not known"),
            )
        })?;
        let pool = kafka_pool(&self.kafka);
        pool.get_connection_by_id(broker.get(), known.address()).await
    }

    /// A connection to a broker that is alive, whichever it is.
    pub(super) async fn any_connection(&self) -> krafka::Result<Arc<BrokerConnection>> {
        self.learn_brokers().await?;
        let brokers = self.live_brokers().await?.brokers;
        let alive = brokers.iter().find(|broker| !broker.is_fenced);
        let alive = alive.and_then(|broker| BrokerId::try_from(broker.id).ok());
        match alive {
            Some(broker) => self.connection_to(broker).await,
            None => Err(nobody_alive()),
        }
    }

    /// The outcome of `asking`, or that it took longer than a call may.
    pub(super) async fn in_time<T>(
        &self,
        asking: impl Future<Output = krafka::Result<T>>,
    ) -> krafka::Result<T> {
        let answer = tokio::time::timeout(self.timeout, asking).await;
        answer.unwrap_or_else(|_| Err(KrafkaError::timeout("no answer")))
    }

    async fn kept_metadata(&self) -> krafka::Result<krafka::consumer::FetchMetadataResult> {
        let consumer = self
            .kafka
            .consumer_without_group()
            .metrics_push(false)
            .build()
            .await?;
        let kept = consumer.fetch_metadata(None).await;
        consumer.close().await?;
        kept
    }

    /// The outcome of a call about the whole cluster.
    pub(super) fn outcome<T>(&self, operation: &str, outcome: krafka::Result<T>) -> Result<T, ClusterError> {
        self.outcome_for(operation, &"the cluster", outcome)
    }

    /// The outcome of a call about `subject`.
    pub(super) fn outcome_for<T>(
        &self,
        operation: &str,
        subject: &dyn Display,
        outcome: krafka::Result<T>,
    ) -> Result<T, ClusterError> {
        outcome.map_err(|error| {
            let error = errors::of_call(operation, subject, error);
            // The library finds brokers again by itself when some are left, but keeps the credentials that it has.
            if matches!(
                error,
                ClusterError::Unreachable { .. }
                    | ClusterError::TimedOut { .. }
                    | ClusterError::Authentication { .. }
            ) {
                self.retire();
            }
            error
        })
    }

    /// Why a call of one broker failed. One that cannot be reached alone is no reason to leave the others.
    pub(super) fn failed_at_one_broker(
        &self,
        operation: &str,
        subject: &dyn Display,
        error: KrafkaError,
    ) -> ClusterError {
        let error = errors::of_call(operation, subject, error);
        if let ClusterError::Authentication { .. } = error {
            self.retire();
        }
        error
    }

    /// The answer for each thing that was asked for: what it is here, and what it was called in the request.
    pub(super) fn each<K, N, A, V>(
        &self,
        operation: &str,
        asked: BTreeMap<K, N>,
        answers: krafka::Result<HashMap<N, krafka::Result<A>>>,
        convert: impl Fn(&K, A) -> Result<V, ClusterError>,
    ) -> Result<Each<K, V>, ClusterError>
    where
        K: Ord + Subject,
        N: Eq + Hash,
    {
        let mut answers = self.outcome(operation, answers)?;
        let each = asked.into_iter().map(|(key, name)| {
            let subject = key.subject();
            let answer = match answers.remove(&name) {
                None => Err(ClusterError::Nonsense(format!("{operation} left out {subject}"))),
                Some(Ok(answer)) => convert(&key, answer),
                Some(Err(error)) => Err(errors::of_call(operation, &subject, error)),
            };
            if let Err(ClusterError::Authentication { .. }) = answer {
                self.retire();
            }
            (key, answer)
        });
        Ok(each.collect())
    }

    /// Makes the next call connect anew; calls that are under way end as they will.
    fn retire(&self) {
        let Some(slot) = self.slot.upgrade() else { return };
        let mut current = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if current
            .as_deref()
            .is_some_and(|session| std::ptr::eq(session, self))
        {
            *current = None;
        }
    }
}

/// A broker that starts in ZooKeeper mode answers before the controller has told it anything: it knows no brokers, itself
/// neither, and no topics. Nothing of that is to be believed.
fn some_alive(some: bool) -> krafka::Result<()> {
    match some {
        true => Ok(()),
        false => Err(nobody_alive()),
    }
}

fn nobody_alive() -> KrafkaError {
    KrafkaError::broker(
        ErrorCode::BrokerNotAvailable,
        "the broker that answered knows of none that is alive".to_owned(),
    )
}

/// What a request can be about, as error messages name it.
pub(super) trait Subject {
    fn subject(&self) -> String;
}

impl Subject for BrokerId {
    fn subject(&self) -> String {
        format!("broker {self}")
    }
}

impl Subject for TopicName {
    fn subject(&self) -> String {
        format!("topic {self}")
    }
}

impl Subject for TopicPartition {
    fn subject(&self) -> String {
        self.to_string()
    }
}

impl Subject for ConfigResource {
    fn subject(&self) -> String {
        match self {
            Self::Topic(topic) => topic.subject(),
            Self::Broker(broker) => broker.subject(),
            Self::BrokerDefault => "the default of all brokers".to_owned(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use krafka::testing::FakeBroker;

    use super::*;

    pub(in crate::client) const TIMEOUT: Duration = Duration::from_secs(10);

    /// A session with brokers in this process, which go by Tokio's clock.
    pub(in crate::client) async fn session_with(brokers: &FakeBroker, security: Security) -> Session {
        let mut settings = ConnectionSettings::plaintext(vec!["localhost:9092".parse().unwrap()]);
        (settings.security, settings.request_timeout) = (security, TIMEOUT);
        let kafka = connect_with(brokers.kafka(), &settings).await.unwrap();
        Session::new(kafka, &settings, Weak::new())
    }

    impl Sessions {
        /// One that has connected already.
        pub(in crate::client) fn connected(session: Session) -> Self {
            let settings = ConnectionSettings::plaintext(vec!["localhost:9092".parse().unwrap()]);
            let sessions = Self::new(settings);
            *sessions.slot() = Some(Arc::new(session));
            sessions
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_broker_that_knows_no_brokers_yet_is_not_believed_to_know_all_topics() {
        let brokers = FakeBroker::start_in_memory(1);
        brokers.create_topic("orders", 1);
        let session = session_with(&brokers, Security::Plaintext).await;
        assert_eq!(session.all_topics().await.unwrap().len(), 1);
        brokers.with_state(|state| {
            state.brokers.clear();
            state.topics.clear();
        });
        let topics = session.outcome("Metadata", session.all_topics().await);
        assert!(
            topics.as_ref().is_err_and(ClusterError::is_retriable),
            "{topics:?}"
        );
    }
}
