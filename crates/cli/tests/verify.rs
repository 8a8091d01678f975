//! `kurultai verify` against good and tampered logs: every file that is changed is named.

mod common;

use std::path::{Path, PathBuf};

use common::{Server, envelope, fed, member, note_id, on, pair, run};

/// Every file below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// A member's log of 300 released notes, of which one is withdrawn, and the accord.
fn log(root: &Path) -> (PathBuf, String) {
    let (a, _, note) = pair(root);
    fed(
        &a,
        &["add", "-", "--label", "TLP:GREEN//REL AA,BB"],
        envelope(0, 300).as_bytes(),
    )
    .code(0);
    on(&a, &["release", "pact/all", "--all"]).code(0);
    on(
        &a,
        &["withdraw", "pact/all", &note_id(5), "--reason", "wrong"],
    )
    .code(0);
    (a.join("logs/pact/all/AA"), note.display().to_string())
}

#[test]
fn each_changed_or_missing_file_is_found_and_named() {
    let root = tempfile::tempdir().unwrap();
    let (log, accord) = log(root.path());
    let target = log.display().to_string();
    let verify = || run(&["verify", &target, "--accord", &accord, "--json"]);
    let good = verify().code(0).json();
    assert_eq!(good["logs"][0]["size"].as_u64(), Some(301));
    assert_eq!(good["logs"][0]["bodies_withdrawn"].as_u64(), Some(1));
    let files = files(&log);
    assert!(files.len() >= 7, "{files:?}");
    for file in files {
        let name = file.strip_prefix(&log).unwrap().display().to_string();
        let bytes = std::fs::read(&file).unwrap();
        for at in [0, bytes.len() / 3, bytes.len() / 2, bytes.len() - 2] {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            std::fs::write(&file, &changed).unwrap();
            assert_named(&verify().code(1).json(), &name, at);
        }
        std::fs::remove_file(&file).unwrap();
        if name == "checkpoint" {
            run(&["verify", &target, "--accord", &accord]).code(2);
        } else if !name.starts_with("objects/") {
            assert_named(&verify().code(1).json(), &name, usize::MAX);
        }
        std::fs::write(&file, &bytes).unwrap();
    }
    verify().code(0);
}

fn assert_named(report: &serde_json::Value, name: &str, at: usize) {
    let findings = report["logs"][0]["findings"].as_array().unwrap();
    assert!(
        findings.iter().any(|finding| finding["file"] == name),
        "{name} changed at {at}, but: {findings:?}"
    );
}

#[test]
fn a_log_without_a_known_key_does_not_hold_and_a_vkey_is_enough() {
    let root = tempfile::tempdir().unwrap();
    let (log, _) = log(root.path());
    let target = log.display().to_string();
    let unknown = run(&["verify", &target]).code(1);
    assert!(unknown.out.contains("--accord"), "{}", unknown.out);
    let keys = root.path().join("AA/keys");
    let key = std::fs::read_to_string(keys.join("log.vkey")).unwrap();
    run(&["verify", &target, "--key", key.trim()]).code(0);
    // Another member's key proves nothing.
    let other = std::fs::read_to_string(root.path().join("BB/keys/log.vkey")).unwrap();
    run(&["verify", &target, "--key", other.trim()]).code(1);
}

#[test]
fn a_data_folder_is_checked_with_the_accords_that_lie_in_it() {
    let root = tempfile::tempdir().unwrap();
    log(root.path());
    let data = root.path().join("AA").display().to_string();
    let report = run(&["verify", &data, "--json"]).code(0).json();
    let origins: Vec<&str> = report["logs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|log| log["origin"].as_str().unwrap())
        .collect();
    assert!(origins.contains(&"aa.example/pact/all"), "{origins:?}");
}

#[test]
fn files_that_are_none_of_ours_are_a_usage_error() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("letter.txt");
    std::fs::write(&path, "Dear colleague\n").unwrap();
    let wrong = run(&["verify", &path.display().to_string()]).code(2);
    assert!(
        wrong.err.contains("no log, accord, checkpoint or evidence"),
        "{}",
        wrong.err
    );
    run(&["verify", &root.path().display().to_string()]).code(2);
    run(&["verify", "/no/such/place"]).code(3);
    let evidence = root.path().join("evidence.txt");
    std::fs::write(&evidence, "kurultai-evidence/v1\norigin x\n").unwrap();
    let nothing = run(&["verify", &evidence.display().to_string()]).code(1);
    assert!(nothing.out.contains("proves nothing"), "{}", nothing.out);
}

#[test]
fn a_partner_checks_a_log_over_its_server_and_a_stranger_cannot_connect() {
    let root = tempfile::tempdir().unwrap();
    let (_, accord) = log(root.path());
    let (a, b) = (root.path().join("AA"), root.path().join("BB"));
    let url = on(&a, &["accord", "member"]).code(0).json()["url"]
        .as_str()
        .unwrap()
        .to_owned();
    let target = format!("{url}/log/pact/all");
    let server = Server::start(&a);
    let report = on(&b, &["verify", &target, "--json"]).code(0).json();
    let log = &report["logs"][0];
    // A server gives every body, also those of the last bundle, which it keeps in no file.
    assert_eq!(
        (log["size"].as_u64(), log["bodies"].as_u64()),
        (Some(301), Some(299))
    );
    let absent = on(&b, &["verify", &format!("{url}/log/pact/nothing")]).code(1);
    assert!(absent.err.contains("no log at"), "{}", absent.err);
    let own = on(&a, &["verify", &target]).code(2);
    assert!(own.err.contains("own address"), "{}", own.err);
    let stranger = member(root.path(), "CC");
    let refused = on(&stranger, &["verify", &target, "--accord", &accord]).code(3);
    assert!(
        refused.err.contains("cannot be reached") || refused.err.contains("broke off"),
        "{}",
        refused.err
    );
    drop(server);
    on(&b, &["verify", &target]).code(3);
}
