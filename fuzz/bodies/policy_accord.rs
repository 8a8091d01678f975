//! Signed accords and bare accord texts from outside.
//!
//! Whatever reads must write something that reads back as the same accord with the same members
//! bound, and nobody is bound by a note without that member's signature line.

use log::note::{KeyKind, SigningKey};
use policy::{Accord, Role, SignedAccord};

/// Checks one input.
pub fn run(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(accord) = Accord::parse_text(text)
    {
        assert_eq!(Accord::parse_text(&accord.to_text()), Ok(accord));
    }
    if let Ok(signed) = SignedAccord::parse(data) {
        let again = SignedAccord::parse(signed.to_string().as_bytes());
        let again = again.expect("what is written reads back");
        assert_eq!(again.text(), signed.text());
        assert_eq!(again.ratified(), signed.ratified());
        let held = String::from_utf8_lossy(data);
        for code in signed.ratified() {
            let member = signed.accord().member(&code).expect("a member");
            assert!(held.contains(&format!("\n\u{2014} {} ", member.root.name())));
        }
    }
}

/// A small accord: bare, signed by one, signed by both.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut text = String::from(
        "format = \"kurultai-accord/1\"\nname = \"a\"\nversion = 1\n\n[obligations]\n\
         third_party = \"never\"\npurposes = []\nnon_attribution = false\n",
    );
    let key = |code: &str, role: Role, kind: KeyKind| {
        let seed = model::Hash::of(format!("{code}{role:?}").as_bytes()).0;
        SigningKey::from_seed(kind, &role.key_name(&format!("{code}.example")), seed)
            .expect("a key name")
    };
    for code in ["kg", "kz"] {
        text += &format!(
            "\n[[member]]\ncode = \"{}\"\nname = \"{code}\"\ndomain = \"{code}.example\"\n\
             url = \"https://{code}.example:1\"\nroot = \"{}\"\nlog = \"{}\"\nwitness = \"{}\"\n\
             tls = \"{}\"\n",
            code.to_uppercase(),
            key(code, Role::Root, KeyKind::Ed25519).verifier(),
            key(code, Role::Log, KeyKind::Ed25519).verifier(),
            key(code, Role::Witness, KeyKind::CosignatureV1).verifier(),
            model::Hash::of(code.as_bytes()),
        );
    }
    text += "\n[[channel]]\nname = \"c\"\ntitle = \"C\"\nmembers = [\"KG\", \"KZ\"]\n\
             kinds = [\"indicator\"]\nceiling = \"TLP:RED\"\nexercise = true\n\
             retention_days = 3\nattribution = \"origin\"\n";
    let mut signed = SignedAccord::from_text(&text).expect("a good accord");
    let mut seeds = vec![text.into_bytes()];
    for code in ["kg", "kz"] {
        signed
            .ratify(&key(code, Role::Root, KeyKind::Ed25519))
            .expect("a root key");
        seeds.push(signed.to_string().into_bytes());
    }
    seeds
}
