//! The agent of the Prometheus JMX exporter, told to give what the sidecar gives.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

use super::Outcome;
use kafka::connection::Tls;
use reqwest::header::ACCEPT_ENCODING;
use sidecar::http_client;
use tempfile::TempDir;
use tokio::time::Instant;

/// MBeans whose content the sidecar has from the Kafka protocol.
const OF_PARTITIONS: [&str; 8] = [
    "kafka.log:type=Log,name=Size,*",
    "kafka.log:type=Log,name=LogStartOffset,*",
    "kafka.log:type=Log,name=LogEndOffset,*",
    "kafka.cluster:type=Partition,name=UnderReplicated,*",
    "kafka.cluster:type=Partition,name=InSyncReplicasCount,*",
    "kafka.cluster:type=Partition,name=ReplicasCount,*",
    "kafka.cluster:type=Partition,name=UnderMinIsr,*",
    "kafka.cluster:type=Partition,name=AtMinIsr,*",
];

/// The names that dashboards for Kafka expect, by few rules whose matches are remembered, which is the exporter at its
/// fastest. Later rules are for MBeans with fewer key properties.
const RULES: &str = r#"
- {pattern: 'kafka\.(\w+)<type=([^,]+), name=(\w+)PerSec, (\w+)=([^,]+), (\w+)=(.+)><>Count', name: 'kafka_$1_$2_$3_total', type: COUNTER, cache: true, labels: {"$4": "$5", "$6": "$7"}}
- {pattern: 'kafka\.(\w+)<type=([^,]+), name=(\w+)PerSec, (\w+)=([^,]+)><>Count', name: 'kafka_$1_$2_$3_total', type: COUNTER, cache: true, labels: {"$4": "$5"}}
- {pattern: 'kafka\.(\w+)<type=([^,]+), name=(\w+)PerSec><>Count', name: 'kafka_$1_$2_$3_total', type: COUNTER, cache: true}
- {pattern: 'kafka\.(\w+)<type=([^,]+), name=(\w+), (\w+)=([^,]+), (\w+)=(.+)><>Value', name: 'kafka_$1_$2_$3', type: GAUGE, cache: true, labels: {"$4": "$5", "$6": "$7"}}
- {pattern: 'kafka\.(\w+)<type=([^,]+), name=(\w+), (\w+)=([^,]+)><>Value', name: 'kafka_$1_$2_$3', type: GAUGE, cache: true, labels: {"$4": "$5"}}
- {pattern: 'kafka\.(\w+)<type=([^,]+), name=(\w+)><>Value', name: 'kafka_$1_$2_$3', type: GAUGE, cache: true}
- {pattern: 'kafka\.(\w+)<type=([^,]+), name=(\w+), (\w+)=([^,]+)><>Count', name: 'kafka_$1_$2_$3_count', type: COUNTER, cache: true, labels: {"$4": "$5"}}
- {pattern: 'kafka\.(\w+)<type=([^,]+), name=(\w+), (\w+)=([^,]+)><>(\d+)thPercentile', name: 'kafka_$1_$2_$3', type: GAUGE, cache: true, labels: {"$4": "$5", quantile: '0.$6'}}
- {pattern: 'kafka\.(\w+)<type=([^,]+), name=(\w+)><>OneMinuteRate', name: 'kafka_$1_$2_$3', type: GAUGE, cache: true}
- {pattern: 'kafka\.server<type=raft-metrics><>(.+):', name: 'kafka_server_raftmetrics_$1', type: GAUGE, cache: true}
- {pattern: 'kafka\.server<type=raft-channel-metrics><>(.+)-total:', name: 'kafka_server_raftchannelmetrics_$1_total', type: COUNTER, cache: true}
- {pattern: 'kafka\.server<type=socket-server-metrics, listener=([^,]+), networkProcessor=(.+)><>(.+):', name: 'kafka_server_socket_server_metrics_$3', type: GAUGE, cache: true, labels: {listener: '$1', networkProcessor: '$2'}}
"#;

/// The agent in the broker's JVM.
pub(crate) struct Exporter {
    agent: PathBuf,
    port: u16,
    folder: TempDir,
}

/// What came and how long it took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) bytes: usize,
    pub(crate) ms: f64,
}

impl Exporter {
    pub(crate) fn new(agent: PathBuf) -> Outcome<Self> {
        let folder = TempDir::with_prefix("jmx-exporter")?;
        std::fs::write(folder.path().join("config.yaml"), config())?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        Ok(Self { agent, port, folder })
    }

    /// What puts it into a JVM.
    pub(crate) fn jvm_argument(&self) -> String {
        let config = self.folder.path().join("config.yaml");
        let (agent, config) = (self.agent.display(), config.display());
        format!("-javaagent:{agent}=127.0.0.1:{}:{config}", self.port)
    }

    pub(crate) async fn scrape(&self) -> Outcome<Answer> {
        get(&format!("http://127.0.0.1:{}/metrics", self.port)).await
    }
}

/// All that the sidecar reads, in any of its samples.
fn config() -> String {
    let mut yaml = "lowercaseOutputName: true\nincludeObjectNames:\n".to_owned();
    let read = sidecar::jmx::reads(true);
    for name in read.iter().map(|read| read.mbean).chain(OF_PARTITIONS) {
        let _ = writeln!(yaml, "- '{name}'");
    }
    yaml + "rules:" + RULES
}

/// Asks as Prometheus and the balancer do, for a compressed answer.
pub(crate) async fn get(url: &str) -> Outcome<Answer> {
    let client = http_client::client(&Tls::default(), |builder| builder.no_gzip())?;
    let began = Instant::now();
    let request = client.get(url).header(ACCEPT_ENCODING, "gzip");
    let bytes = request.send().await?.error_for_status()?.bytes().await?.len();
    Ok(Answer {
        bytes,
        ms: began.elapsed().as_secs_f64() * 1e3,
    })
}
