//! `kafka-sidecar offsets`: once per cluster, how far groups are and how fast they consume.

mod collect;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka::{Cluster, GroupId, TopicPartition};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::OffsetsConfig;
use crate::consumption::{self, Progress};
use crate::derivation::Taken;
use crate::health::{Failure, Health};
use crate::report::Source;
use collect::{Collector, Groups};
pub use view::OffsetsView;
use view::{Positions, Snapshot};

/// Starts sampling. The view shows what is known at any moment; sampling ends with `stop`.
pub fn start<C: Cluster>(
    config: OffsetsConfig,
    cluster: C,
    stop: CancellationToken,
) -> (Arc<OffsetsView>, JoinHandle<()>) {
    let clock = Clock::start();
    let (publish, snapshots) = watch::channel(Arc::new(Snapshot::default()));
    let view = Arc::new(OffsetsView::new(&config, clock, snapshots));
    let sampler = Sampler {
        collector: Collector::new(&config, clock, cluster),
        clock,
        progress: Progress::new(config.interval),
        health: Health::default(),
        publish,
        config,
    };
    (view, tokio::spawn(sampler.run(stop)))
}

struct Sampler<C> {
    config: OffsetsConfig,
    collector: Collector<C>,
    clock: Clock,
    progress: Progress,
    health: Health,
    publish: watch::Sender<Arc<Snapshot>>,
}

impl<C: Cluster> Sampler<C> {
    async fn run(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(self.config.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let began = self.clock.now();
            let collected = tokio::select! {
                () = stop.cancelled() => return,
                collected = self.collector.collect() => collected,
            };
            let duration = self.clock.now() - began;
            let failure = collected.as_ref().err();
            self.health
                .note(Source::Protocol, failure, duration, self.clock.unix_ms());
            self.publish(collected);
        }
    }

    fn publish(&mut self, collected: Result<Groups, Failure>) {
        let mut snapshot = Snapshot::clone(&self.publish.borrow());
        snapshot.health = self.health.clone();
        if let Ok(groups) = collected {
            let Groups {
                at,
                brokers,
                committed,
                failed,
                unlisted,
                spans,
            } = groups;
            self.progress.take(at, committed, |group: &GroupId| {
                unlisted || failed.contains_key(group)
            });
            let committed = self.progress.committed().clone();
            let reading = Arc::new(Positions {
                brokers,
                committed,
                spans,
            });
            let ends = |partition: &TopicPartition| Some(reading.spans.get(partition)?.end);
            if let Some(consumption) = self.progress.consumption(ends) {
                let failed: BTreeMap<GroupId, String> = failed
                    .into_iter()
                    .map(|(group, failure)| (group, failure.message))
                    .collect();
                let report = consumption::report(&consumption, self.clock.unix_ms(), failed);
                let report = Arc::new(report);
                snapshot.report = Some(Taken { at, reading: report });
            }
            snapshot.positions = Some(Taken { at, reading });
        }
        self.publish.send_replace(Arc::new(snapshot));
    }
}
