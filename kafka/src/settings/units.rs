//! Durations, sizes and rates as people write them.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::fields::{Setting, show};

/// A number of bytes, written with a unit: `512 KiB`, `10 MB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

/// Bytes per second, written with a unit: `10 MB/s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteRate(u64);

/// Units of size, the largest first. Decimal and binary ones are told apart, as in SI and IEC 80000-13.
const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

/// Units of time in milliseconds, the largest first.
const TIMES: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

impl ByteSize {
    /// So many bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl ByteRate {
    /// So many bytes a second.
    pub const fn from_bytes_per_second(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes a second.
    pub const fn bytes_per_second(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&exact(self.0, &SIZES, " "))
    }
}

impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", ByteSize(self.0))
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for ByteRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Serialises a duration as [`Setting`] reads it; for `#[serde(serialize_with)]`.
///
/// # Errors
///
/// Those of the serializer.
pub fn write_duration<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&duration_text(*duration))
}

/// Reads a duration as configuration files have it, such as `5s`, from a command line.
///
/// # Errors
///
/// What is wrong, and how it is written.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    Duration::read(&Value::String(text.to_owned()))
}

pub(super) fn duration_text(duration: Duration) -> String {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    exact(milliseconds, &TIMES, "")
}

impl Setting for Duration {
    fn read(value: &Value) -> Result<Self, String> {
        let milliseconds = measure(value, &TIMES)
            .ok_or_else(|| format!("{} is no duration, such as 500ms, 5s, 2m or 1h", show(value)))?;
        Ok(Self::from_millis(milliseconds))
    }
}

impl Setting for ByteSize {
    fn read(value: &Value) -> Result<Self, String> {
        measure(value, &SIZES)
            .map(Self)
            .ok_or_else(|| format!("{} is no size, such as 512 KiB, 10 MB or 2 TB", show(value)))
    }
}

impl Setting for ByteRate {
    fn read(value: &Value) -> Result<Self, String> {
        let text = value.as_str().and_then(|text| text.strip_suffix("/s"));
        text.and_then(|text| measure_text(text, &SIZES))
            .map(Self)
            .ok_or_else(|| format!("{} is no rate, such as 500 kB/s or 10 MB/s", show(value)))
    }
}

fn measure(value: &Value, units: &[(&str, u64)]) -> Option<u64> {
    measure_text(value.as_str()?, units)
}

/// A number and its unit. Fractions are taken (`1.5 GB`), a number without a unit is not: nobody should have to guess.
fn measure_text(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(split);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(*factor);
    }
    let product = number.parse::<f64>().ok()? * *factor as f64;
    // Beyond 2^53 a fraction of a unit is no longer exact.
    (product < 9.0e15).then(|| product.round() as u64)
}

/// The largest unit that divides the amount, so that reading it gives the same number.
fn exact(amount: u64, units: &[(&str, u64)], gap: &str) -> String {
    let smallest = units[units.len() - 1];
    let (unit, factor) = units
        .iter()
        .copied()
        .find(|(_, factor)| amount > 0 && amount.is_multiple_of(*factor))
        .unwrap_or(smallest);
    format!("{}{gap}{unit}", amount / factor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_amount_is_read_back_as_it_was_written(amount in any::<u64>()) {
            let size = Value::String(ByteSize(amount).to_string());
            prop_assert_eq!(ByteSize::read(&size), Ok(ByteSize(amount)));
            let rate = Value::String(ByteRate(amount).to_string());
            prop_assert_eq!(ByteRate::read(&rate), Ok(ByteRate(amount)));
            let time = Value::String(duration_text(Duration::from_millis(amount)));
            prop_assert_eq!(Duration::read(&time), Ok(Duration::from_millis(amount)));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}") {
            let value = Value::String(text);
            let _ = (ByteSize::read(&value), ByteRate::read(&value), Duration::read(&value));
        }
    }

    #[test]
    fn decimal_and_binary_units_differ_and_a_bare_number_is_refused() {
        let read = |text: &str| ByteSize::read(&Value::String(text.to_owned())).map(ByteSize::bytes);
        assert_eq!(read("1 MB"), Ok(1_000_000));
        assert_eq!(read("1MiB"), Ok(1_048_576));
        assert_eq!(read("1.5 GB"), Ok(1_500_000_000));
        assert!(read("1000").is_err());
        assert!(ByteSize::read(&Value::from(1000)).is_err());
    }
}
