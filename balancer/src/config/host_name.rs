//! Names of machines.

use kafka::settings::Setting;
use serde::Serialize;
use serde_json::Value;

/// The longest name that DNS has.
const MAX_BYTES: usize = 253;

/// A name by which a machine is reached, in lower case and without a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct HostName(String);

impl HostName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for HostName {
    fn read(value: &Value) -> Result<Self, String> {
        let text = String::read(value)?;
        let is_label = |label: &str| {
            !label.is_empty()
                && label
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        };
        if text.len() > MAX_BYTES || !text.split('.').all(is_label) {
            return Err(format!(
                "`{}` is no name of a machine, such as balancer.example.org, without scheme and port",
                text.chars().take(MAX_BYTES).collect::<String>()
            ));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}
