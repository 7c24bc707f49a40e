//! Who may act.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use kafka::password_file::{PasswordError, read_password};
use subtle::ConstantTimeEq;
use thiserror::Error;
use tokio::time::Instant;

use super::browsers;
use super::routes::failure;

/// So many wrong tokens are answered in a window as what they are.
const MOST_WRONG: u32 = 10;

/// For how long wrong tokens are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// Where the token that allows actions is read from, and how many others were given in its place.
#[derive(Debug, Clone)]
pub(super) struct ActionToken {
    file: Option<PathBuf>,
    wrong: Arc<Mutex<WrongTokens>>,
}

/// Why an action was not allowed.
#[derive(Debug, Error)]
enum Refusal {
    /// No token is configured.
    #[error(
        "actions are off: set `token_file` in the balancer's configuration and send its content as a bearer token"
    )]
    NotConfigured,
    /// The token file cannot be used.
    #[error("there is no token to compare with: {0}")]
    TokenFile(#[from] PasswordError),
    /// The token file holds white space only.
    #[error("there is no token to compare with: the balancer's token file holds white space only")]
    NoToken,
    /// The request has no token.
    #[error("this action needs `Authorization: Bearer <token>`; the command line takes --token-file")]
    Missing,
    /// The request has another token.
    #[error("the bearer token is not the one in the balancer's token file")]
    Wrong,
    /// The request has another token, as too many before it.
    #[error(
        "more than {MOST_WRONG} wrong bearer tokens were given within a minute; the right one is in the balancer's token file"
    )]
    TooManyWrong {
        /// For how long further ones are answered like this.
        wait: Duration,
    },
    /// The body is no JSON, or does not say that it is. No form can say so.
    #[error("a body must be JSON and say so: `Content-Type: application/json`")]
    NoJson,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NotConfigured | Self::TokenFile(_) | Self::NoToken => StatusCode::FORBIDDEN,
            Self::Missing | Self::Wrong => StatusCode::UNAUTHORIZED,
            Self::TooManyWrong { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::NoJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        };
        let mut response = failure(status, &self);
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Self::TooManyWrong { wait } = self {
            headers.insert(header::RETRY_AFTER, wait.as_secs().max(1).into());
        }
        response
    }
}

/// Lets those requests through that may act. It stands before their bodies are read, so that nobody else has any read, and the
/// token goes no further.
pub(super) async fn admit(State(token): State<ActionToken>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    if let Err(foreign) = browsers::of_own_page(headers) {
        return failure(StatusCode::FORBIDDEN, &foreign);
    }
    if let Err(refusal) = token.check(headers).await {
        return refusal.into_response();
    }
    if has_body(headers) && !says_json(headers) {
        return Refusal::NoJson.into_response();
    }
    request.headers_mut().remove(header::AUTHORIZATION);
    next.run(request).await
}

impl ActionToken {
    pub(super) fn new(file: Option<PathBuf>) -> Self {
        Self {
            file,
            wrong: Arc::default(),
        }
    }

    /// Checks the request's token against the file, which is read each time so that it can be rotated.
    ///
    /// The right token is let in whatever others have tried, or they could keep its owner out. So the count does not bound how
    /// many tokens can be tried; what keeps one from being guessed is its length. The count tells who looks at the log, and
    /// bounds what is logged.
    async fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let path = self.file.as_ref().ok_or(Refusal::NotConfigured)?;
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
            .ok_or(Refusal::Missing)?;
        let text = read_password(path).await?;
        let expected = text.as_bytes().trim_ascii();
        if expected.is_empty() {
            return Err(Refusal::NoToken);
        }
        if bool::from(expected.ct_eq(given.trim_ascii())) {
            return Ok(());
        }
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        Err(wrong.count(Instant::now()))
    }
}

/// Wrong tokens of the current window.
#[derive(Debug, Default)]
struct WrongTokens {
    began: Option<Instant>,
    count: u32,
}

impl WrongTokens {
    /// Counts one more, and says how it is answered.
    fn count(&mut self, now: Instant) -> Refusal {
        let current = self
            .began
            .filter(|began| now.saturating_duration_since(*began) < WINDOW);
        let began = current.unwrap_or(now);
        if current.is_none() {
            self.began = Some(began);
            self.count = 0;
        }
        if self.count == MOST_WRONG {
            let wait = (began + WINDOW).saturating_duration_since(now);
            return Refusal::TooManyWrong { wait };
        }
        self.count += 1;
        if self.count == MOST_WRONG {
            tracing::warn!(
                "{MOST_WRONG} wrong bearer tokens were given to the API within a minute: somebody guesses, or a client has an old \
                 one."
            );
        }
        Refusal::Wrong
    }
}

fn has_body(headers: &HeaderMap) -> bool {
    let is_empty = |length: &HeaderValue| length == "0";
    headers.contains_key(header::TRANSFER_ENCODING)
        || !headers.get(header::CONTENT_LENGTH).is_none_or(is_empty)
}

fn says_json(headers: &HeaderMap) -> bool {
    let said = headers
        .get(header::CONTENT_TYPE)
        .and_then(|said| said.to_str().ok());
    let essence = said.and_then(|said| said.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_tokens_are_told_to_wait_until_their_minute_is_over() {
        let (mut wrong, start) = (WrongTokens::default(), Instant::now());
        let mut after = |seconds| wrong.count(start + Duration::from_secs(seconds));
        for second in 0..10 {
            assert!(matches!(after(second), Refusal::Wrong));
        }
        let Refusal::TooManyWrong { wait } = after(59) else {
            panic!("the eleventh is answered as the tenth");
        };
        assert_eq!(wait, Duration::from_secs(1));
        assert!(matches!(after(60), Refusal::Wrong));
    }
}
