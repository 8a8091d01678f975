use proptest::prelude::*;

use super::*;

fn label(text: &str) -> Label {
    Label::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn reads_and_writes_the_text_form() {
    let full = label("TLP:GREEN//REL KZ,KG//CAVEAT ORCON//PURPOSE ct//EXERCISE");
    assert_eq!(full.tlp, Tlp::Green);
    assert!(full.releasable_to.includes("KG") && !full.releasable_to.includes("UZ"));
    assert_eq!(full.caveats, BTreeSet::from(["ORCON".to_owned()]));
    assert_eq!(full.purposes, BTreeSet::from(["ct".to_owned()]));
    assert!(full.exercise);
    assert_eq!(
        full.to_string(),
        "TLP:GREEN//REL KG,KZ//CAVEAT ORCON//PURPOSE ct//EXERCISE"
    );
    for (text, normal) in [
        ("TLP:CLEAR", "TLP:CLEAR"),
        ("tlp:white", "TLP:CLEAR"),
        ("TLP:CLEAR//REL *", "TLP:CLEAR"),
        ("TLP:CLEAR//REL -", "TLP:CLEAR//REL -"),
        ("TLP:RED", "TLP:RED"),
        ("TLP:RED//REL -", "TLP:RED"),
        ("TLP:AMBER//rel *", "TLP:AMBER//REL *"),
        (
            "TLP:AMBER+STRICT // EXERCISE // REL UZ , AGENCY-7",
            "TLP:AMBER+STRICT//REL AGENCY-7,UZ//EXERCISE",
        ),
        (
            "TLP:RED//CAVEAT no foreign eyes,a%2Fb%2C",
            "TLP:RED//CAVEAT a%2Fb%2C,no foreign eyes",
        ),
    ] {
        assert_eq!(label(text).to_string(), normal, "{text}");
        assert_eq!(label(normal), label(text));
    }
    assert_eq!(label("TLP:RED"), Label::nobody());
    assert_eq!(label("TLP:CLEAR").releasable_to, Releasable::Everyone);
    assert_eq!(label("TLP:GREEN").releasable_to, Releasable::nobody());
}

#[test]
fn never_reads_a_label_in_part() {
    use LabelError::*;
    for (text, error) in [
        ("", Tlp),
        ("GREEN", Tlp),
        ("TLP:PINK", Tlp),
        ("REL KZ//TLP:GREEN", Tlp),
        ("é TLP:GREEN", Tlp),
        ("TLP:GREEN//NOFORN", Section("NOFORN".into())),
        ("TLP:GREEN//", Section("".into())),
        ("TLP:GREEN//EXERCISE x", Section("EXERCISE x".into())),
        ("TLP:GREEN//REL KZ//REL KG", Twice("REL".into())),
        ("TLP:GREEN//REL", Member("".into())),
        ("TLP:GREEN//REL KZ,", Member("".into())),
        ("TLP:GREEN//REL KZ,*", Member("*".into())),
        ("TLP:GREEN//REL kz", Member("kz".into())),
        ("TLP:GREEN//CAVEAT", Word("".into())),
        ("TLP:GREEN//CAVEAT a,,b", Word("".into())),
        ("TLP:GREEN//CAVEAT %4", Word("%4".into())),
        ("TLP:GREEN//CAVEAT %zz", Word("%zz".into())),
        ("TLP:GREEN//CAVEAT %FF", Word("%FF".into())),
    ] {
        assert_eq!(Label::parse(text), Err(error), "{text}");
    }
    assert!(Label::parse(&format!("TLP:RED//CAVEAT {}", "a".repeat(65))).is_err());
    assert_eq!(Label::parse(&"TLP:RED ".repeat(400)), Err(TooLong));
}

#[test]
fn combining_is_stricter_in_every_field() {
    let a = label("TLP:GREEN//REL KG,KZ//CAVEAT ORCON//PURPOSE ct,relief");
    let b = label("TLP:AMBER//REL KZ,UZ//CAVEAT EYES//PURPOSE ct,training//EXERCISE");
    assert_eq!(
        a.combine(&b).to_string(),
        "TLP:AMBER//REL KZ//CAVEAT EYES,ORCON//PURPOSE ct//EXERCISE"
    );
    let c = label("TLP:CLEAR//PURPOSE training");
    assert_eq!(
        a.combine(&c).to_string(),
        "TLP:GREEN//CAVEAT ORCON//PURPOSE none"
    );
}

fn any_set(items: &'static [&'static str]) -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set(
        prop::sample::select(items).prop_map(str::to_owned),
        0..=items.len(),
    )
}

fn any_label() -> impl Strategy<Value = Label> {
    let tlp = prop::sample::select(vec![
        Tlp::Clear,
        Tlp::Green,
        Tlp::Amber,
        Tlp::AmberStrict,
        Tlp::Red,
    ]);
    let releasable = prop_oneof![
        1 => Just(Releasable::Everyone),
        4 => any_set(&["KG", "KZ", "UZ", "US"]).prop_map(Releasable::Members),
    ];
    let caveats = any_set(&["ORCON", "EYES", " %odd, one//", "é"]);
    (
        tlp,
        releasable,
        caveats,
        any_set(&["ct", "relief", "none"]),
        any::<bool>(),
    )
        .prop_map(|(tlp, releasable_to, caveats, purposes, exercise)| Label {
            tlp,
            releasable_to,
            caveats,
            purposes,
            exercise,
        })
}

fn any_partial() -> impl Strategy<Value = PartialLabel> {
    (any_label(), any::<[bool; 5]>()).prop_map(|(label, states)| PartialLabel {
        tlp: states[0].then_some(label.tlp),
        releasable_to: states[1].then_some(label.releasable_to),
        caveats: states[2].then_some(label.caveats),
        purposes: states[3].then_some(label.purposes),
        exercise: states[4].then_some(label.exercise),
    })
}

/// Whether a member may use an object so labelled for a purpose.
fn allows(label: &Label, code: &str, purpose: &str) -> bool {
    label.releasable_to.includes(code)
        && (label.purposes.is_empty() || label.purposes.contains(purpose))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn combine_is_a_join(a in any_label(), b in any_label(), c in any_label()) {
        prop_assert_eq!(a.combine(&b), b.combine(&a));
        prop_assert_eq!(a.combine(&b).combine(&c), a.combine(&b.combine(&c)));
        prop_assert_eq!(a.combine(&a), a.clone());
        // Monotone: at least as strict as both, and what is stricter stays so under a third.
        let join = a.combine(&b);
        prop_assert!(join.is_as_strict_as(&a) && join.is_as_strict_as(&b));
        prop_assert!(join.combine(&c).is_as_strict_as(&a.combine(&c)));
        // Least: any label as strict as both is as strict as the join.
        if c.is_as_strict_as(&a) && c.is_as_strict_as(&b) {
            prop_assert!(c.is_as_strict_as(&join));
        }
    }

    #[test]
    fn combining_never_allows_what_either_forbids(a in any_label(), b in any_label()) {
        let join = a.combine(&b);
        prop_assert!(join.tlp >= a.tlp && join.tlp >= b.tlp);
        prop_assert!(join.caveats.is_superset(&a.caveats) && join.caveats.is_superset(&b.caveats));
        prop_assert_eq!(join.exercise, a.exercise || b.exercise);
        for code in ["KG", "KZ", "UZ", "US", "PK"] {
            for purpose in ["ct", "relief", "training"] {
                if allows(&join, code, purpose) {
                    prop_assert!(allows(&a, code, purpose) && allows(&b, code, purpose));
                }
            }
        }
    }

    #[test]
    fn what_markings_state_combines_in_any_order(a in any_partial(), b in any_partial(), c in any_partial()) {
        prop_assert_eq!(a.combine(&b), b.combine(&a));
        prop_assert_eq!(a.combine(&b).combine(&c), a.combine(&b.combine(&c)));
        prop_assert_eq!(a.combine(&a), a);
    }

    #[test]
    fn text_round_trips(label in any_label(), word in "\\PC{1,16}") {
        let mut label = label;
        label.caveats.insert(word);
        prop_assert_eq!(Label::parse(&label.to_string()), Ok(label));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(?i:tlp:(red|clear))(//(REL|CAVEAT|PURPOSE|EXERCISE)? ?[A-Z*%,/é -]{0,8}){0,4}|\\PC{0,30}") {
        if let Ok(label) = Label::parse(&text) {
            prop_assert_eq!(Label::parse(&label.to_string()), Ok(label));
        }
    }
}
