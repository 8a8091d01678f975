//! What members say about their own part in an accord, among several nodes: whoever leaves sends
//! and receives nothing from then on, what it had sent stays, and nobody can say it for another.

extern crate kurultai_node as node;

mod world;

use hyper::Method;
use node::admin::types::{
    AccordStatus, ExclusionRequest, NoticeReport, NoticeRequest, PullReport, WithdrawReport,
    WithdrawRequest,
};
use policy::{Act, Notice, SignedNotice};
use sync::FetchError;
use world::{Running, bundle, channel, collection, indicator, indicator_id, within};

const GREEN: &str = "TLP:GREEN//REL KZ,KG,UZ";
const CHECKPOINT: &str = "/log/steppe/alerts/checkpoint";

async fn three() -> [Running; 3] {
    let channels = vec![
        channel("alerts", &["KZ", "KG", "UZ"]),
        channel("pair", &["KZ", "KG"]),
    ];
    let [kz, kg, uz] = world::three(channels).await;
    for (node, number) in [(&kz, 1), (&kg, 2), (&uz, 3)] {
        node.add(
            &bundle(&[indicator(number, ""), indicator(number + 10, "")]),
            GREEN,
        )
        .await;
        node.release("steppe/alerts", &[&indicator_id(number)])
            .await;
    }
    let all = [1, 2, 3].map(indicator_id);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    for node in [&kz, &kg, &uz] {
        node.until_shown("steppe/alerts", &all).await;
    }
    [kz, kg, uz]
}

async fn says(node: &Running, notice: &str, channel: Option<&str>) -> NoticeReport {
    let request = NoticeRequest {
        notice: notice.into(),
        channel: channel.map(str::to_owned),
        reason: "a change of government".into(),
        who: "aida".into(),
    };
    node.post("/accords/steppe/notices", &request).await
}

fn members(node: &Running, channel: &str) -> Vec<String> {
    let channel = node.node.channel(&format!("steppe/{channel}"));
    let members = channel.and_then(|channel| Some(channel.in_force()?.members));
    members.map_or(Vec::new(), |members| members.into_iter().collect())
}

async fn audited(node: &Running, what: &str) -> Vec<String> {
    let page: node::admin::types::AuditPage = node.get(&format!("/audit?what={what}")).await;
    page.records
        .into_iter()
        .map(|line| line.record.why)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_leaves_is_out_at_every_partner_at_once_and_what_it_sent_stays() {
    let [kz, kg, uz] = three().await;
    let door = kg.peer_of(&kz);
    assert!(door.get(CHECKPOINT, 1 << 20).await.is_ok());
    let mut news = door.events().await.expect("stream");
    assert_eq!(
        within(news.next())
            .await
            .expect("event")
            .expect("open")
            .size,
        1
    );

    let report = says(&kg, "leave", None).await;
    assert_eq!(report.reached, ["KZ", "UZ"]);
    assert!(report.missed.is_empty());
    // It was handed over before the command answered, so it counts everywhere by now.
    for node in [&kz, &uz] {
        assert_eq!(members(node, "alerts"), ["KZ", "UZ"]);
        assert_eq!(audited(node, "notice").await.len(), 1);
    }
    assert!(members(&kg, "alerts").is_empty());
    // Nothing is served to it, on the open connection or a new one, and nothing taken from it.
    for server in [&kz, &uz] {
        let refused = kg.peer_of(server).get(CHECKPOINT, 1 << 20).await;
        let Err(FetchError::Apart { why }) = refused else {
            panic!("{refused:?}");
        };
        assert!(why.contains("a change of government"), "{why}");
    }
    assert!(door.get(CHECKPOINT, 1 << 20).await.is_err());
    assert!(kz.peer_of(&kg).get(CHECKPOINT, 1 << 20).await.is_err());
    // The wake-ups about what it may not have end, while others' go on.
    kz.release("steppe/alerts", &[&indicator_id(11)]).await;
    let (one, three, eleven) = (indicator_id(1), indicator_id(3), indicator_id(11));
    let shown = [one.as_str(), &indicator_id(2), &three, &eleven].map(str::to_owned);
    let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
    uz.until_shown("steppe/alerts", &shown).await;
    assert_eq!(kg.held("steppe/alerts", "KZ").await.expect("held").size, 1);
    // What it sent before is shown as before, by both, and its keys still verify it.
    kz.until_shown("steppe/alerts", &shown).await;
    // It releases nothing there itself.
    let refused = kg
        .ask(
            Method::POST,
            "/release",
            r#"{"channel":"steppe/alerts","selection":{"ids":["indicator--00000000-0000-4000-8000-000000000012"]}}"#,
        )
        .await;
    assert!(!refused.0.is_success());
    assert_eq!(kg.held("steppe/alerts", "KG").await.expect("held").size, 1);
    // And what it received stays in sight at home.
    let at_home = kg.shown(&collection("steppe/alerts")).await;
    assert_eq!(at_home.len(), 3);
    let listed = |node: &Running| {
        let listings = node.node.collections();
        listings.iter().any(|one| one.name() == "steppe/pair")
    };
    assert!(listed(&kz) && listed(&kg) && !listed(&uz));

    // It holds through a restart, and it returns by its own word.
    let kz = kz.restart().await;
    assert_eq!(members(&kz, "alerts"), ["KZ", "UZ"]);
    says(&kg, "return", None).await;
    assert_eq!(members(&uz, "alerts"), ["KG", "KZ", "UZ"]);
    kg.until(async || kg.held("steppe/alerts", "KZ").await.expect("held").size == 2)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_after_a_leave_are_refused_although_the_leaver_serves_them() {
    let [kz, kg, uz] = three().await;
    // UZ has not heard it; its copy of KG's log may grow. KZ has, by hand.
    let leave = signed(&kg, Act::Leave, 1);
    let (status, _, _) = kz.ask(Method::POST, "/notices", leave).await;
    assert!(status.is_success());
    kg.release("steppe/alerts", &[&indicator_id(12)]).await;
    uz.until(async || uz.held("steppe/alerts", "KG").await.expect("held").size == 2)
        .await;
    let pulled: PullReport = kz.post("/pull", &serde_json::json!({})).await;
    assert!(pulled.logs.iter().all(|log| log.peer != "KG"), "{pulled:?}");
    assert_eq!(kz.held("steppe/alerts", "KG").await.expect("held").size, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_channel_rests_for_its_signer_and_goes_on_among_the_others() {
    let [kz, kg, uz] = three().await;
    says(&kg, "suspend", Some("alerts")).await;
    assert_eq!(members(&kz, "alerts"), ["KZ", "UZ"]);
    assert_eq!(members(&uz, "alerts"), ["KZ", "UZ"]);
    // Elsewhere it takes part as before.
    assert_eq!(members(&kz, "pair"), ["KG", "KZ"]);
    kg.release("steppe/pair", &[&indicator_id(12)]).await;
    kz.until(async || {
        kz.held("steppe/pair", "KG")
            .await
            .is_some_and(|head| head.size == 1)
    })
    .await;
    assert!(kg.peer_of(&kz).get(CHECKPOINT, 1 << 20).await.is_err());
    says(&kg, "resume", Some("alerts")).await;
    kz.release("steppe/alerts", &[&indicator_id(11)]).await;
    kg.until(async || kg.held("steppe/alerts", "KZ").await.expect("held").size == 2)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partner_that_rests_cannot_keep_what_is_taken_back() {
    let [kz, kg, _uz] = three().await;
    kz.release("steppe/pair", &[&indicator_id(11)]).await;
    kg.until_shown("steppe/pair", &[&indicator_id(11)]).await;
    says(&kg, "suspend", Some("pair")).await;
    assert!(
        members(&kz, "pair").is_empty(),
        "nobody is left to share with"
    );
    let request = WithdrawRequest {
        channel: "steppe/pair".into(),
        ids: vec![indicator_id(11)],
        reason: "it named a source".into(),
        who: "aida".into(),
    };
    let report: WithdrawReport = kz.post("/withdraw", &request).await;
    assert_eq!(report.withdrawn, 1);
    assert!(kz.shown(&collection("steppe/pair")).await.is_empty());
    says(&kg, "resume", Some("pair")).await;
    kg.until_shown("steppe/pair", &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_was_away_hears_of_it_from_any_partner_when_it_is_back() {
    let [kz, kg, uz] = three().await;
    // Only KZ is told.
    let leave = signed(&kg, Act::Leave, 1);
    let body = serde_json::to_string(&[&leave]).expect("json");
    kg.peer_of(&kz).post("/notices", body).await.expect("taken");
    assert_eq!(members(&kz, "alerts"), ["KZ", "UZ"]);
    // UZ asks its partners when it starts.
    let uz = uz.restart().await;
    uz.until(async || members(&uz, "alerts") == ["KZ", "UZ"])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gives_notice_for_another_and_old_ones_come_to_nothing() {
    let [kz, kg, uz] = three().await;
    let before = kz.node.accords().get("steppe").expect("held").to_string();
    let post = async |notes: &[String]| {
        let body = serde_json::to_string(notes).expect("json");
        uz.peer_of(&kz).post("/notices", body).await
    };
    // UZ in KG's name, UZ's words under KG's signature, and no notice at all.
    let forged = {
        let notice = notice(&kg, Act::Leave, 5);
        SignedNotice::sign(notice, uz.node.keys().root().expect("root"))
            .expect("signed")
            .to_string()
    };
    let moved = signed(&kg, Act::Leave, 5).replacen("member = \"KG\"", "member = \"KZ\"", 1);
    for note in [forged, moved, before.clone(), String::new()] {
        let refused = post(&[note]).await;
        assert!(
            matches!(refused, Err(FetchError::Status { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(members(&kz, "alerts"), ["KG", "KZ", "UZ"]);
    assert!(audited(&kz, "notice").await.is_empty());
    // A genuine one may be brought by anybody; an older one brings nothing back.
    let left = signed(&kg, Act::Leave, 7);
    assert_eq!(
        post(&[signed(&kg, Act::Return, 6), left.clone()]).await,
        Ok(())
    );
    assert_eq!(post(&[signed(&kg, Act::Return, 6), left]).await, Ok(()));
    assert_eq!(members(&kz, "alerts"), ["KZ", "UZ"]);
    assert_eq!(audited(&kz, "notice").await.len(), 2);
    // The text and its ratifications are what they were.
    assert_eq!(
        kz.node.accords().get("steppe").expect("held").to_string(),
        before
    );
    // A member that never stops is taken a few at a time, and keeps nobody else out.
    let flood: Vec<String> = (10..60)
        .map(|serial| signed(&kg, Act::Leave, serial))
        .collect();
    assert!(post(&flood).await.is_err());
    let records = audited(&kz, "notice").await.len();
    assert!(records < 30, "{records}");
    assert_eq!(post(&[signed(&uz, Act::Leave, 1)]).await, Ok(()));
    assert!(members(&kz, "alerts").is_empty());
}

fn notice(node: &Running, act: Act, serial: u64) -> Notice {
    let held = node.node.accords();
    let held = held.get("steppe").expect("held");
    Notice {
        member: node.code.clone(),
        accord: "steppe".into(),
        version: 1,
        digest: held.digest(),
        act,
        serial,
        at: node.node.now(),
        reason: "a change of government".into(),
    }
}

/// A notice by this node's root key that it does not hear of itself.
fn signed(node: &Running, act: Act, serial: u64) -> String {
    let root = node.node.keys().root().expect("root key");
    SignedNotice::sign(notice(node, act, serial), root)
        .expect("signed")
        .to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_excluded_member_is_told_and_gets_nothing_while_the_others_go_on() {
    let [kz, kg, uz] = three().await;
    let exclude = async |path: &str, member: &str| {
        let request = ExclusionRequest {
            member: member.into(),
            reason: "its keys may be in other hands".into(),
            who: "aida".into(),
        };
        let body = serde_json::to_vec(&request).expect("json");
        let path = format!("/accords/steppe/exclusions{path}");
        kz.ask(Method::POST, &path, body).await.0.is_success()
    };
    for (path, member) in [("", "KZ"), ("", "XX"), ("/end", "KG")] {
        assert!(!exclude(path, member).await, "{path} {member}");
    }
    assert!(exclude("", "KG").await);
    assert_eq!(members(&kz, "alerts"), ["KZ", "UZ"]);
    // It is told why, in words, by the answer and in what its own node says of the pull.
    let refused = kg.peer_of(&kz).get(CHECKPOINT, 1 << 20).await;
    let Err(FetchError::Apart { why }) = refused else {
        panic!("{refused:?}");
    };
    assert!(
        why.contains("KZ has excluded you") && why.contains("in other hands"),
        "{why}"
    );
    let from_kz = serde_json::json!({"peer": "KZ"});
    let pulled: PullReport = kg.post("/pull", &from_kz).await;
    let failed = |log: &node::admin::types::PullResult| {
        let error = log.error.as_deref();
        error.is_some_and(|error| error.contains("in other hands"))
    };
    assert!(pulled.logs.iter().all(failed), "{pulled:?}");
    // To whom the accord gives no such channel nobody says a word.
    let none = kg
        .peer_of(&kz)
        .get("/log/steppe/none/checkpoint", 1 << 20)
        .await;
    assert_eq!(none, Err(FetchError::NotFound));
    let none = uz
        .peer_of(&kz)
        .get("/log/steppe/pair/checkpoint", 1 << 20)
        .await;
    assert_eq!(none, Err(FetchError::NotFound));

    // Nothing of it is taken here, and the others' part of the accord is what it was.
    kg.release("steppe/alerts", &[&indicator_id(12)]).await;
    uz.until(async || uz.held("steppe/alerts", "KG").await.expect("held").size == 2)
        .await;
    let pulled: PullReport = kz.post("/pull", &serde_json::json!({})).await;
    assert!(pulled.logs.iter().all(|log| log.peer != "KG"), "{pulled:?}");
    assert_eq!(kz.held("steppe/alerts", "KG").await.expect("held").size, 1);
    assert_eq!(members(&uz, "alerts"), ["KG", "KZ", "UZ"]);
    // Its own word cannot end another nation's decision.
    says(&kg, "return", None).await;
    assert_eq!(members(&kz, "alerts"), ["KZ", "UZ"]);

    let kz = kz.restart().await;
    assert_eq!(members(&kz, "alerts"), ["KZ", "UZ"]);
    let status: AccordStatus = kz.get("/accords/steppe/status").await;
    let kg_there = status
        .members
        .iter()
        .find(|member| member.code == "KG")
        .expect("listed");
    assert!(kg_there.takes_part.is_empty() && kg_there.excluded.is_some());
    let request = serde_json::json!({"member": "KG", "reason": "new keys", "who": "aida"});
    let status: AccordStatus = kz.post("/accords/steppe/exclusions/end", &request).await;
    assert!(
        status
            .members
            .iter()
            .all(|member| member.excluded.is_none())
    );
    kz.until(async || kz.held("steppe/alerts", "KG").await.expect("held").size == 2)
        .await;
    assert_eq!(audited(&kz, "exclusion").await.len(), 2);
}
