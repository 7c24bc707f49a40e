//! What is read of a broker's MBeans, and the figures in it.

use std::collections::BTreeMap;

use kafka::TopicName;
use thiserror::Error;

use crate::config::Names;
use crate::exposition::{Families, jmx_families};
use crate::jolokia::{Bean, Read, ReadRefused, exact_sum};

const COUNT: &[&str] = &["Count"];
const VALUE: &[&str] = &["Value"];
const TIMES: &[&str] = &[
    "Count",
    "Mean",
    "50thPercentile",
    "99thPercentile",
    "999thPercentile",
];

const fn read(mbean: &'static str, attributes: &'static [&'static str]) -> Read {
    Read { mbean, attributes }
}

/// Read with every sample. Each MBean costs the broker about 28 µs, so the per-topic ones are only those that rates
/// are derived from, and no pattern reaches the eleven MBeans of every partition.
const ALWAYS: &[Read] = &[
    read("kafka.server:type=BrokerTopicMetrics,name=*", COUNT),
    read(
        "kafka.server:type=BrokerTopicMetrics,name=BytesInPerSec,topic=*",
        COUNT,
    ),
    read(
        "kafka.server:type=BrokerTopicMetrics,name=BytesOutPerSec,topic=*",
        COUNT,
    ),
    read(
        "kafka.server:type=BrokerTopicMetrics,name=MessagesInPerSec,topic=*",
        COUNT,
    ),
    read("kafka.network:type=RequestMetrics,name=*,request=Produce", TIMES),
    read(
        "kafka.network:type=RequestMetrics,name=*,request=FetchConsumer",
        TIMES,
    ),
    read(
        "kafka.network:type=RequestMetrics,name=*,request=FetchFollower",
        TIMES,
    ),
    read(
        "kafka.server:type=KafkaRequestHandlerPool,name=*",
        &["Count", "OneMinuteRate"],
    ),
    read("kafka.network:type=SocketServer,name=*", VALUE),
    read("kafka.network:type=RequestChannel,name=*", VALUE),
    read("kafka.server:type=ReplicaManager,name=*", &["Value", "Count"]),
    read(
        "java.lang:type=OperatingSystem",
        &[
            "ProcessCpuTime",
            "AvailableProcessors",
            "OpenFileDescriptorCount",
            "MaxFileDescriptorCount",
        ],
    ),
    read("java.lang:type=Runtime", &["StartTime"]),
];

/// Read with every [`DETAIL_EVERY`]th sample: what dashboards show and no rate is derived from.
const DETAIL: &[Read] = &[
    read(
        "kafka.server:type=BrokerTopicMetrics,name=TotalProduceRequestsPerSec,topic=*",
        COUNT,
    ),
    read(
        "kafka.server:type=BrokerTopicMetrics,name=TotalFetchRequestsPerSec,topic=*",
        COUNT,
    ),
    read(
        "kafka.server:type=BrokerTopicMetrics,name=FailedProduceRequestsPerSec,topic=*",
        COUNT,
    ),
    read(
        "kafka.server:type=BrokerTopicMetrics,name=FailedFetchRequestsPerSec,topic=*",
        COUNT,
    ),
    read(
        "kafka.network:type=RequestMetrics,name=RequestsPerSec,request=*,version=*",
        COUNT,
    ),
    read(
        "kafka.network:type=RequestMetrics,name=ErrorsPerSec,request=*,error=*",
        COUNT,
    ),
    read(
        "kafka.network:type=Acceptor,name=*,listener=*",
        &["Count", "OneMinuteRate"],
    ),
    read("kafka.server:type=ReplicaFetcherManager,name=*,clientId=*", VALUE),
    read("kafka.server:type=FetchSessionCache,name=*", &["Value", "Count"]),
    read(
        "kafka.server:type=DelayedOperationPurgatory,name=*,delayedOperation=*",
        VALUE,
    ),
    read("kafka.server:type=KafkaServer,name=*", VALUE),
    read(
        "kafka.server:type=raft-metrics",
        &[
            "current-state",
            "current-leader",
            "current-epoch",
            "current-vote",
            "high-watermark",
            "log-end-offset",
            "append-records-rate",
            "fetch-records-rate",
            "commit-latency-avg",
        ],
    ),
    read(
        "kafka.server:type=raft-channel-metrics",
        &[
            "incoming-byte-total",
            "outgoing-byte-total",
            "request-total",
            "response-total",
        ],
    ),
    read(
        "kafka.server:type=broker-metadata-metrics",
        &[
            "last-applied-record-offset",
            "last-applied-record-lag-ms",
            "metadata-load-error-count",
            "metadata-apply-error-count",
        ],
    ),
    read(
        "kafka.server:type=socket-server-metrics,listener=*,networkProcessor=*",
        &[
            "connection-count",
            "connection-creation-rate",
            "connection-creation-total",
            "connection-close-rate",
            "connection-close-total",
        ],
    ),
    // Kafka keeps at most a hundred clients' software to each processor.
    read(
        "kafka.server:type=socket-server-metrics,listener=*,networkProcessor=*,clientSoftwareName=*,clientSoftwareVersion=*",
        &["connections"],
    ),
    read("kafka.coordinator.group:type=GroupMetadataManager,name=*", VALUE),
    read("kafka.controller:type=KafkaController,name=*", VALUE),
    read(
        "kafka.controller:type=ControllerEventManager,name=*",
        &[
            "Value",
            "Count",
            "Mean",
            "50thPercentile",
            "99thPercentile",
            "999thPercentile",
        ],
    ),
    read("kafka.controller:type=ControllerStats,name=*", COUNT),
    read("kafka.log:type=LogManager,name=*", VALUE),
    read(
        "java.lang:type=Memory",
        &["HeapMemoryUsage", "NonHeapMemoryUsage"],
    ),
    read(
        "java.lang:type=GarbageCollector,name=*",
        &["CollectionCount", "CollectionTime"],
    ),
    read("java.lang:type=Threading", &["ThreadCount"]),
];

/// How many samples there are to one that reads the details too.
pub const DETAIL_EVERY: u32 = 6;

/// The reads of one sample.
pub fn reads(with_detail: bool) -> Vec<Read> {
    let detail = if with_detail { DETAIL } else { &[] };
    ALWAYS.iter().chain(detail).copied().collect()
}

/// A broker's MBeans at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JmxReading {
    /// When the JVM started, in milliseconds since the Unix epoch; all counters began at 0 then.
    pub started_at_ms: u64,
    /// The broker's counters.
    pub counters: BrokerCounters,
    /// Each topic's counters; a topic nobody used since the broker began to host it is absent.
    pub topics: BTreeMap<TopicName, TopicCounters>,
    /// Cores that the process may use.
    pub cores: Option<f64>,
    /// Share of time that network threads were idle, 0 to 1, as Kafka averages it over half a minute.
    pub network_idle: Option<f64>,
    /// Under-replicated partitions that the broker leads.
    pub under_replicated: Option<u32>,
    /// What is read with every sample, as it is exported.
    pub families: Families,
    /// What else is exported, where it was read.
    pub detail: Option<Families>,
    /// What the agent would not tell.
    pub refused: Vec<ReadRefused>,
}

/// Counters of the whole broker, since its start.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BrokerCounters {
    /// Bytes from producers.
    pub bytes_in: Option<f64>,
    /// Bytes to consumers.
    pub bytes_out: Option<f64>,
    /// Bytes from leaders elsewhere.
    pub replication_in: Option<f64>,
    /// Bytes to followers elsewhere.
    pub replication_out: Option<f64>,
    /// CPU time of the process in nanoseconds.
    pub cpu_ns: Option<f64>,
    /// Nanoseconds that request handlers were idle, averaged over the handlers.
    pub handler_idle_ns: Option<f64>,
    /// Produce requests and the milliseconds they took, from arrival to answer.
    pub produce: Option<Timer>,
    /// Produce requests and the milliseconds they spent in the local log.
    pub produce_local: Option<Timer>,
}

/// How often something happened and how long that took altogether.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timer {
    /// How often.
    pub count: f64,
    /// How long altogether. Kafka's histograms hold the exact sum: `Mean` is sum / count, not a decaying figure.
    pub sum: f64,
}

/// Counters of one topic, since the broker began to host it; absent counters are 0.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TopicCounters {
    /// Bytes from producers.
    pub bytes_in: f64,
    /// Bytes to consumers.
    pub bytes_out: f64,
}

/// An agent answered, but there is no Kafka broker behind it (yet).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the Jolokia agent has no `{missing}`; is it a Kafka broker's, and does its policy allow reading?")]
pub struct NoBroker {
    missing: &'static str,
}

impl JmxReading {
    /// Takes the figures out of the agent's answers to [`reads`]; they are exported under these names.
    ///
    /// # Errors
    ///
    /// What every broker has is missing.
    pub fn new(answers: Vec<Result<Vec<Bean>, ReadRefused>>, names: Names) -> Result<Self, NoBroker> {
        let mut reading = Self::default();
        let (mut beans, mut detail) = (Vec::new(), None);
        for (index, answer) in answers.into_iter().enumerate() {
            let beans = match index < ALWAYS.len() {
                true => &mut beans,
                false => detail.get_or_insert_default(),
            };
            match answer {
                Ok(found) => beans.extend(found),
                Err(refused) => reading.refused.push(refused),
            }
        }
        let mut started_at_ms = None;
        for bean in &beans {
            if bean.name.domain == "java.lang" {
                started_at_ms = started_at_ms.or(bean.whole("StartTime"));
                reading.take_jvm(bean);
            } else {
                reading.take_kafka(bean);
            }
        }
        reading.started_at_ms = started_at_ms.ok_or(NoBroker {
            missing: "java.lang:type=Runtime StartTime",
        })?;
        if reading.counters.bytes_in.is_none() {
            return Err(NoBroker {
                missing: "kafka.server:type=BrokerTopicMetrics,name=BytesInPerSec",
            });
        }
        reading.families = jmx_families(&beans, names);
        reading.detail = detail.map(|beans| jmx_families(&beans, names));
        Ok(reading)
    }

    fn take_jvm(&mut self, bean: &Bean) {
        if bean.name.property("type") == Some("OperatingSystem") {
            self.counters.cpu_ns = bean.number("ProcessCpuTime");
            self.cores = bean.number("AvailableProcessors");
        }
    }

    fn take_kafka(&mut self, bean: &Bean) {
        let property = |key| bean.name.property(key);
        let (Some(kind), Some(name)) = (property("type"), property("name")) else {
            return;
        };
        let count = bean.number("Count").filter(|count| *count >= 0.0);
        match (kind, name) {
            ("BrokerTopicMetrics", _) => match property("topic") {
                Some(topic) => self.take_topic(topic, name, count),
                None => self.take_total(name, count),
            },
            ("RequestMetrics", _) if property("request") == Some("Produce") => match name {
                "TotalTimeMs" => self.counters.produce = timer(bean),
                "LocalTimeMs" => self.counters.produce_local = timer(bean),
                _ => {}
            },
            // The pool of a node that is broker and controller counts both kinds' idle time (KIP-1207); the
            // broker's own handlers are what producers and consumers feel.
            ("KafkaRequestHandlerPool", "BrokerRequestHandlerAvgIdlePercent") => {
                self.counters.handler_idle_ns = count;
            }
            ("KafkaRequestHandlerPool", "RequestHandlerAvgIdlePercent") => {
                self.counters.handler_idle_ns = self.counters.handler_idle_ns.or(count);
            }
            ("SocketServer", "NetworkProcessorAvgIdlePercent") => {
                // Just after a start Kafka computes a little more than 1.
                self.network_idle = bean.number("Value").map(|idle| idle.clamp(0.0, 1.0));
            }
            ("ReplicaManager", "UnderReplicatedPartitions") => {
                self.under_replicated = bean.whole("Value").and_then(|count| count.try_into().ok());
            }
            _ => {}
        }
    }

    fn take_total(&mut self, name: &str, count: Option<f64>) {
        let counters = &mut self.counters;
        match name {
            "BytesInPerSec" => counters.bytes_in = count,
            "BytesOutPerSec" => counters.bytes_out = count,
            "ReplicationBytesInPerSec" => counters.replication_in = count,
            "ReplicationBytesOutPerSec" => counters.replication_out = count,
            _ => {}
        }
    }

    fn take_topic(&mut self, topic: &str, name: &str, count: Option<f64>) {
        let (Ok(topic), Some(count)) = (topic.parse::<TopicName>(), count) else {
            return;
        };
        match name {
            "BytesInPerSec" => self.topics.entry(topic).or_default().bytes_in = count,
            "BytesOutPerSec" => self.topics.entry(topic).or_default().bytes_out = count,
            _ => {}
        }
    }
}

fn timer(bean: &Bean) -> Option<Timer> {
    let (count, mean) = (bean.number("Count")?, bean.number("Mean")?);
    (count >= 0.0 && mean >= 0.0).then(|| Timer {
        count,
        sum: exact_sum(count, mean),
    })
}
