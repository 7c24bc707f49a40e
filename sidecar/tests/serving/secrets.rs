//! Secrets are in their files and nowhere else.

use std::io;
use std::sync::{Arc, Mutex};

use crate::agent::{Agent, Manner};
use crate::broker::{config, start};
use crate::stub::{Mood, Stub};
use crate::tls::Authority;
use kafka::settings::to_yaml;
use sidecar::config::Credentials;
use sidecar::jolokia::Jolokia;

const PASSWORD: &str = "corr3ct h0rse";
/// `sidecar:` and the password, as basic authentication has them.
const ENCODED: &str = "c2lkZWNhcjpjb3JyM2N0IGgwcnNl";

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_password_is_in_no_log_no_error_no_debug_output_and_nothing_that_is_served() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .init();
    let authority = Authority::new();
    std::fs::write(authority.file("password"), PASSWORD).unwrap();
    let mut agent = Agent::open_with(Manner::Honest, Some(authority.acceptor())).await;
    agent.asks_for(ENCODED);
    agent.config.tls = authority.trusted();
    agent.config.credentials = Some(Credentials {
        user: "sidecar".to_owned(),
        password_file: authority.file("password"),
    });
    let mut config = config();
    config.jolokia = Some(agent.config.clone());
    let mut seen = vec![format!("{config:?}"), to_yaml(&config).unwrap()];
    let sidecar = start(config, &Stub::new(Mood::Answering)).await;
    for manner in [
        Manner::Honest,
        Manner::Refuses(401),
        Manner::Refuses(403),
        Manner::HangsUp,
        Manner::Truncated,
    ] {
        agent.becomes(manner);
        let up = format!(
            "source_up{{source=\"jolokia\"}} {}\n",
            u8::from(manner == Manner::Honest)
        );
        seen.push(
            sidecar
                .get_until("/metrics", |_, metrics| metrics.contains(&up))
                .await,
        );
        for path in ["/metrics", "/v1/load", "/readyz", "/livez"] {
            seen.push(sidecar.get(path).await.1);
        }
        let jolokia = Jolokia::new(&agent.config);
        if let Err(error) = jolokia.read(&[]).await {
            seen.push(format!("{error:?} {error}"));
        }
        seen.push(format!("{jolokia:?}"));
    }
    let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(logged.contains("the source answers"), "{logged}");
    seen.push(logged);
    for text in seen {
        assert!(!text.contains(PASSWORD) && !text.contains(ENCODED), "{text}");
    }
}
