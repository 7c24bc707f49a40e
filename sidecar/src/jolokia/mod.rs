//! A client of the Jolokia agent: many MBeans in one HTTP request.
//!
//! What the agent does that one would not expect (Jolokia 2.6, protocol 8): errors come inside an HTTP 200, each
//! with a `status` of its own; a pattern that matches nothing is status 404; NaN and infinity are `null`; keys of
//! MBean names come in the order of their creation.

mod object_name;
mod response;

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, ORIGIN};
use serde::{Serialize, Serializer};
use thiserror::Error;

pub use object_name::{InvalidObjectName, ObjectName};
pub use response::{Bean, ReadRefused, parse};

/// The most that an answer may weigh; 1,000 topics take about a megabyte.
pub const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// One read within a bulk request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// An MBean's name, or a pattern of names.
    pub mbean: &'static str,
    /// The attributes wanted of each.
    pub attributes: &'static [&'static str],
}

impl Read {
    pub(super) fn is_pattern(&self) -> bool {
        self.mbean.contains('*')
    }
}

impl Serialize for Read {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Request {
            r#type: &'static str,
            mbean: &'static str,
            attribute: &'static [&'static str],
        }
        Request {
            r#type: "read",
            mbean: self.mbean,
            attribute: self.attributes,
        }
        .serialize(serializer)
    }
}

/// Why the agent's answer could not be had.
#[derive(Debug, Error)]
pub enum JolokiaError {
    /// The agent cannot be reached, or broke off.
    #[error("the Jolokia agent at {url} does not answer; is the broker up, with its agent on that port?")]
    Unreachable {
        /// Where it should be.
        url: Url,
        /// What the network said.
        #[source]
        source: reqwest::Error,
    },
    /// The agent took too long.
    #[error("the Jolokia agent at {url} did not answer within {timeout:?}")]
    TimedOut {
        /// Where it is.
        url: Url,
        /// How long was waited.
        timeout: Duration,
    },
    /// The agent refused the request as a whole.
    #[error(
        "the Jolokia agent refused with status {status}: {message}; check user, password and its policy file"
    )]
    Refused {
        /// The status, of HTTP or inside the answer.
        status: u16,
        /// The agent's words.
        message: String,
    },
    /// The answer weighs too much.
    #[error("the Jolokia agent's answer is larger than {MAX_ANSWER_BYTES} bytes; refusing to read it")]
    TooLarge,
    /// The answer is not what Jolokia's protocol promises.
    #[error("the Jolokia agent's answer makes no sense: {0}")]
    Nonsense(String),
    /// The password file cannot be read.
    #[error("the Jolokia password file {path} cannot be read", path = path.display())]
    Password {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl JolokiaError {
    /// A word for the `kind` label of error counters.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::TimedOut { .. } => "timed_out",
            Self::Refused { .. } => "refused",
            Self::TooLarge => "too_large",
            Self::Nonsense(_) => "nonsense",
            Self::Password { .. } => "password",
        }
    }
}

/// Who the client says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// A file with the password, read afresh for each request so that it can be rotated.
    pub password_file: PathBuf,
}

/// A client of one agent.
#[derive(Debug, Clone)]
pub struct Jolokia {
    http: reqwest::Client,
    url: Url,
    origin: String,
    credentials: Option<Credentials>,
    timeout: Duration,
}

impl Jolokia {
    /// A client of the agent at `url`, such as `http://127.0.0.1:8778/jolokia/`.
    pub fn new(http: reqwest::Client, url: Url, credentials: Option<Credentials>, timeout: Duration) -> Self {
        // A policy with `strict-checking` refuses requests that name no origin.
        let origin = url.origin().ascii_serialization();
        Self {
            http,
            url,
            origin,
            credentials,
            timeout,
        }
    }

    /// Reads all in one request; answers are in the order of `reads`.
    ///
    /// # Errors
    ///
    /// No answer, or none that can be used. A single read that the agent refused is an error within the answer.
    pub async fn read(&self, reads: &[Read]) -> Result<Vec<Result<Vec<Bean>, ReadRefused>>, JolokiaError> {
        let body = tokio::time::timeout(self.timeout, self.post(reads))
            .await
            .map_err(|_| JolokiaError::TimedOut {
                url: self.url.clone(),
                timeout: self.timeout,
            })??;
        parse(&body, reads)
    }

    async fn post(&self, reads: &[Read]) -> Result<Vec<u8>, JolokiaError> {
        let unreachable = |source: reqwest::Error| JolokiaError::Unreachable {
            url: self.url.clone(),
            source: source.without_url(),
        };
        let body = serde_json::to_vec(reads).map_err(|error| JolokiaError::Nonsense(error.to_string()))?;
        let mut request = self
            .http
            .post(self.url.clone())
            .query(&[("includeRequest", "false"), ("ignoreErrors", "true")])
            .header(CONTENT_TYPE, "application/json")
            .header(ORIGIN, &self.origin)
            .body(body);
        if let Some(credentials) = &self.credentials {
            let password = read_password(&credentials.password_file).await?;
            request = request.basic_auth(&credentials.user, Some(password));
        }
        let mut response = request.send().await.map_err(unreachable)?;
        if !response.status().is_success() {
            let status = response.status();
            return Err(JolokiaError::Refused {
                status: status.as_u16(),
                message: status.canonical_reason().unwrap_or("no reason given").to_owned(),
            });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(JolokiaError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

async fn read_password(path: &Path) -> Result<String, JolokiaError> {
    let text = tokio::fs::read_to_string(path)
        .await
        .map_err(|source| JolokiaError::Password {
            path: path.to_owned(),
            source,
        })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
