//! `kafka-balancer serve`: the loop, and the API beside it.

mod balancer;
mod guidance;
mod show;
#[cfg(test)]
mod tests;
mod waits;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kafka::client::{CompactedLogSettings, KafkaCluster, KafkaCompactedLog};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use sidecar::clock::Clock;
use sidecar::server::{Certificate, Limits, serve};
use sidecar::tls::TlsError;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::api::view::View;
use crate::api::{self, Hosts, Shared};
use crate::background::{stop_on_signals, upkeep};
use crate::config::Config;
use crate::observe::{ObserveError, Observer};
pub use balancer::Balancer;

/// Actions that wait for the loop at most; more are refused.
const MAX_WAITING_ACTIONS: usize = 64;

/// More than the live records of a journal ever take; see [`crate::journal`].
const MAX_JOURNAL_BYTES: usize = 256 * 1024 * 1024;

/// What those who ask may cost. Connections have no age: who follows events does so for hours.
pub(crate) const LIMITS: Limits = Limits {
    connections: 256,
    head: Duration::from_secs(10),
    stall: Duration::from_secs(30),
    age: None,
    grace: Duration::from_secs(5),
};

/// Why the balancer ended.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; change `listen`, or end what uses the port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The certificate cannot be used.
    #[error("the files of `tls` cannot be used")]
    Certificate(#[from] TlsError),
    /// Signals cannot be received.
    #[error("signals cannot be received: {0}")]
    Signals(#[source] std::io::Error),
    /// The metrics recorder cannot be installed.
    #[error("metrics cannot be recorded: {0}")]
    Metrics(#[from] BuildError),
    /// Something that looks at the cluster could not be made.
    #[error(transparent)]
    Observe(#[from] ObserveError),
}

/// Runs the balancer until SIGTERM or SIGINT.
///
/// # Errors
///
/// It could not be started. A cluster that cannot be reached is no such error: the balancer waits for it.
pub async fn run(config: Config) -> Result<(), ServeError> {
    let stop = stop_on_signals().map_err(ServeError::Signals)?;
    let metrics = install_metrics()?;
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|source| ServeError::Listen {
            address: config.listen,
            source,
        })?;
    let read = |identity| Certificate::read(identity, Certificate::READ_EVERY);
    let certificate = config.tls.clone().map(read).transpose()?;
    let (publish, view) = watch::channel(Arc::new(View::default()));
    let (commands, actions) = mpsc::channel(MAX_WAITING_ACTIONS);
    let cluster = KafkaCluster::new(config.kafka.clone());
    let log = KafkaCompactedLog::new(
        config.kafka.clone(),
        CompactedLogSettings {
            topic: config.journal.topic.clone(),
            transactional_id: config.journal.transactional_id.clone(),
            replication_factor: config.journal.replication_factor,
            max_live_bytes: MAX_JOURNAL_BYTES,
        },
    );
    let observer = Observer::new(cluster.clone(), &config)?;
    let balancer = Balancer::new(&config, cluster, observer, log, publish, Clock::start())
        .telling(certificate.as_ref().map(Certificate::trouble));
    tracing::info!(listen = %config.listen, mode = ?config.mode, "The balancer has started.");

    let shared = Shared::new(view, commands, config.token_file.clone(), metrics.clone())
        .asked_as(Hosts::new(config.listen, &config.hosts));
    let router = api::router(shared);
    let server = tokio::spawn(serve(listener, router, certificate, LIMITS, stop.clone()));
    tokio::spawn(upkeep(metrics, stop.clone()));
    balancer.run(actions, stop).await;
    // Requests that are still open are answered; one that never ends does not hold up the end.
    if let Ok(Err(error)) = server.await {
        tracing::error!(%error, "The API has ended.");
    }
    tracing::info!("The balancer has ended; what it was doing is in the journal.");
    Ok(())
}

fn install_metrics() -> Result<PrometheusHandle, ServeError> {
    let handle = PrometheusBuilder::new().install_recorder()?;
    crate::metrics::describe();
    Ok(handle)
}
