//! Asking the cluster's `offsets` how fast groups consume.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka::TopicPartition;
use reqwest::{Client, Url};
use thiserror::Error;

use crate::config::ConsumptionConfig;
use crate::consumption::{self, Consumption};
use crate::report::{ConsumptionReport, InvalidReport};

/// The most that a report may weigh once unpacked.
const MAX_REPORT_BYTES: usize = 16 * 1024 * 1024;

/// A report older than this says nothing about now.
const MAX_AGE: Duration = Duration::from_secs(120);

/// Why consumption is not known.
#[derive(Debug, Error)]
pub enum ConsumptionError {
    /// It cannot be reached.
    #[error("{url} does not answer; is `kafka-sidecar offsets` running?")]
    Unreachable {
        /// Where it should be.
        url: Url,
        /// What the network said.
        #[source]
        source: reqwest::Error,
    },
    /// It answered that it has no report.
    #[error("{url} has no report (yet): HTTP status {status}")]
    NoReport {
        /// Where it is.
        url: Url,
        /// The status.
        status: u16,
    },
    /// The report weighs too much.
    #[error("the consumption report is larger than {MAX_REPORT_BYTES} bytes; refusing to read it")]
    TooLarge,
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
            Self::Unreachable { .. } => "unreachable",
            Self::NoReport { .. } => "no_report",
            Self::TooLarge => "too_large",
            Self::Nonsense(_) | Self::Invalid(_) => "nonsense",
            Self::Stale(_) => "stale",
        }
    }
}

/// A client of `GET /v1/consumption`.
#[derive(Debug, Clone)]
pub struct ConsumptionClient {
    http: Client,
    url: Url,
    timeout: Duration,
}

impl ConsumptionClient {
    /// A client of what the configuration names.
    pub fn new(http: Client, config: &ConsumptionConfig) -> Self {
        Self {
            http,
            url: config.url.url().clone(),
            timeout: config.timeout,
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
        let unreachable = |source: reqwest::Error| ConsumptionError::Unreachable {
            url: self.url.clone(),
            source: source.without_url(),
        };
        let request = self.http.get(self.url.clone()).timeout(self.timeout);
        let mut response = request.send().await.map_err(unreachable)?;
        if !response.status().is_success() {
            return Err(ConsumptionError::NoReport {
                url: self.url.clone(),
                status: response.status().as_u16(),
            });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_REPORT_BYTES {
                return Err(ConsumptionError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let report: ConsumptionReport = serde_json::from_slice(&body).map_err(ConsumptionError::Nonsense)?;
        report.check().map_err(ConsumptionError::Invalid)?;
        let age = Duration::from_millis(now_ms.saturating_sub(report.sampled_at_ms));
        if age > MAX_AGE {
            return Err(ConsumptionError::Stale(age));
        }
        Ok(consumption::read(&report))
    }
}
