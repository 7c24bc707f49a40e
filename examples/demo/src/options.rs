//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use clap::builder::FalseyValueParser;

/// Starts a real Kafka on this machine with the sidecars and the balancer beside it, lets one partition turn hot
/// under load, and shows how it is found and cooled.
///
/// Exits with 0 when every expectation holds, with 1 when one does not, with 2 when something failed.
#[derive(Debug, Clone, Parser)]
#[command(name = "demo", version)]
pub(crate) struct Options {
    /// Brokers in each of the three racks. Each partition has a replica in every rack, so that racks of equal size
    /// can be balanced and others cannot.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(2..=4))]
    pub(crate) brokers_per_rack: u32,
    /// What the producers write before the shift, in MB/s.
    #[arg(long, default_value_t = 1.6, value_parser = megabytes)]
    pub(crate) rate: f64,
    /// What the rate of the partition that turns hot is multiplied by.
    #[arg(long, default_value_t = 8.0, value_parser = factor)]
    pub(crate) factor: f64,
    /// How long the load runs balanced before the shift, in seconds.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(10..=3_600))]
    warm_up: u64,
    /// How long after the shift everything must be cool, in seconds.
    #[arg(long, default_value_t = 180, value_parser = clap::value_parser!(u64).range(30..=3_600))]
    patience: u64,
    /// Makes rates, placement, keys and the partition that turns hot repeatable.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Where the summary is written, as JSON.
    #[arg(long, default_value = "target/demo/summary.json")]
    pub(crate) summary: PathBuf,
    /// Leave everything running at the end, beside a Prometheus that has recorded all of it, print the addresses and how the
    /// dashboards get into a Grafana, and wait for Ctrl-C.
    #[arg(long, env = "KEEP", value_parser = FalseyValueParser::new())]
    pub(crate) keep: bool,
}

impl Options {
    pub(crate) fn warm_up(&self) -> Duration {
        Duration::from_secs(self.warm_up)
    }

    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.patience)
    }
}

fn megabytes(text: &str) -> Result<f64, String> {
    within(text, 0.5..=200.0)
}

fn factor(text: &str) -> Result<f64, String> {
    within(text, 2.0..=20.0)
}

fn within(text: &str, bounds: std::ops::RangeInclusive<f64>) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if bounds.contains(&number) {
        Ok(number)
    } else {
        Err(format!("it must be from {} to {}", bounds.start(), bounds.end()))
    }
}
