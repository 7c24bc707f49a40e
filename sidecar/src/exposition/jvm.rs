//! The JVM's own figures, as Prometheus' Java client names them.

use super::families::{Families, Series};
use super::text::Kind;
use crate::jolokia::Bean;

/// Adds what one MBean of `java.lang` tells.
pub(super) fn add_jvm(families: &mut Families, bean: &Bean) {
    match bean.name.property("type") {
        Some("Memory") => add_memory(families, bean),
        Some("GarbageCollector") => add_collector(families, bean),
        Some("Threading") => add(
            families,
            "jvm_threads_current",
            Kind::Gauge,
            bean,
            "ThreadCount",
            1.0,
        ),
        Some("OperatingSystem") => {
            let cpu = "process_cpu_seconds_total";
            add(families, cpu, Kind::Counter, bean, "ProcessCpuTime", 1e9);
            let open = "OpenFileDescriptorCount";
            add(families, "process_open_fds", Kind::Gauge, bean, open, 1.0);
            let max = "MaxFileDescriptorCount";
            add(families, "process_max_fds", Kind::Gauge, bean, max, 1.0);
        }
        Some("Runtime") => {
            let start = "process_start_time_seconds";
            add(families, start, Kind::Gauge, bean, "StartTime", 1e3);
        }
        _ => {}
    }
}

fn help(attribute: &str, bean: &Bean) -> String {
    let kind = bean.name.property("type").unwrap_or_default();
    format!("{attribute} of java.lang:type={kind}.")
}

/// Adds a figure without labels, of which `divisor` are one of the family's unit.
fn add(families: &mut Families, name: &str, kind: Kind, bean: &Bean, attribute: &str, divisor: f64) {
    if let Some(value) = bean.number(attribute) {
        let series = Series::new(Vec::new(), value / divisor);
        families.add(name, kind, || help(attribute, bean), series);
    }
}

fn add_memory(families: &mut Families, bean: &Bean) {
    const FIGURES: [(&str, &str); 3] = [
        ("jvm_memory_used_bytes", "used"),
        ("jvm_memory_committed_bytes", "committed"),
        ("jvm_memory_max_bytes", "max"),
    ];
    for (area, attribute) in [("heap", "HeapMemoryUsage"), ("nonheap", "NonHeapMemoryUsage")] {
        let Some(usage) = bean.attributes.get(attribute) else {
            continue;
        };
        for (name, figure) in FIGURES {
            let value = usage.get(figure).and_then(|value| value.as_f64());
            // A maximum is -1 where there is no limit.
            if let Some(value) = value.filter(|value| *value >= 0.0) {
                let labels = vec![("area".to_owned(), area.to_owned())];
                let help = || {
                    help(
                        &format!("HeapMemoryUsage and NonHeapMemoryUsage, {figure},"),
                        bean,
                    )
                };
                families.add(name, Kind::Gauge, help, Series::new(labels, value));
            }
        }
    }
}

/// How often a collector ran and for how long: a summary without quantiles.
fn add_collector(families: &mut Families, bean: &Bean) {
    let seconds = bean
        .number("CollectionTime")
        .map(|milliseconds| milliseconds / 1e3);
    let name = bean.name.property("name").unwrap_or_default();
    for (suffix, value) in [("_sum", seconds), ("_count", bean.number("CollectionCount"))] {
        if let Some(value) = value {
            let series = Series {
                suffix,
                labels: vec![("gc".to_owned(), name.to_owned())],
                value,
            };
            let help = || help("CollectionTime and CollectionCount", bean);
            families.add("jvm_gc_collection_seconds", Kind::Summary, help, series);
        }
    }
}
