//! Certificates and keys, read from the files that the settings name.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kafka::connection::{Tls, TlsIdentity};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use thiserror::Error;
use zeroize::Zeroizing;

/// A bundle of all public authorities takes a fifth of this.
const MAX_PEM_BYTES: usize = 1024 * 1024;

/// Why certificates or a key cannot be used. Errors name the file and never quote it.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The file is not there, or may not be read.
    #[error("the file {path} cannot be read", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is far larger than certificates are.
    #[error("the file {path} is larger than {MAX_PEM_BYTES} bytes; is it the right file?", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file does not hold what it should. What the parser says is not told, since it quotes the file.
    #[error("the file {path} holds no {what} in PEM, unencrypted", path = path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// The authority's certificate cannot be trusted.
    #[error("a certificate of {path} cannot be an authority's", path = path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The certificate and the key do not go together, or are of a kind that is not known.
    #[error("the certificate {cert_file} and the key {key_file} cannot be used together", cert_file = cert_file.display(), key_file = key_file.display())]
    Identity {
        /// The certificate's file.
        cert_file: PathBuf,
        /// The key's file.
        key_file: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The versions of TLS do not fit the library's ciphers.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// How a client proves others and itself. Blocks while it reads.
///
/// # Errors
///
/// A file cannot be used.
pub fn client_config(tls: &Tls) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    match &tls.ca_file {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            for authority in certificates(path)? {
                roots.add(authority).map_err(|source| TlsError::Authority {
                    path: path.clone(),
                    source,
                })?;
            }
        }
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_root_certificates(roots);
    match &tls.identity {
        None => Ok(config.with_no_client_auth()),
        Some(identity) => {
            let (chain, key) = (certificates(&identity.cert_file)?, key(&identity.key_file)?);
            let config = config.with_client_auth_cert(chain, key);
            config.map_err(|source| unusable(identity, source))
        }
    }
}

/// How a server proves itself; it speaks HTTP/1.1. Blocks while it reads.
///
/// # Errors
///
/// A file cannot be used.
pub fn server_config(identity: &TlsIdentity) -> Result<ServerConfig, TlsError> {
    let (chain, key) = (certificates(&identity.cert_file)?, key(&identity.key_file)?);
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|source| unusable(identity, source))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The one that the Kafka client has too; named, since none is the process's default.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn unusable(identity: &TlsIdentity, source: rustls::Error) -> TlsError {
    TlsError::Identity {
        cert_file: identity.cert_file.clone(),
        key_file: identity.key_file.clone(),
        source,
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(TlsError::NotPem {
            path: path.to_owned(),
            what: "certificate",
        }),
    }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|_| TlsError::NotPem {
        path: path.to_owned(),
        what: "private key",
    })
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let unreadable = |source| TlsError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    // The buffer never grows, so that no copy of a key is left in freed memory.
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_PEM_BYTES + 2));
    file.take(MAX_PEM_BYTES as u64 + 1)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    if text.len() > MAX_PEM_BYTES {
        return Err(TlsError::TooLarge {
            path: path.to_owned(),
        });
    }
    Ok(text)
}
