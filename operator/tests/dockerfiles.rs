//! The Dockerfiles, as far as that can be told without Docker: what they copy is there, and ends where the operator looks.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use operator::build::JOLOKIA_AGENT;

/// The instructions of a Dockerfile as words, with lines that go on put together.
fn instructions(program: &str) -> Vec<Vec<String>> {
    let file = checkout().join(format!("deploy/images/{program}.Dockerfile"));
    let text = fs::read_to_string(file).unwrap().replace("\\\n", " ");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .filter(|words| !words.is_empty())
        .collect()
}

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn starting_with<'a>(
    instructions: &'a [Vec<String>],
    name: &'a str,
) -> impl Iterator<Item = &'a [String]> + 'a {
    instructions
        .iter()
        .filter(move |words| words[0] == name)
        .map(|words| &words[1..])
}

#[test]
fn what_is_copied_from_the_checkout_is_there() {
    for program in ["operator", "balancer", "sidecar"] {
        for words in starting_with(&instructions(program), "COPY") {
            if words[0].starts_with("--from=") {
                continue;
            }
            for source in &words[..words.len() - 1] {
                assert!(checkout().join(source).exists(), "{program}: {source}");
            }
        }
    }
}

#[test]
fn what_is_copied_from_a_stage_was_made_in_one_of_that_name() {
    for program in ["operator", "balancer", "sidecar"] {
        let instructions = instructions(program);
        let stages: BTreeSet<&str> = starting_with(&instructions, "FROM")
            .filter_map(|words| words.get(2).map(String::as_str))
            .collect();
        for words in starting_with(&instructions, "COPY") {
            if let Some(stage) = words[0].strip_prefix("--from=") {
                // Another image has a tag.
                assert!(
                    stages.contains(stage) || stage.contains(':'),
                    "{program}: {stage}"
                );
            }
        }
    }
}

#[test]
fn programs_start_as_a_user_that_is_not_root() {
    for program in ["operator", "balancer", "sidecar"] {
        let instructions = instructions(program);
        let user = starting_with(&instructions, "USER").last().unwrap();
        let (user, group) = user[0].split_once(':').unwrap();
        assert!(user.parse::<u32>().unwrap() > 0 && group.parse::<u32>().unwrap() > 0);
        let entrypoint = starting_with(&instructions, "ENTRYPOINT").last().unwrap();
        let path = format!("/usr/bin/kafka-{program}");
        assert_eq!(entrypoint.concat(), format!("[\"{path}\"]"));
        assert!(starting_with(&instructions, "COPY").any(|words| words.last() == Some(&path)));
    }
}

#[test]
fn the_agent_is_where_an_init_container_of_a_broker_copies_it_from() {
    let instructions = instructions("sidecar");
    let is_target = |path: &str| {
        starting_with(&instructions, "COPY").any(|words| words.last().is_some_and(|last| last == path))
    };
    assert!(is_target(JOLOKIA_AGENT));
    assert!(is_target("/bin/cp"));
}
