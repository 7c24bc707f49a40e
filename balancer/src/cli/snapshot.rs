//! `snapshot`: a live cluster and its load, written for planning and simulating offline.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use kafka::client::KafkaCluster;
use kafka::settings::parse_duration;
use sidecar::clock::Clock;
use thiserror::Error;

use crate::config::Config;
use crate::detect::Detector;
use crate::model::Model;
use crate::model::snapshot::{self, SnapshotError};
use crate::observe::{ObserveError, Observer, Standing};

/// Rates over the Kafka protocol take two looks, and those of sidecars whose samples have just begun one more.
const LOOKS: u32 = 3;

/// What `snapshot` takes.
#[derive(Debug, Args)]
pub(super) struct SnapshotArgs {
    /// The balancer's configuration, YAML: how Kafka and the sidecars are reached, and what brokers can carry.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Where to write; standard output otherwise.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Go on and write one snapshot a line, so far apart, which `simulate --recording` reads.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    every: Option<Duration>,
    /// How many of them.
    #[arg(long, value_name = "NUMBER", requires = "every", default_value_t = 1440, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: u32,
}

/// Why there is no snapshot.
#[derive(Debug, Error)]
pub enum TakeError {
    /// The configuration is wrong.
    #[error(transparent)]
    Settings(#[from] kafka::settings::SettingsError),
    /// The cluster cannot be seen.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// The file cannot be written.
    #[error("{path} cannot be written: {source}", path = path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The snapshot cannot be written.
    #[error("the snapshot cannot be written: {0}")]
    Snapshot(#[from] SnapshotError),
    /// The end of the line cannot be written.
    #[error("the snapshot cannot be written: {0}")]
    Output(#[from] io::Error),
    /// Looks that are closer to each other than the balancer's own.
    #[error("--every is shorter than the tick of the configuration, {0:?}")]
    TooOften(Duration),
}

impl SnapshotArgs {
    /// Takes one snapshot, or one after the other.
    pub(super) async fn run(&self) -> Result<(), TakeError> {
        let config: Config = kafka::settings::read_file(&self.config)?;
        if self.every.is_some_and(|every| every < config.tick) {
            return Err(TakeError::TooOften(config.tick));
        }
        let mut output: Box<dyn Write> = match &self.to {
            None => Box::new(io::stdout()),
            Some(path) => Box::new(File::create(path).map_err(|source| TakeError::Unwritable {
                path: path.clone(),
                source,
            })?),
        };
        let mut looker = Looker::new(&config)?;
        for _ in 1..LOOKS {
            super::tell("looking at the cluster\n");
            looker.look().await?;
            tokio::time::sleep(config.tick).await;
        }
        let Some(every) = self.every else {
            return write(&looker.look().await?, &mut output);
        };
        for number in 1..=self.count {
            let due = tokio::time::Instant::now() + every;
            let mut model = looker.look().await?;
            write(&model, &mut output)?;
            super::tell(&format!("{number} of {} snapshots\n", self.count));
            while number < self.count && tokio::time::Instant::now() + config.tick < due {
                tokio::time::sleep(config.tick).await;
                model = looker.look().await?;
            }
            drop(model);
            if number < self.count {
                tokio::time::sleep_until(due).await;
            }
        }
        Ok(())
    }
}

/// Looks and keeps rates, as the balancer does.
struct Looker {
    observer: Observer<KafkaCluster>,
    detector: Detector,
    clock: Clock,
}

impl Looker {
    fn new(config: &Config) -> Result<Self, ObserveError> {
        Ok(Self {
            observer: Observer::new(KafkaCluster::new(config.kafka.clone()), config)?,
            detector: Detector::new(config.heat.detect()),
            clock: Clock::start(),
        })
    }

    async fn look(&mut self) -> Result<Model, ObserveError> {
        let seen = self.observer.look(&Standing::default(), self.clock).await?;
        self.detector.tick(&seen.sight.model, self.clock.now());
        Ok(self.detector.planning_model(&seen.sight.model))
    }
}

fn write(model: &Model, output: &mut dyn Write) -> Result<(), TakeError> {
    let mut buffered = BufWriter::new(output);
    snapshot::write(model, &mut buffered)?;
    buffered.write_all(b"\n")?;
    Ok(buffered.flush()?)
}
