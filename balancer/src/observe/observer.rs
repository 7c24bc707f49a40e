//! One look at the cluster: ask everybody at the same time, then merge.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kafka::cluster::ClusterDescription;
use kafka::error::with_causes;
use kafka::ids::{BrokerId, TopicName, TopicPartition};
use kafka::{Cluster, ClusterError};
use sidecar::clock::Clock;
use sidecar::http_client::HttpError;
use sidecar::report::LoadReport;
use thiserror::Error;

use super::merge::{BrokerReport, BrokerSource, Look, Merger, Sight};
use super::protocol::ProtocolSampler;
use super::reports::{ReportReader, ReportSource};
use crate::config::{CapacitySettings, Config, Exclusions};
use crate::model::InvalidModel;

/// After how many windows a report says nothing about now.
const STALE_WINDOWS: u64 = 3;

/// Why the cluster could not be seen.
#[derive(Debug, Error)]
pub enum ObserveError {
    /// Kafka could not be asked.
    #[error("the cluster cannot be seen")]
    Cluster(#[from] ClusterError),
    /// Kafka's metadata contradict themselves.
    #[error("Kafka's metadata cannot be used")]
    Metadata(#[from] InvalidModel),
    /// The HTTP client for reports could not be made.
    #[error("no HTTP client for the sidecars' reports")]
    Http(#[source] HttpError),
}

/// What the balancer itself has decided, and what therefore counts differently in a look.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// Brokers that are to be emptied.
    pub draining: BTreeSet<BrokerId>,
    /// Partitions that the balancer is reassigning.
    pub own: BTreeSet<TopicPartition>,
}

/// The cluster as one look found it.
#[derive(Debug)]
pub struct Observation {
    /// Kafka's metadata.
    pub description: Arc<ClusterDescription>,
    /// The model and where its figures come from.
    pub sight: Sight,
    /// The brokers' reports.
    pub reports: BTreeMap<BrokerId, BrokerReport>,
}

/// Looks at the cluster again and again.
pub struct Observer<C, R = ReportReader> {
    cluster: C,
    source: R,
    protocol: ProtocolSampler,
    merger: Merger,
    capacity: CapacitySettings,
    exclude: Exclusions,
    journal: TopicName,
}

impl<C: Cluster> Observer<C> {
    /// An observer of a cluster and its sidecars that is asked once every tick.
    ///
    /// # Errors
    ///
    /// [`ObserveError::Http`].
    pub fn new(cluster: C, config: &Config) -> Result<Self, ObserveError> {
        // Half a tick: a sidecar that hangs must not make the look at all others late.
        let timeout = (config.tick / 2).max(Duration::from_secs(1));
        let reader = ReportReader::new(config.sidecars.clone(), timeout).map_err(ObserveError::Http)?;
        Ok(Self::with_source(cluster, reader, config))
    }
}

impl<C: Cluster, R: ReportSource> Observer<C, R> {
    /// An observer that has its reports from `source`.
    pub fn with_source(cluster: C, source: R, config: &Config) -> Self {
        Self {
            cluster,
            source,
            protocol: ProtocolSampler::new(config.tick),
            merger: Merger::default(),
            capacity: config.capacity.clone(),
            exclude: config.exclude.clone(),
            journal: config.journal.topic.clone(),
        }
    }

    /// Looks once.
    ///
    /// # Errors
    ///
    /// Kafka's metadata cannot be read or used. A missing report is no error.
    pub async fn look(&mut self, standing: &Standing, clock: Clock) -> Result<Observation, ObserveError> {
        let (description, reassignments) =
            tokio::try_join!(self.cluster.describe(), self.cluster.reassignments())?;
        let description = Arc::new(description);
        let foreign: BTreeSet<_> = reassignments
            .into_keys()
            .filter(|partition| !standing.own.contains(partition))
            .collect();
        let reports = self.reports(&description, clock).await;
        let sight = self.merger.merge(&Look {
            description: &description,
            reports: &reports,
            draining: &standing.draining,
            foreign: &foreign,
            capacity: &self.capacity,
            exclude: &self.exclude,
            journal: &self.journal,
        })?;
        Ok(Observation {
            description,
            sight,
            reports,
        })
    }

    async fn reports(
        &mut self,
        description: &Arc<ClusterDescription>,
        clock: Clock,
    ) -> BTreeMap<BrokerId, BrokerReport> {
        let mut known = BTreeMap::new();
        let mut missing: BTreeMap<BrokerId, String> = BTreeMap::new();
        let unix_ms = clock.unix_ms();
        for (broker, fetched) in self.source.reports(&description.brokers).await {
            match fetched
                .map_err(|error| with_causes(&error))
                .and_then(|report| usable(report, description, unix_ms))
            {
                Ok(report) => {
                    let source = BrokerSource::Sidecar {
                        sampled_at_ms: report.sampled_at_ms,
                    };
                    known.insert(
                        broker,
                        BrokerReport {
                            report: Some(report),
                            source,
                        },
                    );
                }
                Err(reason) => {
                    missing.insert(broker, reason);
                }
            }
        }
        known.extend(self.ask_protocol(description, missing, clock).await);
        known
    }

    async fn ask_protocol(
        &mut self,
        description: &Arc<ClusterDescription>,
        missing: BTreeMap<BrokerId, String>,
        clock: Clock,
    ) -> BTreeMap<BrokerId, BrokerReport> {
        let brokers: Vec<BrokerId> = missing.keys().copied().collect();
        let mut sampled = self
            .protocol
            .sample(&self.cluster, description, &brokers, clock)
            .await;
        missing
            .into_iter()
            .map(|(broker, reason)| {
                let known = match sampled.remove(&broker) {
                    Some(Ok(Some(report))) => BrokerReport {
                        report: Some(report),
                        source: BrokerSource::Protocol { reason },
                    },
                    Some(Err(error)) => {
                        let reason = format!("{reason}; over the protocol: {error}");
                        BrokerReport {
                            report: None,
                            source: BrokerSource::Unknown { reason },
                        }
                    }
                    Some(Ok(None)) | None => BrokerReport {
                        report: None,
                        source: BrokerSource::Unknown { reason },
                    },
                };
                (broker, known)
            })
            .collect()
    }
}

/// Refuses a report of another cluster and one that is old.
fn usable(report: LoadReport, description: &ClusterDescription, now_ms: u64) -> Result<LoadReport, String> {
    if let Some(cluster) = &report.cluster_id
        && *cluster != description.cluster_id
    {
        return Err(format!(
            "its sidecar reports on cluster {cluster}, not {}; check the balancer's `sidecars`",
            description.cluster_id
        ));
    }
    let age = now_ms.saturating_sub(report.sampled_at_ms);
    if age > STALE_WINDOWS * u64::from(report.window_ms) {
        return Err(format!("its sidecar's last sample is {} s old", age / 1000));
    }
    Ok(report)
}
