//! Who of several operators acts: the holder of a Lease.
//!
//! Clocks of machines may differ, and so no times of the Lease are compared with the clock here: a Lease that somebody
//! else holds is free when it has not changed for its duration by the clock of whoever looks. Each change names the
//! version that was read, so that of two who try only one succeeds. The holder that cannot renew in time stops before
//! anybody else may begin.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::{Instant, sleep, timeout};

use super::kubernetes::KubernetesError;

/// How long a Lease that is not renewed is still its holder's.
const DURATION: Duration = Duration::from_secs(30);
/// How long the holder acts after it has renewed the Lease.
const ACTS: Duration = Duration::from_secs(20);
/// How long one request may take: on a connection that is dead the next one has a new one.
const PATIENCE: Duration = Duration::from_secs(5);
/// No Lease is waited for longer, whatever it says.
const MOST: Duration = Duration::from_secs(300);
/// How often it is renewed, and looked at by those who wait.
const INTERVAL: Duration = Duration::from_secs(2);

/// A Lease, as one of those who want it sees it.
pub(super) struct Election {
    api: Api<Lease>,
    name: String,
    identity: String,
    seen: Option<Seen>,
}

/// What was seen of the Lease when it last changed.
struct Seen {
    version: Option<String>,
    at: Instant,
}

/// What can be done about a Lease.
#[derive(Debug, PartialEq, Eq)]
enum Claim {
    /// It is ours already.
    Renew,
    /// It is free.
    Take,
    /// It is somebody else's.
    Wait,
}

impl Election {
    pub(super) fn new(client: Client, namespace: &str, name: &str, identity: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity: identity.to_owned(),
            seen: None,
        }
    }

    /// Waits until the Lease is ours, and returns when it was asked for.
    pub(super) async fn win(&mut self) -> Instant {
        loop {
            let began = Instant::now();
            match timeout(PATIENCE, self.try_once()).await {
                Ok(Ok(true)) => return began,
                Ok(Ok(false)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "The lease cannot be looked at."),
                Err(_) => tracing::warn!("The lease was not answered in time."),
            }
            sleep(INTERVAL).await;
        }
    }

    /// Keeps the Lease that was asked for then, and returns when it may be somebody else's.
    pub(super) async fn keep(&mut self, won: Instant) {
        let mut renewed = won;
        while renewed.elapsed() < ACTS {
            sleep(INTERVAL).await;
            let left = ACTS.saturating_sub(renewed.elapsed()).min(PATIENCE);
            let began = Instant::now();
            match timeout(left, self.try_once()).await {
                Ok(Ok(true)) => renewed = began,
                Ok(Ok(false)) => return,
                Ok(Err(error)) => tracing::warn!(%error, "The lease cannot be renewed."),
                Err(_) => tracing::warn!("The lease was not renewed in time."),
            }
        }
    }

    /// Lets the next one begin at once.
    pub(super) async fn give_up(&mut self) -> Result<(), KubernetesError> {
        let Some(mut lease) = self.read().await? else {
            return Ok(());
        };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() == Some(&self.identity) {
            spec.holder_identity = None;
            self.write(&lease).await?;
        }
        Ok(())
    }

    /// Takes or renews the Lease if that is possible, and says whether it is ours.
    async fn try_once(&mut self) -> Result<bool, KubernetesError> {
        let Some(mut lease) = self.read().await? else {
            return self.create().await;
        };
        let now = Instant::now();
        let version = lease.metadata.resource_version.clone();
        if self.seen.as_ref().is_none_or(|seen| seen.version != version) {
            self.seen = Some(Seen { version, at: now });
        }
        let unchanged = self.seen.as_ref().map_or(Duration::ZERO, |seen| now - seen.at);
        let spec = lease.spec.get_or_insert_default();
        match claim(spec, &self.identity, unchanged) {
            Claim::Wait => return Ok(false),
            Claim::Renew => {}
            Claim::Take => {
                spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(0).saturating_add(1));
                spec.acquire_time = Some(MicroTime(Timestamp::now()));
            }
        }
        self.hold(spec);
        self.write(&lease).await
    }

    fn hold(&self, spec: &mut LeaseSpec) {
        spec.holder_identity = Some(self.identity.clone());
        spec.lease_duration_seconds = i32::try_from(DURATION.as_secs()).ok();
        spec.renew_time = Some(MicroTime(Timestamp::now()));
    }

    async fn read(&self) -> Result<Option<Lease>, KubernetesError> {
        let found = self.api.get_opt(&self.name).await;
        found.map_err(|error| KubernetesError::new(format!("Lease {}", self.name), error))
    }

    async fn create(&self) -> Result<bool, KubernetesError> {
        let mut spec = LeaseSpec {
            acquire_time: Some(MicroTime(Timestamp::now())),
            ..LeaseSpec::default()
        };
        self.hold(&mut spec);
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(spec),
        };
        let created = self.api.create(&PostParams::default(), &lease).await;
        self.first(created)
    }

    async fn write(&self, lease: &Lease) -> Result<bool, KubernetesError> {
        let written = self.api.replace(&self.name, &PostParams::default(), lease).await;
        self.first(written)
    }

    /// Whether nobody else was first.
    fn first(&self, outcome: kube::Result<Lease>) -> Result<bool, KubernetesError> {
        match outcome.map_err(|error| KubernetesError::new(format!("Lease {}", self.name), error)) {
            Ok(_) => Ok(true),
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// What can be done about a Lease that has been seen unchanged for so long.
fn claim(lease: &LeaseSpec, identity: &str, unchanged: Duration) -> Claim {
    let holder = lease
        .holder_identity
        .as_deref()
        .filter(|holder| !holder.is_empty());
    let said = lease
        .lease_duration_seconds
        .and_then(|seconds| u64::try_from(seconds).ok());
    let duration = said.map_or(DURATION, Duration::from_secs).min(MOST);
    match holder {
        Some(holder) if holder == identity => Claim::Renew,
        Some(_) if unchanged < duration => Claim::Wait,
        Some(_) | None => Claim::Take,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_its_holders_until_it_has_not_changed_for_its_duration() {
        let lease = |holder: Option<&str>| LeaseSpec {
            holder_identity: holder.map(str::to_owned),
            lease_duration_seconds: Some(20),
            // A holder whose clock is years ahead keeps nobody waiting for years.
            renew_time: "2999-01-01T00:00:00Z".parse().ok().map(MicroTime),
            ..LeaseSpec::default()
        };
        let seconds = Duration::from_secs;
        assert_eq!(claim(&lease(Some("a")), "a", seconds(99)), Claim::Renew);
        assert_eq!(claim(&lease(Some("b")), "a", seconds(19)), Claim::Wait);
        assert_eq!(claim(&lease(Some("b")), "a", seconds(20)), Claim::Take);
        assert_eq!(claim(&lease(Some("")), "a", seconds(0)), Claim::Take);
        assert_eq!(claim(&lease(None), "a", seconds(0)), Claim::Take);
    }
}
