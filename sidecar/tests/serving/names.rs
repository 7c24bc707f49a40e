//! What dashboards ask for is there, and docs/metrics.md names all that is.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::full;
use crate::sample::{Family, families};
use sidecar::config::{MetricsConfig, Names};

/// Names of which one is not in the sample as it should be, or is although it is said to be absent.
fn faults(list: &str, sample: &BTreeMap<String, Family>) -> Vec<String> {
    let lines = list
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let fault = |line: &str| {
        let (due, absent) = match line.split_once(" absent: ") {
            Some((due, reason)) => (due, !reason.is_empty()),
            None => (line, false),
        };
        let [name, kind, labels] = due.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let labels: Vec<String> = match labels {
            "-" => Vec::new(),
            labels => labels.split(',').map(str::to_owned).collect(),
        };
        let same = |found: &Vec<String>| {
            let (mut found, mut labels) = (found.clone(), labels.clone());
            found.sort();
            labels.sort();
            found == labels
        };
        let found = sample.get(name);
        let is_there = found.is_some_and(|found| found.kind == kind && found.labels.iter().any(same));
        (is_there == absent).then(|| format!("{line}: found {found:?}"))
    };
    lines.filter_map(fault).collect()
}

#[tokio::test]
async fn every_name_that_dashboards_by_strimzis_rules_ask_for_is_there() {
    let sample = families(&full::broker(MetricsConfig::default()).await);
    let faults = faults(include_str!("../names/strimzi.txt"), &sample);
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test]
async fn every_name_that_dashboards_by_confluents_rules_ask_for_is_there() {
    let sample = families(&full::broker(confluent()).await);
    let faults = faults(include_str!("../names/confluent.txt"), &sample);
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test]
async fn every_name_of_kafka_exporter_is_there() {
    let mut sample = families(&full::broker(MetricsConfig::default()).await);
    sample.extend(families(&full::offsets(MetricsConfig::default(), false).await));
    let faults = faults(include_str!("../names/kafka_exporter.txt"), &sample);
    assert!(faults.is_empty(), "{faults:#?}");
}

fn confluent() -> MetricsConfig {
    MetricsConfig {
        names: Names::Confluent,
        ..MetricsConfig::default()
    }
}

/// The smallest budget, so that what was dropped is among the families; no family is left out for it.
fn small() -> MetricsConfig {
    MetricsConfig {
        series_per_family: 10,
        ..MetricsConfig::default()
    }
}

#[tokio::test]
async fn the_documentation_names_every_family() {
    let broker = families(&full::broker(small()).await);
    let by_confluent = families(&full::broker(confluent()).await);
    let offsets = families(&full::offsets(small(), true).await);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let mut due = std::fs::read_to_string(path).unwrap();
    for (mark, table) in [
        ("broker", table(&broker, &by_confluent)),
        ("offsets", table(&offsets, &BTreeMap::new())),
    ] {
        let begin = format!("<!-- families of {mark} -->\n");
        let start = due.find(&begin).unwrap() + begin.len();
        let end = start + due[start..].find("<!-- end -->").unwrap();
        due.replace_range(start..end, &table);
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, due).unwrap();
    } else {
        assert_eq!(std::fs::read_to_string(path).unwrap(), due);
    }
}

/// A row to each family; where another dialect has a figure under another name, that one too.
fn table(families: &BTreeMap<String, Family>, by_confluent: &BTreeMap<String, Family>) -> String {
    let mut out = String::from("\n| name | type | labels | unit | is |\n|---|---|---|---|---|\n");
    for (name, family) in families {
        // What a figure is of is told alike in both dialects.
        let same = |(other, found): &(&String, &Family)| found.help == family.help && *other != name;
        let other = by_confluent.iter().find(same).map(|(other, _)| other);
        let other = other.filter(|_| !by_confluent.contains_key(name));
        let other = other.map_or(String::new(), |other| format!("<br>`{other}`"));
        let labels: Vec<String> = family.labels.iter().map(|labels| labels.join(", ")).collect();
        let labels: Vec<&str> = labels
            .iter()
            .map(|labels| if labels.is_empty() { "none" } else { labels })
            .collect();
        let (kind, unit, help) = (&family.kind, unit(name), &family.help);
        writeln!(
            out,
            "| `{name}`{other} | {kind} | {} | {unit} | {help} |",
            labels.join("; ")
        )
        .unwrap();
    }
    out.push('\n');
    out
}

/// The unit, by the words that names have for it.
fn unit(name: &str) -> &'static str {
    const UNITS: [(&str, &str); 27] = [
        ("bytes_in_per_second", "bytes/s"),
        ("bytes_out_per_second", "bytes/s"),
        ("records_in_per_second", "records/s"),
        ("records_per_second", "records/s"),
        ("timestamp_seconds", "s since 1970"),
        ("start_time_seconds", "s since 1970"),
        ("recordtimestamp", "ms since 1970"),
        ("_seconds", "s"),
        ("_percent", "share, 0 to 1"),
        ("idleratio", "share, 0 to 1"),
        ("timems", "ms"),
        ("lagms", "ms"),
        ("lag_ms", "ms"),
        ("latency_avg", "ms"),
        ("requests_total", "requests"),
        ("bytes", "bytes"),
        ("_byte_total", "bytes"),
        ("memorypool", "bytes"),
        ("log_log_size", "bytes"),
        ("maxlag", "records"),
        ("consumergroup_lag", "records"),
        ("messagesin", "records"),
        ("records_total", "records"),
        ("_rate", "1/s"),
        ("minfetchrate", "1/s"),
        ("offset", "offset"),
        ("high_watermark", "offset"),
    ];
    let found = UNITS.iter().find(|(word, _)| name.contains(word));
    found.map_or("", |(_, unit)| unit)
}
