//! The certificates with which the operator connects to clusters that have TLS, from Secrets to files.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::Secret;
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The keys of a Secret as cert-manager writes it.
const KEYS: [&str; 3] = ["ca.crt", "tls.crt", "tls.key"];

/// A certificate, a key or a bundle is never larger.
const MAX_BYTES: usize = 1024 * 1024;

/// Why a certificate cannot be used.
#[derive(Debug, Error)]
pub(super) enum CertificateError {
    /// There is no such Secret.
    #[error("there is no Secret {0} with the certificate; make it, or remove spec.listeners.tls")]
    Missing(String),
    /// It lacks a key.
    #[error(
        "the Secret {secret} has no {key}; it needs ca.crt, tls.crt and tls.key, as cert-manager writes them"
    )]
    Incomplete {
        /// Its name.
        secret: String,
        /// The key.
        key: &'static str,
    },
    /// What is under a key is larger than anything that belongs there.
    #[error("{key} of the Secret {secret} is larger than {MAX_BYTES} bytes")]
    TooLarge {
        /// Its name.
        secret: String,
        /// The key.
        key: &'static str,
    },
    /// It cannot be written to a file.
    #[error("the certificate cannot be written to {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Keeps what a Secret holds in files of a folder, and returns a digest of it.
pub(super) async fn keep(
    folder: &Path,
    name: &str,
    secret: Option<&Secret>,
) -> Result<String, CertificateError> {
    let secret = secret.ok_or_else(|| CertificateError::Missing(name.to_owned()))?;
    let mut hash = Sha256::new();
    for key in KEYS {
        let data = secret.data.as_ref().and_then(|data| data.get(key));
        let data = data.ok_or_else(|| CertificateError::Incomplete {
            secret: name.to_owned(),
            key,
        })?;
        if data.0.len() > MAX_BYTES {
            return Err(CertificateError::TooLarge {
                secret: name.to_owned(),
                key,
            });
        }
        // The length keeps what ends one file apart from what begins the next.
        hash.update(data.0.len().to_be_bytes());
        hash.update(&data.0);
        let path = folder.join(key);
        write(folder, &path, &data.0)
            .await
            .map_err(|source| CertificateError::Write { path, source })?;
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Removes the files of clusters that there are no more.
pub(super) async fn forget(certificates: &Path, uids: &[String]) {
    for uid in uids {
        match tokio::fs::remove_dir_all(certificates.join(uid)).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, uid, "The certificate of a cluster that is gone cannot be removed.");
            }
            _ => {}
        }
    }
}

/// Replaces a file as a whole, so that nobody reads half of a key, and leaves one alone that is right.
async fn write(folder: &Path, path: &Path, content: &[u8]) -> io::Result<()> {
    if tokio::fs::read(path)
        .await
        .is_ok_and(|present| present == content)
    {
        return Ok(());
    }
    tokio::fs::create_dir_all(folder).await?;
    tokio::fs::set_permissions(folder, Permissions::from_mode(0o700)).await?;
    let partial = path.with_extension("new");
    tokio::fs::write(&partial, content).await?;
    tokio::fs::set_permissions(&partial, Permissions::from_mode(0o600)).await?;
    tokio::fs::rename(&partial, path).await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::ByteString;

    use super::*;

    fn secret(key: &str) -> Secret {
        let pairs = [
            ("ca.crt", "authority"),
            ("tls.crt", "certificate"),
            ("tls.key", key),
        ];
        let data = pairs.map(|(key, value)| (key.to_owned(), ByteString(value.as_bytes().to_vec())));
        Secret {
            data: Some(BTreeMap::from(data)),
            ..Secret::default()
        }
    }

    #[tokio::test]
    async fn a_renewed_certificate_is_in_the_files_and_has_another_digest() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("cluster");
        let first = keep(&folder, "tls", Some(&secret("one"))).await.unwrap();
        assert_eq!(keep(&folder, "tls", Some(&secret("one"))).await.unwrap(), first);
        assert_ne!(keep(&folder, "tls", Some(&secret("two"))).await.unwrap(), first);
        let key = folder.join("tls.key");
        assert_eq!(std::fs::read_to_string(&key).unwrap(), "two");
        assert_eq!(
            std::fs::metadata(&key).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[tokio::test]
    async fn nothing_is_left_of_a_cluster_that_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let of_cluster = folder.path().join("uid");
        keep(&of_cluster, "tls", Some(&secret("one"))).await.unwrap();
        forget(folder.path(), &["uid".to_owned(), "without-tls".to_owned()]).await;
        assert!(!of_cluster.exists());
    }

    #[tokio::test]
    async fn what_is_missing_is_named_with_the_cure() {
        let folder = tempfile::tempdir().unwrap();
        let error = keep(folder.path(), "tls", None).await.unwrap_err().to_string();
        assert!(error.contains("no Secret tls"), "{error}");
        let mut half = secret("one");
        half.data.as_mut().unwrap().remove("ca.crt");
        let error = keep(folder.path(), "tls", Some(&half))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("has no ca.crt"), "{error}");
    }
}
