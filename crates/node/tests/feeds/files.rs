//! Files, folders and tables; what feeds may not do to what is held.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use hyper::{Method, StatusCode};
use model::{Label, Tlp};
use node::admin::types::{AuditPage, FeedInfo};
use serde_json::json;
use store::Collection;

use super::outside::{Outside, of_kind, status};
use super::world::{Running, bundle, channel, indicator, indicator_id, prepare, ratified};
use super::{add, assert_failing, assert_healthy, national, node, quarantine, refused, run};

/// A time long ago, each later than the one before.
fn long_ago() -> SystemTime {
    static LAST: AtomicU64 = AtomicU64::new(1_700_000_000);
    SystemTime::UNIX_EPOCH + Duration::from_secs(LAST.fetch_add(1, Ordering::Relaxed))
}

/// Writes a file that has not changed for a while.
pub(crate) fn put(path: &Path, content: &[u8]) {
    fs::write(path, content).expect("written");
    File::options()
        .write(true)
        .open(path)
        .and_then(|file| file.set_modified(long_ago()))
        .expect("its time is set");
}

fn version(number: u32, day: u32) -> String {
    indicator(number, "").replace(
        "\"modified\":\"2026-01-01",
        &format!("\"modified\":\"2026-01-{day:02}"),
    )
}

async fn label(at: &Running, id: &str) -> Label {
    let id = model::Id::parse(id).expect("an id");
    let read = at.node.read(move |store| {
        let record = store
            .latest(&Collection::National, &id)?
            .expect("it is held");
        store.label(&record)
    });
    Label::clone(&*read.await.expect("its label"))
}

#[tokio::test]
async fn a_folder_is_read_again_where_it_changes() {
    let (at, folder) = (node().await, tempfile::tempdir().unwrap());
    let file = |name: &str| folder.path().join(name);
    put(&file("a.json"), bundle(&[indicator(1, "")]).as_bytes());
    let packed = zstd::encode_all(bundle(&[indicator(2, "")]).as_bytes(), 3).unwrap();
    put(&file("b.json.zst"), &packed);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gz, bundle(&[indicator(3, "")]).as_bytes()).unwrap();
    put(&file("c.json.gz"), &gz.finish().unwrap());
    put(&file("notes.txt"), b"not for us");
    put(&file(".d.json"), b"{");
    let source = json!({"kind": "file", "path": folder.path()});
    add(&at, "folder", source).await;
    let info = run(&at, "folder").await;
    assert_healthy(&info);
    assert_eq!((info.accepted, info.known), (3, 0));
    // Nothing changed: nothing is read. One changed, one is only touched.
    put(
        &file("a.json"),
        bundle(&[indicator(1, ""), indicator(4, "")]).as_bytes(),
    );
    File::open(file("b.json.zst"))
        .unwrap()
        .set_modified(long_ago())
        .unwrap();
    let info = run(&at, "folder").await;
    assert_eq!((info.accepted, info.known), (4, 1));
    // One is half written: it fails the run, and the others are read all the same.
    put(
        &file("e.json"),
        &bundle(&[indicator(5, "")]).as_bytes()[..100],
    );
    put(&file("f.json"), bundle(&[indicator(6, "")]).as_bytes());
    let info = run(&at, "folder").await;
    assert_failing(
        &info,
        "1 of 5 files cannot be read; e.json: it is no STIX document",
    );
    assert_eq!(info.accepted, 5);
    let info = run(&at, "folder").await;
    assert_eq!((info.failures, info.refused), (2, 1), "quarantined once");
    assert_eq!(quarantine(&at, "folder").await.refusals[0].place, "e.json");
    put(&file("e.json"), bundle(&[indicator(5, "")]).as_bytes());
    let at = at.restart().await;
    let info = run(&at, "folder").await;
    assert_healthy(&info);
    assert_eq!(
        (info.accepted, info.known),
        (6, 1),
        "what was read is remembered"
    );
    assert_eq!(national(&at).await.len(), 6);
    // One that is being written just now is left for a moment.
    fs::write(file("g.json"), "{").unwrap();
    let info = run(&at, "folder").await;
    assert_healthy(&info);
    assert_eq!(info.refused, 1);
    drop(folder);
    assert_failing(&run(&at, "folder").await, "cannot be read");
}

#[tokio::test]
async fn the_nodes_own_folder_is_no_feed() {
    let at = node().await;
    let data = at.node.config().data.clone();
    let link = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(&data, link.path().join("x")).unwrap();
    for path in [
        data.clone(),
        data.join("keys"),
        data.parent().unwrap().into(),
        link.path().join("x/keys"),
        "relative".into(),
    ] {
        let spec = json!({"name": "own", "source": {"kind": "file", "path": path}});
        refused(&at, Method::POST, "/feeds", spec).await;
    }
}

#[tokio::test]
async fn a_feeds_label_is_the_least_and_what_objects_say_makes_it_stricter() {
    let (at, folder) = (node().await, tempfile::tempdir().unwrap());
    let marked = |number, marking: &str| {
        indicator(
            number,
            &format!(",\"object_marking_refs\":[\"marking-definition--{marking}\"]"),
        )
    };
    let (clear, red) = (
        "94868c89-83c2-464b-929b-a1a8aa3c8487",
        "e828b379-4e03-4974-9ac4-e53a884c97c1",
    );
    let objects = [indicator(1, ""), marked(2, clear), marked(3, red)];
    put(&folder.path().join("a.json"), bundle(&objects).as_bytes());
    let spec = json!({
        "name": "amber", "source": {"kind": "file", "path": folder.path()},
        "label": "TLP:AMBER//REL KG//CAVEAT X", "who": "aida",
    });
    let info: FeedInfo = at.post("/feeds", &spec).await;
    assert_eq!(
        info.spec.label.as_deref(),
        Some("TLP:AMBER//REL KG//CAVEAT X")
    );
    run(&at, "amber").await;
    // After a rebuild of the index as well.
    for at in [at.restart_after(|_| ()).await] {
        for (number, tlp) in [(1, Tlp::Amber), (2, Tlp::Amber), (3, Tlp::Red)] {
            let label = label(&at, &indicator_id(number)).await;
            assert_eq!(label.tlp, tlp, "{number}");
            let text = label.to_string();
            assert!(
                text.contains("REL KG,KZ") && text.contains("CAVEAT X"),
                "{text}"
            );
        }
        let audit: AuditPage = at.get("/audit?limit=50").await;
        let added = audit.records.iter().map(|line| &line.record);
        let added: Vec<_> = added.filter(|record| record.what == "add").collect();
        assert_eq!(added.len(), 1);
        assert_eq!(added[0].who, "feed amber");
        assert_eq!(added[0].objects.len(), 3, "each object's feed can be found");
        let decided = audit
            .records
            .iter()
            .map(|line| &line.record)
            .find(|record| record.what == "feed");
        assert_eq!(decided.unwrap().who, "operator (says aida)");
    }
}

#[tokio::test]
async fn a_feed_overwrites_nothing() {
    let (at, folder) = (node().await, tempfile::tempdir().unwrap());
    at.add(&bundle(&[indicator(1, "")]), "TLP:GREEN").await;
    let other = indicator(1, "").replace("phishing host", "harmless host");
    put(&folder.path().join("a.json"), bundle(&[other]).as_bytes());
    add(&at, "bad", json!({"kind": "file", "path": folder.path()})).await;
    let info = run(&at, "bad").await;
    assert_eq!((info.accepted, info.refused), (0, 1));
    let held = quarantine(&at, "bad").await;
    assert!(
        held.refusals[0].reason.contains("other content is held"),
        "{held:?}"
    );
    assert_eq!(at.shown(&Collection::National).await.len(), 1);
    let status = at.status().await;
    assert!(
        status.alarms.iter().all(|alarm| alarm.kind != "conflict"),
        "kept nowhere else"
    );
}

#[tokio::test]
async fn what_was_withdrawn_is_not_brought_back() {
    let (kz, kg) = (
        prepare("KZ", "[feeds]\nlocal = true\n").await,
        prepare("KG", "").await,
    );
    let note = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    let (kz, kg) = (kz.start(Some(&note)).await, kg.start(Some(&note)).await);
    let label = "TLP:GREEN//REL KZ,KG";
    // One that a partner withdraws, one that we do.
    kg.add(&bundle(&[indicator(1, "")]), label).await;
    kg.release("steppe/alerts", &[&indicator_id(1)]).await;
    kz.add(&bundle(&[indicator(2, "")]), label).await;
    kz.release("steppe/alerts", &[&indicator_id(2)]).await;
    kz.until_shown("steppe/alerts", &[&indicator_id(1), &indicator_id(2)])
        .await;
    let withdraw = |number| json!({"channel": "steppe/alerts", "ids": [indicator_id(number)], "reason": "wrong"});
    let _: serde_json::Value = kg.post("/withdraw", &withdraw(1)).await;
    let _: serde_json::Value = kz.post("/withdraw", &withdraw(2)).await;
    kz.until_shown("steppe/alerts", &[]).await;

    let folder = tempfile::tempdir().unwrap();
    let objects = [
        indicator(1, ""),
        version(1, 2),
        indicator(2, ""),
        version(2, 2),
        indicator(3, ""),
    ];
    put(&folder.path().join("a.json"), bundle(&objects).as_bytes());
    add(&kz, "again", json!({"kind": "file", "path": folder.path()})).await;
    let info = run(&kz, "again").await;
    // The nation's own copy of the second is known; every other version of both is refused.
    assert_eq!(
        (info.accepted, info.known, info.refused),
        (1, 1, 3),
        "{info:?}"
    );
    let mut held = national(&kz).await;
    held.sort();
    assert_eq!(held, [indicator_id(2), indicator_id(3)]);
    for refusal in quarantine(&kz, "again").await.refusals {
        assert!(
            refusal
                .reason
                .contains("withdrew this object in steppe/alerts"),
            "{refusal:?}"
        );
    }
}

#[tokio::test]
async fn what_the_nation_removed_is_not_brought_back() {
    let (at, folder) = (node().await, tempfile::tempdir().unwrap());
    at.add(
        &bundle(&[indicator(1, ""), indicator(2, ""), version(2, 2)]),
        "TLP:GREEN",
    )
    .await;
    let records = at.shown(&Collection::National).await;
    let first = |number: u32| {
        let record = records
            .iter()
            .find(|record| record.id.as_str() == indicator_id(number))
            .expect("held");
        (record.id.clone(), record.hash)
    };
    let remove = store::Command::Remove {
        objects: vec![first(1), first(2)],
    };
    at.node.execute(remove).await.expect("removed");
    // Of the first nothing is left; of the second a version, so that newer ones may come.
    let objects = [
        indicator(1, ""),
        version(1, 2),
        indicator(2, ""),
        version(2, 3),
    ];
    put(&folder.path().join("a.json"), bundle(&objects).as_bytes());
    add(&at, "back", json!({"kind": "file", "path": folder.path()})).await;
    let info = run(&at, "back").await;
    assert_eq!((info.accepted, info.refused), (1, 3), "{info:?}");
    let held = quarantine(&at, "back").await;
    assert!(
        held.refusals
            .iter()
            .all(|one| one.reason.contains("the nation removed")),
        "{held:?}"
    );
    assert_eq!(national(&at).await, [indicator_id(2), indicator_id(2)]);
}

#[tokio::test]
async fn a_strict_intake_is_strict_with_feeds() {
    let text = prepare("KZ", "").await;
    let config = text.folder().path().join("data/kurultai.toml");
    let held = fs::read_to_string(&config).unwrap();
    let held = held.replace("[intake]\n", "[intake]\nvalidation = \"strict\"\n");
    assert!(held.contains("strict"), "{held}");
    fs::write(&config, held).unwrap();
    let (at, folder) = (text.start(None).await, tempfile::tempdir().unwrap());
    let wrong = indicator(1, "").replace("\"pattern_type\":\"stix\",", "");
    let objects = [wrong, indicator(2, "")];
    put(&folder.path().join("a.json"), bundle(&objects).as_bytes());
    add(&at, "some", json!({"kind": "file", "path": folder.path()})).await;
    let info = run(&at, "some").await;
    assert_eq!((info.accepted, info.refused), (1, 1), "{info:?}");
    let reason = &quarantine(&at, "some").await.refusals[0].reason;
    assert!(reason.contains("pattern_type"), "{reason}");
}

const MAPPING: &str =
    "comment = \"#\"\nvalue = \"url\"\ntype = \"url\"\nconfidence = 75\nlabels = [\"malware\"]\n";

#[tokio::test]
async fn a_table_behind_a_url_is_read_when_it_changes() {
    let table = std::sync::Arc::new(Mutex::new(
        "# list\nurl\nhttp://a.example/\nhttp://b.example/it's\nnothing\n".to_owned(),
    ));
    let served = std::sync::Arc::clone(&table);
    let outside = Outside::serve(move |got| {
        let table = served.lock().unwrap().clone();
        let etag = format!("\"{}\"", table.len());
        if got
            .headers
            .get("if-none-match")
            .is_some_and(|held| held == etag.as_str())
        {
            return status(StatusCode::NOT_MODIFIED);
        }
        let mut response = of_kind("text/csv", table);
        response.headers_mut().insert("etag", etag.parse().unwrap());
        response
    })
    .await;
    let at = node().await;
    let source =
        json!({"kind": "csv", "url": format!("{}/list.csv", outside.base), "mapping": MAPPING});
    add(&at, "urls", source).await;
    let info = run(&at, "urls").await;
    assert_healthy(&info);
    assert_eq!(national(&at).await.len(), 2);
    assert_eq!(
        (info.accepted, info.refused),
        (3, 1),
        "with the feed's own identity"
    );
    assert!(
        quarantine(&at, "urls").await.refusals[0]
            .place
            .contains("row 3")
    );
    // Not changed; then one more row, and those before are known.
    let info = run(&at, "urls").await;
    assert_eq!((info.accepted, info.refused), (3, 1));
    table.lock().unwrap().push_str("http://c.example/\n");
    let info = run(&at, "urls").await;
    assert_healthy(&info);
    assert_eq!((info.accepted, national(&at).await.len()), (4, 3));
    assert_eq!(
        at.shown(&Collection::National).await.len(),
        4,
        "no second version of any"
    );
    // A page for people instead of the table.
    *table.lock().unwrap() = "url\n".into();
    run(&at, "urls").await;
    assert_eq!(
        national(&at).await.len(),
        3,
        "what is no longer listed stays"
    );
}

#[tokio::test]
async fn a_document_behind_a_url_is_no_page_for_people() {
    let outside = Outside::serve(|got| match got.path.as_str() {
        "/good" => of_kind("text/plain", bundle(&[indicator(1, "")])),
        "/cut" => of_kind(
            "application/json",
            bundle(&[indicator(2, "")])[..200].to_owned(),
        ),
        "/empty" => of_kind("application/json", ""),
        _ => of_kind("text/html", "<h1>Sign in</h1>"),
    })
    .await;
    let at = node().await;
    for (name, why) in [
        ("good", ""),
        ("cut", "no STIX document"),
        ("empty", "it is empty"),
        ("html", "a page for people"),
    ] {
        let url = format!("{}/{name}", outside.base);
        add(&at, name, json!({"kind": "http-json", "url": url})).await;
        let info = run(&at, name).await;
        match why {
            "" => assert_healthy(&info),
            why => assert_failing(&info, why),
        }
    }
    assert_eq!(national(&at).await, [indicator_id(1)]);
}

#[tokio::test]
async fn what_cannot_be_is_refused_when_it_is_added() {
    let at = node().await;
    let file = json!({"kind": "file", "path": "/nowhere/at/all"});
    for (spec, why) in [
        (json!({"name": "Up", "source": file}), "a feed's name"),
        (json!({"name": "", "source": file}), "a feed's name"),
        (
            json!({"name": "a", "source": file, "every_secs": 1}),
            "the interval",
        ),
        (
            json!({"name": "a", "source": file, "label": "SECRET"}),
            "is not a label",
        ),
        (
            json!({"name": "a", "source": {"kind": "http-json", "url": "nonsense"}}),
            "no URL",
        ),
        (
            json!({"name": "a", "source": {"kind": "http-json", "url": "https://u:p@x.example/"}}),
            "credentials in it",
        ),
        (
            json!({"name": "a", "source": {"kind": "csv", "mapping": MAPPING}}),
            "give one of them",
        ),
        (
            json!({"name": "a", "source": {"kind": "csv", "path": "/x.csv", "mapping": "value = 1"}}),
            "type",
        ),
        (
            json!({"name": "a", "source": {"kind": "carrier-pigeon"}}),
            "unknown variant",
        ),
    ] {
        let said = refused(&at, Method::POST, "/feeds", spec).await;
        assert!(said.contains(why), "{said:?} has no {why:?}");
    }
    add(&at, "a", file.clone()).await;
    let said = refused(
        &at,
        Method::POST,
        "/feeds",
        json!({"name": "a", "source": file}),
    )
    .await;
    assert!(said.contains("already"), "{said}");
    refused(&at, Method::POST, "/feeds/b/run", json!({})).await;
    assert_failing(&run(&at, "a").await, "cannot be read");
    let paused: FeedInfo = at.post("/feeds/a/pause", &json!({})).await;
    assert!(paused.next_run.is_none());
    let said = refused(&at, Method::POST, "/feeds/a/run", json!({})).await;
    assert!(said.contains("is paused"), "{said}");
}
