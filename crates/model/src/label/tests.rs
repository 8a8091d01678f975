use proptest::prelude::*;

use super::*;

fn label(text: &str) -> Label {
    Label::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn reads_and_writes_the_text_form() {
    let full = label("TLP:GREEN//REL KZ,KG//CAVEAT ORCON//PURPOSE ct//EXERCISE");
    assert_eq!(full.tlp, Tlp::Green);
    let none = Groups::default();
    assert!(full.releases_to("KG", &none) && !full.releases_to("UZ", &none));
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
            "tlp:green//pap:clear//exercise//legal b,a//expires 2026-12-01T00:00:00.500Z//not KG",
            "TLP:GREEN//NOT KG//LEGAL a,b//EXPIRES 2026-12-01T00:00:00.500Z//EXERCISE",
        ),
        (
            "TLP:GREEN//PAP:white//REL UZ,KZ & KZ,KG",
            "TLP:GREEN//REL KZ",
        ),
        (
            "TLP:GREEN//PAP:AMBER//REL KZ,@pact/east & UZ,@pact/west",
            "TLP:GREEN//PAP:AMBER//REL @pact/east,KZ & @pact/west,UZ",
        ),
        (
            "TLP:CLEAR//REL @pact/east & @pact/east,KZ",
            "TLP:CLEAR//REL @pact/east",
        ),
        ("TLP:CLEAR//REL @pact/east & KZ & UZ", "TLP:CLEAR//REL -"),
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
        ("TLP:GREEN//PAP:PINK", Pap),
        ("TLP:GREEN//PAP:RED//PAP:RED", Twice("PAP:RED".into())),
        ("TLP:GREEN//TLP:CLEAR", Section("TLP:CLEAR".into())),
        // Cyrillic К and З, a full-width K, a Greek Κ, a combining mark, an invisible joiner.
        ("TLP:GREEN//REL КZ", Member("КZ".into())),
        ("TLP:GREEN//REL K\u{417}", Member("K\u{417}".into())),
        ("TLP:GREEN//REL ＫZ", Member("ＫZ".into())),
        ("TLP:GREEN//REL ΚZ", Member("ΚZ".into())),
        ("TLP:GREEN//REL KZ\u{301}", Member("KZ\u{301}".into())),
        ("TLP:GREEN//REL K\u{200d}Z", Member("K\u{200d}Z".into())),
        ("TLP:GREEN//NOT КZ", Member("КZ".into())),
        ("TLP:GREEN//REL @pact", Member("@pact".into())),
        ("TLP:GREEN//REL @pact/", Member("@pact/".into())),
        ("TLP:GREEN//REL @Pact/east", Member("@Pact/east".into())),
        ("TLP:GREEN//REL @pact/eаst", Member("@pact/eаst".into())), // a Cyrillic а
        ("TLP:GREEN//REL @pact/east/x", Member("@pact/east/x".into())),
        ("TLP:GREEN//REL KZ &", Member("".into())),
        ("TLP:GREEN//REL * & KZ", Member("*".into())),
        ("TLP:GREEN//NOT", Member("".into())),
        ("TLP:GREEN//NOT *", Member("*".into())),
        ("TLP:GREEN//LEGAL", Word("".into())),
        ("TLP:GREEN//EXPIRES", Expires("".into())),
        (
            "TLP:GREEN//EXPIRES 2026-12-01",
            Expires("2026-12-01".into()),
        ),
        (
            "TLP:GREEN//EXPIRES 2026-12-01T00:00:00+00:00",
            Expires("2026-12-01T00:00:00+00:00".into()),
        ),
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

fn groups(list: &[(&str, &[&str])]) -> Groups {
    let mut groups = Groups::default();
    for (name, members) in list {
        groups.insert(
            *name,
            members.iter().map(|code| (*code).to_owned()).collect(),
        );
    }
    groups
}

#[test]
fn what_cannot_be_resolved_withholds() {
    let known = groups(&[("@pact/east", &["KG", "KZ"]), ("@pact/empty", &[])]);
    let to = |text: &str, code: &str| label(text).releases_to(code, &known);
    assert!(to("TLP:GREEN//REL @pact/east", "KZ"));
    assert!(!to("TLP:GREEN//REL @pact/east", "UZ"));
    assert!(to("TLP:GREEN//REL UZ,@pact/east", "UZ"));
    assert!(
        !to("TLP:GREEN//REL @pact/east & UZ,@pact/west", "KZ"),
        "west is unknown"
    );
    for nobody in [
        "REL @pact/empty",
        "REL @other/east",
        "REL -",
        "REL @pact/eas",
    ] {
        assert!(!to(&format!("TLP:CLEAR//{nobody}"), "KZ"), "{nobody}");
    }
    // In an exclusion, what is unknown or empty shuts out everybody.
    for all in [
        "NOT @pact/empty",
        "NOT @other/east",
        "NOT KZ",
        "NOT @pact/east",
    ] {
        assert!(!to(&format!("TLP:CLEAR//{all}"), "KZ"), "{all}");
    }
    assert!(to("TLP:CLEAR//NOT @pact/east", "UZ"));
    assert!(to("TLP:CLEAR//NOT UZ", "KZ"));
    // Nobody is called like a group.
    let mut odd = known.clone();
    odd.insert("@pact/odd", BTreeSet::from(["@pact/east".to_owned()]));
    for code in ["@pact/east", "@pact/odd", "", "*"] {
        assert!(!label("TLP:RED//REL @pact/east,@pact/odd").releases_to(code, &odd));
    }
    // However it was put together, an empty conjunction is nobody.
    let none = Releasable::AllOf(BTreeSet::new());
    assert!(!none.includes("KZ", &known));
    assert_eq!(none.intersect(&Releasable::Everyone), Releasable::nobody());
    assert_eq!(Releasable::all_of([]), Releasable::nobody());
    let written = Label::new(Tlp::Clear, none).to_string();
    assert_eq!(label(&written).releasable_to, Releasable::nobody());
}

#[test]
fn a_member_is_added_to_every_clause() {
    let with = |text: &str| {
        let label = label(text);
        Label::new(Tlp::Red, label.releasable_to.including("KZ")).to_string()
    };
    for (text, wide) in [
        ("TLP:RED", "TLP:RED//REL KZ"),
        ("TLP:RED//REL *", "TLP:RED//REL *"),
        ("TLP:RED//REL UZ", "TLP:RED//REL KZ,UZ"),
        (
            "TLP:RED//REL @a/b & @a/c,UZ",
            "TLP:RED//REL @a/b,KZ & @a/c,KZ,UZ",
        ),
    ] {
        assert_eq!(with(text), wide);
    }
    let none = Releasable::AllOf(BTreeSet::new());
    assert_eq!(none.including("KZ"), label("TLP:RED//REL KZ").releasable_to);
}

#[test]
fn a_label_expires_at_its_instant() {
    let timed = label("TLP:CLEAR//EXPIRES 2026-12-01T00:00:00Z");
    let at = |text: &str| Timestamp::parse(text).expect(text);
    assert!(!timed.expired(at("2026-11-30T23:59:59.999999999Z")));
    assert!(timed.expired(at("2026-12-01T00:00:00Z")));
    assert!(!label("TLP:CLEAR").expired(at("9999-12-31T23:59:59Z")));
}

#[test]
fn a_default_is_not_unsaid() {
    let default =
        label("TLP:AMBER//REL KZ//NOT KG//EXPIRES 2026-01-01T00:00:00Z//EXERCISE//LEGAL act");
    let stated = PartialLabel {
        not_releasable_to: Some(BTreeSet::new()),
        expires: Timestamp::parse("2030-01-01T00:00:00Z").ok(),
        exercise: Some(false),
        ..PartialLabel::parse("TLP:GREEN//REL *//LEGAL treaty").expect("sections")
    };
    assert_eq!(
        stated.or_default(&default).to_string(),
        "TLP:GREEN//REL *//NOT KG//LEGAL treaty//EXPIRES 2026-01-01T00:00:00Z//EXERCISE"
    );
}

#[test]
fn sections_alone_are_a_partial_label() {
    assert_eq!(PartialLabel::parse(""), Ok(PartialLabel::default()));
    let read = PartialLabel::parse("rel KZ // tlp:amber").expect("sections");
    assert_eq!(read.tlp, Some(Tlp::Amber));
    assert_eq!(
        read.releasable_to,
        Some(label("TLP:RED//REL KZ").releasable_to)
    );
    for bad in ["//", "TLP:GREEN//TLP:GREEN", "REL", "GREEN", "TLP:"] {
        assert!(PartialLabel::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn parts_that_are_about_no_person_leave_the_legal_basis_alone() {
    let own = label("TLP:GREEN//REL KG,KZ//LEGAL act,treaty");
    let parts = |about_person| [(label("TLP:AMBER//REL KZ,UZ//LEGAL act"), about_person)];
    let say = |about_person| container_label(&own, parts(about_person)).to_string();
    assert_eq!(say(false), "TLP:AMBER//REL KZ//LEGAL act,treaty");
    assert_eq!(say(true), "TLP:AMBER//REL KZ//LEGAL act");
    let none = [(label("TLP:GREEN//REL KZ"), true)];
    assert_eq!(container_label(&own, none).to_string(), "TLP:GREEN//REL KZ");
}

#[test]
fn oversize_labels_are_refused_or_for_nobody() {
    let words = |count: usize| {
        (0..count)
            .map(|n| format!("{n:0>60}"))
            .collect::<BTreeSet<_>>()
    };
    let mut large = label("TLP:GREEN//REL KZ");
    large.caveats = words(30);
    assert!(large.is_writable() && Label::parse(&large.to_string()).is_ok());
    large.caveats = words(40);
    assert!(!large.is_writable() && Label::parse(&large.to_string()).is_err());
    // Thousands of clauses that none implies are not compared each with each for hours.
    let part = |n: usize| label(&format!("TLP:GREEN//REL @pact/g{n}"));
    let all = container_label(&part(0), (0..5_000).map(|n| (part(n), false)));
    assert_eq!(all.releasable_to, Releasable::nobody());
    let few = container_label(&part(0), (0..20).map(|n| (part(n), false)));
    assert_eq!(few.releasable_to.clauses().count(), 20);
}

fn any_set(items: &'static [&'static str]) -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set(
        prop::sample::select(items).prop_map(str::to_owned),
        0..=items.len(),
    )
}

const RECIPIENTS: &[&str] = &["KG", "KZ", "UZ", "US", "@pact/east", "@pact/west"];

fn any_releasable() -> impl Strategy<Value = Releasable> {
    prop_oneof![
        1 => Just(Releasable::Everyone),
        2 => any_set(&["KG", "KZ", "UZ", "US"]).prop_map(Releasable::Members),
        2 => any_set(RECIPIENTS).prop_map(Releasable::Members),
        2 => prop::collection::vec(any_set(RECIPIENTS), 0..3).prop_map(Releasable::all_of),
    ]
}

pub(crate) fn any_label() -> impl Strategy<Value = Label> {
    let expires = prop::option::of(any::<u32>().prop_map(|seconds| {
        Timestamp::from_unix_nanos(i128::from(seconds) * 1_000_000_000 + i128::from(seconds % 3))
    }));
    (
        prop::sample::select(&Tlp::ALL[..]),
        prop::sample::select(&Pap::ALL[..]),
        any_releasable(),
        any_set(RECIPIENTS),
        any_set(&["ORCON", "EYES", " %odd, one//", "é"]),
        any_set(&["ct", "relief", "none"]),
        any_set(&["act 12-3", "treaty/7", "règlement"]),
        expires,
        any::<bool>(),
    )
        .prop_map(
            |(tlp, pap, releasable_to, not, caveats, purposes, legal_basis, expires, exercise)| {
                Label {
                    tlp,
                    pap,
                    releasable_to,
                    not_releasable_to: not,
                    caveats,
                    purposes,
                    legal_basis,
                    expires,
                    exercise,
                }
            },
        )
}

fn any_partial() -> impl Strategy<Value = PartialLabel> {
    (any_label(), any::<[bool; 8]>()).prop_map(|(label, states)| PartialLabel {
        tlp: states[0].then_some(label.tlp),
        pap: states[1].then_some(label.pap),
        releasable_to: states[2].then_some(label.releasable_to),
        not_releasable_to: states[3].then_some(label.not_releasable_to),
        caveats: states[4].then_some(label.caveats),
        purposes: states[5].then_some(label.purposes),
        legal_basis: states[6].then_some(label.legal_basis),
        expires: label.expires,
        exercise: states[7].then_some(label.exercise),
    })
}

/// Groups as some accord may define them: each known or not, and of any members.
fn any_groups() -> impl Strategy<Value = Groups> {
    let group = || prop::option::of(any_set(&["KG", "KZ", "UZ", "US"]));
    (group(), group()).prop_map(|(east, west)| {
        let mut groups = Groups::default();
        for (name, members) in [("@pact/east", east), ("@pact/west", west)] {
            if let Some(members) = members {
                groups.insert(name, members);
            }
        }
        groups
    })
}

/// Whether a member may use an object so labelled, for a purpose and on a legal basis, at a time.
fn allows(
    label: &Label,
    groups: &Groups,
    code: &str,
    purpose: &str,
    basis: &str,
    now: u32,
) -> bool {
    let now = Timestamp::from_unix_nanos(i128::from(now) * 1_000_000_000);
    label.releases_to(code, groups)
        && (label.purposes.is_empty() || label.purposes.contains(purpose))
        && (basis.is_empty() || label.legal_basis.contains(basis))
        && !label.expired(now)
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
    fn combining_never_allows_what_either_forbids(
        a in any_label(),
        b in any_label(),
        groups in any_groups(),
        now in any::<u32>(),
    ) {
        let join = a.combine(&b);
        prop_assert!(join.tlp >= a.tlp && join.tlp >= b.tlp);
        prop_assert!(join.pap >= a.pap && join.pap >= b.pap);
        prop_assert!(join.caveats.is_superset(&a.caveats) && join.caveats.is_superset(&b.caveats));
        prop_assert_eq!(join.exercise, a.exercise || b.exercise);
        for code in ["KG", "KZ", "UZ", "US", "PK"] {
            for purpose in ["ct", "relief", "training"] {
                for basis in ["", "act 12-3", "treaty/7"] {
                    let may = |label| allows(label, &groups, code, purpose, basis, now);
                    prop_assert!(!may(&join) || (may(&a) && may(&b)));
                }
            }
        }
    }

    #[test]
    fn what_markings_state_combines_in_any_order(a in any_partial(), b in any_partial(), c in any_partial()) {
        prop_assert_eq!(a.combine(&b), b.combine(&a));
        prop_assert_eq!(a.combine(&b).combine(&c), a.combine(&b.combine(&c)));
        prop_assert_eq!(a.combine(&a), a.clone());
        // Stating more never opens anything, whatever the default.
        let strict = a.combine(&b);
        prop_assert!(strict.combine(&c) == c.combine(&strict));
    }

    #[test]
    fn recipients_mean_what_their_clauses_mean(
        a in any_releasable(),
        b in any_releasable(),
        groups in any_groups(),
    ) {
        let both = a.intersect(&b);
        for code in ["KG", "KZ", "UZ", "US", "PK", "@pact/east", ""] {
            prop_assert_eq!(
                both.includes(code, &groups),
                a.includes(code, &groups) && b.includes(code, &groups)
            );
        }
    }

    #[test]
    fn a_container_is_as_strict_as_each_of_its_parts(
        own in any_label(),
        parts in prop::collection::vec((any_label(), any::<bool>()), 0..6),
    ) {
        let label = container_label(&own, parts.clone());
        prop_assert!(label.is_as_strict_as(&own));
        for (mut part, about_person) in parts.iter().cloned() {
            if !about_person {
                part.legal_basis = label.legal_basis.clone();
            }
            prop_assert!(label.is_as_strict_as(&part));
        }
        let mut turned = parts.clone();
        turned.reverse();
        turned.extend(parts);
        prop_assert_eq!(container_label(&own, turned), label);
    }

    #[test]
    fn text_round_trips(label in any_label(), word in "\\PC{1,16}") {
        let mut label = label;
        label.caveats.insert(word);
        prop_assert_eq!(Label::parse(&label.to_string()), Ok(label));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(?i:tlp:(red|clear))(//(PAP:|REL|NOT|CAVEAT|PURPOSE|LEGAL|EXPIRES|EXERCISE)? ?[A-Z@a-c*&%,/é -]{0,8}){0,4}|\\PC{0,30}") {
        if let Ok(label) = Label::parse(&text) {
            prop_assert_eq!(Label::parse(&label.to_string()), Ok(label));
        }
    }
}
