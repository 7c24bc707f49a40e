//! What a record carries, and how large it is in the log.

/// The first bytes of every value: run, producer, sequence number.
pub(crate) const HEADER_BYTES: usize = 20;

/// A batch's header in the log (`org.apache.kafka.common.record.DefaultRecordBatch.RECORD_BATCH_OVERHEAD`).
pub(crate) const BATCH_OVERHEAD_BYTES: u64 = 61;

/// Identifies a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Tells one load from another that wrote to the same topic.
    pub(crate) run: u64,
    pub(crate) producer: u32,
    /// Dense per partition, from 0.
    pub(crate) sequence: u64,
}

impl Header {
    pub(crate) fn encode(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&self.run.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.producer.to_be_bytes());
        bytes[12..].copy_from_slice(&self.sequence.to_be_bytes());
        bytes
    }

    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        let (run, rest) = value.split_first_chunk::<8>()?;
        let (producer, rest) = rest.split_first_chunk::<4>()?;
        let (sequence, _) = rest.split_first_chunk::<8>()?;
        Some(Self {
            run: u64::from_be_bytes(*run),
            producer: u32::from_be_bytes(*producer),
            sequence: u64::from_be_bytes(*sequence),
        })
    }
}

/// The bytes of an uncompressed record without headers in Kafka's log, by the format of message version 2
/// (kafka.apache.org, "Message Format"): `length attributes timestampDelta offsetDelta keyLength key valueLength
/// value headerCount`, where all but the attributes, key and value are zigzag varints.
///
/// Both deltas are taken as one byte, which holds for the first 64 records of a batch that spans less than
/// 64 ms.
pub(crate) fn bytes_in_log(key: usize, value: usize) -> u64 {
    const ATTRIBUTES: usize = 1;
    const DELTAS: usize = 2;
    const HEADER_COUNT: usize = 1;
    let body = ATTRIBUTES + DELTAS + varint_bytes(key) + key + varint_bytes(value) + value + HEADER_COUNT;
    (varint_bytes(body) + body) as u64
}

/// How many bytes a zigzag varint of a length has: zigzag doubles it, each byte carries 7 bits.
fn varint_bytes(length: usize) -> usize {
    let bits = usize::BITS - (length << 1).leading_zeros();
    bits.div_ceil(7).max(1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_its_encoding() {
        let header = Header {
            run: 1 << 60,
            producer: 7,
            sequence: u64::MAX,
        };
        let mut value = header.encode().to_vec();
        value.extend([0xff; 100]);
        assert_eq!(Header::decode(&value), Some(header));
        assert_eq!(Header::decode(&value[..19]), None);
    }

    #[test]
    fn a_record_of_100_bytes_has_9_more_in_the_log() {
        // length 2, attributes 1, deltas 2, key length 1, value length 2, header count 1
        assert_eq!(bytes_in_log(10, 90), 100 + 9);
    }
}
