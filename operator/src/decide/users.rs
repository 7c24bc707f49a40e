//! Users with passwords: which are made, get another password, or go.
//!
//! The status remembers who was made here, before it is made. So whoever is taken out of the spec goes, also after a crash, and
//! users who were made by other means stay. Of a password only the version of its Secret is known here.

use std::collections::{BTreeMap, BTreeSet};

use kafka::users::{Mechanism, UserName};

use super::Trouble;
use crate::cluster::User;
use crate::crd::{ScramMechanism, UserStatus};

/// What Kafka says of users, or why it does not.
pub type KnownUsers = Result<BTreeMap<UserName, BTreeSet<Mechanism>>, String>;

/// What is done with users.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserSteps {
    /// Users who get the password of their Secret.
    pub set: Vec<User>,
    /// Users who can no longer log in this way.
    pub remove: Vec<(UserName, Mechanism)>,
}

/// What is there of users, and what is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Situation<'a> {
    /// The users of the spec.
    pub(super) wanted: &'a [User],
    /// The version of the password of each, or what is wrong with its Secret.
    pub(super) passwords: &'a BTreeMap<UserName, Result<String, String>>,
    /// Those that the status remembers.
    pub(super) remembered: &'a [UserStatus],
    /// Those that Kafka knows, of all these.
    pub(super) known: &'a KnownUsers,
    /// Whether all brokers run as is wanted. Until then a user keeps the way of logging in that brokers knew before.
    pub(super) brokers_as_wanted: bool,
}

/// What is to be done about users.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Decided {
    pub(super) steps: UserSteps,
    /// What the status has to remember when the steps have been taken.
    pub(super) remembered: Vec<UserStatus>,
    pub(super) troubles: Vec<Trouble>,
    pub(super) doing: Option<String>,
}

/// Decides.
pub(super) fn users(situation: Situation<'_>) -> Decided {
    let mut decided = Decided::default();
    let Situation {
        wanted,
        remembered,
        known,
        ..
    } = situation;
    let known = match known {
        Ok(known) => known,
        Err(reason) => {
            decided.remembered = remembered.to_vec();
            if !wanted.is_empty() || !remembered.is_empty() {
                let message = format!(
                    "users cannot be read: {reason}; Kafka can do that since 2.7, and in KRaft mode since 3.5"
                );
                decided.troubles.push(Trouble::new("NoUsers", message));
            }
            return decided;
        }
    };
    let can_log_in = |user: &UserName, mechanism: Mechanism| {
        known
            .get(user)
            .is_some_and(|mechanisms| mechanisms.contains(&mechanism))
    };
    for user in wanted {
        situation.keep(user, can_log_in(&user.name, user.mechanism), &mut decided);
    }
    for old in remembered {
        let Ok(name) = old.name.parse::<UserName>() else {
            continue;
        };
        let mechanism = Mechanism::from(old.mechanism);
        let same_name = wanted.iter().find(|user| user.name == name);
        match same_name {
            Some(user) if user.mechanism == mechanism => {}
            Some(user) if !situation.brokers_as_wanted || !can_log_in(&user.name, user.mechanism) => {
                decided.remembered.push(old.clone());
            }
            // Also where Kafka does not know it: a broker that is behind may have answered.
            _ => decided.steps.remove.push((name, mechanism)),
        }
    }
    decided.remembered.sort();
    decided.doing = decided.doing();
    decided
}

impl Situation<'_> {
    /// Decides for a user of the spec.
    fn keep(&self, user: &User, can_log_in: bool, decided: &mut Decided) {
        let is_it =
            |old: &&UserStatus| old.name == user.name.as_str() && user.mechanism == old.mechanism.into();
        let old = self.remembered.iter().find(is_it);
        let version = match self.passwords.get(&user.name) {
            Some(Ok(version)) => version,
            unusable => {
                let reason = unusable.and_then(|unusable| unusable.as_ref().err());
                let reason = reason.map_or("its Secret was not read", String::as_str);
                let message = format!("user {}: {reason}", user.name);
                decided.troubles.push(Trouble::new("NoPassword", message));
                decided.remembered.extend(old.cloned());
                return;
            }
        };
        let status = |password: Option<String>| UserStatus {
            name: user.name.to_string(),
            mechanism: user.mechanism.into(),
            password,
        };
        match old {
            // Before it is made it is written down, so that it can be taken back whatever happens.
            None => decided.remembered.push(status(None)),
            Some(old) => {
                if old.password.as_ref() != Some(version) || !can_log_in {
                    decided.steps.set.push(user.clone());
                }
                decided.remembered.push(status(Some(version.clone())));
            }
        }
    }
}

impl Decided {
    fn doing(&self) -> Option<String> {
        let announced = self.remembered.iter().filter(|user| user.password.is_none());
        let announced = announced.map(|user| user.name.as_str());
        let set = self.steps.set.iter().map(|user| user.name.as_str());
        let removed = self.steps.remove.iter().map(|(user, _)| user.as_str());
        let names: BTreeSet<&str> = announced.chain(set).chain(removed).collect();
        let names: Vec<&str> = names.into_iter().collect();
        (!names.is_empty()).then(|| format!("users are made, changed or removed: {}", names.join(", ")))
    }
}

impl From<ScramMechanism> for Mechanism {
    fn from(mechanism: ScramMechanism) -> Self {
        match mechanism {
            ScramMechanism::Sha256 => Self::ScramSha256,
            ScramMechanism::Sha512 => Self::ScramSha512,
        }
    }
}

impl From<Mechanism> for ScramMechanism {
    fn from(mechanism: Mechanism) -> Self {
        match mechanism {
            Mechanism::ScramSha256 => Self::Sha256,
            Mechanism::ScramSha512 => Self::Sha512,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA512: Mechanism = Mechanism::ScramSha512;

    fn user(name: &str) -> User {
        User {
            name: name.parse().unwrap(),
            mechanism: SHA512,
            secret: "s".to_owned(),
            key: "password".to_owned(),
        }
    }

    fn remembered(name: &str, password: Option<&str>) -> UserStatus {
        UserStatus {
            name: name.to_owned(),
            mechanism: ScramMechanism::Sha512,
            password: password.map(str::to_owned),
        }
    }

    /// What is decided when the spec has these users, with passwords in version 1, and these are remembered and known.
    fn decided(wanted: &[User], remembered: &[UserStatus], known: &[&str]) -> Decided {
        let known = known
            .iter()
            .map(|name| (name.parse().unwrap(), BTreeSet::from([SHA512])));
        let passwords = wanted.iter().map(|user| (user.name.clone(), Ok("1".to_owned())));
        users(Situation {
            wanted,
            passwords: &passwords.collect(),
            remembered,
            known: &Ok(known.collect()),
            brokers_as_wanted: true,
        })
    }

    #[test]
    fn a_user_is_written_down_then_made_then_left_alone() {
        let wanted = [user("alice")];
        let first = decided(&wanted, &[], &[]);
        assert_eq!(
            (first.steps.set.len(), &first.remembered[..]),
            (0, &[remembered("alice", None)][..])
        );
        let second = decided(&wanted, &first.remembered, &[]);
        assert_eq!(
            (&second.steps.set[..], &second.remembered[..]),
            (&wanted[..], &[remembered("alice", Some("1"))][..])
        );
        let third = decided(&wanted, &second.remembered, &["alice"]);
        assert_eq!((third.steps, third.doing), (UserSteps::default(), None));
        assert_eq!(third.remembered, second.remembered);
    }

    #[test]
    fn a_user_gets_another_password_and_is_made_again_where_somebody_has_removed_it() {
        let wanted = [user("alice")];
        let other = decided(&wanted, &[remembered("alice", Some("0"))], &["alice"]);
        assert_eq!(other.steps.set, wanted);
        let gone = decided(&wanted, &[remembered("alice", Some("1"))], &[]);
        assert_eq!(gone.steps.set, wanted);
    }

    #[test]
    fn who_is_taken_out_of_the_spec_goes_and_who_was_made_by_others_stays() {
        let old = [remembered("alice", Some("1"))];
        let going = decided(&[], &old, &["alice", "bob"]);
        assert_eq!(going.steps.remove, [("alice".parse().unwrap(), SHA512)]);
        assert_eq!(going.remembered, [], "when that has been done");
        assert_eq!(
            decided(&[], &old, &["bob"]).steps,
            going.steps,
            "a broker may be behind"
        );
        assert_eq!(decided(&[], &[], &["bob"]), Decided::default());
    }

    #[test]
    fn a_user_keeps_its_old_mechanism_until_all_brokers_know_the_new_one() {
        let (wanted, passwords) = ([user("alice")], BTreeMap::new());
        let old = [UserStatus {
            mechanism: ScramMechanism::Sha256,
            ..remembered("alice", Some("1"))
        }];
        let removed = |mechanisms: &[Mechanism], brokers_as_wanted| {
            let mechanisms = mechanisms.iter().copied().collect();
            let known = BTreeMap::from([("alice".parse().unwrap(), mechanisms)]);
            let situation = Situation {
                wanted: &wanted,
                passwords: &passwords,
                remembered: &old,
                known: &Ok(known),
                brokers_as_wanted,
            };
            users(situation).steps.remove.len()
        };
        let both = [Mechanism::ScramSha256, SHA512];
        assert_eq!((removed(&both, false), removed(&both, true)), (0, 1));
        // Its Secret may be missing: then the new one is not there.
        assert_eq!(removed(&[Mechanism::ScramSha256], true), 0);
    }

    #[test]
    fn without_an_answer_or_a_password_nothing_changes_and_the_cure_is_named() {
        let (wanted, old) = ([user("alice")], [remembered("alice", Some("0"))]);
        let situation = |known: &KnownUsers, passwords: &BTreeMap<_, _>| {
            users(Situation {
                wanted: &wanted,
                passwords,
                remembered: &old,
                known,
                brokers_as_wanted: true,
            })
        };
        let name = || wanted[0].name.clone();
        let there = BTreeMap::from([(name(), Ok("1".to_owned()))]);
        let unknown = situation(&Err("UNSUPPORTED_VERSION".to_owned()), &there);
        let missing = BTreeMap::from([(name(), Err("there is no Secret s; make it".to_owned()))]);
        let missing = situation(&Ok(BTreeMap::new()), &missing);
        for (decided, said) in [
            (unknown, "since 2.7"),
            (missing, "user alice: there is no Secret s; make it"),
        ] {
            assert_eq!(
                (decided.steps, &decided.remembered[..]),
                (UserSteps::default(), &old[..])
            );
            assert!(
                decided.troubles[0].message.contains(said),
                "{:?}",
                decided.troubles
            );
        }
    }
}
