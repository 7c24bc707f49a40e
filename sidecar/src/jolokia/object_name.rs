//! Names of MBeans, as `javax.management.ObjectName` writes them.

use thiserror::Error;

/// A parsed name: `domain:key=value,key="quoted, value"`, keys in any order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName {
    /// The part before the colon.
    pub domain: String,
    /// Key properties in the order in which they were written, quotes and escapes removed.
    pub properties: Vec<(String, String)>,
}

/// Text that is no MBean's name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no MBean name")]
pub struct InvalidObjectName(String);

impl ObjectName {
    /// The value of a key property.
    pub fn property(&self, key: &str) -> Option<&str> {
        let found = self.properties.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str())
    }

    /// Parses a name.
    ///
    /// # Errors
    ///
    /// The text lacks a colon, an equals sign or a closing quote.
    pub fn parse(text: &str) -> Result<Self, InvalidObjectName> {
        let invalid = || InvalidObjectName(text.chars().take(200).collect());
        let (domain, mut rest) = text.split_once(':').ok_or_else(invalid)?;
        let mut properties = Vec::with_capacity(4);
        while !rest.is_empty() {
            let (key, after) = rest.split_once('=').ok_or_else(invalid)?;
            let (value, left) = match after.strip_prefix('"') {
                Some(quoted) => unquote(quoted).ok_or_else(invalid)?,
                None => {
                    let end = after.find(',').unwrap_or(after.len());
                    (after[..end].to_owned(), &after[end..])
                }
            };
            properties.push((key.to_owned(), value));
            rest = match left.strip_prefix(',') {
                Some(next) => next,
                None if left.is_empty() => left,
                None => return Err(invalid()),
            };
        }
        Ok(Self {
            domain: domain.to_owned(),
            properties,
        })
    }
}

/// Reads up to the closing quote; escapes are those of `ObjectName.quote`.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                escaped => value.push(escaped),
            },
            plain => value.push(plain),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn key_properties_are_found_in_any_order() {
        for text in [
            "java.lang:name=Copy,type=GarbageCollector",
            "java.lang:type=GarbageCollector,name=Copy",
        ] {
            let name = ObjectName::parse(text).unwrap();
            assert_eq!(name.domain, "java.lang");
            assert_eq!(name.property("type"), Some("GarbageCollector"));
            assert_eq!(name.property("name"), Some("Copy"));
        }
    }

    #[test]
    fn a_quoted_value_may_hold_commas_quotes_and_escapes() {
        let text = r#"kafka.log:type=LogManager,logDirectory="/a,b=\"c\"\*",name=LogDirectoryOffline"#;
        let name = ObjectName::parse(text).unwrap();
        assert_eq!(name.property("logDirectory"), Some("/a,b=\"c\"*"));
        assert_eq!(name.property("name"), Some("LogDirectoryOffline"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}") {
            let _ = ObjectName::parse(&text);
        }
    }
}
