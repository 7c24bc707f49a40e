//! `docs/operations.md` and what README tells to apply, held to the code and to the files that there are.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use operator::crd::ConditionType;

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(file: &str) -> String {
    std::fs::read_to_string(checkout().join(file)).unwrap()
}

/// The sources of decisions, from where all reasons come.
fn sources() -> Vec<PathBuf> {
    let folder = checkout().join("operator/src/decide");
    let files = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    // Facts have words of Kubernetes, and tests have any.
    files.retain(|file| file.is_file() && !file.ends_with("facts.rs") && !file.ends_with("tests.rs"));
    files
}

/// The literals of a source that are a single capitalised word, as reasons are and nothing else is but three values.
fn reasons(source: &str) -> BTreeSet<String> {
    let is_reason = |text: &&str| {
        text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.chars().all(|c| c.is_ascii_alphabetic())
            && !["True", "False", "Unknown"].contains(text)
    };
    source
        .lines()
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .filter(is_reason)
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_guide_has_a_row_for_every_reason_of_a_condition_or_an_event() {
    let guide = read("docs/operations.md");
    let mut found = BTreeSet::new();
    for source in sources() {
        found.extend(reasons(&std::fs::read_to_string(source).unwrap()));
    }
    // Those of two modules, so that a search which finds nothing does not pass.
    for known in ["ScaleDownRefused", "NoRack"] {
        assert!(found.contains(known), "{known} is not among {found:?}");
    }
    let has_row = |reason: &String| {
        let mut rows = guide.lines().filter(|line| line.starts_with('|'));
        rows.any(|row| row.contains(&format!("| `{reason}` |")))
    };
    let missing: Vec<_> = found.iter().filter(|reason| !has_row(reason)).collect();
    assert!(
        missing.is_empty(),
        "docs/operations.md has no row for {missing:?}"
    );
}

#[test]
fn the_guide_has_a_section_for_every_condition() {
    let guide = read("docs/operations.md");
    for condition in ConditionType::ALL {
        let heading = format!("### {}", condition.name());
        assert!(
            guide.lines().any(|line| line == heading),
            "there is no `{heading}`"
        );
    }
}

#[test]
fn files_that_are_to_be_applied_are_there() {
    let mut applied = 0;
    for page in [
        "README.md",
        "docs/operations.md",
        "deploy/charts/kafka-operator/README.md",
    ] {
        for command in read(page).split("kubectl apply -f ").skip(1) {
            let file = command.split_whitespace().next().unwrap_or_default();
            // Standard input, and words that end a sentence.
            let file = file.trim_end_matches(['`', ',', '.', ':', ')']);
            if file == "-" {
                continue;
            }
            assert!(checkout().join(file).is_file(), "{page} applies {file}");
            applied += 1;
        }
    }
    assert!(applied > 0);
}

#[test]
fn the_operator_is_among_the_examples_as_it_was_of_the_original() {
    assert_eq!(read("examples/kafka-operator.yaml"), read("deploy/operator.yaml"));
}
