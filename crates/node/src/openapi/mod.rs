//! What the national listener answers, as an OpenAPI 3.1 description: TAXII and `/api`.
//!
//! The shapes under `/api` are derived from the very types that the handlers use, so they cannot
//! differ; TAXII's are written by hand after the standard. A test compares the paths and methods
//! here with those of the routers, and another lets a generator of requests loose on a node.

mod api;
mod taxii;

use std::sync::OnceLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

/// The description. It says the same on every node.
pub fn document() -> Value {
    let mut shapes = SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
        .into_generator();
    let mut paths = Map::new();
    taxii::paths(&mut paths);
    api::paths(&mut shapes, &mut paths);
    let mut schemas = shapes.take_definitions(true);
    taxii::schemas(&mut schemas);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Kurultai: the national listener",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "TAXII 2.1 for tools, and the API of proven callers. Everything here takes a proof: a user's name and password, or a token.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"password": []}, {"token": []}],
        "tags": [
            {"name": "taxii", "description": "TAXII 2.1 (OASIS Standard, 10 June 2021)."},
            {"name": "api", "description": "What the command line and the console use, for whoever has the duty."},
        ],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "password": {"type": "http", "scheme": "basic"},
                "token": {"type": "http", "scheme": "bearer"},
            },
            "schemas": schemas,
        },
    })
}

/// The description as the national listener serves it.
pub(crate) async fn served() -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| document().to_string());
    ([(header::CONTENT_TYPE, "application/json")], text.as_str()).into_response()
}

/// The parameters of a path's `{names}`.
fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('{').skip(1);
    names
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| {
            json!({
                "name": name,
                "in": "path",
                "required": true,
                "schema": {"type": "string", "minLength": 1},
            })
        })
        .collect()
}

/// The query parameters that a type stands for: its properties, none of which must be given.
fn query_parameters<T: schemars::JsonSchema>(shapes: &mut SchemaGenerator) -> Vec<Value> {
    let shape = T::json_schema(shapes).to_value();
    let properties = shape["properties"].as_object().cloned().unwrap_or_default();
    let parameter = |(name, mut schema): (String, Value)| {
        // Absent and null are the same in a type, and only absence can be said in a query.
        if let Some(Value::Array(types)) = schema.get_mut("type") {
            types.retain(|kind| kind != "null");
            if types.len() == 1 {
                schema["type"] = schema["type"][0].clone();
            }
        }
        if let Some(schema) = schema.as_object_mut() {
            schema.remove("default");
        }
        let description = schema["description"].clone();
        let mut parameter = json!({"name": name, "in": "query", "schema": schema});
        if description.is_string() {
            parameter["description"] = description;
        }
        parameter
    };
    properties.into_iter().map(parameter).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// Paths and methods of the routers, as their sources have them.
    fn routed() -> BTreeMap<String, BTreeSet<String>> {
        let mut routed = BTreeMap::new();
        for source in [
            include_str!("../admin/mod.rs"),
            include_str!("../admin/accords.rs"),
            include_str!("../admin/feeds.rs"),
            include_str!("../audit/routes.rs"),
        ] {
            for call in source.split(".route(").skip(1) {
                let mut depth = 1;
                let end = call.find(|c: char| {
                    depth += i32::from(c == '(') - i32::from(c == ')');
                    depth == 0
                });
                let call = &call[..end.expect("a whole call")];
                let path = call.split('"').nth(1).expect("a path").to_owned();
                let methods = ["get", "post", "put", "patch", "delete"];
                let called = |method: &&str| {
                    let name = format!("{method}(");
                    let mut parts = call.split(name.as_str());
                    let before = parts.next().unwrap_or_default();
                    parts.next().is_some()
                        && !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
                };
                let methods = methods.into_iter().filter(called).map(str::to_owned);
                routed.insert(format!("/api{path}"), methods.collect());
            }
        }
        routed
    }

    #[test]
    fn the_description_has_the_routes_of_the_api_and_no_others() {
        let document = document();
        let described: BTreeMap<String, BTreeSet<String>> = document["paths"]
            .as_object()
            .expect("paths")
            .iter()
            .filter(|(path, _)| path.starts_with("/api/"))
            .map(|(path, item)| {
                let methods = item.as_object().expect("a path").keys().cloned();
                (path.clone(), methods.collect())
            })
            .collect();
        assert_eq!(described, routed());
        assert!(described.len() > 25);
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            match value {
                Value::Object(map) => {
                    found.extend(map.get("$ref").and_then(Value::as_str));
                    map.values().for_each(|value| references(value, found));
                }
                Value::Array(list) => list.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 50);
        for reference in found {
            let pointer = reference
                .strip_prefix('#')
                .expect("a place in the document");
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }
}
