//! How far and how late consumer groups are.

use crate::dashboard::Dashboard;
use crate::field::{Colour, Thresholds, Unit, Word};
use crate::layout::Layout;
use crate::panel::{Column, Panel};
use crate::query::{Query, in_cluster, max_by, selector, sum_by, top};
use crate::variable::Variable;

/// Labels that tell groups apart.
const GROUP: &str = "namespace, kafka_cluster, consumergroup";

/// The worst status of a group, by Burrow's rules, and the figure that stands for it.
const STATUSES: [(&str, Word); 5] = [
    ("OK", Word(1, "OK", Colour::Green)),
    ("WARN", Word(2, "WARN", Colour::Orange)),
    ("STOP", Word(3, "STOP", Colour::Red)),
    ("STALL", Word(4, "STALL", Colour::Red)),
    ("REWIND", Word(5, "REWIND", Colour::Blue)),
];

pub(crate) fn dashboard() -> Dashboard {
    Dashboard::new(
        "consumer-lag",
        "Consumer lag",
        "Which consumer groups are behind, by how much, and whether they catch up.",
    )
    .variables([
        Variable::namespace(),
        Variable::cluster(),
        Variable::group(),
        Variable::topic("kafka_consumergroup_lag_sum"),
        Variable::top(),
    ])
    .executions()
    .panels(layout())
}

fn layout() -> Layout {
    Layout::default()
        .section("Now")
        .row(4, [groups(), unwell(), latest(), furthest(), unread()])
        .row(10, [table()])
        .section("Groups")
        .row(9, [seconds(), records()])
        .row(9, [statuses(), unwell_over_time(), states()])
        .section("Topics and partitions")
        .row(9, [topics(), rates()])
        .row(9, [partition_seconds(), partition_records()])
        .row(10, [partition_statuses()])
}

fn of_groups(metric: &str, matchers: &str) -> String {
    let groups = r#"namespace=~"$namespace",kafka_cluster=~"$cluster",consumergroup=~"$group""#;
    selector(metric, &[groups, matchers])
}

/// Groups by topic, of the chosen topics.
fn by_topic(metric: &str) -> String {
    of_groups(metric, r#"topic=~"$topic""#)
}

fn lag_seconds() -> String {
    max_by(GROUP, &of_groups("kafka_consumergroup_max_lag_seconds", ""))
}

fn lag_records() -> String {
    sum_by(GROUP, &of_groups("kafka_consumergroup_lag_sum", ""))
}

fn groups() -> Panel {
    Panel::stat("Groups", "Consumer groups that are followed.", Unit::Count)
        .query(Query::over_time(
            format!("count({})", of_groups("kafka_consumergroup_status", "")),
            "groups",
        ))
        .absent("no sidecar for offsets")
}

fn unwell() -> Panel {
    let all = of_groups("kafka_consumergroup_status", "");
    let unwell = of_groups("kafka_consumergroup_status", r#"status!="OK""#);
    Panel::stat(
        "Groups that are not OK",
        "WARN: reads, but its lag never shrank. STOP: nobody commits. STALL: has members and does not get on. REWIND: went back.",
        Unit::Count,
    )
    .query(Query::over_time(
        format!("count({unwell}) or 0 * count({all})"),
        "not OK",
    ))
    .thresholds(Thresholds::rising(1.0, 5.0))
    .absent("no sidecar for offsets")
}

fn latest() -> Panel {
    Panel::stat(
        "Latest group",
        "How long the oldest record has been waiting that a group has not committed, in the group where that is longest.",
        Unit::Seconds,
    )
    .query(Query::over_time(format!("max({})", lag_seconds()), "latest"))
    .thresholds(Thresholds::rising(60.0, 600.0))
    .absent("no lag")
}

fn furthest() -> Panel {
    Panel::stat(
        "Records behind, all groups",
        "Records that groups have not committed yet.",
        Unit::Records,
    )
    .query(Query::over_time(format!("sum({})", lag_records()), "behind"))
    .absent("no lag")
}

fn unread() -> Panel {
    let unread = in_cluster("kafka_sidecar_groups_unread", "");
    let left_out = in_cluster("kafka_sidecar_groups_left_out", "");
    Panel::stat(
        "Groups not told of",
        "Groups that could not be read in the last sample, or are left out since there are too many.",
        Unit::Count,
    )
    .query(Query::over_time(
        format!("sum({unread} + {left_out})"),
        "not told of",
    ))
    .thresholds(Thresholds::orange_from(1.0))
    .absent("no sidecar for offsets")
}

fn table() -> Panel {
    let latest = top(&format!("({} or 0 * {})", lag_seconds(), lag_records()));
    let beside = |of: &str, labels: &str| {
        let and = format!("and on ({GROUP})");
        format!("max by ({GROUP}{labels}) ({of}) {and} {latest}")
    };
    Panel::table(
        "Latest groups",
        "The groups that are latest, with what they are and how far they are behind.",
        vec![
            Column::label("kafka_cluster", "Cluster"),
            Column::label("consumergroup", "Group"),
            Column::label("state", "State"),
            Column::label("status", "Status"),
            Column::figure("Value #A", "Late by", Unit::Seconds).coloured(
                Thresholds::from(Colour::Green)
                    .then(60.0, Colour::Orange)
                    .then(600.0, Colour::Red),
            ),
            Column::figure("Value #B", "Behind by", Unit::Records),
            Column::figure("Value #C", "Members", Unit::Count),
        ],
    )
    .query(Query::column(latest.clone()))
    .query(Query::column(beside(&lag_records(), "")))
    .query(Query::column(beside(
        &of_groups("kafka_consumergroup_members", ""),
        "",
    )))
    .query(Query::column(beside(
        &of_groups("kafka_consumergroup_state", ""),
        ", state",
    )))
    .query(Query::column(beside(
        &of_groups("kafka_consumergroup_status", ""),
        ", status",
    )))
}

fn seconds() -> Panel {
    Panel::lines(
        "Latest groups over time",
        "How long the oldest record has been waiting that the group has not committed.",
        Unit::Seconds,
    )
    .query(Query::over_time(top(&lag_seconds()), "{{consumergroup}}"))
    .axis_from_zero()
    .thresholds(Thresholds::rising(60.0, 600.0))
}

fn records() -> Panel {
    Panel::lines(
        "Groups that are furthest behind",
        "Records that the group has not committed yet, over all its partitions.",
        Unit::Records,
    )
    .query(Query::over_time(top(&lag_records()), "{{consumergroup}}"))
    .axis_from_zero()
}

fn statuses() -> Panel {
    let status = of_groups("kafka_consumergroup_status", "");
    Panel::stack(
        "Groups by status",
        "By Burrow's rules, which look at the last commits and at no limit of lag.",
        Unit::Count,
    )
    .query(Query::over_time(
        format!("count by (status) ({status})"),
        "{{status}}",
    ))
    .axis_from_zero()
}

/// Groups that were not OK at some time, by the figure of their status.
fn unwell_over_time() -> Panel {
    let figures: Vec<String> = STATUSES
        .iter()
        .map(|(status, Word(figure, ..))| {
            let groups = of_groups("kafka_consumergroup_status", &format!(r#"status="{status}""#));
            format!("{groups} * {figure}")
        })
        .collect();
    let unwell = of_groups("kafka_consumergroup_status", r#"status!="OK""#);
    let were_unwell = format!("topk($top, count by ({GROUP}) (last_over_time({unwell}[$__range] @ end())))");
    let words = STATUSES.map(|(_, word)| word);
    Panel::states(
        "Groups that were not OK",
        "The status over time of groups that were not OK at some time.",
        &words,
    )
    .query(Query::over_time(
        format!(
            "{} and on ({GROUP}) {were_unwell}",
            max_by(GROUP, &figures.join(" or "))
        ),
        "{{consumergroup}}",
    ))
}

fn states() -> Panel {
    let state = of_groups("kafka_consumergroup_state", "");
    Panel::stack(
        "Groups by state",
        "The state that Kafka has groups in. Many that rebalance at a time, or again and again, do not read.",
        Unit::Count,
    )
    .query(Query::over_time(
        format!("count by (state) ({state})"),
        "{{state}}",
    ))
    .axis_from_zero()
}

fn topics() -> Panel {
    Panel::lines(
        "Records behind by topic",
        "Records that the group has not committed yet.",
        Unit::Records,
    )
    .query(Query::over_time(
        top(&sum_by(
            &format!("{GROUP}, topic"),
            &by_topic("kafka_consumergroup_lag_sum"),
        )),
        "{{consumergroup}} in {{topic}}",
    ))
    .axis_from_zero()
}

fn rates() -> Panel {
    Panel::lines(
        "Records that groups take",
        "Records per second that groups commit, by topic. A group whose lag grows while this is flat has too few members, or slow ones.",
        Unit::RecordsPerSecond,
    )
    .query(Query::over_time(
        top(&sum_by(
            &format!("{GROUP}, topic"),
            &by_topic("kafka_consumergroup_records_per_second"),
        )),
        "{{consumergroup}} in {{topic}}",
    ))
    .axis_from_zero()
}

fn partition_seconds() -> Panel {
    Panel::lines(
        "Latest partitions",
        "How long the oldest record has been waiting that the group has not committed. One far above the others is a hot partition, or \
         a record that its consumer cannot digest.",
        Unit::Seconds,
    )
    .query(Query::over_time(
        top(&by_topic("kafka_consumergroup_lag_seconds")),
        "{{consumergroup}} in {{topic}}-{{partition}}",
    ))
    .axis_from_zero()
}

fn partition_records() -> Panel {
    Panel::lines(
        "Partitions that are furthest behind",
        "Records that the group has not committed yet.",
        Unit::Records,
    )
    .query(Query::over_time(
        top(&by_topic("kafka_consumergroup_lag")),
        "{{consumergroup}} in {{topic}}-{{partition}}",
    ))
    .axis_from_zero()
}

fn partition_statuses() -> Panel {
    let labels = format!("{GROUP}, topic, partition, status");
    let unwell = max_by(&labels, &by_topic("kafka_consumergroup_partition_status"));
    let place = format!("{GROUP}, topic, partition");
    let beside = |metric: &str| {
        let figure = max_by(&place, &by_topic(metric));
        format!("{figure} and on ({place}) {unwell}")
    };
    Panel::table(
        "Partitions in which groups are not OK",
        "Where groups do not get on, with how late and how far behind they are there.",
        vec![
            Column::label("kafka_cluster", "Cluster"),
            Column::label("consumergroup", "Group"),
            Column::label("topic", "Topic"),
            Column::label("partition", "Partition"),
            Column::label("status", "Status"),
            Column::figure("Value #A", "Late by", Unit::Seconds),
            Column::figure("Value #B", "Behind by", Unit::Records),
        ],
    )
    .query(Query::column(beside("kafka_consumergroup_lag_seconds")))
    .query(Query::column(beside("kafka_consumergroup_lag")))
    .query(Query::column(unwell))
}
