//! `kafka-sidecar offsets`: once per cluster, how far groups are, how late, how fast, and whether they get on.
//!
//! Groups are read one request after another, each for many groups, and what is answered goes at once into rows of 72
//! bytes (`groups`), by numbers instead of names (`partitions`). Then the ends of all consumed partitions are asked for,
//! each group is judged (`commits`, `timeline`), and as much as may be shown is copied for readers (`exposure`, `view`).

mod collect;
mod commits;
mod exposure;
mod families;
mod groups;
mod partitions;
mod requests;
mod timeline;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kafka::cluster::{ClusterDescription, OffsetSpec};
use kafka::{Cluster, GroupId, TopicPartition};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::busiest::Busiest;
use crate::clock::Clock;
use crate::config::OffsetsConfig;
use crate::consumption::{self, Progress};
use crate::derivation::Taken;
use crate::exposition::Grain;
use crate::health::{Failure, Health};
use crate::probes::Probes;
use crate::report::Source;
use crate::sampling::{Sampling, on_own_thread};
use collect::{Collector, Listed, failure};
use commits::Rules;
use exposure::{Exposure, Positions};
use groups::Groups;
use partitions::Partitions;
use requests::{Asked, about_members, about_positions};
pub use view::OffsetsView;
use view::Snapshot;

/// After how many rows others get their turn: a few milliseconds' work.
const ROWS_AT_ONCE: usize = 50_000;

/// How long a group is followed that nobody lists while some broker does not list its groups.
const KEPT_UNLISTED: Duration = Duration::from_secs(600);

/// Starts sampling. It ends with `stop`.
///
/// # Errors
///
/// The system has no thread for it.
pub fn start<C: Cluster>(
    config: OffsetsConfig,
    cluster: C,
    stop: CancellationToken,
) -> io::Result<Sampling<OffsetsView>> {
    let clock = Clock::start();
    let (publish, snapshots) = watch::channel(Arc::new(Snapshot::default()));
    let view = Arc::new(OffsetsView::new(&config, clock, snapshots));
    // A call makes up to three requests one after the other, and has as much time again to connect.
    let waits = config.kafka.request_timeout * 4;
    let probes = Arc::new(Probes::new(clock, config.interval, waits));
    let sampler = Sampler::new(config, clock, cluster, Arc::clone(&probes), publish);
    let ended = on_own_thread(sampler.run(stop))?;
    Ok(Sampling { view, probes, ended })
}

struct Sampler<C> {
    config: OffsetsConfig,
    collector: Collector<C>,
    clock: Clock,
    probes: Arc<Probes>,
    rules: Rules,
    partitions: Partitions,
    groups: Groups,
    progress: Progress,
    busiest: Option<Busiest>,
    /// The partitions that have series of their own, where only the busiest have.
    shown: BTreeSet<TopicPartition>,
    health: Health,
    publish: watch::Sender<Arc<Snapshot>>,
}

/// Where partitions begin and end.
#[derive(Debug, Default)]
struct Offsets {
    /// Only asked for where they are exported.
    starts: BTreeMap<TopicPartition, i64>,
    ends: BTreeMap<TopicPartition, i64>,
}

impl<C: Cluster> Sampler<C> {
    fn new(
        config: OffsetsConfig,
        clock: Clock,
        cluster: C,
        probes: Arc<Probes>,
        publish: watch::Sender<Arc<Snapshot>>,
    ) -> Self {
        Self {
            collector: Collector::new(&config, clock, cluster),
            clock,
            probes,
            rules: Rules {
                window: u8::try_from(config.status.window).unwrap_or(u8::MAX),
                allowed_lag: config.status.allowed_lag,
                interval: config.interval,
            },
            partitions: Partitions::default(),
            groups: Groups::new(config.max_group_partitions as usize),
            progress: Progress::new(config.interval),
            busiest: Busiest::of(config.metrics.granularity),
            shown: BTreeSet::new(),
            health: Health::default(),
            publish,
            config,
        }
    }

    async fn run(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(self.config.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.sample() => {}
            }
        }
    }

    async fn sample(&mut self) {
        self.probes.step();
        let began = self.clock.now();
        let listed = self.collector.list().await;
        let mut snapshot = Snapshot::clone(&self.publish.borrow());
        let failure = match listed {
            Ok(listed) => self.take(listed, &mut snapshot).await,
            Err(failure) => Some(failure),
        };
        let (duration, now) = (self.clock.now() - began, self.clock.unix_ms());
        self.health
            .note(Source::Protocol, failure.as_ref(), duration, now);
        self.probes.show(self.health.states());
        snapshot.health = self.health.clone();
        self.publish.send_replace(Arc::new(snapshot));
    }

    /// Reads all groups that are listed, and judges them. Returns why some offset of a partition could not be had.
    async fn take(&mut self, listed: Listed, snapshot: &mut Snapshot) -> Option<Failure> {
        self.forget(&listed);
        self.partitions.begin_sample();
        let began = self.clock.now();
        let failed = self.read_groups(&listed).await;
        let at = (began + self.clock.now()) / 2;
        let advanced = self.partitions.iter().filter(|tracked| tracked.advanced > 0);
        let advanced = advanced.map(|tracked| (tracked.partition.clone(), tracked.advanced));
        self.progress.take(at, advanced.collect());
        self.choose_busiest();
        let (offsets, failure) = self.read_offsets(&listed.cluster).await;
        let reading = self.judge(&listed.cluster, &offsets, failed.len()).await;
        let now = self.clock.now();
        let readers = self.partitions.iter().filter(|tracked| tracked.is_read(now));
        let readers = readers.map(|tracked| (tracked.partition.clone(), tracked.behind, tracked.caught_up));
        if let Some(consumption) = self.progress.consumption(readers) {
            let failed = failed
                .into_iter()
                .map(|(group, failure)| (group, failure.message));
            let report = consumption::report(&consumption, self.clock.unix_ms(), failed.collect());
            let reading = Arc::new(report);
            snapshot.report = Some(Taken { at, reading });
        }
        let reading = Arc::new(reading);
        snapshot.positions = Some(Taken { at, reading });
        failure
    }

    /// Forgets what is gone. While some broker does not list its groups, those that nobody lists may be there.
    fn forget(&mut self, listed: &Listed) {
        let gone = self.partitions.set_topics(&listed.cluster.topics);
        self.groups.forget_slots(&gone);
        let (complete, now) = (listed.unlisted.is_none(), self.clock.now());
        let is_old = |read: Duration| now.saturating_sub(read) > KEPT_UNLISTED;
        self.groups.forget(|group, read| {
            !listed.groups.contains_key(group) && (complete || read.is_some_and(is_old))
        });
    }

    /// Asks each group's coordinator where it is and who its members are. Returns the groups that could not be read.
    async fn read_groups(&mut self, listed: &Listed) -> BTreeMap<GroupId, Failure> {
        let left_out = self.groups.left_out();
        let fitting = self.groups.fitting(listed.groups.keys());
        let asked: Vec<Asked<'_>> = fitting
            .into_iter()
            .filter_map(|(id, rows)| {
                let (coordinator, listing) = listed.groups.get(id)?;
                Some((*coordinator, listing, rows))
            })
            .collect();
        let missing = self.groups.ids().filter(|id| !listed.groups.contains_key(*id));
        let missing = missing.filter_map(|id| Some((id.clone(), listed.unlisted.clone()?)));
        let mut failed: BTreeMap<GroupId, Failure> = missing.collect();
        let mut answers = std::pin::pin!(self.collector.positions(about_positions(&asked)));
        while let Some(mut answer) = answers.next().await {
            self.probes.step();
            for listing in &answer.request.groups {
                let read = match &mut answer.groups {
                    Ok(groups) => groups
                        .remove(&listing.id)
                        .map(|read| read.map_err(|e| failure(&e))),
                    Err(failure) => Some(Err(failure.clone())),
                };
                match read {
                    Some(Ok(topics)) => {
                        self.groups
                            .read(answer.at, listing, &topics, &mut self.partitions);
                    }
                    Some(Err(failure)) => drop(failed.insert(listing.id.clone(), failure)),
                    None => {}
                }
            }
        }
        let mut answers = std::pin::pin!(self.collector.descriptions(about_members(&asked)));
        while let Some(answer) = answers.next().await {
            self.probes.step();
            for (id, description) in answer.groups.into_iter().flatten() {
                if let Ok(description) = description {
                    self.groups.describe(&id, description);
                }
            }
        }
        if left_out == 0 && self.groups.left_out() > 0 {
            warn!(
                groups = self.groups.left_out(),
                max_group_partitions = self.config.max_group_partitions,
                "not all groups fit; the last ones by name are left out"
            );
        }
        failed
    }

    /// Asks for the ends of all partitions that some group is in, and for all offsets of those that are exported.
    /// Partitions without a leader are left out, since nobody could answer for them. Returns also why some could not be had.
    async fn read_offsets(&mut self, cluster: &ClusterDescription) -> (Offsets, Option<Failure>) {
        let consumed: BTreeSet<&TopicPartition> =
            self.partitions.iter().map(|tracked| &tracked.partition).collect();
        let topics = &self.config.metrics.topics;
        let exports = |topic: &str| self.config.export_partitions && topics.takes(topic);
        let (mut wanted, mut exported) = (Vec::new(), Vec::new());
        for topic in &cluster.topics {
            let exports = exports(topic.name.as_str());
            for described in topic
                .partitions
                .iter()
                .filter(|partition| partition.leader.is_some())
            {
                let partition = TopicPartition::new(topic.name.clone(), described.id);
                if exports {
                    exported.push(partition.clone());
                }
                if exports || consumed.contains(&partition) {
                    wanted.push(partition);
                }
            }
        }
        self.probes.step();
        let starts = self.collector.offsets(&exported, OffsetSpec::Earliest);
        let began = self.clock.now();
        let ends = self.collector.offsets(&wanted, OffsetSpec::Latest);
        let ((starts, no_start), (ends, no_end)) = tokio::join!(starts, ends);
        let at = (began + self.clock.now()) / 2;
        self.partitions.set_ends(at, &ends);
        (Offsets { starts, ends }, no_end.or(no_start))
    }

    /// Chooses the partitions that are shown where only the busiest are: those that groups take most records of.
    fn choose_busiest(&mut self) {
        if let Some(busiest) = &mut self.busiest
            && let Some(consumption) = self.progress.consumption([])
        {
            let tracked = self.partitions.iter().map(|tracked| &tracked.partition);
            let topics = &self.config.metrics.topics;
            let taken = tracked.filter(|partition| topics.takes(partition.topic.as_str()));
            let rate = |partition| consumption.get(partition).map_or(0.0, |of| of.records_per_second);
            let rates = taken.map(|partition| (partition, rate(partition)));
            self.shown = busiest.take(self.config.interval, rates).clone();
        }
    }

    /// Judges each group by what is known now, and shows as much as may be shown.
    async fn judge(&mut self, cluster: &ClusterDescription, offsets: &Offsets, unread: usize) -> Positions {
        let now = self.clock.now();
        let exposure = Exposure {
            metrics: &self.config.metrics,
            grain: Grain::new(self.config.metrics.granularity, &self.shown),
            rules: &self.rules,
            now,
        };
        let mut positions = Positions {
            brokers: cluster.brokers.clone(),
            left_out: self.groups.left_out(),
            unread,
            ..Positions::default()
        };
        let (window, partitions) = (self.progress.window(), &mut self.partitions);
        let mut rows = 0;
        for (id, group) in self.groups.iter_mut() {
            group.judge(now, window, &self.rules, partitions);
            exposure.add(&mut positions, id, group, partitions);
            rows += group.len();
            if rows > ROWS_AT_ONCE {
                rows = 0;
                self.probes.step();
                yield_now().await;
            }
        }
        if self.config.export_partitions {
            exposure.add_partitions(&mut positions, cluster, &offsets.starts, &offsets.ends);
        }
        positions
    }
}

#[cfg(test)]
mod tests;
