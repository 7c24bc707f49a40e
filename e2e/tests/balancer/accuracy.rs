//! How true the sidecars' figures are.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use e2e::Service;
use sidecar::report::LoadReport;

use e2e::scene::{Outcome, Row, Scene};

/// The window over which rates are compared.
const WINDOW: Duration = Duration::from_secs(10);
const WINDOWS: usize = 4;
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
    scene
        .until("there are enough windows", async |_| {
            for sidecar in &sidecars {
                let report: LoadReport = sidecar.get("/v1/load").await?;
                reports.insert((report.broker.get(), report.sampled_at_ms), report);
            }
            Ok(reports.len() >= WINDOWS * sidecars.len())
        })
        .await?;

    let mut errors = Vec::new();
    for report in reports.values() {
        let to = UNIX_EPOCH + Duration::from_millis(report.sampled_at_ms);
        let from = to - Duration::from_millis(report.window_ms.into());
        let seconds = f64::from(report.window_ms) / 1e3;
        let columns = &report.replicas;
        for row in 0..columns.topic.len() {
            let topic = &report.topics[columns.topic[row] as usize];
            let truth = scene
                .load()?
                .bytes_in(topic.as_str(), columns.partition[row].get(), from, to);
            let Some(truth) = truth
                .filter(|_| columns.leads[row] == 1)
                .map(|bytes| bytes / seconds)
            else {
                continue;
            };
            if truth >= SMALL {
                errors.push((columns.bytes_in[row] as f64 / truth - 1.0).abs());
            }
        }
    }
    errors.sort_by(f64::total_cmp);
    let p95 = errors[errors.len() * 95 / 100];
    println!(
        "{} figures: median {:.4}, p95 {p95:.4}",
        errors.len(),
        errors[errors.len() / 2]
    );
    assert!(
        errors.len() >= WINDOWS * rates.len() * 3 / 4,
        "only {} figures",
        errors.len()
    );
    assert!(p95 <= 0.05, "{errors:?}");
    drop(sidecars);
    scene.end().await
}
