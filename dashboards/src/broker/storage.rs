//! Replicas, and the disks that they are on.

use super::{LEGEND, by_broker};
use crate::field::{Thresholds, Unit};
use crate::layout::Layout;
use crate::panel::Panel;
use crate::query::{BROKER, Query, at_brokers, max_by, rate, sum_by};

pub(super) fn add_to(layout: Layout) -> Layout {
    layout
        .section("Replicas")
        .row(9, [isr_changes(), out_of_sync(), replicas()])
        .row(9, [max_lag(), fetchers(), reassigning()])
        .section("Disks")
        .row(9, [disk_share(), disk_bytes(), disk_traffic()])
}

fn isr_changes() -> Panel {
    let of = |metric: &str| sum_by(BROKER, &rate(&at_brokers(metric, "")));
    Panel::lines(
        "Changes of in-sync replicas",
        "Replicas that fall out of sync and come back. Without a restart, this is a broker or a network that is too slow.",
        Unit::PerSecond,
    )
    .query(Query::over_time(
        of("kafka_server_replicamanager_isrshrinks_total"),
        "out {{$broker_label}}",
    ))
    .query(Query::over_time(
        of("kafka_server_replicamanager_isrexpands_total"),
        "back {{$broker_label}}",
    ))
    .axis_from_zero()
}

fn out_of_sync() -> Panel {
    Panel::lines(
        "Partitions out of sync",
        "By the broker that leads them: under-replicated, and under min.insync.replicas, where producers with acks=all are refused.",
        Unit::Count,
    )
    .query(Query::over_time(
        by_broker("kafka_server_replicamanager_underreplicatedpartitions"),
        "under-replicated {{$broker_label}}",
    ))
    .query(Query::over_time(
        format!(
            "{} or {}",
            by_broker("kafka_server_replicamanager_underminisrpartitioncount"),
            by_broker("kafka_sidecar_partitions_under_min_isr")
        ),
        "under minimum {{$broker_label}}",
    ))
    .axis_from_zero()
}

fn replicas() -> Panel {
    Panel::lines(
        "Replicas and leaders",
        "Replicas that brokers host, and how many of them lead.",
        Unit::Count,
    )
    .query(Query::over_time(
        by_broker("kafka_server_replicamanager_partitioncount"),
        "replicas {{$broker_label}}",
    ))
    .query(Query::over_time(
        by_broker("kafka_server_replicamanager_leadercount"),
        "leaders {{$broker_label}}",
    ))
    .axis_from_zero()
}

fn max_lag() -> Panel {
    Panel::lines(
        "Followers' greatest lag",
        "Records by which a broker's furthest replica is behind its leader.",
        Unit::Records,
    )
    .query(Query::over_time(
        by_broker("kafka_server_replicafetchermanager_maxlag"),
        LEGEND,
    ))
    .axis_from_zero()
}

fn fetchers() -> Panel {
    Panel::lines(
        "Replication that failed",
        "Partitions that a broker has stopped fetching after an error, and fetcher threads that died. Both stay until it restarts.",
        Unit::Count,
    )
    .query(Query::over_time(
        by_broker("kafka_server_replicafetchermanager_failedpartitionscount"),
        "partitions {{$broker_label}}",
    ))
    .query(Query::over_time(
        by_broker("kafka_server_replicafetchermanager_deadthreadcount"),
        "threads {{$broker_label}}",
    ))
    .axis_from_zero()
    .thresholds(Thresholds::red_from(1.0))
}

fn reassigning() -> Panel {
    Panel::lines(
        "Partitions being reassigned",
        "By the broker that leads them, whoever asked for it.",
        Unit::Count,
    )
    .query(Query::over_time(
        by_broker("kafka_server_replicamanager_reassigningpartitions"),
        LEGEND,
    ))
    .axis_from_zero()
}

fn by_dir(of: &str) -> Query {
    Query::over_time(
        max_by(&format!("{BROKER}, path"), of),
        "{{$broker_label}} {{path}}",
    )
}

fn disk_share() -> Panel {
    let usable = at_brokers("kafka_sidecar_log_dir_usable_bytes", "");
    let total = at_brokers("kafka_sidecar_log_dir_total_bytes", "");
    Panel::lines(
        "How full volumes are",
        "Of volumes with log directories; others may write there too.",
        Unit::Share,
    )
    .query(by_dir(&format!("1 - {usable} / {total}")))
    .axis_to_one()
    .thresholds(Thresholds::rising(0.75, 0.9))
}

fn disk_bytes() -> Panel {
    Panel::lines(
        "Bytes of replicas by log directory",
        "What the replicas in it take.",
        Unit::Bytes,
    )
    .query(by_dir(&at_brokers("kafka_sidecar_log_dir_used_bytes", "")))
    .axis_from_zero()
}

fn disk_traffic() -> Panel {
    let of = |metric: &str| sum_by(BROKER, &rate(&at_brokers(metric, "")));
    Panel::lines(
        "Disk traffic",
        "What the broker's process reads from disks and writes to them. Reads are consumers or followers that are far behind.",
        Unit::BytesPerSecond,
    )
    .query(Query::over_time(
        of("kafka_server_kafkaserver_linux_disk_read_bytes"),
        "read {{$broker_label}}",
    ))
    .query(Query::over_time(
        of("kafka_server_kafkaserver_linux_disk_write_bytes"),
        "written {{$broker_label}}",
    ))
    .axis_from_zero()
}
