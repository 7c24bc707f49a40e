//! One schedule: a cluster, a load, balancers, and forty steps of trouble; then peace, in which all has to come to rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use balancer::action::Action;
use balancer::api::view::View;
use balancer::config::Config;
use balancer::journal::{Direction, Mode};
use kafka::cluster::{ConfigResource, NewTopic, Placement};
use kafka::simulated::{SimulatedBroker, SimulatedCluster, SimulatedLog};
use kafka::{BrokerId, Cluster, ReplicationFactor, TopicName, TopicPartition};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg32;
use sidecar::clock::Clock;
use tokio::time::{Instant, sleep};

use super::actor::Actor;
use super::others::{self, Others};
use super::reports::{Mood, Sidecars};
use super::trouble::Trouble;
use super::weather::Moment;

pub(crate) const BROKERS: i32 = 6;

/// What a broker can carry in each direction, in bytes per second.
pub(crate) const CAPACITY: f64 = 10e6;

/// Time of a step, and of a tick.
pub(crate) const STEP: Duration = Duration::from_secs(5);

/// Steps in which things go wrong.
const TROUBLED: usize = 40;

/// Steps of peace after which all has to be at rest: two hours.
const PEACE: usize = 1440;

/// So long nothing may come back once it is gone; longer than a fenced balancer's late request can go unnoticed.
const REST: usize = 3;

/// Topics: name, partitions, replicas, min.insync.replicas. The balancer leaves the last one alone.
pub(crate) const TOPICS: [(&str, i32, usize, usize); 3] = [("a", 8, 3, 2), ("b", 6, 2, 1), ("c", 2, 3, 2)];

/// What happened in a schedule.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) faults: BTreeMap<Trouble, u64>,
    pub(crate) outcomes: BTreeMap<String, u64>,
    pub(crate) plans: u64,
    pub(crate) copies: u64,
    pub(crate) leftovers: u64,
    pub(crate) simulated: Duration,
}

pub(crate) struct Schedule {
    pub(crate) random: Pcg32,
    pub(crate) allowed: BTreeSet<Trouble>,
    pub(crate) cluster: SimulatedCluster,
    pub(crate) log: SimulatedLog,
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) moods: Arc<Mutex<BTreeMap<BrokerId, Mood>>>,
    pub(crate) others: Others,
    /// The balancer that acts.
    pub(crate) actor: Actor,
    /// Those that another one has taken over from, and that still run.
    pub(crate) fenced: Vec<Actor>,
    pub(crate) down: BTreeSet<BrokerId>,
    pub(crate) stopped: bool,
    /// Whether a broker was ever to be emptied, because somebody asked for it or because it died.
    pub(crate) drained: bool,
    /// How many replicas topics were ordered, as far as that has to be so in the end.
    pub(crate) ordered: BTreeMap<&'static str, ReplicationFactor>,
    /// Whether the journal has lost something, so that what was there before a throttle of ours cannot be known.
    pub(crate) journal_lost: bool,
    /// Reassignments seen in the last step.
    pub(crate) seen: BTreeSet<TopicPartition>,
    /// Reassignments that a balancer may have begun after it was fenced, without knowing.
    pub(crate) astray: BTreeSet<TopicPartition>,
    pub(crate) last_resumed: Option<Instant>,
    pub(crate) account: Account,
}

impl Schedule {
    pub(crate) async fn new(seed: u64, allowed: BTreeSet<Trouble>) -> Self {
        let mut random = Pcg32::seed_from_u64(seed);
        let racks = ["r0", "r1", "r2"];
        let brokers = (0..BROKERS).map(|id| {
            let broker = SimulatedBroker::new(broker(id)).in_rack(racks[id as usize % 3]);
            SimulatedBroker {
                replication_bandwidth: 2e7,
                ..broker
            }
        });
        let cluster = SimulatedCluster::new(brokers);
        let log = SimulatedLog::default();
        let clock = Clock::start_simulated();
        let config = config();
        let moods = Arc::default();
        let mut others = Others::default();
        for (name, partitions, replication, min_in_sync) in TOPICS {
            make_topic(
                &cluster,
                &mut random,
                (name, partitions, replication, min_in_sync),
            )
            .await;
        }
        if random.random_bool(0.3) {
            others
                .set(
                    &cluster,
                    ConfigResource::Broker(broker(1)),
                    Direction::Leader.rate(),
                    "31415926",
                )
                .await;
        }
        if random.random_bool(0.2) {
            others
                .set(
                    &cluster,
                    ConfigResource::Topic(topic("a")),
                    Direction::Follower.replicas(),
                    "",
                )
                .await;
        }
        others.configs = others::configs(&cluster).await;
        let sidecars = Sidecars::new(&cluster, clock, config.tick, &moods);
        let weather = (random.random(), allowed.clone());
        let actor = Actor::start(&config, &cluster, &log, sidecars, clock, weather);
        Self {
            random,
            allowed,
            cluster,
            log,
            config,
            clock,
            moods,
            others,
            actor,
            fenced: Vec::new(),
            down: BTreeSet::new(),
            stopped: false,
            drained: false,
            ordered: BTreeMap::new(),
            journal_lost: false,
            seen: BTreeSet::new(),
            astray: BTreeSet::new(),
            last_resumed: None,
            account: Account::default(),
        }
    }

    /// Lives through it.
    pub(crate) async fn run(mut self) -> (Account, Result<(), String>) {
        let began = Instant::now();
        let verdict = self.live().await;
        for actor in std::iter::once(&self.actor).chain(&self.fenced) {
            for (kind, count) in &actor.weather.lock().unwrap().met {
                *self.account.faults.entry(*kind).or_default() += count;
            }
        }
        self.account.simulated = began.elapsed();
        (self.account, verdict)
    }

    async fn live(&mut self) -> Result<(), String> {
        for _ in 0..TROUBLED {
            let often = [0.0, 0.02, 0.1, 0.3][self.random.random_range(0..4)];
            self.actor.weather.lock().unwrap().often = often;
            let trouble = Trouble::of_step(&mut self.random);
            // Each kind has dice of its own, so that leaving one out does not change the others.
            let dice = self.random.random();
            if let Some(trouble) = trouble.filter(|trouble| self.allowed.contains(trouble)) {
                self.make_trouble(trouble, Pcg32::seed_from_u64(dice)).await;
            }
            self.step().await?;
        }
        self.make_peace().await;
        let mut quiet = 0;
        for _ in 0..PEACE {
            self.step().await?;
            quiet = if self.is_at_rest().await { quiet + 1 } else { 0 };
            if quiet >= REST && self.late_requests_are_swept() {
                return self.judge().await;
            }
        }
        self.account.leftovers += 1;
        Err(format!("never at rest: {}", self.describe().await))
    }

    /// Lets a step's time go by, in which the balancer may be killed at a request.
    async fn step(&mut self) -> Result<(), String> {
        let end = Instant::now() + STEP;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(end) => break,
                Some(moment) = self.actor.kills.recv() => {
                    if moment == Moment::After {
                        sleep(super::actor::LATENCY * 3 / 4).await;
                    }
                    self.replace(true).await;
                }
            }
        }
        self.watch().await
    }

    /// Starts another balancer in the place of the one that acts, which dies first or lives on. One that does not have the
    /// journal open always dies: it might open it after the next one.
    pub(crate) async fn replace(&mut self, dies: bool) {
        let dies = dies || !self.actor.has_the_journal();
        let sidecars = Sidecars::new(&self.cluster, self.clock, self.config.tick, &self.moods);
        let weather = (self.random.random(), self.allowed.clone());
        if dies {
            self.actor.kill().await;
        }
        let next = Actor::start(
            &self.config,
            &self.cluster,
            &self.log,
            sidecars,
            self.clock,
            weather,
        );
        let before = std::mem::replace(&mut self.actor, next);
        if dies {
            for (kind, count) in &before.weather.lock().unwrap().met {
                *self.account.faults.entry(*kind).or_default() += count;
            }
        } else {
            self.fenced.push(before);
        }
    }

    /// Whether no balancer waits for an answer, so that what others do now does not cross a request of its.
    pub(crate) fn is_quiet(&self) -> bool {
        std::iter::once(&self.actor)
            .chain(&self.fenced)
            .all(|actor| actor.requests_under_way() == 0 && !actor.is_paused())
    }

    async fn make_peace(&mut self) {
        for id in std::mem::take(&mut self.down) {
            self.cluster.start_broker(id);
        }
        for id in (0..BROKERS).map(broker) {
            self.cluster.set_volumes(id, vec![1_000_000_000_000]);
            self.cluster.set_bandwidth(id, 2e7);
            self.cluster.start_broker(id);
        }
        self.moods.lock().unwrap().clear();
        // So little that nothing is hot any more, and that logs do not grow for hours.
        for topic in self.cluster.describe().await.unwrap().topics {
            for found in topic.partitions {
                let of = TopicPartition::new(topic.name.clone(), found.id);
                self.cluster.produce_at(&of, 1_000.0).unwrap();
            }
        }
        for actor in std::iter::once(&mut self.actor).chain(&mut self.fenced) {
            let mut weather = actor.weather.lock().unwrap();
            (weather.often, weather.cut_until, weather.no_controller_until) = (0.0, None, None);
            weather.kill_in = None;
            drop(weather);
            if actor.is_paused() {
                actor.resume();
                self.last_resumed = Some(Instant::now());
            }
        }
        // The first one to be asked may not have its journal open yet.
        sleep(STEP * 2).await;
        let brokers = (0..BROKERS).map(broker).collect();
        self.actor.ask(Action::Undrain { brokers }).await;
        self.actor.ask(Action::Mode(Mode::Auto)).await;
    }

    /// A request of a balancer that was fenced while it slept may have left something, which is swept later.
    fn late_requests_are_swept(&self) -> bool {
        let since = self.last_resumed.map(|at| at.elapsed());
        since.is_none_or(|since| since > SWEPT_WITHIN)
    }

    async fn describe(&self) -> String {
        let view: Arc<View> = self.actor.view();
        format!(
            "phase {:?}, problems {:?}, {} moves; {}; reassignments {:?}, of others {:?}",
            view.state.phase,
            view.state.problems,
            view.plan.as_ref().map_or(0, |plan| plan.moves.len()),
            others::difference(&others::configs(&self.cluster).await, &self.others.configs),
            self.cluster.reassignments().await.unwrap(),
            self.others.moving,
        )
    }
}

/// How soon what nobody accounts for is swept.
const SWEPT_WITHIN: Duration = Duration::from_secs(15 * 60);

pub(crate) async fn make_topic(
    cluster: &SimulatedCluster,
    random: &mut Pcg32,
    (name, partitions, replication, min_in_sync): (&str, i32, usize, usize),
) {
    let assignments = (0..partitions).map(|_| place(random, replication)).collect();
    let new = NewTopic {
        name: topic(name),
        placement: Placement::Manual(assignments),
        configs: [("min.insync.replicas".to_owned(), min_in_sync.to_string())].into(),
    };
    for (_, made) in cluster.create_topics(&[new]).await.unwrap() {
        made.unwrap();
    }
    for number in 0..partitions {
        let bytes = f64::from(random.random_range(0..400_000_000));
        cluster.produce(&partition(name, number), bytes).unwrap();
        let rate = f64::from(random.random_range(0..700_000));
        cluster.produce_at(&partition(name, number), rate).unwrap();
    }
}

fn config() -> Config {
    let text = format!(
        "{{kafka: {{bootstrap: ['localhost:9092']}}, mode: auto, tick: 5 s,
           capacity: {{bytes_in: {CAPACITY} B/s, bytes_out: {CAPACITY} B/s}},
           heat: {{floor: {{disk: 1.0}}}},
           execute: {{moves_per_cluster: 4, cool_down: 60 s, patience: 120 s, broker_grace: 60 s,
                      throttle_floor: 1 MB/s, disk_reserve: 1 MB}},
           exclude: {{topics: [c]}}}}"
    );
    kafka::settings::parse(&text, "simulation").unwrap()
}

pub(crate) fn broker(id: i32) -> BrokerId {
    BrokerId::try_from(id).unwrap()
}

pub(crate) fn topic(name: &str) -> TopicName {
    name.parse().unwrap()
}

pub(crate) fn partition(name: &str, number: i32) -> TopicPartition {
    TopicPartition::new(topic(name), number.try_into().unwrap())
}

/// Some brokers in different racks.
pub(crate) fn place(random: &mut Pcg32, count: usize) -> Vec<BrokerId> {
    let mut racks = vec![0, 1, 2];
    (0..count)
        .map(|_| {
            let rack = racks.remove(random.random_range(0..racks.len()));
            broker(rack + 3 * random.random_range(0..2))
        })
        .collect()
}
