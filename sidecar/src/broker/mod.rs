//! `kafka-sidecar broker`: samples one broker and serves what was derived.

mod collect;
mod families;
mod log_choice;
mod protocol;
mod view;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use kafka::Cluster;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::busiest::Busiest;
use crate::clock::Clock;
use crate::config::BrokerConfig;
use crate::derivation::{Derivation, Taken};
use crate::exposition::Families;
use crate::health::Health;
use crate::jmx::{DETAIL_EVERY, JmxReading};
use crate::load::{self, Heading};
use crate::probes::Probes;
use crate::report::Source;
use crate::sampling::{Sampling, on_own_thread};
use collect::{Collected, Collector};
pub use view::BrokerView;
use view::{Load, Snapshot};

/// Starts sampling by `clock`. Without a `cluster` everything is read through Jolokia. Sampling ends with `stop`.
///
/// # Errors
///
/// The system has no thread for it.
pub fn start<C: Cluster>(
    config: BrokerConfig,
    cluster: Option<C>,
    clock: Clock,
    stop: CancellationToken,
) -> io::Result<Sampling<BrokerView>> {
    let (publish, snapshots) = watch::channel(Arc::new(Snapshot::default()));
    let view = Arc::new(BrokerView::new(&config, clock, snapshots));
    let probes = Arc::new(Probes::new(clock, config.interval, waits(&config)));
    let sampler = Sampler {
        derivation: Derivation::new(config.interval),
        collector: Collector::new(&config, clock, cluster),
        clock,
        probes: Arc::clone(&probes),
        health: Health::default(),
        detail: None,
        busiest: Busiest::of(config.metrics.granularity),
        publish,
        config,
    };
    let ended = on_own_thread(sampler.run(stop))?;
    Ok(Sampling { view, probes, ended })
}

/// How long one sample may wait for all sources together: layout, offsets, and what is learnt of the broker and topics.
fn waits(config: &BrokerConfig) -> Duration {
    let kafka = config.kafka.as_ref().map(|kafka| kafka.request_timeout * 4);
    let jolokia = config.jolokia.as_ref().map(|jolokia| jolokia.timeout);
    let consumption = config.consumption.as_ref().map(|consumption| consumption.timeout);
    [kafka, jolokia, consumption].into_iter().flatten().sum()
}

struct Sampler<C> {
    config: BrokerConfig,
    collector: Collector<C>,
    clock: Clock,
    probes: Arc<Probes>,
    derivation: Derivation,
    health: Health,
    detail: Option<Taken<Families>>,
    busiest: Option<Busiest>,
    publish: watch::Sender<Arc<Snapshot>>,
}

impl<C: Cluster> Sampler<C> {
    async fn run(mut self, stop: CancellationToken) {
        loop {
            self.probes.step();
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
        if let Some(refusal) = collected.refusal() {
            self.health.note_refusal(Source::Jolokia, &refusal);
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
                let rates = derived.rates.iter();
                let shown = rates.filter(|(partition, _)| topics.takes(partition.topic.as_str()));
                let bytes = shown.map(|(partition, rate)| (partition, rate.bytes_in + rate.bytes_out));
                snapshot.busiest = Arc::new(busiest.take(derived.window, bytes).clone());
            }
            snapshot.load = Some(Taken {
                at: self.clock.now(),
                reading: Arc::new(Load {
                    report: Arc::new(load::report(heading, &derived.logs, &derived.rates)),
                    rates: derived.rates,
                }),
            });
        }
        self.probes.show(self.health.states());
        snapshot.health = self.health.clone();
        self.publish.send_replace(Arc::new(snapshot));
    }

    /// What was read now, and of the details that are read less often what was read last, unless reading them has failed twice
    /// since.
    fn with_detail(&mut self, jmx: &Taken<JmxReading>) -> Taken<Families> {
        if let Some(detail) = &jmx.reading.detail {
            self.detail = Some(Taken {
                at: jmx.at,
                reading: Arc::new(detail.clone()),
            });
        }
        let stale_after = self.config.interval * DETAIL_EVERY * 5 / 2;
        self.detail
            .take_if(|detail| jmx.at.saturating_sub(detail.at) > stale_after);
        let mut all = jmx.reading.families.clone();
        if let Some(detail) = &self.detail {
            all.extend(&detail.reading);
        }
        Taken {
            at: jmx.at,
            reading: Arc::new(all),
        }
    }
}
