//! A process that never outlives the one that started it.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;

/// How much of a log an error shows.
const TAIL_LINES: usize = 40;

/// A running (or ended) process whose output goes to a file. Dropping it kills the process.
///
/// The kernel kills the process also when its parent dies by SIGKILL: it is started through
/// `setpriv --pdeathsig`. That signal comes when the *thread* that started the process ends, so that each child
/// has a thread of its own, which starts it and stays until it has ended.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
    status: watch::Receiver<Option<ExitStatus>>,
    reaper: Option<JoinHandle<()>>,
    log: PathBuf,
}

impl Child {
    /// Starts a program by its command line, appending its output to `log`.
    pub(crate) fn spawn(line: &[String], log: &Path) -> io::Result<Self> {
        let output = OpenOptions::new().create(true).append(true).open(log)?;
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .args(line)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);

        let (started, start) = mpsc::channel();
        let (ended, status) = watch::channel(None);
        let reaper = std::thread::Builder::new()
            .name("reaper".to_owned())
            .spawn(move || match command.spawn() {
                Ok(mut child) => {
                    let _ = started.send(Ok(Pid::from_child(&child)));
                    // `wait` on one's own child fails only when someone else has reaped it.
                    let _ = ended.send(child.wait().ok());
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                }
            })?;
        let pid = start
            .recv()
            .map_err(|_| io::Error::other("the thread that starts a process ended early"))??;
        Ok(Self {
            pid,
            status,
            reaper: Some(reaper),
            log: log.to_owned(),
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// How the process ended, if it has.
    pub(crate) fn exit_status(&self) -> Option<ExitStatus> {
        *self.status.borrow()
    }

    /// Sends a signal; does nothing to a process that has ended.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        if self.exit_status().is_some() {
            return Ok(());
        }
        match kill_process(self.pid, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for the end of the process.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        match self.status.wait_for(Option::is_some).await {
            Ok(status) => status.unwrap_or_default(),
            Err(_) => ExitStatus::default(),
        }
    }

    /// The last lines of what the process wrote.
    pub(crate) fn log_tail(&self) -> String {
        tail(&self.log)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.signal(Signal::KILL);
        if let Some(reaper) = self.reaper.take() {
            let _ = reaper.join();
        }
    }
}

fn tail(log: &Path) -> String {
    let text = match File::open(log).and_then(io::read_to_string) {
        Ok(text) => text,
        Err(error) => return format!("({} cannot be read: {error})", log.display()),
    };
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
