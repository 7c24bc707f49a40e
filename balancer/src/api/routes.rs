//! The paths of the API and what they answer.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State as AxumState};
use axum::http::{StatusCode, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Deserialize;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tower_http::compression::CompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa::{IntoParams, OpenApi};

use super::auth::{self, ActionToken};
use super::body::{
    ApproveBody, Body, BrokersBody, Done, Failure, ModeBody, Named, ReplicationBody, StopBody,
};
use super::browsers::{self, Hosts};
use super::events::{self, Feed};
use super::page;
use super::view::{BrokerView, FinishedPlan, HotList, PartitionView, Phase, PlanView, State, View};
use crate::action::{Action, ActionError, Command};

/// Actions carry a list of a plan's moves at most: ten thousand, with names of a hundred characters.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// No request takes longer: reading answers from memory, acting is answered within a tick.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// When somebody whose action cannot be done now may try again: after a look or two.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The most partitions that one answer lists.
const MAX_PARTITIONS: usize = 10_000;

/// What the handlers share with the loop.
#[derive(Debug, Clone)]
pub struct Shared {
    view: watch::Receiver<Arc<View>>,
    feed: Arc<Feed>,
    commands: mpsc::Sender<Command>,
    token: ActionToken,
    hosts: Hosts,
    metrics: PrometheusHandle,
}

impl Shared {
    /// Handlers that show `view` and send actions to `commands` when the request has the token of `token_file`. They answer by
    /// whatever name they are asked.
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
            hosts: Hosts::default(),
            metrics,
        }
    }

    /// The same, asked by these names only.
    #[must_use]
    pub fn asked_as(self, hosts: Hosts) -> Self {
        Self { hosts, ..self }
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
    let actions = Router::new()
        .route("/v1/approve", post(approve))
        .route("/v1/pause", post(pause))
        .route("/v1/resume", post(resume))
        .route("/v1/stop", post(stop))
        .route("/v1/drain", post(drain))
        .route("/v1/undrain", post(undrain))
        .route("/v1/replication", post(replication))
        .route("/v1/rebalance", post(rebalance))
        .route("/v1/mode", post(mode))
        .route_layer(from_fn_with_state(shared.token.clone(), auth::admit));
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
        .merge(actions)
        .merge(page::routes())
        .layer(RequestBodyLimitLayer::new(MAX_BODY_BYTES))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            REQUEST_TIMEOUT,
        ))
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state(shared.hosts.clone(), browsers::check_host))
        .layer(map_response(browsers::guard))
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
#[utoipa::path(post, path = "/v1/approve", request_body = ApproveBody, responses((status = 200, body = Done), (status = 401, body = Failure), (status = 403, body = Failure), (status = 409, body = Failure), (status = 429, body = Failure), (status = 503, body = Failure)))]
async fn approve(shared: AxumState<Shared>, Body(body): Body<ApproveBody>) -> Response {
    let chosen = |moves: Vec<Named>| moves.into_iter().map(|Named(partition)| partition).collect();
    let action = Action::Approve {
        plan: body.plan,
        moves: body.moves.map(chosen),
    };
    act(shared, action).await
}

/// Pauses the plan that is being executed: what is in flight goes on to its end, nothing new starts.
#[utoipa::path(post, path = "/v1/pause", responses((status = 200, body = Done), (status = 401, body = Failure), (status = 403, body = Failure), (status = 409, body = Failure), (status = 429, body = Failure), (status = 503, body = Failure)))]
async fn pause(shared: AxumState<Shared>) -> Response {
    act(shared, Action::Pause).await
}

/// Goes on with the plan that is paused.
#[utoipa::path(post, path = "/v1/resume", responses((status = 200, body = Done), (status = 401, body = Failure), (status = 403, body = Failure), (status = 409, body = Failure), (status = 429, body = Failure), (status = 503, body = Failure)))]
async fn resume(shared: AxumState<Shared>) -> Response {
    act(shared, Action::Resume).await
}

/// Stops the plan that is being executed, and takes the mode back to `observe`.
#[utoipa::path(post, path = "/v1/stop", request_body = StopBody, responses((status = 200, body = Done), (status = 401, body = Failure), (status = 403, body = Failure), (status = 409, body = Failure), (status = 429, body = Failure), (status = 503, body = Failure)))]
async fn stop(shared: AxumState<Shared>, Body(body): Body<StopBody>) -> Response {
    act(
        shared,
        Action::Stop {
            at_once: body.at_once,
        },
    )
    .await
}

/// Empties brokers: all their replicas move to others.
#[utoipa::path(post, path = "/v1/drain", request_body = BrokersBody, responses((status = 200, body = Done), (status = 401, body = Failure), (status = 403, body = Failure), (status = 409, body = Failure), (status = 429, body = Failure), (status = 503, body = Failure)))]
async fn drain(shared: AxumState<Shared>, Body(body): Body<BrokersBody>) -> Response {
    act(
        shared,
        Action::Drain {
            brokers: body.brokers,
        },
    )
    .await
}

/// Lets drained or draining brokers take load again.
#[utoipa::path(post, path = "/v1/undrain", request_body = BrokersBody, responses((status = 200, body = Done), (status = 401, body = Failure), (status = 403, body = Failure), (status = 409, body = Failure), (status = 429, body = Failure), (status = 503, body = Failure)))]
async fn undrain(shared: AxumState<Shared>, Body(body): Body<BrokersBody>) -> Response {
    act(
        shared,
        Action::Undrain {
            brokers: body.brokers,
        },
    )
    .await
}

/// Has each partition of topics have so many replicas. Said twice, it is the same; the order is over when they do.
#[utoipa::path(post, path = "/v1/replication", request_body = ReplicationBody, responses((status = 200, body = Done), (status = 401, body = Failure), (status = 403, body = Failure), (status = 409, body = Failure), (status = 429, body = Failure), (status = 503, body = Failure)))]
async fn replication(shared: AxumState<Shared>, Body(body): Body<ReplicationBody>) -> Response {
    act(shared, Action::Replicate { topics: body.topics }).await
}

/// Asks for a plan now, although nothing may be hot.
#[utoipa::path(post, path = "/v1/rebalance", responses((status = 200, body = Done), (status = 401, body = Failure), (status = 403, body = Failure), (status = 409, body = Failure), (status = 429, body = Failure), (status = 503, body = Failure)))]
async fn rebalance(shared: AxumState<Shared>) -> Response {
    act(shared, Action::Rebalance).await
}

/// Goes into another mode.
#[utoipa::path(post, path = "/v1/mode", request_body = ModeBody, responses((status = 200, body = Done), (status = 401, body = Failure), (status = 403, body = Failure), (status = 409, body = Failure), (status = 429, body = Failure), (status = 503, body = Failure)))]
async fn mode(shared: AxumState<Shared>, Body(body): Body<ModeBody>) -> Response {
    act(shared, Action::Mode(body.mode)).await
}

async fn act(AxumState(shared): AxumState<Shared>, action: Action) -> Response {
    let (answer, answered) = oneshot::channel();
    let done = match shared.commands.try_send(Command { action, answer }) {
        Ok(()) => answered.await.unwrap_or(Err(ActionError::ShuttingDown)),
        Err(TrySendError::Full(_)) => Err(ActionError::Busy),
        Err(TrySendError::Closed(_)) => Err(ActionError::ShuttingDown),
    };
    match done {
        Ok(message) => Json(Done { message }).into_response(),
        Err(error) if error.passes() => {
            let mut response = failure(StatusCode::SERVICE_UNAVAILABLE, &error);
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, RETRY_AFTER.as_secs().into());
            response
        }
        Err(error) => failure(StatusCode::CONFLICT, &error),
    }
}

/// The answer to a request that failed.
pub(super) fn failure(status: StatusCode, error: &dyn std::error::Error) -> Response {
    (
        status,
        Json(Failure {
            error: error.to_string(),
        }),
    )
        .into_response()
}
