//! The witness call: what a witness accepts, and the status that each refusal has.

mod support;

use kurultai_log::witness::{Refusal, judge};
use kurultai_log::{AddCheckpoint, Checkpoint, Hash, KeyKind, LogKeys, Note, ProofError, Tiles};
use support::{Log, ORIGIN, log_keys, signed, signing};

fn keys() -> LogKeys {
    log_keys().2
}

fn checkpoint(size: u64) -> Checkpoint {
    Checkpoint::new(ORIGIN, size, Log::of(size).tree.root()).unwrap()
}

fn request(old: u64, new: u64) -> AddCheckpoint {
    let log = Log::of(new);
    let proof = if old == 0 || old > new {
        Vec::new()
    } else {
        let needed = Tiles::needed_for_consistency(new, old);
        let tiles = Tiles::verify(new, log.tree.root(), log.fetch(needed)).unwrap();
        tiles.consistency_proof(old).unwrap()
    };
    AddCheckpoint {
        old,
        proof,
        note: signed(new, log.tree.root()),
    }
}

#[test]
fn what_continues_is_accepted_at_every_pair_of_sizes() {
    for (old, new) in [
        (0, 1),
        (0, 300),
        (1, 1),
        (1, 2),
        (3, 256),
        (255, 257),
        (256, 700),
        (300, 300),
    ] {
        let held = (old > 0).then(|| checkpoint(old));
        let request = request(old, new);
        let read = AddCheckpoint::parse(request.to_string().as_bytes()).unwrap();
        assert_eq!(read, request);
        assert_eq!(read.origin().unwrap(), ORIGIN);
        let (accepted, note) = judge(&read, held.as_ref(), &keys()).unwrap();
        assert_eq!(accepted, checkpoint(new));
        assert_eq!(note.to_string(), request.note);
    }
}

#[test]
fn each_refusal_has_the_status_of_the_specification() {
    let held = checkpoint(10);
    let status =
        |request: &AddCheckpoint| judge(request, Some(&held), &keys()).unwrap_err().status();
    // Another size than the witness remembers, in both directions.
    assert_eq!(
        judge(&request(5, 20), Some(&held), &keys()),
        Err(Refusal::Stale { held: 10 })
    );
    assert_eq!(
        judge(&request(0, 20), Some(&held), &keys()),
        Err(Refusal::Stale { held: 10 })
    );
    assert_eq!(
        judge(&request(11, 20), Some(&held), &keys()),
        Err(Refusal::Stale { held: 10 })
    );
    assert_eq!(
        judge(&request(5, 20), None, &keys()),
        Err(Refusal::Stale { held: 0 })
    );
    // A log that got shorter.
    assert_eq!(
        judge(&request(4, 9), Some(&held), &keys()),
        Err(Refusal::Stale { held: 10 })
    );
    // Above its own size.
    assert_eq!(
        status(&AddCheckpoint {
            old: 10,
            ..request(4, 9)
        }),
        400
    );
    // Another root for the same size.
    let mut other = request(10, 10);
    other.note = signed(10, Hash([7; 32]));
    assert_eq!(
        judge(&other, Some(&held), &keys()),
        Err(Refusal::OtherRoot { held: 10 })
    );
    assert_eq!(status(&other), 409);
    // A proof of another history, none, or one too many.
    let mut forged = request(10, 20);
    forged.note = signed(20, Hash([7; 32]));
    assert_eq!(status(&forged), 422);
    let mut bare = request(10, 20);
    bare.proof.clear();
    assert_eq!(
        judge(&bare, Some(&held), &keys()),
        Err(Refusal::Proof(ProofError::TooShort))
    );
    for (old, new) in [(0, 20), (10, 10)] {
        let mut padded = request(old, new);
        padded.proof.push(Hash([1; 32]));
        let held = (old > 0).then(|| held.clone());
        assert_eq!(
            judge(&padded, held.as_ref(), &keys()).unwrap_err().status(),
            422
        );
    }
    // Signed by others: under the right name with another key, by one key of the two, of another log.
    let stranger = [KeyKind::Ed25519, KeyKind::MlDsa44].map(|kind| signing(kind, ORIGIN, 9));
    let by = |keys: &[&kurultai_log::SigningKey]| AddCheckpoint {
        note: checkpoint(20).sign(keys).unwrap(),
        ..request(10, 20)
    };
    assert_eq!(status(&by(&[&stranger[0], &stranger[1]])), 403);
    assert_eq!(status(&by(&[&log_keys().0])), 403);
    let foreign = LogKeys {
        origin: "kg.example/steppe/alerts".into(),
        ..keys()
    };
    assert_eq!(
        judge(&request(10, 20), Some(&held), &foreign)
            .unwrap_err()
            .status(),
        403
    );
}

#[test]
fn a_witness_remembers_the_log_s_own_lines_only() {
    let mut note = Note::parse(request(0, 5).note.as_bytes()).unwrap();
    for seed in 20..60 {
        note.sign(&signing(KeyKind::Ed25519, "junk.example/log", seed))
            .unwrap();
    }
    let stuffed = AddCheckpoint {
        note: note.to_string(),
        ..request(0, 5)
    };
    let (_, kept) = judge(&stuffed, None, &keys()).unwrap();
    assert_eq!(kept.to_string(), request(0, 5).note);
}

#[test]
fn malformed_bodies_are_400() {
    let good = request(3, 5).to_string();
    let too_many = format!(
        "old 1\n{}\n{}",
        format!("{}\n", Hash([1; 32]).to_base64()).repeat(64),
        request(0, 5).note
    );
    let bad = [
        String::new(),
        "old 3".into(),
        good.replacen("old 3", "old 03", 1),
        good.replacen("old 3", "old -3", 1),
        good.replacen("old 3", "old 99999999999999999999", 1),
        good.replacen("old ", "", 1),
        good.replacen('\n', "\r\n", 1),
        good.replacen("\n\n", "\n", 1),
        good.replacen("old 3\n", "old 3\nAAAA\n", 1),
        good.trim_end().to_owned(),
        too_many,
    ];
    for body in bad {
        let refusal = AddCheckpoint::parse(body.as_bytes()).expect_err(&body);
        assert_eq!(refusal.status(), 400, "{body}");
    }
    assert_eq!(AddCheckpoint::parse(&[0xff; 40]).unwrap_err().status(), 400);
}
