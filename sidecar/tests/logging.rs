//! What `kafka-sidecar` logs, beside a broker that is not there.

// The lint's exception for tests does not reach their helpers.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// The first line of standard error.
fn first_line(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("sidecar.yaml");
    std::fs::write(
        &config,
        "broker: 0\nlisten: 127.0.0.1:0\njolokia:\n  url: http://127.0.0.1:1/jolokia/\n",
    )
    .unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_kafka-sidecar"))
        .args(["broker", "--config"])
        .arg(&config)
        .args(arguments)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let read = BufReader::new(program.stderr.take().unwrap()).read_line(&mut line);
    program.kill().unwrap();
    program.wait().unwrap();
    read.unwrap();
    line
}

#[test]
fn a_log_that_nobody_watches_has_no_codes_of_colours() {
    let line = first_line(&[]);
    assert!(line.contains("INFO") && !line.contains('\u{1b}'), "{line:?}");
}

#[test]
fn json_is_an_object_a_line() {
    let line = first_line(&["--log-format", "json"]);
    let object: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(object["level"], "INFO");
}

#[test]
fn a_filter_that_makes_no_sense_is_told_with_one_that_does() {
    let line = first_line(&["--log", "sidecar=loud"]);
    assert!(
        line.contains("`sidecar=loud` cannot be used") && line.contains("try info"),
        "{line}"
    );
}
