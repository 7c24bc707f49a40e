//! How the operator does.

use crate::dashboard::Dashboard;
use crate::field::{Thresholds, Unit};
use crate::layout::Layout;
use crate::panel::Panel;
use crate::query::{Query, rate, selector};
use crate::variable::Variable;

pub(crate) fn dashboard() -> Dashboard {
    Dashboard::new(
        "operator",
        "Operator",
        "Whether the operator gets on: clusters, reconciliations, failures, times.",
    )
    .variables([Variable::namespace_of_operators()])
    .panels(layout())
}

fn layout() -> Layout {
    Layout::default()
        .section("Now")
        .row(
            4,
            [clusters(), degraded(), failed(), failing(), mean(), slowest()],
        )
        .section("Over time")
        .row(9, [states(), errors()])
        .row(9, [reconciliations(), failures()])
        .row(9, [times(), busy()])
}

fn of(metric: &str, matchers: &str) -> String {
    selector(metric, &[r#"namespace=~"$namespace""#, matchers])
}

fn clusters() -> Panel {
    Panel::stat(
        "Clusters",
        "Kafkaclusters that the operator runs. kubectl get kafkaclusters tells the state of each.",
        Unit::Count,
    )
    .query(Query::over_time(
        format!("max({})", of("kafka_operator_clusters", "")),
        "clusters",
    ))
    .absent("no operator")
}

/// Clusters by how they are: of several operators one acts, and another one tells none.
fn by_state(matchers: &str) -> String {
    let clusters = of("kafka_operator_kafkaclusters", matchers);
    format!("sum by (state) (max by (namespace, state) ({clusters}))")
}

fn degraded() -> Panel {
    Panel::stat(
        "Degraded",
        "Kafkaclusters in which something needs somebody. kubectl describe kafkacluster says what, with its cure.",
        Unit::Count,
    )
    .query(Query::over_time(by_state(r#"state="degraded""#), "degraded"))
    .thresholds(Thresholds::orange_from(1.0))
    .absent("no operator")
}

fn states() -> Panel {
    Panel::stack(
        "Clusters by state",
        "By their conditions, each once: degraded, something needs somebody; not_ready, not all brokers serve; progressing, something \
         is being changed; as_wanted.",
        Unit::Count,
    )
    .query(Query::over_time(by_state(""), "{{state}}"))
    .axis_from_zero()
}

fn errors() -> Panel {
    let errors = of("kafka_operator_errors_total", "");
    Panel::bars(
        "Errors by kind",
        "Why looks failed: Kubernetes did not do something; Kafka or the balancer refused; objects could not be seen, or not be built.",
        Unit::Count,
    )
    .query(Query::over_time(
        format!("sum by (kind) (increase({errors}[$__rate_interval]))"),
        "{{kind}}",
    ))
    .axis_from_zero()
}

fn looks(matchers: &str) -> String {
    format!(
        "sum({})",
        rate(&of("kafka_operator_reconciliations_total", matchers))
    )
}

fn failed() -> Panel {
    let failed = of("kafka_operator_reconciliations_total", r#"outcome="failed""#);
    let all = of("kafka_operator_reconciliations_total", "");
    Panel::stat(
        "Failed in 15 minutes",
        "Looks at a Kafkacluster after which something was left undone. The log and the object's conditions say what.",
        Unit::Count,
    )
    .query(Query::over_time(
        format!("sum(increase({failed}[15m])) or 0 * sum({all})"),
        "failed",
    ))
    .decimals(0)
    .thresholds(Thresholds::rising(1.0, 10.0))
    .absent("no operator")
}

fn failing() -> Panel {
    Panel::stat(
        "Share that fails",
        "Failed looks of all looks. Near 1, no cluster gets what its spec says.",
        Unit::Share,
    )
    .query(Query::over_time(
        format!(
            "({} or 0 * {}) / ({} > 0)",
            looks(r#"outcome="failed""#),
            looks(""),
            looks("")
        ),
        "failing",
    ))
    .decimals(0)
    .thresholds(Thresholds::rising(0.05, 0.5))
    .absent("no look")
}

fn mean_time() -> String {
    format!(
        "sum({}) / (sum({}) > 0)",
        rate(&of("kafka_operator_reconciliation_seconds_sum", "")),
        rate(&of("kafka_operator_reconciliation_seconds_count", "")),
    )
}

fn quantile(quantile: &str) -> String {
    let matcher = format!(r#"quantile="{quantile}""#);
    format!("max({})", of("kafka_operator_reconciliation_seconds", &matcher))
}

fn mean() -> Panel {
    Panel::stat(
        "Mean time of a look",
        "With all that followed from it.",
        Unit::Seconds,
    )
    .query(Query::over_time(mean_time(), "mean"))
    .thresholds(Thresholds::rising(10.0, 60.0))
    .absent("no look")
}

fn slowest() -> Panel {
    Panel::stat(
        "99th percentile of a look",
        "With all that followed from it, over the last minutes.",
        Unit::Seconds,
    )
    .query(Query::over_time(quantile("0.99"), "p99"))
    .thresholds(Thresholds::rising(30.0, 120.0))
    .absent("no look")
}

fn reconciliations() -> Panel {
    let all = rate(&of("kafka_operator_reconciliations_total", ""));
    Panel::stack(
        "Reconciliations",
        "Looks at Kafkaclusters by whether all that was to be done was done.",
        Unit::PerSecond,
    )
    .query(Query::over_time(
        format!("sum by (outcome) ({all})"),
        "{{outcome}}",
    ))
    .axis_from_zero()
}

fn failures() -> Panel {
    let failed = of("kafka_operator_reconciliations_total", r#"outcome="failed""#);
    Panel::bars(
        "Failures",
        "Looks after which something was left undone, by the operator's pod.",
        Unit::Count,
    )
    .query(Query::over_time(
        format!("sum by (namespace, instance) (increase({failed}[$__rate_interval]))"),
        "{{namespace}} {{instance}}",
    ))
    .axis_from_zero()
}

fn times() -> Panel {
    Panel::lines(
        "Time of a look",
        "With all that followed from it: mean, median, 99th percentile and the longest.",
        Unit::Seconds,
    )
    .query(Query::over_time(mean_time(), "mean"))
    .query(Query::over_time(quantile("0.5"), "median"))
    .query(Query::over_time(quantile("0.99"), "p99"))
    .query(Query::over_time(quantile("1"), "longest"))
    .axis_from_zero()
}

fn busy() -> Panel {
    Panel::lines(
        "Looks at a time",
        "Seconds that looks take in each second. Far above what is usual, clusters wait for each other or for Kubernetes.",
        Unit::Ratio,
    )
    .query(Query::over_time(
        format!("sum({})", rate(&of("kafka_operator_reconciliation_seconds_sum", ""))),
        "at a time",
    ))
    .decimals(2)
    .axis_from_zero()
}
