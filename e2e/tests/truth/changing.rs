//! Brokers, leaders, replicas and topics that change while figures are taken.

use std::time::Duration;

use e2e::Layout;
use e2e::scene::{Outcome, ids, partition_of};
use kafka::{Cluster, TopicPartition};
use sidecar::report::{Confidence, LoadReport};
use tokio::time::{Instant, sleep};

use super::bench::{Bench, Counted, Figures, INTERVAL};
use super::verdict::{Direction, Verdict};
use super::wire::{Reader, Reading};
use super::written::{Written, connect, write};

const WITHIN: Duration = Duration::from_secs(60);

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
async fn a_group_that_goes_back_is_no_negative_rate_and_makes_no_other_untrue() -> Outcome {
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
    for window in 0..14 {
        if window == 10 {
            readers[1].seek(0);
        }
        let (_, figures) = written
            .window_once(async || {
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
        if let Some(figures) = figures
            && window >= 8
            && window != 10
        {
            let about = if window < 10 {
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

async fn place(bench: &Bench, partition: &TopicPartition, replicas: &[i32]) -> Outcome {
    let wanted = [(partition.clone(), ids(replicas)?)];
    for (_, placed) in bench.cluster.reassign(&wanted).await? {
        placed?;
    }
    Ok(())
}
