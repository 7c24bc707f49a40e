//! A generated day: ramps, bursts, shifts, growth and the loss of a broker.

use std::convert::Infallible;
use std::f64::consts::TAU;
use std::time::Duration;

use kafka::ids::BrokerId;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::Source;
use crate::model::{Model, PartitionIndex, PartitionLoad};

/// What happens on a generated day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Events {
    /// Each topic's load swings by so much of itself over the day, each at its own time.
    pub ramp: f64,
    /// So many times a partition gets several times its load for 10 s to 2 min.
    pub bursts: u32,
    /// So many times a partition gets several times its load for one to four hours.
    pub shifts: u32,
    /// By so much of itself all load grows over the day.
    pub growth: f64,
    /// Whether a broker is lost for half an hour.
    pub broker_loss: bool,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            ramp: 0.4,
            bursts: 48,
            shifts: 8,
            growth: 0.2,
            broker_loss: true,
        }
    }
}

/// A partition that gets `factor` times its load for a while.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Surge {
    partition: PartitionIndex,
    from: Duration,
    to: Duration,
    factor: f64,
}

/// A generated day. The same cluster, events and seed make the same day.
#[derive(Debug, Clone)]
pub struct Day {
    length: Duration,
    events: Events,
    /// Where in its swing each topic starts, in turns.
    phases: Vec<f64>,
    surges: Vec<Surge>,
    loss: Option<(BrokerId, Duration, Duration)>,
    base: Vec<PartitionLoad>,
}

impl Day {
    /// How long a lost broker is away.
    const AWAY: Duration = Duration::from_secs(1800);

    /// Makes a day for a cluster, whose own load is the usual one.
    pub fn new(model: &Model, events: Events, length: Duration, seed: u64) -> Self {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let phases = model.topics().map(|_| random.random_range(0.0..1.0)).collect();
        let mut surges = Vec::new();
        for (count, seconds, factors) in [
            (events.bursts, 10.0..120.0, 3.0..10.0),
            (events.shifts, 3600.0..14_400.0, 2.0..5.0),
        ] {
            for _ in 0..if model.partitions().len() == 0 { 0 } else { count } {
                let from = length.mul_f64(random.random_range(0.02..0.98));
                surges.push(Surge {
                    partition: busy(model, &mut random),
                    from,
                    to: from + Duration::from_secs_f64(random.random_range(seconds.clone())),
                    factor: random.random_range(factors.clone()),
                });
            }
        }
        let brokers: Vec<BrokerId> = model.brokers().map(|row| model.broker(row).id).collect();
        let loss = (events.broker_loss && brokers.len() > 3).then(|| {
            let from = length.mul_f64(random.random_range(0.3..0.7));
            let broker = brokers[random.random_range(0..brokers.len())];
            (broker, from, from + Self::AWAY)
        });
        Self {
            length,
            events,
            phases,
            surges,
            loss,
            base: model.partitions().map(|row| *model.load(row)).collect(),
        }
    }
}

/// A partition among the busier half of a few that are drawn.
fn busy(model: &Model, random: &mut Pcg64Mcg) -> PartitionIndex {
    let count = model.partitions().len() as u32;
    let draws = (0..4).map(|_| PartitionIndex(random.random_range(0..count)));
    let busiest = draws.max_by(|&a, &b| model.load(a).bytes_in.total_cmp(&model.load(b).bytes_in));
    busiest.unwrap_or(PartitionIndex(0))
}

impl Source for Day {
    type Error = Infallible;

    fn at(&mut self, placed: &Model, moment: Duration) -> Result<Model, Infallible> {
        let part = moment.as_secs_f64() / self.length.as_secs_f64().max(1.0);
        let growth = 1.0 + self.events.growth * part;
        let swing = |phase: &f64| growth * (1.0 + self.events.ramp * (TAU * (part + phase)).sin());
        let factors: Vec<f64> = self.phases.iter().map(swing).collect();
        let surging: Vec<&Surge> = self
            .surges
            .iter()
            .filter(|surge| (surge.from..surge.to).contains(&moment))
            .collect();
        Ok(placed.with_loads(|row| {
            let surge = surging.iter().filter(|surge| surge.partition == row);
            let factor = surge.fold(factors[placed.topic_of(row).get()], |factor, surge| {
                factor * surge.factor
            });
            let base = self.base[row.get()];
            PartitionLoad {
                bytes_in: base.bytes_in * factor,
                bytes_out: base.bytes_out * factor,
                // Logs follow the load by days.
                disk: base.disk * growth,
                cpu_leader: base.cpu_leader * factor,
                cpu_follower: base.cpu_follower * factor,
            }
        }))
    }

    fn away(&self, moment: Duration) -> Vec<BrokerId> {
        let lost = self.loss.filter(|(_, from, to)| (*from..*to).contains(&moment));
        lost.map(|(broker, ..)| broker).into_iter().collect()
    }
}
