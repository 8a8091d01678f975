use super::*;

fn config(folder: &Path, domain: &str) -> Config {
    let text = Config::template("KZ", "Kazakhstan", domain, "127.0.0.1:1", "127.0.0.1:2");
    Config::parse(folder, &text).unwrap()
}

fn problem(config: &Config) -> String {
    Keys::load(config).unwrap_err().to_string()
}

#[test]
fn keys_are_made_once_and_read_back_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "kz.example");
    let made = Keys::generate(&config).unwrap().member_entry(&config);
    assert_eq!(Keys::load(&config).unwrap().member_entry(&config), made);
    for entry in fs::read_dir(&config.keys).unwrap() {
        let path = entry.unwrap().path();
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let public = path
            .extension()
            .is_some_and(|end| end == "vkey" || end == "crt");
        assert_eq!(
            mode,
            if public { 0o644 } else { 0o600 },
            "{}",
            path.display()
        );
    }
    let again = Keys::generate(&config).unwrap_err().to_string();
    assert!(again.contains("never overwritten"), "{again}");
    assert_eq!(Keys::load(&config).unwrap().member_entry(&config), made);
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "kz.example");
    Keys::generate(&config).unwrap();
    for file in [
        "root.key",
        "log.key",
        "log-pq.key",
        "witness.key",
        "tls.key",
        "seal.key",
    ] {
        let path = config.keys.join(file);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = problem(&config);
        assert!(
            error.contains(file) && error.contains("chmod 600"),
            "{error}"
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn damaged_foreign_and_missing_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "kz.example");
    Keys::generate(&config).unwrap();
    let path = config.keys.join("log.key");
    let whole = fs::read_to_string(&path).unwrap();
    let half = whole.len() / 2;
    for text in [
        "",
        "PRIVATE+KEY+",
        &whole[..half],
        &whole.replacen("kz.example", "kg.example", 1),
        &whole.replace("/log+", "/other+"),
    ] {
        fs::write(&path, text).unwrap();
        assert!(problem(&config).contains("log.key"), "{text}");
    }
    fs::remove_file(&path).unwrap();
    assert!(problem(&config).contains("restore it from the backup"));
}

#[test]
fn a_node_runs_without_its_root_secret() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "kz.example");
    let made = Keys::generate(&config).unwrap().member_entry(&config);
    fs::remove_file(config.keys.join("root.key")).unwrap();
    let keys = Keys::load(&config).unwrap();
    assert!(keys.root().is_none());
    assert_eq!(keys.member_entry(&config), made);
}

#[test]
fn a_signer_signs_with_both_keys_under_the_logs_name() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "kz.example");
    let keys = Keys::generate(&config).unwrap();
    let member = keys.member_entry(&config);
    let origin = "kz.example/steppe/alerts";
    let note = keys.signer(origin).unwrap()(0, log::merkle::empty_root());
    let named = |key: &VerifierKey| key.renamed(origin).unwrap();
    let expected = log::LogKeys {
        origin: origin.into(),
        ed25519: named(&member.log),
        pq: member.log_pq.as_ref().map(named),
    };
    let (checkpoint, _) = Checkpoint::open(note.as_bytes(), &expected).unwrap();
    assert_eq!(checkpoint.size(), 0);
    assert!(keys.signer("two\nlines").is_err());
}
