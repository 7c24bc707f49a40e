//! What people meet when something is wrong around the programs: mistakes in a file, a cluster that is away or refuses,
//! sources that talk nonsense.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use balancer::api::view::{BrokerView, SourceView, State};
use balancer::config::Config;
use e2e::process::{Process, Program};
use e2e::{BrokerSpec, Layout, Listener, LocalKafka, Service, stack};
use kafka::connection::{Sasl, SaslMechanism, Security};
use kafka::settings;
use load::{Accounts, Connection, Load, LoadSettings, Placement, TopicSettings, create_topics, witness};
use sidecar::config::{BrokerConfig, JolokiaConfig};
use sidecar::report::{LoadReport, Source};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const WITHIN: Duration = Duration::from_secs(120);
const TICK: Duration = Duration::from_secs(1);
const PASSWORD: &str = "corr3ct horse";

#[test]
fn a_file_with_mistakes_is_refused_with_all_of_them_in_one_message() -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("config.yaml");
    let refused = |program: Program, command: &str, config: &str| -> Outcome<String> {
        std::fs::write(&file, config)?;
        let output = Command::new(program.path()?)
            .args([command, "--config"])
            .arg(&file)
            .output()?;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        Ok(String::from_utf8(output.stderr)?)
    };
    let balancer = "
kafka: {bootstrap: [somewhere]}
mode: automatic
tick: 10ms
capacity: {bytes_in: 0 B/s}
heat: {threshold: 7}
execut: {}
";
    let said = refused(Program::Balancer, "serve", balancer)?;
    for part in [
        "has 6 problems",
        "kafka.bootstrap[0]: `somewhere` is no address of a broker",
        "modes are observe, approve and auto",
        "tick: 10ms is not between 1s and 5m",
        "capacity.bytes_in: is 0",
        "heat.threshold: 7 is not between 0.02 and 2",
        "execut",
    ] {
        assert!(said.contains(part), "{part:?} is not in:\n{said}");
    }
    let sidecar = "
broker: -1
kafka: {bootstrap: []}
interval: 1h
jolokia: {url: 'ftp://x/'}
";
    let said = refused(Program::Sidecar, "broker", sidecar)?;
    for part in [
        "has 4 problems",
        "broker: ",
        "kafka.bootstrap: names no broker",
        "interval: 1h is not between 1s and 5m",
        "jolokia.url: `ftp://x/` is no address",
    ] {
        assert!(said.contains(part), "{part:?} is not in:\n{said}");
    }
    Ok(())
}

#[tokio::test]
async fn a_cluster_that_is_away_or_refuses_is_waited_for_and_named() -> Outcome {
    let mut kafka = LocalKafka::start(guarded()).await?;
    let load = start_load(&kafka).await?;
    let folder = tempfile::tempdir()?;
    let password_file = folder.path().join("password");
    std::fs::write(&password_file, "of last week")?;

    // A wrong password: said, and read again when somebody has corrected it.
    let mut config = stack::balancer_config(&kafka, [])?;
    config.tick = TICK;
    config.kafka.bootstrap = vec![kafka.listener(0, "SASL")?.parse()?];
    config.kafka.security = Security::SaslPlaintext(Sasl {
        mechanism: SaslMechanism::Plain,
        user: "balancer".to_owned(),
        password_file: password_file.clone(),
    });
    let mut refused = Service::balancer(&config)?;
    says(&refused, "check user, password file and certificates").await?;
    std::fs::write(&password_file, PASSWORD)?;
    refused.ready().await?;
    assert!(refused.process.exit_status().is_none());
    drop(refused);

    // A cluster that is down: said, and found when it comes.
    let accounts = load.stop().await?;
    kafka.kill(0).await?;
    let mut config = stack::balancer_config(&kafka, [])?;
    config.tick = TICK;
    config.kafka.request_timeout = Duration::from_secs(2);
    let mut waiting = Service::balancer(&config)?;
    let mut sidecar = Service::sidecar(&kafka, 0, TICK, None)?;
    says(&waiting, "check the bootstrap addresses").await?;
    let metrics = until("the sidecar says that it sees nothing", async || {
        let metrics = sidecar.text("/metrics").await?;
        Ok((is_up(&metrics, "protocol") == Some(false)).then_some(metrics))
    })
    .await?;
    assert_eq!(is_up(&metrics, "jolokia"), Some(false));
    assert!(waiting.process.exit_status().is_none() && sidecar.process.exit_status().is_none());
    kafka.start_again(0).await?;
    waiting.ready().await?;
    sidecar.ready().await?;
    until("nothing is wrong any more", async || {
        let state: State = waiting.get("/v1/state").await?;
        Ok((state.brokers == 1 && state.problems.is_empty()).then_some(()))
    })
    .await?;
    nothing_is_lost(&kafka, &accounts).await
}

#[tokio::test]
async fn a_source_that_is_missing_hangs_or_talks_nonsense_is_named_and_done_without() -> Outcome {
    let kafka = LocalKafka::start(guarded()).await?;
    let load = start_load(&kafka).await?;
    let door = Door::open(&kafka.jolokia_url(0)?).await?;
    let mut sidecar = sidecar_behind(&door, &kafka)?;
    let mut config: Config = stack::balancer_config(&kafka, [(0, sidecar.url.as_str())])?;
    config.tick = TICK;
    let mut balancer = Service::balancer(&config)?;
    sidecar.ready().await?;
    balancer.ready().await?;
    for (manner, up) in [
        (Manner::Nonsense, false),
        (Manner::Honest, true),
        (Manner::Hangs, false),
        (Manner::Honest, true),
    ] {
        door.be(manner);
        until("the sidecar has noticed", async || {
            let metrics = sidecar.text("/metrics").await?;
            let report: LoadReport = sidecar.get("/v1/load").await?;
            let state = &report.sources[&Source::Jolokia];
            let noticed = is_up(&metrics, "jolokia") == Some(up)
                && state.up == up
                && state.error.is_some() != up
                && report.totals.cpu_cores_used.is_some() == up;
            // What the protocol tells is there in any case.
            let sees = report.replicas.bytes_in.iter().any(|rate| *rate > 10_000);
            Ok((noticed && sees && is_up(&metrics, "protocol") == Some(true)).then_some(()))
        })
        .await
        .map_err(|error| format!("{manner:?}: {error}"))?;
    }

    source(&balancer, |source| matches!(source, SourceView::Sidecar { .. })).await?;
    sidecar.process.kill().await?;
    source(
        &balancer,
        |source| matches!(source, SourceView::Protocol { reason } if reason.contains("does not answer")),
    )
    .await?;
    let brokers: Vec<BrokerView> = balancer.get("/v1/brokers").await?;
    assert!(brokers[0].load.bytes_in > 10_000.0, "{brokers:?}");
    sidecar.process.restart().await?;
    source(&balancer, |source| matches!(source, SourceView::Sidecar { .. })).await?;
    assert!(balancer.process.exit_status().is_none());
    nothing_is_lost(&kafka, &load.stop().await?).await
}

/// One broker with a listener that asks for a password.
fn guarded() -> Layout {
    let module = "org.apache.kafka.common.security.plain.PlainLoginModule";
    let properties = [
        ("listener.name.sasl.sasl.enabled.mechanisms", "PLAIN".to_owned()),
        (
            "listener.name.sasl.plain.sasl.jaas.config",
            format!("{module} required user_balancer=\"{PASSWORD}\";"),
        ),
    ];
    Layout {
        brokers: vec![BrokerSpec {
            listeners: vec![Listener::new("SASL", "SASL_PLAINTEXT")],
            properties: properties.map(|(key, value)| (key.to_owned(), value)).into(),
            ..BrokerSpec::default()
        }],
        ..Layout::default()
    }
}

async fn start_load(kafka: &LocalKafka) -> Outcome<Load> {
    let connection = Connection::to(kafka.bootstrap());
    let topics = vec![TopicSettings {
        name: "orders".to_owned(),
        partitions: 2,
    }];
    create_topics(&connection, &topics, &Placement::ReplicationFactor(1), &[]).await?;
    Ok(Load::start(&LoadSettings {
        bytes_per_second: 400e3,
        ..LoadSettings::new(connection, topics)
    })?)
}

async fn nothing_is_lost(kafka: &LocalKafka, accounts: &Accounts) -> Outcome {
    let report = witness::verify(&Connection::to(kafka.bootstrap()), accounts).await?;
    assert!(report.is_clean() && report.acknowledged > 0, "{report:?}");
    Ok(())
}

/// Waits until the balancer's state names a problem, which its log does too.
async fn says(balancer: &Service, words: &str) -> Outcome {
    until(words, async || {
        let state: State = balancer.get("/v1/state").await?;
        let says = state.problems.iter().any(|problem| problem.contains(words));
        Ok((says && balancer.process.log()?.contains(words)).then_some(()))
    })
    .await
}

async fn source(balancer: &Service, is_so: impl Fn(&SourceView) -> bool) -> Outcome {
    until("the balancer names the source of its figures", async || {
        let brokers: Vec<BrokerView> = balancer.get("/v1/brokers").await?;
        Ok(brokers
            .first()
            .is_some_and(|broker| is_so(&broker.source))
            .then_some(()))
    })
    .await
}

fn is_up(metrics: &str, source: &str) -> Option<bool> {
    let label = format!("source=\"{source}\"");
    let line = metrics
        .lines()
        .find(|line| line.starts_with("kafka_sidecar_source_up{") && line.contains(&label))?;
    line.rsplit(' ').next().map(|value| value == "1")
}

async fn until<T>(what: &str, mut reached: impl AsyncFnMut() -> Outcome<Option<T>>) -> Outcome<T> {
    let deadline = Instant::now() + WITHIN;
    loop {
        match reached().await {
            Ok(Some(found)) => return Ok(found),
            Err(error) if Instant::now() > deadline => return Err(format!("{what}: {error}").into()),
            Ok(None) if Instant::now() > deadline => return Err(format!("it did not happen: {what}").into()),
            _ => sleep(Duration::from_millis(100)).await,
        }
    }
}

fn sidecar_behind(door: &Door, kafka: &LocalKafka) -> Outcome<Service> {
    let mut config = BrokerConfig::new(0.try_into()?, stack::connection(kafka)?);
    let free = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    config.listen = free.local_addr()?;
    config.interval = TICK;
    let mut jolokia = JolokiaConfig::new(format!("http://{}/jolokia/", door.address).parse()?);
    jolokia.timeout = TICK;
    config.jolokia = Some(jolokia);
    drop(free);
    Ok(Service {
        process: Process::start(Program::Sidecar, &["broker"], &settings::to_yaml(&config)?)?,
        url: format!("http://{}", config.listen),
    })
}

/// How what stands before an agent treats callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Manner {
    /// It lets them through.
    Honest = 0,
    /// It says something that is no answer.
    Nonsense = 1,
    /// It says nothing.
    Hangs = 2,
}

/// Stands before a Jolokia agent.
struct Door {
    address: SocketAddr,
    manner: Arc<AtomicU8>,
}

impl Door {
    async fn open(agent: &str) -> Outcome<Self> {
        let agent: SocketAddr = agent
            .trim_start_matches("http://")
            .trim_end_matches("/jolokia/")
            .parse()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let door = Self {
            address: listener.local_addr()?,
            manner: Arc::new(AtomicU8::new(Manner::Nonsense as u8)),
        };
        let manner = Arc::clone(&door.manner);
        tokio::spawn(async move {
            while let Ok((caller, _)) = listener.accept().await {
                tokio::spawn(meet(caller, agent, Arc::clone(&manner)));
            }
        });
        Ok(door)
    }

    fn be(&self, manner: Manner) {
        self.manner.store(manner as u8, Ordering::Relaxed);
    }
}

/// Serves one connection for as long as the manner stays, so that kept connections do not outlive it.
async fn meet(mut caller: TcpStream, agent: SocketAddr, manner: Arc<AtomicU8>) -> std::io::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let at_first = manner.load(Ordering::Relaxed);
    let changed = async {
        while manner.load(Ordering::Relaxed) == at_first {
            sleep(Duration::from_millis(50)).await;
        }
    };
    let serve = async {
        if at_first == Manner::Honest as u8 {
            let mut agent = TcpStream::connect(agent).await?;
            tokio::io::copy_bidirectional(&mut caller, &mut agent).await?;
        } else if at_first == Manner::Nonsense as u8 {
            let mut asked = vec![0; 64 * 1024];
            let _ = caller.read(&mut asked).await?;
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n[{\"a\": 1}";
            caller.write_all(answer).await?;
            caller.shutdown().await?;
        } else {
            std::future::pending::<()>().await;
        }
        Ok(())
    };
    tokio::select! {
        served = serve => served,
        () = changed => Ok(()),
    }
}
