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
        let (current, _) = watch::channel(Arc::new(config));
        Ok(Self {
            identity,
            read_every,
            current,
        })
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.borrow()))
    }

    /// Reads the files for ever. While they cannot be used, which is told once, the last certificate that could be is shown.
    pub(super) async fn renew(&self) {
        let mut is_usable = true;
        loop {
            tokio::time::sleep(self.read_every).await;
            let identity = self.identity.clone();
            // Only a panic makes it fail, and then the last certificate is as good as ever.
            let Ok(read) = tokio::task::spawn_blocking(move || server_config(&identity)).await else {
                continue;
            };
            match read {
                Ok(config) => {
                    self.current.send_replace(Arc::new(config));
                    if !is_usable {
                        info!("the certificate can be used again");
                    }
                    is_usable = true;
                }
                Err(error) if is_usable => {
                    warn!(error = with_causes(&error), "the last certificate is kept");
                    is_usable = false;
                }
                Err(_) => {}
            }
        }
    }
}
