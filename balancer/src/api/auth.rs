//! Who may act.

use std::path::PathBuf;

use axum::http::{HeaderMap, header};
use subtle::ConstantTimeEq;
use thiserror::Error;

/// A token file holds one line; more than this is the wrong file.
const MAX_TOKEN_BYTES: usize = 4096;

/// Where the token that allows actions is read from.
#[derive(Debug, Clone)]
pub(super) struct ActionToken {
    file: Option<PathBuf>,
}

/// Why an action was not allowed.
#[derive(Debug, Error)]
pub(super) enum Refusal {
    /// No token is configured.
    #[error(
        "actions are off: set `token_file` in the balancer's configuration and send its content as a bearer token"
    )]
    NotConfigured,
    /// The token file cannot be used.
    #[error("the token file {path} cannot be used: {reason}", path = path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The request has no token.
    #[error("this action needs `Authorization: Bearer <token>`; the command line takes --token-file")]
    Missing,
    /// The request has another token.
    #[error("the bearer token is not the one in the balancer's token file")]
    Wrong,
}

impl ActionToken {
    pub(super) fn new(file: Option<PathBuf>) -> Self {
        Self { file }
    }

    /// Checks the request's token against the file, which is read each time so that it can be rotated.
    pub(super) async fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let path = self.file.as_ref().ok_or(Refusal::NotConfigured)?;
        let unusable = |reason: String| Refusal::TokenFile {
            path: path.clone(),
            reason,
        };
        let bytes = tokio::fs::read(path)
            .await
            .map_err(|error| unusable(error.to_string()))?;
        let expected = bytes.trim_ascii();
        if expected.is_empty() || expected.len() > MAX_TOKEN_BYTES {
            return Err(unusable(format!(
                "it holds {} bytes where 1 to {MAX_TOKEN_BYTES} are due",
                expected.len()
            )));
        }
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
            .ok_or(Refusal::Missing)?;
        if bool::from(expected.ct_eq(given.trim_ascii())) {
            Ok(())
        } else {
            Err(Refusal::Wrong)
        }
    }
}
