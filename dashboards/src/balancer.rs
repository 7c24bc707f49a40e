//! What the balancer is doing, and what producers notice of it.

use crate::dashboard::Dashboard;
use crate::field::{Colour, Thresholds, Unit, Word};
use crate::layout::Layout;
use crate::panel::Panel;
use crate::query::{BROKER, CLUSTER, Query, balancers, in_cluster, max_by, rate, selector, sum_by};
use crate::variable::Variable;

/// Labels that tell a broker's directions apart, as the balancer knows brokers.
const DIRECTION: &str = "namespace, kafka_cluster, broker, direction";

/// What the balancer is doing, and the figure that stands for it. Of two balancers the one that is not fenced has the
/// greater figure.
const PHASES: [(&str, Word); 7] = [
    ("fenced", Word(1, "fenced", Colour::Red)),
    ("starting", Word(2, "starting", Colour::Grey)),
    ("watching", Word(3, "watching", Colour::Green)),
    ("waiting", Word(4, "waits for a yes", Colour::Orange)),
    ("executing", Word(5, "executing", Colour::Blue)),
    ("paused", Word(6, "paused", Colour::Orange)),
    ("stopping", Word(7, "stopping", Colour::Orange)),
];

/// What the balancer may do by itself.
const MODES: [(&str, Word); 3] = [
    ("observe", Word(11, "observe", Colour::Grey)),
    ("approve", Word(12, "approve", Colour::Orange)),
    ("auto", Word(13, "auto", Colour::Green)),
];

pub(crate) fn dashboard() -> Dashboard {
    Dashboard::new(
        "balancer",
        "Balancer",
        "What the balancer does, how it is throttled, and what producers notice of it.",
    )
    .variables([
        Variable::namespace(),
        Variable::cluster(),
        Variable::broker_id(),
        Variable::broker_label(),
    ])
    .executions()
    .panels(layout())
}

fn layout() -> Layout {
    Layout::default()
        .section("Now")
        .row(
            4,
            [
                doing(),
                problems(),
                in_progress(),
                progress(),
                slowed(),
                last_tick(),
            ],
        )
        .section("Plans")
        .row(7, [phases()])
        .row(9, [moves(), bytes(), outcomes()])
        .row(9, [imbalance(), changes(), orders()])
        .section("Throttles")
        .row(9, [sending(), receiving()])
        .row(9, [shares(), reserved(), copied()])
        .section("What producers notice")
        .row(9, [produce_times(), slowed_brokers()])
        .section("Itself")
        .row(9, [problems_over_time(), ticks(), tick_times(), sources()])
}

fn by_id(metric: &str, matchers: &str) -> String {
    let brokers = r#"namespace=~"$namespace",kafka_cluster=~"$cluster",broker=~"$broker_id""#;
    selector(metric, &[brokers, matchers])
}

fn doing() -> Panel {
    let info = in_cluster("kafka_balancer_info", "");
    Panel::name(
        "Mode and phase",
        "What the balancer may do by itself, and what it is doing.",
    )
    .query(Query::now(
        format!("{} == 1", max_by("namespace, kafka_cluster, mode, phase", &info)),
        "{{mode}}: {{phase}}",
    ))
    .absent("no balancer")
}

fn problems() -> Panel {
    Panel::stat(
        "Problems",
        "What keeps the balancer from working well. kafka-balancer status says each in a sentence, with its cure.",
        Unit::Count,
    )
    .query(Query::over_time(balancers("kafka_balancer_problems", ""), "problems"))
    .thresholds(Thresholds::orange_from(1.0))
    .absent("no balancer")
}

fn in_progress() -> Panel {
    let moves = balancers("kafka_balancer_plan_moves", r#"state="in_progress""#);
    let any = balancers("kafka_balancer_plan_bytes", "");
    Panel::stat(
        "Moves in flight",
        "Moves that Kafka is carrying out.",
        Unit::Count,
    )
    .query(Query::over_time(format!("{moves} or 0 * {any}"), "in flight"))
    .absent("no balancer")
}

fn progress() -> Panel {
    let copied = balancers("kafka_balancer_plan_bytes_copied", "");
    let planned = balancers("kafka_balancer_plan_bytes", "");
    Panel::stat(
        "Copied of planned",
        "Bytes that the current plan has copied of those that it copies in all. Changes of leaders copy nothing.",
        Unit::Share,
    )
    .query(Query::over_time(format!("{copied} / ({planned} > 0)"), "copied"))
    .decimals(0)
    .axis_to_one()
    .absent("nothing to copy")
}

fn slowed() -> Panel {
    let slowed = max_by(
        "namespace, kafka_cluster, broker",
        &by_id("kafka_balancer_producers_slowed", ""),
    );
    let any = balancers("kafka_balancer_plan_bytes", "");
    Panel::stat(
        "Brokers slowed by copies",
        "Brokers on which copies slow producers down; copies get less there until they do not.",
        Unit::Count,
    )
    .query(Query::over_time(format!("sum({slowed}) or 0 * {any}"), "slowed"))
    .thresholds(Thresholds::orange_from(1.0))
    .absent("no balancer")
}

fn last_tick() -> Panel {
    let ticks = in_cluster("kafka_balancer_ticks_total", r#"result="seen""#);
    let seen = max_by(CLUSTER, &format!("increase({ticks}[2m])"));
    Panel::stat(
        "Looks in two minutes",
        "Ticks in which the balancer saw the cluster. At the usual 5 s there are 24; at 0 it is stuck or blind.",
        Unit::Count,
    )
    .query(Query::over_time(format!("min({seen})"), "looks"))
    .decimals(0)
    .thresholds(Thresholds::falling(6.0, 1.0))
    .absent("no balancer")
}

/// The figures that stand for words of a label, one series to each cluster.
fn figures(label: &str, words: &[(&str, Word)]) -> String {
    let figures: Vec<String> = words
        .iter()
        .map(|(value, Word(figure, ..))| {
            let info = in_cluster("kafka_balancer_info", &format!(r#"{label}="{value}""#));
            format!("{info} * {figure}")
        })
        .collect();
    format!("{} > 0", max_by(CLUSTER, &figures.join(" or ")))
}

fn phases() -> Panel {
    let words: Vec<Word> = PHASES.iter().chain(&MODES).map(|(_, word)| *word).collect();
    Panel::states(
        "Mode and phase over time",
        "What the balancer was allowed and what it did. Fenced: another balancer took over, and none that acts is seen.",
        &words,
    )
    .query(Query::over_time(figures("mode", &MODES), "mode {{kafka_cluster}}"))
    .query(Query::over_time(figures("phase", &PHASES), "phase {{kafka_cluster}}"))
}

fn moves() -> Panel {
    let moves = in_cluster("kafka_balancer_plan_moves", "");
    Panel::stack(
        "Moves of the plan by state",
        "Pending, in progress, and how those that are over ended. Without a plan there are none.",
        Unit::Count,
    )
    .query(Query::over_time(
        sum_by("state", &max_by("namespace, kafka_cluster, state", &moves)),
        "{{state}}",
    ))
    .axis_from_zero()
}

fn bytes() -> Panel {
    Panel::lines("Bytes copied of planned", "Of the current plan.", Unit::Bytes)
        .query(Query::over_time(
            balancers("kafka_balancer_plan_bytes", ""),
            "planned",
        ))
        .query(Query::over_time(
            balancers("kafka_balancer_plan_bytes_copied", ""),
            "copied",
        ))
        .axis_from_zero()
}

fn outcomes() -> Panel {
    let ended = in_cluster("kafka_balancer_moves_ended_total", "");
    Panel::bars(
        "Moves that ended, by outcome",
        "Done, no longer helping, refused and so on. What is not done is planned anew if it still helps.",
        Unit::Count,
    )
    .query(Query::over_time(
        sum_by("outcome", &format!("increase({ended}[$__rate_interval])")),
        "{{outcome}}",
    ))
    .axis_from_zero()
}

fn imbalance() -> Panel {
    let imbalance = in_cluster("kafka_balancer_imbalance", "");
    Panel::lines(
        "Imbalance by resource",
        "The busiest broker's utilisation over the mean; 1 is perfect. Executions should bring it down.",
        Unit::Ratio,
    )
    .query(Query::over_time(
        max_by("namespace, kafka_cluster, resource", &imbalance),
        "{{resource}}",
    ))
    .decimals(2)
    .thresholds(Thresholds::from(Colour::Green).then(1.1, Colour::Orange))
}

fn changes() -> Panel {
    let changes = rate(&in_cluster("kafka_balancer_changes_total", ""));
    Panel::lines(
        "Changes in Kafka",
        "Changes that Kafka has confirmed: reassignments, leaders, throttles.",
        Unit::PerSecond,
    )
    .query(Query::over_time(
        sum_by(CLUSTER, &changes),
        "changes {{kafka_cluster}}",
    ))
    .axis_from_zero()
}

fn orders() -> Panel {
    Panel::lines(
        "Other numbers of replicas",
        "Topics that were ordered more or fewer replicas, and their partitions that do not have them yet.",
        Unit::Count,
    )
    .query(Query::over_time(
        balancers("kafka_balancer_replication_orders", ""),
        "topics",
    ))
    .query(Query::over_time(
        balancers("kafka_balancer_replication_partitions_left", ""),
        "partitions left",
    ))
    .axis_from_zero()
}

/// A broker's throttle in one direction beside what it could carry more.
fn throttle(panel: Panel, direction: &str, resource: &str) -> Panel {
    let direction = format!(r#"direction="{direction}""#);
    let resource = format!(r#"resource="{resource}""#);
    let throttle = by_id("kafka_balancer_throttle_bytes_per_second", &direction);
    let room = format!(
        "{} - {}",
        by_id("kafka_balancer_broker_capacity", &resource),
        by_id("kafka_balancer_broker_load", &resource)
    );
    let broker = "namespace, kafka_cluster, broker";
    panel
        .query(Query::over_time(
            format!("{} > 0", max_by(broker, &throttle)),
            "throttle of broker {{broker}}",
        ))
        .query(Query::over_time(
            format!("{} and {} > 0", max_by(broker, &room), max_by(broker, &throttle)),
            "room on broker {{broker}}",
        ))
        .axis_from_zero()
}

fn sending() -> Panel {
    throttle(
        Panel::lines(
            "Throttles beside room: sending",
            "What brokers may send for moves, beside their capacity less what they send in all. Without a throttle there is no line.",
            Unit::BytesPerSecond,
        ),
        "leader",
        "bytes_out",
    )
}

fn receiving() -> Panel {
    throttle(
        Panel::lines(
            "Throttles beside room: receiving",
            "What brokers may receive for moves, beside their capacity less what they receive in all. Without a throttle there is no line.",
            Unit::BytesPerSecond,
        ),
        "follower",
        "bytes_in",
    )
}

fn shares() -> Panel {
    Panel::lines(
        "Share of the headroom for copies",
        "The part of a broker's headroom that copies may take. Below 1 they gave way to producers: it is halved while these get \
         slower, and grows by tenths.",
        Unit::Share,
    )
    .query(Query::over_time(
        max_by(DIRECTION, &by_id("kafka_balancer_throttle_share", "")),
        "broker {{broker}} {{direction}}",
    ))
    .axis_to_one()
}

fn reserved() -> Panel {
    let reserved = by_id("kafka_balancer_consumers_reserved_bytes_per_second", "");
    Panel::lines(
        "Left to consumers that are behind",
        "What copies leave to consumers on each broker, so that they catch up within a minute.",
        Unit::BytesPerSecond,
    )
    .query(Query::over_time(
        max_by("namespace, kafka_cluster, broker", &reserved),
        "broker {{broker}}",
    ))
    .axis_from_zero()
}

fn copied() -> Panel {
    let copies = rate(&in_cluster(
        "kafka_server_brokertopicmetrics_reassignmentbytesin_total",
        "",
    ));
    Panel::lines(
        "Copies received",
        "Bytes that brokers fetch for reassignments, as they count them; those of others than the balancer are in it.",
        Unit::BytesPerSecond,
    )
    .query(Query::over_time(sum_by(BROKER, &copies), "{{$broker_label}}"))
    .axis_from_zero()
}

fn produce_times() -> Panel {
    let times = in_cluster(
        "kafka_network_requestmetrics_totaltimems",
        r#"request="Produce",quantile="0.99""#,
    );
    Panel::lines(
        "Produce requests: 99th percentile by broker",
        "From arrival to answer. Kafka takes it from a sample that decays over five minutes. Executions are marked: the lines should \
         not rise there by more than a half.",
        Unit::Milliseconds,
    )
    .query(Query::over_time(max_by(BROKER, &times), "{{$broker_label}}"))
    .axis_from_zero()
}

fn slowed_brokers() -> Panel {
    let slowed = by_id("kafka_balancer_producers_slowed", "");
    Panel::states(
        "Brokers whose producers copies slow down",
        "By reason: disk, the broker's own log takes longer; waiting, requests wait in queues or for followers that are late.",
        &[Word(0, "fine", Colour::Green), Word(1, "slowed", Colour::Orange)],
    )
    .query(Query::over_time(
        max_by("namespace, kafka_cluster, broker, reason", &slowed),
        "broker {{broker}} {{reason}}",
    ))
}

fn problems_over_time() -> Panel {
    Panel::lines(
        "Problems over time",
        "What keeps the balancer from working well. kafka-balancer status says each in a sentence, with its cure.",
        Unit::Count,
    )
    .query(Query::over_time(balancers("kafka_balancer_problems", ""), "problems"))
    .axis_from_zero()
}

fn ticks() -> Panel {
    let ticks = rate(&in_cluster("kafka_balancer_ticks_total", ""));
    Panel::stack(
        "Ticks by result",
        "Seen: the balancer looked and decided. Blind: it could not see the cluster and did nothing.",
        Unit::PerSecond,
    )
    .query(Query::over_time(
        sum_by("result", &max_by("namespace, kafka_cluster, result", &ticks)),
        "{{result}}",
    ))
    .axis_from_zero()
}

fn tick_times() -> Panel {
    let tick = |quantile: &str| {
        let matcher = format!(r#"quantile="{quantile}""#);
        format!("max({})", in_cluster("kafka_balancer_tick_seconds", &matcher))
    };
    let of = |part: &str| sum_by(CLUSTER, &rate(&in_cluster(part, "")));
    let (sum, count) = (
        of("kafka_balancer_tick_seconds_sum"),
        of("kafka_balancer_tick_seconds_count"),
    );
    Panel::lines(
        "Time of a tick",
        "Looking, detecting, planning and executing. Longer than a tick (5 s), the balancer is late.",
        Unit::Seconds,
    )
    .query(Query::over_time(format!("max({sum} / ({count} > 0))"), "mean"))
    .query(Query::over_time(tick("0.5"), "median"))
    .query(Query::over_time(tick("0.99"), "p99"))
    .axis_from_zero()
    .thresholds(Thresholds::from(Colour::Green).then(5.0, Colour::Orange))
}

fn sources() -> Panel {
    let source = in_cluster("kafka_balancer_broker_source", "");
    Panel::stack(
        "Where figures of brokers come from",
        "Brokers by source: their sidecar; the Kafka protocol, without processor figures; unknown, the last figures are kept.",
        Unit::Count,
    )
    .query(Query::over_time(
        sum_by("source", &max_by("namespace, kafka_cluster, broker, source", &source)),
        "{{source}}",
    ))
    .axis_from_zero()
}
