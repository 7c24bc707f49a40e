//! The agent's answer, typed.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::{JolokiaError, ObjectName, Read};

/// One MBean and the attributes that were asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Bean {
    /// Its name.
    pub name: ObjectName,
    /// Attributes by name.
    pub attributes: BTreeMap<String, Value>,
}

impl Bean {
    /// An attribute that is a finite number. NaN comes as null, and numbers beyond 2^53 or of odd types as text.
    pub fn number(&self, attribute: &str) -> Option<f64> {
        number(self.attributes.get(attribute)?)
    }

    /// An attribute that is a whole number from 0 up.
    pub fn whole(&self, attribute: &str) -> Option<u64> {
        match self.attributes.get(attribute)? {
            Value::String(text) => text.parse().ok(),
            value => value.as_u64(),
        }
    }
}

/// The sum that a mean was computed from. Kafka's histograms add whole numbers, so what is not whole is a rounding error,
/// which could make a sum seem to fall.
pub fn exact_sum(count: f64, mean: f64) -> f64 {
    (count * mean).round()
}

/// The finite number that a value holds, as JSON number or as text.
pub(super) fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number.filter(|number| number.is_finite())
}

/// One read of a bulk request that the agent refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{mbean}: status {status}: {message}")]
pub struct ReadRefused {
    /// What was to be read.
    pub mbean: &'static str,
    /// Jolokia's status, after HTTP's.
    pub status: u16,
    /// The agent's words.
    pub message: String,
}

#[derive(Deserialize)]
struct Answer {
    status: u16,
    #[serde(default)]
    value: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    error: Option<String>,
}

/// Parses the answer to a bulk request of `reads`.
///
/// # Errors
///
/// The agent refused the request as a whole, or the answer is not one to these reads.
pub fn parse(body: &[u8], reads: &[Read]) -> Result<Vec<Result<Vec<Bean>, ReadRefused>>, JolokiaError> {
    let nonsense = |error: serde_json::Error| JolokiaError::Nonsense(error.to_string());
    // A refusal of the whole request is one object where a list is due.
    if body.trim_ascii_start().starts_with(b"{") {
        let answer: Answer = serde_json::from_slice(body).map_err(nonsense)?;
        return Err(JolokiaError::refused(answer.status, shorten(answer.error)));
    }
    let answers: Vec<Answer> = serde_json::from_slice(body).map_err(nonsense)?;
    if answers.len() != reads.len() {
        let (found, due) = (answers.len(), reads.len());
        return Err(JolokiaError::Nonsense(format!("{found} answers to {due} reads")));
    }
    reads
        .iter()
        .zip(answers)
        .map(|(read, answer)| beans(read, answer))
        .collect()
}

fn beans(read: &Read, answer: Answer) -> Result<Result<Vec<Bean>, ReadRefused>, JolokiaError> {
    let nonsense = |message: String| JolokiaError::Nonsense(message);
    match answer.status {
        200 => {}
        // Nothing of that name: a topic not written to yet, a role that this node does not have.
        404 => return Ok(Ok(Vec::new())),
        status => {
            return Ok(Err(ReadRefused {
                mbean: read.mbean,
                status,
                message: shorten(answer.error),
            }));
        }
    }
    let Some(value) = answer.value else {
        return Ok(Ok(Vec::new()));
    };
    if !read.is_pattern() {
        let name = ObjectName::parse(read.mbean).map_err(|error| nonsense(error.to_string()))?;
        return Ok(Ok(vec![Bean {
            name,
            attributes: value,
        }]));
    }
    let beans = value.into_iter().map(|(name, attributes)| {
        let name = ObjectName::parse(&name).map_err(|error| nonsense(error.to_string()))?;
        match attributes {
            Value::Object(attributes) => Ok(Bean {
                name,
                attributes: attributes.into_iter().collect(),
            }),
            // With `ignoreErrors` the text of an error stands where attributes are due.
            _ => Ok(Bean {
                name,
                attributes: BTreeMap::new(),
            }),
        }
    });
    beans.collect::<Result<Vec<_>, _>>().map(Ok)
}

fn shorten(message: Option<String>) -> String {
    message.unwrap_or_default().chars().take(300).collect()
}
