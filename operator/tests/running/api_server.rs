//! An API server in memory, as far as the operator asks one: it keeps what is applied, tells watches of it, and notes every
//! request. The test of dashboards in `e2e/` serves it to the operator's program, so it needs nothing else of here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;

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
    /// All requests but those that watch.
    pub(crate) requests: Vec<String>,
    /// Requests that changed something.
    pub(crate) writes: Vec<String>,
    /// All that has happened to objects, for watches. The number of an event is its version.
    events: Vec<Event>,
    /// How many events there are.
    told: watch::Sender<usize>,
    /// Whether it is one that cannot give pods other resources while they run.
    pub(crate) without_resize: bool,
    /// The collection of which nothing may be changed.
    pub(crate) forbidden: Option<&'static str>,
    /// Whether watches are told nothing for now.
    pub(crate) silent: bool,
}

/// Something that happened to an object.
struct Event {
    key: String,
    kind: &'static str,
    object: Value,
}

/// What is asked of a collection.
struct Query {
    labels: BTreeMap<String, String>,
    /// The name of the one object that is meant.
    name: Option<String>,
    /// Whether it is a watch, and from which version on.
    watch: Option<usize>,
}

impl Query {
    fn of(query: &str) -> Self {
        let part = |name: &str| {
            let mut parts = query.split('&').filter_map(|part| part.split_once('='));
            parts.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let labels = part("labelSelector").unwrap_or_default();
        let labels = labels.replace("%3D", "=").replace("%2C", ",");
        let pair = |part: &str| {
            let (key, value) = part.split_once('=').unwrap();
            (key.to_owned(), value.to_owned())
        };
        let version = || part("resourceVersion").unwrap().parse().unwrap();
        Self {
            labels: labels
                .split(',')
                .filter(|part| !part.is_empty())
                .map(pair)
                .collect(),
            name: part("fieldSelector").map(|field| field.replace("metadata.name%3D", "")),
            watch: part("watch").map(|_| version()),
        }
    }

    fn selects(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        let is_it = |name: &String| object["metadata"]["name"] == *name;
        self.name.as_ref().is_none_or(is_it) && self.labels.iter().all(|(key, value)| labels[key] == *value)
    }
}

/// The parts of an answer, as they come.
pub(crate) type Answer = BoxStream<'static, Vec<u8>>;

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
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// What it answers to a request.
    pub(crate) fn answer(&self, parts: &http::request::Parts, body: &[u8]) -> (StatusCode, Answer) {
        let place = Place::of(parts.uri.path());
        let query = Query::of(parts.uri.query().unwrap_or_default());
        if let Some(from) = query.watch {
            self.state().uses("watch", &place);
            return (StatusCode::OK, self.watch(place, query, from));
        }
        let (status, answer) = self.state().answer(parts, &place, &query, body);
        let answer = answer.to_string().into_bytes();
        (status, stream::once(std::future::ready(answer)).boxed())
    }

    /// Events of a collection, as they come, from a version on. It never ends.
    fn watch(&self, place: Place, query: Query, from: usize) -> Answer {
        let (server, told) = (self.clone(), self.state().told.subscribe());
        let next = move |(mut told, seen): (watch::Receiver<usize>, usize)| {
            let (server, place, query) = (server.clone(), place.key.clone(), query.labels.clone());
            async move {
                let until = *told.wait_for(|until| *until > seen).await.ok()?;
                let query = Query {
                    labels: query,
                    name: None,
                    watch: None,
                };
                let state = server.state();
                let lines = state.events[seen..until]
                    .iter()
                    .filter(|event| is_in(&event.key, &place) && query.selects(&event.object))
                    .map(|event| format!("{}\n", json!({"type": event.kind, "object": event.object})));
                let lines = lines.collect::<String>().into_bytes();
                drop(state);
                Some((lines, (told, until)))
            }
        };
        stream::unfold((told, from), next).boxed()
    }
}

/// Whether an object is of a collection, which may be that of all namespaces.
fn is_in(key: &str, collection: &str) -> bool {
    let (root, resource) = collection.rsplit_once('/').unwrap();
    match key
        .strip_prefix(root)
        .and_then(|key| key.strip_prefix("/namespaces/"))
    {
        Some(rest) if !root.contains("/namespaces/") => rest.split('/').nth(1) == Some(resource),
        _ => key.starts_with(&format!("{collection}/")),
    }
}

impl State {
    fn answer(
        &mut self,
        parts: &http::request::Parts,
        place: &Place,
        query: &Query,
        body: &[u8],
    ) -> (StatusCode, Value) {
        let verb = match parts.method {
            Method::GET if place.is_object => "get",
            Method::GET => "list",
            Method::PATCH => "patch",
            Method::POST => "create",
            Method::DELETE => "delete",
            Method::PUT => "update",
            _ => "other",
        };
        self.uses(verb, place);
        self.requests.push(format!("{verb} {}", parts.uri.path()));
        if parts.method != Method::GET {
            self.writes.push(format!("{verb} {}", parts.uri.path()));
        }
        let body = serde_json::from_slice(body).unwrap_or(Value::Null);
        if parts.method != Method::GET && self.forbidden == Some(&place.resource) {
            return (StatusCode::FORBIDDEN, status(403, "Forbidden"));
        }
        match verb {
            "get" => self.get(place),
            "list" => (StatusCode::OK, self.list(place, query)),
            "create" => self.create(place, body),
            "update" => (StatusCode::OK, self.put(place.key.clone(), body)),
            "patch" => self.patch(place, body),
            "delete" => {
                self.remove(&place.key);
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

    fn list(&self, place: &Place, query: &Query) -> Value {
        let items: Vec<&Value> = self
            .objects
            .iter()
            .filter(|(key, object)| is_in(key, &place.key) && query.selects(object))
            .map(|(_, object)| object)
            .collect();
        let metadata = json!({"resourceVersion": self.events.len().to_string()});
        json!({"apiVersion": "v1", "kind": "List", "metadata": metadata, "items": items})
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
        // Who names a version means that one.
        let version = &patch["metadata"]["resourceVersion"];
        if !version.is_null() && *version != present["metadata"]["resourceVersion"] {
            return (StatusCode::CONFLICT, status(409, "Conflict"));
        }
        let uid = &patch["metadata"]["uid"];
        if !uid.is_null() && *uid != present["metadata"]["uid"] {
            return (StatusCode::CONFLICT, status(409, "Conflict"));
        }
        let mut merged = present.clone();
        match place.subresource.as_deref() {
            Some("status") => merged["status"] = patch["status"].clone(),
            Some("resize") if self.without_resize => {
                return (StatusCode::NOT_FOUND, status(404, "NotFound"));
            }
            Some("resize") => resize(&mut merged, &patch),
            _ => merge(&mut merged, &patch),
        }
        if merged == present {
            return (StatusCode::OK, present);
        }
        (StatusCode::OK, self.put(place.key.clone(), merged))
    }

    /// Keeps an object, which gets a new version by that.
    pub(crate) fn put(&mut self, key: String, mut object: Value) -> Value {
        let version = self.events.len() + 1;
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = json!(format!("uid-{version}"));
        }
        let before = self.objects.insert(key.clone(), object.clone());
        let kind = if before.is_some() { "MODIFIED" } else { "ADDED" };
        self.tell(key, kind, object.clone());
        object
    }

    /// Removes an object, if there is such.
    pub(crate) fn remove(&mut self, key: &str) {
        if let Some(mut object) = self.objects.remove(key) {
            object["metadata"]["resourceVersion"] = json!((self.events.len() + 1).to_string());
            self.tell(key.to_owned(), "DELETED", object);
        }
    }

    fn tell(&mut self, key: String, kind: &'static str, object: Value) {
        self.events.push(Event { key, kind, object });
        if !self.silent {
            self.told.send_replace(self.events.len());
        }
    }
}

/// What a strategic merge does with the resources of containers, which go by their names.
fn resize(pod: &mut Value, patch: &Value) {
    let containers = patch["spec"]["containers"].as_array().unwrap();
    for present in pod["spec"]["containers"].as_array_mut().unwrap() {
        let new = containers
            .iter()
            .find(|container| container["name"] == present["name"]);
        if let Some(new) = new {
            present["resources"] = new["resources"].clone();
        }
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
