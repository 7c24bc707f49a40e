//! Planning without a balancer and without a Kafka, from a snapshot of a cluster.

use std::fs::File;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use kafka::ids::{BrokerId, TopicName};
use thiserror::Error;

use super::Output;
use crate::model::snapshot::{self, SnapshotError};
use crate::model::{Model, Resource};
use crate::plan::{Plan, PlanRequest, PlanSettings, Purpose, output, plan};

/// What `plan` takes.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// Plan offline for the cluster in this file (JSON; `-` is standard input) instead of showing the current plan.
    #[arg(long, value_name = "FILE")]
    pub(super) snapshot: Option<PathBuf>,
    /// How far a broker's utilisation may exceed the mean, in percent of the mean.
    #[arg(long, requires = "snapshot", value_name = "PERCENT", default_value_t = 10.0)]
    threshold: f64,
    /// What to leave out of balance: may be given several times.
    #[arg(long, requires = "snapshot", value_enum, value_name = "RESOURCE")]
    ignore: Vec<ResourceArg>,
    /// Utilisation below which a broker is never too hot, in percent of its capacity.
    #[arg(long, requires = "snapshot", value_name = "PERCENT")]
    floor: Option<f64>,
    /// Leave a topic where it is, as far as its brokers stay: may be given several times. Kafka's own topics, whose names
    /// start with two underscores, are left there anyway.
    #[arg(long, requires = "snapshot", value_name = "TOPIC")]
    exclude_topic: Vec<TopicName>,
    /// Give a broker nothing and take nothing from it: may be given several times.
    #[arg(long, requires = "snapshot", value_name = "ID", value_parser = super::broker_id)]
    exclude_broker: Vec<BrokerId>,
    /// How many searches are made, of which the best is taken. Ten times as many take ten times as long, and may bring
    /// the last percents.
    #[arg(
        long,
        requires = "snapshot",
        value_name = "NUMBER",
        default_value_t = 2,
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    searches: u32,
    /// Chooses among equally good plans; the same snapshot and seed give the same plan.
    #[arg(long, requires = "snapshot", value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum ResourceArg {
    BytesIn,
    BytesOut,
    Cpu,
    Disk,
}

impl From<ResourceArg> for Resource {
    fn from(resource: ResourceArg) -> Self {
        match resource {
            ResourceArg::BytesIn => Self::BytesIn,
            ResourceArg::BytesOut => Self::BytesOut,
            ResourceArg::Cpu => Self::Cpu,
            ResourceArg::Disk => Self::Disk,
        }
    }
}

/// Why planning offline failed.
#[derive(Debug, Error)]
pub enum OfflineError {
    /// The file cannot be read.
    #[error("the snapshot {path} cannot be read: {source}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no snapshot.
    #[error("the snapshot {path} cannot be used: {source}", path = path.display())]
    Snapshot {
        /// The file.
        path: PathBuf,
        /// Why.
        source: SnapshotError,
    },
    /// A number that makes no sense.
    #[error("--{option} is {value}; it goes from {low} to {high}")]
    OutOfRange {
        /// The option.
        option: &'static str,
        /// Its value.
        value: f64,
        /// The least.
        low: f64,
        /// The most.
        high: f64,
    },
    /// The plan cannot be printed.
    #[error("the plan cannot be printed: {0}")]
    Encoding(#[from] serde_json::Error),
}

impl PlanArgs {
    /// Plans and says the plan in the form asked for.
    pub(super) fn run(&self, form: Output) -> Result<String, OfflineError> {
        let path = self.snapshot.clone().unwrap_or_else(|| PathBuf::from("-"));
        let model = read(&path, &self.exclude_topic, &self.exclude_broker)?;
        self.tell(&model);
        let made = plan(&PlanRequest {
            model: &model,
            purpose: Purpose::of_states(&model),
            settings: self.settings()?,
        });
        Ok(print(&made, form)?)
    }

    /// What takes a while says so.
    fn tell(&self, model: &Model) {
        let is_long = model.replica_count() > 200_000 || self.searches > 20;
        if is_long {
            super::tell(&format!(
                "planning for {} brokers and {} replicas, {} searches\n",
                model.brokers().len(),
                model.replica_count(),
                self.searches
            ));
        }
    }

    fn settings(&self) -> Result<PlanSettings, OfflineError> {
        let threshold = percent("threshold", self.threshold, 1000.0)?;
        let mut settings = PlanSettings {
            threshold,
            target: threshold,
            seed: self.seed,
            searches: NonZeroU32::new(self.searches).unwrap_or(NonZeroU32::MIN),
            ..PlanSettings::default()
        };
        if let Some(floor) = self.floor {
            settings.floor = crate::model::PerResource::splat(percent("floor", floor, 100.0)?);
        }
        for resource in &self.ignore {
            settings.floor[Resource::from(*resource)] = f64::INFINITY;
        }
        Ok(settings)
    }
}

/// Reads a snapshot; `-` is standard input.
pub(super) fn read(path: &Path, topics: &[TopicName], brokers: &[BrokerId]) -> Result<Model, OfflineError> {
    let rows = if path.as_os_str() == "-" {
        snapshot::read_rows(std::io::stdin().lock())
    } else {
        let file = File::open(path).map_err(|source| OfflineError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        snapshot::read_rows(file)
    };
    let model = rows.and_then(|mut rows| {
        rows.exclude(
            |topic| topic.is_internal() || topics.contains(topic),
            |broker| brokers.contains(&broker),
        );
        Ok(rows.build()?)
    });
    model.map_err(|source| OfflineError::Snapshot {
        path: path.to_owned(),
        source,
    })
}

pub(super) fn percent(option: &'static str, value: f64, high: f64) -> Result<f64, OfflineError> {
    if (0.0..=high).contains(&value) {
        Ok(value / 100.0)
    } else {
        Err(OfflineError::OutOfRange {
            option,
            value,
            low: 0.0,
            high,
        })
    }
}

fn print(made: &Plan, form: Output) -> Result<String, serde_json::Error> {
    match form {
        Output::Table => Ok(output::table(made)),
        Output::Json => output::json(made),
        Output::Kafka => {
            let moves = made.moves.iter();
            output::kafka(moves.map(|change| {
                let name = &change.partition;
                (&name.topic, name.partition, change.to.as_slice())
            }))
        }
    }
}
