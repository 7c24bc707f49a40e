//! Both sources, and each Kafka that there is.

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::scene::Outcome;
use e2e::stack::Service;
use e2e::{Layout, Mode};
use sidecar::config::LogSource;
use sidecar::report::LoadReport;
use tokio::time::{Instant, sleep};

use super::bench::{Bench, INTERVAL};
use super::verdict::Verdict;
use super::written::{Written, connect, write};

/// How long two sidecars may take to see the same, which on a quiet machine is an interval.
const WITHIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn jolokia_alone_tells_the_same_as_the_protocol() -> Outcome {
    sources_agree(Layout::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_3_9_tells_the_same_in_both_modes() -> Outcome {
    let with_zookeeper = Layout::with_zookeeper();
    let with_kraft = Layout {
        mode: Mode::KRaft,
        ..with_zookeeper.clone()
    };
    sources_agree(with_zookeeper).await?;
    sources_agree(with_kraft).await
}

/// What one sidecar has through Jolokia alone is true, and what another has over the Kafka protocol.
async fn sources_agree(layout: Layout) -> Outcome {
    let mut bench = Bench::start(layout).await?;
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
    same_reports(&bench.sidecars[&0], &over_protocol).await?;
    let metrics = [
        bench.sidecars[&0].text("/metrics").await?,
        over_protocol.text("/metrics").await?,
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

/// Waits until two sidecars of a broker that nobody writes to any more report the same of it: each samples when it is its time.
async fn same_reports(one: &Service, other: &Service) -> Outcome {
    let start = Instant::now();
    loop {
        let [mine, theirs]: [LoadReport; 2] = [one.get("/v1/load").await?, other.get("/v1/load").await?];
        assert_eq!(mine.cluster_id, theirs.cluster_id);
        if rows(&mine) == rows(&theirs) {
            return Ok(());
        }
        assert!(
            start.elapsed() < WITHIN,
            "{:?} and {:?}",
            rows(&mine),
            rows(&theirs)
        );
        sleep(INTERVAL / 4).await;
    }
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
