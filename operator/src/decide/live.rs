//! Options that Kafka takes without a restart: what has to be changed so that all brokers have what the spec says.
//!
//! The properties that can be set this way for the whole cluster are the spec's: what somebody else has set there is taken
//! back, as everything that differs from the spec is.

use std::collections::BTreeMap;

use kafka::cluster::ConfigChange;

use crate::cluster::{LIVE, Properties};

/// Where Kafka elects from eligible leader replicas (KIP-966), it refuses to be without a value of this for the cluster.
const NEVER_UNSET: (&str, &str) = ("min.insync.replicas", "1");

/// The changes of what is set for all brokers.
pub(super) fn changes(wanted: &Properties, set: &BTreeMap<String, String>) -> Vec<ConfigChange> {
    let mut changes = Vec::new();
    for name in LIVE {
        let is = set.get(name);
        let change = match wanted.live.get(name) {
            Some(value) if is == Some(value) => None,
            Some(value) => Some(set_to(name, value)),
            None if name == NEVER_UNSET.0 => is
                .filter(|value| *value != NEVER_UNSET.1)
                .map(|_| set_to(name, NEVER_UNSET.1)),
            None => is.map(|_| ConfigChange::Delete {
                name: name.to_owned(),
            }),
        };
        changes.extend(change);
    }
    changes
}

fn set_to(name: &str, value: &str) -> ConfigChange {
    ConfigChange::Set {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

/// What a change is about.
pub(super) fn name(change: &ConfigChange) -> &str {
    match change {
        ConfigChange::Set { name, .. }
        | ConfigChange::Delete { name }
        | ConfigChange::Append { name, .. }
        | ConfigChange::Subtract { name, .. } => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    fn changed(wanted: &[(&str, &str)], set: &[(&str, &str)]) -> Vec<ConfigChange> {
        let wanted = Properties {
            live: texts(wanted),
            ..Properties::default()
        };
        changes(&wanted, &texts(set))
    }

    #[test]
    fn what_differs_is_set_and_what_is_not_asked_for_is_taken_back() {
        let set = [
            ("compression.type", "gzip"),
            ("log.retention.ms", "1"),
            ("message.max.bytes", "7"),
            // Threads and throttles are not of what the spec sets live.
            ("num.io.threads", "9"),
            ("leader.replication.throttled.rate", "5"),
        ];
        let changes = changed(&[("compression.type", "gzip"), ("log.retention.ms", "2")], &set);
        let deleted = ConfigChange::Delete {
            name: "message.max.bytes".to_owned(),
        };
        assert_eq!(changes, [set_to("log.retention.ms", "2"), deleted]);
    }

    #[test]
    fn min_insync_replicas_ends_as_one_and_is_never_unset() {
        const NAME: &str = "min.insync.replicas";
        assert_eq!(changed(&[], &[(NAME, "2")]), [set_to(NAME, "1")]);
        assert_eq!(changed(&[], &[(NAME, "1")]), []);
        assert_eq!(changed(&[], &[]), []);
        assert_eq!(changed(&[(NAME, "2")], &[(NAME, "1")]), [set_to(NAME, "2")]);
    }
}
