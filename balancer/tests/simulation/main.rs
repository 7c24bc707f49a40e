//! The whole balancer against a simulated Kafka in which everything goes wrong that can, thousands of times.
//!
//! Each schedule is made from a seed: a cluster, a load, balancers that are killed, paused and doubled, requests that are
//! lost, late or refused, brokers that die, people who reassign, throttle and delete. Whatever happens, nothing of the
//! balancer's stays, nothing of others is touched, and no partition falls below `min.insync.replicas` by its doing.
//!
//! A seed that fails is run again with fewer kinds of trouble, as few as make it fail, and printed with the command that
//! replays it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs
)]

mod actor;
mod judge;
mod mischief;
mod others;
mod reports;
mod schedule;
mod summary;
mod trouble;
mod weather;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;

use schedule::{Account, Schedule};
use summary::Summary;
use trouble::Trouble;

#[derive(Parser)]
#[command(about = "The balancer against a simulated Kafka under seeded faults")]
struct Options {
    /// How many schedules.
    #[arg(long, default_value_t = 5_000)]
    schedules: u64,
    /// Go on with further schedules for so many minutes, as through a night.
    #[arg(long)]
    minutes: Option<u64>,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Replay this seed alone, with the balancer's log.
    #[arg(long)]
    seed: Option<u64>,
    /// The only kinds of trouble, as a failure prints them.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Trouble>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let allowed: BTreeSet<Trouble> = match options.only.as_slice() {
        [] => Trouble::ALL.into(),
        only => only.iter().copied().collect(),
    };
    match options.seed {
        Some(seed) => replay(seed, &allowed),
        None => run_all(&options, &allowed),
    }
}

fn replay(seed: u64, allowed: &BTreeSet<Trouble>) -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "debug".into()),
        )
        .without_time()
        .with_writer(std::io::stderr)
        .init();
    let (account, verdict) = run(seed, allowed);
    println!("{account:#?}");
    match verdict {
        Ok(()) => {
            println!("seed {seed} passes");
            ExitCode::SUCCESS
        }
        Err(why) => {
            println!("seed {seed} fails: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run_all(options: &Options, allowed: &BTreeSet<Trouble>) -> ExitCode {
    let started = Instant::now();
    let deadline = options.minutes.map(|minutes| Duration::from_secs(minutes * 60));
    let next = AtomicU64::new(options.from);
    let end = options.from + options.schedules;
    let summary = Mutex::new(Summary::default());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let goes_on = deadline.is_some_and(|deadline| started.elapsed() < deadline);
                    if seed >= end && !goes_on {
                        return;
                    }
                    let (account, verdict) = run(seed, allowed);
                    let failed = verdict.map_err(|why| (why, shrink(seed, allowed))).err();
                    let mut summary = summary.lock().unwrap();
                    summary.add(seed, &account, failed);
                    if summary.schedules.is_multiple_of(500) {
                        eprintln!("{} schedules, {:.0?}", summary.schedules, started.elapsed());
                    }
                }
            });
        }
    });
    let summary = summary.into_inner().unwrap();
    summary.write(started.elapsed()).unwrap();
    summary.print(started.elapsed());
    if summary.failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// One schedule, in a runtime of its own whose clock stands still unless everybody waits.
fn run(seed: u64, allowed: &BTreeSet<Trouble>) -> (Account, Result<(), String>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runtime.block_on(async { Schedule::new(seed, allowed.clone()).await.run().await })
    }));
    outcome.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        (
            Account::default(),
            Err(format!("panic: {}", words.unwrap_or_default())),
        )
    })
}

/// As few kinds of trouble as make the seed fail: each is left out in turn, and stays out if it fails without.
fn shrink(seed: u64, allowed: &BTreeSet<Trouble>) -> BTreeSet<Trouble> {
    let mut needed = allowed.clone();
    for trouble in allowed {
        let mut fewer = needed.clone();
        fewer.remove(trouble);
        if run(seed, &fewer).1.is_err() {
            needed = fewer;
        }
    }
    needed
}
