//! How a client meets real listeners: every kind of security, every kind of refusal, and a cluster that goes and comes
//! back.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use e2e::{BrokerSpec, Layout, Listener, LocalKafka};
use kafka::client::{CompactedLogSettings, KafkaCluster, KafkaCompactedLog};
use kafka::compacted_log::{CompactedLog, Entry, LogError, LogWriter};
use kafka::connection::{ConnectionSettings, Sasl, SaslMechanism, Security, Tls, TlsIdentity};
use kafka::{Cluster, ClusterError};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const USER: &str = "balancer";
const PASSWORD: &str = "corr3ct horse";

/// How long anything may take that a quiet machine does within seconds.
const WITHIN: Duration = Duration::from_secs(60);

#[tokio::test]
async fn every_kind_of_security_lets_in_who_may_and_nobody_else() -> Outcome {
    let secrets = Secrets::make()?;
    let mut kafka = LocalKafka::start(guarded(&secrets)).await?;
    set_passwords(&kafka, PASSWORD)?;

    let (password, wrong) = (secrets.file("password"), secrets.file("wrong"));
    let tls = secrets.tls("ca.pem", None);
    let mutual = secrets.tls("ca.pem", Some("client"));
    let let_in = [
        (
            "SASL",
            Security::SaslPlaintext(sasl(SaslMechanism::Plain, &password)),
        ),
        (
            "SASL",
            Security::SaslPlaintext(sasl(SaslMechanism::ScramSha256, &password)),
        ),
        (
            "SASL",
            Security::SaslPlaintext(sasl(SaslMechanism::ScramSha512, &password)),
        ),
        ("TLS", Security::Ssl(tls.clone())),
        ("MUTUAL", Security::Ssl(mutual)),
        (
            "SASLTLS",
            Security::SaslSsl {
                sasl: sasl(SaslMechanism::ScramSha512, &password),
                tls: tls.clone(),
            },
        ),
    ];
    for (listener, security) in let_in {
        let cluster = reach(&kafka, listener, security.clone())?;
        // A broker hears of passwords a moment after they were set.
        let is_early = |error: &ClusterError| matches!(error, ClusterError::Authentication { .. });
        let described = tried_while(is_early, async || cluster.describe().await).await;
        let described = described.map_err(|error| format!("{security:?}: {error}"))?;
        assert_eq!(described.brokers.len(), 1, "{security:?}");
    }

    let kept_out = [
        (
            "SASL",
            Security::SaslPlaintext(sasl(SaslMechanism::Plain, &wrong)),
        ),
        (
            "SASL",
            Security::SaslPlaintext(sasl(SaslMechanism::ScramSha256, &wrong)),
        ),
        (
            "SASL",
            Security::SaslPlaintext(sasl(SaslMechanism::ScramSha512, &wrong)),
        ),
        ("TLS", Security::Ssl(secrets.tls("other-ca.pem", None))),
        ("TLS", Security::Ssl(Tls::default())),
        ("MUTUAL", Security::Ssl(tls.clone())),
        ("MUTUAL", Security::Ssl(secrets.tls("ca.pem", Some("stranger")))),
        (
            "SASLTLS",
            Security::SaslSsl {
                sasl: sasl(SaslMechanism::ScramSha512, &wrong),
                tls,
            },
        ),
    ];
    for (listener, security) in kept_out {
        let cluster = reach(&kafka, listener, security.clone())?;
        let mut outcome = cluster.describe().await;
        // A broker that has refused a certificate closes the connection at once, which may destroy its words.
        for _ in 0..20 {
            if listener == "MUTUAL" && matches!(outcome, Err(ClusterError::Unreachable { .. })) {
                outcome = cluster.describe().await;
            }
        }
        assert!(
            matches!(outcome, Err(ClusterError::Authentication { .. })),
            "{listener} with {security:?}: {outcome:?}"
        );
    }

    let unusable = [
        Security::Ssl(secrets.tls("nowhere.pem", None)),
        Security::Ssl(secrets.tls("password", None)),
        Security::SaslPlaintext(sasl(SaslMechanism::Plain, &secrets.file("nowhere"))),
    ];
    for security in unusable {
        let outcome = reach(&kafka, "TLS", security.clone())?.describe().await;
        assert!(
            matches!(outcome, Err(ClusterError::Settings { .. })),
            "{security:?}: {outcome:?}"
        );
    }

    a_password_is_read_again_after_it_was_refused(&kafka, &secrets).await?;
    a_journal_whose_password_was_changed_is_opened_again_with_the_new_one(&mut kafka, &secrets).await
}

async fn a_password_is_read_again_after_it_was_refused(kafka: &LocalKafka, secrets: &Secrets) -> Outcome {
    let rotating = secrets.file("rotating");
    std::fs::write(&rotating, "of last week\n")?;
    let security = Security::SaslPlaintext(sasl(SaslMechanism::ScramSha512, &rotating));
    let cluster = reach(kafka, "SASL", security)?;
    let refused = cluster.describe().await;
    assert!(
        matches!(refused, Err(ClusterError::Authentication { .. })),
        "{refused:?}"
    );
    std::fs::write(&rotating, PASSWORD)?;
    cluster.describe().await?;
    Ok(())
}

async fn a_journal_whose_password_was_changed_is_opened_again_with_the_new_one(
    kafka: &mut LocalKafka,
    secrets: &Secrets,
) -> Outcome {
    let rotating = secrets.file("rotating");
    std::fs::write(&rotating, PASSWORD)?;
    let mut settings = ConnectionSettings::plaintext(vec![kafka.listener(0, "SASL")?.parse()?]);
    settings.request_timeout = Duration::from_secs(3);
    settings.security = Security::SaslPlaintext(sasl(SaslMechanism::ScramSha512, &rotating));
    let log = journal(settings)?;
    let (mut writer, _) = opened(&log).await?;
    append(&mut writer, "before").await?;

    set_passwords(kafka, "of this week")?;
    std::fs::write(&rotating, "of this week")?;
    // What is connected stays so.
    kafka.kill(0).await?;
    kafka.start_again(0).await?;
    let closed = tried_while(is_away, async || writer.append(vec![entry("after")]).await).await;
    assert!(matches!(closed, Err(LogError::Closed(_))), "{closed:?}");
    let (mut writer, found) = opened(&log).await?;
    assert_eq!(found, [entry("before")]);
    append(&mut writer, "after").await
}

#[tokio::test]
async fn a_cluster_that_comes_back_is_reached_again_by_itself() -> Outcome {
    let layout = Layout {
        brokers: vec![BrokerSpec::default()],
        jolokia: false,
        ..Layout::default()
    };
    let mut kafka = LocalKafka::start(layout).await?;
    let mut settings = ConnectionSettings::plaintext(vec![kafka.bootstrap().parse()?]);
    settings.request_timeout = Duration::from_secs(3);
    let cluster = Arc::new(KafkaCluster::new(settings.clone()));
    let log = journal(settings)?;
    let (mut writer, _) = opened(&log).await?;
    append(&mut writer, "before").await?;
    let before = cluster.describe().await?;

    kafka.kill(0).await?;
    for _ in 0..2 {
        let error = cluster
            .describe()
            .await
            .err()
            .ok_or("nobody is there, yet somebody answers")?;
        assert!(error.is_retriable(), "{error}");
    }
    let one = timed(Arc::clone(&cluster)).await;
    let callers: JoinSet<Duration> = (0..50).map(|_| timed(Arc::clone(&cluster))).collect();
    let longest = callers.join_all().await.into_iter().max().unwrap_or_default();
    assert!(
        longest < one * 3 + Duration::from_secs(1),
        "fifty callers waited up to {longest:?} where one waits {one:?}: each tried for itself"
    );

    let lost = writer.append(vec![entry("while away")]).await;
    assert!(matches!(lost, Err(LogError::Unavailable(_))), "{lost:?}");

    kafka.start_again(0).await?;
    let after = tried_while(|_| true, async || cluster.describe().await).await?;
    assert_eq!(after, before);

    // The same writer goes on, and nothing of what failed shows.
    append(&mut writer, "after").await?;
    let (_, found) = opened(&log).await?;
    assert_eq!(found, [entry("before"), entry("after")]);
    Ok(())
}

fn journal(connection: ConnectionSettings) -> Outcome<KafkaCompactedLog> {
    let settings = CompactedLogSettings {
        topic: "journal".parse()?,
        transactional_id: "journal".to_owned(),
        replication_factor: 1,
        max_live_bytes: 1_000,
    };
    Ok(KafkaCompactedLog::new(connection, settings))
}

/// Opens a journal as soon as it can be had: Kafka makes it the first time.
async fn opened(
    log: &KafkaCompactedLog,
) -> Outcome<(<KafkaCompactedLog as CompactedLog>::Writer, Vec<Entry>)> {
    Ok(tried_while(is_away, async || log.open().await).await?)
}

/// Appends an entry as soon as it is taken; when it is taken twice nobody can tell.
async fn append(writer: &mut impl LogWriter, key: &str) -> Outcome {
    Ok(tried_while(is_away, async || writer.append(vec![entry(key)]).await).await?)
}

fn is_away(error: &LogError) -> bool {
    matches!(error, LogError::Unavailable(_))
}

/// Does something again as long as it fails for such a reason.
async fn tried_while<T, E>(
    fails_for: impl Fn(&E) -> bool,
    mut act: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, E> {
    let deadline = Instant::now() + WITHIN;
    loop {
        match act().await {
            Err(error) if fails_for(&error) && Instant::now() < deadline => {
                sleep(Duration::from_millis(100)).await;
            }
            ended => return ended,
        }
    }
}

fn entry(key: &str) -> Entry {
    Entry {
        key: key.to_owned(),
        value: Some(b"x".to_vec()),
    }
}

/// How long a call takes.
async fn timed(cluster: Arc<KafkaCluster>) -> Duration {
    let start = Instant::now();
    let _ = cluster.describe().await;
    start.elapsed()
}

/// A cluster that is reached through one of the broker's listeners.
fn reach(kafka: &LocalKafka, listener: &str, security: Security) -> Outcome<KafkaCluster> {
    let mut settings = ConnectionSettings::plaintext(vec![kafka.listener(0, listener)?.parse()?]);
    settings.security = security;
    Ok(KafkaCluster::new(settings))
}

/// One broker with a listener of each kind.
fn guarded(secrets: &Secrets) -> Layout {
    let listeners = [
        ("SASL", "SASL_PLAINTEXT"),
        ("TLS", "SSL"),
        ("MUTUAL", "SSL"),
        ("SASLTLS", "SASL_SSL"),
    ];
    let plain = format!(
        "org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}=\"{PASSWORD}\";"
    );
    let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;".to_owned();
    let mut properties = vec![
        ("ssl.keystore.type".to_owned(), "PEM".to_owned()),
        ("ssl.keystore.location".to_owned(), secrets.text("server.both")),
        ("ssl.truststore.type".to_owned(), "PEM".to_owned()),
        ("ssl.truststore.location".to_owned(), secrets.text("ca.pem")),
        (
            "listener.name.mutual.ssl.client.auth".to_owned(),
            "required".to_owned(),
        ),
    ];
    for (listener, mechanisms) in [
        ("sasl", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"),
        ("sasltls", "SCRAM-SHA-512"),
    ] {
        let prefix = format!("listener.name.{listener}");
        properties.push((format!("{prefix}.sasl.enabled.mechanisms"), mechanisms.to_owned()));
        for mechanism in mechanisms.split(',') {
            let jaas = if mechanism == "PLAIN" { &plain } else { &scram };
            let key = format!("{prefix}.{}.sasl.jaas.config", mechanism.to_lowercase());
            properties.push((key, jaas.clone()));
        }
    }
    Layout {
        brokers: vec![BrokerSpec {
            listeners: listeners
                .map(|(name, protocol)| Listener::new(name, protocol))
                .into(),
            properties: properties.into_iter().collect(),
            ..BrokerSpec::default()
        }],
        jolokia: false,
        ..Layout::default()
    }
}

fn sasl(mechanism: SaslMechanism, password_file: &Path) -> Sasl {
    Sasl {
        mechanism,
        user: USER.to_owned(),
        password_file: password_file.to_owned(),
    }
}

fn set_passwords(kafka: &LocalKafka, password: &str) -> Outcome {
    // One command each: Kafka takes one change of a user in a request.
    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let credential = format!("{mechanism}=[password={password}]");
        run(Command::new("java")
            .args(["-Xmx64m", "-cp", &kafka.class_path(), "kafka.admin.ConfigCommand"])
            .args([
                "--bootstrap-server",
                &kafka.bootstrap(),
                "--alter",
                "--add-config",
                &credential,
            ])
            .args(["--entity-type", "users", "--entity-name", USER]))?;
    }
    Ok(())
}

/// Passwords and certificates made for one test.
struct Secrets(tempfile::TempDir);

impl Secrets {
    fn make() -> Outcome<Self> {
        let secrets = Self(tempfile::TempDir::new()?);
        std::fs::write(secrets.file("password"), format!("{PASSWORD}\n"))?;
        std::fs::write(secrets.file("wrong"), "wrong\n")?;
        for authority in ["ca", "other-ca"] {
            secrets.authority(authority)?;
        }
        secrets.certificate("server", "ca")?;
        secrets.certificate("client", "ca")?;
        secrets.certificate("stranger", "other-ca")?;
        let key = std::fs::read_to_string(secrets.file("server.key"))?;
        let chain = std::fs::read_to_string(secrets.file("server.pem"))?;
        std::fs::write(secrets.file("server.both"), key + &chain)?;
        Ok(secrets)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }

    fn tls(&self, authority: &str, client: Option<&str>) -> Tls {
        Tls {
            ca_file: Some(self.file(authority)),
            identity: client.map(|name| TlsIdentity {
                cert_file: self.file(&format!("{name}.pem")),
                key_file: self.file(&format!("{name}.key")),
            }),
        }
    }

    fn authority(&self, name: &str) -> Outcome {
        run(self
            .openssl([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ])
            .args(["-days", "2", "-subj", &format!("/CN={name}")])
            .args(["-keyout", &self.text(&format!("{name}.key"))])
            .args(["-out", &self.text(&format!("{name}.pem"))]))
    }

    fn certificate(&self, name: &str, authority: &str) -> Outcome {
        run(self
            .openssl([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ])
            .args(["-days", "2", "-subj", &format!("/CN={name}")])
            .args(["-CA", &self.text(&format!("{authority}.pem"))])
            .args(["-CAkey", &self.text(&format!("{authority}.key"))])
            .args(["-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-keyout", &self.text(&format!("{name}.key"))])
            .args(["-out", &self.text(&format!("{name}.pem"))]))
    }

    fn openssl<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut command = Command::new("openssl");
        command.args(arguments);
        command
    }
}

fn run(command: &mut Command) -> Outcome {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    Err(format!("{command:?}: {said}").into())
}
