//! The exporter of consumer lag beside a real Kafka: groups of every kind, of which the test itself knows how far, how
//! late and in which state they are.

mod java;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use e2e::{BrokerSpec, Layout, LocalKafka, Service, stack};
use kafka::client::KafkaCluster;
use kafka::cluster::{NewTopic, Placement};
use kafka::{Cluster, TopicName};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::{Instant, sleep};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const WITHIN: Duration = Duration::from_secs(90);
const INTERVAL: Duration = Duration::from_secs(1);
const TOPIC: &str = "orders";
/// Records that are written one each 100 ms.
const PACED: usize = 150;

/// How far lag in seconds may be from what the test knows: a sample is up to a second old, and the line between two
/// samples is as exact as records come evenly.
const SECONDS_APART: f64 = 2.0;

#[tokio::test]
async fn groups_are_as_far_as_late_and_in_the_state_that_the_test_knows() -> Outcome {
    let kafka = LocalKafka::start(layout()).await?;
    create_topics(&kafka).await?;
    let mut orders = Writer::new(&kafka, TOPIC)?;
    let mut exporter = Service::offsets(&kafka, INTERVAL)?;
    exporter.ready().await?;

    let classic = Member::join(&kafka, "classic", "classic").await?;
    let modern = Member::join(&kafka, "modern", "consumer").await?;
    let rewound = Member::join(&kafka, "rewound", "classic").await?;
    orders.write(50).await?;
    classic.commit(20)?;
    modern.commit(30)?;
    rewound.commit(40)?;
    let leaving = Member::join(&kafka, "stopped", "classic").await?;
    leaving.commit(10)?;
    drop(leaving);
    let leaving = Member::join(&kafka, "empty", "consumer").await?;

    // A record each 100 ms, so that the test knows when each offset was written.
    for _ in 0..PACED {
        orders.write(1).await?;
        sleep(Duration::from_millis(100)).await;
    }
    let end = orders.end();
    leaving.commit(end)?;
    drop(leaving);
    modern.commit(end - 60)?;
    rewound.commit(5)?;

    // What groups are and where they are is asked one after the other.
    let groups = [
        ("classic", 1.0, "Stable", "classic", "STALL"),
        ("modern", 1.0, "Stable", "consumer", "OK"),
        ("rewound", 1.0, "Stable", "classic", "REWIND"),
        ("stopped", 0.0, "Empty", "classic", "STOP"),
        ("empty", 0.0, "Empty", "consumer", "OK"),
    ];
    let metrics = until(&exporter, "each group is what it is", |metrics| {
        groups.iter().all(|(group, members, state, kind, status)| {
            let has = |what, word| is(metrics, what, group, word);
            value(metrics, "members", &format!("{{consumergroup=\"{group}\"}}")) == Some(*members)
                && has("state", state)
                && has("kind", kind)
                && has("status", status)
        })
    })
    .await?;
    // By sums too, since nothing else is in these groups.
    for (group, lag) in [
        ("classic", end - 20),
        ("modern", 60),
        ("rewound", end - 5),
        ("stopped", end - 10),
        ("empty", 0),
    ] {
        let labels = format!("{{consumergroup=\"{group}\",topic=\"{TOPIC}\"");
        let exact = Some(lag as f64);
        assert_eq!(
            value(&metrics, "lag", &format!("{labels},partition=\"0\"}}")),
            exact
        );
        assert_eq!(value(&metrics, "lag_sum", &format!("{labels}}}")), exact);
    }
    let late = |metrics: &str, group: &str| {
        let labels = format!("{{consumergroup=\"{group}\",topic=\"{TOPIC}\",partition=\"0\"}}");
        value(metrics, "lag_seconds", &labels)
    };
    assert_eq!(late(&metrics, "empty"), Some(0.0));
    let (seen, known) = (late(&metrics, "modern"), orders.since(end - 60));
    let apart = (seen.unwrap_or(f64::INFINITY) - known.as_secs_f64()).abs();
    let allowed = SECONDS_APART + orders.longest_pause(PACED).as_secs_f64();
    assert!(apart <= allowed, "{seen:?} is not {known:?}");
    let labels = "{consumergroup=\"modern\"}";
    assert_eq!(value(&metrics, "max_lag_seconds", labels), seen);

    java::share_groups_are_where_their_coordinator_says(&kafka, &exporter).await?;
    java::streams_groups_are_where_their_application_committed(&kafka, &exporter).await
}

fn layout() -> Layout {
    let one = |name: &str| (name.to_owned(), "1".to_owned());
    Layout {
        brokers: vec![BrokerSpec::default()],
        jolokia: false,
        properties: [
            "share.coordinator.state.topic.replication.factor",
            "share.coordinator.state.topic.min.isr",
            "share.coordinator.state.topic.num.partitions",
        ]
        .map(one)
        .into(),
        ..Layout::default()
    }
}

async fn create_topics(kafka: &LocalKafka) -> Outcome {
    let cluster = KafkaCluster::new(stack::connection(kafka)?);
    let topic = |name: &str| -> Outcome<NewTopic> {
        Ok(NewTopic {
            name: name.parse::<TopicName>()?,
            placement: Placement::Automatic {
                partitions: Some(1),
                replication_factor: Some(1),
            },
            configs: Default::default(),
        })
    };
    let names = [TOPIC, java::SHARED].into_iter().chain(java::STREAMED);
    let topics: Vec<NewTopic> = names.map(topic).collect::<Outcome<_>>()?;
    for (name, made) in cluster.create_topics(&topics).await? {
        made.map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

/// Writes to partition 0 of a topic, and knows when it wrote what.
struct Writer {
    producer: FutureProducer,
    topic: &'static str,
    written: Vec<Instant>,
}

impl Writer {
    fn new(kafka: &LocalKafka, topic: &'static str) -> Outcome<Self> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", kafka.bootstrap())
            .set("linger.ms", "0")
            .create()?;
        Ok(Self {
            producer,
            topic,
            written: Vec::new(),
        })
    }

    async fn write(&mut self, records: usize) -> Outcome {
        for _ in 0..records {
            let record = FutureRecord::<str, str>::to(self.topic)
                .partition(0)
                .payload("a record");
            let sent = self.producer.send(record, WITHIN).await;
            sent.map_err(|(error, _)| error)?;
            self.written.push(Instant::now());
        }
        Ok(())
    }

    /// The offset after the last record.
    fn end(&self) -> i64 {
        i64::try_from(self.written.len()).unwrap_or(i64::MAX)
    }

    /// The longest time between two of the last records.
    fn longest_pause(&self, last: usize) -> Duration {
        let last = &self.written[self.written.len().saturating_sub(last)..];
        let pauses = last.windows(2).map(|pair| pair[1] - pair[0]);
        pauses.max().unwrap_or_default()
    }

    /// Time since the record at `offset` was written.
    fn since(&self, offset: i64) -> Duration {
        let index = usize::try_from(offset).unwrap_or(usize::MAX);
        self.written.get(index).map_or(Duration::ZERO, Instant::elapsed)
    }
}

/// The only member of a group; it stays until it is dropped.
struct Member {
    consumer: Arc<BaseConsumer>,
    stop: Arc<AtomicBool>,
    polling: Option<JoinHandle<()>>,
}

impl Member {
    async fn join(kafka: &LocalKafka, group: &str, protocol: &str) -> Outcome<Self> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", kafka.bootstrap())
            .set("group.id", group)
            .set("group.protocol", protocol)
            .set("enable.auto.commit", "false")
            .create()?;
        consumer.subscribe(&[TOPIC])?;
        let (consumer, stop) = (Arc::new(consumer), Arc::new(AtomicBool::new(false)));
        let (polled, stopped) = (Arc::clone(&consumer), Arc::clone(&stop));
        // Members that are not polled do not join.
        let polling = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                drop(polled.poll(Duration::from_millis(100)));
            }
        });
        let member = Self {
            consumer,
            stop,
            polling: Some(polling),
        };
        let deadline = Instant::now() + WITHIN;
        while member.consumer.assignment()?.count() == 0 {
            if Instant::now() > deadline {
                return Err(format!("{group} was assigned nothing").into());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(member)
    }

    fn commit(&self, offset: i64) -> Outcome {
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(TOPIC, 0, Offset::Offset(offset))?;
        Ok(self.consumer.commit(&offsets, CommitMode::Sync)?)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(polling) = self.polling.take() {
            // A thread that panicked has nothing left to stop.
            let _ = polling.join();
        }
    }
}

/// The value of a family of groups with exactly these labels.
fn value(metrics: &str, family: &str, labels: &str) -> Option<f64> {
    let series = format!("kafka_consumergroup_{family}{labels} ");
    let value = metrics.lines().find_map(|line| line.strip_prefix(&series))?;
    value.parse().ok()
}

/// Whether the family that says `what` a group is has this word.
fn is(metrics: &str, what: &str, group: &str, word: &str) -> bool {
    value(
        metrics,
        what,
        &format!("{{consumergroup=\"{group}\",{what}=\"{word}\"}}"),
    ) == Some(1.0)
}

/// Asks for metrics until they are as they should be.
async fn until(exporter: &Service, what: &str, holds: impl Fn(&str) -> bool) -> Outcome<String> {
    let deadline = Instant::now() + WITHIN;
    loop {
        let metrics = exporter.text("/metrics").await?;
        if holds(&metrics) {
            return Ok(metrics);
        }
        if Instant::now() > deadline {
            return Err(format!("not so within {WITHIN:?}: {what}; last:\n{metrics}").into());
        }
        sleep(Duration::from_millis(100)).await;
    }
}
