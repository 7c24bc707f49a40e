//! What happens: balance, the shift, what the balancer makes of it, and calm again.

use std::time::{Duration, SystemTime};

use balancer::api::view::ResourceFigures;
use e2e::stack::StackError;
use hdrhistogram::Histogram;
use kafka::{Cluster, ClusterError};
use load::{Load, LoadError, PartitionRate};
use sidecar::report::LoadReport;
use thiserror::Error;
use tokio::time::{Instant, interval};

use crate::display::{Pulse, Screen};
use crate::scene::Scene;
use crate::sight::{Sight, now_ms};
use crate::truth::{RateErrors, Traffic, counted, placed};
use crate::watch::{BALANCED, Named, Watch};
use crate::workload::Workload;

/// How often everything is asked.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// What the shown latencies and rates are over.
const PULSE: Duration = Duration::from_secs(2);
/// Calm must last so long to be called calm; then the clients' own rates over that time are judged too.
const CALM: Duration = Duration::from_secs(10);
/// How long the start may take to look balanced to the balancer, whose rates need some samples.
const BALANCED_WITHIN: Duration = Duration::from_secs(60);

/// What broke the story off.
#[derive(Debug, Error)]
pub(crate) enum StoryError {
    /// The balancer or a sidecar does not answer.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The load failed.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Kafka does not say where its partitions are.
    #[error("Kafka cannot be asked where its partitions are")]
    Kafka(#[from] ClusterError),
}

/// What was measured of the load and of the balance at one time.
#[derive(Debug, Clone)]
pub(crate) struct Balance {
    /// What the balancer says.
    pub(crate) reported: ResourceFigures,
    /// What follows from the clients' own counts and Kafka's metadata.
    pub(crate) counted: Traffic,
}

/// The time before the shift.
#[derive(Debug)]
pub(crate) struct WarmUp {
    pub(crate) balance: Balance,
    /// Latencies in microseconds.
    pub(crate) latencies: Histogram<u64>,
    /// Whether the balancer found something hot or planned although all was balanced.
    pub(crate) was_calm: bool,
}

/// The time from the shift until all is calm.
#[derive(Debug)]
pub(crate) struct Cooling {
    /// When the load was shifted, in milliseconds since the Unix epoch, as all times here.
    pub(crate) shifted_ms: u64,
    pub(crate) named: Option<Named>,
    /// When the first change was sent to Kafka.
    pub(crate) first_change_ms: Option<u64>,
    /// When calm began that lasted.
    pub(crate) settled_ms: Option<u64>,
    /// Balance before the first change.
    pub(crate) hot: Balance,
    /// Latencies in microseconds until it settled.
    pub(crate) latencies: Histogram<u64>,
    /// The last look.
    pub(crate) end: Sight,
    /// Balance at the end.
    pub(crate) after: Balance,
}

/// The story while it goes on.
pub(crate) struct Story<'a> {
    pub(crate) scene: &'a Scene,
    pub(crate) load: &'a Load,
    pub(crate) workload: &'a Workload,
    pub(crate) screen: &'a mut Screen,
    pub(crate) errors: RateErrors,
    pulse: Pulse,
    pulse_since: (Instant, Histogram<u64>),
}

impl<'a> Story<'a> {
    pub(crate) fn new(
        scene: &'a Scene,
        load: &'a Load,
        workload: &'a Workload,
        screen: &'a mut Screen,
    ) -> Result<Self, StoryError> {
        Ok(Self {
            scene,
            load,
            workload,
            screen,
            errors: RateErrors::default(),
            pulse: Pulse::default(),
            pulse_since: (Instant::now(), load.histogram()?),
        })
    }

    /// Lets the load run for `time` and until the balancer sees it as balanced.
    pub(crate) async fn warm_up(&mut self, time: Duration) -> Result<WarmUp, StoryError> {
        let floor = self.scene.stack.config.heat.floor;
        let (start, before) = (Instant::now(), self.load.histogram()?);
        let mut looks = interval(LOOK_EVERY);
        let mut was_calm = true;
        loop {
            looks.tick().await;
            let sight = self.look("warming up, balanced").await?;
            was_calm &= sight.is_calm();
            let balanced = sight.is_calm() && sight.worst_imbalance(&floor) <= BALANCED;
            if start.elapsed() >= time && (balanced || start.elapsed() >= time + BALANCED_WITHIN) {
                return Ok(WarmUp {
                    balance: self.balance(&sight).await?,
                    latencies: since(&self.load.histogram()?, &before),
                    was_calm,
                });
            }
        }
    }

    /// Shifts the load and watches until all is calm, or patience ends.
    pub(crate) async fn heat_up_and_cool(&mut self, patience: Duration) -> Result<Cooling, StoryError> {
        let (topic, partition) = &self.workload.hot;
        let before = self.load.histogram()?;
        let counted = self.traffic(&self.workload.shifted()).await?;
        let (start, shifted_ms) = (Instant::now(), now_ms());
        self.load.shift(&self.workload.shift)?;
        let factor = self.workload.shift.factor;
        self.screen.say(&format!(
            "{topic}-{partition} takes {factor} times its load from now on"
        ));

        let floor = self.scene.stack.config.heat.floor;
        let mut watch = Watch::new(self.workload.hot.clone(), shifted_ms, floor);
        let mut calm_since = None;
        let mut looks = interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            let sight = self.look(&watch.headline()).await?;
            for event in watch.note(&sight) {
                self.screen.say(&event);
            }
            calm_since = match watch.settled_ms {
                Some(_) => calm_since.or(Some((Instant::now(), self.load.histogram()?))),
                None => None,
            };
            let has_lasted = calm_since
                .as_ref()
                .is_some_and(|(since, _)| since.elapsed() >= CALM);
            if has_lasted || start.elapsed() >= patience {
                let until = match calm_since {
                    Some((_, histogram)) => histogram,
                    None => self.load.histogram()?,
                };
                return Ok(Cooling {
                    shifted_ms,
                    hot: Balance {
                        reported: watch.imbalance_before,
                        counted,
                    },
                    named: watch.named,
                    first_change_ms: watch.first_change_ms,
                    settled_ms: watch.settled_ms.filter(|_| has_lasted),
                    latencies: since(&until, &before),
                    after: self.balance(&sight).await?,
                    end: sight,
                });
            }
        }
    }

    /// Asks balancer and sidecars, and shows it.
    async fn look(&mut self, headline: &str) -> Result<Sight, StoryError> {
        let sight = Sight::take(&self.scene.stack.balancer).await?;
        for sidecar in self.scene.stack.sidecars.values() {
            // A sidecar that has no report, as on a machine too busy to sample in time, has no rates to judge.
            let report = sidecar.get::<LoadReport>("/v1/load").await.ok();
            if let Some(report) = report.filter(|report| report.check().is_ok()) {
                self.errors.observe(self.load, &report);
            }
        }
        let (since_when, histogram) = &self.pulse_since;
        if since_when.elapsed() >= PULSE {
            let now = self.load.histogram()?;
            self.pulse = self.feel(&since(&now, histogram));
            self.pulse_since = (Instant::now(), now);
        }
        self.screen.show(headline, &sight, &self.pulse);
        Ok(sight)
    }

    fn feel(&self, latencies: &Histogram<u64>) -> Pulse {
        let now = SystemTime::now();
        let rates = counted(self.load, &self.workload.rates, now - PULSE, now);
        Pulse {
            p50_ms: milliseconds(latencies, 0.5),
            p99_ms: milliseconds(latencies, 0.99),
            bytes_per_second: rates.iter().map(|rate| rate.bytes_per_second).sum(),
            acknowledged: self.load.acknowledged(),
        }
    }

    /// The balance of now, by the rates of the last seconds.
    async fn balance(&self, sight: &Sight) -> Result<Balance, StoryError> {
        let now = SystemTime::now();
        let rates = counted(self.load, &self.workload.rates, now - CALM, now);
        Ok(Balance {
            reported: sight.state.imbalance,
            counted: self.traffic(&rates).await?,
        })
    }

    /// What the brokers carry at these rates, where the partitions are now.
    async fn traffic(&self, rates: &[PartitionRate]) -> Result<Traffic, StoryError> {
        let placed = placed(&self.scene.control.describe().await?);
        Ok(Traffic::of(rates, &placed, |topic| {
            self.workload.sent_by_leader(topic)
        }))
    }
}

/// What came between two histograms of the same load.
fn since(now: &Histogram<u64>, before: &Histogram<u64>) -> Histogram<u64> {
    let mut between = now.clone();
    // The later one has all that the earlier one has, so that this cannot fail.
    let _ = between.subtract(before);
    between
}

/// A quantile of latencies in microseconds, in milliseconds.
pub(crate) fn milliseconds(latencies: &Histogram<u64>, quantile: f64) -> f64 {
    latencies.value_at_quantile(quantile) as f64 / 1e3
}
