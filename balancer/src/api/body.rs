//! Bodies of actions and of their answers.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use kafka::ids::{BrokerId, ReplicationFactor, TopicName, TopicPartition};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use crate::journal::Mode;

/// A JSON body; one that cannot be read is answered with a [`Failure`], as everything else is.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(refuse(&rejection)),
        }
    }
}

fn refuse(rejection: &JsonRejection) -> Response {
    (
        rejection.status(),
        Json(Failure {
            error: rejection.body_text(),
        }),
    )
        .into_response()
}

/// Which plan to approve.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApproveBody {
    /// The plan's number; a newer plan is not approved by an old number.
    pub(crate) plan: u64,
    /// Only the moves of these partitions, such as `orders-3`; the others end as not approved. All when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub(crate) moves: Option<Vec<Named>>,
}

/// A partition as Kafka's tools write it: `topic-partition`.
#[derive(Debug)]
pub(crate) struct Named(pub(crate) TopicPartition);

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// How to stop.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StopBody {
    /// Cancel moves in progress, so that replicas go back; otherwise they are finished and nothing new starts.
    #[serde(default)]
    pub(crate) at_once: bool,
}

/// Which brokers.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BrokersBody {
    /// Their ids.
    #[schema(value_type = Vec<i32>)]
    pub(crate) brokers: Vec<BrokerId>,
}

/// Which topics are to have how many replicas.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplicationBody {
    /// Topics with the number of replicas that each of their partitions is to have, such as `{"orders": 3}`; `null` takes an
    /// earlier order back.
    #[schema(value_type = BTreeMap<String, Option<u16>>)]
    pub(crate) topics: BTreeMap<TopicName, Option<ReplicationFactor>>,
}

/// Which mode.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModeBody {
    /// The mode to go into; the choice outlives restarts.
    #[schema(value_type = String)]
    pub(crate) mode: Mode,
}

/// What came of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Done {
    /// In a sentence.
    pub(crate) message: String,
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Failure {
    /// Cause and cure in a sentence.
    pub(crate) error: String,
}
