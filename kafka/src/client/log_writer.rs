//! Writing to a compacted topic, one transaction an append.

use std::fmt::Display;
use std::time::Duration;

use krafka::error::{ErrorCode, KrafkaError};
use krafka::producer::{TransactionState, TransactionalProducer};
use krafka::{CloseOptions, Record};

use super::errors;
use crate::compacted_log::{Entry, LogError, LogWriter};
use crate::error::ClusterError;
use crate::ids::TopicName;

/// The one writer of a [`KafkaCompactedLog`](super::KafkaCompactedLog).
///
/// After [`LogError::Unavailable`] it can be used on: the next append first ends what the failed one left. Where Kafka said
/// something after which a producer may not go on (it ended the transaction after `transaction.timeout.ms`, a withdrawn
/// permission), and where it refused the credentials, which are read once, this and later appends fail with
/// [`LogError::Closed`].
///
/// Until version 4.0 Kafka says of a transaction that it ended itself what it says to a fenced writer, and the writer counts as
/// fenced: one that opened the log again would take it from whoever has taken over meanwhile.
///
/// Kafka forgets a transactional id that has not been used for `transactional.id.expiration.ms` (seven days). Its writer
/// then cannot be told from a fenced one, and is told that it is fenced; opening the log again helps.
#[derive(Debug)]
pub struct KafkaLogWriter {
    /// Always there until it is dropped.
    producer: Option<TransactionalProducer>,
    topic: TopicName,
    fenced: bool,
}

impl LogWriter for KafkaLogWriter {
    /// Ends within three times the connection's `request_timeout`, a failure within four times.
    async fn append(&mut self, entries: Vec<Entry>) -> Result<(), LogError> {
        if self.fenced {
            return Err(LogError::Fenced);
        }
        let (Some(producer), false) = (&self.producer, entries.is_empty()) else {
            return Ok(());
        };
        let outcome = match settle(producer, &self.topic).await {
            Ok(()) => write(producer, &self.topic, entries).await,
            Err(error) => Err(error),
        };
        let Err(error) = outcome else { return Ok(()) };
        let mut error = log_error("Produce", &self.topic, error);
        if producer.state() == TransactionState::Open
            && let Err(abort_error) = producer.abort().await
        {
            // What the coordinator says of the abort may be the first to tell of a new writer.
            if is_fencing(&abort_error) {
                error = LogError::Fenced;
            }
            tracing::debug!(topic = %self.topic, error = %abort_error, "the transaction could not be aborted");
        }
        self.fenced = matches!(error, LogError::Fenced);
        Err(match (error, producer.state()) {
            // Only opening reads the password again.
            (LogError::Unavailable(cause @ ClusterError::Authentication { .. }), _) => {
                LogError::Closed(cause)
            }
            (
                LogError::Unavailable(cause),
                TransactionState::Ready | TransactionState::Open | TransactionState::CommitUnknown,
            ) => LogError::Unavailable(cause),
            (LogError::Unavailable(cause), _) => LogError::Closed(cause),
            (error, _) => error,
        })
    }
}

impl KafkaLogWriter {
    pub(super) fn new(producer: TransactionalProducer, topic: TopicName) -> Self {
        Self {
            producer: Some(producer),
            topic,
            fenced: false,
        }
    }
}

impl Drop for KafkaLogWriter {
    /// Lets go of the connection in the background; there is nothing left to write.
    fn drop(&mut self) {
        if let (Some(producer), Ok(runtime)) = (self.producer.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                let soon = CloseOptions::new().timeout(Duration::from_secs(1));
                if let Err(error) = producer.close_with(soon).await {
                    tracing::debug!(%error, "the log's writer did not close");
                }
            });
        }
    }
}

/// Ends what a failed append left, so that a new transaction can begin.
async fn settle(producer: &TransactionalProducer, topic: &TopicName) -> krafka::Result<()> {
    if producer.state() == TransactionState::Ready {
        return Ok(());
    }
    // After all brokers were away the library knows none; it finds them again for a topic, but not for a transaction.
    producer.partitions_for(topic.as_str()).await?;
    match producer.state() {
        TransactionState::Open => producer.abort().await,
        // The commit was sent and not answered. Aborting now could undo the next transaction (KAFKA-17754);
        // committing again is harmless.
        TransactionState::CommitUnknown => producer.commit().await,
        _ => Err(KrafkaError::broker(
            ErrorCode::InvalidTxnState,
            "this writer cannot go on; open the log again",
        )),
    }
}

async fn write(
    producer: &TransactionalProducer,
    topic: &TopicName,
    entries: Vec<Entry>,
) -> krafka::Result<()> {
    producer.begin()?;
    let mut sent = Vec::with_capacity(entries.len());
    let mut refused = None;
    for entry in entries {
        let record = match entry.value {
            Some(value) => Record::new(topic.as_str(), value).key(entry.key),
            None => Record::tombstone(topic.as_str(), entry.key),
        };
        match producer.enqueue(record.partition(0)).await {
            Ok(delivery) => sent.push(delivery),
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    // A record that was refused because an earlier one failed does not know why; the earlier one does.
    for delivery in sent {
        let _acknowledged = delivery.await?;
    }
    match refused {
        Some(error) => Err(error),
        None => producer.commit().await,
    }
}

/// What a failed request means for the log.
pub(super) fn log_error(operation: &str, subject: &dyn Display, error: KrafkaError) -> LogError {
    if is_fencing(&error) {
        return LogError::Fenced;
    }
    LogError::Unavailable(match error {
        KrafkaError::TransactionAbortable { message } => ClusterError::Refused {
            code: "TRANSACTION_ABORTABLE".to_owned(),
            message,
            retriable: true,
        },
        error => errors::of_call(operation, subject, error),
    })
}

/// Whether another writer has taken over.
///
/// It shows in several ways: the coordinator answers `PRODUCER_FENCED` or, to older requests, `INVALID_PRODUCER_EPOCH`;
/// `INVALID_PRODUCER_ID_MAPPING` where the id's epochs were used up and the new writer has another producer id;
/// and a partition's leader answers `INVALID_PRODUCER_EPOCH` to a record, which with transactions of version 2 (KIP-890)
/// the library reports as a transaction to be aborted, keeping the code only in the text.
fn is_fencing(error: &KrafkaError) -> bool {
    const CODES: [ErrorCode; 3] = [
        ErrorCode::ProducerFenced,
        ErrorCode::InvalidProducerEpoch,
        ErrorCode::InvalidProducerIdMapping,
    ];
    match error {
        KrafkaError::Fenced { .. } => true,
        KrafkaError::Broker { code, .. } => CODES.contains(code),
        KrafkaError::TransactionAbortable { message } => {
            CODES.iter().any(|code| message.contains(&format!("{code:?}")))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_fencing_is_fencing() {
        for error in [
            KrafkaError::fenced("ProducerFenced: failed to commit transaction"),
            KrafkaError::broker(ErrorCode::ProducerFenced, "x"),
            KrafkaError::broker(ErrorCode::InvalidProducerEpoch, "x"),
            KrafkaError::broker(ErrorCode::InvalidProducerIdMapping, "x"),
            KrafkaError::transaction_abortable("produce to journal-0 failed with InvalidProducerEpoch"),
            KrafkaError::transaction_abortable(
                "cannot commit: a send in this transaction failed (transaction must be aborted: produce to \
                 journal-0 failed with InvalidProducerEpoch); abort the transaction",
            ),
        ] {
            assert!(matches!(
                log_error("Produce", &"journal", error),
                LogError::Fenced
            ));
        }
    }

    #[test]
    fn nothing_else_is_fencing() {
        for error in [
            KrafkaError::timeout("EndTxn"),
            KrafkaError::delivery_timeout(true, "produce to journal-0"),
            KrafkaError::transaction_abortable("produce to journal-0 failed with NotEnoughReplicas"),
            KrafkaError::broker(ErrorCode::TransactionalIdAuthorizationFailed, "x"),
            KrafkaError::broker(ErrorCode::CoordinatorNotAvailable, "x"),
        ] {
            let error = log_error("Produce", &"journal", error);
            assert!(matches!(error, LogError::Unavailable(_)), "{error:?}");
        }
    }
}
