//! What sidecars call OpenMetrics is OpenMetrics to its reference parser, the Python client of Prometheus.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

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
