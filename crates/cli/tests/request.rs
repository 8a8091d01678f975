//! `kurultai request` between two members that serve.

mod common;

use common::{Server, fed, note, note_id, on, pair};

const PACT: &str = "pact/all";

/// Asks again until the node has pulled what the condition needs.
fn until(data: &std::path::Path, args: &[&str], holds: impl Fn(&str) -> bool) -> String {
    // LIMIT: reached only when something is broken; each attempt starts a process.
    for _ in 0..400 {
        let run = on(data, args).code(0);
        if holds(&run.out) {
            return run.out;
        }
    }
    panic!("{args:?} never showed it");
}

#[test]
fn a_question_travels_and_its_answer_comes_back() {
    let root = tempfile::tempdir().unwrap();
    let (a, b, _) = pair(root.path());
    // Wrong in form, wrong in content, refused by the rule: three exit codes' worth.
    on(
        &a,
        &[
            "request",
            "ask",
            PACT,
            "--to",
            "BB",
            "--subject",
            "Mail hosts",
        ],
    )
    .code(2);
    let stranger = on(
        &a,
        &[
            "request",
            "ask",
            PACT,
            "--to",
            "CC",
            "--subject",
            "Mail hosts",
            "--text",
            "Seen?",
        ],
    )
    .code(1);
    assert!(
        stranger.err.contains("its other members are BB"),
        "{}",
        stranger.err
    );
    let secret = on(
        &a,
        &[
            "request",
            "ask",
            PACT,
            "--to",
            "BB",
            "--subject",
            "Mail hosts",
            "--text",
            "Seen?",
            "--label",
            "TLP:GREEN//REL AA",
        ],
    )
    .code(1);
    assert!(
        secret.out.contains("refused note--") && secret.err.contains("kept here and not sent"),
        "{}\n{}",
        secret.out,
        secret.err
    );
    let drafts = on(&a, &["request", "list", "--outbox"]).code(0);
    assert!(
        drafts.out.contains("not in the channel: request"),
        "{}",
        drafts.out
    );

    let asked = fed(
        &a,
        &[
            "request",
            "ask",
            PACT,
            "--to",
            "BB",
            "--subject",
            "Mail hosts",
            "--text-file",
            "-",
            "--deadline",
            "+3d",
            "--topic",
            "phishing",
            "--json",
        ],
        "Which of these have you seen?\nSince when?".as_bytes(),
    )
    .code(0)
    .json();
    assert_eq!(asked["sent"], true);
    let id = asked["id"].as_str().unwrap().to_owned();
    on(
        &b,
        &[
            "request",
            "rule",
            "set",
            "mail",
            "--to",
            "cyber desk",
            "--topic",
            "Phishing",
        ],
    )
    .code(0);
    let (_here, _there) = (Server::start(&a), Server::start(&b));
    let inbox = until(&b, &["request", "list", "--inbox", "--open"], |out| {
        out.contains(&id)
    });
    assert!(
        inbox.contains("cyber desk") && inbox.contains("BB -"),
        "{inbox}"
    );

    fed(
        &b,
        &["add", "-", "--label", "TLP:GREEN//REL AA,BB"],
        note(1).as_bytes(),
    )
    .code(0);
    let object = note_id(1);
    let part = on(
        &b,
        &[
            "request",
            "answer",
            &id,
            "--partial",
            "--text",
            "One so far.",
            "--object",
            &object,
        ],
    )
    .code(0);
    assert!(
        part.out.contains(&format!("released {object}")),
        "{}",
        part.out
    );
    on(&b, &["request", "decline", &id]).code(0);
    let shown = until(&a, &["request", "show", &id], |out| {
        out.contains("declined (note--")
    });
    for line in [
        "subject: Mail hosts",
        "asked: BB declined",
        "  | Since when?",
        "  | One so far.",
        &format!("  + {object}"),
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
    }
    assert!(
        !shown.contains("cyber desk"),
        "routing is BB's own: {shown}"
    );
    let unknown = on(&a, &["request", "show", &note_id(9)]).code(1);
    assert!(
        unknown
            .err
            .contains("`kurultai request list` shows what is"),
        "{}",
        unknown.err
    );
    on(&b, &["request", "rule", "remove", "mail"]).code(0);
    on(&b, &["request", "rule", "remove", "mail"]).code(1);
}
