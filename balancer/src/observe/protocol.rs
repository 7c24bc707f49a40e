//! Looking at brokers without a sidecar over the Kafka protocol.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use kafka::cluster::ClusterDescription;
use kafka::{BrokerId, Cluster};
use sidecar::clock::Clock;
use sidecar::derivation::{Derivation, Sample, Taken};
use sidecar::load::{self, Heading};
use sidecar::logs::LogReading;
use sidecar::logs::protocol::{Layout, LogsError};
use sidecar::report::{LoadReport, Source, SourceState};

/// Brokers that are asked at the same time.
const CONCURRENCY: usize = 16;

/// Does a sidecar's work from afar, for the brokers that have none: rates from offsets and log sizes.
#[derive(Debug)]
pub struct ProtocolSampler {
    interval: Duration,
    derivations: BTreeMap<BrokerId, Derivation>,
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
        clock: Clock,
    ) -> BTreeMap<BrokerId, Result<Option<LoadReport>, LogsError>> {
        self.derivations.retain(|broker, _| brokers.contains(broker));
        let readings: Vec<_> = stream::iter(brokers.iter().copied())
            .map(|broker| {
                let layout = Layout::of(broker, Arc::clone(description));
                async move { (broker, layout.read(cluster).await, clock.now()) }
            })
            .buffered(CONCURRENCY)
            .collect()
            .await;
        readings
            .into_iter()
            .map(|(broker, reading, at)| {
                (
                    broker,
                    reading.map(|reading| self.derive(broker, reading, at, clock.unix_ms())),
                )
            })
            .collect()
    }

    fn derive(
        &mut self,
        broker: BrokerId,
        reading: LogReading,
        at: Duration,
        unix_ms: u64,
    ) -> Option<LoadReport> {
        let derivation = self
            .derivations
            .entry(broker)
            .or_insert_with(|| Derivation::new(self.interval));
        let logs = Some(Taken {
            at,
            reading: Arc::new(reading),
        });
        let derived = derivation.take(Sample {
            logs,
            ..Sample::default()
        })?;
        let heading = Heading {
            broker,
            sampled_at_ms: unix_ms,
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
