//! The versions of the journal's records, and how what an older one wrote becomes what this program knows.
//!
//! A record stays in the log as it was written until its key is written again, so every version is read for ever. Whoever
//! changes what a record says raises [`VERSION`], keeps the shape before here with the way from it to the present one, and
//! adds a golden file for the new version beside those that there are.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::record::{
    BrokerThrottle, CoolDown, Drain, FinishedMove, FinishedPlan, Mode, MoveProgress, PlanHead, Replication,
    Spent, Timestamp, TopicThrottle, Whole,
};

/// The version of the records that this program writes. It reads this one and all before.
pub(super) const VERSION: u32 = 3;

/// What to do about a record that makes no sense.
const CURE: &str = "delete it (write its key without a value to the journal's topic) when it is not needed";

/// What a record says, and what it said in earlier versions. Version 2 wrote all kinds as version 3 does, but for values that
/// only version 3 knows.
pub(super) trait Body: Serialize + DeserializeOwned {
    /// As version 1 wrote it.
    type V1: DeserializeOwned + Into<Self>;
}

/// Kinds of records that are written as version 1 wrote them, but for values that it did not know.
macro_rules! as_in_version_1 {
    ($($body:ty),*) => {$(
        impl Body for $body {
            type V1 = Self;
        }
    )*};
}

as_in_version_1!(
    Whole,
    Mode,
    Drain,
    Replication,
    PlanHead,
    MoveProgress,
    BrokerThrottle,
    CoolDown,
    Vec<Spent>
);

impl Body for TopicThrottle {
    type V1 = TopicThrottleV1;
}

/// Throttled replicas, from before it was remembered which of them were over.
#[derive(Debug, Deserialize)]
pub(super) struct TopicThrottleV1 {
    topic_id: [u8; 16],
    present_before: bool,
    entries: Vec<String>,
    at: Timestamp,
}

impl From<TopicThrottleV1> for TopicThrottle {
    fn from(before: TopicThrottleV1) -> Self {
        let TopicThrottleV1 {
            topic_id,
            present_before,
            entries,
            at,
        } = before;
        Self {
            topic_id,
            present_before,
            entries,
            over: Vec::new(),
            at,
        }
    }
}

impl Body for FinishedPlan {
    type V1 = FinishedPlanV1;
}

/// A plan that is over, from before it was measured what had come of it.
#[derive(Debug, Deserialize)]
pub(super) struct FinishedPlanV1 {
    head: PlanHead,
    finished_at: Timestamp,
    done: usize,
    total: usize,
    moves: Vec<FinishedMove>,
}

impl From<FinishedPlanV1> for FinishedPlan {
    fn from(before: FinishedPlanV1) -> Self {
        let FinishedPlanV1 {
            head,
            finished_at,
            done,
            total,
            moves,
        } = before;
        Self {
            head,
            finished_at,
            done,
            total,
            moves,
            measured: None,
        }
    }
}

#[derive(Serialize)]
struct Written<'a, T> {
    version: u32,
    body: &'a T,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Deserialize)]
struct Read<T> {
    body: T,
}

/// A body as the log keeps it.
pub(super) fn write<T: Body>(body: &T) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Written {
        version: VERSION,
        body,
    })
}

/// A body that this version or an earlier one wrote; otherwise what is wrong with it, and what to do.
pub(super) fn read<T: Body>(value: &[u8]) -> Result<T, String> {
    let unreadable = |error: serde_json::Error| format!("it cannot be read ({error}); {CURE}");
    let Version { version } = serde_json::from_slice(value).map_err(unreadable)?;
    match version {
        2 | VERSION => body(value).map_err(unreadable),
        1 => body::<T::V1>(value).map(Into::into).map_err(unreadable),
        newer if newer > VERSION => Err(format!(
            "its version is {newer}, this program knows versions up to {VERSION}; update the balancer, or {CURE}"
        )),
        unknown => Err(format!("there is no version {unknown}; {CURE}")),
    }
}

/// What to do about a key that this program does not know.
pub(super) fn unknown_key() -> String {
    format!("this program knows no such key; update the balancer if a newer one wrote it, or {CURE}")
}

fn body<T: DeserializeOwned>(value: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(value).map(|Read { body }| body)
}
