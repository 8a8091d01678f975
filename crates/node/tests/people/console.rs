//! The console as a browser meets it, over a real connection to a whole node.

use hyper::Method;
use node::admin::types::{AuditPage, InviteReply};
use openidconnect::url::Url;
use serde_json::{Value, json};
use webauthn_authenticator_rs::WebauthnAuthenticator;
use webauthn_authenticator_rs::prelude::Url as PageUrl;
use webauthn_authenticator_rs::softpasskey::SoftPasskey;

use super::browser::{Browser, ORIGIN, node};
use super::oidc::Provider;
use super::world::{PERSON_PASSWORD, Running};

/// Whether the audit log has a record of this kind about this.
async fn audited(running: &Running, what: &str, why: &str) -> bool {
    let page: AuditPage = running.get("/audit").await;
    page.records
        .iter()
        .any(|entry| entry.record.what == what && entry.record.why.contains(why))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_new_enrols_signs_out_and_signs_in_again() {
    let running = node("").await;
    let path = "/users/anna/invite";
    let invited: InviteReply = running.post(path, &json!({"duties": ["releaser"]})).await;
    let mut anna = Browser::new(&running);
    anna.open("/").await;
    assert!(anna.page.body.contains("<h1>Sign in</h1>"));
    anna.open("/console/enrol?name=anna").await;
    let mut fields = vec![
        ("name", "anna"),
        ("code", invited.code.as_str()),
        ("password", "seven grey cranes fly"),
        ("again", "seven grey cranes flew"),
    ];
    let differ = anna.submit("/console/enrol", &fields).await;
    assert_eq!(differ.status, 400);
    assert!(differ.body.contains("differ"), "{}", differ.body);
    fields[3].1 = "seven grey cranes fly";
    assert_eq!(anna.submit("/console/enrol", &fields).await.status, 303);
    anna.follow().await;
    assert!(
        anna.page.body.contains("<dd>releaser</dd>"),
        "{}",
        anna.page.body
    );
    // The code is used up.
    let mut other = Browser::new(&running);
    other.open("/console/enrol").await;
    assert_eq!(other.submit("/console/enrol", &fields).await.status, 401);
    // Out, and in again.
    let before = anna.session().unwrap().clone();
    anna.submit("/console/sign-out", &[]).await;
    assert!(anna.session().is_none());
    anna.jar.insert("kurultai-session".into(), before);
    let account = anna.open("/console/account").await;
    assert!(
        account.body.contains("<h1>Sign in</h1>"),
        "the old session is over"
    );
    let wrong = [
        ("name", "anna"),
        ("password", "seven grey cranes"),
        ("next", ""),
    ];
    let wrong = anna.submit("/console/sign-in", &wrong).await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.body.contains("role=\"alert\"") && wrong.body.contains("value=\"anna\""));
    let fields = [
        ("name", "anna"),
        ("password", "seven grey cranes fly"),
        ("next", "/console/account"),
    ];
    let signed_in = anna.submit("/console/sign-in", &fields).await;
    assert_eq!(signed_in.header("location"), "/console/account");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_joined_by_a_code_and_changed() {
    let running = node("").await;
    running.person("anna", &["approver"]).await;
    let mut anna = Browser::new(&running);
    anna.sign_in("anna").await;
    anna.follow().await;
    anna.submit("/console/account/totp", &[]).await;
    let (_, rest) = anna
        .page
        .body
        .split_once("<code class=\"secret\">")
        .unwrap();
    let key: String = rest.split('<').next().unwrap().replace(' ', "");
    let code = |ahead: u64| {
        let secret = totp_rs::Secret::try_from_base32(&key).unwrap();
        let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
        totp.generate(node::Clock::system().secs() + ahead)
            .to_string()
    };
    anna.submit("/console/account/totp/confirm", &[("code", &code(0))])
        .await;
    assert_eq!(anna.page.status, 200, "{}", anna.page.body);
    assert!(anna.page.body.contains("Recovery codes"));
    let recovery = anna
        .page
        .body
        .split("<code class=\"secret\">")
        .nth(1)
        .unwrap();
    let recovery = recovery.split('<').next().unwrap().to_owned();
    // The browser's session was replaced, and another browser's ended.
    assert_eq!(anna.open("/console/account").await.status, 200);
    assert!(anna.page.body.contains("Stop using codes"));
    let mut elsewhere = Browser::new(&running);
    elsewhere.sign_in("anna").await;
    assert!(elsewhere.page.body.contains("<h1>One-time code</h1>"));
    assert!(elsewhere.session().is_none(), "half a sign-in is none");
    let (_, rest) = elsewhere
        .page
        .body
        .split_once("name=\"ticket\" value=\"")
        .unwrap();
    let ticket = rest.split('"').next().unwrap().to_owned();
    let fields = |code: &str| {
        vec![
            ("ticket".to_owned(), ticket.clone()),
            ("code".to_owned(), code.to_owned()),
            ("next".to_owned(), String::new()),
        ]
    };
    for (code, status) in [("000000", 401), (recovery.as_str(), 303)] {
        let fields = fields(code);
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let answer = elsewhere.submit("/console/code", &fields).await;
        assert_eq!(answer.status, status, "{code}: {}", answer.body);
    }
    elsewhere.open("/console/account").await;
    assert!(
        elsewhere
            .page
            .body
            .contains("a password and a one-time code")
    );
    // A new password needs the old one and a code.
    let change = [
        ("old", PERSON_PASSWORD),
        ("new", "nine white herons stand"),
        ("again", "nine white herons stand"),
        ("code", &code(30)),
    ];
    let without = elsewhere
        .submit("/console/account/password", &change[..3])
        .await;
    assert_eq!(without.status, 401, "{}", without.body);
    let changed = elsewhere.submit("/console/account/password", &change).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    assert!(changed.body.contains("Your password is changed"));
    assert!(
        anna.open("/console/account")
            .await
            .body
            .contains("<h1>Sign in</h1>")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_made_shown_once_and_revoked() {
    let running = node("").await;
    running.person("anna", &["analyst"]).await;
    let mut anna = Browser::new(&running);
    anna.sign_in("anna").await;
    anna.follow().await;
    let fields = [
        ("note", "<b>sensor</b>"),
        ("days", "30"),
        ("scope", "read"),
        ("scope", "add"),
    ];
    let made = anna.submit("/console/account/token", &fields).await;
    let (_, rest) = made.body.split_once("<code class=\"secret\">").unwrap();
    let token = rest.split('<').next().unwrap().to_owned();
    assert!(token.starts_with("kurultai_"), "{token}");
    assert!(made.body.contains("read, add") && !made.body.contains("<b>sensor"));
    let header = format!("Bearer {token}");
    let (status, _) = running.national("/taxii2/", Some(&header)).await;
    assert_eq!(status, 200);
    let again = anna.open("/console/account").await;
    assert!(!again.body.contains(&token), "shown once");
    let (_, rest) = again.body.split_once("name=\"id\" value=\"").unwrap();
    let id = rest.split('"').next().unwrap().to_owned();
    anna.submit("/console/account/token/revoke", &[("id", &id)])
        .await;
    let (status, _) = running.national("/taxii2/", Some(&header)).await;
    assert_eq!(status, 401);
    for (field, value) in [
        ("days", "a"),
        ("days", "99999"),
        ("scope", "king"),
        ("scope", "approve"),
    ] {
        anna.open("/console/account").await;
        let mut fields = vec![("note", ""), ("days", "1"), ("scope", "read")];
        fields.retain(|(name, _)| *name != field);
        fields.push((field, value));
        let refused = anna.submit("/console/account/token", &fields).await;
        assert!(
            matches!(refused.status, 400 | 403),
            "{field}={value}: {}",
            refused.status
        );
        assert!(refused.body.contains("role=\"alert\""));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passkey_is_added_used_and_removed() {
    let running = node(ORIGIN).await;
    running.person("anna", &["approver"]).await;
    let mut anna = Browser::new(&running);
    anna.sign_in("anna").await;
    let account = anna.follow().await;
    assert!(account.body.contains("/console/static/passkey.js"));
    let here = || PageUrl::parse("https://node.kz.example").unwrap();
    let mut device = SoftPasskey::new(true);
    let token = anna.page.token();
    let named = json!({"passkey": "Anna's key"});
    let asked = anna.script("/console/passkey/add", &token, &named).await;
    let asked: Value = serde_json::from_str(&asked.body).unwrap();
    let options = serde_json::from_value(asked["options"].clone()).unwrap();
    let answer = device.do_registration(here(), options).unwrap();
    let body = json!({"passkey": "Anna's key", "ticket": asked["ticket"], "answer": answer});
    let before = anna.session().unwrap().clone();
    let added = anna
        .script("/console/passkey/add/answer", &token, &body)
        .await;
    assert_eq!(added.status, 200, "{}", added.body);
    assert_ne!(anna.session().unwrap(), &before, "a session of its own");
    let account = anna.open("/console/account").await;
    assert!(account.body.contains("Anna&#39;s key"), "{}", account.body);
    // In another browser, with the device alone.
    let mut elsewhere = Browser::new(&running);
    elsewhere.open("/console/sign-in").await;
    let token = elsewhere.page.token();
    let sign_in = async |browser: &mut Browser, device: &mut SoftPasskey| {
        let named = json!({"name": "anna"});
        let asked = browser
            .script("/console/passkey/sign-in", &token, &named)
            .await;
        let asked: Value = serde_json::from_str(&asked.body).unwrap();
        let options = serde_json::from_value(asked["options"].clone()).unwrap();
        let answer = device.do_authentication(here(), options).unwrap();
        let body = json!({"ticket": asked["ticket"], "answer": answer, "next": "//evil.example"});
        let path = "/console/passkey/sign-in/answer";
        browser.script(path, &token, &body).await.clone()
    };
    let signed_in = sign_in(&mut elsewhere, &mut device).await;
    assert_eq!(signed_in.status, 200, "{}", signed_in.body);
    assert_eq!(signed_in.body, json!({"next": "/console/"}).to_string());
    elsewhere.open("/console/account").await;
    assert!(elsewhere.page.body.contains("<dd>a passkey</dd>"));
    assert!(audited(&running, "sign-in", "passkey").await);
    // Removed by its owner: it opens nothing more.
    let (_, rest) = elsewhere
        .page
        .body
        .split_once("name=\"id\" value=\"")
        .unwrap();
    let id = rest.split('"').next().unwrap().to_owned();
    let removed = elsewhere
        .submit("/console/account/passkey/remove", &[("id", &id)])
        .await;
    assert_eq!(removed.status, 200);
    assert!(removed.body.contains("is removed"), "{}", removed.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_enrols_with_a_passkey_alone() {
    let running = node(ORIGIN).await;
    let path = "/users/anna/invite";
    let invited: InviteReply = running.post(path, &json!({"duties": ["approver"]})).await;
    let mut anna = Browser::new(&running);
    anna.open("/console/enrol").await;
    let token = anna.page.token();
    let begin = json!({"name": "anna", "code": "not-the-code"});
    let refused = anna.script("/console/passkey/enrol", &token, &begin).await;
    assert_eq!(refused.status, 401, "{}", refused.body);
    let begin = json!({"name": "anna", "code": invited.code});
    let asked = anna.script("/console/passkey/enrol", &token, &begin).await;
    let asked: Value = serde_json::from_str(&asked.body).unwrap();
    let options = serde_json::from_value(asked["options"].clone()).unwrap();
    let here = PageUrl::parse("https://node.kz.example").unwrap();
    let answer = SoftPasskey::new(true)
        .do_registration(here, options)
        .unwrap();
    let mut body = json!({
        "name": "anna", "code": "not-the-code", "passkey": "key",
        "ticket": asked["ticket"], "answer": answer,
    });
    let path = "/console/passkey/enrol/answer";
    let refused = anna.script(path, &token, &body).await;
    assert_eq!(refused.status, 401, "{}", refused.body);
    assert!(anna.session().is_none());
    // The wrong code used up the ticket, not the invitation.
    let asked = anna.script("/console/passkey/enrol", &token, &begin).await;
    let asked: Value = serde_json::from_str(&asked.body).unwrap();
    let options = serde_json::from_value(asked["options"].clone()).unwrap();
    let here = PageUrl::parse("https://node.kz.example").unwrap();
    let answer = SoftPasskey::new(true)
        .do_registration(here, options)
        .unwrap();
    body["code"] = invited.code.into();
    body["ticket"] = asked["ticket"].clone();
    body["answer"] = serde_json::to_value(answer).unwrap();
    let enrolled = anna.script(path, &token, &body).await;
    assert_eq!(enrolled.status, 200, "{}", enrolled.body);
    let account = anna.open("/console/account").await;
    assert!(
        account.body.contains("<dd>a passkey</dd>") && account.body.contains("<dd>approver</dd>")
    );
    assert!(
        !account.body.contains("Change the password"),
        "there is none"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_sign_on_lets_in_whom_the_operator_knows() {
    let Some(provider) = Provider::start("https://node.kz.example/console/oidc/callback") else {
        return;
    };
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), super::oidc::SECRET).unwrap();
    let running = node(&format!(
        "{ORIGIN}[people.oidc]\nissuer = \"{}\"\nclient_id = \"kurultai\"\nclient_secret = {:?}\n\
         scopes = [\"profile\"]\n[people.oidc.duties]\nrelease-approvers = [\"approver\"]\n",
        provider.issuer,
        secret.path(),
    ))
    .await;
    for name in ["anna", "bolat"] {
        running.person(name, &["analyst"]).await;
    }
    let arrive = async |browser: &mut Browser, who: &str| {
        browser.open("/console/sign-in").await;
        assert!(
            browser
                .page
                .body
                .contains("href=\"/console/oidc?next=/console/\"")
        );
        let path = "/console/oidc?next=/console/account";
        browser.send(Method::GET, path, &[], String::new()).await;
        let to = Url::parse(browser.page.header("location")).unwrap();
        let back = provider.browse(&to, who).await;
        format!("{}?{}", back.path(), back.query().unwrap())
    };
    let mut anna = Browser::new(&running);
    let back = arrive(&mut anna, "anna").await;
    // In another browser it is nothing.
    let mut other = Browser::new(&running);
    other.open("/console/sign-in").await;
    assert_eq!(other.open(&back).await.status, 403);
    let back = arrive(&mut anna, "anna").await;
    assert!(anna.open(&back).await.body.contains("<h1>anna</h1>"));
    assert!(anna.page.body.contains("<dd>single sign-on</dd>"));
    assert!(anna.page.body.contains("<dd>analyst</dd>"));
    assert_eq!(anna.open(&back).await.status, 403, "again");
    let mut bolat = Browser::new(&running);
    let back = arrive(&mut bolat, "bolat").await;
    bolat.open(&back).await;
    assert!(
        bolat.page.body.contains("<dd>analyst, approver</dd>"),
        "{}",
        bolat.page.body
    );
    assert!(audited(&running, "sign-in", "its groups add approver").await);
    let mut nobody = Browser::new(&running);
    let back = arrive(&mut nobody, "nobody").await;
    let stranger = nobody.open(&back).await;
    assert_eq!(stranger.status, 403);
    assert!(stranger.body.contains("ask the operator to add you"));
    assert!(nobody.session().is_none());
}
