//! The secrets that the settings point to, read when a connection is made.

use krafka::auth::{AuthConfig, TlsConfig};

use crate::connection::{Sasl, SaslMechanism, Security, Tls};
use crate::password_file::{PasswordError, read_password};

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
    let password = read_password(&sasl.password_file).await?;
    // The library wipes its copy of the password too.
    Ok(match sasl.mechanism {
        SaslMechanism::Plain => AuthConfig::sasl_plain(&sasl.user, password.as_str()),
        SaslMechanism::ScramSha256 => AuthConfig::sasl_scram_sha256(&sasl.user, password.as_str()),
        SaslMechanism::ScramSha512 => AuthConfig::sasl_scram_sha512(&sasl.user, password.as_str()),
    })
}
