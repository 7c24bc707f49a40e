//! `kafka-sidecar`: what one broker carries, partition by partition.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use kafka::client::KafkaCluster;
use kafka::connection::TlsIdentity;
use kafka::error::with_causes;
use kafka::settings::{self, SettingsError};
use sidecar::cli::{Cli, Command, Purpose, Run};
use sidecar::clock::Clock;
use sidecar::config::{BrokerConfig, OffsetsConfig};
use sidecar::logging::{self, LogFilterError};
use sidecar::sampling::Sampling;
use sidecar::server::{self, Certificate, Limits, Served};
use sidecar::tls::TlsError;
use sidecar::{broker, offsets};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Why the program ended.
#[derive(Debug, Error)]
enum Ended {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    LogFilter(#[from] LogFilterError),
    #[error("the certificate to serve with cannot be used: {}", with_causes(.0))]
    Certificate(#[from] TlsError),
    #[error("cannot listen on {address}: {source}; is another process using it?")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("serving ended: {0}")]
    Serving(#[source] io::Error),
    #[error("the signals to stop cannot be waited for: {0}")]
    Signals(#[source] io::Error),
    #[error("there is no thread to sample on: {0}")]
    Thread(#[source] io::Error),
    #[error("sampling ended by a fault of this program, which is told above")]
    Sampling,
    #[error("the output cannot be written: {0}")]
    Output(#[source] io::Error),
}

fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::CheckConfig { config, purpose } => check(&config, purpose),
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "kafka-sidecar", &mut script);
            io::stdout().write_all(&script).map_err(Ended::Output)
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

// This thread serves; another one samples.
#[tokio::main(flavor = "current_thread")]
async fn run_broker(run: &Run) -> Result<(), Ended> {
    let config: BrokerConfig = settings::read_file(&run.config)?;
    logging::start(run.log_format, &run.log, &[])?;
    let door = Door::open(config.listen, config.tls.clone()).await?;
    let stop = CancellationToken::new();
    let cluster = config.kafka.clone().map(KafkaCluster::new);
    let sampling = broker::start(config, cluster, Clock::start(), stop.clone()).map_err(Ended::Thread)?;
    door.serve(sampling, stop).await
}

#[tokio::main(flavor = "current_thread")]
async fn run_offsets(run: &Run) -> Result<(), Ended> {
    let config: OffsetsConfig = settings::read_file(&run.config)?;
    logging::start(run.log_format, &run.log, &[])?;
    let door = Door::open(config.listen, config.tls.clone()).await?;
    let stop = CancellationToken::new();
    let cluster = KafkaCluster::new(config.kafka.clone());
    let sampling = offsets::start(config, cluster, stop.clone()).map_err(Ended::Thread)?;
    door.serve(sampling, stop).await
}

/// Where readers come in.
struct Door {
    listener: TcpListener,
    certificate: Option<Certificate>,
}

impl Door {
    async fn open(address: SocketAddr, tls: Option<TlsIdentity>) -> Result<Self, Ended> {
        let read = |identity| Certificate::read(identity, Certificate::READ_EVERY);
        let certificate = tls.map(read).transpose()?;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| Ended::Listen { address, source })?;
        Ok(Self {
            listener,
            certificate,
        })
    }

    /// Serves until a signal says stop. Should sampling end by a fault of this program, the process ends too: a restart
    /// mends that, stale figures for ever do not.
    async fn serve<S: Served>(self, sampling: Sampling<S>, stop: CancellationToken) -> Result<(), Ended> {
        let mut terminate = signal(SignalKind::terminate()).map_err(Ended::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Ended::Signals)?;
        let (limits, mut ended) = (Limits::default(), sampling.ended);
        let router = server::router(sampling.view, sampling.probes);
        let serving = server::serve(self.listener, router, self.certificate, limits, stop.clone());
        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            ended = &mut serving => return ended.map_err(Ended::Serving),
            ended = &mut ended => return ended.map_err(|_| Ended::Sampling),
        }
        info!("stopping");
        stop.cancel();
        serving.await.map_err(Ended::Serving)?;
        match timeout(limits.grace, ended).await {
            Ok(ended) => ended.map_err(|_| Ended::Sampling),
            // It is stuck; the end of the process is its end.
            Err(_) => Ok(()),
        }
    }
}
