//! One cluster at a time, or two that need not be alone: the locks, and the folders that they guard.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::time::sleep;

use super::{LocalKafkaError, POLL, cannot};
use crate::scene::mention;

/// Where `e2e/install.sh` puts things.
pub(super) fn cache_folder() -> PathBuf {
    let folder = std::env::var_os("XDG_CACHE_HOME")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from);
    folder
        .unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache"))
        .join("kafka-operator")
}

/// How many clusters that need not be alone run at a time.
const BESIDE_EACH_OTHER: u8 = 2;

/// The right to run a cluster, and the folders of those that had it before. It goes with its files, also when this process is
/// killed.
#[derive(Debug)]
pub(super) struct Turn {
    /// Locked for itself by a cluster that is to be alone, and in common by those that need not be.
    _machine: File,
    /// Which of those that need not be alone this is.
    _place: Option<File>,
    /// What the names of its folders begin with.
    prefix: String,
}

impl Turn {
    /// Waits until no other cluster runs, or no more than one of those that need not be alone either.
    pub(super) async fn take(cache: &Path, is_alone: bool) -> Result<Self, LocalKafkaError> {
        let mut said = false;
        loop {
            if let Some(turn) =
                Self::try_take(cache, is_alone).map_err(cannot("take the lock for local clusters"))?
            {
                return Ok(turn);
            }
            if !said {
                mention("another local Kafka runs; waiting for its end");
                said = true;
            }
            sleep(POLL).await;
        }
    }

    fn new(machine: File, place: Option<File>, prefix: String) -> Self {
        Self {
            _machine: machine,
            _place: place,
            prefix,
        }
    }

    fn try_take(cache: &Path, is_alone: bool) -> io::Result<Option<Self>> {
        let machine = File::create(cache.join("local-kafka.lock"))?;
        if is_alone {
            let has_it = has(machine.try_lock())?;
            return Ok(has_it.then(|| Self::new(machine, None, "cluster-".to_owned())));
        }
        if has(machine.try_lock_shared())? {
            for number in 0..BESIDE_EACH_OTHER {
                let place = File::create(cache.join(format!("local-kafka-{number}.lock")))?;
                if has(place.try_lock())? {
                    let prefix = format!("cluster-{number}-");
                    return Ok(Some(Self::new(machine, Some(place), prefix)));
                }
            }
        }
        Ok(None)
    }

    /// Makes a folder for a cluster, and removes those of clusters whose process was killed: who has the turn knows that none
    /// of them runs.
    pub(super) fn new_folder(&self, cache: &Path) -> io::Result<TempDir> {
        let clusters = cache.join("clusters");
        std::fs::create_dir_all(&clusters)?;
        for entry in std::fs::read_dir(&clusters)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&self.prefix) {
                std::fs::remove_dir_all(entry.path())?;
            }
        }
        let keep = std::env::var_os("KEEP_LOCAL_KAFKA").is_some();
        let prefix = if keep { "kept-cluster-" } else { &self.prefix };
        let mut folder = TempDir::with_prefix_in(prefix, clusters)?;
        folder.disable_cleanup(keep);
        Ok(folder)
    }
}

fn has(lock: Result<(), TryLockError>) -> io::Result<bool> {
    match lock {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(source)) => Err(source),
    }
}
