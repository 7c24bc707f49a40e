//! A producer on a thread of its own, which writes to each of its partitions at a given rate.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rand::{Rng, RngExt, SeedableRng};
use rand_distr::{Distribution, Zipf};
use rand_pcg::Pcg64Mcg;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::base_producer::{BaseProducer, BaseRecord};
use rdkafka::producer::{Producer as _, ProducerContext, PurgeConfig};

use crate::ledger::{Ledger, Sent};
use crate::record::{self, HEADER_BYTES, Header};
use crate::settings::{Connection, PartitionRate};

/// Fine enough that a partition's traffic is smooth at a second's resolution, coarse enough to cost nothing.
const TICK: Duration = Duration::from_millis(5);
/// What a partition may catch up after a stall, in seconds of its rate.
const BURST_SECONDS: f64 = 0.5;
/// How long the last acknowledgements may take.
const FLUSH_WITHIN: Duration = Duration::from_secs(60);
/// Values are slices of a random block at a random place, so that they cannot be compressed and cost little.
const RANDOM_BLOCK_BYTES: usize = 2 << 20;

/// What a producer shares with those who watch and steer it.
#[derive(Debug)]
pub(crate) struct Shared {
    ledger: Mutex<Ledger>,
    /// By the index of the partition in the ledger, in bytes/s.
    rates: Mutex<Vec<f64>>,
    stop: AtomicBool,
}

impl Shared {
    pub(crate) fn new(rates: &[PartitionRate]) -> Result<Arc<Self>, hdrhistogram::CreationError> {
        let partitions = rates.iter().map(|rate| (rate.topic.clone(), rate.partition));
        Ok(Arc::new(Self {
            ledger: Mutex::new(Ledger::new(partitions)?),
            rates: Mutex::new(rates.iter().map(|rate| rate.bytes_per_second).collect()),
            stop: AtomicBool::new(false),
        }))
    }

    /// The ledger is whole between any two statements that change it, so that a poisoned lock is no reason to
    /// stop.
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn rates(&self) -> MutexGuard<'_, Vec<f64>> {
        self.rates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

struct Reports(Arc<Shared>);

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Sent>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Sent>) {
        match result {
            Ok(_) => self
                .0
                .ledger()
                .acknowledged(&sent, Instant::now(), SystemTime::now()),
            Err((error, _)) => {
                tracing::debug!(%error, sent.sequence, "a record was not acknowledged");
            }
        }
    }
}

/// What the records of a producer look like.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) run: u64,
    pub(crate) producer: u32,
    pub(crate) value_bytes: RangeInclusive<usize>,
    pub(crate) keys: Zipf<f64>,
    pub(crate) linger: Duration,
    pub(crate) seed: u64,
}

struct Lane {
    topic: String,
    partition: i32,
    sequence: u64,
    /// Bytes that may be sent now; one record may overdraw it.
    credit: f64,
}

pub(crate) struct Producer {
    client: BaseProducer<Reports>,
    shared: Arc<Shared>,
    lanes: Vec<Lane>,
    shape: Shape,
    random: Pcg64Mcg,
    block: Vec<u8>,
    value: Vec<u8>,
}

impl Producer {
    pub(crate) fn connect(
        connection: &Connection,
        partitions: &[PartitionRate],
        shape: Shape,
        shared: Arc<Shared>,
    ) -> Result<Self, KafkaError> {
        let mut config = connection.client_config();
        config
            .set("client.id", format!("kafka-load-{}", shape.producer))
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", shape.linger.as_millis().to_string())
            .set("compression.type", "none");
        let client = config.create_with_context(Reports(Arc::clone(&shared)))?;
        let mut random = Pcg64Mcg::seed_from_u64(shape.seed ^ u64::from(shape.producer));
        let mut block = vec![0; RANDOM_BLOCK_BYTES.max(2 * shape.value_bytes.end())];
        random.fill_bytes(&mut block);
        let lanes = partitions.iter().map(|rate| Lane {
            topic: rate.topic.clone(),
            partition: rate.partition,
            sequence: 0,
            // A random phase, so that equal partitions do not send all at the same tick.
            credit: -random.random::<f64>() * *shape.value_bytes.end() as f64,
        });
        Ok(Self {
            client,
            shared,
            lanes: lanes.collect(),
            shape,
            random,
            block,
            value: Vec::new(),
        })
    }

    /// Sends until told to stop, then waits for the last acknowledgements; what is not acknowledged by then
    /// is booked as such.
    pub(crate) fn run(mut self) -> Result<(), KafkaError> {
        let mut last = Instant::now();
        while !self.shared.is_stopped() {
            let now = Instant::now();
            let elapsed = now.duration_since(last).as_secs_f64();
            last = now;
            let rates = self.shared.rates().clone();
            for (index, rate) in rates.into_iter().enumerate() {
                self.serve(index, rate, elapsed)?;
            }
            self.client.poll(TICK.saturating_sub(now.elapsed()));
        }
        if let Err(error) = self.client.flush(FLUSH_WITHIN) {
            tracing::warn!(%error, "the last records were not acknowledged in time");
            self.client.purge(PurgeConfig::default().queue().inflight());
            self.client.poll(Duration::from_secs(1));
        }
        Ok(())
    }

    /// Sends what one partition has earned in `elapsed` seconds.
    ///
    /// The first record goes out alone. A leader takes any sequence number of a producer that it does not know yet, and
    /// librdkafka then takes all requests before that one for acknowledged, also such as were refused
    /// (confluent-kafka-go#921). The witness would accuse the cluster of having lost them.
    fn serve(&mut self, index: usize, rate: f64, elapsed: f64) -> Result<(), KafkaError> {
        let lane = &mut self.lanes[index];
        lane.credit = (lane.credit + rate * elapsed).min((rate * BURST_SECONDS).max(1.0));
        if lane.sequence == 1 && !self.shared.ledger().has_acknowledged(index, 0) {
            return Ok(());
        }
        while self.lanes[index].credit > 0.0 {
            match self.send(index)? {
                Some(bytes) => self.lanes[index].credit -= bytes as f64,
                None => break,
            }
        }
        Ok(())
    }

    /// Sends one record, waiting for room in the producer's buffer; `None` when told to stop before there was
    /// any. Returns the record's bytes.
    fn send(&mut self, index: usize) -> Result<Option<u64>, KafkaError> {
        let lane = &mut self.lanes[index];
        let header = Header {
            run: self.shape.run,
            producer: self.shape.producer,
            sequence: lane.sequence,
        };
        let size = self.random.random_range(self.shape.value_bytes.clone());
        let start = self.random.random_range(0..self.block.len() - size);
        self.value.clear();
        self.value.extend_from_slice(&header.encode());
        self.value
            .extend_from_slice(&self.block[start..start + size - HEADER_BYTES]);
        let key = format!("key-{:08}", self.shape.keys.sample(&mut self.random) as u64);
        let bytes = record::bytes_in_log(key.len(), size);
        let mut sent = Box::new(Sent {
            partition: index,
            sequence: lane.sequence,
            bytes,
            at: Instant::now(),
        });
        loop {
            let record = BaseRecord::with_opaque_to(&lane.topic, sent)
                .partition(lane.partition)
                .key(&key)
                .payload(&self.value);
            match self.client.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), record)) => {
                    if self.shared.is_stopped() {
                        return Ok(None);
                    }
                    sent = record.delivery_opaque;
                    self.client.poll(TICK);
                }
                Err((error, _)) => return Err(error),
            }
        }
        // Reports come only in `poll`, on this thread, so that none can come before this.
        self.shared.ledger().sent(index, lane.sequence);
        lane.sequence += 1;
        Ok(Some(bytes))
    }
}
