//! The Jolokia agent as this repository says to run it: who may ask, and for what.

use std::error::Error;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use e2e::{BrokerSpec, Layout, LocalKafka, Service};
use kafka::connection::Tls;
use sidecar::config::{Credentials, LogSource};
use sidecar::jolokia::{Jolokia, JolokiaError};
use sidecar::report::{LoadReport, Source};
use tempfile::TempDir;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const PASSWORD: &str = "corr3ct horse";

fn layout() -> Layout {
    Layout {
        brokers: vec![BrokerSpec::default()],
        ..Layout::default()
    }
}

#[tokio::test]
async fn the_policy_lets_attributes_be_read_by_post_from_this_host_and_nothing_else() -> Outcome {
    let kafka = LocalKafka::start(layout()).await?;
    let url = kafka.jolokia_url(0)?;
    let http = e2e::http::client()?;
    for (request, status) in [
        (
            r#"{"type":"read","mbean":"java.lang:type=Runtime","attribute":"StartTime"}"#,
            200,
        ),
        (r#"{"type":"search","mbean":"kafka.server:*"}"#, 200),
        (r#"{"type":"version"}"#, 200),
        (
            r#"{"type":"exec","mbean":"java.lang:type=Memory","operation":"gc"}"#,
            403,
        ),
        (
            r#"{"type":"write","mbean":"java.lang:type=Memory","attribute":"Verbose","value":true}"#,
            403,
        ),
        (r#"{"type":"list"}"#, 403),
        (
            r#"{"type":"read","mbean":"java.lang:type=Runtime","attribute":"SystemProperties"}"#,
            403,
        ),
    ] {
        let answer = http.post(&url).body(request).send().await?.text().await?;
        assert!(
            answer.contains(&format!("\"status\":{status}")),
            "{request}: {answer}"
        );
    }
    // Its version an agent tells everybody.
    let by_get = http.get(format!("{url}read/java.lang:type=Runtime/StartTime"));
    let answer = by_get.send().await?.text().await?;
    assert!(answer.contains("\"status\":403"), "{answer}");

    // An agent that listens at all addresses would be found at this one too.
    let port = reqwest::Url::parse(&url)?.port().ok_or("no port")?;
    assert!(TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).is_ok());
    assert!(TcpStream::connect(SocketAddr::from(([127, 0, 0, 2], port))).is_err());
    Ok(())
}

#[tokio::test]
async fn an_agent_with_a_certificate_and_a_password_is_read_by_who_trusts_the_one_and_has_the_other()
-> Outcome {
    let folder = tempfile::tempdir()?;
    let store = certificate(&folder)?;
    let password_file = folder.path().join("password");
    std::fs::write(&password_file, PASSWORD)?;
    let options = [
        "protocol=https".to_owned(),
        format!("keystore={store}"),
        "keystorePassword=changeit".to_owned(),
        "user=sidecar".to_owned(),
        format!("password={PASSWORD}"),
    ];
    let kafka = LocalKafka::start(Layout {
        jolokia_options: options.into(),
        ..layout()
    })
    .await?;
    let mut config = None;
    let mut sidecar = Service::sidecar_with(&kafka, 0, Duration::from_secs(1), None, |adjusted| {
        adjusted.logs = LogSource::Jolokia;
        if let Some(jolokia) = &mut adjusted.jolokia {
            jolokia.tls = Tls {
                ca_file: Some(folder.path().join("agent.pem")),
                identity: None,
            };
            jolokia.credentials = Some(Credentials {
                user: "sidecar".to_owned(),
                password_file: password_file.clone(),
            });
        }
        config.clone_from(&adjusted.jolokia);
    })?;
    sidecar.ready().await?;
    let report: LoadReport = sidecar.get("/v1/load").await?;
    assert!(report.sources[&Source::Jolokia].up, "{:?}", report.sources);

    let config = config.ok_or("the sidecar has no agent")?;
    std::fs::write(&password_file, "of last week")?;
    let refused = Jolokia::new(&config).read(&[]).await;
    assert!(
        matches!(refused, Err(JolokiaError::Unauthenticated)),
        "{refused:?}"
    );
    let mut stranger = config;
    stranger.tls = Tls::default();
    let refused = Jolokia::new(&stranger).read(&[]).await;
    assert!(
        matches!(&refused, Err(error) if error.kind() == "tls"),
        "{refused:?}"
    );
    Ok(())
}

/// Writes `agent.pem`, a certificate of this host, and returns the store that the agent has it in.
fn certificate(folder: &TempDir) -> Outcome<String> {
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (pem, key, store) = (path("agent.pem"), path("agent.key"), path("agent.p12"));
    let subject = "/CN=127.0.0.1";
    let names = "subjectAltName=IP:127.0.0.1";
    openssl(&[
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        subject,
        "-addext",
        names,
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-keyout",
        &key,
        "-out",
        &pem,
    ])?;
    openssl(&[
        "pkcs12",
        "-export",
        "-in",
        &pem,
        "-inkey",
        &key,
        "-out",
        &store,
        "-passout",
        "pass:changeit",
    ])?;
    Ok(store)
}

fn openssl(arguments: &[&str]) -> Outcome {
    let output = Command::new("openssl").args(arguments).output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
    }
}
