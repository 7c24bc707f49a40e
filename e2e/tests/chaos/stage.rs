//! What the clusters of these tests have in common.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::OnceLock;

use balancer::config::Config;
use balancer::journal::PlanId;
use e2e::network::Network;
use e2e::sampler::Sampler;
use e2e::scene::{Outcome, Row, Scene, partition_of};
use e2e::stack;
use e2e::tap::Tap;
use e2e::{BrokerSpec, Layout, Listener, Reached};
use kafka::Cluster;
use kafka::connection::ConnectionSettings;
use kafka::settings::{ByteRate, ByteSize};

/// The listener behind the tap.
const TAPPED: &str = "TAPPED";
/// The listener for another network.
const OUTSIDE: &str = "OUTSIDE";

const BROKERS: usize = 4;

/// Four brokers in four racks, each reached through the tap and from another network too.
pub(crate) fn layout(base: Layout) -> Outcome<Layout> {
    let through = |index: usize, address: &String| BrokerSpec {
        listeners: vec![
            Listener {
                reached: Reached::Through(address.clone()),
                ..Listener::new(TAPPED, "PLAINTEXT")
            },
            Listener {
                reached: Reached::At(Network::outside()),
                ..Listener::new(OUTSIDE, "PLAINTEXT")
            },
        ],
        ..BrokerSpec::in_rack(&format!("r{index}"))
    };
    let addresses = tap()?.addresses().iter().enumerate();
    Ok(Layout {
        brokers: addresses
            .map(|(index, address)| through(index, address))
            .collect(),
        jolokia: false,
        // A replica that is held up for as long as a copy takes is to show, and not one on a disk that is busy for a moment.
        properties: BTreeMap::from([("replica.lag.time.max.ms".to_owned(), "10000".to_owned())]),
        ..base
    })
}

/// The tap of all tests in this process, one after the other.
pub(crate) fn tap() -> Outcome<&'static Tap> {
    static TAP: OnceLock<Tap> = OnceLock::new();
    if let Some(tap) = TAP.get() {
        return Ok(tap);
    }
    let tap = Tap::open(BROKERS)?;
    Ok(TAP.get_or_init(|| tap))
}

/// How a program reaches the scene's cluster through the tap.
pub(crate) fn through_the_tap(scene: &Scene) -> Outcome<ConnectionSettings> {
    let tap = tap()?;
    let mut targets = Vec::new();
    for broker in scene.kafka.ids() {
        targets.push(scene.kafka.listener(broker, TAPPED)?);
    }
    tap.lead_to(targets);
    Ok(stack::connection_to(&tap.addresses().join(","))?)
}

/// How a program in another network reaches the scene's cluster.
pub(crate) fn from_outside(scene: &Scene) -> Outcome<ConnectionSettings> {
    let mut addresses = Vec::new();
    for broker in scene.kafka.ids() {
        let address: SocketAddr = scene.kafka.listener(broker, OUTSIDE)?.parse()?;
        addresses.push(format!("{}:{}", Network::outside(), address.port()));
    }
    Ok(stack::connection_to(&addresses.join(","))?)
}

/// The tests' topic: the first partition is copied, the second only changes its leader, the third stays.
pub(crate) const ROWS: [Row<'_>; 3] = [
    ("moved", &[0, 1, 2], 20e3),
    ("moved", &[0, 1, 2], 20e3),
    ("moved", &[2, 1, 0], 20e3),
];

/// What the copy of a partition takes some fifteen seconds for, if brokers send [`slowly`].
pub(crate) const COPY: u64 = 10_000_000;

/// So slow that a test can do something in the middle of a copy.
pub(crate) fn slowly(config: &mut Config) {
    config.capacity.bytes_out = ByteRate::from_bytes_per_second(800_000);
    config.execute.throttle_floor = ByteRate::from_bytes_per_second(100_000);
    config.execute.disk_reserve = ByteSize::from_bytes(1_000_000);
}

/// Waits until a part of a partition's copy is on the broker that gets it, and the rest is not.
pub(crate) async fn in_the_middle(scene: &Scene, topic: &str, target: i32) -> Outcome {
    let of = partition_of(topic, 0)?;
    scene
        .until("a part of the copy is made", async |scene| {
            let copying = scene.cluster.reassignments().await?.contains_key(&of);
            let sizes = scene.replica_sizes(&of).await?;
            Ok(copying && sizes.get(&target).is_some_and(|size| *size > 1_000_000))
        })
        .await
}

/// Waits until the balancer has written down how all moves of a plan ended, and nothing of it is left in Kafka.
pub(crate) async fn over(scene: &Scene, plan: PlanId) -> Outcome<BTreeMap<String, usize>> {
    let mut outcomes = BTreeMap::new();
    scene
        .until("the plan is over and nothing is left of it", async |scene| {
            let history = scene.history().await?;
            let finished = history.into_iter().find(|finished| finished.id == plan.0);
            outcomes = finished.map(|finished| finished.outcomes).unwrap_or_default();
            Ok(!outcomes.is_empty() && scene.is_clean().await?)
        })
        .await?;
    Ok(outcomes)
}

/// A sampler of the scene's cluster.
pub(crate) fn sampler(scene: &Scene) -> Outcome<Sampler> {
    Ok(Sampler::start(stack::connection(&scene.kafka)?, BROKERS))
}

/// Proves that it has looked and found nothing.
pub(crate) fn all_in_sync(sampler: &Sampler) {
    let found = sampler.found();
    assert!(found.looks > 0, "nobody has looked");
    assert!(found.below.is_empty(), "{found:?}");
}
