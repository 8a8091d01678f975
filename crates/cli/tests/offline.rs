//! The commands on a node that does not run: exit codes, refusals, JSON, standard input.

mod common;

use common::{Server, envelope, fed, member, note, note_id, on, pair, run};

#[test]
fn init_refuses_a_folder_that_holds_anything_and_changes_nothing_in_it() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("KZ");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("letter.txt"), "mine").unwrap();
    let refused = on(
        &data,
        &[
            "init",
            "--code",
            "KZ",
            "--name",
            "Kazakhstan",
            "--domain",
            "kz.example",
        ],
    )
    .code(1);
    assert!(refused.err.contains("not empty"), "{}", refused.err);
    let names: Vec<_> = std::fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["letter.txt"]);
}

#[test]
fn init_refuses_bad_values_and_leaves_no_folder_behind() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("new");
    let bad = on(
        &data,
        &[
            "init",
            "--code",
            "kz",
            "--name",
            "Kazakhstan",
            "--domain",
            "kz.example",
        ],
    )
    .code(2);
    assert!(bad.err.contains("member.code"), "{}", bad.err);
    assert!(!data.exists());
}

#[test]
fn an_unknown_key_in_the_configuration_is_named_with_its_line() {
    let root = tempfile::tempdir().unwrap();
    let data = member(root.path(), "KZ");
    let path = data.join("kurultai.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}\n[limits]\npoll_seconds = 3\n")).unwrap();
    for command in [&["doctor"][..], &["status"], &["serve"]] {
        let wrong = on(&data, command).code(2);
        assert!(
            wrong.err.contains("poll_seconds") && wrong.err.contains("line"),
            "{command:?}: {}",
            wrong.err
        );
    }
}

#[test]
fn usage_errors_are_2_and_a_missing_folder_says_how_to_make_one() {
    run(&["release"]).code(2);
    run(&["no-such-command"]).code(2);
    let root = tempfile::tempdir().unwrap();
    let missing = on(&root.path().join("nothing"), &["status"]).code(2);
    assert!(missing.err.contains("kurultai init"), "{}", missing.err);
    let data = member(root.path(), "KZ");
    on(&data, &["add", "/no/such/file.json"]).code(3);
    let nothing = on(&data, &["release", "pact/all"]).code(2);
    assert!(nothing.err.contains("--id"), "{}", nothing.err);
    let label = fed(
        &data,
        &["add", "-", "--label", "TLP:BLUE"],
        note(1).as_bytes(),
    )
    .code(2);
    assert!(label.err.contains("TLP:BLUE"), "{}", label.err);
}

#[test]
fn help_names_every_exit_code() {
    let help = run(&["--help"]).code(0);
    for line in ["0  done", "1  refused", "2  the command line", "3  a file"] {
        assert!(help.out.contains(line), "{line}");
    }
}

#[test]
fn adding_lists_each_refusal_with_its_place_and_keeps_the_rest() {
    let root = tempfile::tempdir().unwrap();
    let data = member(root.path(), "KZ");
    let bad_time = note(2).replace("2026-11-01T00:00:00.000Z", "yesterday");
    let text = format!(
        "{{\"objects\":[{},{bad_time},{},{{\"type\":\"note\"}}]}}",
        note(1),
        note(3)
    );
    let mixed = fed(&data, &["add", "-", "--json"], text.as_bytes()).code(1);
    let report = mixed.json();
    assert_eq!(
        (
            report["total"].as_u64(),
            report["added"].as_u64(),
            report["refused"].as_u64()
        ),
        (Some(4), Some(2), Some(2))
    );
    let places: Vec<&str> = report["refusals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["pointer"].as_str().unwrap())
        .collect();
    assert!(
        places[0].starts_with("/objects/1/") && places[1].starts_with("/objects/3"),
        "{places:?}"
    );
    // The same again changes nothing.
    let again = fed(&data, &["add", "-", "--json"], envelope(1, 2).as_bytes())
        .code(0)
        .json();
    assert_eq!(
        (again["added"].as_u64(), again["duplicates"].as_u64()),
        (Some(0), Some(1))
    );
    // Other content under the same version is a conflict, and is named.
    let other = note(1).replace("Number 1.", "Another.");
    let conflict = fed(&data, &["add", "-", "--json"], other.as_bytes())
        .code(1)
        .json();
    assert_eq!(
        conflict["refusals"][0]["id"].as_str(),
        Some(note_id(1).as_str())
    );
    // A text that is no JSON is refused whole, and nothing of it is kept.
    let broken = format!("{{\"objects\":[{},", note(9));
    fed(&data, &["add", "-"], broken.as_bytes()).code(2);
    let held = on(&data, &["objects", "--json"]).code(0).json();
    let ids: Vec<&str> = held["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [note_id(1), note_id(3)]);
}

#[test]
fn files_folders_and_zstd_are_taken() {
    let root = tempfile::tempdir().unwrap();
    let data = member(root.path(), "KZ");
    let folder = root.path().join("feeds/deep");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("one.json"), note(1)).unwrap();
    let packed = zstd::encode_all(envelope(2, 5).as_bytes(), 3).unwrap();
    std::fs::write(root.path().join("feeds/two.json.zst"), &packed).unwrap();
    std::fs::write(root.path().join("cut.zst"), &packed[..packed.len() / 2]).unwrap();
    let feeds = root.path().join("feeds").display().to_string();
    let report = on(&data, &["add", &feeds, "--json"]).code(0).json();
    assert_eq!(
        (report["total"].as_u64(), report["added"].as_u64()),
        (Some(4), Some(4))
    );
    let cut = on(
        &data,
        &["add", &root.path().join("cut.zst").display().to_string()],
    )
    .code(2);
    assert!(cut.err.contains("zstd"), "{}", cut.err);
}

#[test]
fn release_refuses_with_reasons_and_withdraw_takes_back() {
    let root = tempfile::tempdir().unwrap();
    let (a, _, note_file) = pair(root.path());
    fed(
        &a,
        &["add", "-", "--label", "TLP:GREEN//REL AA,BB"],
        envelope(0, 3).as_bytes(),
    )
    .code(0);
    fed(
        &a,
        &["add", "-", "--label", "TLP:RED//REL AA"],
        note(7).as_bytes(),
    )
    .code(0);

    let explained = on(&a, &["release", "pact/all", "--all", "--explain", "--json"])
        .code(1)
        .json();
    assert_eq!(
        (
            explained["released"].as_u64(),
            explained["refused"].as_u64(),
            explained["size"].as_u64()
        ),
        (Some(3), Some(1), Some(0))
    );
    let why = explained["results"][0]["why"].to_string();
    assert!(
        why.contains("BB") && why.contains("TLP:RED"),
        "every reason is given: {why}"
    );

    let released = on(
        &a,
        &[
            "release",
            "pact/all",
            "--id",
            &note_id(0),
            "--id",
            &note_id(1),
            "--json",
        ],
    )
    .code(0)
    .json();
    assert_eq!(
        (released["released"].as_u64(), released["size"].as_u64()),
        (Some(2), Some(2))
    );
    let again = on(&a, &["release", "pact/all", "--id", &note_id(0), "--json"])
        .code(0)
        .json();
    assert_eq!(
        (again["already"].as_u64(), again["size"].as_u64()),
        (Some(1), Some(2))
    );
    let unknown = on(&a, &["release", "pact/all", "--id", &note_id(99)]).code(1);
    assert!(unknown.out.contains("not held"), "{}", unknown.out);
    on(&a, &["release", "pact/nothing", "--all"]).code(1);
    // A real object has no place in an exercise channel.
    let mixed = on(&a, &["release", "pact/drill", "--id", &note_id(0)]).code(1);
    assert!(mixed.out.contains("exercise"), "{}", mixed.out);

    let withdrawn = on(
        &a,
        &[
            "withdraw",
            "pact/all",
            &note_id(1),
            "--reason",
            "wrong",
            "--json",
        ],
    )
    .code(0)
    .json();
    assert_eq!(
        (withdrawn["withdrawn"].as_u64(), withdrawn["size"].as_u64()),
        (Some(1), Some(3))
    );
    on(
        &a,
        &["withdraw", "pact/all", &note_id(1), "--reason", "wrong"],
    )
    .code(1);
    let left = on(&a, &["objects", "pact/all", "--json"]).code(0).json();
    assert_eq!(left["objects"].as_array().unwrap().len(), 1);

    let status = on(&a, &["status", "--json"]).code(0).json();
    let log = status["logs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|log| log["channel"] == "all" && log["own"] == true)
        .unwrap();
    assert_eq!(log["size"].as_u64(), Some(3));
    let accord = note_file.display().to_string();
    let checked = run(&[
        "verify",
        &a.display().to_string(),
        "--accord",
        &accord,
        "--json",
    ])
    .code(0)
    .json();
    let log = checked["logs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|log| log["origin"] == "aa.example/pact/all")
        .unwrap();
    assert_eq!(
        (
            log["size"].as_u64(),
            log["releases"].as_u64(),
            log["bodies_withdrawn"].as_u64()
        ),
        (Some(3), Some(2), Some(1))
    );
}

#[test]
fn every_read_gives_json_and_the_doctor_is_content() {
    let root = tempfile::tempdir().unwrap();
    let (a, _, note_file) = pair(root.path());
    let accord = note_file.display().to_string();
    for args in [
        &["status"][..],
        &["objects"],
        &["peer", "list"],
        &["peer", "status"],
        &["accord", "show"],
        &["accord", "show", "pact"],
        &["accord", "show", &accord],
        &["user", "list"],
        &["evidence"],
        &["audit"],
        &["doctor"],
    ] {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        let value = on(&a, &args).code(0).json();
        assert!(value.is_object() || value.is_array(), "{args:?}");
    }
    assert!(
        run(&["accord", "verify", &accord, "--json"]).code(0).json()["holds"]
            .as_bool()
            .unwrap()
    );
    let peers = on(&a, &["peer", "list", "--json"]).code(0).json();
    assert_eq!(peers[0]["code"], "BB");
}

#[test]
fn an_accord_that_lacks_a_signature_does_not_hold_and_says_whose() {
    let root = tempfile::tempdir().unwrap();
    let (a, b) = (member(root.path(), "AA"), member(root.path(), "BB"));
    let mut args = vec!["accord".to_owned(), "new".to_owned(), "pact".to_owned()];
    for (data, name) in [(&a, "a.json"), (&b, "b.json")] {
        let file = root.path().join(name);
        std::fs::write(&file, on(data, &["accord", "member"]).code(0).out).unwrap();
        args.extend(["--member".to_owned(), file.display().to_string()]);
    }
    let out = root.path().join("pact.note").display().to_string();
    args.extend(["--channel", "all", "--out", &out].map(str::to_owned));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    run(&args).code(0);
    run(&args).code(1);
    let draft = run(&["accord", "verify", &out]).code(1);
    assert!(draft.out.contains("ratified by nobody"), "{}", draft.out);
    let first = on(&a, &["accord", "sign", &out]).code(0);
    assert!(first.err.contains("nothing flows"), "{}", first.err);
    let half = run(&["accord", "verify", &out]).code(1);
    assert!(half.out.contains("not ratified by BB"), "{}", half.out);
    // A changed text keeps no signature.
    let text = std::fs::read_to_string(&out)
        .unwrap()
        .replacen("version = 1", "version =  1", 1);
    std::fs::write(&out, text).unwrap();
    let changed = run(&["accord", "verify", &out]).code(1);
    assert!(
        changed.out.contains("ratified by nobody"),
        "{}",
        changed.out
    );
}

#[test]
fn users_get_passwords_and_tokens_without_showing_them_on_the_command_line() {
    let root = tempfile::tempdir().unwrap();
    let data = member(root.path(), "KZ");
    fed(
        &data,
        &["user", "add", "anna", "--role", "analyst"],
        b"correct horse battery\n",
    )
    .code(0);
    let generated = on(&data, &["user", "add", "siem", "--generate"]).code(0);
    assert!(generated.out.contains("password: "), "{}", generated.out);
    assert!(
        !on(
            &data,
            &["user", "token", "new", "siem", "--days", "30", "--json"]
        )
        .code(0)
        .json()["token"]
            .as_str()
            .unwrap()
            .is_empty()
    );
    let again = on(&data, &["user", "add", "siem", "--generate"]).code(0);
    assert!(again.err.contains("keeps the old"), "{}", again.err);
    fed(&data, &["user", "add", "empty"], b"\n").code(2);
    let nobody = on(&data, &["user", "token", "new", "nobody"]).code(1);
    assert!(nobody.err.contains("user list"), "{}", nobody.err);
    let users = on(&data, &["user", "list", "--json"]).code(0).json();
    let names: Vec<&str> = users
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["anna", "siem"]);
    on(&data, &["user", "remove", "anna"]).code(0);
    assert_eq!(
        on(&data, &["user", "list", "--json"])
            .code(0)
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn the_demonstration_refuses_a_dirty_folder() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("letter.txt"), "mine").unwrap();
    let folder = root.path().display().to_string();
    let refused = run(&["demo", "--exit", "--folder", &folder]).code(1);
    assert!(refused.err.contains("not empty"), "{}", refused.err);
    let missing = run(&[
        "demo",
        "--exit",
        "--folder",
        &format!("{folder}/new"),
        "--data",
        "/no/such/attack.json",
    ])
    .code(3);
    assert!(
        missing.err.contains("/no/such/attack.json is missing"),
        "{}",
        missing.err
    );
}

#[test]
fn a_rebuilt_index_gives_the_same_answers_and_a_running_node_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let (a, _, _) = pair(root.path());
    fed(
        &a,
        &["add", "-", "--label", "TLP:GREEN//REL AA,BB"],
        envelope(0, 30).as_bytes(),
    )
    .code(0);
    fed(&a, &["user", "add", "anna"], b"correct horse battery\n").code(0);
    on(&a, &["release", "pact/all", "--all"]).code(0);
    on(
        &a,
        &["withdraw", "pact/all", &note_id(3), "--reason", "wrong"],
    )
    .code(0);
    let answers = || -> Vec<serde_json::Value> {
        [
            &["objects", "--bodies", "--json"][..],
            &["objects", "pact/all", "--bodies", "--json"],
            &["accord", "show", "--json"],
            &["user", "list", "--json"],
            &["audit", "--from", "0", "--json"],
        ]
        .iter()
        .map(|args| on(&a, args).code(0).json())
        .collect()
    };
    let before = answers();
    let rebuilt = on(&a, &["index", "rebuild", "--json"]).code(0).json();
    let count = |name: &str| {
        let all = rebuilt["collections"].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).unwrap()["objects"].as_u64()
    };
    assert_eq!((count("national"), count("pact/all")), (Some(30), Some(29)));
    assert_eq!(answers(), before);
    let server = Server::start(&a);
    let refused = on(&a, &["index", "rebuild"]).code(3);
    assert!(refused.err.contains("stop it"), "{}", refused.err);
    drop(server);
    assert_eq!(answers()[0], before[0]);
}
