//! What share groups read.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use e2e::scene::Outcome;
use e2e::{Layout, LocalKafka};
use sidecar::report::Confidence;
use tokio::time::sleep;

use super::bench::Bench;
use super::verdict::{Direction, WEIGHTED};
use super::written::Written;

const TOPIC: &str = "shared";
/// Windows until the group's progress, which is smoothed, accounts for what is counted.
const WARM: usize = 20;
const WINDOWS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn bytes_out_are_as_true_as_they_say_when_a_share_group_reads() -> Outcome {
    let bench = Bench::start(Layout::default()).await?;
    let mut written = Written::new(&bench, TOPIC).await?;
    let _consumer = ShareConsumer::start(&bench.kafka)?;
    let mut windows = 0;
    while windows < WARM + WINDOWS {
        let (counted, figures) = written
            .window_once(async || {
                sleep(Duration::from_millis(700)).await;
                Ok(())
            })
            .await?;
        let Some(figures) = figures else { continue };
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

/// Kafka's own share consumer, since librdkafka has none.
struct ShareConsumer(Child);

impl ShareConsumer {
    fn start(kafka: &LocalKafka) -> Outcome<Self> {
        let child = Command::new("setpriv")
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
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }
}

impl Drop for ShareConsumer {
    fn drop(&mut self) {
        // One that has ended already is what was wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
