//! The public vectors for RFC 6962 proofs (transparency-dev/merkle): 518 of them, four kinds.
//!
//! The data is read in place and never copied; without it the test says so and passes, unless
//! KURULTAI_REQUIRE_ALL=1.

use std::io::Read as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kurultai_log::Hash;
use kurultai_log::merkle::{
    verify_consistency, verify_inclusion, verify_subtree_consistency, verify_subtree_inclusion,
};
use serde_json::Value;

#[test]
fn all_518_public_vectors_agree() {
    let folder = std::env::var_os("KURULTAI_DATA")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"));
    let path = folder.join("merkle-vectors.tar.gz");
    let Ok(file) = std::fs::File::open(&path) else {
        let all = std::env::var("KURULTAI_REQUIRE_ALL").is_ok_and(|value| value == "1");
        assert!(
            !all,
            "{} is missing and KURULTAI_REQUIRE_ALL=1",
            path.display()
        );
        eprintln!("skipped: {} is not there", path.display());
        return;
    };
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let (mut accepted, mut refused) = (0, 0);
    for file in archive.entries().unwrap() {
        let mut file = file.unwrap();
        let name = file.path().unwrap().display().to_string();
        if !name.ends_with(".json") {
            continue;
        }
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        let vector: Value = serde_json::from_str(&text).unwrap();
        let outcome = check(&name, &vector);
        let must_fail = vector["wantErr"].as_bool().unwrap();
        assert_eq!(outcome.is_err(), must_fail, "{name}: {outcome:?}");
        if must_fail {
            refused += 1
        } else {
            accepted += 1
        }
    }
    assert_eq!((accepted, refused), (36, 482));
}

/// Runs the check that the folder's name asks for. A missing hash is refused before any check, as
/// it would be when read from a note; where a vector has a word instead of a hash ("don't care"),
/// the hash of the word stands for it, so that equal stays equal.
fn check(name: &str, vector: &Value) -> Result<(), String> {
    let number = |key: &str| vector[key].as_u64().unwrap();
    let hash = |value: &Value| {
        let bytes = STANDARD.decode(value.as_str().unwrap_or_default()).unwrap();
        match <[u8; 32]>::try_from(bytes.as_slice()) {
            Ok(hash) => Ok(Hash(hash)),
            Err(_) if bytes.is_empty() => Err("no hash".to_owned()),
            Err(_) => Ok(Hash::of(&bytes)),
        }
    };
    let proof: Vec<Hash> = match &vector["proof"] {
        Value::Null => Vec::new(),
        Value::Array(hashes) => hashes.iter().map(hash).collect::<Result<_, _>>()?,
        other => panic!("{name}: proof is {other}"),
    };
    let folder = name.split('/').rev().find(|part| {
        [
            "inclusion",
            "consistency",
            "subtreeinclusion",
            "subtreeconsistency",
        ]
        .contains(part)
    });
    let outcome = match folder {
        Some("inclusion") => verify_inclusion(
            number("leafIdx"),
            number("treeSize"),
            &hash(&vector["leafHash"])?,
            &proof,
            &hash(&vector["root"])?,
        ),
        Some("subtreeinclusion") => verify_subtree_inclusion(
            number("leafIdx"),
            number("start"),
            number("end"),
            &hash(&vector["leafHash"])?,
            &proof,
            &hash(&vector["root"])?,
        ),
        Some("consistency") => verify_consistency(
            number("size1"),
            number("size2"),
            &proof,
            &hash(&vector["root1"])?,
            &hash(&vector["root2"])?,
        ),
        Some("subtreeconsistency") => verify_subtree_consistency(
            number("start"),
            number("end"),
            number("size"),
            &proof,
            &hash(&vector["root1"])?,
            &hash(&vector["root2"])?,
        ),
        _ => panic!("{name}: unknown kind of vector"),
    };
    outcome.map_err(|error| error.to_string())
}
