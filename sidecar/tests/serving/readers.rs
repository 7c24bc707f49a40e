//! Readers that cost more than they should.

use std::time::Duration;

use crate::broker::config;
use crate::stub::{Mood, Sidecar, Stub, serve_within};
use sidecar::broker;
use sidecar::clock::Clock;
use sidecar::server::Limits;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// A sidecar that serves one reader at a time, and is not patient.
async fn start() -> Sidecar {
    let stop = CancellationToken::new();
    let cluster = Stub::new(Mood::Answering);
    let sampling = broker::start(config(), Some(cluster), Clock::start(), stop.clone()).unwrap();
    let limits = Limits {
        connections: 1,
        head: Duration::from_millis(100),
        stall: Duration::from_millis(100),
        age: Some(Duration::from_secs(600)),
        grace: Duration::from_millis(100),
    };
    serve_within(sampling, None, limits, stop).await
}

#[tokio::test]
async fn one_who_says_nothing_or_not_all_is_ended_and_the_next_one_served() {
    let sidecar = start().await;
    for said in ["", "GET /metrics HTTP/1.1\r\nHost: so"] {
        let mut reader = TcpStream::connect(sidecar.address).await.unwrap();
        reader.write_all(said.as_bytes()).await.unwrap();
        assert_eq!(sidecar.get("/livez").await.0, 200);
    }
}

#[tokio::test]
async fn one_who_never_takes_the_answers_is_ended_and_the_next_one_served() {
    let sidecar = start().await;
    let mut reader = TcpStream::connect(sidecar.address).await.unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: so\r\n\r\n".repeat(1000);
    let asking = async { while reader.write_all(request.as_bytes()).await.is_ok() {} };
    asking.await;
    assert_eq!(sidecar.get("/livez").await.0, 200);
}
