//! An hour of shifting load, with balancers killed and brokers restarted all the time. `make soak` runs it, and says in
//! `target/soak.json` what came of it. `SOAK_MINUTES` is for another time than an hour, `SOAK_SEED` for other shifts.

mod memory;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use balancer::api::view::Phase;
use balancer::journal::Mode;
use e2e::sampler::Sampler;
use e2e::scene::{Outcome, Row, Scene};
use e2e::{BrokerSpec, Layout, stack};
use kafka::Cluster;
use memory::Memory;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde::Serialize;
use tokio::time::{Instant, sleep};

const TOPICS: [&str; 2] = ["orders", "clicks"];
const PARTITIONS: i32 = 9;
const BROKERS: usize = 6;
/// Bytes per second of a partition.
const USUAL: f64 = 30e3;
/// Bytes per second of one that is hot.
const HOT: f64 = 500e3;

/// Seconds between two shifts of the load.
const SHIFTS: Range<u64> = 60..180;
/// Seconds between two ends of the balancer.
const KILLS: Range<u64> = 100..260;
/// Seconds between two ends of a broker.
const RESTARTS: Range<u64> = 150..500;

/// What happened and what came of it.
#[derive(Debug, Default, Serialize)]
struct Account {
    minutes: u64,
    seed: u64,
    shifts: usize,
    balancers_killed: usize,
    brokers_restarted: usize,
    plans: usize,
    /// How many moves ended in each way, as far as the balancer remembers its plans.
    moves: BTreeMap<String, usize>,
    acknowledged_records: u64,
    lost_records: u64,
    throttles_left: usize,
    reassignments_left: usize,
    looks_at_all_partitions: usize,
    /// Partitions that had fewer replicas in sync than their minimum with every broker alive.
    below_minimum: Vec<String>,
    memory: Memory,
}

#[tokio::test]
async fn nothing_is_lost_or_left_while_load_shifts_balancers_are_killed_and_brokers_restart() -> Outcome {
    if std::env::var_os("SOAK").is_none() {
        println!("nothing is proven here: this takes an hour, and runs by `make soak`");
        return Ok(());
    }
    let mut soak = Soak::start().await?;
    while Instant::now() < soak.end {
        soak.step().await?;
        sleep(Duration::from_secs(1)).await;
    }
    let account = soak.finish().await?;
    println!("{}", serde_json::to_string_pretty(&account)?);
    assert_eq!(account.lost_records, 0);
    assert!(account.plans > 0, "nothing was balanced");
    assert!(account.below_minimum.is_empty(), "{:?}", account.below_minimum);
    assert_eq!((account.throttles_left, account.reassignments_left), (0, 0));
    assert!(account.memory.is_flat(), "{:?}", account.memory);
    Ok(())
}

struct Soak {
    scene: Scene,
    sampler: Sampler,
    random: Pcg64Mcg,
    hot: Option<(&'static str, i32)>,
    next_shift: Instant,
    next_kill: Instant,
    next_restart: Instant,
    end: Instant,
    account: Account,
}

impl Soak {
    async fn start() -> Outcome<Self> {
        let racks = (0..BROKERS).map(|id| format!("r{}", id % 3));
        let layout = Layout {
            brokers: racks.map(|rack| BrokerSpec::in_rack(&rack)).collect(),
            ..Layout::default()
        };
        let places: Vec<[i32; 3]> = (0..6).map(|id| [id, (id + 1) % 6, (id + 2) % 6]).collect();
        let mut rows: Vec<Row<'_>> = Vec::new();
        for topic in TOPICS {
            let of_topic = places.iter().cycle().take(PARTITIONS.unsigned_abs() as usize);
            rows.extend(of_topic.map(|place| (topic, place.as_slice(), USUAL)));
        }
        let mut scene = Scene::set_on(layout, "soak", &rows).await?;
        scene.balance(Mode::Auto, |_| {}).await?;
        let account = Account {
            minutes: number("SOAK_MINUTES", 60)?,
            seed: number("SOAK_SEED", 1)?,
            ..Account::default()
        };
        let mut random = Pcg64Mcg::seed_from_u64(account.seed);
        let now = Instant::now();
        Ok(Self {
            sampler: Sampler::start(stack::connection(&scene.kafka)?, BROKERS),
            scene,
            hot: None,
            next_shift: now,
            next_kill: after(&mut random, KILLS),
            next_restart: after(&mut random, RESTARTS),
            random,
            end: now + Duration::from_secs(60 * account.minutes),
            account,
        })
    }

    /// Whatever is due.
    async fn step(&mut self) -> Outcome {
        let now = Instant::now();
        self.account.memory.look(self.scene.stack()?);
        if now >= self.next_shift {
            self.shift()?;
            self.next_shift = after(&mut self.random, SHIFTS);
        }
        if now >= self.next_kill {
            self.scene.balancer_mut()?.process.restart().await?;
            self.scene.balancer_mut()?.ready().await?;
            self.account.balancers_killed += 1;
            self.next_kill = after(&mut self.random, KILLS);
        }
        if now >= self.next_restart {
            self.restart_a_broker().await?;
            self.next_restart = after(&mut self.random, RESTARTS);
        }
        Ok(())
    }

    /// What was hot cools, and something else turns hot.
    fn shift(&mut self) -> Outcome {
        if let Some((topic, partition)) = self.hot {
            self.scene.load_with(topic, partition, USUAL)?;
        }
        let topic = TOPICS[self.random.random_range(0..TOPICS.len())];
        let partition = self.random.random_range(0..PARTITIONS);
        self.scene.load_with(topic, partition, HOT)?;
        self.hot = Some((topic, partition));
        self.account.shifts += 1;
        Ok(())
    }

    async fn restart_a_broker(&mut self) -> Outcome {
        let ids = self.scene.kafka.ids();
        let broker = ids[self.random.random_range(0..ids.len())];
        self.sampler.excuse();
        if self.random.random_bool(0.5) {
            self.scene.kafka.stop(broker).await?;
        } else {
            self.scene.kafka.kill(broker).await?;
        }
        self.scene.kafka.start_again(broker).await?;
        self.scene.until_whole().await?;
        self.sampler.excuse_no_more();
        self.account.brokers_restarted += 1;
        Ok(())
    }

    /// Lets what is in flight end, and counts what is left.
    async fn finish(mut self) -> Outcome<Account> {
        self.scene.cli(&["mode", "observe"])?;
        self.scene
            .until("the last plan is over", async |scene| {
                Ok(scene.state().await?.phase == Phase::Watching && scene.is_clean().await?)
            })
            .await?;
        let mut account = self.account;
        for plan in self.scene.history().await? {
            account.plans += 1;
            for (outcome, moves) in plan.outcomes {
                *account.moves.entry(outcome).or_default() += moves;
            }
        }
        account.memory.look(self.scene.stack()?);
        account.throttles_left = self.scene.throttles().await?.len();
        account.reassignments_left = self.scene.cluster.reassignments().await?.len();
        let found = self.sampler.found();
        account.looks_at_all_partitions = found.looks;
        account.below_minimum = found.below.keys().map(ToString::to_string).collect();
        self.scene.stack.take();
        let report = self.scene.end_with_the_cluster().await?;
        account.acknowledged_records = report.acknowledged;
        account.lost_records = report.lost;
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/soak.json");
        std::fs::write(file, serde_json::to_vec_pretty(&account)?)?;
        Ok(account)
    }
}

fn after(random: &mut Pcg64Mcg, seconds: Range<u64>) -> Instant {
    Instant::now() + Duration::from_secs(random.random_range(seconds))
}

fn number(variable: &str, default: u64) -> Outcome<u64> {
    match std::env::var(variable) {
        Ok(value) => Ok(value.parse()?),
        Err(_) => Ok(default),
    }
}
