//! `kafka-operator run`: reads what is, lets [`decide`](crate::decide) say what to do, and does it.
//!
//! One of several operators acts at a time ([`lease`]). It applies its definition, watches Kafkaclusters and what belongs
//! to them ([`controller`]), and for each that changed, or was not looked at for a while: [`look`], decide, [`perform`],
//! and the status last.

mod certificates;
mod clients;
mod controller;
mod definition;
mod kafka;
mod kubernetes;
mod lease;
mod look;
mod memory;
mod perform;
mod serve;
mod settings;
mod telemetry;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::kafka::error::with_causes;
use balancer::background::stop_on_signals;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource, ResourceExt};
use metrics_exporter_prometheus::BuildError as MetricsError;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::build::{BuildError, Installation};
use crate::cluster::Cluster;
use crate::crd::{Kafkacluster, KafkaclusterStatus};
use crate::decide::{self, Decision, Note};
pub use clients::{Clients, Network};
use definition::DefinitionError;
pub use kubernetes::KubernetesError;
use kubernetes::{FIELD_MANAGER, Kubernetes};
use lease::Election;
use memory::Memory;
pub use settings::Settings;

/// Why the operator ended.
#[derive(Debug, Error)]
pub enum RunError {
    /// No API server can be asked.
    #[error("no Kubernetes can be reached; run it in a pod, or set KUBECONFIG")]
    Client(#[source] kube::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}; change --listen, or end what uses the port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Signals cannot be received.
    #[error("signals cannot be received")]
    Signals(#[source] std::io::Error),
    /// Metrics cannot be recorded.
    #[error("metrics cannot be recorded")]
    Metrics(#[from] MetricsError),
    /// The custom resource cannot be defined.
    #[error("the definition of Kafkaclusters cannot be applied")]
    Definition(#[source] DefinitionError),
    /// Another operator may act now.
    #[error("the lease could not be renewed; another operator may act now, and this one must not")]
    LeaseLost,
}

/// Why a cluster is not as it should be yet.
#[derive(Debug, Error)]
pub enum ReconcileError {
    /// Kubernetes did not do something.
    #[error(transparent)]
    Kubernetes(#[from] KubernetesError),
    /// The objects cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Kafka or the balancer did not do something.
    #[error("{0}")]
    Refused(String),
}

/// What all reconciliations share.
pub struct Operator<C: Clients> {
    kubernetes: Kubernetes,
    clients: C,
    installation: Installation,
    certificates: PathBuf,
    memory: Memory<C::Kafka>,
    recorder: Recorder,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
///
/// It could not be started, or must not go on.
pub async fn run(settings: Settings) -> Result<(), RunError> {
    let stop = stop_on_signals().map_err(RunError::Signals)?;
    let metrics = telemetry::install()?;
    serve::start(settings.listen, metrics, stop.clone()).await?;
    let client = Client::try_default().await.map_err(RunError::Client)?;
    let namespace = settings.lease_namespace.clone();
    let namespace = namespace.unwrap_or_else(|| client.default_namespace().to_owned());
    let random = || format!("kafka-operator-{:08x}", rand::random::<u32>());
    let identity = settings.identity.clone().unwrap_or_else(random);
    let mut election = Election::new(client.clone(), &namespace, &settings.lease, &identity);
    tracing::info!(
        lease = settings.lease,
        namespace,
        identity,
        "Waiting for the lease."
    );
    if stop.run_until_cancelled(election.win()).await.is_none() {
        return Ok(());
    }
    tracing::info!("This operator acts.");
    let act = act(&settings, client, stop.clone());
    let outcome = tokio::select! {
        outcome = act => outcome,
        () = election.keep() => Err(RunError::LeaseLost),
    };
    if !matches!(outcome, Err(RunError::LeaseLost))
        && let Err(error) = election.give_up().await
    {
        tracing::warn!(%error, "The lease is left to run out.");
    }
    outcome
}

async fn act(settings: &Settings, client: Client, stop: CancellationToken) -> Result<(), RunError> {
    definition::apply(client.clone())
        .await
        .map_err(RunError::Definition)?;
    let operator = Operator::new(
        client,
        Network,
        settings.installation(),
        settings.certificates.clone(),
    );
    controller::run(Arc::new(operator), settings.namespace.as_deref(), stop).await;
    Ok(())
}

impl<C: Clients> Operator<C> {
    /// An operator that acts through these clients, and keeps certificates in this folder.
    pub fn new(client: Client, clients: C, installation: Installation, certificates: PathBuf) -> Self {
        let reporter = Reporter {
            controller: FIELD_MANAGER.to_owned(),
            instance: None,
        };
        Self {
            recorder: Recorder::new(client.clone(), reporter),
            kubernetes: Kubernetes::new(client),
            clients,
            installation,
            certificates,
            memory: Memory::new(),
        }
    }

    /// Brings a cluster a step nearer to what its spec says, and returns when to look at it again.
    ///
    /// # Errors
    ///
    /// A step failed. The status says so, too.
    pub async fn reconcile(&self, object: &Kafkacluster) -> Result<Duration, ReconcileError> {
        let uid = object.uid().unwrap_or_default();
        let cluster = match Cluster::validate(object) {
            Ok(cluster) => cluster,
            Err(problems) => {
                let observed = look::at_first(object, None);
                let status = decide::refused(&observed, &problems);
                let notes = decide::notes_of_conditions(&observed.status, &status);
                self.tell(object, &status, &notes).await?;
                // Nothing changes before the spec does, of which a watch tells.
                return Ok(decide::LATER);
            }
        };
        let look = self.look(&cluster, object).await?;
        let decision = decide::decide(&cluster, &self.installation, &look.observed)?;
        let performed = self.perform(&cluster, object, &look, &decision).await;
        match performed {
            Ok(()) => {
                self.tell(object, &decision.status, &decision.notes).await?;
                self.memory.succeeded(&uid);
                Ok(again(&decision, &look.observed.status))
            }
            Err(error) => {
                let status = decide::with_failure(&look.observed, &with_causes(&error));
                let notes = decide::notes_of_conditions(&look.observed.status, &status);
                self.tell(object, &status, &notes).await?;
                Err(error)
            }
        }
    }

    /// Writes the status where it differs, and what is new into events.
    async fn tell(
        &self,
        object: &Kafkacluster,
        status: &KafkaclusterStatus,
        notes: &[Note],
    ) -> Result<(), KubernetesError> {
        if object.status.as_ref() != Some(status) {
            self.kubernetes.write_status(object, status).await?;
        }
        let reference: ObjectReference = object.object_ref(&());
        for note in notes {
            self.publish(note, &reference).await;
        }
        Ok(())
    }

    /// Events are for people who look later; without them nothing else is worse.
    async fn publish(&self, note: &Note, reference: &ObjectReference) {
        const LONGEST: usize = 1_000;
        // Events of one reason are counted together, unless their actions differ.
        const LONGEST_ACTION: usize = 128;
        tracing::info!(
            cluster = reference.name,
            namespace = reference.namespace,
            "{}",
            note.message
        );
        let event = Event {
            type_: match note.is_warning {
                true => EventType::Warning,
                false => EventType::Normal,
            },
            reason: note.reason.clone(),
            note: Some(note.message.chars().take(LONGEST).collect()),
            action: note.message.chars().take(LONGEST_ACTION).collect(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, reference).await {
            tracing::warn!(%error, "An event cannot be written.");
        }
    }
}

/// When to look again; at once, where what had to be remembered first has been.
fn again(decision: &Decision, before: &KafkaclusterStatus) -> Duration {
    match decision.objects.is_empty() && before.cluster_id != decision.status.cluster_id {
        true => Duration::ZERO,
        false => decision.again,
    }
}
