//! The stage itself: clusters whose brokers come and go.

use std::error::Error;

use e2e::{BrokerSpec, Layout, Listener, LocalKafka};

#[tokio::test]
async fn brokers_can_be_killed_started_again_and_added() -> Result<(), Box<dyn Error>> {
    let mut kafka = LocalKafka::start(Layout::default()).await?;
    let agent = kafka.jolokia_url(0)?;
    let rack = "{\"type\":\"read\",\"mbean\":\"kafka.server:type=app-info,id=0\"}";
    let http = e2e::http::client()?;
    let answer = http.post(&agent).body(rack).send().await?.text().await?;
    assert!(answer.contains("\"status\":200"), "{answer}");
    let write = "{\"type\":\"exec\",\"mbean\":\"java.lang:type=Memory\",\"operation\":\"gc\"}";
    let answer = http.post(&agent).body(write).send().await?.text().await?;
    assert!(answer.contains("\"status\":403"), "{answer}");

    let before = kafka.pid(1)?;
    kafka.kill(1).await?;
    assert!(kafka.pid(1).is_err());
    kafka.start_again(1).await?;
    assert_ne!(kafka.pid(1)?, before);

    let with_listener = BrokerSpec {
        listeners: vec![Listener::new("CLIENTS", "PLAINTEXT")],
        ..BrokerSpec::in_rack("r3")
    };
    assert_eq!(kafka.add_broker(&with_listener).await?, 3);
    std::net::TcpStream::connect(kafka.listener(3, "CLIENTS")?)?;
    kafka.stop(3).await?;
    assert!(kafka.pid(3).is_err());
    Ok(())
}
