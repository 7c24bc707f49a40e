//! A topic that is written to in every window, and what the sidecar says of it.

use std::time::Duration;

use e2e::scene::{Outcome, ids};
use kafka::{Cluster, TopicPartition};
use sidecar::report::Confidence;
use tokio::time::{Instant, sleep};

use super::bench::{Bench, Counted, Figures};
use super::verdict::{Direction, EXACT, Verdict};
use super::wire::{Values, Writer, burst_all};

const WITHIN: Duration = Duration::from_secs(60);

/// Two partitions on broker 0, which broker 1 follows, with so many records in each window.
pub(crate) const RECORDS: [u64; 2] = [300, 60];

/// A topic that is written to in each window.
pub(crate) struct Written<'a> {
    pub(crate) bench: &'a Bench,
    pub(crate) topic: &'a str,
    pub(crate) writers: Vec<Writer>,
    pub(crate) verdict: Verdict,
}

impl<'a> Written<'a> {
    pub(crate) async fn new(bench: &'a Bench, topic: &'a str) -> Outcome<Self> {
        bench.topic(topic, &[&[0, 1], &[0, 1]], &[]).await?;
        Ok(Self {
            bench,
            topic,
            writers: connect(bench, topic)?,
            verdict: Verdict::default(),
        })
    }

    /// A window that can be judged, with what is written to it and what else is done in it; that may be done again.
    pub(crate) async fn window(
        &mut self,
        mut act: impl AsyncFnMut() -> Outcome,
    ) -> Outcome<(Counted, Figures)> {
        loop {
            if let (counted, Some(figures)) = self.window_once(&mut act).await? {
                return Ok((counted, figures));
            }
        }
    }

    pub(crate) async fn window_once(
        &mut self,
        act: impl AsyncFnOnce() -> Outcome,
    ) -> Outcome<(Counted, Option<Figures>)> {
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
    pub(crate) async fn until_true(&mut self, about: &str) -> Outcome {
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

    /// Waits until a partition is on these brokers and in sync, and makes the first of them lead it.
    pub(crate) async fn until_settled(&self, partition: &TopicPartition, replicas: &[i32]) -> Outcome {
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

pub(crate) fn connect(bench: &Bench, topic: &str) -> Outcome<Vec<Writer>> {
    let bootstrap = bench.kafka.bootstrap();
    (0..2)
        .map(|partition| Writer::new(&bootstrap, topic, partition, &[]))
        .collect()
}

pub(crate) fn write(topic: &str, writers: &mut [Writer]) -> Outcome<Counted> {
    let work = writers.iter_mut().zip(RECORDS);
    let amounts = burst_all(work.map(|(writer, records)| (writer, records, Values::Random)))?;
    let names = (0..).map(|partition| (topic.to_owned(), partition));
    Ok(names.zip(amounts.iter().map(|amount| amount.bytes)).collect())
}
