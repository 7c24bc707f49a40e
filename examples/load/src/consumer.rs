//! Consumer groups that read along.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use serde::Serialize;

use crate::settings::{Connection, GroupSettings};

const POLL: Duration = Duration::from_millis(200);

/// What a group has read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Consumption {
    /// `group.id`.
    pub group: String,
    /// Records.
    pub records: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) records: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) stop: AtomicBool,
}

pub(crate) struct Consumer {
    client: BaseConsumer,
    progress: Arc<Progress>,
}

impl Consumer {
    pub(crate) fn connect(
        connection: &Connection,
        group: &GroupSettings,
        progress: Arc<Progress>,
    ) -> Result<Self, KafkaError> {
        let mut config = connection.client_config();
        let client: BaseConsumer = config
            .set("client.id", &group.id)
            .set("group.id", &group.id)
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "true")
            .set(
                "auto.commit.interval.ms",
                group.commit_interval.as_millis().to_string(),
            )
            // A reader that keeps up needs little; the default would hold 64 MB for one that does not.
            .set("queued.max.messages.kbytes", "8192")
            // Nor does it need every record at once: a request a few times a second is far fewer of them.
            .set("fetch.min.bytes", "65536")
            .set("fetch.wait.max.ms", "250")
            .create()?;
        let topics: Vec<&str> = group.topics.iter().map(String::as_str).collect();
        client.subscribe(&topics)?;
        Ok(Self { client, progress })
    }

    /// Reads until told to stop; errors on the way are Kafka's to heal, and logged.
    pub(crate) fn run(self) {
        while !self.progress.stop.load(Ordering::Relaxed) {
            match self.client.poll(POLL) {
                Some(Ok(message)) => {
                    let bytes = message.key_len() + message.payload_len();
                    self.progress.records.fetch_add(1, Ordering::Relaxed);
                    self.progress.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
                }
                Some(Err(error)) => tracing::debug!(%error, "a consumer could not read for a moment"),
                None => {}
            }
        }
    }
}
