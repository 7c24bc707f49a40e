//! The custom resource definition, applied at start, so that it is always the one that this operator reads.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::runtime::conditions::is_crd_established;
use kube::runtime::wait::{self, await_condition};
use kube::{Api, Client, ResourceExt};
use thiserror::Error;

use super::kubernetes::{FIELD_MANAGER, KubernetesError};
use crate::crd::definition;

/// How long Kubernetes may take to serve a new kind.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why Kafkaclusters cannot be served.
#[derive(Debug, Error)]
pub enum DefinitionError {
    /// The definition was not taken.
    #[error(transparent)]
    Apply(#[from] KubernetesError),
    /// It cannot be watched.
    #[error("it cannot be watched")]
    Watch(#[from] wait::Error),
    /// It is not served.
    #[error(
        "Kubernetes does not serve it after {PATIENCE:?}; see `kubectl describe crd kafkaclusters.krallistic.github.com`"
    )]
    NotServed,
}

/// Applies the definition, and waits until it is served.
pub(super) async fn apply(client: Client) -> Result<(), DefinitionError> {
    let api: Api<CustomResourceDefinition> = Api::all(client);
    let definition = definition();
    let name = definition.name_any();
    let forced = PatchParams::apply(FIELD_MANAGER).force();
    let applied = api.patch(&name, &forced, &Patch::Apply(&definition)).await;
    applied.map_err(|error| KubernetesError::new(format!("CustomResourceDefinition {name}"), error))?;
    let served = await_condition(api, &name, is_crd_established());
    match tokio::time::timeout(PATIENCE, served).await {
        Ok(served) => Ok(served.map(|_| ())?),
        Err(_) => Err(DefinitionError::NotServed),
    }
}
