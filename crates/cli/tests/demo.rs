//! The demonstration from start to end, as a script runs it.

mod common;

use std::path::Path;

use common::run;

/// Processes whose command line names this folder.
fn processes(folder: &Path) -> Vec<String> {
    let name = folder.display().to_string();
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    entries
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "))
        .filter(|line| line.contains(&name) && line.contains("serve"))
        .collect()
}

#[test]
fn all_six_proofs_hold_and_no_process_is_left() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("demo");
    let demo = run(&["demo", "--exit", "--folder", &folder.display().to_string()]).code(0);
    assert!(demo.out.contains("6 of 6 proofs hold"), "{}", demo.out);
    assert_eq!(demo.out.matches("\n  HOLDS").count(), 6, "{}", demo.out);
    assert_eq!(
        demo.out.matches("  yes").count(),
        6,
        "each channel's members serve the same bytes: {}",
        demo.out
    );
    assert_eq!(processes(&folder), [""; 0]);
    // What it leaves behind can be checked by anybody with the accord.
    let accord = folder.join("bonds-2026.note").display().to_string();
    run(&["accord", "verify", &accord]).code(0);
    run(&[
        "verify",
        &folder.join("UZ").display().to_string(),
        "--accord",
        &accord,
    ])
    .code(0);
    let evidence = folder.join("evidence/KZ.txt").display().to_string();
    let verdict = run(&["verify", &evidence, "--accord", &accord]).code(0);
    assert!(
        verdict.out.contains("two different histories"),
        "{}",
        verdict.out
    );
    // And a second run does not touch it.
    run(&["demo", "--exit", "--folder", &folder.display().to_string()]).code(1);
}
