//! Looking at brokers without a sidecar over the Kafka protocol.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use kafka::cluster::ClusterDescription;
use kafka::{BrokerId, Cluster};
use sidecar::derivation::{Derivation, Sample, Taken};
use sidecar::load::{self, Heading};
use sidecar::logs::{Layout, LogReading, LogsError};
use sidecar::report::{LoadReport, Source, SourceState};

/// Brokers that are asked at the same time.
const CONCURRENCY: usize = 16;

/// Does a sidecar's work from afar, for the brokers that have none: rates from offsets and log sizes.
#[derive(Debug)]
pub struct ProtocolSampler {
    interval: Duration,
    derivations: BTreeMap<BrokerId, Derivation>,
}

/// The moment of a sample on both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// By a clock that never goes back.
    pub steady: Duration,
    /// In milliseconds since the Unix epoch.
    pub unix_ms: u64,
}

impl ProtocolSampler {
    /// A sampler that is asked every `interval`.
    pub fn new(interval: Duration) -> Self {
        Self {
            interval,
            derivations: BTreeMap::new(),
        }
    }

    /// Samples `brokers` and forgets all others. A broker has a report from its second sample on.
    ///
    /// The bytes of a record are those of the log, which are what producers sent unless the topic recompresses.
    pub async fn sample<C: Cluster>(
        &mut self,
        cluster: &C,
        description: &Arc<ClusterDescription>,
        brokers: &[BrokerId],
        now: impl Fn() -> Moment,
    ) -> BTreeMap<BrokerId, Result<Option<LoadReport>, LogsError>> {
        self.derivations.retain(|broker, _| brokers.contains(broker));
        let readings: Vec<_> = stream::iter(brokers.iter().copied())
            .map(|broker| {
                let layout = Layout::of(broker, Arc::clone(description));
                let now = &now;
                async move { (broker, layout.read(cluster).await, now()) }
            })
            .buffered(CONCURRENCY)
            .collect()
            .await;
        readings
            .into_iter()
            .map(|(broker, reading, at)| (broker, reading.map(|reading| self.derive(broker, reading, at))))
            .collect()
    }

    fn derive(&mut self, broker: BrokerId, reading: LogReading, at: Moment) -> Option<LoadReport> {
        let derivation = self
            .derivations
            .entry(broker)
            .or_insert_with(|| Derivation::new(self.interval));
        let logs = Some(Taken {
            at: at.steady,
            reading: Arc::new(reading),
        });
        let derived = derivation.take(Sample {
            logs,
            ..Sample::default()
        })?;
        let heading = Heading {
            broker,
            sampled_at_ms: at.unix_ms,
            window: derived.window,
            sources: [(
                Source::Protocol,
                SourceState {
                    up: true,
                    error: None,
                },
            )]
            .into(),
            totals: derived.totals,
        };
        Some(load::report(heading, &derived.logs, &derived.rates))
    }
}
