//! An API server in memory, as far as the operator asks one: it keeps what is applied, and notes every request.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use http::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// A right as RBAC has it: verb, group, resource with its subresource.
pub(crate) type Right = (String, String, String);

#[derive(Clone, Default)]
pub(crate) struct ApiServer {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub(crate) struct State {
    /// By path, without what is asked of it.
    pub(crate) objects: BTreeMap<String, Value>,
    pub(crate) used: BTreeSet<Right>,
    /// Requests that changed something.
    pub(crate) writes: Vec<String>,
    versions: u64,
}

/// What a path names.
struct Place {
    group: String,
    resource: String,
    subresource: Option<String>,
    /// Where the object or the collection is kept.
    key: String,
    is_object: bool,
}

impl Place {
    /// `/api/v1/…`, `/apis/GROUP/VERSION/…`, each with or without `namespaces/NAMESPACE`.
    fn of(path: &str) -> Self {
        let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let group = match parts.remove(0) {
            "api" => "",
            _ => parts.remove(0),
        };
        let skip = if parts[1] == "namespaces" && parts.len() > 3 {
            3
        } else {
            1
        };
        let resource = parts[skip];
        let subresource = parts.get(skip + 2).map(|part| (*part).to_owned());
        let mut key = path.trim_matches('/').to_owned();
        if let Some(subresource) = &subresource {
            key = key.strip_suffix(&format!("/{subresource}")).unwrap().to_owned();
        }
        Self {
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource,
            key,
            is_object: parts.len() > skip + 1,
        }
    }
}

impl ApiServer {
    /// A client of it.
    pub(crate) fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap();
                let (status, answer) = server.state().answer(&parts, &body);
                let mut response = Response::new(Body::from(answer.to_string().into_bytes()));
                *response.status_mut() = status;
                Ok::<_, Infallible>(response)
            }
        });
        Client::new(service, "default")
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn answer(&mut self, parts: &http::request::Parts, body: &[u8]) -> (StatusCode, Value) {
        let place = Place::of(parts.uri.path());
        let verb = match parts.method {
            Method::GET if place.is_object => "get",
            Method::GET => "list",
            Method::PATCH => "patch",
            Method::POST => "create",
            Method::DELETE => "delete",
            _ => "update",
        };
        self.uses(verb, &place);
        if parts.method != Method::GET {
            self.writes.push(format!("{verb} {}", parts.uri.path()));
        }
        let body = serde_json::from_slice(body).unwrap_or(Value::Null);
        match verb {
            "get" => self.get(&place),
            "list" => (
                StatusCode::OK,
                self.list(&place, parts.uri.query().unwrap_or_default()),
            ),
            "create" => self.create(&place, body),
            "patch" => self.patch(&place, body),
            "delete" => {
                self.objects.remove(&place.key);
                (StatusCode::OK, status(200, "Success"))
            }
            other => panic!("{other} {}", parts.uri),
        }
    }

    fn uses(&mut self, verb: &str, place: &Place) {
        let resource = match &place.subresource {
            Some(subresource) => format!("{}/{subresource}", place.resource),
            None => place.resource.clone(),
        };
        self.used.insert((verb.to_owned(), place.group.clone(), resource));
    }

    fn get(&self, place: &Place) -> (StatusCode, Value) {
        match self.objects.get(&place.key) {
            Some(object) => (StatusCode::OK, object.clone()),
            None => (StatusCode::NOT_FOUND, status(404, "NotFound")),
        }
    }

    fn list(&self, place: &Place, query: &str) -> Value {
        let selected = |object: &Value| {
            let selector = query
                .split('&')
                .find_map(|part| part.strip_prefix("labelSelector="));
            let selector = selector
                .unwrap_or_default()
                .replace("%3D", "=")
                .replace("%2C", ",");
            selector.split(',').filter(|part| !part.is_empty()).all(|part| {
                let (key, value) = part.split_once('=').unwrap();
                object["metadata"]["labels"][key] == value
            })
        };
        let prefix = format!("{}/", place.key);
        let items: Vec<&Value> = self
            .objects
            .iter()
            .filter(|(key, object)| key.starts_with(&prefix) && selected(object))
            .map(|(_, object)| object)
            .collect();
        json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items})
    }

    fn create(&mut self, place: &Place, object: Value) -> (StatusCode, Value) {
        let name = object["metadata"]["name"].as_str().unwrap();
        let key = format!("{}/{name}", place.key);
        (StatusCode::CREATED, self.put(key, object))
    }

    fn patch(&mut self, place: &Place, patch: Value) -> (StatusCode, Value) {
        let Some(present) = self.objects.get(&place.key).cloned() else {
            // Server-side apply makes what is missing, for which it asks for the right to.
            self.uses("create", place);
            return (StatusCode::CREATED, self.put(place.key.clone(), patch));
        };
        let mut merged = present.clone();
        match place.subresource.as_deref() {
            Some("status") => merged["status"] = patch["status"].clone(),
            _ => merge(&mut merged, &patch),
        }
        if merged == present {
            return (StatusCode::OK, present);
        }
        (StatusCode::OK, self.put(place.key.clone(), merged))
    }

    /// Keeps an object, which gets a new version by that.
    pub(crate) fn put(&mut self, key: String, mut object: Value) -> Value {
        self.versions += 1;
        object["metadata"]["resourceVersion"] = json!(self.versions.to_string());
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = json!(format!("uid-{}", self.versions));
        }
        self.objects.insert(key, object.clone());
        object
    }
}

/// RFC 7386, which server-side apply is not; objects here have no lists of which parts are somebody else's.
fn merge(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(target.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (target, patch) => *target = patch.clone(),
    }
}

fn status(code: u16, reason: &str) -> Value {
    let status = if code < 400 { "Success" } else { "Failure" };
    json!({"apiVersion": "v1", "kind": "Status", "status": status, "code": code, "reason": reason, "message": reason})
}
