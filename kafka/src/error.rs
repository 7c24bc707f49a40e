//! What can go wrong when asking a Kafka cluster for something.

use std::error::Error;

use thiserror::Error;

/// Why a request to the cluster failed.
///
/// The variants are what callers decide by; the text of each names the cause and, where there is one, the cure.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// No broker could be reached, or the one that had to answer could not. Trying again may help.
    #[error("Kafka is not reachable: {message}; check the bootstrap addresses, the listener and the network")]
    Unreachable {
        /// Which broker or address, and what the network said.
        message: String,
        /// The underlying error.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// The broker refused the credentials, or one side refused the other's certificate.
    #[error("Kafka refused the connection: {message}; check user, password file and certificates")]
    Authentication {
        /// What was refused.
        message: String,
        /// The underlying error.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// The principal lacks an ACL.
    #[error("Kafka does not allow it: {message}; grant this principal the operation")]
    Authorization {
        /// Which operation on what.
        message: String,
    },
    /// No answer came in time. **A change may have happened all the same**: read before deciding.
    #[error("Kafka did not answer {operation} in time; whether it took effect is unknown")]
    TimedOut {
        /// The request.
        operation: String,
    },
    /// The topic or partition does not exist (any more).
    #[error("{0} does not exist")]
    UnknownTopicOrPartition(String),
    /// There is no reassignment of this partition to cancel.
    #[error("no reassignment of {0} is in progress")]
    NoReassignmentInProgress(String),
    /// The connection settings cannot be used: an unreadable file, an unusable certificate.
    #[error("the connection settings cannot be used: {message}")]
    Settings {
        /// Which setting and why.
        message: String,
        /// The underlying error.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// Any other error that Kafka answered with.
    #[error("Kafka answered {code}: {message}")]
    Refused {
        /// Kafka's name of the error, such as `INVALID_REPLICA_ASSIGNMENT`.
        code: String,
        /// Kafka's own words.
        message: String,
        /// Whether Kafka says that the same request may succeed later.
        retriable: bool,
    },
    /// The answer could not be understood, or is not what the protocol promises.
    #[error("Kafka's answer makes no sense: {0}")]
    Nonsense(String),
}

/// An error and all its causes as one sentence, for people. A cause that the words before it have is not repeated.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    for cause in std::iter::successors(error.source(), |&cause| cause.source()) {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
    }
    text
}

impl ClusterError {
    /// Whether the change that was asked for may have happened although it failed here.
    pub fn outcome_is_unknown(&self) -> bool {
        matches!(
            self,
            Self::TimedOut { .. } | Self::Unreachable { .. } | Self::Nonsense(_)
        )
    }

    /// Whether the same request may succeed when tried again without anybody mending anything.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } => true,
            Self::Refused { retriable, .. } => *retriable,
            _ => false,
        }
    }
}
