//! Secrets at rest that must be read again, such as those of one-time codes.
//!
//! They lie in the store sealed with AES-256-GCM (RFC 5116) under a key that lies in the key
//! folder, so that a copy of the store alone opens none. The name they are kept under is bound in:
//! one user's secret cannot be put in another's place.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};

use super::secret;

/// Seals and opens with one key.
pub(super) struct Seal(RandomizedNonceKey);

impl Seal {
    pub(super) fn new(key: &[u8; 32]) -> Seal {
        let key = RandomizedNonceKey::new(&AES_256_GCM, key);
        Seal(key.expect("32 bytes are a key of AES-256"))
    }

    /// The nonce and the sealed bytes, as text; `None` only when the system has no randomness.
    pub(super) fn seal(&self, name: &str, plain: &[u8]) -> Option<String> {
        let mut bytes = plain.to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(name.as_bytes()), &mut bytes)
            .ok()?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.extend_from_slice(&bytes);
        Some(secret::encode(&sealed))
    }

    /// What was sealed under this name, if it was sealed by this key and nobody touched it.
    pub(super) fn open(&self, name: &str, sealed: &str) -> Option<Vec<u8>> {
        let mut bytes = secret::decode(sealed)?;
        if bytes.len() < NONCE_LEN {
            return None;
        }
        let nonce = Nonce::try_assume_unique_for_key(&bytes[..NONCE_LEN]).ok()?;
        let plain = self
            .0
            .open_in_place(nonce, Aad::from(name.as_bytes()), &mut bytes[NONCE_LEN..])
            .ok()?;
        Some(plain.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_and_the_name_open_it() {
        let seal = Seal::new(&[7; 32]);
        let sealed = seal.seal("totp/anna", b"a secret").unwrap();
        assert_eq!(seal.open("totp/anna", &sealed).unwrap(), b"a secret");
        assert_ne!(sealed, seal.seal("totp/anna", b"a secret").unwrap());
        assert_eq!(seal.open("totp/boris", &sealed), None);
        assert_eq!(Seal::new(&[8; 32]).open("totp/anna", &sealed), None);
        let mut bytes = secret::decode(&sealed).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            assert_eq!(
                seal.open("totp/anna", &secret::encode(&bytes)),
                None,
                "{at}"
            );
            bytes[at] ^= 1;
        }
        for text in ["", "AAAA", "!"] {
            assert_eq!(seal.open("totp/anna", text), None);
        }
    }
}
