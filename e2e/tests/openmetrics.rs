//! What sidecars call OpenMetrics is OpenMetrics to its reference parser, the Python client of Prometheus.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use e2e::{BrokerSpec, Layout, LocalKafka, Service};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Reads a text; returns how many families and samples the parser finds.
fn parse(text: &str) -> Outcome<(usize, usize)> {
    let install = concat!(env!("CARGO_MANIFEST_DIR"), "/install.sh");
    let kafka = Command::new(install).stderr(Stdio::inherit()).output()?;
    let kafka = PathBuf::from(String::from_utf8(kafka.stdout)?.trim());
    let cache = kafka.parent().ok_or("install.sh prints no folder")?;
    let mut parser = Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/python/openmetrics.py"))
        .env("PYTHONPATH", cache.join("prometheus-client-0.26.0"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    parser.stdin.take().ok_or("no pipe")?.write_all(text.as_bytes())?;
    let told = parser.wait_with_output()?;
    if !told.status.success() {
        return Err(String::from_utf8(told.stderr)?.into());
    }
    let told = String::from_utf8(told.stdout)?;
    let (families, samples) = told.trim().split_once(' ').ok_or("no two numbers")?;
    Ok((families.parse()?, samples.parse()?))
}

#[test]
fn the_reference_parser_reads_what_is_told_of_a_recorded_broker() -> Outcome {
    for told in [
        include_str!("../../sidecar/tests/data/metrics-strimzi.openmetrics.txt"),
        include_str!("../../sidecar/tests/data/metrics-confluent.openmetrics.txt"),
    ] {
        let (families, samples) = parse(told)?;
        assert_eq!(families, told.matches("# TYPE ").count());
        let lines = told.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(samples, lines.count());
        // That it would notice.
        let unfinished = told.replace("# EOF\n", "");
        assert!(parse(&unfinished).is_err());
        let misnamed = told.replace("process_cpu_seconds counter", "process_cpu_seconds_total counter");
        assert!(parse(&misnamed).is_err());
    }
    Ok(())
}

#[tokio::test]
async fn sidecars_beside_a_real_broker_show_the_same_series_in_both_formats() -> Outcome {
    let kafka = LocalKafka::start(Layout {
        brokers: vec![BrokerSpec::in_rack("r0")],
        ..Layout::default()
    })
    .await?;
    let interval = Duration::from_secs(1);
    for mut sidecar in [
        Service::sidecar(&kafka, 0, interval, None)?,
        Service::offsets(&kafka, interval)?,
    ] {
        sidecar.ready().await?;
        // Between two answers a sample may bring a series that was not there yet; it stays.
        loop {
            let before = metrics(&sidecar, "text/plain").await?;
            let openmetrics = metrics(&sidecar, "application/openmetrics-text").await?;
            let after = metrics(&sidecar, "text/plain").await?;
            assert!(parse(&openmetrics)?.1 > 0);
            if series(&before) == series(&after) {
                assert_eq!(series(&openmetrics), series(&after));
                break;
            }
        }
    }
    Ok(())
}

async fn metrics(sidecar: &Service, accepted: &str) -> Outcome<String> {
    let request = e2e::http::client()?.get(format!("{}/metrics", sidecar.url));
    let answer = request.header("accept", accepted).send().await?;
    let content_type = answer.headers()["content-type"].to_str()?.to_owned();
    assert!(content_type.starts_with(accepted), "{content_type}");
    Ok(answer.text().await?)
}

/// The names and labels of all series.
fn series(metrics: &str) -> Vec<&str> {
    let lines = metrics.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.rsplit_once(' ')?.0)).collect()
}
