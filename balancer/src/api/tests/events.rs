//! The stream of views.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Response;
use serde_json::Value;

use super::super::digest::Event;
use super::super::view::{
    BrokerView, FinishedPlan, HotPartitionView, MoveView, PlanStanding, PlanView, View,
};
use super::super::view::{PartitionView, ResourceFigures, SourceView};
use super::{Api, api, http};
use crate::model::Resource;

/// A stream that somebody reads.
struct Reader {
    answer: Response,
    unread: String,
}

impl Reader {
    async fn open(api: &Api) -> Self {
        let answer = http()
            .get(format!("{}/v1/events", api.url))
            .header("accept-encoding", "gzip")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert!(!answer.headers().contains_key("content-encoding"));
        Self {
            answer,
            unread: String::new(),
        }
    }

    /// The data of the next event as a browser puts it together; none at the end of the stream.
    async fn next(&mut self) -> Option<String> {
        loop {
            while let Some((event, rest)) = self.unread.split_once("\n\n") {
                let lines: Vec<&str> = event
                    .lines()
                    .filter_map(|line| line.strip_prefix("data: "))
                    .collect();
                let is_view = event.lines().any(|line| line == "event: view");
                let data = is_view.then(|| lines.join("\n"));
                self.unread = rest.to_owned();
                if data.is_some() {
                    return data;
                }
            }
            let chunk = self.answer.chunk().await.unwrap()?;
            self.unread += std::str::from_utf8(&chunk).unwrap();
        }
    }

    async fn event(&mut self) -> Event {
        serde_json::from_str(&self.next().await.unwrap()).unwrap()
    }
}

fn figures(figure: f64) -> ResourceFigures {
    ResourceFigures {
        bytes_in: figure,
        bytes_out: figure,
        cpu: figure,
        disk: figure,
    }
}

fn broker(id: i32) -> BrokerView {
    BrokerView {
        id: id.try_into().unwrap(),
        rack: Some(format!("eu-west-1{}", ["a", "b", "c"][id as usize % 3])),
        state: "alive".to_owned(),
        replicas: 1_000,
        leaders: 333,
        load: figures(100e6),
        capacity: figures(300e6),
        utilisation: figures(1.0 / 3.0),
        hot: Vec::new(),
        source: SourceView::Protocol {
            reason: format!(
                "http://broker-{id}.brokers.kafka.svc.cluster.local:9404/v1/load does not answer"
            ),
        },
    }
}

/// A plan of so many moves, the first of which is over.
fn plan(moves: i32) -> PlanView {
    let brokers = |ids: [i32; 3]| ids.map(|id| id.try_into().unwrap()).into();
    let moves: Vec<MoveView> = (0..moves)
        .map(|number| MoveView {
            topic: "orders.eu-west-1.authorisations.v2".parse().unwrap(),
            partition: number.try_into().unwrap(),
            from: brokers([0, 1, 2]),
            to: brokers([3, 1, 2]),
            leadership_only: false,
            reason: "broker 0 uses 61 % of its bytes_out, 192 % of the mean".to_owned(),
            bytes: 1_000_000_000,
            bytes_done: if number == 0 { 1_000_000_000 } else { 0 },
            expected_seconds: 20.0,
            state: if number == 0 { "done" } else { "pending" }.to_owned(),
            submitted_at_ms: None,
            ended_at_ms: (number == 0).then_some(1),
        })
        .collect();
    PlanView {
        id: Some(7),
        standing: PlanStanding::Executing,
        purpose: "cool".to_owned(),
        planned_at_ms: 0,
        imbalance_before: figures(1.9),
        imbalance_after: figures(1.1),
        bytes: moves.iter().map(|change| change.bytes).sum(),
        bytes_lower_bound: 0,
        moves,
        unsolved: vec!["x".repeat(10_000); 100],
        throttles: Vec::new(),
    }
}

/// As much of everything as there may ever be.
fn vast() -> View {
    let mut view = View {
        brokers: (0..1_000).map(broker).collect(),
        plan: Some(plan(10_000)),
        ..View::default()
    };
    view.state.problems = vec!["y".repeat(10_000); 1_000];
    view.partitions = (0..10_000)
        .map(|number| PartitionView {
            topic: "orders".parse().unwrap(),
            partition: number.try_into().unwrap(),
            leader: None,
            replicas: Vec::new(),
            bytes_in: 1.0,
            bytes_out: f64::from(number),
            disk: 0.0,
        })
        .collect();
    view.hot.partitions = (0..3_000)
        .map(|number| HotPartitionView {
            topic: "orders".parse().unwrap(),
            partition: number.try_into().unwrap(),
            leader: None,
            broker: 0.try_into().unwrap(),
            resource: Resource::BytesOut,
            load: 25e6,
            cause: "hot_partition".to_owned(),
            explanation: "takes 25.0 MB/s".to_owned(),
            verdict: "move".to_owned(),
            advice: "move it to broker 3".to_owned(),
            partitions_that_would_help: None,
        })
        .collect();
    view
}

#[tokio::test]
async fn the_latest_view_comes_at_once_and_each_new_one_with_what_has_changed() {
    let api = api().await;
    let mut view = View {
        brokers: vec![broker(0), broker(1)],
        ..View::default()
    };
    api.publish.send_replace(Arc::new(view.clone()));
    let mut reader = Reader::open(&api).await;
    let first = reader.event().await;
    assert_eq!(first.brokers.unwrap().utilisation.cpu, [333, 333]);
    assert_eq!(first.history, Some(Vec::new()));

    view.state.ticked_at_ms = 1;
    api.publish.send_replace(Arc::new(view.clone()));
    let second = reader.event().await;
    assert_eq!(second.now.state.ticked_at_ms, 1);
    assert_eq!(
        (second.brokers, second.history),
        (None, None),
        "nothing of that has changed"
    );

    view.state.ticked_at_ms = 2;
    view.brokers[1].state = "draining".to_owned();
    view.history = vec![FinishedPlan {
        id: 7,
        purpose: "cool".to_owned(),
        planned_at_ms: 0,
        ended_at_ms: 0,
        imbalance_before: figures(2.0),
        imbalance_foreseen: figures(1.0),
        imbalance_measured: None,
        moves_done: 0,
        moves: 0,
        bytes: 0,
        bytes_lower_bound: 0,
        leadership_changes: 0,
        replica_moves: 0,
        removals: 0,
        outcomes: [].into(),
    }];
    api.publish.send_replace(Arc::new(view.clone()));
    let third = reader.event().await;
    let state = third.brokers.unwrap().state;
    assert_eq!(
        (state.words, state.rows),
        (
            vec!["alive".to_owned(), "draining".to_owned()],
            vec![Some(0), Some(1)]
        )
    );
    assert_eq!(third.history.unwrap()[0].id, 7);

    // Whoever comes later gets all of it.
    let late = Reader::open(&api).await.event().await;
    assert!(late.brokers.is_some() && late.history.is_some());
}

#[tokio::test]
async fn an_event_stays_small_and_says_how_much_it_leaves_out() {
    let api = api().await;
    api.publish.send_replace(Arc::new(vast()));
    let text = Reader::open(&api).await.next().await.unwrap();
    println!(
        "{} bytes with 1,000 brokers, 10,000 moves and 3,000 hot partitions",
        text.len()
    );
    assert!(text.len() < 128 * 1024, "{} bytes", text.len());
    let event: Event = serde_json::from_str(&text).unwrap();
    let plan = event.now.plan.unwrap();
    assert_eq!(
        (plan.copies, plan.states["pending"], plan.bytes_left),
        (10_000, 9_999, 9_999_000_000_000)
    );
    assert_eq!(plan.expected_seconds, 9_999.0 * 20.0, "broker 0 sends all of it");
    assert_eq!(plan.moves.len(), 50);
    assert_eq!(
        plan.moves[0].state, "pending",
        "what is over gives way to what is to come"
    );
    assert_eq!(event.now.left_out.problems, 980);
    assert_eq!(event.now.left_out.hot_partitions, 2_980);
    let hot = &event.now.hot_partitions[3];
    assert_eq!((hot.share, hot.bytes_out), (Some(0.25), Some(3.0)));
    let brokers = event.brokers.unwrap();
    assert_eq!(
        (brokers.id.len(), brokers.rack.words.len(), brokers.reasons.len()),
        (1_000, 3, 50)
    );
}

#[tokio::test]
async fn so_many_streams_at_a_time_and_one_more_is_told_why_not() {
    let api = api().await;
    let mut readers = Vec::new();
    for _ in 0..64 {
        let mut reader = Reader::open(&api).await;
        reader.event().await;
        readers.push(reader);
    }
    let (status, body) = api.get("/v1/events").await;
    assert_eq!(status, 503);
    assert!(
        body["error"]
            .as_str()
            .unwrap()
            .contains("64 pages of this balancer are open"),
        "{body}"
    );
    drop(readers.pop());
    // A reader that has gone is noticed when its connection is.
    let free = async {
        while api.get_status("/v1/events").await != 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), free).await.unwrap();
}

#[tokio::test]
async fn the_streams_end_with_the_balancer() {
    let api = api().await;
    let mut reader = Reader::open(&api).await;
    let event: Value = serde_json::from_str(&reader.next().await.unwrap()).unwrap();
    assert_eq!(event["state"]["phase"], "starting");
    drop(api.publish);
    assert_eq!(reader.next().await, None);
}
