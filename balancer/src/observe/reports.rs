//! Fetching the sidecars' reports.

use std::future::Future;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use kafka::cluster::Broker;
use kafka::connection::Tls;
use kafka::error::with_causes;
use kafka::ids::BrokerId;
use sidecar::http_client::{self, HttpError, read_body};
use sidecar::report::{InvalidReport, LoadReport};
use thiserror::Error;

use crate::config::Sidecars;

/// A report of 200,000 replicas is smaller; more than this is not a report.
const MAX_REPORT_BYTES: usize = 64 * 1024 * 1024;

/// Reports that are fetched at the same time.
const CONCURRENCY: usize = 32;

/// Why there is no report of a broker.
#[derive(Debug, Error)]
pub enum ReportError {
    /// There is nobody to ask.
    #[error("no sidecar is configured for this broker")]
    NoSidecar,
    /// Nobody answers, or not in time.
    #[error("the sidecar at {url} does not answer")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        source: HttpError,
    },
    /// The sidecar has no report (yet), and says why.
    #[error("the sidecar at {url} has no report: {reason}")]
    NotReady {
        /// Where.
        url: String,
        /// Its words.
        reason: String,
    },
    /// The answer is larger than a report can be.
    #[error("the answer of {url} is larger than {MAX_REPORT_BYTES} bytes; is it a sidecar?")]
    TooLarge {
        /// Where.
        url: String,
    },
    /// The answer is no report.
    #[error("the answer of {url} is no load report")]
    Malformed {
        /// Where.
        url: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The report contradicts itself.
    #[error("the report of {url} contradicts itself")]
    Invalid {
        /// Where.
        url: String,
        /// How.
        source: InvalidReport,
    },
    /// The report is of another broker, or of another cluster.
    #[error("the sidecar at {url} reports on {found}, not on {expected}; check the balancer's `sidecars`")]
    WrongSubject {
        /// Where.
        url: String,
        /// What it reports on.
        found: String,
        /// What was asked for.
        expected: String,
    },
}

/// Where brokers' load reports come from.
pub trait ReportSource: Send + 'static {
    /// The report of each broker, or why there is none.
    fn reports(
        &mut self,
        brokers: &[Broker],
    ) -> impl Future<Output = Vec<(BrokerId, Result<LoadReport, ReportError>)>> + Send;
}

/// Fetches reports from sidecars over HTTP. When a handshake of TLS has failed, the files of `sidecars.tls` are read again
/// for the next time, so that certificates can be rotated.
#[derive(Debug)]
pub struct ReportReader {
    http: reqwest::Client,
    sidecars: Sidecars,
    timeout: Duration,
}

impl ReportReader {
    /// A reader of these sidecars' reports that gives up on one after `timeout`.
    ///
    /// # Errors
    ///
    /// The files of `sidecars.tls` cannot be used.
    pub fn new(sidecars: Sidecars, timeout: Duration) -> Result<Self, HttpError> {
        let http = client(&sidecars.tls.clone().unwrap_or_default())?;
        Ok(Self {
            http,
            sidecars,
            timeout,
        })
    }

    async fn fetch(&self, broker: BrokerId, url: &str) -> Result<LoadReport, ReportError> {
        let fetching = tokio::time::timeout(self.timeout, self.fetch_patiently(broker, url));
        fetching.await.unwrap_or_else(|_| {
            Err(ReportError::Unreachable {
                url: url.to_owned(),
                source: HttpError::TimedOut(self.timeout),
            })
        })
    }

    async fn fetch_patiently(&self, broker: BrokerId, url: &str) -> Result<LoadReport, ReportError> {
        let url = || url.to_owned();
        let unreachable = |error: reqwest::Error| ReportError::Unreachable {
            url: url(),
            source: error.into(),
        };
        let address = format!("{}/v1/load", url().trim_end_matches('/'));
        let response = self.http.get(address).send().await.map_err(unreachable)?;
        let status = response.status();
        let body = read_body(response, MAX_REPORT_BYTES).await.map_err(unreachable)?;
        let body = body.ok_or_else(|| ReportError::TooLarge { url: url() })?;
        if !status.is_success() {
            let words: String = String::from_utf8_lossy(&body).chars().take(300).collect();
            let reason = format!("{status} {}", words.trim());
            return Err(ReportError::NotReady { url: url(), reason });
        }
        let report: LoadReport =
            serde_json::from_slice(&body).map_err(|source| ReportError::Malformed { url: url(), source })?;
        report
            .check()
            .map_err(|source| ReportError::Invalid { url: url(), source })?;
        if report.broker != broker {
            return Err(ReportError::WrongSubject {
                url: url(),
                found: format!("broker {}", report.broker),
                expected: format!("broker {broker}"),
            });
        }
        Ok(report)
    }

    /// Takes what the files of `sidecars.tls` hold now; while they cannot be used, what they held goes on to be.
    async fn read_files_again(&mut self) {
        let tls = self.sidecars.tls.clone().unwrap_or_default();
        match tokio::task::spawn_blocking(move || client(&tls)).await {
            Ok(Ok(http)) => self.http = http,
            Ok(Err(error)) => {
                tracing::warn!(error = with_causes(&error), "`sidecars.tls` cannot be read again");
            }
            // The program is about to end.
            Err(_) => {}
        }
    }
}

fn client(tls: &Tls) -> Result<reqwest::Client, HttpError> {
    http_client::client(tls, |builder| builder)
}

impl ReportSource for ReportReader {
    async fn reports(&mut self, brokers: &[Broker]) -> Vec<(BrokerId, Result<LoadReport, ReportError>)> {
        let addresses: Vec<(BrokerId, Option<String>)> = brokers
            .iter()
            .map(|broker| (broker.id, self.sidecars.address(broker.id, &broker.host)))
            .collect();
        let reader = &*self;
        let fetched: Vec<_> = stream::iter(addresses)
            .map(|(broker, url)| async move {
                let fetched = match url {
                    Some(url) => reader.fetch(broker, &url).await,
                    None => Err(ReportError::NoSidecar),
                };
                (broker, fetched)
            })
            .buffered(CONCURRENCY)
            .collect()
            .await;
        let refused = |(_, report): &(BrokerId, Result<LoadReport, ReportError>)| {
            matches!(
                report,
                Err(ReportError::Unreachable {
                    source: HttpError::Handshake(_),
                    ..
                })
            )
        };
        if fetched.iter().any(refused) {
            self.read_files_again().await;
        }
        fetched
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use axum::Router;
    use axum::http::StatusCode;
    use axum::http::header::CONNECTION;
    use axum::routing::get;
    use kafka::connection::TlsIdentity;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use sidecar::server::{Certificate, Limits, serve};
    use tokio::net::TcpListener;
    use tokio_util::sync::CancellationToken;

    use super::*;

    /// Writes a new authority's certificate, and one of this host that it signed.
    fn certify(folder: &Path) {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        std::fs::write(folder.join("ca.pem"), issuer.pem()).unwrap();
        std::fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
        std::fs::write(folder.join("tls.crt"), certificate.pem()).unwrap();
    }

    #[tokio::test]
    async fn a_sidecar_whose_authority_was_replaced_is_read_again_at_the_next_look() {
        let (shown, trusted) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        certify(shown.path());
        let trust = || std::fs::copy(shown.path().join("ca.pem"), trusted.path().join("ca.pem")).unwrap();
        trust();
        let identity = TlsIdentity {
            cert_file: shown.path().join("tls.crt"),
            key_file: shown.path().join("tls.key"),
        };
        let certificate = Certificate::read(identity, Duration::from_millis(10)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // Each look makes a connection of its own, since the answer ends the one that it comes by.
        let answer = (StatusCode::SERVICE_UNAVAILABLE, [(CONNECTION, "close")], "soon");
        let silent = Router::new().route("/v1/load", get(move || async move { answer }));
        tokio::spawn(serve(
            listener,
            silent,
            Some(certificate),
            Limits::default(),
            CancellationToken::new(),
        ));

        let sidecars = Sidecars {
            port: Some(port),
            tls: Some(Tls {
                ca_file: Some(trusted.path().join("ca.pem")),
                identity: None,
            }),
            ..Sidecars::default()
        };
        let mut reader = ReportReader::new(sidecars, Duration::from_secs(30)).unwrap();
        let broker = Broker {
            id: 0.try_into().unwrap(),
            host: "127.0.0.1".to_owned(),
            port: 9092,
            rack: None,
        };
        let mut look = async || {
            reader
                .reports(std::slice::from_ref(&broker))
                .await
                .remove(0)
                .1
                .unwrap_err()
        };
        let before = look().await;
        assert!(matches!(before, ReportError::NotReady { .. }), "{before:?}");
        certify(shown.path());
        // The files are not written at one moment, nor read at once.
        while matches!(look().await, ReportError::NotReady { .. }) {}
        trust();
        look().await;
        let after = look().await;
        assert!(matches!(after, ReportError::NotReady { .. }), "{after:?}");
    }
}
