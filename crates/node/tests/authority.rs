//! The release authority on whole nodes: what needs approval, who may give it, and that nothing but
//! the approved bytes leaves, whatever happens in between.

extern crate kurultai_node as node;

mod world;

use hyper::{Method, StatusCode};
use node::admin::types::{
    ApprovalRequest, AuditPage, ProposalInfo, ProposalView, ReleaseOutcome, ReleaseReport,
    ReleaseRequest, Selection,
};
use serde::de::DeserializeOwned;
use store::{Collection, Command};
use world::{Running, bundle, channel, collection, prepare, ratified};

const CHANNEL: &str = "steppe/alerts";
const BASIS: &str = "TLP:GREEN//REL KG,KZ//LEGAL court-order";

fn person_id(number: u32) -> String {
    format!("identity--00000000-0000-4000-8000-{number:012}")
}

fn person(number: u32, minute: u32, name: &str) -> String {
    format!(
        r#"{{"type":"identity","spec_version":"2.1","id":"{}","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:{minute:02}:00.000Z","name":"{name}","identity_class":"individual"}}"#,
        person_id(number)
    )
}

async fn nation() -> Running {
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let accord = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    drop(kg);
    kz.start(Some(&accord)).await
}

fn request(ids: &[&str], explain: bool) -> ReleaseRequest {
    ReleaseRequest {
        channel: CHANNEL.into(),
        selection: Selection {
            ids: ids.iter().map(ToString::to_string).collect(),
            ..Selection::default()
        },
        who: "aida".into(),
        explain,
    }
}

async fn asked<T: DeserializeOwned>(
    kz: &Running,
    authorization: &str,
    path: &str,
    body: &impl serde::Serialize,
) -> Result<T, (StatusCode, String)> {
    let body = serde_json::to_vec(body).expect("json");
    let (status, answer) = kz.ask_as(authorization, Method::POST, path, body).await;
    if status.is_success() {
        return Ok(serde_json::from_slice(&answer).expect("the answer's type"));
    }
    Err((status, String::from_utf8_lossy(&answer).into_owned()))
}

async fn approve(
    kz: &Running,
    authorization: &str,
    id: &str,
    digest: &str,
) -> Result<ProposalInfo, (StatusCode, String)> {
    let request = ApprovalRequest {
        digest: digest.into(),
        ..ApprovalRequest::default()
    };
    asked(
        kz,
        authorization,
        &format!("/approvals/{id}/approve"),
        &request,
    )
    .await
}

async fn refused(kz: &Running, authorization: &str, id: &str, digest: &str, words: &str) {
    let before = kz.get::<AuditPage>("/audit").await.size;
    let (status, why) = approve(kz, authorization, id, digest)
        .await
        .expect_err("it does not count");
    assert_eq!(status, StatusCode::FORBIDDEN, "{why}");
    assert!(why.contains(words), "{why} says nothing of {words:?}");
    let audit: AuditPage = kz.get(&format!("/audit?from={before}")).await;
    let accounted = |line: &node::admin::types::AuditLine| {
        line.record.what == "refuse" && line.record.why.contains(id)
    };
    assert!(audit.records.iter().any(accounted), "{words}: unaccounted");
}

/// Proposes a person's release; answers with the proposal.
async fn proposed(kz: &Running, authorization: &str, ids: &[&str]) -> ProposalInfo {
    let report: ReleaseReport = asked(kz, authorization, "/release", &request(ids, false))
        .await
        .expect("a proposal");
    assert_eq!(
        (report.proposed, report.released),
        (ids.len(), 0),
        "{report:?}"
    );
    let view: ProposalView = kz.get(&format!("/approvals/{}", report.proposals[0])).await;
    view.info
}

async fn in_channel(kz: &Running) -> usize {
    kz.shown(&collection(CHANNEL)).await.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_about_a_person_leaves_when_two_others_have_approved_it() {
    let kz = nation().await;
    kz.add(&bundle(&[person(1, 0, "A. Person")]), BASIS).await;
    kz.add(&bundle(&[person(2, 0, "No Basis")]), "TLP:GREEN//REL KG,KZ")
        .await;
    let anna = kz.person("anna", &["releaser", "approver"]).await;
    let bek = kz.person("bek", &["approver"]).await;
    let cem = kz.person("cem", &["approver"]).await;
    let dina = kz.person("dina", &["analyst"]).await;

    // Explaining changes nothing and says who would have to approve.
    let id = person_id(1);
    let explained: ReleaseReport = asked(&kz, &anna, "/release", &request(&[&id], true))
        .await
        .expect("an explanation");
    assert_eq!(explained.results[0].outcome, ReleaseOutcome::Proposed);
    assert_eq!(explained.results[0].approvals, ["2 of approver"]);
    assert!(explained.proposals.is_empty() && !explained.results[0].rules.is_empty());
    assert!(kz.get::<Vec<ProposalInfo>>("/approvals").await.is_empty());
    let other = person_id(2);
    let without: ReleaseReport = asked(&kz, &anna, "/release", &request(&[&other], false))
        .await
        .expect("a report");
    assert_eq!(without.refused, 1);
    assert!(
        without.results[0].why[0].contains("legal basis"),
        "{without:?}"
    );

    let proposal = proposed(&kz, &anna, &[&id]).await;
    let again: ReleaseReport = asked(&kz, &anna, "/release", &request(&[&id], false))
        .await
        .expect("a report");
    assert_eq!(
        again.proposals,
        std::slice::from_ref(&proposal.id),
        "the same proposal, no second one"
    );

    // What an approver sees are the very bytes.
    let view: ProposalView = kz.get(&format!("/approvals/{}", proposal.id)).await;
    let record = kz.shown(&Collection::National).await;
    let record = record
        .iter()
        .find(|record| record.id.to_string() == id)
        .expect("held");
    assert_eq!(view.items[0].outgoing[0].hash, record.hash.to_string());
    assert!(view.items[0].outgoing[0].bytes.contains("A. Person"));

    let (id, digest) = (proposal.id.clone(), proposal.digest.clone());
    refused(&kz, &anna, &id, &digest, "asked for themselves").await;
    refused(&kz, &dina, &id, &digest, "duty").await;
    refused(&kz, &bek, &id, "00", "another state").await;
    assert_eq!(in_channel(&kz).await, 0);
    let first = approve(&kz, &bek, &id, &digest).await.expect("counts");
    assert_eq!(
        (first.state.as_str(), first.missing.as_str()),
        ("open", "1 of approver")
    );
    refused(&kz, &bek, &id, &digest, "counts once").await;
    assert_eq!(in_channel(&kz).await, 0);

    // A proposal outlives a restart, approvals and all.
    let kz = kz.restart().await;
    let done = approve(&kz, &cem, &id, &digest).await.expect("counts");
    assert_eq!(done.state, "released");
    assert_eq!(in_channel(&kz).await, 1);
    refused(&kz, &cem, &id, &digest, "released already").await;
    let audit: AuditPage = kz.get("/audit").await;
    let release = audit
        .records
        .iter()
        .map(|line| &line.record)
        .find(|record| record.what == "release")
        .expect("accounted for");
    assert!(
        release.why.contains("approved by bek and cem"),
        "{release:?}"
    );
    assert!(release.policy.contains("; national v0 "), "{release:?}");
    assert!(release.rules.contains(&"persons-two-approvals".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_or_a_withdrawal_voids_what_was_proposed() {
    let kz = nation().await;
    kz.add(
        &bundle(&[person(1, 0, "first"), person(2, 0, "second")]),
        BASIS,
    )
    .await;
    let anna = kz.person("anna", &["releaser"]).await;
    let bek = kz.person("bek", &["approver"]).await;
    let cem = kz.person("cem", &["approver"]).await;
    let edited = proposed(&kz, &anna, &[&person_id(1)]).await;
    approve(&kz, &bek, &edited.id, &edited.digest)
        .await
        .expect("counts");
    // The edit comes before the last approval: nothing leaves, neither the old nor the new.
    kz.add(&bundle(&[person(1, 5, "edited")]), BASIS).await;
    let view: ProposalView = kz.get(&format!("/approvals/{}", edited.id)).await;
    assert!(view.changed.expect("it says so").contains("edited"));
    let void = approve(&kz, &cem, &edited.id, &edited.digest)
        .await
        .expect("an answer");
    assert_eq!(void.state, "void");
    assert!(void.why.contains("edited"), "{void:?}");
    assert_eq!(in_channel(&kz).await, 0);
    let audit: AuditPage = kz.get("/audit").await;
    assert!(audit.records.iter().any(|line| line.record.what == "void"));

    // The edited version needs its own approvals.
    let next = proposed(&kz, &anna, &[&person_id(1)]).await;
    assert_ne!((&next.id, &next.digest), (&edited.id, &edited.digest));
    refused(&kz, &cem, &next.id, &edited.digest, "another state").await;

    // Whoever asked may take it back; then it cannot be approved.
    let taken = proposed(&kz, &anna, &[&person_id(2)]).await;
    let no = ApprovalRequest {
        why: "a mistake".into(),
        ..ApprovalRequest::default()
    };
    let declined: ProposalInfo =
        asked(&kz, &anna, &format!("/approvals/{}/decline", taken.id), &no)
            .await
            .expect("its author may");
    assert_eq!(declined.state, "declined");
    refused(&kz, &bek, &taken.id, &taken.digest, "declined already").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn edits_and_approvals_at_once_release_the_approved_bytes_or_nothing() {
    let kz = nation().await;
    let anna = kz.person("anna", &["releaser"]).await;
    let bek = kz.person("bek", &["approver"]).await;
    let cem = kz.person("cem", &["approver"]).await;
    let (mut released, mut void) = (0, 0);
    for number in 1..=12 {
        kz.add(&bundle(&[person(number, 0, "approved")]), BASIS)
            .await;
        let proposal = proposed(&kz, &anna, &[&person_id(number)]).await;
        approve(&kz, &bek, &proposal.id, &proposal.digest)
            .await
            .expect("counts");
        let edit_text = bundle(&[person(number, 1, "edited")]);
        let (edit, last) = tokio::join!(
            kz.add(&edit_text, BASIS),
            approve(&kz, &cem, &proposal.id, &proposal.digest)
        );
        assert_eq!(edit.added, 1);
        match last.expect("an answer").state.as_str() {
            "released" => released += 1,
            "void" => void += 1,
            state => panic!("{state}"),
        }
        let shown = kz.shown(&collection(CHANNEL)).await;
        assert_eq!(shown.len(), released, "what is void did not leave");
        let bodies = kz
            .node
            .read(move |store| store.bodies(&shown))
            .await
            .expect("reads");
        for body in bodies {
            assert!(String::from_utf8_lossy(&body).contains("\"approved\""));
        }
    }
    assert_eq!(released + void, 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_between_the_last_approval_and_the_release_loses_neither() {
    let kz = nation().await;
    kz.add(&bundle(&[person(1, 0, "A. Person")]), BASIS).await;
    let anna = kz.person("anna", &["releaser"]).await;
    let bek = kz.person("bek", &["approver"]).await;
    let _cem = kz.person("cem", &["approver"]).await;
    let proposal = proposed(&kz, &anna, &[&person_id(1)]).await;
    approve(&kz, &bek, &proposal.id, &proposal.digest)
        .await
        .expect("counts");
    // As the second approval leaves it on disk, the release not yet begun.
    let mut held = kz.node.proposal(&proposal.id).await.expect("held");
    let mut second = held.approvals[0].clone();
    second.who = "cem".into();
    held.approvals.push(second);
    let put = Command::Put {
        key: format!("approval/{}", proposal.id),
        value: Some(serde_json::to_vec(&held).expect("json")),
    };
    kz.node.execute(put).await.expect("stored");
    let kz = kz.restart().await;
    kz.node.tend_proposals().await.expect("tended");
    assert_eq!(in_channel(&kz).await, 1);
    let held = kz.node.proposal(&proposal.id).await.expect("held");
    assert_eq!(held.state.word(), "released");

    // And as it is when the entry is there and the proposal does not know: nothing is released twice.
    let mut open = held.clone();
    open.state = node::approvals::state::State::Open;
    let put = Command::Put {
        key: format!("approval/{}", proposal.id),
        value: Some(serde_json::to_vec(&open).expect("json")),
    };
    kz.node.execute(put).await.expect("stored");
    kz.node.tend_proposals().await.expect("tended");
    assert_eq!(in_channel(&kz).await, 1);
    assert_eq!(kz.held(CHANNEL, "KZ").await.expect("a log").size, 1);
    let held = kz.node.proposal(&proposal.id).await.expect("held");
    assert_eq!(held.state.word(), "released");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lost_the_duty_no_longer_counts() {
    let kz = nation().await;
    kz.add(&bundle(&[person(1, 0, "A. Person")]), BASIS).await;
    let anna = kz.person("anna", &["releaser"]).await;
    let bek = kz.person("bek", &["approver"]).await;
    let cem = kz.person("cem", &["approver"]).await;
    let proposal = proposed(&kz, &anna, &[&person_id(1)]).await;
    approve(&kz, &bek, &proposal.id, &proposal.digest)
        .await
        .expect("counts");
    let (status, _, _) = kz.ask(Method::DELETE, "/users/bek", "").await;
    assert!(status.is_success());
    let after = approve(&kz, &cem, &proposal.id, &proposal.digest)
        .await
        .expect("counts");
    assert_eq!(
        (after.state.as_str(), after.missing.as_str()),
        ("open", "1 of approver")
    );
    assert_eq!(in_channel(&kz).await, 0);
}
