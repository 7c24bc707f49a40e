//! `kafka-sidecar broker`: samples one broker and serves what was derived.

mod collect;
mod families;
mod log_choice;
mod protocol;
mod view;

use std::sync::Arc;
use std::time::Duration;

use kafka::Cluster;
use reqwest::Client;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::busiest::Busiest;
use crate::clock::Clock;
use crate::config::BrokerConfig;
use crate::derivation::{Derivation, Taken};
use crate::exposition::Families;
use crate::health::Health;
use crate::jmx::JmxReading;
use crate::load::{self, Heading};
use collect::{Collected, Collector};
pub use view::BrokerView;
use view::{Load, Snapshot};

/// Starts sampling. Without a `cluster` everything is read through Jolokia. The view shows what is known at any moment; sampling ends with `stop`.
pub fn start<C: Cluster>(
    config: BrokerConfig,
    cluster: Option<C>,
    http: Client,
    stop: CancellationToken,
) -> (Arc<BrokerView>, JoinHandle<()>) {
    let clock = Clock::start();
    let (publish, snapshots) = watch::channel(Arc::new(Snapshot::default()));
    let view = Arc::new(BrokerView::new(&config, clock, snapshots));
    let sampler = Sampler {
        derivation: Derivation::new(config.interval),
        collector: Collector::new(&config, clock, cluster, http),
        clock,
        health: Health::default(),
        detail: Families::default(),
        busiest: Busiest::of(config.metrics.granularity),
        publish,
        config,
    };
    (view, tokio::spawn(sampler.run(stop)))
}

struct Sampler<C> {
    config: BrokerConfig,
    collector: Collector<C>,
    clock: Clock,
    derivation: Derivation,
    health: Health,
    detail: Families,
    busiest: Option<Busiest>,
    publish: watch::Sender<Arc<Snapshot>>,
}

impl<C: Cluster> Sampler<C> {
    async fn run(mut self, stop: CancellationToken) {
        loop {
            let next = self.clock.until_multiple(self.config.interval, Duration::ZERO);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(next) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                collected = self.collector.collect() => self.take(collected),
            }
        }
    }

    fn take(&mut self, collected: Collected) {
        let now_ms = self.clock.unix_ms();
        for (source, failure, duration) in collected.outcomes() {
            self.health.note(source, failure, duration, now_ms);
        }
        let mut snapshot = Snapshot::clone(&self.publish.borrow());
        let sample = collected.into_sample();
        if let Some(jmx) = &sample.jmx {
            snapshot.families = Some(self.with_detail(jmx));
        }
        if let Some(logs) = &sample.logs {
            snapshot.logs = Some(logs.clone());
        }
        if let Some(derived) = self.derivation.take(sample) {
            let heading = Heading {
                broker: self.config.broker,
                sampled_at_ms: now_ms,
                window: derived.window,
                sources: self.health.states(),
                totals: derived.totals,
            };
            if let Some(busiest) = &mut self.busiest {
                let topics = &self.config.metrics.topics;
                let rates = derived.rates.partitions.iter();
                let shown = rates.filter(|(partition, _)| topics.takes(partition.topic.as_str()));
                let bytes = shown.map(|(partition, rate)| (partition, rate.bytes_in + rate.bytes_out));
                snapshot.busiest = Arc::new(busiest.take(derived.window, bytes).clone());
            }
            snapshot.load = Some(Taken {
                at: self.clock.now(),
                reading: Arc::new(Load {
                    report: Arc::new(load::report(heading, &derived.logs, &derived.rates.partitions)),
                    rates: derived.rates.partitions,
                }),
            });
        }
        snapshot.health = self.health.clone();
        self.publish.send_replace(Arc::new(snapshot));
    }

    /// What was read now, and of the details that are read less often what was read last.
    fn with_detail(&mut self, jmx: &Taken<JmxReading>) -> Taken<Families> {
        if let Some(detail) = &jmx.reading.detail {
            self.detail = detail.clone();
        }
        let mut all = jmx.reading.families.clone();
        all.extend(&self.detail);
        Taken {
            at: jmx.at,
            reading: Arc::new(all),
        }
    }
}
