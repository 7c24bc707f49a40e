//! `kafka-operator run`: reads what is, lets [`decide`](crate::decide) say what to do, and does it.
//!
//! One of several operators acts at a time ([`lease`]). It applies its definition, watches Kafkaclusters and what belongs
//! to them ([`controller`], [`watches`]), and for each that changed, or was not looked at for a while: [`look`] and decide
//! by what watches have told; where that is to do something, [`look`] by what the API server answers now, decide, [`perform`];
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
mod passwords;
mod perform;
mod secrets;
mod serve;
mod settings;
mod telemetry;
mod view;
mod watches;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::kafka::error::with_causes;
use balancer::background::stop_on_signals;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Config, Resource, ResourceExt};
use metrics_exporter_prometheus::BuildError as MetricsError;
use thiserror::Error;
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

use crate::build::{BuildError, Installation};
use crate::cluster::Cluster;
use crate::crd::{Kafkacluster, KafkaclusterStatus};
use crate::decide::{self, Note};
pub use clients::{Clients, Network};
use definition::DefinitionError;
pub use kubernetes::KubernetesError;
use kubernetes::{FIELD_MANAGER, Kubernetes};
use lease::Election;
use memory::Memory;
pub use settings::Settings;
use view::View;
pub use view::ViewError;
use watches::Watches;
pub use watches::{Triggers, WatchError};

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
    /// What it does ended where it must not.
    #[error("a defect ended the operator")]
    Ended(#[source] JoinError),
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
    /// It is not known what there is.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The objects cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// There is an object of that name which is none of the cluster's.
    #[error(
        "there is a {kind} {name} already that belongs to no Kafkacluster of this name, and it is left alone; delete it, or \
         give the Kafkacluster another name"
    )]
    Taken {
        /// What it is.
        kind: String,
        /// Its name.
        name: String,
    },
    /// Something was not done that holds nothing else up.
    #[error("{reason}")]
    Refused {
        /// What, and why.
        reason: String,
        /// When there is something else to look at.
        again: Duration,
    },
}

/// How long the API server may take to be reached, and to go on with an answer.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
/// A watch tells something, or ends, every 290 seconds at the latest.
const WATCH_ENDS_WITHIN: Duration = Duration::from_secs(295);

/// The most steps that follow each other at once: after one what has to be remembered first is in the status, after two it is done.
const AT_ONCE: usize = 3;

/// What all reconciliations share.
pub struct Operator<C: Clients> {
    kubernetes: Kubernetes,
    watches: Watches,
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
    let (client, watching) = clients().await.map_err(RunError::Client)?;
    let namespace = settings
        .lease_namespace
        .clone()
        .or(settings.own_namespace.clone());
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
    let Some(won) = stop.run_until_cancelled(election.win()).await else {
        return Ok(());
    };
    tracing::info!("This operator acts.");
    // A task of its own: looks at many clusters must not keep the lease from being renewed.
    let mut acting = tokio::spawn(act(settings, client, watching, stop.clone()));
    let outcome = tokio::select! {
        outcome = &mut acting => outcome.unwrap_or_else(|ended| Err(RunError::Ended(ended))),
        () = election.keep(won) => Err(RunError::LeaseLost),
    };
    acting.abort();
    if !matches!(outcome, Err(RunError::LeaseLost))
        && let Err(error) = election.give_up().await
    {
        tracing::warn!(%error, "The lease is left to run out.");
    }
    outcome
}

/// A client that asks, and one that watches: neither waits for ever for an API server that is gone without a word.
async fn clients() -> kube::Result<(Client, Client)> {
    let config = Config::infer().await.map_err(kube::Error::InferConfig)?;
    let client = |within: Duration| {
        let mut config = config.clone();
        config.connect_timeout = Some(CONNECTED_WITHIN);
        config.read_timeout = Some(within);
        Client::try_from(config)
    };
    Ok((client(ANSWERED_WITHIN)?, client(WATCH_ENDS_WITHIN)?))
}

async fn act(
    settings: Settings,
    client: Client,
    watching: Client,
    stop: CancellationToken,
) -> Result<(), RunError> {
    definition::apply(client.clone())
        .await
        .map_err(RunError::Definition)?;
    let namespace = settings.namespace.as_deref();
    let (operator, triggers) = Operator::new(
        client,
        &watching,
        namespace,
        Network,
        settings.installation(),
        settings.certificates.clone(),
    );
    controller::run(Arc::new(operator), watching, namespace, triggers, stop).await;
    Ok(())
}

impl<C: Clients> Operator<C> {
    /// An operator that asks Kubernetes by `client` and watches it by `watching`, acts through these clients, in one namespace or
    /// all, and keeps certificates in this folder. What is returned beside it says which clusters to look at, and has to be
    /// polled for the operator to see anything.
    pub fn new(
        client: Client,
        watching: &Client,
        namespace: Option<&str>,
        clients: C,
        installation: Installation,
        certificates: PathBuf,
    ) -> (Self, Triggers) {
        let reporter = Reporter {
            controller: FIELD_MANAGER.to_owned(),
            instance: None,
        };
        let (watches, triggers) = Watches::new(watching, namespace);
        let operator = Self {
            recorder: Recorder::new(client.clone(), reporter),
            kubernetes: Kubernetes::new(client),
            watches,
            clients,
            installation,
            certificates,
            memory: Memory::new(),
        };
        (operator, triggers)
    }

    /// Brings a cluster a step nearer to what its spec says, and returns when to look at it again.
    ///
    /// # Errors
    ///
    /// A step failed. The status says so, too.
    pub async fn reconcile(&self, seen: &Kafkacluster) -> Result<Duration, ReconcileError> {
        if let Some(again) = self.step(View::Watched(&self.watches), seen).await? {
            return Ok(again);
        }
        for _ in 0..AT_ONCE {
            let Some(object) = self.kubernetes.cluster(seen).await? else {
                return Ok(decide::LATER);
            };
            if let Some(again) = self.step(View::Asked(&self.kubernetes), &object).await? {
                return Ok(again);
            }
        }
        Ok(decide::SOON)
    }

    /// Looks and decides, and does what is decided where the API server itself was asked. By what watches have told nothing is
    /// done but to write the status; none is returned where there is something to do at once.
    async fn step(&self, view: View<'_>, object: &Kafkacluster) -> Result<Option<Duration>, ReconcileError> {
        let uid = object.uid().unwrap_or_default();
        // What it owns is being deleted, before it or after it; nobody makes that anew.
        if object.metadata.deletion_timestamp.is_some() {
            return Ok(Some(decide::LATER));
        }
        let cluster = match Cluster::validate(object) {
            Ok(cluster) => cluster,
            Err(problems) => {
                let observed = look::at_first(object);
                let status = decide::refused(&observed, &problems);
                let notes = decide::notes_of_conditions(&observed.status, &status);
                self.tell(object, &status, &notes).await?;
                // Nothing changes before the spec does, of which a watch tells.
                return Ok(Some(decide::LATER));
            }
        };
        let look = match self.look(view, &cluster, object).await {
            Ok(look) => look,
            Err(error) => {
                // One alone may be over with the next attempt.
                if self.memory.has_failed(&uid) {
                    let observed = look::at_first(object);
                    let status = decide::unseen(&observed, &with_causes(&error));
                    self.tell_failure(object, &observed.status, &status).await;
                }
                return Err(error.into());
            }
        };
        let decision = decide::decide(&cluster, &self.installation, &look.observed)?;
        let performed = match view {
            View::Watched(_) if decision.acts() || !self.changes(object, &look, &decision).is_empty() => {
                return Ok(None);
            }
            View::Watched(_) => Ok(()),
            View::Asked(_) => self.perform(&cluster, object, &look, &decision).await,
        };
        match performed {
            Ok(()) => {
                self.tell(object, &decision.status, &decision.notes).await?;
                self.memory.succeeded(&uid);
                let is_done = decision.acts() || !decide::remembers(&look.observed.status, &decision);
                Ok(is_done.then_some(decision.again))
            }
            Err(error) => {
                let status = match &error {
                    ReconcileError::Refused { reason, .. } => {
                        decide::with_refusal(&look.observed, &decision, reason)
                    }
                    _ => decide::with_failure(&look.observed, &decision, &with_causes(&error)),
                };
                self.tell_failure(object, &look.observed.status, &status).await;
                Err(error)
            }
        }
    }

    /// Writes the status of what failed. What fails in doing so is not what matters.
    async fn tell_failure(
        &self,
        object: &Kafkacluster,
        before: &KafkaclusterStatus,
        status: &KafkaclusterStatus,
    ) {
        let notes = decide::notes_of_conditions(before, status);
        if let Err(error) = self.tell(object, status, &notes).await {
            tracing::warn!(%error, "The status cannot be written.");
        }
    }

    /// Writes the status where it differs, other words for what is not known only now and then, and what is new into events.
    async fn tell(
        &self,
        object: &Kafkacluster,
        status: &KafkaclusterStatus,
        notes: &[Note],
    ) -> Result<(), KubernetesError> {
        let uid = object.uid().unwrap_or_default();
        let is_news = match &object.status {
            Some(before) if before == status => false,
            Some(before) if decide::is_reworded(before, status) => self.memory.may_reword(&uid),
            _ => true,
        };
        if is_news {
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
