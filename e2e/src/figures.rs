//! What tests have measured, as JSON in `target/e2e`.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::scene::{Outcome, say};

/// Writes figures into a file of `target/e2e`. What is there and is not among them stays, as do figures that are null now.
///
/// # Errors
///
/// The file cannot be read or written.
pub fn add(file: &str, figures: &impl Serialize) -> Outcome {
    let mut all = read(file)?;
    if let Value::Object(now) = serde_json::to_value(figures)? {
        all.extend(now.into_iter().filter(|(_, figure)| !figure.is_null()));
    }
    let text = serde_json::to_string_pretty(&all)?;
    let path = path(file);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, &text)?;
    say(&text)
}

fn read(file: &str) -> Outcome<Map<String, Value>> {
    match std::fs::read(path(file)) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(_) => Ok(Map::new()),
    }
}

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../target/e2e")
        .join(file)
}
