//! Quantities of Kubernetes as numbers with bounds.

use std::ops::RangeInclusive;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use thiserror::Error;

/// A quantity within bounds: the number, and how it was written, so that objects say it in the user's words.
#[derive(Debug, Clone, PartialEq)]
pub struct Amount {
    number: u64,
    written: Quantity,
}

/// Why a quantity cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidQuantity {
    /// It is no quantity.
    #[error("`{0}` is no quantity such as 500m, 2, 1.5Gi or 100G")]
    Malformed(String),
    /// It is too little or too much.
    #[error("`{written}` is not between {least} and {most}")]
    OutOfBounds {
        /// What was written.
        written: String,
        /// The least that is allowed.
        least: &'static str,
        /// The most that is allowed.
        most: &'static str,
    },
}

/// What a kind of quantity is counted in and may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// How many of what it is counted in make one.
    scale: u128,
    least: (&'static str, u64),
    most: (&'static str, u64),
}

/// Cores, in thousandths.
pub(super) const CPU: Bounds = Bounds {
    scale: 1_000,
    least: ("100m", 100),
    most: ("1024", 1_024_000),
};

/// Memory in bytes. Kafka does not start with much less.
pub(super) const MEMORY: Bounds = Bounds {
    scale: 1,
    least: ("512Mi", 512 << 20),
    most: ("4Ti", 4 << 40),
};

/// Disk in bytes.
pub(super) const DISK: Bounds = Bounds {
    scale: 1,
    least: ("100Mi", 100 << 20),
    most: ("1Pi", 1 << 50),
};

/// Bytes or bytes per second of which there must be some.
pub(super) const BYTES: Bounds = Bounds {
    scale: 1,
    least: ("1k", 1_000),
    most: ("1Pi", 1 << 50),
};

impl Amount {
    pub(super) fn parse(quantity: &Quantity, bounds: Bounds) -> Result<Self, InvalidQuantity> {
        let malformed = || InvalidQuantity::Malformed(quantity.0.chars().take(60).collect());
        let number = scaled(&quantity.0, bounds.scale).ok_or_else(malformed)?;
        let within: RangeInclusive<u64> = bounds.least.1..=bounds.most.1;
        match u64::try_from(number) {
            Ok(number) if within.contains(&number) => Ok(Self {
                number,
                written: quantity.clone(),
            }),
            _ => Err(InvalidQuantity::OutOfBounds {
                written: quantity.0.clone(),
                least: bounds.least.0,
                most: bounds.most.0,
            }),
        }
    }

    /// Thousandths of cores, or bytes.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// As it was written.
    pub fn written(&self) -> &Quantity {
        &self.written
    }
}

/// The bytes of a volume, where the quantity is one that a volume can have.
pub fn disk_bytes(quantity: &Quantity) -> Option<u64> {
    Amount::parse(quantity, DISK).ok().map(|amount| amount.number)
}

/// Suffixes with the number of thousandths that they stand for.
const SUFFIXES: [(&str, u128); 12] = [
    ("Ki", 1_000 << 10),
    ("Mi", 1_000 << 20),
    ("Gi", 1_000 << 30),
    ("Ti", 1_000 << 40),
    ("Pi", 1_000 << 50),
    ("m", 1),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("", 1_000),
];

/// The quantity in parts of which `scale` make one, rounded up as Kubernetes does.
fn scaled(text: &str, scale: u128) -> Option<u128> {
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let (_, factor) = SUFFIXES.iter().find(|(name, _)| *name == suffix)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || whole.len() > 18 || fraction.len() > 9 {
        return None;
    }
    let decimals = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let numerator = digits.checked_mul(*factor)?.checked_mul(scale)?;
    Some(numerator.div_ceil(decimals * 1_000))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, bounds: Bounds) -> Result<u64, InvalidQuantity> {
        Amount::parse(&Quantity(text.to_owned()), bounds).map(|amount| amount.number())
    }

    #[test]
    fn decimal_and_binary_suffixes_differ_and_fractions_are_taken() {
        assert_eq!(read("50G", DISK), Ok(50_000_000_000));
        assert_eq!(read("1Gi", MEMORY), Ok(1 << 30));
        assert_eq!(read("1.5Gi", MEMORY), Ok(3 << 29));
        assert_eq!(read("1", CPU), Ok(1_000));
        assert_eq!(read("0.5", CPU), Ok(500));
        assert_eq!(read("250m", CPU), Ok(250));
    }

    #[test]
    fn what_is_no_quantity_or_beyond_bounds_is_refused_with_what_is_allowed() {
        for text in [
            "",
            "Gi",
            ".5",
            "1.2.3",
            "1GB",
            "-1",
            "1 Gi",
            "9999999999999999999",
        ] {
            assert!(
                matches!(read(text, DISK), Err(InvalidQuantity::Malformed(_))),
                "{text}"
            );
        }
        let message = read("1Mi", MEMORY).unwrap_err().to_string();
        assert_eq!(message, "`1Mi` is not between 512Mi and 4Ti");
        assert!(read("999P", DISK).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[0-9.]{0,30}[a-zA-Z]{0,3}") {
            let _ = (read(&text, CPU), read(&text, DISK));
        }
    }
}
