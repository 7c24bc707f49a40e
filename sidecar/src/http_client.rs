//! Asking another program over HTTP, under TLS where its address says `https`.

use std::error::Error;
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use flate2::read::GzDecoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kafka::connection::Tls;
use rustls::ClientConfig;
use thiserror::Error;
use url::Url;

use crate::tls::{TlsError, client_config};

type BoxError = Box<dyn Error + Send + Sync>;
type Connections = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// How long a connection is kept for the next request; the longest interval of samples is not worth one.
const KEPT: Duration = Duration::from_secs(60);

/// Why there is no answer. It is told after who was asked.
#[derive(Debug, Error)]
pub enum HttpError {
    /// The connection cannot be made, or broke off.
    #[error("it cannot be reached; is it up, and does it listen there?")]
    Unreachable(#[source] BoxError),
    /// It took too long.
    #[error("it did not answer within {0:?}")]
    TimedOut(Duration),
    /// The two sides do not trust each other, or one of them does not speak TLS.
    #[error(
        "no TLS connection can be made; check the files of `tls`, and that its certificate has the address's host"
    )]
    Handshake(#[source] BoxError),
    /// The files with which to make TLS connections cannot be used.
    #[error("the files of `tls` cannot be used")]
    Files(#[source] Box<TlsError>),
    /// The answer weighs too much.
    #[error("its answer is larger than {0} bytes; refusing to read it")]
    TooLarge(usize),
    /// The address or a header is none that HTTP knows.
    #[error("no request can be made of its address and credentials")]
    Request(#[source] http::Error),
    /// The answer says that it is packed, and is not.
    #[error("its answer cannot be unpacked")]
    Packed(#[source] io::Error),
}

impl HttpError {
    /// A word for the `kind` label of error counters.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::TimedOut(_) => "timed_out",
            Self::Handshake(_) | Self::Files(_) => "tls",
            Self::TooLarge(_) => "too_large",
            Self::Request(_) => "settings",
            Self::Packed(_) => "nonsense",
        }
    }
}

/// An answer in full.
#[derive(Debug)]
pub struct Answer {
    /// Its status. Redirections are not followed: who is asked is what the configuration says.
    pub status: StatusCode,
    /// What it says, unpacked.
    pub body: Vec<u8>,
}

/// A client of one address.
///
/// Connections are kept. After a failure they are given up and the files of `tls` are read again with the next request,
/// so that certificates can be rotated.
#[derive(Debug)]
pub struct HttpClient {
    url: Url,
    tls: Tls,
    timeout: Duration,
    max_bytes: usize,
    connections: Mutex<Option<Connections>>,
}

impl HttpClient {
    /// A client of `url` that waits so long for an answer of so many bytes at most. Nothing is sent yet.
    pub fn new(url: Url, tls: Tls, timeout: Duration, max_bytes: usize) -> Self {
        Self {
            url,
            tls,
            timeout,
            max_bytes,
            connections: Mutex::default(),
        }
    }

    /// Who is asked.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Asks, and waits for the whole answer, whatever its status.
    ///
    /// # Errors
    ///
    /// There is none in time, or none that may be read.
    pub async fn ask(&self, method: Method, headers: HeaderMap, body: Vec<u8>) -> Result<Answer, HttpError> {
        let asking = tokio::time::timeout(self.timeout, self.ask_patiently(method, headers, body));
        let answer = asking.await.unwrap_or(Err(HttpError::TimedOut(self.timeout)));
        if answer.is_err() {
            *self.slot() = None;
        }
        answer
    }

    async fn ask_patiently(
        &self,
        method: Method,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Answer, HttpError> {
        let connections = self.connections().await?;
        let request = Request::builder().method(method).uri(self.url.as_str());
        let mut request = request.body(Full::from(body)).map_err(HttpError::Request)?;
        let gzip = HeaderValue::from_static("gzip");
        *request.headers_mut() = headers;
        request.headers_mut().insert(ACCEPT_ENCODING, gzip.clone());
        let answer = connections.request(request).await;
        let (head, body) = answer.map_err(|error| network(error.into()))?.into_parts();
        let body = self.read(body).await?;
        let is_packed = head.headers.get(CONTENT_ENCODING) == Some(&gzip);
        Ok(Answer {
            status: head.status,
            body: if is_packed { self.unpack(&body)? } else { body },
        })
    }

    async fn read(&self, mut body: Incoming) -> Result<Vec<u8>, HttpError> {
        if body.size_hint().lower() > self.max_bytes as u64 {
            return Err(HttpError::TooLarge(self.max_bytes));
        }
        let mut read = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(chunk) = frame.map_err(|error| network(error.into()))?.into_data() else {
                continue;
            };
            if read.len() + chunk.len() > self.max_bytes {
                return Err(HttpError::TooLarge(self.max_bytes));
            }
            read.extend_from_slice(&chunk);
        }
        Ok(read)
    }

    fn unpack(&self, packed: &[u8]) -> Result<Vec<u8>, HttpError> {
        let mut body = Vec::new();
        GzDecoder::new(packed)
            .take(self.max_bytes as u64 + 1)
            .read_to_end(&mut body)
            .map_err(HttpError::Packed)?;
        if body.len() > self.max_bytes {
            return Err(HttpError::TooLarge(self.max_bytes));
        }
        Ok(body)
    }

    /// The connections that there are, or none yet with what the files say now.
    async fn connections(&self) -> Result<Connections, HttpError> {
        if let Some(connections) = self.slot().clone() {
            return Ok(connections);
        }
        // Over plain HTTP no certificate is looked at, so none is read.
        let is_plain = self.url.scheme() == "http";
        let tls = if is_plain {
            Tls::default()
        } else {
            self.tls.clone()
        };
        let reading = tokio::task::spawn_blocking(move || client_config(&tls));
        let config = reading
            .await
            .map_err(|ended| HttpError::Unreachable(ended.into()))?
            .map_err(|error| HttpError::Files(Box::new(error)))?;
        let connections = connections(config);
        *self.slot() = Some(connections.clone());
        Ok(connections)
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Connections>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connections(tls: ClientConfig) -> Connections {
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .build();
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(KEPT)
        .pool_max_idle_per_host(1)
        .build(connector)
}

/// Tells what TLS refuses from what the network does.
fn network(error: BoxError) -> HttpError {
    let mut causes = std::iter::successors(Some(&*error as &(dyn Error + 'static)), |&error| cause(error));
    if causes.any(|cause| cause.is::<rustls::Error>()) {
        HttpError::Handshake(error)
    } else {
        HttpError::Unreachable(error)
    }
}

/// An error of the system that wraps another one passes over it when it is asked for its cause.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match wrapped {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}
