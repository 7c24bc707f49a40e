//! The operator's program, with an API server in memory that it asks over HTTP.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use e2e::process::Process;
use e2e::scene::Outcome;
use futures::StreamExt;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;

use api_server::ApiServer;

/// That of the operator's own tests, of which not all is used here.
#[allow(dead_code, clippy::unwrap_used, clippy::panic)]
#[path = "../../../operator/tests/running/api_server.rs"]
mod api_server;

const READY_WITHIN: Duration = Duration::from_secs(60);
/// No object that the operator applies is larger.
const MOST_BYTES: usize = 4_000_000;
/// In which nobody may apply anything.
const FORBIDDEN: &str = "forbidden";

/// An operator with a cluster that it makes, one that it is not allowed to make, and one whose spec makes no sense.
pub(crate) struct Operator {
    /// Where it serves its metrics.
    pub(crate) url: String,
    _process: Process,
    _folder: TempDir,
}

impl Operator {
    pub(crate) async fn start(listen: SocketAddr) -> Outcome<Self> {
        let server = ApiServer::default();
        define(&server);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let routes = Router::new().fallback(answer).with_state(server);
        tokio::spawn(axum::serve(listener, routes).into_future());

        let folder = TempDir::with_prefix("operator")?;
        let kubeconfig = kubeconfig(&folder, address)?;
        let certificates = format!("--certificates={}", folder.path().join("certificates").display());
        let arguments = [
            &format!("--listen={listen}"),
            "--lease-namespace=default",
            &certificates,
        ];
        let mut process = Process::start_operator(&kubeconfig, &arguments)?;
        let url = format!("http://{listen}");
        process.ready(&url, READY_WITHIN).await?;
        Ok(Self {
            url,
            _process: process,
            _folder: folder,
        })
    }
}

/// What is there before the operator comes: the kind, since nobody else here says that it is served, and objects of it.
fn define(server: &ApiServer) {
    let mut state = server.state();
    let served = json!({"status": {"conditions": [{"type": "Established", "status": "True"}]}});
    let name = "kafkaclusters.krallistic.github.com";
    state.put(
        format!("apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"),
        served,
    );
    let spec = json!({"brokerCount": 3, "storageClass": "emptyDir", "jmxSidecar": true});
    for (namespace, spec) in [
        ("kafka", spec.clone()),
        (FORBIDDEN, spec),
        (
            "senseless",
            json!({"brokerCount": 3, "zookeeperConnect": "zk", "controllerCount": 3}),
        ),
    ] {
        let object = json!({
            "apiVersion": "krallistic.github.com/v1",
            "kind": "Kafkacluster",
            "metadata": {"name": "events", "namespace": namespace, "generation": 1},
            "spec": spec,
        });
        state.put(
            format!("apis/krallistic.github.com/v1/namespaces/{namespace}/kafkaclusters/events"),
            object,
        );
    }
}

async fn answer(State(server): State<ApiServer>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MOST_BYTES).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let path = parts.uri.path();
    let is_of_spec = path.contains(&format!("/namespaces/{FORBIDDEN}/")) && !path.ends_with("/status");
    if parts.method == Method::PATCH && is_of_spec {
        let refusal = json!({"kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden", "message": "no"});
        return (StatusCode::FORBIDDEN, refusal.to_string()).into_response();
    }
    let (status, answer) = server.answer(&parts, &body);
    (status, Body::from_stream(answer.map(Ok::<_, Infallible>))).into_response()
}

fn kubeconfig(folder: &TempDir, server: SocketAddr) -> Outcome<PathBuf> {
    let path = folder.path().join("kubeconfig");
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "memory", "cluster": {"server": format!("http://{server}")}}],
        "users": [{"name": "operator", "user": {}}],
        "contexts": [{"name": "memory", "context": {"cluster": "memory", "user": "operator"}}],
        "current-context": "memory",
    });
    std::fs::write(&path, config.to_string())?;
    Ok(path)
}
