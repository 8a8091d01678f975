//! What a decision takes: remembered, fresh, and for a whole store when a policy changes. Each
//! figure is of one thread, in operations a second of wall time and of this process's CPU time.
//!
//! `cargo bench -p kurultai-policy -- [OBJECTS]`
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark measures time"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hint::black_box;
use std::str::FromStr;
use std::time::Instant;

use cedar_policy::{
    Authorizer, Context, Entities, Entity, EntityUid, PolicySet as Engine, Request,
    RestrictedExpression as Expression,
};
use model::{Label, Timestamp, Tlp};
use policy::authority::{
    Authority, Changed, Circumstances, Class, Classes, Decision, Duty, Facts, Memo, Originator,
    Person, Principal, Side, Version, what_if,
};
use policy::{Attribution, Channel, InForce, Kinds, PolicySet, ReleaseMode};

const MEMBERS: [&str; 6] = ["KG", "KZ", "PK", "TJ", "US", "UZ"];
const CHANNELS: usize = 50;

/// Makes twenty of the shipped rules.
const TWENTIETH: &str = "@id(\"relief\") @explain(\"relief needs leave by themselves\")\n\
                         permit (principal is Automation, action == Action::\"release\", resource)\n\
                         when { resource.kind == \"x-relief-need\" };\n";

fn main() {
    let objects: usize = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next()
        .unwrap_or(1_000_000);
    let set = PolicySet::shipped().expect("the shipped set");
    let mut rules: BTreeMap<&str, &str> = set
        .files()
        .keys()
        .filter(|path| path.ends_with(".cedar"))
        .map(|path| (path.as_str(), set.text(path).expect("a text")))
        .collect();
    rules.insert("twentieth.cedar", TWENTIETH);
    let version = Version {
        number: 1,
        hash: set.hash(),
    };
    let authority = Authority::of_rules(&rules, version).expect("twenty rules");
    let held = channels();
    let in_force: Vec<InForce<'_>> = held.iter().map(live).collect();
    let labels = labels();

    println!("{} rules", authority.rules().count());
    fresh(&authority, &rules, &in_force[0], &labels);
    remembered(&authority, &in_force, &labels);
    whole_store(&authority, &set.authority(0), &held, &labels, objects);
}

/// Fresh decisions, ours and the engine's own with everything prepared.
fn fresh(
    authority: &Authority,
    rules: &BTreeMap<&str, &str>,
    in_force: &InForce<'_>,
    labels: &[Label],
) {
    let rounds = 20_000;
    let anna = releaser();
    let now = circumstances();
    measure("fresh decision, question built each time", rounds, || {
        for at in 0..rounds {
            let facts = facts(&labels[at % 16], "indicator");
            black_box(authority.decide(&facts, in_force, &Principal::Person(&anna), &now));
        }
    });
    let text: String = rules.values().copied().collect();
    let engine = Engine::from_str(&text).expect("rules");
    let (request, entities) = prepared(in_force);
    let authorizer = Authorizer::new();
    let yes = authorizer.is_authorized(&request, &engine, &entities);
    assert_eq!(yes.decision(), cedar_policy::Decision::Allow);
    measure("the engine alone, question prepared", rounds, || {
        for _ in 0..rounds {
            black_box(authorizer.is_authorized(black_box(&request), &engine, &entities));
        }
    });
}

/// The same question as `fresh` asks, ready for the engine.
fn prepared(in_force: &InForce<'_>) -> (Request, Entities) {
    let uid = |text: &str| text.parse::<EntityUid>().expect("a name");
    let word = |text: &str| Expression::new_entity_uid(uid(text));
    let text = |text: &str| Expression::new_string(text.to_owned());
    let set = |items: &[&str]| Expression::new_set(items.iter().map(|item| text(item)));
    let entity = |name: &str, attributes: Vec<(&str, Expression)>| {
        let attributes: HashMap<String, Expression> = attributes
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        Entity::new(uid(name), attributes, HashSet::new()).expect("an entity")
    };
    let person = entity(
        "Person::\"anna\"",
        vec![
            ("duties", Expression::new_set([word("Duty::\"releaser\"")])),
            ("clearance", Expression::new_long(4)),
            ("proven", Expression::new_bool(true)),
        ],
    );
    let object = entity(
        "Object::\"it\"",
        vec![
            ("kind", text("indicator")),
            ("about_person", Expression::new_bool(false)),
            ("own", Expression::new_bool(true)),
            ("tlp", word("Tlp::\"GREEN\"")),
            ("level", Expression::new_long(1)),
            ("pap", word("Pap::\"CLEAR\"")),
            ("pap_level", Expression::new_long(0)),
            ("caveats", set(&[])),
            ("purposes", set(&[])),
            ("legal_basis", set(&[])),
            ("expires", Expression::new_bool(false)),
            ("exercise", Expression::new_bool(false)),
        ],
    );
    let members: Vec<&str> = in_force.members.iter().map(String::as_str).collect();
    let channel = Expression::new_record([
        ("name".to_owned(), text("c0")),
        ("accord".to_owned(), text("pact")),
        ("members".to_owned(), set(&members)),
        ("purposes".to_owned(), set(&[])),
        ("ceiling".to_owned(), word("Tlp::\"AMBER\"")),
        ("level".to_owned(), Expression::new_long(2)),
        ("exercise".to_owned(), Expression::new_bool(false)),
        ("hides_source".to_owned(), Expression::new_bool(false)),
    ]);
    let context = Context::from_pairs([
        ("objects".to_owned(), Expression::new_long(1)),
        ("hour".to_owned(), Expression::new_long(14)),
        ("weekday".to_owned(), Expression::new_long(1)),
        ("delegated".to_owned(), Expression::new_bool(false)),
        ("channel".to_owned(), channel.expect("a record")),
    ]);
    let request = Request::new(
        uid("Person::\"anna\""),
        uid("Action::\"release\""),
        uid("Object::\"it\""),
        context.expect("a context"),
        None,
    );
    let entities = Entities::from_entities([person, object], None).expect("entities");
    (request.expect("a request"), entities)
}

/// Remembered decisions: the array access alone, with the search for the layer, and with the
/// search for the label class too.
fn remembered(authority: &Authority, in_force: &[InForce<'_>], labels: &[Label]) {
    let now = circumstances();
    let mode = bounds();
    let automation = Principal::Automation(&mode);
    let mut classes = Classes::default();
    let facts: Vec<Facts<'_>> = labels
        .iter()
        .map(|label| facts(label, "indicator"))
        .collect();
    let mut memo = Memo::new(authority.clone());
    for one in &facts {
        let class = classes.count(one).expect("a number") as usize;
        for (at, channel) in in_force.iter().enumerate() {
            memo.decide((at, class), one, channel, &automation, &now);
        }
    }
    let known = classes.len();
    let rounds = 20_000_000;
    let layer = memo.layer(&automation, &now);
    measure("remembered, within a loop over objects", rounds, || {
        let mut permits = 0_u64;
        let mut draw = 1_usize;
        for _ in 0..rounds {
            draw = step(draw);
            let decision = layer.get(draw % CHANNELS, (draw >> 20) % known);
            permits += u64::from(matches!(
                decision.map(|decision| &**decision),
                Some(Decision::Permit { .. })
            ));
        }
        assert!(black_box(permits) > 0);
    });
    let rounds = 5_000_000;
    measure("remembered, layer looked up each time", rounds, || {
        let mut draw = 1_usize;
        for _ in 0..rounds {
            draw = step(draw);
            let (at, class) = (draw % CHANNELS, (draw >> 20) % known);
            black_box(memo.decide((at, class), &facts[class], &in_force[at], &automation, &now));
        }
    });
    let rounds = 2_000_000;
    measure("remembered, label class looked up as well", rounds, || {
        let mut draw = 1_usize;
        for _ in 0..rounds {
            draw = step(draw);
            let one = &facts[(draw >> 20) % known];
            let class = classes.count(one).expect("a number") as usize;
            let at = draw % CHANNELS;
            black_box(memo.decide((at, class), one, &in_force[at], &automation, &now));
        }
    });
}

/// A changed policy over a whole store: objects into classes, classes over all channels.
fn whole_store(
    before: &Authority,
    after: &Authority,
    held: &[Channel],
    labels: &[Label],
    objects: usize,
) {
    let kinds = [
        "indicator",
        "malware",
        "report",
        "sighting",
        "x-relief-need",
    ];
    let mut classes = Classes::default();
    measure("what-if: objects into label classes", objects, || {
        let mut draw = 1_usize;
        for _ in 0..objects {
            draw = step(draw);
            let label = &labels[(draw >> 24) % labels.len()];
            let mut facts = facts(label, kinds[(draw >> 8) % kinds.len()]);
            facts.about_person = (draw >> 16).is_multiple_of(10);
            classes.count(&facts);
        }
    });
    let channels: BTreeMap<String, (InForce<'_>, ReleaseMode)> = held
        .iter()
        .map(|channel| (format!("pact/{}", channel.name), (live(channel), bounds())))
        .collect();
    let owned: Vec<(&Class, u64)> = classes.iter().collect();
    let changed: Vec<Changed<'_>> = owned
        .iter()
        .map(|(class, count)| Changed::unchanged(class, *count))
        .collect();
    let side = |authority| Side {
        authority,
        channels: &channels,
    };
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    let moves = what_if(&side(before), &side(after), &changed, &circumstances());
    let moved: u64 = moves.iter().map(|one| one.objects).sum();
    println!(
        "what-if: {objects} objects in {} classes x {} channels: {:.2} s, {:.2} CPU-s, \
         {} moves of {moved} \
         object-channel pairs",
        changed.len(),
        channels.len(),
        wall.elapsed().as_secs_f64(),
        cpu_seconds() - cpu,
        moves.len(),
    );
}

fn channels() -> Vec<Channel> {
    (0..CHANNELS)
        .map(|at| Channel {
            name: format!("c{at}"),
            title: format!("Channel {at}"),
            members: MEMBERS[..2 + at % 5]
                .iter()
                .map(|m| (*m).to_owned())
                .collect(),
            kinds: Kinds::Any,
            ceiling: Tlp::Amber,
            exercise: false,
            retention_days: None,
            attribution: Attribution::Origin,
            hide: None,
            delegate: None,
        })
        .collect()
}

fn live(channel: &Channel) -> InForce<'_> {
    InForce::new("pact", channel, channel.members.clone())
}

fn labels() -> Vec<Label> {
    let mut labels = Vec::new();
    for tlp in ["TLP:GREEN", "TLP:CLEAR", "TLP:AMBER", "TLP:RED"] {
        for rel in ["*", "KG,KZ", "KG,KZ,PK", "KG,KZ,PK,TJ", "KG,KZ,PK,TJ,US,UZ"] {
            for more in ["", "//CAVEAT ORCON", "//PURPOSE relief", "//LEGAL treaty"] {
                let text = format!("{tlp}//REL {rel}{more}");
                labels.push(Label::parse(&text).expect("a label"));
            }
        }
    }
    // The first sixteen are what the fresh decisions ask about: all the same but in content.
    labels.splice(
        0..0,
        vec![Label::parse("TLP:GREEN//REL *").expect("a label"); 16],
    );
    labels
}

fn facts<'a>(label: &'a Label, kind: &'a str) -> Facts<'a> {
    Facts {
        label,
        kind,
        about_person: false,
        originator: Originator::Own,
    }
}

fn bounds() -> ReleaseMode {
    ReleaseMode::Auto {
        kinds: Kinds::Any,
        ceiling: Tlp::Amber,
    }
}

fn releaser() -> Person {
    Person {
        name: "anna".to_owned(),
        duties: BTreeSet::from([Duty::Releaser]),
        clearance: Tlp::Red,
        proven: true,
    }
}

fn circumstances() -> Circumstances {
    Circumstances {
        now: Timestamp::parse("2026-03-02T09:00:00Z").expect("a time"),
        utc_offset_minutes: Some(300),
        objects: 1,
        delegated: false,
    }
}

/// The next of a stream of numbers (xorshift).
fn step(mut draw: usize) -> usize {
    draw ^= draw << 13;
    draw ^= draw >> 7;
    draw ^ (draw << 17)
}

fn measure(what: &str, operations: usize, work: impl FnOnce()) {
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    work();
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    println!(
        "{what:<44} {:>12.0} /s {:>12.0} /CPU-s",
        operations as f64 / wall,
        operations as f64 / cpu
    );
}

/// User and system time of this process so far.
fn cpu_seconds() -> f64 {
    let usage = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    usage.tv_sec as f64 + usage.tv_nsec as f64 / 1e9
}
