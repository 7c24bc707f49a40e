//! `/livez`, `/readyz` and `/metrics`.
//!
//! An operator that waits for its turn is as ready as one that acts. What the API server, Kafka or a balancer do not answer is
//! no reason to restart it.

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use balancer::background::upkeep;
use metrics_exporter_prometheus::PrometheusHandle;
use sidecar::server::{Limits, serve};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::RunError;

/// Begins to serve, until it is told to stop.
pub(super) async fn start(
    address: SocketAddr,
    metrics: PrometheusHandle,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let listening = TcpListener::bind(address).await;
    let listener = listening.map_err(|source| RunError::Listen { address, source })?;
    let rendered = metrics.clone();
    let routes = Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(|| async { "ready\n" }))
        .route("/metrics", get(|| async move { rendered.render() }));
    tokio::spawn(upkeep(metrics, stop.clone()));
    tokio::spawn(async move {
        if let Err(error) = serve(listener, routes, None, Limits::default(), stop).await {
            tracing::error!(%error, "Nothing is served any more.");
        }
    });
    Ok(())
}
