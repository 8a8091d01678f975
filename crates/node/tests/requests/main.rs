//! Requests for information between nodes: asked, routed, answered, declined.

extern crate kurultai_node as node;

mod forged;
#[path = "../world/mod.rs"]
mod world;

use std::collections::BTreeSet;

use axum::body::Body;
use hyper::Method;
use model::request::{Answer, AnswerStatus, Post, Request, Urgency};
use model::{Id, Timestamp, member_identity_id};
use node::admin::types::{
    AnswerRequest, AskRequest, AuditPage, PostReport, Problem, ReleaseOutcome, RequestInfo,
    RequestThread, RequestsPage, RouteRequest, RouteRule, Status,
};
use store::Collection;
use world::{Running, bundle, channel, collection, indicator, indicator_id};

const ALERTS: &str = "steppe/alerts";
const GREEN: &str = "TLP:GREEN//REL KZ,KG,UZ";

async fn three() -> (Running, Running, Running) {
    let channels = vec![
        channel("alerts", &["KZ", "KG", "UZ"]),
        channel("border", &["KZ", "KG"]),
    ];
    world::three(channels).await.into()
}

fn question(to: &[&str]) -> AskRequest {
    AskRequest {
        channel: ALERTS.into(),
        to: to.iter().map(ToString::to_string).collect(),
        subject: "Hosts behind the mail campaign".into(),
        text: "Which of these have you seen?".into(),
        deadline: Some("+3d".into()),
        urgency: Some("priority".into()),
        kinds: vec!["indicator".into()],
        topics: vec!["Phishing".into()],
        who: "aida".into(),
        ..AskRequest::default()
    }
}

async fn thread(at: &Running, id: &str) -> RequestThread {
    at.get(&format!("/requests/{id}")).await
}

async fn until_asked(at: &Running, id: &str) {
    at.until(async || {
        let page: RequestsPage = at.get("/requests").await;
        page.requests.iter().any(|request| request.id == id)
    })
    .await;
}

/// Waits until the thread at this node has so many answers.
async fn until_said(at: &Running, id: &str, answers: usize) -> RequestThread {
    at.until(async || thread(at, id).await.answers.len() == answers)
        .await;
    thread(at, id).await
}

fn standing(thread: &RequestThread) -> Vec<(&str, Option<&str>)> {
    let asked = thread.request.asked.iter();
    asked
        .map(|one| (one.member.as_str(), one.status.as_deref()))
        .collect()
}

async fn answer(at: &Running, id: &str, answer: &AnswerRequest) -> PostReport {
    at.post(&format!("/requests/{id}/answers"), answer).await
}

async fn acts(at: &Running, prefix: &str) -> Vec<(String, String, String)> {
    let audit: AuditPage = at.get("/audit").await;
    audit
        .records
        .into_iter()
        .map(|line| line.record)
        .filter(|record| record.what.starts_with(prefix))
        .map(|record| (record.what, record.who, record.why))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_is_routed_answered_in_parts_and_declined() {
    let (kz, kg, uz) = three().await;
    let rule = RouteRule {
        name: "mail".into(),
        to: "cyber desk".into(),
        topics: vec!["phishing".into()],
        ..RouteRule::default()
    };
    let _: RouteRule = kg.post("/request-rules", &rule).await;

    let asked: PostReport = kz.post("/requests", &question(&["KG", "UZ"])).await;
    assert!(asked.sent && asked.next.is_none(), "{asked:?}");
    assert_eq!(asked.label, "TLP:AMBER//REL KG,KZ,UZ");
    // The note's author comes along: the release says so.
    let ids: Vec<&str> = asked.releases[0]
        .results
        .iter()
        .map(|result| result.id.as_str())
        .collect();
    let identity = member_identity_id("kz.example");
    assert!(
        ids.contains(&asked.id.as_str()) && ids.contains(&identity.as_str()),
        "{ids:?}"
    );
    let id = asked.id;
    for node in [&kz, &kg, &uz] {
        until_asked(node, &id).await;
    }
    let inbox: RequestsPage = kg.get("/requests?inbox=true&routed_to=cyber%20desk").await;
    let request = &inbox.requests[0];
    assert_eq!((request.from.as_str(), request.owed_by_us), ("KZ", true));
    assert_eq!(request.routed[0].why, "rule mail");
    let outbox: RequestsPage = kz.get("/requests?outbox=true&open=true").await;
    assert_eq!(outbox.requests.len(), 1);
    assert!(outbox.requests[0].routed.is_empty() && outbox.drafts.is_empty());
    let outbox: RequestsPage = kg.get("/requests?outbox=true").await;
    assert!(outbox.requests.is_empty());

    // By hand; it counts before the rules and survives a restart.
    let route = RouteRequest {
        to: "boris".into(),
        note: "you had the case".into(),
        who: "daniyar".into(),
        ..RouteRequest::default()
    };
    let routed: RequestInfo = kg.post(&format!("/requests/{id}/route"), &route).await;
    assert_eq!(routed.routed[0].to, "boris");
    let kg = kg.restart().await;
    let routed = thread(&kg, &id).await.request.routed;
    assert_eq!((routed.len(), routed[0].to.as_str()), (1, "boris"));
    assert!(routed[0].why.ends_with(": you had the case"), "{routed:?}");

    // A part, with an object that goes out with it.
    kg.add(&bundle(&[indicator(7, "")]), GREEN).await;
    let part = AnswerRequest {
        status: "partial".into(),
        text: Some("One host so far.".into()),
        objects: vec![indicator_id(7)],
        who: "boris".into(),
        ..AnswerRequest::default()
    };
    let said = answer(&kg, &id, &part).await;
    assert!(said.sent && !said.unsolicited, "{said:?}");
    assert_eq!(said.releases.len(), 2, "the object, then the note");
    assert_eq!(said.releases[0].results[0].id, indicator_id(7));
    let at_kz = until_said(&kz, &id, 1).await;
    assert_eq!(standing(&at_kz), [("KG", Some("partial")), ("UZ", None)]);
    assert_eq!(at_kz.answers[0].objects, [indicator_id(7)]);

    let last = AnswerRequest {
        status: "final".into(),
        text: Some("No others.".into()),
        in_reply_to: Some(said.id.clone()),
        ..AnswerRequest::default()
    };
    answer(&kg, &id, &last).await;
    let no = AnswerRequest {
        status: "declined".into(),
        ..AnswerRequest::default()
    };
    answer(&uz, &id, &no).await;
    let mut threads = Vec::new();
    for node in [&kz, &kg, &uz] {
        threads.push(until_said(node, &id, 3).await);
    }
    let standings = [("KG", Some("final")), ("UZ", Some("declined"))];
    for thread in &threads {
        assert_eq!(standing(thread), standings);
        assert!(thread.request.closed && !thread.request.owed_by_us);
        assert_eq!(thread.answers, threads[0].answers, "the same everywhere");
    }
    let last = threads[0].answers.iter().find(|one| one.status == "final");
    assert_eq!(
        last.and_then(|one| one.in_reply_to.as_deref()),
        Some(said.id.as_str())
    );
    let declined = threads[0].answers.iter().find(|one| one.from == "UZ");
    assert_eq!(declined.map(|one| one.text.as_str()), Some("Declined."));

    // A follow-up question is a question of its own that says what it follows.
    let more = AskRequest {
        in_reply_to: Some(said.id.clone()),
        about: vec![indicator_id(7)],
        ..question(&["KG"])
    };
    let more: PostReport = kz.post("/requests", &more).await;
    let info = thread(&kz, &more.id).await.request;
    assert_eq!(info.in_reply_to.as_deref(), Some(said.id.as_str()));
    assert_eq!(info.about, [indicator_id(7)]);

    // Everything is accounted for where it was done.
    let did: Vec<String> = acts(&kg, "request-")
        .await
        .into_iter()
        .map(|(what, who, _)| format!("{what} {who}"))
        .collect();
    assert_eq!(
        did,
        [
            "request-rule operator",
            "request-route operator (says daniyar)",
            "request-answer operator (says boris)",
            "request-answer operator",
        ]
    );
    assert_eq!(acts(&uz, "request-decline").await.len(), 1);
    assert_eq!(acts(&kz, "request-ask").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_rules_refuse_does_not_go_and_is_said() {
    let (kz, kg, _uz) = three().await;
    // The question itself: a label that does not release to the channel's members.
    let secret = AskRequest {
        label: Some("TLP:AMBER//REL KZ,KG".into()),
        ..question(&["KG"])
    };
    let report: PostReport = kz.post("/requests", &secret).await;
    assert!(!report.sent);
    let refused = &report.releases[0].results[0];
    assert_eq!(
        (refused.id.as_str(), refused.outcome),
        (report.id.as_str(), ReleaseOutcome::Refused)
    );
    assert!(refused.why.join(" ").contains("UZ"), "{refused:?}");
    let next = report.next.expect("what is left to do");
    assert!(next.contains(&report.id), "{next}");
    let page: RequestsPage = kz.get("/requests?outbox=true").await;
    assert!(page.requests.is_empty());
    assert_eq!(page.drafts[0].id, report.id);
    assert!(kz.shown(&collection(ALERTS)).await.is_empty());

    // An answer whose object may not go: the note that names it stays here, too.
    let asked: PostReport = kz.post("/requests", &question(&["KG"])).await;
    until_asked(&kg, &asked.id).await;
    kg.add(&bundle(&[indicator(1, "")]), "TLP:GREEN//REL KZ,KG")
        .await;
    let with = AnswerRequest {
        status: "final".into(),
        objects: vec![indicator_id(1)],
        ..AnswerRequest::default()
    };
    let report = answer(&kg, &asked.id, &with).await;
    assert!(!report.sent && report.releases.len() == 1, "{report:?}");
    let held = thread(&kg, &asked.id).await;
    assert!(held.answers.is_empty());
    assert_eq!(held.drafts[0].id, report.id);
    let shown = kg.shown(&collection(ALERTS)).await;
    let leaked = [indicator_id(1), report.id.clone()];
    assert!(!shown.iter().any(|one| leaked.contains(&one.id.to_string())));

    // Without the object it goes; what did not go is still there to be seen.
    let without = AnswerRequest {
        status: "final".into(),
        text: Some("Seen, and not ours to show.".into()),
        ..AnswerRequest::default()
    };
    assert!(answer(&kg, &asked.id, &without).await.sent);
    let held = until_said(&kz, &asked.id, 1).await;
    assert!(held.request.closed && held.drafts.is_empty());
    assert_eq!(thread(&kg, &asked.id).await.drafts.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_wrong_changes_nothing() {
    let (kz, kg, uz) = three().await;
    let before = kz.shown(&Collection::National).await.len();
    let base = question(&["KG"]);
    let wrong = [
        (
            "KZ itself",
            AskRequest {
                to: vec!["KZ".into()],
                ..base.clone()
            },
        ),
        (
            "a stranger",
            AskRequest {
                to: vec!["TJ".into()],
                ..base.clone()
            },
        ),
        (
            "nobody",
            AskRequest {
                to: Vec::new(),
                ..base.clone()
            },
        ),
        (
            "no subject",
            AskRequest {
                subject: " ".into(),
                ..base.clone()
            },
        ),
        (
            "no text",
            AskRequest {
                text: String::new(),
                ..base.clone()
            },
        ),
        (
            "the past",
            AskRequest {
                deadline: Some("2020-01-01T00:00:00Z".into()),
                ..base.clone()
            },
        ),
        (
            "an unknown word",
            AskRequest {
                urgency: Some("now".into()),
                ..base.clone()
            },
        ),
        (
            "no label",
            AskRequest {
                label: Some("GREEN".into()),
                ..base.clone()
            },
        ),
        (
            "not a channel",
            AskRequest {
                channel: "steppe/none".into(),
                ..base.clone()
            },
        ),
        // Would tell members the id of what they do not have.
        (
            "an unreleased object",
            AskRequest {
                about: vec![indicator_id(1)],
                ..base.clone()
            },
        ),
        (
            "an unreleased post",
            AskRequest {
                in_reply_to: Some("note--00000000-0000-4000-8000-000000000001".into()),
                ..base.clone()
            },
        ),
        (
            "UZ in a channel without it",
            AskRequest {
                channel: "steppe/border".into(),
                to: vec!["UZ".into()],
                ..base.clone()
            },
        ),
    ];
    kz.add(&bundle(&[indicator(1, "")]), GREEN).await;
    for (what, request) in wrong {
        let body = serde_json::to_vec(&request).expect("json");
        let (status, _, body) = kz.ask(Method::POST, "/requests", body).await;
        assert!(status.is_client_error(), "{what}: {status}");
        let problem: Problem = serde_json::from_slice(&body).expect("a problem");
        assert!(!problem.detail.is_empty(), "{what}");
    }
    assert_eq!(kz.shown(&Collection::National).await.len(), before + 1);
    let page: RequestsPage = kz.get("/requests").await;
    assert_eq!(page, RequestsPage::default());

    // Answers: to what is not there, with what is not held, with nothing to say.
    let asked: PostReport = kz
        .post(
            "/requests",
            &AskRequest {
                channel: "steppe/border".into(),
                ..question(&["KG"])
            },
        )
        .await;
    until_asked(&kg, &asked.id).await;
    let path = format!("/requests/{}/answers", asked.id);
    for body in [
        r#"{"status":"final"}"#,
        r#"{"status":"done","text":"x"}"#,
        r#"{"status":"final","text":"x","objects":["indicator--00000000-0000-4000-8000-000000000009"]}"#,
        r#"{"status":"final","text":"x","in_reply_to":"note--00000000-0000-4000-8000-000000000009"}"#,
    ] {
        let (status, ..) = kg.ask(Method::POST, &path, body).await;
        assert!(status.is_client_error(), "{body}: {status}");
    }
    assert_eq!(kg.shown(&Collection::National).await.len(), 0);
    // A member outside the channel does not know of the question, so it cannot answer it.
    let no = r#"{"status":"declined"}"#;
    let (status, ..) = uz.ask(Method::POST, &path, no).await;
    assert_eq!(status, 404);
    let (status, ..) = uz
        .ask(
            Method::GET,
            &format!("/requests/{}", asked.id),
            Body::empty(),
        )
        .await;
    assert_eq!(status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_ask_who_may_send_and_who_may_route() {
    let (kz, kg, _uz) = three().await;
    let anna = kg.person("anna", &["analyst"]).await;
    let dina = kg.person("dina", &["desk-officer"]).await;
    let olga = kg.person("olga", &["auditor"]).await;
    let green = kg.person("green", &["analyst"]).await;
    let lower = r#"{"name":"green","clearance":"TLP:GREEN"}"#;
    let (status, _, body) = kg.ask(Method::POST, "/users", lower).await;
    assert!(
        status.is_success(),
        "{status} {}",
        String::from_utf8_lossy(&body)
    );
    let call = async |who: &str, method: Method, path: &str, body: String| {
        let (status, body) = kg.ask_as(who, method, path, body).await;
        (status.as_u16(), body)
    };
    let asked: PostReport = kz.post("/requests", &question(&["KG"])).await;
    until_asked(&kg, &asked.id).await;
    let answers = format!("/requests/{}/answers", asked.id);
    let route = format!("/requests/{}/route", asked.id);

    // An auditor reads and does not write.
    let (status, _) = call(
        &olga,
        Method::POST,
        &answers,
        r#"{"status":"declined"}"#.into(),
    )
    .await;
    assert_eq!(status, 403);
    // An analyst writes; sending is a release.
    let (status, body) = call(
        &anna,
        Method::POST,
        &answers,
        r#"{"status":"final","text":"Nothing seen."}"#.into(),
    )
    .await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    let report: PostReport = serde_json::from_slice(&body).expect("report");
    assert!(!report.sent && report.releases.is_empty());
    assert!(
        report
            .next
            .is_some_and(|next| next.starts_with("a releaser has to send it")),
    );
    assert_eq!(acts(&kg, "request-answer").await[0].1, "anna");
    assert!(thread(&kg, &asked.id).await.answers.is_empty());
    let sent = kg.release(ALERTS, &[&report.id]).await;
    // With its author's identity, which the partners did not have.
    assert_eq!((sent.released, sent.companions), (2, 1), "{sent:?}");
    until_said(&kz, &asked.id, 1).await;

    // Routing is the desk officer's.
    let to = r#"{"to":"cyber desk"}"#;
    assert_eq!(call(&anna, Method::POST, &route, to.into()).await.0, 403);
    assert_eq!(call(&dina, Method::POST, &route, to.into()).await.0, 200);
    // What is above somebody's clearance is not there for them.
    let (status, body) = call(&green, Method::GET, "/requests", String::new()).await;
    let page: RequestsPage = serde_json::from_slice(&body).expect("page");
    assert_eq!((status, page.requests.len()), (200, 0));
    let path = format!("/requests/{}", asked.id);
    assert_eq!(call(&green, Method::GET, &path, String::new()).await.0, 404);
    assert_eq!(call(&anna, Method::GET, &path, String::new()).await.0, 200);
}
