//! The course of a test: what producers notice in a cluster in which something is near its limit.

use std::io;

use e2e::scene::{Outcome, Scene};
use kafka::settings::ByteRate;

use crate::copies::{self, Copies, Meter};
use crate::figures::Row;

/// From the broker that has least to spare, and to it.
const PLANNED: Copies = Copies {
    count: 4,
    bytes: 12_000_000,
    from: [0, 1],
    to: [0, 3],
    name: "planned",
};

const AT_ONCE: Copies = Copies {
    count: 2,
    bytes: 20_000_000,
    name: "at-once",
    ..PLANNED
};

/// The least rate of a throttle, in bytes per second.
const FLOOR: u64 = 100_000;

/// What is near its limit.
pub(crate) struct Near<S, C> {
    /// Its name.
    pub(crate) limit: &'static str,
    /// What one disk or cable can, in bytes per second.
    pub(crate) bytes_per_second: u64,
    /// What the balancer is told that a broker can carry, in bytes per second.
    pub(crate) capacity: u64,
    /// Makes it as slow as that.
    pub(crate) slow_down: S,
    /// How many bytes each has carried so far.
    pub(crate) carried: C,
}

impl<S: FnOnce() -> io::Result<()>, C: Fn() -> io::Result<Vec<u64>>> Near<S, C> {
    /// Measures producers before the execution of a plan, during it, and during copies that nobody throttles.
    pub(crate) async fn judge(self, mut scene: Scene) -> Outcome {
        for copies in [PLANNED, AT_ONCE] {
            copies.prepare(&scene).await?;
        }
        (self.slow_down)()?;
        let plan = PLANNED.plan(&scene).await?;
        copies::balance(&mut scene, |config| {
            config.capacity.bytes_in = ByteRate::from_bytes_per_second(self.capacity);
            config.capacity.bytes_out = ByteRate::from_bytes_per_second(self.capacity);
            config.execute.throttle_floor = ByteRate::from_bytes_per_second(FLOOR);
        })
        .await?;
        let meter = Meter {
            carried: self.carried,
            limit: self.bytes_per_second,
        };
        let before = meter.before(&scene).await?;
        let during = meter.during(&scene, &PLANNED, plan).await?;
        let uncontrolled = meter.uncontrolled(&scene, &AT_ONCE).await?;
        scene.end_with_the_cluster().await?;
        Row::new(self.limit, before, during, uncontrolled).judge()
    }
}
