//! Asking the cluster's `offsets` how groups consume.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka::TopicPartition;
use reqwest::Method;
use reqwest::header::HeaderMap;
use thiserror::Error;
use url::Url;

use crate::config::ConsumptionConfig;
use crate::consumption::{self, Consumption};
use crate::http_client::{HttpClient, HttpError};
use crate::report::{ConsumptionReport, InvalidReport};

/// The most that a report may weigh once unpacked.
const MAX_REPORT_BYTES: usize = 16 * 1024 * 1024;

/// A report older than this says nothing about now.
const MAX_AGE: Duration = Duration::from_secs(120);

/// Why consumption is not known.
#[derive(Debug, Error)]
pub enum ConsumptionError {
    /// It cannot be reached, took too long or said too much.
    #[error("`kafka-sidecar offsets` at {url} gave no answer")]
    NoAnswer {
        /// Where it should be.
        url: Url,
        /// Why.
        #[source]
        source: HttpError,
    },
    /// It answered that it has no report.
    #[error("{url} has no report (yet): HTTP status {status}")]
    NoReport {
        /// Where it is.
        url: Url,
        /// The status.
        status: u16,
    },
    /// The answer is no report.
    #[error("the answer is no consumption report")]
    Nonsense(#[source] serde_json::Error),
    /// The report contradicts itself.
    #[error("the consumption report cannot be used")]
    Invalid(#[source] InvalidReport),
    /// The report is old.
    #[error("the consumption report is {0:?} old")]
    Stale(Duration),
}

impl ConsumptionError {
    /// A word for the `kind` label of error counters.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NoAnswer { source, .. } => source.kind(),
            Self::NoReport { .. } => "no_report",
            Self::Nonsense(_) | Self::Invalid(_) => "nonsense",
            Self::Stale(_) => "stale",
        }
    }
}

/// A client of `GET /v1/consumption`.
#[derive(Debug)]
pub struct ConsumptionClient {
    http: HttpClient,
}

impl ConsumptionClient {
    /// A client of what the configuration names.
    pub fn new(config: &ConsumptionConfig) -> Self {
        let url = config.url.url().clone();
        Self {
            http: HttpClient::new(url, config.tls.clone(), config.timeout, MAX_REPORT_BYTES),
        }
    }

    /// How groups consume each partition.
    ///
    /// # Errors
    ///
    /// There is no report, or none that can be used at `now_ms` after the Unix epoch.
    pub async fn consumption(
        &self,
        now_ms: u64,
    ) -> Result<BTreeMap<TopicPartition, Consumption>, ConsumptionError> {
        let url = || self.http.url().clone();
        let asking = self.http.ask(Method::GET, HeaderMap::new(), Vec::new());
        let answer = asking
            .await
            .map_err(|source| ConsumptionError::NoAnswer { url: url(), source })?;
        if !answer.status.is_success() {
            return Err(ConsumptionError::NoReport {
                url: url(),
                status: answer.status.as_u16(),
            });
        }
        let body = answer.body;
        let report: ConsumptionReport = serde_json::from_slice(&body).map_err(ConsumptionError::Nonsense)?;
        report.check().map_err(ConsumptionError::Invalid)?;
        let age = Duration::from_millis(now_ms.saturating_sub(report.sampled_at_ms));
        if age > MAX_AGE {
            return Err(ConsumptionError::Stale(age));
        }
        Ok(consumption::read(&report))
    }
}
