//! Passwords of users, from Secrets. They are read when they are needed, and wiped.

use k8s_openapi::api::core::v1::Secret;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// A password is never longer.
const MAX_BYTES: usize = 1_024;

/// Why there is no password.
#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum PasswordError {
    /// There is no such Secret.
    #[error("there is no Secret {secret}; make it, with the password under the key {key}")]
    Missing {
        /// Its name.
        secret: String,
        /// The key.
        key: String,
    },
    /// It lacks the key.
    #[error("the Secret {secret} has no {key}; put the password there, or name another key in the spec")]
    NoKey {
        /// Its name.
        secret: String,
        /// The key.
        key: String,
    },
    /// What is under the key is none.
    #[error("{key} of the Secret {secret} is no password: {reason}")]
    Unusable {
        /// Its name.
        secret: String,
        /// The key.
        key: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// The password under a key of a Secret of this name. The line end after it, which most editors and `echo` leave, is not part
/// of it.
pub(super) fn password(
    secret: Option<&Secret>,
    name: &str,
    key: &str,
) -> Result<Zeroizing<String>, PasswordError> {
    let (in_secret, under) = (|| name.to_owned(), || key.to_owned());
    let secret = secret.ok_or_else(|| PasswordError::Missing {
        secret: in_secret(),
        key: under(),
    })?;
    let data = secret.data.as_ref().and_then(|data| data.get(key));
    let data = data.ok_or_else(|| PasswordError::NoKey {
        secret: in_secret(),
        key: under(),
    })?;
    let unusable = |reason| PasswordError::Unusable {
        secret: in_secret(),
        key: under(),
        reason,
    };
    if data.0.len() > MAX_BYTES {
        return Err(unusable("it is longer than 1,024 bytes"));
    }
    let text = std::str::from_utf8(&data.0).map_err(|_| unusable("it is not text in UTF-8"))?;
    match text
        .strip_suffix('\n')
        .map_or(text, |line| line.strip_suffix('\r').unwrap_or(line))
    {
        "" => Err(unusable("it is empty")),
        password => Ok(Zeroizing::new(password.to_owned())),
    }
}

/// Wipes what a Secret holds; what the answer was read from is out of reach.
pub(super) fn wipe(secret: Option<Secret>) {
    let data = secret.and_then(|secret| secret.data).unwrap_or_default();
    for mut value in data.into_values() {
        value.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::ByteString;

    use super::*;

    fn of(content: &[u8]) -> Result<String, String> {
        let secret = Secret {
            data: Some(BTreeMap::from([(
                "password".to_owned(),
                ByteString(content.to_vec()),
            )])),
            ..Secret::default()
        };
        let password = password(Some(&secret), "s", "password");
        password
            .map(|password| password.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_password_is_a_line_of_text() {
        for content in ["swordfish", "swordfish\n", "swordfish\r\n"] {
            assert_eq!(of(content.as_bytes()).unwrap(), "swordfish");
        }
        let long = vec![b'x'; MAX_BYTES + 1];
        for content in [&b""[..], b"\n", b"\xff\xfe", &long] {
            assert!(of(content).unwrap_err().contains("is no password"));
        }
    }

    #[test]
    fn what_is_missing_is_named_with_the_cure() {
        let missing = password(None, "s", "k").unwrap_err().to_string();
        assert!(missing.contains("no Secret s; make it"), "{missing}");
        let no_key = password(Some(&Secret::default()), "s", "k")
            .unwrap_err()
            .to_string();
        assert!(no_key.contains("Secret s has no k"), "{no_key}");
    }
}
