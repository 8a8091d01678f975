//! The life of an accord on the command line, from what would surprise to the last leaving.

mod common;

use common::{member, on, pair, run};
use serde_json::Value;

/// The member's line in `accord status`.
fn standing<'a>(status: &'a Value, code: &str) -> &'a Value {
    let members = status[0]["members"].as_array().expect("members");
    let found = members.iter().find(|member| member["code"] == code);
    found.unwrap_or_else(|| panic!("{code} in {status}"))
}

#[test]
fn an_accord_is_amended_suspended_and_left() {
    let root = tempfile::tempdir().unwrap();
    let (aa, bb, first) = pair(root.path());
    let cc = member(root.path(), "CC");
    let path = |name: &str| root.path().join(name).display().to_string();
    let first = first.display().to_string();
    std::fs::write(path("c.json"), on(&cc, &["accord", "member"]).code(0).out).unwrap();

    // Two channels that keep everything for ever: worth a look, and no error.
    let lint = run(&["accord", "lint", &first, "--json"]).code(4);
    let rules = lint.json();
    let rules: Vec<&str> = rules
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["rule"].as_str().unwrap())
        .collect();
    assert!(rules.contains(&"kept-forever"), "{rules:?}");
    run(&["accord", "lint", &path("c.json")]).code(2);

    // The next version: CC comes in, one channel ends and one begins.
    let next = path("next.note");
    let amend = |accord: &str, data, out: &str, more: &[&str]| {
        let mut args = vec!["accord", "amend", accord, "--out", out];
        args.extend(more);
        on(data, &args)
    };
    let c_json = path("c.json");
    let changes = [
        "--add-member",
        &c_json,
        "--join",
        "CC=drill",
        "--end-channel",
        "all",
        "--add-channel",
        "open:ceiling=green",
    ];
    let drafted = amend("pact", &aa, &next, &changes).code(0);
    assert!(
        drafted.out.contains("CC comes in, into drill, open"),
        "{}",
        drafted.out
    );
    amend("pact", &aa, &next, &changes).code(1); // the file is there
    let other = path("other.note");
    amend("pact", &aa, &other, &["--end-channel", "none"]).code(2);
    amend("pact", &aa, &other, &["--remove-member", "BB"]).code(2); // one member is no accord
    assert!(!std::path::Path::new(&other).exists());
    on(&aa, &["accord", "show", "pact", "--json"]).code(0);
    let diff = run(&["accord", "diff", &first, &next, "--json"])
        .code(0)
        .json();
    let said: Vec<String> = diff
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            format!(
                "{} {}",
                one["effect"].as_str().unwrap(),
                one["about"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            "loosens member CC",
            "tightens channel all",
            "loosens channel drill",
            "loosens channel open"
        ]
    );

    // It waits at BB until BB signs, and nothing is drafted past it.
    on(&aa, &["accord", "sign", &next]).code(0);
    on(&bb, &["accord", "install", &next]).code(0);
    let status = on(&bb, &["accord", "status", "pact", "--json"])
        .code(0)
        .json();
    assert_eq!(
        (&status[0]["held"]["version"], &status[0]["next"]["version"]),
        (&1.into(), &2.into())
    );
    assert_eq!(standing(&status, "AA")["ratified_next"], true);
    assert_eq!(standing(&status, "BB")["ratified_next"], false);
    amend("pact", &bb, &other, &[]).code(1);
    on(&bb, &["accord", "sign", &next]).code(0);
    on(&cc, &["accord", "sign", &next]).code(0);
    run(&["accord", "verify", &next, "--previous", &first]).code(0);
    for data in [&aa, &bb] {
        on(data, &["accord", "install", &next]).code(0);
    }

    // BB suspends a channel. Nobody can be reached, so the note goes by hand.
    let rest = path("rest.note");
    on(
        &bb,
        &[
            "accord",
            "suspend",
            "pact/none",
            "--reason",
            "an inspection",
        ],
    )
    .code(1);
    on(
        &bb,
        &["accord", "suspend", "open", "--reason", "an inspection"],
    )
    .code(2);
    let said = on(
        &bb,
        &[
            "accord",
            "suspend",
            "pact/open",
            "--reason",
            "an inspection",
            "--out",
            &rest,
        ],
    )
    .code(0);
    assert!(
        said.err.contains("AA, CC could not be reached"),
        "{}",
        said.err
    );
    let forged = std::fs::read_to_string(&rest)
        .unwrap()
        .replace("suspend", "resume");
    std::fs::write(path("forged.note"), forged).unwrap();
    on(&aa, &["accord", "heed", &path("forged.note")]).code(1);
    let heeded = on(&aa, &["accord", "heed", &rest, "--json"]).code(0).json();
    assert_eq!(heeded["news"], true);
    let again = on(&aa, &["accord", "heed", &rest, "--json"]).code(0).json();
    assert_eq!(again["news"], false);
    let status = on(&aa, &["accord", "status", "--json"]).code(0).json();
    assert_eq!(
        standing(&status, "BB")["takes_part"],
        serde_json::json!(["drill"])
    );
    assert_eq!(
        standing(&status, "CC")["takes_part"],
        serde_json::json!(["drill", "open"])
    );
    let words = on(&aa, &["accord", "status"]).code(0);
    assert!(
        words.out.contains("suspend open") && words.out.contains("an inspection"),
        "{}",
        words.out
    );

    // AA parts with CC by its own decision, and takes that back.
    on(
        &aa,
        &["accord", "exclude", "pact", "XX", "--reason", "unknown"],
    )
    .code(1);
    on(
        &aa,
        &[
            "accord",
            "exclude",
            "pact",
            "CC",
            "--reason",
            "its keys are in other hands",
        ],
    )
    .code(0);
    let status = on(&aa, &["accord", "status", "pact", "--json"])
        .code(0)
        .json();
    assert_eq!(standing(&status, "CC")["takes_part"], serde_json::json!([]));
    assert_eq!(
        standing(&status, "CC")["excluded"]["reason"],
        "its keys are in other hands"
    );
    on(
        &aa,
        &[
            "accord",
            "readmit",
            "pact",
            "CC",
            "--reason",
            "it has new ones",
        ],
    )
    .code(0);

    // BB leaves for good: two are left in `open`.
    let leave = path("leave.note");
    on(
        &bb,
        &[
            "accord",
            "leave",
            "pact",
            "--reason",
            "a new government",
            "--out",
            &leave,
        ],
    )
    .code(0);
    on(&aa, &["accord", "heed", &leave]).code(0);
    let status = on(&aa, &["accord", "status", "pact", "--json"])
        .code(0)
        .json();
    assert_eq!(standing(&status, "BB")["takes_part"], serde_json::json!([]));
    assert_eq!(standing(&status, "BB")["ratified"], true);
    let release = on(&bb, &["release", "pact/drill", "--all"]);
    assert_ne!(release.code, 0, "{}", release.out);
}
