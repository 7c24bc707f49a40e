//! A client of the Jolokia agent: many MBeans in one HTTP request.
//!
//! What the agent does that one would not expect (Jolokia 2.6, protocol 8): errors come inside an HTTP 200, each
//! with a `status` of its own; a pattern that matches nothing is status 404; NaN and infinity are `null`; keys of
//! MBean names come in the order of their creation.

mod object_name;
mod response;

use base64::prelude::{BASE64_STANDARD, Engine};
use kafka::password_file::{PasswordError, read_password};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, ORIGIN};
use serde::{Serialize, Serializer};
use thiserror::Error;
use url::Url;
use zeroize::Zeroizing;

use crate::config::{Credentials, JolokiaConfig};
use crate::http_client::{HttpClient, HttpError};

pub use object_name::{InvalidObjectName, ObjectName};
pub use response::{Bean, ReadRefused, exact_sum, parse};

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
    /// The agent cannot be reached, broke off, took too long or said too much.
    #[error("the Jolokia agent at {url} gave no answer")]
    NoAnswer {
        /// Where it should be.
        url: Url,
        /// Why.
        #[source]
        source: HttpError,
    },
    /// The agent does not know who asks.
    #[error(
        "the Jolokia agent does not take the credentials (status 401): set `jolokia.user` and `password_file` to those \
         of its options `user` and `password`"
    )]
    Unauthenticated,
    /// The agent knows who asks, and forbids it.
    #[error(
        "the Jolokia agent forbids reading (status 403: {0}): let its policy file allow `read` by POST from this host \
         and origin, as deploy/jolokia/jolokia-access.xml does"
    )]
    Forbidden(String),
    /// The agent refused the request as a whole.
    #[error(
        "the Jolokia agent refused with status {status}: {message}; does `jolokia.url` end with its path?"
    )]
    Refused {
        /// The status, of HTTP or inside the answer.
        status: u16,
        /// The agent's words.
        message: String,
    },
    /// The answer is not what Jolokia's protocol promises.
    #[error("the Jolokia agent's answer makes no sense: {0}")]
    Nonsense(String),
    /// The password file cannot be used.
    #[error("the Jolokia agent was not asked")]
    Password(#[source] PasswordError),
    /// A user name that no header can have.
    #[error("`jolokia.user` cannot be sent: it has characters that HTTP does not know")]
    User,
}

impl JolokiaError {
    /// A word for the `kind` label of error counters.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NoAnswer { source, .. } => source.kind(),
            Self::Unauthenticated => "authentication",
            Self::Forbidden(_) => "authorization",
            Self::Refused { .. } => "refused",
            Self::Nonsense(_) => "nonsense",
            Self::Password(_) | Self::User => "password",
        }
    }

    /// What a status means that was given for the whole request.
    fn refused(status: u16, message: String) -> Self {
        match status {
            401 => Self::Unauthenticated,
            403 => Self::Forbidden(message),
            _ => Self::Refused { status, message },
        }
    }
}

/// A client of one agent.
#[derive(Debug)]
pub struct Jolokia {
    http: HttpClient,
    url: Url,
    origin: String,
    credentials: Option<Credentials>,
}

impl Jolokia {
    /// A client of the agent that the configuration names.
    pub fn new(config: &JolokiaConfig) -> Self {
        let url = config.url.url().clone();
        // A policy with `strict-checking` refuses requests that name no origin.
        let origin = url.origin().ascii_serialization();
        let mut with_parameters = url.clone();
        with_parameters.set_query(Some("includeRequest=false&ignoreErrors=true"));
        let tls = config.tls.clone();
        Self {
            http: HttpClient::new(with_parameters, tls, config.timeout, MAX_ANSWER_BYTES),
            url,
            origin,
            credentials: config.credentials.clone(),
        }
    }

    /// Reads all in one request; answers are in the order of `reads`.
    ///
    /// # Errors
    ///
    /// No answer, or none that can be used. A single read that the agent refused is an error within the answer.
    pub async fn read(&self, reads: &[Read]) -> Result<Vec<Result<Vec<Bean>, ReadRefused>>, JolokiaError> {
        let nonsense = |error: &dyn std::error::Error| JolokiaError::Nonsense(error.to_string());
        let body = serde_json::to_vec(reads).map_err(|error| nonsense(&error))?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let origin = HeaderValue::from_str(&self.origin).map_err(|error| nonsense(&error))?;
        headers.insert(ORIGIN, origin);
        if let Some(credentials) = &self.credentials {
            headers.insert(AUTHORIZATION, authorization(credentials).await?);
        }
        let asking = self.http.ask(Method::POST, headers, body);
        let answer = asking.await.map_err(|source| JolokiaError::NoAnswer {
            url: self.url.clone(),
            source,
        })?;
        if !answer.status.is_success() {
            let reason = answer.status.canonical_reason().unwrap_or("no reason given");
            return Err(JolokiaError::refused(answer.status.as_u16(), reason.to_owned()));
        }
        parse(&answer.body, reads)
    }
}

/// The header that proves who asks. It is shown nowhere; only the HTTP library's copy of it is not wiped after use.
async fn authorization(credentials: &Credentials) -> Result<HeaderValue, JolokiaError> {
    let password = read_password(&credentials.password_file)
        .await
        .map_err(JolokiaError::Password)?;
    let pair = Zeroizing::new(format!("{}:{}", credentials.user, password.as_str()));
    let encoded = Zeroizing::new(BASE64_STANDARD.encode(pair.as_bytes()));
    let header = Zeroizing::new(format!("Basic {}", encoded.as_str()));
    let mut value = HeaderValue::from_str(&header).map_err(|_| JolokiaError::User)?;
    value.set_sensitive(true);
    Ok(value)
}
