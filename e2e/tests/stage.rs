//! The instruments themselves: the load generator's truth and the witness, against a real Kafka.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use e2e::scene::until;
use e2e::{Layout, LocalKafka};
use load::{
    Accounts, Connection, GroupSettings, Load, LoadSettings, Placement, Shift, TopicSettings, create_topics,
    witness,
};
use tokio::time::{sleep, timeout};

type Outcome = Result<(), Box<dyn Error>>;

const WITHIN: Duration = Duration::from_secs(60);

fn without_agents() -> Layout {
    Layout {
        jolokia: false,
        ..Layout::default()
    }
}

async fn settings_on(kafka: &LocalKafka) -> Result<LoadSettings, Box<dyn Error>> {
    let connection = Connection::to(kafka.bootstrap());
    let topics: Vec<TopicSettings> = [("orders", 4), ("clicks", 2)]
        .map(|(name, partitions)| TopicSettings {
            name: name.to_owned(),
            partitions,
        })
        .into();
    create_topics(&connection, &topics, &Placement::ReplicationFactor(3), &[]).await?;
    Ok(LoadSettings {
        bytes_per_second: 2e6,
        topic_skew: 1.0,
        partition_skew: 1.0,
        ..LoadSettings::new(connection, topics)
    })
}

async fn acknowledged(load: &Load, records: u64) -> Outcome {
    let reached = async {
        while load.acknowledged() < records {
            sleep(Duration::from_millis(50)).await;
        }
    };
    Ok(timeout(WITHIN, reached).await?)
}

/// The bytes of a partition's segments on the disk of one broker.
fn bytes_on_disk(kafka: &LocalKafka, topic: &str, partition: i32) -> std::io::Result<u64> {
    let folder = kafka.folder().join(format!("broker-0/data/{topic}-{partition}"));
    let mut bytes = 0;
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            bytes += std::fs::metadata(path)?.len();
        }
    }
    Ok(bytes)
}

fn acknowledged_in(accounts: &Accounts) -> u64 {
    accounts
        .partitions
        .iter()
        .map(load::PartitionAccount::acknowledged)
        .sum()
}

#[tokio::test]
async fn the_load_knows_what_is_in_the_log_and_the_witness_notices_what_is_not() -> Outcome {
    let kafka = LocalKafka::start(without_agents()).await?;
    let mut settings = settings_on(&kafka).await?;
    settings.producers = 2;
    settings.groups = vec![GroupSettings {
        id: "readers".to_owned(),
        topics: vec!["orders".to_owned()],
        commit_interval: Duration::from_secs(1),
    }];
    let load = Load::start(&settings)?;
    acknowledged(&load, 3_000).await?;
    let hot = load
        .rates()
        .into_iter()
        .find(|rate| rate.topic == "clicks")
        .ok_or("no clicks")?;
    load.shift(&Shift {
        topic: hot.topic.clone(),
        partition: Some(hot.partition),
        factor: 4.0,
    })?;
    let shifted = load
        .rates()
        .into_iter()
        .find(|rate| rate.topic == "clicks")
        .ok_or("no clicks")?;
    assert_eq!(shifted.bytes_per_second, 4.0 * hot.bytes_per_second);
    acknowledged(&load, 10_000).await?;
    until(WITHIN, "something is consumed", async || {
        Ok(load.consumed()[0].records > 0)
    })
    .await?;
    let latencies = load.latencies()?;
    println!("{latencies:?}");
    assert!(latencies.overall.count >= 10_000 && latencies.overall.p99_ms > 0.0);
    let accounts = load.stop().await?;

    // What was booked as bytes is what the log has on disk.
    for partition in &accounts.partitions {
        let on_disk = bytes_on_disk(&kafka, &partition.topic, partition.partition)? as f64;
        let booked = partition.bytes as f64;
        println!(
            "{}-{}: booked {booked}, on disk {on_disk}",
            partition.topic, partition.partition
        );
        assert!(
            (booked / on_disk - 1.0).abs() < 0.005,
            "{booked} booked, {on_disk} on disk"
        );
    }

    let report = witness::verify(&settings.connection, &accounts).await?;
    assert!(report.is_clean() && report.foreign == 0, "{report:?}");
    assert_eq!(report.acknowledged, acknowledged_in(&accounts));

    // An acknowledgement of a record that is not in the log: the witness must say that it is lost.
    let mut false_accounts = accounts.clone();
    false_accounts.partitions[0].sent += 1;
    let report = witness::verify(&settings.connection, &false_accounts).await?;
    assert_eq!(report.lost, 1);
    assert_eq!(report.lost_samples[0].sequence, accounts.partitions[0].sent);
    Ok(())
}

#[tokio::test]
async fn a_broker_killed_under_load_loses_no_acknowledged_record() -> Outcome {
    let mut kafka = LocalKafka::start(without_agents()).await?;
    let settings = settings_on(&kafka).await?;
    let load = Load::start(&settings)?;
    acknowledged(&load, 2_000).await?;
    kafka.kill(1).await?;
    acknowledged(&load, load.acknowledged() + 4_000).await?;
    kafka.start_again(1).await?;
    acknowledged(&load, load.acknowledged() + 2_000).await?;
    let accounts = load.stop().await?;
    let report = witness::verify(&settings.connection, &accounts).await?;
    println!("{report:?}");
    assert!(report.is_clean(), "{report:?}");
    assert!(report.acknowledged >= 8_000);
    Ok(())
}

#[test]
fn nothing_that_was_started_outlives_a_killed_parent() -> Outcome {
    const CHILD: &str = "E2E_START_A_CLUSTER_AND_HANG";
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    if let Some(pids) = std::env::var_os(CHILD) {
        return runtime.block_on(async {
            let kafka = LocalKafka::start(without_agents()).await?;
            let started: Result<Vec<String>, _> = kafka
                .ids()
                .into_iter()
                .map(|broker| kafka.pid(broker).map(|pid| pid.to_string()))
                .collect();
            std::fs::write(&pids, started?.join(" "))?;
            std::future::pending().await
        });
    }

    let folder = tempfile::tempdir()?;
    let pids = folder.path().join("pids");
    let mut parent = std::process::Command::new(std::env::current_exe()?)
        .args(["--exact", "nothing_that_was_started_outlives_a_killed_parent"])
        .env(CHILD, &pids)
        .spawn()?;
    let eventually = |what: &str, reached: &dyn Fn() -> bool| {
        runtime.block_on(async {
            let poll = async {
                while !reached() {
                    sleep(Duration::from_millis(50)).await;
                }
            };
            timeout(WITHIN, poll)
                .await
                .map_err(|_| format!("{what} did not happen within {WITHIN:?}"))
        })
    };
    eventually("the start", &|| {
        std::fs::read_to_string(&pids).is_ok_and(|pids| !pids.is_empty())
    })?;
    let pids = std::fs::read_to_string(&pids)?;
    let alive = || pids.split(' ').any(|pid| Path::new("/proc").join(pid).exists());
    assert!(alive());
    parent.kill()?;
    parent.wait()?;
    eventually("the end of the brokers", &|| !alive())?;
    Ok(())
}
