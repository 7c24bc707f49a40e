//! The dashboards: files are what the source says, and panels ask for what there is.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

mod metrics;

use metrics::{Metrics, words};

/// What Grafana itself fills in.
const BUILT_IN: [&str; 5] = [
    "__all",
    "__rate_interval",
    "__range",
    "__url_time_range",
    "__all_variables",
];

/// Labels that Prometheus or its configuration adds.
const ADDED: [&str; 4] = ["namespace", "kafka_cluster", "instance", "broker_label"];

/// Cumulative figures that Kafka has as gauges.
const GROWING: [&str; 2] = [
    "kafka_server_kafkaserver_linux_disk_read_bytes",
    "kafka_server_kafkaserver_linux_disk_write_bytes",
];

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn dashboards() -> Vec<Value> {
    let files = dashboards::files().unwrap();
    files
        .iter()
        .map(|(_, text)| serde_json::from_str(text).unwrap())
        .collect()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

/// The panels but for headings.
fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    list(dashboard, "panels")
        .iter()
        .filter(|panel| text(panel, "type") != "row")
}

fn named(panel: &Value) -> String {
    format!("panel {} {:?}", panel["id"], text(panel, "title"))
}

/// All queries: of panels, annotations and variables.
fn queries(dashboard: &Value) -> Vec<&str> {
    let of_panels = panels(dashboard).flat_map(|panel| list(panel, "targets"));
    let of_annotations = list(&dashboard["annotations"], "list");
    let of_variables = list(&dashboard["templating"], "list");
    let expressions = of_panels.chain(of_annotations).map(|query| text(query, "expr"));
    let lookups = of_variables
        .iter()
        .map(|variable| text(&variable["query"], "query"));
    expressions
        .chain(lookups)
        .filter(|query| !query.is_empty())
        .collect()
}

/// Variables that a text uses, as `$name` or `${name}`.
fn used(text: &str) -> BTreeSet<&str> {
    let after = text.split('$').skip(1).map(|rest| rest.trim_start_matches('{'));
    after
        .filter_map(|rest| words(rest).next().filter(|word| rest.starts_with(word)))
        .filter(|word| !word.starts_with(|first: char| first.is_ascii_digit()))
        .collect()
}

#[test]
fn files_are_what_the_source_says() {
    let folder = file("deploy/grafana");
    let written: BTreeMap<String, String> = dashboards::files().unwrap().into_iter().collect();
    let found: BTreeMap<String, String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    assert!(
        written == found,
        "{} is not current; write it with `cargo run -p dashboards`",
        folder.display()
    );
}

#[test]
fn every_panel_has_a_description_a_unit_and_queries() {
    for dashboard in dashboards() {
        for panel in panels(&dashboard) {
            let name = named(panel);
            assert!(!text(panel, "title").is_empty(), "{name}");
            assert!(text(panel, "description").ends_with('.'), "{name}");
            assert!(
                !text(&panel["fieldConfig"]["defaults"], "unit").is_empty(),
                "{name}"
            );
            assert!(!list(panel, "targets").is_empty(), "{name}");
            for query in list(panel, "targets") {
                assert!(!text(query, "expr").is_empty(), "{name}");
                assert_ne!(query["instant"], query["range"], "{name}");
            }
        }
    }
}

#[test]
fn ids_and_titles_of_panels_and_letters_of_queries_are_unique() {
    for dashboard in dashboards() {
        let titles: BTreeSet<&str> = panels(&dashboard).map(|panel| text(panel, "title")).collect();
        assert_eq!(titles.len(), panels(&dashboard).count(), "{titles:?}");
        let ids: BTreeSet<u64> = list(&dashboard, "panels")
            .iter()
            .map(|panel| panel["id"].as_u64().unwrap())
            .collect();
        assert_eq!(ids.len(), list(&dashboard, "panels").len());
        for panel in panels(&dashboard) {
            let queries = list(panel, "targets");
            let letters: BTreeSet<&str> = queries.iter().map(|query| text(query, "refId")).collect();
            assert_eq!(letters.len(), queries.len(), "{}", named(panel));
        }
    }
}

#[test]
fn panels_are_within_the_grid_and_not_upon_each_other() {
    for dashboard in dashboards() {
        let mut taken = BTreeMap::new();
        for panel in list(&dashboard, "panels") {
            let at = |field: &str| panel["gridPos"][field].as_u64().unwrap();
            assert!(
                at("w") > 0 && at("h") > 0 && at("x") + at("w") <= 24,
                "{}",
                named(panel)
            );
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    let other = taken.insert((x, y), named(panel));
                    assert_eq!(other, None, "{}", named(panel));
                }
            }
        }
    }
}

#[test]
fn queries_name_only_metrics_that_programs_write() {
    let known = Metrics::of_the_programs();
    for dashboard in dashboards() {
        for query in queries(&dashboard) {
            let named: Vec<&str> = words(query)
                .filter(|word| Metrics::is_name(word) && !ADDED.contains(word))
                .collect();
            assert!(!named.is_empty(), "{query}");
            for name in named {
                assert!(known.have(name), "there is no {name}: {query}");
            }
        }
    }
}

#[test]
fn queries_match_only_labels_that_the_metric_has() {
    let known = Metrics::of_the_programs();
    for dashboard in dashboards() {
        for query in queries(&dashboard) {
            for (name, matchers) in metrics::selectors(query) {
                for label in matchers.filter(|label| !ADDED.contains(label)) {
                    assert!(known.have_label(name, label), "{name} has no {label}: {query}");
                }
            }
        }
    }
}

#[test]
fn queries_group_by_labels_that_one_of_their_metrics_has() {
    let known = Metrics::of_the_programs();
    for dashboard in dashboards() {
        for query in queries(&dashboard) {
            let groups = ["by (", "on ("].map(|word| query.split(word).skip(1));
            let lists = groups
                .into_iter()
                .flatten()
                .filter_map(|rest| rest.split(')').next());
            for label in lists.flat_map(words).filter(|label| !ADDED.contains(label)) {
                let has = |(name, _)| known.have_label(name, label);
                assert!(metrics::selectors(query).any(has), "nothing has {label}: {query}");
            }
        }
    }
}

#[test]
fn rates_are_of_counters() {
    let known = Metrics::of_the_programs();
    for dashboard in dashboards() {
        for query in queries(&dashboard) {
            let starts = ["rate(", "increase("].map(|function| query.split(function).skip(1));
            for name in starts.into_iter().flatten().filter_map(|rest| words(rest).next()) {
                assert!(
                    known.grow(name) || GROWING.contains(&name),
                    "{name} is no counter: {query}"
                );
            }
        }
    }
}

#[test]
fn legends_name_labels_that_the_query_keeps() {
    for dashboard in dashboards() {
        for panel in panels(&dashboard) {
            for query in list(panel, "targets") {
                let legend = text(query, "legendFormat");
                for label in legend.split("{{").skip(1).filter_map(|rest| words(rest).next()) {
                    let keeps = words(text(query, "expr")).any(|word| word == label);
                    let has_all = metrics::selectors(text(query, "expr"))
                        .any(|(name, _)| Metrics::of_the_programs().have_label(name, label));
                    assert!(keeps || has_all, "{}: {legend}", named(panel));
                }
            }
        }
    }
}

#[test]
fn every_variable_that_is_used_is_defined_and_the_other_way_round() {
    for dashboard in dashboards() {
        let variables = list(&dashboard["templating"], "list");
        let defined: BTreeSet<&str> = variables.iter().map(|variable| text(variable, "name")).collect();
        let whole = dashboard.to_string();
        let used: BTreeSet<&str> = used(&whole)
            .into_iter()
            .filter(|name| !BUILT_IN.contains(name))
            .collect();
        assert_eq!(used, defined, "{}", text(&dashboard, "title"));
    }
}

#[test]
fn variables_use_only_variables_before_them() {
    for dashboard in dashboards() {
        let mut before = BTreeSet::new();
        for variable in list(&dashboard["templating"], "list") {
            let used = used(text(&variable["query"], "query"));
            assert!(used.is_subset(&before), "{}", text(variable, "name"));
            before.insert(text(variable, "name"));
        }
    }
}

#[test]
fn a_choice_of_all_takes_series_that_lack_the_label() {
    for dashboard in dashboards() {
        for variable in list(&dashboard["templating"], "list") {
            if variable["includeAll"] == Value::Bool(true) {
                assert_eq!(text(variable, "allValue"), ".*", "{}", text(variable, "name"));
            }
        }
    }
}

#[test]
fn uids_are_unique_and_links_lead_to_dashboards() {
    let dashboards = dashboards();
    let uids: BTreeSet<&str> = dashboards
        .iter()
        .map(|dashboard| text(dashboard, "uid"))
        .collect();
    assert_eq!(uids.len(), dashboards.len());
    assert!(uids.iter().all(|uid| uid.len() <= 40));
    for dashboard in &dashboards {
        for link in list(dashboard, "links") {
            assert!(!list(link, "tags").is_empty());
            let is_found = |other: &Value| {
                list(link, "tags")
                    .iter()
                    .all(|tag| list(other, "tags").contains(tag))
            };
            assert!(dashboards.iter().all(is_found));
        }
        for panel in panels(dashboard) {
            for link in list(panel, "links") {
                let uid = text(link, "url")
                    .strip_prefix("/d/")
                    .unwrap()
                    .split('?')
                    .next()
                    .unwrap();
                assert!(uids.contains(uid), "{}: {uid}", named(panel));
            }
        }
    }
}

/// A rate whose confidence changes goes on in another series, and both have samples within the same time.
#[test]
fn partitions_rates_are_averaged_over_samples_and_not_by_series() {
    for dashboard in dashboards() {
        for query in queries(&dashboard) {
            assert!(
                !query.contains("avg_over_time(kafka_sidecar_partition_"),
                "{query}"
            );
        }
    }
}
