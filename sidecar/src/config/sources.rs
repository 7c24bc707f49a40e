//! Where a sidecar asks over HTTP, and how it proves itself there.

use std::path::PathBuf;
use std::time::Duration;

use kafka::connection::Tls;
use kafka::settings::{Fields, Section, Setting, write_duration};
use serde::{Serialize, Serializer};
use serde_json::Value;
use url::{Host, Url};

const MIN_TIMEOUT: Duration = Duration::from_millis(100);
const MAX_TIMEOUT: Duration = Duration::from_secs(60);

/// Who the client says it is, by basic authentication (RFC 7617).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Credentials {
    /// The user; no colon is in it.
    pub user: String,
    /// The file with the password, read afresh for each request so that it can be rotated; a line end after it is not part
    /// of it.
    pub password_file: PathBuf,
}

/// How a Jolokia agent is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JolokiaConfig {
    /// Such as `http://127.0.0.1:8778/jolokia/`.
    pub url: HttpUrl,
    /// Whom the client trusts and who it is, where the address says `https`.
    #[serde(skip_serializing_if = "is_default")]
    pub tls: Tls,
    /// The user and the password file of its basic authentication.
    #[serde(flatten)]
    pub credentials: Option<Credentials>,
    /// How long one answer may take; never longer than the interval.
    #[serde(serialize_with = "write_duration")]
    pub timeout: Duration,
}

/// Where consumption is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConsumptionConfig {
    /// Such as `http://kafka-offsets:9404/v1/consumption`.
    pub url: HttpUrl,
    /// Whom the client trusts and who it is, where the address says `https`.
    #[serde(skip_serializing_if = "is_default")]
    pub tls: Tls,
    /// How long one answer may take; never longer than the interval.
    #[serde(serialize_with = "write_duration")]
    pub timeout: Duration,
}

/// An `http://` or `https://` address without credentials in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl(Url);

impl HttpUrl {
    /// The address.
    pub fn url(&self) -> &Url {
        &self.0
    }

    fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }

    /// Whether what is sent there stays on this host.
    fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        }
    }
}

impl std::str::FromStr for HttpUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // It is not quoted then: this ends in logs.
        if text.contains('@') {
            return Err("credentials do not belong into an address; there is `password_file`".to_owned());
        }
        match Url::parse(text) {
            Ok(url) if ["http", "https"].contains(&url.scheme()) && url.has_host() => Ok(Self(url)),
            _ => Err(format!(
                "`{text}` is no address such as http://127.0.0.1:8778/jolokia/"
            )),
        }
    }
}

impl Serialize for HttpUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl Setting for HttpUrl {
    fn read(value: &Value) -> Result<Self, String> {
        String::read(value)?.parse()
    }
}

impl JolokiaConfig {
    /// How long an answer may take unless said otherwise.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(4);

    /// An agent without authentication.
    pub fn new(url: HttpUrl) -> Self {
        Self {
            url,
            tls: Tls::default(),
            credentials: None,
            timeout: Self::DEFAULT_TIMEOUT,
        }
    }
}

impl ConsumptionConfig {
    /// How long an answer may take unless said otherwise.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);

    /// The defaults of everything but the address.
    pub fn new(url: HttpUrl) -> Self {
        Self {
            url,
            tls: Tls::default(),
            timeout: Self::DEFAULT_TIMEOUT,
        }
    }
}

impl Section for JolokiaConfig {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let (url, tls) = read_address(fields);
        let credentials = read_credentials(fields);
        if let (Some(url), Some(Some(_))) = (&url, &credentials)
            && url.is_plain()
            && !url.is_loopback()
        {
            fields.problem(
                "url",
                "would carry the password over the network for all to read; use https, or an address of this host",
            );
        }
        let timeout = fields.within("timeout", Self::DEFAULT_TIMEOUT, MIN_TIMEOUT..=MAX_TIMEOUT);
        Some(Self {
            url: url?,
            tls: tls?,
            credentials: credentials?,
            timeout: timeout?,
        })
    }
}

impl Section for ConsumptionConfig {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let (url, tls) = read_address(fields);
        let timeout = fields.within("timeout", Self::DEFAULT_TIMEOUT, MIN_TIMEOUT..=MAX_TIMEOUT);
        Some(Self {
            url: url?,
            tls: tls?,
            timeout: timeout?,
        })
    }
}

/// Somebody who gives a certificate must not be left without TLS because of a letter.
fn read_address(fields: &mut Fields<'_>) -> (Option<HttpUrl>, Option<Tls>) {
    let url: Option<HttpUrl> = fields.required("url");
    let tls = fields.section("tls");
    if let (Some(url), Some(tls)) = (&url, &tls)
        && url.is_plain()
        && !is_default(tls)
    {
        fields.problem("tls", "has no use with an address that is not https");
    }
    (url, tls)
}

fn read_credentials(fields: &mut Fields<'_>) -> Option<Option<Credentials>> {
    let user: Option<String> = fields.optional("user")?;
    let password_file: Option<PathBuf> = fields.optional("password_file")?;
    match (user, password_file) {
        (None, None) => Some(None),
        (Some(user), Some(_)) if user.contains([':', '\n', '\r']) => {
            fields.problem(
                "user",
                "has a colon or a line end, which basic authentication does not know",
            );
            None
        }
        (Some(user), Some(password_file)) => Some(Some(Credentials { user, password_file })),
        _ => {
            fields.problem(
                "user",
                "`user` and `password_file` belong together; give both or neither",
            );
            None
        }
    }
}

fn is_default(tls: &Tls) -> bool {
    *tls == Tls::default()
}

#[cfg(test)]
mod tests {
    use kafka::settings::parse;

    use super::*;

    fn problems(text: &str) -> String {
        match parse::<JolokiaConfig>(text, "x") {
            Ok(_) => "none".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_password_goes_over_tls_or_stays_on_this_host() {
        let with_password = |url: &str| problems(&format!("{{url: '{url}', user: a, password_file: /p}}"));
        for url in [
            "https://kafka-0:8778/jolokia/",
            "http://127.0.0.1:8778/jolokia/",
            "http://[::1]:8778/jolokia/",
            "http://localhost:8778/jolokia/",
        ] {
            assert_eq!(with_password(url), "none", "{url}");
        }
        for url in [
            "http://kafka-0:8778/jolokia/",
            "http://10.0.0.7/",
            "http://localhost.evil.example/",
        ] {
            let said = with_password(url);
            assert!(
                said.contains("url: would carry the password over the network"),
                "{url}: {said}"
            );
        }
        assert_eq!(problems("{url: 'http://kafka-0:8778/jolokia/'}"), "none");
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        for (text, part) in [
            (
                "{url: 'http://x/', tls: {ca_file: /ca}}",
                "tls: has no use with an address that is not https",
            ),
            (
                "{url: 'https://x/', tls: {key_file: /k}}",
                "tls.cert_file: is missing",
            ),
            (
                "{url: 'https://x/', user: 'a:b', password_file: /p}",
                "user: has a colon",
            ),
        ] {
            let said = problems(text);
            assert!(said.contains(part), "{part:?} is not in:\n{said}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_refused_without_being_repeated() {
        let said = problems("{url: 'http://sidecar:geheim@127.0.0.1/'}");
        assert!(
            said.contains("credentials do not belong into an address") && !said.contains("geheim"),
            "{said}"
        );
    }
}
