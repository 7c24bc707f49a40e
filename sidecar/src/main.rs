//! `kafka-sidecar`: what one broker carries, partition by partition.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, Parser};
use kafka::client::KafkaCluster;
use kafka::settings::{self, SettingsError};
use sidecar::cli::{Cli, Command, LogFormat, Purpose, Run};
use sidecar::config::{BrokerConfig, OffsetsConfig};
use sidecar::server::{self, Served};
use sidecar::{broker, offsets};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::info;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// Why the program ended.
#[derive(Debug, Error)]
enum Ended {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("the log filter `{filter}` cannot be used: {source}; try info, or info,sidecar=debug")]
    LogFilter { filter: String, source: ParseError },
    #[error("the HTTP client cannot be made: {0}")]
    HttpClient(#[from] reqwest::Error),
    #[error("cannot listen on {address}: {source}; is another process using it?")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("serving ended: {0}")]
    Serving(#[source] io::Error),
    #[error("the signals to stop cannot be waited for: {0}")]
    Signals(#[source] io::Error),
    #[error("sampling ended by a fault: {0}")]
    Sampling(#[from] JoinError),
    #[error("the output cannot be written: {0}")]
    Output(#[source] io::Error),
}

fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::CheckConfig { config, purpose } => check(&config, purpose),
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "kafka-sidecar", &mut io::stdout());
            Ok(())
        }
        Command::Broker(run) => run_broker(&run),
        Command::Offsets(run) => run_offsets(&run),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell when standard error is gone.
            let _ = writeln!(io::stderr(), "kafka-sidecar: {error}");
            ExitCode::FAILURE
        }
    }
}

fn check(config: &Path, purpose: Purpose) -> Result<(), Ended> {
    match purpose {
        Purpose::Broker => drop(settings::read_file::<BrokerConfig>(config)?),
        Purpose::Offsets => drop(settings::read_file::<OffsetsConfig>(config)?),
    }
    writeln!(io::stdout(), "{} is fine", config.display()).map_err(Ended::Output)
}

// One thread: the work of a sample is milliseconds, and each thread more would keep a heap of its own.
#[tokio::main(flavor = "current_thread")]
async fn run_broker(run: &Run) -> Result<(), Ended> {
    let config: BrokerConfig = settings::read_file(&run.config)?;
    start_log(run)?;
    let (listen, stop) = (config.listen, CancellationToken::new());
    // The sidecar only talks to its own broker and its own cluster; a proxy of the environment is not for it.
    let http = reqwest::Client::builder().no_proxy().build()?;
    let cluster = config.kafka.clone().map(KafkaCluster::new);
    let listener = bind(listen).await?;
    let (view, sampling) = broker::start(config, cluster, http, stop.clone());
    serve(listener, view, sampling, stop).await
}

#[tokio::main(flavor = "current_thread")]
async fn run_offsets(run: &Run) -> Result<(), Ended> {
    let config: OffsetsConfig = settings::read_file(&run.config)?;
    start_log(run)?;
    let (listen, stop) = (config.listen, CancellationToken::new());
    let cluster = KafkaCluster::new(config.kafka.clone());
    let listener = bind(listen).await?;
    let (view, sampling) = offsets::start(config, cluster, stop.clone());
    serve(listener, view, sampling, stop).await
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Ended> {
    TcpListener::bind(address)
        .await
        .map_err(|source| Ended::Listen { address, source })
}

/// Serves until a signal says stop. Should sampling end by a fault of this program, the process ends too: a restart
/// mends that, stale figures for ever do not.
async fn serve<S: Served>(
    listener: TcpListener,
    view: Arc<S>,
    mut sampling: JoinHandle<()>,
    stop: CancellationToken,
) -> Result<(), Ended> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Ended::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Ended::Signals)?;
    let mut serving = std::pin::pin!(server::serve(listener, server::router(view), stop.clone()));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        ended = &mut serving => return ended.map_err(Ended::Serving),
        ended = &mut sampling => return Ok(ended?),
    }
    info!("stopping");
    stop.cancel();
    serving.await.map_err(Ended::Serving)?;
    Ok(sampling.await?)
}

fn start_log(run: &Run) -> Result<(), Ended> {
    let filter = EnvFilter::try_new(&run.log).map_err(|source| Ended::LogFilter {
        filter: run.log.clone(),
        source,
    })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match run.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}
