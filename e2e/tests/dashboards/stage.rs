//! What is scraped, and what happens to it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use balancer::api::view::PlanView;
use balancer::config::Config;
use balancer::journal::Mode;
use e2e::prometheus::{Names, Prometheus, Target};
use e2e::scene::Outcome;
use e2e::{Layout, LocalKafka, Service, Stack, stack};
use kafka::Cluster;
use kafka::client::KafkaCluster;
use kafka::settings::ByteRate;
use load::{Connection, GroupSettings, Load, LoadSettings, Placement, Shift, TopicSettings, create_topics};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::now;
use crate::operator::Operator;

const WITHIN: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(500);
/// How often sidecars and balancer look.
const TICK: Duration = Duration::from_secs(1);
/// What a broker can carry in each direction, in bytes per second.
const CAPACITY: u64 = 1_000_000;
/// A port at which nobody is.
const NOBODY: &str = "127.0.0.1:1";

const EVENTS: Names<'_> = Names {
    namespace: "kafka",
    cluster: "events",
};
/// Another cluster, of which some is wrong: an agent that is gone, a sidecar that may not show all, a balancer that sees no
/// Kafka.
const TROUBLED: Names<'_> = Names {
    namespace: "elsewhere",
    cluster: "troubled",
};

/// Partitions and bytes per second: each broker has the same until one partition has more. `orders` has two replicas,
/// `clicks` one.
const ROWS: [(&str, &[i32], f64); 7] = [
    ("clicks", &[0], 100e3),
    ("clicks", &[0], 200e3),
    ("clicks", &[1], 300e3),
    ("clicks", &[2], 300e3),
    ("orders", &[0, 1], 25e3),
    ("orders", &[1, 2], 25e3),
    ("orders", &[2, 0], 25e3),
];
/// The partition of `clicks` that turns hot, and one that gets more than any broker can carry.
const HOT: i32 = 1;
const HUGE: i32 = 2;

/// All that runs.
pub(crate) struct Stage {
    // Declared, and so dropped, in this order.
    reader: Option<Reader>,
    fencing: Option<Service>,
    troubled: Troubled,
    operator: Operator,
    stack: Stack,
    load: Load,
    kafka: LocalKafka,
}

struct Troubled {
    blind: Service,
    limited: Service,
    without_agent: Service,
}

impl Stage {
    pub(crate) async fn set() -> Outcome<Self> {
        let operator = Operator::start(stack::free_address()?).await?;
        let kafka = LocalKafka::start(Layout::default()).await?;
        let load = start_load(&kafka).await?;
        let reader = Reader::start(&kafka)?;
        let stack = Stack::start(&kafka, TICK, configure).await?;
        let troubled = Troubled::start(&kafka).await?;
        Ok(Self {
            reader: Some(reader),
            fencing: None,
            troubled,
            operator,
            stack,
            load,
            kafka,
        })
    }

    /// What is to be scraped, with the labels of the project's PodMonitors or with none.
    pub(crate) fn targets(&self, labelled: bool) -> Vec<Target> {
        let troubled = &self.troubled;
        let of_troubled = [
            &troubled.blind.url,
            &troubled.limited.url,
            &troubled.without_agent.url,
        ]
        .map(|url| Target::new(url));
        let operator = Target::new(&self.operator.url);
        if !labelled {
            let all = Target::all_of(&self.stack, None);
            return all.into_iter().chain(of_troubled).chain([operator]).collect();
        }
        let [blind, limited, without_agent] = of_troubled;
        let others = [
            blind.of(TROUBLED, "troubled-balancer"),
            limited.of_broker(TROUBLED, 0),
            without_agent.of_broker(TROUBLED, 1),
            operator.of_operator("kafka-operator"),
        ];
        Target::all_of(&self.stack, Some(EVENTS))
            .into_iter()
            .chain(others)
            .collect()
    }

    /// Lets everything be as it should for a while.
    pub(crate) async fn at_rest(&self, prometheus: &Prometheus) -> Outcome {
        let seen = r#"count_over_time((kafka_balancer_info{kafka_cluster="events",phase="watching"} == 1)[1m:1s]) > 9"#;
        self.until(prometheus, seen).await
    }

    /// Doubles a partition's load, and waits for a plan that waits for a yes.
    pub(crate) async fn heat_up(&mut self, prometheus: &Prometheus) -> Outcome {
        // From now on nobody commits for this group.
        self.reader.take();
        self.shift(HOT, 2.0)?;
        self.until(
            prometheus,
            r#"kafka_balancer_hot_partitions > 0 and on (kafka_cluster) kafka_balancer_info{phase="waiting"} == 1"#,
        )
        .await
    }

    /// Says yes, and waits for copies under a throttle.
    pub(crate) async fn execute(&self, prometheus: &Prometheus) -> Outcome {
        let deadline = Instant::now() + WITHIN;
        loop {
            // It may be made anew between the two.
            let plan: Option<PlanView> = self.stack.balancer.get("/v1/plan").await?;
            let number = plan.and_then(|plan| plan.id);
            let approved: Result<serde_json::Value, _> = match number {
                Some(number) => {
                    self.stack
                        .balancer
                        .post("/v1/approve", &json!({"plan": number}))
                        .await
                }
                None => Ok(serde_json::Value::Null),
            };
            match approved {
                Ok(answer) if !answer.is_null() => break,
                Err(error) if Instant::now() > deadline => return Err(error.into()),
                _ if Instant::now() > deadline => return Err("no plan waits".into()),
                _ => sleep(POLL).await,
            }
        }
        self.until(
            prometheus,
            r#"max_over_time(kafka_balancer_throttle_bytes_per_second[1m]) > 0 and on (kafka_cluster)
               max_over_time(kafka_balancer_plan_moves{state="in_progress"}[1m]) > 0"#,
        )
        .await
    }

    /// Waits until the plan is over.
    pub(crate) async fn finish(&self, prometheus: &Prometheus) -> Outcome {
        self.until(
            prometheus,
            r#"kafka_balancer_moves_ended_total{outcome="done"} > 0 unless on (kafka_cluster) kafka_balancer_info{phase="executing"} == 1"#,
        )
        .await
    }

    /// Waits until it is noticed that nobody commits for a group any more.
    pub(crate) async fn lag(&self, prometheus: &Prometheus) -> Outcome {
        self.until(prometheus, r#"kafka_consumergroup_status{status!="OK"} and on (consumergroup) kafka_consumergroup_max_lag_seconds > 0"#)
            .await
    }

    /// Somebody who asks for what there is not, a partition that no broker can carry, and another balancer that takes over.
    pub(crate) async fn trouble(&mut self, prometheus: &Prometheus) -> Outcome {
        let (cluster, missing) = (
            KafkaCluster::new(stack::connection(&self.kafka)?),
            ["missing".parse()?],
        );
        tokio::spawn(async move {
            loop {
                let _ = cluster.delete_topics(&missing).await;
                sleep(POLL).await;
            }
        });
        self.shift(HUGE, 5.0)?;
        self.until(
            prometheus,
            r#"max_over_time(kafka_balancer_hot_partitions{verdict="split"}[1m]) > 0"#,
        )
        .await?;
        let mut config = self.stack.config.clone();
        config.listen = stack::free_address()?;
        self.fencing = Some(Service::balancer(&config)?);
        self.until(prometheus, r#"kafka_balancer_info{phase="fenced"} == 1"#)
            .await?;
        let errors = r#"kafka_network_requestmetrics_errors_total{request="DeleteTopics",error!="NONE"}"#;
        self.until(prometheus, &format!("rate({errors}[10s]) > 0")).await
    }

    fn shift(&self, partition: i32, factor: f64) -> Outcome {
        Ok(self.load.shift(&Shift {
            topic: "clicks".to_owned(),
            partition: Some(partition),
            factor,
        })?)
    }

    /// Waits until a query finds something. A failure shows what the balancer says.
    async fn until(&self, prometheus: &Prometheus, query: &str) -> Outcome {
        let deadline = Instant::now() + WITHIN;
        while prometheus.at(now()?, query).await?.is_empty() {
            if Instant::now() > deadline {
                let mut account = String::new();
                for path in ["/v1/state", "/v1/brokers", "/v1/hot", "/v1/plan", "/v1/history"] {
                    let answer: Result<serde_json::Value, _> = self.stack.balancer.get(path).await;
                    account += &format!("{path}: {answer:?}\n");
                }
                return Err(format!("in {WITHIN:?} nothing was found by {query}\n{account}").into());
            }
            sleep(POLL).await;
        }
        Ok(())
    }
}

impl Troubled {
    async fn start(kafka: &LocalKafka) -> Outcome<Self> {
        let mut config = stack::balancer_config(kafka, [])?;
        config.tick = TICK;
        config.kafka.bootstrap = vec![NOBODY.parse()?];
        config.kafka.request_timeout = TICK;
        let blind = Service::balancer(&config)?;
        let mut limited = Service::sidecar_with(kafka, 0, TICK, None, |config| {
            config.metrics.series_per_family = 10;
        })?;
        let mut without_agent = Service::sidecar_with(kafka, 1, TICK, None, |config| {
            if let (Some(jolokia), Ok(url)) =
                (&mut config.jolokia, format!("http://{NOBODY}/jolokia/").parse())
            {
                jolokia.url = url;
            }
        })?;
        limited.ready().await?;
        without_agent.ready().await?;
        Ok(Self {
            blind,
            limited,
            without_agent,
        })
    }
}

async fn start_load(kafka: &LocalKafka) -> Outcome<Load> {
    let connection = Connection::to(kafka.bootstrap());
    let mut placement: BTreeMap<&str, Vec<Vec<i32>>> = BTreeMap::new();
    for (topic, replicas, _) in ROWS {
        placement.entry(topic).or_default().push(replicas.to_vec());
    }
    let mut topics = Vec::new();
    for (name, replicas) in placement {
        let topic = TopicSettings {
            name: name.to_owned(),
            partitions: u32::try_from(replicas.len())?,
        };
        create_topics(
            &connection,
            std::slice::from_ref(&topic),
            &Placement::Replicas(replicas),
            &[],
        )
        .await?;
        topics.push(topic);
    }
    let archive = GroupSettings {
        id: "archive".to_owned(),
        topics: topics.iter().map(|topic| topic.name.clone()).collect(),
        commit_interval: TICK,
    };
    let load = Load::start(&LoadSettings {
        // So little that what is sent before the rates are set does not count.
        bytes_per_second: 1_000.0,
        groups: vec![archive],
        ..LoadSettings::new(connection, topics)
    })?;
    let mut numbers: BTreeMap<&str, i32> = BTreeMap::new();
    for (topic, _, rate) in ROWS {
        let number = numbers.entry(topic).or_insert(0);
        let rates = load.rates();
        let of = |now: &&load::PartitionRate| now.topic == topic && now.partition == *number;
        let before = rates.iter().find(of).ok_or("the load has no such partition")?;
        load.shift(&Shift {
            topic: topic.to_owned(),
            partition: Some(*number),
            factor: rate / before.bytes_per_second,
        })?;
        *number += 1;
    }
    Ok(load)
}

/// A quick balancer that asks before it acts. Processor and disk are left out, since the machine decides about them.
fn configure(config: &mut Config) {
    config.mode = Mode::Approve;
    config.tick = TICK;
    config.capacity.bytes_in = ByteRate::from_bytes_per_second(CAPACITY);
    config.capacity.bytes_out = ByteRate::from_bytes_per_second(CAPACITY);
    config.heat.threshold = 0.25;
    config.heat.hold = Duration::from_secs(3);
    config.heat.floor.cpu = 1.0;
    config.heat.floor.disk = 1.0;
    config.execute.throttle_floor = ByteRate::from_bytes_per_second(CAPACITY / 10);
}

/// A member of a group that reads and commits until it is dropped.
struct Reader {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    fn start(kafka: &LocalKafka) -> Outcome<Self> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", kafka.bootstrap())
            .set("group.id", "billing")
            .set("auto.commit.interval.ms", "500")
            .set("auto.offset.reset", "earliest")
            .create()?;
        consumer.subscribe(&["clicks"])?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let _ = consumer.poll(Duration::from_millis(100));
            }
        });
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
