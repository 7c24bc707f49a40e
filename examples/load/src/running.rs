//! A load that runs.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use hdrhistogram::Histogram;
use rand_distr::Zipf;
use rdkafka::error::KafkaError;
use thiserror::Error;

use crate::consumer::{Consumer, Consumption, Progress};
use crate::latency::{self, HistogramWindow, Latencies};
use crate::ledger::Accounts;
use crate::producer::{Producer, Shape, Shared};
use crate::settings::{InvalidSettings, LoadSettings, PartitionRate};

/// A change of rates while the load runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Shift {
    /// The topic.
    pub topic: String,
    /// The partition, or every one of the topic.
    pub partition: Option<i32>,
    /// What to multiply the present rate by.
    pub factor: f64,
}

/// What can go wrong with a load.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The settings make no sense.
    #[error("the load's settings make no sense")]
    Settings(#[from] InvalidSettings),
    /// A client could not be made, or failed for good.
    #[error("{client} failed")]
    Client {
        /// Which one.
        client: String,
        /// Why.
        #[source]
        source: KafkaError,
    },
    /// The keys' distribution is impossible.
    #[error("the keys' distribution is impossible")]
    Keys(#[from] rand_distr::ZipfError),
    /// The latencies cannot be recorded.
    #[error("the latencies cannot be recorded")]
    Histogram(#[from] hdrhistogram::CreationError),
    /// The system gives no thread.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// A thread of the load died.
    #[error("a thread of the load panicked, so that its accounts cannot be trusted")]
    Panicked,
    /// A shift that means no partition of the load.
    #[error(
        "the load has no partition that the shift of {topic} could mean, or its factor {factor} is no factor"
    )]
    Shift {
        /// The topic.
        topic: String,
        /// The factor.
        factor: f64,
    },
}

/// A running load. Dropping it stops it without waiting for the last acknowledgements to be counted.
#[derive(Debug)]
pub struct Load {
    run: u64,
    producers: Vec<RunningProducer>,
    consumers: Vec<RunningConsumer>,
}

#[derive(Debug)]
struct RunningProducer {
    shared: Arc<Shared>,
    partitions: Vec<(String, i32)>,
    thread: Option<JoinHandle<Result<(), KafkaError>>>,
}

#[derive(Debug)]
struct RunningConsumer {
    group: String,
    progress: Arc<Progress>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    /// Starts the producers and consumers. The topics must exist.
    ///
    /// # Errors
    ///
    /// [`LoadError`]; a cluster that cannot be reached is no error here, since it may come.
    pub fn start(settings: &LoadSettings) -> Result<Self, LoadError> {
        settings.validate()?;
        let run = RandomState::new().hash_one(SystemTime::now());
        let mut load = Self {
            run,
            producers: Vec::new(),
            consumers: Vec::new(),
        };
        for group in &settings.groups {
            let progress = Arc::new(Progress::default());
            let consumer = Consumer::connect(&settings.connection, group, Arc::clone(&progress))
                .map_err(client_failed(&format!("group {}", group.id)))?;
            load.consumers.push(RunningConsumer {
                group: group.id.clone(),
                progress,
                thread: Some(spawn(&group.id, move || consumer.run())?),
            });
        }
        for (producer, partitions) in (0..).zip(deal(settings.rates(), settings.producers)) {
            load.producers
                .push(start_producer(settings, run, producer, &partitions)?);
        }
        Ok(load)
    }

    /// Changes the rate of a partition or of a topic, at once and until the next shift.
    ///
    /// # Errors
    ///
    /// [`LoadError::Shift`].
    pub fn shift(&self, shift: &Shift) -> Result<(), LoadError> {
        let valid = shift.factor.is_finite() && shift.factor >= 0.0;
        let mut changed = 0;
        for producer in self.producers.iter().filter(|_| valid) {
            let mut rates = producer.shared.rates();
            for ((topic, partition), rate) in producer.partitions.iter().zip(rates.iter_mut()) {
                if *topic == shift.topic && shift.partition.is_none_or(|wanted| wanted == *partition) {
                    *rate *= shift.factor;
                    changed += 1;
                }
            }
        }
        if changed == 0 {
            let (topic, factor) = (shift.topic.clone(), shift.factor);
            return Err(LoadError::Shift { topic, factor });
        }
        Ok(())
    }

    /// The rates that the producers aim at now.
    pub fn rates(&self) -> Vec<PartitionRate> {
        let of_producer = |producer: &RunningProducer| {
            let rates = producer.shared.rates().clone();
            let named = producer.partitions.iter().zip(rates);
            let rate = |((topic, partition), bytes_per_second): (&(String, i32), f64)| PartitionRate {
                topic: topic.clone(),
                partition: *partition,
                bytes_per_second,
            };
            named.map(rate).collect::<Vec<_>>()
        };
        self.producers.iter().flat_map(of_producer).collect()
    }

    /// Latencies of the acknowledgements until now; starts a new [`Latencies::since_last`].
    ///
    /// # Errors
    ///
    /// [`LoadError::Histogram`].
    pub fn latencies(&self) -> Result<Latencies, LoadError> {
        let mut since_last = latency::recorder()?;
        let mut overall = latency::recorder()?;
        for producer in &self.producers {
            let mut ledger = producer.shared.ledger();
            // All recorders have the same bounds, so that adding cannot fail.
            let _ = since_last.add(&ledger.since_last);
            let _ = overall.add(&ledger.overall);
            ledger.since_last.reset();
        }
        Ok(Latencies {
            since_last: HistogramWindow::from(&since_last),
            overall: HistogramWindow::from(&overall),
        })
    }

    /// All latencies until now in microseconds, as in [`Latencies::overall`]. What came between two calls is the
    /// second less the first ([`Histogram::subtract`]), so that several readers can each have their own windows.
    ///
    /// # Errors
    ///
    /// [`LoadError::Histogram`].
    pub fn histogram(&self) -> Result<Histogram<u64>, LoadError> {
        let mut overall = latency::recorder()?;
        for producer in &self.producers {
            // All recorders have the same bounds, so that adding cannot fail.
            let _ = overall.add(&producer.shared.ledger().overall);
        }
        Ok(overall)
    }

    /// The bytes appended to a partition's log, by the time of their acknowledgement, as its leader counts them:
    /// records without what replication adds, batch headers included. A second that is partly in the window
    /// counts in proportion, so that windows of whole seconds are the exact ones. The last hour is kept. `None`
    /// for a partition that the load does not have.
    pub fn bytes_in(&self, topic: &str, partition: i32, from: SystemTime, to: SystemTime) -> Option<f64> {
        self.producers.iter().find_map(|producer| {
            let index = producer
                .partitions
                .iter()
                .position(|(t, p)| t == topic && *p == partition)?;
            Some(
                producer.shared.ledger().partitions[index]
                    .history
                    .between(from, to),
            )
        })
    }

    /// How many records have been acknowledged until now.
    pub fn acknowledged(&self) -> u64 {
        self.producers
            .iter()
            .map(|producer| producer.shared.ledger().overall.len())
            .sum()
    }

    /// What each group has read until now.
    pub fn consumed(&self) -> Vec<Consumption> {
        let of_group = |consumer: &RunningConsumer| Consumption {
            group: consumer.group.clone(),
            records: consumer.progress.records.load(Ordering::Relaxed),
            bytes: consumer.progress.bytes.load(Ordering::Relaxed),
        };
        self.consumers.iter().map(of_group).collect()
    }

    /// Stops producers and consumers, waits up to a minute for the last acknowledgements, and returns the truth.
    ///
    /// # Errors
    ///
    /// [`LoadError::Client`] when a producer failed for good while it ran, and [`LoadError::Panicked`].
    pub async fn stop(mut self) -> Result<Accounts, LoadError> {
        let end = move || {
            self.signal_stop();
            for producer in &mut self.producers {
                let Some(thread) = producer.thread.take() else {
                    continue;
                };
                let ended = thread.join().map_err(|_| LoadError::Panicked)?;
                ended.map_err(client_failed("a producer"))?;
            }
            for consumer in &mut self.consumers {
                let Some(thread) = consumer.thread.take() else {
                    continue;
                };
                thread.join().map_err(|_| LoadError::Panicked)?;
            }
            Ok(self.accounts())
        };
        tokio::task::spawn_blocking(end)
            .await
            .map_err(|_| LoadError::Panicked)?
    }

    fn accounts(&self) -> Accounts {
        let of_producer = |producer: &RunningProducer| {
            let ledger = producer.shared.ledger();
            ledger
                .partitions
                .iter()
                .map(|partition| partition.account.clone())
                .collect::<Vec<_>>()
        };
        Accounts {
            run: self.run,
            partitions: self.producers.iter().flat_map(of_producer).collect(),
            consumed: self.consumed(),
        }
    }

    fn signal_stop(&self) {
        for producer in &self.producers {
            producer.shared.stop();
        }
        for consumer in &self.consumers {
            consumer.progress.stop.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.signal_stop();
    }
}

fn start_producer(
    settings: &LoadSettings,
    run: u64,
    producer: u32,
    partitions: &[PartitionRate],
) -> Result<RunningProducer, LoadError> {
    let shared = Shared::new(partitions)?;
    let shape = Shape {
        run,
        producer,
        value_bytes: settings.value_bytes.clone(),
        keys: Zipf::new(settings.keys.into(), settings.key_skew)?,
        linger: settings.linger,
        seed: settings.seed,
    };
    let name = format!("producer {producer}");
    let client = Producer::connect(&settings.connection, partitions, shape, Arc::clone(&shared))
        .map_err(client_failed(&name))?;
    Ok(RunningProducer {
        shared,
        partitions: partitions
            .iter()
            .map(|rate| (rate.topic.clone(), rate.partition))
            .collect(),
        thread: Some(spawn(&name, move || client.run())?),
    })
}

/// Deals the partitions like cards, so that each is one producer's and its sequence numbers are dense.
fn deal(rates: Vec<PartitionRate>, producers: u32) -> Vec<Vec<PartitionRate>> {
    let mut hands = vec![Vec::new(); rates.len().min(producers as usize)];
    let count = hands.len();
    for (index, rate) in rates.into_iter().enumerate() {
        hands[index % count].push(rate);
    }
    hands
}

fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, LoadError> {
    // Linux shows 15 bytes of a thread's name; a NUL in it would be a panic.
    let name = name.replace('\0', "");
    thread::Builder::new()
        .name(name)
        .spawn(work)
        .map_err(LoadError::Thread)
}

fn client_failed(client: &str) -> impl FnOnce(KafkaError) -> LoadError {
    let client = client.to_owned();
    move |source| LoadError::Client { client, source }
}
