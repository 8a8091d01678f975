//! Random but valid STIX objects and labels.

use std::collections::BTreeSet;

use model::{Label, Object, Releasable, Timestamp, Tlp, tlp_marking};

use crate::rng::Rng;
use crate::world::KINDS;

const LEVELS: [Tlp; 5] = [
    Tlp::Clear,
    Tlp::Green,
    Tlp::Amber,
    Tlp::AmberStrict,
    Tlp::Red,
];

/// A new object of one of [`KINDS`]; one in three carries a TLP marking of its own.
pub fn object(rng: &mut Rng, now: Timestamp) -> Object {
    let kind = *rng.pick(&KINDS);
    let marking = rng.one_in(3).then(|| tlp_marking(*rng.pick(&LEVELS)));
    let id = format!("{kind}--{}", uuid(rng));
    build(kind, &id, now, now, marking, rng)
}

/// A later version of the same object, with other content.
pub fn revision(of: &Object, rng: &mut Rng, now: Timestamp) -> Object {
    let marking = of.marking_refs().first().map(|id| id.as_str().to_owned());
    let created = of.created().unwrap_or(now);
    build(
        of.kind(),
        of.id().as_str(),
        created,
        now,
        marking.as_deref(),
        rng,
    )
}

/// The groups of random accords, and one that no accord has.
const GROUPS: [&str; 3] = ["@steppe/east", "@steppe/west", "@steppe/nowhere"];

/// A label for intake: any level, everyone or some of `codes`, sometimes groups, exclusions,
/// exercise or caveats.
pub fn label(rng: &mut Rng, codes: &[&str]) -> Label {
    let caveats: &[&str] = &["ORCON", "NOFORN"];
    let tlp = *rng.pick(&LEVELS);
    let some_codes =
        |rng: &mut Rng| names(&rng.some(codes).into_iter().copied().collect::<Vec<_>>());
    let releasable_to = match rng.below(6) {
        0 => Releasable::Everyone,
        1 => Releasable::Members(names(codes)),
        2 => {
            let mut one = some_codes(rng);
            one.insert((*rng.pick(&GROUPS)).to_owned());
            Releasable::Members(one)
        }
        3 => {
            let mut both = [some_codes(rng), some_codes(rng)];
            for clause in &mut both {
                clause.insert((*rng.pick(&GROUPS)).to_owned());
            }
            Releasable::all_of(both)
        }
        _ => Releasable::Members(some_codes(rng)),
    };
    let mut label = Label::new(tlp, releasable_to);
    if rng.one_in(4) {
        label.caveats = names(caveats);
    }
    if rng.one_in(8) {
        let excluded = match rng.below(2) {
            0 => *rng.pick(codes),
            _ => *rng.pick(&GROUPS),
        };
        label.not_releasable_to = names(&[excluded]);
    }
    label.exercise = rng.one_in(4);
    label
}

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

fn build(
    kind: &str,
    id: &str,
    created: Timestamp,
    modified: Timestamp,
    marking: Option<&str>,
    rng: &mut Rng,
) -> Object {
    let marking = marking.map_or(String::new(), |id| {
        format!(r#""object_marking_refs":["{id}"],"#)
    });
    let own = match kind {
        "indicator" => format!(
            r#""pattern":"[ipv4-addr:value = '198.51.100.{}']","pattern_type":"stix","valid_from":"{created}""#,
            rng.below(256)
        ),
        "malware" => r#""is_family":false"#.to_owned(),
        "report" => format!(
            r#""published":"{created}","object_refs":["indicator--{}"]"#,
            uuid(rng)
        ),
        _ => format!(r#""x_need":{{"amount":{}.5,"unit":"т"}}"#, rng.below(1000)),
    };
    // Not in canonical order and with spaces, so that intake has to canonicalise.
    let json = format!(
        r#"{{ "type": "{kind}", "spec_version": "2.1", "id": "{id}", {marking}
        "name": "Объект {} — ق", "modified": "{modified}", "created": "{created}", {own} }}"#,
        rng.below(1_000_000)
    );
    Object::parse(json.as_bytes()).unwrap_or_else(|refusal| panic!("{refusal}: {json}"))
}

/// A version 4 UUID.
fn uuid(rng: &mut Rng) -> String {
    let mut bytes = rng.bytes();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
}
