//! Users as SCRAM credentials (RFC 5802). Kafka never sees a password: what it keeps is computed here.

use std::collections::{BTreeMap, BTreeSet};

use krafka::admin::{ScramCredentialDeletion, ScramCredentialInfo, ScramCredentialUpsertion};
use krafka::auth::ScramMechanism;
use krafka::error::{ErrorCode, KrafkaError};
use pbkdf2::pbkdf2_hmac;
use rand::RngExt;
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

use super::KafkaCluster;
use super::session::Subject;
use crate::cluster::Each;
use crate::error::ClusterError;
use crate::users::{Mechanism, UserChange, UserName, Users};

/// As many as Kafka's own tool makes when it is not told.
const ITERATIONS: u32 = 4_096;

/// Bytes of a salt. No two are the same.
const SALT: usize = 24;

impl Subject for UserName {
    fn subject(&self) -> String {
        format!("user {self}")
    }
}

impl Users for KafkaCluster {
    async fn users(
        &self,
        names: &BTreeSet<UserName>,
    ) -> Result<BTreeMap<UserName, BTreeSet<Mechanism>>, ClusterError> {
        let session = self.sessions.current().await?;
        let asked: BTreeMap<UserName, String> = names
            .iter()
            .map(|name| (name.clone(), name.to_string()))
            .collect();
        let texts = asked.values().cloned().collect();
        let answers = session
            .admin
            .describe_user_scram_credentials(Some(texts), Default::default())
            .await;
        let answers = answers.map(|answers| answers.into_iter().map(unknown_is_none).collect());
        let convert = |_: &UserName, found: Vec<ScramCredentialInfo>| Ok(mechanisms(&found));
        let each = session.each("DescribeUserScramCredentials", asked, answers, convert)?;
        let mut users = BTreeMap::new();
        for (user, mechanisms) in each {
            let mechanisms = mechanisms?;
            if !mechanisms.is_empty() {
                users.insert(user, mechanisms);
            }
        }
        Ok(users)
    }

    async fn alter_users(&self, changes: Vec<UserChange>) -> Result<Each<UserName, ()>, ClusterError> {
        let session = self.sessions.current().await?;
        let users = changes
            .iter()
            .map(|change| (change.user().clone(), change.user().to_string()));
        let asked: BTreeMap<UserName, String> = users.collect();
        // A thousand users take seconds to compute.
        let computed = tokio::task::spawn_blocking(move || credentials(changes)).await;
        let (deletions, upsertions) = computed.map_err(|ended| ClusterError::Nonsense(ended.to_string()))?;
        let answers = session
            .admin
            .alter_user_scram_credentials(deletions, upsertions, Default::default())
            .await;
        session.each("AlterUserScramCredentials", asked, answers, |_, done| Ok(done))
    }
}

type Described = (String, krafka::Result<Vec<ScramCredentialInfo>>);

/// Kafka answers with an error for a user who cannot log in.
fn unknown_is_none((user, answer): Described) -> Described {
    match answer {
        Err(KrafkaError::Broker {
            code: ErrorCode::ResourceNotFound,
            ..
        }) => (user, Ok(Vec::new())),
        answer => (user, answer),
    }
}

fn mechanisms(found: &[ScramCredentialInfo]) -> BTreeSet<Mechanism> {
    let known = |info: &ScramCredentialInfo| match info.mechanism {
        ScramMechanism::Sha256 => Some(Mechanism::ScramSha256),
        ScramMechanism::Sha512 => Some(Mechanism::ScramSha512),
        _ => None,
    };
    found.iter().filter_map(known).collect()
}

fn credentials(changes: Vec<UserChange>) -> (Vec<ScramCredentialDeletion>, Vec<ScramCredentialUpsertion>) {
    let (mut deletions, mut upsertions) = (Vec::new(), Vec::new());
    for change in changes {
        match change {
            UserChange::Remove { user, mechanism } => deletions.push(ScramCredentialDeletion {
                name: user.to_string(),
                mechanism: of(mechanism),
            }),
            UserChange::Set {
                user,
                mechanism,
                password,
            } => {
                let mut salt = Zeroizing::new(vec![0; SALT]);
                rand::rng().fill(salt.as_mut_slice());
                upsertions.push(ScramCredentialUpsertion {
                    name: user.to_string(),
                    mechanism: of(mechanism),
                    iterations: ITERATIONS as i32,
                    salted_password: salted(mechanism, password.as_bytes(), &salt),
                    salt,
                });
            }
        }
    }
    (deletions, upsertions)
}

fn of(mechanism: Mechanism) -> ScramMechanism {
    match mechanism {
        Mechanism::ScramSha256 => ScramMechanism::Sha256,
        Mechanism::ScramSha512 => ScramMechanism::Sha512,
    }
}

fn salted(mechanism: Mechanism, password: &[u8], salt: &[u8]) -> Zeroizing<Vec<u8>> {
    match mechanism {
        Mechanism::ScramSha256 => {
            let mut salted = Zeroizing::new(vec![0; 32]);
            pbkdf2_hmac::<Sha256>(password, salt, ITERATIONS, &mut salted);
            salted
        }
        Mechanism::ScramSha512 => {
            let mut salted = Zeroizing::new(vec![0; 64]);
            pbkdf2_hmac::<Sha512>(password, salt, ITERATIONS, &mut salted);
            salted
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_salted_password_is_that_of_rfc_7677() {
        // Its example: user "user", password "pencil", 4096 iterations.
        let salt = [
            0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81,
        ];
        let salted = salted(Mechanism::ScramSha256, b"pencil", &salt);
        let digits: String = salted.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            digits,
            "c4a49510323ab4f952cac1fa99441939e78ea74d6be81ddf7096e87513dc615d"
        );
    }

    #[test]
    fn every_credential_has_a_salt_of_its_own() {
        let set = || UserChange::Set {
            user: "alice".parse().unwrap(),
            mechanism: Mechanism::ScramSha512,
            password: Zeroizing::new("swordfish".to_owned()),
        };
        let (_, upsertions) = credentials(vec![set(), set()]);
        assert_ne!(upsertions[0].salt, upsertions[1].salt);
        assert_ne!(upsertions[0].salted_password, upsertions[1].salted_password);
    }
}
