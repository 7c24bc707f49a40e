//! A cluster with a load on it, and the project's programs beside it: what most tests against a real Kafka play in.
//!
//! What is claimed of the balancer is read from Kafka, not from the balancer; and every record that was acknowledged
//! is accounted for at the end.

mod asking;
mod filling;
mod plan;
mod programs;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io::Write as _;
use std::time::Duration;

use balancer::config::Config;
use balancer::journal::Mode;
use kafka::client::KafkaCluster;
use kafka::cluster::{ConfigChange, ConfigResource, Partition};
use kafka::settings::{ByteRate, ByteSize};
use kafka::{BrokerId, Cluster, TopicName, TopicPartition};
use load::witness::WitnessReport;
use load::{Connection, Load, LoadSettings, Placement, Shift, TopicSettings, create_topics, witness};
use tokio::sync::{Mutex, MutexGuard};

pub use asking::until;
pub use plan::{now, plan};

use crate::stack::{self, Stack};
use crate::{BrokerSpec, Layout, LocalKafka};

/// What a test or a part of it comes to; any error ends the test.
pub type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// How often sidecars and balancer look.
pub const TICK: Duration = Duration::from_secs(1);
/// What a broker can carry in each direction, in bytes per second.
pub const CAPACITY: u64 = 6_000_000;
/// The least rate of a throttle, in bytes per second.
pub const FLOOR: u64 = 500_000;

/// The cluster that the tests use one after the other. A test that fails, or that changes the brokers, does not give
/// it back, and the next one starts another.
static CLUSTER: Mutex<Option<LocalKafka>> = Mutex::const_new(None);

/// The right to the cluster that tests use, and the cluster between two of them.
type Slot = MutexGuard<'static, Option<LocalKafka>>;

/// Every dynamic configuration entry of all brokers and of a test's topics.
pub type Configs = BTreeMap<(ConfigResource, String), String>;

/// A cluster with a load, and what a test has started beside it.
pub struct Scene {
    // Declared, and so dropped, in this order: programs and load before the cluster, the right to it last.
    /// The balancer and its sidecars, once they are started.
    pub stack: Option<Stack>,
    load: Option<Load>,
    connection: Connection,
    /// For asking Kafka itself.
    pub cluster: KafkaCluster,
    /// The cluster.
    pub kafka: LocalKafka,
    name: &'static str,
    /// With the number of replicas that each partition has.
    topics: BTreeMap<TopicName, usize>,
    before: Configs,
    slot: Slot,
}

/// A partition of a load and its place: topic, replicas, bytes per second.
pub type Row<'a> = (&'a str, &'a [i32], f64);

impl Scene {
    /// Four brokers in two racks, 0 and 2 in one, 1 and 3 in the other; a topic's partitions on the replicas that
    /// the rows say, in their order, and so much load on each.
    ///
    /// # Errors
    ///
    /// What kept it from being set.
    pub async fn set(name: &'static str, rows: &[Row<'_>]) -> Outcome<Self> {
        let layout = Layout {
            brokers: ["r0", "r1", "r0", "r1"].map(BrokerSpec::in_rack).into(),
            ..Layout::default()
        };
        Self::set_on(layout, name, rows).await
    }

    /// The same on a cluster of another layout. If the test before used such a cluster, it is used on.
    ///
    /// # Errors
    ///
    /// What kept it from being set.
    pub async fn set_on(layout: Layout, name: &'static str, rows: &[Row<'_>]) -> Outcome<Self> {
        Self::set_with(layout, name, rows, 1).await
    }

    /// The same with so many producers, among which the partitions are dealt. A broker takes a producer's next request
    /// only when the one before is answered, so that it takes several to use a slow broker up.
    ///
    /// # Errors
    ///
    /// What kept it from being set.
    pub async fn set_with(
        layout: Layout,
        name: &'static str,
        rows: &[Row<'_>],
        producers: u32,
    ) -> Outcome<Self> {
        let mut slot = CLUSTER.lock().await;
        let kafka = match slot.take() {
            Some(kafka) if *kafka.layout() == layout => kafka,
            other => {
                // Only one cluster runs at a time.
                drop(other);
                LocalKafka::start(layout).await?
            }
        };
        let cluster = KafkaCluster::new(stack::connection(&kafka)?);
        let mut scene = Self {
            stack: None,
            load: None,
            connection: Connection::to(kafka.bootstrap()),
            cluster,
            kafka,
            name,
            topics: BTreeMap::new(),
            before: Configs::new(),
            slot,
        };
        scene.make_topics(rows).await?;
        scene.before = scene.configs().await?;
        scene.start_load(rows, producers)?;
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
            let replication = replicas.iter().map(Vec::len).min().unwrap_or(1);
            // One replica may be away.
            let minimum = replication.saturating_sub(1).max(1).to_string();
            create_topics(
                &self.connection,
                &[topic],
                &Placement::Replicas(replicas),
                &[("min.insync.replicas", &minimum)],
            )
            .await?;
            self.topics.insert(name.parse()?, replication);
        }
        let wanted: usize = rows.iter().map(|(_, replicas, _)| replicas.len()).sum();
        self.until("every replica is in sync and on disk", async |scene| {
            let described = scene.cluster.describe().await?.topics;
            let own = described
                .iter()
                .filter(|topic| scene.topics.contains_key(&topic.name));
            let in_sync: usize = own
                .flat_map(|topic| &topic.partitions)
                .map(|p| p.in_sync.len())
                .sum();
            let on_disk = scene.log_dirs().await?;
            let own = on_disk.values().flat_map(BTreeMap::keys);
            let on_disk = own
                .filter(|replica| scene.topics.contains_key(&replica.topic))
                .count();
            Ok((in_sync, on_disk) == (wanted, wanted))
        })
        .await
    }

    fn start_load(&mut self, rows: &[Row<'_>], producers: u32) -> Outcome {
        let topics: Vec<TopicSettings> = self
            .topics
            .keys()
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
            producers,
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

    /// The load.
    ///
    /// # Errors
    ///
    /// There is none any more.
    pub fn load(&self) -> Outcome<&Load> {
        self.load
            .as_ref()
            .ok_or_else(|| "the load has been stopped".into())
    }

    /// Changes the load of one partition to so many bytes per second.
    ///
    /// # Errors
    ///
    /// There is no such partition.
    pub fn load_with(&self, topic: &str, partition: i32, rate: f64) -> Outcome {
        set_rate(self.load()?, topic, partition, rate)
    }

    /// Writes to a partition at 5 MB/s until its log has so many bytes, and then at `rate`.
    ///
    /// # Errors
    ///
    /// It does not grow.
    pub async fn grow(&self, topic: &str, partition: i32, bytes: u64, rate: f64) -> Outcome {
        let of = partition_of(topic, partition)?;
        self.load_with(topic, partition, 5e6)?;
        self.until("the log has grown", async |scene| {
            let sizes = scene.replica_sizes(&of).await?;
            Ok(sizes.values().any(|size| *size >= bytes))
        })
        .await?;
        self.load_with(topic, partition, rate)
    }

    /// Changes configuration as an operator would who uses it for something else. What is there then is what has to be
    /// there at the end.
    ///
    /// # Errors
    ///
    /// Kafka refuses, or not every broker hears of it.
    pub async fn operator_sets(&mut self, changes: &[(ConfigResource, Vec<ConfigChange>)]) -> Outcome {
        for (_, changed) in self.cluster.alter_configs(changes).await? {
            changed?;
        }
        let shown = |configs: &Configs| {
            let mut all = changes
                .iter()
                .flat_map(|(of, changes)| changes.iter().map(move |change| (of, change)));
            all.all(|(of, change)| match change {
                ConfigChange::Set { name, value } => configs.get(&(of.clone(), name.clone())) == Some(value),
                ConfigChange::Delete { name } => !configs.contains_key(&(of.clone(), name.clone())),
                ConfigChange::Append { .. } | ConfigChange::Subtract { .. } => true,
            })
        };
        self.until("the operator's change shows", async |scene| {
            Ok(shown(&scene.configs().await?))
        })
        .await?;
        self.before = self.configs().await?;
        Ok(())
    }

    /// Ends the programs and the load, and proves that every acknowledged record is there and that nothing has been
    /// left behind in Kafka; then gives the cluster to the next test.
    ///
    /// # Errors
    ///
    /// Something is left behind, or could not be asked.
    ///
    /// # Panics
    ///
    /// Records are lost, doubled or out of order.
    pub async fn end(self) -> Outcome {
        let (kafka, mut slot, _) = self.close().await?;
        *slot = Some(kafka);
        Ok(())
    }

    /// As [`Scene::end`], for a test after which the cluster is not as others want it. Answers what became of the records.
    ///
    /// # Errors
    ///
    /// As [`Scene::end`].
    ///
    /// # Panics
    ///
    /// As [`Scene::end`].
    pub async fn end_with_the_cluster(self) -> Outcome<WitnessReport> {
        let (_, _, report) = self.close().await?;
        Ok(report)
    }

    async fn close(mut self) -> Outcome<(LocalKafka, Slot, WitnessReport)> {
        self.halt().await?;
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
        self.until_clean().await?;
        let journal: TopicName = journal_of(self.name).parse()?;
        let known: Vec<TopicName> = self
            .cluster
            .describe()
            .await?
            .topics
            .into_iter()
            .map(|t| t.name)
            .collect();
        let mut topics: Vec<TopicName> = self.topics.keys().cloned().collect();
        topics.extend(known.contains(&journal).then_some(journal));
        for (_, deleted) in self.cluster.delete_topics(&topics).await? {
            deleted?;
        }
        Ok((self.kafka, self.slot, report))
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

/// Says something to whoever watches the test.
///
/// # Errors
///
/// Nobody can be told.
pub fn say(line: &str) -> Outcome {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// Says something that nothing depends on, where somebody can be told.
pub(crate) fn mention(line: &str) {
    let _ = say(line);
}

/// A partition by its topic and its number.
///
/// # Errors
///
/// There can be none of that name or number.
pub fn partition_of(topic: &str, partition: i32) -> Outcome<TopicPartition> {
    Ok(TopicPartition::new(topic.parse()?, partition.try_into()?))
}

/// Brokers by their numbers.
///
/// # Errors
///
/// A number is negative.
pub fn ids(ids: &[i32]) -> Outcome<Vec<BrokerId>> {
    Ok(ids
        .iter()
        .copied()
        .map(BrokerId::try_from)
        .collect::<Result<_, _>>()?)
}

/// The numbers of brokers.
pub fn numbers(ids: &[BrokerId]) -> Vec<i32> {
    ids.iter().map(|id| id.get()).collect()
}

/// How many of the partitions a broker leads.
pub fn led_by(partitions: &[Partition], broker: i32) -> usize {
    let leads = |partition: &&Partition| partition.leader.is_some_and(|leader| leader.get() == broker);
    partitions.iter().filter(leads).count()
}
