//! Reading a configuration file, with every problem of it in one message.
//!
//! Serde stops at the first thing that it cannot take. Somebody who mounts a configuration into a pod wants all of
//! them at once, each with its path, the value found and what is allowed; so the file is read into a tree, and each
//! [`Section`] takes its fields out of that tree through [`Fields`], which collects what is wrong.
//!
//! Sections also derive `Serialize`: what is written that way is read back as the same value.

mod fields;
mod units;

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;
use thiserror::Error;

pub use fields::{Bounded, Fields, Setting};
pub use units::{ByteRate, ByteSize, parse_duration, write_duration};

/// A configuration file is a page or two; more than this is a mistake.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// A part of the configuration that has fields.
pub trait Section: Sized {
    /// Takes its fields; none when one of them was wrong, which `fields` then has noted.
    fn read(fields: &mut Fields<'_>) -> Option<Self>;
}

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, such as `kafka.bootstrap[1]`.
    pub path: String,
    /// What is there and what is allowed.
    pub message: String,
}

/// All that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "  {}: {}", problem.path, problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Why a configuration could not be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("the configuration {path} cannot be read: {source}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is far larger than a configuration can be.
    #[error("the configuration {path} is larger than {MAX_FILE_BYTES} bytes; is it the right file?", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is no YAML.
    #[error("the configuration {origin} is not YAML: {message}")]
    Syntax {
        /// The file, or how else the text came.
        origin: String,
        /// The parser's words, with line and column.
        message: String,
    },
    /// The file is YAML, and these things in it are wrong.
    #[error("the configuration {origin} has {count} {noun}:\n{problems}", count = problems.0.len(), noun = if problems.0.len() == 1 { "problem" } else { "problems" })]
    Invalid {
        /// The file, or how else the text came.
        origin: String,
        /// What is wrong.
        problems: Problems,
    },
}

/// Reads a configuration file.
///
/// # Errors
///
/// The file cannot be read, is no YAML, or says things that are not allowed: all of them in one error.
pub fn read_file<T: Section>(path: &Path) -> Result<T, SettingsError> {
    let unreadable = |source| SettingsError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    std::fs::File::open(path)
        .map_err(unreadable)?
        .take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(SettingsError::TooLarge {
            path: path.to_owned(),
        });
    }
    parse(&text, &path.display().to_string())
}

/// Reads a configuration from text that came from `origin`.
///
/// # Errors
///
/// As [`read_file`].
pub fn parse<T: Section>(text: &str, origin: &str) -> Result<T, SettingsError> {
    let tree: Value = if text.trim().is_empty() {
        Value::Null
    } else {
        serde_saphyr::from_str(text).map_err(|error| SettingsError::Syntax {
            origin: origin.to_owned(),
            message: error.to_string(),
        })?
    };
    let mut problems = Vec::new();
    let section = fields::read_section(String::new(), &tree, &mut problems);
    match section {
        Some(section) if problems.is_empty() => Ok(section),
        _ => Err(SettingsError::Invalid {
            origin: origin.to_owned(),
            problems: Problems(problems),
        }),
    }
}

/// Writes a configuration as [`parse`] reads it.
///
/// # Errors
///
/// A value that YAML cannot express, which no section of this project has.
pub fn to_yaml(section: &impl serde::Serialize) -> Result<String, serde_saphyr::ser::Error> {
    serde_saphyr::to_string(section)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::Serialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize)]
    struct Sampling {
        #[serde(serialize_with = "write_duration")]
        interval: Duration,
        rate: ByteRate,
    }

    #[derive(Debug, PartialEq, Serialize)]
    struct Whole {
        name: String,
        sampling: Sampling,
        brokers: Vec<crate::BrokerId>,
        limit: Option<ByteSize>,
    }

    impl Section for Sampling {
        fn read(fields: &mut Fields<'_>) -> Option<Self> {
            let interval = fields.within(
                "interval",
                Duration::from_secs(5),
                Duration::from_secs(1)..=Duration::from_secs(300),
            );
            let rate = fields.or("rate", ByteRate::from_bytes_per_second(1_000_000));
            Some(Self {
                interval: interval?,
                rate: rate?,
            })
        }
    }

    impl Section for Whole {
        fn read(fields: &mut Fields<'_>) -> Option<Self> {
            let name = fields.required("name");
            let sampling = fields.section("sampling");
            let brokers = fields.list("brokers");
            let limit = fields.optional("limit");
            Some(Self {
                name: name?,
                sampling: sampling?,
                brokers: brokers?,
                limit: limit?,
            })
        }
    }

    #[test]
    fn every_problem_is_in_one_message_with_path_value_and_what_is_allowed() {
        let text = "
sampling: {interval: 5 parsecs, rate: 3MB, colour: red}
brokers: [1, -4, x]
limit: 10 XB
";
        let message = parse::<Whole>(text, "test.yaml").unwrap_err().to_string();
        for part in [
            "test.yaml has 7 problems",
            "name: is missing",
            "sampling.interval: `5 parsecs` is no duration",
            "sampling.rate: `3MB` is no rate",
            "sampling.colour: is not known here; known are interval, rate",
            "brokers[1]: -4 is no broker id",
            "brokers[2]: `x` is no whole number",
            "limit: `10 XB` is no size",
        ] {
            assert!(message.contains(part), "{part:?} is not in:\n{message}");
        }
    }

    #[test]
    fn a_value_out_of_bounds_is_told_the_bounds() {
        let text = "{name: a, sampling: {interval: 1h}, brokers: []}";
        let message = parse::<Whole>(text, "x").unwrap_err().to_string();
        assert!(
            message.contains("sampling.interval: 1h is not between 1s and 5m"),
            "{message}"
        );
    }

    #[test]
    fn what_is_written_is_read_back_as_the_same() {
        let whole = Whole {
            name: "a: b # c".to_owned(),
            sampling: Sampling {
                interval: Duration::from_millis(1500),
                rate: ByteRate::from_bytes_per_second(12_345_678),
            },
            brokers: vec![7.try_into().unwrap()],
            limit: Some(ByteSize::from_bytes(3 * 1024 * 1024)),
        };
        assert_eq!(parse::<Whole>(&to_yaml(&whole).unwrap(), "x").unwrap(), whole);
    }

    #[test]
    fn an_empty_file_lacks_what_is_required() {
        let message = parse::<Whole>("", "x").unwrap_err().to_string();
        assert!(message.contains("name: is missing"), "{message}");
    }

    #[test]
    fn text_that_is_no_yaml_is_told_where() {
        let message = parse::<Whole>("a: [1", "x").unwrap_err().to_string();
        assert!(message.contains("is not YAML"), "{message}");
    }

    #[test]
    fn a_file_of_megabytes_is_refused_before_it_is_parsed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a".repeat(2 * 1024 * 1024)).unwrap();
        assert!(matches!(
            read_file::<Whole>(file.path()),
            Err(SettingsError::TooLarge { .. })
        ));
    }
}
