//! What one row of a table cannot say: properties that depend on each other, forms of names and
//! addresses. One function a type or group of types.

use serde_json::Value;

use super::report::{Place, quote};
use super::rules;
use super::shape::To;
use super::text;
use super::walk::{Members, Walk, members};
use super::{Validator, relationships, tables};

/// The rules of a type beyond its table.
pub(super) fn check(
    walk: &mut Walk<'_>,
    validator: &Validator,
    kind: &str,
    map: &Members,
    place: &Place<'_>,
) {
    match kind {
        "indicator" => indicator(walk, validator, map, place),
        "location" => location(walk, map, place),
        "malware" => {
            if map.get("is_family") == Some(&Value::Bool(true)) && !map.contains_key("name") {
                walk.out.add(
                    &rules::FAMILY_NAME,
                    &place.key("name"),
                    "a malware family needs a name",
                );
            }
        }
        "malware-analysis" => {
            form(
                walk,
                map,
                "product",
                place,
                (&rules::PRODUCT, "should be in lower case with hyphens"),
                text::is_lower_case,
            );
        }
        "observed-data" => observed_data(walk, map, place),
        "relationship" => relationship(walk, map, place),
        "language-content" => language_content(walk, map, place),
        "marking-definition" => marking(walk, map, place),
        "extension-definition" => extension_definition(walk, map, place),
        "artifact" => artifact(walk, map, place),
        "email-message" => email_message(walk, map, place),
        "network-traffic" => network_traffic(walk, map, place),
        _ => values(walk, kind, map, place),
    }
    if let Some(phases) = map.get("kill_chain_phases").and_then(Value::as_array) {
        kill_chain(walk, phases, &place.key("kill_chain_phases"));
    }
}

/// Adds a finding where a text is there and has not the form that it should have.
fn form(
    walk: &mut Walk<'_>,
    map: &Members,
    name: &str,
    place: &Place<'_>,
    (rule, what): (&'static rules::Rule, &str),
    fits: fn(&str) -> bool,
) {
    if let Some(value) = map.get(name).and_then(Value::as_str)
        && !fits(value)
    {
        walk.out
            .add(rule, &place.key(name), format!("{} {what}", quote(value)));
    }
}

fn indicator(walk: &mut Walk<'_>, validator: &Validator, map: &Members, place: &Place<'_>) {
    let Some(pattern) = map.get("pattern").and_then(Value::as_str) else {
        return;
    };
    let here = place.key("pattern");
    if pattern.trim().is_empty() {
        walk.out
            .add(&rules::PATTERN_EMPTY, &here, "the pattern is empty");
    } else if map.get("pattern_type").and_then(Value::as_str) == Some("stix")
        && let Err(why) = (validator.pattern)(pattern)
    {
        walk.out.add(&rules::PATTERN, &here, why);
    }
}

fn observed_data(walk: &mut Walk<'_>, map: &Members, place: &Place<'_>) {
    if map.contains_key("objects") && map.contains_key("object_refs") {
        walk.out.add(
            &rules::OBSERVED_ONE,
            place,
            "objects and object_refs exclude each other",
        );
    }
    let refs = map.get("object_refs").and_then(Value::as_array);
    // What is no identifier, or no list with something in it, has been told already.
    let types: Option<Vec<&str>> = refs
        .into_iter()
        .flatten()
        .map(|id| id.as_str()?.split_once("--").map(|(kind, _)| kind))
        .collect();
    if let Some(types) = types
        && !types.is_empty()
        && !types.iter().any(|kind| To::Sco.takes(kind))
    {
        walk.out.add(
            &rules::OBSERVED_SCO,
            &place.key("object_refs"),
            "object_refs names no cyber observable",
        );
    }
}

fn location(walk: &mut Walk<'_>, map: &Members, place: &Place<'_>) {
    let has = |name| map.contains_key(name);
    for (one, other) in [("latitude", "longitude"), ("longitude", "latitude")] {
        if has(one) && !has(other) {
            walk.out.add(
                &rules::COORDINATES,
                &place.key(other),
                format!("{one} needs {other}"),
            );
        }
    }
    if has("precision") && !(has("latitude") && has("longitude")) {
        walk.out.add(
            &rules::COORDINATES,
            &place.key("precision"),
            "precision needs latitude and longitude",
        );
    }
    let is_country =
        |code: &str| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    form(
        walk,
        map,
        "country",
        place,
        (&rules::COUNTRY, "is no ISO 3166-1 alpha-2 code in capitals"),
        is_country,
    );
}

fn kill_chain(walk: &mut Walk<'_>, phases: &[Value], place: &Place<'_>) {
    for (index, phase) in phases.iter().enumerate() {
        let here = place.index(index);
        let Some(map) = phase.as_object() else {
            continue;
        };
        for name in ["kill_chain_name", "phase_name"] {
            form(
                walk,
                map,
                name,
                &here,
                (&rules::PHASE_NAME, "should be in lower case with hyphens"),
                text::is_lower_case,
            );
        }
    }
}

fn relationship(walk: &mut Walk<'_>, map: &Members, place: &Place<'_>) {
    let text = |name| map.get(name).and_then(Value::as_str);
    let Some(kind) = text("relationship_type") else {
        return;
    };
    let here = place.key("relationship_type");
    if kind.is_empty()
        || !kind
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    {
        let sentence = "a relationship type is of a-z, 0-9 and hyphen";
        walk.out.add(&rules::RELATIONSHIP_TYPE, &here, sentence);
        return;
    }
    let end = |name| {
        text(name)
            .and_then(|id| id.split_once("--"))
            .map(|(kind, _)| kind)
    };
    if let (Some(source), Some(target)) = (end("source_ref"), end("target_ref"))
        && !relationships::listed(source, kind, target)
    {
        let sentence = format!(
            "the standard lists no {} from {} to {}",
            quote(kind),
            quote(source),
            quote(target)
        );
        walk.out.add(&rules::RELATIONSHIP_ENDS, &here, sentence);
    }
}

fn language_content(walk: &mut Walk<'_>, map: &Members, place: &Place<'_>) {
    if let Some(target) = map.get("object_ref").and_then(Value::as_str)
        && (target.starts_with("bundle--") || target.starts_with("language-content--"))
    {
        let sentence = "neither bundles nor language content can be translated";
        walk.out.add_in(
            &rules::REFERENCE_TYPE,
            "7.1",
            &place.key("object_ref"),
            sentence,
        );
    }
    let Some(contents) = map.get("contents") else {
        return;
    };
    let here = place.key("contents");
    let Some(contents) = contents.as_object().filter(|contents| !contents.is_empty()) else {
        return walk.out.add(
            &rules::CONTENTS,
            &here,
            "contents is a dictionary that is not empty",
        );
    };
    for (language, fields) in members(contents) {
        let here = here.key(language);
        if !text::is_language(language) {
            walk.out.add(
                &rules::CONTENTS,
                &here,
                format!("{} is no language tag (RFC 5646)", quote(language)),
            );
        }
        let Some(fields) = fields.as_object().filter(|fields| !fields.is_empty()) else {
            walk.out.add(
                &rules::CONTENTS,
                &here,
                "a translation is a dictionary that is not empty",
            );
            continue;
        };
        for (name, value) in members(fields) {
            let here = here.key(name);
            if !text::is_property_name(name) {
                walk.out
                    .add(&rules::CONTENTS, &here, "the key is no name of a property");
            }
            if !matches!(value, Value::String(_) | Value::Array(_) | Value::Object(_)) {
                walk.out.add(
                    &rules::CONTENTS,
                    &here,
                    "a translation is a string, a list or an object",
                );
            }
        }
    }
}

fn marking(walk: &mut Walk<'_>, map: &Members, place: &Place<'_>) {
    walk.marks_itself(map, place);
    let (kind, definition) = (map.get("definition_type"), map.get("definition"));
    for (name, here, other) in [
        ("definition_type", kind, definition),
        ("definition", definition, kind),
    ] {
        if here.is_none() && (other.is_some() || !map.contains_key("extensions")) {
            let sentence = format!("{name} is required and missing");
            walk.out
                .add(&rules::MARKING_FORM, &place.key(name), sentence);
        }
    }
    let here = place.key("definition");
    let fields = match definition {
        None => return,
        Some(Value::Object(fields)) => fields,
        Some(_) => {
            return walk
                .out
                .add(&rules::KIND, &here, "an object is needed here");
        }
    };
    match kind.and_then(Value::as_str) {
        Some("statement") => walk.shape(tables::DEFINITION_STATEMENT, fields, &here),
        Some("tlp") => tlp(walk, map, fields, place),
        Some(other) => {
            let sentence = format!(
                "markings of type {} should be defined by an extension",
                quote(other)
            );
            walk.out.add(
                &rules::MARKING_TYPE,
                &place.key("definition_type"),
                sentence,
            );
        }
        None => {}
    }
}

/// TLP 1 exists as four fixed objects and nothing else.
fn tlp(walk: &mut Walk<'_>, map: &Members, fields: &Members, place: &Place<'_>) {
    const FIXED: [(&str, &str); 4] = [
        (
            "white",
            "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9",
        ),
        (
            "green",
            "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
        ),
        (
            "amber",
            "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82",
        ),
        (
            "red",
            "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
        ),
    ];
    let text = |map: &Members, name| map.get(name).and_then(Value::as_str).map(str::to_owned);
    let level = text(fields, "tlp");
    let id = text(map, "id");
    let fixed = FIXED
        .iter()
        .find(|(word, _)| level.as_deref() == Some(*word));
    let right = fixed.is_some_and(|(word, fixed)| {
        id.as_deref() == Some(*fixed)
            && fields.len() == 1
            && text(map, "created").as_deref() == Some("2017-01-20T00:00:00.000Z")
            && text(map, "name") == Some(format!("TLP:{}", word.to_uppercase()))
    });
    if !right {
        let sentence = "this is none of the four TLP 1 markings that STIX 2.1 defines";
        walk.out.add(&rules::MARKING_TLP, place, sentence);
    }
}

fn extension_definition(walk: &mut Walk<'_>, map: &Members, place: &Place<'_>) {
    let types = map.get("extension_types").and_then(Value::as_array);
    let top = types.is_some_and(|types| {
        types
            .iter()
            .any(|kind| kind == "toplevel-property-extension")
    });
    let properties = map.get("extension_properties");
    let here = place.key("extension_properties");
    if properties.is_some() && !top {
        let sentence = "extension_properties needs the type toplevel-property-extension";
        walk.out.add(&rules::EXTENSION_PROPERTIES, &here, sentence);
    }
    if top && properties.is_none() {
        let sentence = "an extension of top-level properties should list them";
        walk.out.add(&rules::EXTENSION_ASKED, &here, sentence);
    }
    if !map.contains_key("description") {
        walk.out.add(
            &rules::EXTENSION_ASKED,
            &place.key("description"),
            "description is recommended and missing",
        );
    }
    for (index, name) in properties
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .enumerate()
    {
        if name
            .as_str()
            .is_some_and(|name| !text::is_property_name(name))
        {
            walk.out.add(
                &rules::PROPERTY_NAME,
                &here.index(index),
                "this is no name of a property",
            );
        }
    }
}

fn artifact(walk: &mut Walk<'_>, map: &Members, place: &Place<'_>) {
    let has = |name| map.contains_key(name);
    if has("payload_bin") && has("url") {
        walk.out.add(
            &rules::ARTIFACT_ONE,
            place,
            "payload_bin and url exclude each other",
        );
    }
    if has("url") && !has("hashes") {
        walk.out.add(
            &rules::ARTIFACT_ONE,
            &place.key("hashes"),
            "url needs hashes",
        );
    }
    if has("decryption_key") && !has("encryption_algorithm") {
        let sentence = "decryption_key needs encryption_algorithm";
        walk.out.add(
            &rules::ARTIFACT_KEY,
            &place.key("encryption_algorithm"),
            sentence,
        );
    }
    form(
        walk,
        map,
        "mime_type",
        place,
        (&rules::MIME, "has not the form type/subtype"),
        text::is_media_type,
    );
}

fn email_message(walk: &mut Walk<'_>, map: &Members, place: &Place<'_>) {
    let several = map.get("is_multipart") == Some(&Value::Bool(true));
    let wrong = if several { "body" } else { "body_multipart" };
    if map.get("is_multipart").is_some_and(Value::is_boolean) && map.contains_key(wrong) {
        let sentence = format!("{wrong} does not go with is_multipart {several}");
        walk.out
            .add(&rules::EMAIL_BODY, &place.key(wrong), sentence);
    }
    let list = place.key("body_multipart");
    for (index, part) in map
        .get("body_multipart")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .enumerate()
    {
        if part.get("body").is_some() && part.get("body_raw_ref").is_some() {
            walk.out.add(
                &rules::MIME_PART,
                &list.index(index),
                "body and body_raw_ref exclude each other",
            );
        }
    }
}

fn network_traffic(walk: &mut Walk<'_>, map: &Members, place: &Place<'_>) {
    if map.get("is_active") == Some(&Value::Bool(true)) && map.contains_key("end") {
        walk.out.add(
            &rules::ACTIVE_END,
            &place.key("end"),
            "traffic that is active has no end yet",
        );
    }
    let list = place.key("protocols");
    for (index, protocol) in map
        .get("protocols")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .enumerate()
    {
        if protocol
            .as_str()
            .is_some_and(|protocol| protocol.chars().any(char::is_uppercase))
        {
            walk.out.add(
                &rules::PROTOCOL,
                &list.index(index),
                "protocols should be in lower case",
            );
        }
    }
}

/// The forms of names, addresses and the like.
fn values(walk: &mut Walk<'_>, kind: &str, map: &Members, place: &Place<'_>) {
    let defanged = walk.defanged;
    let mut value = |name, what, fits: fn(&str) -> bool| {
        if !defanged {
            form(walk, map, name, place, (&rules::VALUE, what), fits);
        }
    };
    match kind {
        "domain-name" => value("value", "is no domain name", text::is_domain),
        "email-addr" => value("value", "is no e-mail address", text::is_email),
        "ipv4-addr" => value("value", "is no IPv4 address or network", text::is_ipv4),
        "ipv6-addr" => value("value", "is no IPv6 address or network", text::is_ipv6),
        "mac-addr" => value(
            "value",
            "is no MAC address in lower case with colons",
            text::is_mac,
        ),
        "directory" => charset(walk, map, "path_enc", place),
        "file" => {
            let what = "has not the form type/subtype";
            form(
                walk,
                map,
                "mime_type",
                place,
                (&rules::MIME, what),
                text::is_media_type,
            );
            charset(walk, map, "name_enc", place);
        }
        "software" => form(
            walk,
            map,
            "cpe",
            place,
            (&rules::CPE, "is no CPE 2.3 formatted string"),
            text::is_cpe,
        ),
        "windows-registry-key" => {
            form(
                walk,
                map,
                "key",
                place,
                (&rules::HIVE, "has a short form of a hive"),
                is_written_out,
            );
        }
        "process" => {
            let priority = map
                .get("extensions")
                .and_then(|extensions| extensions.get("windows-process-ext"))
                .and_then(Value::as_object);
            if let Some(extension) = priority {
                let (list, name) = (place.key("extensions"), "windows-process-ext");
                let ends = |text: &str| text.ends_with("_CLASS");
                form(
                    walk,
                    extension,
                    "priority",
                    &list.key(name),
                    (&rules::PRIORITY, "should end in _CLASS"),
                    ends,
                );
            }
        }
        _ => {}
    }
}

fn charset(walk: &mut Walk<'_>, map: &Members, name: &str, place: &Place<'_>) {
    let what = "has not the form of a character set's name";
    form(
        walk,
        map,
        name,
        place,
        (&rules::CHARSET, what),
        text::is_charset,
    );
}

fn is_written_out(key: &str) -> bool {
    let hive = key.split('\\').next().unwrap_or(key).to_ascii_uppercase();
    !matches!(hive.as_str(), "HKLM" | "HKCC" | "HKCR" | "HKCU" | "HKU")
}
