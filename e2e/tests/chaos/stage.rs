//! What the clusters of these tests have in common.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use e2e::network::Network;
use e2e::sampler::Sampler;
use e2e::scene::{Outcome, Scene};
use e2e::stack;
use e2e::tap::Tap;
use e2e::{BrokerSpec, Layout, Listener, Reached};
use kafka::connection::ConnectionSettings;

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
        // A replica that is behind is to show soon.
        properties: BTreeMap::from([("replica.lag.time.max.ms".to_owned(), "5000".to_owned())]),
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
