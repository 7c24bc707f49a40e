//! The secrets that the settings point to, read when a connection is made.

use std::io;
use std::path::{Path, PathBuf};

use krafka::auth::{AuthConfig, TlsConfig};
use thiserror::Error;
use tokio::io::AsyncReadExt;
use zeroize::Zeroizing;

use crate::connection::{Sasl, SaslMechanism, Security, Tls};

/// A password is a line; more than this is some other file.
const MAX_PASSWORD_BYTES: usize = 64 * 1024;

/// A password file that cannot be used.
#[derive(Debug, Error)]
pub(super) enum PasswordError {
    #[error("the password file {} cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the password file {} is larger than {MAX_PASSWORD_BYTES} bytes; is it the right file?", path.display())]
    TooLarge { path: PathBuf },
    #[error("the password file {} is empty", path.display())]
    Empty { path: PathBuf },
    #[error("the password file {} is not text in UTF-8", path.display())]
    NotText { path: PathBuf },
}

/// The security settings with the secrets of this moment.
pub(super) async fn load(security: &Security) -> Result<AuthConfig, PasswordError> {
    Ok(match security {
        Security::Plaintext => AuthConfig::plaintext(),
        Security::Ssl(tls) => AuthConfig::ssl(tls_config(tls)),
        Security::SaslPlaintext(sasl) => sasl_config(sasl).await?,
        Security::SaslSsl { sasl, tls } => sasl_config(sasl).await?.with_tls(tls_config(tls)),
    })
}

fn tls_config(tls: &Tls) -> TlsConfig {
    let mut config = TlsConfig::new();
    if let Some(ca_file) = &tls.ca_file {
        config = config.with_ca_cert(ca_file.to_string_lossy());
    }
    if let Some(identity) = &tls.identity {
        let (cert, key) = (&identity.cert_file, &identity.key_file);
        config = config.with_client_cert(cert.to_string_lossy(), key.to_string_lossy());
    }
    config
}

async fn sasl_config(sasl: &Sasl) -> Result<AuthConfig, PasswordError> {
    let password = password(&sasl.password_file).await?;
    // The library wipes its copy of the password too.
    Ok(match sasl.mechanism {
        SaslMechanism::Plain => AuthConfig::sasl_plain(&sasl.user, password.as_str()),
        SaslMechanism::ScramSha256 => AuthConfig::sasl_scram_sha256(&sasl.user, password.as_str()),
        SaslMechanism::ScramSha512 => AuthConfig::sasl_scram_sha512(&sasl.user, password.as_str()),
    })
}

/// Reads a password; the line end after it, which most editors and `echo` leave, is not part of it.
async fn password(path: &Path) -> Result<Zeroizing<String>, PasswordError> {
    let unreadable = |source| PasswordError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    // The buffer never grows, so that no copy of the password is left behind in freed memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_PASSWORD_BYTES + 2));
    file.take(MAX_PASSWORD_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .await
        .map_err(unreadable)?;
    if bytes.len() > MAX_PASSWORD_BYTES {
        return Err(PasswordError::TooLarge {
            path: path.to_owned(),
        });
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| PasswordError::NotText {
        path: path.to_owned(),
    })?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err(PasswordError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(Zeroizing::new(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(content: &[u8]) -> Result<String, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        match password(file.path()).await {
            Ok(password) => Ok(password.as_str().to_owned()),
            Err(error) => Err(error
                .to_string()
                .replace(&file.path().display().to_string(), "FILE")),
        }
    }

    #[tokio::test]
    async fn one_line_end_after_the_password_is_not_part_of_it() {
        assert_eq!(read(b"geheim").await.unwrap(), "geheim");
        assert_eq!(read(b"geheim\n").await.unwrap(), "geheim");
        assert_eq!(read(b"geheim\r\n").await.unwrap(), "geheim");
        assert_eq!(read(b" two words \n\n").await.unwrap(), " two words \n");
    }

    #[tokio::test]
    async fn a_file_that_cannot_hold_a_password_is_named_with_the_reason() {
        for (content, message) in [
            (&b""[..], "the password file FILE is empty"),
            (&b"\n"[..], "the password file FILE is empty"),
            (&b"\xff\xfe"[..], "the password file FILE is not text in UTF-8"),
            (
                &[b'x'; MAX_PASSWORD_BYTES + 1][..],
                "the password file FILE is larger than 65536 bytes; is it the right file?",
            ),
        ] {
            assert_eq!(read(content).await.unwrap_err(), message);
        }
        let missing = password(Path::new("/nowhere/password")).await.unwrap_err();
        assert!(
            missing.to_string().contains("/nowhere/password cannot be read"),
            "{missing}"
        );
    }
}
