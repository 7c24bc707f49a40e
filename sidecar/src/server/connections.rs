//! Connections of readers, none of which can hold up the others or grow without bounds.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use super::certificate::Certificate;

/// What a reader may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many connections there are at a time; more wait in the system's queue. Each can hold an answer that its reader
    /// does not take.
    pub connections: usize,
    /// How long a reader may take for the handshake of TLS, for the head of a request, or until the next request.
    pub head: Duration,
    /// How long a reader may take nothing of an answer.
    pub stall: Duration,
    /// How long a connection is kept, however busy; as long as its reader wishes where there is none.
    pub age: Option<Duration>,
    /// How long open connections may go on after the signal to stop, or after that age.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 32,
            head: Duration::from_secs(10),
            stall: Duration::from_secs(10),
            age: Some(Duration::from_secs(600)),
            grace: Duration::from_secs(5),
        }
    }
}

/// The most bytes of the head of a request, all its headers together. The library's own bound is many times what a reader has
/// to say, and each connection may make use of it.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// After the system refused a connection, for want of file handles as a rule.
const PAUSE: Duration = Duration::from_secs(1);

/// Serves until told to stop; under TLS where there is a `certificate`.
///
/// # Errors
///
/// The listener is none.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    certificate: Option<Certificate>,
    limits: Limits,
    stop: CancellationToken,
) -> io::Result<()> {
    info!(address = %listener.local_addr()?, tls = certificate.is_some(), "serving");
    let certificate = certificate.map(Arc::new);
    let connections = TaskTracker::new();
    let accepting = accept(
        &listener,
        &router,
        certificate.as_ref(),
        limits,
        &stop,
        &connections,
    );
    let renewing = async {
        match &certificate {
            Some(certificate) => certificate.renew().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = accepting => {}
        () = renewing => {}
    }
    connections.close();
    // Who does not end in time is cut off with the process.
    let _ = timeout(limits.grace, connections.wait()).await;
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    router: &Router,
    certificate: Option<&Arc<Certificate>>,
    limits: Limits,
    stop: &CancellationToken,
    connections: &TaskTracker,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    // Nobody closes the semaphore.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "a connection cannot be taken");
                sleep(PAUSE).await;
                continue;
            }
        };
        let (router, stop) = (router.clone(), stop.clone());
        let certificate = certificate.cloned();
        connections.spawn(async move {
            meet(stream, router, certificate, limits, stop).await;
            drop(place);
        });
    }
}

async fn meet(
    stream: TcpStream,
    router: Router,
    certificate: Option<Arc<Certificate>>,
    limits: Limits,
    stop: CancellationToken,
) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.stall));
    let stream = Box::pin(stream);
    let Some(certificate) = certificate else {
        return talk(stream, router, limits, stop).await;
    };
    match timeout(limits.head, certificate.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => talk(stream, router, limits, stop).await,
        Ok(Err(error)) => debug!(%error, "a reader does not get to TLS"),
        Err(_) => debug!("a reader takes too long for TLS"),
    }
}

/// Answers a reader's requests, until it has had its time.
async fn talk<S>(stream: S, router: Router, limits: Limits, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => Some(ended),
        () = stop.cancelled() => None,
        () = grow_old(limits.age) => None,
    };
    let ended = match ended {
        Some(ended) => Ok(ended),
        None => {
            serving.as_mut().graceful_shutdown();
            timeout(limits.grace, serving).await
        }
    };
    if let Ok(Err(error)) = ended {
        debug!(%error, "a connection broke off");
    }
}

async fn grow_old(age: Option<Duration>) {
    match age {
        Some(age) => sleep(age).await,
        None => std::future::pending().await,
    }
}
