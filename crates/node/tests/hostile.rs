//! Malformed and hostile requests to every admin and member endpoint: a clear refusal in the form
//! of RFC 9457, and nothing changed.

extern crate kurultai_node as node;

mod world;

use axum::body::Body;
use hyper::{Method, StatusCode};
use node::admin::types::{AuditPage, Problem, UserInfo};
use sync::FetchError;
use world::{Running, bundle, channel, indicator, indicator_id, prepare, ratified};

/// Everything a request could have changed, as one text.
async fn state(running: &Running) -> String {
    let mut status = running.status().await;
    status.now.clear();
    status.store.bytes_on_disk = 0;
    status.peers.clear();
    // Witnessing goes on meanwhile.
    status.audit = Default::default();
    let users: Vec<UserInfo> = running.get("/users").await;
    let mut audit: AuditPage = running.get("/audit").await;
    // That something was read or refused is accounted for, and is no change.
    audit.records.retain(|line| {
        !matches!(
            line.record.what.as_str(),
            "partner-read" | "refuse" | "denied"
        )
    });
    let heads = running
        .node
        .read(|store| store.heads())
        .await
        .expect("heads");
    let heads: Vec<_> = heads
        .into_iter()
        .filter(|(log, _)| log.accord != "local")
        .collect();
    status.logs.retain(|log| log.accord != "local");
    format!(
        "{}\n{users:?}\n{:?}\n{heads:?}",
        serde_json::to_string(&status).expect("json"),
        audit.records
    )
}

async fn pair() -> (Running, Running) {
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let note = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    let (kz, kg) = (kz.start(Some(&note)).await, kg.start(Some(&note)).await);
    kz.add(&bundle(&[indicator(1, "")]), "TLP:GREEN//REL KG")
        .await;
    kz.release("steppe/alerts", &[&indicator_id(1)]).await;
    kg.until_shown("steppe/alerts", &[&indicator_id(1)]).await;
    kz.until(async || {
        kz.held("steppe/alerts", "KZ")
            .await
            .is_some_and(|head| !head.cosignatures.is_empty())
    })
    .await;
    (kz, kg)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn admin_endpoints_refuse_and_change_nothing() {
    let (kz, _kg) = pair().await;
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let bodies: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"{".to_vec(),
        b"\xff\xfe\x00garbage".to_vec(),
        b"null".to_vec(),
        b"{\"unknown\":1}".to_vec(),
        deep.into_bytes(),
        // zstd magic and then nonsense
        b"\x28\xb5\x2f\xfd\xff\xff\xff\xff\xff".to_vec(),
        bundle(&[indicator(5, "")]).into_bytes()[..120].to_vec(),
    ];
    let before = state(&kz).await;
    let endpoints = [
        (Method::POST, "/objects"),
        (Method::POST, "/release"),
        (Method::POST, "/withdraw"),
        (Method::POST, "/accords"),
        (Method::POST, "/accords?ratify=true"),
        (Method::POST, "/users"),
        (Method::POST, "/users/nobody/token"),
        (Method::POST, "/pull"),
    ];
    for (method, path) in &endpoints {
        for body in &bodies {
            if *path == "/pull" && body.is_empty() {
                continue;
            }
            let (status, kind, answer) = kz.ask(method.clone(), path, body.clone()).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
            // A value that is no object is refused as one object inside a well-formed answer.
            if *path == "/objects" && status == StatusCode::OK {
                let report: node::admin::types::AddReport =
                    serde_json::from_slice(&answer).expect("report");
                assert!(
                    report.added == 0 && report.refused > 0,
                    "{shown}: {report:?}"
                );
                continue;
            }
            assert!(status.is_client_error(), "{path} {shown}: {status}");
            assert_eq!(kind, "application/problem+json", "{path} {shown}");
            let problem: Problem = serde_json::from_slice(&answer).expect("problem details");
            assert_eq!(problem.status, status.as_u16());
            assert!(
                problem.kind.starts_with("urn:kurultai:problem:") && !problem.detail.is_empty()
            );
        }
    }
    for (method, path, expected) in [
        (Method::GET, "/objects?collection=steppe%2Fnowhere", 404),
        (Method::GET, "/objects?ids=nonsense", 400),
        (Method::GET, "/objects?limit=many", 400),
        (Method::GET, "/objects?colour=red", 400),
        (Method::POST, "/objects?label=TLP:PURPLE", 400),
        (Method::GET, "/audit?from=-1", 400),
        (Method::GET, "/accords/nowhere", 404),
        (Method::DELETE, "/users/nobody", 404),
        (Method::DELETE, "/status", 405),
        (Method::GET, "/../etc/passwd", 404),
        (Method::GET, "/nowhere", 404),
    ] {
        let (status, kind, answer) = kz.ask(method, path, Body::empty()).await;
        assert_eq!(
            (status.as_u16(), kind.as_str()),
            (expected, "application/problem+json"),
            "{path}"
        );
        let problem: Problem = serde_json::from_slice(&answer).expect("problem details");
        assert_eq!(problem.status, expected);
    }
    for (path, body, pointer) in [
        (
            "/release",
            r#"{"channel":"steppe/alerts","selection":{}}"#,
            None,
        ),
        (
            "/release",
            r#"{"channel":"alerts","selection":{"all":true}}"#,
            None,
        ),
        (
            "/release",
            r#"{"channel":"steppe/alerts","selection":{"ids":["x"]}}"#,
            Some("/selection/ids/0"),
        ),
        (
            "/release",
            r#"{"channel":"steppe/alerts","selection":{"hashes":["x"]}}"#,
            Some("/selection/hashes/0"),
        ),
        (
            "/withdraw",
            r#"{"channel":"steppe/alerts","ids":[],"reason":"r"}"#,
            Some("/ids"),
        ),
        (
            "/withdraw",
            r#"{"channel":"steppe/alerts","ids":["x"],"reason":"r"}"#,
            Some("/ids/0"),
        ),
        (
            "/withdraw",
            r#"{"channel":"steppe/alerts","ids":["x"],"reason":" "}"#,
            Some("/reason"),
        ),
    ] {
        let (status, _, answer) = kz.ask(Method::POST, path, body).await;
        let problem: Problem = serde_json::from_slice(&answer).expect("problem details");
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(problem.pointer.as_deref(), pointer, "{body}: {problem:?}");
    }
    assert_eq!(state(&kz).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_is_refused_alone_and_by_pointer() {
    let (kz, _kg) = pair().await;
    let bad_time =
        indicator(6, "").replace("2026-01-01T00:00:00.000Z\",\"name", "yesterday\",\"name");
    let doubled = indicator(7, r#","name":"again""#);
    let other = indicator(1, r#","description":"other content, same version""#);
    let report = kz
        .add(
            &bundle(&[indicator(1, ""), bad_time, indicator(8, ""), doubled, other]),
            "TLP:GREEN",
        )
        .await;
    assert_eq!(
        (
            report.total,
            report.added,
            report.duplicates,
            report.refused,
            report.conflicts
        ),
        (5, 1, 1, 2, 1),
        "{report:?}"
    );
    let places: Vec<usize> = report
        .refusals
        .iter()
        .map(|refusal| refusal.index)
        .collect();
    // The first is held under a laxer label than it is now given, and keeps it: that is said.
    assert_eq!(places, [0, 1, 3, 4]);
    assert!(
        report.refusals[1].pointer.ends_with("/modified"),
        "{report:?}"
    );
    assert!(report.refusals[2].pointer.ends_with("/name"), "{report:?}");
    assert!(
        kz.status()
            .await
            .alarms
            .iter()
            .any(|alarm| alarm.kind == "conflict")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn member_endpoints_refuse_and_change_nothing() {
    let (kz, kg) = pair().await;
    let before = state(&kz).await;
    let door = kg.peer_of(&kz);
    for path in [
        "/",
        "/log",
        "/log/steppe",
        "/log/steppe/alerts",
        "/log/steppe/alerts/",
        "/log/steppe/alerts/tile",
        "/log/steppe/alerts/tile/0/1",
        "/log/steppe/alerts/tile/0/000.p/0",
        "/log/steppe/alerts/tile/0/000.p/256",
        "/log/steppe/alerts/tile/0/000.p/2",
        "/log/steppe/alerts/tile/99/000",
        "/log/steppe/alerts/tile/0/x999/x999/x999/x999/x999/x999/999",
        "/log/steppe/alerts/tile/../../local/audit/checkpoint",
        "/log/steppe/alerts/objects/000.p/9",
        "/log/local/audit/checkpoint",
        "/log/steppe/alerts%2f..%2fborder/checkpoint",
        "/accords/nowhere",
        "/accords/",
        "/status",
        "/metrics",
        "/taxii2/",
    ] {
        let answer = door.get(path, 1 << 20).await;
        assert_eq!(answer, Err(FetchError::NotFound), "{path}");
    }
    let query = door
        .get("/log/steppe/alerts/objects/000.p/1?skip=-1", 1 << 20)
        .await;
    assert_eq!(query, Err(FetchError::Status { code: 400 }));
    let method = door.post("/log/steppe/alerts/checkpoint", "x".into()).await;
    assert_eq!(method, Err(FetchError::Status { code: 405 }));

    let cosignatures = "/log/steppe/alerts/cosignatures";
    let stale = {
        // A line by the right key over another tree.
        let checkpoint =
            log::Checkpoint::new("kz.example/steppe/alerts", 7, log::merkle::empty_root())
                .expect("checkpoint");
        log::cosign::cosign(&checkpoint.to_text(), &kg.node.keys().cosigners()[0], 1)
            .expect("line")
            .to_string()
    };
    let foreign = {
        let checkpoint =
            log::Checkpoint::new("kz.example/steppe/alerts", 7, log::merkle::empty_root())
                .expect("checkpoint");
        log::cosign::cosign(&checkpoint.to_text(), &kz.node.keys().cosigners()[0], 1)
            .expect("line")
            .to_string()
    };
    for (body, code) in [
        (String::new(), 400),
        ("nonsense\n".to_owned(), 400),
        ("— kg.example/witness AAAA\n".to_owned(), 400),
        ("— kg.example/witness AAAAAAAAAAAAAAAA\n".to_owned(), 403),
        (format!("{stale}\n"), 409),
        (format!("{foreign}\n"), 403),
        (format!("{stale}\n").repeat(5), 400),
        ("x".repeat(1 << 20), 413),
    ] {
        let answer = door.post(cosignatures, body.clone()).await;
        let shown: String = body.chars().take(40).collect();
        match answer {
            Err(FetchError::Status { code: found }) => assert_eq!(found, code, "{shown}"),
            // The server may hang up while a body that is far too large is still being sent.
            Err(FetchError::Broken { .. } | FetchError::Unreachable { .. }) if code == 413 => {}
            other => panic!("{shown}: {other:?}"),
        }
    }
    // A good line, made once more at another time: there is one already, so nothing is written.
    let head = kz.held("steppe/alerts", "KZ").await.expect("held");
    let note = log::Note::parse(head.checkpoint.as_bytes()).expect("a note");
    let again = log::cosign::cosign(note.text(), &kg.node.keys().cosigners()[0], 7).expect("line");
    assert_eq!(door.post(cosignatures, format!("{again}\n")).await, Ok(()));
    assert_eq!(
        kz.held("steppe/alerts", "KZ").await.expect("held"),
        head,
        "the line that came first stays"
    );
    assert_eq!(state(&kz).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_national_port_answers_health_without_and_data_only_with_credentials() {
    let (kz, _kg) = pair().await;
    assert_eq!(kz.national("/healthz", None).await.0, 200);
    assert_eq!(kz.national("/readyz", None).await.0, 200);
    let (code, metrics) = kz.national("/metrics", None).await;
    assert!(
        code == 200
            && metrics.contains(
                "kurultai_log_entries{accord=\"steppe\",channel=\"alerts\",origin=\"KZ\"} 1"
            ),
        "{metrics}"
    );
    assert!(metrics.ends_with("# EOF\n"));
    assert!(
        !metrics.contains("mail-1.example") && !metrics.contains("indicator--"),
        "no payloads"
    );
    assert_eq!(kz.national("/taxii2/", None).await.0, 401);
    assert_eq!(kz.national("/status", None).await.0, 404);
    assert_eq!(kz.national("/release", None).await.0, 404);
}
