//! How requests to the simulated cluster go wrong.

use std::fmt;
use std::time::Duration;

use crate::error::ClusterError;

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

/// How a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It never arrives; the client sees a time-out.
    Lost,
    /// It takes effect, but the answer never arrives; the client sees the same time-out.
    AnswerLost,
    /// The broker refuses it without doing anything, and says that it may be tried again.
    Refused,
}

/// What goes wrong next, and how long a request takes.
pub(super) struct Faults {
    next: Box<dyn FnMut(Operation) -> Option<Fault> + Send>,
    latency: Duration,
}

impl Faults {
    pub(super) fn decide_by(&mut self, next: impl FnMut(Operation) -> Option<Fault> + Send + 'static) {
        self.next = Box::new(next);
    }

    pub(super) fn set_latency(&mut self, latency: Duration) {
        self.latency = latency;
    }

    /// The fault that this request meets, and how long each of its two ways takes.
    pub(super) fn meet(&mut self, operation: Operation) -> (Option<Fault>, Duration) {
        ((self.next)(operation), self.latency / 2)
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            next: Box::new(|_| None),
            latency: Duration::ZERO,
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
