//! Passwords: generating, hashing and checking them with Argon2id.
//!
//! Every check costs the same whether or not the user exists or has a password: what is compared
//! against is then the hash of something nobody knows. The caller bounds how many run at once.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Argon2, PasswordHash};

use super::AuthError;
use super::limits::{PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN, PASSWORD_DIFFERENT_MIN};
use super::secret;

/// What guessing begins with; a password of these and little else is refused.
const WORDS: [&str; 10] = [
    "password", "qwerty", "asdfgh", "zxcvbn", "letmein", "welcome", "admin", "kurultai",
    "changeme", "secret",
];

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

/// The PHC string of `password` for the user `name`, with a fresh salt.
///
/// # Errors
/// When the password breaks a rule. The rules are about guessing: length first, then what makes
/// long passwords guessable.
pub(super) fn hash(name: &str, password: &str) -> Result<String, AuthError> {
    let bad = |why| Err(AuthError::BadPassword { why });
    let lower = password.to_lowercase();
    if password.len() < PASSWORD_BYTES_MIN {
        return bad("it has fewer than 12 bytes; take several words");
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return bad("it has more than 256 bytes");
    }
    if password.chars().any(char::is_control) {
        return bad("it has control characters");
    }
    if password.chars().collect::<BTreeSet<_>>().len() < PASSWORD_DIFFERENT_MIN {
        return bad("it has fewer than 5 different characters; take several words");
    }
    if name.len() >= 3 && lower.contains(&name.to_lowercase()) {
        return bad("it contains the user's name");
    }
    let (words, rest) = WORDS.iter().fold((0, lower), |(count, rest), word| {
        let found = rest.matches(word).count();
        (count + found, rest.replace(word, ""))
    });
    if words > 0
        && rest.chars().filter(|char| char.is_alphabetic()).count() < PASSWORD_DIFFERENT_MIN
    {
        return bad("it is one that everybody tries first; take several words of your own");
    }
    hash_bytes(password.as_bytes()).ok_or(AuthError::Busy)
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
        let hashed = hash("anna", &password).unwrap();
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
            hash("anna", "correct horse").unwrap(),
            hash("anna", "correct horse").unwrap()
        );
    }

    #[test]
    fn unusable_passwords_are_refused() {
        for bad in [
            "too short 1",
            &"xyzuv".repeat(PASSWORD_BYTES_MAX),
            "with a\nnewline in it",
            "abababababababab",
            "ANNA went home early",
            "Password123456",
            "qwertyqwerty12345",
            "Admin-Admin-2026!",
        ] {
            let refused = hash("anna", bad);
            assert!(
                matches!(refused, Err(AuthError::BadPassword { .. })),
                "{bad}"
            );
        }
        for good in [
            "correct horse battery",
            "the admin sat on a fence",
            "пять синих лошадей",
        ] {
            assert!(hash("anna", good).is_ok(), "{good}");
        }
    }
}
