//! When something is hot, what a plan may cost, and how much may happen at a time.
//!
//! Each section is a type of its own rather than that of the part it is for: a file has units and bounds, and says
//! threshold and floor once although detection and planning both go by them.

use std::time::Duration;

use kafka::settings::{ByteRate, ByteSize, Fields, Section, write_duration};
use serde::Serialize;

use crate::detect::{COOL, DetectSettings};
use crate::execute::{Limits, Window, Windows};
use crate::model::PerResource;
use crate::plan::PlanSettings;

/// When a broker is hot.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeatSettings {
    /// How far its utilisation must exceed the mean, in parts of the mean.
    pub threshold: f64,
    /// The utilisation below which it is never hot, by resource.
    pub floor: PerResource,
    /// For how long it must exceed both.
    #[serde(serialize_with = "write_duration")]
    pub hold: Duration,
    /// A partition so many times above the median of its topic is skewed.
    pub skew: f64,
}

/// What a plan may cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanLimits {
    /// The part of its capacity that a broker may be given.
    pub headroom: f64,
    /// The most moves of one plan.
    pub max_moves: usize,
    /// The most bytes that one plan may copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<ByteSize>,
    /// The throttle that is foreseen for each move.
    pub expected_throttle: ByteRate,
}

/// How much may happen at a time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExecuteSettings {
    /// Copies at a time that send from or to one broker.
    pub moves_per_broker: usize,
    /// Copies at a time in the cluster.
    pub moves_per_cluster: usize,
    /// Changes of leaders at a time in the cluster.
    pub leadership_changes: usize,
    /// Moves started within an hour.
    pub moves_per_hour: u64,
    /// Bytes of copies started within an hour.
    pub bytes_per_hour: ByteSize,
    /// How long a partition is left alone after it was moved.
    #[serde(serialize_with = "write_duration")]
    pub cool_down: Duration,
    /// The least rate of a throttle, so that copies end even when nothing can be spared.
    pub throttle_floor: ByteRate,
    /// How long a plan waits for what it cannot bring about itself.
    #[serde(serialize_with = "write_duration")]
    pub patience: Duration,
    /// How long a broker may be away before the copies that it gets are given up and what it hosts is copied elsewhere.
    #[serde(serialize_with = "write_duration")]
    pub broker_grace: Duration,
    /// Bytes that stay free on each broker.
    pub disk_reserve: ByteSize,
    /// When copies may start; always when there is none.
    pub windows: Vec<Window>,
    /// Whether leaders change outside the windows too, since that copies nothing.
    pub leadership_anytime: bool,
}

impl Default for HeatSettings {
    fn default() -> Self {
        Self {
            threshold: THRESHOLD,
            floor: PerResource::splat(FLOOR),
            hold: HOLD,
            skew: SKEW,
        }
    }
}

impl HeatSettings {
    /// What a plan brings a hot broker down to, in parts of the mean: where heat ends. At the threshold itself the next
    /// fluctuation would make it hot again.
    pub fn target(&self) -> f64 {
        self.threshold * COOL
    }

    /// For detection.
    pub fn detect(&self) -> DetectSettings {
        DetectSettings {
            threshold: self.threshold,
            floor: self.floor,
            hold: self.hold,
            skew: self.skew,
        }
    }

    /// For planning, within `limits`.
    pub fn plan(&self, limits: &PlanLimits) -> PlanSettings {
        PlanSettings {
            threshold: self.threshold,
            target: self.target(),
            floor: self.floor,
            headroom: limits.headroom,
            max_moves: limits.max_moves,
            max_bytes: limits.max_bytes.map(ByteSize::bytes),
            throttle: limits.expected_throttle.bytes_per_second() as f64,
            ..PlanSettings::default()
        }
    }
}

impl From<&ExecuteSettings> for Limits {
    fn from(settings: &ExecuteSettings) -> Self {
        Self {
            moves_per_broker: settings.moves_per_broker,
            moves_per_cluster: settings.moves_per_cluster,
            leadership_changes: settings.leadership_changes,
            moves_per_hour: settings.moves_per_hour,
            bytes_per_hour: settings.bytes_per_hour.bytes(),
            cool_down_seconds: settings.cool_down.as_secs(),
            throttle_floor: settings.throttle_floor.bytes_per_second(),
            patience_seconds: settings.patience.as_secs(),
            broker_grace_seconds: settings.broker_grace.as_secs(),
            disk_reserve: settings.disk_reserve.bytes(),
            windows: Windows::new(settings.windows.clone()),
            leadership_anytime: settings.leadership_anytime,
        }
    }
}

impl Section for HeatSettings {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let threshold = fields.within("threshold", THRESHOLD, 0.02..=2.0);
        let floor = fields.section("floor");
        let hold = fields.within("hold", HOLD, Duration::ZERO..=HOUR);
        let skew = fields.within("skew", SKEW, 1.1..=1000.0);
        Some(Self {
            threshold: threshold?,
            floor: floor?,
            hold: hold?,
            skew: skew?,
        })
    }
}

impl Section for PerResource {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let mut share = |key| fields.within(key, FLOOR, 0.0..=1.0);
        let (bytes_in, bytes_out) = (share("bytes_in"), share("bytes_out"));
        let (cpu, disk) = (share("cpu"), share("disk"));
        Some(Self {
            bytes_in: bytes_in?,
            bytes_out: bytes_out?,
            cpu: cpu?,
            disk: disk?,
        })
    }
}

impl Section for PlanLimits {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let headroom = fields.within("headroom", 0.9, 0.1..=1.0);
        let max_moves = fields.within("max_moves", 1_000, 1..=10_000);
        let max_bytes = fields.optional("max_bytes");
        let expected_throttle = fields.within("expected_throttle", mb_per_second(50), THROTTLES);
        Some(Self {
            headroom: headroom?,
            max_moves: max_moves?,
            max_bytes: max_bytes?,
            expected_throttle: expected_throttle?,
        })
    }
}

const THRESHOLD: f64 = 0.1;
const FLOOR: f64 = 0.1;
const HOLD: Duration = Duration::from_secs(10);
const SKEW: f64 = 3.0;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

const fn mb_per_second(megabytes: u64) -> ByteRate {
    ByteRate::from_bytes_per_second(megabytes * 1_000_000)
}

/// What a throttle can be: slower would never end, faster is no throttle.
const THROTTLES: std::ops::RangeInclusive<ByteRate> =
    ByteRate::from_bytes_per_second(1_000)..=mb_per_second(1_000_000);

/// More windows than a week can need; each look goes through all of them.
const MOST_WINDOWS: usize = 100;

impl Section for ExecuteSettings {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let moves_per_broker = fields.within("moves_per_broker", 2, 1..=1_000);
        let moves_per_cluster = fields.within("moves_per_cluster", 10, 1..=10_000);
        let leadership_changes = fields.within("leadership_changes", 100, 1..=10_000);
        let moves_per_hour = fields.within("moves_per_hour", 2_000, 1..=1_000_000);
        let bytes_per_hour = fields.or("bytes_per_hour", ByteSize::from_bytes(10_000_000_000_000));
        let cool_down = fields.within("cool_down", HOUR / 4, Duration::ZERO..=DAY);
        let throttle_floor = fields.within("throttle_floor", mb_per_second(5), THROTTLES);
        let patience = fields.within("patience", HOUR / 4, Duration::from_secs(10)..=DAY);
        let broker_grace = fields.within("broker_grace", HOUR / 12, Duration::from_secs(10)..=DAY);
        let disk_reserve = fields.or("disk_reserve", ByteSize::from_bytes(1_000_000_000));
        let windows: Option<Vec<Window>> = fields.sections("windows");
        let leadership_anytime = fields.or("leadership_anytime", true);
        if windows
            .as_ref()
            .is_some_and(|windows| windows.len() > MOST_WINDOWS)
        {
            fields.problem("windows", format!("has more than {MOST_WINDOWS} windows"));
        }
        Some(Self {
            moves_per_broker: moves_per_broker?,
            moves_per_cluster: moves_per_cluster?,
            leadership_changes: leadership_changes?,
            moves_per_hour: moves_per_hour?,
            bytes_per_hour: bytes_per_hour?,
            cool_down: cool_down?,
            throttle_floor: throttle_floor?,
            patience: patience?,
            broker_grace: broker_grace?,
            disk_reserve: disk_reserve?,
            windows: windows?,
            leadership_anytime: leadership_anytime?,
        })
    }
}
