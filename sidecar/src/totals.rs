//! A broker's own rates, from the differences of its counters.

use std::collections::BTreeMap;

use kafka::TopicName;

use crate::jmx::{JmxReading, Timer};
use crate::report::BrokerTotals;
use crate::window::{Window, growth};

/// Bytes per second of one topic on one broker.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TopicTraffic {
    /// From producers.
    pub bytes_in: f64,
    /// To consumers.
    pub bytes_out: f64,
}

/// The broker's own figures. After a restart within the window only those that need no difference.
pub fn broker_totals(window: Window<'_, JmxReading>) -> BrokerTotals {
    let Window {
        before,
        after,
        elapsed,
    } = window;
    let mut totals = BrokerTotals {
        cpu_cores: after.cores.filter(|cores| *cores >= 0.0),
        network_idle: after.network_idle,
        under_replicated: after.under_replicated,
        started_at_ms: Some(after.started_at_ms),
        ..BrokerTotals::default()
    };
    if restarted(window) {
        return totals;
    }
    let (old, new) = (&before.counters, &after.counters);
    let rate = |old: Option<f64>, new: Option<f64>| Some(window.per_second(growth(old?, new?)));
    totals.bytes_in = rate(old.bytes_in, new.bytes_in);
    totals.bytes_out = rate(old.bytes_out, new.bytes_out);
    totals.replication_in = rate(old.replication_in, new.replication_in);
    totals.replication_out = rate(old.replication_out, new.replication_out);
    totals.cpu_cores_used = rate(old.cpu_ns, new.cpu_ns).map(|nanoseconds| nanoseconds / 1e9);
    // Both counts are read at slightly different moments than the clock, so an idle pool may seem to exceed 1.
    totals.request_handler_idle =
        rate(old.handler_idle_ns, new.handler_idle_ns).map(|idle| (idle / 1e9).min(1.0));
    totals.produce_mean_ms = window_mean(old.produce, new.produce);
    totals.produce_local_mean_ms = window_mean(old.produce_local, new.produce_local);
    debug_assert!(!elapsed.is_zero());
    totals
}

/// How far the sum over topics may be from the broker's own count, which is read a moment before, in parts of it.
const CLOSE: f64 = 0.1;

/// Bytes within a window that no difference is made of.
const LITTLE: f64 = 100_000.0;

/// Each topic's traffic. None after a restart within the window, when nobody knows what was lost with the counters; and none
/// where topics do not add up to what the broker counted: then counters of some are missing at one of its ends.
pub fn topic_traffic(window: Window<'_, JmxReading>) -> Option<BTreeMap<TopicName, TopicTraffic>> {
    if restarted(window) {
        return None;
    }
    let (before, after) = (window.before, window.after);
    let mut sum = TopicTraffic::default();
    let topics = after.topics.iter().map(|(topic, new)| {
        // Meters are made on first use: absent is 0.
        let old = before.topics.get(topic).copied().unwrap_or_default();
        let (bytes_in, bytes_out) = (
            growth(old.bytes_in, new.bytes_in),
            growth(old.bytes_out, new.bytes_out),
        );
        sum.bytes_in += bytes_in;
        sum.bytes_out += bytes_out;
        let traffic = TopicTraffic {
            bytes_in: window.per_second(bytes_in),
            bytes_out: window.per_second(bytes_out),
        };
        (topic.clone(), traffic)
    });
    let topics = topics.collect();
    let adds_up = |sum: f64, old: Option<f64>, new: Option<f64>| {
        let counted = old.zip(new).map(|(old, new)| growth(old, new));
        counted.is_none_or(|counted| (sum - counted).abs() <= CLOSE * counted + LITTLE)
    };
    let (old, new) = (&before.counters, &after.counters);
    let all = adds_up(sum.bytes_in, old.bytes_in, new.bytes_in)
        && adds_up(sum.bytes_out, old.bytes_out, new.bytes_out);
    all.then_some(topics)
}

fn restarted(window: Window<'_, JmxReading>) -> bool {
    window.before.started_at_ms != window.after.started_at_ms
}

/// The mean of what happened within the window: Δ sum / Δ count; none when nothing happened.
fn window_mean(old: Option<Timer>, new: Option<Timer>) -> Option<f64> {
    let new = new?;
    let old = old
        .filter(|old| old.count <= new.count)
        .unwrap_or(Timer { count: 0.0, sum: 0.0 });
    let count = new.count - old.count;
    // A sum recomputed from a mean may be off by a rounding error.
    (count > 0.0).then(|| ((new.sum - old.sum) / count).max(0.0))
}
