//! What brokers can carry.

use kafka::ids::BrokerId;
use kafka::settings::{ByteRate, ByteSize, Fields, Section};
use serde::Serialize;

/// A gigabit network card: the least that one meets in practice. Whoever has more says so.
const GIGABIT: ByteRate = ByteRate::from_bytes_per_second(125_000_000);

/// What brokers can carry: one figure for all, others for the brokers named.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CapacitySettings {
    /// Bytes per second that a broker can receive.
    pub bytes_in: ByteRate,
    /// Bytes per second that a broker can send.
    pub bytes_out: ByteRate,
    /// Cores; the number that the broker's JVM reports when missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_cores: Option<f64>,
    /// Bytes that log directories can hold; the size of the volumes that the broker reports when missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<ByteSize>,
    /// Brokers that differ.
    pub brokers: Vec<BrokerCapacity>,
}

/// What one broker can carry where it differs from the others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BrokerCapacity {
    /// The broker.
    pub id: BrokerId,
    /// Bytes per second that it can receive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_in: Option<ByteRate>,
    /// Bytes per second that it can send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_out: Option<ByteRate>,
    /// Its cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_cores: Option<f64>,
    /// Bytes that its log directories can hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<ByteSize>,
}

impl CapacitySettings {
    /// What is set for `broker`: bytes per second in and out, cores, bytes of disk.
    pub fn of(&self, broker: BrokerId) -> (ByteRate, ByteRate, Option<f64>, Option<ByteSize>) {
        let own = self.brokers.iter().find(|own| own.id == broker);
        (
            own.and_then(|own| own.bytes_in).unwrap_or(self.bytes_in),
            own.and_then(|own| own.bytes_out).unwrap_or(self.bytes_out),
            own.and_then(|own| own.cpu_cores).or(self.cpu_cores),
            own.and_then(|own| own.disk).or(self.disk),
        )
    }
}

impl Section for CapacitySettings {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let bytes_in = fields.or("bytes_in", GIGABIT);
        let bytes_out = fields.or("bytes_out", GIGABIT);
        let cpu_cores = fields.optional("cpu_cores");
        let disk = fields.optional("disk");
        let brokers = fields.sections("brokers");
        for (key, rate) in [("bytes_in", bytes_in), ("bytes_out", bytes_out)] {
            positive_rate(fields, key, rate);
        }
        positive_cores(fields, cpu_cores?);
        Some(Self {
            bytes_in: bytes_in?,
            bytes_out: bytes_out?,
            cpu_cores: cpu_cores?,
            disk: disk?,
            brokers: brokers?,
        })
    }
}

impl Section for BrokerCapacity {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let id = fields.required("id");
        let bytes_in = fields.optional("bytes_in");
        let bytes_out = fields.optional("bytes_out");
        let cpu_cores = fields.optional("cpu_cores");
        let disk = fields.optional("disk");
        positive_rate(fields, "bytes_in", bytes_in?);
        positive_rate(fields, "bytes_out", bytes_out?);
        positive_cores(fields, cpu_cores?);
        Some(Self {
            id: id?,
            bytes_in: bytes_in?,
            bytes_out: bytes_out?,
            cpu_cores: cpu_cores?,
            disk: disk?,
        })
    }
}

fn positive_rate(fields: &mut Fields<'_>, key: &str, rate: Option<ByteRate>) {
    if rate.is_some_and(|rate| rate.bytes_per_second() == 0) {
        fields.problem(
            key,
            "is 0; a broker that can carry nothing is excluded instead (`exclude.brokers`)",
        );
    }
}

fn positive_cores(fields: &mut Fields<'_>, cores: Option<f64>) {
    if cores.is_some_and(|cores| cores <= 0.0 || cores > 1024.0) {
        fields.problem("cpu_cores", "is not more than 0 and at most 1024");
    }
}
