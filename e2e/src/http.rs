//! The client with which tests ask programs.

use kafka::connection::Tls;
use sidecar::http_client::{self, HttpError};

/// A client that belongs to the test that makes it: its connections end with the test's runtime.
///
/// # Errors
///
/// The TLS library cannot be set up.
pub fn client() -> Result<reqwest::Client, HttpError> {
    http_client::client(&Tls::default(), |builder| builder)
}
