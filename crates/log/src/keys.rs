//! Keys of signed notes: what they are, how they are written, and the two signature algorithms.
//!
//! A key has a name and a kind; both, and the public bytes, go into its four-byte id, so that one
//! secret used under two names or for two kinds gives two keys that are never taken for each
//! other. `renamed` makes use of that: a member signs each of its logs under that log's origin.
//!
//! Verifier keys are written as vkeys: `name+id+base64(kind bytes ‖ public key)` (C2SP
//! signed-note). Kinds:
//!
//! | kind | kind bytes | public | signs |
//! |---|---|---|---|
//! | Ed25519 | `01` | 32 | the note text |
//! | CosignatureV1 | `04` | 32 | tlog-cosignature, `cosignature/v1` |
//! | CosignatureMlDsa44 | `06` | 1312 | tlog-cosignature, `subtree/v1` |
//! | MlDsa44 | `ff` and `kurultai-ml-dsa-44/v1\n` | 1312 | the note text |
//!
//! The last is our own, in the space that signed-note leaves for types without a byte of their own
//! (`ff` followed by a longer identifier). Its signature is pure ML-DSA-44 (FIPS 204) of the note
//! text with the context string `kurultai-ml-dsa-44/v1`, 2420 bytes.
//!
//! Ed25519 verification is strict everywhere: no small-order keys, no second form of a signature.
//! Signing is deterministic for both algorithms, so that this crate draws no random bytes.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer as _;
use ml_dsa::MlDsa44;
use ml_dsa::signature::Keypair as _;
use sha2::{Digest as _, Sha256};

use crate::hash::hex_digit;
use crate::limits::KEY_NAME_BYTES_MAX;
use crate::note::NoteError;

/// Bytes of an Ed25519 public key and of a secret seed of either algorithm.
const SEED_BYTES: usize = 32;
/// Bytes of an Ed25519 signature.
const ED25519_SIGNATURE_BYTES: usize = 64;
/// Bytes of an ML-DSA-44 public key (FIPS 204 table 2).
const ML_DSA_44_PUBLIC_BYTES: usize = 1312;
/// Bytes of an ML-DSA-44 signature (FIPS 204 table 2).
const ML_DSA_44_SIGNATURE_BYTES: usize = 2420;
/// Identifier of our own signature type, and its context string without the newline.
const OWN_TYPE: &str = "kurultai-ml-dsa-44/v1\n";

/// What a key signs, and with which algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// Ed25519 over the note text (signed-note type 0x01).
    Ed25519,
    /// Ed25519 timestamped cosignature of a checkpoint (type 0x04).
    CosignatureV1,
    /// ML-DSA-44 timestamped cosignature of a checkpoint (type 0x06).
    CosignatureMlDsa44,
    /// ML-DSA-44 over the note text (type 0xff and our identifier).
    MlDsa44,
}

impl KeyKind {
    const ALL: [KeyKind; 4] = [
        KeyKind::Ed25519,
        KeyKind::CosignatureV1,
        KeyKind::CosignatureMlDsa44,
        KeyKind::MlDsa44,
    ];

    /// Whether keys of this kind make cosignatures (with a time) rather than sign note texts.
    pub fn is_cosignature(self) -> bool {
        matches!(self, KeyKind::CosignatureV1 | KeyKind::CosignatureMlDsa44)
    }

    /// Whether the algorithm withstands quantum computers.
    pub fn is_post_quantum(self) -> bool {
        self.algorithm() == Algorithm::MlDsa44
    }

    /// Bytes that name this kind in a vkey and in a key id.
    fn tag(self) -> Vec<u8> {
        match self {
            KeyKind::Ed25519 => vec![0x01],
            KeyKind::CosignatureV1 => vec![0x04],
            KeyKind::CosignatureMlDsa44 => vec![0x06],
            KeyKind::MlDsa44 => [&[0xff], OWN_TYPE.as_bytes()].concat(),
        }
    }

    fn algorithm(self) -> Algorithm {
        match self {
            KeyKind::Ed25519 | KeyKind::CosignatureV1 => Algorithm::Ed25519,
            KeyKind::CosignatureMlDsa44 | KeyKind::MlDsa44 => Algorithm::MlDsa44,
        }
    }

    /// FIPS 204 context string; tlog-cosignature uses none, its message has a label instead.
    fn context(self) -> &'static [u8] {
        match self {
            KeyKind::MlDsa44 => OWN_TYPE.trim_ascii_end().as_bytes(),
            _ => b"",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Ed25519,
    MlDsa44,
}

/// A public key under its name: what a verifier is configured with.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerifierKey {
    name: String,
    kind: KeyKind,
    id: [u8; 4],
    public: Box<[u8]>,
}

impl VerifierKey {
    /// A key of `kind` called `name` from its public bytes.
    ///
    /// # Errors
    /// [`NoteError::KeyName`] for a name that a note cannot carry; [`NoteError::PublicKey`] for
    /// bytes that are no key of this kind, including Ed25519 points of small order.
    pub fn new(kind: KeyKind, name: &str, public: &[u8]) -> Result<VerifierKey, NoteError> {
        check_name(name)?;
        let genuine = match kind.algorithm() {
            Algorithm::Ed25519 => ed25519_public(public).is_some(),
            Algorithm::MlDsa44 => public.len() == ML_DSA_44_PUBLIC_BYTES,
        };
        if !genuine {
            return Err(NoteError::PublicKey {
                name: name.to_owned(),
            });
        }
        let mut sha = Sha256::new();
        sha.update(name);
        sha.update(b"\n");
        sha.update(kind.tag());
        sha.update(public);
        let [a, b, c, d, ..]: [u8; 32] = sha.finalize().into();
        Ok(VerifierKey {
            name: name.to_owned(),
            kind,
            id: [a, b, c, d],
            public: public.into(),
        })
    }

    /// Reads a vkey.
    ///
    /// # Errors
    /// [`NoteError`] when the text is not one, its id does not fit its name and key, or its kind
    /// is none of ours.
    pub fn parse(vkey: &str) -> Result<VerifierKey, NoteError> {
        // LIMIT: name, id, and the base64 of the longest key and kind; nothing longer is read.
        if vkey.len() > KEY_NAME_BYTES_MAX + 10 + 2 * ML_DSA_44_PUBLIC_BYTES {
            return Err(NoteError::VerifierKey);
        }
        // Names have no plus sign; base64 may.
        let mut parts = vkey.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::VerifierKey);
        };
        let key = STANDARD.decode(key).map_err(|_| NoteError::VerifierKey)?;
        let id = parse_id(id).ok_or(NoteError::VerifierKey)?;
        let (kind, public) = KeyKind::ALL
            .into_iter()
            .find_map(|kind| Some((kind, key.strip_prefix(kind.tag().as_slice())?)))
            .ok_or(NoteError::KeyKind)?;
        let key = VerifierKey::new(kind, name, public)?;
        if key.id == id {
            Ok(key)
        } else {
            Err(NoteError::KeyId { name: key.name })
        }
    }

    /// Name of the key: its owner, or the origin of the log that it signs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the key signs.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The four bytes that stand for the key in signature lines.
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// Public bytes: 32 of Ed25519 or 1312 of ML-DSA-44.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// The same public key under another name: another key, with another id.
    ///
    /// # Errors
    /// [`NoteError::KeyName`] for a name that a note cannot carry.
    pub fn renamed(&self, name: &str) -> Result<VerifierKey, NoteError> {
        VerifierKey::new(self.kind, name, &self.public)
    }

    /// Whether `signature` is this key's over exactly `message`.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self.kind.algorithm() {
            Algorithm::Ed25519 => {
                let Ok(signature) = <[u8; ED25519_SIGNATURE_BYTES]>::try_from(signature) else {
                    return false;
                };
                let signature = ed25519_dalek::Signature::from_bytes(&signature);
                ed25519_public(&self.public)
                    .is_some_and(|key| key.verify_strict(message, &signature).is_ok())
            }
            Algorithm::MlDsa44 => {
                let Ok(public) = ml_dsa::EncodedVerifyingKey::<MlDsa44>::try_from(&*self.public)
                else {
                    return false;
                };
                let Ok(signature) = ml_dsa::Signature::<MlDsa44>::try_from(signature) else {
                    return false;
                };
                ml_dsa::VerifyingKey::<MlDsa44>::decode(&public).verify_with_context(
                    message,
                    self.kind.context(),
                    &signature,
                )
            }
        }
    }

    /// Bytes of a signature of this key, without the time of a cosignature.
    pub(crate) fn signature_len(&self) -> usize {
        match self.kind.algorithm() {
            Algorithm::Ed25519 => ED25519_SIGNATURE_BYTES,
            Algorithm::MlDsa44 => ML_DSA_44_SIGNATURE_BYTES,
        }
    }
}

/// The vkey.
impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [self.kind.tag().as_slice(), &self.public].concat();
        let [a, b, c, d] = self.id;
        write!(
            f,
            "{}+{a:02x}{b:02x}{c:02x}{d:02x}+{}",
            self.name,
            STANDARD.encode(key)
        )
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.id;
        write!(
            f,
            "{}+{a:02x}{b:02x}{c:02x}{d:02x}({:?})",
            self.name, self.kind
        )
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(vkey: &str) -> Result<VerifierKey, NoteError> {
        VerifierKey::parse(vkey)
    }
}

/// A secret key under its name. Cheap to clone; the secret is wiped when the last clone goes.
#[derive(Clone)]
pub struct SigningKey {
    secret: Secret,
    verifier: VerifierKey,
}

#[derive(Clone)]
enum Secret {
    Ed25519(Arc<ed25519_dalek::SigningKey>),
    MlDsa44(Arc<ml_dsa::SigningKey<MlDsa44>>),
}

impl SigningKey {
    /// The key of `kind` called `name` that this seed gives: the secret key of RFC 8032, or the
    /// seed ξ of FIPS 204.
    ///
    /// # Errors
    /// [`NoteError::KeyName`] for a name that a note cannot carry.
    pub fn from_seed(
        kind: KeyKind,
        name: &str,
        seed: [u8; SEED_BYTES],
    ) -> Result<SigningKey, NoteError> {
        let (secret, public) = match kind.algorithm() {
            Algorithm::Ed25519 => {
                let key = ed25519_dalek::SigningKey::from_bytes(&seed);
                let public = key.verifying_key().to_bytes().to_vec();
                (Secret::Ed25519(Arc::new(key)), public)
            }
            Algorithm::MlDsa44 => {
                let key = ml_dsa::SigningKey::<MlDsa44>::from_seed(&seed.into());
                let public = key.verifying_key().encode().to_vec();
                (Secret::MlDsa44(Arc::new(key)), public)
            }
        };
        Ok(SigningKey {
            secret,
            verifier: VerifierKey::new(kind, name, &public)?,
        })
    }

    /// The same secret under another name: another key, with another id.
    ///
    /// # Errors
    /// [`NoteError::KeyName`] for a name that a note cannot carry.
    pub fn renamed(&self, name: &str) -> Result<SigningKey, NoteError> {
        Ok(SigningKey {
            secret: self.secret.clone(),
            verifier: self.verifier.renamed(name)?,
        })
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signature over exactly `message`.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.secret {
            Secret::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
            Secret::MlDsa44(key) => key
                .expanded_key()
                .sign_deterministic(message, self.verifier.kind.context())
                .expect(
                    "the context is short, and rejection sampling ends but for a chance of 2^-256",
                )
                .encode()
                .to_vec(),
        }
    }
}

/// The name and id only.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.verifier)
    }
}

/// An Ed25519 public key, unless the bytes are not a point, one of small order, or a second
/// spelling of a point (y not reduced), on which implementations disagree.
fn ed25519_public(public: &[u8]) -> Option<ed25519_dalek::VerifyingKey> {
    let key = ed25519_dalek::VerifyingKey::from_bytes(public.try_into().ok()?).ok()?;
    let canonical = key.to_edwards().compress().to_bytes() == key.to_bytes();
    if canonical && !key.is_weak() {
        Some(key)
    } else {
        None
    }
}

/// Names in notes are not empty and have no spaces, plus signs or control characters.
pub(crate) fn check_name(name: &str) -> Result<(), NoteError> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if name.is_empty() || name.len() > KEY_NAME_BYTES_MAX || name.contains(bad) {
        return Err(NoteError::KeyName {
            name: name.escape_debug().take(64).collect(),
        });
    }
    Ok(())
}

fn parse_id(text: &str) -> Option<[u8; 4]> {
    let digits: [u8; 8] = text.as_bytes().try_into().ok()?;
    let mut id = [0; 4];
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
    }
    Some(id)
}
