//! Notes, keys, checkpoints and cosignatures: exact bytes, strictness, and agreement with another
//! implementation (signed_note).

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Verifier as _;
use kurultai_log::limits::NOTE_SIGNATURES_MAX;
use kurultai_log::merkle::empty_root;
use kurultai_log::{
    Checkpoint, CheckpointError, CosignError, Hash, KeyKind, LogKeys, Note, NoteError,
    SignatureLine, SigningKey, VerifierKey, cosign,
};
use sha2::{Digest as _, Sha256};
use signed_note::{Note as TheirNote, StandardSigner, StandardVerifier, VerifierList};
use support::{ORIGIN, log_keys, signed, signing};

const KINDS: [KeyKind; 4] = [
    KeyKind::Ed25519,
    KeyKind::CosignatureV1,
    KeyKind::CosignatureMlDsa44,
    KeyKind::MlDsa44,
];
/// Our type bytes for ML-DSA-44 over a note's text. Changing them breaks every log.
const OWN_TYPE: &[u8] = b"\xffkurultai-ml-dsa-44/v1\n";

#[test]
fn agrees_with_signed_note_in_both_directions() {
    let seed = [42; 32];
    let ours = SigningKey::from_seed(KeyKind::Ed25519, ORIGIN, seed).unwrap();
    let [a, b, c, d] = ours.verifier().id();
    let secret = STANDARD.encode([&[1][..], &seed].concat());
    let theirs = StandardSigner::new(&format!(
        "PRIVATE+KEY+{ORIGIN}+{a:02x}{b:02x}{c:02x}{d:02x}+{secret}"
    ));
    let theirs = theirs.expect("the key id is the one that signed_note computes");
    for text in [
        "one line\n",
        "\n",
        "two\n\nparagraphs\n",
        "ünïcode — text\n",
    ] {
        let mut note = Note::new(text).unwrap();
        note.sign(&ours).unwrap();
        let mut their_note = TheirNote::new(text.as_bytes(), &[]).unwrap();
        their_note.add_sigs(&[&theirs]).unwrap();
        assert_eq!(note.to_string().as_bytes(), their_note.to_bytes());

        let verifier = StandardVerifier::new(&ours.verifier().to_string()).unwrap();
        let parsed = TheirNote::from_bytes(note.to_string().as_bytes()).unwrap();
        parsed
            .verify(&VerifierList::new(vec![Box::new(verifier)]))
            .unwrap();
        let parsed = Note::parse(&their_note.to_bytes()).unwrap();
        parsed.verified_by(ours.verifier()).unwrap();
        assert_eq!(parsed.text(), text);
    }
}

#[test]
fn malformed_notes_are_refused_by_both() {
    let line = signed(0, empty_root()).lines().last().unwrap().to_owned();
    for note in [
        "".to_owned(),
        "\n".to_owned(),
        "\n\n".to_owned(),
        "text\n".to_owned(),
        "text\n\n".to_owned(),
        "text\n\n\n".to_owned(),
        format!("text\n{line}\n"),
        format!("text\n\n{line}"),
        format!("text\n\n{line}\n\n"),
        format!("text\n\n{line}\nmore\n"),
        format!("text\n\n{line} \n"),
        format!("text\n\n{line}\r\n"),
        format!("te\0xt\n\n{line}\n"),
        format!("te\txt\n\n{line}\n"),
        "text\n\n- name AAAAAAA=\n".to_owned(),
        "text\n\n—name AAAAAAA=\n".to_owned(),
        "text\n\n—  AAAAAAA=\n".to_owned(),
        "text\n\n— a+b AAAAAAA=\n".to_owned(),
        "text\n\n— a\u{a0}b AAAAAAA=\n".to_owned(),
        "text\n\n— name AAAAAA==\n".to_owned(),
        "text\n\n— name AAAAAAA\n".to_owned(),
        "text\n\n— name AAAAAAB=\n".to_owned(),
        "text\n\n— name AAAA_AA=\n".to_owned(),
        "text\n\n— name  AAAAAAA=\n".to_owned(),
        "text\n\n— name\n".to_owned(),
    ] {
        assert!(Note::parse(note.as_bytes()).is_err(), "{note:?}");
        assert!(
            TheirNote::from_bytes(note.as_bytes()).is_err(),
            "theirs: {note:?}"
        );
    }
    assert_eq!(Note::parse(b"te\xffxt\n\n\n"), Err(NoteError::Text));
    assert_eq!(Note::new("no newline"), Err(NoteError::Text));
    assert_eq!(Note::new(""), Err(NoteError::Text));
    let most = "— name AAAAAAA=\n".repeat(NOTE_SIGNATURES_MAX);
    assert!(Note::parse(format!("text\n\n{most}").as_bytes()).is_ok());
    let over = format!("text\n\n{most}— name AAAAAAA=\n");
    assert_eq!(
        Note::parse(over.as_bytes()),
        Err(NoteError::TooManySignatures)
    );
    let huge = vec![b'\n'; 3 << 20];
    assert_eq!(
        Note::parse(&huge),
        Err(NoteError::TooLarge { bytes: 3 << 20 })
    );
}

#[test]
fn verifier_keys_round_trip_and_their_ids_are_the_specified_hash() {
    for kind in KINDS {
        let key = signing(kind, "kz.example/witness", 9);
        let key = key.verifier();
        let tag = match kind {
            KeyKind::Ed25519 => &b"\x01"[..],
            KeyKind::CosignatureV1 => b"\x04",
            KeyKind::CosignatureMlDsa44 => b"\x06",
            KeyKind::MlDsa44 => OWN_TYPE,
        };
        let hashed = Sha256::digest([b"kz.example/witness\n", tag, key.public()].concat());
        assert_eq!(key.id(), hashed[..4]);
        let vkey = key.to_string();
        let (name, rest) = vkey.split_once('+').unwrap();
        let (id, encoded) = rest.split_once('+').unwrap();
        assert_eq!((name, id.len()), ("kz.example/witness", 8));
        assert_eq!(
            STANDARD.decode(encoded).unwrap(),
            [tag, key.public()].concat()
        );
        assert_eq!(&vkey.parse::<VerifierKey>().unwrap(), key);

        let other = format!("uz.example/witness+{rest}");
        let refused = VerifierKey::parse(&other);
        assert_eq!(
            refused,
            Err(NoteError::KeyId {
                name: "uz.example/witness".to_owned()
            })
        );
        assert!(VerifierKey::parse(&vkey[..vkey.len() - 4]).is_err());
        assert!(VerifierKey::parse(&vkey.to_uppercase()).is_err());
    }
    // A well-known key that others made.
    let known = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
    assert_eq!(VerifierKey::parse(known).unwrap().to_string(), known);
    for bad in [
        "",
        "+",
        "++",
        "a+b",
        "a+00000000+",
        "a+0000000g+AQ==",
        "a+00000000+Ag==",
    ] {
        assert!(VerifierKey::parse(bad).is_err(), "{bad:?}");
    }
    let long = "x".repeat(256);
    for name in [
        "",
        "a b",
        "a+b",
        "a\nb",
        "a\u{2003}b",
        "a\u{7f}",
        long.as_str(),
    ] {
        let refused = SigningKey::from_seed(KeyKind::Ed25519, name, [1; 32]);
        assert!(
            matches!(refused, Err(NoteError::KeyName { .. })),
            "{name:?}"
        );
    }
}

#[test]
fn weak_and_malformed_public_keys_are_refused() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut order_two = [0xff; 32];
    order_two[0] = 0xec;
    order_two[31] = 0x7f;
    for public in [
        &identity[..],
        &order_two,
        &[0; 32],
        &[0xff; 32],
        &[1; 31],
        &[],
    ] {
        for kind in [KeyKind::Ed25519, KeyKind::CosignatureV1] {
            let refused = VerifierKey::new(kind, "name", public);
            assert!(
                matches!(refused, Err(NoteError::PublicKey { .. })),
                "{public:?}"
            );
        }
    }
    for length in [0, 32, 1311, 1313] {
        assert!(VerifierKey::new(KeyKind::MlDsa44, "name", &vec![1; length]).is_err());
    }
}

#[test]
fn one_secret_under_two_names_or_kinds_is_two_keys() {
    for kind in [KeyKind::Ed25519, KeyKind::MlDsa44] {
        let alerts = signing(kind, "kz.example/steppe/alerts", 3);
        let relief = alerts.renamed("kz.example/steppe/relief").unwrap();
        assert_eq!(alerts.verifier().public(), relief.verifier().public());
        assert_ne!(alerts.verifier().id(), relief.verifier().id());
        let mut note = Note::new("text\n").unwrap();
        note.sign(&alerts).unwrap();
        assert_eq!(note.verified_by(alerts.verifier()), Ok(()));
        let refused = note.verified_by(relief.verifier());
        assert_eq!(
            refused,
            Err(NoteError::NotSigned {
                name: relief.verifier().name().to_owned()
            })
        );
    }
    // The same ML-DSA secret, as the other kind: neither takes the other's signatures.
    let note_key = signing(KeyKind::MlDsa44, ORIGIN, 3);
    let witness = signing(KeyKind::CosignatureMlDsa44, ORIGIN, 3);
    assert_eq!(note_key.verifier().public(), witness.verifier().public());
    assert_ne!(note_key.verifier().id(), witness.verifier().id());
    let mut note = Note::new("text\n").unwrap();
    assert_eq!(note.sign(&witness), Err(NoteError::KeyKind));
    note.sign(&note_key).unwrap();
    assert_eq!(
        note.verified_by(witness.verifier()),
        Err(NoteError::KeyKind)
    );
}

#[test]
fn the_post_quantum_line_is_ml_dsa_44_with_our_context() {
    use ml_dsa::{EncodedVerifyingKey, MlDsa44, Signature, VerifyingKey};
    let key = signing(KeyKind::MlDsa44, ORIGIN, 5);
    let mut note = Note::new("text\n").unwrap();
    note.sign(&key).unwrap();
    let public = EncodedVerifyingKey::<MlDsa44>::try_from(key.verifier().public()).unwrap();
    let public = VerifyingKey::<MlDsa44>::decode(&public);
    let line = &note.signatures()[0];
    assert_eq!(line.signature().len(), 2420);
    let signature = Signature::<MlDsa44>::try_from(line.signature()).unwrap();
    assert!(public.verify_with_context(b"text\n", b"kurultai-ml-dsa-44/v1", &signature));
    assert!(!public.verify_with_context(b"text\n", b"", &signature));
    assert_eq!(note.verified_by(key.verifier()), Ok(()));
}

#[test]
fn a_bad_line_of_a_known_key_spoils_the_note_and_an_unknown_one_does_not() {
    let (ed25519, pq, keys) = log_keys();
    let note = signed(0, empty_root());
    let stranger = signing(KeyKind::Ed25519, "stranger.example", 8);
    let mut with_stranger = Note::parse(note.as_bytes()).unwrap();
    with_stranger.sign(&stranger).unwrap();
    assert!(Checkpoint::open(with_stranger.to_string().as_bytes(), &keys).is_ok());
    for key in [&ed25519, &pq] {
        let good = Note::parse(note.as_bytes()).unwrap();
        let good = good.lines_of(key.verifier()).next().unwrap().to_string();
        // Same key, signature over something else, beside the good line and instead of it.
        let mut other = Note::new("other\n").unwrap();
        other.sign(key).unwrap();
        let bad = other.signatures()[0].to_string();
        for spoiled in [format!("{note}{bad}\n"), note.replace(&good, &bad)] {
            let refused = Checkpoint::open(spoiled.as_bytes(), &keys).unwrap_err();
            let name = key.verifier().name().to_owned();
            assert_eq!(
                refused,
                CheckpointError::Note(NoteError::BadSignature { name })
            );
        }
        let removed = note.replace(&format!("{good}\n"), "");
        let refused = Checkpoint::open(removed.as_bytes(), &keys).unwrap_err();
        let name = key.verifier().name().to_owned();
        assert_eq!(
            refused,
            CheckpointError::Note(NoteError::NotSigned { name })
        );
    }
    // Signing again, or adding a line of the same key, replaces.
    let mut again = Note::parse(note.as_bytes()).unwrap();
    again.sign(&ed25519).unwrap();
    assert_eq!(again.signatures().len(), 2);
    assert_eq!(again.verified_by(&keys.ed25519), Ok(()));
}

#[test]
fn ed25519_is_strict() {
    // s + L verifies under the plain equation of careless implementations.
    let key = signing(KeyKind::Ed25519, ORIGIN, 1);
    let mut note = Note::new("text\n").unwrap();
    note.sign(&key).unwrap();
    let order = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut signature = note.signatures()[0].signature().to_vec();
    let mut carry = 0u16;
    for (byte, add) in signature[32..].iter_mut().zip(order) {
        carry += u16::from(*byte) + add;
        *byte = carry as u8;
        carry >>= 8;
    }
    let id = key.verifier().id();
    let line = format!(
        "— {ORIGIN} {}",
        STANDARD.encode([&id[..], &signature].concat())
    );
    let mut malleated = Note::new("text\n").unwrap();
    malleated.add(SignatureLine::parse(&line).unwrap()).unwrap();
    let refused = malleated.verified_by(key.verifier());
    assert!(matches!(refused, Err(NoteError::BadSignature { .. })));
}

#[test]
fn checkpoints_are_three_strict_lines() {
    let root = Hash([3; 32]);
    let checkpoint = Checkpoint::new(ORIGIN, 20_852_163, root).unwrap();
    let text = checkpoint.to_text();
    assert_eq!(
        text,
        format!("{ORIGIN}\n20852163\nAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=\n")
    );
    assert_eq!(Checkpoint::parse_text(&text), Ok(checkpoint));
    let root = root.to_base64();
    for bad in [
        String::new(),
        "\n\n\n".to_owned(),
        format!("{ORIGIN}\n5\n{root}"),
        format!("{ORIGIN}\n5\n{root}\n\n"),
        format!("{ORIGIN}\n5\n{root}\nextension\n"),
        format!("\n5\n{root}\n"),
        format!("{ORIGIN}\n05\n{root}\n"),
        format!("{ORIGIN}\n+5\n{root}\n"),
        format!("{ORIGIN}\n-5\n{root}\n"),
        format!("{ORIGIN}\n 5\n{root}\n"),
        format!("{ORIGIN}\n\n{root}\n"),
        format!("{ORIGIN}\n9223372036854775808\n{root}\n"),
        format!("{ORIGIN}\n18446744073709551616\n{root}\n"),
        format!("{ORIGIN}\n5\n{}\n", &root[..43]),
        format!("{ORIGIN}\n5\n{root}=\n"),
        format!("{ORIGIN}\n5\nAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwN=\n"),
        format!("{ORIGIN}\n0\n{root}\n"),
        format!("{}\n5\n{root}\n", "o".repeat(256)),
    ] {
        assert!(Checkpoint::parse_text(&bad).is_err(), "{bad:?}");
    }
    assert!(Checkpoint::new(ORIGIN, 0, empty_root()).is_ok());
    assert_eq!(
        Checkpoint::new("a\nb", 1, Hash([3; 32])),
        Err(CheckpointError::Origin)
    );
}

#[test]
fn a_checkpoint_opens_only_for_its_log() {
    let (ed25519, pq, keys) = log_keys();
    let note = signed(5, Hash([3; 32]));
    let (checkpoint, _) = Checkpoint::open(note.as_bytes(), &keys).unwrap();
    assert_eq!(
        (checkpoint.origin(), checkpoint.size(), checkpoint.root()),
        (ORIGIN, 5, Hash([3; 32]))
    );
    // The right keys under a text of another log.
    let other = Checkpoint::new("kz.example/steppe/relief", 5, Hash([3; 32])).unwrap();
    let other = other.sign(&[&ed25519, &pq]).unwrap();
    let refused = Checkpoint::open(other.as_bytes(), &keys).unwrap_err();
    assert!(
        matches!(refused, CheckpointError::OtherOrigin { .. }),
        "{refused}"
    );
    // A log that is known without a post-quantum key is opened without that line.
    let classic = LogKeys {
        pq: None,
        ..keys.clone()
    };
    let only = Checkpoint::new(ORIGIN, 5, Hash([3; 32]))
        .unwrap()
        .sign(&[&ed25519])
        .unwrap();
    assert!(Checkpoint::open(only.as_bytes(), &classic).is_ok());
    assert!(Checkpoint::open(note.as_bytes(), &classic).is_ok());
    assert!(Checkpoint::open(only.as_bytes(), &keys).is_err());
    // Keys of the wrong kind are an error of the caller, not a way around the second signature.
    let swapped = LogKeys {
        pq: Some(keys.ed25519.clone()),
        ..keys
    };
    assert_eq!(
        Checkpoint::open(only.as_bytes(), &swapped),
        Err(CheckpointError::Note(NoteError::KeyKind))
    );
}

#[test]
fn cosignatures_sign_the_specified_bytes() {
    let checkpoint = Checkpoint::new(ORIGIN, 0x0102_0304, Hash([3; 32])).unwrap();
    let (text, time) = (checkpoint.to_text(), 1_679_315_147);

    let key = signing(KeyKind::CosignatureV1, "w.example", 4);
    let line = cosign::cosign(&text, &key, time).unwrap();
    assert_eq!(line.signature().len(), 8 + 64);
    assert_eq!(line.signature()[..8], time.to_be_bytes());
    let message = format!("cosignature/v1\ntime 1679315147\n{text}");
    let public = key.verifier().public().try_into().unwrap();
    let public = ed25519_dalek::VerifyingKey::from_bytes(public).unwrap();
    let signature = ed25519_dalek::Signature::from_slice(&line.signature()[8..]).unwrap();
    public.verify(message.as_bytes(), &signature).unwrap();
    assert_eq!(cosign::verify(&text, &line, key.verifier()), Ok(time));

    let key = signing(KeyKind::CosignatureMlDsa44, "w.example", 4);
    let line = cosign::cosign(&text, &key, time).unwrap();
    assert_eq!(line.signature().len(), 8 + 2420);
    let mut message = b"subtree/v1\n\0\x09w.example\0\0\0\0\x64\x18\x50\xcb".to_vec();
    message.push(ORIGIN.len() as u8);
    message.extend(ORIGIN.as_bytes());
    message.extend([0; 8]);
    message.extend([0, 0, 0, 0, 1, 2, 3, 4]);
    message.extend([3; 32]);
    let public =
        ml_dsa::EncodedVerifyingKey::<ml_dsa::MlDsa44>::try_from(key.verifier().public()).unwrap();
    let public = ml_dsa::VerifyingKey::<ml_dsa::MlDsa44>::decode(&public);
    let signature = ml_dsa::Signature::try_from(&line.signature()[8..]).unwrap();
    assert!(public.verify_with_context(&message, b"", &signature));
    assert_eq!(cosign::verify(&text, &line, key.verifier()), Ok(time));
}

#[test]
fn cosignatures_hold_for_one_checkpoint_key_and_time_only() {
    let text = Checkpoint::new(ORIGIN, 7, Hash([3; 32])).unwrap().to_text();
    let others = [
        Checkpoint::new(ORIGIN, 8, Hash([3; 32])).unwrap().to_text(),
        Checkpoint::new(ORIGIN, 7, Hash([4; 32])).unwrap().to_text(),
        Checkpoint::new("uz.example/steppe/alerts", 7, Hash([3; 32]))
            .unwrap()
            .to_text(),
    ];
    for kind in [KeyKind::CosignatureV1, KeyKind::CosignatureMlDsa44] {
        let key = signing(kind, "w.example", 4);
        let line = cosign::cosign(&text, &key, 100).unwrap();
        for other in &others {
            let refused = cosign::verify(other, &line, key.verifier());
            assert!(matches!(refused, Err(CosignError::BadSignature { .. })));
        }
        let stranger = signing(kind, "w.example", 5);
        let refused = cosign::verify(&text, &line, stranger.verifier());
        assert!(matches!(refused, Err(CosignError::OtherKey { .. })));
        // Another time under the same signature; a cut one; a beyond time.
        let bytes = STANDARD
            .decode(line.to_string().rsplit_once(' ').unwrap().1)
            .unwrap();
        let reline = |bytes: &[u8]| {
            SignatureLine::parse(&format!("— w.example {}", STANDARD.encode(bytes))).unwrap()
        };
        let mut later = bytes.clone();
        later[11] += 1;
        assert!(cosign::verify(&text, &reline(&later), key.verifier()).is_err());
        for cut in [5, 11, 12, bytes.len() - 1] {
            assert!(cosign::verify(&text, &reline(&bytes[..cut]), key.verifier()).is_err());
        }
        let mut beyond = bytes.clone();
        beyond[4] = 0x80;
        let refused = cosign::verify(&text, &reline(&beyond), key.verifier());
        assert_eq!(refused, Err(CosignError::Time));
        assert_eq!(cosign::cosign(&text, &key, 1 << 63), Err(CosignError::Time));
        assert!(matches!(
            cosign::cosign("text\n", &key, 1),
            Err(CosignError::Checkpoint(_))
        ));
    }
    // A log key makes no cosignatures.
    let (ed25519, ..) = log_keys();
    assert_eq!(
        cosign::cosign(&text, &ed25519, 1),
        Err(CosignError::KeyKind)
    );
}

#[test]
fn nothing_prints_a_secret() {
    let key = SigningKey::from_seed(
        KeyKind::MlDsa44,
        ORIGIN,
        *b"the secret seed of this test key",
    )
    .unwrap();
    let shown = format!("{key:?} {:?}", key.verifier());
    assert!(shown.len() < 300 && !shown.contains("secret"), "{shown}");
}
