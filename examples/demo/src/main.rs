//! The main job on this machine: a real Kafka under load, one partition that turns hot, and the balancer that cools it.

mod display;
mod expectations;
mod leftovers;
mod options;
mod report;
mod scene;
mod sight;
mod story;
mod summary;
mod truth;
mod watch;
mod workload;

use std::cell::Cell;
use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use e2e::process::Memory;
use kafka::ClusterError;
use load::witness::{self, WitnessError};
use load::{Load, LoadError};
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

use display::{Screen, print};
use leftovers::leftovers;
use options::Options;
use scene::{Scene, SceneError};
use story::{Cooling, Story, StoryError, WarmUp};
use summary::{Measured, Summary};
use truth::RateErrors;
use workload::Workload;

/// What threads that cannot be interrupted, such as the witness', may still take at the end.
const SHUTDOWN: Duration = Duration::from_millis(200);

/// By custom 128 + SIGINT.
const INTERRUPTED: u8 = 130;

#[derive(Debug, Error)]
enum DemoError {
    #[error(transparent)]
    Scene(#[from] SceneError),
    #[error(transparent)]
    Story(#[from] StoryError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Witness(#[from] WitnessError),
    #[error("Kafka cannot be asked what was left behind")]
    Leftovers(#[source] ClusterError),
    #[error("the memory of process {pid} cannot be read")]
    Memory { pid: u32, source: io::Error },
    #[error("the summary cannot be written")]
    Summary(#[source] io::Error),
    #[error("the signals to stop cannot be waited for")]
    Signals(#[source] io::Error),
}

fn main() -> ExitCode {
    let options = Options::parse();
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(DemoError::Signals)
        .and_then(|runtime| {
            let ended = runtime.block_on(until_stopped(&options));
            runtime.shutdown_timeout(SHUTDOWN);
            ended
        });
    match ended {
        Ok(code) => code,
        Err(error) => {
            let causes = std::iter::successors(error.source(), |&cause| cause.source());
            let message = causes.fold(error.to_string(), |message, cause| format!("{message}: {cause}"));
            // Nothing is left to tell when standard error is gone.
            let _ = writeln!(io::stderr(), "demo: {message}");
            ExitCode::from(2)
        }
    }
}

/// Runs the demo, or as much of it as there is until a signal. Whatever was started is stopped when it is dropped. What has
/// been judged before the signal counts.
async fn until_stopped(options: &Options) -> Result<ExitCode, DemoError> {
    let code = Cell::new(ExitCode::from(INTERRUPTED));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(DemoError::Signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(DemoError::Signals)?;
    tokio::select! {
        ended = run(options, &code) => ended?,
        _ = interrupt.recv() => print("\nstopped\n"),
        _ = terminate.recv() => print("\nstopped\n"),
    }
    Ok(code.get())
}

async fn run(options: &Options, code: &Cell<ExitCode>) -> Result<(), DemoError> {
    let mut screen = Screen::new();
    let mut workload = Workload::new(options);
    let (scene, load) = scene::build(options, &mut workload, &mut screen).await?;

    let mut story = Story::new(&scene, &load, &workload, &mut screen)?;
    let warm_up = story.warm_up(options.warm_up()).await?;
    let cooling = story.heat_up_and_cool(options.patience()).await?;
    let errors = std::mem::take(&mut story.errors);
    screen.leave();

    let told = (&warm_up, &cooling, &errors);
    let summary = conclude(&scene, load, &workload, told, &mut screen).await?;
    summary.write(&options.summary).map_err(DemoError::Summary)?;
    print(&report::report(&summary, &options.summary));
    code.set(if summary.passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    });
    if options.keep {
        keep(&scene, &workload).await?;
    }
    Ok(())
}

/// Measures what can only be measured at the end, and judges.
async fn conclude(
    scene: &Scene,
    load: Load,
    workload: &Workload,
    (warm_up, cooling, errors): (&WarmUp, &Cooling, &RateErrors),
    screen: &mut Screen,
) -> Result<Summary, DemoError> {
    let leftovers = leftovers(&scene.control).await.map_err(DemoError::Leftovers)?;
    let mut sidecar_rss_mb = 0.0;
    for sidecar in scene.stack.sidecars.values() {
        sidecar_rss_mb = f64::max(sidecar_rss_mb, peak_rss_mb(sidecar.process.pid())?);
    }
    let balancer_rss_mb = peak_rss_mb(scene.stack.balancer.process.pid())?;

    let accounts = screen.during("the last acknowledgements", load.stop()).await?;
    let reading = witness::verify(&workload.settings.connection, &accounts);
    let witness = screen.during("every record read back", reading).await?;

    let floor = &scene.stack.config.heat.floor;
    let above = cooling.end.resources_above(floor);
    let summary = Summary::new(Measured {
        hot_partition: format!("{}-{}", workload.hot.0, workload.hot.1),
        warm_up,
        cooling,
        resources_above_floor: above.into_iter().map(|resource| resource.name()).collect(),
        errors,
        leftovers,
        witness: &witness,
        sidecar_rss_mb,
        balancer_rss_mb,
    });
    let expectations = expectations::expectations(&summary, warm_up.was_calm);
    Ok(summary.judged(expectations))
}

/// The most memory that a process has had, in 10^6 bytes.
fn peak_rss_mb(pid: u32) -> Result<f64, DemoError> {
    let memory = Memory::of(pid).map_err(|source| DemoError::Memory { pid, source })?;
    Ok(memory.peak_mb())
}

/// Lets the shifted load go on until a signal comes.
async fn keep(scene: &Scene, workload: &Workload) -> Result<(), DemoError> {
    let load = Load::start(&workload.settings)?;
    load.shift(&workload.shift)?;
    print(&report::addresses(scene));
    std::future::pending().await
}
