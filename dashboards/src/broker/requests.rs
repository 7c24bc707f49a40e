//! Requests, and the threads and connections that serve them.

use super::{LEGEND, by_broker, idle_handlers, idle_network, p99};
use crate::field::{Thresholds, Unit};
use crate::layout::Layout;
use crate::panel::Panel;
use crate::query::{BROKER, Query, at_brokers, rate, sum_by, top};

/// The stages of a request, in the order in which it goes through them.
const STAGES: [(&str, &str); 5] = [
    (
        "kafka_network_requestmetrics_requestqueuetimems",
        "waits for a handler",
    ),
    ("kafka_network_requestmetrics_localtimems", "in the broker's log"),
    ("kafka_network_requestmetrics_remotetimems", "waits for others"),
    (
        "kafka_network_requestmetrics_responsequeuetimems",
        "waits to be answered",
    ),
    ("kafka_network_requestmetrics_responsesendtimems", "is sent"),
];

pub(super) fn add_to(layout: Layout) -> Layout {
    layout
        .section("Requests")
        .row(9, [requests(), errors()])
        .row(9, [produce(), fetch_consumer(), fetch_follower()])
        .row(9, [stages("Produce"), stages("FetchConsumer"), queues()])
        .section("Threads")
        .row(9, [handlers(), network(), acceptors()])
        .row(9, [connections(), new_connections(), purgatory()])
}

fn requests() -> Panel {
    let requests = rate(&at_brokers("kafka_network_requestmetrics_requests_total", ""));
    Panel::lines(
        "Requests by kind",
        "The most frequent kinds, over the chosen brokers.",
        Unit::RequestsPerSecond,
    )
    .query(Query::over_time(
        top(&sum_by("request", &requests)),
        "{{request}}",
    ))
    .axis_from_zero()
}

fn errors() -> Panel {
    let errors = rate(&at_brokers(
        "kafka_network_requestmetrics_errors_total",
        r#"error!="NONE""#,
    ));
    Panel::lines(
        "Errors in answers",
        "By kind of request. Some are usual: NOT_LEADER_OR_FOLLOWER follows each change of a leader.",
        Unit::PerSecond,
    )
    .query(Query::over_time(
        format!("{} > 0", top(&sum_by("request, error", &errors))),
        "{{request}} {{error}}",
    ))
    .axis_from_zero()
}

fn times(title: &'static str, description: &'static str, request: &str) -> Panel {
    Panel::lines(title, description, Unit::Milliseconds)
        .query(Query::over_time(p99(request), LEGEND))
        .axis_from_zero()
}

fn produce() -> Panel {
    times(
        "Produce: 99th percentile",
        "From arrival to answer; with acks=all the wait for followers is in it.",
        "Produce",
    )
}

fn fetch_consumer() -> Panel {
    times(
        "Consumers' fetches: 99th percentile",
        "From arrival to answer. Waiting for records is in it: 500 ms is usual where there are few.",
        "FetchConsumer",
    )
}

fn fetch_follower() -> Panel {
    times(
        "Followers' fetches: 99th percentile",
        "From arrival to answer. Waiting for records is in it: 500 ms is usual where there are few.",
        "FetchFollower",
    )
}

/// The mean is exact: sums and counts are Kafka's own.
fn stages(request: &'static str) -> Panel {
    let title = match request {
        "Produce" => "Produce: where the time goes",
        _ => "Consumers' fetches: where the time goes",
    };
    let matcher = format!(r#"request="{request}""#);
    let rate_of = |part: &str| format!("sum({})", rate(&at_brokers(part, &matcher)));
    let panel = Panel::stack(
        title,
        "The mean time in each stage, over the chosen brokers. Handlers: too few threads. The log: disks. Others: followers, or no \
         records yet.",
        Unit::Milliseconds,
    );
    STAGES
        .iter()
        .fold(panel.axis_from_zero(), |panel, (metric, stage)| {
            let (sum, count) = (format!("{metric}_sum"), format!("{metric}_count"));
            let mean = format!("{} / ({} > 0)", rate_of(&sum), rate_of(&count));
            panel.query(Query::over_time(mean, stage))
        })
}

fn queues() -> Panel {
    Panel::lines(
        "Queues",
        "Requests that wait for a handler and answers that wait to be sent.",
        Unit::Count,
    )
    .query(Query::over_time(
        by_broker("kafka_network_requestchannel_requestqueuesize"),
        "requests {{$broker_label}}",
    ))
    .query(Query::over_time(
        by_broker("kafka_network_requestchannel_responsequeuesize"),
        "answers {{$broker_label}}",
    ))
    .axis_from_zero()
}

fn handlers() -> Panel {
    Panel::lines(
        "Idle request handlers",
        "Near 0 requests wait for a thread: too much load, slow disks, or num.io.threads too small.",
        Unit::Share,
    )
    .query(Query::over_time(idle_handlers(), LEGEND))
    .axis_to_one()
    .thresholds(Thresholds::falling(0.3, 0.1))
}

fn network() -> Panel {
    Panel::lines(
        "Idle network processors",
        "Near 0 connections wait: too many requests or TLS, or num.network.threads too small.",
        Unit::Share,
    )
    .query(Query::over_time(idle_network(), LEGEND))
    .axis_to_one()
    .thresholds(Thresholds::falling(0.3, 0.1))
}

fn acceptors() -> Panel {
    let blocked = rate(&at_brokers(
        "kafka_network_acceptor_acceptorblocked_seconds_total",
        "",
    ));
    Panel::lines(
        "Blocked acceptors",
        "The share of time in which new connections wait for a network processor, by listener.",
        Unit::Share,
    )
    .query(Query::over_time(
        sum_by(&format!("{BROKER}, listener"), &blocked),
        "{{$broker_label}} {{listener}}",
    ))
    .axis_from_zero()
}

fn connections() -> Panel {
    let connections = at_brokers("kafka_server_socket_server_metrics_connection_count", "");
    Panel::lines("Connections", "Open connections by listener.", Unit::Count)
        .query(Query::over_time(
            sum_by(&format!("{BROKER}, listener"), &connections),
            "{{$broker_label}} {{listener}}",
        ))
        .axis_from_zero()
}

fn new_connections() -> Panel {
    let connections = at_brokers("kafka_server_socket_server_metrics_connection_creation_total", "");
    Panel::lines(
        "New connections",
        "Many new ones at few open ones are clients that do not keep theirs.",
        Unit::PerSecond,
    )
    .query(Query::over_time(
        sum_by(&format!("{BROKER}, listener"), &rate(&connections)),
        "{{$broker_label}} {{listener}}",
    ))
    .axis_from_zero()
}

fn purgatory() -> Panel {
    let waiting = at_brokers(
        "kafka_server_delayedoperationpurgatory_purgatorysize",
        r#"delayedOperation=~"Produce|Fetch""#,
    );
    Panel::lines(
        "Requests that wait for others",
        "Produce: for followers. Fetch: for records.",
        Unit::Count,
    )
    .query(Query::over_time(
        sum_by(&format!("{BROKER}, delayedOperation"), &waiting),
        "{{delayedOperation}} {{$broker_label}}",
    ))
    .axis_from_zero()
}
