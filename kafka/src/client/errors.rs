//! What `krafka` says went wrong, as [`ClusterError`].

use std::fmt::Display;
use std::io;

use krafka::error::{ErrorCode, KrafkaError, ProtocolErrorKind};

use crate::error::ClusterError;

/// Why connecting failed. What `krafka` calls a configuration error is then one of the settings.
pub(super) fn of_connecting(error: KrafkaError) -> ClusterError {
    match error {
        KrafkaError::Config { message } => ClusterError::Settings {
            message,
            source: None,
        },
        error => of_call("connecting", &"the bootstrap addresses", error),
    }
}

/// Why `operation`, a request of Kafka's protocol, failed for `subject`.
pub(super) fn of_call(operation: &str, subject: &dyn Display, error: KrafkaError) -> ClusterError {
    match error {
        KrafkaError::Broker { code, message } => of_code(operation, subject, code, message),
        KrafkaError::Network(error) if is_tls_alert(&error) => ClusterError::Authentication {
            message: error.to_string(),
            source: Some(Box::new(error)),
        },
        KrafkaError::Network(error) => ClusterError::Unreachable {
            message: error.to_string(),
            source: Some(Box::new(error)),
        },
        KrafkaError::Auth { message, source } => ClusterError::Authentication {
            message,
            source: source.map(Into::into),
        },
        KrafkaError::Timeout { operation: detail } | KrafkaError::DeliveryTimeout { message: detail, .. } => {
            timed_out(operation, &detail)
        }
        KrafkaError::Closed { message } => ClusterError::Unreachable {
            message,
            source: None,
        },
        KrafkaError::UnknownTopic { topic } => ClusterError::UnknownTopicOrPartition(topic),
        // A request that Kafka would not take was not sent at all.
        KrafkaError::Config { message } => refused("INVALID_REQUEST", message, false),
        KrafkaError::Protocol {
            kind: ProtocolErrorKind::UnknownApiVersion,
            message,
        } => refused("UNSUPPORTED_VERSION", message, false),
        KrafkaError::Fenced { message } => refused("PRODUCER_FENCED", message, false),
        other => ClusterError::Nonsense(format!("{operation} of {subject}: {other}")),
    }
}

fn of_code(operation: &str, subject: &dyn Display, code: ErrorCode, message: String) -> ClusterError {
    match code {
        ErrorCode::TopicAuthorizationFailed
        | ErrorCode::GroupAuthorizationFailed
        | ErrorCode::ClusterAuthorizationFailed
        | ErrorCode::TransactionalIdAuthorizationFailed
        | ErrorCode::DelegationTokenAuthorizationFailed => ClusterError::Authorization {
            message: format!("{operation} of {subject}: {}: {message}", code_name(code)),
        },
        ErrorCode::SaslAuthenticationFailed
        | ErrorCode::UnsupportedSaslMechanism
        | ErrorCode::IllegalSaslState => ClusterError::Authentication {
            message: format!("{}: {message}", code_name(code)),
            source: None,
        },
        ErrorCode::RequestTimedOut => timed_out(operation, &message),
        ErrorCode::NetworkException | ErrorCode::BrokerNotAvailable => ClusterError::Unreachable {
            message: format!("{operation} of {subject}: {message}"),
            source: None,
        },
        ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId => {
            ClusterError::UnknownTopicOrPartition(subject.to_string())
        }
        ErrorCode::NoReassignmentInProgress => ClusterError::NoReassignmentInProgress(subject.to_string()),
        code => refused(&code_name(code), message, code.is_retriable()),
    }
}

fn timed_out(operation: &str, detail: &str) -> ClusterError {
    ClusterError::TimedOut {
        operation: format!("{operation} ({detail})"),
    }
}

fn refused(code: &str, message: String, retriable: bool) -> ClusterError {
    ClusterError::Refused {
        code: code.to_owned(),
        message,
        retriable,
    }
}

/// With TLS 1.3 a broker refuses a client's certificate only after the handshake is over for the client, which then
/// reads an alert (RFC 8446, 6.2) where it expects an answer. The library takes that for a network error, sometimes
/// inside another one, so that only rustls's words tell.
fn is_tls_alert(error: &io::Error) -> bool {
    error.to_string().contains("received fatal alert")
}

/// The error's name in Kafka's `Errors`.
pub(super) fn code_name(code: ErrorCode) -> String {
    match code {
        // The library names these four otherwise than Kafka does.
        ErrorCode::InvalidMessageSize => "INVALID_FETCH_SIZE".to_owned(),
        ErrorCode::NotLeaderForPartition => "NOT_LEADER_OR_FOLLOWER".to_owned(),
        ErrorCode::InvalidTopic => "INVALID_TOPIC_EXCEPTION".to_owned(),
        ErrorCode::KafkaStorageException => "KAFKA_STORAGE_ERROR".to_owned(),
        ErrorCode::Unknown(number) => format!("ERROR_{number}"),
        named => screaming_snake_case(&format!("{named:?}")),
    }
}

fn screaming_snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 8);
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_uppercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn broker_says(code: ErrorCode) -> ClusterError {
        of_call("CreateTopics", &"orders", KrafkaError::broker(code, "so it is"))
    }

    #[test]
    fn a_code_has_the_name_that_kafka_gives_it() {
        // org.apache.kafka.common.protocol.Errors of Kafka 4.3.1.
        for (code, name) in [
            (-1, "UNKNOWN_SERVER_ERROR"),
            (6, "NOT_LEADER_OR_FOLLOWER"),
            (17, "INVALID_TOPIC_EXCEPTION"),
            (39, "INVALID_REPLICA_ASSIGNMENT"),
            (47, "INVALID_PRODUCER_EPOCH"),
            (56, "KAFKA_STORAGE_ERROR"),
            (84, "ELECTION_NOT_NEEDED"),
            (85, "NO_REASSIGNMENT_IN_PROGRESS"),
            (9999, "ERROR_9999"),
        ] {
            assert_eq!(code_name(ErrorCode::from(code)), name);
        }
    }

    #[test]
    fn callers_can_decide_by_what_a_broker_answered() {
        use ClusterError as E;
        assert!(matches!(
            broker_says(ErrorCode::TopicAuthorizationFailed),
            E::Authorization { message } if message.contains("orders")
        ));
        assert!(matches!(
            broker_says(ErrorCode::UnknownTopicOrPartition),
            E::UnknownTopicOrPartition(subject) if subject == "orders"
        ));
        assert!(matches!(
            broker_says(ErrorCode::NoReassignmentInProgress),
            E::NoReassignmentInProgress(subject) if subject == "orders"
        ));
        assert!(matches!(
            broker_says(ErrorCode::InvalidReplicaAssignment),
            E::Refused { code, message, retriable: false }
                if code == "INVALID_REPLICA_ASSIGNMENT" && message == "so it is"
        ));
        assert!(broker_says(ErrorCode::NotController).is_retriable());
        assert!(broker_says(ErrorCode::RequestTimedOut).outcome_is_unknown());
        assert!(!broker_says(ErrorCode::TopicAlreadyExists).outcome_is_unknown());
    }

    #[test]
    fn a_request_without_an_answer_may_have_taken_effect() {
        for error in [
            KrafkaError::timeout("sent and unanswered"),
            KrafkaError::network(io::ErrorKind::ConnectionReset.into()),
            KrafkaError::delivery_timeout(true, "late"),
        ] {
            let error = of_call("CreateTopics", &"orders", error);
            assert!(error.outcome_is_unknown() && error.is_retriable(), "{error}");
        }
    }

    #[test]
    fn a_certificate_refused_after_the_handshake_is_told_from_a_broken_network() {
        let alert = io::Error::new(
            io::ErrorKind::InvalidData,
            "received fatal alert: CertificateRequired",
        );
        let error = of_call("Metadata", &"all topics", KrafkaError::Network(Arc::new(alert)));
        assert!(matches!(error, ClusterError::Authentication { .. }), "{error}");
    }

    #[test]
    fn a_configuration_error_is_the_settings_fault_only_while_connecting() {
        let error = || KrafkaError::config("CA certificate file /ca.pem: no such file");
        assert!(matches!(of_connecting(error()), ClusterError::Settings { .. }));
        assert!(matches!(
            of_call("CreateTopics", &"orders", error()),
            ClusterError::Refused { code, .. } if code == "INVALID_REQUEST"
        ));
    }
}
