//! What families there are in an answer in Prometheus' format.

use std::collections::{BTreeMap, BTreeSet};

/// A family.
#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) help: String,
    /// The names of labels that its series have, as far as they differ.
    pub(crate) labels: BTreeSet<Vec<String>>,
}

/// The families by name.
pub(crate) fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some((name, help)) = after("# HELP ", line) {
            current = name.to_owned();
            assert!(!families.contains_key(name), "{name} is there twice");
            families.entry(current.clone()).or_default().help = help.to_owned();
        } else if let Some((name, kind)) = after("# TYPE ", line) {
            families.get_mut(name).unwrap().kind = kind.to_owned();
        } else {
            families.get_mut(&current).unwrap().labels.insert(labels(line));
        }
    }
    families
}

fn after<'a>(begin: &str, line: &'a str) -> Option<(&'a str, &'a str)> {
    line.strip_prefix(begin)?.split_once(' ')
}

/// The names of a line's labels.
fn labels(line: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = line.split_once('{').map_or("", |(_, rest)| rest);
    while let Some((name, value)) = rest.split_once("=\"") {
        names.push(name.trim_start_matches(',').to_owned());
        let mut characters = value.char_indices();
        let end = loop {
            match characters.next().unwrap() {
                (_, '\\') => drop(characters.next()),
                (end, '"') => break end,
                _ => {}
            }
        };
        rest = &value[end + 1..];
    }
    names
}
