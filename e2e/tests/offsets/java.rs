//! Groups of the kinds that only Kafka's own clients can be in: share groups and streams groups.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use e2e::{LocalKafka, Service};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::{Outcome, SECONDS_APART, WITHIN, Writer, is, until, value};

pub(super) const SHARED: &str = "shared";

/// What Kafka's example of a streams application reads and writes.
pub(super) const STREAMED: [&str; 2] = ["streams-plaintext-input", "streams-wordcount-output"];

/// Kafka's own share consumer takes all 50 records, acknowledges them and leaves; then 10 more are written.
pub(super) async fn share_groups_are_where_their_coordinator_says(
    kafka: &LocalKafka,
    exporter: &Service,
) -> Outcome {
    let mut shared = Writer::new(kafka, SHARED)?;
    shared.write(50).await?;
    let output = Command::new("timeout")
        .args(["60", "java", "-Xmx96m", "-cp", &kafka.class_path()])
        .arg("org.apache.kafka.tools.VerifiableShareConsumer")
        .args(["--bootstrap-server", &kafka.bootstrap()])
        .args(["--topic", SHARED, "--group-id", "sharing", "--max-messages", "50"])
        .args([
            "--acknowledgement-mode",
            "sync",
            "--offset-reset-strategy",
            "earliest",
        ])
        .output()?;
    assert!(output.status.success(), "{output:?}");
    let labels = format!("{{consumergroup=\"sharing\",topic=\"{SHARED}\",partition=\"0\"}}");
    for lag in [0, 10] {
        shared.write(lag).await?;
        let metrics = until(exporter, "the share group's lag is seen", |metrics| {
            value(metrics, "lag", &labels) == Some(lag as f64)
                && is(metrics, "kind", "sharing", "share")
                && is(metrics, "state", "sharing", "Empty")
        })
        .await?;
        let late = value(&metrics, "lag_seconds", &labels).ok_or("nobody knows how late it is")?;
        let known = if lag == 0 {
            0.0
        } else {
            shared.since(50).as_secs_f64()
        };
        assert!((late - known).abs() <= SECONDS_APART, "{late} is not {known}");
    }
    Ok(())
}

/// An application that counts words takes all 50 records and ends; then 10 more are written.
pub(super) async fn streams_groups_are_where_their_application_committed(
    kafka: &LocalKafka,
    exporter: &Service,
) -> Outcome {
    let mut written = Writer::new(kafka, STREAMED[0])?;
    written.write(50).await?;
    let mut application = Application::start(kafka)?;
    let labels = format!(
        "{{consumergroup=\"counting\",topic=\"{}\",partition=\"0\"}}",
        STREAMED[0]
    );
    let shows = |metrics: &str, lag: f64, state: &str, members: f64| {
        value(metrics, "lag", &labels) == Some(lag)
            && is(metrics, "kind", "counting", "streams")
            && is(metrics, "state", "counting", state)
            && value(metrics, "members", "{consumergroup=\"counting\"}") == Some(members)
    };
    let caught_up = until(exporter, "the application has caught up", |metrics| {
        shows(metrics, 0.0, "Stable", 1.0)
    });
    caught_up.await?;
    application.end().await?;
    written.write(10).await?;
    let left = until(exporter, "the application has left and is behind", |metrics| {
        shows(metrics, 10.0, "Empty", 0.0)
    });
    left.await.map(drop)
}

/// Kafka's example of a streams application, as a member of a streams group (KIP-1071).
struct Application {
    child: Child,
    _folder: TempDir,
}

impl Application {
    fn start(kafka: &LocalKafka) -> Outcome<Self> {
        let folder = TempDir::with_prefix("streams-")?;
        let properties = format!(
            "application.id=counting\nbootstrap.servers={}\ngroup.protocol=streams\ncommit.interval.ms=200\n\
             state.dir={}\nauto.offset.reset=earliest\ndsl.store.suppliers.class=\
             org.apache.kafka.streams.state.BuiltInDslStoreSuppliers$InMemoryDslStoreSuppliers\n",
            kafka.bootstrap(),
            folder.path().join("state").display(),
        );
        let file = folder.path().join("counting.properties");
        std::fs::write(&file, properties)?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "java", "-Xmx96m", "-cp"])
            .arg(kafka.streams_class_path())
            .arg("org.apache.kafka.streams.examples.wordcount.WordCountDemo")
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self {
            child,
            _folder: folder,
        })
    }

    /// Lets it leave its group.
    async fn end(&mut self) -> Outcome {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.ok_or("it has no id")?, Signal::TERM)?;
        let deadline = Instant::now() + WITHIN;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                return Err(format!("it did not end within {WITHIN:?}").into());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        // One that has ended already is what was wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
