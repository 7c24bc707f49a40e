//! How much the balancer may do at a time, and what it takes into account from outside.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka::ids::{BrokerId, TopicPartition};
use serde::{Deserialize, Serialize};

use super::windows::Windows;

/// How much may happen at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Copies in flight that send from or to one broker.
    pub moves_per_broker: usize,
    /// Copies in flight in the cluster.
    pub moves_per_cluster: usize,
    /// Changes of leaders in flight in the cluster.
    pub leadership_changes: usize,
    /// Moves started within an hour, leadership changes included.
    pub moves_per_hour: u64,
    /// Bytes of the copies started within an hour.
    pub bytes_per_hour: u64,
    /// How long a partition is left alone after it was moved, in seconds.
    pub cool_down_seconds: u64,
    /// The least rate of a throttle, in bytes per second, so that copies end even when nothing can be spared.
    pub throttle_floor: u64,
    /// How long a plan waits for what it cannot bring about itself, in seconds: brokers in sync, a free hour.
    pub patience_seconds: u64,
    /// How long a broker may be away before the copies that it gets are given up, in seconds.
    pub broker_grace_seconds: u64,
    /// Bytes that stay free on each broker.
    pub disk_reserve: u64,
    /// When copies may start.
    pub windows: Windows,
    /// Whether leaders change outside the windows too.
    pub leadership_anytime: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            moves_per_broker: 2,
            moves_per_cluster: 10,
            leadership_changes: 100,
            moves_per_hour: 2_000,
            bytes_per_hour: 10_000_000_000_000,
            cool_down_seconds: 900,
            throttle_floor: 5_000_000,
            patience_seconds: 900,
            broker_grace_seconds: 300,
            disk_reserve: 1_000_000_000,
            windows: Windows::default(),
            leadership_anytime: true,
        }
    }
}

impl Limits {
    /// How long a copy may take before it is given up: twice what it takes at the least rate, shared with as many
    /// other copies as a broker may have, beside the patience that a plan has anyway. A replica whose disk has failed
    /// would be waited for forever otherwise.
    pub(super) fn longest_copy(&self, bytes: u64) -> Duration {
        let sharing = self.moves_per_broker.max(1) as u64;
        let seconds = bytes.saturating_mul(2 * sharing) / self.throttle_floor.max(1);
        Duration::from_secs(seconds.saturating_add(self.patience_seconds))
    }
}

/// What the current load says about a plan that is being made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Guidance {
    /// What each broker can spare. One that is not named gets the least rate.
    pub headroom: BTreeMap<BrokerId, Headroom>,
    /// Bytes per second that producers write to each partition, where known: a copy that is throttled below them would
    /// never catch up.
    pub produced: BTreeMap<TopicPartition, f64>,
    /// Moves that would not help any more, by partition, and why.
    pub useless: BTreeMap<TopicPartition, String>,
    /// Bytes free in each broker's fullest log directory, where known.
    pub usable_bytes: BTreeMap<BrokerId, u64>,
    /// Bytes that the replicas being added hold already, where known; for showing progress.
    pub copied: BTreeMap<TopicPartition, u64>,
}

/// What a broker can spare, in bytes per second: its capacity less its live traffic. Bytes that a reassignment copies
/// are not live traffic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Headroom {
    /// For sending.
    pub send: f64,
    /// For receiving.
    pub receive: f64,
}
