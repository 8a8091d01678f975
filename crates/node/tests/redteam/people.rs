//! People, their tokens and their tools, each wanting more than their duties give.

use hyper::Method;

use crate::nation::{ALERTS, BASIS, Nation, password_of};

const NATIONAL: &str = "/taxii2/kurultai/collections/national/objects/";

pub(crate) async fn attempts(nation: &mut Nation) {
    duties(nation).await;
    tools(nation).await;
    leavers(nation).await;
}

async fn duties(nation: &mut Nation) {
    let before = format!("{:?}", nation.kz.get::<serde_json::Value>("/users").await);
    let (aida, dina, oleg) = (
        nation.aida.clone(),
        nation.dina.clone(),
        nation.oleg.clone(),
    );
    let reading = nation.token("oleg", &["read"]).await;
    let more = |name: &str, duties: &[&str]| {
        serde_json::json!({"name": name, "duties": duties}).to_string()
    };
    for (name, who, body, kind, says) in [
        (
            "an analyst makes itself a releaser",
            &dina,
            more("dina", &["analyst", "releaser"]),
            "403",
            "takes the duty operator",
        ),
        (
            "a releaser makes itself an operator",
            &aida,
            more("aida", &["operator"]),
            "403",
            "takes the duty operator",
        ),
        (
            "an operator makes itself an approver",
            &oleg,
            more("oleg", &["operator", "approver"]),
            "403",
            "",
        ),
        (
            "an operator's token that only reads appoints somebody",
            &reading,
            more("dina", &["approver"]),
            "403",
            "takes the duty operator",
        ),
    ] {
        let case = nation.begin(name).await;
        let answer = nation.ask(Some(who), Method::POST, "/users", body).await;
        nation
            .judge(&case, answer, (kind, says), ("denied", "POST users"))
            .await;
    }
    let case = nation
        .begin("an operator invites itself to more duties")
        .await;
    let answer = nation
        .post(
            Some(&oleg),
            "/users/oleg/invite",
            &serde_json::json!({"duties": ["approver"]}),
        )
        .await;
    nation
        .judge(&case, answer, ("403", ""), ("denied", "POST users"))
        .await;

    let case = nation
        .begin("a releaser makes itself a token to approve with")
        .await;
    let answer = nation
        .post(
            Some(&dina),
            "/users/dina/token",
            &serde_json::json!({"scopes": ["approve"]}),
        )
        .await;
    nation
        .judge(
            &case,
            answer,
            ("403", "takes the duty operator"),
            ("denied", "POST users"),
        )
        .await;

    let case = nation.begin("an analyst reads the rules' files").await;
    let answer = nation
        .ask(Some(&dina), Method::GET, "/policy/files", "")
        .await;
    nation
        .judge(
            &case,
            answer,
            ("403", "takes the duty"),
            ("denied", "GET policy"),
        )
        .await;

    let case = nation.begin("an analyst reads the audit log").await;
    let answer = nation.ask(Some(&dina), Method::GET, "/audit", "").await;
    nation
        .judge(
            &case,
            answer,
            ("403", "takes the duty"),
            ("denied", "GET audit"),
        )
        .await;

    let case = nation.begin("an analyst installs an accord").await;
    let answer = nation
        .ask(Some(&dina), Method::POST, "/accords?ratify=true", "text")
        .await;
    nation
        .judge(
            &case,
            answer,
            ("403", "takes the duty operator"),
            ("denied", "POST accords"),
        )
        .await;

    let case = nation.begin("an analyst looks at a proposal").await;
    nation.propose(&case).await;
    let answer = nation.ask(Some(&dina), Method::GET, "/approvals", "").await;
    nation
        .judge(
            &case,
            answer,
            ("403", "takes the duty"),
            ("denied", "GET approvals"),
        )
        .await;

    let low: serde_json::Value = nation
        .kz
        .post(
            "/users",
            &serde_json::json!({"name": "bek", "clearance": "TLP:CLEAR"}),
        )
        .await;
    assert_eq!(low["clearance"], "TLP:CLEAR");
    let case = nation
        .begin("an approver approves above their clearance")
        .await;
    let proposal = nation.propose(&case).await;
    let bek = nation.bek.clone();
    let answer = nation.approve(Some(&bek), &proposal).await;
    nation
        .judge(
            &case,
            answer,
            ("403", "above their own clearance"),
            ("refuse", &proposal.0),
        )
        .await;
    let case = nation
        .begin("an approver looks at bytes above their clearance")
        .await;
    let answer = nation
        .ask(
            Some(&bek),
            Method::GET,
            &format!("/approvals/{}", proposal.0),
            "",
        )
        .await;
    nation
        .judge(
            &case,
            answer,
            ("403", "above the clearance"),
            ("denied", "GET approvals"),
        )
        .await;
    let _: serde_json::Value = nation
        .kz
        .post(
            "/users",
            &serde_json::json!({"name": "bek", "clearance": "TLP:RED"}),
        )
        .await;

    let after = format!("{:?}", nation.kz.get::<serde_json::Value>("/users").await);
    let plain = |text: String| text.replace("\"tokens\": Number(1)", "\"tokens\": Number(0)");
    assert_eq!(plain(before), plain(after), "nobody has more than before");
}

async fn tools(nation: &mut Nation) {
    let _: serde_json::Value = nation
        .kz
        .post("/users", &serde_json::json!({"name": "siem", "password": "correct horse battery", "duties": ["analyst"], "collections": ["steppe/drill"]}))
        .await;
    let siem = nation.token("siem", &["read", "add"]).await;
    let reader = nation.token("dina", &["read"]).await;
    let sensor = nation.token("dina", &["add"]).await;
    let case = nation.begin("what only the nation has, over TAXII").await;
    nation.add(&[case.indicator("")], "TLP:RED//REL KZ").await;
    let objects = |channel: &str| format!("/taxii2/kurultai/collections/{channel}/objects/");
    let envelope = format!(r#"{{"objects":[{}]}}"#, case.indicator(""));
    let secret = case.secret();
    let alerts = objects("steppe.alerts");
    for (name, method, path, who, kind) in [
        (
            "a tool reads outside its collections",
            "GET",
            NATIONAL,
            Some(&siem),
            "404",
        ),
        (
            "a tool reads a channel outside its collections",
            "GET",
            alerts.as_str(),
            Some(&siem),
            "404",
        ),
        (
            "a tool writes into a channel",
            "POST",
            alerts.as_str(),
            Some(&sensor),
            "403",
        ),
        (
            "a token that only reads writes",
            "POST",
            NATIONAL,
            Some(&reader),
            "403",
        ),
        (
            "a token that only writes reads",
            "GET",
            NATIONAL,
            Some(&sensor),
            "403",
        ),
        (
            "a tool asks for a release",
            "POST",
            "/api/release",
            Some(&reader),
            "403",
        ),
        (
            "a tool appoints users",
            "POST",
            "/api/users",
            Some(&siem),
            "403",
        ),
        (
            "a stranger reads proposals",
            "GET",
            "/api/approvals",
            None,
            "401",
        ),
        (
            "a stranger reads the national collection",
            "GET",
            NATIONAL,
            None,
            "401",
        ),
    ] {
        let case = nation.begin(name).await;
        let answer = nation
            .national(method, path, who.map(String::as_str), &envelope)
            .await;
        assert!(!answer.words.contains(&secret), "{name}");
        nation
            .judge(&case, answer, (kind, ""), ("denied", kind))
            .await;
    }
    let case = nation
        .begin("a partner's certificate is no way to the nation's tools' port")
        .await;
    let answer = nation
        .national("GET", "/api/status", Some("Bearer kurultai"), "")
        .await;
    nation
        .judge(&case, answer, ("401", ""), ("denied", "401"))
        .await;
}

async fn leavers(nation: &mut Nation) {
    for name in ["gone", "shut", "spent", "late"] {
        nation.kz.person(name, &["releaser"]).await;
    }
    let tokens = [
        nation.token("gone", &["release"]).await,
        nation.token("shut", &["release"]).await,
        nation.token("spent", &["release"]).await,
        nation.token("late", &["release"]).await,
    ];
    let infos: Vec<node::admin::types::TokenInfo> = nation.kz.get("/users/spent/tokens").await;
    for (method, path) in [
        (Method::DELETE, "/users/gone".to_owned()),
        (Method::POST, "/users/shut/lock".to_owned()),
        (
            Method::DELETE,
            format!("/users/spent/tokens/{}", infos[0].id),
        ),
    ] {
        let answer = nation.ask(None, method, &path, "").await;
        assert!(answer.kind.starts_with('2'), "{path}: {answer:?}");
    }
    let _: serde_json::Value = nation
        .kz
        .post("/users", &serde_json::json!({"name": "late", "duties": []}))
        .await;
    for (name, who, kind) in [
        ("a token of somebody who is gone", &tokens[0], "401"),
        ("a token of somebody who is locked", &tokens[1], "401"),
        ("a token that was revoked", &tokens[2], "401"),
        ("a token of somebody who lost the duty", &tokens[3], "403"),
    ] {
        let case = nation.begin(name).await;
        nation.add(&[case.person(0)], BASIS).await;
        let who = who.clone();
        let answer = nation.release(&who, ALERTS, &[&case.id("identity")]).await;
        nation
            .judge(&case, answer, (kind, ""), ("denied", "POST release"))
            .await;
    }
    let case = nation.begin("a password of somebody who is locked").await;
    let answer = nation
        .release(&password_of("shut"), ALERTS, &[&case.id("identity")])
        .await;
    nation
        .judge(&case, answer, ("401", ""), ("denied", "POST release"))
        .await;
}
