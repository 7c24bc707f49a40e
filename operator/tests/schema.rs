//! The custom resource definition: generated files are current, manifests that must work are accepted, and rules refuse
//! what they are for.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use kube::core::cel::{ScopeContext, Validator, analyze_rule, apply_defaults, compile_schema};
use operator::check::manifest;
use operator::crd::{ConditionType, definition, definition_yaml, markdown, schema_of_definition};
use serde_json::{Value, json};

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn schema() -> Value {
    serde_json::to_value(schema_of_definition().unwrap()).unwrap()
}

/// Compares a generated file with what it should be; with UPDATE_GENERATED writes it.
fn is_current(path: &str, generated: &str, command: &str) {
    let path = file(path);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, generated).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == generated,
        "{} is not current; write it with `{command}`",
        path.display()
    );
}

#[test]
fn the_definition_in_the_repository_is_current() {
    let yaml = format!("{}\n", definition_yaml().unwrap().trim_end());
    is_current("deploy/crds/kafkaclusters.yaml", &yaml, "kafka-operator crd");
}

#[test]
fn the_reference_in_the_repository_is_current() {
    let page = format!("{}\n", markdown().trim_end());
    is_current("docs/kafkacluster.md", &page, "kafka-operator crd --markdown");
}

#[test]
fn the_reference_names_every_condition() {
    let page = markdown();
    let row = page.lines().find(|line| line.starts_with("| `conditions`"));
    let row = row.unwrap();
    for condition in ConditionType::ALL {
        assert!(row.contains(condition.name()), "{condition:?} is not in: {row}");
    }
}

#[test]
fn the_manifest_of_the_original_has_the_right_shape_and_is_told_which_image_it_needs() {
    let text = std::fs::read_to_string(file("examples/kafka-cluster.yaml")).unwrap();
    let verdict = manifest(&text).unwrap().remove(0);
    let [problem] = &verdict.problems[..] else {
        panic!("{verdict:?}")
    };
    assert_eq!(problem.field, "spec.image");
    assert!(problem.cure.contains("confluentinc/cp-kafka:7.9.2"), "{problem}");
}

#[test]
fn all_other_examples_are_fine() {
    for example in [
        "kafka-cluster-demo.yaml",
        "kafka-cluster-kraft.yaml",
        "kafka-cluster-production.yaml",
    ] {
        let text = std::fs::read_to_string(file("examples").join(example)).unwrap();
        let verdict = manifest(&text).unwrap().remove(0);
        assert_eq!(verdict.problems, [], "{example}");
    }
}

/// What the API server says of a change from one spec to another, or of a new spec.
fn admission(name: &str, old: Option<Value>, new: Value) -> Vec<String> {
    let schema = schema();
    let object = |spec| apply_defaults(&schema, &json!({"metadata": {"name": name}, "spec": spec}));
    let old = old.map(object);
    match Validator::new().validate(&schema, &object(new), old.as_ref()) {
        Ok(()) => Vec::new(),
        Err(errors) => errors.iter().map(|error| error.message.clone()).collect(),
    }
}

#[test]
fn changes_that_cannot_be_made_are_refused_at_admission() {
    let three = json!({"brokerCount": 3});
    for (old, new, part) in [
        (
            three.clone(),
            json!({"brokerCount": 3, "zookeeperConnect": "zk"}),
            "zookeeperConnect can be neither",
        ),
        (
            three.clone(),
            json!({"brokerCount": 3, "controllerCount": 1}),
            "controllerCount cannot change",
        ),
        (
            three.clone(),
            json!({"brokerCount": 3, "storageClass": "fast"}),
            "storageClass cannot change",
        ),
        (
            json!({"brokerCount": 3, "resources": {"diskSpace": "100G"}}),
            json!({"brokerCount": 3, "resources": {"diskSpace": "90G"}}),
            "diskSpace cannot shrink",
        ),
    ] {
        let said = admission("a", Some(old), new).join("\n");
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
    for (old, new) in [
        (three.clone(), json!({"brokerCount": 5})),
        (three.clone(), json!({"brokerCount": 3, "controllerCount": 3})),
        (
            three.clone(),
            json!({"brokerCount": 3, "resources": {"diskSpace": "1T"}}),
        ),
        (
            json!({"brokerCount": 3, "storageClass": "emptyDir", "resources": {"diskSpace": "100G"}}),
            json!({"brokerCount": 3, "storageClass": "emptyDir", "resources": {"diskSpace": 1000000000}}),
        ),
    ] {
        assert_eq!(admission("a", Some(old), new.clone()), [""; 0], "{new}");
    }
}

#[test]
fn specs_that_make_no_sense_are_refused_at_admission() {
    let both = json!({"brokerCount": 3, "controllerCount": 3, "zookeeperConnect": "zk"});
    let said = admission("a", None, both).join("\n");
    assert!(said.contains("controllerCount has no use"), "{said}");
    let long = admission(&"a".repeat(41), None, json!({"brokerCount": 3})).join("\n");
    assert!(long.contains("longer than 40"), "{long}");
    let dotted = admission("a.b", None, json!({"brokerCount": 3})).join("\n");
    assert!(dotted.contains("no host name"), "{dotted}");
}

#[test]
fn rules_compile_and_use_what_kubernetes_gives_them() {
    fn walk(schema: &Value, rules: &mut usize) {
        match schema {
            Value::Object(map) => {
                if let Some(Value::Array(list)) = map.get("x-kubernetes-validations") {
                    let compiled = compile_schema(schema);
                    for rule in list {
                        let rule = rule["rule"].as_str().unwrap();
                        let warnings = analyze_rule(rule, &compiled, ScopeContext::CrdValidation);
                        assert!(warnings.is_empty(), "{rule}: {warnings:?}");
                        *rules += 1;
                    }
                }
                map.values().for_each(|value| walk(value, rules));
            }
            Value::Array(values) => values.iter().for_each(|value| walk(value, rules)),
            _ => {}
        }
    }
    let mut rules = 0;
    walk(&schema(), &mut rules);
    assert!(rules >= 7, "{rules}");
}

#[test]
fn the_definition_has_what_kubectl_shows_and_scales_by() {
    let definition = definition();
    assert_eq!(
        definition.metadata.name.as_deref(),
        Some("kafkaclusters.krallistic.github.com")
    );
    let version = &definition.spec.versions[0];
    let columns: Vec<&str> = version
        .additional_printer_columns
        .iter()
        .flatten()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(columns, ["Ready", "Brokers", "Hot", "Imbalance", "Age"]);
    let scale = version.subresources.as_ref().unwrap().scale.as_ref().unwrap();
    assert_eq!(scale.spec_replicas_path, ".spec.brokerCount");
    assert_eq!(scale.status_replicas_path, ".status.brokerCount");
    assert_eq!(scale.label_selector_path.as_deref(), Some(".status.selector"));
}

/// Kubernetes refuses schemas that are not structural, and these are the ways in which generated ones are not.
#[test]
fn the_schema_is_structural() {
    fn walk(path: &str, schema: &Value) {
        let Value::Object(map) = schema else { return };
        let free = map.contains_key("x-kubernetes-int-or-string")
            || map.contains_key("x-kubernetes-preserve-unknown-fields");
        assert!(map.contains_key("type") || free, "{path} has no type");
        for forbidden in ["$ref", "oneOf", "allOf", "not", "definitions", "const"] {
            assert!(!map.contains_key(forbidden), "{path} has {forbidden}");
        }
        if !map.contains_key("x-kubernetes-int-or-string") {
            assert!(!map.contains_key("anyOf"), "{path} has anyOf");
        }
        for (name, property) in map
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            walk(&format!("{path}.{name}"), property);
            let described = property.get("description").is_some();
            let ours = !path.contains(".pod.") && !path.contains(".conditions");
            assert!(described || !ours, "{path}.{name} has no description");
        }
        for inner in ["items", "additionalProperties"] {
            if let Some(schema) = map.get(inner) {
                walk(&format!("{path}[]"), schema);
            }
        }
    }
    let schema = schema();
    walk("spec", &schema["properties"]["spec"]);
    walk("status", &schema["properties"]["status"]);
}
