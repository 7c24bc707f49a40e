//! Seeded schedules of faults and interference. Whatever happens, every move ends by name, nothing of ours stays,
//! nothing of others is touched.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka::Cluster;
use kafka::cluster::{ConfigChange, ConfigResource};
use kafka::ids::{BrokerId, TopicPartition};
use kafka::simulated::{Cause, Fault};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg32;

use super::story::{Configs, Story, set};
use super::{a_plan, broker, brokers, partition, topic};
use crate::execute::{ExecuteError, Executor, Guidance, Headroom};
use crate::journal::{Direction, Mode, StopHow};
use crate::plan::Move;

const BROKERS: i32 = 6;
const SEEDS: u64 = 300;

/// Ticks during which things go wrong; later they may settle.
const TROUBLED_TICKS: usize = 40;
const QUIET_TICKS: usize = 600;

struct Schedule {
    random: Pcg32,
    story: Story,
    /// What dynamic configuration there has to be in the end.
    expected: Configs,
    /// Where partitions were when they were planned to move.
    planned_from: BTreeMap<TopicPartition, Vec<BrokerId>>,
    /// Where others have put partitions.
    others: BTreeMap<TopicPartition, Vec<BrokerId>>,
    down: Option<BrokerId>,
}

#[test]
fn whatever_goes_wrong_every_move_ends_by_name_and_nothing_is_left() {
    let mut failures = Vec::new();
    for seed in 0..SEEDS {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let outcome = runtime.block_on(async { Schedule::new(seed).await.run().await });
        if let Err(why) = outcome {
            failures.push(format!("seed {seed}: {why}"));
        }
    }
    assert!(
        failures.is_empty(),
        "{} fail:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

impl Schedule {
    async fn new(seed: u64) -> Self {
        let mut random = Pcg32::seed_from_u64(seed);
        let story = Story::with_brokers(BROKERS).await;
        for (name, count, replication, min_in_sync) in [("a", 5, 3, 2), ("b", 4, 2, 1), ("c", 2, 3, 2)] {
            let assignments: Vec<_> = (0..count).map(|_| pick(&mut random, replication)).collect();
            story.topic(name, &assignments, min_in_sync).await;
            for number in 0..count {
                let bytes = f64::from(random.random_range(0..400_000_000));
                story.cluster.produce(&partition(name, number), bytes).unwrap();
                let rate = f64::from(random.random_range(0..1_000_000));
                story.cluster.produce_at(&partition(name, number), rate).unwrap();
            }
        }
        if random.random_bool(0.3) {
            let rate = Direction::Leader.rate();
            story
                .alter(ConfigResource::Broker(broker(1)), set(rate, "31415926"))
                .await;
        }
        if random.random_bool(0.2) {
            let list = Direction::Follower.replicas();
            story
                .alter(ConfigResource::Topic(topic("a")), set(list, ""))
                .await;
        }
        let expected = story.configs().await;
        Self {
            random,
            story,
            expected,
            planned_from: BTreeMap::new(),
            others: BTreeMap::new(),
            down: None,
        }
    }

    async fn run(mut self) -> Result<(), String> {
        let moves = self.moves().await;
        let from = moves
            .iter()
            .map(|planned| (planned.partition.clone(), planned.from.clone()));
        self.planned_from = from.collect();
        let plan = a_plan(moves);
        let now = self.story.now();
        self.story
            .executor
            .start(plan, now)
            .await
            .map_err(|e| e.to_string())?;
        for _ in 0..TROUBLED_TICKS {
            self.trouble().await;
            self.disturb_requests();
            let guidance = self.guidance();
            self.tick_or_crash(&guidance).await?;
            self.calm_requests();
        }
        if let Some(down) = self.down.take() {
            self.story.cluster.start_broker(down);
        }
        let now = self.story.now();
        // It may not be paused.
        let _ = self.story.executor.resume(now).await;
        for _ in 0..QUIET_TICKS {
            let now = self.story.now();
            let guidance = self.guidance();
            let ticked = self.story.executor.tick(&guidance, now).await;
            ticked.map_err(|error| format!("a quiet tick fails: {error}"))?;
            tokio::time::advance(Duration::from_secs(5)).await;
            let status = self.story.executor.status();
            if status.plan.is_none()
                && status.throttles.rates.is_empty()
                && status.throttles.replicas.is_empty()
            {
                return self.judge().await;
            }
        }
        Err(format!("never at rest: {:#?}", self.story.executor.status()))
    }

    async fn moves(&mut self) -> Vec<Move> {
        let mut moves = Vec::new();
        for (name, count) in [("a", 5), ("b", 4)] {
            for number in 0..count {
                let of = partition(name, number);
                let mut to = self.story.see(&of).await.unwrap().replicas;
                if self.random.random_bool(0.3) {
                    to.rotate_left(1);
                } else {
                    let free: Vec<_> = (0..BROKERS).map(broker).filter(|b| !to.contains(b)).collect();
                    let place = self.random.random_range(0..to.len());
                    to[place] = free[self.random.random_range(0..free.len())];
                    if self.random.random_bool(0.3) {
                        to.rotate_left(1);
                    }
                }
                moves.push(self.story.plan_move(&of, &to, 200_000_000).await);
            }
        }
        moves.sort_by_key(|planned| !planned.is_leadership_only());
        moves
    }

    fn guidance(&mut self) -> Guidance {
        let mut guidance = Guidance::default();
        for id in (0..BROKERS).map(broker) {
            let spare = Headroom {
                send: f64::from(self.random.random_range(0..50_000_000)),
                receive: f64::from(self.random.random_range(0..50_000_000)),
            };
            guidance.headroom.insert(id, spare);
            if self.random.random_bool(0.01) {
                guidance.usable_bytes.insert(id, 0);
            }
        }
        if self.random.random_bool(0.05) {
            let of = partition("a", self.random.random_range(0..5));
            guidance.useless.insert(of, "its broker has cooled".to_owned());
        }
        guidance
    }

    /// One of the things that happen in a cluster.
    async fn trouble(&mut self) {
        match self.random.random_range(0..60) {
            0 if self.down.is_none() => {
                let id = broker(self.random.random_range(0..BROKERS));
                self.story.cluster.stop_broker(id);
                self.down = Some(id);
            }
            1..=3 => {
                if let Some(down) = self.down.take() {
                    self.story.cluster.start_broker(down);
                }
            }
            4 => self.delete_topic("b").await,
            5 => self.make_topic_again("b").await,
            6 | 7 => self.reassign_as_others().await,
            8 | 9 => self.throttle_as_others().await,
            10 => self.unthrottle_as_others().await,
            11 => {
                let how = match self.random.random_bool(0.5) {
                    true => StopHow::AtOnce,
                    false => StopHow::Gently,
                };
                let now = self.story.now();
                // There may be no plan left to stop.
                let _ = self.story.executor.stop(how, now).await;
            }
            12 | 13 => {
                let now = self.story.now();
                // There may be no plan that runs.
                let _ = self.story.executor.pause(now).await;
            }
            14..=17 => {
                let now = self.story.now();
                let _ = self.story.executor.resume(now).await;
            }
            _ => {}
        }
    }

    async fn delete_topic(&mut self, name: &str) {
        let name = topic(name);
        self.story
            .cluster
            .delete_topics(std::slice::from_ref(&name))
            .await
            .unwrap();
        self.expected
            .retain(|(resource, _), _| *resource != ConfigResource::Topic(name.clone()));
        self.others.retain(|moved, _| moved.topic != name);
    }

    async fn make_topic_again(&mut self, name: &str) {
        if self.story.see(&partition(name, 0)).await.is_some() {
            self.delete_topic(name).await;
        }
        let assignments: Vec<_> = (0..4).map(|_| pick(&mut self.random, 2)).collect();
        self.story.topic(name, &assignments, 1).await;
        let resource = ConfigResource::Topic(topic(name));
        self.expected
            .insert((resource, "min.insync.replicas".to_owned()), "1".to_owned());
    }

    async fn reassign_as_others(&mut self) {
        let name = ["a", "c"][self.random.random_range(0..2)];
        let of = partition(name, self.random.random_range(0..2));
        let to = pick(&mut self.random, 3);
        // Whoever asks for what there was before our move cannot be told from a request of ours that was lost.
        if self.planned_from.get(&of) == Some(&to) {
            return;
        }
        let request = [(of.clone(), to.clone())];
        self.story.cluster.reassign(&request).await.unwrap();
        self.others.insert(of, to);
    }

    /// As `kafka-reassign-partitions --throttle` does: lists, then a rate.
    async fn throttle_as_others(&mut self) {
        let id = self.random.random_range(0..BROKERS);
        if self.down == Some(broker(id)) {
            return;
        }
        for direction in Direction::BOTH {
            let list = match self.random.random_bool(0.2) {
                true => "*".to_owned(),
                false => format!("0:{id},1:{id}"),
            };
            self.set_as_others(ConfigResource::Topic(topic("c")), direction.replicas(), &list)
                .await;
            let rate = self.random.random_range(60_000_000..70_000_000).to_string();
            self.set_as_others(ConfigResource::Broker(broker(id)), direction.rate(), &rate)
                .await;
        }
    }

    async fn unthrottle_as_others(&mut self) {
        let theirs: Vec<_> = self
            .expected
            .keys()
            .filter(|(_, name)| name.ends_with("throttled.rate"))
            .cloned()
            .collect();
        for (resource, name) in theirs {
            if self
                .down
                .is_some_and(|down| resource == ConfigResource::Broker(down))
            {
                continue;
            }
            self.expected.remove(&(resource.clone(), name.clone()));
            self.story.alter(resource, ConfigChange::Delete { name }).await;
        }
    }

    async fn set_as_others(&mut self, resource: ConfigResource, name: &str, value: &str) {
        self.story.alter(resource.clone(), set(name, value)).await;
        self.expected
            .insert((resource, name.to_owned()), value.to_owned());
    }

    fn disturb_requests(&mut self) {
        let often = [0.0, 0.05, 0.3][self.random.random_range(0..3)];
        let mut dice = Pcg32::seed_from_u64(self.random.random());
        let mut fault = move || {
            let kinds = [Fault::Lost, Fault::AnswerLost, Fault::Refused];
            dice.random_bool(often).then(|| kinds[dice.random_range(0..3)])
        };
        let mut log_dice = Pcg32::seed_from_u64(self.random.random());
        self.story.cluster.inject(move |_| fault());
        self.story.log.inject(move |_| {
            let kinds = [Fault::Lost, Fault::AnswerLost];
            log_dice
                .random_bool(often / 3.0)
                .then(|| kinds[log_dice.random_range(0..2)])
        });
        self.story.cluster.set_latency(Duration::from_millis(4));
        self.story.log.set_latency(Duration::from_millis(4));
    }

    fn calm_requests(&mut self) {
        self.story.cluster.inject_nothing();
        self.story.log.inject_nothing();
        self.story.cluster.set_latency(Duration::ZERO);
        self.story.log.set_latency(Duration::ZERO);
    }

    /// A tick that may be cut off anywhere, followed by a successor; sometimes the one before lives on unknowingly.
    async fn tick_or_crash(&mut self, guidance: &Guidance) -> Result<(), String> {
        let now = self.story.now();
        let patience = match self.random.random_bool(0.15) {
            true => Duration::from_millis(self.random.random_range(1..60)),
            false => Duration::from_secs(4),
        };
        let tick = self.story.executor.tick(guidance, now);
        let died = tokio::time::timeout(patience, tick).await;
        let crashed = match died {
            Ok(Err(ExecuteError::Fenced)) => return Err("fenced by nobody".to_owned()),
            Ok(_) => false,
            Err(_) => true,
        };
        if crashed || self.random.random_bool(0.05) {
            self.story.log.inject_nothing();
            let successor = Executor::open(
                self.story.cluster.clone(),
                &self.story.log,
                self.story.limits.clone(),
                Mode::Auto,
            );
            let successor = successor.await.map_err(|error| error.to_string())?;
            let mut predecessor = std::mem::replace(&mut self.story.executor, successor);
            if !crashed && predecessor.is_busy() {
                let before = self.snapshot().await;
                let ticked = predecessor.tick(guidance, now).await;
                if matches!(&ticked, Ok(report) if report.changes > 0) || before != self.snapshot().await {
                    return Err("a fenced executor acted".to_owned());
                }
            }
        }
        tokio::time::advance(Duration::from_secs(5)).await;
        Ok(())
    }

    async fn snapshot(&mut self) -> (Configs, BTreeSet<TopicPartition>) {
        self.story.cluster.inject_nothing();
        self.story.cluster.set_latency(Duration::ZERO);
        let moving = self.story.cluster.reassignments().await.unwrap();
        (self.story.configs().await, moving.into_keys().collect())
    }

    async fn judge(&mut self) -> Result<(), String> {
        let status = self.story.executor.status();
        let Some((_, plan)) = status.history.first() else {
            return Err("the plan is not in the history".to_owned());
        };
        if plan.moves.len() != 9 {
            return Err(format!("moves are missing: {plan:#?}"));
        }
        let configs = self.story.configs().await;
        if configs != self.expected {
            let text = format!("configuration is\n{configs:#?}\ninstead of\n{:#?}", self.expected);
            return Err(text);
        }
        for of in self.story.cluster.reassignments().await.unwrap().into_keys() {
            if !self.others.contains_key(&of) {
                return Err(format!("the reassignment of {of} is left"));
            }
        }
        for (of, to) in &self.others {
            let replicas = self.story.see(of).await.unwrap().replicas;
            if !replicas.starts_with(to) {
                return Err(format!("{of} is on {replicas:?}, others wanted {to:?}"));
            }
        }
        for shrink in self.story.cluster.shrinks() {
            let min_in_sync = if shrink.partition.topic == topic("b") {
                1
            } else {
                2
            };
            let ours = shrink.cause != Cause::BrokerFenced && !self.others.contains_key(&shrink.partition);
            if ours && shrink.before >= min_in_sync && shrink.after < min_in_sync {
                return Err(format!("{shrink:?} goes below min.insync.replicas"));
            }
        }
        Ok(())
    }
}

fn pick(random: &mut Pcg32, count: usize) -> Vec<BrokerId> {
    let mut all = brokers(&[0, 1, 2, 3, 4, 5]);
    (0..count)
        .map(|_| all.remove(random.random_range(0..all.len())))
        .collect()
}
