//! Taking typed fields out of a tree of values, and noting what is wrong.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::{Problem, Section};
use crate::ids::{BrokerId, GroupId, TopicName};

/// A value that stands alone in a configuration.
pub trait Setting: Sized {
    /// Reads it, or says in a sentence what the value is not and what would be allowed.
    ///
    /// # Errors
    ///
    /// The sentence.
    fn read(value: &Value) -> Result<Self, String>;
}

/// The fields of one section, and all problems found so far.
#[derive(Debug)]
pub struct Fields<'a> {
    path: String,
    map: Option<&'a Map<String, Value>>,
    known: Vec<&'static str>,
    problems: &'a mut Vec<Problem>,
}

/// Reads a section and then notes the keys that it did not ask for.
pub(super) fn read_section<S: Section>(
    path: String,
    value: &Value,
    problems: &mut Vec<Problem>,
) -> Option<S> {
    let map = match value {
        Value::Object(map) => Some(map),
        Value::Null => None,
        other => {
            let message = format!("{} is no group of fields (`name: value`)", show(other));
            problems.push(Problem { path, message });
            return None;
        }
    };
    let mut fields = Fields {
        path,
        map,
        known: Vec::new(),
        problems,
    };
    let section = S::read(&mut fields);
    fields.note_unknown();
    section
}

impl<'a> Fields<'a> {
    /// A field that must be there.
    pub fn required<T: Setting>(&mut self, key: &'static str) -> Option<T> {
        let found = self.optional(key)?;
        if found.is_none() {
            self.problem(key, "is missing");
        }
        found
    }

    /// A field that may be missing or null. The outer option is none when it is there and wrong.
    pub fn optional<T: Setting>(&mut self, key: &'static str) -> Option<Option<T>> {
        match self.take(key) {
            None => Some(None),
            Some(value) => match T::read(value) {
                Ok(setting) => Some(Some(setting)),
                Err(message) => {
                    self.problem(key, message);
                    None
                }
            },
        }
    }

    /// A field with a default.
    pub fn or<T: Setting>(&mut self, key: &'static str, default: T) -> Option<T> {
        Some(self.optional(key)?.unwrap_or(default))
    }

    /// A field with a default and bounds.
    pub fn within<T>(&mut self, key: &'static str, default: T, bounds: RangeInclusive<T>) -> Option<T>
    where
        T: Setting + PartialOrd + Bounded,
    {
        let value = self.or(key, default)?;
        if bounds.contains(&value) {
            return Some(value);
        }
        let (low, high) = (bounds.start().shown(), bounds.end().shown());
        self.problem(key, format!("{} is not between {low} and {high}", value.shown()));
        None
    }

    /// A list; missing is empty. Each wrong element is noted with its index.
    pub fn list<T: Setting>(&mut self, key: &'static str) -> Option<Vec<T>> {
        self.each(key, |path, value, problems| match T::read(value) {
            Ok(setting) => Some(setting),
            Err(message) => {
                problems.push(Problem { path, message });
                None
            }
        })
    }

    /// A list of sections; missing is empty.
    pub fn sections<S: Section>(&mut self, key: &'static str) -> Option<Vec<S>> {
        self.each(key, read_section)
    }

    /// A section. One that is missing is read as if it were empty, so that its fields' defaults hold and its required
    /// fields are asked for by name.
    pub fn section<S: Section>(&mut self, key: &'static str) -> Option<S> {
        let path = self.path_of(key);
        let value = self.take(key).unwrap_or(&Value::Null);
        read_section(path, value, self.problems)
    }

    /// A section that may be missing. The outer option is none when it is there and wrong.
    pub fn optional_section<S: Section>(&mut self, key: &'static str) -> Option<Option<S>> {
        match self.take(key) {
            None => Some(None),
            Some(_) => self.section(key).map(Some),
        }
    }

    /// Notes that the field `key` is wrong in a way that its type alone does not tell.
    pub fn problem(&mut self, key: &str, message: impl Into<String>) {
        let path = self.path_of(key);
        self.problems.push(Problem {
            path,
            message: message.into(),
        });
    }

    fn each<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(String, &Value, &mut Vec<Problem>) -> Option<T>,
    ) -> Option<Vec<T>> {
        match self.take(key) {
            None => Some(Vec::new()),
            Some(Value::Array(values)) => {
                let path = self.path_of(key);
                // All of them are read before any wrong one ends it, so that all problems are noted.
                let read: Vec<Option<T>> = values
                    .iter()
                    .enumerate()
                    .map(|(index, value)| read(format!("{path}[{index}]"), value, self.problems))
                    .collect();
                read.into_iter().collect()
            }
            Some(other) => {
                self.problem(key, format!("{} is no list", show(other)));
                None
            }
        }
    }

    fn take(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.push(key);
        self.map?.get(key).filter(|value| !value.is_null())
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn note_unknown(&mut self) {
        let Some(map) = self.map else { return };
        let mut known = self.known.clone();
        known.sort_unstable();
        known.dedup();
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            let message = format!("is not known here; known are {}", known.join(", "));
            self.problem(key, message);
        }
    }
}

/// A value as it is shown in a message: short, and recognisable.
pub(super) fn show(value: &Value) -> String {
    const SHOWN: usize = 60;
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut short: String = text.chars().take(SHOWN).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("`{short}`")
}

/// A setting that can be compared with bounds and shown beside them.
pub trait Bounded {
    /// As one would write it in the file.
    fn shown(&self) -> String;
}

macro_rules! shown_by_display {
    ($($type:ty),*) => {$(
        impl Bounded for $type {
            fn shown(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

shown_by_display!(u16, u32, u64, usize, f64, super::ByteSize, super::ByteRate);

impl Bounded for std::time::Duration {
    fn shown(&self) -> String {
        super::units::duration_text(*self)
    }
}

macro_rules! whole_number {
    ($($type:ty),*) => {$(
        impl Setting for $type {
            fn read(value: &Value) -> Result<Self, String> {
                let number = value.as_u64().ok_or_else(|| {
                    format!("{} is no whole number from 0 up", show(value))
                })?;
                number.try_into().map_err(|_| format!("{number} is more than {}", <$type>::MAX))
            }
        }
    )*};
}

whole_number!(u16, u32, u64, usize);

impl Setting for f64 {
    fn read(value: &Value) -> Result<Self, String> {
        value
            .as_f64()
            .filter(|number| number.is_finite())
            .ok_or_else(|| format!("{} is no number", show(value)))
    }
}

impl Setting for bool {
    fn read(value: &Value) -> Result<Self, String> {
        value
            .as_bool()
            .ok_or_else(|| format!("{} is neither true nor false", show(value)))
    }
}

impl Setting for String {
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(text) if !text.is_empty() => Ok(text.clone()),
            Value::String(_) => Err("is empty".to_owned()),
            other => Err(format!(
                "{} is no text; put it in quotes if it is one",
                show(other)
            )),
        }
    }
}

impl Setting for PathBuf {
    fn read(value: &Value) -> Result<Self, String> {
        String::read(value).map(PathBuf::from)
    }
}

impl Setting for BrokerId {
    fn read(value: &Value) -> Result<Self, String> {
        let number = value
            .as_i64()
            .ok_or_else(|| format!("{} is no whole number from 0 up", show(value)))?;
        number
            .try_into()
            .map_err(|error: crate::ids::InvalidId| error.to_string())
    }
}

macro_rules! parsed_from_text {
    ($($type:ty),*) => {$(
        impl Setting for $type {
            fn read(value: &Value) -> Result<Self, String> {
                parse_text(value)
            }
        }
    )*};
}

parsed_from_text!(TopicName, GroupId);

impl Setting for SocketAddr {
    fn read(value: &Value) -> Result<Self, String> {
        let text = String::read(value)?;
        text.parse()
            .map_err(|_| format!("`{text}` is no address to listen on, such as 127.0.0.1:9404 or [::]:9404"))
    }
}

fn parse_text<T: std::str::FromStr<Err: Display>>(value: &Value) -> Result<T, String> {
    String::read(value)?
        .parse()
        .map_err(|error: T::Err| error.to_string())
}
