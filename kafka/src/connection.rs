//! How a Kafka cluster is reached: addresses, transport security and credentials.
//!
//! Secrets are never part of the settings, only the paths of the files that hold them, so that the settings can stand
//! in a ConfigMap and the files can be mounted and rotated. The names and values are Kafka's own (`security.protocol`,
//! `sasl.mechanism`).

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::Value;
use thiserror::Error;

use crate::settings::{Fields, Section, Setting, write_duration};

/// How to reach a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConnectionSettings {
    /// Where to ask first for the cluster's brokers; at least one.
    pub bootstrap: Vec<BootstrapAddress>,
    /// The name under which brokers log and meter this client.
    pub client_id: String,
    /// How long one call may take in all: connecting, looking up, retries.
    #[serde(serialize_with = "write_duration")]
    pub request_timeout: Duration,
    /// What protects the connection.
    pub security: Security,
}

/// A broker's address, `host:port`; an IPv6 address is in brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BootstrapAddress {
    host: Host,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Host {
    Name(String),
    V6(Ipv6Addr),
}

/// Text that is no `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no address of a broker, such as kafka-0.kafka:9092, 10.0.0.7:9092 or [fd00::7]:9092")]
pub struct InvalidAddress(String);

/// What protects the connection: Kafka's `security.protocol` with all that it needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "protocol")]
pub enum Security {
    /// Nothing does.
    #[default]
    #[serde(rename = "PLAINTEXT")]
    Plaintext,
    /// TLS; with an identity, mutual TLS.
    #[serde(rename = "SSL")]
    Ssl(Tls),
    /// A user and a password, readable by whoever can listen on the network.
    #[serde(rename = "SASL_PLAINTEXT")]
    SaslPlaintext(Sasl),
    /// A user and a password, protected by TLS.
    #[serde(rename = "SASL_SSL")]
    SaslSsl {
        /// The credentials.
        #[serde(flatten)]
        sasl: Sasl,
        /// The transport.
        #[serde(flatten)]
        tls: Tls,
    },
}

/// Whom TLS trusts and who this client is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tls {
    /// PEM file of the certificate authorities to trust, and no others; without it, the public ones of the Web.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The certificate by which this client proves who it is.
    #[serde(flatten)]
    pub identity: Option<TlsIdentity>,
}

/// A certificate and its key, by which a client or a server proves who it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TlsIdentity {
    /// PEM file of the certificate and its chain.
    pub cert_file: PathBuf,
    /// PEM file of the key, unencrypted.
    pub key_file: PathBuf,
}

/// A user, and where the password is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sasl {
    /// How the password is proven.
    pub mechanism: SaslMechanism,
    /// The user.
    pub user: String,
    /// The file with the password; a line end after it is not part of it.
    pub password_file: PathBuf,
}

/// Kafka's `sasl.mechanism`, those with a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum SaslMechanism {
    /// RFC 4616: the password itself is sent.
    #[serde(rename = "PLAIN")]
    Plain,
    /// RFC 5802 and 7677.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// RFC 5802 with SHA-512, as Kafka has it.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

impl ConnectionSettings {
    /// How long one call may take when nothing is said.
    pub const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
    /// The client id when none is said.
    pub const DEFAULT_CLIENT_ID: &str = "kafka-operator";

    /// A connection without security and with the defaults of everything else.
    pub fn plaintext(bootstrap: Vec<BootstrapAddress>) -> Self {
        Self {
            bootstrap,
            client_id: Self::DEFAULT_CLIENT_ID.to_owned(),
            request_timeout: Self::DEFAULT_REQUEST_TIMEOUT,
            security: Security::Plaintext,
        }
    }
}

impl Section for ConnectionSettings {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        const TIMEOUTS: std::ops::RangeInclusive<Duration> =
            Duration::from_secs(1)..=Duration::from_secs(300);
        let bootstrap = fields.list::<BootstrapAddress>("bootstrap").filter(|list| {
            if list.is_empty() {
                fields.problem("bootstrap", "names no broker; give at least one host:port");
            }
            !list.is_empty()
        });
        let client_id = fields.or("client_id", Self::DEFAULT_CLIENT_ID.to_owned());
        let client_id = client_id.filter(|id| {
            let fits = id.len() <= 249;
            if !fits {
                fields.problem("client_id", "is longer than 249 bytes");
            }
            fits
        });
        let request_timeout = fields.within("request_timeout", Self::DEFAULT_REQUEST_TIMEOUT, TIMEOUTS);
        let security = fields.section("security");
        Some(Self {
            bootstrap: bootstrap?,
            client_id: client_id?,
            request_timeout: request_timeout?,
            security: security?,
        })
    }
}

/// Kafka's names of what [`Security`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Plaintext,
    Ssl,
    SaslPlaintext,
    SaslSsl,
}

impl Setting for Protocol {
    fn read(value: &Value) -> Result<Self, String> {
        match value.as_str() {
            Some("PLAINTEXT") => Ok(Self::Plaintext),
            Some("SSL") => Ok(Self::Ssl),
            Some("SASL_PLAINTEXT") => Ok(Self::SaslPlaintext),
            Some("SASL_SSL") => Ok(Self::SaslSsl),
            _ => Err(format!(
                "{value} is no protocol; there are PLAINTEXT, SSL, SASL_PLAINTEXT and SASL_SSL"
            )),
        }
    }
}

impl Setting for SaslMechanism {
    fn read(value: &Value) -> Result<Self, String> {
        match value.as_str() {
            Some("PLAIN") => Ok(Self::Plain),
            Some("SCRAM-SHA-256") => Ok(Self::ScramSha256),
            Some("SCRAM-SHA-512") => Ok(Self::ScramSha512),
            _ => Err(format!(
                "{value} is no mechanism that is known here; there are PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512"
            )),
        }
    }
}

impl Section for Security {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        match fields.or("protocol", Protocol::Plaintext)? {
            Protocol::Plaintext => {
                refuse(fields, &SASL_FIELDS, "without SASL")?;
                refuse(fields, &TLS_FIELDS, "without TLS")?;
                Some(Self::Plaintext)
            }
            Protocol::Ssl => {
                refuse(fields, &SASL_FIELDS, "without SASL")?;
                Tls::read(fields).map(Self::Ssl)
            }
            Protocol::SaslPlaintext => {
                refuse(fields, &TLS_FIELDS, "without TLS")?;
                Sasl::read(fields).map(Self::SaslPlaintext)
            }
            Protocol::SaslSsl => {
                let (sasl, tls) = (Sasl::read(fields), Tls::read(fields));
                Some(Self::SaslSsl {
                    sasl: sasl?,
                    tls: tls?,
                })
            }
        }
    }
}

const SASL_FIELDS: [&str; 3] = ["mechanism", "user", "password_file"];
const TLS_FIELDS: [&str; 3] = ["ca_file", "cert_file", "key_file"];

/// Somebody who gives a certificate must not be left without TLS because the protocol was forgotten.
fn refuse(fields: &mut Fields<'_>, keys: &[&'static str], missing: &str) -> Option<()> {
    let mut unused = Some(());
    for &key in keys {
        if fields.optional::<String>(key) != Some(None) {
            fields.problem(key, format!("has no use {missing}; set `protocol`"));
            unused = None;
        }
    }
    unused
}

impl Section for Tls {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let ca_file = fields.optional("ca_file");
        let cert_file = fields.optional("cert_file");
        let key_file = fields.optional("key_file");
        let identity = match (cert_file?, key_file?) {
            (Some(cert_file), Some(key_file)) => Some(TlsIdentity { cert_file, key_file }),
            (None, None) => None,
            (Some(_), None) => {
                fields.problem("key_file", "is missing: the certificate is of no use without it");
                return None;
            }
            (None, Some(_)) => {
                fields.problem("cert_file", "is missing: the key is of no use without it");
                return None;
            }
        };
        Some(Self {
            ca_file: ca_file?,
            identity,
        })
    }
}

impl Section for TlsIdentity {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let cert_file = fields.required("cert_file");
        let key_file = fields.required("key_file");
        Some(Self {
            cert_file: cert_file?,
            key_file: key_file?,
        })
    }
}

impl Section for Sasl {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let mechanism = fields.required("mechanism");
        let user = fields.required("user");
        let password_file = fields.required("password_file");
        Some(Self {
            mechanism: mechanism?,
            user: user?,
            password_file: password_file?,
        })
    }
}

impl Setting for BootstrapAddress {
    fn read(value: &Value) -> Result<Self, String> {
        String::read(value)?
            .parse()
            .map_err(|error: InvalidAddress| error.to_string())
    }
}

impl FromStr for BootstrapAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let parse = || {
            let (host, port) = text.rsplit_once(':')?;
            let port = Some(port)
                .filter(|port| port.bytes().all(|c| c.is_ascii_digit()))
                .and_then(|port| port.parse().ok())
                .filter(|port| *port > 0)?;
            let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            let host = match bracketed {
                Some(address) => Host::V6(address.parse().ok()?),
                None if is_host_name(host) => Host::Name(host.to_owned()),
                None => return None,
            };
            Some(Self { host, port })
        };
        parse().ok_or_else(|| InvalidAddress(text.chars().take(300).collect()))
    }
}

/// Whether this can be a name in the DNS (RFC 1035, with the underscore that many resolvers take) or an IPv4 address.
fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
    };
    name.len() <= 253 && name.strip_suffix('.').unwrap_or(name).split('.').all(label)
}

impl fmt::Display for BootstrapAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Name(name) => write!(f, "{name}:{}", self.port),
            Host::V6(address) => write!(f, "[{address}]:{}", self.port),
        }
    }
}

impl Serialize for BootstrapAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{parse, to_yaml};

    fn read(text: &str) -> Result<ConnectionSettings, String> {
        parse(text, "test").map_err(|error| error.to_string())
    }

    fn every_kind_of_security() -> Vec<Security> {
        let tls = Tls {
            ca_file: Some("/etc/kafka/ca.pem".into()),
            identity: None,
        };
        let mutual = Tls {
            ca_file: None,
            identity: Some(TlsIdentity {
                cert_file: "/etc/kafka/tls.crt".into(),
                key_file: "/etc/kafka/tls.key".into(),
            }),
        };
        let sasl = |mechanism| Sasl {
            mechanism,
            user: "yes".to_owned(),
            password_file: "/etc/kafka/password".into(),
        };
        vec![
            Security::Plaintext,
            Security::Ssl(Tls::default()),
            Security::Ssl(tls.clone()),
            Security::Ssl(mutual.clone()),
            Security::SaslPlaintext(sasl(SaslMechanism::Plain)),
            Security::SaslPlaintext(sasl(SaslMechanism::ScramSha256)),
            Security::SaslSsl {
                sasl: sasl(SaslMechanism::ScramSha512),
                tls,
            },
            Security::SaslSsl {
                sasl: sasl(SaslMechanism::Plain),
                tls: mutual,
            },
        ]
    }

    #[test]
    fn what_is_written_is_read_back_as_the_same() {
        for security in every_kind_of_security() {
            let settings = ConnectionSettings {
                bootstrap: vec!["kafka-0:9092".parse().unwrap(), "[::1]:9093".parse().unwrap()],
                client_id: "balancer".to_owned(),
                request_timeout: Duration::from_millis(2500),
                security,
            };
            let yaml = to_yaml(&settings).unwrap();
            assert_eq!(read(&yaml), Ok(settings), "{yaml}");
        }
    }

    #[test]
    fn only_the_addresses_are_required() {
        let settings = read("bootstrap: [localhost:9092]").unwrap();
        let expected = ConnectionSettings::plaintext(vec!["localhost:9092".parse().unwrap()]);
        assert_eq!(settings, expected);
    }

    #[test]
    fn an_address_has_a_host_and_a_port_and_nothing_else() {
        for good in [
            "a:1",
            "kafka-0.kafka.svc.cluster.local:9092",
            "10.0.0.1:65535",
            "[fd00::7]:9092",
            "under_score:1",
            "rooted.:9",
        ] {
            assert_eq!(good.parse::<BootstrapAddress>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "a",
            ":9092",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a:9092,b:9092",
            "a b:1",
            "::1:9092",
            "[::1]",
            "[a]:1",
            "http://a:1",
            "a..b:1",
            "é:1",
        ] {
            assert!(bad.parse::<BootstrapAddress>().is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let message = read(
            "
bootstrap: [a:9092, nowhere]
request_timeout: 10m
security: {protocol: SASL_SSL, mechanism: GSSAPI, cert_file: /x, password_file: /p}
",
        )
        .unwrap_err();
        for part in [
            "bootstrap[1]: `nowhere` is no address",
            "request_timeout: 10m is not between 1s and 5m",
            "security.mechanism: \"GSSAPI\" is no mechanism",
            "security.user: is missing",
            "security.key_file: is missing",
        ] {
            assert!(message.contains(part), "{part:?} is not in:\n{message}");
        }
        let message = read("{}").unwrap_err();
        assert!(message.contains("bootstrap: names no broker"), "{message}");
    }

    #[test]
    fn a_certificate_or_password_is_never_silently_without_use() {
        for (security, part) in [
            ("{ca_file: /ca}", "security.ca_file: has no use without TLS"),
            ("{user: u}", "security.user: has no use without SASL"),
            (
                "{protocol: SSL, user: u}",
                "security.user: has no use without SASL",
            ),
            (
                "{protocol: SASL_PLAINTEXT, mechanism: PLAIN, user: u, password_file: /p, key_file: /k}",
                "security.key_file: has no use without TLS",
            ),
        ] {
            let message = read(&format!("bootstrap: ['a:1']\nsecurity: {security}")).unwrap_err();
            assert!(message.contains(part), "{part:?} is not in:\n{message}");
        }
    }
}
