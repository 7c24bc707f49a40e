//! The command line.

mod offline;
mod simulate;
mod snapshot;
mod status;
mod tables;
mod watch;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use kafka::connection::Tls;
use kafka::ids::{BrokerId, ReplicationFactor, TopicName, TopicPartition};
use sidecar::logging::{self, LogFilterError, LogFormat};
use thiserror::Error;

use crate::client::{ClientError, PATIENCE, Server, Token};
use crate::config::Config;
use crate::journal::Mode;
use crate::plan::output;

/// Finds hot partitions and brokers of a Kafka cluster, plans the cheapest cure and executes it against live traffic.
///
/// `serve` runs the balancer. All other commands that act or show talk to a running one. `plan --snapshot` and `simulate`
/// need neither a balancer nor a Kafka; `snapshot` writes what they read.
#[derive(Debug, Parser)]
#[command(name = "kafka-balancer", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Subcommands,
    /// Address of the running balancer.
    #[arg(
        long,
        global = true,
        env = "KAFKA_BALANCER_URL",
        default_value = "http://127.0.0.1:9405",
        value_name = "URL"
    )]
    url: String,
    /// PEM file of the authorities to trust where the address is `https`; those of the Web unless told.
    #[arg(long, global = true, env = "KAFKA_BALANCER_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// File with the token that allows actions.
    #[arg(long, global = true, env = "KAFKA_BALANCER_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// How to print: a table to read, or the API's JSON.
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A table to read.
    Table,
    /// JSON.
    Json,
    /// For plans: the JSON that `kafka-reassign-partitions --execute` takes, with the partitions that change.
    Kafka,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Run the balancer until SIGTERM.
    Serve {
        /// Configuration, YAML.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// How to write logs.
        #[arg(long, value_enum, default_value_t = LogFormat::Text)]
        log_format: LogFormat,
        /// Which events to log, such as `info` or `balancer=debug,warn`.
        #[arg(
            long,
            env = "RUST_LOG",
            default_value = "info,krafka=error",
            value_name = "FILTER"
        )]
        log: String,
    },
    /// Read a configuration, say everything that is wrong with it, and print it with all defaults.
    CheckConfig {
        /// Configuration, YAML.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Show utilisation, what is hot and why, and what is being done.
    Status {
        /// Show it again and again, in place, until Ctrl-C; one after the other where the output is no terminal.
        #[arg(long)]
        watch: bool,
        /// Seconds from one look to the next.
        #[arg(long, value_name = "SECONDS", default_value_t = 2, requires = "watch", value_parser = clap::value_parser!(u64).range(1..=3600))]
        every: u64,
    },
    /// Show the current plan; with --snapshot, plan offline.
    Plan(offline::PlanArgs),
    /// Show the plans that are over: what each was for, what it did, and what came of it.
    History,
    /// Write a snapshot of a live cluster and its load, for `plan --snapshot` and `simulate`.
    Snapshot(snapshot::SnapshotArgs),
    /// Live through a day's load offline, with the balancer and without, and compare.
    Simulate(simulate::SimulateArgs),
    /// Execute the plan that waits for approval.
    Approve {
        /// The plan's number, as `plan` shows it.
        plan: u64,
        /// Execute the move of this partition only, such as orders-3; may be given several times. The others end.
        #[arg(long, value_name = "TOPIC-PARTITION")]
        only: Vec<TopicPartition>,
    },
    /// Start no further move of the plan that is being executed; what is in flight goes on to its end.
    Pause,
    /// Go on with the plan that is paused.
    Resume,
    /// Stop executing and go into `observe`.
    Stop {
        /// Cancel moves in progress, so that replicas go back, instead of finishing them.
        #[arg(long)]
        now: bool,
    },
    /// Empty brokers: all their replicas move to others.
    Drain {
        /// Broker ids.
        #[arg(required = true, value_parser = broker_id)]
        brokers: Vec<BrokerId>,
    },
    /// Let drained or draining brokers take load again.
    Undrain {
        /// Broker ids.
        #[arg(required = true, value_parser = broker_id)]
        brokers: Vec<BrokerId>,
    },
    /// Have each partition of a topic have so many replicas.
    Replication {
        /// The topic.
        topic: TopicName,
        /// How many replicas; replicas are added or taken away until all partitions have so many.
        #[arg(value_parser = replication_factor, required_unless_present = "withdraw")]
        replicas: Option<ReplicationFactor>,
        /// Take an earlier order back instead; what is being done goes on to its end.
        #[arg(long, conflicts_with = "replicas")]
        withdraw: bool,
    },
    /// Plan for a better balance now, although nothing may be hot.
    Rebalance,
    /// Go into a mode: observe (say only), approve (wait for a yes), auto.
    Mode {
        /// The mode; it outlives restarts.
        #[arg(value_enum)]
        mode: ModeArg,
    },
    /// Print the OpenAPI document of the API.
    Openapi,
    /// Print a completion script for a shell.
    Completion {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ModeArg {
    Observe,
    Approve,
    Auto,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Observe => Self::Observe,
            ModeArg::Approve => Self::Approve,
            ModeArg::Auto => Self::Auto,
        }
    }
}

fn replication_factor(text: &str) -> Result<ReplicationFactor, String> {
    let number: i64 = text
        .parse()
        .map_err(|_| format!("`{text}` is no number of replicas"))?;
    number
        .try_into()
        .map_err(|error: kafka::ids::InvalidId| error.to_string())
}

fn broker_id(text: &str) -> Result<BrokerId, String> {
    let number: i64 = text
        .parse()
        .map_err(|_| format!("`{text}` is no broker id: ids are whole numbers from 0 up"))?;
    number
        .try_into()
        .map_err(|error: kafka::ids::InvalidId| error.to_string())
}

/// Why a command failed.
#[derive(Debug, Error)]
pub enum CliError {
    /// The configuration is wrong.
    #[error(transparent)]
    Settings(#[from] kafka::settings::SettingsError),
    /// A running balancer could not be asked, or refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Planning offline failed.
    #[error(transparent)]
    Offline(#[from] offline::OfflineError),
    /// A simulation failed.
    #[error(transparent)]
    Simulate(#[from] simulate::SimulateError),
    /// A snapshot could not be taken.
    #[error(transparent)]
    Snapshot(#[from] snapshot::TakeError),
    /// The balancer ended with an error.
    #[error(transparent)]
    Serve(#[from] crate::serve::ServeError),
    /// `--output kafka` is for plans.
    #[error("--output kafka prints plans only; take table or json here")]
    NotAPlan,
    /// What is watched is a table.
    #[error("--watch shows a table; ask /v1/state and the API's other paths for JSON from time to time")]
    NotWatched,
    /// What is to be logged cannot be understood.
    #[error(transparent)]
    LogFilter(#[from] LogFilterError),
    /// The result could not be written.
    #[error("the result cannot be written: {0}")]
    Output(#[from] std::io::Error),
    /// A value cannot be written as JSON.
    #[error("a value cannot be printed: {0}")]
    Encoding(#[from] serde_json::Error),
    /// The configuration cannot be printed.
    #[error("the configuration cannot be printed: {0}")]
    Yaml(String),
}

impl Cli {
    /// Does what the command line says.
    ///
    /// # Errors
    ///
    /// What went wrong, with cause and cure.
    pub async fn run(self) -> Result<(), CliError> {
        let token = || self.token_file.clone().map(Token::File);
        let tls = Tls {
            ca_file: self.ca_file.clone(),
            identity: None,
        };
        let patient = |patience| Server::new(&self.url, &tls, token(), patience);
        let server = || patient(PATIENCE);
        match self.command {
            Subcommands::Serve {
                ref config,
                log_format,
                ref log,
            } => {
                let config: Config = kafka::settings::read_file(config)?;
                logging::start(log_format, log, &[])?;
                Ok(crate::serve::run(config).await?)
            }
            Subcommands::CheckConfig { ref config } => {
                let config: Config = kafka::settings::read_file(config)?;
                let yaml =
                    kafka::settings::to_yaml(&config).map_err(|error| CliError::Yaml(error.to_string()))?;
                self.print(&yaml)
            }
            Subcommands::Status { watch: false, .. } => self.status(&server()?).await,
            Subcommands::Status { every, .. } => match self.output {
                Output::Table => {
                    let every = Duration::from_secs(every);
                    Ok(watch::watch(&patient(watch::PATIENCE)?, every).await?)
                }
                Output::Json | Output::Kafka => Err(CliError::NotWatched),
            },
            Subcommands::Plan(ref args) => match args.snapshot {
                Some(_) => self.print(&args.run(self.output)?),
                None => self.live_plan(&server()?).await,
            },
            Subcommands::Snapshot(ref args) => Ok(args.run().await?),
            Subcommands::Simulate(ref args) => self.print(&args.run(self.output)?),
            Subcommands::History => self.history(&server()?).await,
            Subcommands::Approve { plan, ref only } => self.done(server()?.approve(plan, only).await?),
            Subcommands::Pause => self.done(server()?.pause().await?),
            Subcommands::Resume => self.done(server()?.resume().await?),
            Subcommands::Stop { now } => self.done(server()?.stop(now).await?),
            Subcommands::Drain { ref brokers } => self.done(server()?.drain(brokers).await?),
            Subcommands::Undrain { ref brokers } => self.done(server()?.undrain(brokers).await?),
            Subcommands::Replication {
                ref topic, replicas, ..
            } => {
                let topics = [(topic.clone(), replicas)].into();
                self.done(server()?.replicate(topics).await?)
            }
            Subcommands::Rebalance => self.done(server()?.rebalance().await?),
            Subcommands::Mode { mode } => self.done(server()?.mode(mode.into()).await?),
            Subcommands::Openapi => {
                use utoipa::OpenApi;
                self.print(&serde_json::to_string_pretty(&crate::api::ApiDoc::openapi())?)
            }
            Subcommands::Completion { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Self::command(), "kafka-balancer", &mut script);
                Ok(std::io::stdout().write_all(&script)?)
            }
        }
    }

    async fn status(&self, server: &Server) -> Result<(), CliError> {
        let seen = server.status().await?;
        match self.output {
            Output::Table => self.print(&status::status(&seen, status::Drawing::FULL)),
            Output::Json => self.print(&serde_json::to_string_pretty(&seen)?),
            Output::Kafka => Err(CliError::NotAPlan),
        }
    }

    async fn live_plan(&self, server: &Server) -> Result<(), CliError> {
        let plan = server.plan().await?;
        match (self.output, plan) {
            (Output::Json, plan) => self.print(&serde_json::to_string_pretty(&plan)?),
            (_, None) => self.print("There is no plan: nothing waits and nothing is being executed."),
            (Output::Table, Some(plan)) => self.print(&tables::plan(&plan)),
            (Output::Kafka, Some(plan)) => {
                let moves = plan.moves.iter();
                let moves = moves.map(|change| (&change.topic, change.partition, change.to.as_slice()));
                self.print(&output::kafka(moves)?)
            }
        }
    }

    async fn history(&self, server: &Server) -> Result<(), CliError> {
        let plans = server.history().await?;
        match self.output {
            Output::Json => self.print(&serde_json::to_string_pretty(&plans)?),
            Output::Table if plans.is_empty() => self.print("No plan is over yet."),
            Output::Table => self.print(&tables::history(&plans)),
            Output::Kafka => Err(CliError::NotAPlan),
        }
    }

    fn done(&self, message: String) -> Result<(), CliError> {
        match self.output {
            Output::Json => self.print(&serde_json::json!({ "message": message }).to_string()),
            _ => self.print(&message),
        }
    }

    /// Prints to standard output; a reader that has gone, as behind `head`, is no error.
    fn print(&self, text: &str) -> Result<(), CliError> {
        match writeln!(std::io::stdout(), "{}", text.trim_end()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// Shows progress to somebody who watches.
fn tell(text: &str) {
    let mut watched = std::io::stderr();
    if watched.is_terminal() {
        // Progress that cannot be shown is no reason to stop.
        let _ = write!(watched, "{text}");
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
    fn single_moves_are_approved_by_the_names_of_their_partitions() {
        let approve = |only: &str| {
            Cli::try_parse_from([
                "kafka-balancer",
                "approve",
                "7",
                "--only",
                "a-b-3",
                "--only",
                only,
            ])
        };
        let Subcommands::Approve { plan, only } = approve("orders-4").unwrap().command else {
            panic!("another command");
        };
        let names: Vec<String> = only.iter().map(ToString::to_string).collect();
        assert_eq!((plan, names.join(" ").as_str()), (7, "a-b-3 orders-4"));
        let error = approve("orders").unwrap_err().to_string();
        assert!(error.contains("a topic, a hyphen and a number"), "{error}");
    }
}
