//! Sidecars: reports made from the simulated cluster's own offsets and sizes, and what becomes of them on the way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use balancer::observe::{ProtocolSampler, ReportError, ReportSource};
use kafka::cluster::Broker;
use kafka::simulated::SimulatedCluster;
use kafka::{BrokerId, Cluster};
use sidecar::clock::Clock;
use sidecar::report::LoadReport;

/// How sidecars answer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Mood {
    /// With the truth.
    #[default]
    Honest,
    /// Not at all.
    Silent,
    /// With what they sampled first.
    Stuck,
    /// With rates that are so many times too high.
    Lying(f64),
}

/// The sidecars as one balancer sees them.
pub(crate) struct Sidecars {
    cluster: SimulatedCluster,
    sampler: ProtocolSampler,
    clock: Clock,
    moods: Arc<Mutex<BTreeMap<BrokerId, Mood>>>,
    last: BTreeMap<BrokerId, LoadReport>,
}

impl Sidecars {
    pub(crate) fn new(
        cluster: &SimulatedCluster,
        clock: Clock,
        tick: Duration,
        moods: &Arc<Mutex<BTreeMap<BrokerId, Mood>>>,
    ) -> Self {
        Self {
            cluster: cluster.client(),
            sampler: ProtocolSampler::new(tick),
            clock,
            moods: Arc::clone(moods),
            last: BTreeMap::new(),
        }
    }

    fn in_mood(&mut self, broker: BrokerId, report: LoadReport) -> Option<LoadReport> {
        let mood = self
            .moods
            .lock()
            .unwrap()
            .get(&broker)
            .copied()
            .unwrap_or_default();
        match mood {
            Mood::Silent => None,
            Mood::Stuck => Some(self.last.entry(broker).or_insert(report).clone()),
            Mood::Honest => {
                self.last.insert(broker, report.clone());
                Some(report)
            }
            Mood::Lying(factor) => {
                let mut report = report;
                let lie = |rate: &mut u64| *rate = (*rate as f64 * factor) as u64;
                report.replicas.bytes_in.iter_mut().for_each(lie);
                report.replicas.bytes_out.iter_mut().for_each(lie);
                report.totals.produce_mean_ms = Some(5.0 * factor);
                Some(report)
            }
        }
    }
}

impl ReportSource for Sidecars {
    async fn reports(&mut self, brokers: &[Broker]) -> Vec<(BrokerId, Result<LoadReport, ReportError>)> {
        let description = Arc::new(self.cluster.describe().await.unwrap());
        let ids: Vec<BrokerId> = brokers.iter().map(|broker| broker.id).collect();
        let sampled = self
            .sampler
            .sample(&self.cluster, &description, &ids, self.clock)
            .await;
        let mut answers = Vec::new();
        for (broker, sample) in sampled {
            let sample = sample.ok().flatten();
            let report = sample.and_then(|report| self.in_mood(broker, report));
            answers.push((
                broker,
                report.ok_or_else(|| ReportError::NotReady {
                    url: format!("http://sidecar-{broker}"),
                    reason: "it does not answer".to_owned(),
                }),
            ));
        }
        answers
    }
}
