//! Reads back what a load wrote, and accounts for every record of it.

mod audit;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Message, Offset, TopicPartitionList};
use serde::Serialize;
use thiserror::Error;

use crate::ledger::Accounts;
use crate::record::Header;
use crate::settings::Connection;
use audit::Audit;

const POLL: Duration = Duration::from_millis(200);
/// How long the end offset of a partition, or the next record, may take.
const PROGRESS_WITHIN: Duration = Duration::from_secs(60);
/// How many lost records a report names.
const SAMPLES: usize = 20;

/// What became of a load's records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct WitnessReport {
    /// Records that the cluster acknowledged.
    pub acknowledged: u64,
    /// Acknowledged records that are not in the log.
    pub lost: u64,
    /// Records that are in the log again.
    pub duplicated: u64,
    /// Records that come after one that was sent later to the same partition.
    pub out_of_order: u64,
    /// Records in the log that were not acknowledged, which is allowed.
    pub unacknowledged_but_there: u64,
    /// Records that this load did not send.
    pub foreign: u64,
    /// The first lost ones.
    pub lost_samples: Vec<RecordName>,
}

impl WitnessReport {
    /// Whether every acknowledged record is there once and in order.
    pub fn is_clean(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.out_of_order == 0
    }
}

/// One record of a load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordName {
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// The record's number among those of the load in this partition.
    pub sequence: u64,
}

/// Why the log could not be read.
#[derive(Debug, Error)]
pub enum WitnessError {
    /// Kafka refused.
    #[error("the witness cannot read {what}")]
    Read {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        source: KafkaError,
    },
    /// Nothing came any more.
    #[error(
        "the witness got nothing from the cluster for {PROGRESS_WITHIN:?}, with {partitions} partitions unread"
    )]
    Stalled {
        /// How many partitions were not read to their end.
        partitions: usize,
    },
    /// The reading thread died.
    #[error("the witness panicked")]
    Panicked,
}

/// Reads every partition of the accounts from its beginning to its present end, with a consumer that belongs to
/// no group, and compares. Needs a bit of memory for each record.
///
/// # Errors
///
/// [`WitnessError`] when not everything could be read, in which case nothing is proven.
pub async fn verify(connection: &Connection, accounts: &Accounts) -> Result<WitnessReport, WitnessError> {
    let (connection, accounts) = (connection.clone(), accounts.clone());
    let read = move || read_all(&connection, &accounts);
    tokio::task::spawn_blocking(read)
        .await
        .map_err(|_| WitnessError::Panicked)?
}

struct Reading {
    /// The offset after the last record.
    end: i64,
    audit: Audit,
}

fn read_all(connection: &Connection, accounts: &Accounts) -> Result<WitnessReport, WitnessError> {
    let mut config = connection.client_config();
    let client: BaseConsumer = config
        .set("client.id", "kafka-load-witness")
        // librdkafka wants the property for any consumer; nothing joins this group or commits to it.
        .set("group.id", "kafka-load-witness")
        .set("enable.auto.commit", "false")
        .set("check.crcs", "true")
        .create()
        .map_err(failed("the cluster"))?;

    let mut report = WitnessReport::default();
    let mut unread: HashMap<(String, i32), Reading> = HashMap::new();
    let mut assignment = TopicPartitionList::new();
    for account in &accounts.partitions {
        let (topic, partition) = (account.topic.as_str(), account.partition);
        let what = format!("the offsets of {topic}-{partition}");
        let (start, end) = first_and_end(&client, topic, partition).map_err(failed(&what))?;
        let reading = Reading {
            end,
            audit: Audit::new(account),
        };
        if start < end {
            assignment
                .add_partition_offset(topic, partition, Offset::Beginning)
                .map_err(failed(&what))?;
            unread.insert((topic.to_owned(), partition), reading);
        } else {
            reading.audit.finish(&mut report);
        }
    }
    client.assign(&assignment).map_err(failed("its partitions"))?;

    let mut progress = Instant::now();
    while !unread.is_empty() {
        match client.poll(POLL) {
            Some(Ok(message)) => {
                progress = Instant::now();
                let key = (message.topic().to_owned(), message.partition());
                let Some(reading) = unread.get_mut(&key) else {
                    continue;
                };
                if message.offset() < reading.end {
                    let header = message.payload().and_then(Header::decode);
                    match header.filter(|header| header.run == accounts.run) {
                        Some(header) => reading.audit.observe(header.sequence),
                        None => reading.audit.observe_foreign(),
                    }
                }
                if message.offset() + 1 >= reading.end
                    && let Some(reading) = unread.remove(&key)
                {
                    reading.audit.finish(&mut report);
                }
            }
            // Brokers may come and go while the witness reads; only the lack of progress counts.
            Some(Err(error)) => tracing::debug!(%error, "the witness could not read for a moment"),
            None => {}
        }
        if progress.elapsed() > PROGRESS_WITHIN {
            return Err(WitnessError::Stalled {
                partitions: unread.len(),
            });
        }
    }
    Ok(report)
}

/// The offsets of a partition's first record and after its last one. A leader that has just been elected does not know its
/// end before a follower has asked it, and librdkafka hands that answer on as an error.
fn first_and_end(client: &BaseConsumer, topic: &str, partition: i32) -> Result<(i64, i64), KafkaError> {
    let begun = Instant::now();
    loop {
        match client.fetch_watermarks(topic, partition, PROGRESS_WITHIN) {
            Err(error) if begun.elapsed() < PROGRESS_WITHIN => {
                tracing::debug!(%error, topic, partition, "the witness could not learn offsets for a moment");
                std::thread::sleep(POLL);
            }
            answer => return answer,
        }
    }
}

fn failed(what: &str) -> impl FnOnce(KafkaError) -> WitnessError {
    let what = what.to_owned();
    move |source| WitnessError::Read { what, source }
}
