//! Requests that nobody in good faith sends: each ends in an answer of the 400s, in an empty page,
//! or in a right one; never in a failure of the server, and never in a change of what is held.

use axum::http::{HeaderValue, Method, Request, Uri};
use proptest::prelude::*;

use super::*;

const PARAMETERS: [&str; 9] = [
    "added_after",
    "limit",
    "next",
    "match[id]",
    "match[type]",
    "match[version]",
    "match[spec_version]",
    "match[]",
    "match",
];

/// Bits of paths, queries and values from which hostile ones are put together.
const BITS: [&str; 24] = [
    "national",
    "objects",
    "/",
    "//",
    "..",
    "%2e%2e",
    "%00",
    "%ff",
    "%",
    "'",
    "\"",
    "2026-11-24T05:00:00.000000Z",
    "all",
    "first",
    ",",
    "&",
    "=",
    "[",
    "1",
    "-1",
    "9223372036854775808",
    "indicator--00000001-0000-4000-8000-000000000000",
    "2.1",
    "\u{202e}é",
];

fn bits() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&BITS[..]), 0..6).prop_map(|bits| bits.concat())
}

fn query() -> impl Strategy<Value = String> {
    let value = prop_oneof![bits(), "[ -~]{0,40}", "\\PC{0,10}"];
    let pair = (prop::sample::select(&PARAMETERS[..]), value)
        .prop_map(|(name, value)| format!("{name}={value}"));
    prop::collection::vec(pair, 0..5).prop_map(|pairs| pairs.join("&"))
}

fn path() -> impl Strategy<Value = String> {
    let known = prop::sample::select(
        &[
            "",
            "kurultai/",
            "kurultai/collections/national/",
            "kurultai/collections/national/objects/",
            "kurultai/status/",
        ][..],
    );
    (known, bits()).prop_map(|(known, rest)| format!("/taxii2/{known}{rest}"))
}

/// Characters that a URI cannot have are percent-encoded, all others stay as hostile as they are.
fn uri(path: &str, query: &str) -> Option<Uri> {
    let plain = |byte: u8, at_query: bool| {
        byte.is_ascii_graphic()
            && !b"\"<>#`".contains(&byte)
            && (at_query || !b"?{}|^\\".contains(&byte))
    };
    let encode = |text: &str, at_query: bool| -> String {
        text.bytes()
            .map(|byte| {
                if plain(byte, at_query) {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect()
    };
    format!("{}?{}", encode(path, false), encode(query, true))
        .parse()
        .ok()
}

/// One world for all cases: nothing that is sent here may change it.
struct Arena {
    runtime: tokio::runtime::Runtime,
    world: World,
}

fn arena() -> Arena {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let world = World::new();
    world.add(&[indicator(1, 0), indicator(2, 0), address(1)]);
    Arena { runtime, world }
}

impl Arena {
    fn send(&self, request: Request<Body>) -> Answer {
        self.runtime.block_on(call(&self.world.router, request))
    }

    fn held(&self) -> Bytes {
        self.runtime
            .block_on(
                self.world
                    .get(&format!("{NATIONAL}/objects/?match[version]=all")),
            )
            .body
    }
}

fn run<S: Strategy>(
    cases: u32,
    strategy: &S,
    test: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner.run(strategy, test).unwrap();
}

#[test]
fn hostile_reads() {
    let arena = arena();
    let before = arena.held();
    let accept = prop_oneof![
        Just(TAXII.to_owned()),
        Just("*/*".to_owned()),
        "[ -~]{0,30}"
    ];
    let method =
        prop::sample::select(&["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"][..]);
    let strategy = (path(), query(), accept, method, any::<bool>());
    run(3000, &strategy, |(path, query, accept, method, known)| {
        let Some(uri) = uri(&path, &query) else {
            return Ok(());
        };
        let token = if known {
            arena.world.operator.as_str()
        } else {
            "kurultai_unknown"
        };
        let mut request = request(method, "/", token).body(Body::from(query)).unwrap();
        *request.uri_mut() = uri;
        request
            .headers_mut()
            .insert("accept", HeaderValue::try_from(accept).unwrap());
        let answer = arena.send(request);
        prop_assert!(answer.status.as_u16() < 500, "{:?}", answer);
        prop_assert!(known || answer.status == 401);
        prop_assert!(answer.status != 202);
        if method != "HEAD" {
            prop_assert!(answer.json().is_object());
        }
        Ok(())
    });
    assert_eq!(arena.held(), before);
}

#[test]
fn hostile_filters_on_good_paths() {
    let arena = arena();
    let object = format!("objects/{}/", id(1));
    let paths = vec![
        "objects/".to_owned(),
        "manifest/".to_owned(),
        format!("{object}versions/"),
        object,
    ];
    run(
        3000,
        &(prop::sample::select(paths), query()),
        |(rest, query)| {
            let Some(uri) = uri(&format!("{NATIONAL}/{rest}"), &query) else {
                return Ok(());
            };
            let mut request = request("GET", "/", &arena.world.reader)
                .body(Body::empty())
                .unwrap();
            *request.uri_mut() = uri;
            let answer = arena.send(request);
            prop_assert!(
                matches!(answer.status.as_u16(), 200 | 400),
                "{query}: {answer:?}"
            );
            prop_assert!(answer.json().is_object());
            Ok(())
        },
    );
}

#[test]
fn hostile_bodies() {
    let arena = arena();
    let good = envelope(&[indicator(1, 0), address(1)]).into_bytes();
    let damaged = (
        prop::collection::vec((0..good.len(), any::<u8>()), 1..4),
        0..good.len(),
        any::<bool>(),
    )
        .prop_map(move |(changes, end, cut)| {
            let mut body = good.clone();
            for (at, byte) in changes {
                body[at] = byte;
            }
            body.truncate(if cut { end } else { body.len() });
            body
        });
    let nested = (1usize..3000).prop_map(|depth| {
        format!(
            r#"{{"objects":[{}1{}]}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
        .into_bytes()
    });
    let bodies =
        prop_oneof![6 => damaged, 1 => nested, 1 => prop::collection::vec(any::<u8>(), 0..200)];
    run(3000, &bodies, |body| {
        let before = arena.held();
        let request = request("POST", &format!("{NATIONAL}/objects/"), &arena.world.writer)
            .header("content-type", TAXII);
        let answer = arena.send(request.body(Body::from(body)).unwrap());
        match answer.status.as_u16() {
            202 => {
                let status = answer.json();
                let count = |name: &str| status[name].as_u64().unwrap();
                prop_assert_eq!(
                    count("success_count") + count("failure_count"),
                    count("total_count")
                );
                prop_assert_eq!(
                    count("failure_count"),
                    status["failures"].as_array().map_or(0, Vec::len) as u64
                );
            }
            422 => prop_assert_eq!(arena.held(), before, "what is refused changes nothing"),
            _ => prop_assert!(false, "{answer:?}"),
        }
        Ok(())
    });
    let held = serde_json::from_slice::<Value>(&arena.held()).unwrap();
    assert!(
        held["objects"]
            .as_array()
            .unwrap()
            .iter()
            .any(|object| object["id"] == id(1))
    );
}

#[test]
fn hostile_headers() {
    let arena = arena();
    let value = || {
        prop_oneof![
            prop::collection::vec(prop_oneof![Just(b'\t'), 32u8..127, 128u8..=255], 0..60),
            Just(TAXII.as_bytes().to_vec())
        ]
    };
    let basic = bits().prop_map(|text| {
        use base64::Engine;
        format!(
            "Basic {}",
            base64::engine::general_purpose::STANDARD.encode(text)
        )
        .into_bytes()
    });
    let strategy = (
        prop_oneof![1 => value().boxed(), 1 => basic.boxed()],
        value(),
        value(),
        value(),
        any::<bool>(),
    );
    run(
        1500,
        &strategy,
        |(authorization, accept, kind, encoding, known)| {
            let mut request = Request::new(Body::from("{}"));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = format!("{NATIONAL}/objects/").parse().unwrap();
            let mut set = |name: &'static str, value: &[u8]| {
                request
                    .headers_mut()
                    .insert(name, HeaderValue::from_bytes(value).unwrap());
            };
            set("authorization", if known { b"" } else { &authorization });
            if known {
                set(
                    "authorization",
                    format!("Bearer {}", arena.world.writer).as_bytes(),
                );
            }
            set("accept", &accept);
            set("content-type", &kind);
            set("content-encoding", &encoding);
            let answer = arena.send(request);
            // 429: the same made-up name, more than a few times.
            let expected: &[u16] = if known { &[202, 406, 415] } else { &[401, 429] };
            prop_assert!(expected.contains(&answer.status.as_u16()), "{answer:?}");
            Ok(())
        },
    );
}
