//! A network that is nearly full.

use std::collections::BTreeMap;

use e2e::network::lan::Lan;
use e2e::scene::{Outcome, Row, Scene};
use e2e::{BrokerSpec, Layout};
use kafka::settings::ByteRate;

use crate::copies::{self, Copies, Meter};
use crate::{figures, is_wanted};

/// What a cable carries in each direction, in bytes per second.
const CABLE: u64 = 8_000_000;

/// What of it is payload, and what the balancer is told: packets have headers.
const CAPACITY: u64 = CABLE / 100 * 95;

/// Broker 0 receives and sends two thirds of what it can.
const ROWS: [Row<'_>; 8] = [
    ("live", &[0, 1], 0.85e6),
    ("live", &[0, 2], 0.85e6),
    ("live", &[0, 1], 0.85e6),
    ("live", &[0, 2], 0.85e6),
    ("live", &[0, 1], 0.85e6),
    ("live", &[0, 2], 0.85e6),
    ("live", &[1, 2], 0.5e6),
    ("live", &[3, 2], 0.5e6),
];

/// From the broker that has least to spare.
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

#[tokio::test]
async fn producers_hardly_notice_copies_over_a_network_that_is_nearly_full() -> Outcome {
    if !is_wanted()? {
        return Ok(());
    }
    // Declared first, so that it goes when nobody is in it any more.
    let lan = Lan::new(4)?;
    let mut scene = Scene::set_with(layout(&lan), "network", &ROWS, 8).await?;
    for copies in [PLANNED, AT_ONCE] {
        copies.prepare(&scene).await?;
    }
    lan.slow_down(CABLE)?;
    let plan = PLANNED.plan(&scene).await?;
    copies::balance(&mut scene, |config| {
        config.capacity.bytes_in = ByteRate::from_bytes_per_second(CAPACITY);
        config.capacity.bytes_out = ByteRate::from_bytes_per_second(CAPACITY);
        config.execute.throttle_floor = ByteRate::from_bytes_per_second(FLOOR);
    })
    .await?;
    let meter = Meter {
        carried: || lan.carried(),
        limit: CABLE,
    };
    let before = meter.before(&scene).await?;
    let during = meter.during(&scene, &PLANNED, plan).await?;
    let uncontrolled = meter.uncontrolled(&scene, &AT_ONCE).await?;
    scene.end_with_the_cluster().await?;
    figures::Row::new("network", before, during, uncontrolled).judge()
}

fn layout(lan: &Lan) -> Layout {
    let hosts = lan.places().zip(0..);
    let broker = |(place, number)| BrokerSpec {
        place: Some(place),
        ..BrokerSpec::in_rack(&format!("r{number}"))
    };
    Layout {
        brokers: hosts.map(broker).collect(),
        quorum: lan.own_address(),
        properties: properties(),
        ..Layout::default()
    }
}

/// Brokers are told what goes with a network that is a hundred times slower than those that Kafka's defaults are for.
fn properties() -> BTreeMap<String, String> {
    [
        // One piece of a copy would keep such a cable for a second.
        ("replica.fetch.max.bytes", "65536"),
        ("replica.fetch.response.max.bytes", "131072"),
        // A follower that is throttled fetches nothing of what it also replicates meanwhile, by default for a second.
        ("replica.fetch.backoff.ms", "100"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}
