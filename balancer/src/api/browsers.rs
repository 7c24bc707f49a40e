//! What browsers may be made to ask, and to do with answers.
//!
//! A page of any site can have its visitor's browser send requests to wherever that browser reaches. What it cannot do is
//! send the token, which it does not know and which no form sends; nor read answers, since no answer allows other sites to.
//! Two gaps are left, and closed here.
//!
//! Rebinding: a site whose name is made to resolve to this machine's address is the same site to the browser, and could read
//! everything that reading without a token shows. Such requests say the site's name in `Host`. Who listens on loopback only, as
//! is the default, wants to be reached from this machine only, so that only addresses and `localhost` are right there, and
//! names that the configuration lists. Elsewhere the names by which a balancer is reached (Services, ingresses, tunnels)
//! cannot be known; they are checked where `hosts` lists them.
//!
//! A page that somehow has the token: a browser says of a request that acts from which page it comes, and that page must be
//! this server's.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use thiserror::Error;

use super::routes::failure;
use crate::config::HostName;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// By which names the API may be asked. Addresses and `localhost` are always right: no site can have them for a name.
#[derive(Debug, Clone, Default)]
pub struct Hosts {
    /// The only ones beside those; any where there is none.
    only: Option<Arc<[HostName]>>,
}

/// A request that was sent to another name.
#[derive(Debug, Error)]
#[error(
    "this balancer may not be asked by the name {0}; ask by its address or as localhost, or add the name to `hosts` in its \
     configuration"
)]
struct OtherHost(String);

/// A request that a page of another site has a browser send.
#[derive(Debug, Error)]
#[error(
    "this action comes from a page of another site ({0}), and may come from this server's own only; a proxy in between has to \
     leave `Host` as it is"
)]
pub(super) struct ForeignPage(String);

impl Hosts {
    /// The names for a balancer that listens there, with those that its configuration lists.
    pub fn new(listen: SocketAddr, listed: &[HostName]) -> Self {
        let is_open = listed.is_empty() && !listen.ip().is_loopback();
        Self {
            only: (!is_open).then(|| listed.into()),
        }
    }

    fn allow(&self, host: &str) -> bool {
        let Some(only) = &self.only else { return true };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        address.parse::<IpAddr>().is_ok()
            || host == "localhost"
            || host.ends_with(".localhost")
            || only.iter().any(|name| name.as_str() == host)
    }

    fn check(&self, headers: &HeaderMap) -> Result<(), OtherHost> {
        // Every browser says it; what says none, such as a probe, is no browser.
        for said in headers.get_all(header::HOST) {
            let authority = said.to_str().ok().and_then(|said| said.parse::<Authority>().ok());
            if !authority.is_some_and(|authority| self.allow(authority.host())) {
                return Err(OtherHost(shown(said)));
            }
        }
        Ok(())
    }
}

/// Lets requests through that were sent to a name of this balancer.
pub(super) async fn check_host(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    match hosts.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(other) => failure(StatusCode::MISDIRECTED_REQUEST, &other),
    }
}

/// Tells requests of programs and of this server's own page from those of others. `same-site` is another one too: a server on
/// another port of this machine.
///
/// # Errors
///
/// A browser says that it comes from another page.
pub(super) fn of_own_page(headers: &HeaderMap) -> Result<(), ForeignPage> {
    if let Some(site) = headers.get(SEC_FETCH_SITE)
        && site != "same-origin"
        && site != "none"
    {
        return Err(ForeignPage(shown(site)));
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let text = |value: &HeaderValue| value.to_str().map(str::to_ascii_lowercase).ok();
    let of_page = text(origin);
    let of_page = of_page.as_deref().and_then(|origin| origin.split_once("://"));
    let own = headers.get(header::HOST).and_then(text);
    match (of_page, own) {
        (Some((_, page)), Some(own)) if page == own => Ok(()),
        _ => Err(ForeignPage(shown(origin))),
    }
}

/// Answers are what they say that they are, stay out of caches, and are of no use within pages of other sites. What a page says
/// of itself is left as it is.
pub(super) async fn guard(mut response: Response) -> Response {
    const GUARDS: [(HeaderName, &str); 5] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in GUARDS {
        let guard = response.headers_mut().entry(name);
        guard.or_insert(HeaderValue::from_static(value));
    }
    response
}

/// A header as a message quotes it.
fn shown(value: &HeaderValue) -> String {
    const SHOWN: usize = 100;
    let text = String::from_utf8_lossy(value.as_bytes());
    text.chars().take(SHOWN).collect()
}
