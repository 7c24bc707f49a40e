//! The page for people, at `/`: static files that are part of the program. They load nothing from elsewhere.

use std::future::ready;
use std::hash::{DefaultHasher, Hash, Hasher};

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// Nothing but these files and this API. What data says is never taken for HTML or script.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A file of the page.
#[derive(Debug, Clone, Copy)]
struct File {
    path: &'static str,
    kind: &'static str,
    content: &'static str,
}

macro_rules! files {
    ($($path:literal $name:literal $kind:ident),* $(,)?) => {
        [$(File { path: $path, kind: $kind, content: include_str!(concat!("page/", $name)) }),*]
    };
}

const FILES: [File; 17] = files![
    "/" "index.html" HTML,
    "/page/icon.svg" "icon.svg" SVG,
    "/page/page.css" "page.css" CSS,
    "/page/parts.css" "parts.css" CSS,
    "/page/page.js" "page.js" SCRIPT,
    "/page/stream.js" "stream.js" SCRIPT,
    "/page/dom.js" "dom.js" SCRIPT,
    "/page/words.js" "words.js" SCRIPT,
    "/page/summary.js" "summary.js" SCRIPT,
    "/page/hot.js" "hot.js" SCRIPT,
    "/page/plan.js" "plan.js" SCRIPT,
    "/page/strip.js" "strip.js" SCRIPT,
    "/page/brokers.js" "brokers.js" SCRIPT,
    "/page/partitions.js" "partitions.js" SCRIPT,
    "/page/history.js" "history.js" SCRIPT,
    "/page/orders.js" "orders.js" SCRIPT,
    "/page/dialog.js" "dialog.js" SCRIPT,
];

/// The page and what belongs to it.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.into_iter().fold(Router::new(), |router, file| {
        let entity_tag = entity_tag(file.content);
        router.route(
            file.path,
            get(move |headers: HeaderMap| ready(answer(&file, &entity_tag, &headers))),
        )
    })
}

/// The same content has the same tag within one build of the program, and the browser asks each time.
fn entity_tag(content: &str) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("W/\"{:016x}\"", hasher.finish())
}

fn answer(file: &File, entity_tag: &str, asked: &HeaderMap) -> Response {
    let known = asked
        .get(header::IF_NONE_MATCH)
        .and_then(|tags| tags.to_str().ok());
    let is_known = known.is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == entity_tag));
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        file.content.into_response()
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, file.kind),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(tag) = HeaderValue::from_str(entity_tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}
