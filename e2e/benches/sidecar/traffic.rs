//! Records to every partition for as long as something is measured, so that no report is made of zeros.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

/// How many records are sent at a time.
const BATCH: usize = 400;
/// How often.
const EVERY: Duration = Duration::from_millis(200);
/// The longest record, in bytes.
const LONGEST: usize = 2_000;

/// A thread that writes until this is dropped.
pub(super) struct Traffic {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Traffic {
    /// Writes a record to each partition, and then 2,000 a second: to partitions at random, the first ones more often, and
    /// each as long as it happens to be. The same for each run.
    pub(super) fn begin(bootstrap: &str, topics: &[String], partitions: u32) -> Result<Self, KafkaError> {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("linger.ms", "100")
            .create()?;
        let all: Vec<(String, i32)> = topics
            .iter()
            .flat_map(|topic| {
                (0..)
                    .zip(0..partitions)
                    .map(|(number, _)| (topic.clone(), number))
            })
            .collect();
        let payload = [0; LONGEST];
        for to in &all {
            send(&producer, to, &payload[..100])?;
        }
        producer.flush(Duration::from_secs(60))?;
        let ends = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ends);
        let thread = thread::spawn(move || {
            let mut random = Pcg64::seed_from_u64(1);
            while !told.load(Ordering::Relaxed) {
                for _ in 0..BATCH {
                    let skewed = random.random::<f64>() * random.random::<f64>();
                    let to = &all[(skewed * all.len() as f64) as usize];
                    let length = random.random_range(1..=LONGEST);
                    // A full queue only means that the broker is slower than this.
                    let _ = send(&producer, to, &payload[..length]);
                }
                producer.poll(Duration::ZERO);
                thread::sleep(EVERY);
            }
        });
        Ok(Self {
            ends,
            thread: Some(thread),
        })
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its panic would have been shown already.
            let _ = thread.join();
        }
    }
}

fn send(
    producer: &BaseProducer,
    (topic, partition): &(String, i32),
    payload: &[u8],
) -> Result<(), KafkaError> {
    let record = BaseRecord::<(), [u8]>::to(topic)
        .partition(*partition)
        .payload(payload);
    producer.send(record).map_err(|(error, _)| error)
}
