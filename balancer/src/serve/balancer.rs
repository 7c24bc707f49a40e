//! One tick after another: look, detect, execute, plan, show.

mod acting;
mod ordering;
mod planning;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kafka::error::with_causes;
use kafka::{Cluster, CompactedLog, TopicPartition};
use sidecar::clock::Clock;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::guidance::guidance;
use super::show::{self, Picture};
use super::waits;
use crate::action::Command;
use crate::api::view::View;
use crate::config::Config;
use crate::detect::{Detection, Detector};
use crate::execute::{ExecuteError, Executor, Limits, Pacer};
use crate::journal::{JournalError, Timestamp};
use crate::model::Model;
use crate::observe::{Observation, Observer, ReportSource, Standing};
use crate::occasion::Away;
use crate::plan::{Plan, PlanSettings};

/// While a plan is made, the executor looks so many times a tick how far it is.
const STEPS: u32 = 5;

/// So many ticks after its end the imbalance that a plan has left is measured: load follows its partitions at once, but
/// rates are means over some seconds.
const MEASURED_AFTER: u32 = 3;

/// The loop and all that it remembers.
pub struct Balancer<C, L: CompactedLog, R> {
    config: Config,
    clock: Clock,
    cluster: C,
    log: L,
    observer: Observer<C, R>,
    detector: Detector,
    away: Away,
    pacer: Pacer,
    hands: Hands<C, L>,
    last: Option<Looked>,
    rebalance_asked: bool,
    suggestion: Option<Plan>,
    problems: Vec<String>,
    certificate: Option<watch::Receiver<Option<String>>>,
    publish: watch::Sender<Arc<View>>,
}

/// What the last look found.
struct Looked {
    observation: Observation,
    detection: Detection,
    /// The model under the fast rates: what is carried now.
    current: Model,
    /// The model under the load to plan for.
    planned: Model,
}

/// What acts, as far as it may.
enum Hands<C, L: CompactedLog> {
    /// The journal could not be opened yet.
    Opening {
        /// Why not.
        reason: String,
    },
    /// This balancer is the one that acts.
    Open(Box<Executor<C, L>>),
    /// Another one has taken over. Opening the journal again would fence that one in turn, so this one only watches.
    Fenced,
}

impl<C: Cluster + Clone, L: CompactedLog, R: ReportSource> Balancer<C, L, R> {
    /// A balancer of what `observer` looks at, which must be `cluster`. What it finds and does goes to `publish`.
    pub fn new(
        config: &Config,
        cluster: C,
        observer: Observer<C, R>,
        log: L,
        publish: watch::Sender<Arc<View>>,
        clock: Clock,
    ) -> Self {
        Self {
            clock,
            observer,
            detector: Detector::new(config.heat.detect()),
            away: Away::default(),
            pacer: Pacer::default(),
            hands: Hands::Opening {
                reason: "not tried yet".to_owned(),
            },
            last: None,
            rebalance_asked: false,
            suggestion: None,
            problems: Vec::new(),
            certificate: None,
            publish,
            cluster,
            log,
            config: config.clone(),
        }
    }

    /// The same, which tells of what is wrong with the API's certificate too.
    #[must_use]
    pub fn telling(self, certificate: Option<watch::Receiver<Option<String>>>) -> Self {
        Self { certificate, ..self }
    }

    /// Runs until `stop`. What is being copied goes on in Kafka; the next balancer finds it in the journal.
    pub async fn run(mut self, mut actions: mpsc::Receiver<Command>, stop: CancellationToken) {
        let mut next = tokio::time::Instant::now();
        loop {
            let step = tokio::time::Instant::now() + self.config.tick / STEPS;
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                command = actions.recv() => match command {
                    // An action shows at once in what it changes, so a whole tick follows it.
                    Some(command) => {
                        let answer = self.act(command.action).await;
                        if command.answer.send(answer).is_err() {
                            tracing::debug!("Whoever asked for the action has gone.");
                        }
                        next = tokio::time::Instant::now();
                    }
                    None => return,
                },
                () = tokio::time::sleep_until(step), if step < next && self.is_executing() => {
                    let execution = self.execute_and_show();
                    if stop.run_until_cancelled(execution).await.is_none() {
                        return;
                    }
                }
                () = tokio::time::sleep_until(next) => {
                    let tick = self.tick();
                    if stop.run_until_cancelled(tick).await.is_none() {
                        return;
                    }
                    let period = self.config.tick;
                    next = tokio::time::Instant::now() + self.clock.until_multiple(period, period / 5);
                }
            }
        }
    }

    async fn tick(&mut self) {
        let started = self.clock.now();
        self.problems.clear();
        self.open_journal().await;
        let standing = self.standing();
        let clock = self.clock;
        let seen = match self.observer.look(&standing, clock).await {
            Ok(observation) => {
                let model = &observation.sight.model;
                let detection = self.detector.tick(model, clock.now());
                self.away.see(model, clock.now());
                self.last = Some(Looked {
                    current: self.detector.current_model(model),
                    planned: self.detector.planning_model(model),
                    observation,
                    detection,
                });
                self.pace();
                self.execute().await;
                self.measure().await;
                self.plan().await;
                true
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "The cluster cannot be seen."
                );
                self.problems.push(with_causes(&error));
                false
            }
        };
        let took = self.clock.now() - started;
        self.show(took);
        crate::metrics::count_tick(seen, took);
    }

    fn timestamp(&self) -> Timestamp {
        Timestamp(self.clock.unix_ms())
    }

    async fn open_journal(&mut self) {
        if !matches!(self.hands, Hands::Opening { .. }) {
            return;
        }
        let limits = Limits::from(&self.config.execute);
        let (cluster, configured, now) = (self.cluster.clone(), self.config.mode, self.timestamp());
        let opened = Executor::open(cluster, &self.log, limits, configured, now).await;
        self.hands = match opened {
            Ok(executor) => {
                tracing::info!(mode = ?executor.mode(), "The journal is open; this balancer is the one that acts.");
                for skipped in executor.skipped_records() {
                    tracing::warn!(%skipped, "A record of the journal was left alone.");
                }
                Hands::Open(Box::new(executor))
            }
            Err(ExecuteError::Fenced) => Hands::Fenced,
            Err(error) => {
                let reason = with_causes(&error);
                tracing::warn!(%reason, "The journal cannot be opened; trying again with the next tick.");
                Hands::Opening { reason }
            }
        };
    }

    fn standing(&self) -> Standing {
        let Hands::Open(executor) = &self.hands else {
            return Standing::default();
        };
        Standing {
            draining: executor.drains().keys().copied().collect(),
            own: executor.own_partitions(),
        }
    }

    fn is_executing(&self) -> bool {
        matches!(&self.hands, Hands::Open(executor) if executor.is_busy())
    }

    /// Goes on between two looks, by what the last one saw: a small copy is over long before the next look.
    async fn execute_and_show(&mut self) {
        self.execute().await;
        let status = match &self.hands {
            Hands::Open(executor) => executor.status(),
            Hands::Opening { .. } | Hands::Fenced => return,
        };
        let view = show::progress(&self.publish.borrow(), &status);
        crate::metrics::show_acting(Some(&status.throttles));
        self.hand_out(view);
    }

    /// Sees how producers and consumers do under the copies that are being made.
    fn pace(&mut self) {
        let Some(looked) = &self.last else { return };
        let moving = match &self.hands {
            Hands::Open(executor) => executor.moving(),
            Hands::Opening { .. } | Hands::Fenced => None,
        };
        let copies = moving.into_iter().flat_map(|(_, moves)| moves);
        let copying = copies.filter(|progress| progress.is_copying());
        let brokers = copying.flat_map(|progress| {
            let change = &progress.change;
            change.from_leader.into_iter().chain(change.adding())
        });
        let totals = &looked.observation.sight.totals;
        self.pacer.look(&looked.current, totals, &brokers.collect());
        crate::metrics::show_paces(&self.pacer);
        self.problems.extend(self.pacer.slowed_down());
    }

    async fn execute(&mut self) {
        let now = self.timestamp();
        let (Hands::Open(executor), Some(looked)) = (&mut self.hands, &self.last) else {
            return;
        };
        let settings = settings(&self.config, BTreeSet::new());
        let moving = executor.moving();
        let guidance = guidance(
            self.pacer.headroom(&looked.current),
            &looked.current,
            &looked.planned,
            &looked.observation.reports,
            moving,
            &settings,
        );
        match executor.tick(&guidance, now).await {
            Ok(report) => {
                for (partition, outcome) in &report.ended {
                    tracing::info!(%partition, ?outcome, "A move has ended.");
                }
                for plan in &report.finished {
                    tracing::info!(%plan, "The plan is over.");
                }
                for topic in &report.replicated {
                    tracing::info!(%topic, "Nothing is to be done about the topic's replicas any more.");
                }
                crate::metrics::count_execution(&report, show::outcome_name);
                report
                    .problems
                    .into_iter()
                    .for_each(|problem| self.note_problem(problem));
            }
            Err(error) => self.note_failure(error),
        }
    }

    /// Writes down what the plan that ended last has brought about, as soon as it shows.
    async fn measure(&mut self) {
        let now = self.timestamp();
        let (Hands::Open(executor), Some(looked)) = (&mut self.hands, &self.last) else {
            return;
        };
        let imbalance = looked.planned.imbalance().into();
        let after = self.config.tick * MEASURED_AFTER;
        if let Err(error) = executor.measure(imbalance, after, now).await {
            self.note_failure(error);
        }
    }

    fn note_failure(&mut self, error: ExecuteError) {
        if matches!(error, ExecuteError::Fenced) {
            tracing::error!("Another balancer has taken over; this one only watches from now on.");
            self.hands = Hands::Fenced;
            return;
        }
        let problem = with_causes(&error);
        if matches!(error, ExecuteError::Journal(JournalError::Closed(_))) {
            tracing::warn!(%problem, "The journal is opened again with the next tick.");
            self.hands = Hands::Opening { reason: problem };
        } else {
            tracing::warn!(%problem, "Nothing could be executed in this tick.");
            self.note_problem(problem);
        }
    }

    /// Several looks of the executor between two of the cluster may find the same problem.
    fn note_problem(&mut self, problem: String) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn show(&self, took: Duration) {
        let status = match &self.hands {
            Hands::Open(executor) => Some(executor.status()),
            Hands::Opening { .. } | Hands::Fenced => None,
        };
        let mut problems = self.problems.clone();
        match &self.hands {
            Hands::Opening { reason } => problems.push(format!("the journal is not open: {reason}")),
            Hands::Fenced => {
                problems.push("another balancer has taken over; this one only watches".to_owned())
            }
            Hands::Open(_) => {}
        }
        problems.extend(
            status
                .iter()
                .flat_map(|status| waits::of_execution(status, self.timestamp())),
        );
        problems.extend(self.certificate.iter().filter_map(|trouble| {
            let reason = trouble.borrow().clone()?;
            Some(format!(
                "the API goes on with its last certificate, since the files of `tls` cannot be used: {reason}"
            ))
        }));
        if let Some(looked) = &self.last {
            crate::metrics::show_leaders(&looked.current);
        }
        crate::metrics::show_acting(status.as_ref().map(|status| &status.throttles));
        let before = Arc::clone(&self.publish.borrow());
        let view = match &self.last {
            None => show::blind(&before, problems),
            Some(looked) => show::view(&Picture {
                observation: &looked.observation,
                current: &looked.current,
                detection: &looked.detection,
                heat: &self.config.heat,
                status: status.as_ref(),
                suggestion: self.suggestion.as_ref(),
                limits: &Limits::from(&self.config.execute),
                fenced: matches!(self.hands, Hands::Fenced),
                now_ms: self.clock.unix_ms(),
                took,
                problems,
            }),
        };
        self.hand_out(view);
    }

    /// Metrics go with every view: series that a view ends are those of the view before it.
    fn hand_out(&self, view: View) {
        crate::metrics::show(&self.publish.borrow(), &view);
        self.publish.send_replace(Arc::new(view));
    }
}

fn settings(config: &Config, cooling_down: BTreeSet<TopicPartition>) -> PlanSettings {
    PlanSettings {
        cooling_down: cooling_down.into_iter().collect(),
        disk_reserve: config.execute.disk_reserve.bytes(),
        ..config.heat.plan(&config.plan)
    }
}
