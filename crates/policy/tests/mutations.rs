//! Ten thousand damaged accords: none may panic, and none may bind a member to a text or by a
//! line that the member did not sign.

mod support;

use log::note::Note;
use policy::{Accord, SignedAccord};
use support::{Rng, SIX, accord, ratified};

const SEED: u64 = 0x5eed_acc0;
const ROUNDS: usize = 10_000;

/// Damages a text in one to three places: flips, cuts, doubles, swaps or plants bytes.
fn damage(bytes: &mut Vec<u8>, rng: &mut Rng) {
    const PLANTS: [&[u8]; 8] = [
        b"\n",
        b"\n\n",
        b"\"",
        b"[[member]]\n",
        b"= 9",
        "\u{2014} kz.example/root AAAA\n".as_bytes(),
        b"\xff",
        b"[[[[[[[[[[[[[[[[",
    ];
    for _ in 0..=rng.below(3) {
        if bytes.is_empty() {
            return;
        }
        let at = rng.below(bytes.len());
        match rng.below(6) {
            0 => bytes[at] ^= 1 << rng.below(8),
            1 => bytes[at] = u8::try_from(rng.below(256)).expect("a byte"),
            2 => bytes.truncate(at),
            3 => {
                let end = (at + 1 + rng.below(200)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                let to = rng.below(bytes.len());
                bytes.splice(to..to, part);
            }
            4 => {
                let end = (at + 1 + rng.below(200)).min(bytes.len());
                bytes.drain(at..end);
            }
            _ => {
                let plant = PLANTS[rng.below(PLANTS.len())];
                bytes.splice(at..at, plant.iter().copied());
            }
        }
    }
}

#[test]
fn damaged_accords_bind_nobody() {
    let good = [
        ratified(accord(&SIX[..2]), &SIX[..2]).to_string(),
        ratified(accord(&SIX[..3]), &SIX[..3]).to_string(),
    ];
    let mut rng = Rng(SEED);
    let (mut refused, mut unbound) = (0, 0);
    for round in 0..ROUNDS {
        let original = &good[round % good.len()];
        let mut bytes = original.clone().into_bytes();
        damage(&mut bytes, &mut rng);
        if bytes == original.as_bytes() {
            continue;
        }
        let place = format!("seed {SEED:#x}, round {round}");
        let text_of = |note: &[u8]| Note::parse(note).map(|note| note.text().to_owned());
        let signed = match SignedAccord::parse(&bytes) {
            Ok(signed) => signed,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                refused += 1;
                continue;
            }
        };
        if Ok(signed.text()) != text_of(original.as_bytes()).as_deref() {
            assert!(
                signed.ratified().is_empty(),
                "{place}: bound to another text"
            );
            unbound += 1;
            continue;
        }
        // The text is whole, so the damage is among the lines: whoever still counts has the very
        // line that it signed.
        for code in signed.ratified() {
            let member = signed.accord().member(&code).expect("a member");
            let whole = original
                .lines()
                .find(|line| line.contains(member.root.name()) && line.starts_with('\u{2014}'))
                .expect("every member signed");
            let held = String::from_utf8_lossy(&bytes);
            assert!(
                held.contains(whole),
                "{place}: {code} counts without its line"
            );
        }
    }
    assert!(
        refused > ROUNDS / 2 && unbound > 20,
        "{refused} refused, {unbound} unbound"
    );
}

#[test]
fn damaged_texts_are_refused_or_read_back() {
    let original = accord(&SIX[..2]).to_text();
    let mut rng = Rng(SEED ^ 1);
    for round in 0..ROUNDS {
        let mut bytes = original.clone().into_bytes();
        damage(&mut bytes, &mut rng);
        let Ok(text) = std::str::from_utf8(&bytes) else {
            continue;
        };
        if let Ok(read) = Accord::parse_text(text) {
            let again = Accord::parse_text(&read.to_text());
            assert_eq!(again.as_ref(), Ok(&read), "seed {SEED:#x}, round {round}");
        }
    }
}

/// Texts at the size limit that are built to cost a parser time or stack.
#[test]
fn texts_of_the_largest_size_are_refused_whatever_they_nest() {
    let size = policy::ACCORD_BYTES_MAX - 100;
    let repeated = |part: &str| part.repeat(size / part.len());
    let texts = [
        repeated("["),
        repeated("[["),
        format!("name = {}", repeated("[")),
        format!("name = {}", repeated("{a=")),
        format!("{}a = 1", repeated("a.")),
        format!("[{}a]", repeated("a.")),
        format!("name = {{{}a = 1}}", repeated("a.")),
        repeated("[[member]]\n"),
        repeated("[a]\n"),
        repeated("[[a.b]]\n"),
        format!("name = \"{}\"", repeated("x")),
        format!("name = {}", repeated("1")),
        format!("version = {}.0", repeated("9")),
        (0..size / 16).map(|n| format!("key{n} = {n}\n")).collect(),
        format!("purposes = [{}]", repeated("\"a\",")),
        repeated("#\n"),
    ];
    for text in texts {
        let text = format!("{text}\n");
        let start = text[..20].to_owned();
        let error = Accord::parse_text(&text).expect_err(&start);
        assert!(error.to_string().len() < 1_000, "{start}: {error}");
        assert!(SignedAccord::parse(text.as_bytes()).is_err(), "{start}");
    }
}
