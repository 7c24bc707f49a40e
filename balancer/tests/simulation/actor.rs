//! One balancer process: it can be killed at any request, stopped and continued.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use balancer::action::{Action, Command};
use balancer::api::view::{Phase, View};
use balancer::config::Config;
use balancer::observe::Observer;
use balancer::serve::Balancer;
use kafka::simulated::{SimulatedCluster, SimulatedLog};
use sidecar::clock::Clock;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::reports::Sidecars;
use super::trouble::Trouble;
use super::weather::{Moment, Weather};

/// How long a request and its answer travel together.
pub(crate) const LATENCY: Duration = Duration::from_millis(4);

/// A balancer and its connection to the cluster.
pub(crate) struct Actor {
    process: JoinHandle<()>,
    pause: Arc<Pause>,
    view: watch::Receiver<Arc<View>>,
    commands: mpsc::Sender<Command>,
    cluster: SimulatedCluster,
    log: SimulatedLog,
    pub(crate) weather: Arc<Mutex<Weather>>,
    pub(crate) kills: mpsc::UnboundedReceiver<Moment>,
    /// When it was last continued after a pause.
    pub(crate) resumed_at: Option<Instant>,
}

impl Actor {
    /// Starts a balancer in mode auto.
    pub(crate) fn start(
        config: &Config,
        cluster: &SimulatedCluster,
        log: &SimulatedLog,
        sidecars: Sidecars,
        clock: Clock,
        (seed, allowed): (u64, BTreeSet<Trouble>),
    ) -> Self {
        let (weather, kills) = Weather::new(seed, allowed);
        let (cluster, log) = (cluster.client(), log.client());
        let met = Arc::clone(&weather);
        cluster.inject(move |operation| met.lock().unwrap().next(operation));
        let met = Arc::clone(&weather);
        log.inject(move |operation| met.lock().unwrap().next(operation));
        cluster.set_latency(LATENCY);
        log.set_latency(LATENCY);
        cluster.set_patience(Duration::from_secs(2));
        log.set_patience(Duration::from_secs(2));
        let (publish, view) = watch::channel(Arc::new(View::default()));
        let (commands, actions) = mpsc::channel(4);
        let observer = Observer::with_source(cluster.clone(), sidecars, config);
        let balancer = Balancer::new(config, cluster.clone(), observer, log.clone(), publish, clock);
        let pause = Arc::new(Pause::default());
        let running = balancer.run(actions, CancellationToken::new());
        Self {
            process: tokio::spawn(pausable(Arc::clone(&pause), running)),
            pause,
            view,
            commands,
            cluster,
            log,
            weather,
            kills,
            resumed_at: None,
        }
    }

    /// What it serves.
    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    /// Requests that it waits for.
    pub(crate) fn requests_under_way(&self) -> usize {
        self.cluster.requests_under_way() + self.log.requests_under_way()
    }

    /// Whether it says that the journal is open.
    pub(crate) fn has_the_journal(&self) -> bool {
        let view = self.view();
        let problems = view.state.problems.iter();
        view.state.phase != Phase::Starting
            && !problems
                .into_iter()
                .any(|text| text.starts_with("the journal is not open"))
    }

    /// Asks it for something, and answers whether it says that it will do it.
    pub(crate) async fn ask(&self, action: Action) -> bool {
        let (answer, answered) = oneshot::channel();
        if self.commands.try_send(Command { action, answer }).is_err() {
            return false;
        }
        let answer = tokio::time::timeout(Duration::from_secs(20), answered).await;
        matches!(answer, Ok(Ok(Ok(_))))
    }

    /// Ends it without any chance to do another thing.
    pub(crate) async fn kill(&mut self) {
        self.process.abort();
        let _ = (&mut self.process).await;
    }

    pub(crate) fn has_panicked(&self) -> bool {
        // It only ends by being killed, and nobody asks after that.
        self.process.is_finished()
    }

    pub(crate) fn pause(&self) {
        self.pause.0.lock().unwrap().stopped = true;
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.pause.0.lock().unwrap().stopped
    }

    pub(crate) fn resume(&mut self) {
        let mut state = self.pause.0.lock().unwrap();
        state.stopped = false;
        self.resumed_at = Some(Instant::now());
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }
}

#[derive(Default)]
struct Pause(Mutex<Stopped>);

#[derive(Default)]
struct Stopped {
    stopped: bool,
    waker: Option<Waker>,
}

/// Runs a future except while it is stopped.
async fn pausable(pause: Arc<Pause>, future: impl Future<Output = ()>) {
    let mut future = pin!(future);
    poll_fn(|context| {
        let mut state = pause.0.lock().unwrap();
        if state.stopped {
            state.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        drop(state);
        future.as_mut().poll(context)
    })
    .await;
}
