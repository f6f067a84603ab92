//! The JSON Schema of a scenario file, for editors.

use crate::model::Document;
use crate::settings;
use serde_json::{Map, Value, json};

/// The JSON Schema of a scenario file. `vary`, `exclude` and `where` know every setting and its type.
pub fn json_schema() -> Value {
    let mut schema = schemars::schema_for!(Document).to_value();
    let known = |shape: &dyn Fn(&Value) -> Value| -> Value {
        let shape = |path: &String| (path.clone(), shape(&value_schema(&schema, path)));
        let properties: Map<String, Value> = settings::all().iter().map(shape).collect();
        json!({ "type": "object", "properties": properties, "additionalProperties": false, "minProperties": 1 })
    };
    let lists =
        known(&|value| json!({ "type": "array", "items": value, "minItems": 1, "uniqueItems": true }));
    let values = known(&Value::clone);
    let choices =
        known(&|value| json!({ "anyOf": [value, { "type": "array", "items": value, "minItems": 1 }] }));
    for (_, property) in schema["properties"].as_object_mut().into_iter().flatten() {
        if let Some(entries) =
            property.as_object_mut().filter(|entries| entries.get("default") == Some(&Value::Null))
        {
            entries.remove("default");
        }
    }
    fill(&mut schema["properties"]["vary"], lists);
    fill(&mut schema["properties"]["exclude"]["items"], values);
    fill(&mut schema["$defs"]["Exception"]["properties"]["where"], choices.clone());
    fill(&mut schema["$defs"]["Assertion"]["properties"]["where"], choices);
    schema
}

/// Replaces all of a schema but its description.
fn fill(place: &mut Value, mut schema: Value) {
    if let (Some(description), Some(entries)) = (place.get("description"), schema.as_object_mut()) {
        entries.insert("description".into(), description.clone());
    }
    *place = schema;
}

/// The schema of one value of the setting at `path`.
fn value_schema(schema: &Value, path: &str) -> Value {
    let mut node = &schema["$defs"]["NetworkSettings"];
    for key in path.split('.') {
        if let Some(reference) = node["$ref"].as_str() {
            node = &schema["$defs"][reference.trim_start_matches("#/$defs/")];
        }
        node = &node["properties"][key];
    }
    let mut value = node.clone();
    if let Some(entries) = value.as_object_mut() {
        entries.remove("default");
    }
    value
}
