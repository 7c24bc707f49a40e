//! `kafka-load`: makes load on a cluster, prints what was acknowledged, and proves at the end that it is there.

mod arguments;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use load::{Load, PartitionRate, Placement, create_topics, witness};
use serde::Serialize;
use tokio::time::{Instant, interval, sleep_until};

use arguments::{Arguments, ShiftAt};

/// One line of output.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Rates(Vec<PartitionRate>),
    Progress {
        unix_seconds: u64,
        acknowledged: u64,
        latencies: load::Latencies,
        consumed: Vec<load::Consumption>,
    },
    Shifted {
        unix_seconds: u64,
        rates: Vec<PartitionRate>,
    },
    Accounts(load::Accounts),
    Witness(witness::WitnessReport),
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt().with_writer(io::stderr).init();
    match run(arguments).await {
        Ok(code) => code,
        Err(error) => {
            let causes = std::iter::successors(error.source(), |&cause| cause.source());
            let message = causes.fold(error.to_string(), |message, cause| format!("{message}: {cause}"));
            let _ = writeln!(io::stderr(), "kafka-load: {message}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let settings = arguments.settings();
    if let Some(factor) = arguments.create {
        let placement = Placement::ReplicationFactor(factor);
        create_topics(&settings.connection, &settings.topics, &placement, &[]).await?;
    }
    let load = Load::start(&settings)?;
    print(&Line::Rates(load.rates()))?;
    let stop_early = tokio::signal::ctrl_c();
    tokio::select! {
        ended = keep_going(&load, &arguments) => ended?,
        signal = stop_early => signal?,
    }
    let accounts = load.stop().await?;
    let report = witness::verify(&settings.connection, &accounts).await?;
    let clean = report.is_clean();
    print(&Line::Accounts(accounts))?;
    print(&Line::Witness(report))?;
    Ok(if clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Applies the shifts in time and prints progress until the end.
async fn keep_going(load: &Load, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let end = start + arguments.duration();
    let mut shifts = arguments.shifts.clone();
    shifts.sort_by_key(|shift| shift.at);
    let mut shifts = shifts.into_iter().peekable();
    let mut progress = interval(arguments.report_every());
    progress.tick().await;
    loop {
        let next_shift = shifts.peek().map_or(end, |shift| start + shift.at);
        tokio::select! {
            () = sleep_until(next_shift.min(end)) => match shifts.next_if(|shift| start + shift.at < end) {
                Some(ShiftAt { shift, .. }) => {
                    load.shift(&shift)?;
                    print(&Line::Shifted { unix_seconds: unix_seconds(), rates: load.rates() })?;
                }
                None => return Ok(()),
            },
            _ = progress.tick() => print(&Line::Progress {
                unix_seconds: unix_seconds(),
                acknowledged: load.acknowledged(),
                latencies: load.latencies()?,
                consumed: load.consumed(),
            })?,
        }
    }
}

fn unix_seconds() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    since_epoch.unwrap_or(Duration::ZERO).as_secs()
}

fn print(line: &Line) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    serde_json::to_writer(&mut stdout, line)?;
    writeln!(stdout)
}
