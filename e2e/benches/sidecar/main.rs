//! What the sidecar costs beside one real broker with 4,000 replicas, and what the agent of the Prometheus JMX exporter
//! costs there for the same content: a table for people, and `target/bench/sidecar.json`. `make bench-sidecar` runs it.
//!
//! Both agents are in the same JVM, and only one is asked at a time, while 2,000 records a second are written. What a
//! sample costs the broker is its processor time while it is sampled, less what it takes when nobody asks.

mod exporter;
mod traffic;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use comfy_table::{Table, presets};
use e2e::process::Memory;
use e2e::processor::Processor;
use e2e::stack::Service;
use e2e::{BrokerSpec, Layout, LocalKafka};
use exporter::Exporter;
use load::{Connection, Placement, TopicSettings, create_topics};
use serde::Serialize;
use tokio::time::{Instant, interval, sleep};
use traffic::Traffic;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const TOPICS: u32 = 40;
const PARTITIONS: u32 = 100;
/// How long each way of asking is measured.
const PHASE: Duration = Duration::from_secs(60);
/// How often each is asked before, so that the JVM has compiled what answers.
const WARM_UP: usize = 20;
/// The sidecar's default.
const SAMPLES: Duration = Duration::from_secs(5);
/// What Prometheus does by default, roughly.
const SCRAPES: Duration = Duration::from_secs(15);
const EXPORTER_INTERVALS: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
];

/// What was measured. Times in milliseconds, memory in 10^6 bytes, sizes in bytes.
#[derive(Debug, Serialize)]
struct Measured {
    replicas: u32,
    idle_broker_cpu_percent: f64,
    broker_cpu_ms_per_sample: f64,
    sidecar_rss_mb: f64,
    sidecar_cpu_percent: f64,
    load_report_bytes: usize,
    metrics_bytes: usize,
    scrape_ms: f64,
    jmx_exporter_cpu_ms_per_scrape: f64,
    jmx_exporter_scrape_ms: f64,
    jmx_exporter_metrics_bytes: usize,
    /// By seconds from one scrape to the next.
    jmx_exporter_broker_cpu_percent: BTreeMap<u64, f64>,
    times_cheaper: f64,
}

#[tokio::main]
async fn main() -> Outcome {
    let agent = PathBuf::from(
        std::env::var_os("JMX_EXPORTER").ok_or("JMX_EXPORTER is not set; `make bench-sidecar` sets it")?,
    );
    say("a broker with 4,000 replicas starts …");
    let exporter = Exporter::new(agent)?;
    let (kafka, _traffic) = broker(&exporter).await?;
    let measured = measure(&kafka, &exporter).await?;
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
    std::fs::create_dir_all(&target)?;
    std::fs::write(target.join("sidecar.json"), serde_json::to_vec_pretty(&measured)?)?;
    say(&table(&measured));
    Ok(())
}

/// One broker that leads every partition, and is written to.
async fn broker(exporter: &Exporter) -> Outcome<(LocalKafka, Traffic)> {
    let kafka = LocalKafka::start(Layout {
        brokers: vec![BrokerSpec::default()],
        heap_mib: 1024,
        // As brokers run; tests do with the first compiler.
        jvm: vec!["-XX:TieredStopAtLevel=4".to_owned(), exporter.jvm_argument()],
        ..Layout::default()
    })
    .await?;
    let names: Vec<String> = (0..TOPICS).map(|number| format!("topic-{number}")).collect();
    let connection = Connection::to(kafka.bootstrap());
    let topics = names.iter().map(|name| TopicSettings {
        name: name.clone(),
        partitions: PARTITIONS,
    });
    let placement = Placement::Replicas(vec![vec![0]; PARTITIONS as usize]);
    create_topics(&connection, &topics.collect::<Vec<_>>(), &placement, &[]).await?;
    let traffic = tokio::task::block_in_place(|| Traffic::begin(&kafka.bootstrap(), &names, PARTITIONS))?;
    Ok((kafka, traffic))
}

async fn measure(kafka: &LocalKafka, exporter: &Exporter) -> Outcome<Measured> {
    let broker = Processor::of(kafka.pid(0)?);
    say("both are asked until the JVM has compiled what answers …");
    for _ in 0..WARM_UP {
        exporter.scrape().await?;
    }
    let mut warm = Service::sidecar(kafka, 0, Duration::from_secs(1), None)?;
    warm.ready().await?;
    sleep(Duration::from_secs(WARM_UP as u64)).await;
    drop(warm);

    say("nobody asks …");
    let before = broker.share_during(sleep(PHASE)).await?;
    say("the sidecar samples every 5 s …");
    let sidecar = beside(kafka, broker).await?;
    let mut shares = BTreeMap::new();
    let mut scrapes = Vec::new();
    for every in EXPORTER_INTERVALS {
        say(&format!(
            "the JMX exporter is scraped every {} s …",
            every.as_secs()
        ));
        let mut asked = Ok(());
        let share = broker
            .share_during(async {
                asked = scrape_for(every, exporter, &mut scrapes).await;
            })
            .await?;
        asked?;
        shares.insert(every.as_secs(), share);
    }
    say("nobody asks …");
    let idle = f64::midpoint(before, broker.share_during(sleep(PHASE)).await?);

    let a_sample = (sidecar.broker_share - idle) * SAMPLES.as_secs_f64() * 1e3;
    let of_each = shares
        .iter()
        .map(|(&seconds, share)| (share - idle) * seconds as f64 * 1e3);
    // The cheapest of the three: what is asked more often is better compiled.
    let a_scrape = of_each.fold(f64::INFINITY, f64::min);
    Ok(Measured {
        replicas: TOPICS * PARTITIONS,
        idle_broker_cpu_percent: idle * 100.0,
        broker_cpu_ms_per_sample: a_sample,
        sidecar_rss_mb: sidecar.rss_mb,
        sidecar_cpu_percent: sidecar.own_share * 100.0,
        load_report_bytes: sidecar.report_bytes,
        metrics_bytes: sidecar.metrics_bytes,
        scrape_ms: median(&mut sidecar.scrapes.clone()),
        jmx_exporter_cpu_ms_per_scrape: a_scrape,
        jmx_exporter_scrape_ms: median(&mut scrapes.iter().map(|scrape| scrape.ms).collect::<Vec<_>>()),
        jmx_exporter_metrics_bytes: scrapes.last().map_or(0, |scrape| scrape.bytes),
        jmx_exporter_broker_cpu_percent: shares
            .into_iter()
            .map(|(seconds, share)| (seconds, (share - idle) * 100.0))
            .collect(),
        times_cheaper: a_scrape / a_sample,
    })
}

/// What a sidecar took in one phase, in which a balancer and a Prometheus asked it.
struct Beside {
    broker_share: f64,
    own_share: f64,
    rss_mb: f64,
    report_bytes: usize,
    metrics_bytes: usize,
    scrapes: Vec<f64>,
}

async fn beside(kafka: &LocalKafka, broker: Processor) -> Outcome<Beside> {
    let mut sidecar = Service::sidecar(kafka, 0, SAMPLES, None)?;
    sidecar.ready().await?;
    let own = Processor::of(sidecar.process.pid());
    let asked = async {
        let mut taken = Ok((0, 0, Vec::new()));
        let own_share = own
            .share_during(async { taken = ask_for_a_phase(&sidecar).await })
            .await;
        (own_share, taken)
    };
    let mut result = None;
    let broker_share = broker.share_during(async { result = Some(asked.await) }).await?;
    let (own_share, taken) = result.ok_or("the phase did not end")?;
    let (report_bytes, metrics_bytes, scrapes) = taken?;
    Ok(Beside {
        broker_share,
        own_share: own_share?,
        rss_mb: Memory::of(sidecar.process.pid())?.peak_mb(),
        report_bytes,
        metrics_bytes,
        scrapes,
    })
}

/// As a balancer and a Prometheus ask. Sizes of the last report and of the last text, and how long each text took.
async fn ask_for_a_phase(sidecar: &Service) -> Outcome<(usize, usize, Vec<f64>)> {
    let (mut report, mut metrics, mut took) = (0, 0, Vec::new());
    let started = Instant::now();
    let mut ticks = interval(SAMPLES);
    while started.elapsed() < PHASE {
        ticks.tick().await;
        let answer = exporter::get(&format!("{}/v1/load", sidecar.url)).await?;
        report = answer.bytes;
        if took.len() as f64 * SCRAPES.as_secs_f64() <= started.elapsed().as_secs_f64() {
            let answer = exporter::get(&format!("{}/metrics", sidecar.url)).await?;
            metrics = answer.bytes;
            took.push(answer.ms);
        }
    }
    Ok((report, metrics, took))
}

async fn scrape_for(every: Duration, exporter: &Exporter, scrapes: &mut Vec<exporter::Answer>) -> Outcome {
    let started = Instant::now();
    let mut ticks = interval(every);
    while started.elapsed() < PHASE {
        ticks.tick().await;
        scrapes.push(exporter.scrape().await?);
    }
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn table(measured: &Measured) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["", "sidecar", "JMX exporter"]);
    let row = |what: &str, sidecar: f64, exporter: f64| {
        [what.to_owned(), format!("{sidecar:.1}"), format!("{exporter:.1}")]
    };
    table.add_row(row(
        "broker CPU for a sample or scrape, ms",
        measured.broker_cpu_ms_per_sample,
        measured.jmx_exporter_cpu_ms_per_scrape,
    ));
    table.add_row(row(
        "scrape, ms",
        measured.scrape_ms,
        measured.jmx_exporter_scrape_ms,
    ));
    table.add_row(row(
        "metrics, compressed, KB",
        measured.metrics_bytes as f64 / 1e3,
        measured.jmx_exporter_metrics_bytes as f64 / 1e3,
    ));
    for (seconds, share) in &measured.jmx_exporter_broker_cpu_percent {
        let of_sidecar = measured.broker_cpu_ms_per_sample / 10.0 / *seconds as f64;
        table.add_row(row(
            &format!("broker CPU at {seconds} s, % of a core"),
            of_sidecar,
            *share,
        ));
    }
    format!(
        "{table}\n{} replicas; the sidecar takes {:.1} MB and {:.2} % of a core; /v1/load has {:.1} KB; {:.1} times cheaper",
        measured.replicas,
        measured.sidecar_rss_mb,
        measured.sidecar_cpu_percent,
        measured.load_report_bytes as f64 / 1e3,
        measured.times_cheaper
    )
}

#[expect(clippy::print_stdout, reason = "a bench shows what it measured")]
fn say(what: &str) {
    println!("{what}");
}
