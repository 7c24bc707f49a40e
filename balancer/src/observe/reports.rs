//! Fetching the sidecars' reports.

use std::future::Future;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use kafka::cluster::Broker;
use kafka::error::with_causes;
use kafka::ids::BrokerId;
use sidecar::http_client::{self, HttpError};
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
    #[error("the sidecar at {url} does not answer: {reason}")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        reason: String,
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
    #[error("the answer of {url} is no load report: {source}")]
    Malformed {
        /// Where.
        url: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The report contradicts itself.
    #[error("the report of {url} contradicts itself: {source}")]
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

/// Fetches reports from sidecars over HTTP.
#[derive(Debug, Clone)]
pub struct ReportReader {
    http: reqwest::Client,
    sidecars: Sidecars,
}

impl ReportReader {
    /// A reader of these sidecars' reports that gives up on one after `timeout`.
    ///
    /// # Errors
    ///
    /// The files of `sidecars.tls` cannot be used.
    pub fn new(sidecars: Sidecars, timeout: Duration) -> Result<Self, HttpError> {
        let tls = sidecars.tls.clone().unwrap_or_default();
        let http = http_client::client(&tls, |builder| builder.timeout(timeout))?;
        Ok(Self { http, sidecars })
    }

    async fn fetch(&self, broker: BrokerId, url: &str) -> Result<LoadReport, ReportError> {
        let url = || url.to_owned();
        let unreachable = |error: reqwest::Error| ReportError::Unreachable {
            url: url(),
            reason: with_causes(&error),
        };
        let address = format!("{}/v1/load", url().trim_end_matches('/'));
        let mut response = self.http.get(address).send().await.map_err(unreachable)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_REPORT_BYTES {
                return Err(ReportError::TooLarge { url: url() });
            }
            body.extend_from_slice(&chunk);
        }
        if !response.status().is_success() {
            let words: String = String::from_utf8_lossy(&body).chars().take(300).collect();
            let reason = format!("{} {}", response.status(), words.trim());
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
}

impl ReportSource for ReportReader {
    async fn reports(&mut self, brokers: &[Broker]) -> Vec<(BrokerId, Result<LoadReport, ReportError>)> {
        let addresses: Vec<(BrokerId, Option<String>)> = brokers
            .iter()
            .map(|broker| (broker.id, self.sidecars.address(broker.id, &broker.host)))
            .collect();
        let reader = &*self;
        stream::iter(addresses)
            .map(|(broker, url)| async move {
                let fetched = match url {
                    Some(url) => reader.fetch(broker, &url).await,
                    None => Err(ReportError::NoSidecar),
                };
                (broker, fetched)
            })
            .buffered(CONCURRENCY)
            .collect()
            .await
    }
}
