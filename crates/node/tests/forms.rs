//! Redacted releases: what leaves is a form with an id of its own, and revisions, withdrawals and a
//! change of policy follow from the original to it. And: a partner's object stays the partner's.

extern crate kurultai_node as node;

mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::Method;
use node::admin::types::{
    AuditPage, PolicyFiles, PolicyInfo, ProposalView, ReleaseOutcome, ReleaseReport,
    ReleaseRequest, Selection, WithdrawReport, WithdrawRequest,
};
use node::taxii::NotRemoved;
use policy::{Manifest, PolicySet, SignedPolicy};
use world::disk::Disk;
use world::{Running, bundle, channel, collection, indicator, indicator_id, prepare, ratified};

const CHANNEL: &str = "steppe/alerts";
const GREEN: &str = "TLP:GREEN//REL KG,KZ";
const AMBER: &str = "TLP:AMBER//REL KG,KZ";

const REDACT: &str = r#"
[profile.nameless]
about = "no names"
[[profile.nameless.rule]]
do = "drop"
at = ["/name"]

[profile.bare]
about = "no names, no descriptions"
[[profile.bare.rule]]
do = "drop"
at = ["/name", "/description"]
"#;

/// What is TLP:GREEN leaves without more ado, and what is above it after an approval.
fn redacting(profile: &str) -> String {
    let releaser = "principal.duties.contains(Duty::\"releaser\")";
    format!(
        "@id(\"redacted-approved\")\n@explain(\"what is above TLP:GREEN needs an approval\")\n\
         @redact(\"{profile}\")\n@needs(\"1 of approver\")\n\
         permit (principal is Person, action == Action::\"release\", resource)\n\
         when {{ resource.kind == \"indicator\" && resource.level > 1 && {releaser} }};\n\
         @id(\"redacted\")\n@explain(\"indicators leave without names\")\n@redact(\"{profile}\")\n\
         permit (principal is Person, action == Action::\"release\", resource)\n\
         when {{ resource.kind == \"indicator\" && resource.level <= 1 && {releaser} }};\n"
    )
}

async fn activate(kz: &Running, profile: &str) {
    let given: PolicyFiles = kz.get("/policy/files").await;
    let mut files = given.files;
    files.retain(|path, _| !path.starts_with("cases/"));
    files.insert("redacted.cedar".into(), redacting(profile));
    files.insert("redact.toml".into(), REDACT.into());
    let bytes = files
        .iter()
        .map(|(path, text)| (path.clone(), text.clone().into_bytes()))
        .collect();
    let set = PolicySet::read(bytes).expect("a set");
    let before = given
        .manifest
        .split_once("\n\n")
        .map(|(text, _)| Manifest::parse(&format!("{text}\n")).expect("a manifest"));
    let key = kz.node.keys().policy().expect("made at init");
    let signed = SignedPolicy::sign(set, before.as_ref(), key).expect("signed");
    let given = PolicyFiles {
        manifest: signed.note(),
        files,
        who: String::new(),
    };
    let _: PolicyInfo = kz.post("/policy/activate", &given).await;
}

fn described(number: u32, minute: u32) -> String {
    indicator(number, r#","description":"seen at the border""#).replace(
        r#""modified":"2026-01-01T00:00:00.000Z""#,
        &format!(r#""modified":"2026-01-01T00:{minute:02}:00.000Z""#),
    )
}

async fn withdraw(kz: &Running, id: &str) -> WithdrawReport {
    let request = WithdrawRequest {
        channel: CHANNEL.into(),
        ids: vec![id.into()],
        reason: "the source asked".into(),
        who: String::new(),
    };
    kz.post("/withdraw", &request).await
}

async fn shown(kz: &Running) -> Vec<(String, String)> {
    let records = kz.shown(&collection(CHANNEL)).await;
    let ids: Vec<String> = records.iter().map(|record| record.id.to_string()).collect();
    let bodies = kz.node.read(move |store| store.bodies(&records)).await;
    let texts = bodies.expect("reads").into_iter();
    ids.into_iter()
        .zip(texts.map(|body| String::from_utf8_lossy(&body).into_owned()))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revisions_withdrawals_and_policies_follow_to_what_left() {
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let accord = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    drop(kg);
    let kz = kz.start(Some(&accord)).await;
    kz.add(&bundle(&[described(1, 0)]), GREEN).await;
    let original = indicator_id(1);
    // It left as it is before there was a rule; the form takes its place.
    kz.release(CHANNEL, &[&original]).await;
    assert_eq!(shown(&kz).await[0].0, original);
    activate(&kz, "nameless").await;
    let explained: ReleaseReport = kz
        .post(
            "/release",
            &ReleaseRequest {
                channel: CHANNEL.into(),
                selection: Selection {
                    ids: vec![original.clone()],
                    ..Selection::default()
                },
                who: String::new(),
                explain: true,
            },
        )
        .await;
    let result = &explained.results[0];
    assert_eq!(result.outcome, ReleaseOutcome::Released);
    let dropped = |line: &String| line.starts_with("/name");
    assert!(result.redacted.iter().any(dropped), "{result:?}");
    assert_eq!(result.outgoing.len(), 1);
    let form = result.outgoing[0].clone();
    assert_ne!(form, original);
    let report = kz.release(CHANNEL, &[&original]).await;
    assert_eq!(report.released, 1, "{report:?}");
    let now = shown(&kz).await;
    assert_eq!(now.len(), 1, "the original was taken back: {now:?}");
    assert_eq!(now[0].0, form);
    assert!(
        !now[0].1.contains("phishing") && now[0].1.contains("border"),
        "{now:?}"
    );
    let again = kz.release(CHANNEL, &[&original]).await;
    assert_eq!((again.already, again.released), (1, 0), "{again:?}");

    // A revision keeps the form's id, also after a restart.
    let kz = kz.restart().await;
    kz.add(&bundle(&[described(1, 5)]), GREEN).await;
    kz.release(CHANNEL, &[&original]).await;
    let now = shown(&kz).await;
    assert_eq!(now.len(), 2, "two versions");
    assert!(now.iter().all(|(id, _)| *id == form), "{now:?}");

    // Another profile makes another form; the one before is taken back.
    activate(&kz, "bare").await;
    kz.release(CHANNEL, &[&original]).await;
    let now = shown(&kz).await;
    assert_eq!(now.len(), 1, "{now:?}");
    assert!(now[0].0 != form && now[0].0 != original && !now[0].1.contains("border"));

    let back = withdraw(&kz, &original).await;
    assert_eq!((back.withdrawn, back.unknown.len()), (1, 0), "{back:?}");
    assert!(shown(&kz).await.is_empty());
}

/// Everything that the nation has, as nobody who names it would ask for it.
async fn release_all(kz: &Running) -> ReleaseReport {
    let request = ReleaseRequest {
        channel: CHANNEL.into(),
        selection: Selection {
            all: true,
            ..Selection::default()
        },
        who: String::new(),
        explain: false,
    };
    kz.post("/release", &request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawal_finds_the_form_that_a_failed_release_was_to_replace() {
    let full = Arc::new(AtomicBool::new(false));
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let accord = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    drop(kg);
    let switch = Arc::clone(&full);
    let wrap = move |options: store::Options| {
        options.wrap_blobs(move |inner| {
            Box::new(Disk {
                inner,
                full: Arc::clone(&switch),
                under: "logs/steppe/alerts/",
            })
        })
    };
    let kz = kz.start_with(Some(&accord), wrap).await;
    let original = indicator_id(1);
    activate(&kz, "nameless").await;
    kz.add(&bundle(&[described(1, 0)]), GREEN).await;
    kz.release(CHANNEL, &[&original]).await;
    let first = shown(&kz).await[0].0.clone();

    // Everything is prepared for the other form, and then its entry cannot be written.
    activate(&kz, "bare").await;
    full.store(true, Ordering::SeqCst);
    let request = format!(r#"{{"channel":"{CHANNEL}","selection":{{"ids":["{original}"]}}}}"#);
    let (status, _, body) = kz.ask(Method::POST, "/release", request).await;
    assert!(
        !status.is_success(),
        "{status} {}",
        String::from_utf8_lossy(&body)
    );
    full.store(false, Ordering::SeqCst);
    world::within(async { while kz.national("/readyz", None).await.0 != 200 {} }).await;
    assert_eq!(shown(&kz).await[0].0, first);

    let back = withdraw(&kz, &original).await;
    assert_eq!((back.withdrawn, back.unknown.len()), (1, 0), "{back:?}");
    assert!(shown(&kz).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_may_be_named_for_its_original() {
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let accord = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    drop(kg);
    let kz = kz.start(Some(&accord)).await;
    let original = indicator_id(1);
    activate(&kz, "nameless").await;
    kz.add(&bundle(&[described(1, 0)]), GREEN).await;
    kz.release(CHANNEL, &[&original]).await;
    let form = shown(&kz).await[0].0.clone();
    // The next version waits for an approval.
    kz.add(&bundle(&[described(1, 5)]), AMBER).await;
    let report = kz.release(CHANNEL, &[&original]).await;
    assert_eq!(report.proposed, 1, "{report:?}");

    let back = withdraw(&kz, &form).await;
    assert_eq!((back.withdrawn, back.unknown.len()), (1, 0), "{back:?}");
    assert!(shown(&kz).await.is_empty());
    let path = format!("/approvals/{}", report.proposals[0]);
    let proposal: ProposalView = kz.get(&path).await;
    assert_eq!(proposal.info.state, "void", "{proposal:?}");
    // Nothing brings it back but its name, and the form's will do.
    let bulk = release_all(&kz).await;
    assert_eq!(
        (bulk.waiting, bulk.proposed, bulk.released),
        (1, 0, 0),
        "{bulk:?}"
    );
    let named = kz.release(CHANNEL, &[&form]).await;
    assert_eq!((named.proposed, named.unknown), (1, 0), "{named:?}");
    assert_eq!(named.results[0].id, original);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_withdrawn_while_it_is_released_does_not_stay() {
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let accord = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    drop(kg);
    let kz = kz.start(Some(&accord)).await;
    let original = indicator_id(1);
    // Without one turn for both, most of these rounds leave the newer version in the channel.
    for round in 0..10 {
        kz.add(&bundle(&[described(1, 2 * round)]), GREEN).await;
        let report = kz.release(CHANNEL, &[&original]).await;
        assert_eq!(report.released, 1, "{report:?}");
        kz.add(&bundle(&[described(1, 2 * round + 1)]), GREEN).await;
        let (bulk, back) = tokio::join!(release_all(&kz), withdraw(&kz, &original));
        assert!(back.withdrawn >= 1, "{back:?}");
        let now = shown(&kz).await;
        assert!(now.is_empty(), "round {round}: {bulk:?} {back:?} {now:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_replaced_is_accounted_for_and_a_proposal_is_once() {
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let accord = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    drop(kg);
    let kz = kz.start(Some(&accord)).await;
    kz.add(&bundle(&[described(1, 0)]), GREEN).await;
    kz.add(&bundle(&[described(2, 0)]), AMBER).await;
    activate(&kz, "nameless").await;
    kz.release(CHANNEL, &[&indicator_id(1)]).await;
    let form = shown(&kz).await[0].0.clone();
    let report = kz.release(CHANNEL, &[&indicator_id(2)]).await;
    assert_eq!(report.proposed, 1, "{report:?}");
    let proposal = &report.proposals[0];
    // To ask again makes no other one.
    let again = kz.release(CHANNEL, &[&indicator_id(2)]).await;
    assert_eq!(again.proposals, report.proposals, "{again:?}");
    activate(&kz, "bare").await;
    kz.release(CHANNEL, &[&indicator_id(1)]).await;

    let audit: AuditPage = kz.get("/audit").await;
    let records: Vec<_> = audit.records.into_iter().map(|line| line.record).collect();
    let of = |what: &'static str| records.iter().filter(move |record| record.what == what);
    let back: Vec<_> = of("withdraw").collect();
    assert_eq!(back.len(), 1, "{back:?}");
    assert_eq!(back[0].objects, [form], "{back:?}");
    assert!(back[0].why.contains("another form"), "{back:?}");
    let made: Vec<_> = of("propose").collect();
    assert_eq!(made.len(), 1, "{made:?}");
    let why = &made[0].why;
    assert!(
        why.contains(proposal.as_str()) && why.contains("needs approval by 1 of approver"),
        "{why}"
    );
    assert!(
        why.contains("needs an approval"),
        "the policy's words: {why}"
    );
    assert!(made[0].rules.contains(&"redacted-approved".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn adding_a_partners_object_again_does_not_make_it_ours() {
    let (kz, kg, uz) = (
        prepare("KZ", "").await,
        prepare("KG", "").await,
        prepare("UZ", "").await,
    );
    let channels = vec![
        channel("alerts", &["KZ", "KG"]),
        channel("south", &["KZ", "UZ"]),
    ];
    let accord = ratified(&[&kz, &kg, &uz], channels);
    drop(uz);
    let (kz, kg) = (kz.start(Some(&accord)).await, kg.start(Some(&accord)).await);
    let wide = "TLP:CLEAR//REL *";
    kz.add(&bundle(&[indicator(3, "")]), wide).await;
    kg.add(
        &bundle(&[indicator(1, ""), indicator(2, ""), indicator(3, "")]),
        "TLP:AMBER//REL KG,KZ",
    )
    .await;
    let ids = [indicator_id(1), indicator_id(2), indicator_id(3)];
    let named: Vec<&str> = ids.iter().map(String::as_str).collect();
    kg.release(CHANNEL, &named).await;
    kz.until_shown(CHANNEL, &named).await;
    // One is taken back by its owner before it is added again here.
    let _ = withdraw(&kg, &ids[1]).await;
    kz.until_shown(CHANNEL, &[&ids[0], &ids[2]]).await;
    kz.add(&bundle(&[indicator(1, ""), indicator(2, "")]), wide)
        .await;
    let report = kz.release("steppe/south", &named).await;
    for result in &report.results {
        // What the nation had before any partner spoke of it is its own.
        let ours = result.id == ids[2];
        let released = result.outcome == ReleaseOutcome::Released;
        assert_eq!(released, ours, "{result:?}");
        if !ours {
            assert_eq!(result.originator.as_deref(), Some("KG"), "{result:?}");
            let label = result.label.as_deref().expect("a label");
            assert_eq!(label, "TLP:AMBER//REL KG,KZ");
            assert!(result.why.join("; ").contains("UZ"), "{result:?}");
        }
    }
    assert_eq!((report.released, report.refused), (1, 2), "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_original_that_left_in_another_form_is_kept_and_others_are_removed_on_record() {
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let accord = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    drop(kg);
    let kz = kz.start(Some(&accord)).await;
    activate(&kz, "nameless").await;
    kz.add(&bundle(&[described(1, 0), described(2, 0)]), GREEN)
        .await;
    kz.release(CHANNEL, &[&indicator_id(1)]).await;
    assert_ne!(shown(&kz).await[0].0, indicator_id(1), "it left in a form");
    let national = kz.shown(&store::Collection::National).await;
    let of = |number| {
        let mut held = national.iter();
        let found = held.find(|record| record.id.to_string() == indicator_id(number));
        vec![found.expect("held").clone()]
    };
    for (records, kept) in [(of(1), true), (of(2), false)] {
        let id = records[0].id.to_string();
        match kz.node.remove(records, "anna").await {
            Err(NotRemoved::Kept(why)) if kept => assert_eq!(why.channel, CHANNEL, "{why}"),
            Ok(()) if !kept => {}
            other => panic!("{id}: {other:?}"),
        }
        let audit: AuditPage = kz.get(&format!("/audit?object={id}")).await;
        let what = if kept { "refuse" } else { "remove" };
        let by_anna = |record: &&node::admin::types::AuditRecord| record.who == "anna";
        let mut records = audit.records.iter().map(|entry| &entry.record);
        let record = records.find(by_anna).expect("a record");
        assert_eq!(
            (record.what.as_str(), record.channel.as_str()),
            (what, "national")
        );
    }
    let left = kz.shown(&store::Collection::National).await;
    assert!(
        left.iter()
            .all(|record| record.id.to_string() != indicator_id(2))
    );
    assert!(
        left.iter()
            .any(|record| record.id.to_string() == indicator_id(1))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_removed_while_it_is_released_does_not_leave() {
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let accord = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    drop(kg);
    let kz = kz.start(Some(&accord)).await;
    activate(&kz, "nameless").await;
    let mut left = 0;
    // Without a look under the turn for leaving, most of these rounds let a removed object leave.
    for round in 1..=10 {
        let id = indicator_id(round);
        kz.add(&bundle(&[described(round, 0)]), GREEN).await;
        let national = kz.shown(&store::Collection::National).await;
        let mut national = national.into_iter();
        let record = national.find(|record| record.id.to_string() == id);
        let record = vec![record.expect("held")];
        let named = [id.as_str()];
        let (removed, report) =
            tokio::join!(kz.node.remove(record, "anna"), kz.release(CHANNEL, &named));
        let gone = match removed {
            Ok(()) => true,
            Err(NotRemoved::Kept(_)) => false,
            Err(error) => panic!("{error:?}"),
        };
        left += usize::from(!gone);
        assert_eq!(
            report.unknown,
            usize::from(gone),
            "round {round}: {report:?}"
        );
        let now = shown(&kz).await;
        assert_eq!(now.len(), left, "round {round}: {report:?} {now:?}");
    }
}
