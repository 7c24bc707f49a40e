//! A plan, made to happen on a real Kafka by an executor that dies on the way.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use balancer::execute::{Executor, Guidance, Headroom, Limits};
use balancer::journal::{FinishedPlan, Mode, Outcome, PlanId, StopHow};
use balancer::plan::Move;
use e2e::scene::{ids, now, plan};
use e2e::{BrokerSpec, Layout, LocalKafka, stack};
use kafka::client::{CompactedLogSettings, KafkaCluster, KafkaCompactedLog};
use kafka::cluster::{ConfigChange, ConfigResource, ConfigSource, NewTopic, Partition, Placement};
use kafka::connection::ConnectionSettings;
use kafka::{BrokerId, Cluster, TopicName, TopicPartition};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

type Outcomes<T> = Result<T, Box<dyn Error>>;
type RealExecutor = Executor<KafkaCluster, KafkaCompactedLog>;

const MEGABYTES: usize = 40;

/// What somebody else has set as the most that broker 0 sends.
const OPERATORS_RATE: &str = "123456789";

/// How long brokers may take to hear of a change.
const WITHIN: Duration = Duration::from_secs(60);

struct Scene {
    kafka: LocalKafka,
    connection: ConnectionSettings,
    cluster: KafkaCluster,
    log: KafkaCompactedLog,
    topic: TopicName,
}

#[tokio::test]
async fn a_plan_survives_its_executor_and_leaves_nothing_behind() -> Outcomes<()> {
    let scene = Scene::set().await?;
    let before = scene.dynamic_configs().await?;
    let (copied, led) = (scene.partition(0)?, scene.partition(1)?);
    let lead = scene.plan_move(&led, &[1, 0, 2]).await?;
    let copy = scene.plan_move(&copied, &[3, 1, 2]).await?;

    let mut executor = scene.open().await?;
    executor.set_mode(Mode::Auto, now()?).await?;
    let id = executor.start(plan(vec![lead, copy])?, now()?).await?;
    executor.tick(&guidance(4e6), now()?).await?;
    let other = Some(BrokerId::try_from(1)?);
    scene
        .until("the leader is another", async |scene| {
            Ok(scene.see(&led).await?.leader == other)
        })
        .await?;
    until(&mut executor, 4e6, async || {
        Ok(scene.cluster.reassignments().await?.contains_key(&copied))
    })
    .await?;
    scene.until_leader_rate("4000613").await?;
    assert_eq!(before[&leader_rate()?], OPERATORS_RATE);

    // Cut off while it raises the throttles, as a kill would.
    let died = tokio::time::timeout(Duration::from_millis(40), executor.tick(&guidance(20e6), now()?)).await;
    assert!(died.is_err(), "the tick was over before it could be cut off");
    drop(executor);

    let mut successor = scene.open().await?;
    let finished = finish(&mut successor, id).await?;
    assert_eq!(outcomes(&finished), [Outcome::Done, Outcome::Done]);
    let (wanted, first) = (ids(&[3, 1, 2])?, Some(BrokerId::try_from(3)?));
    scene
        .until("the copy is led where it is", async |scene| {
            let moved = scene.see(&copied).await?;
            Ok(moved.replicas == wanted && moved.leader == first)
        })
        .await?;
    scene.until_as(&before).await?;
    drop(scene.kafka);
    Ok(())
}

#[tokio::test]
async fn a_plan_that_is_stopped_at_once_puts_replicas_and_their_order_back() -> Outcomes<()> {
    let scene = Scene::set().await?;
    let before = scene.dynamic_configs().await?;
    let copied = scene.partition(0)?;
    let copy = scene.plan_move(&copied, &[3, 1, 2]).await?;
    let mut executor = scene.open().await?;
    executor.set_mode(Mode::Auto, now()?).await?;
    let id = executor.start(plan(vec![copy])?, now()?).await?;
    until(&mut executor, 1e6, async || {
        Ok(scene.cluster.reassignments().await?.contains_key(&copied))
    })
    .await?;
    executor.tick(&guidance(1e6), now()?).await?;
    executor.stop(StopHow::AtOnce, now()?).await?;
    let finished = finish(&mut executor, id).await?;
    assert_eq!(outcomes(&finished), [Outcome::Stopped]);
    let wanted = ids(&[0, 1, 2])?;
    scene
        .until("the replicas are where they were", async |scene| {
            Ok(scene.see(&copied).await?.replicas == wanted)
        })
        .await?;
    scene.until_as(&before).await?;
    drop(scene.kafka);
    Ok(())
}

impl Scene {
    /// Four brokers, a topic of two partitions with the first one filled, and a rate of somebody else's that
    /// throttles nothing.
    async fn set() -> Outcomes<Self> {
        let layout = Layout {
            brokers: ["r0", "r1", "r2", "r0"].map(BrokerSpec::in_rack).into(),
            jolokia: false,
            ..Layout::default()
        };
        let kafka = LocalKafka::start(layout).await?;
        let connection = stack::connection(&kafka)?;
        let cluster = KafkaCluster::new(connection.clone());
        let topic: TopicName = "orders".parse()?;
        let new = NewTopic {
            name: topic.clone(),
            placement: Placement::Manual(vec![ids(&[0, 1, 2])?, ids(&[0, 1, 2])?]),
            configs: BTreeMap::from([("min.insync.replicas".to_owned(), "2".to_owned())]),
        };
        for (_, made) in cluster.create_topics(&[new]).await? {
            made?;
        }
        let bootstrap = kafka.bootstrap();
        tokio::task::spawn_blocking(move || fill(&bootstrap))
            .await?
            .map_err(|e| e.to_string())?;
        let rate = ConfigChange::Set {
            name: "leader.replication.throttled.rate".to_owned(),
            value: OPERATORS_RATE.to_owned(),
        };
        let change = (ConfigResource::Broker(BrokerId::try_from(0)?), vec![rate]);
        for (_, changed) in cluster.alter_configs(&[change]).await? {
            changed?;
        }
        let journal = CompactedLogSettings {
            transactional_id: "balancer".to_owned(),
            topic: "balancer-journal".parse()?,
            replication_factor: 3,
            max_live_bytes: 10_000_000,
        };
        let scene = Self {
            log: KafkaCompactedLog::new(connection.clone(), journal),
            kafka,
            connection,
            cluster,
            topic,
        };
        scene.until_leader_rate(OPERATORS_RATE).await?;
        Ok(scene)
    }

    /// Waits until something is so. Brokers hear of changes one after the other.
    async fn until(&self, what: &str, is_so: impl AsyncFn(&Self) -> Outcomes<bool>) -> Outcomes<()> {
        e2e::scene::until(WITHIN, what, async || is_so(self).await).await
    }

    /// Waits until broker 0 has this rate for what it sends.
    async fn until_leader_rate(&self, rate: &str) -> Outcomes<()> {
        let leader_rate = leader_rate()?;
        self.until(&format!("broker 0 sends at {rate}"), async |scene| {
            let found = scene.dynamic_configs().await?;
            Ok(found.get(&leader_rate).is_some_and(|found| found == rate))
        })
        .await
    }

    /// Waits until every dynamic entry is as it was.
    async fn until_as(&self, before: &BTreeMap<(ConfigResource, String), String>) -> Outcomes<()> {
        self.until("all is configured as before", async |scene| {
            Ok(scene.dynamic_configs().await? == *before)
        })
        .await
    }

    async fn open(&self) -> Outcomes<RealExecutor> {
        let limits = Limits {
            throttle_floor: 100_000,
            ..Limits::default()
        };
        let cluster = KafkaCluster::new(self.connection.clone());
        Ok(Executor::open(cluster, &self.log, limits, Mode::Observe, now()?).await?)
    }

    fn partition(&self, number: i32) -> Outcomes<TopicPartition> {
        Ok(TopicPartition::new(self.topic.clone(), number.try_into()?))
    }

    async fn see(&self, of: &TopicPartition) -> Outcomes<Partition> {
        let topics = self.cluster.describe().await?.topics;
        let topic = topics.into_iter().find(|topic| topic.name == of.topic);
        let mut partitions = topic.into_iter().flat_map(|topic| topic.partitions);
        partitions
            .find(|partition| partition.id == of.partition)
            .ok_or_else(|| format!("{of} is not there").into())
    }

    async fn plan_move(&self, of: &TopicPartition, to: &[i32]) -> Outcomes<Move> {
        let topics = self.cluster.describe().await?.topics;
        let topic = topics
            .into_iter()
            .find(|topic| topic.name == of.topic)
            .ok_or("the topic is not there")?;
        let found = self.see(of).await?;
        Ok(Move {
            partition: of.clone(),
            topic_id: topic.id,
            from: found.replicas,
            from_leader: found.leader,
            to: ids(to)?,
            reason: "broker 0 sends 40 % more than the mean".to_owned(),
            bytes: (MEGABYTES * 1_000_000) as u64,
            gain: 0.4,
            expected_seconds: 10.0,
        })
    }

    /// Every dynamic entry of the brokers and of the topic.
    async fn dynamic_configs(&self) -> Outcomes<BTreeMap<(ConfigResource, String), String>> {
        let mut resources = vec![ConfigResource::Topic(self.topic.clone())];
        resources.extend(ids(&[0, 1, 2, 3])?.into_iter().map(ConfigResource::Broker));
        let mut dynamic = BTreeMap::new();
        for (resource, entries) in self.cluster.configs(&resources, &[]).await? {
            for entry in entries? {
                if entry.source == ConfigSource::Dynamic {
                    dynamic.insert((resource.clone(), entry.name), entry.value.unwrap_or_default());
                }
            }
        }
        Ok(dynamic)
    }
}

/// The entry that says how fast broker 0 sends at most.
fn leader_rate() -> Outcomes<(ConfigResource, String)> {
    let broker = ConfigResource::Broker(BrokerId::try_from(0)?);
    Ok((broker, "leader.replication.throttled.rate".to_owned()))
}

fn fill(bootstrap: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("acks", "all")
        .create()?;
    let payload = vec![b'x'; 100_000];
    for _ in 0..MEGABYTES * 10 {
        let record = BaseRecord::<(), _>::to("orders").partition(0).payload(&payload);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    producer.flush(Duration::from_secs(60))?;
    Ok(())
}

async fn until(
    executor: &mut RealExecutor,
    rate: f64,
    mut is_so: impl AsyncFnMut() -> Outcomes<bool>,
) -> Outcomes<()> {
    for _ in 0..120 {
        if is_so().await? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        executor.tick(&guidance(rate), now()?).await?;
    }
    Err(format!("it never came true: {:#?}", executor.status()).into())
}

async fn finish(executor: &mut RealExecutor, id: PlanId) -> Outcomes<FinishedPlan> {
    for _ in 0..120 {
        let report = executor.tick(&guidance(20e6), now()?).await?;
        if !report.problems.is_empty() {
            return Err(format!("{:?}", report.problems).into());
        }
        let status = executor.status();
        let clean = status.throttles.rates.is_empty() && status.throttles.replicas.is_empty();
        if let Some((_, plan)) = status.history.into_iter().find(|(of, _)| *of == id)
            && clean
        {
            return Ok(plan);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Err(format!("never over: {:#?}", executor.status()).into())
}

fn outcomes(plan: &FinishedPlan) -> Vec<Outcome> {
    plan.moves.iter().map(|ended| ended.outcome.clone()).collect()
}

fn guidance(spare: f64) -> Guidance {
    let headroom = Headroom {
        send: spare,
        receive: spare,
    };
    let brokers = (0..4).filter_map(|id| BrokerId::try_from(id).ok());
    Guidance {
        headroom: brokers.map(|broker| (broker, headroom)).collect(),
        ..Guidance::default()
    }
}
