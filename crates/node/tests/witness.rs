//! Witnessing: the call's statuses, hostile requests, and that a rewritten or shortened audit log is
//! noticed through the partners, whoever holds the keys.

extern crate kurultai_node as node;

mod world;

use std::path::Path;

use axum::body::Body;
use hyper::{Method, StatusCode};
use log::{AddCheckpoint, Checkpoint, Evidence, Hash, Note, Tree, cosign, merkle};
use node::admin::types::{AuditCheck, AuditExportPage, EvidenceInfo, Status};
use node::audit::{audit_keys, audit_origin};
use store::{Command, LogName};
use sync::FetchError;
use sync::https::Peer;
use world::{Running, accord, bundle, channel, indicator, prepare, ratified, within};

const CALL: &str = "/add-checkpoint";
const ORIGIN: &str = "kg.example/local/audit";

async fn pair() -> (Running, Running) {
    let (kz, kg) = (prepare("KZ", "").await, prepare("KG", "").await);
    let note = ratified(&[&kz, &kg], vec![channel("alerts", &["KZ", "KG"])]);
    (kz.start(Some(&note)).await, kg.start(Some(&note)).await)
}

/// Writes `count` records.
async fn account(node: &Running, count: usize, why: &str) {
    let records = (0..count)
        .map(|number| node::admin::types::AuditRecord {
            what: "add".into(),
            who: "anna".into(),
            why: format!("{why} {number}"),
            ..node.node.record()
        })
        .collect();
    node.node.audit(records).await.expect("accounted for");
}

/// Has the log witnessed, as an export does.
async fn witnessed(node: &Running) -> AuditExportPage {
    node.get("/audit/export?what=nothing").await
}

async fn verify(node: &Running) -> AuditCheck {
    node.post("/audit/verify", &()).await
}

/// A log of KG's making, of these records, signed with KG's real keys.
fn signed(kg: &Running, tree: &Tree) -> String {
    let signer = kg.node.keys().signer(ORIGIN).expect("signer");
    signer(tree.size(), tree.root())
}

fn tree(size: u64, salt: &str) -> Tree {
    let mut tree = Tree::new();
    for index in 0..size {
        tree.append(merkle::leaf_hash(format!("{salt}{index}").as_bytes()));
    }
    tree
}

async fn ask(door: &Peer, request: &AddCheckpoint) -> (u16, String) {
    let answer = within(door.call(CALL, request.to_string(), 1 << 20)).await;
    let (status, body) = answer.expect("an answer");
    (status, String::from_utf8(body.to_vec()).expect("text"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_call_answers_with_the_statuses_of_the_specification() {
    let (kz, kg) = pair().await;
    // KG itself must not ask meanwhile with its true log.
    let door = kg.peer_of(&kz);
    let show = async || within(door.get(&format!("/witnessed/{ORIGIN}"), 1 << 20)).await;
    let first = AddCheckpoint {
        old: 0,
        proof: Vec::new(),
        note: signed(&kg, &tree(3, "")),
    };
    let (status, lines) = ask(&door, &first).await;
    assert_eq!(status, 200, "{lines}");
    let note = Note::parse(first.note.as_bytes()).expect("note");
    let line: log::SignatureLine = log::SignatureLine::parse(lines.trim_end()).expect("one line");
    cosign::verify(note.text(), &line, &kz.node.me().witness).expect("KZ's cosignature");
    let remembered = show().await.expect("what is remembered");
    assert!(remembered.starts_with(note.text().as_bytes()));

    // The same again is no news and still cosigned.
    let again = AddCheckpoint {
        old: 3,
        ..first.clone()
    };
    assert_eq!(ask(&door, &again).await.0, 200);

    // Stale: the size is told in the form of the specification.
    assert_eq!(ask(&door, &first).await, (409, "3\n".into()));
    // Another history of the same size, with the real keys.
    let fork = AddCheckpoint {
        old: 3,
        proof: Vec::new(),
        note: signed(&kg, &tree(3, "other ")),
    };
    assert_eq!(ask(&door, &fork).await, (409, "3\n".into()));
    // Longer, but not continuing it; and with a proof that proves nothing.
    let mut longer = AddCheckpoint {
        old: 3,
        proof: Vec::new(),
        note: signed(&kg, &tree(5, "other ")),
    };
    assert_eq!(ask(&door, &longer).await.0, 422);
    longer.proof = vec![Hash([1; 32]); 3];
    assert_eq!(ask(&door, &longer).await.0, 422);
    // Shorter.
    let shorter = AddCheckpoint {
        old: 2,
        proof: Vec::new(),
        note: signed(&kg, &tree(2, "")),
    };
    assert_eq!(ask(&door, &shorter).await, (409, "3\n".into()));
    assert_eq!(
        ask(&door, &AddCheckpoint { old: 3, ..shorter }).await.0,
        400
    );

    // A log that is not the caller's: KZ's own audit, KG's channel, nobody's.
    for origin in [
        "kz.example/local/audit",
        "kg.example/steppe/alerts",
        "uz.example/local/audit",
        "x",
    ] {
        let note = Checkpoint::new(origin, 0, merkle::empty_root()).expect("checkpoint");
        let key = kg.node.keys().signer(origin).expect("signer");
        let note = AddCheckpoint {
            old: 0,
            proof: Vec::new(),
            note: key(note.size(), note.root()),
        };
        assert_eq!(ask(&door, &note).await.0, 404, "{origin}");
        let shown = door.get(&format!("/witnessed/{origin}"), 1 << 20).await;
        assert_eq!(shown, Err(FetchError::NotFound), "{origin}");
    }
    // Another's keys under KG's name, and one of the two keys alone.
    let foreign = kz.node.keys().signer(ORIGIN).expect("signer");
    let by_kz = AddCheckpoint {
        old: 3,
        proof: Vec::new(),
        note: foreign(3, tree(3, "").root()),
    };
    assert_eq!(ask(&door, &by_kz).await.0, 403);
    let mut half = Note::new(note.text()).expect("text");
    half.add(note.signatures()[0].clone()).expect("one line");
    let half = AddCheckpoint {
        note: half.to_string(),
        ..again.clone()
    };
    assert_eq!(ask(&door, &half).await.0, 403);

    // Malformed, too large, by the wrong method.
    for body in ["", "old 3", "old 3\n\n", "new 3\n\nx\n", "old 3\r\n\r\n"] {
        let (status, _) = within(door.call(CALL, body.into(), 1 << 20))
            .await
            .expect("answer");
        assert_eq!(status, 400, "{body:?}");
    }
    match within(door.call(CALL, "x".repeat(1 << 20), 1 << 20)).await {
        Ok((status, _)) => assert_eq!(status, 413),
        // The server may hang up while too much is still being sent.
        Err(FetchError::Broken { .. } | FetchError::Unreachable { .. }) => {}
        Err(error) => panic!("{error}"),
    }
    assert_eq!(
        door.get(CALL, 1 << 20).await,
        Err(FetchError::Status { code: 405 })
    );

    // None of that has changed what is remembered, and a restart does not either.
    assert_eq!(show().await.expect("remembered"), remembered);
    let kz = kz.restart().await;
    let door = kg.peer_of(&kz);
    let shown = within(door.get(&format!("/witnessed/{ORIGIN}"), 1 << 20)).await;
    assert_eq!(shown.expect("remembered"), remembered);
    assert_eq!(ask(&door, &first).await, (409, "3\n".into()));

    // The fork was kept as evidence that anybody can check, and raised, once.
    let evidence: Vec<EvidenceInfo> = kz.get("/evidence").await;
    let kept: Vec<_> = evidence
        .iter()
        .filter(|kept| kept.log.as_deref() == Some(ORIGIN))
        .collect();
    assert_eq!(kept.len(), 1, "{evidence:?}");
    let proof = Evidence::parse(kept[0].text.as_bytes()).expect("evidence");
    proof
        .verify(&audit_keys(kg.node.me()).expect("keys"))
        .expect("it proves the fork");
    let alarms = kz.status().await.alarms;
    assert!(
        alarms.iter().any(|alarm| alarm.kind == "audit-rewritten"),
        "{alarms:?}"
    );
    let page: node::admin::types::AuditPage = kz.get("/audit?what=witness-refused").await;
    assert_eq!(page.records.len(), 1, "{:?}", page.records);
    assert_eq!(page.records[0].record.who, "KG");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partner_cannot_make_a_witness_write_without_end() {
    let (kz, kg) = pair().await;
    let door = kg.peer_of(&kz);
    let mut seen = Vec::new();
    let mut last = None;
    for size in 1..=40u64 {
        let old = last.unwrap_or(0);
        // One more record each time: the proof is made from all tiles.
        let mut whole = tree(size, "");
        let tiles =
            log::Tiles::verify(size, whole.root(), whole.take_tiles().into_iter().collect())
                .expect("its own tiles");
        let request = AddCheckpoint {
            old,
            proof: if old == 0 {
                Vec::new()
            } else {
                tiles.consistency_proof(old).expect("proof")
            },
            note: signed(&kg, &whole),
        };
        let (status, _) = ask(&door, &request).await;
        if status == 200 {
            last = Some(size);
        }
        seen.push(status);
    }
    assert!(seen.contains(&429), "{seen:?}");
    assert!(
        seen.iter().filter(|status| **status == 200).count() < 30,
        "{seen:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_members_of_an_accord_in_force_are_witnessed() {
    // UZ is named by the accord and has not ratified it.
    let (kz, kg, uz) = (
        prepare("KZ", "").await,
        prepare("KG", "").await,
        prepare("UZ", "").await,
    );
    let members = [&kz.member, &kg.member, &uz.member];
    let text = accord(&members, vec![channel("alerts", &["KZ", "KG", "UZ"])]).to_string();
    let kz = kz.start(Some(&text)).await;
    let uz = uz.start(None).await;
    let door = uz.peer_of(&kz);
    let origin = "uz.example/local/audit";
    let signer = uz.node.keys().signer(origin).expect("signer");
    let request = AddCheckpoint {
        old: 0,
        proof: Vec::new(),
        note: signer(0, merkle::empty_root()),
    };
    assert_eq!(ask(&door, &request).await.0, 404);
    drop(kg);
}

/// Copies a folder's files.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("folder");
    for entry in std::fs::read_dir(from).expect("folder") {
        let entry = entry.expect("entry");
        let target = to.join(entry.file_name());
        let kind = entry.file_type().expect("type");
        if kind.is_dir() {
            copy(&entry.path(), &target);
        } else if kind.is_file() {
            std::fs::copy(entry.path(), &target).expect("copied");
        }
    }
}

/// The nation's own operator puts an old copy of the data folder back, with its real keys: the log
/// is then shorter than what the partner saw, and later long enough but another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shortened_and_signed_again_log_is_found_through_the_witness() {
    let (kz, kg) = pair().await;
    account(&kz, 300, "before").await;
    witnessed(&kz).await;
    let backup = tempfile::tempdir().expect("folder");
    let kz = kz
        .restart_after(|data| copy(data, &backup.path().join("data")))
        .await;
    account(&kz, 40, "the act to be hidden").await;
    let page = witnessed(&kz).await;
    let head = log::ExportHead::parse(page.head.expect("head").as_bytes()).expect("head");
    let (checkpoint, note) = head
        .open(&audit_keys(kz.node.me()).expect("keys"))
        .expect("signed");
    let line = note
        .lines_of(&kg.node.me().witness)
        .next()
        .expect("KG cosigned it");
    cosign::verify(note.text(), line, &kg.node.me().witness).expect("KG's cosignature");
    assert_eq!(checkpoint.size(), page.size);
    let honest = verify(&kz).await;
    assert!(honest.holds, "{honest:?}");
    let seen = honest
        .witnesses
        .iter()
        .find(|info| info.code == "KG")
        .expect("KG");
    assert_eq!((seen.asked, seen.size), (true, Some(page.size)));

    let old = backup.path().join("data");
    let kz = kz
        .restart_after(|data| {
            std::fs::remove_dir_all(data).expect("removed");
            copy(&old, data);
        })
        .await;
    let check = verify(&kz).await;
    assert!(!check.holds);
    assert!(
        check
            .findings
            .iter()
            .any(|finding| finding.contains("shortened")),
        "{:?}",
        check.findings
    );
    // Asking to be witnessed raises the alarm as well, and keeps the partner's note.
    witnessed(&kz).await;
    let status: Status = kz.status().await;
    assert!(
        status
            .alarms
            .iter()
            .any(|alarm| alarm.kind == "audit-rewritten"),
        "{:?}",
        status.alarms
    );
    let info = status
        .audit
        .witnesses
        .iter()
        .find(|info| info.code == "KG")
        .expect("KG");
    assert!(
        info.error
            .as_deref()
            .unwrap_or_default()
            .contains("shortened"),
        "{info:?}"
    );

    // The gap is filled with other acts: longer than what was seen, signed with the real keys.
    account(&kz, 200, "another story").await;
    let check = verify(&kz).await;
    assert!(!check.holds);
    assert!(
        check
            .findings
            .iter()
            .any(|finding| finding.contains("rewritten")),
        "{:?}",
        check.findings
    );
    let evidence: Vec<EvidenceInfo> = kz.get("/evidence").await;
    let kept = evidence
        .iter()
        .filter(|kept| kept.log.as_deref() == Some("kz.example/local/audit"));
    assert_eq!(kept.count(), 1, "{evidence:?}");
    let page: node::admin::types::AuditPage = kz.get("/audit?what=audit-rewritten").await;
    assert_eq!(page.records.len(), 1);
    assert_eq!(page.records[0].record.who, "KG");
}

/// A whole other history of the very size that was witnessed gives evidence that stands by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_history_gives_evidence_for_third_parties() {
    let (kz, kg) = pair().await;
    witnessed(&kz).await;
    let backup = tempfile::tempdir().expect("folder");
    let kz = kz
        .restart_after(|data| copy(data, &backup.path().join("data")))
        .await;
    account(&kz, 5, "true").await;
    witnessed(&kz).await;
    let old = backup.path().join("data");
    let kz = kz
        .restart_after(|data| {
            std::fs::remove_dir_all(data).expect("removed");
            copy(&old, data);
        })
        .await;
    account(&kz, 400, "false").await;
    witnessed(&kz).await;
    let evidence: Vec<EvidenceInfo> = kz.get("/evidence").await;
    let kept = evidence.first().expect("kept");
    let proof = Evidence::parse(kept.text.as_bytes()).expect("evidence that stands by itself");
    proof
        .verify(&audit_keys(kz.node.me()).expect("keys"))
        .expect("it proves the rewriting");
    drop(kg);
}

/// What one member's audit log is to its witnesses is not for other members.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_third_member_learns_nothing() {
    let (kz, kg, uz) = (
        prepare("KZ", "").await,
        prepare("KG", "").await,
        prepare("UZ", "").await,
    );
    let note = ratified(
        &[&kz, &kg, &uz],
        vec![channel("alerts", &["KZ", "KG", "UZ"])],
    );
    let (kz, kg) = (kz.start(Some(&note)).await, kg.start(Some(&note)).await);
    let uz = uz.start(Some(&note)).await;
    witnessed(&kz).await;
    let own = kz.peer_of(&kg);
    let path = format!("/witnessed/{}", audit_origin("kz.example"));
    assert!(own.get(&path, 1 << 20).await.is_ok());
    assert_eq!(
        uz.peer_of(&kg).get(&path, 1 << 20).await,
        Err(FetchError::NotFound)
    );
    // Nor may it speak for the other, with whatever it heard.
    let log = LogName::new("local", "audit", "KZ");
    let note = kz
        .node
        .read(move |store| store.checkpoint(&log))
        .await
        .expect("read")
        .expect("note");
    let size = Checkpoint::parse_text(Note::parse(note.as_bytes()).expect("note").text())
        .expect("text")
        .size();
    let request = AddCheckpoint {
        old: size,
        proof: Vec::new(),
        note,
    };
    assert_eq!(ask(&uz.peer_of(&kg), &request).await.0, 404);
    assert_eq!(ask(&own, &request).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partner_that_lost_its_memory_is_asked_anew() {
    let (kz, kg) = pair().await;
    account(&kz, 10, "before").await;
    witnessed(&kz).await;
    let setting = format!("witness/KZ/{}", audit_origin("kz.example"));
    kg.node
        .execute(Command::Put {
            key: setting,
            value: None,
        })
        .await
        .expect("forgotten");
    account(&kz, 10, "after").await;
    let page = witnessed(&kz).await;
    let status = kz.status().await;
    let info = status
        .audit
        .witnesses
        .iter()
        .find(|info| info.code == "KG")
        .expect("KG");
    assert_eq!((info.size, info.error.as_deref()), (Some(page.size), None));
    assert!(status.alarms.is_empty(), "{:?}", status.alarms);
    assert!(
        kz.add(&bundle(&[indicator(1, "")]), "TLP:GREEN")
            .await
            .added
            == 1
    );
    let (status, _, _) = kz
        .ask(Method::GET, "/audit/export?before=3", Body::empty())
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}
