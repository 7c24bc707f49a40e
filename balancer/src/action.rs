//! What people ask of a running balancer.

use std::collections::{BTreeMap, BTreeSet};

use kafka::ids::{BrokerId, ReplicationFactor, TopicName, TopicPartition};
use thiserror::Error;
use tokio::sync::oneshot;

use crate::execute::ExecuteError;
use crate::journal::Mode;

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Execute the plan that waits.
    Approve {
        /// Its number.
        plan: u64,
        /// Only the moves of these partitions; all when there is no such list.
        moves: Option<BTreeSet<TopicPartition>>,
    },
    /// Start no further move of the plan that is being executed.
    Pause,
    /// Go on with the plan that is paused.
    Resume,
    /// Stop executing and go into `observe`.
    Stop {
        /// Cancel what is in progress instead of finishing it.
        at_once: bool,
    },
    /// Empty brokers.
    Drain {
        /// Their ids.
        brokers: Vec<BrokerId>,
    },
    /// Let brokers take load again.
    Undrain {
        /// Their ids.
        brokers: Vec<BrokerId>,
    },
    /// Have each partition of topics have so many replicas.
    Replicate {
        /// The topics with their numbers; none takes an earlier order back.
        topics: BTreeMap<TopicName, Option<ReplicationFactor>>,
    },
    /// Plan now, although nothing may be hot.
    Rebalance,
    /// Go into another mode.
    Mode(Mode),
}

/// An action and where its answer goes.
#[derive(Debug)]
pub struct Command {
    /// What to do.
    pub action: Action,
    /// A sentence that says what came of it.
    pub answer: oneshot::Sender<Result<String, ActionError>>,
}

/// Why an action could not be done.
#[derive(Debug, Error)]
pub enum ActionError {
    /// The balancer ends.
    #[error("the balancer is shutting down")]
    ShuttingDown,
    /// As many actions wait as may.
    #[error("too many actions are waiting; try again in some seconds")]
    Busy,
    /// The journal has not been opened (yet).
    #[error("the journal is not open ({0}); nothing can be changed until it is")]
    NoJournal(String),
    /// Another balancer has taken over.
    #[error("another balancer has taken over this cluster; ask that one")]
    Fenced,
    /// There is no such broker.
    #[error("broker {0} is not part of the cluster; `status` lists the brokers")]
    UnknownBroker(BrokerId),
    /// No topic is named.
    #[error("no topic is named; say which is to have how many replicas")]
    NoTopic,
    /// There is no such topic.
    #[error("there is no topic {0}; check its name")]
    UnknownTopic(TopicName),
    /// More replicas than brokers.
    #[error(
        "topic {topic} cannot have {replicas} replicas of a partition on {brokers} live brokers, since each is on a broker of \
         its own; ask for {brokers} at most, or add brokers"
    )]
    TooManyReplicas {
        /// The topic.
        topic: TopicName,
        /// What was asked for.
        replicas: ReplicationFactor,
        /// How many brokers are alive.
        brokers: usize,
    },
    /// Fewer replicas than producers need to write.
    #[error(
        "topic {topic} has min.insync.replicas={minimum}, so that nobody could write to {replicas} replicas; ask for more, or \
         lower min.insync.replicas first"
    )]
    TooFewReplicas {
        /// The topic.
        topic: TopicName,
        /// What was asked for.
        replicas: ReplicationFactor,
        /// Its `min.insync.replicas`.
        minimum: usize,
    },
    /// The executor refused.
    #[error(transparent)]
    Refused(ExecuteError),
    /// Kafka could not be asked or the journal not be written.
    #[error("{0}; try again")]
    NotNow(String),
}

impl ActionError {
    /// Whether the same action may well be done some time later.
    pub(crate) fn passes(&self) -> bool {
        matches!(
            self,
            Self::ShuttingDown | Self::Busy | Self::NoJournal(_) | Self::NotNow(_)
        )
    }
}

impl From<ExecuteError> for ActionError {
    fn from(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Fenced => Self::Fenced,
            ExecuteError::Journal(_) | ExecuteError::SlowJournal | ExecuteError::Cluster(_) => {
                Self::NotNow(error.to_string())
            }
            other => Self::Refused(other),
        }
    }
}
