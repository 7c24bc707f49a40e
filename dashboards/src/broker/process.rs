//! The Java runtime, and what the sidecar sees of it.

use super::{LEGEND, alone};
use crate::field::{Colour, Thresholds, Unit, Word};
use crate::layout::Layout;
use crate::panel::Panel;
use crate::query::{BROKER, Query, at_brokers, max_by, rate, sum_by};

pub(super) fn add_to(layout: Layout) -> Layout {
    layout
        .section("Java runtime")
        .row(9, [heap(), collections(), cpu(), descriptors()])
        .section("Sidecars")
        .row(9, [sources(), source_errors(), reading_times(), dropped()])
}

fn heap() -> Panel {
    let heap = |metric: &str| alone(&max_by(BROKER, &at_brokers(metric, r#"area="heap""#)));
    Panel::lines("Heap", "What is used, and what may be.", Unit::Memory)
        .query(Query::over_time(
            heap("jvm_memory_used_bytes"),
            "used {{$broker_label}}",
        ))
        .query(Query::over_time(
            heap("jvm_memory_max_bytes"),
            "most {{$broker_label}}",
        ))
        .axis_from_zero()
}

fn collections() -> Panel {
    let collections = rate(&at_brokers("jvm_gc_collection_seconds_sum", ""));
    Panel::lines(
        "Garbage collection",
        "The share of time that collectors take.",
        Unit::Share,
    )
    .query(Query::over_time(
        alone(&sum_by(&format!("{BROKER}, gc"), &collections)),
        "{{$broker_label}} {{gc}}",
    ))
    .axis_from_zero()
}

fn cpu() -> Panel {
    Panel::lines("Processor", "Cores that the broker's process takes.", Unit::Ratio)
        .query(Query::over_time(
            alone(&sum_by(
                BROKER,
                &rate(&at_brokers("process_cpu_seconds_total", "")),
            )),
            LEGEND,
        ))
        .decimals(2)
        .axis_from_zero()
}

fn descriptors() -> Panel {
    let open = at_brokers("process_open_fds", "");
    let most = at_brokers("process_max_fds", "");
    Panel::lines(
        "File descriptors",
        "Open files and connections, of those that the process may have. At 1 the broker fails.",
        Unit::Share,
    )
    .query(Query::over_time(
        alone(&max_by(BROKER, &format!("{open} / {most}"))),
        LEGEND,
    ))
    .axis_to_one()
    .thresholds(Thresholds::rising(0.7, 0.9))
}

fn sources() -> Panel {
    let up = at_brokers("kafka_sidecar_source_up", r#"$broker_label!="""#);
    Panel::states(
        "Sources of sidecars",
        "Whether what sidecars ask answers them. What a silent source tells is missing in the figures here.",
        &[Word(0, "silent", Colour::Red), Word(1, "up", Colour::Green)],
    )
    .query(Query::over_time(
        max_by(&format!("{BROKER}, source"), &up),
        "{{$broker_label}} {{source}}",
    ))
}

fn source_errors() -> Panel {
    let errors = rate(&at_brokers("kafka_sidecar_source_errors_total", ""));
    Panel::lines(
        "Readings that failed",
        "By source and kind of failure.",
        Unit::PerSecond,
    )
    .query(Query::over_time(
        sum_by("source, kind", &errors),
        "{{source}} {{kind}}",
    ))
    .axis_from_zero()
}

fn reading_times() -> Panel {
    let took = at_brokers("kafka_sidecar_source_collect_duration_seconds", "");
    Panel::lines(
        "Time of a reading",
        "By source, of the slowest broker.",
        Unit::Seconds,
    )
    .query(Query::over_time(max_by("source", &took), "{{source}}"))
    .axis_from_zero()
}

fn dropped() -> Panel {
    let dropped = at_brokers("kafka_sidecar_series_dropped", "");
    Panel::lines(
        "Series that are left out",
        "Families that are limited by metrics.series_per_family; what is left out is missing in the figures here.",
        Unit::Count,
    )
    .query(Query::over_time(
        format!("{} > 0", sum_by(&format!("{BROKER}, family"), &dropped)),
        "{{$broker_label}} {{family}}",
    ))
    .axis_from_zero()
}
