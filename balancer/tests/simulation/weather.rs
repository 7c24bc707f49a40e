//! How the requests of one balancer go wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kafka::simulated::{Fault, Operation, Refusal};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg32;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::trouble::Trouble;

/// Errors that Kafka answers changes with; some mean never, some mean later.
const REFUSALS: [Refusal; 8] = [
    Refusal::NOT_CONTROLLER,
    Refusal {
        code: "REQUEST_TIMED_OUT",
        retriable: true,
    },
    Refusal {
        code: "UNKNOWN_SERVER_ERROR",
        retriable: false,
    },
    Refusal {
        code: "CLUSTER_AUTHORIZATION_FAILED",
        retriable: false,
    },
    Refusal {
        code: "INVALID_REPLICA_ASSIGNMENT",
        retriable: false,
    },
    Refusal {
        code: "POLICY_VIOLATION",
        retriable: false,
    },
    Refusal {
        code: "THROTTLING_QUOTA_EXCEEDED",
        retriable: true,
    },
    Refusal {
        code: "BROKER_NOT_AVAILABLE",
        retriable: true,
    },
];

/// When a balancer is killed, relative to what its request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The request has not arrived yet, and never will.
    Before,
    /// The request has taken effect, and nobody will hear of it.
    After,
}

/// What the requests of one balancer meet, and what they were.
pub(crate) struct Weather {
    random: Pcg32,
    allowed: BTreeSet<Trouble>,
    /// How likely it is that a request meets a fault.
    pub(crate) often: f64,
    /// Everything is lost until then.
    pub(crate) cut_until: Option<Instant>,
    /// Every change is refused until then.
    pub(crate) no_controller_until: Option<Instant>,
    /// How many requests there are to the one at which the balancer is killed.
    pub(crate) kill_in: Option<(u32, Moment)>,
    killed: mpsc::UnboundedSender<Moment>,
    /// When it opened the journal first.
    pub(crate) opened_at: Option<Instant>,
    /// When it changed something in Kafka last.
    pub(crate) last_change: Option<Instant>,
    /// Faults met, by kind.
    pub(crate) met: BTreeMap<Trouble, u64>,
}

impl Weather {
    pub(crate) fn new(
        seed: u64,
        allowed: BTreeSet<Trouble>,
    ) -> (Arc<Mutex<Self>>, mpsc::UnboundedReceiver<Moment>) {
        let (killed, kills) = mpsc::unbounded_channel();
        let weather = Self {
            random: Pcg32::seed_from_u64(seed),
            allowed,
            often: 0.0,
            cut_until: None,
            no_controller_until: None,
            kill_in: None,
            killed,
            opened_at: None,
            last_change: None,
            met: BTreeMap::new(),
        };
        (Arc::new(Mutex::new(weather)), kills)
    }

    /// What the next request meets.
    pub(crate) fn next(&mut self, operation: Operation) -> Option<Fault> {
        let now = Instant::now();
        let fault = self.fault(operation, now);
        let takes_effect = matches!(
            fault,
            None | Some(Fault::AnswerLost | Fault::Late(_) | Fault::Stale)
        );
        if takes_effect && operation.is_change() && operation != Operation::Append {
            self.last_change = Some(now);
        }
        if takes_effect && operation == Operation::OpenLog {
            self.opened_at.get_or_insert(now);
        }
        self.count_down();
        fault
    }

    fn fault(&mut self, operation: Operation, now: Instant) -> Option<Fault> {
        if self.cut_until.is_some_and(|until| now < until) {
            return Some(Fault::Lost);
        }
        let is_log = matches!(operation, Operation::Append | Operation::OpenLog);
        if self.no_controller_until.is_some_and(|until| now < until) && operation.is_change() && !is_log {
            return Some(Fault::Refused(Refusal::NOT_CONTROLLER));
        }
        // Drawn whether allowed or not, so that a schedule with fewer kinds of trouble is the same otherwise.
        let meets = self.random.random_bool(self.often);
        let refusal = REFUSALS[self.random.random_range(0..REFUSALS.len())];
        let late = Duration::from_millis(self.random.random_range(100..12_000));
        let (kind, fault) = match self.random.random_range(0..6) {
            0 => (Trouble::Lost, Fault::Lost),
            1 => (Trouble::AnswerLost, Fault::AnswerLost),
            2 => (Trouble::Late, Fault::Late(late)),
            3 => (Trouble::Refused, Fault::Refused(refusal)),
            4 => (Trouble::EachRefused, Fault::EachRefused(refusal)),
            _ => (Trouble::Stale, Fault::Stale),
        };
        let kind = if is_log { Trouble::Journal } else { kind };
        if !meets || !self.allowed.contains(&kind) {
            return None;
        }
        *self.met.entry(kind).or_default() += 1;
        Some(fault)
    }

    fn count_down(&mut self) {
        if let Some((left, moment)) = &mut self.kill_in {
            match left.checked_sub(1) {
                Some(fewer) => *left = fewer,
                None => {
                    // Nobody may be listening any more.
                    let _ = self.killed.send(*moment);
                    self.kill_in = None;
                }
            }
        }
    }
}
