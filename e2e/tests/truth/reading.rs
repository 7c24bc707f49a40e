//! What consumers read.

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::Layout;
use e2e::scene::Outcome;
use sidecar::report::Confidence;
use tokio::time::{Instant, sleep};

use super::bench::{Bench, Counted, INTERVAL, Name, of_topic};
use super::verdict::{Direction, EXACT, Verdict};
use super::wire::{Reader, Reading, Values, Writer, burst_all};

/// Windows until groups have committed for the first time, and that is known.
const WARM: usize = 8;
const WINDOWS: usize = 3;
/// Windows within which what is read all the time has to be comparable once, and that may end before all was read.
const MOST_WINDOWS: usize = 30;

/// What a reader at rest receives in a moment, in bytes: answers without records.
const AT_REST: u64 = 1_000;

/// By how much the sum of what is read all the time may be off, which is exact otherwise: it is counted from the middle of one
/// window to the middle of the next, and a reader that waits between records is now faster and now slower.
const IN_PASSING: f64 = 0.2;

/// How a topic of two partitions with the same leader is read.
struct Case {
    name: &'static str,
    /// The groups that read it, each at most so many records a second; none reads without committing.
    groups: &'static [(Option<&'static str>, Option<u64>)],
    /// Records that are there before anybody reads, and what is written to each partition within a window. When those that are
    /// behind read is told by their commits alone, of which nobody can be sure.
    backlog: u64,
    records: [u64; 2],
    certain: Confidence,
}

static CASES: [Case; 6] = [
    Case {
        name: "a group",
        groups: &[(Some("one"), None)],
        backlog: 0,
        records: [300, 60],
        certain: Confidence::Weighted,
    },
    Case {
        name: "several groups",
        groups: &[
            (Some("first"), None),
            (Some("second"), None),
            (Some("third"), None),
        ],
        backlog: 0,
        records: [150, 40],
        certain: Confidence::Weighted,
    },
    Case {
        name: "a group far behind",
        groups: &[(Some("late"), Some(50))],
        backlog: 4_000,
        records: [100, 20],
        certain: Confidence::Even,
    },
    Case {
        name: "no commits",
        groups: &[(None, None)],
        backlog: 0,
        records: [300, 60],
        certain: Confidence::Even,
    },
    Case {
        name: "a group, and one without commits",
        groups: &[(Some("known"), None), (None, None)],
        backlog: 0,
        records: [200, 50],
        certain: Confidence::Even,
    },
    Case {
        name: "one partition is written to",
        groups: &[(Some("only"), None)],
        backlog: 0,
        records: [300, 0],
        certain: Confidence::Weighted,
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn bytes_out_are_as_true_as_they_say_whoever_reads() -> Outcome {
    let bench = Bench::start(Layout::default()).await?;
    let bootstrap = bench.kafka.bootstrap();
    let mut writers = Vec::new();
    for (index, case) in CASES.iter().enumerate() {
        let leader = i32::try_from(index % 3)?;
        let replicas = [leader, (leader + 1) % 3];
        bench.topic(&topic_of(case), &[&replicas, &replicas], &[]).await?;
        for (partition, records) in (0..).zip(case.records) {
            // A batch is fetched as a whole; a reader that is slow would fetch once in several windows.
            let batches: &[_] = if case.backlog > 0 {
                &[("batch.size", "2000")]
            } else {
                &[]
            };
            let mut writer = Writer::new(&bootstrap, &topic_of(case), partition, batches)?;
            if case.backlog > 0 {
                writer.burst(case.backlog, Values::Random)?;
            }
            writers.push((writer, records));
        }
    }
    let mut readers: BTreeMap<Name, Vec<Reader>> = BTreeMap::new();
    for case in &CASES {
        for partition in 0..2 {
            let name = (topic_of(case), partition);
            for (group, at_most) in case.groups {
                let reading = Reading {
                    group: group.map(str::to_owned),
                    from: Some(0),
                    at_most: *at_most,
                    rack: None,
                };
                let reader = Reader::start(&bootstrap, &name.0, partition, &reading)?;
                readers.entry(name.clone()).or_default().push(reader);
            }
        }
    }
    let mut verdict = Verdict::default();
    let mut last = received(&readers);
    let mut counted_at = Instant::now();
    let (mut windows, mut compared, mut unread, mut was_read) = (0, 0, 0, true);
    while windows < WARM + WINDOWS || compared == 0 {
        if windows == WARM + MOST_WINDOWS {
            return Err("the machine is too busy to count for as long as a window is".into());
        }
        let ((now, is_read, at), figures) = bench
            .window(async || {
                let (now, is_read) = write_and_read(&mut writers, &readers).await?;
                Ok((now, is_read, Instant::now()))
            })
            .await?;
        let counted: Counted = now
            .iter()
            .map(|(name, bytes)| (name.clone(), bytes - last[name]))
            .collect();
        last = now;
        // What is read all the time can be compared only where it was counted for about as long as a window is.
        let counted_for = at.duration_since(counted_at);
        let is_a_window = counted_for.abs_diff(INTERVAL) < INTERVAL / 20;
        let of_a_window = |bytes: u64| (bytes as f64 * INTERVAL.div_duration_f64(counted_for)).round() as u64;
        counted_at = at;
        // What was not read in time is of this window or of the next one.
        let is_known = std::mem::replace(&mut was_read, is_read) && is_read;
        if !is_known {
            unread += 1;
            println!("a window cannot be judged: readers needed longer");
            if unread > MOST_WINDOWS {
                return Err("the machine is too busy to read what is written within a window".into());
            }
        }
        let Some(figures) = figures.filter(|_| is_known) else {
            continue;
        };
        windows += 1;
        compared += usize::from(is_a_window && windows > WARM);
        let judged = CASES.iter().filter(|case| is_a_window || case.backlog == 0);
        for case in judged.filter(|_| windows > WARM) {
            let (sums, of_case) = match case.backlog {
                0 => (EXACT, of_topic(&counted, &topic_of(case), |bytes| *bytes)),
                _ => (
                    IN_PASSING,
                    of_topic(&counted, &topic_of(case), |bytes| of_a_window(*bytes)),
                ),
            };
            verdict.judge(case.name, Direction::Out, &of_case, &figures, sums)?;
        }
    }
    for case in &CASES {
        let times = verdict.times(case.name, case.certain);
        let judged = if case.backlog == 0 {
            windows - WARM
        } else {
            compared
        };
        assert_eq!(times, 2 * judged, "{} is not {:?}", case.name, case.certain);
    }
    Ok(())
}

fn topic_of(case: &Case) -> String {
    case.name.replace([' ', ','], "-")
}

fn received(readers: &BTreeMap<Name, Vec<Reader>>) -> Counted {
    let sum = |readers: &Vec<Reader>| readers.iter().map(Reader::received).sum();
    readers
        .iter()
        .map(|(name, readers)| (name.clone(), sum(readers)))
        .collect()
}

/// Writes a burst to each partition, gives readers time for it, and answers with what they have received so far, and whether
/// that is all.
async fn write_and_read(
    writers: &mut [(Writer, u64)],
    readers: &BTreeMap<Name, Vec<Reader>>,
) -> Outcome<(Counted, bool)> {
    burst_all(
        writers
            .iter_mut()
            .map(|(writer, records)| (writer, *records, Values::Random)),
    )?;
    let mut now = received(readers);
    for _ in 0..3 {
        sleep(Duration::from_millis(350)).await;
        let before = std::mem::replace(&mut now, received(readers));
        let rest = now
            .iter()
            .filter(|(name, bytes)| **bytes > before[*name] + AT_REST)
            .count();
        // Those that are behind never come to rest.
        if rest <= 2 {
            return Ok((now, true));
        }
    }
    Ok((now, false))
}
