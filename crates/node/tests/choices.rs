//! What a release selects, and what the rules say about it.

extern crate kurultai_node as node;

mod world;

use node::admin::types::{
    AuditPage, ObjectsPage, ReleaseOutcome, ReleaseReport, ReleaseRequest, Selection,
    WithdrawReport, WithdrawRequest,
};
use policy::Attribution;
use world::{Running, bundle, channel, indicator, indicator_id, prepare, ratified};

const GREEN: &str = "TLP:GREEN//REL KZ,KG";

async fn pair() -> (Running, Running) {
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let mut hidden = channel("hidden", &["KZ", "KG"]);
    hidden.attribution = Attribution::Member;
    let mut drill = channel("drill", &["KZ", "KG"]);
    drill.exercise = true;
    let mut accord = world::accord(
        &[&kz.member, &kg.member],
        vec![channel("alerts", &["KZ", "KG"]), drill],
    )
    .accord()
    .clone();
    accord.obligations.non_attribution = true;
    accord.channels.push(hidden);
    let note = world::ratified_text(&[&kz, &kg], accord);
    (kz.start(Some(&note)).await, kg.start(Some(&note)).await)
}

async fn ask(node: &Running, channel: &str, selection: Selection, explain: bool) -> ReleaseReport {
    let request = ReleaseRequest {
        channel: channel.into(),
        selection,
        who: "aida".into(),
        explain,
    };
    node.post("/release", &request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn selections_unite_and_an_explanation_changes_nothing() {
    let (kz, kg) = pair().await;
    let old = indicator(1, "");
    let new = old
        .replace("\"modified\":\"2026-01-01", "\"modified\":\"2026-02-01")
        .replace("mail-1.example", "mail-1-new.example");
    let malware = r#"{"type":"malware","spec_version":"2.1","id":"malware--00000000-0000-4000-8000-000000000001","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","name":"m","is_family":false}"#;
    kz.add(
        &bundle(&[old.clone(), new, indicator(2, ""), malware.into()]),
        GREEN,
    )
    .await;
    let page: ObjectsPage = kz.get("/objects?all_versions=true").await;
    let old_hash = page.objects[0].hash.clone();
    assert_eq!(
        old_hash,
        model::Object::parse(old.as_bytes())
            .unwrap()
            .hash()
            .to_string()
    );

    let mixed = || Selection {
        kinds: vec!["malware".into()],
        ids: vec![indicator_id(1), indicator_id(9)],
        hashes: vec![old_hash.clone(), "0".repeat(64)],
        all: false,
    };
    let before: AuditPage = kz.get("/audit").await;
    let told = ask(&kz, "steppe/alerts", mixed(), true).await;
    assert!(
        told.explain && told.released == 3 && told.unknown == 2,
        "{told:?}"
    );
    assert!(kz.held("steppe/alerts", "KZ").await.is_none());
    let after: AuditPage = kz.get("/audit").await;
    assert_eq!(before.size, after.size, "an explanation is no act");

    let done = ask(&kz, "steppe/alerts", mixed(), false).await;
    assert_eq!(
        (done.released, done.unknown, done.size),
        (3, 2, 3),
        "{done:?}"
    );
    assert_eq!(
        done.results[0].outcome,
        ReleaseOutcome::Unknown,
        "what failed comes first"
    );
    kg.until(async || {
        let head = kg.held("steppe/alerts", "KZ").await;
        head.is_some_and(|head| head.size == 3)
    })
    .await;
    // Both versions of the one object, the newer one as the latest.
    let latest: ObjectsPage = kg
        .get("/objects?collection=steppe%2Falerts&kinds=indicator&bodies=true")
        .await;
    assert_eq!(latest.objects.len(), 1);
    assert!(
        latest.objects[0]
            .object
            .as_ref()
            .unwrap()
            .to_string()
            .contains("mail-1-new.example")
    );
    let all: ObjectsPage = kg
        .get("/objects?collection=steppe%2Falerts&kinds=indicator&all_versions=true")
        .await;
    assert_eq!(all.objects.len(), 2);

    let rest = Selection {
        all: true,
        ..Selection::default()
    };
    let rest = ask(&kz, "steppe/alerts", rest, false).await;
    assert_eq!((rest.released, rest.already), (1, 2), "{rest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exercise_and_real_never_mix_and_a_hidden_source_waits() {
    let (kz, kg) = pair().await;
    kz.add(&bundle(&[indicator(1, "")]), GREEN).await;
    kz.add(
        &bundle(&[indicator(2, "")]),
        "TLP:GREEN//REL KZ,KG//EXERCISE",
    )
    .await;
    let of = |number| Selection {
        ids: vec![indicator_id(number)],
        ..Selection::default()
    };
    for (channel, number, needle) in [
        ("steppe/drill", 1, "exercise"),
        ("steppe/alerts", 2, "exercise"),
    ] {
        let report = ask(&kz, channel, of(number), false).await;
        assert_eq!(
            (report.released, report.refused, report.size),
            (0, 1, 0),
            "{channel}"
        );
        assert!(
            report.results[0].why.join("; ").contains(needle),
            "{report:?}"
        );
    }
    // A channel that hides sources lets nothing leave before its window ends.
    let hidden = ask(&kz, "steppe/hidden", of(1), false).await;
    assert_eq!((hidden.queued, hidden.released, hidden.size), (1, 0, 0));
    ask(&kz, "steppe/drill", of(2), false).await;
    ask(&kz, "steppe/alerts", of(1), false).await;
    kg.until_shown("steppe/drill", &[&indicator_id(2)]).await;
    kg.until_shown("steppe/alerts", &[&indicator_id(1)]).await;
    let drill: ObjectsPage = kg.get("/objects?collection=steppe%2Fdrill").await;
    assert!(drill.objects[0].label.contains("EXERCISE"), "{drill:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_is_not_in_force_says_what_is_missing() {
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let draft = world::accord(
        &[&kz.member, &kg.member],
        vec![channel("alerts", &["KZ", "KG"])],
    );
    let whole = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    let kz = kz.start(Some(&draft.to_string())).await;
    let ask = r#"{"channel":"steppe/alerts","selection":{"all":true}}"#;
    let (status, _, body) = kz.ask(hyper::Method::POST, "/release", ask).await;
    let problem: node::admin::types::Problem = serde_json::from_slice(&body).expect("problem");
    assert_eq!(status.as_u16(), 409);
    assert!(problem.detail.contains("ratified by KZ;"), "{problem:?}");
    let (status, _, _) = kz.ask(hyper::Method::POST, "/accords", whole).await;
    assert!(status.is_success());
    let (status, _, _) = kz.ask(hyper::Method::POST, "/release", ask).await;
    assert!(status.is_success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_withdrawn_returns_only_when_it_is_named() {
    let (kz, _kg) = pair().await;
    kz.add(&bundle(&[indicator(1, ""), indicator(2, "")]), GREEN)
        .await;
    let all = || Selection {
        all: true,
        ..Selection::default()
    };
    let channel = "steppe/alerts";
    assert_eq!(ask(&kz, channel, all(), false).await.released, 2);
    let withdraw = WithdrawRequest {
        channel: channel.into(),
        ids: vec![indicator_id(1)],
        reason: "a false positive".into(),
        who: "aida".into(),
    };
    let report: WithdrawReport = kz.post("/withdraw", &withdraw).await;
    assert_eq!(report.withdrawn, 1);

    let newer = indicator(1, "").replace("\"modified\":\"2026-01-01", "\"modified\":\"2026-02-01");
    kz.add(&bundle(&[newer]), GREEN).await;
    let report = ask(&kz, channel, all(), false).await;
    assert_eq!((report.released, report.waiting, report.already), (0, 1, 1));
    let waiting = &report.results[report
        .results
        .iter()
        .position(|result| result.outcome == ReleaseOutcome::Waiting)
        .expect("one waits")];
    assert!(waiting.why[0].contains("withdrawn"), "{:?}", waiting.why);

    let named = Selection {
        ids: vec![indicator_id(1)],
        ..Selection::default()
    };
    assert_eq!(ask(&kz, channel, named, false).await.released, 1);
    // Named once, it is like any other again.
    assert_eq!(ask(&kz, channel, all(), false).await.already, 2);
}
