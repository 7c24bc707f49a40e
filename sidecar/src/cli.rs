//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::logging::LogFormat;

/// Reads one broker's JMX through Jolokia and its logs through the Kafka protocol; derives the true rate of every
/// partition; serves it to Prometheus and to kafka-balancer.
#[derive(Debug, Parser)]
#[command(name = "kafka-sidecar", version, about, after_help = EXAMPLE)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLE: &str = "\
A configuration beside broker 0 (`broker --config`), with all that is optional:

  broker: 0                        # the broker's node.id
  listen: 127.0.0.1:9404           # /metrics, /v1/load, /livez, /readyz
  tls: {cert_file: /etc/sidecar/tls.crt, key_file: /etc/sidecar/tls.key}
  interval: 5s                     # 1s to 5m
  kafka:
    bootstrap: [127.0.0.1:9092]
    security: {protocol: PLAINTEXT}
  logs: automatic                  # or protocol; or jolokia, which needs no `kafka`
  jolokia:                         # without it no CPU and no exact totals
    url: https://127.0.0.1:8778/jolokia/
    tls: {ca_file: /etc/jolokia/ca.pem}
    user: sidecar
    password_file: /etc/jolokia/password
    timeout: 4s
  consumption:                     # without it bytes_out is guessed
    url: http://kafka-offsets:9404/v1/consumption
  metrics:
    granularity: partition         # or topic; or {top: 50}, the busiest
    series_per_family: 20000
    topics: {allow: ['*'], deny: ['__*']}
    families: {deny: ['jvm_*']}
    names: strimzi                 # or confluent

And once per cluster (`offsets --config`):

  listen: 127.0.0.1:9404           # /metrics, /v1/consumption, /livez, /readyz
  kafka: {bootstrap: [127.0.0.1:9092]}
  groups: {deny: ['console-consumer-*']}
  concurrency: 16                  # requests about groups at a time
  max_group_partitions: 2000000    # 72 bytes each; groups that do not fit are left out
  status: {window: 10, allowed_lag: 0}  # commits and records by which groups are judged
  export_partitions: false         # true where brokers have no sidecar

Try it: kafka-sidecar check-config --config FILE && kafka-sidecar broker --config FILE
        curl -s --compressed http://127.0.0.1:9404/v1/load";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sample the broker that runs beside this process
    Broker(Run),
    /// Sample the offsets of all groups of a cluster; one process per cluster
    Offsets(Run),
    /// Read a configuration and say everything that is wrong with it
    CheckConfig {
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The command that the file is for
        #[arg(long = "for", value_enum, default_value_t = Purpose::Broker)]
        purpose: Purpose,
    },
    /// Print a completion script
    Completion {
        /// The shell
        shell: Shell,
    },
}

/// Of other modules only errors: the client library warns of every attempt to connect, the sidecar once of an outage.
const DEFAULT_FILTER: &str = "error,sidecar=info,kafka=info,kafka_sidecar=info";

/// How to run.
#[derive(Debug, Args)]
pub struct Run {
    /// The configuration file, YAML
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// The form of log lines, which go to standard error
    #[arg(long, value_enum, default_value_t = LogFormat::Text, env = "KAFKA_SIDECAR_LOG_FORMAT")]
    pub log_format: LogFormat,
    /// What is logged: a level, or levels by module
    #[arg(
        long,
        value_name = "FILTER",
        default_value = DEFAULT_FILTER,
        env = "KAFKA_SIDECAR_LOG"
    )]
    pub log: String,
}

/// The command that a configuration is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Purpose {
    /// `broker`.
    Broker,
    /// `offsets`.
    Offsets,
}
