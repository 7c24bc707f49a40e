//! Parts of the schema that no type of Rust has.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

/// A quantity as Kubernetes writes it; numbers are taken too, since YAML makes one of `cpu: 1`.
pub(super) fn quantity(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "x-kubernetes-int-or-string": true,
        "pattern": "^[0-9]+(\\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$",
    })
}

/// A number of bytes, which the original took as text.
pub(super) fn int_or_string(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "x-kubernetes-int-or-string": true,
        "pattern": "^-?[0-9]+$",
    })
}

/// Properties whose values may be texts, numbers or true and false, as people write them in YAML.
pub(super) fn free_properties(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": true,
    })
}

/// The schema of a type of Kubernetes without its descriptions, which are as long as all of the others together and are
/// in the documentation of pods.
pub(super) fn of_kubernetes<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut value = generator.subschema_for::<T>().to_value();
    strip(&mut value);
    Schema::try_from(value).unwrap_or_default()
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(map) => {
            // A property may be called `description` too; that is an object.
            if map.get("description").is_some_and(Value::is_string) {
                map.remove("description");
            }
            map.values_mut().for_each(strip);
        }
        Value::Array(values) => values.iter_mut().for_each(strip),
        _ => {}
    }
}
