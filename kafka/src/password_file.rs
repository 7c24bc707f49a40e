//! Passwords, read from the files that settings point to whenever they are needed, so that they can be rotated.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

/// A password is a line; more than this is some other file.
const MAX_PASSWORD_BYTES: usize = 64 * 1024;

/// A password file that cannot be used.
#[derive(Debug, Error)]
pub enum PasswordError {
    /// It is not there, or may not be read.
    #[error("the password file {} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is far larger than a password can be.
    #[error("the password file {} is larger than {MAX_PASSWORD_BYTES} bytes; is it the right file?", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// There is nothing in it.
    #[error("the password file {} is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It holds other bytes than text.
    #[error("the password file {} is not text in UTF-8", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
}

/// Reads a password; the line end after it, which most editors and `echo` leave, is not part of it. No copy of what the
/// file holds is left in freed memory.
///
/// # Errors
///
/// The file cannot be read, or cannot hold a password; errors name the file and never quote it.
pub async fn read_password(path: &Path) -> Result<Zeroizing<String>, PasswordError> {
    let file = path.to_owned();
    // Tokio's own files are read through buffers that nobody wipes.
    let reading = tokio::task::spawn_blocking(move || read(&file));
    reading.await.unwrap_or_else(|ended| {
        Err(PasswordError::Unreadable {
            path: path.to_owned(),
            source: ended.into(),
        })
    })
}

fn read(path: &Path) -> Result<Zeroizing<String>, PasswordError> {
    let path = || path.to_owned();
    let unreadable = |source| PasswordError::Unreadable { path: path(), source };
    let file = File::open(path()).map_err(unreadable)?;
    // The buffer never grows, so that the password is in one place only.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_PASSWORD_BYTES + 2));
    file.take(MAX_PASSWORD_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() > MAX_PASSWORD_BYTES {
        return Err(PasswordError::TooLarge { path: path() });
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| PasswordError::NotText { path: path() })?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err(PasswordError::Empty { path: path() });
    }
    Ok(Zeroizing::new(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn password_in(content: &[u8]) -> Result<String, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        match read_password(file.path()).await {
            Ok(password) => Ok(password.as_str().to_owned()),
            Err(error) => Err(error
                .to_string()
                .replace(&file.path().display().to_string(), "FILE")),
        }
    }

    #[tokio::test]
    async fn one_line_end_after_the_password_is_not_part_of_it() {
        assert_eq!(password_in(b"geheim").await.unwrap(), "geheim");
        assert_eq!(password_in(b"geheim\n").await.unwrap(), "geheim");
        assert_eq!(password_in(b"geheim\r\n").await.unwrap(), "geheim");
        assert_eq!(password_in(b" two words \n\n").await.unwrap(), " two words \n");
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
            assert_eq!(password_in(content).await.unwrap_err(), message);
        }
        let missing = read_password(Path::new("/nowhere/password")).await.unwrap_err();
        assert!(
            missing.to_string().contains("/nowhere/password cannot be read"),
            "{missing}"
        );
    }
}
