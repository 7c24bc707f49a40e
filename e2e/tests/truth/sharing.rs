//! What share groups read.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use e2e::scene::Outcome;
use e2e::{Layout, LocalKafka};
use serde_json::Value;
use sidecar::report::Confidence;
use tokio::time::{Instant, sleep};

use super::bench::Bench;
use super::verdict::{Direction, WEIGHTED};
use super::written::{RECORDS, Written};

const TOPIC: &str = "shared";
/// Windows until the group has acknowledged for the first time, and that is known.
const WARM: usize = 8;
const WINDOWS: usize = 3;
const WITHIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn bytes_out_are_as_true_as_they_say_when_a_share_group_reads() -> Outcome {
    let bench = Bench::start(Layout::default()).await?;
    let mut written = Written::new(&bench, TOPIC).await?;
    let consumer = ShareConsumer::start(&bench.kafka)?;
    let (mut windows, mut records) = (0, 0);
    while windows < WARM + WINDOWS {
        records += RECORDS.iter().sum::<u64>();
        let (counted, figures) = written.window_once(async || consumer.read(records).await).await?;
        let Some(figures) = figures else {
            // What was not read in time is read in the next one.
            windows = windows.min(WARM - 1);
            continue;
        };
        windows += 1;
        if windows > WARM {
            // Each record is delivered to one member once, so that what was written is what was read.
            written
                .verdict
                .judge("a share group", Direction::Out, &counted, &figures, WEIGHTED)?;
        }
    }
    let sure = written.verdict.times("a share group", Confidence::Weighted);
    assert_eq!(sure, 2 * WINDOWS, "not all of it is weighted");
    Ok(())
}

/// Kafka's own share consumer, since librdkafka has none, and how many records it has read.
struct ShareConsumer(Child, Arc<AtomicU64>);

impl ShareConsumer {
    fn start(kafka: &LocalKafka) -> Outcome<Self> {
        let mut child = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "java",
                "-Xmx96m",
                "-cp",
                &kafka.class_path(),
            ])
            .arg("org.apache.kafka.tools.VerifiableShareConsumer")
            .args(["--bootstrap-server", &kafka.bootstrap()])
            .args(["--topic", TOPIC, "--group-id", "sharing"])
            .args(["--acknowledgement-mode", "sync"])
            .args(["--offset-reset-strategy", "earliest"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (told, read) = (child.stdout.take().ok_or("it has no output")?, Arc::default());
        let into = Arc::clone(&read);
        thread::spawn(move || count(told, &into));
        Ok(Self(child, read))
    }

    /// Waits until it has read so many records.
    async fn read(&self, records: u64) -> Outcome {
        let deadline = Instant::now() + WITHIN;
        while self.1.load(Ordering::Relaxed) < records {
            if Instant::now() > deadline {
                return Err(format!("the share consumer has not read {records} records").into());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

/// Adds up what the consumer tells of records, in objects of a line each, until it ends.
fn count(told: impl Read, into: &AtomicU64) {
    for line in BufReader::new(told).lines().map_while(Result::ok) {
        let event: Value = serde_json::from_str(&line).unwrap_or_default();
        if event["name"] == "records_consumed" {
            into.fetch_add(event["count"].as_u64().unwrap_or_default(), Ordering::Relaxed);
        }
    }
}

impl Drop for ShareConsumer {
    fn drop(&mut self) {
        // One that has ended already is what was wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
