//! TLS, to the agent and from readers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::agent::{Agent, Manner};
use crate::broker::{config, start};
use crate::stub::{Mood, Stub, serve_within};
use kafka::connection::{Tls, TlsIdentity};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::Method;
use reqwest::header::HeaderMap;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use sidecar::broker;
use sidecar::clock::Clock;
use sidecar::config::Credentials;
use sidecar::http_client::{self, HttpClient, HttpError};
use sidecar::jolokia::Jolokia;
use sidecar::server::{Certificate, Limits};
use sidecar::tls::{TlsError, server_config};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// A folder with an authority's certificate and one of this host that the authority signed.
pub(crate) struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        let authority = Self { folder, issuer };
        authority.sign();
        authority
    }

    /// Writes a new certificate in the place of the last one.
    fn sign(&self) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.file("tls.crt"), certificate.pem()).unwrap();
        std::fs::write(self.file("tls.key"), key.serialize_pem()).unwrap();
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn identity(&self) -> TlsIdentity {
        TlsIdentity {
            cert_file: self.file("tls.crt"),
            key_file: self.file("tls.key"),
        }
    }

    pub(crate) fn trusted(&self) -> Tls {
        Tls {
            ca_file: Some(self.file("ca.pem")),
            identity: None,
        }
    }

    /// Of a server that talks only to those whom the authority knows.
    fn demanding_acceptor(&self) -> TlsAcceptor {
        let provider = Arc::new(ring::default_provider());
        let mut known = RootCertStore::empty();
        known.add(self.issuer.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(known), Arc::clone(&provider));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(
                vec![CertificateDer::from_pem_file(self.file("tls.crt")).unwrap()],
                PrivateKeyDer::from_pem_file(self.file("tls.key")).unwrap(),
            );
        TlsAcceptor::from(Arc::new(config.unwrap()))
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::new(server_config(&self.identity()).unwrap()))
    }
}

#[tokio::test]
async fn an_agent_is_read_over_tls_with_the_right_authority_and_the_password_of_the_moment() {
    let authority = Authority::new();
    let mut agent = Agent::open_with(Manner::Honest, Some(authority.acceptor())).await;
    agent.asks_for("Basic c2lkZWNhcjpnZWhlaW0="); // sidecar:geheim
    std::fs::write(authority.file("password"), "wrong\n").unwrap();
    std::fs::write(
        authority.file("other.pem"),
        std::fs::read(Authority::new().file("ca.pem")).unwrap(),
    )
    .unwrap();
    agent.config.credentials = Some(Credentials {
        user: "sidecar".to_owned(),
        password_file: authority.file("password"),
    });
    agent.config.tls.ca_file = Some(authority.file("other.pem"));
    let mut config = config();
    config.jolokia = Some(agent.config.clone());
    let sidecar = start(config, &Stub::new(Mood::Answering)).await;
    let failed = |kind| format!("errors_total{{source=\"jolokia\",kind=\"{kind}\"}}");
    sidecar
        .get_until("/metrics", |_, metrics| metrics.contains(&failed("tls")))
        .await;
    let said = sidecar.get("/readyz").await.1;
    assert!(
        said.contains("no TLS connection can be made") && said.contains("invalid peer certificate"),
        "{said}"
    );
    std::fs::copy(authority.file("ca.pem"), authority.file("other.pem")).unwrap();
    sidecar
        .get_until("/metrics", |_, metrics| {
            metrics.contains(&failed("authentication"))
        })
        .await;
    std::fs::write(authority.file("password"), "geheim\n").unwrap();
    let up = "source_up{source=\"jolokia\"} 1\n";
    sidecar
        .get_until("/metrics", |_, metrics| metrics.contains(up))
        .await;
}

#[tokio::test]
async fn an_agent_that_asks_for_a_certificate_is_shown_it() {
    let authority = Authority::new();
    let agent = Agent::open_with(Manner::Honest, Some(authority.demanding_acceptor())).await;
    let mut config = agent.config.clone();
    config.tls = authority.trusted();
    let refused = Jolokia::new(&config).read(&[]).await.unwrap_err();
    assert_eq!(refused.kind(), "tls", "{refused:?}");
    config.tls.identity = Some(authority.identity());
    Jolokia::new(&config).read(&[]).await.unwrap();
}

#[tokio::test]
async fn readers_come_over_tls_see_a_renewed_certificate_and_are_not_kept_by_one_who_does_not_speak_it() {
    let authority = Authority::new();
    let stop = CancellationToken::new();
    let cluster = Stub::new(Mood::Answering);
    let sampling = broker::start(config(), Some(cluster), Clock::start(), stop.clone()).unwrap();
    let certificate = Certificate::read(authority.identity(), Duration::from_millis(10)).unwrap();
    let limits = Limits::default();
    let sidecar = serve_within(sampling, Some(certificate), limits, stop).await;
    let _silent = tokio::net::TcpStream::connect(sidecar.address).await.unwrap();
    let reader = |tls| {
        let url = format!("https://{}/livez", sidecar.address).parse().unwrap();
        HttpClient::new(url, tls, Duration::from_secs(30), 1024)
    };
    let ask = async |tls| reader(tls).ask(Method::GET, HeaderMap::new(), Vec::new()).await;
    assert_eq!(ask(authority.trusted()).await.unwrap().body, b"alive\n");
    let stranger = ask(Tls::default()).await;
    assert!(matches!(stranger, Err(HttpError::Handshake(_))), "{stranger:?}");
    let plain = http_client::client(&Tls::default(), |builder| builder).unwrap();
    let unprotected = plain.get(format!("http://{}/livez", sidecar.address));
    assert!(unprotected.send().await.is_err());

    // Of another authority from now on.
    let next = Authority::new();
    for file in ["tls.key", "tls.crt"] {
        std::fs::copy(next.file(file), authority.file(file)).unwrap();
    }
    while ask(next.trusted()).await.is_err() {}
}

#[test]
fn files_that_cannot_be_used_are_named_and_not_quoted() {
    let authority = Authority::new();
    let refused = || server_config(&authority.identity()).unwrap_err();
    let key = std::fs::read_to_string(authority.file("tls.key")).unwrap();
    std::fs::write(authority.file("tls.key"), key.replace('\n', "")).unwrap();
    let error = refused();
    assert!(
        matches!(
            error,
            TlsError::NotPem {
                what: "private key",
                ..
            }
        ),
        "{error:?}"
    );
    assert!(!format!("{error:?}").contains("MII"), "{error:?}");
    std::fs::copy(Authority::new().file("tls.key"), authority.file("tls.key")).unwrap();
    assert!(matches!(refused(), TlsError::Identity { .. }), "{:?}", refused());
    std::fs::write(authority.file("tls.crt"), vec![b'x'; 2 * 1024 * 1024]).unwrap();
    assert!(matches!(refused(), TlsError::TooLarge { .. }), "{:?}", refused());
    std::fs::remove_file(authority.file("tls.crt")).unwrap();
    assert!(
        refused().to_string().contains("tls.crt cannot be read"),
        "{}",
        refused()
    );
}
