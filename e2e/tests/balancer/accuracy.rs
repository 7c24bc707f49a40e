//! How true the sidecars' figures are.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use e2e::Service;
use e2e::scene::{Outcome, Row, Scene};
use load::Load;
use sidecar::report::LoadReport;
use tokio::time::sleep;

/// The window over which rates are compared.
const WINDOW: Duration = Duration::from_secs(10);
/// How many windows there are at least, and until how many figures can be compared.
const WINDOWS: usize = 4;
const MOST_WINDOWS: usize = 12;
const FIGURES: usize = 36;
/// Around a window's edges clients have to get their acknowledgements evenly: what is acknowledged late is of another window
/// for them than for the broker.
const EDGE: Duration = Duration::from_secs(2);
/// By which part of them bytes before and after an edge may differ.
const EVEN: f64 = 0.25;
/// Partitions with less, in bytes per second, are a few records a window.
const SMALL: f64 = 20_000.0;

#[tokio::test]
async fn bytes_in_of_partitions_are_within_5_percent_of_what_the_clients_counted() -> Outcome {
    let rates = [
        800e3, 400e3, 260e3, 200e3, 160e3, 130e3, 110e3, 100e3, 60e3, 40e3, 30e3, 25e3,
    ];
    let places: [&[i32]; 4] = [&[0, 1], &[1, 2], &[2, 3], &[3, 0]];
    let rows: Vec<Row<'_>> = rates
        .iter()
        .zip(places.iter().cycle())
        .enumerate()
        .map(|(index, (rate, place))| (["even", "odd"][index % 2], *place, *rate))
        .collect();
    let scene = Scene::set("accuracy", &rows).await?;
    let mut sidecars = Vec::new();
    for broker in scene.kafka.ids() {
        sidecars.push(Service::sidecar(&scene.kafka, broker, WINDOW, None)?);
    }
    for sidecar in &mut sidecars {
        sidecar.ready().await?;
    }
    let mut reports: BTreeMap<(i32, u64), LoadReport> = BTreeMap::new();
    let mut errors = Vec::new();
    for windows in WINDOWS..=MOST_WINDOWS {
        scene
            .until("there are enough windows", async |_| {
                for sidecar in &sidecars {
                    let report: LoadReport = sidecar.get("/v1/load").await?;
                    reports.insert((report.broker.get(), report.sampled_at_ms), report);
                }
                Ok(reports.len() >= windows * sidecars.len())
            })
            .await?;
        sleep(EDGE).await;
        let load = scene.load()?;
        errors = reports
            .values()
            .flat_map(|report| errors_of(report, load))
            .collect();
        if errors.len() >= FIGURES {
            break;
        }
    }
    assert!(
        errors.len() >= FIGURES,
        "only {} figures in {MOST_WINDOWS} windows",
        errors.len()
    );
    errors.sort_by(f64::total_cmp);
    let p95 = errors[errors.len() * 95 / 100];
    println!(
        "{} figures: median {:.4}, p95 {p95:.4}",
        errors.len(),
        errors[errors.len() / 2]
    );
    assert!(p95 <= 0.05, "{errors:?}");
    drop(sidecars);
    scene.end().await
}

/// By which part each figure of a report is off, where it can be compared with what the clients counted.
fn errors_of(report: &LoadReport, load: &Load) -> Vec<f64> {
    let to = UNIX_EPOCH + Duration::from_millis(report.sampled_at_ms);
    let from = to - Duration::from_millis(report.window_ms.into());
    let seconds = f64::from(report.window_ms) / 1e3;
    let columns = &report.replicas;
    let led = (0..columns.topic.len()).filter(|row| columns.leads[*row] == 1);
    let error = |row: usize| {
        let topic = report.topics[columns.topic[row] as usize].as_str();
        let counted = |from, to| load.bytes_in(topic, columns.partition[row].get(), from, to);
        let truth = counted(from, to)? / seconds;
        for edge in [from, to] {
            let (before, after) = (counted(edge - EDGE, edge)?, counted(edge, edge + EDGE)?);
            if (before - after).abs() > EVEN * before.max(after) {
                return None;
            }
        }
        (truth >= SMALL).then(|| (columns.bytes_in[row] as f64 / truth - 1.0).abs())
    };
    led.filter_map(error).collect()
}
