//! Brokers, leaders, replicas and topics that change while figures are taken.

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::Layout;
use e2e::scene::{Outcome, ids, partition_of};
use e2e::stack::Service;
use kafka::{Cluster, TopicPartition};
use sidecar::config::LogSource;
use sidecar::report::{Confidence, LoadReport};
use tokio::time::{Instant, sleep};

use super::bench::{Bench, Counted, Figures, INTERVAL};
use super::verdict::{Direction, EXACT, Verdict};
use super::wire::{Reader, Reading, Values, Writer, burst_all};

const WITHIN: Duration = Duration::from_secs(60);

/// Two partitions on broker 0, which broker 1 follows, with so many records in each window.
const RECORDS: [u64; 2] = [300, 60];

struct Written<'a> {
    bench: &'a Bench,
    topic: &'a str,
    writers: Vec<Writer>,
    verdict: Verdict,
}

impl<'a> Written<'a> {
    async fn new(bench: &'a Bench, topic: &'a str) -> Outcome<Self> {
        bench.topic(topic, &[&[0, 1], &[0, 1]], &[]).await?;
        Ok(Self {
            bench,
            topic,
            writers: connect(bench, topic)?,
            verdict: Verdict::default(),
        })
    }

    /// One window with what is written to it and what else is done in it.
    async fn window(&mut self, act: impl AsyncFnOnce() -> Outcome) -> Outcome<(Counted, Figures)> {
        let (topic, writers) = (self.topic, &mut self.writers);
        self.bench
            .window(async || {
                let counted = write(topic, writers)?;
                act().await?;
                Ok(counted)
            })
            .await
    }

    /// Windows go by until the sidecar is sure of the figures again; they are true all the time.
    async fn until_true(&mut self, about: &str) -> Outcome {
        for _ in 0..4 {
            let (counted, figures) = self.window(async || Ok(())).await?;
            self.verdict
                .judge(about, Direction::In, &counted, &figures, EXACT)?;
            let sure = [Confidence::Weighted, Confidence::Exact];
            if sure
                .iter()
                .map(|sure| self.verdict.times(about, *sure))
                .sum::<usize>()
                >= 4
            {
                return Ok(());
            }
        }
        Err(format!("{about}: the figures do not become sure again").into())
    }
}

fn connect(bench: &Bench, topic: &str) -> Outcome<Vec<Writer>> {
    let bootstrap = bench.kafka.bootstrap();
    (0..2)
        .map(|partition| Writer::new(&bootstrap, topic, partition, &[]))
        .collect()
}

fn write(topic: &str, writers: &mut [Writer]) -> Outcome<Counted> {
    let work = writers.iter_mut().zip(RECORDS);
    let amounts = burst_all(work.map(|(writer, records)| (writer, records, Values::Random)))?;
    let names = (0..).map(|partition| (topic.to_owned(), partition));
    Ok(names.zip(amounts.iter().map(|amount| amount.bytes)).collect())
}

/// No figure of any window may be far above what was written in all of it: counters that begin at 0 again and logs that
/// are copied are no traffic.
fn is_no_phantom(counted: &Counted, figures: &Figures) -> Outcome {
    let all: u64 = counted.values().sum();
    for name in counted.keys() {
        let said = figures.get(name).map_or(0.0, |figure| figure.bytes_in);
        if said > 1.1 * all as f64 + 2_000.0 {
            return Err(format!("{name:?}: {said} of {all}").into());
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_stay_true_through_moves_of_leaders_and_replicas_and_topics_made_again() -> Outcome {
    let bench = Bench::start(Layout::default()).await?;
    let mut written = Written::new(&bench, "moving").await?;
    let first = partition_of("moving", 0)?;
    // The first window is the writers' first too.
    written.window(async || Ok(())).await?;
    written.until_true("before").await?;

    for (about, replicas) in [
        ("leader elsewhere", [1, 0]),
        ("leader back", [0, 1]),
        ("replica away", [2, 1]),
        ("replica back", [0, 1]),
    ] {
        let (counted, figures) = written
            .window(async || place(&bench, &first, &replicas).await)
            .await?;
        is_no_phantom(&counted, &figures)?;
        written.until_settled(&first, &replicas).await?;
        let (counted, figures) = written.window(async || Ok(())).await?;
        is_no_phantom(&counted, &figures)?;
        written.until_true(about).await?;
    }

    let topic = first.topic.clone();
    written.writers.clear();
    for (_, deleted) in bench.cluster.delete_topics(std::slice::from_ref(&topic)).await? {
        deleted?;
    }
    let deadline = Instant::now() + WITHIN;
    while bench
        .cluster
        .describe()
        .await?
        .topics
        .iter()
        .any(|known| known.name == topic)
    {
        assert!(Instant::now() < deadline, "the topic is not deleted");
        sleep(Duration::from_millis(50)).await;
    }
    bench.topic("moving", &[&[0, 1], &[0, 1]], &[]).await?;
    written.writers = connect(&bench, "moving")?;
    let (counted, figures) = written.window(async || Ok(())).await?;
    is_no_phantom(&counted, &figures)?;
    written.until_true("topic made again").await
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_stay_true_through_a_restart_of_a_broker() -> Outcome {
    let mut bench = Bench::start(Layout::default()).await?;
    bench.topic("restarted", &[&[0, 1], &[0, 1]], &[]).await?;
    let mut writers = connect(&bench, "restarted")?;
    for _ in 0..3 {
        write("restarted", &mut writers)?;
        sleep(INTERVAL).await;
    }
    bench.kafka.stop(0).await?;
    write("restarted", &mut writers)?;
    bench.kafka.start_again(0).await?;
    let mut written = Written {
        bench: &bench,
        topic: "restarted",
        writers,
        verdict: Verdict::default(),
    };
    let both = [partition_of("restarted", 0)?, partition_of("restarted", 1)?];
    for partition in &both {
        written.until_settled(partition, &[0, 1]).await?;
    }
    for (_, elected) in bench.cluster.elect_preferred_leaders(&both).await? {
        elected?;
    }
    let (counted, figures) = written.window(async || Ok(())).await?;
    is_no_phantom(&counted, &figures)?;
    written.window(async || Ok(())).await?;
    written.until_true("broker restarted").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_goes_back_is_no_negative_rate_and_makes_nobody_sure() -> Outcome {
    let bench = Bench::start(Layout::default()).await?;
    let mut written = Written::new(&bench, "rewound").await?;
    let reading = Reading {
        group: Some("rewinds".to_owned()),
        from: Some(0),
        ..Reading::default()
    };
    let bootstrap = bench.kafka.bootstrap();
    let readers: Vec<Reader> = (0..2)
        .map(|partition| Reader::start(&bootstrap, "rewound", partition, &reading))
        .collect::<Outcome<_>>()?;
    let received = || readers.iter().map(Reader::received).collect::<Vec<_>>();
    let mut last = received();
    for window in 0..24 {
        if window == 20 {
            readers[1].seek(0);
        }
        let (_, figures) = written
            .window(async || {
                sleep(Duration::from_millis(600)).await;
                Ok(())
            })
            .await?;
        let now = received();
        let taken = now.iter().zip(&last).map(|(now, last)| now - last);
        let counted: Counted = (0..)
            .map(|partition| ("rewound".to_owned(), partition))
            .zip(taken)
            .collect();
        last = now;
        // The going back itself may happen on both sides of a window's end.
        if window >= 18 && window != 20 {
            let about = if window < 20 {
                "before going back"
            } else {
                "after going back"
            };
            written
                .verdict
                .judge(about, Direction::Out, &counted, &figures, 1.0)?;
        }
    }
    assert!(written.verdict.times("before going back", Confidence::Weighted) > 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn where_followers_serve_nobody_claims_to_know_what_a_partition_sends() -> Outcome {
    let mut layout = Layout::default();
    let selector = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
    layout
        .properties
        .insert("replica.selector.class".to_owned(), selector.to_owned());
    let bench = Bench::start(layout).await?;
    let mut written = Written::new(&bench, "followed").await?;
    let reading = Reading {
        group: Some("near".to_owned()),
        from: Some(0),
        // The follower's rack.
        rack: Some("r1".to_owned()),
        ..Reading::default()
    };
    let readers: Vec<Reader> = (0..2)
        .map(|partition| Reader::start(&bench.kafka.bootstrap(), "followed", partition, &reading))
        .collect::<Outcome<_>>()?;
    for _ in 0..6 {
        written
            .window(async || {
                sleep(Duration::from_millis(600)).await;
                Ok(())
            })
            .await?;
    }
    let (_, figures) = written.window(async || Ok(())).await?;
    let said: Vec<_> = figures
        .iter()
        .filter(|((topic, _), _)| topic == "followed")
        .collect();
    assert_eq!(said.len(), 2);
    for (name, figure) in said {
        // The leader sends nothing to consumers, and knows that; what the follower sends is in the broker's total there.
        assert!(figure.bytes_out < 2_000.0, "{name:?} {figure:?}");
    }
    let report: LoadReport = bench.sidecars[&1].get("/v1/load").await?;
    assert!(
        report.totals.bytes_out.unwrap_or(0.0) > 50_000.0,
        "{:?}",
        report.totals
    );
    drop(readers);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn jolokia_alone_tells_the_same_as_the_protocol() -> Outcome {
    let mut bench = Bench::start(Layout::default()).await?;
    bench.topic("both", &[&[0, 1], &[0, 1]], &[]).await?;
    let mut writers = connect(&bench, "both")?;
    let mut through_jolokia = Service::sidecar_with(&bench.kafka, 0, INTERVAL, None, |config| {
        config.logs = LogSource::Jolokia;
        config.kafka = None;
    })?;
    through_jolokia.ready().await?;
    let over_protocol = bench
        .sidecars
        .insert(0, through_jolokia)
        .ok_or("broker 0 has no sidecar")?;
    write("both", &mut writers)?;
    let mut written = Written {
        bench: &bench,
        topic: "both",
        writers,
        verdict: Verdict::default(),
    };
    written.window(async || Ok(())).await?;
    written.until_true("through Jolokia").await?;
    let (_, figures) = written.window(async || Ok(())).await?;
    let of_broker_0 = figures.iter().filter(|(_, figure)| figure.broker == 0).count();
    assert!(of_broker_0 >= 2);
    let [mine, theirs]: [LoadReport; 2] = [
        bench.sidecars[&0].get("/v1/load").await?,
        over_protocol.get("/v1/load").await?,
    ];
    assert_eq!(mine.cluster_id, theirs.cluster_id);
    assert_eq!(rows(&mine), rows(&theirs));
    let metrics = [
        metrics(&bench.sidecars[&0]).await?,
        metrics(&over_protocol).await?,
    ];
    for family in [
        "kafka_log_log_size",
        "kafka_cluster_partition_atminisr",
        "kafka_topic_partition_in_sync_replica",
    ] {
        let series = metrics.each_ref().map(|text| {
            let lines = text
                .lines()
                .filter(|line| line.starts_with(&format!("{family}{{topic=\"both\"")));
            lines.map(str::to_owned).collect::<Vec<_>>()
        });
        assert!(
            series[0].len() == 2 && series[0] == series[1],
            "{family}: {series:?}"
        );
    }
    Ok(())
}

/// Each replica with whether it leads and its size.
fn rows(report: &LoadReport) -> BTreeMap<(String, i32), (u8, u64)> {
    let rows = &report.replicas;
    let row = |row: usize| {
        let topic = report.topics[rows.topic[row] as usize].to_string();
        (
            (topic, rows.partition[row].get()),
            (rows.leads[row], rows.size[row]),
        )
    };
    let all = (0..rows.topic.len()).map(row);
    // Kafka's own are written to all the time.
    all.filter(|((topic, _), _)| !topic.starts_with('_')).collect()
}

async fn metrics(sidecar: &Service) -> Outcome<String> {
    Ok(reqwest::get(format!("{}/metrics", sidecar.url))
        .await?
        .text()
        .await?)
}

async fn place(bench: &Bench, partition: &TopicPartition, replicas: &[i32]) -> Outcome {
    let wanted = [(partition.clone(), ids(replicas)?)];
    for (_, placed) in bench.cluster.reassign(&wanted).await? {
        placed?;
    }
    Ok(())
}

impl Written<'_> {
    /// Waits until a partition is on these brokers and in sync, and makes the first of them lead it.
    async fn until_settled(&self, partition: &TopicPartition, replicas: &[i32]) -> Outcome {
        let wanted = ids(replicas)?;
        let deadline = Instant::now() + WITHIN;
        loop {
            let topics = self.bench.cluster.describe().await?.topics;
            let topic = topics.into_iter().find(|topic| topic.name == partition.topic);
            let found = topic.and_then(|topic| {
                topic
                    .partitions
                    .into_iter()
                    .find(|found| found.id == partition.partition)
            });
            let found = found.ok_or("the partition is gone")?;
            if found.replicas == wanted && found.in_sync.len() == wanted.len() {
                if found.leader == wanted.first().copied() {
                    return Ok(());
                }
                // Refused while another election is under way; then it is asked again.
                self.bench
                    .cluster
                    .elect_preferred_leaders(std::slice::from_ref(partition))
                    .await?;
            }
            assert!(Instant::now() < deadline, "{partition:?} is not on {replicas:?}");
            sleep(Duration::from_millis(100)).await;
        }
    }
}
