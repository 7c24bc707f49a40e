//! The reference of all fields, from the schema.

use std::fmt::Write;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

use super::schema_of_definition;

const INTRODUCTION: &str = "\
# Kafkacluster

All fields of `krallistic.github.com/v1`, kind `Kafkacluster` (short name `kc`), for Kubernetes 1.34 and newer.
`kubectl explain kafkacluster.spec` says the same, and `kafka-operator check FILE` says everything that is wrong with a
manifest. What happens when one changes, and what to do when something is wrong, is in [operations.md](operations.md).
The page is written by `kafka-operator crd --markdown`; a test fails when it differs.
";

/// Fields whose own fields are those of Kubernetes.
const OF_KUBERNETES: [&str; 4] = [
    "spec.pod.affinity",
    "spec.pod.tolerations",
    "spec.pod.imagePullSecrets",
    "status.conditions",
];

/// The page.
pub fn markdown() -> String {
    let mut page = INTRODUCTION.to_owned();
    let properties = schema_of_definition()
        .and_then(|schema| schema.properties)
        .unwrap_or_default();
    for name in ["spec", "status"] {
        if let Some(schema) = properties.get(name) {
            section(&mut page, name, schema);
        }
    }
    page
}

/// A table of the fields, and then a section for each field that has fields itself.
fn section(page: &mut String, path: &str, schema: &JSONSchemaProps) {
    let Some(properties) = &schema.properties else {
        return;
    };
    // Writing to a text cannot fail.
    let _ = write!(
        page,
        "\n## {path}\n\n| field | type | default | meaning |\n|---|---|---|---|\n"
    );
    let required = schema.required.as_deref().unwrap_or_default();
    for (name, field) in properties {
        let default = match &field.default {
            Some(default) if required.contains(name) || !default.0.is_object() => format!("`{}`", default.0),
            Some(_) => "see below".to_owned(),
            None if required.contains(name) => "required".to_owned(),
            None => String::new(),
        };
        let meaning = field
            .description
            .as_deref()
            .unwrap_or_default()
            .replace('\n', " ");
        let _ = writeln!(page, "| `{name}` | {} | {default} | {meaning} |", kind(field));
    }
    for rule in schema.x_kubernetes_validations.iter().flatten() {
        let message = rule.message.as_deref().unwrap_or(&rule.rule);
        let _ = write!(page, "\nRefused: {message}.\n");
    }
    for (name, field) in properties {
        let path = format!("{path}.{name}");
        if OF_KUBERNETES.contains(&path.as_str()) {
            continue;
        }
        section(page, &path, field);
        if let Some(JSONSchemaPropsOrArray::Schema(items)) = &field.items {
            section(page, &format!("{path}[]"), items);
        }
    }
}

/// A type with its bounds, in a few words.
fn kind(schema: &JSONSchemaProps) -> String {
    if schema.x_kubernetes_int_or_string == Some(true) {
        return "number or text".to_owned();
    }
    let mut kind = match (
        schema.type_.as_deref(),
        &schema.items,
        &schema.additional_properties,
    ) {
        (Some("array"), Some(JSONSchemaPropsOrArray::Schema(items)), _) => {
            format!("list of {}", items.type_.as_deref().unwrap_or("any"))
        }
        (Some("object"), _, Some(JSONSchemaPropsOrBool::Schema(values))) => {
            format!("map to {}", values.type_.as_deref().unwrap_or("any"))
        }
        (type_, ..) => type_.unwrap_or("any").to_owned(),
    };
    if let Some(values) = &schema.enum_ {
        let values: Vec<String> = values.iter().map(|value| value.0.to_string()).collect();
        kind = values.join(", ").replace('"', "`");
    }
    let bound = |number: f64| format!("{number}");
    match (schema.minimum, schema.maximum) {
        (Some(least), Some(most)) => kind.push_str(&format!(", {} to {}", bound(least), bound(most))),
        (Some(least), None) => kind.push_str(&format!(", from {}", bound(least))),
        (None, Some(most)) => kind.push_str(&format!(", to {}", bound(most))),
        (None, None) => {}
    }
    kind
}
