//! One cluster at a time: the lock, and the folders that it guards.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::time::sleep;

use super::{LocalKafkaError, POLL, cannot};

/// Where `e2e/install.sh` puts things.
pub(super) fn cache_folder() -> PathBuf {
    let folder = std::env::var_os("XDG_CACHE_HOME")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from);
    folder
        .unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache"))
        .join("kafka-operator")
}

/// Waits until no other cluster runs; the lock goes with the file, also when this process is killed.
pub(super) async fn take(cache: &Path) -> Result<File, LocalKafkaError> {
    let file =
        File::create(cache.join("local-kafka.lock")).map_err(cannot("create the lock for local clusters"))?;
    let mut said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => {
                return Err(cannot("take the lock for local clusters")(source));
            }
        }
        if !said {
            tracing::info!("another local Kafka runs; waiting for its end");
            said = true;
        }
        sleep(POLL).await;
    }
}

/// Makes a folder for a cluster, and removes those of clusters whose process was killed: the caller has the
/// lock, so that none of them runs.
pub(super) fn new_folder(cache: &Path) -> io::Result<TempDir> {
    const REMOVED: &str = "cluster-";
    const KEPT: &str = "kept-cluster-";
    let clusters = cache.join("clusters");
    std::fs::create_dir_all(&clusters)?;
    for entry in std::fs::read_dir(&clusters)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(REMOVED) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    let keep = std::env::var_os("KEEP_LOCAL_KAFKA").is_some();
    let mut folder = TempDir::with_prefix_in(if keep { KEPT } else { REMOVED }, clusters)?;
    folder.disable_cleanup(keep);
    Ok(folder)
}
