//! The id of a Kafka cluster in KRaft mode.

use std::fmt;
use std::str::FromStr;

/// 16 bytes in URL-safe base64 without padding, as `kafka-storage format` takes them. Once a cluster is made, its id must
/// never change: brokers refuse to start with data of another cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterId(String);

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const LENGTH: usize = 22;

impl ClusterId {
    /// An id of random bits.
    pub fn from_random(bits: u128) -> Self {
        // Without the first bit the first character cannot be a hyphen, which programs would take for an option.
        let bits = bits & (u128::MAX >> 1);
        let digit = |value: u128| char::from(DIGITS[(value & 63) as usize]);
        let text = (1..LENGTH)
            .map(|place| digit(bits >> (128 - 6 * place)))
            .chain([digit((bits & 3) << 4)])
            .collect();
        Self(text)
    }
}

impl FromStr for ClusterId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let well_formed = text.len() == LENGTH
            && !text.starts_with('-')
            && text.bytes().all(|c| DIGITS.contains(&c))
            && text.ends_with(['A', 'Q', 'g', 'w']);
        if well_formed {
            Ok(Self(text.to_owned()))
        } else {
            let shown: String = text.chars().take(60).collect();
            Err(format!("`{shown}` is no id of a Kafka cluster"))
        }
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn random_bits_make_an_id_that_is_read_back(bits in any::<u128>()) {
            let id = ClusterId::from_random(bits);
            prop_assert_eq!(id.to_string().parse::<ClusterId>(), Ok(id));
        }
    }

    #[test]
    fn ids_of_kafka_are_taken_and_others_are_not() {
        assert_eq!(
            ClusterId::from_random(0x6162_6364_6566_6768_696a_6b6c_6d6e_6f70).to_string(),
            "YWJjZGVmZ2hpamtsbW5vcA"
        );
        assert!("5L6g3nShT-eMCtK--X86sw".parse::<ClusterId>().is_ok());
        for bad in [
            "",
            "5L6g3nShT-eMCtK--X86s",
            "-L6g3nShT-eMCtK--X86sw",
            "5L6g3nShT+eMCtK--X86sw",
        ] {
            assert!(bad.parse::<ClusterId>().is_err(), "{bad}");
        }
    }
}
