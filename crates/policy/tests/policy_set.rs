//! Policy sets: faults are found with their place, signatures and succession hold, the memo gives
//! what the rules would, and what-if says what a change would do.

mod support;

use std::collections::BTreeMap;

use log::note::{KeyKind, SigningKey};
use model::{Label, Timestamp, Tlp};
use policy::authority::{
    Authority, Changed, Circumstances, Class, Classes, Duty, Facts, Memo, Originator, Outcome,
    Person, Principal, Reach, Side, what_if,
};
use policy::{
    InForce, Kinds, Manifest, PolicyError, PolicySet, ReleaseMode, SetError, SignedPolicy,
};
use support::{Rng, SIX, channel, codes, label};

const GOOD: &str = "@id(\"all\")\n@explain(\"everything\")\npermit (\n    principal,\n    action == \
                    Action::\"release\",\n    resource\n);\n";

fn files(list: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    list.iter()
        .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
        .collect()
}

fn fault(rules: &str) -> PolicyError {
    let text = format!("{GOOD}\n{rules}");
    PolicySet::read(files(&[("a.cedar", &text)])).expect_err("a fault")
}

/// A permit on release with other annotations or another condition, beginning at line 9.
fn rule(annotations: &str, condition: &str) -> String {
    format!(
        "{annotations}\npermit (principal, action == Action::\"release\", resource)\nwhen {{ \
         {condition} }};\n"
    )
}

#[test]
fn every_fault_is_refused_with_its_line_and_reason() {
    let named = "@id(\"b\") @explain(\"b\")";
    let cases: [(String, usize, &str); 22] = [
        (rule(named, "resource.tlp == Tlp::\"GREN\""), 11, "GREN"),
        (rule(named, "resource.colour == 1"), 11, "colour"),
        (rule(named, "resource.level == \"GREEN\""), 11, "type"),
        (rule(named, "principal.clearance > 1"), 11, "clearance"),
        (rule(named, "resource.level <"), 11, "unexpected"),
        (
            rule(
                named,
                "context.channel.exercise && context.channel.exercise == 3",
            ),
            11,
            "type",
        ),
        (
            rule(named, "principal is Person && principal is Automation"),
            9,
            "impossible",
        ),
        (rule("@explain(\"b\")", "true"), 10, "@id"),
        (rule("@id(\"b\")", "true"), 10, "@explain"),
        (rule("@id(\"all\") @explain(\"b\")", "true"), 9, "taken"),
        (
            rule(
                "@id(\"b\") @explain(\"b\")\n@need(\"2 of approver\")",
                "true",
            ),
            10,
            "@need is no annotation",
        ),
        (
            rule(
                "@id(\"b\") @explain(\"b\")\n@needs(\"two approvers\")",
                "true",
            ),
            10,
            "2 of approver",
        ),
        (
            rule(
                "@id(\"b\") @explain(\"b\")\n@needs(\"0 of approver\")",
                "true",
            ),
            10,
            "1 to 9",
        ),
        (
            rule(
                "@id(\"b\") @explain(\"b\")\n@needs(\"2 of approvers\")",
                "true",
            ),
            10,
            "duty",
        ),
        (
            rule(
                "@id(\"b\") @explain(\"b\")\n@needs(\"1 of approver, 2 of approver\")",
                "true",
            ),
            10,
            "twice",
        ),
        (
            rule("@id(\"b\") @explain(\"b\")\n@redact(\"No Such\")", "true"),
            10,
            "a-z",
        ),
        (
            rule("@id(\"b\") @id(\"c\") @explain(\"b\")", "true"),
            9,
            "twice",
        ),
        (rule("@id(\"b\") @explain(\"\")", "true"), 9, "says nothing"),
        (
            format!("{named}\n@needs(\"1 of approver\")\nforbid (principal, action, resource);"),
            10,
            "only on a permit",
        ),
        (
            format!(
                "{named}\npermit (principal, action == Action::\"release\", resource == ?resource);"
            ),
            10,
            "template",
        ),
        (
            format!("{named}\npermit (principal, action == Action::\"relaese\", resource);"),
            10,
            "relaese",
        ),
        (
            format!("{named}\npermit (principal, action, resource)"),
            9,
            "no end",
        ),
    ];
    for (text, line, words) in &cases {
        let fault = fault(text);
        assert_eq!(
            (fault.file.as_str(), fault.line),
            ("a.cedar", *line),
            "{fault}\n{text}"
        );
        assert!(fault.why.contains(words), "{words}: {fault}");
    }
}

#[test]
fn what_is_no_policy_set_is_refused() {
    for (path, words) in [
        ("rules.ceder", "no file of a policy set"),
        ("../a.cedar", "no file of a policy set"),
        ("cases/deep/a.toml", "no file of a policy set"),
        ("A.cedar", "characters"),
        ("a\u{430}.cedar", "characters"),
    ] {
        let error = PolicySet::read(files(&[("a.cedar", GOOD), (path, GOOD)]));
        let error = error.expect_err("not a set").to_string();
        assert!(error.contains(words), "{error}");
    }
    let none = PolicySet::read(files(&[("cases/a.toml", "")])).expect_err("no rules");
    assert!(none.why.contains("no rules"));
    let mut bytes = files(&[("a.cedar", GOOD)]);
    bytes.insert("b.cedar".to_owned(), vec![b'\n', b' ', 0xff]);
    let error = PolicySet::read(bytes).expect_err("not UTF-8");
    assert_eq!(
        (error.file.as_str(), error.line, error.column),
        ("b.cedar", 2, 2)
    );
    // Letters that look like others, even inside a text.
    let homoglyph = GOOD.replace(
        "resource\n)",
        "resource\n) when { resource.kind == \"indic\u{430}tor\" }",
    );
    let error = PolicySet::read(files(&[("a.cedar", &homoglyph)])).expect_err("mixed scripts");
    assert!(error.why.contains("script"), "{error}");
}

#[test]
fn a_rule_names_only_profiles_that_the_set_has() {
    let rules = rule("@id(\"b\") @explain(\"b\")\n@redact(\"faceless\")", "true");
    let error = PolicySet::read(files(&[("a.cedar", &rules)])).expect_err("no such profile");
    assert_eq!((error.file.as_str(), error.line), ("a.cedar", 3));
    assert!(error.why.contains("faceless"), "{error}");
    for file in ["redact.toml", "leak.toml", "equivalence.toml"] {
        let broken = files(&[("a.cedar", GOOD), (file, "\nx = 1\n")]);
        let error = PolicySet::read(broken).expect_err("a key that is not known");
        assert_eq!((error.file.as_str(), error.line), (file, 2));
    }
}

#[test]
fn a_long_or_deep_rule_is_refused_before_it_can_hurt() {
    let deep = rule(
        "@id(\"b\") @explain(\"b\")",
        &format!("{}true{}", "(".repeat(500), ")".repeat(500)),
    );
    assert!(fault(&deep).why.contains("nested"));
    let long = rule("@id(\"b\") @explain(\"b\")", &"true && ".repeat(5_000));
    assert!(fault(&long).why.contains("too long"));
    // Whatever chain of operators fills a rule, reading it stays within a small stack.
    for (part, end) in [
        ("true || ", "true"),
        ("1 + ", "1 > 0"),
        ("resource.own && ", "true"),
        ("if resource.own then false else ", "true"),
        ("resource.own == ", "true"),
        ("!", "true"),
        ("-", "1 > 0"),
        ("context.", "objects > 0"),
        ("{a: [(", "true"),
        ("context has ", "hour"),
    ] {
        for times in [10, 150, 240, 490, 980] {
            let text = rule("@id(\"b\") @explain(\"b\")", &(part.repeat(times) + end));
            let files = files(&[("a.cedar", &text)]);
            let read = std::thread::Builder::new().stack_size(1 << 20);
            let read = read.spawn(|| PolicySet::read(files).map(drop));
            let _ = read
                .expect("a thread")
                .join()
                .expect("no overflow, no panic");
        }
    }
    // As long as allowed: it loads and decides on the stack of a test's thread.
    let chain = vec!["resource.own"; 190].join(" && ");
    let text = format!(
        "{GOOD}{}",
        rule("@id(\"b\") @explain(\"b\")", &format!("({chain})"))
    );
    let set = PolicySet::read(files(&[("a.cedar", &text)])).expect("a long rule");
    assert_eq!(set.authority(1).rules().count(), 2);
}

fn policy_key(domain: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyKind::Ed25519, &format!("{domain}/policy"), [seed; 32])
        .expect("a policy key")
}

#[test]
fn a_signed_set_opens_only_whole_and_with_its_key() {
    let key = policy_key("kz.example", 1);
    let set = PolicySet::read(files(&[("a.cedar", GOOD), ("b.cedar", "")])).expect("a set");
    let signed = SignedPolicy::sign(set, None, &key).expect("signed");
    let note = signed.note().into_bytes();
    let held = signed.set().files().clone();
    let opened = SignedPolicy::open(&note, held.clone(), key.verifier()).expect("opens");
    assert_eq!(opened.manifest(), signed.manifest());
    assert_eq!(opened.authority().version().number, 1);

    let open = |note: &[u8], files, key: &SigningKey| {
        SignedPolicy::open(note, files, key.verifier()).expect_err("refused")
    };
    let other = policy_key("kz.example", 2);
    assert!(matches!(
        open(&note, held.clone(), &other),
        SetError::Note(_)
    ));
    let log = SigningKey::from_seed(KeyKind::Ed25519, "kz.example/log", [1; 32]).expect("a key");
    assert!(matches!(
        open(&note, held.clone(), &log),
        SetError::NotAPolicyKey { .. }
    ));
    assert!(SignedPolicy::sign(signed.set().clone(), None, &log).is_err());

    let mut more = held.clone();
    more.insert("c.cedar".to_owned(), GOOD.as_bytes().to_vec());
    assert!(
        open(&note, more, &key)
            .to_string()
            .contains("not in the signed manifest")
    );
    let mut fewer = held.clone();
    fewer.remove("b.cedar");
    assert!(open(&note, fewer, &key).to_string().contains("not there"));
    let mut changed = held.clone();
    changed.insert("b.cedar".to_owned(), b"\n".to_vec());
    assert!(open(&note, changed, &key).to_string().contains("not those"));
    for at in 0..note.len() {
        let mut broken = note.clone();
        broken[at] ^= 1;
        let opened = SignedPolicy::open(&broken, held.clone(), key.verifier());
        assert!(opened.is_err(), "byte {at} is not covered");
    }
}

#[test]
fn sets_follow_each_other_in_one_chain() {
    let set = |text: &str| PolicySet::read(files(&[("a.cedar", text)])).expect("a set");
    let one = Manifest::of(&set(GOOD), "kz.example", None);
    let two = Manifest::of(&set(&format!("{GOOD}\n")), "kz.example", Some(&one));
    let three = Manifest::of(&set(GOOD), "kz.example", Some(&two));
    assert_eq!((one.number, two.number, three.number), (1, 2, 3));
    assert_eq!(one.follows(None), Ok(()));
    assert_eq!(two.follows(Some(&one)), Ok(()));
    assert_eq!(three.follows(Some(&two)), Ok(()));
    // Going back, repeating, jumping over one, or starting anew.
    for (next, before) in [(&one, &two), (&two, &two), (&three, &one), (&one, &one)] {
        assert!(matches!(
            next.follows(Some(before)),
            Err(SetError::NotSuccessor { .. })
        ));
    }
    assert!(two.follows(None).is_err());
    let foreign = Manifest::of(&set(GOOD), "kg.example", Some(&one));
    assert!(matches!(
        foreign.follows(Some(&one)),
        Err(SetError::OtherDomain { .. })
    ));
    for manifest in [&one, &two, &three] {
        assert_eq!(Manifest::parse(&manifest.to_text()).as_ref(), Ok(manifest));
    }
    for text in [
        "",
        "kz.example/policy\n",
        "kz.example/policy\n01\n",
        "kz.example/log\n1\n",
    ] {
        assert!(Manifest::parse(text).is_err());
    }
    let loose = two.to_text().replace("\n2\n", "\n02\n");
    assert!(Manifest::parse(&loose).is_err());
}

fn shipped() -> Authority {
    PolicySet::shipped()
        .expect("the shipped set loads")
        .authority(0)
}

fn at(now: &str, objects: u64) -> Circumstances {
    Circumstances {
        now: Timestamp::parse(now).expect("a time"),
        utc_offset_minutes: Some(0),
        objects,
        delegated: false,
    }
}

fn releaser() -> Person {
    Person {
        name: "anna".to_owned(),
        duties: [Duty::Releaser].into(),
        clearance: Tlp::Red,
        proven: true,
    }
}

#[test]
fn the_memo_gives_what_the_rules_give_at_every_time() {
    let channels = [channel("a", &SIX), channel("b", &SIX[..3])];
    let in_force: Vec<InForce<'_>> = channels
        .iter()
        .map(|channel| InForce::new("pact", channel, channel.members.clone()))
        .collect();
    let mode = ReleaseMode::Auto {
        kinds: Kinds::Any,
        ceiling: Tlp::Green,
    };
    let anna = releaser();
    let mut classes = Classes::default();
    let mut expiring = label(Tlp::Green, None);
    expiring.expires = Some(Timestamp::parse("2026-03-02T21:30:00Z").expect("a time"));
    let labels = [
        label(Tlp::Green, None),
        label(Tlp::Amber, None),
        label(Tlp::Green, Some(&SIX[..3])),
        label(Tlp::Red, None),
        expiring,
    ];
    let mut memo = Memo::new(shipped());
    let mut rng = Rng(5);
    let mut outcomes = BTreeMap::new();
    let mut minute = 0;
    for _ in 0..6_000 {
        // From 20:00 to 22:59: over the expiry and into the quiet hours; now and then backwards.
        minute = if rng.below(200) == 0 {
            rng.below(180)
        } else {
            minute
        };
        minute = (minute + usize::from(rng.below(30) == 0)).min(179);
        let now = format!("2026-03-02T{}:{:02}:00Z", 20 + minute / 60, minute % 60);
        let circumstances = at(&now, [1, 5_000][rng.below(2)]);
        let facts = Facts {
            label: &labels[rng.below(labels.len())],
            kind: ["indicator", "report"][rng.below(2)],
            about_person: rng.below(2) == 0,
            originator: [Originator::Own, Originator::Member("KG")][rng.below(2)],
        };
        let class = classes.count(&facts).expect("a number") as usize;
        let at = rng.below(2);
        let principal = match rng.below(2) {
            0 => Principal::Person(&anna),
            _ => Principal::Automation(&mode),
        };
        let known = memo.decide(
            (at, class),
            &facts,
            &in_force[at],
            &principal,
            &circumstances,
        );
        let fresh = memo
            .authority()
            .decide(&facts, &in_force[at], &principal, &circumstances);
        assert_eq!(*known, fresh, "{now} {facts:?} {principal:?}");
        *outcomes.entry(fresh.outcome()).or_insert(0) += 1;
    }
    assert_eq!(classes.len(), 5 * 2 * 2 * 2);
    assert_eq!(classes.iter().map(|(_, count)| count).sum::<u64>(), 6_000);
    for outcome in [Outcome::Refuse, Outcome::Wait, Outcome::Permit] {
        assert!(outcomes[&outcome] > 100, "{outcomes:?}");
    }
}

fn class(text: &str, kind: &str) -> Class {
    Class {
        label: Label::parse(text).expect("a label"),
        kind: kind.to_owned(),
        about_person: false,
        originator: None,
    }
}

#[test]
fn what_if_says_what_opens_and_what_stops() {
    let wide = channel("all", &SIX);
    let mut narrow = wide.clone();
    narrow.members = codes(&SIX[..2]);
    let drill = {
        let mut drill = channel("drill", &SIX);
        drill.exercise = true;
        drill
    };
    let auto = ReleaseMode::Auto {
        kinds: Kinds::Any,
        ceiling: Tlp::Green,
    };
    let channels = |list: &[(&'static str, &'_ policy::Channel, &ReleaseMode)]| {
        list.iter()
            .map(|(name, channel, mode)| {
                let in_force = InForce::new("pact", channel, channel.members.clone());
                (
                    (*name).to_owned(),
                    (in_force.channel.clone(), (*mode).clone()),
                )
            })
            .collect::<BTreeMap<_, _>>()
    };
    // Owned channels first, then what is in force over them.
    let now_held = channels(&[("pact/all", &wide, &ReleaseMode::Manual)]);
    let then_held = channels(&[
        ("pact/all", &narrow, &auto),
        ("pact/drill", &drill, &ReleaseMode::Manual),
    ]);
    let live = |held: &'static BTreeMap<String, (policy::Channel, ReleaseMode)>| {
        held.iter()
            .map(|(name, (channel, mode))| {
                let in_force = InForce::new("pact", channel, channel.members.clone());
                (name.clone(), (in_force, mode.clone()))
            })
            .collect::<BTreeMap<_, _>>()
    };
    let now_held: &'static _ = Box::leak(Box::new(now_held));
    let then_held: &'static _ = Box::leak(Box::new(then_held));
    let (now, then) = (live(now_held), live(then_held));
    let authority = shipped();
    let classes = [
        class("TLP:GREEN//REL *", "indicator"),
        class("TLP:GREEN//REL KG,KZ", "indicator"),
        class("TLP:AMBER//REL *", "report"),
        class("TLP:GREEN//REL *//EXERCISE", "indicator"),
        class("TLP:RED//REL *", "report"),
    ];
    let changed: Vec<Changed<'_>> = classes
        .iter()
        .zip([1_000, 20, 3, 4, 5])
        .map(|(class, objects)| Changed::unchanged(class, objects))
        .collect();
    let side = |channels| Side {
        authority: &authority,
        channels,
    };
    let circumstances = at("2026-03-02T12:00:00Z", 1);
    let moves = what_if(&side(&now), &side(&then), &changed, &circumstances);
    let seen: Vec<(&str, usize, u64, Reach, Reach)> = moves
        .iter()
        .map(|one| {
            let reach = (one.before.reach, one.after.reach);
            (
                one.channel.as_str(),
                one.class,
                one.objects,
                reach.0,
                reach.1,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("pact/all", 0, 1_000, Reach::Hand, Reach::Itself),
            ("pact/all", 1, 20, Reach::Never, Reach::Itself),
            ("pact/drill", 3, 4, Reach::Never, Reach::Hand),
        ]
    );
    assert!(moves[1].opens() && !moves[1].closes() && !moves[0].opens());
    // Back again: what opened closes.
    let back = what_if(&side(&then), &side(&now), &changed, &circumstances);
    assert_eq!(back.iter().filter(|one| one.closes()).count(), 2);

    // A changed rule and a changed label.
    let strict = Authority::of_rules(
        &BTreeMap::from([(
            "a.cedar",
            "@id(\"one\") @explain(\"one\") @needs(\"1 of approver\")\npermit (principal is \
             Person, action == Action::\"release\", resource);",
        )]),
        authority.version(),
    )
    .expect("rules");
    let stricter = Side {
        authority: &strict,
        channels: &now,
    };
    let relabelled = Changed {
        after: &classes[4],
        ..changed[2]
    };
    let moves = what_if(
        &side(&now),
        &stricter,
        &[changed[0], relabelled],
        &circumstances,
    );
    assert_eq!(moves[0].after.reach, Reach::Approval);
    assert_eq!(moves[0].after.needs.len(), 1);
    assert!(moves[1].closes());
    assert_eq!(moves.len(), 2);
}

#[test]
fn a_case_that_does_not_come_out_says_what_came_instead() {
    let text = "[[channel]]\nname = \"c\"\nmembers = [\"KG\", \"KZ\"]\nceiling = \"TLP:AMBER\"\n\n\
                [[case]]\nname = \"wrong outcome\"\nchannel = \"c\"\nlabel = \"TLP:RED//REL *\"\n\
                principal = \"automation\"\nexpect = \"permit\"\nrule = \"by-hand\"\n\n\
                [[case]]\nname = \"wrong rule\"\nchannel = \"c\"\nlabel = \"TLP:GREEN//REL *\"\n\
                principal = { duties = [\"releaser\"], clearance = \"TLP:RED\" }\n\
                expect = \"permit\"\nrule = \"bounds-automatically\"\n";
    let report = policy::authority::test(&shipped(), "cases/a.toml", text).expect("cases");
    assert_eq!(report.cases, 2);
    let lines: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 2);
    assert!(
        lines[0].starts_with("cases/a.toml:6: wrong outcome: expected permit, came refuse"),
        "{lines:?}"
    );
    assert!(lines[0].contains("TLP:AMBER"), "{lines:?}");
    assert!(
        lines[1].contains("not by bounds-automatically; decided by by-hand"),
        "{lines:?}"
    );
    assert!(policy::authority::unreached(&shipped(), &report.reached).len() > 10);
    for (text, line) in [
        ("[[case]]\nname = 3\n", 2),
        ("[[case]]\nnam = \"a\"\n", 2),
        (
            "\n[[case]]\nname = \"a\"\nprincipal = \"automation\"\nexpect = \"maybe\"\nrule = \"a\"\n",
            2,
        ),
    ] {
        let error =
            policy::authority::test(&shipped(), "cases/a.toml", text).expect_err("no cases");
        assert_eq!(
            (error.file.as_str(), error.line),
            ("cases/a.toml", line),
            "{error}"
        );
    }
}
