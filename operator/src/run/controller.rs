//! Which clusters are looked at, and when.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use kafka::error::with_causes;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::Store;
use kube::runtime::reflector::store::Writer;
use kube::runtime::{Controller, Predicate, PredicateConfig, WatchStreamExt, predicates, watcher};
use kube::{Api, Client, ResourceExt};
use tokio_util::sync::CancellationToken;

use super::clients::Clients;
use super::watches::Triggers;
use super::{Operator, ReconcileError, certificates, telemetry};
use crate::crd::Kafkacluster;

/// Clusters that are worked on at a time. Most of the time one waits for Kafka.
const AT_A_TIME: u16 = 16;

/// Events that come within this time cause one look.
const TOGETHER: Duration = Duration::from_millis(500);

/// How often metrics say how clusters are.
const SHOWN_EVERY: Duration = Duration::from_secs(5);

/// Runs until it is told to stop, and what has begun is done.
pub(super) async fn run<C: Clients>(
    operator: Arc<Operator<C>>,
    client: Client,
    namespace: Option<&str>,
    triggers: Triggers,
    stop: CancellationToken,
) {
    let clusters: Api<Kafkacluster> = match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let writer = Writer::default();
    let store = writer.as_reader();
    // A status, which is written here, is nothing to look at a cluster for.
    let wanted = watcher(clusters, watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .applied_objects()
        .predicate_filter(
            predicates::generation.combine(predicates::annotations),
            PredicateConfig::default(),
        );
    let controller = Controller::for_stream(wanted, store.clone())
        .with_config(Config::default().concurrency(AT_A_TIME).debounce(TOGETHER))
        .reconcile_on(triggers)
        .graceful_shutdown_on(stop.cancelled_owned());
    let showing = tokio::spawn(show(store.clone()));
    let context = Arc::new(Context { operator, store });
    controller
        .run(reconcile, on_error, context)
        .for_each(|outcome| async move {
            if let Err(error) = outcome {
                tracing::debug!(error = with_causes(&error), "A cluster is looked at again later.");
            }
        })
        .await;
    showing.abort();
}

/// Shows the clusters as watches tell of them, those too of which nothing has to be looked at.
async fn show(store: Store<Kafkacluster>) {
    telemetry::begin();
    loop {
        telemetry::show(&store.state());
        tokio::time::sleep(SHOWN_EVERY).await;
    }
}

struct Context<C: Clients> {
    operator: Arc<Operator<C>>,
    store: Store<Kafkacluster>,
}

async fn reconcile<C: Clients>(
    object: Arc<Kafkacluster>,
    context: Arc<Context<C>>,
) -> Result<Action, ReconcileError> {
    let clusters = context.store.state();
    let uids: HashSet<String> = clusters.iter().filter_map(|cluster| cluster.uid()).collect();
    let gone = context.operator.memory.retain(&uids);
    certificates::forget(&context.operator.certificates, &gone).await;
    let began = Instant::now();
    let outcome = context.operator.reconcile(&object).await;
    telemetry::reconciled(began.elapsed(), &outcome);
    outcome.map(Action::requeue)
}

fn on_error<C: Clients>(
    object: Arc<Kafkacluster>,
    error: &ReconcileError,
    context: Arc<Context<C>>,
) -> Action {
    let uid = object.uid().unwrap_or_default();
    let message = with_causes(error);
    let mut wait = context.operator.memory.failed(&uid);
    if let ReconcileError::Refused { again, .. } = error {
        wait = wait.min(*again);
    }
    tracing::warn!(
        cluster = object.name_any(),
        namespace = object.namespace(),
        again_in = ?wait,
        "{message}"
    );
    Action::requeue(wait)
}
