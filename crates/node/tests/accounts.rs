//! People over HTTP: enrolment, signing in, duties on every resource of `/api`, tokens and lock-out,
//! through the real national listener.

extern crate kurultai_node as node;

mod world;

use hyper::Method;
use node::admin::types::{
    AuditPage, InviteReply, Me, Problem, RecoveryReply, SignInReply, TokenReply, TotpReply,
    UserInfo,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use world::{PERSON_PASSWORD, Running, bundle, indicator, prepare, within};

/// One request to the national port; answers with status and body.
async fn national(
    running: &Running,
    method: &str,
    path: &str,
    authorization: Option<&str>,
    body: &str,
) -> (u16, String) {
    let mut stream = TcpStream::connect(running.national).await.expect("connect");
    let authorization = authorization
        .map(|value| format!("Authorization: {value}\r\n"))
        .unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("write");
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await.expect("read");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    (status.expect("status"), body.to_owned())
}

async fn post(
    running: &Running,
    path: &str,
    authorization: Option<&str>,
    body: Value,
) -> (u16, Value) {
    let (status, body) = national(running, "POST", path, authorization, &body.to_string()).await;
    (status, serde_json::from_str(&body).unwrap_or(Value::Null))
}

fn basic(name: &str, password: &str) -> String {
    use base64::Engine;
    let pair = format!("{name}:{password}");
    format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(pair)
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_enrols_signs_in_and_acts_and_nobody_else_knows_a_secret() {
    let kz = prepare("KZ", "").await.start(None).await;
    let invited: InviteReply = kz
        .post(
            "/users/anna/invite",
            &json!({"duties": ["releaser"], "clearance": "TLP:AMBER"}),
        )
        .await;
    let mine = json!({"name": "anna", "code": invited.code, "password": PERSON_PASSWORD});
    assert_eq!(post(&kz, "/auth/enrol", None, mine.clone()).await.0, 204);
    assert_eq!(post(&kz, "/auth/enrol", None, mine).await.0, 401, "once");
    let sign_in = json!({"name": "anna", "password": PERSON_PASSWORD});
    let (status, reply) = post(&kz, "/auth/session", None, sign_in.clone()).await;
    let reply: SignInReply = serde_json::from_value(reply).expect("reply");
    assert_eq!(status, 200);
    let session = format!("Bearer {}", reply.session.expect("a session"));
    let (_, me) = national(&kz, "GET", "/auth/me", Some(&session), "").await;
    let me: Me = serde_json::from_str(&me).expect("me");
    assert_eq!(
        (me.name.as_str(), me.clearance.as_str()),
        ("anna", "TLP:AMBER")
    );

    // A second factor: the session ends with it, and the password alone opens nothing any more.
    let (status, new) = post(&kz, "/auth/totp/new", Some(&session), Value::Null).await;
    let new: TotpReply = serde_json::from_value(new).expect("secret");
    assert_eq!(status, 200);
    let code = |steps: u64| {
        let secret = totp_rs::Secret::try_from_base32(&new.secret).expect("base32");
        let totp = totp_rs::Builder::new()
            .with_secret(&*secret)
            .build()
            .expect("totp");
        totp.generate(kz.node.clock().secs() + 30 * steps)
            .to_string()
    };
    let (status, codes) = post(
        &kz,
        "/auth/totp/confirm",
        Some(&session),
        json!({"code": code(0)}),
    )
    .await;
    let codes: RecoveryReply = serde_json::from_value(codes).expect("codes");
    assert_eq!((status, codes.recovery_codes.len()), (200, 10));
    assert_eq!(
        national(&kz, "GET", "/auth/me", Some(&session), "").await.0,
        401
    );
    let password_alone = basic("anna", PERSON_PASSWORD);
    let (status, problem) = national(&kz, "GET", "/auth/me", Some(&password_alone), "").await;
    assert!(
        status == 401 && problem.contains("second-factor"),
        "{problem}"
    );
    assert_eq!(
        national(&kz, "GET", "/api/status", Some(&password_alone), "")
            .await
            .0,
        401
    );
    assert_eq!(
        national(&kz, "GET", "/taxii2/", Some(&password_alone), "")
            .await
            .0,
        401
    );
    let (_, reply) = post(&kz, "/auth/session", None, sign_in).await;
    let ticket = reply["code_needed"].as_str().expect("a ticket").to_owned();
    let as_session = format!("Bearer {ticket}");
    assert_eq!(
        national(&kz, "GET", "/auth/me", Some(&as_session), "")
            .await
            .0,
        401
    );
    let step = |code: &str| json!({"ticket": ticket, "code": code});
    assert_eq!(
        post(&kz, "/auth/totp", None, step(&code(0))).await.0,
        401,
        "used"
    );
    let (status, reply) = post(&kz, "/auth/totp", None, step(&code(1))).await;
    assert_eq!(status, 200);
    let session = format!("Bearer {}", reply["session"].as_str().expect("a session"));
    assert_eq!(
        national(&kz, "GET", "/api/status", Some(&session), "")
            .await
            .0,
        200
    );
    assert_eq!(
        national(&kz, "DELETE", "/auth/session", Some(&session), "")
            .await
            .0,
        204
    );
    assert_eq!(
        national(&kz, "GET", "/api/status", Some(&session), "")
            .await
            .0,
        401
    );

    // All of it is accounted for, and no secret is in the account.
    let audit: AuditPage = kz.get("/audit").await;
    let text = serde_json::to_string(&audit.records).expect("json");
    for wanted in [
        "user anna made; duties releaser",
        "enrolment code made",
        "enrolled with a password",
        "signed in by password",
        "one-time codes set up",
        "signed in by password and one-time code",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    for secret in [
        invited.code.as_str(),
        PERSON_PASSWORD,
        &new.secret,
        &codes.recovery_codes[0],
    ] {
        assert!(!text.contains(secret));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_resource_takes_its_duty() {
    let kz = prepare("KZ", "").await.start(None).await;
    let reader = kz.person("reader", &[]).await;
    let mut people = vec![("nobody", None), ("reader", Some(reader))];
    for duty in [
        "analyst",
        "releaser",
        "approver",
        "desk-officer",
        "operator",
        "auditor",
    ] {
        people.push((duty, Some(kz.person(duty, &[duty]).await)));
    }
    let any = [
        "analyst",
        "releaser",
        "approver",
        "desk-officer",
        "operator",
        "auditor",
    ];
    let watch = ["operator", "auditor"];
    let table: Vec<(&str, &str, &[&str])> = vec![
        ("GET", "/status", &any),
        ("GET", "/member", &any),
        ("GET", "/peers", &any),
        ("GET", "/accords", &any),
        ("GET", "/accords/nowhere", &any),
        ("GET", "/evidence", &watch),
        ("GET", "/audit", &watch),
        ("GET", "/users", &watch),
        ("GET", "/users/reader/tokens", &watch),
        ("GET", "/users/reader/sessions", &watch),
        ("POST", "/objects", &["analyst"]),
        ("POST", "/release", &["releaser", "analyst"]),
        ("POST", "/withdraw", &["releaser", "operator"]),
        ("POST", "/pull", &["operator"]),
        ("POST", "/accords", &["operator"]),
        ("POST", "/users", &["operator"]),
        ("DELETE", "/users/unknown", &["operator"]),
        ("POST", "/users/unknown/token", &["operator"]),
        ("POST", "/users/unknown/lock", &["operator"]),
        ("POST", "/users/unknown/unlock", &["operator"]),
        ("POST", "/users/a%20b/invite", &["operator"]),
        ("DELETE", "/users/unknown/sessions", &["operator"]),
        (
            "DELETE",
            "/users/unknown/tokens/0123456789ab",
            &["operator"],
        ),
        (
            "POST",
            "/users/unknown/tokens/0123456789ab/rotate",
            &["operator"],
        ),
    ];
    let users: Vec<UserInfo> = kz.get("/users").await;
    for (method, path, duties) in table {
        for (who, authorization) in &people {
            let path = format!("/api{path}");
            let (status, body) =
                national(&kz, method, &path, authorization.as_deref(), "garbage").await;
            let may = duties.contains(who);
            match (authorization, may) {
                (None, _) => assert_eq!(status, 401, "{who} {method} {path}"),
                (Some(_), false) => {
                    assert_eq!(status, 403, "{who} {method} {path}: {body}");
                    let problem: Problem = serde_json::from_str(&body).expect("problem");
                    assert_eq!(problem.kind, "urn:kurultai:problem:duty");
                }
                // Whatever the garbage deserves; but it was looked at.
                (Some(_), true) => assert!(
                    ![401, 403].contains(&status),
                    "{who} {method} {path}: {status} {body}"
                ),
            }
        }
    }
    assert_eq!(
        kz.get::<Vec<UserInfo>>("/users").await,
        users,
        "nothing has changed"
    );
    // A stranger cannot tell paths apart.
    assert_eq!(national(&kz, "GET", "/api/nowhere", None, "").await.0, 401);
    // The name of an act is the proven one, whatever the request says.
    let (_, operator) = people
        .iter()
        .find(|(who, _)| *who == "operator")
        .expect("made");
    let request = json!({"name": "anna", "duties": ["analyst"]});
    let (status, _) = post(&kz, "/api/users", operator.as_deref(), request).await;
    assert_eq!(status, 200);
    let audit: AuditPage = kz.get("/audit").await;
    let mut newest_first = audit.records.iter().rev().map(|line| &line.record);
    let changed = newest_first.find(|record| record.what == "user");
    assert_eq!(changed.expect("a record").who, "operator");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_the_socket_a_header_counts_and_a_bad_one_is_no_operator() {
    let kz = prepare("KZ", "").await.start(None).await;
    let anna = kz.person("anna", &["analyst"]).await;
    let ask = async |authorization: &str, path: &str| {
        kz.ask_as(authorization, Method::GET, path, "")
            .await
            .0
            .as_u16()
    };
    assert_eq!(ask(&anna, "/status").await, 200);
    assert_eq!(
        ask(&anna, "/users").await,
        403,
        "she is not the operator, even there"
    );
    assert_eq!(ask(&basic("anna", "a wrong sentence"), "/users").await, 401);
    assert_eq!(ask("nonsense", "/users").await, 401);
    let (status, _, _) = kz.ask(Method::GET, "/users", "").await;
    assert_eq!(status.as_u16(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_up_to_their_clearance() {
    let kz = prepare("KZ", "").await.start(None).await;
    kz.add(&bundle(&[indicator(1, "")]), "TLP:GREEN").await;
    kz.add(&bundle(&[indicator(2, "")]), "TLP:RED").await;
    kz.add(&bundle(&[indicator(3, "")]), "TLP:AMBER").await;
    let header = kz.person("anna", &[]).await;
    let sees = async || {
        let (status, page) = kz
            .national(
                "/taxii2/kurultai/collections/national/objects/",
                Some(&header),
            )
            .await;
        let (_, listed) = national(&kz, "GET", "/api/objects?bodies=true", Some(&header), "").await;
        assert_eq!(status, 200);
        let of = |text: &str| {
            (1..=3)
                .filter(|n| text.contains(&world::indicator_id(*n)))
                .collect::<Vec<u32>>()
        };
        assert_eq!(of(&page), of(&listed), "{page} {listed}");
        of(&page)
    };
    assert_eq!(sees().await, [1, 2, 3]);
    let limit = |level: &str| json!({"name": "anna", "clearance": level});
    let _: UserInfo = kz.post("/users", &limit("TLP:AMBER")).await;
    assert_eq!(sees().await, [1, 3]);
    for path in ["", "versions/"] {
        let red = format!(
            "/taxii2/kurultai/collections/national/objects/{}/{path}",
            world::indicator_id(2)
        );
        assert_eq!(
            kz.national(&red, Some(&header)).await.0,
            404,
            "not even that it is there"
        );
    }
    let _: UserInfo = kz.post("/users", &limit("TLP:CLEAR")).await;
    assert!(sees().await.is_empty());
    let manifest = "/taxii2/kurultai/collections/national/manifest/?match%5Bversion%5D=all";
    let (_, manifest) = kz.national(manifest, Some(&header)).await;
    assert!(!manifest.contains("indicator--"), "{manifest}");
    let (status, _, body) = kz
        .ask(
            Method::POST,
            "/users",
            r#"{"name":"anna","clearance":"TLP:PURPLE"}"#,
        )
        .await;
    assert_eq!(status.as_u16(), 400, "{}", String::from_utf8_lossy(&body));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_reach_no_further_than_their_scopes_over_http() {
    let kz = prepare("KZ", "").await.start(None).await;
    let anna = kz.person("anna", &["analyst", "releaser"]).await;
    let make = async |authorization: &str, request: Value| {
        let (status, reply) = post(&kz, "/auth/tokens", Some(authorization), request).await;
        (status, serde_json::from_value::<TokenReply>(reply).ok())
    };
    for scopes in [
        json!(["approve"]),
        json!(["read", "admin"]),
        json!([]),
        json!(["everything"]),
    ] {
        let (status, reply) = make(&anna, json!({"scopes": scopes})).await;
        assert!(
            [400, 403].contains(&status) && reply.is_none(),
            "{scopes}: {status}"
        );
    }
    let (status, sensor) = make(&anna, json!({"scopes": ["add"], "days": 7})).await;
    assert_eq!(status, 200);
    let sensor = format!("Bearer {}", sensor.expect("a token").token);
    let object = bundle(&[indicator(1, "")]);
    assert_eq!(
        national(&kz, "POST", "/api/objects", Some(&sensor), &object)
            .await
            .0,
        200
    );
    assert_eq!(
        national(&kz, "GET", "/api/objects", Some(&sensor), "")
            .await
            .0,
        403
    );
    // Analysts may do these, but not by a token that only adds.
    for (method, path) in [
        ("POST", "/api/release"),
        ("POST", "/api/withdraw"),
        ("POST", "/api/requests"),
        ("GET", "/api/status"),
        ("GET", "/api/requests"),
    ] {
        let (status, body) = national(&kz, method, path, Some(&sensor), "{}").await;
        assert_eq!(status, 403, "{path}: {body}");
    }
    // Nor by a password that somebody else knows.
    let known = kz.user("dina").await;
    for path in ["/api/release", "/api/requests"] {
        let (status, body) = national(&kz, "POST", path, Some(&known), "{}").await;
        assert!(
            status == 403 && body.contains("change your password first"),
            "{path}: {status} {body}"
        );
    }
    assert_eq!(
        kz.national(
            "/taxii2/kurultai/collections/national/objects/",
            Some(&sensor)
        )
        .await
        .0,
        403
    );
    assert_eq!(
        make(&sensor, json!({"scopes": ["add"]})).await.0,
        403,
        "a token makes no token"
    );
    assert_eq!(
        post(&kz, "/auth/totp/new", Some(&sensor), Value::Null)
            .await
            .0,
        403
    );
    let (_, listed) = national(&kz, "GET", "/auth/tokens", Some(&anna), "").await;
    let id = serde_json::from_str::<Value>(&listed).expect("json")[0]["id"]
        .as_str()
        .expect("id")
        .to_owned();
    let (status, rotated) = post(
        &kz,
        &format!("/auth/tokens/{id}/rotate"),
        Some(&anna),
        json!({"grace_hours": 0}),
    )
    .await;
    assert_eq!(status, 200);
    assert_eq!(
        national(&kz, "POST", "/api/objects", Some(&sensor), &object)
            .await
            .0,
        401
    );
    let rotated = format!("Bearer {}", rotated["token"].as_str().expect("a token"));
    assert_eq!(
        national(&kz, "POST", "/api/objects", Some(&rotated), &object)
            .await
            .0,
        200
    );
    let id = {
        let (_, listed) = national(&kz, "GET", "/auth/tokens", Some(&anna), "").await;
        serde_json::from_str::<Value>(&listed).expect("json")[0]["id"]
            .as_str()
            .expect("id")
            .to_owned()
    };
    assert_eq!(
        national(
            &kz,
            "DELETE",
            &format!("/auth/tokens/{id}"),
            Some(&anna),
            ""
        )
        .await
        .0,
        204
    );
    assert_eq!(
        national(&kz, "POST", "/api/objects", Some(&rotated), &object)
            .await
            .0,
        401
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_over_http_wait_and_hostile_bodies_are_refused_without_an_echo() {
    let kz = prepare("KZ", "").await.start(None).await;
    let anna = kz.person("anna", &["analyst"]).await;
    let guess = json!({"name": "anna", "password": "a guess of somebody"});
    let mut seen = Vec::new();
    for _ in 0..7 {
        seen.push(post(&kz, "/auth/session", None, guess.clone()).await.0);
    }
    assert_eq!(seen, [401, 401, 401, 401, 401, 429, 429]);
    // The same place, by every other way in.
    let wrong = basic("anna", "another guess of them");
    assert_eq!(kz.national("/taxii2/", Some(&wrong)).await.0, 429);
    let change = json!({"name": "anna", "password": "x", "new": "a new sentence for her"});
    assert_eq!(post(&kz, "/auth/password", None, change).await.0, 429);
    // The operator's socket is another place, and its unlocking ends the wait.
    assert_eq!(
        kz.ask_as(&anna, Method::GET, "/status", "")
            .await
            .0
            .as_u16(),
        200
    );
    let (status, _, _) = kz.ask(Method::POST, "/users/anna/unlock", "").await;
    assert_eq!(status.as_u16(), 204);
    assert_eq!(post(&kz, "/auth/session", None, guess).await.0, 401);
    let audit: AuditPage = kz.get("/audit").await;
    let failed: Vec<_> = audit
        .records
        .iter()
        .filter(|line| line.record.what == "sign-in-failed")
        .collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0].record.why.contains("as anna from 127.0.0.1"));

    let secret = "hush-hush-hush";
    for path in [
        "/auth/session",
        "/auth/totp",
        "/auth/enrol",
        "/auth/password",
    ] {
        for body in [
            String::new(),
            "{".to_owned(),
            "null".to_owned(),
            format!("{{\"name\":\"anna\",\"password\":[\"{secret}\"]}}"),
            format!("{{\"{secret}\":1}}"),
            format!("{{\"name\":\"anna\",\"name\":\"{secret}\"}}"),
            "[".repeat(50_000),
            format!("{{\"name\":\"{}\"}}", "x".repeat(100_000)),
        ] {
            let (status, answer) = national(&kz, "POST", path, None, &body).await;
            assert!([400, 413].contains(&status), "{path}: {status} {answer}");
            assert!(!answer.contains(secret), "{answer}");
        }
        assert_eq!(national(&kz, "PUT", path, None, "").await.0, 405);
    }
    for name in ["", "../anna", "a b", "anna\u{0}", &"x".repeat(5_000)] {
        let body = json!({"name": name, "password": "a guess of somebody"});
        assert_eq!(
            post(&kz, "/auth/session", None, body).await.0,
            401,
            "{name:?}"
        );
        let body = json!({"name": name, "code": "x", "password": "a guess of somebody"});
        assert_eq!(
            post(&kz, "/auth/enrol", None, body).await.0,
            401,
            "{name:?}"
        );
    }
}
