//! Asking another program over HTTP, under TLS where its address says `https`.

use std::error::Error;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kafka::connection::Tls;
use reqwest::header::HeaderMap;
use reqwest::{Client, ClientBuilder, Method, Response, StatusCode, redirect};
use thiserror::Error;
use url::Url;

use crate::tls::{TlsError, client_config};

/// How long a connection is kept for the next request; the longest interval of samples is not worth one.
const KEPT: Duration = Duration::from_secs(60);

/// Why there is no answer. It is told after who was asked.
#[derive(Debug, Error)]
pub enum HttpError {
    /// The connection cannot be made, or broke off.
    #[error("it cannot be reached; is it up, and does it listen there?")]
    Unreachable(#[source] reqwest::Error),
    /// It took too long.
    #[error("it did not answer within {0:?}")]
    TimedOut(Duration),
    /// The two sides do not trust each other, or one of them does not speak TLS.
    #[error(
        "no TLS connection can be made; check the files of `tls`, and that its certificate has the address's host"
    )]
    Handshake(#[source] reqwest::Error),
    /// The files with which to make TLS connections cannot be used.
    #[error("the files of `tls` cannot be used")]
    Files(#[source] Box<TlsError>),
    /// The answer weighs too much.
    #[error("its answer is larger than {0} bytes; refusing to read it")]
    TooLarge(usize),
    /// No request can be made of what is configured.
    #[error("no request can be made of its address and credentials")]
    Request(#[source] reqwest::Error),
    /// The answer says that it is packed, and is not.
    #[error("its answer cannot be unpacked")]
    Packed(#[source] reqwest::Error),
    /// The client could not be made since the program is about to end.
    #[error("it is not asked any more")]
    Stopping,
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
            Self::Stopping => "stopping",
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
    client: Mutex<Option<Client>>,
}

impl HttpClient {
    /// A client of `url` that waits so long for an answer of so many bytes at most. Nothing is sent yet.
    pub fn new(url: Url, tls: Tls, timeout: Duration, max_bytes: usize) -> Self {
        Self {
            url,
            tls,
            timeout,
            max_bytes,
            client: Mutex::default(),
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
        let client = self.client().await?;
        let request = client.request(method, self.url.clone()).headers(headers);
        let answer = request.body(body).send().await?;
        let status = answer.status();
        let body = read_body(answer, self.max_bytes).await?;
        let body = body.ok_or(HttpError::TooLarge(self.max_bytes))?;
        Ok(Answer { status, body })
    }

    /// The client that there is, or a new one with what the files say now.
    async fn client(&self) -> Result<Client, HttpError> {
        if let Some(client) = self.slot().clone() {
            return Ok(client);
        }
        // Over plain HTTP no certificate is looked at, so none is read.
        let is_plain = self.url.scheme() == "http";
        let tls = if is_plain {
            Tls::default()
        } else {
            self.tls.clone()
        };
        let reading = tokio::task::spawn_blocking(move || client(&tls, |builder| builder));
        let client = reading.await.map_err(|_| HttpError::Stopping)??;
        *self.slot() = Some(client.clone());
        Ok(client)
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Client>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client that asks directly, follows no redirection, and uses the same TLS as everything else here; no other can be made,
/// since no TLS library is the process's default. Blocks while it reads files.
///
/// # Errors
///
/// A file of `tls` cannot be used.
pub fn client(tls: &Tls, adjust: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Result<Client, HttpError> {
    let tls = client_config(tls).map_err(|error| HttpError::Files(Box::new(error)))?;
    let builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(redirect::Policy::none())
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(KEPT);
    adjust(builder).build().map_err(HttpError::Request)
}

/// The body of an answer, unpacked; none where it is larger than so many bytes, of which no more are kept.
///
/// # Errors
///
/// The answer breaks off, or cannot be unpacked.
pub async fn read_body(mut answer: Response, max_bytes: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let is_too_large = |length: u64| length > max_bytes as u64;
    if answer.content_length().is_some_and(is_too_large) {
        return Ok(None);
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > max_bytes {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// Tells what TLS refuses from what the network does, and from what cannot be unpacked.
impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> Self {
        let first = Some(&error as &(dyn Error + 'static));
        let mut causes = std::iter::successors(first, |&error| cause(error));
        if causes.any(|cause| cause.is::<rustls::Error>()) {
            Self::Handshake(error)
        } else if error.is_builder() {
            Self::Request(error)
        } else if error.is_decode() {
            Self::Packed(error)
        } else {
            Self::Unreachable(error)
        }
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
