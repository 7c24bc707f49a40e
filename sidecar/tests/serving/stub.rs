//! A cluster of one broker with one topic, whose answers a test decides.

use std::collections::BTreeMap;
use std::future::pending;
use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use kafka::cluster::*;
use kafka::connection::Tls;
use kafka::groups::{GroupDescription, GroupKind, GroupListing, GroupState, Position, TopicPositions};
use kafka::{BrokerId, Cluster, ClusterError, GroupId, PartitionId, TopicName, TopicPartition};
use sidecar::http_client;
use sidecar::sampling::Sampling;
use sidecar::server::{self, Certificate, Limits, Served};
use tokio_util::sync::CancellationToken;

/// How the broker behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Answering,
    Failing,
    Hanging,
    /// It keeps the thread that asks.
    Spinning,
}

/// Each reading finds the one partition grown by 10 records of 100 bytes, and each group 10 records further.
#[derive(Debug, Clone)]
pub(crate) struct Stub {
    mood: Arc<Mutex<Mood>>,
    records: Arc<AtomicU64>,
}

pub(crate) fn broker() -> BrokerId {
    7.try_into().unwrap()
}

pub(crate) fn partition() -> TopicPartition {
    TopicPartition::new("orders".parse().unwrap(), 0.try_into().unwrap())
}

impl Stub {
    pub(crate) fn new(mood: Mood) -> Self {
        Self {
            mood: Arc::new(Mutex::new(mood)),
            records: Arc::new(AtomicU64::new(1000)),
        }
    }

    pub(crate) fn becomes(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn mood(&self) -> Mood {
        *self.mood.lock().unwrap()
    }

    async fn answer<T>(&self, answer: T) -> Result<T, ClusterError> {
        match self.mood() {
            Mood::Answering => Ok(answer),
            Mood::Failing => Err(refusal()),
            Mood::Hanging => pending().await,
            Mood::Spinning => {
                while self.mood() == Mood::Spinning {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(refusal())
            }
        }
    }

    fn records(&self) -> u64 {
        self.records.load(Ordering::SeqCst)
    }
}

fn refusal() -> ClusterError {
    ClusterError::Unreachable {
        message: "nobody is there".to_owned(),
        source: None,
    }
}

fn not_asked<T>() -> Result<T, ClusterError> {
    Err(ClusterError::Nonsense("no sidecar asks for this".to_owned()))
}

impl Cluster for Stub {
    async fn describe(&self) -> Result<ClusterDescription, ClusterError> {
        let partition = Partition {
            id: PartitionId::try_from(0).unwrap(),
            leader: Some(broker()),
            replicas: vec![broker()],
            in_sync: vec![broker()],
        };
        let topic = Topic {
            name: "orders".parse().unwrap(),
            id: [1; 16],
            partitions: vec![partition],
        };
        let broker = Broker {
            id: broker(),
            host: "localhost".to_owned(),
            port: 9092,
            rack: None,
        };
        let description = ClusterDescription {
            cluster_id: "stub".to_owned(),
            controller: Some(broker.id),
            brokers: vec![broker],
            topics: vec![topic],
        };
        self.answer(description).await
    }

    async fn log_dirs(&self, _: &[BrokerId]) -> Result<Each<BrokerId, Vec<LogDir>>, ClusterError> {
        let records = self.records.fetch_add(10, Ordering::SeqCst) + 10;
        let replica = LogDirReplica {
            partition: partition(),
            size: records * 100,
            offset_lag: 0,
            is_future: false,
        };
        let dir = LogDir {
            path: "/data".to_owned(),
            total_bytes: Some(1 << 40),
            usable_bytes: Some(1 << 39),
            replicas: vec![replica],
        };
        self.answer(BTreeMap::from([(broker(), Ok(vec![dir]))])).await
    }

    async fn offsets(
        &self,
        partitions: &[TopicPartition],
        which: OffsetSpec,
    ) -> Result<Each<TopicPartition, i64>, ClusterError> {
        let offset = match which {
            OffsetSpec::Earliest => 0,
            OffsetSpec::Latest => i64::try_from(self.records()).unwrap(),
        };
        self.answer(
            partitions
                .iter()
                .map(|partition| (partition.clone(), Ok(offset)))
                .collect(),
        )
        .await
    }

    async fn groups(&self) -> Result<Each<BrokerId, Vec<GroupListing>>, ClusterError> {
        self.records.fetch_add(10, Ordering::SeqCst);
        let groups = ["billing", "broken", "search"].map(|group| GroupListing {
            id: group.parse().unwrap(),
            kind: GroupKind::Consumer,
            state: GroupState::Stable,
        });
        self.answer(BTreeMap::from([(broker(), Ok(groups.to_vec()))]))
            .await
    }

    async fn describe_groups(
        &self,
        coordinator: BrokerId,
        _: GroupKind,
        groups: &[GroupId],
    ) -> Result<Each<GroupId, GroupDescription>, ClusterError> {
        assert_eq!(coordinator, broker());
        let description = GroupDescription {
            state: GroupState::Stable,
            members: 3,
        };
        let described = groups.iter().map(|group| (group.clone(), Ok(description)));
        self.answer(described.collect()).await
    }

    async fn positions(
        &self,
        coordinator: BrokerId,
        _: GroupKind,
        groups: &[GroupId],
    ) -> Result<Each<GroupId, Vec<TopicPositions>>, ClusterError> {
        assert_eq!(coordinator, broker());
        let positions = |group: &GroupId| match group.as_str() {
            "broken" => Err(ClusterError::Authorization {
                message: "describe on group broken".to_owned(),
            }),
            _ => Ok(vec![TopicPositions {
                topic: partition().topic,
                positions: vec![Position {
                    partition: partition().partition,
                    offset: i64::try_from(self.records()).unwrap() - 5,
                    lag: None,
                }],
            }]),
        };
        let answers = groups.iter().map(|group| (group.clone(), positions(group)));
        self.answer(answers.collect()).await
    }

    async fn configs(
        &self,
        resources: &[ConfigResource],
        _: &[&str],
    ) -> Result<Each<ConfigResource, Vec<ConfigEntry>>, ClusterError> {
        let minimum = ConfigEntry {
            name: "min.insync.replicas".to_owned(),
            value: Some("2".to_owned()),
            source: ConfigSource::Inherited,
        };
        let entries = resources
            .iter()
            .map(|resource| (resource.clone(), Ok(vec![minimum.clone()])));
        self.answer(entries.collect()).await
    }

    async fn alter_configs(
        &self,
        _: &[(ConfigResource, Vec<ConfigChange>)],
    ) -> Result<Each<ConfigResource, ()>, ClusterError> {
        not_asked()
    }

    async fn reassignments(&self) -> Result<BTreeMap<TopicPartition, Reassignment>, ClusterError> {
        not_asked()
    }

    async fn reassign(
        &self,
        _: &[(TopicPartition, Vec<BrokerId>)],
    ) -> Result<Each<TopicPartition, ()>, ClusterError> {
        not_asked()
    }

    async fn cancel_reassignments(
        &self,
        _: &[TopicPartition],
    ) -> Result<Each<TopicPartition, ()>, ClusterError> {
        not_asked()
    }

    async fn elect_preferred_leaders(
        &self,
        _: &[TopicPartition],
    ) -> Result<Each<TopicPartition, ()>, ClusterError> {
        not_asked()
    }

    async fn create_topics(&self, _: &[NewTopic]) -> Result<Each<TopicName, ()>, ClusterError> {
        not_asked()
    }

    async fn delete_topics(&self, _: &[TopicName]) -> Result<Each<TopicName, ()>, ClusterError> {
        not_asked()
    }

    async fn create_partitions(&self, _: &[(TopicName, u32)]) -> Result<Each<TopicName, ()>, ClusterError> {
        not_asked()
    }
}

/// A sidecar that serves on a port of its own.
pub(crate) struct Sidecar {
    pub(crate) address: std::net::SocketAddr,
    http: reqwest::Client,
    stop: CancellationToken,
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) async fn serve<S: Served>(sampling: Sampling<S>, stop: CancellationToken) -> Sidecar {
    serve_within(sampling, None, Limits::default(), stop).await
}

pub(crate) async fn serve_within<S: Served>(
    sampling: Sampling<S>,
    certificate: Option<Certificate>,
    limits: Limits,
    stop: CancellationToken,
) -> Sidecar {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = server::router(sampling.view, sampling.probes);
    tokio::spawn(server::serve(listener, router, certificate, limits, stop.clone()));
    let http = http_client::client(&Tls::default(), |builder| builder.no_gzip()).unwrap();
    Sidecar { address, http, stop }
}

impl Sidecar {
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let answer = self
            .http
            .get(format!("http://{}{path}", self.address))
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Asks again and again until the answer is as wanted.
    pub(crate) async fn get_until(&self, path: &str, wanted: impl Fn(u16, &str) -> bool) -> String {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let (status, body) = self.get(path).await;
            if wanted(status, &body) {
                return body;
            }
            assert!(Instant::now() < deadline, "{path} still answers {status}: {body}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// An answer of `/metrics`.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) content_type: String,
    /// Whether it was packed for the way.
    pub(crate) packed: bool,
    pub(crate) text: String,
}

impl Sidecar {
    /// What a reader gets with these headers.
    pub(crate) async fn metrics(&self, headers: &[(&str, &str)]) -> Metrics {
        let mut request = self.http.get(format!("http://{}/metrics", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let header = |name| answer.headers().get(name).map(|value| value.to_str().unwrap());
        let content_type = header("content-type").unwrap().to_owned();
        let packed = header("content-encoding") == Some("gzip");
        let body = answer.bytes().await.unwrap();
        let mut text = String::new();
        if packed {
            GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
        } else {
            text = String::from_utf8(body.to_vec()).unwrap();
        }
        Metrics {
            content_type,
            packed,
            text,
        }
    }
}
