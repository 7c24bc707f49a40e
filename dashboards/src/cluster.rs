//! Whether the cluster is well, in ten seconds.

use crate::dashboard::Dashboard;
use crate::field::{Colour, Thresholds, Unit, Word};
use crate::layout::Layout;
use crate::panel::Panel;
use crate::query::{
    BROKER, CLUSTER, PARTITION, Query, at_brokers, balancers, heat_over_time, hot_partitions_in_all,
    in_cluster, max_by, rate, sum_by, top,
};
use crate::variable::Variable;

pub(crate) fn dashboard() -> Dashboard {
    Dashboard::new(
        "cluster",
        "Cluster",
        "Whether the cluster is well: brokers, partitions, imbalance, traffic, disks.",
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
    Layout::default()
        .section("Health")
        .row(
            4,
            [
                brokers_alive(),
                offline(),
                under_min_isr(),
                under_replicated(),
                controller(),
                silent_sources(),
            ],
        )
        .row(
            4,
            [
                worst_imbalance(),
                hot_brokers(),
                hot_partitions(),
                doing(),
                problems(),
                fullest(),
            ],
        )
        .section("Balance")
        .row(9, [imbalance(), utilisation(), heat()])
        .section("Traffic")
        .row(9, [busiest_brokers(), hottest()])
        .row(9, [bytes_in(), bytes_out()])
        .row(9, [replication_in(), records_in()])
        .section("Disks")
        .row(9, [disks(), disk_use(), left()])
}

fn brokers_alive() -> Panel {
    let alive = in_cluster("kafka_balancer_brokers", r#"state!="dead""#);
    let by_balancer = sum_by(CLUSTER, &max_by("namespace, kafka_cluster, state", &alive));
    let by_offsets = max_by(CLUSTER, &in_cluster("kafka_brokers", ""));
    Panel::stat(
        "Brokers alive",
        "Brokers that Kafka's metadata has, as the balancer sees them, or the sidecar for offsets where there is no balancer.",
        Unit::Count,
    )
    .query(Query::over_time(format!("sum({by_balancer} or {by_offsets})"), "alive"))
    .thresholds(Thresholds::red_below(1.0))
    .absent("not told")
}

/// Every controller and every balancer tells the same number, so that they are not summed.
fn offline() -> Panel {
    let by_balancer = in_cluster("kafka_balancer_partitions_without_leader", "");
    let by_controllers = in_cluster("kafka_controller_kafkacontroller_offlinepartitionscount", "");
    let told = max_by(CLUSTER, &format!("{by_balancer} or {by_controllers}"));
    Panel::stat(
        "Offline partitions",
        "Partitions without a leader: nobody can write or read them. The balancer tells it by the metadata, and controllers that have \
         a sidecar.",
        Unit::Count,
    )
    .query(Query::over_time(format!("sum({told})"), "offline"))
    .thresholds(Thresholds::red_from(1.0))
    .absent("not told")
}

fn under_min_isr() -> Panel {
    let by_kafka = in_cluster("kafka_server_replicamanager_underminisrpartitioncount", "");
    let by_sidecars = in_cluster("kafka_sidecar_partitions_under_min_isr", "");
    Panel::stat(
        "Under min. in-sync replicas",
        "Partitions with fewer replicas in sync than min.insync.replicas: producers with acks=all are refused.",
        Unit::Count,
    )
    .query(Query::over_time(
        format!("sum({by_kafka} or {by_sidecars})"),
        "under minimum",
    ))
    .thresholds(Thresholds::red_from(1.0))
    .absent("not told")
    .leads_to("broker")
}

fn under_replicated() -> Panel {
    Panel::stat(
        "Under-replicated partitions",
        "Partitions with replicas out of sync. While brokers restart or are copied to this is normal for some minutes.",
        Unit::Count,
    )
    .query(Query::over_time(
        format!("sum({})", in_cluster("kafka_server_replicamanager_underreplicatedpartitions", "")),
        "under-replicated",
    ))
    .thresholds(Thresholds::orange_from(1.0))
    .absent("not told")
    .leads_to("broker")
}

fn controller() -> Panel {
    let active = in_cluster("kafka_controller_kafkacontroller_activecontrollercount", "");
    let leader = in_cluster("kafka_server_raftmetrics_current_leader", "");
    let known = max_by(CLUSTER, &format!("{leader} >= bool 0"));
    Panel::stat(
        "Active controller",
        "Whether each cluster has one: by what controllers say, or by whether brokers know the leader of the metadata.",
        Unit::Count,
    )
    .query(Query::over_time(
        format!("min({} or {known})", sum_by(CLUSTER, &active)),
        "active",
    ))
    .words(&[Word(0, "none", Colour::Red), Word(1, "yes", Colour::Green)])
    .thresholds(Thresholds::red_from(2.0))
    .absent("not told")
}

fn silent_sources() -> Panel {
    let up = in_cluster("kafka_sidecar_source_up", "");
    Panel::stat(
        "Silent sources",
        "What sidecars ask and get no answer from: agents in brokers, brokers, the sidecar for offsets. What these tell is \
         missing in the figures here.",
        Unit::Count,
    )
    .query(Query::over_time(
        format!("count({up} == 0) or 0 * count({up})"),
        "silent",
    ))
    .thresholds(Thresholds::orange_from(1.0))
    .absent("no sidecar")
    .leads_to("broker")
}

fn worst_imbalance() -> Panel {
    Panel::stat(
        "Worst imbalance",
        "The busiest broker's utilisation over the mean, of the worst resource that matters; 1 is perfect. The balancer acts \
         above 1.1 unless told otherwise.",
        Unit::Ratio,
    )
    .query(Query::over_time(
        format!("max({})", in_cluster("kafka_balancer_worst_imbalance", "")),
        "worst",
    ))
    .decimals(2)
    .thresholds(Thresholds::rising(1.1, 1.5))
    .absent("no balancer")
    .leads_to("hot-partitions")
}

fn hot_brokers() -> Panel {
    Panel::stat(
        "Hot brokers",
        "Brokers that carry far more than their share of some resource.",
        Unit::Count,
    )
    .query(Query::over_time(
        balancers("kafka_balancer_hot_brokers", ""),
        "hot",
    ))
    .thresholds(Thresholds::orange_from(1.0))
    .absent("no balancer")
    .leads_to("hot-partitions")
}

fn hot_partitions() -> Panel {
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
    .leads_to("hot-partitions")
}

fn doing() -> Panel {
    let info = in_cluster("kafka_balancer_info", "");
    Panel::name(
        "Balancer",
        "The mode of the balancer, which says what it may do by itself, and what it is doing.",
    )
    .query(Query::now(
        format!("{} == 1", max_by("namespace, kafka_cluster, mode, phase", &info)),
        "{{mode}}: {{phase}}",
    ))
    .absent("no balancer")
    .leads_to("balancer")
}

fn problems() -> Panel {
    Panel::stat(
        "Balancer's problems",
        "What keeps the balancer from working well. kafka-balancer status says each in a sentence, with its cure.",
        Unit::Count,
    )
    .query(Query::over_time(
        balancers("kafka_balancer_problems", ""),
        "problems",
    ))
    .thresholds(Thresholds::orange_from(1.0))
    .absent("no balancer")
    .leads_to("balancer")
}

fn used() -> String {
    let usable = at_brokers("kafka_sidecar_log_dir_usable_bytes", "");
    let total = at_brokers("kafka_sidecar_log_dir_total_bytes", "");
    format!("1 - {usable} / {total}")
}

fn fullest() -> Panel {
    Panel::stat(
        "Fullest disk",
        "How full the fullest volume with a log directory is.",
        Unit::Share,
    )
    .query(Query::over_time(format!("max({})", used()), "fullest"))
    .decimals(0)
    .thresholds(Thresholds::rising(0.75, 0.9))
    .absent("not told")
}

fn imbalance() -> Panel {
    let imbalance = in_cluster("kafka_balancer_imbalance", "");
    Panel::lines(
        "Imbalance by resource",
        "The busiest broker's utilisation over the mean; 1 is perfect. A resource that hardly anybody uses may be far out of \
         balance and not matter.",
        Unit::Ratio,
    )
    .query(Query::over_time(max_by("namespace, kafka_cluster, resource", &imbalance), "{{resource}}"))
    .decimals(2)
    .thresholds(Thresholds::from(Colour::Green).then(1.1, Colour::Orange))
}

fn utilisation() -> Panel {
    let utilisation = in_cluster("kafka_balancer_broker_utilisation", "");
    Panel::lines(
        "Highest utilisation",
        "The broker and resource nearest to capacity: load over what the broker can carry.",
        Unit::Share,
    )
    .query(Query::over_time(
        top(&max_by(
            "namespace, kafka_cluster, broker, resource",
            &utilisation,
        )),
        "broker {{broker}} {{resource}}",
    ))
    .axis_from_zero()
    .thresholds(Thresholds::rising(0.7, 0.9))
}

fn heat() -> Panel {
    Panel::states(
        "Hot brokers over time",
        "When which broker was hot, in any resource. Where there are more brokers than are chosen to be shown, those that were hot come \
         first.",
        &[Word(0, "fine", Colour::Green), Word(1, "hot", Colour::Red)],
    )
    .query(Query::over_time(
        heat_over_time("namespace, kafka_cluster, broker"),
        "broker {{broker}}",
    ))
}

fn bytes(counter: &str) -> String {
    sum_by(BROKER, &rate(&at_brokers(counter, r#"topic="""#)))
}

fn busiest_brokers() -> Panel {
    let (into, out) = (
        bytes("kafka_server_brokertopicmetrics_bytesin_total"),
        bytes("kafka_server_brokertopicmetrics_bytesout_total"),
    );
    Panel::gauges(
        "Busiest brokers now",
        "Bytes per second from producers and to consumers, together.",
        Unit::BytesPerSecond,
    )
    .query(Query::now(
        format!("sort_desc({})", top(&format!("({into} + {out} or {into})"))),
        "{{$broker_label}}",
    ))
    .axis_from_zero()
}

fn hottest() -> Panel {
    let rates = in_cluster("kafka_sidecar_partition_bytes_in_per_second", "");
    Panel::gauges(
        "Busiest partitions now",
        "Bytes per second from producers.",
        Unit::BytesPerSecond,
    )
    .query(Query::now(
        format!("sort_desc({})", top(&sum_by(PARTITION, &rates))),
        "{{topic}}-{{partition}}",
    ))
    .axis_from_zero()
    .leads_to("hot-partitions")
}

fn bytes_in() -> Panel {
    Panel::lines(
        "Bytes in by broker",
        "From producers, as the broker itself counts them; replication is not in it.",
        Unit::BytesPerSecond,
    )
    .query(Query::over_time(
        bytes("kafka_server_brokertopicmetrics_bytesin_total"),
        "{{$broker_label}}",
    ))
    .axis_from_zero()
}

fn bytes_out() -> Panel {
    Panel::lines(
        "Bytes out by broker",
        "To consumers, as the broker itself counts them; replication is not in it.",
        Unit::BytesPerSecond,
    )
    .query(Query::over_time(
        bytes("kafka_server_brokertopicmetrics_bytesout_total"),
        "{{$broker_label}}",
    ))
    .axis_from_zero()
}

fn replication_in() -> Panel {
    Panel::lines(
        "Replication in by broker",
        "What brokers fetch from leaders elsewhere, copies for moves included.",
        Unit::BytesPerSecond,
    )
    .query(Query::over_time(
        sum_by(
            BROKER,
            &rate(&at_brokers(
                "kafka_server_brokertopicmetrics_replicationbytesin_total",
                "",
            )),
        ),
        "{{$broker_label}}",
    ))
    .axis_from_zero()
}

fn records_in() -> Panel {
    Panel::lines("Records in by broker", "From producers.", Unit::RecordsPerSecond)
        .query(Query::over_time(
            bytes("kafka_server_brokertopicmetrics_messagesin_total"),
            "{{$broker_label}}",
        ))
        .axis_from_zero()
}

fn disks() -> Panel {
    Panel::gauges(
        "Fullest disks now",
        "How full volumes with log directories are. Others may write there too.",
        Unit::Share,
    )
    .query(Query::now(
        format!("sort_desc({})", top(&max_by(&format!("{BROKER}, path"), &used()))),
        "{{$broker_label}} {{path}}",
    ))
    .axis_to_one()
    .thresholds(Thresholds::rising(0.75, 0.9))
}

fn disk_use() -> Panel {
    Panel::lines(
        "Bytes of replicas by broker",
        "What all replicas on a broker take.",
        Unit::Bytes,
    )
    .query(Query::over_time(
        sum_by(BROKER, &at_brokers("kafka_sidecar_log_dir_used_bytes", "")),
        "{{$broker_label}}",
    ))
    .axis_from_zero()
}

fn left() -> Panel {
    let usable = at_brokers("kafka_sidecar_log_dir_usable_bytes", "");
    Panel::lines(
        "Least room by broker",
        "Bytes left on the fullest volume of each broker.",
        Unit::Bytes,
    )
    .query(Query::over_time(
        format!("min by ({BROKER}) ({usable})"),
        "{{$broker_label}}",
    ))
    .axis_from_zero()
}
