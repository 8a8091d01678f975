//! Passwords: generating, hashing and checking them with Argon2id.
//!
//! Every check costs the same whether or not the user exists or has a password: what is compared
//! against is then the hash of something nobody knows. The caller bounds how many run at once.

use std::sync::LazyLock;

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Argon2, PasswordHash};

use super::AuthError;
use super::limits::{PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN};
use super::secret;

/// A hash that no password gives, checked where there is no real one.
static NOBODY: LazyLock<Option<String>> = LazyLock::new(|| hash_bytes(&secret::random::<32>()));

/// A new password of 100 random bits, readable aloud.
pub(super) fn generate() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut text = String::new();
    for (at, byte) in secret::random::<20>().into_iter().enumerate() {
        if at > 0 && at % 5 == 0 {
            text.push('-');
        }
        text.push(char::from(LETTERS[usize::from(byte % 32)]));
    }
    text
}

/// The PHC string of `password`, with a fresh salt.
///
/// # Errors
/// When the password is shorter or longer than allowed or holds a control character.
pub(super) fn hash(password: &str) -> Result<String, AuthError> {
    if !(PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&password.len())
        || password.chars().any(char::is_control)
    {
        return Err(AuthError::BadPassword);
    }
    hash_bytes(password.as_bytes()).ok_or(AuthError::BadPassword)
}

/// Whether `password` is the one that `hash` was made of; always false where there is no hash.
pub(super) fn check(password: &[u8], hash: Option<&str>) -> bool {
    let known = hash.is_some();
    let Some(hash) = hash.or(NOBODY.as_deref()) else {
        return false;
    };
    let right = Argon2::default()
        .verify_password(
            &password[..password.len().min(PASSWORD_BYTES_MAX + 1)],
            hash,
        )
        .is_ok();
    known && right
}

fn hash_bytes(password: &[u8]) -> Option<String> {
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_salt(password, &secret::random::<16>())
        .ok()?;
    Some(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_passes() {
        let password = generate();
        let hashed = hash(&password).unwrap();
        assert!(
            hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hashed}"
        );
        assert!(check(password.as_bytes(), Some(&hashed)));
        assert!(!check(b"another-password", Some(&hashed)));
        assert!(!check(password.as_bytes(), None));
        assert!(!check(password.as_bytes(), Some("not a hash")));
    }

    #[test]
    fn salts_and_generated_passwords_differ() {
        assert_ne!(generate(), generate());
        assert_ne!(
            hash("correct horse").unwrap(),
            hash("correct horse").unwrap()
        );
    }

    #[test]
    fn unusable_passwords_are_refused() {
        for bad in [
            "short",
            &"x".repeat(PASSWORD_BYTES_MAX + 1),
            "with\nnewline",
        ] {
            assert!(matches!(hash(bad), Err(AuthError::BadPassword)));
        }
    }
}
