//! Which partitions are hot, where, and what would help.

use crate::dashboard::Dashboard;
use crate::field::{Colour, Thresholds, Unit, Word};
use crate::layout::Layout;
use crate::panel::{Column, Panel};
use crate::query::{
    BROKER, CLUSTER, Query, at_brokers, heat_over_time, hot_partitions_in_all, in_cluster, max_by, rate,
    sum_by, top,
};
use crate::variable::Variable;

/// Labels that tell the leaders of partitions apart.
const LEADER: &str = "namespace, kafka_cluster, $broker_label, topic, partition";

pub(crate) fn dashboard() -> Dashboard {
    Dashboard::new(
        "hot-partitions",
        "Hot partitions",
        "Which partitions carry most, on which brokers, and what would help.",
    )
    .variables([
        Variable::namespace(),
        Variable::cluster(),
        Variable::broker_label(),
        Variable::broker(),
        Variable::topic("kafka_topic_partitions"),
        Variable::resource(),
        Variable::top(),
    ])
    .executions()
    .panels(layout())
}

fn layout() -> Layout {
    Layout::default()
        .section("Now")
        .row(
            4,
            [hot(), split(), largest(), largest_share(), skew_now(), sure()],
        )
        .row(11, [table()])
        .section("Partitions over time")
        .row(10, [rates_in(), rates_out()])
        .row(10, [shares(), records()])
        .section("Topics")
        .row(10, [skew(), topics()])
        .section("Brokers and verdicts over time")
        .row(9, [utilisation(), bytes_in()])
        .row(9, [verdicts(), heat()])
}

/// A figure of partitions, by the broker that leads them.
fn led(metric: &str) -> String {
    sum_by(LEADER, &at_brokers(metric, r#"topic=~"$topic""#))
}

fn into() -> String {
    led("kafka_sidecar_partition_bytes_in_per_second")
}

/// The part of its broker's bytes in that a partition takes, both over the same time. Where brokers tell no totals, the
/// partitions' rates are the total. A partition whose confidence changes has two series within that time, each with some of the
/// samples.
fn share() -> String {
    let over_time = |matchers: &str| {
        let rates = at_brokers("kafka_sidecar_partition_bytes_in_per_second", matchers);
        let all = |of: &str| sum_by(LEADER, &format!("{of}_over_time({rates}[$__rate_interval])"));
        format!("{} / {}", all("sum"), all("count"))
    };
    let counted = at_brokers("kafka_server_brokertopicmetrics_bytesin_total", r#"topic="""#);
    let (counted, added) = (sum_by(BROKER, &rate(&counted)), sum_by(BROKER, &over_time("")));
    let partitions = over_time(r#"topic=~"$topic""#);
    format!("{partitions} / on ({BROKER}) group_left () (({counted} or {added}) > 0)")
}

/// The busiest partition of a topic over the mean, of topics with a hundredth of the cluster's traffic at least.
fn skew_of_topics() -> String {
    let rates = in_cluster(
        "kafka_sidecar_partition_bytes_in_per_second",
        r#"topic=~"$topic""#,
    );
    let all = in_cluster("kafka_sidecar_partition_bytes_in_per_second", "");
    let topic = "namespace, kafka_cluster, topic";
    let partitions = sum_by(&format!("{topic}, partition"), &rates);
    let of_all = format!("0.01 * {}", sum_by(CLUSTER, &all));
    format!(
        "{} / (avg by ({topic}) ({partitions}) > 0) and ({} > on ({CLUSTER}) group_left () ({of_all}))",
        max_by(topic, &partitions),
        sum_by(topic, &rates),
    )
}

fn hot() -> Panel {
    Panel::stat(
        "Hot partitions",
        "Partitions that make a broker hot or are far above their siblings. kafka-balancer status names them, with cause and cure.",
        Unit::Count,
    )
    .query(Query::over_time(
        hot_partitions_in_all(""),
        "hot",
    ))
    .thresholds(Thresholds::orange_from(1.0))
    .absent("no balancer")
}

fn split() -> Panel {
    Panel::stat(
        "Need more partitions",
        "Hot partitions that no placement helps, since one alone exceeds what a broker should carry. Their topics need more \
         partitions, or other keys: this is for people to do.",
        Unit::Count,
    )
    .query(Query::over_time(
        hot_partitions_in_all(r#"verdict="split""#),
        "split",
    ))
    .thresholds(Thresholds::red_from(1.0))
    .absent("no balancer")
}

fn largest() -> Panel {
    Panel::stat(
        "Busiest partition",
        "Bytes per second from producers into the one partition that takes most.",
        Unit::BytesPerSecond,
    )
    .query(Query::now(format!("max({})", into()), "busiest"))
}

fn largest_share() -> Panel {
    Panel::stat(
        "Largest share of a broker",
        "The part of its broker's bytes in that one partition takes. On a broker that does little, a large one does not matter.",
        Unit::Share,
    )
    .query(Query::now(format!("max({})", share()), "largest"))
    .decimals(0)
    .thresholds(Thresholds::rising(0.3, 0.6))
}

fn skew_now() -> Panel {
    Panel::stat(
        "Greatest skew in a topic",
        "The busiest partition of a topic over the mean of its partitions, of topics with 1 % of the traffic at least; 1 is even.",
        Unit::Ratio,
    )
    .query(Query::now(format!("max({})", skew_of_topics()), "skew"))
    .decimals(1)
    .thresholds(Thresholds::rising(3.0, 10.0))
}

fn sure() -> Panel {
    let of = |matchers: &str| {
        let rates = in_cluster("kafka_sidecar_partition_bytes_in_per_second", matchers);
        format!("sum({rates})")
    };
    Panel::stat(
        "Measured, not guessed",
        "The part of the bytes in whose partition is exact or weighted by what was measured; the rest is divided evenly.",
        Unit::Share,
    )
    .query(Query::now(
        format!(
            "({} or vector(0)) / ({} > 0)",
            of(r#"confidence=~"exact|weighted""#),
            of("")
        ),
        "measured",
    ))
    .decimals(0)
    .thresholds(Thresholds::falling(0.95, 0.8))
}

/// Labels are read into `broker`, since the name of a column cannot be chosen above.
fn table() -> Panel {
    let busiest = top(&into());
    let named = |of: &str| format!(r#"label_replace({of}, "leader", "$1", "$broker_label", "(.*)")"#);
    let beside = |of: &str| named(&format!("{of} and {busiest}"));
    Panel::table(
        "Busiest partitions",
        "The partitions that take most from producers, with the broker that leads each, and the part of that broker's bytes in.",
        vec![
            Column::label("kafka_cluster", "Cluster"),
            Column::label("topic", "Topic"),
            Column::label("partition", "Partition"),
            Column::label("leader", "Led by"),
            Column::figure("Value #A", "Bytes in", Unit::BytesPerSecond),
            Column::figure("Value #B", "Share of its broker", Unit::Share).coloured(
                Thresholds::from(Colour::Green)
                    .then(0.3, Colour::Orange)
                    .then(0.6, Colour::Red),
            ),
            Column::figure("Value #C", "Bytes out", Unit::BytesPerSecond),
            Column::figure("Value #D", "Records in", Unit::RecordsPerSecond),
            Column::figure("Value #E", "Size", Unit::Bytes),
        ],
    )
    .query(Query::column(named(&busiest)))
    .query(Query::column(beside(&share())))
    .query(Query::column(beside(&led("kafka_sidecar_partition_bytes_out_per_second"))))
    .query(Query::column(beside(&led("kafka_sidecar_partition_records_in_per_second"))))
    .query(Query::column(beside(&led("kafka_log_log_size"))))
}

fn partitions(title: &'static str, description: &'static str, unit: Unit, of: &str) -> Panel {
    Panel::lines(title, description, unit)
        .query(Query::over_time(
            top(of),
            "{{topic}}-{{partition}} on {{$broker_label}}",
        ))
        .axis_from_zero()
}

fn rates_in() -> Panel {
    partitions(
        "Busiest partitions: bytes in",
        "From producers. A line that ends and goes on under another broker is a leader that changed.",
        Unit::BytesPerSecond,
        &into(),
    )
}

fn rates_out() -> Panel {
    partitions(
        "Busiest partitions: bytes out",
        "To consumers; replication is not in it.",
        Unit::BytesPerSecond,
        &led("kafka_sidecar_partition_bytes_out_per_second"),
    )
}

fn shares() -> Panel {
    partitions(
        "Largest shares of a broker",
        "The part of its broker's bytes in that a partition takes.",
        Unit::Share,
        &share(),
    )
}

fn records() -> Panel {
    partitions(
        "Busiest partitions: records in",
        "From producers. Many small records cost processor time where few large ones cost network and disk.",
        Unit::RecordsPerSecond,
        &led("kafka_sidecar_partition_records_in_per_second"),
    )
}

fn skew() -> Panel {
    Panel::lines(
        "Skew inside topics",
        "The busiest partition over the mean of its topic's partitions, of topics with 1 % of the traffic at least. 1 is even; a \
         few keys that get most records make it large.",
        Unit::Ratio,
    )
    .query(Query::over_time(top(&skew_of_topics()), "{{topic}}"))
    .decimals(1)
    .thresholds(Thresholds::from(Colour::Green).then(3.0, Colour::Orange))
}

fn topics() -> Panel {
    Panel::lines(
        "Busiest topics: bytes in",
        "From producers, on all brokers.",
        Unit::BytesPerSecond,
    )
    .query(Query::over_time(
        top(&sum_by("namespace, kafka_cluster, topic", &into())),
        "{{topic}}",
    ))
    .axis_from_zero()
}

fn utilisation() -> Panel {
    let utilisation = in_cluster("kafka_balancer_broker_utilisation", r#"resource="$resource""#);
    Panel::heatmap(
        "Utilisation: broker by time",
        "Load over capacity of the chosen resource, as the balancer sees it. One row that is redder than the others is a hot broker.",
        Unit::Share,
    )
    .query(Query::over_time(
        max_by("namespace, kafka_cluster, broker", &utilisation),
        "broker {{broker}}",
    ))
    .axis_to_one()
}

fn bytes_in() -> Panel {
    let counted = at_brokers("kafka_server_brokertopicmetrics_bytesin_total", r#"topic="""#);
    Panel::heatmap(
        "Bytes in: broker by time",
        "From producers, as brokers count them.",
        Unit::BytesPerSecond,
    )
    .query(Query::over_time(
        sum_by(BROKER, &rate(&counted)),
        "{{$broker_label}}",
    ))
}

fn verdicts() -> Panel {
    let hot = in_cluster("kafka_balancer_hot_partitions", "");
    Panel::stack(
        "Verdicts",
        "What would help the hot partitions: another leader, a move, a swap, a broker of its own (isolate), or more partitions (split).",
        Unit::Count,
    )
    .query(Query::over_time(sum_by("verdict", &max_by("namespace, kafka_cluster, verdict", &hot)), "{{verdict}}"))
    .axis_from_zero()
}

fn heat() -> Panel {
    Panel::states(
        "Hot brokers by resource",
        "When which broker was hot in what. Where there are more than are chosen to be shown, those that were hot come first.",
        &[Word(0, "fine", Colour::Green), Word(1, "hot", Colour::Red)],
    )
    .query(Query::over_time(
        heat_over_time("namespace, kafka_cluster, broker, resource"),
        "broker {{broker}} {{resource}}",
    ))
}
