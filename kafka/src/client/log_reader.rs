//! Reading what a compacted topic says now.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use krafka::ConsumerRecord;
use krafka::admin;
use krafka::consumer::{Consumer, IsolationLevel};
use tokio::time::Instant;

use super::errors;
use super::session::Session;
use crate::compacted_log::{Entry, LogError};
use crate::error::ClusterError;
use crate::ids::TopicName;

/// The last record of each key, in the order in which they were written, as of the moment of the call.
pub(super) async fn read(
    session: &Session,
    topic: &TopicName,
    max_bytes: usize,
) -> Result<Vec<Entry>, LogError> {
    let range = committed_range(session, topic)
        .await
        .map_err(LogError::Unavailable)?;
    let mut live = LiveRecords::new(max_bytes);
    if range.is_empty() {
        return Ok(live.into_entries());
    }
    let consumer = session
        .kafka()
        .consumer_without_group()
        .isolation_level(IsolationLevel::ReadCommitted)
        .metrics_push(false)
        .build()
        .await
        .map_err(|error| unavailable(topic, error))?;
    let outcome = read_range(&consumer, session.timeout(), topic, range, &mut live).await;
    if let Err(error) = consumer.close().await {
        tracing::debug!(%topic, %error, "the log's reader did not close");
    }
    outcome.map(|()| live.into_entries())
}

/// The offsets of the committed records: from the first one kept to the end of what no open transaction can undo.
pub(super) async fn committed_range(
    session: &Session,
    topic: &TopicName,
) -> Result<Range<i64>, ClusterError> {
    let partition = admin::TopicPartition::new(topic.as_str(), 0);
    let offset = async |which| {
        let committed = admin::ListOffsetsOptions::default().read_committed(true);
        let answer = session
            .admin
            .list_offsets([(partition.clone(), which)], committed)
            .await
            .and_then(|mut answers| {
                let left_out = || Err(krafka::KrafkaError::illegal_state("no offset in the answer"));
                answers.remove(&partition).unwrap_or_else(left_out)
            });
        session
            .outcome_for("ListOffsets", topic, answer)
            .map(|listed| listed.offset)
    };
    Ok(offset(admin::OffsetSpec::Earliest).await?..offset(admin::OffsetSpec::Latest).await?)
}

/// Polls until the position has passed the range; gives up when it stands still for `patience`.
async fn read_range(
    consumer: &Consumer,
    patience: Duration,
    topic: &TopicName,
    range: Range<i64>,
    live: &mut LiveRecords,
) -> Result<(), LogError> {
    let assigned = async {
        consumer.assign(topic.as_str(), vec![0]).await?;
        consumer.seek(topic.as_str(), 0, range.start).await
    };
    assigned.await.map_err(|error| unavailable(topic, error))?;
    let mut position = range.start;
    let mut moved = Instant::now();
    while position < range.end {
        let records = consumer
            .poll(Duration::from_millis(250))
            .await
            .map_err(|error| unavailable(topic, error))?;
        for record in records.into_iter().filter(|record| record.offset < range.end) {
            live.add(record)?;
        }
        // The end of a transaction takes an offset but is no record, so that only the position tells the end.
        let now_at = consumer.position(topic.as_str(), 0).await.unwrap_or(position);
        if now_at != position {
            position = now_at;
            moved = Instant::now();
        } else if moved.elapsed() > patience {
            return Err(LogError::Unavailable(ClusterError::TimedOut {
                operation: format!("Fetch of {topic} from offset {position}"),
            }));
        }
    }
    Ok(())
}

fn unavailable(topic: &TopicName, error: krafka::KrafkaError) -> LogError {
    LogError::Unavailable(errors::of_call("Fetch", topic, error))
}

/// The last record of each key so far.
struct LiveRecords {
    by_key: HashMap<String, (i64, Vec<u8>)>,
    bytes: usize,
    max_bytes: usize,
}

impl LiveRecords {
    fn new(max_bytes: usize) -> Self {
        Self {
            by_key: HashMap::new(),
            bytes: 0,
            max_bytes,
        }
    }

    fn add(&mut self, record: ConsumerRecord) -> Result<(), LogError> {
        let key = record.key.as_deref().map(std::str::from_utf8);
        let Some(Ok(key)) = key else {
            let place = format!("{}-{} offset {}", record.topic, record.partition, record.offset);
            return Err(LogError::Unavailable(ClusterError::Nonsense(format!(
                "the record at {place} has no key in UTF-8; is something else writing to this topic?"
            ))));
        };
        if let Some((_, old)) = self.by_key.remove(key) {
            self.bytes -= key.len() + old.len();
        }
        if let Some(value) = record.value {
            self.bytes += key.len() + value.len();
            if self.bytes > self.max_bytes {
                return Err(LogError::TooLarge {
                    limit: self.max_bytes,
                });
            }
            self.by_key
                .insert(key.to_owned(), (record.offset, value.to_vec()));
        }
        Ok(())
    }

    fn into_entries(self) -> Vec<Entry> {
        let mut records: Vec<_> = self.by_key.into_iter().collect();
        records.sort_unstable_by_key(|(_, (offset, _))| *offset);
        let entry = |(key, (_, value))| Entry {
            key,
            value: Some(value),
        };
        records.into_iter().map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(max_bytes: usize, records: &[(Option<&str>, Option<&str>)]) -> Result<Vec<Entry>, LogError> {
        let mut live = LiveRecords::new(max_bytes);
        for (offset, (key, value)) in (0..).zip(records) {
            let bytes = |text: &str| text.to_owned().into_bytes().into();
            live.add(ConsumerRecord::new(
                "journal",
                0,
                offset,
                key.map(bytes),
                value.map(bytes),
            ))?;
        }
        Ok(live.into_entries())
    }

    fn entry(key: &str, value: &str) -> Entry {
        Entry {
            key: key.to_owned(),
            value: Some(value.as_bytes().to_vec()),
        }
    }

    #[test]
    fn the_last_record_of_a_key_counts_in_the_order_of_writing() {
        let records = [
            (Some("a"), Some("1")),
            (Some("b"), Some("1")),
            (Some("c"), Some("1")),
            (Some("a"), Some("2")),
            (Some("b"), None),
        ];
        assert_eq!(
            read_all(100, &records).unwrap(),
            [entry("c", "1"), entry("a", "2")]
        );
    }

    #[test]
    fn only_live_records_count_towards_the_limit() {
        let records = [
            (Some("a"), Some("123")),
            (Some("a"), Some("456")),
            (Some("b"), Some("7")),
        ];
        assert_eq!(read_all(6, &records).unwrap().len(), 2);
        assert!(matches!(
            read_all(5, &records),
            Err(LogError::TooLarge { limit: 5 })
        ));
    }

    #[test]
    fn a_record_that_this_program_cannot_have_written_is_an_error() {
        assert!(matches!(
            read_all(100, &[(None, Some("1"))]),
            Err(LogError::Unavailable(ClusterError::Nonsense(_)))
        ));
    }
}
