//! What the programs write about what they do: to standard error, for people or for programs.

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is to be logged cannot be understood.
#[derive(Debug, Error)]
#[error("the log filter `{filter}` cannot be used: {source}; try info, or info,kafka=debug")]
pub struct LogFilterError {
    filter: String,
    source: ParseError,
}

/// Logs from now on what `filter` says: a level, or levels by module, but nothing of the modules in `never`. In colours only
/// where somebody watches a terminal; what collects logs would keep their codes.
///
/// # Errors
///
/// The filter cannot be understood.
///
/// # Panics
///
/// The process logs already.
pub fn start(format: LogFormat, filter: &str, never: &[&str]) -> Result<(), LogFilterError> {
    let filter = filter_of(filter, never).map_err(|source| LogFilterError {
        filter: filter.to_owned(),
        source,
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}

fn filter_of(filter: &str, never: &[&str]) -> Result<EnvFilter, ParseError> {
    let wanted = EnvFilter::try_new(filter)?;
    never.iter().try_fold(wanted, |wanted, module| {
        Ok(wanted.add_directive(format!("{module}=off").parse()?))
    })
}
