//! What goes into the audit log when persons ask about persons, when objects are taken in and when
//! tools read.

extern crate kurultai_node as node;

mod world;

use axum::body::Body;
use hyper::{Method, StatusCode};
use node::admin::types::{AuditPage, ObjectsPage, Problem};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use world::{Running, bundle, indicator, indicator_id, prepare, within};

const PERSON: &str = "identity--00000000-0000-4000-8000-0000000000a1";
const ACCOUNT: &str = "user-account--00000000-0000-4000-8000-0000000000a2";
const AGENCY: &str = "identity--00000000-0000-4000-8000-0000000000a3";

fn identity(id: &str, class: &str) -> String {
    format!(
        r#"{{"type":"identity","spec_version":"2.1","id":"{id}","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","name":"N","identity_class":"{class}"}}"#
    )
}

fn account() -> String {
    format!(r#"{{"type":"user-account","spec_version":"2.1","id":"{ACCOUNT}","user_id":"u1"}}"#)
}

async fn refused(kz: &Running, path: &str) {
    let before: AuditPage = kz.get("/audit?what=query").await;
    let (status, _, body) = kz.ask(Method::GET, path, Body::empty()).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
    let problem: Problem = serde_json::from_slice(&body).expect("problem");
    assert_eq!(problem.kind, "urn:kurultai:problem:purpose", "{path}");
    assert!(problem.detail.contains("purpose"), "{path}");
    assert!(
        !String::from_utf8_lossy(&body).contains("--0000"),
        "a refusal names nobody"
    );
    let after: AuditPage = kz.get("/audit?what=query").await;
    assert_eq!(
        after.records, before.records,
        "{path}: what was refused is no query"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_about_persons_carries_its_purpose_into_the_audit_log() {
    let kz = prepare("KZ", "").await.start(None).await;
    kz.add(
        &bundle(&[indicator(1, ""), identity(AGENCY, "organization")]),
        "TLP:GREEN",
    )
    .await;
    // No person is held: a listing of everything tells of none.
    let page: ObjectsPage = kz.get("/objects").await;
    assert_eq!(page.objects.len(), 2);
    // Asking for kinds that stand for people is a query, whatever it finds.
    refused(&kz, "/objects?kinds=user-account").await;
    refused(&kz, &format!("/objects?ids={ACCOUNT}")).await;
    kz.add(
        &bundle(&[identity(PERSON, "individual"), account()]),
        "TLP:GREEN",
    )
    .await;
    for path in [
        "/objects",
        "/objects?bodies=true",
        "/objects?limit=1000&all_versions=true",
        "/objects?kinds=identity",
        "/objects?kinds=indicator,identity",
        "/objects?kinds=threat-actor",
        "/objects?kinds=email-addr",
        "/objects?kinds=identity&purpose=",
        "/objects?kinds=identity&purpose=%20%20",
        "/objects?after=0",
    ] {
        refused(&kz, path).await;
    }
    let page: ObjectsPage = kz.get("/objects?kinds=indicator").await;
    assert_eq!(
        page.objects.len(),
        1,
        "what is not about persons needs no purpose"
    );
    let page: ObjectsPage = kz.get(&format!("/objects?ids={}", indicator_id(1))).await;
    assert_eq!(page.objects.len(), 1);

    let page: ObjectsPage = kz
        .get("/objects?kinds=identity&purpose=case%2017&who=anna")
        .await;
    assert_eq!(page.objects.len(), 2);
    let page: ObjectsPage = kz.get("/objects?purpose=inventory").await;
    assert_eq!(page.objects.len(), 4);
    let page: ObjectsPage = kz
        .get("/objects?kinds=threat-actor&purpose=case%2018")
        .await;
    assert!(page.objects.is_empty());

    let found: AuditPage = kz.get("/audit?what=query").await;
    assert_eq!(found.records.len(), 3, "{:?}", found.records);
    let [first, second, third] = &found.records[..] else {
        unreachable!("three")
    };
    let (first, second, third) = (&first.record, &second.record, &third.record);
    assert_eq!(
        (first.who.as_str(), first.purpose.as_str()),
        ("operator (says anna)", "case 17")
    );
    assert_eq!(first.why, "kinds identity");
    assert_eq!(first.channel, "national");
    assert!(
        first.objects.contains(&PERSON.to_owned()) && first.objects.contains(&AGENCY.to_owned())
    );
    // The listing is accounted for by the persons in it, not by the agency.
    assert_eq!(second.objects, [PERSON, ACCOUNT]);
    assert_eq!((third.purpose.as_str(), third.count), ("case 18", 0));
    // Who looked at this person?
    let found: AuditPage = kz.get(&format!("/audit?object={PERSON}&what=query")).await;
    assert_eq!(found.records.len(), 2);
    let found: AuditPage = kz.get("/audit?purpose=case&who=anna").await;
    assert_eq!(found.records.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proven_user_is_held_to_it_as_well_and_under_the_own_name() {
    let kz = prepare("KZ", "").await.start(None).await;
    let boris = kz.user("boris").await;
    kz.add(&bundle(&[identity(PERSON, "individual")]), "TLP:GREEN")
        .await;
    let (status, answer) = kz
        .national("/api/objects?kinds=identity", Some(&boris))
        .await;
    assert_eq!(status, 403, "{answer}");
    let (status, answer) = kz
        .national(
            "/api/objects?kinds=identity&purpose=case%201&who=anna",
            Some(&boris),
        )
        .await;
    assert_eq!(status, 200, "{answer}");
    let found: AuditPage = kz.get("/audit?what=query").await;
    assert_eq!(found.records.len(), 1);
    assert_eq!(found.records[0].record.who, "boris");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_in_and_what_tools_read_is_accounted_for() {
    let kz = prepare("KZ", "").await.start(None).await;
    let boris = kz.user("boris").await;
    let two = bundle(&[indicator(1, ""), indicator(2, "")]);
    let (status, _, _) = kz.ask(Method::POST, "/objects?who=anna", two).await;
    assert_eq!(status, StatusCode::OK);
    // A body that cannot be read takes nothing in.
    let (status, _, _) = kz.ask(Method::POST, "/objects?who=anna", "{").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let body = format!(r#"{{"objects":[{}]}}"#, indicator(3, ""));
    let request = format!(
        "POST /taxii2/kurultai/collections/national/objects/ HTTP/1.1\r\nHost: localhost\r\n\
         Accept: application/taxii+json;version=2.1\r\nContent-Type: application/taxii+json;version=2.1\r\n\
         Authorization: {boris}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = tokio::net::TcpStream::connect(kz.national)
        .await
        .expect("connect");
    stream.write_all(request.as_bytes()).await.expect("write");
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer))
        .await
        .expect("read");
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    for _ in 0..3 {
        let path = "/taxii2/kurultai/collections/national/objects/";
        assert_eq!(kz.national(path, Some(&boris)).await.0, 200);
    }
    let found: AuditPage = kz.get("/audit?what=add").await;
    let adds: Vec<(String, u64)> = found
        .records
        .iter()
        .map(|line| (line.record.who.clone(), line.record.count))
        .collect();
    assert_eq!(
        adds,
        [
            ("operator (says anna)".to_owned(), 2),
            ("boris".to_owned(), 1)
        ]
    );
    let found: AuditPage = kz.get("/audit?what=tool-read").await;
    assert_eq!(found.records.len(), 1, "one record stands for all of them");
    let read = &found.records[0].record;
    assert_eq!(
        (read.who.as_str(), read.channel.as_str(), read.count),
        ("boris", "national", 3)
    );
}
