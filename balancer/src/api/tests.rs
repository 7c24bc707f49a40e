//! The API through its front door.

mod events;
mod page;
mod security;
mod tls;

use std::io;
use std::sync::{Arc, Mutex, Once};

use kafka::connection::Tls;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use sidecar::server::{Certificate, Limits, serve};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::view::{PartitionView, Phase, View};
use super::{Hosts, Shared, router};
use crate::action::{Action, Command};
use crate::serve::LIMITS;

const TOKEN: &str = "s3cret-t0ken";

struct Api {
    url: String,
    actions: mpsc::Receiver<Command>,
    publish: watch::Sender<Arc<View>>,
    shared: Shared,
    /// Holds the token file.
    _folder: tempfile::TempDir,
}

async fn api() -> Api {
    served(None, LIMITS).await
}

/// As `kafka-balancer serve` serves it; nobody takes more than one action from the queue.
async fn served(certificate: Option<Certificate>, limits: Limits) -> Api {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), format!("{TOKEN}\n")).unwrap();
    let (publish, view) = watch::channel(Arc::new(View::default()));
    let (commands, actions) = mpsc::channel(1);
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shared = Shared::new(view, commands, Some(folder.path().join("token")), metrics)
        .asked_as(Hosts::new(address, &[]));
    let scheme = if certificate.is_some() { "https" } else { "http" };
    tokio::spawn(serve(
        listener,
        router(shared.clone()),
        certificate,
        limits,
        CancellationToken::new(),
    ));
    Api {
        url: format!("{scheme}://{address}"),
        actions,
        publish,
        shared,
        _folder: folder,
    }
}

impl Api {
    async fn get(&self, path: &str) -> (u16, Value) {
        let answer = http().get(format!("{}{path}", self.url)).send().await.unwrap();
        (
            answer.status().as_u16(),
            answer.json().await.unwrap_or(Value::Null),
        )
    }

    /// Of an answer that may have no end.
    async fn get_status(&self, path: &str) -> u16 {
        let answer = http().get(format!("{}{path}", self.url)).send().await.unwrap();
        answer.status().as_u16()
    }
}

fn http() -> reqwest::Client {
    sidecar::http_client::client(&Tls::default(), |builder| builder).unwrap()
}

/// Status, and what the answer says.
async fn post(url: &str, path: &str, token: Option<&str>, body: &str) -> (u16, String) {
    let request = http()
        .post(format!("{url}{path}"))
        .header("content-type", "application/json")
        .body(body.to_owned());
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    let words = body["error"].as_str().or(body["message"].as_str());
    (status, words.unwrap_or_default().to_owned())
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Everything that this thread logs from now on, while the guard is kept.
    ///
    /// Whether anybody wants an event is asked once, by the thread that first comes by it, and kept for all: a thread
    /// of another test that listens to nothing would say no for this one too. So all threads listen, most to no end.
    fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        static ALL_LISTEN: Once = Once::new();
        ALL_LISTEN.call_once(|| {
            tracing::subscriber::set_global_default(tracing_subscriber::registry()).unwrap();
        });
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

#[tokio::test]
async fn reading_is_open_and_acting_needs_the_token_of_the_file() {
    let mut api = api().await;
    assert_eq!(api.get("/v1/state").await.0, 200);
    for (token, words) in [(None, "needs `Authorization"), (Some("wrong"), "not the one")] {
        let (status, error) = post(&api.url, "/v1/stop", token, "{}").await;
        assert_eq!(status, 401, "{token:?}");
        assert!(error.contains(words), "{error}");
    }
    assert!(
        api.actions.try_recv().is_err(),
        "a refused action reached the loop"
    );

    let answered = async {
        let command = api.actions.recv().await.unwrap();
        assert_eq!(command.action, Action::Stop { at_once: true });
        command.answer.send(Ok("Stopped.".to_owned())).unwrap();
    };
    let asked = post(&api.url, "/v1/stop", Some(TOKEN), r#"{"at_once": true}"#);
    let ((status, message), ()) = tokio::join!(asked, answered);
    assert_eq!((status, message.as_str()), (200, "Stopped."));
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_told_what_is_wrong() {
    let api = api().await;
    for (path, body, words) in [
        ("/v1/mode", r#"{"mode": "fast"}"#, "unknown variant `fast`"),
        ("/v1/drain", r#"{"brokers": [-1]}"#, "no broker id"),
        (
            "/v1/approve",
            r#"{"plan": 1, "now": true}"#,
            "unknown field `now`",
        ),
        ("/v1/approve", "{", "EOF"),
        (
            "/v1/replication",
            r#"{"topics": {"orders": 0}}"#,
            "0 is no number of replicas: a partition has 1 to 32767",
        ),
        (
            "/v1/replication",
            r#"{"topics": {"or ders": 3}}"#,
            "`or ders` is no topic name",
        ),
        (
            "/v1/approve",
            r#"{"plan": 1, "moves": ["orders"]}"#,
            "`orders` is no partition: a topic, a hyphen and a number",
        ),
    ] {
        let (status, error) = post(&api.url, path, Some(TOKEN), body).await;
        assert!((400..500).contains(&status), "{status}");
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test]
async fn each_order_reaches_the_loop_as_it_was_meant() {
    let mut api = api().await;
    let chosen = ["orders.eu-west-3", "a-0"].map(|name| name.parse().unwrap());
    for (path, body, action) in [
        ("/v1/pause", "", Action::Pause),
        ("/v1/resume", "", Action::Resume),
        (
            "/v1/approve",
            r#"{"plan": 7}"#,
            Action::Approve { plan: 7, moves: None },
        ),
        (
            "/v1/approve",
            r#"{"plan": 7, "moves": ["orders.eu-west-3", "a-0"]}"#,
            Action::Approve {
                plan: 7,
                moves: Some(chosen.into()),
            },
        ),
        (
            "/v1/replication",
            r#"{"topics": {"orders": 3, "payments": null}}"#,
            Action::Replicate {
                topics: [
                    ("orders".parse().unwrap(), Some(3_i64.try_into().unwrap())),
                    ("payments".parse().unwrap(), None),
                ]
                .into(),
            },
        ),
    ] {
        assert_eq!(
            post(&api.url, path, None, body).await.0,
            401,
            "{path} without a token"
        );
        let answered = async {
            let command = api.actions.recv().await.unwrap();
            assert_eq!(command.action, action);
            command.answer.send(Ok("Done.".to_owned())).unwrap();
        };
        let (asked, ()) = tokio::join!(post(&api.url, path, Some(TOKEN), body), answered);
        assert_eq!(asked, (200, "Done.".to_owned()));
    }
}

#[tokio::test]
async fn partitions_are_listed_by_topic_leader_and_limit() {
    let api = api().await;
    let partition = |topic: &str, leader: i32| PartitionView {
        topic: topic.parse().unwrap(),
        partition: 0.try_into().unwrap(),
        leader: Some(leader.try_into().unwrap()),
        replicas: Vec::new(),
        bytes_in: 1.0,
        bytes_out: 1.0,
        disk: 1.0,
    };
    let partitions = vec![partition("a", 1), partition("b", 1), partition("b", 2)];
    api.publish.send_replace(Arc::new(View {
        partitions,
        ..View::default()
    }));
    let count = async |path: &str| api.get(path).await.1.as_array().map(Vec::len);
    assert_eq!(count("/v1/partitions").await, Some(3));
    assert_eq!(count("/v1/partitions?topic=b&leader=1").await, Some(1));
    assert_eq!(count("/v1/partitions?limit=2").await, Some(2));
    assert_eq!(api.get("/v1/partitions?colour=red").await.0, 400);
}

#[tokio::test]
async fn it_is_alive_at_once_and_ready_when_the_cluster_has_been_seen() {
    let api = api().await;
    assert_eq!(api.get("/livez").await.0, 200);
    assert_eq!(api.get("/readyz").await.0, 503);
    let mut view = View::default();
    view.state.phase = Phase::Watching;
    api.publish.send_replace(Arc::new(view));
    assert_eq!(api.get("/readyz").await.0, 200);
}

#[tokio::test]
async fn the_openapi_document_names_every_path_and_every_schema_that_it_refers_to() {
    let document = api().await.get("/v1/openapi.json").await.1;
    for path in [
        "state",
        "brokers",
        "partitions",
        "hot",
        "plan",
        "history",
        "events",
    ] {
        assert!(
            document["paths"][format!("/v1/{path}")]["get"].is_object(),
            "{path}"
        );
    }
    for path in [
        "approve",
        "pause",
        "resume",
        "stop",
        "drain",
        "undrain",
        "replication",
        "rebalance",
        "mode",
    ] {
        assert!(
            document["paths"][format!("/v1/{path}")]["post"].is_object(),
            "{path}"
        );
    }
    let text = document.to_string();
    for part in text.split("#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert_ne!(
            document["components"]["schemas"][name],
            json!(null),
            "{name} is not described"
        );
    }
}
