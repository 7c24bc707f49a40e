//! How requests to the simulated cluster go wrong.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::ClusterDescription;
use crate::error::ClusterError;

/// How old metadata can be: a broker that is up follows the controller within its fetch wait, half a second, and this
/// is ten times as much.
const OLDEST: Duration = Duration::from_secs(5);

/// What is asked of the cluster or of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Reading metadata.
    Describe,
    /// Reading log directories.
    LogDirs,
    /// Reading offsets.
    Offsets,
    /// Reading configurations.
    Configs,
    /// Changing configurations.
    AlterConfigs,
    /// Listing reassignments.
    Reassignments,
    /// Starting reassignments.
    Reassign,
    /// Cancelling reassignments.
    Cancel,
    /// Electing preferred leaders.
    Elect,
    /// Creating, growing or deleting topics.
    Topics,
    /// Reading groups and their committed offsets.
    Groups,
    /// Reading who the controllers are.
    Quorum,
    /// Taking a broker out of the cluster.
    Unregister,
    /// Reading users.
    Users,
    /// Changing users.
    AlterUsers,
    /// Opening the log.
    OpenLog,
    /// Writing to the log.
    Append,
}

impl Operation {
    pub(super) fn timed_out(self) -> ClusterError {
        ClusterError::TimedOut {
            operation: format!("{self:?}"),
        }
    }
}

impl Operation {
    /// Whether it changes something.
    pub fn is_change(self) -> bool {
        matches!(
            self,
            Self::AlterConfigs
                | Self::Reassign
                | Self::Cancel
                | Self::Elect
                | Self::Topics
                | Self::Unregister
                | Self::AlterUsers
                | Self::Append
        )
    }
}

/// How a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It never arrives; the client sees a time-out.
    Lost,
    /// It takes effect, but the answer never arrives; the client sees the same time-out.
    AnswerLost,
    /// It takes effect, and the answer arrives that much later.
    Late(Duration),
    /// The broker refuses it as a whole without doing anything.
    Refused(Refusal),
    /// The broker refuses each thing that it names, without doing anything.
    EachRefused(Refusal),
    /// A broker answers that has not heard of what happened since it was asked last; only metadata can be old.
    Stale,
}

/// An error that a broker answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Kafka's name of the error.
    pub code: &'static str,
    /// Whether Kafka says that the same request may succeed later.
    pub retriable: bool,
}

impl Refusal {
    /// The controller has changed, and the broker that was asked is not it any more.
    pub const NOT_CONTROLLER: Self = Self {
        code: "NOT_CONTROLLER",
        retriable: true,
    };

    pub(super) fn error(self) -> ClusterError {
        ClusterError::Refused {
            code: self.code.to_owned(),
            message: "as the simulation has it".to_owned(),
            retriable: self.retriable,
        }
    }
}

/// What goes wrong next, and how long a request takes.
pub(super) struct Faults {
    next: Box<dyn FnMut(Operation) -> Option<Fault> + Send>,
    latency: Duration,
    patience: Duration,
    /// Whether the next description is to be an old one.
    stale: bool,
    described: Option<(Instant, ClusterDescription)>,
}

/// What one request meets.
pub(super) struct Met {
    pub(super) fault: Option<Fault>,
    /// How long each of its two ways takes.
    pub(super) way: Duration,
    /// How long the client waits for an answer that does not come.
    pub(super) patience: Duration,
}

impl Faults {
    pub(super) fn decide_by(&mut self, next: impl FnMut(Operation) -> Option<Fault> + Send + 'static) {
        self.next = Box::new(next);
    }

    pub(super) fn set_latency(&mut self, latency: Duration) {
        self.latency = latency;
    }

    pub(super) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    pub(super) fn meet(&mut self, operation: Operation) -> Met {
        let fault = (self.next)(operation);
        self.stale = fault == Some(Fault::Stale);
        Met {
            fault,
            way: self.latency / 2,
            patience: self.patience,
        }
    }

    /// The description, or the one before it where that is what a broker has that lags behind.
    pub(super) fn perhaps_stale(&mut self, description: ClusterDescription) -> ClusterDescription {
        let now = Instant::now();
        match &self.described {
            Some((at, old)) if self.stale && now - *at <= OLDEST => old.clone(),
            _ => {
                self.described = Some((now, description.clone()));
                description
            }
        }
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            next: Box::new(|_| None),
            latency: Duration::ZERO,
            patience: Duration::ZERO,
            stale: false,
            described: None,
        }
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("latency", &self.latency)
            .finish_non_exhaustive()
    }
}

/// How many requests have not been answered.
#[derive(Debug, Clone, Default)]
pub(super) struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    /// Counts a request until what is returned is dropped.
    pub(super) fn enter(&self) -> impl Drop + use<> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Entered(self.clone())
    }

    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

struct Entered(UnderWay);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
