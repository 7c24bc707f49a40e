//! `GET /v1/events`: each new view as a server-sent event, encoded once for all who listen.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State as AxumState;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use serde::Serialize;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use super::body::Failure;
use super::digest::{self, Event};
use super::routes::{Shared, failure};
use super::view::View;

/// Pages that may be open at a time.
const MOST_STREAMS: usize = 64;

/// A comment goes out so long after the event before, so that nothing between browser and balancer takes the stream for
/// dead, and a reader that has gone is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// How long a browser waits before it connects again, in milliseconds.
const RETRY: &[u8] = b"retry: 2000\n\n";

/// What a browser reads over.
const COMMENT: &[u8] = b":\n\n";

/// What ends an event.
const END: &[u8] = b"\ndata: }\n\n";

/// Why there is no stream.
#[derive(Debug, Error)]
enum NoStream {
    #[error(
        "{MOST_STREAMS} pages of this balancer are open, which is the most at a time; close one, or ask `/v1/state` from time \
         to time"
    )]
    TooMany,
    #[error("what the balancer sees cannot be written as an event: {0}")]
    Encoding(#[from] serde_json::Error),
}

/// What all streams share.
#[derive(Debug)]
pub(super) struct Feed {
    view: watch::Receiver<Arc<View>>,
    encoded: Mutex<Option<(Arc<View>, Arc<Encoded>)>>,
    places: Arc<Semaphore>,
}

/// The parts of an event. Brokers and history keep their edition while they are the same.
#[derive(Debug, Default)]
struct Encoded {
    now: Part,
    brokers: Part,
    history: Part,
}

/// Some lines of an event.
#[derive(Debug, Clone, Default)]
struct Part {
    edition: u64,
    lines: Bytes,
}

impl Feed {
    pub(super) fn new(view: watch::Receiver<Arc<View>>) -> Self {
        Self {
            view,
            encoded: Mutex::new(None),
            places: Arc::new(Semaphore::new(MOST_STREAMS)),
        }
    }

    /// The latest view, encoded by whoever asks first.
    fn latest(&self) -> Result<Arc<Encoded>, serde_json::Error> {
        let mut known = self.encoded.lock().unwrap_or_else(PoisonError::into_inner);
        let view = Arc::clone(&self.view.borrow());
        if let Some((of, encoded)) = &*known
            && Arc::ptr_eq(of, &view)
        {
            return Ok(Arc::clone(encoded));
        }
        let nothing = Encoded::default();
        let before = known.as_ref().map_or(&nothing, |(_, encoded)| encoded);
        let encoded = Arc::new(Encoded::new(&view, before)?);
        *known = Some((view, Arc::clone(&encoded)));
        Ok(encoded)
    }
}

impl Encoded {
    fn new(view: &View, before: &Self) -> Result<Self, serde_json::Error> {
        // The parts that come after stand in the same object.
        let mut now = lines("event: view\ndata: ", &digest::now(view))?;
        now.truncate(now.len() - 1);
        let brokers = lines("\ndata: ,\"brokers\":", &digest::brokers(&view.brokers))?;
        let history = lines("\ndata: ,\"history\":", &digest::history(&view.history))?;
        Ok(Self {
            // Each view is an event, be it only to say that there is nothing new.
            now: Part {
                edition: before.now.edition + 1,
                lines: now.into(),
            },
            brokers: before.brokers.next(brokers),
            history: before.history.next(history),
        })
    }

    fn editions(&self) -> Editions {
        Editions {
            now: self.now.edition,
            brokers: self.brokers.edition,
            history: self.history.edition,
        }
    }
}

impl Part {
    fn next(&self, lines: Vec<u8>) -> Self {
        if self.lines == lines {
            return self.clone();
        }
        Self {
            edition: self.edition + 1,
            lines: lines.into(),
        }
    }
}

/// A value as JSON, which has no line breaks, after the beginning of its line.
fn lines(beginning: &str, value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut lines = beginning.as_bytes().to_vec();
    serde_json::to_writer(&mut lines, value)?;
    Ok(lines)
}

/// The editions of an event's parts; the first one of each is 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Editions {
    now: u64,
    brokers: u64,
    history: u64,
}

/// What one stream remembers.
struct Listener {
    feed: Arc<Feed>,
    view: watch::Receiver<Arc<View>>,
    sent: Editions,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    /// What goes out next; none when the balancer ends.
    async fn next(&mut self) -> Option<Vec<Bytes>> {
        if self.sent == Editions::default() {
            let retry = vec![Bytes::from_static(RETRY)];
            return Some([retry, self.event()?].concat());
        }
        loop {
            match timeout(KEEP_ALIVE, self.view.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return None,
                Err(_) => return Some(vec![Bytes::from_static(COMMENT)]),
            }
            let event = self.event()?;
            if !event.is_empty() {
                return Some(event);
            }
        }
    }

    /// The latest view, without what this stream has sent already; empty when that is all of it.
    fn event(&mut self) -> Option<Vec<Bytes>> {
        self.view.mark_unchanged();
        let encoded = match self.feed.latest() {
            Ok(encoded) => encoded,
            Err(error) => {
                tracing::error!(error = %NoStream::from(error), "A page's stream ends.");
                return None;
            }
        };
        let latest = encoded.editions();
        let sent = std::mem::replace(&mut self.sent, latest);
        if sent == latest {
            return Some(Vec::new());
        }
        let mut event = vec![encoded.now.lines.clone()];
        event.extend((sent.brokers != latest.brokers).then(|| encoded.brokers.lines.clone()));
        event.extend((sent.history != latest.history).then(|| encoded.history.lines.clone()));
        event.push(Bytes::from_static(END));
        Some(event)
    }
}

/// Each new view as a server-sent event, and the latest at once. A reader that is slow misses views, never the latest.
#[utoipa::path(get, path = "/v1/events", responses((status = 200, body = Event, content_type = "text/event-stream"), (status = 503, body = Failure)))]
pub(super) async fn events(AxumState(shared): AxumState<Shared>) -> Response {
    let feed = shared.feed();
    let Ok(place) = Arc::clone(&feed.places).try_acquire_owned() else {
        return failure(StatusCode::SERVICE_UNAVAILABLE, &NoStream::TooMany);
    };
    let listener = Listener {
        view: feed.view.clone(),
        feed,
        sent: Editions::default(),
        _place: place,
    };
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // Some proxies keep back what they have not been told to pass on.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(chunks(listener))).into_response()
}

fn chunks(listener: Listener) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let events = stream::unfold(listener, async |mut listener| {
        let event = listener.next().await?;
        Some((stream::iter(event), listener))
    });
    events.flatten().map(Ok)
}
