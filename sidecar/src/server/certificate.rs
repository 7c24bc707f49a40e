//! The server's certificate, read again now and then so that it can be renewed without a restart.

use std::sync::Arc;
use std::time::Duration;

use kafka::connection::TlsIdentity;
use kafka::error::with_causes;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use crate::tls::{TlsError, server_config};

/// The certificate that new connections are shown.
#[derive(Debug)]
pub struct Certificate {
    identity: TlsIdentity,
    read_every: Duration,
    current: watch::Sender<Arc<rustls::ServerConfig>>,
    trouble: watch::Sender<Option<String>>,
}

impl Certificate {
    /// How often the files are read as a rule; who renews certificates does it days ahead.
    pub const READ_EVERY: Duration = Duration::from_secs(60);

    /// The certificate that the files hold now, and that they will be read for again every so often.
    ///
    /// # Errors
    ///
    /// They cannot be used.
    pub fn read(identity: TlsIdentity, read_every: Duration) -> Result<Self, TlsError> {
        let config = server_config(&identity)?;
        Ok(Self {
            identity,
            read_every,
            current: watch::Sender::new(Arc::new(config)),
            trouble: watch::Sender::default(),
        })
    }

    /// Why the files cannot be used at the time, while they cannot.
    pub fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.trouble.subscribe()
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.borrow()))
    }

    /// Reads the files for ever. While they cannot be used, which is told once, the last certificate that could be is shown.
    pub(super) async fn renew(&self) {
        loop {
            tokio::time::sleep(self.read_every).await;
            let identity = self.identity.clone();
            // Only a panic makes it fail, and then the last certificate is as good as ever.
            let Ok(read) = tokio::task::spawn_blocking(move || server_config(&identity)).await else {
                continue;
            };
            let trouble = match read {
                Ok(config) => {
                    self.current.send_replace(Arc::new(config));
                    None
                }
                Err(error) => Some(with_causes(&error)),
            };
            let before = self.trouble.send_replace(trouble.clone());
            match (before, trouble) {
                (None, Some(error)) => warn!(error, "the last certificate is kept"),
                (Some(_), None) => info!("the certificate can be used again"),
                _ => {}
            }
        }
    }
}
