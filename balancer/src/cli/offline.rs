//! Planning without a balancer and without a Kafka, from a snapshot of a cluster.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
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
        let model = self.read()?;
        let made = plan(&PlanRequest {
            model: &model,
            purpose: Purpose::of_states(&model),
            settings: self.settings()?,
        });
        Ok(print(&made, form)?)
    }

    fn read(&self) -> Result<Model, OfflineError> {
        let path = self.snapshot.clone().unwrap_or_else(|| PathBuf::from("-"));
        let read = if path.as_os_str() == "-" {
            snapshot::read(std::io::stdin().lock())
        } else {
            let file = File::open(&path).map_err(|source| OfflineError::Unreadable {
                path: path.clone(),
                source,
            })?;
            snapshot::read(BufReader::with_capacity(1 << 20, file))
        };
        read.map_err(|source| OfflineError::Snapshot { path, source })
    }

    fn settings(&self) -> Result<PlanSettings, OfflineError> {
        let threshold = percent("threshold", self.threshold, 1000.0)?;
        let mut settings = PlanSettings {
            threshold,
            target: threshold,
            seed: self.seed,
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

fn percent(option: &'static str, value: f64, high: f64) -> Result<f64, OfflineError> {
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
        Output::Kafka => output::kafka(made),
    }
}
