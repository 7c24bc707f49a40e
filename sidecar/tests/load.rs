//! The size of the report on the wire.

// The lint's exception for tests does not reach their helpers.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use kafka::TopicPartition;
use sidecar::load::{Heading, report};
use sidecar::logs::{Led, LogReading, Replica};
use sidecar::rates::{PartitionRate, PartitionRates};
use sidecar::report::{BrokerTotals, Confidence};

/// Digits without a pattern, so that nothing compresses that would not in life.
fn noise(seed: u64) -> u64 {
    let mixed = (seed ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ (mixed >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 11
}

#[test]
fn a_report_of_4000_replicas_is_at_most_100_kb_compressed() {
    let (mut replicas, mut rates) = (BTreeMap::new(), PartitionRates::new());
    for number in 0..4000_u64 {
        let topic = format!("team-{}.events.v{}", number % 97, number % 3)
            .parse()
            .unwrap();
        let name = TopicPartition::new(topic, i32::try_from(number).unwrap().try_into().unwrap());
        let led = Led {
            span: None,
            replicas: 3,
            in_sync: 3,
            against_minimum: None,
            preferred: Some(true),
        };
        let leads = number % 3 == 0;
        let replica = Replica {
            topic_id: [1; 16],
            size: noise(number) % 100_000_000_000,
            led: leads.then_some(led),
            in_sync: true,
        };
        if leads {
            let rate = PartitionRate {
                bytes_in: (noise(number + 1) % 10_000_000) as f64,
                bytes_in_confidence: Confidence::Weighted,
                bytes_out: (noise(number + 2) % 30_000_000) as f64,
                bytes_out_confidence: Confidence::Weighted,
                records_in: (noise(number + 3) % 10_000) as f64,
                record_size: None,
            };
            rates.insert(name.clone(), rate);
        }
        replicas.insert(name, replica);
    }
    let logs = LogReading {
        replicas,
        ..LogReading::default()
    };
    let heading = Heading {
        broker: 1.try_into().unwrap(),
        sampled_at_ms: 1,
        window: Duration::from_secs(5),
        sources: BTreeMap::new(),
        totals: BrokerTotals::default(),
    };
    let report = report(heading, &logs, &rates);
    assert_eq!(report.check(), Ok(()));
    assert_eq!(report.replicas.topic.len(), 4000);
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&serde_json::to_vec(&report).unwrap()).unwrap();
    let size = packed.finish().unwrap().len();
    assert!(size <= 100_000, "{size} bytes");
}
