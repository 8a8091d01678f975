//! National tools over a whole node: the same TAXII over every kind of connection, and a generator
//! of requests that holds the node to its OpenAPI description.

extern crate kurultai_node as node;

mod world;

use std::process::Command;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use node::auth::{Caller, Proof, Scope};
use policy::Duty;
use serde_json::{Value, json};
use world::{Running, bundle, indicator, indicator_id, prepare};

const TAXII: &str = "application/taxii+json;version=2.1";
const NATIONAL: &str = "/taxii2/kurultai/collections/national";

/// A token with every scope of its user's duties.
fn token(node: &Running, name: &str, duties: &[Duty]) -> String {
    let auth = node.node.auth();
    let change = node::auth::UserChange {
        password: Some("correct horse battery".into()),
        duties: Some(duties.iter().copied().collect()),
        ..node::auth::UserChange::default()
    };
    auth.put_user(&Caller::socket(), name, &change)
        .expect("made");
    let person = auth.caller(name, Proof::Passkey).expect("there");
    let held = Scope::ALL
        .into_iter()
        .filter(|scope| scope.is_open_to(&person.duties));
    let request = node::admin::types::TokenRequest {
        scopes: Some(held.collect()),
        ..Default::default()
    };
    auth.issue_token(&person, name, &request)
        .expect("a token")
        .token
}

/// One way to reach a node.
struct Way {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    root: String,
    token: String,
    version: Version,
}

impl Way {
    async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (StatusCode, HeaderMap, Bytes) {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.root))
            .header("accept", TAXII)
            .header("authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::from(body.to_owned()))
            .expect("a request");
        let (parts, body) = self
            .client
            .request(request)
            .await
            .expect("an answer")
            .into_parts();
        assert_eq!(parts.version, self.version);
        let body = body.collect().await.expect("a whole body").to_bytes();
        (parts.status, parts.headers, body)
    }

    async fn get(&self, path: &str) -> Value {
        let (status, headers, body) = self.ask(Method::GET, path, &[], "").await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert_eq!(headers["content-type"], TAXII);
        serde_json::from_slice(&body).expect("JSON")
    }
}

/// What every connection must be able to carry. `number` keeps the ways apart.
async fn suite(way: &Way, number: u32) {
    let discovery = way.get("/taxii2/").await;
    assert_eq!(
        discovery["default"],
        format!("{}/taxii2/kurultai/", way.root)
    );
    assert_eq!(
        way.get("/taxii2/kurultai/").await["versions"],
        json!([TAXII])
    );
    let first = number * 100;
    let objects: Vec<String> = (first..first + 30)
        .map(|number| indicator(number, ""))
        .collect();
    let envelope = format!(r#"{{"objects":[{}]}}"#, objects.join(","));
    let post = format!("{NATIONAL}/objects/");
    let (status, _, body) = way
        .ask(Method::POST, &post, &[("content-type", TAXII)], &envelope)
        .await;
    assert_eq!(
        status,
        StatusCode::ACCEPTED,
        "{}",
        String::from_utf8_lossy(&body)
    );
    let status: Value = serde_json::from_slice(&body).expect("JSON");
    let kept = way
        .get(&format!(
            "/taxii2/kurultai/status/{}/",
            status["id"].as_str().expect("an id")
        ))
        .await;
    assert_eq!((&kept, &kept["success_count"]), (&status, &json!(30)));
    let (mut got, mut next) = (Vec::new(), String::new());
    loop {
        let page = way
            .get(&format!("{NATIONAL}/manifest/?limit=7{next}"))
            .await;
        let ids = page["objects"].as_array().expect("objects").iter();
        got.extend(ids.map(|entry| entry["id"].as_str().expect("an id").to_owned()));
        match page["next"].as_str() {
            Some(cursor) => next = format!("&next={cursor}"),
            None => break,
        }
    }
    let added: Vec<String> = (first..first + 30).map(indicator_id).collect();
    assert_eq!(got[got.len() - 30..], added);
    let path = format!("{NATIONAL}/objects/?limit=20");
    let (_, headers, plain) = way.ask(Method::GET, &path, &[], "").await;
    let tag = headers["etag"].to_str().expect("ascii").to_owned();
    let (status, ..) = way
        .ask(Method::GET, &path, &[("if-none-match", &tag)], "")
        .await;
    assert_eq!(status, StatusCode::NOT_MODIFIED);
    let (_, headers, packed) = way
        .ask(Method::GET, &path, &[("accept-encoding", "zstd")], "")
        .await;
    assert_eq!(headers["content-encoding"], "zstd");
    assert!(zstd::stream::decode_all(&packed[..]).expect("zstd") == plain);
    let (status, headers, body) = way.ask(Method::HEAD, &path, &[], "").await;
    assert_eq!((status, body.len()), (StatusCode::OK, 0));
    assert!(headers.contains_key("x-taxii-date-added-first"));
    let object = format!("{NATIONAL}/objects/{}/", indicator_id(first));
    let (status, _, body) = way.ask(Method::DELETE, &object, &[], "").await;
    assert_eq!((status, body.len()), (StatusCode::OK, 0));
    assert_eq!(
        way.ask(Method::GET, &object, &[], "").await.0,
        StatusCode::NOT_FOUND
    );
    let (status, ..) = way
        .ask(
            Method::GET,
            &format!("{NATIONAL}/objects/?limit=0"),
            &[],
            "",
        )
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let large = " ".repeat((16 << 20) + 1);
    let (status, ..) = way
        .ask(Method::POST, &post, &[("content-type", TAXII)], &large)
        .await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

fn connector(
    roots: rustls::RootCertStore,
) -> HttpsConnectorBuilder<hyper_rustls::builderstates::WantsSchemes> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    HttpsConnectorBuilder::new().with_tls_config(config)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taxii_is_the_same_over_http_1_and_2_plain_and_in_tls() {
    let dir = tempfile::tempdir().expect("a folder");
    let key = rcgen::KeyPair::generate().expect("a key");
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let own = rcgen::CertificateParams::new(names)
        .expect("names")
        .self_signed(&key)
        .expect("signed");
    let put = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    };
    let (certificate, secret) = (
        put("server.pem", own.pem()),
        put("server.key", key.serialize_pem()),
    );
    let tls = format!("[national_tls]\ncertificate = {certificate:?}\nkey = {secret:?}\n");
    for (scheme, extra) in [("http", String::new()), ("https", tls)] {
        let kz = prepare("KZ", &extra).await.start(None).await;
        let token = token(&kz, "anna", &[Duty::Analyst]);
        for (number, version) in [(1, Version::HTTP_11), (2, Version::HTTP_2)] {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(own.der().clone()).expect("a certificate");
            let schemes = connector(roots).https_or_http();
            let mut builder = Client::builder(TokioExecutor::new());
            let client = match version {
                Version::HTTP_2 => builder
                    .http2_only(true)
                    .build(schemes.enable_http2().build()),
                _ => builder.build(schemes.enable_http1().build()),
            };
            let root = format!("{scheme}://{}", kz.national);
            let token = token.clone();
            suite(
                &Way {
                    client,
                    root,
                    token,
                    version,
                },
                number,
            )
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generated_requests_meet_what_the_description_says() {
    let Some(python) = std::env::var_os("KURULTAI_PYTHON") else {
        let required = std::env::var_os("KURULTAI_REQUIRE_ALL").is_some_and(|value| value == "1");
        assert!(
            !required,
            "KURULTAI_PYTHON must name a Python that has schemathesis"
        );
        println!("skipped: KURULTAI_PYTHON names no Python that has schemathesis");
        return;
    };
    let kz = prepare("KZ", "").await.start(None).await;
    let objects: Vec<String> = (0..5).map(|number| indicator(number, "")).collect();
    kz.add(&bundle(&objects), "TLP:GREEN").await;
    let duties = [Duty::Analyst, Duty::Operator, Duty::DeskOfficer];
    let token = token(&kz, "anna", &duties);
    let (status, document) = kz.national("/openapi.json", None).await;
    assert_eq!(status, 200, "{document}");
    let program = std::path::Path::new(&python).with_file_name("schemathesis");
    let reports = tempfile::tempdir().expect("a folder");
    let mut generator = Command::new(program);
    generator
        .current_dir(reports.path())
        .arg("run")
        .arg(format!("http://{}/openapi.json", kz.national))
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "4", "--seed", "1"])
        .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance"])
        .args(["--request-timeout", "30", "--continue-on-failure", "--no-shrink", "--no-color", "--warnings", "off"])
        // It acts as this user, who must stay.
        .args(["--exclude-path", "/api/users/{name}/lock", "--exclude-path", "/api/pull"]);
    let from = tokio::time::Instant::now();
    let output = tokio::task::spawn_blocking(move || generator.output())
        .await
        .expect("joined")
        .expect("schemathesis beside the Python that KURULTAI_PYTHON names");
    let out = String::from_utf8_lossy(&output.stdout);
    println!("{out}\nin {:?}", from.elapsed());
    assert!(
        output.status.success(),
        "{out}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(kz.national("/healthz", None).await.0, 200);
}
