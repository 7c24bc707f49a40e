//! Choosing by name.

use std::convert::Infallible;
use std::str::FromStr;

use kafka::settings::{Fields, Section, Setting};
use serde::Serialize;
use serde_json::Value;

/// Which names are taken: those that `allow` has (all when it is empty) and `deny` has not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Selection {
    /// Patterns of names to take.
    pub allow: Vec<Pattern>,
    /// Patterns of names to leave out.
    pub deny: Vec<Pattern>,
}

/// A name in which `*` stands for any characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl FromStr for Pattern {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl Pattern {
    /// Whether the pattern stands for the name.
    pub fn matches(&self, name: &str) -> bool {
        let Some((head, rest)) = self.0.split_once('*') else {
            return self.0 == name;
        };
        let Some(mut left) = name.strip_prefix(head) else {
            return false;
        };
        let mut parts = rest.split('*').peekable();
        // Each part but the last may stand anywhere after the one before it; the first place leaves most to the others.
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return left.ends_with(part);
            }
            match left.find(part) {
                Some(at) => left = &left[at + part.len()..],
                None => return false,
            }
        }
        true
    }
}

impl Selection {
    /// Whether the name is taken.
    pub fn takes(&self, name: &str) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(name));
        (self.allow.is_empty() || any(&self.allow)) && !any(&self.deny)
    }
}

impl Section for Selection {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let allow = fields.list("allow");
        let deny = fields.list("deny");
        Some(Self {
            allow: allow?,
            deny: deny?,
        })
    }
}

impl Setting for Pattern {
    fn read(value: &Value) -> Result<Self, String> {
        String::read(value).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        let matches = |pattern: &str, name| Pattern(pattern.to_owned()).matches(name);
        for (pattern, name) in [
            ("a", "a"),
            ("*", ""),
            ("a*", "a"),
            ("*.dlq", "orders.dlq"),
            ("a*b*c", "axbbc"),
            ("a**", "ab"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("a", "ab"),
            ("a*", "b"),
            ("*.dlq", "orders.dlq.x"),
            ("a*b*c", "acb"),
            ("a*a", "a"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
