//! Disks that write as much as a test says and no more: for each broker a file system of its own, on a loop device over a
//! file in memory, that the kernel throttles (control groups of version 1, `blkio`). Making one needs root.
//!
//! What is written for nobody in particular, as the journal of the file system and what the kernel writes back later, is
//! as slow as what a process itself brings to the disk. What is read is not.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::command::run;
use crate::scene::mention;

/// Where files are in memory, so that the disk below does not add to what is measured.
const MEMORY: &str = "/dev/shm";

/// The limit of all processes that are in no group of their own, and so of the kernel's.
const LIMIT: &str = "/sys/fs/cgroup/blkio/blkio.throttle.write_bps_device";

/// Made as a whole at once, and not bit by bit later, which the disk would be busy with.
const FORMAT: [&str; 8] = [
    "-q",
    "-F",
    "-N",
    "10000",
    "-J",
    "size=64",
    "-E",
    "lazy_itable_init=0,lazy_journal_init=0",
];

const SECTOR_BYTES: u64 = 512;

/// Disks with a file system each. Dropping it takes them away; nobody may use them any more then.
#[derive(Debug)]
pub struct SlowDisks {
    // Declared, and so dropped, in this order.
    disks: Vec<Disk>,
    _folder: TempDir,
}

#[derive(Debug)]
struct Disk {
    mounted_at: PathBuf,
    /// The device's name, such as `loop0`, and its numbers, such as `7:0`.
    name: String,
    numbers: String,
}

impl SlowDisks {
    /// Makes so many of so many bytes, of which only those that are written take memory. They are not slow yet.
    ///
    /// # Errors
    ///
    /// The system has no loop devices, `mkfs.ext4` or such groups, or refuses without root.
    pub fn new(count: usize, bytes: u64) -> io::Result<Self> {
        let folder = TempDir::with_prefix_in("slow-disks", MEMORY)?;
        let mut disks = Vec::new();
        for number in 0..count {
            disks.push(Disk::new(&folder.path().join(number.to_string()), bytes)?);
        }
        Ok(Self {
            disks,
            _folder: folder,
        })
    }

    /// A folder on each of them.
    pub fn folders(&self) -> impl Iterator<Item = PathBuf> {
        self.disks.iter().map(|disk| disk.mounted_at.join("data"))
    }

    /// From now on each of them writes so many bytes per second at most.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn slow_down(&self, bytes_per_second: u64) -> io::Result<()> {
        self.disks
            .iter()
            .try_for_each(|disk| disk.limit(bytes_per_second))
    }

    /// How many bytes each of them has written.
    ///
    /// # Errors
    ///
    /// The system does not tell.
    pub fn written(&self) -> io::Result<Vec<u64>> {
        self.disks.iter().map(Disk::written).collect()
    }
}

impl Disk {
    fn new(place: &Path, bytes: u64) -> io::Result<Self> {
        let image = place.with_extension("image");
        fs::File::create(&image)?.set_len(bytes)?;
        fs::create_dir(place)?;
        run("mkfs.ext4", &[&FORMAT[..], &[&text(&image)?]].concat())?;
        // The device goes with the mount.
        run("mount", &["-o", "loop", &text(&image)?, &text(place)?])?;
        let (name, numbers) = device_of(place).inspect_err(|_| unmount(place))?;
        let disk = Self {
            mounted_at: place.to_owned(),
            name,
            numbers,
        };
        // Whoever had the device before may have been killed.
        disk.limit(0)?;
        Ok(disk)
    }

    /// 0 is no limit.
    fn limit(&self, bytes_per_second: u64) -> io::Result<()> {
        fs::write(LIMIT, format!("{} {bytes_per_second}", self.numbers))
    }

    fn written(&self) -> io::Result<u64> {
        let statistics = fs::read_to_string(format!("/sys/block/{}/stat", self.name))?;
        let sectors = statistics.split_whitespace().nth(6);
        let sectors: Option<u64> = sectors.and_then(|sectors| sectors.parse().ok());
        let unknown = || io::Error::other(format!("the kernel says of {}: {statistics}", self.name));
        Ok(sectors.ok_or_else(unknown)? * SECTOR_BYTES)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(error) = self.limit(0) {
            mention(&format!("a disk stays slow: {error}"));
        }
        unmount(&self.mounted_at);
    }
}

/// The name and the numbers of the device that is mounted there.
fn device_of(place: &Path) -> io::Result<(String, String)> {
    let source = run("findmnt", &["-no", "SOURCE", &text(place)?])?;
    let name = source.trim().trim_start_matches("/dev/").to_owned();
    let numbers = fs::read_to_string(format!("/sys/block/{name}/dev"))?
        .trim()
        .to_owned();
    Ok((name, numbers))
}

fn unmount(place: &Path) {
    if let Err(error) = text(place).and_then(|place| run("umount", &[&place])) {
        mention(&format!("a disk could not be taken away: {error}"));
    }
}

fn text(path: &Path) -> io::Result<String> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| io::Error::other(format!("{} is not UTF-8", path.display())))
}
