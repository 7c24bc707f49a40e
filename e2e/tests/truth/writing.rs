//! What producers write.

use std::collections::BTreeMap;

use e2e::Layout;
use e2e::scene::Outcome;
use sidecar::report::Confidence;

use super::bench::{Bench, Figures, Name, of_topic};
use super::verdict::{Direction, EXACT, Verdict};
use super::wire::{Amount, Values, Writer, burst_all};

/// What a topic of two partitions with the same leader is about, how it is written to, and with what.
struct Case {
    name: &'static str,
    topic: &'static [(&'static str, &'static str)],
    client: &'static [(&'static str, &'static str)],
    values: Values,
    records: [u64; 2],
    /// How sure the sidecar can be.
    certain: Confidence,
}

static CASES: [Case; 12] = [
    plain("even", [300, 300]),
    plain("skewed", [600, 60]),
    Case {
        certain: Confidence::Exact,
        ..plain("one hot key", [700, 0])
    },
    compressed("gzip", &[("compression.type", "gzip")]),
    compressed("snappy", &[("compression.type", "snappy")]),
    compressed("lz4", &[("compression.type", "lz4")]),
    compressed("zstd", &[("compression.type", "zstd")]),
    // Kafka compresses what comes uncompressed.
    Case {
        topic: &[("compression.type", "zstd")],
        certain: Confidence::Even,
        ..compressed("zstd by the broker", &[])
    },
    Case {
        topic: &[
            ("cleanup.policy", "compact"),
            ("segment.bytes", "1048576"),
            ("min.cleanable.dirty.ratio", "0.01"),
            ("max.compaction.lag.ms", "1000"),
        ],
        ..plain("compacted", [700, 200])
    },
    Case {
        topic: &[
            ("cleanup.policy", "compact"),
            ("segment.bytes", "1048576"),
            ("min.cleanable.dirty.ratio", "0.01"),
        ],
        values: Values::Tombstones,
        ..plain("tombstones", [3_000, 1_000])
    },
    Case {
        topic: &[("retention.bytes", "1100000"), ("segment.bytes", "1048576")],
        ..plain("trimmed by retention", [800, 300])
    },
    Case {
        client: &[("transactional.id", "truth")],
        ..plain("transactional", [500, 100])
    },
];

const fn plain(name: &'static str, records: [u64; 2]) -> Case {
    Case {
        name,
        topic: &[],
        client: &[],
        values: Values::Random,
        records,
        certain: Confidence::Weighted,
    }
}

const fn compressed(name: &'static str, client: &'static [(&'static str, &'static str)]) -> Case {
    Case {
        client,
        values: Values::Text,
        ..plain(name, [1_500, 400])
    }
}

const WINDOWS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn bytes_in_are_as_true_as_they_say_whatever_producers_write() -> Outcome {
    let mut layout = Layout::default();
    // Segments are deleted and cleaned while the test looks on.
    let quick = [
        ("log.retention.check.interval.ms", "500"),
        ("log.cleaner.backoff.ms", "500"),
    ];
    layout
        .properties
        .extend(quick.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let bench = Bench::start(layout).await?;
    let mut writers = Vec::new();
    for (index, case) in CASES.iter().enumerate() {
        let topic = topic_of(case);
        // Different leaders, so that no broker has all the work.
        let leader = i32::try_from(index % 3)?;
        let replicas = [leader, (leader + 1) % 3];
        bench.topic(&topic, &[&replicas, &replicas], case.topic).await?;
        for (partition, records) in (0..).zip(case.records) {
            let id = format!("{topic}-{partition}");
            let mut client = case.client.to_vec();
            if let Some((_, value)) = client.iter_mut().find(|(name, _)| *name == "transactional.id") {
                *value = &id;
            }
            writers.push(Work {
                case,
                name: (topic.clone(), partition),
                records,
                writer: Writer::new(&bench.kafka.bootstrap(), &topic, partition, &client)?,
            });
        }
    }
    let mut verdict = Verdict::default();
    // The first burst connects.
    write_all(&mut writers)?;
    let mut judged = 0;
    while judged < WINDOWS {
        let (counted, Some(figures)) = bench.window(async || write_all(&mut writers)).await? else {
            continue;
        };
        judged += 1;
        for case in &CASES {
            let bytes = of_topic(&counted, &topic_of(case), |amount| amount.bytes);
            verdict.judge(case.name, Direction::In, &bytes, &figures, EXACT)?;
            records_are_true(case, &counted, &figures)?;
        }
    }
    for case in &CASES {
        let times = verdict.times(case.name, case.certain);
        // Now and then an agent answers late, and what it says is not called exact.
        let enough = times >= 2 * (WINDOWS - 1);
        assert!(enough, "{} is {:?} {times} times only", case.name, case.certain);
    }
    Ok(())
}

/// Records are counted by offsets, of which the mark of each committed transaction takes one.
fn records_are_true(case: &Case, counted: &Written, figures: &Figures) -> Outcome {
    let marks = u64::from(case.client.iter().any(|(name, _)| *name == "transactional.id"));
    for (name, truth) in of_topic(counted, &topic_of(case), |amount| amount.records) {
        let said = figures[&name].records_in;
        let truth = (truth + marks * u64::from(truth > 0)) as f64;
        if (said - truth).abs() > 2.0 + truth * 0.005 {
            return Err(format!("{name:?} got {truth} records and the sidecar says {said}").into());
        }
    }
    Ok(())
}

/// What was written in a burst, by partition.
type Written = BTreeMap<Name, Amount>;

/// One partition's writer and how much it writes in a burst.
struct Work {
    case: &'static Case,
    name: Name,
    records: u64,
    writer: Writer,
}

fn topic_of(case: &Case) -> String {
    case.name.replace(' ', "-")
}

/// Everybody writes at the same time.
fn write_all(writers: &mut [Work]) -> Outcome<Written> {
    let names: Vec<Name> = writers.iter().map(|work| work.name.clone()).collect();
    let work = writers
        .iter_mut()
        .map(|work| (&mut work.writer, work.records, work.case.values));
    Ok(names.into_iter().zip(burst_all(work)?).collect())
}
