//! The HTTP side: `/metrics`, the report, `/livez`, `/readyz`.

mod certificate;
mod connections;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tower_http::compression::CompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use crate::exposition::{Encoding, Format};
use crate::probes::Probes;
pub use certificate::Certificate;
pub use connections::{Limits, serve};

/// How long an answer may take, the reader's slowness not counted.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What one of the two kinds of sidecar serves. All of it is read from memory; nothing is asked for a reader's sake.
pub trait Served: Send + Sync + 'static {
    /// The path of its report.
    const REPORT_PATH: &'static str;
    /// The report.
    type Report: Serialize;

    /// The text of `/metrics`, in pieces.
    fn metrics(&self, format: Format, encoding: Encoding) -> Vec<Bytes>;

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

/// What handlers answer from.
#[derive(Debug)]
struct Sources<S> {
    served: Arc<S>,
    probes: Arc<Probes>,
}

// A derived one would ask the same of `S`.
impl<S> Clone for Sources<S> {
    fn clone(&self) -> Self {
        Self {
            served: Arc::clone(&self.served),
            probes: Arc::clone(&self.probes),
        }
    }
}

/// The routes of one sidecar.
pub fn router<S: Served>(served: Arc<S>, probes: Arc<Probes>) -> Router {
    Router::new()
        .route(S::REPORT_PATH, get(report::<S>))
        .route("/livez", get(livez::<S>))
        .route("/readyz", get(readyz::<S>))
        .layer(CompressionLayer::new())
        // Packed while it is written.
        .route("/metrics", get(metrics::<S>))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            ANSWER_TIMEOUT,
        ))
        .layer(RequestBodyLimitLayer::new(4096))
        .with_state(Sources { served, probes })
}

async fn metrics<S: Served>(
    State(Sources { served, .. }): State<Sources<S>>,
    headers: HeaderMap,
) -> Response {
    let format = Format::accepted(texts(&headers, ACCEPT));
    let encoding = Encoding::accepted(texts(&headers, ACCEPT_ENCODING));
    let pieces = served
        .metrics(format, encoding)
        .into_iter()
        .map(Ok::<_, Infallible>);
    let mut response = Body::from_stream(futures::stream::iter(pieces)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
    if let Some(coding) = encoding.content_encoding() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    response
}

/// The headers of a name, but for those that are no text.
fn texts(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|header| header.to_str().ok())
}

async fn report<S: Served>(State(Sources { served, .. }): State<Sources<S>>) -> Response {
    match served.report() {
        Ok(report) => axum::Json(report.as_ref()).into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, axum::Json(reason)).into_response(),
    }
}

/// Fails only where a restart helps; sources that do not answer are not the sidecar's fault.
async fn livez<S: Served>(State(Sources { probes, .. }): State<Sources<S>>) -> Response {
    match probes.stuck_for() {
        None => "alive\n".into_response(),
        Some(idle) => {
            let said = format!("sampling has been stuck for {} s\n", idle.as_secs());
            (StatusCode::SERVICE_UNAVAILABLE, said).into_response()
        }
    }
}

async fn readyz<S: Served>(State(Sources { served, probes }): State<Sources<S>>) -> Response {
    let sources = probes.sources();
    if served.was_ready() {
        format!("ready\n{sources}").into_response()
    } else {
        let said = format!("no report yet\n{sources}");
        (StatusCode::SERVICE_UNAVAILABLE, said).into_response()
    }
}
