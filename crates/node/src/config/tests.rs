use super::*;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(Path::new("/data"), text).map_err(|error| error.to_string())
}

const MEMBER: &str = "[member]\ncode = \"KZ\"\nname = \"Kazakhstan\"\ndomain = \"kz.example\"\n";

#[test]
fn the_template_is_a_valid_configuration_with_safe_defaults() {
    let text = Config::template(
        "KZ",
        "A \"quoted\" name",
        "kz.example",
        "127.0.0.1:1",
        "127.0.0.1:2",
    );
    let config = parse(&text).expect("template parses");
    assert_eq!(config.name, "A \"quoted\" name");
    assert_eq!(config.url, "https://127.0.0.1:1");
    assert_eq!(config.mode("any", "channel"), ReleaseMode::Manual);
    assert_eq!(config.intake_label, Label::parse("TLP:AMBER").unwrap());
    assert_eq!(config.keys, Path::new("/data/keys"));
    assert_eq!(config.intake_validation, Validation::Lenient);
}

#[test]
fn validation_is_one_word_and_explained() {
    for (word, wanted) in [
        ("off", Validation::Off),
        ("lenient", Validation::Lenient),
        ("strict", Validation::Strict),
    ] {
        let config = parse(&format!("{MEMBER}[intake]\nvalidation = \"{word}\"\n")).unwrap();
        assert_eq!(config.intake_validation, wanted);
        assert_eq!(config.intake_label, Label::parse("TLP:AMBER").unwrap());
        let explained = format!("{:?}", config.explain());
        assert!(explained.contains("intake.validation"), "{explained}");
    }
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    let error = parse(&format!("{MEMBER}colour = \"red\"\n")).unwrap_err();
    assert!(
        error.contains("line 5") && error.contains("colour"),
        "{error}"
    );
}

#[test]
fn each_wrong_value_is_refused_by_name() {
    for (text, needle) in [
        (
            format!("{MEMBER}[people]\norigin = \"http://node.kz.example\"\n"),
            "people.origin",
        ),
        (
            format!("{MEMBER}[people]\norigin = \"https://node.kz.example/path\"\n"),
            "people.origin",
        ),
        (
            format!(
                "{MEMBER}[people.oidc]\nissuer = \"https://idp.example\"\nclient_id = \"x\"\n\
                 client_secret = \"y\"\n"
            ),
            "people.origin",
        ),
        (
            format!(
                "{MEMBER}[people]\norigin = \"https://node.kz.example\"\n[people.oidc]\n\
                 issuer = \"https://idp.example\"\nclient_id = \"x\"\nclient_secret = \"y\"\n\
                 [people.oidc.duties]\nstaff = [\"king\"]\n"
            ),
            "people.oidc.duties",
        ),
        (
            format!(
                "{MEMBER}[people.certificates]\nauthorities = \"ca.pem\"\n\
                 [people.certificates.users]\n\"CN=Anna\" = \"anna\"\n"
            ),
            "people.certificates",
        ),
        (
            "[member]\ncode = \"kz\"\nname = \"x\"\ndomain = \"kz.example\"\n".to_owned(),
            "member.code",
        ),
        (
            "[member]\ncode = \"KZ\"\nname = \"x\"\ndomain = \"KZ example\"\n".to_owned(),
            "member.domain",
        ),
        (
            format!("{MEMBER}url = \"http://kz.example\"\n"),
            "member.url",
        ),
        (
            format!("{MEMBER}[listen]\nmembers = \"everywhere\"\n"),
            "listen.members",
        ),
        (
            format!("{MEMBER}[intake]\nlabel = \"TLP:PURPLE\"\n"),
            "intake.label",
        ),
        (
            format!("{MEMBER}[intake]\nvalidation = \"harsh\"\n"),
            "harsh",
        ),
        (
            format!("{MEMBER}[limits]\npoll_secs = 0\n"),
            "limits.poll_secs",
        ),
        (
            format!("{MEMBER}[[release]]\naccord = \"a\"\nchannel = \"b\"\nmode = \"auto\"\n"),
            "kinds",
        ),
        (
            format!(
                "{MEMBER}[[release]]\naccord = \"a\"\nchannel = \"b\"\nmode = \"auto\"\nkinds = \"any\"\n"
            ),
            "ceiling",
        ),
        (
            format!(
                "{MEMBER}[[release]]\naccord = \"a\"\nchannel = \"b\"\nmode = \"manual\"\nkinds = \"any\"\n"
            ),
            "mode",
        ),
    ] {
        let error = parse(&text).unwrap_err();
        assert!(error.contains(needle), "{text}\n{error}");
    }
}

#[test]
fn an_automatic_channel_is_read_and_explained() {
    let config = parse(&format!(
        "{MEMBER}[[release]]\naccord = \"a\"\nchannel = \"b\"\nmode = \"auto\"\nkinds = [\"indicator\"]\nceiling = \"TLP:GREEN\"\n"
    ))
    .expect("parses");
    let ReleaseMode::Auto { kinds, ceiling } = config.mode("a", "b") else {
        panic!("auto")
    };
    assert_eq!(ceiling, Tlp::Green);
    assert!(kinds.allows("indicator") && !kinds.allows("malware"));
    assert_eq!(config.mode("a", "c"), ReleaseMode::Manual);
    let explained = config.explain();
    assert!(
        explained
            .iter()
            .any(|(key, value, means)| key == "release a/b"
                && value == "auto"
                && means.contains("indicator"))
    );
}
