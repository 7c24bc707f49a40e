//! Names of Kafka's figures as dashboards expect them: the dialect that Strimzi's rules for the JMX exporter made
//! common.
//!
//! `kafka.server:type=BrokerTopicMetrics,name=BytesInPerSec,topic=t` Count is
//! `kafka_server_brokertopicmetrics_bytesin_total{topic="t"}`: domain, type and name in lower case, `PerSec` left off
//! counters, `Percent` set apart, all other key properties as labels.

use std::collections::BTreeMap;

use serde_json::Value;

use super::text::{Kind, Text};
use crate::jmx::exact_sum;
use crate::jolokia::Bean;

/// Families by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Families(BTreeMap<String, Family>);

/// One family's series.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    kind: Kind,
    series: Vec<Series>,
}

#[derive(Debug, Clone, PartialEq)]
struct Series {
    suffix: &'static str,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Families {
    /// Adds the families that `other` has and these have not.
    pub fn or(&mut self, other: &Self) {
        for (name, family) in &other.0 {
            if !self.0.contains_key(name) {
                self.0.insert(name.clone(), family.clone());
            }
        }
    }

    /// Writes all series but those of topics that `keeps_topic` refuses.
    pub fn write(&self, text: &mut Text, keeps_topic: impl Fn(&str) -> bool) {
        for (name, family) in &self.0 {
            let mut writer = text.family(name, family.kind, "From the broker's MBean of that name.");
            for series in &family.series {
                let topic = series.labels.iter().find(|(label, _)| label == "topic");
                if topic.is_some_and(|(_, topic)| !keeps_topic(topic)) {
                    continue;
                }
                let labels: Vec<(&str, &str)> = series
                    .labels
                    .iter()
                    .map(|(label, value)| (label.as_str(), value.as_str()))
                    .collect();
                writer.suffixed(series.suffix, &labels, series.value);
            }
        }
    }

    fn add(
        &mut self,
        name: String,
        kind: Kind,
        suffix: &'static str,
        labels: Vec<(String, String)>,
        value: f64,
    ) {
        let family = self.0.entry(name).or_insert_with(|| Family {
            kind,
            series: Vec::new(),
        });
        family.series.push(Series {
            suffix,
            labels,
            value,
        });
    }
}

/// What was read, under the names that dashboards use.
pub fn jmx_families(beans: &[Bean]) -> Families {
    let mut families = Families::default();
    for bean in beans {
        if bean.name.domain == "java.lang" {
            add_jvm(&mut families, bean);
        } else if bean.name.property("name").is_some() {
            add_yammer(&mut families, bean);
        } else {
            add_client_style(&mut families, bean);
        }
    }
    families
}

/// Kafka's older metrics: one MBean a figure, its name in the key property `name`.
fn add_yammer(families: &mut Families, bean: &Bean) {
    let property = |key| bean.name.property(key).unwrap_or_default();
    let base = format!("{}_{}", bean.name.domain, property("type"));
    let name = property("name");
    let labels = labels(bean, &["type", "name"]);
    if let Some(value) = bean.number("Value") {
        families.add(
            metric_name(&base, &name.replace("Percent", "_percent")),
            Kind::Gauge,
            "",
            labels.clone(),
            value,
        );
    }
    let Some(count) = bean.number("Count") else { return };
    if let Some(mean) = bean.number("Mean") {
        add_summary(families, bean, &metric_name(&base, name), &labels, count, mean);
    } else if let Some(idle) = name.strip_suffix("Percent") {
        // This meter counts idle nanoseconds, averaged over the threads.
        let seconds = metric_name(&base, &format!("{idle}_seconds_total"));
        families.add(seconds, Kind::Counter, "", labels.clone(), count / 1e9);
        if let Some(share) = bean.number("OneMinuteRate") {
            families.add(
                metric_name(&base, &format!("{idle}_percent")),
                Kind::Gauge,
                "",
                labels,
                share,
            );
        }
    } else {
        let name = format!("{}_total", name.strip_suffix("PerSec").unwrap_or(name));
        families.add(metric_name(&base, &name), Kind::Counter, "", labels, count);
    }
}

/// A histogram. Its quantiles are Kafka's, over a sample that decays; sum and count are exact.
fn add_summary(
    families: &mut Families,
    bean: &Bean,
    name: &str,
    labels: &[(String, String)],
    count: f64,
    mean: f64,
) {
    const QUANTILES: [(&str, &str); 3] = [
        ("50thPercentile", "0.50"),
        ("99thPercentile", "0.99"),
        ("999thPercentile", "0.999"),
    ];
    for (attribute, quantile) in QUANTILES {
        if let Some(value) = bean.number(attribute) {
            let mut labels = labels.to_vec();
            labels.push(("quantile".to_owned(), quantile.to_owned()));
            families.add(name.to_owned(), Kind::Summary, "", labels, value);
        }
    }
    families.add(
        name.to_owned(),
        Kind::Summary,
        "_sum",
        labels.to_vec(),
        exact_sum(count, mean),
    );
    families.add(name.to_owned(), Kind::Summary, "_count", labels.to_vec(), count);
}

/// Kafka's newer metrics: one MBean a group, a figure to each attribute.
fn add_client_style(families: &mut Families, bean: &Bean) {
    let kind = bean.name.property("type").unwrap_or_default();
    // Strimzi's rules join the words of KRaft's types and only of those.
    let kind = if kind.starts_with("raft") {
        kind.replace('-', "")
    } else {
        kind.to_owned()
    };
    let base = format!("{}_{kind}", bean.name.domain);
    for (attribute, value) in &bean.attributes {
        let name = metric_name(&base, attribute);
        let mut labels = labels(bean, &["type"]);
        if attribute == "current-state" {
            if let Value::String(state) = value {
                labels.push(("current_state".to_owned(), state.clone()));
                families.add(name, Kind::Gauge, "", labels, 1.0);
            }
        } else if let Some(value) = bean.number(attribute) {
            let kind = if attribute.ends_with("-total") {
                Kind::Counter
            } else {
                Kind::Gauge
            };
            families.add(name, kind, "", labels, value);
        }
    }
}

/// The JVM's own, as Prometheus' Java client names them.
fn add_jvm(families: &mut Families, bean: &Bean) {
    let mut add = |name: &str, kind, labels: &[(&str, &str)], value: Option<f64>| {
        if let Some(value) = value {
            let labels = labels
                .iter()
                .map(|&(label, value)| (label.to_owned(), value.to_owned()))
                .collect();
            families.add(name.to_owned(), kind, "", labels, value);
        }
    };
    match bean.name.property("type") {
        Some("Memory") => {
            for (area, attribute) in [("heap", "HeapMemoryUsage"), ("nonheap", "NonHeapMemoryUsage")] {
                let usage = |key| {
                    bean.attributes
                        .get(attribute)
                        .and_then(|usage| usage.get(key)?.as_f64())
                };
                add(
                    "jvm_memory_used_bytes",
                    Kind::Gauge,
                    &[("area", area)],
                    usage("used"),
                );
                add(
                    "jvm_memory_committed_bytes",
                    Kind::Gauge,
                    &[("area", area)],
                    usage("committed"),
                );
                // -1 where there is no limit.
                let max = usage("max").filter(|max| *max >= 0.0);
                add("jvm_memory_max_bytes", Kind::Gauge, &[("area", area)], max);
            }
        }
        Some("GarbageCollector") => {
            let gc = bean.name.property("name").unwrap_or_default().to_owned();
            let seconds = bean
                .number("CollectionTime")
                .map(|milliseconds| milliseconds / 1e3);
            for (suffix, value) in [("_sum", seconds), ("_count", bean.number("CollectionCount"))] {
                if let Some(value) = value {
                    let labels = vec![("gc".to_owned(), gc.clone())];
                    families.add(
                        "jvm_gc_collection_seconds".to_owned(),
                        Kind::Summary,
                        suffix,
                        labels,
                        value,
                    );
                }
            }
        }
        Some("Threading") => add(
            "jvm_threads_current",
            Kind::Gauge,
            &[],
            bean.number("ThreadCount"),
        ),
        Some("OperatingSystem") => {
            let cpu = bean.number("ProcessCpuTime").map(|nanoseconds| nanoseconds / 1e9);
            add("process_cpu_seconds_total", Kind::Counter, &[], cpu);
            add(
                "process_open_fds",
                Kind::Gauge,
                &[],
                bean.number("OpenFileDescriptorCount"),
            );
            add(
                "process_max_fds",
                Kind::Gauge,
                &[],
                bean.number("MaxFileDescriptorCount"),
            );
        }
        Some("Runtime") => {
            let seconds = bean.number("StartTime").map(|milliseconds| milliseconds / 1e3);
            add("process_start_time_seconds", Kind::Gauge, &[], seconds);
        }
        _ => {}
    }
}

/// All key properties but those in `but`, as labels.
fn labels(bean: &Bean, but: &[&str]) -> Vec<(String, String)> {
    let properties = bean.name.properties.iter();
    let others = properties.filter(|(key, _)| !but.contains(&key.as_str()));
    others
        .map(|(key, value)| (label_name(key), value.clone()))
        .collect()
}

fn metric_name(base: &str, name: &str) -> String {
    label_name(&format!("{base}_{name}")).to_ascii_lowercase()
}

fn label_name(text: &str) -> String {
    let legal = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' {
            c
        } else {
            '_'
        }
    };
    text.chars().map(legal).collect()
}
