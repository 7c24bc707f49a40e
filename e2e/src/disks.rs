//! Disks that write as much as a test says and no more: a control group (version 1, `blkio`) for each process.
//! Making one needs root.
//!
//! What slows down is what a process itself brings to the disk, such as by `fsync`. What the kernel writes back later is
//! nobody's in particular and stays quick.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{major, minor};

const GROUPS: &str = "/sys/fs/cgroup/blkio";

/// Processes whose disks are slow. Dropping it takes the groups away of those that have ended.
#[derive(Debug, Default)]
pub struct SlowDisks {
    groups: Vec<PathBuf>,
}

impl SlowDisks {
    /// From now on a process writes so many bytes per second at most to the disk that `folder` is on, and no other process
    /// has part in that.
    ///
    /// # Errors
    ///
    /// The process has ended, or the system has no such groups, such as with version 2 only or without root.
    pub fn slow_down(&mut self, process: u32, folder: &Path, bytes_per_second: u64) -> io::Result<()> {
        let group = Path::new(GROUPS).join(format!("slow-disk-{process}"));
        fs::create_dir(&group)?;
        self.groups.push(group.clone());
        let device = fs::metadata(folder)?.dev();
        let limit = format!("{}:{} {bytes_per_second}", major(device), minor(device));
        fs::write(group.join("blkio.throttle.write_bps_device"), limit)?;
        fs::write(group.join("cgroup.procs"), process.to_string())
    }
}

impl Drop for SlowDisks {
    fn drop(&mut self) {
        for group in &self.groups {
            if let Err(error) = fs::remove_dir(group) {
                tracing::warn!(%error, "a control group could not be taken away");
            }
        }
    }
}
