//! How single brokers do: requests, threads, replicas, disks, the Java runtime.

use crate::dashboard::Dashboard;
use crate::field::{Thresholds, Unit};
use crate::layout::Layout;
use crate::panel::Panel;
use crate::query::{BROKER, Query, at_brokers, max_by, rate, sum_by};
use crate::variable::Variable;

mod process;
mod requests;
mod storage;

/// The legend of a series to each broker.
const LEGEND: &str = "{{$broker_label}}";

pub(crate) fn dashboard() -> Dashboard {
    Dashboard::new(
        "broker",
        "Broker",
        "How brokers do: requests and their times, idle threads, replicas, disks, the Java runtime.",
    )
    .variables([
        Variable::namespace(),
        Variable::cluster(),
        Variable::broker_label(),
        Variable::broker(),
        Variable::top(),
    ])
    .executions()
    .panels(layout())
}

fn layout() -> Layout {
    let now = Layout::default().section("Now").row(
        4,
        [
            under_replicated(),
            busiest_handlers(),
            busiest_network(),
            produce_now(),
            offline_dirs(),
            up(),
        ],
    );
    process::add_to(storage::add_to(requests::add_to(now)))
}

/// Figures that other programs name alike, such as `process_open_fds`: of brokers alone, whose sidecars have them from
/// Jolokia.
fn alone(of: &str) -> String {
    let sidecars = at_brokers("kafka_sidecar_source_up", r#"source="jolokia""#);
    format!("{of} and on ({BROKER}) {sidecars}")
}

fn by_broker(metric: &str) -> String {
    max_by(BROKER, &at_brokers(metric, ""))
}

fn under_replicated() -> Panel {
    Panel::stat(
        "Under-replicated partitions",
        "Partitions that the chosen brokers lead and that have replicas out of sync.",
        Unit::Count,
    )
    .query(Query::over_time(
        format!(
            "sum({})",
            at_brokers("kafka_server_replicamanager_underreplicatedpartitions", "")
        ),
        "under-replicated",
    ))
    .thresholds(Thresholds::orange_from(1.0))
    .absent("not told")
}

/// The counter is in seconds of a mean thread, so that its rate is a share, of any window.
fn idle_handlers() -> String {
    let counter = "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_seconds_total";
    sum_by(BROKER, &rate(&at_brokers(counter, "")))
}

fn busiest_handlers() -> Panel {
    Panel::stat(
        "Least idle handlers",
        "The idle share of request handlers on the broker where that is least. Below 30 % requests begin to wait.",
        Unit::Share,
    )
    .query(Query::over_time(format!("min({})", idle_handlers()), "idle"))
    .decimals(0)
    .thresholds(Thresholds::falling(0.3, 0.1))
    .absent("not told")
}

fn idle_network() -> String {
    by_broker("kafka_network_socketserver_networkprocessoravgidle_percent")
}

fn busiest_network() -> Panel {
    Panel::stat(
        "Least idle network",
        "The idle share of network processors on the broker where that is least. Below 30 % requests begin to wait.",
        Unit::Share,
    )
    .query(Query::over_time(format!("min({})", idle_network()), "idle"))
    .decimals(0)
    .thresholds(Thresholds::falling(0.3, 0.1))
    .absent("not told")
}

fn p99(request: &str) -> String {
    let matchers = format!(r#"request="{request}",quantile="0.99""#);
    max_by(
        BROKER,
        &at_brokers("kafka_network_requestmetrics_totaltimems", &matchers),
    )
}

fn produce_now() -> Panel {
    Panel::stat(
        "Slowest produce requests",
        "The 99th percentile of produce requests on the broker where that is highest.",
        Unit::Milliseconds,
    )
    .query(Query::over_time(format!("max({})", p99("Produce")), "p99"))
    .thresholds(Thresholds::rising(100.0, 1000.0))
    .absent("not told")
}

fn offline_dirs() -> Panel {
    Panel::stat(
        "Log directories offline",
        "Log directories that the broker has given up after a failure of their disk.",
        Unit::Count,
    )
    .query(Query::over_time(
        format!(
            "sum({})",
            at_brokers("kafka_log_logmanager_offlinelogdirectorycount", "")
        ),
        "offline",
    ))
    .thresholds(Thresholds::red_from(1.0))
    .absent("not told")
}

fn up() -> Panel {
    let started = at_brokers("process_start_time_seconds", "");
    Panel::stat(
        "Last start of a broker",
        "How long ago the broker started that started last.",
        Unit::Seconds,
    )
    .query(Query::over_time(
        format!("min(time() - ({}))", alone(&started)),
        "ago",
    ))
    .thresholds(Thresholds::falling(600.0, 0.0))
    .absent("not told")
}
