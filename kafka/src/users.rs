//! The `Users` trait: users with passwords, which a cluster keeps as SCRAM credentials.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::str::FromStr;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::cluster::Each;
use crate::error::ClusterError;

/// The users who log in with a password. Kafka has had these requests since 2.7, in KRaft mode since 3.5.
///
/// As with [`Cluster`](crate::Cluster), each method is one logical request with a deadline of its own, and a change is
/// the same when it is applied twice.
pub trait Users: Send + Sync + 'static {
    /// How each of these users can log in. Those who cannot are left out. What their passwords are is never answered.
    fn users(
        &self,
        names: &BTreeSet<UserName>,
    ) -> impl Future<Output = Result<BTreeMap<UserName, BTreeSet<Mechanism>>, ClusterError>> + Send;

    /// Sets or takes away passwords. Connections that there are stay. The answer is one for all changes of a user; taking away
    /// what is not there is refused with `RESOURCE_NOT_FOUND`.
    fn alter_users(
        &self,
        changes: Vec<UserChange>,
    ) -> impl Future<Output = Result<Each<UserName, ()>, ClusterError>> + Send;
}

/// What a user is called: text without control characters, of 1 to 255 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(String);

/// A text that cannot be the name of a user.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the name of a user has 1 to 255 bytes and no control characters")]
pub struct InvalidUserName;

impl FromStr for UserName {
    type Err = InvalidUserName;

    fn from_str(text: &str) -> Result<Self, InvalidUserName> {
        const LONGEST: usize = 255;
        match text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
            true => Err(InvalidUserName),
            false => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl UserName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How a password is proven without being sent. A user has one password for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mechanism {
    /// `SCRAM-SHA-256`.
    ScramSha256,
    /// `SCRAM-SHA-512`.
    ScramSha512,
}

/// A change of a user.
pub enum UserChange {
    /// It can log in with this password, and with no other one.
    Set {
        /// The user.
        user: UserName,
        /// How.
        mechanism: Mechanism,
        /// The password; wiped after use.
        password: Zeroizing<String>,
    },
    /// It cannot log in any more.
    Remove {
        /// The user.
        user: UserName,
        /// How it could.
        mechanism: Mechanism,
    },
}

impl UserChange {
    /// The user.
    pub fn user(&self) -> &UserName {
        match self {
            Self::Set { user, .. } | Self::Remove { user, .. } => user,
        }
    }
}

/// Without the password.
impl fmt::Debug for UserChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, user, mechanism) = match self {
            Self::Set { user, mechanism, .. } => ("Set", user, mechanism),
            Self::Remove { user, mechanism } => ("Remove", user, mechanism),
        };
        f.debug_struct(name)
            .field("user", user)
            .field("mechanism", mechanism)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let change = UserChange::Set {
            user: "alice".parse().unwrap(),
            mechanism: Mechanism::ScramSha512,
            password: Zeroizing::new("swordfish".to_owned()),
        };
        let shown = format!("{change:?}");
        assert!(shown.contains("alice") && !shown.contains("swordfish"), "{shown}");
    }
}
