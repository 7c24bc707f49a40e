//! A thin client of the balancer's API, for the command line and for the operator.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use kafka::connection::Tls;
use kafka::ids::{BrokerId, ReplicationFactor, TopicName, TopicPartition};
use kafka::password_file::{PasswordError, read_password};
use reqwest::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sidecar::http_client::{self, HttpError, read_body};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::api::body::{ApproveBody, BrokersBody, Done, Failure, ModeBody, Named, ReplicationBody, StopBody};
use crate::api::view::{BrokerView, FinishedPlan, HotList, PlanView, State};
use crate::journal::Mode;

/// How long somebody who waits gives the balancer: it answers from memory or within a tick.
pub(crate) const PATIENCE: Duration = Duration::from_secs(65);

/// The most bytes of an answer: a plan lists ten thousand moves at most.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// So many plans that are over are part of a status.
const LAST_PLANS: usize = 5;

/// A running balancer.
#[derive(Debug)]
pub struct Server {
    url: String,
    token: Option<Token>,
    http: reqwest::Client,
}

/// The bearer token that allows actions.
pub enum Token {
    /// The first line of a file, which is read for each action.
    File(PathBuf),
    /// The token itself.
    Text(Zeroizing<String>),
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Text(_) => f.write_str("Text"),
        }
    }
}

/// What `status` shows.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    pub(crate) state: State,
    pub(crate) brokers: Vec<BrokerView>,
    pub(crate) hot: HotList,
    pub(crate) plan: Option<PlanView>,
    /// The last plans that are over.
    pub(crate) history: Vec<FinishedPlan>,
}

/// Why a running balancer could not be asked.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The address is no address, or the client could not be made.
    #[error("no client for {url}")]
    Setup {
        /// The address.
        url: String,
        /// Why.
        source: HttpError,
    },
    /// Nobody answers there.
    #[error("no balancer answers at {url} (is `kafka-balancer serve` running, and is --url right?)")]
    Unreachable {
        /// The address.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The balancer refused, and said why.
    #[error("{0}")]
    Refused(String),
    /// The answer is not what this version understands.
    #[error("the answer of {url} is not understood (is it a balancer of the same version?)")]
    Nonsense {
        /// The address.
        url: String,
        /// Why.
        source: Nonsense,
    },
    /// The token file cannot be used.
    #[error("there is no token to send")]
    Token(#[from] PasswordError),
}

/// What is wrong with an answer.
#[derive(Debug, Error)]
pub enum Nonsense {
    /// It does not end.
    #[error("it is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// A failure that is not one of the API's.
    #[error("status {0}")]
    Status(StatusCode),
    /// Something else than was asked for.
    #[error("it is something else")]
    Other(#[source] serde_json::Error),
}

impl Server {
    /// The balancer at `url`, which proves who it is as `tls` says where that is `https`, and has so long for an answer. Nothing is
    /// asked yet. Blocks while it reads the files of `tls`.
    ///
    /// # Errors
    ///
    /// [`ClientError::Setup`].
    pub fn new(url: &str, tls: &Tls, token: Option<Token>, timeout: Duration) -> Result<Self, ClientError> {
        let made = http_client::client(tls, |builder| builder.timeout(timeout));
        let http = made.map_err(|source| ClientError::Setup {
            url: url.to_owned(),
            source,
        })?;
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            token,
            http,
        })
    }

    pub(crate) async fn status(&self) -> Result<Status, ClientError> {
        let mut history = self.history().await?;
        history.truncate(LAST_PLANS);
        Ok(Status {
            history,
            state: self.state().await?,
            brokers: self.get("/v1/brokers").await?,
            hot: self.get("/v1/hot").await?,
            plan: self.plan().await?,
        })
    }

    /// The balancer and the cluster in a few figures.
    ///
    /// # Errors
    ///
    /// There is no answer, or none that makes sense.
    pub async fn state(&self) -> Result<State, ClientError> {
        self.get("/v1/state").await
    }

    pub(crate) async fn plan(&self) -> Result<Option<PlanView>, ClientError> {
        self.get("/v1/plan").await
    }

    pub(crate) async fn history(&self) -> Result<Vec<FinishedPlan>, ClientError> {
        self.get("/v1/history").await
    }

    /// Approves the moves of `only`, or all of them when it is empty.
    pub(crate) async fn approve(&self, plan: u64, only: &[TopicPartition]) -> Result<String, ClientError> {
        let moves = only.iter().cloned().map(Named).collect();
        let moves = (!only.is_empty()).then_some(moves);
        self.post("/v1/approve", &ApproveBody { plan, moves }).await
    }

    pub(crate) async fn pause(&self) -> Result<String, ClientError> {
        self.post("/v1/pause", &serde_json::json!({})).await
    }

    pub(crate) async fn resume(&self) -> Result<String, ClientError> {
        self.post("/v1/resume", &serde_json::json!({})).await
    }

    pub(crate) async fn stop(&self, at_once: bool) -> Result<String, ClientError> {
        self.post("/v1/stop", &StopBody { at_once }).await
    }

    /// Has brokers emptied, and says so in a sentence.
    ///
    /// # Errors
    ///
    /// There is no answer, or the balancer refuses and says why.
    pub async fn drain(&self, brokers: &[BrokerId]) -> Result<String, ClientError> {
        self.post(
            "/v1/drain",
            &BrokersBody {
                brokers: brokers.to_vec(),
            },
        )
        .await
    }

    /// Lets brokers take load again, and says so in a sentence.
    ///
    /// # Errors
    ///
    /// There is no answer, or the balancer refuses and says why.
    pub async fn undrain(&self, brokers: &[BrokerId]) -> Result<String, ClientError> {
        self.post(
            "/v1/undrain",
            &BrokersBody {
                brokers: brokers.to_vec(),
            },
        )
        .await
    }

    /// Has each partition of topics have so many replicas, and says so in a sentence. Without a number an earlier order is
    /// taken back.
    ///
    /// # Errors
    ///
    /// There is no answer, or the balancer refuses and says why.
    pub async fn replicate(
        &self,
        topics: BTreeMap<TopicName, Option<ReplicationFactor>>,
    ) -> Result<String, ClientError> {
        self.post("/v1/replication", &ReplicationBody { topics }).await
    }

    pub(crate) async fn rebalance(&self) -> Result<String, ClientError> {
        self.post("/v1/rebalance", &serde_json::json!({})).await
    }

    pub(crate) async fn mode(&self, mode: Mode) -> Result<String, ClientError> {
        self.post("/v1/mode", &ModeBody { mode }).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.answer(self.http.get(format!("{}{path}", self.url))).await
    }

    async fn post(&self, path: &str, body: &impl Serialize) -> Result<String, ClientError> {
        let mut request = self.http.post(format!("{}{path}", self.url)).json(body);
        match &self.token {
            Some(Token::File(path)) => {
                let token = read_password(path).await?;
                request = request.bearer_auth(token.trim());
            }
            Some(Token::Text(token)) => request = request.bearer_auth(token.as_str()),
            None => {}
        }
        Ok(self.answer::<Done>(request).await?.message)
    }

    async fn answer<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, ClientError> {
        let unreachable = |source: reqwest::Error| ClientError::Unreachable {
            url: self.url.clone(),
            source: source.without_url(),
        };
        let nonsense = |source: Nonsense| ClientError::Nonsense {
            url: self.url.clone(),
            source,
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let body = read_body(response, MAX_BYTES).await.map_err(unreachable)?;
        let body = body.ok_or_else(|| nonsense(Nonsense::TooLarge))?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| nonsense(Nonsense::Other(error)));
        }
        Err(match serde_json::from_slice::<Failure>(&body) {
            Ok(failure) => ClientError::Refused(failure.error),
            Err(_) => nonsense(Nonsense::Status(status)),
        })
    }
}
