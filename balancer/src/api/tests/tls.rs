//! TLS, from files that are written anew while it serves.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kafka::connection::TlsIdentity;
use kafka::error::with_causes;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use super::*;
use crate::client::{ClientError, Server, Token};

/// A folder with an authority's certificate, and one of this host that it signed.
struct Certified(TempDir);

impl Certified {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
        write("ca.pem", issuer.pem());
        write("tls.key", key.serialize_pem());
        write("tls.crt", certificate.pem());
        Self(folder)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn trusted(&self) -> Tls {
        Tls {
            ca_file: Some(self.file("ca.pem")),
            identity: None,
        }
    }

    fn take(&self, name: &str, from: &Self) {
        std::fs::copy(from.file(name), self.file(name)).unwrap();
    }
}

/// A new client, so that it makes a connection of its own.
fn client(url: &str, tls: &Tls, token_file: &Path) -> Server {
    let token = Token::File(token_file.to_owned());
    Server::new(url, tls, Some(token), Duration::from_secs(30)).unwrap()
}

#[tokio::test]
async fn over_tls_reading_and_acting_are_as_ever_and_the_certificate_is_renewed_without_a_restart() {
    let (log, _logging) = Log::start();
    let (files, next) = (Certified::new(), Certified::new());
    let identity = TlsIdentity {
        cert_file: files.file("tls.crt"),
        key_file: files.file("tls.key"),
    };
    let certificate = Certificate::read(identity, Duration::from_millis(10)).unwrap();
    let mut trouble = certificate.trouble();
    let first = files.trusted();
    let mut api = served(Some(certificate), LIMITS).await;
    let (url, token_file) = (api.url.clone(), api._folder.path().join("token"));
    let state = async |tls: &Tls| client(&url, tls, &token_file).state().await;

    assert_eq!(state(&first).await.unwrap().phase, Phase::Starting);
    let stranger = state(&next.trusted()).await.unwrap_err();
    assert!(
        matches!(&stranger, ClientError::Unreachable { source, .. } if with_causes(source).contains("certificate")),
        "{stranger}"
    );
    let plain = url.replace("https", "http");
    assert!(client(&plain, &first, &token_file).state().await.is_err());
    let answered = async {
        let command = api.actions.recv().await.unwrap();
        command.answer.send(Ok("Done.".to_owned())).unwrap();
    };
    let acting = client(&url, &first, &token_file);
    let (done, ()) = tokio::join!(acting.drain(&[]), answered);
    assert_eq!(done.unwrap(), "Done.");

    // Half a key, then one that does not go with the certificate: the last pair is kept, and that is told once.
    let key = std::fs::read_to_string(files.file("tls.key")).unwrap();
    std::fs::write(files.file("tls.key"), &key[..key.len() / 2]).unwrap();
    let told = trouble.wait_for(Option::is_some).await.unwrap().clone().unwrap();
    assert!(told.contains("tls.key holds no private key"), "{told}");
    state(&first).await.unwrap();
    files.take("tls.key", &next);
    let mismatched = |told: &Option<String>| told.as_ref().is_some_and(|told| told.contains("together"));
    trouble.wait_for(mismatched).await.unwrap();
    state(&first).await.unwrap();
    assert_eq!(log.text().matches("the last certificate is kept").count(), 1);
    let secret = key.lines().nth(1).unwrap();
    assert!(!log.text().contains(secret), "a key is in the log");

    files.take("tls.crt", &next);
    trouble.wait_for(Option::is_none).await.unwrap();
    state(&next.trusted()).await.unwrap();
    assert!(state(&first).await.is_err(), "the old certificate is still shown");
}
