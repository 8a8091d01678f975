//! `kurultai audit`: looking, exporting for an inspector, and checking, by whoever has only the file
//! and an accord.

mod common;

use std::path::Path;

use common::{envelope, fed, on, pair, run};

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn an_inspector_checks_an_export_with_the_accord_alone_and_finds_every_change() {
    let root = tempfile::tempdir().unwrap();
    let (a, b, accord) = pair(root.path());
    for number in 0..3 {
        fed(
            &a,
            &["add", "-", "--who", "anna"],
            envelope(number, number + 1).as_bytes(),
        )
        .code(0);
    }
    let listed = on(&a, &["audit", "--what", "add", "--who", "anna", "--json"])
        .code(0)
        .json();
    assert_eq!(listed["records"].as_array().unwrap().len(), 3, "{listed}");
    let shown = on(&a, &["audit", "--limit", "2"]).code(0);
    assert!(
        shown.out.contains("anna") && shown.err.contains("--limit 20"),
        "{}",
        shown.out
    );
    assert!(
        on(&a, &["audit", "--since", "yesterday"])
            .code(1)
            .err
            .contains("since")
    );

    let file = root.path().join("export.jsonl");
    let part = root.path().join("part.jsonl");
    on(&a, &["audit", "export", &text(&file), "--by", "zarina"]).code(0);
    on(
        &a,
        &[
            "audit",
            "export",
            &text(&part),
            "--what",
            "add",
            "--why",
            "TLP",
        ],
    )
    .code(0);
    // What exists is not written over.
    on(&a, &["audit", "export", &text(&part)]).code(3);
    let by = on(&a, &["audit", "--what", "export", "--json"])
        .code(0)
        .json();
    assert_eq!(by["records"][0]["who"], "operator (says zarina)");

    // Whoever checks it believes the accord, or a key, and nothing in the file.
    let accord = text(&accord);
    let good = run(&[
        "audit",
        "verify",
        &text(&file),
        "--accord",
        &accord,
        "--json",
    ])
    .code(0)
    .json();
    assert_eq!(
        (&good["holds"], &good["complete"], &good["member"]),
        (&true.into(), &true.into(), &"AA".into())
    );
    let some = run(&[
        "audit",
        "verify",
        &text(&part),
        "--accord",
        &accord,
        "--json",
    ])
    .code(0)
    .json();
    assert_eq!(
        (&some["records"], &some["complete"]),
        (&3.into(), &false.into())
    );
    let unknown = run(&["audit", "verify", &text(&file)]).code(1);
    assert!(unknown.out.contains("--accord"), "{}", unknown.out);
    let own = on(&a, &["accord", "member"]).code(0).json();
    run(&[
        "audit",
        "verify",
        &text(&file),
        "--key",
        own["log"].as_str().unwrap(),
    ])
    .code(0);
    let other = on(&b, &["accord", "member"]).code(0).json();
    run(&[
        "audit",
        "verify",
        &text(&file),
        "--key",
        other["log"].as_str().unwrap(),
    ])
    .code(1);

    let original = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = original.lines().collect();
    let spoiled = root.path().join("spoiled.jsonl");
    let anna = original.replacen("anna", "inna", 1);
    let cut: String = lines[..lines.len() - 1].join("\n");
    let mut fewer = lines.clone();
    fewer.remove(2);
    let mut swapped = lines.clone();
    swapped.swap(1, 2);
    let mut twice = lines.clone();
    twice.insert(2, lines[1]);
    for (what, content) in [
        ("a name changed", anna),
        ("cut", cut),
        ("one left out", fewer.join("\n")),
        ("two swapped", swapped.join("\n")),
        ("one twice", twice.join("\n")),
        ("more after the end", format!("{original}{}\n", lines[1])),
    ] {
        assert_ne!(content, original, "{what}");
        std::fs::write(&spoiled, content).unwrap();
        let found = run(&["audit", "verify", &text(&spoiled), "--accord", &accord]).code(1);
        assert!(found.out.contains("WRONG"), "{what}: {}", found.out);
    }
    std::fs::write(&spoiled, "{}\n").unwrap();
    run(&["audit", "verify", &text(&spoiled), "--accord", &accord]).code(2);
    run(&[
        "audit",
        "verify",
        &text(&root.path().join("none")),
        "--accord",
        &accord,
    ])
    .code(3);
}

#[test]
fn the_own_log_is_checked_whole_and_every_changed_file_is_found() {
    let root = tempfile::tempdir().unwrap();
    let (a, _, _) = pair(root.path());
    fed(
        &a,
        &["add", "-", "--who", "anna"],
        envelope(1, 2).as_bytes(),
    )
    .code(0);
    let good = on(&a, &["audit", "verify", "--json"]).code(0).json();
    assert_eq!(good["holds"], true);
    // Nobody runs: the partner could not be asked, and has witnessed nothing yet.
    assert_eq!(good["witnesses"][0]["code"], "BB");
    assert_eq!(good["witnesses"][0]["asked"], false);
    let folder = a.join("logs/local/audit/AA/tile/entries");
    let bundle = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "p"))
        .expect("the unfinished bundle");
    let file = std::fs::read_dir(bundle)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let bytes = std::fs::read(&file).unwrap();
    let at = bytes.windows(4).position(|four| four == b"anna").unwrap();
    let mut changed = bytes.clone();
    changed[at] = b'i';
    std::fs::write(&file, changed).unwrap();
    let verify = run(&["verify", &text(&a)]).code(1);
    assert!(verify.out.contains("WRONG"), "{}", verify.out);
    // A node that opens the folder either says so itself or finds it in the check.
    let found = on(&a, &["audit", "verify"]);
    assert_ne!(found.code, 0, "{}{}", found.out, found.err);
    std::fs::write(&file, bytes).unwrap();
    on(&a, &["audit", "verify"]).code(0);
}
