//! Redaction profiles and objects from outside: a profile, a zero byte, an object.
//!
//! Whatever is redacted is an object again, and redacting a form again changes nothing in it.

use model::{Id, Label, Object};
use policy::{LeakRules, Names, Profiles, RefState, Scrub, diff, leaks, redact, scrub};

/// Names that are their own outside.
struct Same;

impl Names for Same {
    fn outgoing(&self, id: &Id) -> Option<Id> {
        Some(id.clone())
    }

    fn derive(&self, id: &Id) -> Id {
        id.clone()
    }
}

/// Checks one input: a profile, a zero byte, an object.
pub fn run(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let profile = parts.next().unwrap_or_default();
    let object = parts.next().unwrap_or_default();
    let profiles = std::str::from_utf8(profile)
        .ok()
        .and_then(|text| Profiles::parse(text).ok());
    let Ok(object) = Object::parse(object) else {
        return;
    };
    for profile in profiles.iter().flat_map(Profiles::iter) {
        if let Ok(redacted) = redact(&object, &[profile], &Same) {
            for form in &redacted.objects {
                assert_eq!(Object::parse(form.bytes()).as_ref(), Ok(form));
                diff(&object, form);
            }
        }
    }
    let member = Id::parse("identity--00000000-0000-4000-8000-0000000000ff").expect("an id");
    let settings = Scrub::new(member, &Label::nobody(), 60, 256);
    if let Ok(form) = scrub(&object, &settings, &Same) {
        assert_eq!(form.bytes().len() % 256, 0);
        assert_eq!(scrub(&form, &settings, &Same).as_ref(), Ok(&form));
    }
    leaks(&object, &LeakRules::default(), &|_| RefState::Unknown);
}

/// One profile with every action, and objects that it works on.
pub fn seeds() -> Vec<Vec<u8>> {
    let profile = "[profile.p]\n\
        [[profile.p.rule]]\ndo = \"granular\"\nabove = \"TLP:GREEN\"\n\
        [[profile.p.rule]]\ndo = \"tear\"\nat = [\"/description\"]\nrest = \"q\"\n\
        [[profile.p.rule]]\ndo = \"network\"\nipv4 = 24\nipv6 = 48\n\
        [[profile.p.rule]]\ndo = \"domain\"\nlabels = 2\n\
        [[profile.p.rule]]\ndo = \"time\"\nto = \"month\"\n\
        [[profile.p.rule]]\ndo = \"hashes\"\n\
        [[profile.p.rule]]\ndo = \"location\"\nkeep = \"country\"\n\
        [[profile.p.rule]]\ndo = \"coordinates\"\ndecimals = 1\n\
        [profile.q]\n[[profile.q.rule]]\ndo = \"drop\"\nat = [\"/x_*\", \"/labels/*\"]\n\
        [[profile.q.rule]]\ndo = \"keep\"\nproperties = [\"name\"]\n";
    let objects = [
        r#"{"type":"indicator","id":"indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f","created":"2026-03-01T08:15:09.123Z","modified":"2026-03-01T08:47:00.000Z","pattern":"[ipv4-addr:value = '10.1.2.3' OR domain-name:value = 'a.b.example'] START t'2026-03-01T08:15:09Z' STOP t'2026-03-02T08:15:09Z'","pattern_type":"stix","valid_from":"2026-03-01T08:15:09Z","description":"a\n-----TEAR LINE-----\nb 10.1.2.3","labels":["x","y"],"granular_markings":[{"marking_ref":"marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1","selectors":["labels.[0]"]}],"x_a":"U0lMVkVSIEhFUk9O%20","external_references":[{"source_name":"cve","external_id":"CVE-2026-1234","url":"https://a.example/"}]}"#,
        r#"{"type":"location","id":"location--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f","created":"2026-03-01T08:15:09.123Z","modified":"2026-03-01T08:47:00.000Z","latitude":43.25,"longitude":76.9,"country":"KZ"}"#,
        r#"{"type":"observed-data","id":"observed-data--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f","created":"2026-03-01T08:15:09.123Z","modified":"2026-03-01T08:47:00.000Z","first_observed":"2026-03-01T08:15:09Z","last_observed":"2026-03-01T08:15:09Z","number_observed":7,"objects":{"0":{"type":"file","hashes":{"MD5":"0"},"name":"n"}}}"#,
        r#"{"type":"file","id":"file--8e2e2d2b-17d4-5cbf-938f-98ee46b3cd3f","hashes":{"SHA-256":"AB"},"name":"n"}"#,
    ];
    objects
        .iter()
        .map(|object| format!("{profile}\0{object}").into_bytes())
        .collect()
}
