//! Checking manifests without a Kubernetes: first as its API server would, by the schema, then as the operator does.

use std::io::{self, Read};
use std::path::Path;

use jsonschema::Validator;
use kube::core::Resource;
use serde_json::{Value, json};
use thiserror::Error;

use crate::cluster::{Cluster, Problem};
use crate::crd::{self, Kafkacluster};

/// Kubernetes takes no larger object.
const MAX_BYTES: u64 = 3 * 1024 * 1024;

/// What was found about one Kafkacluster of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Its name.
    pub name: String,
    /// Everything that is wrong with it.
    pub problems: Vec<Problem>,
}

/// Why a manifest cannot be checked.
#[derive(Debug, Error)]
pub enum CheckError {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] io::Error),
    /// It is far larger than a manifest can be.
    #[error("it is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// It is no YAML.
    #[error("it is not YAML: {0}")]
    Syntax(String),
    /// The operator's own schema cannot be used.
    #[error("the schema cannot be used: {0}")]
    Schema(String),
}

/// Checks a file; `-` is standard input.
///
/// # Errors
///
/// The file cannot be read, or is no YAML.
pub fn read(path: &Path) -> Result<Vec<Verdict>, CheckError> {
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(std::fs::File::open(path)?)
    };
    let mut text = String::new();
    source.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(CheckError::TooLarge);
    }
    manifest(&text)
}

/// Checks each Kafkacluster of a manifest; documents of other kinds are passed over.
///
/// # Errors
///
/// The text is no YAML.
pub fn manifest(text: &str) -> Result<Vec<Verdict>, CheckError> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(text).map_err(|error| CheckError::Syntax(error.to_string()))?;
    let schema = validator()?;
    let of_our_kind = |document: &Value| document["kind"] == json!(Kafkacluster::kind(&()));
    let clusters = documents.into_iter().filter(of_our_kind);
    Ok(clusters.map(|document| verdict(&schema, document)).collect())
}

fn verdict(schema: &Validator, mut document: Value) -> Verdict {
    // For Kubernetes a field that is null is missing.
    remove_nulls(&mut document);
    let mut problems: Vec<Problem> = schema
        .iter_errors(&document)
        .map(|error| Problem {
            field: field(&error.instance_path().to_string()),
            cause: error.to_string(),
            cure: "see `kubectl explain kafkacluster.spec`".to_owned(),
        })
        .collect();
    let version = Kafkacluster::api_version(&());
    if document["apiVersion"] != json!(version) {
        problems.push(Problem {
            field: "apiVersion".to_owned(),
            cause: format!("is {}", document["apiVersion"]),
            cure: format!("write {version}"),
        });
    }
    let name = document["metadata"]["name"]
        .as_str()
        .unwrap_or("without a name")
        .to_owned();
    match serde_json::from_value::<Kafkacluster>(document) {
        Ok(object) => problems.extend(Cluster::validate(&object).err().unwrap_or_default()),
        // What has the wrong shape has been said by the schema already, place by place.
        Err(error) if problems.is_empty() => problems.push(Problem {
            field: "spec".to_owned(),
            cause: error.to_string(),
            cure: "see `kubectl explain kafkacluster.spec`".to_owned(),
        }),
        Err(_) => {}
    }
    Verdict { name, problems }
}

/// The schema of the definition, which also refuses fields that it does not know.
fn validator() -> Result<Validator, CheckError> {
    let schema = crd::schema_of_definition();
    let mut schema = serde_json::to_value(schema).map_err(|error| CheckError::Schema(error.to_string()))?;
    close(&mut schema);
    // The API server adds these to every schema.
    schema["properties"]["apiVersion"] = json!({"type": "string"});
    schema["properties"]["kind"] = json!({"type": "string"});
    schema["properties"]["metadata"] = json!({"type": "object"});
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft7)
        .build(&schema)
        .map_err(|error| CheckError::Schema(error.to_string()))
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            let open = map.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true));
            let is_object = map.get("properties").is_some_and(Value::is_object);
            if is_object && !open && !map.contains_key("additionalProperties") {
                map.insert("additionalProperties".to_owned(), json!(false));
            }
            map.values_mut().for_each(close);
        }
        Value::Array(values) => values.iter_mut().for_each(close),
        _ => {}
    }
}

fn remove_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(remove_nulls);
        }
        Value::Array(values) => values.iter_mut().for_each(remove_nulls),
        _ => {}
    }
}

/// `/spec/topics/0/name` as people write it: `spec.topics[0].name`.
fn field(pointer: &str) -> String {
    let mut field = String::new();
    for part in pointer.split('/').skip(1) {
        if !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit()) {
            field.push_str(&format!("[{part}]"));
        } else {
            let dot = if field.is_empty() { "" } else { "." };
            field.push_str(dot);
            field.push_str(part);
        }
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_of_a_manifest_is_named_at_once() {
        let verdicts = manifest(
            "
kind: Service
---
apiVersion: krallistic.github.com/v2
kind: Kafkacluster
metadata: {name: Wrong}
spec:
  brokerCount: 0
  brokers: 3
  image: apache/kafka:4.3.1
  zookeeperConnect: 'zk:2181'
  topics: [{name: a, partitions: many}]
",
        )
        .unwrap();
        let [verdict] = &verdicts[..] else {
            panic!("{verdicts:?}")
        };
        let said: Vec<String> = verdict.problems.iter().map(ToString::to_string).collect();
        let said = said.join("\n");
        for part in [
            "apiVersion: is \"krallistic.github.com/v2\"",
            "spec.brokerCount: 0 is less than the minimum of 1",
            "'brokers' was unexpected",
            "spec.topics[0].partitions: \"many\" is not of type \"integer\"",
        ] {
            assert!(said.contains(part), "{part:?} is not in:\n{said}");
        }
    }

    #[test]
    fn what_has_the_right_shape_is_checked_for_sense() {
        let text = "
apiVersion: krallistic.github.com/v1
kind: Kafkacluster
metadata: {name: a}
spec: {brokerCount: 1, image: 'confluentinc/cp-kafka:latest', zookeeperConnect: zk}
";
        let problem = &manifest(text).unwrap()[0].problems[0];
        assert_eq!(problem.field, "spec.image");
        assert!(problem.cure.contains("7.9.2"), "{problem}");
        assert!(matches!(manifest("a: [").unwrap_err(), CheckError::Syntax(_)));
    }
}
