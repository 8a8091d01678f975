//! The guards between a decision and the log, one by one: a new national policy voids what was
//! proposed under the old one, what a partner said of an object stays with it, and the leak check
//! looks at what leaves.

extern crate kurultai_node as node;

mod world;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use hyper::Method;
use node::admin::types::{
    ApprovalRequest, AuditLine, AuditPage, PolicyFiles, PolicyInfo, ProposalInfo, ProposalView,
    ReleaseReport, ReleaseRequest, Selection,
};
use node::approvals::state::State;
use node::auth::Proof;
use policy::{Duty, PolicySet, SignedPolicy};
use world::{Running, bundle, channel, collection, indicator, indicator_id, prepare, ratified};

const CHANNEL: &str = "steppe/alerts";

/// A rule that changes nothing about persons.
const EXTRA: &str = r#"
@id("no-malware")
@explain("malware stays at home")
forbid (principal, action == Action::"release", resource)
when { resource.kind == "malware" };
"#;

fn person_id(number: u32) -> String {
    format!("identity--00000000-0000-4000-8000-{number:012}")
}

fn person(number: u32) -> String {
    format!(
        r#"{{"type":"identity","spec_version":"2.1","id":"{}","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","name":"A. Person","identity_class":"individual"}}"#,
        person_id(number)
    )
}

/// Releases as anna.
async fn released(kz: &Running, anna: &str, ids: &[String]) -> ReleaseReport {
    let request = ReleaseRequest {
        channel: CHANNEL.into(),
        selection: Selection {
            ids: ids.to_vec(),
            ..Selection::default()
        },
        who: String::new(),
        explain: false,
    };
    let body = serde_json::to_vec(&request).expect("json");
    let (status, body) = kz.ask_as(anna, Method::POST, "/release", body).await;
    assert!(status.is_success(), "{}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).expect("a report")
}

/// Proposes a person's release as anna.
async fn proposed(kz: &Running, anna: &str, number: u32) -> ProposalInfo {
    let report = released(kz, anna, &[person_id(number)]).await;
    assert_eq!(report.proposed, 1, "{report:?}");
    view(kz, &report.proposals[0]).await
}

async fn view(kz: &Running, id: &str) -> ProposalInfo {
    let view: ProposalView = kz.get(&format!("/approvals/{id}")).await;
    view.info
}

async fn approve(kz: &Running, who: &str, proposal: &ProposalInfo) {
    let request = ApprovalRequest {
        digest: proposal.digest.clone(),
        ..ApprovalRequest::default()
    };
    let path = format!("/approvals/{}/approve", proposal.id);
    let body = serde_json::to_vec(&request).expect("json");
    // Whether it counts shows in the proposal.
    kz.ask_as(who, Method::POST, &path, body).await;
}

/// The shipped rules and one more file, signed.
async fn next_policy(kz: &Running, path: &str, text: &str) -> PolicyFiles {
    let given: PolicyFiles = kz.get("/policy/files").await;
    let mut files = given.files;
    files.insert(path.into(), text.to_owned());
    files.retain(|path, _| !path.starts_with("cases/"));
    let bytes = files
        .iter()
        .map(|(path, text)| (path.clone(), text.clone().into_bytes()));
    let set = PolicySet::read(bytes.collect()).expect("a set");
    let key = kz.node.keys().policy().expect("made at init");
    let signed = SignedPolicy::sign(set, None, key).expect("signed");
    PolicyFiles {
        manifest: signed.note(),
        files,
        who: "aida".into(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_approval_outlives_the_policy_it_was_given_under() {
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let accord = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    drop(kg);
    let kz = kz.start(Some(&accord)).await;
    kz.add(
        &bundle(&[person(1), person(2)]),
        "TLP:GREEN//REL KG,KZ//LEGAL court-order",
    )
    .await;
    let anna = kz.person("anna", &["releaser"]).await;
    let bek = kz.person("bek", &["approver"]).await;
    let cem = kz.person("cem", &["approver"]).await;
    let (one, two) = (proposed(&kz, &anna, 1).await, proposed(&kz, &anna, 2).await);
    approve(&kz, &bek, &one).await;
    approve(&kz, &bek, &two).await;
    let next = next_policy(&kz, "extra.cedar", EXTRA).await;
    let info: PolicyInfo = kz.post("/policy/activate", &next).await;
    assert_eq!(info.number, 1);

    // The last approval comes at once for one, and for the other the node looks first.
    approve(&kz, &cem, &one).await;
    kz.node.run_automation().await.expect("it runs");
    for proposal in [&one, &two] {
        let now = view(&kz, &proposal.id).await;
        assert_eq!(now.state, "void", "{now:?}");
        assert!(now.why.contains("another national policy"), "{now:?}");
    }
    assert!(kz.shown(&collection(CHANNEL)).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_partner_said_of_an_object_stays_with_it() {
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let us = prepare("US", "").await;
    let channels = vec![
        channel("alerts", &["KZ", "KG"]),
        channel("wide", &["KZ", "KG", "US"]),
    ];
    let accord = ratified(&[&kz, &kg, &us], channels);
    let (kz, kg) = (kz.start(Some(&accord)).await, kg.start(Some(&accord)).await);
    let object = bundle(&[indicator(1, "")]);
    kg.add(&object, "TLP:GREEN//REL KG,KZ").await;
    kg.release(CHANNEL, &[&indicator_id(1)]).await;
    kz.until_shown(CHANNEL, &[&indicator_id(1)]).await;

    // The same bytes again, as if they were the nation's own and for everybody.
    kz.add(&object, "TLP:CLEAR").await;
    let report = kz.release("steppe/wide", &[&indicator_id(1)]).await;
    assert_eq!((report.refused, report.released), (1, 0), "{report:?}");
    let why = report.results[0].why.join("; ");
    assert!(why.contains("US, to whom the object's label"), "{why}");
    assert!(kz.shown(&collection("steppe/wide")).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_leak_does_not_leave() {
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let accord = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    drop(kg);
    let kz = kz.start(Some(&accord)).await;
    let inside = indicator(2, "").replace(
        "[domain-name:value = 'mail-2.example']",
        "[domain-name:value = 'files.intranet']",
    );
    assert!(inside.contains("files.intranet"), "{inside}");
    kz.add(&bundle(&[indicator(1, ""), inside]), "TLP:GREEN//REL KG,KZ")
        .await;
    let report = kz
        .release(CHANNEL, &[&indicator_id(1), &indicator_id(2)])
        .await;
    assert_eq!((report.released, report.refused), (1, 1), "{report:?}");
    let refused = report.results.iter();
    let mut refused = refused.filter(|result| result.id == indicator_id(2));
    let why = refused.next().expect("listed").why.join("; ");
    assert!(why.contains("leak check"), "{why}");
    let shown = kz.shown(&collection(CHANNEL)).await;
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].id.to_string(), indicator_id(1));
}

/// A person that another one wrote of.
fn person_by(number: u32, author: u32) -> String {
    let by = format!(r#""created_by_ref":"{}","name""#, person_id(author));
    person(number).replace(r#""name""#, &by)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_only_proposed_has_not_left_for_anything_that_goes_without_it() {
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let accord = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    drop(kg);
    let kz = kz.start(Some(&accord)).await;
    let leaks = "[references]\nunreleased = \"block\"\nunknown = \"warn\"\n";
    let next = next_policy(&kz, "leak.toml", leaks).await;
    let _: PolicyInfo = kz.post("/policy/activate", &next).await;
    let anna = kz.person("anna", &["releaser"]).await;
    let bek = kz.person("bek", &["approver"]).await;
    let cem = kz.person("cem", &["approver"]).await;
    let seen = "relationship--00000000-0000-4000-8000-000000000009";
    let relationship = format!(
        r#"{{"type":"relationship","spec_version":"2.1","id":"{seen}","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","relationship_type":"related-to","source_ref":"{}","target_ref":"{}"}}"#,
        indicator_id(1),
        person_id(1)
    );
    let objects = [
        indicator(1, ""),
        relationship,
        person(1),
        person(2),
        person_by(3, 2),
        person(4),
        person_by(5, 4),
    ];
    kz.add(&bundle(&objects), "TLP:GREEN//REL KG,KZ//LEGAL court-order")
        .await;

    // Who is related to the person would go at once, before anybody has agreed to the person.
    let ids = [indicator_id(1), seen.to_owned(), person_id(1)];
    let report = released(&kz, &anna, &ids).await;
    assert_eq!(
        (report.released, report.proposed, report.refused),
        (1, 1, 1),
        "{report:?}"
    );
    let mut refused = report.results.iter().filter(|result| result.id == seen);
    let why = refused.next().expect("listed").why.join("; ");
    assert!(why.contains("leak check"), "{why}");

    // Two that need the same go together or not at all, so one may name the other.
    let report = released(&kz, &anna, &[person_id(2), person_id(3)]).await;
    assert_eq!(
        (report.proposed, report.proposals.len()),
        (2, 1),
        "{report:?}"
    );
    let both = view(&kz, &report.proposals[0]).await;
    approve(&kz, &bek, &both).await;
    approve(&kz, &cem, &both).await;
    let both = view(&kz, &both.id).await;
    assert_eq!(both.state, "released", "{both:?}");
    assert_eq!(kz.shown(&collection(CHANNEL)).await.len(), 3);

    // What waits in a proposal of its own does not go with another one's approval.
    let author = proposed(&kz, &anna, 4).await;
    let report = released(&kz, &anna, &[person_id(5)]).await;
    let mut proposals = report.proposals.iter().filter(|id| **id != author.id);
    let other = view(&kz, proposals.next().expect("one of its own")).await;
    approve(&kz, &bek, &other).await;
    approve(&kz, &cem, &other).await;
    let other = view(&kz, &other.id).await;
    assert_eq!(other.state, "void", "{other:?}");
    assert!(other.why.contains("leak check"), "{other:?}");
    assert_eq!(kz.shown(&collection(CHANNEL)).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duty_that_single_sign_on_adds_counts_as_long_as_the_session() {
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let accord = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    drop(kg);
    let kz = kz.start(Some(&accord)).await;
    kz.add(
        &bundle(&[person(1), person(2)]),
        "TLP:GREEN//REL KG,KZ//LEGAL court-order",
    )
    .await;
    let anna = kz.person("anna", &["releaser"]).await;
    let cem = kz.person("cem", &["approver"]).await;
    // Here bek is an analyst; a group at the provider makes him an approver.
    kz.person("bek", &["analyst"]).await;
    let added = BTreeSet::from([Duty::Approver]);
    let auth = kz.node.auth();
    let by_provider = || {
        auth.start_session("bek", Proof::Oidc, &added)
            .expect("signed in")
    };
    let (one, two) = (proposed(&kz, &anna, 1).await, proposed(&kz, &anna, 2).await);

    let session = by_provider();
    let approved = kz.node.approve(&one.id, &one.digest, &session.caller).await;
    approved.expect("it counts");
    approve(&kz, &cem, &one).await;
    let one = view(&kz, &one.id).await;
    assert_eq!(one.state, "released", "{one:?}");

    let approved = kz.node.approve(&two.id, &two.digest, &session.caller).await;
    approved.expect("it counts");
    assert!(auth.end_session(&session.value).expect("ended"));
    approve(&kz, &cem, &two).await;
    let now = view(&kz, &two.id).await;
    assert_eq!(
        (now.state.as_str(), now.missing.as_str()),
        ("open", "1 of approver")
    );
    let audit: AuditPage = kz.get("/audit").await;
    let said = |line: &AuditLine| {
        line.record
            .why
            .contains("the approval by bek no longer counts")
    };
    assert!(audit.records.iter().any(said), "{audit:?}");
    // Signed in anew, it is given again.
    let session = by_provider();
    let approved = kz.node.approve(&two.id, &two.digest, &session.caller).await;
    approved.expect("it counts");
    let two = view(&kz, &two.id).await;
    assert_eq!(two.state, "released", "{two:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proposal_that_fails_keeps_no_other_from_its_turn() {
    let ahead = Arc::new(AtomicI64::new(0));
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let accord = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    drop(kg);
    let kz = kz.start_at(Some(&accord), Arc::clone(&ahead)).await;
    kz.add(
        &bundle(&[person(1), person(2)]),
        "TLP:GREEN//REL KG,KZ//LEGAL court-order",
    )
    .await;
    let anna = kz.person("anna", &["releaser"]).await;
    let bek = kz.person("bek", &["approver"]).await;
    let cem = kz.person("cem", &["approver"]).await;
    let (one, two) = (proposed(&kz, &anna, 1).await, proposed(&kz, &anna, 2).await);
    // What the node remembers of the first one's object is damaged, so it cannot be released.
    let settings = vec![
        (format!("forms/{CHANNEL}"), Some(Vec::new())),
        (
            format!("form/{CHANNEL}/{}", person_id(1)),
            Some(b"?".to_vec()),
        ),
    ];
    let damage = store::Command::PutAll { settings };
    kz.node.execute(damage).await.expect("put");
    approve(&kz, &bek, &one).await;
    approve(&kz, &cem, &one).await;
    let held = kz.node.proposal(&one.id).await.expect("read");
    assert!(held.is_complete(), "{held:?}");
    assert_eq!(held.state, State::Open);
    // Nobody decides about the second.
    let hours = node::limits::PROPOSAL_HOURS as i64;
    ahead.store((hours + 1) * 3_600_000_000, Ordering::Relaxed);
    kz.node.tend_proposals().await.expect_err("the first fails");
    assert_eq!(view(&kz, &two.id).await.state, "expired");
}
