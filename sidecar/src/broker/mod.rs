//! `kafka-sidecar broker`: samples one broker and serves what was derived.

mod collect;
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

use crate::clock::Clock;
use crate::config::BrokerConfig;
use crate::derivation::{Derivation, Taken};
use crate::exposition::Families;
use crate::health::Health;
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
        detail: None,
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
    detail: Option<Taken<Families>>,
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
        let has_detail = collected.with_detail;
        let sample = collected.into_sample();
        if let Some(jmx) = &sample.jmx {
            snapshot.families = Some(self.with_detail(jmx.at, &jmx.reading.families, has_detail));
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
    fn with_detail(&mut self, at: Duration, families: &Families, has_detail: bool) -> Taken<Families> {
        let mut all = families.clone();
        if has_detail {
            let reading = Arc::new(families.clone());
            self.detail = Some(Taken { at, reading });
        } else if let Some(detail) = &self.detail {
            all.or(&detail.reading);
        }
        let reading = Arc::new(all);
        Taken { at, reading }
    }
}
