//! Disks that are nearly full of work.

use std::collections::BTreeMap;

use e2e::disks::SlowDisks;
use e2e::scene::{Outcome, Row, Scene};
use e2e::{BrokerSpec, Layout};

use crate::is_wanted;
use crate::near::Near;

/// What a disk can write, in bytes per second.
const DISK: u64 = 8_000_000;

/// What the balancer is told that a broker can carry: it knows of networks only, and this one is quick.
const NETWORK: u64 = 3 * DISK;

/// Broker 3 writes half of what its disk can.
const ROWS: [Row<'_>; 6] = [
    ("live", &[3, 1], 1e6),
    ("live", &[3, 2], 1e6),
    ("live", &[2, 3], 1e6),
    ("live", &[1, 3], 1e6),
    ("live", &[0, 2], 1e6),
    ("live", &[0, 1], 1e6),
];

/// What is written in ten minutes, and more.
const SPACE: u64 = 6_000_000_000;

#[tokio::test]
async fn producers_hardly_notice_copies_to_disks_that_are_nearly_full_of_work() -> Outcome {
    if !is_wanted()? {
        return Ok(());
    }
    // Declared first, so that they go when the brokers have.
    let disks = SlowDisks::new(4, SPACE)?;
    let scene = Scene::set_with(layout(&disks), "disks", &ROWS, 6).await?;
    let near = Near {
        limit: "disks",
        bytes_per_second: DISK,
        capacity: NETWORK,
        slow_down: || disks.slow_down(DISK),
        carried: || disks.written(),
    };
    near.judge(scene).await
}

fn layout(disks: &SlowDisks) -> Layout {
    let disks = disks.folders().zip(0..);
    let broker = |(data, number)| BrokerSpec {
        data: Some(data),
        ..BrokerSpec::in_rack(&format!("r{number}"))
    };
    Layout {
        brokers: disks.map(broker).collect(),
        properties: properties(),
        ..Layout::default()
    }
}

/// Brokers bring to the disk what they are given, as those do whose owners do not trust replicas alone. By default the
/// kernel does it later, and producers never wait for a disk before all memory is full of what it has to do.
fn properties() -> BTreeMap<String, String> {
    [
        ("log.flush.interval.messages", "50"),
        // At its default of 1 MB, one piece of a copy would keep a disk that is as slow as this for an eighth of a second.
        ("replica.fetch.max.bytes", "65536"),
        ("replica.fetch.response.max.bytes", "131072"),
        // After nothing was to be had a follower waits that long, a second by default, and producers with it.
        ("replica.fetch.backoff.ms", "100"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}
