//! A label in its text form, and as MISP tags.
//!
//! Any text is read whole or refused; what was read is written back equal, in both forms; and what
//! two labels combine to allows nobody whom either withholds.

use model::{Groups, Label, misp};

/// Checks one input: one label, or two with a line end between them.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut labels = Vec::new();
    for line in text.split('\n').take(2) {
        let tags = misp::Tags::read(line.split('\t'));
        if let Ok(tags) = tags {
            assert!(tags.unknown.len() <= line.split('\t').count());
        }
        let Ok(label) = Label::parse(line) else {
            continue;
        };
        assert_eq!(Label::parse(&label.to_string()), Ok(label.clone()));
        let tags = misp::tags(&label);
        let read = misp::Tags::read(tags.iter().map(String::as_str)).expect("our own tags read");
        assert_eq!(read.stated.or_default(&Label::nobody()), label);
        labels.push(label);
    }
    if let [one, two] = labels.as_slice() {
        let both = one.combine(two);
        let mut groups = Groups::default();
        groups.insert("@pact/east", ["KZ".to_owned()].into());
        for code in ["KG", "KZ", "UZ"] {
            let may = |label: &Label| label.releases_to(code, &groups);
            assert!(!may(&both) || (may(one) && may(two)));
        }
        assert!(both.is_as_strict_as(one) && both.is_as_strict_as(two));
    }
}

/// Labels with every part.
pub fn seeds() -> Vec<Vec<u8>> {
    [
        "TLP:GREEN//REL KG,KZ\nTLP:CLEAR",
        "TLP:AMBER+STRICT//PAP:AMBER//REL KZ,@pact/east & UZ,@pact/west//NOT KG,@pact/x\nTLP:RED//REL *",
        "TLP:CLEAR//CAVEAT ORCON,a%2Fb//PURPOSE ct//LEGAL act 12-3//EXPIRES 2026-12-01T00:00:00Z//EXERCISE",
        "tlp:green\tPAP:RED\tkurultai:releasable-to=\"KZ\"\tkurultai:caveat=\"ORCON\"",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect()
}
