//! A cluster with a load on it, and what is asked of it.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use balancer::api::view::{FinishedPlan, State};
use balancer::config::Config;
use balancer::journal::Mode;
use e2e::process::Program;
use e2e::{BrokerSpec, Layout, LocalKafka, Service, Stack, stack};
use kafka::client::KafkaCluster;
use kafka::cluster::{ConfigResource, ConfigSource, Partition};
use kafka::settings::{ByteRate, ByteSize};
use kafka::{BrokerId, Cluster, TopicName, TopicPartition};
use load::{Connection, Load, LoadSettings, Placement, Shift, TopicSettings, create_topics, witness};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep};

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// How often sidecars and balancer look.
pub(crate) const TICK: Duration = Duration::from_secs(1);
/// What a broker can carry in each direction, in bytes per second.
pub(crate) const CAPACITY: u64 = 6_000_000;
/// The least rate of a throttle, in bytes per second.
pub(crate) const FLOOR: u64 = 500_000;

/// How long anything may take that a quiet machine does within seconds.
const WITHIN: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(100);

/// The cluster that the tests use one after the other. A test that fails, or that changes the brokers, does not give
/// it back, and the next one starts another.
static CLUSTER: Mutex<Option<LocalKafka>> = Mutex::const_new(None);

/// Every dynamic configuration entry of all brokers and of a test's topics.
pub(crate) type Configs = BTreeMap<(ConfigResource, String), String>;

pub(crate) struct Scene {
    // Declared, and so dropped, in this order: programs and load before the cluster, the right to it last.
    pub(crate) stack: Option<Stack>,
    load: Option<Load>,
    connection: Connection,
    pub(crate) cluster: KafkaCluster,
    pub(crate) kafka: LocalKafka,
    name: &'static str,
    topics: Vec<TopicName>,
    before: Configs,
    slot: MutexGuard<'static, Option<LocalKafka>>,
}

/// A partition of a load and its place: topic, replicas, bytes per second.
pub(crate) type Row<'a> = (&'a str, &'a [i32], f64);

impl Scene {
    /// Four brokers in two racks, 0 and 2 in one, 1 and 3 in the other; a topic's partitions on the replicas that
    /// the rows say, in their order, and so much load on each.
    pub(crate) async fn set(name: &'static str, rows: &[Row<'_>]) -> Outcome<Self> {
        let mut slot = CLUSTER.lock().await;
        let kafka = match slot.take() {
            Some(kafka) => kafka,
            None => LocalKafka::start(layout()).await?,
        };
        let cluster = KafkaCluster::new(stack::connection(&kafka)?);
        let mut scene = Self {
            stack: None,
            load: None,
            connection: Connection::to(kafka.bootstrap()),
            cluster,
            kafka,
            name,
            topics: Vec::new(),
            before: Configs::new(),
            slot,
        };
        scene.make_topics(rows).await?;
        scene.before = scene.configs().await?;
        scene.start_load(rows)?;
        Ok(scene)
    }

    async fn make_topics(&mut self, rows: &[Row<'_>]) -> Outcome {
        let names: BTreeSet<&str> = rows.iter().map(|(topic, ..)| *topic).collect();
        for name in names {
            let of_topic = rows.iter().filter(|(topic, ..)| *topic == name);
            let replicas: Vec<Vec<i32>> = of_topic.map(|(_, replicas, _)| replicas.to_vec()).collect();
            let topic = TopicSettings {
                name: name.to_owned(),
                partitions: u32::try_from(replicas.len())?,
            };
            let config = [("min.insync.replicas", "1")];
            create_topics(
                &self.connection,
                &[topic],
                &Placement::Replicas(replicas),
                &config,
            )
            .await?;
            self.topics.push(name.parse()?);
        }
        let wanted: usize = rows.iter().map(|(_, replicas, _)| replicas.len()).sum();
        self.until("every replica is in sync and on disk", async |scene| {
            let described = scene.cluster.describe().await?.topics;
            let own = described
                .iter()
                .filter(|topic| scene.topics.contains(&topic.name));
            let in_sync: usize = own
                .flat_map(|topic| &topic.partitions)
                .map(|p| p.in_sync.len())
                .sum();
            let on_disk = scene.log_dirs().await?;
            let own = on_disk.values().flat_map(BTreeMap::keys);
            let on_disk = own
                .filter(|replica| scene.topics.contains(&replica.topic))
                .count();
            Ok((in_sync, on_disk) == (wanted, wanted))
        })
        .await
    }

    fn start_load(&mut self, rows: &[Row<'_>]) -> Outcome {
        let topics: Vec<TopicSettings> = self
            .topics
            .iter()
            .map(|topic| {
                let partitions = rows.iter().filter(|(name, ..)| *name == topic.as_str()).count();
                Ok(TopicSettings {
                    name: topic.to_string(),
                    partitions: u32::try_from(partitions)?,
                })
            })
            .collect::<Outcome<_>>()?;
        let settings = LoadSettings {
            // So little that what is sent before the rates are set does not count.
            bytes_per_second: 1_000.0,
            // Small, so that a second of a small partition is many records.
            value_bytes: 500..=1_500,
            ..LoadSettings::new(self.connection.clone(), topics)
        };
        let load = Load::start(&settings)?;
        let mut numbers: BTreeMap<&str, i32> = BTreeMap::new();
        for (topic, _, rate) in rows {
            let number = numbers.entry(topic).or_insert(0);
            set_rate(&load, topic, *number, *rate)?;
            *number += 1;
        }
        self.load = Some(load);
        Ok(())
    }

    pub(crate) fn load(&self) -> Outcome<&Load> {
        self.load
            .as_ref()
            .ok_or_else(|| "the load has been stopped".into())
    }

    /// Changes the load of one partition to so many bytes per second.
    pub(crate) fn load_with(&self, topic: &str, partition: i32, rate: f64) -> Outcome {
        set_rate(self.load()?, topic, partition, rate)
    }

    /// Writes to a partition at 5 MB/s until its log has so many bytes, and then at `rate`.
    pub(crate) async fn grow(&self, topic: &str, partition: i32, bytes: u64, rate: f64) -> Outcome {
        let of = partition_of(topic, partition)?;
        self.load_with(topic, partition, 5e6)?;
        self.until("the log has grown", async |scene| {
            let sizes = scene.replica_sizes(&of).await?;
            Ok(sizes.values().any(|size| *size >= bytes))
        })
        .await?;
        self.load_with(topic, partition, rate)
    }

    /// Starts a sidecar to each broker, `offsets` and the balancer.
    pub(crate) async fn balance(&mut self, mode: Mode, adjust: impl FnOnce(&mut Config)) -> Outcome {
        let name = self.name;
        let stack = Stack::start(&self.kafka, TICK, |config| {
            configure(config, name, mode);
            adjust(config);
        });
        self.stack = Some(stack.await?);
        Ok(())
    }

    pub(crate) fn stack(&self) -> Outcome<&Stack> {
        self.stack
            .as_ref()
            .ok_or_else(|| "nothing has been started".into())
    }

    pub(crate) fn balancer(&self) -> Outcome<&Service> {
        Ok(&self.stack()?.balancer)
    }

    pub(crate) async fn state(&self) -> Outcome<State> {
        Ok(self.balancer()?.get("/v1/state").await?)
    }

    /// Plans that have ended and did something.
    pub(crate) async fn history(&self) -> Outcome<Vec<FinishedPlan>> {
        Ok(self.balancer()?.get("/v1/history").await?)
    }

    /// Runs `kafka-balancer <arguments>` against the balancer.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Outcome<String> {
        let output = self.cli_output(arguments)?;
        if !output.status.success() {
            return Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    pub(crate) fn cli_output(&self, arguments: &[&str]) -> Outcome<Output> {
        let token: PathBuf = self.stack()?.folder().join("token");
        let output = Command::new(Program::Balancer.path()?)
            .args(arguments)
            .args(["--url", &self.balancer()?.url])
            .arg("--token-file")
            .arg(token)
            .output()?;
        Ok(output)
    }

    /// A partition as Kafka has it now.
    pub(crate) async fn partition(&self, topic: &str, partition: i32) -> Outcome<Partition> {
        let partitions = self.partitions(topic).await?;
        let found = partitions.into_iter().find(|found| found.id.get() == partition);
        found.ok_or_else(|| format!("{topic}-{partition} is not there").into())
    }

    /// A topic's partitions as Kafka has them now.
    pub(crate) async fn partitions(&self, topic: &str) -> Outcome<Vec<Partition>> {
        let described = self.cluster.describe().await?.topics;
        let topic = described.into_iter().find(|found| found.name.as_str() == topic);
        Ok(topic.map(|topic| topic.partitions).unwrap_or_default())
    }

    /// A topic's partitions when all replicas of each, two of them, are in sync.
    pub(crate) async fn settled(&self, topic: &str) -> Outcome<Vec<Partition>> {
        let mut found = Vec::new();
        self.until("every replica is in sync", async |scene| {
            found = scene.partitions(topic).await?;
            let is_whole =
                |partition: &Partition| partition.replicas.len() == 2 && partition.in_sync.len() == 2;
            Ok(found.iter().all(is_whole))
        })
        .await?;
        Ok(found)
    }

    /// The size of each replica of a partition, as its broker's log directories say.
    pub(crate) async fn replica_sizes(&self, of: &TopicPartition) -> Outcome<BTreeMap<i32, u64>> {
        let mut sizes = BTreeMap::new();
        for (broker, replicas) in self.log_dirs().await? {
            if let Some(size) = replicas.get(of) {
                sizes.insert(broker, *size);
            }
        }
        Ok(sizes)
    }

    /// Every replica with its size, by broker, as the log directories say.
    pub(crate) async fn log_dirs(&self) -> Outcome<BTreeMap<i32, BTreeMap<TopicPartition, u64>>> {
        let brokers = ids(&self.kafka.ids())?;
        let mut found = BTreeMap::new();
        for (broker, folders) in self.cluster.log_dirs(&brokers).await? {
            let replicas = folders?.into_iter().flat_map(|folder| folder.replicas);
            let sizes = replicas.map(|replica| (replica.partition, replica.size));
            found.insert(broker.get(), sizes.collect());
        }
        Ok(found)
    }

    /// All dynamic configuration of brokers, of all brokers together, and of this test's topics.
    pub(crate) async fn configs(&self) -> Outcome<Configs> {
        let mut resources: Vec<ConfigResource> =
            self.topics.iter().cloned().map(ConfigResource::Topic).collect();
        let brokers = ids(&self.kafka.ids())?;
        resources.extend(brokers.into_iter().map(ConfigResource::Broker));
        let mut dynamic = Configs::new();
        for (resource, entries) in self.cluster.configs(&resources, &[]).await? {
            for entry in entries? {
                if entry.source == ConfigSource::Dynamic {
                    dynamic.insert((resource.clone(), entry.name), entry.value.unwrap_or_default());
                }
            }
        }
        Ok(dynamic)
    }

    /// What has been set dynamically since the test began.
    pub(crate) async fn throttles(&self) -> Outcome<Configs> {
        let mut configs = self.configs().await?;
        configs.retain(|key, value| self.before.get(key) != Some(value));
        Ok(configs)
    }

    /// Waits until something is so. A failure shows what the balancer says and what it logged.
    pub(crate) async fn until(
        &self,
        what: &str,
        mut is_so: impl AsyncFnMut(&Self) -> Outcome<bool>,
    ) -> Outcome {
        let deadline = Instant::now() + WITHIN;
        let why = loop {
            match is_so(self).await {
                Ok(true) => return Ok(()),
                Ok(false) if Instant::now() > deadline => break String::new(),
                Err(error) if Instant::now() > deadline => break error.to_string(),
                _ => sleep(POLL).await,
            }
        };
        let account = self.account().await;
        Err(format!("in {WITHIN:?} it did not come true that {what} {why}\n{account}").into())
    }

    /// Waits until Kafka has a partition in sync on these brokers. They hear of the end of a reassignment one after the
    /// other, and any of them may be asked.
    pub(crate) async fn until_on(&self, of: &TopicPartition, brokers: &[BrokerId]) -> Outcome {
        let wanted: BTreeSet<i32> = numbers(brokers).into_iter().collect();
        self.until("the partition is where it is to be", async |scene| {
            let now = scene.partition(of.topic.as_str(), of.partition.get()).await?;
            let is_wanted = |ids: &[BrokerId]| numbers(ids).into_iter().collect::<BTreeSet<_>>() == wanted;
            Ok(is_wanted(&now.replicas) && is_wanted(&now.in_sync))
        })
        .await
    }

    /// Waits for that many more looks of the balancer at the cluster.
    pub(crate) async fn ticks(&self, ticks: u32) -> Outcome {
        let mut last = self.state().await?.ticked_at_ms;
        let mut left = ticks;
        self.until("the balancer goes on looking", async |scene| {
            let now = scene.state().await?.ticked_at_ms;
            if now != last {
                last = now;
                left -= 1;
            }
            Ok(left == 0)
        })
        .await
    }

    /// Whether nothing is being executed and the last plan has ended.
    pub(crate) async fn is_done(&self) -> Outcome<bool> {
        use balancer::api::view::Phase;
        let state = self.state().await?;
        Ok(state.phase == Phase::Watching && !self.history().await?.is_empty())
    }

    async fn account(&self) -> String {
        let Ok(balancer) = self.balancer() else {
            return String::new();
        };
        let mut account = String::new();
        for path in ["/v1/state", "/v1/brokers", "/v1/hot", "/v1/plan", "/v1/history"] {
            let answer: Result<serde_json::Value, _> = balancer.get(path).await;
            account += &format!("{path}: {answer:?}\n");
        }
        let log = balancer.process.log().unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        account + &lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// Ends the programs and the load, and proves that every acknowledged record is there and that nothing has been
    /// left behind in Kafka; then gives the cluster to the next test.
    pub(crate) async fn end(self) -> Outcome {
        let (kafka, mut slot) = self.close().await?;
        *slot = Some(kafka);
        Ok(())
    }

    /// As [`Scene::end`], for a test after which the cluster is not as others want it.
    pub(crate) async fn end_with_the_cluster(self) -> Outcome {
        self.close().await.map(drop)
    }

    async fn close(mut self) -> Outcome<(LocalKafka, MutexGuard<'static, Option<LocalKafka>>)> {
        drop(self.stack.take());
        let accounts = self
            .load
            .take()
            .ok_or("the load has been stopped")?
            .stop()
            .await?;
        let report = witness::verify(&self.connection, &accounts).await?;
        assert!(report.is_clean() && report.foreign == 0, "{report:?}");
        assert!(report.acknowledged > 0, "nothing was written");
        // Nobody who would take anything away is left; but brokers hear of the last changes one after the other.
        self.until("nothing is left behind", async |scene| {
            Ok(scene.cluster.reassignments().await?.is_empty() && scene.configs().await? == scene.before)
        })
        .await?;
        let journal: TopicName = journal_of(self.name).parse()?;
        let known: Vec<TopicName> = self
            .cluster
            .describe()
            .await?
            .topics
            .into_iter()
            .map(|t| t.name)
            .collect();
        let mut topics = self.topics.clone();
        topics.extend(known.contains(&journal).then_some(journal));
        for (_, deleted) in self.cluster.delete_topics(&topics).await? {
            deleted?;
        }
        Ok((self.kafka, self.slot))
    }
}

fn layout() -> Layout {
    Layout {
        brokers: ["r0", "r1", "r0", "r1"].map(BrokerSpec::in_rack).into(),
        ..Layout::default()
    }
}

fn journal_of(name: &str) -> String {
    format!("journal-of-{name}")
}

/// Small brokers and a quick balancer. Processor and disk are left out, since the machine that the tests share with
/// others would decide about them.
fn configure(config: &mut Config, name: &str, mode: Mode) {
    config.mode = mode;
    config.tick = TICK;
    config.capacity.bytes_in = ByteRate::from_bytes_per_second(CAPACITY);
    config.capacity.bytes_out = ByteRate::from_bytes_per_second(CAPACITY);
    config.heat.threshold = 0.25;
    config.heat.hold = Duration::from_secs(3);
    config.heat.floor.bytes_in = 0.03;
    config.heat.floor.bytes_out = 0.03;
    config.heat.floor.cpu = 1.0;
    config.heat.floor.disk = 1.0;
    config.execute.cool_down = Duration::from_secs(20);
    config.execute.throttle_floor = ByteRate::from_bytes_per_second(FLOOR);
    config.execute.disk_reserve = ByteSize::from_bytes(50_000_000);
    config.journal.transactional_id = name.to_owned();
    if let Ok(topic) = journal_of(name).parse() {
        config.journal.topic = topic;
    }
}

fn set_rate(load: &Load, topic: &str, partition: i32, rate: f64) -> Outcome {
    let rates = load.rates();
    let now = rates
        .iter()
        .find(|now| now.topic == topic && now.partition == partition)
        .ok_or("the load has no such partition")?;
    let factor = rate / now.bytes_per_second;
    Ok(load.shift(&Shift {
        topic: topic.to_owned(),
        partition: Some(partition),
        factor,
    })?)
}

pub(crate) fn partition_of(topic: &str, partition: i32) -> Outcome<TopicPartition> {
    Ok(TopicPartition::new(topic.parse()?, partition.try_into()?))
}

pub(crate) fn ids(ids: &[i32]) -> Outcome<Vec<BrokerId>> {
    Ok(ids
        .iter()
        .copied()
        .map(BrokerId::try_from)
        .collect::<Result<_, _>>()?)
}

pub(crate) fn numbers(ids: &[BrokerId]) -> Vec<i32> {
    ids.iter().map(|id| id.get()).collect()
}

/// How many of the partitions a broker leads.
pub(crate) fn led_by(partitions: &[Partition], broker: i32) -> usize {
    let leads = |partition: &&Partition| partition.leader.is_some_and(|leader| leader.get() == broker);
    partitions.iter().filter(leads).count()
}
