//! Redacted releases: what leaves is a form with an id of its own, and revisions, withdrawals and a
//! change of policy follow from the original to it. And: a partner's object stays the partner's.

extern crate kurultai_node as node;

mod world;

use node::admin::types::{
    AuditPage, PolicyFiles, PolicyInfo, ReleaseOutcome, ReleaseReport, ReleaseRequest, Selection,
    WithdrawReport, WithdrawRequest,
};
use node::taxii::NotRemoved;
use policy::{Manifest, PolicySet, SignedPolicy};
use world::{Running, bundle, channel, collection, indicator, indicator_id, prepare, ratified};

const CHANNEL: &str = "steppe/alerts";
const GREEN: &str = "TLP:GREEN//REL KG,KZ";

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

fn redacting(profile: &str) -> String {
    format!(
        "@id(\"redacted\")\n@explain(\"indicators leave without names\")\n@redact(\"{profile}\")\n\
         permit (principal is Person, action == Action::\"release\", resource)\n\
         when {{ resource.kind == \"indicator\" && principal.duties.contains(Duty::\"releaser\") }};\n"
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
            Err(NotRemoved::Kept(why)) if kept => assert!(why.contains(CHANNEL), "{why}"),
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
