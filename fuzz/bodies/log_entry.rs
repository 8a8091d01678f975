//! Log entries and entry bundles from arbitrary bytes: no panic, and one encoding for each.

use log::{Action, Entry, entries};

/// Checks one input.
pub fn run(data: &[u8]) {
    if let Ok(entry) = Entry::decode(data) {
        assert_eq!(entry.encode().as_deref(), Ok(data));
    }
    let Some((width, bundle)) = data.split_first() else {
        return;
    };
    if let Ok(decoded) = entries::decode(bundle, u16::from(*width)) {
        assert_eq!(entries::encode(&decoded), bundle);
    }
}

/// A release, a withdrawal without a version, and a bundle of both under its width.
pub fn seeds() -> Vec<Vec<u8>> {
    let release = Entry {
        action: Action::Release,
        hash: [1; 32],
        id: "indicator--26ffb872-1dd9-446e-b6f5-d58527e5b5d2".to_owned(),
        modified: Some("2026-11-20T08:00:00.123Z".to_owned()),
        kind: "indicator".to_owned(),
        label: "TLP:GREEN//REL KZ,KG".to_owned(),
        attribution: "KZ".to_owned(),
        salt: [2; 16],
        time: "2026-11-24T05:00:00.000001Z".to_owned(),
    };
    let withdrawal = Entry {
        action: Action::Withdraw,
        modified: None,
        ..release.clone()
    };
    let [a, b] = [release, withdrawal].map(|entry| entry.encode().expect("a good entry"));
    let bundle = [vec![2], entries::encode(&[&a, &b])].concat();
    vec![a, b, bundle]
}
