//! The TAXII surface: its operations and, by hand after the standard, its shapes.

use serde_json::{Map, Value, json};

use super::path_parameters;

/// The media type of TAXII 2.1.
const TAXII: &str = "application/taxii+json;version=2.1";

const COLLECTION: &str = "/taxii2/kurultai/collections/{collection}/";

fn shape(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/taxii-{name}")})
}

fn content(name: &str) -> Value {
    json!({TAXII: {"schema": shape(name)}})
}

/// The filters and paging parameters that a resource knows.
fn filters(names: &[&str]) -> Vec<Value> {
    let all = [
        (
            "added_after",
            "Only what came after this time: RFC 3339 in UTC, of any precision.",
            json!({"type": "string", "format": "date-time"}),
        ),
        (
            "limit",
            "At most so many; what is above 5,000 counts as 5,000.",
            json!({"type": "integer", "minimum": 1}),
        ),
        (
            "next",
            "From where the page before ended: its `next`, as it stands.",
            json!({"type": "string"}),
        ),
        (
            "match[id]",
            "Only these ids, with commas between them.",
            json!({"type": "string"}),
        ),
        (
            "match[type]",
            "Only these types, with commas between them.",
            json!({"type": "string"}),
        ),
        (
            "match[version]",
            "`first`, `last` (the default), `all`, or times of versions, with commas between them.",
            json!({"type": "string"}),
        ),
        (
            "match[spec_version]",
            "STIX versions, with commas between them; there is only 2.1 here.",
            json!({"type": "string"}),
        ),
    ];
    let wanted = all.into_iter().filter(|(name, ..)| names.contains(name));
    wanted
        .map(|(name, about, schema)| {
            json!({"name": name, "in": "query", "description": about, "schema": schema})
        })
        .collect()
}

/// Adds the paths of TAXII.
pub(super) fn paths(paths: &mut Map<String, Value>) {
    let mut at = |method: &str, path: &str, about: &str, names: &[&str], good: (&str, Value)| {
        let mut parameters = path_parameters(path);
        parameters.extend(filters(names));
        let mut responses = json!({
            "default": {"description": "What is wrong: an error message of the standard.", "content": content("error")},
        });
        responses[good.0] = good.1;
        let operation = json!({
            "tags": ["taxii"],
            "summary": about,
            "operationId": format!("{method} {path}"),
            "parameters": parameters,
            "responses": responses,
        });
        let item = paths.entry(path.to_owned()).or_insert_with(|| json!({}));
        item[method] = operation;
    };
    let plain = |name: &str| {
        (
            "200",
            json!({"description": name, "content": content(name)}),
        )
    };
    let page = |name: &str| {
        let date = |end: &str| json!({"description": format!("When the {end} object of the page came."), "schema": {"type": "string", "format": "date-time"}});
        let response = json!({
            "description": name,
            "content": content(name),
            "headers": {
                "X-TAXII-Date-Added-First": date("first"),
                "X-TAXII-Date-Added-Last": date("last"),
                "ETag": {"description": "What the page shows, for If-None-Match.", "schema": {"type": "string"}},
            },
        });
        ("200", response)
    };
    let paging = [
        "added_after",
        "limit",
        "next",
        "match[version]",
        "match[spec_version]",
    ];
    let all: Vec<&str> = paging
        .iter()
        .copied()
        .chain(["match[id]", "match[type]"])
        .collect();
    let below = |tail: &str| format!("{COLLECTION}{tail}");

    at("get", "/taxii2/", "Discovery", &[], plain("discovery"));
    at(
        "get",
        "/taxii2/kurultai/",
        "The API root",
        &[],
        plain("api-root"),
    );
    at(
        "get",
        "/taxii2/kurultai/status/{status}/",
        "What became of added objects",
        &[],
        plain("status"),
    );
    at(
        "get",
        "/taxii2/kurultai/collections/",
        "The collections",
        &[],
        plain("collections"),
    );
    at(
        "get",
        COLLECTION,
        "One collection",
        &[],
        plain("collection"),
    );
    at(
        "get",
        &below("manifest/"),
        "What a collection holds",
        &all,
        page("manifest"),
    );
    at(
        "get",
        &below("objects/"),
        "A collection's objects",
        &all,
        page("envelope"),
    );
    let accepted = json!({"description": "Taken or refused one by one, durably.", "content": content("status")});
    at(
        "post",
        &below("objects/"),
        "Add objects",
        &[],
        ("202", accepted),
    );
    at(
        "get",
        &below("objects/{object}/"),
        "One object",
        &paging,
        page("envelope"),
    );
    let deleted = json!({"description": "No longer there."});
    at(
        "delete",
        &below("objects/{object}/"),
        "Take an unreleased object back",
        &["match[version]", "match[spec_version]"],
        ("200", deleted),
    );
    at(
        "get",
        &below("objects/{object}/versions/"),
        "One object's versions",
        &["added_after", "limit", "next", "match[spec_version]"],
        page("versions"),
    );
    paths[&below("objects/")]["post"]["requestBody"] =
        json!({"required": true, "content": content("envelope")});
}

/// Adds the shapes of TAXII.
pub(super) fn schemas(schemas: &mut Map<String, Value>) {
    let text = || json!({"type": "string"});
    let count = || json!({"type": "integer", "minimum": 0});
    let time = || json!({"type": "string", "format": "date-time"});
    let list = |of: Value| json!({"type": "array", "items": of});
    let mut add = |name: &str, required: &[&str], properties: Value| {
        let shape = json!({"type": "object", "required": required, "properties": properties});
        schemas.insert(format!("taxii-{name}"), shape);
    };
    add(
        "discovery",
        &["title"],
        json!({"title": text(), "default": text(), "api_roots": list(text())}),
    );
    add(
        "api-root",
        &["title", "versions", "max_content_length"],
        json!({"title": text(), "versions": list(text()), "max_content_length": count()}),
    );
    add(
        "collections",
        &[],
        json!({"collections": list(shape("collection"))}),
    );
    add(
        "collection",
        &["id", "title", "can_read", "can_write"],
        json!({
            "id": {"type": "string", "format": "uuid"}, "title": text(), "description": text(), "alias": text(),
            "can_read": {"type": "boolean"}, "can_write": {"type": "boolean"}, "media_types": list(text()),
        }),
    );
    add(
        "envelope",
        &[],
        json!({"more": {"type": "boolean"}, "next": text(), "objects": list(json!({"type": "object", "required": ["type", "id"]}))}),
    );
    add(
        "manifest",
        &[],
        json!({"more": {"type": "boolean"}, "next": text(), "objects": list(shape("manifest-record"))}),
    );
    add(
        "manifest-record",
        &["id", "date_added", "version"],
        json!({"id": text(), "date_added": time(), "version": time(), "media_type": text()}),
    );
    add(
        "versions",
        &[],
        json!({"more": {"type": "boolean"}, "next": text(), "versions": list(time())}),
    );
    add(
        "status",
        &[
            "id",
            "status",
            "total_count",
            "success_count",
            "failure_count",
            "pending_count",
        ],
        json!({
            "id": {"type": "string", "format": "uuid"}, "status": {"enum": ["complete"]}, "request_timestamp": time(),
            "total_count": count(), "success_count": count(), "failure_count": count(), "pending_count": count(),
            "failures": list(shape("status-details")),
        }),
    );
    add(
        "status-details",
        &["id", "version"],
        json!({"id": text(), "version": text(), "message": text()}),
    );
    add(
        "error",
        &["title"],
        json!({"title": text(), "description": text(), "error_id": text(), "http_status": text()}),
    );
}
