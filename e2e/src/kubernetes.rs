//! A real Kubernetes on this machine, by the scripts in `e2e/kubernetes/`: three nodes in three zones, or a control plane
//! alone.
//!
//! From here the addresses of pods, Services and nodes are all reached, and pods reach this machine at
//! [`Kubernetes::HOST`].

use std::fs::File;
use std::io::{self, Seek, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::sleep;

use crate::child::Child;
use crate::command::run;
use crate::scene::{Outcome, mention, say};

const POLL: Duration = Duration::from_millis(100);

/// What can go wrong with a Kubernetes.
#[derive(Debug, Error)]
pub enum KubernetesError {
    /// A file, folder or process could not be set up.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The cluster ended, or could not start.
    #[error("the cluster ended with {status}; the end of its log:\n{log}")]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// Its last lines.
        log: String,
    },
    /// `kubectl` failed.
    #[error("kubectl {arguments}: {said}")]
    Refused {
        /// What it was asked to do.
        arguments: String,
        /// What it said.
        said: String,
    },
    /// A pod has no address.
    #[error("pod {pod} has no address but `{address}`")]
    NoAddress {
        /// The pod.
        pod: String,
        /// What there is in place of one.
        address: String,
    },
}

/// A running cluster. Dropping it ends all of it and removes its files, but for logs in `target/e2e/kubernetes/log`.
///
/// Only one cluster with nodes runs at a time on a machine, whatever started it: [`Kubernetes::up`] waits for the others.
#[derive(Debug)]
pub struct Kubernetes {
    // None once it is being dropped: what it ran has to end first.
    process: Option<Child>,
    folder: PathBuf,
    /// Where `kubectl` is.
    programs: PathBuf,
    // Given up last, when nothing is there any more.
    _place: Place,
}

/// Where a cluster's files are, as long as it is there.
#[derive(Debug)]
enum Place {
    /// In the one folder for clusters with nodes, which one test has after the other.
    Nodes { _turn: OwnedMutexGuard<()> },
    /// In a folder of its own.
    Temporary { _folder: TempDir },
}

/// Whose turn it is among the tests of this process to have nodes. The scripts see to other processes.
static TURN: LazyLock<Arc<Mutex<()>>> = LazyLock::new(Arc::default);

impl Kubernetes {
    /// This machine's address as pods and nodes see it.
    pub const HOST: Ipv4Addr = Ipv4Addr::new(10, 214, 0, 1);

    /// Whether what needs a Kubernetes is to be proven at all, since it takes root, and the first time ten minutes to
    /// build: `make test-kubernetes` says so by `KUBERNETES=1`.
    ///
    /// # Errors
    ///
    /// Nobody can be told.
    pub fn is_wanted() -> Outcome<bool> {
        let is_wanted = std::env::var_os("KUBERNETES").is_some_and(|wanted| wanted == "1");
        if !is_wanted {
            // Where it cannot run, the script ends with an error and says why.
            let able = std::process::Command::new(script("able.sh")).output();
            let able = able.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
            let able = able.unwrap_or_else(|error| error.to_string());
            say(&format!(
                "nothing is proven here: this needs a Kubernetes, and runs by `make test-kubernetes` ({able})"
            ))?;
        }
        Ok(is_wanted)
    }

    /// Starts a cluster of so many nodes, `node1` in `zone1` and so on, with the images that `make images` has built, and
    /// returns when all of them are ready. Each node has all of this machine's processors and memory to give. It needs
    /// root.
    ///
    /// # Errors
    ///
    /// [`KubernetesError::Ended`] with what the scripts said.
    pub async fn up(nodes: u8) -> Result<Self, KubernetesError> {
        // Beside the images, whose files nodes share.
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/e2e/kubernetes");
        let turn = Arc::clone(&TURN).lock_owned().await;
        Self::start(nodes, folder, Place::Nodes { _turn: turn }).await
    }

    /// Starts a control plane alone, where pods stay pending; any number of them run at once.
    ///
    /// # Errors
    ///
    /// As [`Kubernetes::up`].
    pub async fn control_plane() -> Result<Self, KubernetesError> {
        let folder = TempDir::with_prefix("kubernetes").map_err(cannot("make a folder for the cluster"))?;
        Self::start(0, folder.path().to_owned(), Place::Temporary { _folder: folder }).await
    }

    async fn start(nodes: u8, folder: PathBuf, place: Place) -> Result<Self, KubernetesError> {
        let logs = folder.join("log");
        std::fs::create_dir_all(&logs).map_err(cannot("make a folder for logs"))?;
        let log = logs.join(format!("cluster-{}.log", std::process::id()));
        // It may have to wait for another cluster, or to build Kubernetes, and says so there.
        mention(&format!("a Kubernetes starts, see {}", log.display()));
        let nodes = format!("NODES={nodes}");
        let line = [
            "env",
            &nodes,
            "bash",
            &script("cluster.sh"),
            &folder.display().to_string(),
        ];
        let child = Child::spawn(&line.map(str::to_owned), &log).map_err(cannot("start the cluster"))?;
        let mut cluster = Self {
            process: Some(child),
            folder,
            programs: PathBuf::new(),
            _place: place,
        };
        while !cluster.is_ready() {
            cluster.check_running()?;
            sleep(POLL).await;
        }
        let programs = run(&script("install.sh"), &[]).map_err(cannot("find kubectl"))?;
        cluster.programs = PathBuf::from(programs.trim());
        Ok(cluster)
    }

    /// Whether the scripts say so, and say it of this cluster: its folder may be that of another one that has to end first.
    fn is_ready(&self) -> bool {
        let first = std::fs::read_to_string(self.folder.join("processes")).unwrap_or_default();
        let process = self.process.as_ref().map(|process| process.pid().to_string());
        first.split(' ').next() == process.as_deref() && self.kubeconfig().exists()
    }

    fn check_running(&self) -> Result<(), KubernetesError> {
        let Some(process) = &self.process else {
            return Ok(());
        };
        process.exit_status().map_or(Ok(()), |status| {
            Err(KubernetesError::Ended {
                status,
                log: process.log_tail(),
            })
        })
    }

    /// The file with which a client reaches the API as an administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// All that the operator has asked of the API server, but for watches that go on, one JSON object a line
    /// (`audit.k8s.io/v1`, `Event`).
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn audit_log(&self) -> Result<String, KubernetesError> {
        std::fs::read_to_string(self.folder.join("log/audit.log")).map_err(cannot("read the audit log"))
    }

    /// Runs `kubectl` and gives what it printed, without the last line end.
    ///
    /// # Errors
    ///
    /// [`KubernetesError::Refused`] with what it said, [`KubernetesError::Ended`] when the cluster runs no more.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String, KubernetesError> {
        self.kubectl_reading(Stdio::null(), arguments).await
    }

    /// `kubectl apply` of a manifest.
    ///
    /// # Errors
    ///
    /// As [`Kubernetes::kubectl`].
    pub async fn apply(&self, manifest: &str) -> Result<(), KubernetesError> {
        let file = file_with(manifest).map_err(cannot("write a manifest to a file"))?;
        self.kubectl_reading(file.into(), &["apply", "--server-side", "-f", "-"])
            .await
            .map(drop)
    }

    /// Defines Kafkaclusters as the repository has them, without an operator, and returns when objects are taken.
    ///
    /// # Errors
    ///
    /// As [`Kubernetes::kubectl`].
    pub async fn define_kafkaclusters(&self) -> Result<(), KubernetesError> {
        self.apply(include_str!("../../deploy/crds/kafkaclusters.yaml"))
            .await?;
        let established = [
            "wait",
            "--for=condition=Established",
            "crd",
            "--all",
            "--timeout=30s",
        ];
        self.kubectl(&established).await.map(drop)
    }

    /// Watches what a selector finds, and returns when there is any.
    ///
    /// # Errors
    ///
    /// [`KubernetesError::Io`] when the watch ends.
    pub async fn appears(&self, what: &[&str]) -> Result<(), KubernetesError> {
        let watch = [&["get", "--watch", "-o", "name"], what].concat();
        let mut watching = self
            .command(&watch)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(cannot("run kubectl"))?;
        let mut lines = BufReader::new(watching.stdout.take().ok_or_else(ended)?).lines();
        let first = lines.next_line().await.map_err(cannot("watch"))?;
        first.map(drop).ok_or_else(ended)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.programs.join("kubectl"));
        command
            .args(arguments)
            .env("KUBECONFIG", self.kubeconfig())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    async fn kubectl_reading(&self, input: Stdio, arguments: &[&str]) -> Result<String, KubernetesError> {
        self.check_running()?;
        let output = self
            .command(arguments)
            .stdin(input)
            .output()
            .await
            .map_err(cannot("run kubectl"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
        }
        Err(KubernetesError::Refused {
            arguments: arguments.join(" "),
            said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    /// Kills the API server, which then is started again. Whoever watches has to
    /// begin anew.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn kill_api_server(&self) -> Result<(), KubernetesError> {
        let what = cannot("kill the API server");
        let killed = std::fs::canonicalize(&self.folder).and_then(|folder| {
            let certificates = format!("--cert-dir={}/control-plane/certificates", folder.display());
            let process = process_with("kube-apiserver", &certificates)?;
            Ok(kill_process(process, Signal::KILL)?)
        });
        killed.map_err(what)
    }

    /// Takes a node off the network, with all that runs on it.
    ///
    /// # Errors
    ///
    /// There is no such node.
    pub fn cut_off(&self, node: &str) -> Result<(), KubernetesError> {
        set_link(node, "down").map_err(cannot("cut a node off"))
    }

    /// Lets a node onto the network again.
    ///
    /// # Errors
    ///
    /// There is no such node.
    pub fn reconnect(&self, node: &str) -> Result<(), KubernetesError> {
        set_link(node, "up").map_err(cannot("connect a node again"))
    }

    /// A pod's address, at which this machine reaches it.
    ///
    /// # Errors
    ///
    /// [`KubernetesError::NoAddress`] before the pod has started, or as [`Kubernetes::kubectl`].
    pub async fn pod_address(&self, pod: &str) -> Result<IpAddr, KubernetesError> {
        let address = self
            .kubectl(&["get", "pod", pod, "-o", "jsonpath={.status.podIP}"])
            .await?;
        address.parse().map_err(|_| KubernetesError::NoAddress {
            pod: pod.to_owned(),
            address,
        })
    }
}

impl Drop for Kubernetes {
    fn drop(&mut self) {
        drop(self.process.take());
        // What is outside processes: a bridge, control groups, files.
        if let Err(error) = run(&script("down.sh"), &[&self.folder.display().to_string()]) {
            mention(&format!(
                "what a cluster leaves behind could not be taken away: {error}"
            ));
        }
    }
}

/// A node's link to the bridge has the bridge's name and the node's number.
fn set_link(node: &str, to: &str) -> io::Result<()> {
    let number = node.strip_prefix("node").ok_or(io::ErrorKind::NotFound)?;
    let link = format!("kafka-k8s{number}");
    run("ip", &["link", "set", &link, to]).map(drop)
}

fn ended() -> KubernetesError {
    cannot("watch")(io::ErrorKind::UnexpectedEof.into())
}

/// The process of a program that was started with an argument. It may have another number in a namespace of its own.
fn process_with(program: &str, argument: &str) -> io::Result<Pid> {
    for entry in std::fs::read_dir("/proc")? {
        let Ok(number) = entry?.file_name().to_string_lossy().parse::<i32>() else {
            continue;
        };
        // A process may end while it is looked at.
        let line = std::fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        let is_program = words
            .next()
            .is_some_and(|word| word.ends_with(program.as_bytes()));
        if is_program && words.any(|word| word == argument.as_bytes()) {
            return Pid::from_raw(number).ok_or_else(|| io::ErrorKind::NotFound.into());
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

fn file_with(text: &str) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

fn script(name: &str) -> String {
    format!("{}/kubernetes/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn cannot(what: &'static str) -> impl FnOnce(io::Error) -> KubernetesError {
    move |source| KubernetesError::Io { what, source }
}
