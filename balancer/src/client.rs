//! A thin client of the balancer's API.

use std::path::PathBuf;
use std::time::Duration;

use kafka::connection::Tls;
use kafka::error::with_causes;
use kafka::ids::{BrokerId, TopicPartition};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sidecar::http_client::{self, HttpError};
use thiserror::Error;

use crate::api::body::{ApproveBody, BrokersBody, Done, Failure, ModeBody, Named, StopBody};
use crate::api::view::{BrokerView, FinishedPlan, HotList, PlanView, State};
use crate::journal::Mode;

/// The API answers from memory or within a tick.
const TIMEOUT: Duration = Duration::from_secs(65);

/// A running balancer.
#[derive(Debug)]
pub(super) struct Server {
    url: String,
    token_file: Option<PathBuf>,
    http: reqwest::Client,
}

/// What `status` shows.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    pub(super) state: State,
    pub(super) brokers: Vec<BrokerView>,
    pub(super) hot: HotList,
    pub(super) plan: Option<PlanView>,
}

/// Why a running balancer could not be asked.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The address is no address, or the client could not be made.
    #[error("no client for {url}: {source}")]
    Setup {
        /// The address.
        url: String,
        /// Why.
        source: HttpError,
    },
    /// Nobody answers there.
    #[error(
        "no balancer answers at {url} ({reason}); is `kafka-balancer serve` running, and is --url right?"
    )]
    Unreachable {
        /// The address.
        url: String,
        /// Why.
        reason: String,
    },
    /// The balancer refused, and said why.
    #[error("{0}")]
    Refused(String),
    /// The answer is not what this version understands.
    #[error("the answer of {url} is not understood ({reason}); is it a balancer of the same version?")]
    Nonsense {
        /// The address.
        url: String,
        /// Why.
        reason: String,
    },
    /// The token file cannot be read.
    #[error("the token file {path} cannot be read: {source}", path = path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Server {
    pub(super) fn new(url: &str, token_file: Option<PathBuf>) -> Result<Self, ClientError> {
        let made = http_client::client(&Tls::default(), |builder| builder.timeout(TIMEOUT));
        let http = made.map_err(|source| ClientError::Setup {
            url: url.to_owned(),
            source,
        })?;
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            token_file,
            http,
        })
    }

    pub(super) async fn status(&self) -> Result<Status, ClientError> {
        Ok(Status {
            state: self.get("/v1/state").await?,
            brokers: self.get("/v1/brokers").await?,
            hot: self.get("/v1/hot").await?,
            plan: self.plan().await?,
        })
    }

    pub(super) async fn plan(&self) -> Result<Option<PlanView>, ClientError> {
        self.get("/v1/plan").await
    }

    pub(super) async fn history(&self) -> Result<Vec<FinishedPlan>, ClientError> {
        self.get("/v1/history").await
    }

    /// Approves the moves of `only`, or all of them when it is empty.
    pub(super) async fn approve(&self, plan: u64, only: &[TopicPartition]) -> Result<String, ClientError> {
        let moves = only.iter().cloned().map(Named).collect();
        let moves = (!only.is_empty()).then_some(moves);
        self.post("/v1/approve", &ApproveBody { plan, moves }).await
    }

    pub(super) async fn pause(&self) -> Result<String, ClientError> {
        self.post("/v1/pause", &serde_json::json!({})).await
    }

    pub(super) async fn resume(&self) -> Result<String, ClientError> {
        self.post("/v1/resume", &serde_json::json!({})).await
    }

    pub(super) async fn stop(&self, at_once: bool) -> Result<String, ClientError> {
        self.post("/v1/stop", &StopBody { at_once }).await
    }

    pub(super) async fn drain(&self, brokers: &[BrokerId]) -> Result<String, ClientError> {
        self.post(
            "/v1/drain",
            &BrokersBody {
                brokers: brokers.to_vec(),
            },
        )
        .await
    }

    pub(super) async fn undrain(&self, brokers: &[BrokerId]) -> Result<String, ClientError> {
        self.post(
            "/v1/undrain",
            &BrokersBody {
                brokers: brokers.to_vec(),
            },
        )
        .await
    }

    pub(super) async fn rebalance(&self) -> Result<String, ClientError> {
        self.post("/v1/rebalance", &serde_json::json!({})).await
    }

    pub(super) async fn mode(&self, mode: Mode) -> Result<String, ClientError> {
        self.post("/v1/mode", &ModeBody { mode }).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.answer(self.http.get(format!("{}{path}", self.url))).await
    }

    async fn post(&self, path: &str, body: &impl Serialize) -> Result<String, ClientError> {
        let mut request = self.http.post(format!("{}{path}", self.url)).json(body);
        if let Some(path) = &self.token_file {
            let token = std::fs::read_to_string(path).map_err(|source| ClientError::Token {
                path: path.clone(),
                source,
            })?;
            request = request.bearer_auth(token.trim());
        }
        Ok(self.answer::<Done>(request).await?.message)
    }

    async fn answer<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, ClientError> {
        let unreachable = |error: reqwest::Error| ClientError::Unreachable {
            url: self.url.clone(),
            reason: with_causes(&error),
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let body = response.bytes().await.map_err(unreachable)?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| ClientError::Nonsense {
                url: self.url.clone(),
                reason: error.to_string(),
            });
        }
        match serde_json::from_slice::<Failure>(&body) {
            Ok(failure) => Err(ClientError::Refused(failure.error)),
            Err(_) => Err(ClientError::Nonsense {
                url: self.url.clone(),
                reason: format!("status {status}"),
            }),
        }
    }
}
