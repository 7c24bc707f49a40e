//! What is kept between two looks at a cluster. All of it can be lost: it saves time, and decides nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kafka::connection::ConnectionSettings;
use tokio::time::Instant;

use super::secrets::Secrets;

/// The first wait after a failure, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// Why something is not known is written in other words after this time.
const REWORDED: Duration = Duration::from_secs(300);

/// By the uid of each cluster.
pub(super) struct Memory<K> {
    clusters: Mutex<HashMap<String, Remembered<K>>>,
}

struct Remembered<K> {
    failures: u32,
    applied: HashMap<(String, String), Applied>,
    kafka: Option<(ConnectionSettings, Arc<K>)>,
    secrets: Secrets,
    /// By the uid of a pod the resources that it would not be given last.
    not_resized: BTreeMap<String, String>,
    reworded: Option<Instant>,
}

/// What was applied of an object, and which version it had then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Applied {
    pub(super) digest: Vec<u8>,
    pub(super) version: Option<String>,
}

impl<K> Default for Remembered<K> {
    fn default() -> Self {
        Self {
            failures: 0,
            applied: HashMap::new(),
            kafka: None,
            secrets: Secrets::default(),
            not_resized: BTreeMap::new(),
            reworded: None,
        }
    }
}

impl<K> Memory<K> {
    pub(super) fn new() -> Self {
        Self {
            clusters: Mutex::default(),
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Remembered<K>>> {
        self.clusters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of<T>(&self, uid: &str, with: impl FnOnce(&mut Remembered<K>) -> T) -> T {
        with(self.all().entry(uid.to_owned()).or_default())
    }

    /// Forgets clusters that there are no more, and returns which those were.
    pub(super) fn retain(&self, uids: &HashSet<String>) -> Vec<String> {
        let gone = |(uid, _): (String, _)| uid;
        self.all()
            .extract_if(|uid, _| !uids.contains(uid))
            .map(gone)
            .collect()
    }

    pub(super) fn succeeded(&self, uid: &str) {
        self.of(uid, |cluster| cluster.failures = 0);
    }

    /// Keeps that something failed, and returns how long to wait before it is tried again: twice as long each time.
    pub(super) fn failed(&self, uid: &str) -> Duration {
        self.of(uid, |cluster| {
            cluster.failures = cluster.failures.saturating_add(1);
            let doubled = 2_u32.saturating_pow(cluster.failures - 1);
            BACKOFF.0.saturating_mul(doubled).min(BACKOFF.1)
        })
    }

    /// Whether the last attempt failed.
    pub(super) fn has_failed(&self, uid: &str) -> bool {
        self.of(uid, |cluster| cluster.failures > 0)
    }

    /// Whether an object is as it was after it was applied.
    pub(super) fn is_applied(&self, uid: &str, kind: &str, name: &str, now: &Applied) -> bool {
        let key = (kind.to_owned(), name.to_owned());
        self.of(uid, |cluster| cluster.applied.get(&key) == Some(now))
    }

    pub(super) fn applied(&self, uid: &str, kind: &str, name: &str, now: Applied) {
        let key = (kind.to_owned(), name.to_owned());
        self.of(uid, |cluster| cluster.applied.insert(key, now));
    }

    /// Keeps that Kubernetes would not give a pod these resources while it runs.
    pub(super) fn note_not_resized(&self, uid: &str, pod: &str, resources: String) {
        self.of(uid, |cluster| {
            cluster.not_resized.insert(pod.to_owned(), resources)
        });
    }

    /// The uids of pods that Kubernetes would not give these resources, as far as they are among those that there are.
    pub(super) fn not_resized(
        &self,
        uid: &str,
        present: &BTreeSet<&str>,
        resources: &str,
    ) -> BTreeSet<String> {
        self.of(uid, |cluster| {
            cluster
                .not_resized
                .retain(|pod, _| present.contains(pod.as_str()));
            let refused = cluster.not_resized.iter();
            let refused = refused.filter(|(_, refused)| *refused == resources);
            refused.map(|(pod, _)| pod.clone()).collect()
        })
    }

    /// Whether other words for what is not known may be written now. Then not again soon.
    pub(super) fn may_reword(&self, uid: &str) -> bool {
        self.of(uid, |cluster| {
            let is_due = cluster.reworded.is_none_or(|last| last.elapsed() >= REWORDED);
            if is_due {
                cluster.reworded = Some(Instant::now());
            }
            is_due
        })
    }

    /// What is known of a cluster's Secrets.
    pub(super) fn secrets<T>(&self, uid: &str, with: impl FnOnce(&mut Secrets) -> T) -> T {
        self.of(uid, |cluster| with(&mut cluster.secrets))
    }

    /// The client of a cluster's Kafka: the one that there is, or a new one where it is reached in another way now.
    pub(super) fn kafka(
        &self,
        uid: &str,
        settings: ConnectionSettings,
        make: impl FnOnce(ConnectionSettings) -> K,
    ) -> Arc<K> {
        self.of(uid, |cluster| match &cluster.kafka {
            Some((same, client)) if *same == settings => Arc::clone(client),
            _ => {
                let client = Arc::new(make(settings.clone()));
                cluster.kafka = Some((settings, Arc::clone(&client)));
                client
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn other_words_for_the_same_are_written_once_in_five_minutes() {
        let memory: Memory<()> = Memory::new();
        let mut written = 0;
        for _ in 0..60 {
            written += usize::from(memory.may_reword("a"));
            tokio::time::advance(Duration::from_secs(10)).await;
        }
        assert_eq!(written, 2);
        assert!(memory.may_reword("b"));
    }

    #[test]
    fn failures_are_waited_for_twice_as_long_each_time_up_to_five_minutes() {
        let memory: Memory<()> = Memory::new();
        let waits: Vec<u64> = (0..40).map(|_| memory.failed("a").as_secs()).collect();
        assert_eq!(waits[..4], [1, 2, 4, 8]);
        assert_eq!(waits[39], 300);
        memory.succeeded("a");
        assert!(!memory.has_failed("a"));
        assert_eq!(memory.failed("a").as_secs(), 1);
        assert_eq!(memory.retain(&HashSet::new()), ["a"]);
        assert!(!memory.has_failed("a"));
    }

    #[test]
    fn what_a_pod_was_refused_is_not_what_it_may_be_given_then() {
        let memory: Memory<()> = Memory::new();
        memory.note_not_resized("a", "pod", "7Gi".to_owned());
        let refused = |present: &[&str], resources| {
            let present = present.iter().copied().collect();
            memory.not_resized("a", &present, resources).len()
        };
        assert_eq!((refused(&["pod"], "7Gi"), refused(&["pod"], "10Gi")), (1, 0));
        assert_eq!((refused(&["other"], "7Gi"), refused(&["pod"], "7Gi")), (0, 0));
    }
}
