//! What is known of the Secrets that a cluster names.
//!
//! A watch of Secrets would need the right to read all that there are, so each is read by its name: at first, when the spec
//! changes, and then in turn, a fifth of a cluster's in a minute: a cluster of which nothing changes costs one request in a minute
//! where it has no more than five.
//! One that is missing or incomplete is read more often, since somebody mends it. What they hold is not kept.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

/// One Secret of a cluster is read again after this time.
const TURN: Duration = Duration::from_secs(60);

/// Turns after which each of a cluster's Secrets has been read.
const TURNS: usize = 5;

/// A Secret that is of no use is read again after this time.
const MENDED: Duration = Duration::from_secs(20);

/// What is known of a Secret, or that there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    /// Changes with every change of it; none where there is no such Secret.
    pub(super) version: Option<String>,
    /// A digest of the certificate that it was read for, or what is wrong with it.
    pub(super) certificate: Option<Result<String, String>>,
    /// The keys with passwords of users, and what is wrong with what is there.
    pub(super) passwords: BTreeMap<String, Option<String>>,
}

impl Known {
    fn is_of_use(&self) -> bool {
        let certificate = !matches!(self.certificate, Some(Err(_)));
        self.version.is_some() && certificate && self.passwords.values().all(Option::is_none)
    }

    /// Which password is under a key, or why there is none.
    pub(super) fn password(&self, secret: &str, key: &str) -> Result<String, String> {
        match (self.passwords.get(key), &self.version) {
            (Some(None), Some(version)) => Ok(format!("{secret}/{key}@{version}")),
            (Some(Some(reason)), _) => Err(reason.clone()),
            (Some(None) | None, _) => Err(format!("the Secret {secret} was not read")),
        }
    }
}

/// What is known of all Secrets of a cluster.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    generation: Option<i64>,
    known: BTreeMap<String, (Instant, Known)>,
    /// When it was last somebody's turn.
    turned: Option<Instant>,
}

impl Secrets {
    /// Of the Secrets that a spec of this generation names, those to read now. What is known of others is forgotten.
    pub(super) fn due(
        &mut self,
        wanted: &BTreeSet<&str>,
        generation: Option<i64>,
        now: Instant,
    ) -> Vec<String> {
        if self.generation != generation {
            self.generation = generation;
            self.known.clear();
        }
        self.known.retain(|name, _| wanted.contains(name.as_str()));
        let turn = self.turn(now);
        let is_due = |name: &&&str| match self.known.get(**name) {
            None => true,
            Some((read, known)) => {
                let waited = now.duration_since(*read);
                turn.contains(**name) || !known.is_of_use() && waited >= MENDED
            }
        };
        wanted
            .iter()
            .filter(is_due)
            .map(|name| (*name).to_owned())
            .collect()
    }

    /// Those whose turn it is, which were read longest ago.
    fn turn(&mut self, now: Instant) -> BTreeSet<String> {
        let last = *self.turned.get_or_insert(now);
        if now.duration_since(last) < TURN {
            return BTreeSet::new();
        }
        self.turned = Some(now);
        let mut oldest: Vec<(&Instant, &String)> =
            self.known.iter().map(|(name, (read, _))| (read, name)).collect();
        oldest.sort();
        let some = oldest.iter().take(self.known.len().div_ceil(TURNS));
        some.map(|(_, name)| (*name).clone()).collect()
    }

    /// Keeps what was read.
    pub(super) fn keep(&mut self, name: String, known: Known, now: Instant) {
        self.known.insert(name, (now, known));
    }

    /// Lets a Secret be read at the next look.
    pub(super) fn forget(&mut self, name: &str) {
        self.known.remove(name);
    }

    /// What is known of a Secret that was due once.
    pub(super) fn of(&self, name: &str) -> Option<&Known> {
        self.known.get(name).map(|(_, known)| known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(version: Option<&str>) -> Known {
        Known {
            version: version.map(str::to_owned),
            certificate: None,
            passwords: BTreeMap::new(),
        }
    }

    #[test]
    fn one_secret_is_read_in_a_minute_and_each_in_its_turn() {
        let wanted = BTreeSet::from(["a", "b", "c"]);
        let mut secrets = Secrets::default();
        let mut now = Instant::now();
        let read = |secrets: &mut Secrets, now| {
            let due = secrets.due(&wanted, Some(1), now);
            for name in due.clone() {
                secrets.keep(name, known(Some("1")), now);
            }
            due.join("")
        };
        assert_eq!(read(&mut secrets, now), "abc");
        assert_eq!(read(&mut secrets, now + TURN / 2), "");
        let turns: Vec<String> = (0..4)
            .map(|_| {
                now += TURN;
                read(&mut secrets, now)
            })
            .collect();
        assert_eq!(turns, ["a", "b", "c", "a"]);
        assert_eq!(secrets.due(&wanted, Some(2), now), ["a", "b", "c"]);
    }

    #[test]
    fn a_secret_that_is_missing_is_looked_for_until_it_is_there() {
        let wanted = BTreeSet::from(["a", "b"]);
        let mut secrets = Secrets::default();
        let now = Instant::now();
        secrets.due(&wanted, None, now);
        secrets.keep("a".to_owned(), known(Some("1")), now);
        secrets.keep("b".to_owned(), known(None), now);
        assert_eq!(secrets.due(&wanted, None, now + MENDED), ["b"]);
    }
}
