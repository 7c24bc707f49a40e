//! The placement through a day: what is being copied, and how fast.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use kafka::ids::{BrokerId, TopicPartition};

use super::Side;
use crate::execute::Limits;
use crate::model::{BrokerState, Builder, InvalidModel, Model, PartitionRow};
use crate::plan::{Foresight, Move, Plan, PlanSettings};

/// What comes back within so long of leaving has gone to and fro.
const TO_AND_FRO: Duration = Duration::from_secs(3600);

/// A copy that is being made.
#[derive(Debug)]
struct Copying {
    change: Move,
    left: f64,
}

/// The cluster, and the plan that is being made.
#[derive(Debug)]
pub(super) struct Cluster {
    model: Model,
    limits: Limits,
    waiting: VecDeque<Move>,
    copying: Vec<Copying>,
    /// When a broker last lost a replica or a leadership.
    left: HashMap<(TopicPartition, BrokerId), Duration>,
    now: Duration,
}

impl Cluster {
    pub(super) fn new(start: &Model, limits: Limits) -> Self {
        Self {
            model: start.clone(),
            limits,
            waiting: VecDeque::new(),
            copying: Vec::new(),
            left: HashMap::new(),
            now: Duration::ZERO,
        }
    }

    pub(super) fn model(&self) -> &Model {
        &self.model
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.waiting.is_empty() || !self.copying.is_empty()
    }

    /// Lets these brokers be away and all others back: leaders pass to replicas that are there. Where nothing changes
    /// nothing happens.
    pub(super) fn leave_to(&mut self, away: &[BrokerId]) {
        let is_as_it_was = self.model.brokers().all(|row| {
            let broker = self.model.broker(row);
            (broker.state == BrokerState::Dead) == away.contains(&broker.id)
        });
        if !is_as_it_was {
            self.rebuild(&HashMap::new(), Some(away));
        }
    }

    pub(super) fn start(&mut self, plan: Plan, moment: Duration) {
        self.now = moment;
        self.waiting = plan.moves.into();
    }

    /// Goes on with the plan for one tick, under the load of now and the one that plans are made for.
    pub(super) fn go_on(
        &mut self,
        (current, planned): (&Model, &Model),
        settings: &PlanSettings,
        tick: Duration,
        side: &mut Side,
    ) {
        self.now += tick;
        if !self.is_busy() {
            return;
        }
        let mut done: Vec<Move> = Vec::new();
        self.copy(current, tick, &mut done);
        self.admit(planned, settings, &mut done, side);
        self.book(&done, side);
        let placed = done
            .into_iter()
            .map(|change| (change.partition, change.to))
            .collect::<HashMap<_, _>>();
        if !placed.is_empty() {
            self.rebuild(&placed, None);
        }
    }

    fn burden(&self, broker: BrokerId) -> usize {
        let copies = self.copying.iter();
        copies.filter(|copy| burdens(&copy.change, broker)).count()
    }

    fn copy(&mut self, current: &Model, tick: Duration, done: &mut Vec<Move>) {
        let rates: Vec<f64> = self
            .copying
            .iter()
            .map(|copy| self.rate(current, &copy.change))
            .collect();
        for (copy, rate) in self.copying.iter_mut().zip(rates) {
            copy.left -= rate * tick.as_secs_f64();
        }
        let (finished, going): (Vec<_>, Vec<_>) = self.copying.drain(..).partition(|copy| copy.left <= 0.0);
        self.copying = going;
        done.extend(finished.into_iter().map(|copy| copy.change));
    }

    /// What the brokers of a copy can spare for it.
    fn rate(&self, current: &Model, change: &Move) -> f64 {
        let spare = |broker: BrokerId, receives: bool| {
            let Some(row) = current.find_broker(broker) else {
                return self.limits.throttle_floor as f64;
            };
            let (capacity, load) = (current.broker(row).capacity, current.broker_load(row));
            let spare = match receives {
                true => capacity.bytes_in - load.bytes_in,
                false => capacity.bytes_out - load.bytes_out,
            };
            spare / self.burden(broker).max(1) as f64
        };
        let receives = change.adding().map(|broker| spare(broker, true));
        let sends = change.from_leader.into_iter().map(|broker| spare(broker, false));
        receives
            .chain(sends)
            .fold(f64::INFINITY, f64::min)
            .max(self.limits.throttle_floor as f64)
    }

    fn admit(&mut self, planned: &Model, settings: &PlanSettings, done: &mut Vec<Move>, side: &mut Side) {
        let mut foresight = Foresight::new(planned, settings);
        for copy in &self.copying {
            foresight.take(&copy.change);
        }
        let mut leaderships = 0;
        for change in std::mem::take(&mut self.waiting) {
            if !foresight.still_helps(&change) {
                side.dropped += 1;
            } else if change.is_leadership_only() {
                if leaderships < self.limits.leadership_changes {
                    leaderships += 1;
                    done.push(change);
                } else {
                    self.waiting.push_back(change);
                }
            } else if leaderships > 0 || !self.has_place_for(&change) {
                self.waiting.push_back(change);
            } else {
                self.copying.push(Copying {
                    left: change.bytes as f64,
                    change,
                });
            }
        }
    }

    fn has_place_for(&self, change: &Move) -> bool {
        let mut burdened = change.adding().chain(change.from_leader);
        self.copying.len() < self.limits.moves_per_cluster
            && burdened.all(|broker| self.burden(broker) < self.limits.moves_per_broker)
    }

    fn book(&mut self, done: &[Move], side: &mut Side) {
        for change in done {
            let leader = change.to.first().copied();
            let mut gained: Vec<BrokerId> = change.adding().collect();
            if change.is_leadership_only() {
                side.leadership_changes += 1;
                gained.extend(leader);
            } else {
                side.replica_moves += change.adding().count() as u64;
                side.bytes_copied += change.bytes;
            }
            for broker in gained {
                let left = self.left.get(&(change.partition.clone(), broker));
                let is_back = left.is_some_and(|at| self.now.saturating_sub(*at) < TO_AND_FRO);
                side.oscillations += u64::from(is_back);
            }
            let lost = change
                .removing()
                .chain(change.from_leader.filter(|old| Some(*old) != leader));
            for broker in lost.collect::<Vec<_>>() {
                self.left.insert((change.partition.clone(), broker), self.now);
            }
        }
    }

    /// The model with other replicas for some partitions, or with other brokers away.
    fn rebuild(&mut self, placed: &HashMap<TopicPartition, Vec<BrokerId>>, away: Option<&[BrokerId]>) {
        // What was a model and is one whose replicas are as many brokers that are there makes a model.
        if let Ok(model) = rebuilt(&self.model, placed, away) {
            self.model = model;
        }
    }
}

fn burdens(change: &Move, broker: BrokerId) -> bool {
    change.from_leader == Some(broker) || change.adding().any(|adding| adding == broker)
}

fn rebuilt(
    model: &Model,
    placed: &HashMap<TopicPartition, Vec<BrokerId>>,
    away: Option<&[BrokerId]>,
) -> Result<Model, InvalidModel> {
    let mut builder = Builder::default();
    for row in model.brokers() {
        let mut broker = model.broker(row).clone();
        if let Some(away) = away {
            broker.state = match (away.contains(&broker.id), broker.state) {
                (true, _) => BrokerState::Dead,
                (false, BrokerState::Dead) => BrokerState::Alive,
                (false, state) => state,
            };
        }
        builder.broker(broker);
    }
    let is_away = |broker: &BrokerId| match (away, model.find_broker(*broker)) {
        (Some(away), _) => away.contains(broker),
        (None, row) => row.is_some_and(|row| model.broker(row).state == BrokerState::Dead),
    };
    for row in model.partitions() {
        let topic = model.topic(model.topic_of(row));
        let topic = builder.topic(&topic.name, || topic.clone());
        let name = model.name(row);
        let before = || {
            model
                .replicas(row)
                .iter()
                .map(|&broker| model.broker(broker).id)
                .collect()
        };
        let replicas: Vec<BrokerId> = placed.get(&name).cloned().unwrap_or_else(before);
        let old = model.leader(row).map(|broker| model.broker(broker).id);
        let stays = old.filter(|old| !placed.contains_key(&name) && replicas.contains(old) && !is_away(old));
        let leader = stays.or_else(|| replicas.iter().copied().find(|broker| !is_away(broker)));
        builder.partition(&PartitionRow {
            topic,
            number: name.partition,
            leader,
            replicas: &replicas,
            lagging: &[],
            load: *model.load(row),
            immovable: leader.is_none(),
        })?;
    }
    builder.build()
}
