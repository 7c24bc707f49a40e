//! The HTTP side: `/metrics`, the report, `/livez`, `/readyz`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;
use tracing::info;

/// How long an answer may take, the reader's slowness not counted.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long open connections may go on after the signal to stop.
const GRACE: Duration = Duration::from_secs(5);

/// What one of the two kinds of sidecar serves. All of it is read from memory; nothing is asked for a reader's sake.
pub trait Served: Send + Sync + 'static {
    /// The path of its report.
    const REPORT_PATH: &'static str;
    /// The report.
    type Report: Serialize;

    /// The text of `/metrics`.
    fn metrics(&self) -> String;

    /// The report.
    ///
    /// # Errors
    ///
    /// There is none (yet, or any more).
    fn report(&self) -> Result<Arc<Self::Report>, NoReport>;

    /// Whether there has ever been a report. A broker that fails later must not take its exporter out of service.
    fn was_ready(&self) -> bool;
}

/// Why there is no report, as it is told to readers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NoReport {
    /// The reason.
    pub error: String,
}

/// The routes of one sidecar.
pub fn router<S: Served>(served: Arc<S>) -> Router {
    Router::new()
        .route("/metrics", get(metrics::<S>))
        .route(S::REPORT_PATH, get(report::<S>))
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz::<S>))
        .layer(CompressionLayer::new())
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            ANSWER_TIMEOUT,
        ))
        .layer(RequestBodyLimitLayer::new(4096))
        .with_state(served)
}

/// Serves until told to stop.
///
/// # Errors
///
/// The system refuses connections for good.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) -> std::io::Result<()> {
    info!(address = %listener.local_addr()?, "serving");
    let stopping = stop.clone();
    let serving =
        axum::serve(listener, router).with_graceful_shutdown(async move { stopping.cancelled().await });
    tokio::select! {
        served = serving => served,
        () = async { stop.cancelled().await; tokio::time::sleep(GRACE).await } => Ok(()),
    }
}

async fn metrics<S: Served>(State(served): State<Arc<S>>) -> Response {
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        served.metrics(),
    )
        .into_response()
}

async fn report<S: Served>(State(served): State<Arc<S>>) -> Response {
    match served.report() {
        Ok(report) => axum::Json(report.as_ref()).into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, axum::Json(reason)).into_response(),
    }
}

async fn readyz<S: Served>(State(served): State<Arc<S>>) -> Response {
    if served.was_ready() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "no report yet\n").into_response()
    }
}
