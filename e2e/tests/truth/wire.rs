//! Clients that count what they put on the wire and take from it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext};
use rdkafka::producer::base_producer::{BaseProducer, BaseRecord};
use rdkafka::producer::{NoCustomPartitioner, Producer as _, ProducerContext};
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use e2e::scene::Outcome;

const WITHIN: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// After how many records a reader commits that does not run out of them.
const COMMIT_EVERY: u32 = 100;

/// What librdkafka counts at the connections to brokers, and how often it has told. Connections to coordinators and to
/// bootstrap addresses carry no records.
#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    received: AtomicU64,
    told: AtomicU64,
}

#[derive(Debug, Clone, Default)]
struct Counting(Arc<Counts>);

impl ClientContext for Counting {
    fn stats(&self, statistics: Statistics) {
        let brokers = statistics.brokers.values();
        let with_records = brokers.filter(|broker| broker.nodeid >= 0 && broker.name != "GroupCoordinator");
        let (sent, received) = with_records.fold((0, 0), |(sent, received), broker| {
            (sent + broker.txbytes, received + broker.rxbytes)
        });
        self.0.sent.store(sent, Ordering::SeqCst);
        self.0.received.store(received, Ordering::SeqCst);
        self.0.told.fetch_add(1, Ordering::SeqCst);
    }
}

impl ProducerContext for Counting {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &rdkafka::producer::DeliveryResult<'_>, (): ()) {}
}

impl ConsumerContext for Counting {}

/// A producer of one partition.
pub(crate) struct Writer {
    producer: BaseProducer<Counting>,
    counts: Arc<Counts>,
    topic: String,
    partition: i32,
    is_transactional: bool,
    written: u64,
}

/// Records and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// What values look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Values {
    /// Bytes that no compression makes smaller.
    Random,
    /// Text that compression makes a fraction of.
    Text,
    /// None but every tenth: tombstones.
    Tombstones,
}

impl Writer {
    pub(crate) fn new(
        bootstrap: &str,
        topic: &str,
        partition: i32,
        options: &[(&str, &str)],
    ) -> Outcome<Self> {
        let context = Counting::default();
        let counts = Arc::clone(&context.0);
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", bootstrap)
            .set("acks", "all")
            // Large batches, so that what surrounds them on the wire weighs nothing.
            .set("linger.ms", "100")
            .set("batch.size", "400000")
            .set("statistics.interval.ms", "100");
        for (name, value) in options {
            config.set(*name, *value);
        }
        let producer: BaseProducer<Counting, NoCustomPartitioner> = config.create_with_context(context)?;
        let is_transactional = options.iter().any(|(name, _)| *name == "transactional.id");
        if is_transactional {
            producer.init_transactions(WITHIN)?;
        }
        Ok(Self {
            producer,
            counts,
            topic: topic.to_owned(),
            partition,
            is_transactional,
            written: 0,
        })
    }

    /// Writes so many records of 1,000 bytes with keys out of a hundred, and returns when all are acknowledged.
    pub(crate) fn burst(&mut self, records: u64, values: Values) -> Outcome<Amount> {
        let before = self.sent();
        if self.is_transactional {
            self.producer.begin_transaction()?;
        }
        for _ in 0..records {
            let key = (self.written % 100).to_string();
            let value = value(values, self.written);
            let mut record = BaseRecord::to(&self.topic).partition(self.partition).key(&key);
            if let Some(value) = &value {
                record = record.payload(value);
            }
            self.producer.send(record).map_err(|(error, _)| error)?;
            self.written += 1;
        }
        if self.is_transactional {
            self.producer.commit_transaction(WITHIN)?;
        } else {
            self.producer.flush(WITHIN)?;
        }
        Ok(Amount {
            records,
            bytes: self.sent() - before,
        })
    }

    /// What has been sent so far, as it is told after now.
    fn sent(&self) -> u64 {
        let told = self.counts.told.load(Ordering::SeqCst);
        let deadline = Instant::now() + WITHIN;
        while self.counts.told.load(Ordering::SeqCst) < told + 2 && Instant::now() < deadline {
            self.producer.poll(POLL);
        }
        self.counts.sent.load(Ordering::SeqCst)
    }
}

/// Lets everybody write so many records at the same time; what each wrote comes in their order.
pub(crate) fn burst_all<'a>(
    work: impl IntoIterator<Item = (&'a mut Writer, u64, Values)>,
) -> Outcome<Vec<Amount>> {
    let amounts = std::thread::scope(|scope| {
        let write = |(writer, records, values): (&'a mut Writer, u64, Values)| {
            scope.spawn(move || writer.burst(records, values).map_err(|error| error.to_string()))
        };
        let writing: Vec<_> = work.into_iter().map(write).collect();
        let panicked = |_| "a writer panicked".to_owned();
        let joined = writing.into_iter().map(|thread| thread.join().map_err(panicked)?);
        joined.collect::<Result<_, String>>()
    })?;
    Ok(amounts)
}

fn value(values: Values, number: u64) -> Option<Vec<u8>> {
    match values {
        Values::Random => Some(random(number)),
        Values::Text => {
            let line = format!("order {number} was shipped to customer {} on time; ", number % 97);
            Some(line.bytes().cycle().take(1_000).collect())
        }
        Values::Tombstones => number.is_multiple_of(10).then(|| random(number)),
    }
}

/// A thousand bytes that differ for each number (xorshift, G. Marsaglia 2003).
fn random(number: u64) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..125).flat_map(|_| next()).collect()
}

/// How a reader behaves.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reading {
    /// The group to which it commits; none commits nothing.
    pub(crate) group: Option<String>,
    /// Where it begins; none at the end.
    pub(crate) from: Option<i64>,
    /// How many records a second it reads at most; none as many as there are.
    pub(crate) at_most: Option<u64>,
    /// `client.rack`.
    pub(crate) rack: Option<String>,
}

/// A consumer of one partition on a thread of its own.
pub(crate) struct Reader {
    counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
    /// An offset to go to; below 0 none.
    seek: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

const NO_SEEK: u64 = u64::MAX;

impl Reader {
    pub(crate) fn start(bootstrap: &str, topic: &str, partition: i32, reading: &Reading) -> Outcome<Self> {
        let context = Counting::default();
        let counts = Arc::clone(&context.0);
        // One that reads all the time is compared over windows, in which a few large answers more or less would show.
        let most = match reading.at_most {
            Some(_) => "2000",
            None => "50000",
        };
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", bootstrap)
            .set("group.id", reading.group.as_deref().unwrap_or("nobody"))
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "500")
            // What is fetched long before it is read would be counted by the broker long before it is committed.
            .set("queued.min.messages", "1")
            .set("fetch.message.max.bytes", most)
            .set("fetch.max.bytes", most)
            .set("message.max.bytes", most)
            .set("receive.message.max.bytes", "10000000")
            // One that waits for a second before it asks for more seems to have read all.
            .set("fetch.queue.backoff.ms", "20")
            .set("statistics.interval.ms", "100");
        if let Some(rack) = &reading.rack {
            config.set("client.rack", rack);
        }
        let consumer: BaseConsumer<Counting> = config.create_with_context(context)?;
        let mut assigned = TopicPartitionList::new();
        let from = reading.from.map_or(Offset::End, Offset::Offset);
        assigned.add_partition_offset(topic, partition, from)?;
        consumer.assign(&assigned)?;
        let stop = Arc::new(AtomicBool::new(false));
        let seek = Arc::new(AtomicU64::new(NO_SEEK));
        let task = Task {
            consumer,
            topic: topic.to_owned(),
            partition,
            commits: reading.group.is_some(),
            at_most: reading.at_most,
            stop: Arc::clone(&stop),
            seek: Arc::clone(&seek),
        };
        Ok(Self {
            counts,
            stop,
            seek,
            thread: Some(std::thread::spawn(move || task.run())),
        })
    }

    /// Goes to another offset.
    pub(crate) fn seek(&self, offset: u64) {
        self.seek.store(offset, Ordering::SeqCst);
    }

    /// Bytes that it has received so far.
    pub(crate) fn received(&self) -> u64 {
        self.counts.received.load(Ordering::SeqCst)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // A reader that panicked has told so already.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

struct Task {
    consumer: BaseConsumer<Counting>,
    topic: String,
    partition: i32,
    commits: bool,
    at_most: Option<u64>,
    stop: Arc<AtomicBool>,
    seek: Arc<AtomicU64>,
}

impl Task {
    fn run(self) {
        let mut uncommitted = 0_u32;
        while !self.stop.load(Ordering::SeqCst) {
            let offset = self.seek.swap(NO_SEEK, Ordering::SeqCst);
            if let Ok(offset) = i64::try_from(offset) {
                let offset = Offset::Offset(offset);
                if let Err(error) = self.consumer.seek(&self.topic, self.partition, offset, WITHIN) {
                    eprintln!(
                        "{}-{} cannot go to another offset: {error}",
                        self.topic, self.partition
                    );
                }
            }
            match self.consumer.poll(POLL) {
                Some(Ok(_)) => {
                    uncommitted += 1;
                    if let Some(at_most) = self.at_most {
                        sleep(Duration::from_secs(1) / u32::try_from(at_most).unwrap_or(u32::MAX));
                    }
                }
                Some(Err(error)) => eprintln!("{}-{}: {error}", self.topic, self.partition),
                None => self.commit(&mut uncommitted),
            }
            if uncommitted >= COMMIT_EVERY {
                self.commit(&mut uncommitted);
            }
        }
    }

    fn commit(&self, uncommitted: &mut u32) {
        if self.commits && *uncommitted > 0 {
            *uncommitted = 0;
            if let Err(error) = self.consumer.commit_consumer_state(CommitMode::Async) {
                eprintln!("{}-{} cannot commit: {error}", self.topic, self.partition);
            }
        }
    }
}
