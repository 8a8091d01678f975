//! I7: what leaves through a channel that hides sources holds no byte of any source, and two
//! sources that say the same in the same hour say it in the same bytes.

use std::collections::{BTreeSet, HashSet};
use std::io::Write;

use log::{Action, Kind, TilePath};
use model::{Hash, Id, Label, Object, Timestamp, member_identity_id};
use policy::{Attribution, Hide, Names, Scrub, derived_id, scrub};
use store::{Change, Collection, Command, Record, Reply};
use testkit::{Faults, Rng, SIX, World, accord, channel};

/// How sources of one member write: each in its own way.
struct Habit {
    name: &'static str,
    identity: &'static str,
    tool: &'static str,
    equals: &'static str,
    /// Seconds past the full hour, and the fraction.
    second: fn(&mut Rng) -> (u64, &'static str),
}

const HABITS: [Habit; 3] = [
    Habit {
        name: "Sensor Altai-7",
        identity: "identity--11111111-aaaa-4aaa-8aaa-000000000001",
        tool: "altai-export 3.1",
        equals: " = ",
        second: |rng| (1 + rng.below(3_500) as u64, ".123Z"),
    },
    Habit {
        name: "Датчик «Балхаш»",
        identity: "identity--22222222-bbbb-4bbb-8bbb-000000000002",
        tool: "balkhash/0.9 (сборка 44)",
        equals: "=",
        second: |rng| (900 * (1 + rng.below(3)) as u64 + 1, ".000001Z"),
    },
    Habit {
        name: "desk-irtysh",
        identity: "identity--33333333-cccc-4ccc-8ccc-000000000003",
        tool: "irtysh",
        equals: "  =  ",
        second: |rng| (1_800 + rng.below(60) as u64, ".5Z"),
    },
];

/// 2026-01-01T00:00:00Z.
const START: i128 = 1_767_225_600;

/// What is to be said, whoever says it.
struct Matter {
    kind: &'static str,
    hour: usize,
    number: usize,
}

const KINDS: [&str; 7] = [
    "indicator",
    "malware",
    "report",
    "note",
    "sighting",
    "relationship",
    "vulnerability",
];

/// References go to the same things for all.
fn about(kind: &str, number: usize) -> String {
    format!("{kind}--00000000-0000-4000-8000-{:012x}", number % 24)
}

impl Matter {
    fn draw(rng: &mut Rng) -> Matter {
        Matter {
            kind: rng.pick::<&str>(&KINDS),
            hour: rng.below(700),
            number: rng.below(4_096),
        }
    }

    /// The matter as one source puts it, and every text in it that is that source's alone.
    fn said_by(&self, habit: &Habit, rng: &mut Rng) -> (Object, BTreeSet<String>) {
        let (second, fraction) = (habit.second)(rng);
        let nanos = (START + self.hour as i128 * 3_600 + i128::from(second)) * 1_000_000_000;
        let whole = Timestamp::from_unix_nanos(nanos).to_string();
        let created = whole.replace(".000Z", fraction);
        let id = random_id(self.kind, rng);
        let case = random_id("incident", rng);
        let (number, other) = (self.number, about("indicator", self.number));
        let (name, tool, identity, equals) = (habit.name, habit.tool, habit.identity, habit.equals);
        let own = match self.kind {
            "indicator" => format!(
                r#""name":"{name} {number}","pattern":"[domain-name:value{equals}'h{number}.example']","pattern_type":"stix","valid_from":"{created}","indicator_types":["x-{tool}"]"#
            ),
            "malware" => {
                format!(r#""name":"Family {number}","is_family":true,"aliases":["{tool}"]"#)
            }
            "report" => format!(
                r#""name":"Campaign {number}","published":"{created}","object_refs":["{other}"],"report_types":["{tool}"]"#
            ),
            "note" => format!(
                r#""content":"Block it, case {number}.","authors":["{name}"],"object_refs":["{other}"],"abstract":"{tool}""#
            ),
            "sighting" => format!(
                r#""sighting_of_ref":"{other}","where_sighted_refs":["{identity}"],"first_seen":"{created}","count":{number}"#
            ),
            "relationship" => format!(
                r#""relationship_type":"indicates","source_ref":"{other}","target_ref":"{}","description":"{name}""#,
                about("malware", number)
            ),
            _ => format!(
                r#""name":"CVE-2026-{number:04}","external_references":[{{"source_name":"cve","external_id":"CVE-2026-{:04}","description":"{tool}"}},{{"source_name":"{name}","external_id":"{case}"}}]"#,
                1_000 + number
            ),
        };
        let json = format!(
            r#"{{"type":"{}","spec_version":"2.1","id":"{id}","created":"{created}","modified":"{created}","created_by_ref":"{identity}","labels":["{tool}"],"lang":"kk","x_case":"{case}","confidence":{},{own}}}"#,
            self.kind,
            rng.below(100),
        );
        let object =
            Object::parse(json.as_bytes()).unwrap_or_else(|error| panic!("{error}: {json}"));
        let uuid = |id: &str| id.split_once("--").expect("an id").1.to_owned();
        let minute = &whole[..19];
        let tells = [name, tool, created.as_str(), minute].map(str::to_owned);
        let tells = tells
            .into_iter()
            .chain([uuid(&id), uuid(&case), uuid(identity)]);
        (object, tells.collect())
    }
}

fn random_id(kind: &str, rng: &mut Rng) -> String {
    let bytes = rng.bytes().map(|byte| format!("{byte:02x}")).concat();
    let (a, b, c, d, e) = (
        &bytes[..8],
        &bytes[8..12],
        &bytes[13..16],
        &bytes[17..20],
        &bytes[20..],
    );
    format!("{kind}--{a}-{b}-4{c}-8{d}-{e}")
}

/// Everything was released, under derived ids.
struct Released;

impl Names for Released {
    fn outgoing(&self, id: &Id) -> Option<Id> {
        Some(self.derive(id))
    }

    fn derive(&self, id: &Id) -> Id {
        derived_id(&[9; 32], "steppe/quiet", id)
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

/// Every word of the bytes that looks like a UUID or a time.
fn words(bytes: &[u8]) -> impl Iterator<Item = &str> {
    let outside = |byte: &u8| !(byte.is_ascii_alphanumeric() || b"-:.".contains(byte));
    bytes
        .split(outside)
        .filter_map(|word| std::str::from_utf8(word).ok())
}

/// Asserts that no tell of any source is in the bytes: the names in full, the rest word by word.
fn assert_silent(bytes: &[u8], own: &BTreeSet<String>, all: &HashSet<String>, what: &str) {
    for tell in own {
        assert!(!holds(bytes, tell), "{what} holds {tell}");
    }
    for word in words(bytes) {
        let uuid = word.split_once("--").map_or(word, |(_, uuid)| uuid);
        assert!(
            !all.contains(word) && !all.contains(uuid),
            "{what} holds {word}"
        );
    }
}

#[test]
fn nothing_that_leaves_tells_its_source() {
    let two = &SIX[..2];
    let mut quiet = channel("quiet", two);
    let hide = Hide {
        round_minutes: 60,
        window_minutes: 60,
        pad_bytes: 1_024,
    };
    quiet.attribution = Attribution::Member;
    quiet.hide = Some(hide);
    let mut draft = accord(two, vec![quiet]);
    draft.obligations.non_attribution = true;
    let world = World::new(7, draft);
    world.pass(800 * 3_600);
    let label = Label::parse("TLP:GREEN//REL *").expect("a label");
    let settings = Scrub::new(member_identity_id("kg.example"), &label, 60, 1_024);
    let mut rng = Rng::seeded(7);
    let mut all = HashSet::new();
    let mut own_tells: BTreeSet<String> = BTreeSet::new();
    let (mut forms, mut twins) = (Vec::new(), 0u64);
    for _ in 0..3_000 {
        let matter = Matter::draw(&mut rng);
        let mut put = |habit: &Habit| {
            let (object, tells) = matter.said_by(habit, &mut rng);
            let form = scrub(&object, &settings, &Released).expect("it has a form");
            for tell in &tells {
                assert!(!holds(form.bytes(), tell), "{tell} left in {form:?}");
            }
            all.extend(tells);
            form
        };
        let first = put(&HABITS[matter.number % 3]);
        let second = put(&HABITS[(matter.number + 1) % 3]);
        // Apart from the id, which is of the object, nothing depends on who said it.
        let bare = |form: &Object| {
            let text = std::str::from_utf8(form.bytes()).expect("JSON is UTF-8");
            text.replace(form.id().as_str(), "it")
        };
        assert_eq!(bare(&first), bare(&second), "two sources, two forms");
        twins += 1;
        assert_eq!(first.bytes().len() % 1_024, 0);
        forms.push(first);
    }
    for habit in &HABITS {
        own_tells.extend([habit.name, habit.tool, &habit.identity[10..]].map(str::to_owned));
    }
    // They leave together at the end of a window, in an order of chance, under one rounded time.
    for window in forms.chunks_mut(500) {
        for at in (1..window.len()).rev() {
            window.swap(at, rng.below(at + 1));
        }
        let records = forms_of(&world, window, &label);
        let time = world.now().unix_nanos() / 3_600_000_000_000 * 3_600_000_000_000;
        let changes = records.iter().map(|record| {
            let mut entry = entry(&mut rng, record, &label);
            entry.time = Timestamp::from_unix_nanos(time).to_string();
            Change {
                entry,
                object: Some(record.object),
            }
        });
        let changes = changes.collect();
        world.append("KG", "quiet", changes);
        world.pass(3_600);
    }
    world
        .pull("KZ", "KG", "quiet", Faults::None)
        .expect("a good network");

    let log = world.log("KG", "quiet");
    let size = world
        .store("KG")
        .head(&log)
        .expect("it reads")
        .expect("held")
        .size;
    assert_eq!(size, forms.len() as u64);
    let mut seen = 0u64;
    for path in TilePath::range(Kind::Entries, 0, size, size) {
        let tile = world
            .store("KG")
            .tile(&log, &path)
            .expect("it reads")
            .expect("served");
        assert_silent(&tile, &own_tells, &all, "an entry bundle");
        seen += tile.len() as u64;
    }
    let records = world.records("KZ", &world.collection("quiet"));
    assert_eq!(records.len(), forms.len());
    for (record, body) in records
        .iter()
        .zip(world.store("KZ").bodies(&records).expect("it reads"))
    {
        assert_eq!(Hash::of(&body), record.hash);
        assert_silent(&body, &own_tells, &all, record.id.as_str());
        seen += body.len() as u64;
    }
    let say = format!(
        "I7: {} forms, {twins} pairs of sources, {seen} bytes that left, {} texts of sources looked for\n",
        2 * twins,
        all.len()
    );
    std::io::stderr()
        .write_all(say.as_bytes())
        .expect("standard error is open");
    assert!(all.len() > 15_000);
}

/// Takes forms into the hidden collection and gives their records in the same order.
fn forms_of(world: &World, forms: &[Object], label: &Label) -> Vec<Record> {
    let add = Command::Add {
        objects: forms.to_vec(),
        label: label.clone(),
        into: Collection::Forms,
    };
    let reply = world.store("KG").execute(add).expect("KG takes its forms");
    assert!(matches!(reply, Reply::Added(_)));
    let held = world.records("KG", &Collection::Forms);
    let find = |form: &Object| held.iter().find(|record| record.hash == form.hash());
    forms
        .iter()
        .map(|form| find(form).expect("held").clone())
        .collect()
}

fn entry(rng: &mut Rng, record: &Record, label: &Label) -> log::Entry {
    log::Entry {
        action: Action::Release,
        hash: record.hash.0,
        id: record.id.as_str().to_owned(),
        modified: record.version.map(|version| version.to_string()),
        kind: record.id.type_name().to_owned(),
        label: label.to_string(),
        attribution: String::new(),
        salt: rng.bytes(),
        time: String::new(),
    }
}
