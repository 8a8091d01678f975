//! Channels that hide sources (I7), over whole nodes: what leaves at the end of a window, that it
//! says nothing of who made it, and that a delegate publishes for others as its own.

extern crate kurultai_node as node;

mod giving_way;
#[path = "../world/mod.rs"]
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use node::admin::types::{
    AuditPage, PolicyFiles, PolicyInfo, ReleaseReport, WithdrawReport, WithdrawRequest,
};
use policy::{
    Accord, Attribution, Channel, Delegate, Hide, Manifest, PolicySet, SignedAccord, SignedPolicy,
};
use store::{Collection, Record};
use world::{
    Prepared, Running, accord, bundle, channel, collection, indicator_id, prepare, ratified_text,
};

const HOUR: i64 = 3_600_000_000;
const QUIET: &str = "steppe/quiet";
const GREEN: &str = "TLP:GREEN//REL KG,KZ//LEGAL only-this-desk";

fn quiet() -> Channel {
    Channel {
        attribution: Attribution::Member,
        hide: Some(Hide {
            round_minutes: 60,
            window_minutes: 60,
            pad_bytes: 1_024,
        }),
        ..channel("quiet", &["KZ", "KG"])
    }
}

fn agreed(nodes: &[&Prepared], channels: Vec<Channel>) -> String {
    let members: Vec<_> = nodes.iter().map(|node| &node.member).collect();
    let mut obligations = accord(&members, vec![channel("x", &["KZ", "KG"])])
        .accord()
        .obligations
        .clone();
    obligations.non_attribution = true;
    let text = Accord {
        channels,
        obligations,
        ..accord(&members, vec![channel("x", &["KZ", "KG"])])
            .accord()
            .clone()
    };
    ratified_text(nodes, text)
}

fn desk(number: u32) -> String {
    format!(
        r#"{{"type":"identity","spec_version":"2.1","id":"identity--00000000-0000-4000-8000-{number:012}","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","name":"desk {number}","identity_class":"organization"}}"#
    )
}

/// An indicator of a desk, made at an odd second.
fn of_desk(number: u32, desk: u32, minute: u32) -> String {
    format!(
        r#"{{"type":"indicator","spec_version":"2.1","id":"{}","created":"2026-01-01T03:17:{:02}.123Z","modified":"2026-01-01T03:{minute:02}:44.321Z","created_by_ref":"identity--00000000-0000-4000-8000-{desk:012}","name":"host {number}","pattern":"[domain-name:value = 'mail-{number}.example']","pattern_type":"stix","valid_from":"2026-01-01T03:17:09Z","external_references":[{{"source_name":"desk {desk} case","external_id":"case-{number}"}}]}}"#,
        indicator_id(number),
        number % 60,
    )
}

async fn bodies(node: &Running, records: Vec<Record>) -> Vec<String> {
    let bodies = node.node.read(move |store| store.bodies(&records)).await;
    let text = |body: bytes::Bytes| String::from_utf8_lossy(&body).into_owned();
    bodies.expect("reads").into_iter().map(text).collect()
}

/// Goes an hour on and lets what waits leave.
async fn next_window(ahead: &AtomicI64, nodes: &[&Running]) {
    ahead.fetch_add(HOUR, Ordering::Relaxed);
    for node in nodes {
        node.node.run_automation().await.expect("it runs");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_leaves_says_nothing_of_its_source() {
    let ahead = Arc::new(AtomicI64::new(0));
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let accord = agreed(&[&kz, &kg], vec![quiet()]);
    let kz = kz.start_at(Some(&accord), Arc::clone(&ahead)).await;
    let kg = kg.start_at(Some(&accord), Arc::clone(&ahead)).await;
    let mut objects = vec![desk(101), desk(102)];
    objects.extend((1..=20).map(|number| of_desk(number, 101 + number % 2, 30)));
    kz.add(&bundle(&objects), GREEN).await;
    let ids: Vec<String> = (1..=20).map(indicator_id).collect();
    let named: Vec<&str> = ids.iter().map(String::as_str).collect();
    let report: ReleaseReport = kz.release(QUIET, &named).await;
    assert_eq!((report.queued, report.released), (20, 0), "{report:?}");
    kz.node.run_automation().await.expect("it runs");
    assert!(
        kz.shown(&collection(QUIET)).await.is_empty(),
        "not before the window ends"
    );
    let again = kz.release(QUIET, &named).await;
    assert_eq!((again.already, again.queued), (20, 0), "{again:?}");

    // What waits to leave cannot be removed meanwhile.
    let waiting = kz.shown(&Collection::National).await;
    let mut waiting = waiting.into_iter();
    let one = waiting.find(|record| record.id.to_string() == indicator_id(1));
    let refusal = kz.node.remove(vec![one.expect("held")], "anna").await;
    assert!(
        matches!(&refusal, Err(node::taxii::NotRemoved::Kept(why)) if why.channel == QUIET),
        "{refusal:?}"
    );

    // One of them is taken back in time and never leaves.
    let back: WithdrawReport = kz
        .post(
            "/withdraw",
            &WithdrawRequest {
                channel: QUIET.into(),
                ids: vec![indicator_id(20)],
                reason: "a mistake".into(),
                who: String::new(),
            },
        )
        .await;
    assert_eq!((back.unqueued, back.withdrawn), (1, 0), "{back:?}");

    next_window(&ahead, &[&kz]).await;
    let shown = kz.shown(&collection(QUIET)).await;
    assert_eq!(shown.len(), 19);
    kg.until(async || kg.shown(&collection(QUIET)).await.len() == 19)
        .await;
    let member = model::member_identity_id("kz.example").to_string();
    let received = kg.shown(&collection(QUIET)).await;
    let order: Vec<String> = received
        .iter()
        .map(|record| record.id.to_string())
        .collect();
    for record in &received {
        assert!(!ids.contains(&record.id.to_string()), "ids are derived");
        assert_eq!(
            &*record.assigned, "TLP:GREEN//REL KG,KZ",
            "no basis names a desk"
        );
    }
    let mut lengths = Vec::new();
    for body in bodies(&kg, received).await {
        for trace in [
            "desk",
            "case-",
            "identity--00000000",
            ":17:",
            ":44",
            ".123",
            ".321",
        ] {
            assert!(!body.contains(trace), "{trace} in {body}");
        }
        assert!(body.contains(&member), "{body}");
        lengths.push(body.len() / 1_024);
    }
    lengths.dedup();
    assert_eq!(lengths.len(), 1, "all of one size");
    // The order is not that of making: 19 things in order by chance are one in 10^17.
    let mut by_making = Vec::new();
    for body in bodies(&kz, shown).await {
        let name = body
            .split("mail-")
            .nth(1)
            .and_then(|rest| rest.split('.').next());
        by_making.push(name.expect("a name").parse::<u32>().expect("a number"));
    }
    assert!(!by_making.is_sorted(), "{order:?}");
    let times = kz
        .node
        .read(move |store| {
            let log = store::LogName::new("steppe", "quiet", "KZ");
            let path = log::tile::TilePath::at(log::tile::Kind::Entries, 0, 19).expect("a path");
            Ok(store.tile(&log, &path)?.expect("entries"))
        })
        .await
        .expect("reads");
    let entries = log::entries::decode(&times, 19).expect("entries");
    for entry in entries {
        let entry = log::Entry::decode(entry).expect("an entry");
        assert!(
            entry.time.ends_with(":00:00Z") || entry.time.ends_with(":00:00.000Z"),
            "{}",
            entry.time
        );
    }

    // A revision keeps the id; a withdrawal by the original's id takes it all back.
    kz.add(&bundle(&[of_desk(1, 102, 59)]), GREEN).await;
    let report = kz.release(QUIET, &[&indicator_id(1)]).await;
    assert_eq!(report.queued, 1, "{report:?}");
    let kz = {
        // Nothing that waits is lost by a stop; the new process has the system's clock, so the
        // window has not ended for it.
        let kz = kz.restart().await;
        assert_eq!(kz.shown(&collection(QUIET)).await.len(), 19);
        kz
    };
    let waiting = kz
        .node
        .read(|store| store.scan("queue/"))
        .await
        .expect("reads");
    assert_eq!(waiting.len(), 1);
    let back: WithdrawReport = kz
        .post(
            "/withdraw",
            &WithdrawRequest {
                channel: QUIET.into(),
                ids: vec![indicator_id(1), indicator_id(2)],
                reason: "the source asked".into(),
                who: String::new(),
            },
        )
        .await;
    assert_eq!((back.withdrawn, back.unqueued), (2, 1), "{back:?}");
    assert!(back.unknown.is_empty());
    assert_eq!(kz.shown(&collection(QUIET)).await.len(), 17);
    assert_eq!(
        kz.shown(&Collection::National).await.len(),
        23,
        "originals stay"
    );
}

/// KG gives to an inbox what KZ publishes for it in the quiet channel; and by how much their clocks
/// run ahead.
async fn delegating() -> (Running, Running, Arc<AtomicI64>) {
    let ahead = Arc::new(AtomicI64::new(0));
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let inbox = Channel {
        delegate: Some(Delegate {
            member: "KZ".into(),
            into: "quiet".into(),
        }),
        ..channel("inbox", &["KZ", "KG"])
    };
    let accord = agreed(&[&kz, &kg], vec![quiet(), inbox]);
    let kz = kz.start_at(Some(&accord), Arc::clone(&ahead)).await;
    let kg = kg.start_at(Some(&accord), Arc::clone(&ahead)).await;
    (kz, kg, ahead)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delegate_publishes_for_others_as_its_own() {
    let (kz, kg, ahead) = delegating().await;
    kg.add(&bundle(&[desk(101), of_desk(1, 101, 30)]), GREEN)
        .await;
    kz.add(&bundle(&[desk(102), of_desk(2, 102, 31)]), GREEN)
        .await;
    let report = kg.release("steppe/inbox", &[&indicator_id(1)]).await;
    assert!(report.released >= 1, "{report:?}");
    let author = "identity--00000000-0000-4000-8000-000000000101";
    kz.until_shown("steppe/inbox", &[author, &indicator_id(1)])
        .await;
    let report = kz.release(QUIET, &[&indicator_id(2)]).await;
    assert_eq!(report.queued, 1, "{report:?}");
    kz.node.run_automation().await.expect("it runs");
    next_window(&ahead, &[&kz]).await;
    kg.until(async || kg.shown(&collection(QUIET)).await.len() == 2)
        .await;
    let shown = kg.shown(&collection(QUIET)).await;
    assert!(
        shown
            .iter()
            .all(|record| record.log.as_ref().is_some_and(|log| log.origin == "KZ"))
    );
    let texts = bodies(&kg, shown).await;
    let general = |text: &str| {
        let number = if text.contains("mail-1.") { "1" } else { "2" };
        let text = text.replace(&format!("mail-{number}."), "mail-N.");
        let text = text.replace(&format!("host {number}"), "host N");
        let start = text.find("\"id\":\"indicator--").expect("an id") + 17;
        format!("{}{}", &text[..start], &text[start + 36..])
    };
    let mut general: Vec<String> = texts.iter().map(|text| general(text)).collect();
    general.dedup();
    assert_eq!(
        general.len(),
        1,
        "one cannot be told from the other: {general:#?}"
    );

    // What its owner takes back, the delegate takes back.
    let _: WithdrawReport = kg
        .post(
            "/withdraw",
            &WithdrawRequest {
                channel: "steppe/inbox".into(),
                ids: vec![indicator_id(1)],
                reason: "ours again".into(),
                who: String::new(),
            },
        )
        .await;
    let gone = collection("steppe/inbox");
    kz.until(async || {
        let shown = kz.shown(&gone).await;
        !shown
            .iter()
            .any(|record| record.id.to_string() == indicator_id(1))
    })
    .await;
    kz.node.run_automation().await.expect("it runs");
    assert_eq!(kz.shown(&collection(QUIET)).await.len(), 1);
}

const AMBER: &str = "TLP:AMBER//REL KG,KZ//LEGAL only-this-desk";

/// Indicators above TLP:GREEN leave without names, so another label is another form.
async fn hide_names(kz: &Running) {
    let rule = "@id(\"nameless-above-green\")\n@explain(\"no names above green\")\n\
        @redact(\"nameless\")\n\
        permit (principal is Person, action == Action::\"release\", resource)\n\
        when { resource.level > 1 && principal.duties.contains(Duty::\"releaser\") };\n";
    let redact = "[profile.nameless]\nabout = \"no names\"\n\
        [[profile.nameless.rule]]\ndo = \"drop\"\nat = [\"/name\"]\n";
    activate(kz, rule, redact).await;
}

/// The shipped rules with one more, and with redaction profiles.
async fn activate(kz: &Running, rule: &str, redact: &str) {
    let given: PolicyFiles = kz.get("/policy/files").await;
    let mut files = given.files;
    files.retain(|path, _| !path.starts_with("cases/"));
    files.insert("one-more.cedar".into(), rule.into());
    files.insert("redact.toml".into(), redact.into());
    let bytes = files.iter();
    let bytes = bytes.map(|(path, text)| (path.clone(), text.clone().into_bytes()));
    let set = PolicySet::read(bytes.collect()).expect("a set");
    let before = given.manifest.split_once("\n\n");
    let before = before.map(|(text, _)| Manifest::parse(&format!("{text}\n")).expect("a manifest"));
    let key = kz.node.keys().policy().expect("made at init");
    let signed = SignedPolicy::sign(set, before.as_ref(), key).expect("signed");
    let given = PolicyFiles {
        manifest: signed.note(),
        files,
        who: String::new(),
    };
    let _: PolicyInfo = kz.post("/policy/activate", &given).await;
}

async fn waiting(kz: &Running) -> Vec<(String, String)> {
    let held = kz.node.read(|store| store.scan("queue/")).await;
    let held = held.expect("reads").into_iter();
    held.map(|(key, value)| (key, String::from_utf8_lossy(&value).into_owned()))
        .collect()
}

async fn withdraw(kz: &Running, number: u32) -> WithdrawReport {
    let request = WithdrawRequest {
        channel: QUIET.into(),
        ids: vec![indicator_id(number)],
        reason: "the source asked".into(),
        who: String::new(),
    };
    kz.post("/withdraw", &request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_takes_the_place_of_another_within_the_window() {
    let ahead = Arc::new(AtomicI64::new(0));
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let accord = agreed(&[&kz, &kg], vec![quiet()]);
    drop(kg);
    let kz = kz.start_at(Some(&accord), Arc::clone(&ahead)).await;
    hide_names(&kz).await;
    kz.add(&bundle(&[desk(101)]), GREEN).await;
    let held = async || kz.shown(&collection(QUIET)).await;

    // One that waits gives way to the form of the next version, and that is taken back.
    kz.add(&bundle(&[of_desk(1, 101, 30)]), GREEN).await;
    assert_eq!(kz.release(QUIET, &[&indicator_id(1)]).await.queued, 1);
    let first = waiting(&kz).await;
    kz.add(&bundle(&[of_desk(1, 101, 31)]), AMBER).await;
    let report = kz.release(QUIET, &[&indicator_id(1)]).await;
    assert_eq!(report.queued, 1, "{report:?}");
    let second = waiting(&kz).await;
    assert_eq!(second.len(), 1, "{second:?}");
    assert_ne!(first, second);
    let back = withdraw(&kz, 1).await;
    assert_eq!((back.unqueued, back.withdrawn), (1, 0), "{back:?}");
    next_window(&ahead, &[&kz]).await;
    assert!(held().await.is_empty(), "nothing of it leaves");

    // One that is shown stays until the window ends, and goes when the other one comes.
    kz.add(&bundle(&[of_desk(2, 101, 30)]), GREEN).await;
    kz.release(QUIET, &[&indicator_id(2)]).await;
    next_window(&ahead, &[&kz]).await;
    let named = held().await;
    assert_eq!(named.len(), 1);
    kz.add(&bundle(&[of_desk(2, 101, 31)]), AMBER).await;
    let report = kz.release(QUIET, &[&indicator_id(2)]).await;
    assert_eq!(report.queued, 1, "{report:?}");
    let again = kz.release(QUIET, &[&indicator_id(2)]).await;
    assert_eq!((again.already, again.queued), (0, 1), "not yet: {again:?}");
    kz.node.run_automation().await.expect("it runs");
    assert_eq!(held().await[0].hash, named[0].hash, "not before the others");
    let size = kz.held(QUIET, "KZ").await.expect("a log").size;
    next_window(&ahead, &[&kz]).await;
    let nameless = held().await;
    assert_eq!(nameless.len(), 1, "one for the other: {nameless:?}");
    assert_ne!(nameless[0].id, named[0].id);
    let after = kz.held(QUIET, "KZ").await.expect("a log").size;
    assert_eq!(after - size, 2, "both at once");
    assert!(waiting(&kz).await.is_empty());
    let again = kz.release(QUIET, &[&indicator_id(2)]).await;
    assert_eq!((again.already, again.queued), (1, 0), "{again:?}");

    // And back again, with a change of mind in between: the one that is shown stays.
    kz.add(&bundle(&[of_desk(2, 101, 32)]), GREEN).await;
    kz.release(QUIET, &[&indicator_id(2)]).await;
    kz.add(&bundle(&[of_desk(2, 101, 33)]), AMBER).await;
    kz.release(QUIET, &[&indicator_id(2)]).await;
    next_window(&ahead, &[&kz]).await;
    let now = held().await;
    assert!(
        now.iter().all(|record| record.id == nameless[0].id),
        "{now:?}"
    );
    let back = withdraw(&kz, 2).await;
    assert_eq!(back.withdrawn, now.len(), "{back:?}");
    assert!(held().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_when_the_accord_changes_does_not_leave_under_the_new_one() {
    let ahead = Arc::new(AtomicI64::new(0));
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let text = agreed(&[&kz, &kg], vec![quiet()]);
    let first = SignedAccord::parse(text.as_bytes()).expect("an accord");
    let second = ratified_text(
        &[&kz, &kg],
        Accord {
            version: 2,
            previous: Some(first.digest()),
            ..first.accord().clone()
        },
    );
    drop(kg);
    let kz = kz.start_at(Some(&text), Arc::clone(&ahead)).await;
    kz.add(&bundle(&[desk(101), of_desk(1, 101, 30)]), GREEN)
        .await;
    assert_eq!(kz.release(QUIET, &[&indicator_id(1)]).await.queued, 1);
    kz.node
        .offer_accord(second.into_bytes(), true, "test")
        .await
        .expect("the next version is installed");
    next_window(&ahead, &[&kz]).await;
    assert!(kz.shown(&collection(QUIET)).await.is_empty());
    assert!(waiting(&kz).await.is_empty());
    let audit: AuditPage = kz.get("/audit").await;
    let why = "the accord or the national policy has changed while it waited";
    assert!(
        audit
            .records
            .iter()
            .any(|line| line.record.what == "refuse" && line.record.why.contains(why)),
        "{audit:?}"
    );
    // Under the new one it may go, when somebody asks again.
    assert_eq!(kz.release(QUIET, &[&indicator_id(1)]).await.queued, 1);
    next_window(&ahead, &[&kz]).await;
    assert_eq!(kz.shown(&collection(QUIET)).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_automation_may_not_take_back_stops_nothing_else() {
    let (kz, kg, ahead) = delegating().await;
    let rule = "@id(\"kept\")\n@explain(\"what left is taken back by people only\")\n\
        forbid (principal is Automation, action == Action::\"withdraw\", resource);\n";
    activate(&kz, rule, "").await;
    kg.add(&bundle(&[desk(101), of_desk(1, 101, 30)]), GREEN)
        .await;
    kg.release("steppe/inbox", &[&indicator_id(1)]).await;
    let author = "identity--00000000-0000-4000-8000-000000000101";
    kz.until_shown("steppe/inbox", &[author, &indicator_id(1)])
        .await;
    kz.node.run_automation().await.expect("it runs");
    next_window(&ahead, &[&kz]).await;
    assert_eq!(kz.shown(&collection(QUIET)).await.len(), 1);

    // Its owner takes it back; here that is for people to do.
    let request = WithdrawRequest {
        channel: "steppe/inbox".into(),
        ids: vec![indicator_id(1)],
        reason: "ours again".into(),
        who: String::new(),
    };
    let _: WithdrawReport = kg.post("/withdraw", &request).await;
    kz.until_shown("steppe/inbox", &[author]).await;
    kz.add(&bundle(&[desk(102), of_desk(2, 102, 31)]), GREEN)
        .await;
    assert_eq!(kz.release(QUIET, &[&indicator_id(2)]).await.queued, 1);
    next_window(&ahead, &[&kz]).await;
    kz.node.run_automation().await.expect("it runs");
    let shown = kz.shown(&collection(QUIET)).await;
    assert_eq!(shown.len(), 2, "the other one has left: {shown:?}");
    let audit: AuditPage = kz.get("/audit").await;
    let refused = audit.records.iter().filter(|line| {
        let record = &line.record;
        record.what == "refuse" && record.why.contains("taken back by people only")
    });
    assert_eq!(refused.count(), 1, "said once: {audit:?}");
}
