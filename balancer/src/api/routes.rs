//! The paths of the API and what they answer.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State as AxumState};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot, watch};
use tower_http::compression::CompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa::{IntoParams, OpenApi};

use super::auth::{ActionToken, Refusal};
use super::body::{
    ApproveBody, Body, BrokersBody, Done, Failure, ModeBody, Named, ReplicationBody, StopBody,
};
use super::events::{self, Feed};
use super::page;
use super::view::{BrokerView, FinishedPlan, HotList, PartitionView, Phase, PlanView, State, View};
use crate::serve::{Action, ActionError, Command};

/// Actions carry a list of a plan's moves at most: ten thousand, with names of a hundred characters.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// No request takes longer: reading answers from memory, acting is answered within a tick.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// The most partitions that one answer lists.
const MAX_PARTITIONS: usize = 10_000;

/// What the handlers share with the loop.
#[derive(Debug, Clone)]
pub struct Shared {
    view: watch::Receiver<Arc<View>>,
    feed: Arc<Feed>,
    commands: mpsc::Sender<Command>,
    token: ActionToken,
    metrics: PrometheusHandle,
}

impl Shared {
    /// Handlers that show `view` and send actions to `commands` when the request has the token of `token_file`.
    pub fn new(
        view: watch::Receiver<Arc<View>>,
        commands: mpsc::Sender<Command>,
        token_file: Option<PathBuf>,
        metrics: PrometheusHandle,
    ) -> Self {
        Self {
            feed: Arc::new(Feed::new(view.clone())),
            view,
            commands,
            token: ActionToken::new(token_file),
            metrics,
        }
    }

    fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    pub(super) fn feed(&self) -> Arc<Feed> {
        Arc::clone(&self.feed)
    }
}

/// The OpenAPI document, served as `GET /v1/openapi.json`.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "kafka-balancer",
        description = "What the balancer sees, plans and does. Reading is open; acting needs a bearer token."
    ),
    paths(
        state,
        brokers,
        partitions,
        hot,
        plan,
        history,
        events::events,
        approve,
        pause,
        resume,
        stop,
        drain,
        undrain,
        replication,
        rebalance,
        mode
    )
)]
pub struct ApiDoc;

/// All paths.
pub fn router(shared: Shared) -> Router {
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/v1/openapi.json", get(|| async { Json(ApiDoc::openapi()) }))
        .route("/v1/state", get(state))
        .route("/v1/brokers", get(brokers))
        .route("/v1/partitions", get(partitions))
        .route("/v1/hot", get(hot))
        .route("/v1/plan", get(plan))
        .route("/v1/history", get(history))
        .route("/v1/events", get(events::events))
        .route("/v1/approve", post(approve))
        .route("/v1/pause", post(pause))
        .route("/v1/resume", post(resume))
        .route("/v1/stop", post(stop))
        .route("/v1/drain", post(drain))
        .route("/v1/undrain", post(undrain))
        .route("/v1/replication", post(replication))
        .route("/v1/rebalance", post(rebalance))
        .route("/v1/mode", post(mode))
        .merge(page::routes())
        .layer(RequestBodyLimitLayer::new(MAX_BODY_BYTES))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            REQUEST_TIMEOUT,
        ))
        .layer(CompressionLayer::new())
        .with_state(shared)
}

async fn ready(AxumState(shared): AxumState<Shared>) -> Response {
    match shared.view().state.phase {
        Phase::Starting => (
            StatusCode::SERVICE_UNAVAILABLE,
            "no complete picture of the cluster yet\n",
        )
            .into_response(),
        _ => "ready\n".into_response(),
    }
}

async fn metrics(AxumState(shared): AxumState<Shared>) -> String {
    shared.metrics.render()
}

/// The balancer and the cluster in a few figures.
#[utoipa::path(get, path = "/v1/state", responses((status = 200, body = State)))]
async fn state(AxumState(shared): AxumState<Shared>) -> Json<State> {
    Json(shared.view().state.clone())
}

/// Each broker's load, capacity and utilisation.
#[utoipa::path(get, path = "/v1/brokers", responses((status = 200, body = Vec<BrokerView>)))]
async fn brokers(AxumState(shared): AxumState<Shared>) -> Json<Vec<BrokerView>> {
    Json(shared.view().brokers.clone())
}

/// Which partitions to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct PartitionQuery {
    /// Only this topic's.
    topic: Option<String>,
    /// Only those that this broker leads.
    leader: Option<i32>,
    /// At most so many; 100 unless told, 10,000 at most.
    limit: Option<usize>,
}

/// Partitions by load, the busiest first.
#[utoipa::path(get, path = "/v1/partitions", params(PartitionQuery), responses((status = 200, body = Vec<PartitionView>)))]
async fn partitions(
    AxumState(shared): AxumState<Shared>,
    query: Result<Query<PartitionQuery>, QueryRejection>,
) -> Response {
    let query = match query {
        Ok(Query(query)) => query,
        Err(rejection) => return failure(StatusCode::BAD_REQUEST, &rejection),
    };
    let wanted = |row: &&PartitionView| {
        query
            .topic
            .as_deref()
            .is_none_or(|topic| row.topic.as_str() == topic)
            && query
                .leader
                .is_none_or(|id| row.leader.is_some_and(|leader| leader.get() == id))
    };
    let limit = query.limit.unwrap_or(100).min(MAX_PARTITIONS);
    let view = shared.view();
    let rows: Vec<&PartitionView> = view.partitions.iter().filter(wanted).take(limit).collect();
    Json(rows).into_response()
}

/// Hot brokers and partitions with causes and verdicts.
#[utoipa::path(get, path = "/v1/hot", responses((status = 200, body = HotList)))]
async fn hot(AxumState(shared): AxumState<Shared>) -> Json<HotList> {
    Json(shared.view().hot.clone())
}

/// The plan that is waiting or being executed, with the progress of each move.
#[utoipa::path(get, path = "/v1/plan", responses((status = 200, body = Option<PlanView>)))]
async fn plan(AxumState(shared): AxumState<Shared>) -> Json<Option<PlanView>> {
    Json(shared.view().plan.clone())
}

/// Plans that have ended, the newest first.
#[utoipa::path(get, path = "/v1/history", responses((status = 200, body = Vec<FinishedPlan>)))]
async fn history(AxumState(shared): AxumState<Shared>) -> Json<Vec<FinishedPlan>> {
    Json(shared.view().history.clone())
}

/// Executes the plan that waits, or some of its moves.
#[utoipa::path(post, path = "/v1/approve", request_body = ApproveBody, responses((status = 200, body = Done), (status = 401, body = Failure), (status = 409, body = Failure)))]
async fn approve(shared: AxumState<Shared>, headers: HeaderMap, Body(body): Body<ApproveBody>) -> Response {
    let chosen = |moves: Vec<Named>| moves.into_iter().map(|Named(partition)| partition).collect();
    let action = Action::Approve {
        plan: body.plan,
        moves: body.moves.map(chosen),
    };
    act(shared, headers, action).await
}

/// Pauses the plan that is being executed: what is in flight goes on to its end, nothing new starts.
#[utoipa::path(post, path = "/v1/pause", responses((status = 200, body = Done), (status = 401, body = Failure), (status = 409, body = Failure)))]
async fn pause(shared: AxumState<Shared>, headers: HeaderMap) -> Response {
    act(shared, headers, Action::Pause).await
}

/// Goes on with the plan that is paused.
#[utoipa::path(post, path = "/v1/resume", responses((status = 200, body = Done), (status = 401, body = Failure), (status = 409, body = Failure)))]
async fn resume(shared: AxumState<Shared>, headers: HeaderMap) -> Response {
    act(shared, headers, Action::Resume).await
}

/// Stops the plan that is being executed, and takes the mode back to `observe`.
#[utoipa::path(post, path = "/v1/stop", request_body = StopBody, responses((status = 200, body = Done), (status = 401, body = Failure), (status = 409, body = Failure)))]
async fn stop(shared: AxumState<Shared>, headers: HeaderMap, Body(body): Body<StopBody>) -> Response {
    act(
        shared,
        headers,
        Action::Stop {
            at_once: body.at_once,
        },
    )
    .await
}

/// Empties brokers: all their replicas move to others.
#[utoipa::path(post, path = "/v1/drain", request_body = BrokersBody, responses((status = 200, body = Done), (status = 401, body = Failure), (status = 409, body = Failure)))]
async fn drain(shared: AxumState<Shared>, headers: HeaderMap, Body(body): Body<BrokersBody>) -> Response {
    act(
        shared,
        headers,
        Action::Drain {
            brokers: body.brokers,
        },
    )
    .await
}

/// Lets drained or draining brokers take load again.
#[utoipa::path(post, path = "/v1/undrain", request_body = BrokersBody, responses((status = 200, body = Done), (status = 401, body = Failure), (status = 409, body = Failure)))]
async fn undrain(shared: AxumState<Shared>, headers: HeaderMap, Body(body): Body<BrokersBody>) -> Response {
    act(
        shared,
        headers,
        Action::Undrain {
            brokers: body.brokers,
        },
    )
    .await
}

/// Has each partition of topics have so many replicas. Said twice, it is the same; the order is over when they do.
#[utoipa::path(post, path = "/v1/replication", request_body = ReplicationBody, responses((status = 200, body = Done), (status = 401, body = Failure), (status = 409, body = Failure)))]
async fn replication(
    shared: AxumState<Shared>,
    headers: HeaderMap,
    Body(body): Body<ReplicationBody>,
) -> Response {
    act(shared, headers, Action::Replicate { topics: body.topics }).await
}

/// Asks for a plan now, although nothing may be hot.
#[utoipa::path(post, path = "/v1/rebalance", responses((status = 200, body = Done), (status = 401, body = Failure), (status = 409, body = Failure)))]
async fn rebalance(shared: AxumState<Shared>, headers: HeaderMap) -> Response {
    act(shared, headers, Action::Rebalance).await
}

/// Goes into another mode.
#[utoipa::path(post, path = "/v1/mode", request_body = ModeBody, responses((status = 200, body = Done), (status = 401, body = Failure), (status = 409, body = Failure)))]
async fn mode(shared: AxumState<Shared>, headers: HeaderMap, Body(body): Body<ModeBody>) -> Response {
    act(shared, headers, Action::Mode(body.mode)).await
}

async fn act(AxumState(shared): AxumState<Shared>, headers: HeaderMap, action: Action) -> Response {
    if let Err(refusal) = shared.token.check(&headers).await {
        let status = match refusal {
            Refusal::NotConfigured | Refusal::TokenFile { .. } => StatusCode::FORBIDDEN,
            Refusal::Missing | Refusal::Wrong => StatusCode::UNAUTHORIZED,
        };
        return failure(status, &refusal);
    }
    let (answer, answered) = oneshot::channel();
    if shared.commands.send(Command { action, answer }).await.is_err() {
        return failure(StatusCode::SERVICE_UNAVAILABLE, &ActionError::ShuttingDown);
    }
    match answered.await {
        Ok(Ok(message)) => Json(Done { message }).into_response(),
        Ok(Err(error @ (ActionError::ShuttingDown | ActionError::NoJournal(_) | ActionError::NotNow(_)))) => {
            failure(StatusCode::SERVICE_UNAVAILABLE, &error)
        }
        Ok(Err(error)) => failure(StatusCode::CONFLICT, &error),
        Err(_) => failure(StatusCode::SERVICE_UNAVAILABLE, &ActionError::ShuttingDown),
    }
}

pub(super) fn failure(status: StatusCode, error: &dyn std::error::Error) -> Response {
    (
        status,
        Json(Failure {
            error: error.to_string(),
        }),
    )
        .into_response()
}
