//! How long `kafka-sidecar offsets` takes for a sample of 5,000 groups with a commit in each of 2,500 partitions of a real
//! Kafka, and how much memory it has at most: a table for people, and `target/bench/groups.json`. `make bench-groups`.
//!
//! Brokers, their clients and the exporter share this machine, so what is measured is all of it together: brokers that
//! answer, 12.5 million offsets over sockets, and rows made of them.

use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use comfy_table::{Table, presets};
use e2e::process::Memory;
use e2e::processor::Processor;
use e2e::{BrokerSpec, Layout, LocalKafka, Service};
use load::{Connection, Placement, TopicSettings, create_topics};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde::Serialize;
use tokio::time::{Instant, sleep};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const GROUPS: usize = 5_000;
const TOPICS: usize = 25;
const PARTITIONS: u32 = 100;
/// Room for every pair of a group and a partition, and the default.
const LIMITS: [u32; 2] = [12_500_000, 2_000_000];
/// How many groups commit at a time.
const AT_A_TIME: usize = 16;
const INTERVAL: Duration = Duration::from_secs(15);
/// How many samples are looked at.
const SAMPLES: usize = 4;
const WITHIN: Duration = Duration::from_secs(300);

/// Where the exporter says how long a sample took and when it was.
const DURATION: &str = "kafka_sidecar_source_collect_duration_seconds{";
const SUCCESS: &str = "kafka_sidecar_source_last_success_timestamp_seconds{";
const PAIRS: &str = "kafka_sidecar_group_partitions ";

/// What was measured with one limit.
#[derive(Debug, Serialize)]
struct Measured {
    max_group_partitions: u32,
    pairs: f64,
    first_sample_seconds: f64,
    /// The longest of the later ones.
    later_sample_seconds: f64,
    /// Processor time of the exporter and of all brokers for each sample, in seconds.
    exporter_cpu_seconds: f64,
    brokers_cpu_seconds: f64,
    /// In 10^6 bytes.
    peak_memory_mb: f64,
}

#[tokio::main]
async fn main() -> Outcome {
    say("three brokers start …");
    let kafka = LocalKafka::start(Layout {
        brokers: vec![BrokerSpec::default(); 3],
        jolokia: false,
        heap_mib: 3072,
        jvm: vec!["-XX:TieredStopAtLevel=4".to_owned()],
        ..Layout::default()
    })
    .await?;
    let topics: Vec<String> = (0..TOPICS).map(|number| format!("topic-{number:02}")).collect();
    let settings = topics.iter().map(|name| TopicSettings {
        name: name.clone(),
        partitions: PARTITIONS,
    });
    let connection = Connection::to(kafka.bootstrap());
    let placement = Placement::Replicas((0..PARTITIONS as i32).map(|number| vec![number % 3]).collect());
    create_topics(&connection, &settings.collect::<Vec<_>>(), &placement, &[]).await?;

    say(&format!(
        "{GROUPS} groups commit in {} partitions each …",
        TOPICS as u32 * PARTITIONS
    ));
    let began = Instant::now();
    tokio::task::block_in_place(|| commit(&kafka.bootstrap(), &topics))?;
    say(&format!("… in {} s", began.elapsed().as_secs()));

    let mut measured = Vec::new();
    for limit in LIMITS {
        say(&format!("the exporter samples with room for {limit} pairs …"));
        measured.push(sample(&kafka, limit).await?);
    }
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
    std::fs::create_dir_all(&target)?;
    std::fs::write(target.join("groups.json"), serde_json::to_vec_pretty(&measured)?)?;
    say(&table(&measured));
    Ok(())
}

/// Each group is a client of its own, as groups are.
fn commit(bootstrap: &str, topics: &[String]) -> Result<(), KafkaError> {
    let mut offsets = TopicPartitionList::new();
    for topic in topics {
        for number in (0..).take(PARTITIONS as usize) {
            offsets.add_partition_offset(topic, number, Offset::Offset(0))?;
        }
    }
    let next = AtomicUsize::new(0);
    let commits = || -> Result<(), KafkaError> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= GROUPS {
                return Ok(());
            }
            let group: BaseConsumer = ClientConfig::new()
                .set("bootstrap.servers", bootstrap)
                .set("group.id", format!("group-{number:04}"))
                .create()?;
            let began = Instant::now();
            // The first of a coordinator's groups come while it makes its part of the log of commits.
            while let Err(error) = group.commit(&offsets, CommitMode::Sync) {
                if began.elapsed() > WITHIN {
                    return Err(error);
                }
                thread::sleep(Duration::from_millis(200));
            }
        }
    };
    thread::scope(|scope| {
        let all: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(commits)).collect();
        let ended = all
            .into_iter()
            .map(|each| each.join().unwrap_or(Err(KafkaError::Canceled)));
        ended.collect()
    })
}

async fn sample(kafka: &LocalKafka, limit: u32) -> Outcome<Measured> {
    let before = of_brokers(kafka)?;
    let mut exporter = Service::offsets_with(kafka, INTERVAL, |config| config.max_group_partitions = limit)?;
    let deadline = Instant::now() + WITHIN;
    let (mut took, mut last, mut pairs) = (Vec::new(), None, None);
    while took.len() < SAMPLES {
        sleep(Duration::from_millis(200)).await;
        if Instant::now() > deadline {
            let log = exporter.process.log()?;
            return Err(format!("no {SAMPLES} samples within {WITHIN:?}; its log:\n{log}").into());
        }
        let Ok(metrics) = exporter.text("/metrics").await else {
            continue;
        };
        let success = largest(&metrics, SUCCESS);
        if success.is_some() && success != last {
            last = success;
            took.extend(largest(&metrics, DURATION));
            pairs = largest(&metrics, PAIRS);
        }
    }
    let peak_memory_mb = Memory::of(exporter.process.pid())?.peak_mb();
    let exporter_cpu = Processor::of(exporter.process.pid()).time()?;
    let brokers_cpu = of_brokers(kafka)?.saturating_sub(before);
    let each = |time: Duration| time.as_secs_f64() / SAMPLES as f64;
    exporter.process.terminate().await?;
    Ok(Measured {
        max_group_partitions: limit,
        pairs: pairs.ok_or("the exporter does not say how many pairs it follows")?,
        first_sample_seconds: took[0],
        later_sample_seconds: took[1..].iter().copied().fold(0.0, f64::max),
        exporter_cpu_seconds: each(exporter_cpu),
        brokers_cpu_seconds: each(brokers_cpu),
        peak_memory_mb,
    })
}

fn of_brokers(kafka: &LocalKafka) -> Outcome<Duration> {
    let times = kafka
        .ids()
        .into_iter()
        .map(|id| Ok(Processor::of(kafka.pid(id)?).time()?));
    times.sum()
}

/// The largest value of the series that begin so.
fn largest(metrics: &str, begin: &str) -> Option<f64> {
    let lines = metrics.lines().filter(|line| line.starts_with(begin));
    let values = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
    values.reduce(f64::max)
}

fn table(measured: &[Measured]) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "room for pairs",
        "pairs",
        "first sample, s",
        "later, up to, s",
        "CPU of exporter, s",
        "CPU of brokers, s",
        "memory, at most, MB",
    ]);
    for row in measured {
        table.add_row([
            row.max_group_partitions.to_string(),
            format!("{:.0}", row.pairs),
            format!("{:.1}", row.first_sample_seconds),
            format!("{:.1}", row.later_sample_seconds),
            format!("{:.1}", row.exporter_cpu_seconds),
            format!("{:.1}", row.brokers_cpu_seconds),
            format!("{:.0}", row.peak_memory_mb),
        ]);
    }
    table.to_string()
}

#[expect(clippy::print_stdout, reason = "a bench shows what it measured")]
fn say(what: &str) {
    println!("{what}");
}
