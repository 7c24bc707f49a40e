//! What a decision rests on.

use super::limits::{Guidance, Limits};
use super::seen::Seen;
use crate::journal::{ExecutionState, Timestamp};

/// All that a decision rests on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Situation<'a> {
    pub(super) state: &'a ExecutionState,
    pub(super) seen: &'a Seen,
    pub(super) guidance: &'a Guidance,
    pub(super) limits: &'a Limits,
    pub(super) now: Timestamp,
}
