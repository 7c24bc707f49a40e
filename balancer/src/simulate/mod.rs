//! A day in a few minutes: the load of a day, generated or recorded, through detection and planning, and what comes of it.
//!
//! Nothing is real here but detection and the planner. Copies go at what brokers have to spare; whatever Kafka itself
//! could do wrong is left out.

mod cluster;
mod day;
mod recording;
mod report;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use kafka::ids::{BrokerId, TopicPartition};

pub use day::{Day, Events};
pub use recording::{Recording, RecordingError};
pub use report::{Report, Side};

use crate::detect::{DetectSettings, Detection, Detector};
use crate::execute::Limits;
use crate::model::{Model, Resource};
use crate::occasion::{Away, due, in_line, of_states};
use crate::plan::{PlanRequest, PlanSettings, Purpose, plan};
use cluster::Cluster;

/// How a day is simulated.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long it lasts.
    pub length: Duration,
    /// The time from look to look.
    pub tick: Duration,
    /// When something is hot.
    pub detect: DetectSettings,
    /// What a good placement is.
    pub plan: PlanSettings,
    /// How much happens at a time.
    pub limits: Limits,
}

/// Where the load of each moment comes from.
pub trait Source {
    /// Why there is none.
    type Error;

    /// The cluster as it is placed in `placed` under the load of a moment since the start. Brokers that are away then are
    /// dead.
    ///
    /// # Errors
    ///
    /// The source's own.
    fn at(&mut self, placed: &Model, moment: Duration) -> Result<Model, Self::Error>;

    /// The brokers that are away at a moment.
    fn away(&self, moment: Duration) -> Vec<BrokerId>;
}

/// Lives through a day twice, once with the balancer and once without. `progress` hears which part of the work is done.
///
/// # Errors
///
/// Those of the sources, which have to be equal.
pub fn simulate<S: Source>(
    start: &Model,
    (balanced, left_alone): (S, S),
    settings: &Settings,
    mut progress: impl FnMut(f64),
) -> Result<Report, S::Error> {
    let mut with = Life::new(start, balanced, settings, true);
    let mut without = Life::new(start, left_alone, settings, false);
    let ticks = settings.length.as_nanos() / settings.tick.as_nanos().max(1);
    let mut moment = Duration::ZERO;
    for tick in 0..ticks {
        moment += settings.tick;
        with.live(moment)?;
        without.live(moment)?;
        progress((tick + 1) as f64 / ticks as f64);
    }
    Ok(Report {
        length: moment,
        balanced: with.side,
        left_alone: without.side,
    })
}

/// One cluster through the day.
struct Life<'a, S> {
    settings: &'a Settings,
    source: S,
    acts: bool,
    cluster: Cluster,
    detector: Detector,
    away: Away,
    moved: HashMap<TopicPartition, Duration>,
    side: Side,
    was_hot: bool,
}

impl<'a, S: Source> Life<'a, S> {
    fn new(start: &Model, source: S, settings: &'a Settings, acts: bool) -> Self {
        Self {
            cluster: Cluster::new(start, settings.limits.clone()),
            detector: Detector::new(settings.detect.clone()),
            away: Away::default(),
            moved: HashMap::new(),
            side: Side::default(),
            was_hot: false,
            settings,
            source,
            acts,
        }
    }

    fn live(&mut self, moment: Duration) -> Result<(), S::Error> {
        let away = self.source.away(moment);
        self.cluster.leave_to(&away);
        let seen = self.source.at(self.cluster.model(), moment)?;
        self.away.see(&seen, moment);
        self.watch(&seen);
        let detection = self.detector.tick(&seen, moment);
        if self.acts {
            self.side.episodes += u32::from(!self.was_hot && !detection.brokers.is_empty());
            self.was_hot = !detection.brokers.is_empty();
            let current = self.detector.current_model(&seen);
            let planned = self.detector.planning_model(&seen);
            let (plan, tick) = (&self.settings.plan, self.settings.tick);
            self.cluster
                .go_on((&current, &planned), plan, tick, &mut self.side);
            if !self.cluster.is_busy() {
                self.plan(&planned, &detection, moment);
            }
        }
        Ok(())
    }

    /// Counts for how long brokers are beyond the threshold, by the true load.
    fn watch(&mut self, seen: &Model) {
        let (mean, seconds) = (seen.mean_utilisation(), self.settings.tick.as_secs_f64());
        for row in seen.brokers() {
            let broker = seen.broker(row);
            if !broker.counts() {
                continue;
            }
            let utilisation = seen.utilisation(row);
            for r in Resource::ALL {
                let limit = mean[r] * (1.0 + self.settings.detect.threshold);
                if utilisation[r] > limit.max(self.settings.detect.floor[r]) {
                    self.side.violation_seconds[r] += seconds;
                    self.side.excess_seconds[r] += seconds * (utilisation[r] / mean[r] - 1.0);
                }
            }
        }
    }

    fn plan(&mut self, model: &Model, detection: &Detection, moment: Duration) {
        let limits = &self.settings.limits;
        let grace = Duration::from_secs(limits.broker_grace_seconds);
        let away = (&self.away, grace, moment);
        let is_hot = !detection.brokers.is_empty();
        let due = due(of_states(model, away), false, is_hot);
        let cool_down = Duration::from_secs(limits.cool_down_seconds);
        self.moved.retain(|_, at| moment.saturating_sub(*at) < cool_down);
        let try_for = |purpose| {
            let is_heat = purpose == Purpose::Cool;
            plan(&PlanRequest {
                model,
                purpose,
                settings: PlanSettings {
                    hot_for: is_heat.then(|| detection.hot_for()),
                    cooling_down: self.moved.keys().cloned().collect(),
                    ..self.settings.plan.clone()
                },
            })
        };
        let line = in_line(model, &BTreeMap::new(), due, is_hot, None);
        let mut made = line.into_iter().map(try_for);
        let Some(made) = made.find(|made| !made.moves.is_empty()) else {
            return;
        };
        self.side.plans += 1;
        self.side.bytes_lower_bound += made.bytes_lower_bound;
        for change in &made.moves {
            self.moved.insert(change.partition.clone(), moment);
        }
        self.cluster.start(made, moment);
    }
}
