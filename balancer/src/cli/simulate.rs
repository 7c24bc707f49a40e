//! `simulate`: a day through detection and planning, offline.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use comfy_table::{Cell, CellAlignment, Table, presets};
use kafka::settings::parse_duration;
use thiserror::Error;

use super::Output;
use super::offline::{self, OfflineError};
use crate::config::HeatSettings;
use crate::execute::Limits;
use crate::model::{Model, Resource};
use crate::plan::PlanSettings;
use crate::simulate::{self, Day, Events, Recording, RecordingError, Report, Settings, Side, Source};

/// Lines of progress come so often.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// What `simulate` takes.
#[derive(Debug, Args)]
pub(super) struct SimulateArgs {
    /// The cluster at the start, whose load is the usual one; a day is generated from it.
    #[arg(long, value_name = "FILE", required_unless_present = "recording")]
    snapshot: Option<PathBuf>,
    /// A recorded day instead: one snapshot a line, as `snapshot --every` writes them.
    #[arg(long, value_name = "FILE", conflicts_with = "snapshot")]
    recording: Option<PathBuf>,
    /// The time between two lines of the recording.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    every: Duration,
    /// How long to simulate.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = parse_duration)]
    length: Duration,
    /// The time from look to look.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    tick: Duration,
    /// Each topic's load swings by so many percent of itself over the day.
    #[arg(long, value_name = "PERCENT", default_value_t = 40.0)]
    ramp: f64,
    /// So many times a partition gets several times its load for 10 s to 2 min.
    #[arg(long, value_name = "NUMBER", default_value_t = 48)]
    bursts: u32,
    /// So many times a partition gets several times its load for hours.
    #[arg(long, value_name = "NUMBER", default_value_t = 8)]
    shifts: u32,
    /// All load grows by so many percent over the day.
    #[arg(long, value_name = "PERCENT", default_value_t = 20.0)]
    growth: f64,
    /// Leave all brokers alive; otherwise one is lost for half an hour.
    #[arg(long)]
    no_broker_loss: bool,
    /// Makes the day; the same seed makes the same one.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
}

/// Why there was no simulation.
#[derive(Debug, Error)]
pub enum SimulateError {
    /// The snapshot or an option.
    #[error(transparent)]
    Offline(#[from] OfflineError),
    /// The recording.
    #[error("the recording {path} cannot be used: {source}", path = path.display())]
    Recording {
        /// The file.
        path: PathBuf,
        /// Why.
        source: RecordingError,
    },
    /// A time that makes no sense.
    #[error("--{option} goes from {low:?} to {high:?}")]
    Time {
        /// The option.
        option: &'static str,
        /// The least.
        low: Duration,
        /// The most.
        high: Duration,
    },
    /// The report cannot be printed.
    #[error("the report cannot be printed: {0}")]
    Encoding(#[from] serde_json::Error),
}

impl SimulateArgs {
    /// Simulates and says what came of it.
    pub(super) fn run(&self, form: Output) -> Result<String, SimulateError> {
        self.check_times()?;
        let report = match &self.recording {
            Some(path) => self.recorded(path),
            None => self.generated(),
        }?;
        Ok(match form {
            Output::Json => serde_json::to_string_pretty(&report)?,
            Output::Table | Output::Kafka => table(&report),
        })
    }

    fn check_times(&self) -> Result<(), SimulateError> {
        const SECOND: Duration = Duration::from_secs(1);
        const HOUR: Duration = Duration::from_secs(3600);
        let times = [
            ("tick", self.tick, SECOND, HOUR / 12),
            ("length", self.length, self.tick, HOUR * 24 * 31),
            ("every", self.every, SECOND, HOUR * 24),
        ];
        for (option, time, low, high) in times {
            if !(low..=high).contains(&time) {
                return Err(SimulateError::Time { option, low, high });
            }
        }
        Ok(())
    }

    fn generated(&self) -> Result<Report, SimulateError> {
        let path = self.snapshot.clone().unwrap_or_else(|| PathBuf::from("-"));
        let start = offline::read(&path, &[], &[])?;
        let events = Events {
            ramp: offline::percent("ramp", self.ramp, 90.0)?,
            bursts: self.bursts,
            shifts: self.shifts,
            growth: offline::percent("growth", self.growth, 1000.0)?,
            broker_loss: !self.no_broker_loss,
        };
        let day = Day::new(&start, events, self.length, self.seed);
        match self.live(&start, (day.clone(), day)) {
            Ok(report) => Ok(report),
            Err(never) => match never {},
        }
    }

    fn recorded(&self, path: &PathBuf) -> Result<Report, SimulateError> {
        let failed = |source| SimulateError::Recording {
            path: path.clone(),
            source,
        };
        let open = || {
            let file = File::open(path).map_err(|source| RecordingError::Unreadable { line: 1, source })?;
            Recording::open(BufReader::with_capacity(1 << 20, file), self.every)
        };
        let (one, other) = (open().map_err(failed)?, open().map_err(failed)?);
        let start = one.start().clone();
        self.live(&start, (one, other)).map_err(failed)
    }

    fn live<S: Source>(&self, start: &Model, sources: (S, S)) -> Result<Report, S::Error> {
        let heat = HeatSettings::default();
        let settings = Settings {
            length: self.length,
            tick: self.tick,
            detect: heat.detect(),
            plan: PlanSettings {
                target: heat.target(),
                ..PlanSettings::default()
            },
            limits: Limits::default(),
        };
        let mut told = Instant::now();
        simulate::simulate(start, sources, &settings, |part| {
            if told.elapsed() >= PROGRESS_EVERY {
                told = Instant::now();
                super::tell(&format!("\r{:3.0} % of the day", 100.0 * part));
            }
        })
    }
}

fn table(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_header([
        format!("{:.1} h", report.length.as_secs_f64() / 3600.0).as_str(),
        "balanced",
        "left alone",
    ]);
    let mut row = |what: &str, figure: &dyn Fn(&Side) -> String, both: bool| {
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        let alone = if both {
            figure(&report.left_alone)
        } else {
            String::new()
        };
        table.add_row([Cell::new(what), right(figure(&report.balanced)), right(alone)]);
    };
    for r in Resource::ALL {
        let what = format!("broker-seconds beyond the threshold, {}", r.name());
        row(&what, &|side| format!("{:.0}", side.violation_seconds[r]), true);
    }
    row(
        "times that something became hot",
        &|side| side.episodes.to_string(),
        false,
    );
    row("plans", &|side| side.plans.to_string(), false);
    row(
        "changes of leaders",
        &|side| side.leadership_changes.to_string(),
        false,
    );
    row("replicas copied", &|side| side.replica_moves.to_string(), false);
    row(
        "bytes copied",
        &|side| Resource::Disk.amount(side.bytes_copied as f64),
        false,
    );
    row(
        "lower bound of the plans",
        &|side| Resource::Disk.amount(side.bytes_lower_bound as f64),
        false,
    );
    row(
        "moves dropped as no longer helpful",
        &|side| side.dropped.to_string(),
        false,
    );
    row(
        "to and fro within an hour",
        &|side| side.oscillations.to_string(),
        false,
    );
    table.to_string()
}
