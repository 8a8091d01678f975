//! What the console refuses: forms of others, planted sessions, hostile requests; and what every
//! answer carries so that a browser refuses the rest.

use hyper::Method;
use openidconnect::url::form_urlencoded::Serializer;
use serde_json::json;

use super::browser::{Browser, ORIGIN, node};
use super::world::PERSON_PASSWORD;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forms_of_others_change_nothing() {
    let running = node("").await;
    running.person("anna", &["analyst"]).await;
    let mut anna = Browser::new(&running);
    anna.sign_in("anna").await;
    anna.follow().await;
    let token = anna.page.token();
    let mut stranger = Browser::new(&running);
    stranger.open("/console/sign-in").await;
    let foreign = stranger.page.token();
    let paths = [
        "/console/sign-out",
        "/console/account/password",
        "/console/account/totp",
        "/console/account/totp/confirm",
        "/console/account/totp/remove",
        "/console/account/passkey/remove",
        "/console/account/sessions/end",
        "/console/account/token",
        "/console/account/token/revoke",
        "/console/sign-in",
        "/console/code",
        "/console/certificate",
        "/console/enrol",
    ];
    for path in paths {
        let with = |token: &str| {
            let names = [
                "old", "new", "again", "code", "id", "name", "password", "ticket", "next", "note",
            ];
            let mut fields: Vec<(String, String)> =
                names.map(|name| (name.to_owned(), "x".to_owned())).to_vec();
            fields.push(("days".into(), "1".into()));
            fields.push(("scope".into(), "read".into()));
            fields.push(("token".into(), token.to_owned()));
            fields
        };
        let send = |fields: Vec<(String, String)>, headers: Vec<(&'static str, &'static str)>| {
            let mut browser = Browser::new(&running);
            browser.jar = anna.jar.clone();
            async move {
                let fields: Vec<(&str, &str)> = fields
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()))
                    .collect();
                browser.post(path, &fields, &headers).await.status
            }
        };
        for wrong in ["", "x", foreign.as_str()] {
            assert_eq!(send(with(wrong), vec![]).await, 403, "{path} {wrong:?}");
        }
        let cross = [
            vec![("sec-fetch-site", "cross-site")],
            vec![("sec-fetch-site", "same-site")],
            vec![("origin", "https://evil.example")],
            vec![("origin", "null")],
        ];
        for headers in cross {
            let shown = format!("{path} {headers:?}");
            assert_eq!(send(with(&token), headers).await, 403, "{shown}");
        }
    }
    for path in [
        "sign-in",
        "sign-in/answer",
        "add",
        "add/answer",
        "enrol",
        "enrol/answer",
    ] {
        let path = format!("/console/passkey/{path}");
        let mut browser = Browser::new(&running);
        browser.jar = anna.jar.clone();
        let body = json!({"name": "anna", "ticket": "x", "answer": {}});
        assert_eq!(
            browser.script(&path, &foreign, &body).await.status,
            403,
            "{path}"
        );
        let plain = [
            ("content-type", "text/plain"),
            ("x-form-token", token.as_str()),
        ];
        let sent = browser.send(Method::POST, &path, &plain, body.to_string());
        assert_eq!(sent.await.status, 415, "{path}");
    }
    // Nothing has happened, and a GET does nothing either.
    for path in paths {
        anna.send(Method::GET, path, &[], String::new()).await;
    }
    let account = anna.open("/console/account").await;
    assert!(account.body.contains("<h1>anna</h1>") && account.body.contains("You have none."));
    assert_eq!(account.token(), token);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_never_one_that_the_browser_brought() {
    let running = node("").await;
    running.person("anna", &["analyst"]).await;
    running.person("bolat", &["analyst"]).await;
    // An attacker's own session, planted in Anna's browser.
    let mut bolat = Browser::new(&running);
    bolat.sign_in("bolat").await;
    let planted = bolat.session().unwrap().clone();
    let mut anna = Browser::new(&running);
    for value in [planted.as_str(), "kurultai-session_AAAA", "x"] {
        anna.jar.clear();
        anna.open("/console/sign-in").await;
        anna.jar.insert("kurultai-session".into(), value.to_owned());
        anna.send(Method::GET, "/console/sign-in", &[], String::new())
            .await;
        let token = match anna.page.status {
            // Signed in as Bolat by the planted session: Anna sees it, and signs out.
            303 => {
                anna.follow().await;
                assert!(anna.page.body.contains("<h1>bolat</h1>"));
                anna.page.token()
            }
            _ => anna.page.token(),
        };
        let fields = [
            ("token", token.as_str()),
            ("name", "anna"),
            ("password", PERSON_PASSWORD),
            ("next", ""),
        ];
        let answer = anna.post("/console/sign-in", &fields, &[]).await;
        assert_eq!(answer.status, 303, "{value}: {}", answer.body);
        assert_ne!(anna.session().unwrap(), value);
        anna.follow().await;
        assert!(anna.page.body.contains("<h1>anna</h1>"));
    }
    // And the planted one opens nothing of hers: it ended when she signed in over it.
    bolat.open("/console/account").await;
    assert!(!bolat.page.body.contains("<h1>anna</h1>"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_requests_get_short_answers() {
    let running = node("").await;
    running.person("anna", &["analyst"]).await;
    let mut browser = Browser::new(&running);
    // Where to go next is a page of this console or the first one.
    for next in [
        "https://evil.example/",
        "//evil.example",
        "/console//evil.example",
        "/console/\r\nSet-Cookie:x=y",
        "javascript:alert(1)",
        "/taxii2/",
    ] {
        browser.jar.clear();
        let encoded: String = Serializer::new(String::new())
            .append_pair("next", next)
            .finish();
        browser.open(&format!("/console/sign-in?{encoded}")).await;
        assert!(!browser.page.body.contains("evil"), "{next}");
        let fields = [
            ("name", "anna"),
            ("password", PERSON_PASSWORD),
            ("next", next),
        ];
        let answer = browser.submit("/console/sign-in", &fields).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, "/console/"),
            "{next}"
        );
        assert!(answer.head.get("x").is_none());
    }
    // What is typed comes back as text.
    browser.jar.clear();
    browser.open("/console/sign-in").await;
    let name = "\"><script>alert(1)</script>";
    let fields = [("name", name), ("password", "x"), ("next", "")];
    let answer = browser.submit("/console/sign-in", &fields).await;
    assert_eq!(answer.status, 401);
    assert!(!answer.body.contains("<script>alert"), "{}", answer.body);
    browser.open("/console/enrol?name=%22%3E%3Cscript%3E").await;
    assert!(!browser.page.body.contains("<script>"));
    // Too large, malformed, too many, not there.
    let large = "x".repeat(65 << 10);
    let token = browser.page.token();
    let fields = [("token", token.as_str()), ("name", large.as_str())];
    assert_eq!(
        browser.post("/console/sign-in", &fields, &[]).await.status,
        413
    );
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    for body in ["", "%", "token=%ff", "name=a&name=b", "token"] {
        let sent = browser.send(Method::POST, "/console/sign-in", &kind, body.into());
        let status = sent.await.status;
        assert!(matches!(status, 400 | 403 | 422), "{body:?}: {status}");
    }
    assert_eq!(browser.open("/console/nothing").await.status, 404);
    assert_eq!(
        browser
            .open("/console/oidc/callback?state=x&code=y")
            .await
            .status,
        200
    );
    assert!(browser.page.body.contains("<h1>Sign in</h1>"));
    let put = browser.send(Method::PUT, "/console/account", &[], String::new());
    assert_eq!(put.await.status, 405);
    // A cookie header of any bytes is no cookie.
    let junk = [(
        "cookie",
        "kurultai-browser=../../x; ; =; kurultai-session=\"\\",
    )];
    let mut fresh = Browser::new(&running);
    let sent = fresh.send(Method::GET, "/console/sign-in", &junk, String::new());
    assert_eq!(sent.await.status, 200);
    assert_eq!(fresh.jar["kurultai-browser"].len(), 43);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_carries_the_policy_and_no_page_has_anything_inline() {
    let running = node(ORIGIN).await;
    running.person("anna", &["approver", "releaser"]).await;
    let mut browser = Browser::new(&running);
    let mut pages = vec![
        "/console/sign-in",
        "/console/enrol",
        "/console/nothing",
        "/console/static/console.css",
        "/console/static/passkey.js",
        "/console/static/icon.svg",
    ];
    for round in 0..2 {
        for path in &pages {
            let answer = browser.open(path).await.clone();
            let policy = answer.header("content-security-policy");
            assert!(policy.starts_with("default-src 'none'"), "{path}");
            assert!(
                !policy.contains("unsafe") && !policy.contains('*'),
                "{path}"
            );
            assert!(policy.contains("frame-ancestors 'none'"), "{path}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
            assert!(!answer.header("cache-control").is_empty(), "{path}");
            if !answer.header("content-type").starts_with("text/html") {
                continue;
            }
            let body = &answer.body;
            assert_eq!(answer.header("cache-control"), "no-store", "{path}");
            assert!(
                body.starts_with("<!DOCTYPE html>\n<html lang=\"en\""),
                "{path}"
            );
            for inline in [
                " style=",
                "<style",
                " onclick",
                " onload",
                "javascript:",
                "http:",
                "//",
            ] {
                let found = body.replace("https://node", "");
                assert!(!found.contains(inline), "{path}: {inline}");
            }
            for tag in body.split("<script").skip(1) {
                assert!(tag.starts_with(" src=\"/console/static/"), "{path}");
            }
            for field in body
                .split("<input")
                .skip(1)
                .filter(|field| !field.contains("hidden"))
            {
                let field = field.split('>').next().unwrap();
                if field.contains("checkbox") {
                    continue;
                }
                let (_, id) = field.split_once("id=\"").expect("every field has an id");
                let id = id.split('"').next().unwrap();
                assert!(
                    body.contains(&format!("<label for=\"{id}\">")),
                    "{path}: {id}"
                );
            }
        }
        if round == 0 {
            browser.sign_in("anna").await;
            browser.follow().await;
            pages = vec!["/console/account", "/console/enrol", "/console/nothing"];
        }
    }
}
