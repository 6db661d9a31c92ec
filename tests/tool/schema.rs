//! Values against the JSON Schemas that the tool prints.

use serde_json::Value;

/// A part of JSON Schema that is enough for ours: `type`, `properties`, `required`, `items`,
/// `enum`, `additionalProperties`, `$ref`.
pub(crate) fn conforms(root: &Value, schema: &Value, value: &Value, path: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/$defs/").expect("a definition");
        let definition = root["$defs"].get(name).unwrap_or_else(|| panic!("{path}: no '{name}'"));
        return conforms(root, definition, value, path);
    }
    if let Some(names) = schema["enum"].as_array() {
        assert!(names.contains(value), "{path}: {value}");
        return;
    }
    match schema["type"].as_str().unwrap_or_else(|| panic!("{path}: {schema}")) {
        "object" => {
            let object = value.as_object().unwrap_or_else(|| panic!("{path}: {value}"));
            for key in schema["required"].as_array().into_iter().flatten() {
                assert!(object.contains_key(key.as_str().expect("a key")), "{path}: no {key}");
            }
            for (key, value) in object {
                let path = format!("{path}.{key}");
                match (schema["properties"].get(key), schema.get("additionalProperties")) {
                    (Some(schema), _) | (None, Some(schema)) => {
                        conforms(root, schema, value, &path)
                    }
                    (None, None) => panic!("{path} is not described"),
                }
            }
        }
        "array" => {
            for (index, item) in value.as_array().expect("a list").iter().enumerate() {
                conforms(root, &schema["items"], item, &format!("{path}[{index}]"));
            }
        }
        "integer" => assert!(value.is_i64() || value.is_u64(), "{path}: {value}"),
        "number" => assert!(value.is_number(), "{path}: {value}"),
        "boolean" => assert!(value.is_boolean(), "{path}: {value}"),
        "string" => assert!(value.is_string(), "{path}: {value}"),
        other => panic!("{path}: {other}"),
    }
}
