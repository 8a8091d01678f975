//! I7 as a statistic: an observer who knows half of what left, with its sources, cannot tell the
//! sources of the other half.
//!
//! The same observer on the same objects before the scrub nearly always can, so the test can fail.

use model::{Label, Object};
use policy::{Scrub, scrub};

use crate::names::{TestNames, id, tree};
use crate::observer::{Observer, features};
use crate::sources::{Made, SOURCES, make};
use crate::support::Rng;

/// Puts a habit of a source back into a form.
type PutBack = fn(usize, &mut serde_json::Value);

/// Objects of each source.
const EACH: usize = 600;

/// Objects released together.
const WINDOW: usize = 40;

const SEED: u64 = 0x1d0b_5e55_0f17;

fn settings() -> Scrub {
    let label = Label::parse("TLP:GREEN//REL KZ,KG").expect("a label");
    let member = id("identity--00000000-0000-4000-8000-0000000000ff");
    Scrub::new(member, &label, 60, 1024)
}

/// Objects of all sources as they come in: each window has some of each, source by source.
fn arrivals(rng: &mut Rng) -> Vec<(usize, Made)> {
    let mut out = Vec::new();
    for _ in 0..EACH * SOURCES / WINDOW {
        for source in 0..SOURCES {
            out.extend((0..WINDOW / SOURCES).map(|_| (source, make(source, rng))));
        }
    }
    out
}

fn shuffle<T>(list: &mut [T], rng: &mut Rng) {
    for at in (1..list.len()).rev() {
        list.swap(at, rng.below(at + 1));
    }
}

/// How often an observer is right who learns from one half and guesses the other.
fn accuracy(seen: Vec<(usize, Object)>) -> (f64, usize) {
    let place = |at: usize| at % WINDOW * 10 / WINDOW;
    let mut seen: Vec<(usize, Vec<String>)> = seen
        .iter()
        .enumerate()
        .map(|(at, (source, object))| (*source, features(object, place(at))))
        .collect();
    shuffle(&mut seen, &mut Rng(SEED ^ 1));
    let (known, asked) = seen.split_at(seen.len() / 2);
    (Observer::train(SOURCES, known).accuracy(asked), asked.len())
}

fn form(made: &Made) -> Object {
    let names = TestNames::default();
    let first = scrub(&made.object, &settings(), &names).expect("a form");
    if !made.revised {
        return first;
    }
    let names = TestNames {
        previous: first.created(),
        ..TestNames::default()
    };
    scrub(&made.object, &settings(), &names).expect("a form")
}

#[test]
fn an_observer_cannot_tell_sources_apart() {
    let mut rng = Rng(SEED);
    let arrived = arrivals(&mut rng);
    let mut left: Vec<(usize, Object)> = arrived
        .iter()
        .map(|(source, made)| (*source, form(made)))
        .collect();
    for window in left.chunks_mut(WINDOW) {
        shuffle(window, &mut rng);
    }
    for (_, object) in &left {
        assert_eq!(object.bytes().len() % 1024, 0);
    }
    let before = arrived
        .into_iter()
        .map(|(source, made)| (source, made.object))
        .collect();
    let (plain, _) = accuracy(before);
    let (scrubbed, asked) = accuracy(left);
    let chance = 1.0 / SOURCES as f64;
    let deviation = (chance * (1.0 - chance) / asked as f64).sqrt();
    eprintln!(
        "of {asked}: unscrubbed {plain:.3}, scrubbed {scrubbed:.3}, chance {chance:.3} ± {deviation:.3}"
    );
    assert!(plain > 0.95, "the observer is blind: {plain}");
    // Four standard deviations: one honest run in 16,000 would fail, and the seed is fixed.
    assert!(
        (scrubbed - chance).abs() < 4.0 * deviation,
        "the observer sees: {scrubbed}"
    );
}

#[test]
fn an_observer_sees_a_single_habit_that_is_left_in() {
    // Each line puts one habit back into the forms; the observer must find every one.
    let habits: [(&str, PutBack); 4] = [
        ("minutes", |source, form| {
            if let Some(created) = form.get("created").and_then(|created| created.as_str()) {
                form["created"] = created
                    .replace(":00:00.000Z", &format!(":0{source}:00.000Z"))
                    .into();
                form["modified"] = "2027-01-01T00:00:00.000Z".into();
            }
        }),
        ("a property", |source, form| {
            form[format!("x_{source}")] = 1.into()
        }),
        ("a size", |source, form| {
            form["extensions"]["p"] = "0".repeat(70 * source).into()
        }),
        ("an identifier", |source, form| {
            let text = form["id"].as_str().expect("an id").to_owned();
            let at = text.len() - 2;
            form["id"] = format!("{}{source}0", &text[..at]).into();
        }),
    ];
    for (name, put_back) in habits {
        let mut rng = Rng(SEED);
        let mut left: Vec<(usize, Object)> = arrivals(&mut rng)
            .iter()
            .map(|(source, made)| {
                let mut form = tree(&form(made));
                put_back(*source, &mut form);
                (*source, crate::names::object(form))
            })
            .collect();
        for window in left.chunks_mut(WINDOW) {
            shuffle(window, &mut rng);
        }
        let (found, _) = accuracy(left);
        assert!(found > 0.4, "{name}: {found}");
    }
}
