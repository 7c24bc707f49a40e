//! A network that is nearly full.

use std::collections::BTreeMap;

use e2e::network::lan::Lan;
use e2e::scene::{Outcome, Row, Scene};
use e2e::{BrokerSpec, Layout};

use crate::is_wanted;
use crate::near::Near;

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

#[tokio::test]
async fn producers_hardly_notice_copies_over_a_network_that_is_nearly_full() -> Outcome {
    if !is_wanted()? {
        return Ok(());
    }
    // Declared first, so that it goes when nobody is in it any more.
    let lan = Lan::new(4)?;
    let scene = Scene::set_with(layout(&lan), "network", &ROWS, 8).await?;
    let near = Near {
        limit: "network",
        bytes_per_second: CABLE,
        capacity: CAPACITY,
        slow_down: || lan.slow_down(CABLE),
        carried: || lan.carried(),
    };
    near.judge(scene).await
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
