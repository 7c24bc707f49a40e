//! The tables at the end.

use std::fmt::Write as _;
use std::path::Path;

use balancer::api::view::ResourceFigures;
use comfy_table::{Table, presets};
use e2e::prometheus::Prometheus;

use crate::expectations::Expectation;
use crate::scene::{INTERVAL, Scene};
use crate::summary::{CountedImbalance, Summary};

/// Before and after, and what was expected.
pub(crate) fn report(summary: &Summary, file: &Path) -> String {
    let mut text = format!(
        "\n{} turned hot: {}; what would help: {}\n\n{}\n\n{}\n\n",
        summary.hot_partition,
        summary.cause.as_deref().unwrap_or("never named"),
        summary.verdict.as_deref().unwrap_or("not said"),
        before_and_after(summary),
        judgement(&summary.expectations),
    );
    let failed = summary
        .expectations
        .iter()
        .filter(|expectation| !expectation.holds)
        .count();
    let _ = match failed {
        0 => writeln!(text, "Every expectation holds."),
        _ => writeln!(
            text,
            "{failed} of {} expectations do not hold.",
            summary.expectations.len()
        ),
    };
    let _ = writeln!(text, "All figures: {}", file.display());
    text
}

fn before_and_after(summary: &Summary) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["", "balanced", "hot", "cooled"]);
    let reported = |resource: fn(&ResourceFigures) -> f64| {
        [
            &summary.imbalance_start,
            &summary.imbalance_before,
            &summary.imbalance_after,
        ]
        .map(|figures| format!("{:.2}", resource(figures)))
    };
    let counted = |resource: fn(&CountedImbalance) -> f64| {
        [
            &summary.counted_imbalance_start,
            &summary.counted_imbalance_before,
            &summary.counted_imbalance_after,
        ]
        .map(|figures| format!("{:.2}", resource(figures)))
    };
    row(
        &mut table,
        "imbalance of bytes in, by the balancer",
        reported(|figures| figures.bytes_in),
    );
    row(
        &mut table,
        "… as the clients count",
        counted(|figures| figures.bytes_in),
    );
    row(
        &mut table,
        "imbalance of bytes out, by the balancer",
        reported(|figures| figures.bytes_out),
    );
    row(
        &mut table,
        "… as the clients count",
        counted(|figures| figures.bytes_out),
    );
    let milliseconds = |before: f64, during: f64| {
        [
            format!("{before:.0} ms"),
            format!("{during:.0} ms"),
            String::new(),
        ]
    };
    let (before, during) = (summary.produce_p50_ms_before, summary.produce_p50_ms_during);
    row(
        &mut table,
        "produce p50, balanced and until cooled",
        milliseconds(before, during),
    );
    let (before, during) = (summary.produce_p99_ms_before, summary.produce_p99_ms_during);
    row(
        &mut table,
        "produce p99, balanced and until cooled",
        milliseconds(before, during),
    );
    let changes = format!(
        "{} leaders, {} copies, {:.1} MB",
        summary.leadership_changes,
        summary.replica_moves,
        summary.bytes_moved as f64 / 1e6
    );
    row(&mut table, "changes", [String::new(), String::new(), changes]);
    let cooled = summary.settle_seconds.map_or_else(
        || "never".to_owned(),
        |seconds| format!("{seconds:.0} s after the shift"),
    );
    row(&mut table, "calm", [String::new(), String::new(), cooled]);
    table
}

fn row(table: &mut Table, name: &str, figures: [String; 3]) {
    table.add_row([name.to_owned()].into_iter().chain(figures));
}

fn judgement(expectations: &[Expectation]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["", "expectation", "measured", "expected"]);
    for expectation in expectations {
        let sign = if expectation.holds { "✓" } else { "✗" };
        table.add_row([sign, expectation.what, &expectation.figure, &expectation.bound]);
    }
    table
}

/// Where everything is, for whoever wants to look around.
pub(crate) fn addresses(scene: &Scene) -> String {
    let mut text = "\nAll of it goes on until Ctrl-C, with the hot partition's load:\n".to_owned();
    let _ = writeln!(text, "  Kafka     {}", scene.kafka.bootstrap());
    for (broker, sidecar) in &scene.stack.sidecars {
        let _ = writeln!(text, "  sidecar   {}/metrics of broker {broker}", sidecar.url);
    }
    if let Some(offsets) = &scene.stack.offsets {
        let _ = writeln!(text, "  offsets   {}/metrics", offsets.url);
    }
    let _ = writeln!(text, "  balancer  {}", scene.stack.balancer.url);
    let _ = writeln!(
        text,
        "  token     {}",
        scene.stack.folder().join("token").display()
    );
    if let Some(prometheus) = &scene.prometheus {
        text += &recorded(prometheus);
    }
    text
}

/// Where all of it is recorded, and how it gets into a Grafana.
fn recorded(prometheus: &Prometheus) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let dashboards = root.join("deploy/grafana");
    let dashboards = dashboards.canonicalize().unwrap_or(dashboards);
    format!(
        "  recorded  by a Prometheus at {url}, which evaluates deploy/prometheus/rules.yaml\n\n\
         To see it in a Grafana on this machine:\n  \
         1. Connections, Data sources, Add: a Prometheus with the URL {url} and the scrape interval {every} s.\n  \
         2. Dashboards, New, Import: each file of {dashboards},\n     \
            or a provider of dashboards (provisioning/dashboards/*.yaml) with `options: {{path: {dashboards}}}`.\n",
        url = prometheus.url,
        every = INTERVAL.as_secs(),
        dashboards = dashboards.display(),
    )
}
