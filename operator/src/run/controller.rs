//! Which clusters are looked at, and when.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kafka::error::with_causes;
use kube::core::{NamespaceResourceScope, PartialObjectMeta};
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::{Controller, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::clients::Clients;
use super::{Operator, ReconcileError, certificates, telemetry};
use crate::crd::Kafkacluster;

/// Clusters that are worked on at a time. Most of the time one waits for Kafka.
const AT_A_TIME: u16 = 16;

/// Events that come within this time cause one look.
const TOGETHER: std::time::Duration = std::time::Duration::from_millis(500);

/// The label by which objects are known to be an operator's.
const OURS: &str = "creator=kafka-operator";

/// Runs until it is told to stop, and what has begun is done.
pub(super) async fn run<C: Clients>(
    operator: Arc<Operator<C>>,
    namespace: Option<&str>,
    stop: CancellationToken,
) {
    let client = operator.kubernetes.client();
    let clusters: Api<Kafkacluster> = scoped(&client, namespace);
    let controller = Controller::new(clusters, watcher::Config::default());
    let store = controller.store();
    let ours = || watcher::Config::default().labels(OURS);
    let controller = controller
        .with_config(Config::default().concurrency(AT_A_TIME).debounce(TOGETHER))
        .owns(scoped::<StatefulSet>(&client, namespace), ours())
        .owns(scoped::<Deployment>(&client, namespace), ours())
        .owns(scoped::<ConfigMap>(&client, namespace), ours())
        .owns(scoped::<Service>(&client, namespace), ours())
        .owns(scoped::<ServiceAccount>(&client, namespace), ours())
        .owns(scoped::<NetworkPolicy>(&client, namespace), ours())
        .owns(scoped::<PodDisruptionBudget>(&client, namespace), ours())
        .watches(
            scoped::<PartialObjectMeta<Pod>>(&client, namespace),
            ours(),
            |pod| of_pod(&pod),
        )
        .graceful_shutdown_on(stop.cancelled_owned());
    let context = Arc::new(Context { operator, store });
    controller
        .run(reconcile, on_error, context)
        .for_each(|outcome| async move {
            if let Err(error) = outcome {
                tracing::debug!(error = with_causes(&error), "A cluster is looked at again later.");
            }
        })
        .await;
}

struct Context<C: Clients> {
    operator: Arc<Operator<C>>,
    store: Store<Kafkacluster>,
}

fn scoped<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + DeserializeOwned,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// The cluster of a pod, which is owned by its StatefulSet only.
fn of_pod(pod: &PartialObjectMeta<Pod>) -> Option<ObjectRef<Kafkacluster>> {
    let name = pod.labels().get("name")?;
    Some(ObjectRef::new(name).within(&pod.namespace()?))
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
    telemetry::reconciled(uids.len(), began.elapsed(), outcome.is_ok());
    outcome.map(Action::requeue)
}

fn on_error<C: Clients>(
    object: Arc<Kafkacluster>,
    error: &ReconcileError,
    context: Arc<Context<C>>,
) -> Action {
    let uid = object.uid().unwrap_or_default();
    let message = with_causes(error);
    let wait = context.operator.memory.failed(&uid, message.clone());
    tracing::warn!(
        cluster = object.name_any(),
        namespace = object.namespace(),
        again_in = ?wait,
        "{message}"
    );
    Action::requeue(wait)
}
