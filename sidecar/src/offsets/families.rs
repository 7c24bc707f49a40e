//! The families of `/metrics`. Names, types and labels are those of <https://github.com/danielqsj/kafka_exporter> where it
//! has such a family; the others are this program's own.

use super::commits::Status;
use super::exposure::{GroupLine, Lines, PartitionLine, Positions, RowLine, SumLine};
use crate::config::Granularity;
use crate::exposition::{Grain, Kind, Text};

/// Writes all families. Partitions that are not shown are not among `positions`, which leaves whether it is topics that
/// are.
pub(super) fn write(text: &mut Text, positions: &Positions, granularity: Granularity) {
    let grain = match granularity {
        Granularity::Topic => Grain::Topics,
        Granularity::Partition | Granularity::Top(_) => Grain::Partitions,
    };
    write_brokers(text, positions);
    write_coverage(text, positions);
    write_groups(text, &positions.groups);
    write_rows(text, &positions.rows);
    write_statuses(text, &positions.rows);
    write_sums(text, &positions.sums);
    write_topics(text, positions);
    write_partitions(text, &positions.partitions, grain);
}

fn write_brokers(text: &mut Text, positions: &Positions) {
    let brokers = Some(positions.brokers.len() as f64);
    text.single("kafka_brokers", Kind::Gauge, "Brokers that are alive.", brokers);
    let help = "The address of the broker.";
    let mut family = text.family("kafka_broker_info", Kind::Gauge, help);
    for broker in &positions.brokers {
        let (id, address) = (broker.id.to_string(), format!("{}:{}", broker.host, broker.port));
        family.series(&[("id", &id), ("address", &address)], 1.0);
    }
}

fn write_coverage(text: &mut Text, positions: &Positions) {
    let families = [
        (
            "kafka_sidecar_group_partitions",
            "Pairs of a group and a partition that are followed.",
            positions.followed,
        ),
        (
            "kafka_sidecar_groups_left_out",
            "Groups that are not followed since max_group_partitions are.",
            positions.left_out,
        ),
        (
            "kafka_sidecar_groups_unread",
            "Groups that could not be read in the last sample.",
            positions.unread,
        ),
    ];
    for (name, help, count) in families {
        text.single(name, Kind::Gauge, help, Some(count as f64));
    }
}

fn write_groups(text: &mut Text, groups: &[GroupLine]) {
    type Value = fn(&GroupLine) -> Option<f64>;
    let figures: [(&str, &str, Value); 2] = [
        ("kafka_consumergroup_members", "Members of the group.", |group| {
            group.members.map(f64::from)
        }),
        (
            "kafka_consumergroup_max_lag_seconds",
            "The most that the group is late in one of its partitions.",
            |group| group.max_lag_seconds,
        ),
    ];
    for (name, help, value) in figures {
        let mut family = text.family(name, Kind::Gauge, help);
        for group in groups {
            if let Some(value) = value(group) {
                family.series(&[("consumergroup", group.id.as_str())], value);
            }
        }
    }
    type Word = fn(&GroupLine) -> &'static str;
    let words: [(&str, &str, &str, Word); 3] = [
        (
            "kafka_consumergroup_status",
            "status",
            "1 with the worst status of the group's partitions: OK, WARN, STOP, STALL or REWIND.",
            |group| group.status.as_str(),
        ),
        (
            "kafka_consumergroup_state",
            "state",
            "1 with the state that Kafka has the group in, such as Stable or Empty.",
            |group| group.state.as_str(),
        ),
        (
            "kafka_consumergroup_kind",
            "kind",
            "1 with the protocol of the group: classic, consumer, share or streams.",
            |group| group.kind.as_str(),
        ),
    ];
    for (name, label, help, word) in words {
        let mut family = text.family(name, Kind::Gauge, help);
        for group in groups {
            family.series(&[("consumergroup", group.id.as_str()), (label, word(group))], 1.0);
        }
    }
}

fn write_rows(text: &mut Text, rows: &Lines<RowLine>) {
    type Value = fn(&RowLine) -> Option<f64>;
    let families: [(&str, &str, Value); 4] = [
        (
            "kafka_consumergroup_current_offset",
            "Offset that the group committed.",
            |row| Some(row.standing.offset as f64),
        ),
        (
            "kafka_consumergroup_lag",
            "Records that the group has not committed yet.",
            |row| row.standing.lag.map(|lag| lag as f64),
        ),
        (
            "kafka_consumergroup_lag_seconds",
            "Time since the oldest record was written that the group has not committed yet.",
            |row| row.standing.lag_seconds,
        ),
        (
            "kafka_consumergroup_records_per_second",
            "Records that the group takes, smoothed over 15 s.",
            |row| Some(row.standing.rate),
        ),
    ];
    for (name, help, value) in families {
        let mut family = text.family(name, Kind::Gauge, help);
        for row in &rows.shown {
            if let Some(value) = value(row) {
                with_labels(row, |labels| family.series(labels, value));
            }
        }
        family.left_out(rows.left_out);
    }
}

fn write_statuses(text: &mut Text, rows: &Lines<RowLine>) {
    let help = "1 with the status of the group in the partition, where that is not OK.";
    let mut family = text.family("kafka_consumergroup_partition_status", Kind::Gauge, help);
    for row in &rows.shown {
        let status = row.standing.status;
        if status != Status::Ok {
            with_labels(row, |labels| {
                let status = [("status", status.as_str())];
                family.series(&[labels, &status].concat(), 1.0);
            });
        }
    }
}

/// Calls back with the labels of a row: with the partition if it is of one.
fn with_labels(row: &RowLine, write: impl FnOnce(&[(&str, &str)])) {
    let (group, topic) = (
        ("consumergroup", row.group.as_str()),
        ("topic", row.topic.as_str()),
    );
    match row.partition {
        Some(partition) => write(&[group, topic, ("partition", &partition.to_string())]),
        None => write(&[group, topic]),
    }
}

fn write_sums(text: &mut Text, sums: &Lines<SumLine>) {
    type Value = fn(&SumLine) -> Option<f64>;
    let families: [(&str, Value); 2] = [
        ("kafka_consumergroup_current_offset_sum", |sum| Some(sum.offset)),
        ("kafka_consumergroup_lag_sum", |sum| sum.lag),
    ];
    for (name, value) in families {
        let mut family = text.family(name, Kind::Gauge, "Sum over the topic's partitions.");
        for sum in &sums.shown {
            let labels = [
                ("consumergroup", sum.group.as_str()),
                ("topic", sum.topic.as_str()),
            ];
            if let Some(value) = value(sum) {
                family.series(&labels, value);
            }
        }
        family.left_out(sums.left_out);
    }
}

fn write_topics(text: &mut Text, positions: &Positions) {
    let mut family = text.family("kafka_topic_partitions", Kind::Gauge, "Partitions of the topic.");
    for (topic, count) in &positions.topics {
        family.series(&[("topic", topic.as_str())], *count as f64);
    }
}

/// A family of partitions: its name, its help, and the figure of one.
type OfPartition = (&'static str, &'static str, fn(&PartitionLine) -> Option<f64>);

const OF_PARTITIONS: [OfPartition; 6] = [
    (
        "kafka_topic_partition_current_offset",
        "Offset after the last record that consumers see.",
        |line| Some(line.span?.end as f64),
    ),
    (
        "kafka_topic_partition_oldest_offset",
        "First offset kept.",
        |line| Some(line.span?.start as f64),
    ),
    (
        "kafka_topic_partition_leader_is_preferred",
        "1 where the preferred replica leads.",
        |line| Some(line.leader_is_preferred.into()),
    ),
    ("kafka_topic_partition_replicas", "Replicas.", |line| {
        Some(line.replicas as f64)
    }),
    (
        "kafka_topic_partition_in_sync_replica",
        "Replicas in sync.",
        |line| Some(line.in_sync as f64),
    ),
    (
        "kafka_topic_partition_under_replicated_partition",
        "1 where replicas are out of sync.",
        |line| Some((line.in_sync < line.replicas).into()),
    ),
];

/// Ids have no sum.
const LEADER: OfPartition = (
    "kafka_topic_partition_leader",
    "The id of the leading broker.",
    |line| Some(f64::from(line.leader?.get())),
);

fn write_partitions(text: &mut Text, partitions: &[PartitionLine], grain: Grain<'_>) {
    let leader = Some(LEADER).filter(|_| !matches!(grain, Grain::Topics));
    for (name, help, value) in OF_PARTITIONS.into_iter().chain(leader) {
        let figures = partitions
            .iter()
            .filter_map(|line| Some((&line.partition, value(line)?.into())));
        grain.write(&mut text.family(name, Kind::Gauge, help), figures);
    }
}
