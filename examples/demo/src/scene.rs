//! The stage: Kafka, its topics, the load on them, and the programs beside it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use balancer::config::Config;
use balancer::journal::Mode;
use e2e::local_kafka::LocalKafkaError;
use e2e::prometheus::{Names, Prometheus, Target};
use e2e::stack::{self, Stack, StackError};
use e2e::{BrokerSpec, Layout, LocalKafka};
use kafka::client::KafkaCluster;
use kafka::error::with_causes;
use kafka::settings::ByteRate;
use load::{Load, LoadError, Placement, TopicError, TopicSettings, create_topics};
use thiserror::Error;

use crate::display::Screen;
use crate::options::Options;
use crate::truth::counted;
use crate::workload::{RACKS, Workload};

/// What the brokers can carry, in parts of what the mean broker receives before the shift: such that they are used to a
/// third and there is something to spare for copies, but not everything.
const CAPACITY: f64 = 3.0;

/// The time between two samples, and the balancer's tick: their defaults. A Prometheus looks as often.
pub(crate) const INTERVAL: Duration = Duration::from_secs(5);

/// What tells the cluster from others, in rules and dashboards.
const NAMES: Names<'_> = Names {
    namespace: "demo",
    cluster: "demo",
};

/// For how long the producers must keep to their rate to be called steady.
const STEADY: Duration = Duration::from_secs(5);
/// How long that may take.
const STEADY_WITHIN: Duration = Duration::from_secs(60);

/// What could not be set up.
#[derive(Debug, Error)]
pub(crate) enum SceneError {
    /// Kafka.
    #[error(transparent)]
    Kafka(#[from] LocalKafkaError),
    /// Its topics.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// The load.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The sidecars or the balancer.
    #[error(transparent)]
    Stack(#[from] StackError),
}

/// All that runs but the load. Dropping it stops it.
pub(crate) struct Scene {
    // Declared, and so dropped, in this order.
    /// What records all of it, where that is wanted and could be had.
    pub(crate) prometheus: Option<Prometheus>,
    pub(crate) stack: Stack,
    /// Kafka as it says itself what is.
    pub(crate) control: KafkaCluster,
    pub(crate) kafka: LocalKafka,
}

/// Starts everything.
pub(crate) async fn build(
    options: &Options,
    workload: &mut Workload,
    screen: &mut Screen,
) -> Result<(Scene, Load), SceneError> {
    let racks = (0..options.brokers_per_rack).flat_map(|_| 0..RACKS);
    let layout = Layout {
        brokers: racks
            .map(|rack| BrokerSpec::in_rack(&format!("r{rack}")))
            .collect(),
        // Brokers that share two processors hear of a new leader at different times. A follower that asks it before it
        // knows that it leads waits so long before it asks again, and with it every producer that waits for all replicas.
        properties: [("replica.fetch.backoff.ms".to_owned(), "100".to_owned())].into(),
        ..Layout::default()
    };
    let what = format!(
        "Kafka {}: {} brokers in {RACKS} racks",
        layout.version,
        layout.brokers.len()
    );
    let kafka = screen.during(&what, LocalKafka::start(layout)).await?;

    workload.settings.connection = load::Connection::to(kafka.bootstrap());
    let what = format!("{} partitions, three replicas of each", workload.rates.len());
    screen.during(&what, topics(options, workload)).await?;
    let load = Load::start(&workload.settings)?;
    screen
        .during(
            "producers and consumers, until they are steady",
            steady(&load, workload),
        )
        .await;

    let started = Stack::start(&kafka, INTERVAL, |config| configure(config, options, workload));
    let what = "a sidecar beside each broker, the exporter of lag, the balancer in auto";
    let stack = screen.during(what, started).await?;
    let prometheus = if options.keep {
        record(&stack, screen).await
    } else {
        None
    };
    let control = KafkaCluster::new(stack::connection(&kafka)?);
    Ok((
        Scene {
            prometheus,
            stack,
            control,
            kafka,
        },
        load,
    ))
}

/// Everything else goes on without it.
async fn record(stack: &Stack, screen: &mut Screen) -> Option<Prometheus> {
    let targets = Target::all_of(stack, Some(NAMES));
    let started = Prometheus::start(&targets, INTERVAL);
    match screen
        .during("a Prometheus with the project's rules", started)
        .await
    {
        Ok(prometheus) => Some(prometheus),
        Err(error) => {
            screen.say(&format!("there is no Prometheus: {}", with_causes(&error)));
            None
        }
    }
}

/// Waits until the producers have kept to their rate for a while. The first seconds of cold brokers and joining
/// groups are a flood of what was held up: no balance to start from. A machine too slow for the load ends the wait, and
/// fails the expectations with figures.
async fn steady(load: &Load, workload: &Workload) {
    let wanted = workload.settings.bytes_per_second;
    let looks = STEADY_WITHIN.as_secs() / STEADY.as_secs();
    for _ in 0..looks {
        tokio::time::sleep(STEADY).await;
        let now = SystemTime::now();
        let rates = counted(load, &workload.rates, now - STEADY, now);
        let written: f64 = rates.iter().map(|rate| rate.bytes_per_second).sum();
        if (written / wanted - 1.0).abs() <= 0.1 {
            return;
        }
    }
}

async fn topics(options: &Options, workload: &Workload) -> Result<(), TopicError> {
    let mut by_topic: BTreeMap<String, Vec<Vec<i32>>> = BTreeMap::new();
    // In the order of the partitions' numbers, since the names are sorted.
    for ((topic, _), replicas) in workload.placement(options.brokers_per_rack) {
        by_topic.entry(topic).or_default().push(replicas);
    }
    for (name, lists) in by_topic {
        let partitions = u32::try_from(lists.len()).unwrap_or(u32::MAX);
        let topic = [TopicSettings { name, partitions }];
        create_topics(
            &workload.settings.connection,
            &topic,
            &Placement::Replicas(lists),
            &[],
        )
        .await?;
    }
    Ok(())
}

fn configure(config: &mut Config, options: &Options, workload: &Workload) {
    config.mode = Mode::Auto;
    config.tick = INTERVAL;
    let brokers = f64::from(RACKS * options.brokers_per_rack);
    let received = workload.settings.bytes_per_second * f64::from(RACKS) / brokers;
    let capacity = ByteRate::from_bytes_per_second((received * CAPACITY) as u64);
    config.capacity.bytes_in = capacity;
    config.capacity.bytes_out = capacity;
    // All brokers, the load and the programs share this machine's processors, so that a broker's share of them says
    // nothing about the broker.
    config.heat.floor.cpu = 1.0;
    // The default is meant for real networks; here it would be as much as a broker's whole capacity, and copies would
    // not be held to what the live traffic leaves.
    // Six brokers on two processors: what ten copies that start at once take of them, every producer would notice.
    config.execute.moves_per_cluster = 2;
    config.execute.leadership_changes = 1;
    config.execute.throttle_floor = ByteRate::from_bytes_per_second(1_000_000);
}
