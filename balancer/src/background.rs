//! What each program does beside its work: it waits for the signals to stop, and sums up its metrics.

use std::io;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How often metrics are summed up: histograms grow until they are, scraped or not.
const UPKEEP: Duration = Duration::from_secs(5);

/// Is cancelled by SIGTERM and SIGINT from now on.
///
/// # Errors
///
/// The signals cannot be received.
pub fn stop_on_signals() -> io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut received = signal(kind)?;
        let stop = stop.clone();
        tokio::spawn(async move {
            received.recv().await;
            stop.cancel();
        });
    }
    Ok(stop)
}

/// Sums up metrics until the program stops.
pub async fn upkeep(metrics: PrometheusHandle, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(UPKEEP);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        metrics.run_upkeep();
    }
}
