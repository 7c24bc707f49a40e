//! Runs the project's own binaries as users run them: with a configuration file, over HTTP and by signals.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;
use sidecar::http_client::HttpError;
use tempfile::TempDir;
use thiserror::Error;
use tokio::time::{Instant, sleep};

use crate::child::Child;
use crate::http;

const POLL: Duration = Duration::from_millis(50);

/// The memory of a process, in KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// What is resident now (`VmRSS`, proc_pid_status(5)).
    pub resident: u64,
    /// The most that has been (`VmHWM`).
    pub peak: u64,
}

impl Memory {
    /// That of the process with this id.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub fn of(process: u32) -> io::Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
            kib.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("it has no {name}")))
        };
        Ok(Self {
            resident: field("VmRSS:")?,
            peak: field("VmHWM:")?,
        })
    }

    /// The peak in 10^6 bytes.
    pub fn peak_mb(self) -> f64 {
        self.peak as f64 * 1024.0 / 1e6
    }
}

/// One of the project's programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `kafka-sidecar`.
    Sidecar,
    /// `kafka-balancer`.
    Balancer,
    /// `kafka-operator`.
    Operator,
}

impl Program {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sidecar => "kafka-sidecar",
            Self::Balancer => "kafka-balancer",
            Self::Operator => "kafka-operator",
        }
    }

    /// The program's file, of the same build as the one that runs now.
    ///
    /// # Errors
    ///
    /// [`ProcessError::NotBuilt`].
    pub fn path(self) -> Result<PathBuf, ProcessError> {
        let own = std::env::current_exe().map_err(ProcessError::Start)?;
        // Tests live in `target/<profile>/deps`, programs one folder up.
        let folder = own
            .ancestors()
            .skip(1)
            .find(|folder| !folder.ends_with("deps"))
            .unwrap_or(Path::new("."));
        let path = folder.join(self.name());
        if path.is_file() {
            Ok(path)
        } else {
            Err(ProcessError::NotBuilt { path })
        }
    }
}

/// What can go wrong with a program.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// There is no such file.
    #[error("{path} is not built: run `make build`")]
    NotBuilt {
        /// Where it should be.
        path: PathBuf,
    },
    /// The program, its configuration file or its log could not be set up, or a signal not sent.
    #[error("cannot run the program")]
    Start(#[source] io::Error),
    /// No client could be made to ask it.
    #[error("the program cannot be asked")]
    Client(#[from] HttpError),
    /// It ended before it was ready.
    #[error("{name} ended with {status} before it was ready; the end of its log:\n{log}")]
    Ended {
        /// The program.
        name: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// Its last lines.
        log: String,
    },
    /// It did not become ready in time.
    #[error("{name} was not ready after {after:?} ({last}); the end of its log:\n{log}")]
    NotReady {
        /// The program.
        name: &'static str,
        /// How long it had.
        after: Duration,
        /// The last answer of `/readyz`.
        last: String,
        /// Its last lines.
        log: String,
    },
}

/// A program that runs, most with a configuration file of their own. Dropping it kills it with SIGKILL.
#[derive(Debug)]
pub struct Process {
    program: Program,
    /// The whole command line.
    command: Vec<String>,
    child: Child,
    folder: TempDir,
}

impl Process {
    /// Starts `program <arguments> --config FILE`, FILE being a new file with `config` in it.
    ///
    /// # Errors
    ///
    /// [`ProcessError::NotBuilt`] and [`ProcessError::Start`].
    pub fn start(program: Program, arguments: &[&str], config: &str) -> Result<Self, ProcessError> {
        Self::start_through(Vec::new(), program, arguments, config)
    }

    /// The same with a command before it that becomes the program, such as
    /// [`Network::enter`](crate::network::Network::enter).
    ///
    /// # Errors
    ///
    /// As [`Process::start`].
    pub fn start_through(
        command: Vec<String>,
        program: Program,
        arguments: &[&str],
        config: &str,
    ) -> Result<Self, ProcessError> {
        let folder = TempDir::with_prefix(program.name()).map_err(ProcessError::Start)?;
        let file = folder.path().join("config.yaml");
        std::fs::write(&file, config).map_err(ProcessError::Start)?;
        let file = file.display().to_string();
        let arguments = [arguments, &["--config", &file]].concat();
        Self::begin(command, program, &arguments, folder)
    }

    /// Starts the operator, which has no configuration file, with this file as its way to Kubernetes.
    ///
    /// # Errors
    ///
    /// As [`Process::start`].
    pub fn start_operator(kubeconfig: &Path, arguments: &[&str]) -> Result<Self, ProcessError> {
        let program = Program::Operator;
        let folder = TempDir::with_prefix(program.name()).map_err(ProcessError::Start)?;
        let kubeconfig = format!("KUBECONFIG={}", kubeconfig.display());
        let arguments = [&["run"], arguments].concat();
        Self::begin(vec!["env".to_owned(), kubeconfig], program, &arguments, folder)
    }

    fn begin(
        mut command: Vec<String>,
        program: Program,
        arguments: &[&str],
        folder: TempDir,
    ) -> Result<Self, ProcessError> {
        command.push(program.path()?.display().to_string());
        command.extend(arguments.iter().map(ToString::to_string));
        let child = Self::spawn(&command, folder.path())?;
        Ok(Self {
            program,
            command,
            child,
            folder,
        })
    }

    fn spawn(command: &[String], folder: &Path) -> Result<Child, ProcessError> {
        Child::spawn(command, &folder.join("log")).map_err(ProcessError::Start)
    }

    /// Starts a program that has ended again, with the same arguments and configuration; its log goes on.
    /// One that still runs is killed first.
    ///
    /// # Errors
    ///
    /// As [`Process::start`].
    pub async fn restart(&mut self) -> Result<(), ProcessError> {
        self.kill().await?;
        self.child = Self::spawn(&self.command, self.folder.path())?;
        Ok(())
    }

    /// Waits until `GET {url}/readyz` answers 200; `url` is as in `http://127.0.0.1:8080`.
    ///
    /// # Errors
    ///
    /// [`ProcessError::Ended`] and [`ProcessError::NotReady`], with the end of the log.
    pub async fn ready(&mut self, url: &str, within: Duration) -> Result<(), ProcessError> {
        let start = Instant::now();
        let http = http::client()?;
        loop {
            let last = match http.get(format!("{url}/readyz")).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => {
                    let status = answer.status();
                    format!("{status}: {}", answer.text().await.unwrap_or_default())
                }
                Err(error) => error.to_string(),
            };
            let name = self.program.name();
            if let Some(status) = self.child.exit_status() {
                let log = self.child.log_tail();
                return Err(ProcessError::Ended { name, status, log });
            }
            if start.elapsed() > within {
                return Err(ProcessError::NotReady {
                    name,
                    after: within,
                    last,
                    log: self.child.log_tail(),
                });
            }
            sleep(POLL).await;
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// How the program ended, if it has.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.child.exit_status()
    }

    /// All that the program has written so far, to standard output and standard error.
    ///
    /// # Errors
    ///
    /// [`ProcessError::Start`] when the file cannot be read.
    pub fn log(&self) -> Result<String, ProcessError> {
        std::fs::read_to_string(self.folder.path().join("log")).map_err(ProcessError::Start)
    }

    /// Ends the program by SIGTERM and waits for its end.
    ///
    /// # Errors
    ///
    /// [`ProcessError::Start`] when the signal cannot be sent.
    pub async fn terminate(&mut self) -> Result<ExitStatus, ProcessError> {
        self.end(Signal::TERM).await
    }

    /// Ends the program by SIGKILL, as a crash would, and waits for its end.
    ///
    /// # Errors
    ///
    /// [`ProcessError::Start`] when the signal cannot be sent.
    pub async fn kill(&mut self) -> Result<ExitStatus, ProcessError> {
        self.end(Signal::KILL).await
    }

    /// Stops the program by SIGSTOP, until [`Process::go_on`].
    ///
    /// # Errors
    ///
    /// [`ProcessError::Start`] when the signal cannot be sent.
    pub fn halt(&self) -> Result<(), ProcessError> {
        self.child.signal(Signal::STOP).map_err(ProcessError::Start)
    }

    /// Lets a halted program go on.
    ///
    /// # Errors
    ///
    /// [`ProcessError::Start`] when the signal cannot be sent.
    pub fn go_on(&self) -> Result<(), ProcessError> {
        self.child.signal(Signal::CONT).map_err(ProcessError::Start)
    }

    /// Waits until the program has ended by something else than this test.
    pub async fn ended(&mut self) -> ExitStatus {
        self.child.ended().await
    }

    async fn end(&mut self, signal: Signal) -> Result<ExitStatus, ProcessError> {
        self.child.signal(signal).map_err(ProcessError::Start)?;
        Ok(self.child.ended().await)
    }
}
