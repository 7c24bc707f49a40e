//! The command line.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use sidecar::logging::{self, LogFilterError, LogFormat};
use thiserror::Error;

use crate::check::{self, CheckError, Verdict};
use crate::crd;
use crate::run::{self, RunError, Settings};

/// Runs Kafka clusters on Kubernetes: what is said in a Kafkacluster is made, and kept.
#[derive(Debug, Parser)]
#[command(name = "kafka-operator", version, propagate_version = true, after_help = EXAMPLE)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// It would write what it cannot understand of an answer, also of a Secret; what failed is in our own lines.
const NEVER_LOGGED: [&str; 1] = ["kube_client"];

const EXAMPLE: &str = "\
The least that a Kafka cluster needs:

  apiVersion: krallistic.github.com/v1
  kind: Kafkacluster
  metadata:
    name: test-cluster-1
  spec:
    brokerCount: 3

Try it: kafka-operator check cluster.yaml
        kafka-operator crd | kubectl apply -f - && kubectl explain kafkacluster.spec";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run Kafkaclusters until SIGTERM
    Run {
        /// How
        #[command(flatten)]
        settings: Box<Settings>,
        /// How log lines look
        #[arg(long, value_enum, default_value_t = LogFormat::Text)]
        log_format: LogFormat,
        /// What is logged, such as `info` or `info,operator=debug`
        #[arg(
            long,
            env = "RUST_LOG",
            default_value = "info,kube_runtime=warn,krafka=error",
            value_name = "FILTER"
        )]
        log: String,
    },
    /// Read manifests and say everything that is wrong with the Kafkaclusters in them; needs no Kubernetes
    Check {
        /// YAML, of one or more documents; those of other kinds are passed over. `-` is standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Print the custom resource definition
    Crd {
        /// Print the reference of all fields instead
        #[arg(long)]
        markdown: bool,
    },
    /// Print a completion script for a shell
    Completion {
        /// The shell
        shell: Shell,
    },
}

/// Why a command failed.
#[derive(Debug, Error)]
pub enum CliError {
    /// The operator ended.
    #[error(transparent)]
    Run(#[from] RunError),
    /// What is to be logged cannot be understood.
    #[error(transparent)]
    LogFilter(#[from] LogFilterError),
    /// A file could not be checked.
    #[error("{} cannot be checked: {source}", path.display())]
    Check {
        /// The file.
        path: PathBuf,
        /// Why.
        source: CheckError,
    },
    /// There were problems; they have been printed.
    #[error("{0} would be refused")]
    Refused(&'static str),
    /// The definition cannot be written.
    #[error("the definition cannot be written: {0}")]
    Definition(#[from] serde_saphyr::ser::Error),
    /// Standard output is closed or full.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl Cli {
    /// Does what the command line says.
    ///
    /// # Errors
    ///
    /// What went wrong, with cause and cure.
    pub async fn run(self) -> Result<(), CliError> {
        match self.command {
            Command::Run {
                settings,
                log_format,
                log,
            } => {
                logging::start(log_format, &log, &NEVER_LOGGED)?;
                Ok(run::run(*settings).await?)
            }
            Command::Check { files } => check_all(&files),
            Command::Crd { markdown: true } => print(&crd::markdown()),
            Command::Crd { markdown: false } => print(&crd::definition_yaml()?),
            Command::Completion { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Self::command(), "kafka-operator", &mut script);
                Ok(io::stdout().write_all(&script)?)
            }
        }
    }
}

fn check_all(files: &[PathBuf]) -> Result<(), CliError> {
    let mut refused = 0_usize;
    for path in files {
        let verdicts = check::read(path).map_err(|source| CliError::Check {
            path: path.clone(),
            source,
        })?;
        if verdicts.is_empty() {
            print(&format!("{}: no Kafkacluster in it", path.display()))?;
        }
        for verdict in verdicts {
            refused += usize::from(!verdict.problems.is_empty());
            print(&shown(path, &verdict))?;
        }
    }
    match refused {
        0 => Ok(()),
        1 => Err(CliError::Refused("one Kafkacluster")),
        _ => Err(CliError::Refused("several Kafkaclusters")),
    }
}

fn shown(path: &Path, verdict: &Verdict) -> String {
    let (path, name) = (path.display(), &verdict.name);
    if verdict.problems.is_empty() {
        return format!("{path}: {name} is fine");
    }
    let problems: Vec<String> = verdict
        .problems
        .iter()
        .map(|problem| format!("\n  {problem}"))
        .collect();
    format!("{path}: {name}:{}", problems.concat())
}

/// Prints to standard output; a reader that has gone, as behind `head`, is no error.
fn print(text: &str) -> Result<(), CliError> {
    match writeln!(io::stdout(), "{}", text.trim_end()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_example_of_the_help_is_accepted() {
        let (_, rest) = EXAMPLE.split_once("\n\n").unwrap();
        let (manifest, _) = rest.split_once("\n\n").unwrap();
        let verdicts = check::manifest(manifest).unwrap();
        assert_eq!(verdicts[0].problems, []);
    }
}
