//! A cluster with a sidecar to each broker, and windows between whose ends nothing is written or read.
//!
//! All sidecars sample at multiples of the interval by the clock. What is done in the middle of a window is in that
//! window as a whole, so that no error of time blurs the comparison with what clients counted.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use e2e::scene::Outcome;
use e2e::stack::{self, Service};
use e2e::{Layout, LocalKafka};
use kafka::client::KafkaCluster;
use load::{Connection, Placement, TopicSettings, create_topics};
use sidecar::report::{Confidence, LoadReport};
use tokio::time::{Instant, sleep};

/// Time between samples. Whatever is done within a window has to be done in two thirds of it.
pub(crate) const INTERVAL: Duration = Duration::from_secs(3);

const WITHIN: Duration = Duration::from_secs(60);
/// How many windows of a test may be lost.
const MOST_SPOILT: usize = 8;

/// A partition by its topic's name and its number.
pub(crate) type Name = (String, i32);

/// Bytes or records by partition.
pub(crate) type Counted = BTreeMap<Name, u64>;

pub(crate) struct Bench {
    pub(crate) kafka: LocalKafka,
    pub(crate) cluster: KafkaCluster,
    pub(crate) sidecars: BTreeMap<i32, Service>,
    pub(crate) offsets: Service,
    spoilt: Cell<usize>,
}

/// What the sidecar of a partition's leader says of it, in bytes or records of one window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figure {
    pub(crate) broker: i32,
    pub(crate) bytes_in: f64,
    pub(crate) bytes_in_confidence: Confidence,
    pub(crate) bytes_out: f64,
    pub(crate) bytes_out_confidence: Confidence,
    pub(crate) records_in: f64,
}

/// Figures of one window by partition.
pub(crate) type Figures = BTreeMap<Name, Figure>;

impl Bench {
    pub(crate) async fn start(mut layout: Layout) -> Outcome<Self> {
        // What is not done in time is not judged, and what is counted is true at any speed.
        layout.is_alone = false;
        let kafka = LocalKafka::start(layout).await?;
        let cluster = KafkaCluster::new(stack::connection(&kafka)?);
        let offsets = Service::offsets(&kafka, INTERVAL)?;
        let mut sidecars = BTreeMap::new();
        for broker in kafka.ids() {
            let sidecar = Service::sidecar(&kafka, broker, INTERVAL, Some(&offsets.url))?;
            sidecars.insert(broker, sidecar);
        }
        let mut bench = Self {
            kafka,
            cluster,
            sidecars,
            offsets,
            spoilt: Cell::new(0),
        };
        for service in bench.sidecars.values_mut().chain([&mut bench.offsets]) {
            service.ready().await?;
        }
        Ok(bench)
    }

    /// Makes a topic whose partitions have these replicas, the first of each leading.
    pub(crate) async fn topic(&self, name: &str, replicas: &[&[i32]], config: &[(&str, &str)]) -> Outcome {
        let topic = TopicSettings {
            name: name.to_owned(),
            partitions: u32::try_from(replicas.len())?,
        };
        let placement = Placement::Replicas(replicas.iter().map(|list| list.to_vec()).collect());
        let connection = Connection::to(self.kafka.bootstrap());
        Ok(create_topics(&connection, &[topic], &placement, config).await?)
    }

    /// Does something in the middle of a window, and answers with what came of it and what the sidecars say of that
    /// window: nothing when the machine was too busy to do it in time.
    pub(crate) async fn window<T>(
        &self,
        act: impl AsyncFnOnce() -> Outcome<T>,
    ) -> Outcome<(T, Option<Figures>)> {
        let interval = u64::try_from(INTERVAL.as_millis())?;
        // The present window is as good as the next one while it is young.
        let opens = (now_ms()? + interval * 5 / 6) / interval * interval;
        let begin = opens + interval / 6;
        sleep(Duration::from_millis(begin.saturating_sub(now_ms()?))).await;
        let done = act().await?;
        let closes = opens + interval;
        let late = (now_ms()? + interval / 12).saturating_sub(closes);
        if late > 0 {
            return Ok((done, self.spoilt(&format!("{late} ms too late"))?));
        }
        let mut figures = Figures::new();
        for (broker, sidecar) in &self.sidecars {
            match report_of(sidecar, closes..closes + interval).await? {
                Some(report) => figures.extend(figures_of(*broker, &report)),
                None => return Ok((done, self.spoilt("its report was missed")?)),
            }
        }
        Ok((done, Some(figures)))
    }

    /// Now and then a machine is busy; where it always is, nothing is proven.
    fn spoilt(&self, why: &str) -> Outcome<Option<Figures>> {
        println!("a window cannot be judged: {why}");
        self.spoilt.set(self.spoilt.get() + 1);
        if self.spoilt.get() > MOST_SPOILT {
            return Err(format!("more than {MOST_SPOILT} windows could not be judged: {why}").into());
        }
        Ok(None)
    }
}

/// The report of a sample taken in that time; none when it has been replaced already.
async fn report_of(sidecar: &Service, sampled: std::ops::Range<u64>) -> Outcome<Option<LoadReport>> {
    let deadline = Instant::now() + WITHIN;
    loop {
        let report: Result<LoadReport, _> = sidecar.get("/v1/load").await;
        match report {
            Ok(report) if sampled.contains(&report.sampled_at_ms) => return Ok(Some(report)),
            Ok(report) if report.sampled_at_ms >= sampled.end => return Ok(None),
            Err(error) if Instant::now() > deadline => return Err(error.into()),
            _ => sleep(Duration::from_millis(50)).await,
        }
    }
}

fn figures_of(broker: i32, report: &LoadReport) -> Figures {
    let seconds = f64::from(report.window_ms) / 1e3;
    let rows = &report.replicas;
    let led = (0..rows.topic.len()).filter(|row| rows.leads[*row] == 1);
    let figure = |row: usize| {
        let topic = report.topics[rows.topic[row] as usize].to_string();
        let figure = Figure {
            broker,
            bytes_in: rows.bytes_in[row] as f64 * seconds,
            bytes_in_confidence: rows.bytes_in_confidence[row].0,
            bytes_out: rows.bytes_out[row] as f64 * seconds,
            bytes_out_confidence: rows.bytes_out_confidence[row].0,
            records_in: rows.records_in[row] as f64 * seconds,
        };
        ((topic, rows.partition[row].get()), figure)
    };
    led.map(figure).collect()
}

/// Of all partitions those of one topic.
pub(crate) fn of_topic<V>(all: &BTreeMap<Name, V>, topic: &str, of: impl Fn(&V) -> u64) -> Counted {
    let partitions = all.iter().filter(|((name, _), _)| name == topic);
    partitions
        .map(|(name, value)| (name.clone(), of(value)))
        .collect()
}

fn now_ms() -> Outcome<u64> {
    Ok(SystemTime::now()
        .duration_since(UNIX_EPOCH)?
        .as_millis()
        .try_into()?)
}
