//! One-time codes as a second factor (RFC 6238: SHA-1, six digits, thirty seconds), and recovery
//! codes for when the authenticator is lost.
//!
//! INVARIANT: a code is accepted once. The last step that was used is kept durably, changed under
//! the lock of all user changes, and no code of that step or an earlier one counts any more.

use serde::{Deserialize, Serialize};
use store::{Seq, StoreError};
use totp_rs::{Algorithm, Builder, Secret, Totp};

use super::limits::{NEW_TOTP_SECS_MAX, NEW_TOTP_TRIES_MAX, RECOVERY_CODES};
use super::users::read;
use super::{Auth, AuthError, Caller, Proof, password, secret};
use crate::admin::types::TotpReply;

const TOTP: &str = "totp/";
const NEW: &str = "totp-new/";
const STEP_SECS: u64 = 30;
/// Steps that an authenticator's clock may be off, to either side.
const SKEW_STEPS: u16 = 1;

/// A second factor as the store keeps it.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// The secret, sealed.
    sealed: String,
    /// The last step of which a code was used.
    last: u64,
    /// Digests of the recovery codes that are left.
    recovery: Vec<String>,
}

/// A second factor that is not in force yet, as the store keeps it.
#[derive(Serialize, Deserialize)]
struct Begun {
    /// The secret, sealed.
    sealed: String,
    /// Whoever began it gave a code of the one that is in force.
    #[serde(default)]
    proved: bool,
    /// When it was begun.
    #[serde(default)]
    at: Seq,
    /// Wrong codes given for it.
    #[serde(default)]
    wrong: u32,
}

impl Begun {
    /// Also not when the clock has stepped back before its beginning.
    fn is_open(&self, now: Seq) -> bool {
        let age = now.saturating_sub(self.at);
        (0..NEW_TOTP_SECS_MAX * 1_000_000).contains(&age)
    }
}

impl Auth {
    /// Begins a second factor; `proved` says that a code of the one until now was given.
    pub(super) fn begin_totp(&self, caller: &Caller, proved: bool) -> Result<TotpReply, AuthError> {
        let _alone = self.alone();
        if self.active(&caller.name)?.second_factor && !proved {
            return Err(AuthError::NotTheirs {
                why: "You have one-time codes already: give one of them, or a recovery code, to \
                      set up another app."
                    .into(),
            });
        }
        let key = format!("{NEW}{}", caller.name);
        let bytes = secret::random::<20>();
        let sealed = self.seal.seal(&key, &bytes).ok_or(AuthError::Busy)?;
        self.save(
            &key,
            Some(&Begun {
                sealed,
                proved,
                at: self.clock.micros(),
                wrong: 0,
            }),
        )?;
        let base32 = Secret::from(bytes).to_base32();
        // A user's name and the issuer have no character that a URI would have to escape but '@'.
        let label = caller.name.replace('@', "%40");
        let uri = format!(
            "otpauth://totp/Kurultai:{label}?secret={base32}&issuer=Kurultai&algorithm=SHA1&digits=6&period={STEP_SECS}"
        );
        Ok(TotpReply {
            secret: base32,
            uri,
        })
    }

    /// Puts the new second factor in force, given a code of it. Answers with the recovery codes,
    /// which are shown once. Ends the user's sessions. The guard was asked before.
    ///
    /// # Errors
    /// [`AuthError::Wrong`] when the code is not right, or none was begun lately.
    pub(super) fn adopt_totp(&self, name: &str, code: &str) -> Result<Vec<String>, AuthError> {
        let (from, to) = (format!("{NEW}{name}"), format!("{TOTP}{name}"));
        let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| password::generate()).collect();
        self.edit(name, name, |user| {
            let begun: Option<Begun> = read(&self.store, &from)?;
            let mut begun = begun.ok_or(AuthError::Wrong)?;
            if !begun.is_open(self.clock.micros()) {
                self.remove(&from)?;
                return Err(AuthError::Wrong);
            }
            if user.second_factor && !begun.proved {
                return Err(AuthError::Wrong);
            }
            let bytes = self
                .seal
                .open(&from, &begun.sealed)
                .ok_or_else(|| damaged(&from))?;
            let Some(last) = self.step(&bytes, code, 0)? else {
                begun.wrong += 1;
                let kept = Some(&begun).filter(|begun| begun.wrong < NEW_TOTP_TRIES_MAX);
                self.save(&from, kept)?;
                return Err(AuthError::Wrong);
            };
            let sealed = self.seal.seal(&to, &bytes).ok_or(AuthError::Busy)?;
            let recovery = codes
                .iter()
                .map(|code| secret::digest(code.as_bytes()))
                .collect();
            self.save(
                &to,
                Some(&Kept {
                    sealed,
                    last,
                    recovery,
                }),
            )?;
            self.remove(&from)?;
            user.second_factor = true;
            Ok(((), format!("user {name}: one-time codes set up")))
        })?;
        Ok(codes)
    }

    /// Ends the caller's second factor. Ends the user's sessions. A code was checked before.
    pub(super) fn drop_totp(&self, name: &str) -> Result<(), AuthError> {
        self.edit(name, name, |user| {
            user.second_factor = false;
            Ok(((), format!("user {name}: one-time codes removed")))
        })?;
        self.remove(&format!("{TOTP}{name}"))
    }

    /// Accepts a one-time code or a recovery code of a user, once.
    ///
    /// # Errors
    /// [`AuthError::Wrong`] when it is neither, or was used before.
    pub(super) fn check_code(&self, name: &str, code: &str) -> Result<(), AuthError> {
        let _alone = self.alone();
        let key = format!("{TOTP}{name}");
        let mut kept: Kept = read(&self.store, &key)?.ok_or(AuthError::Wrong)?;
        let code = code.trim();
        let plain: String = code.chars().filter(|char| *char != ' ').collect();
        if plain.len() == 6 && plain.bytes().all(|byte| byte.is_ascii_digit()) {
            let bytes = self
                .seal
                .open(&key, &kept.sealed)
                .ok_or_else(|| damaged(&key))?;
            kept.last = self
                .step(&bytes, &plain, kept.last)?
                .ok_or(AuthError::Wrong)?;
            return super::users::write(&self.store, &key, Some(&kept));
        }
        let digest = secret::digest(code.as_bytes());
        let place = kept
            .recovery
            .iter()
            .position(|held| secret::same(held.as_bytes(), digest.as_bytes()))
            .ok_or(AuthError::Wrong)?;
        kept.recovery.remove(place);
        self.account(
            "user",
            name,
            format!(
                "user {name}: a recovery code was used; {} are left",
                kept.recovery.len()
            ),
        )?;
        super::users::write(&self.store, &key, Some(&kept))
    }

    /// The step of which `code` is, if that is a step of now and after `last`.
    fn step(&self, bytes: &[u8], code: &str, last: u64) -> Result<Option<u64>, AuthError> {
        let totp = totp(bytes).ok_or_else(|| damaged("totp"))?;
        let step = totp.check(code, self.clock.secs());
        Ok(step.filter(|step| *step > last))
    }
}

fn totp(bytes: &[u8]) -> Option<Totp> {
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_skew(SKEW_STEPS)
        .with_step_duration(STEP_SECS)
        .with_secret(bytes)
        .build()
        .ok()
}

/// Goes on only for a person who has signed in, not for a token or the socket.
pub(super) fn person(caller: &Caller) -> Result<(), AuthError> {
    match caller.proof {
        Proof::Socket | Proof::Token => Err(AuthError::NotTheirs {
            why: "Only the person can set up or remove their own second factor: sign in first."
                .into(),
        }),
        _ => Ok(()),
    }
}

/// Goes on only for a person whose ways in are their own: whoever set a password for somebody must
/// not set up the second factor beside it.
pub(super) fn keeper(caller: &Caller) -> Result<(), AuthError> {
    person(caller)?;
    match caller.held_back {
        Some(why) => Err(AuthError::NotTheirs {
            why: format!("One-time codes cannot be set up yet: {why}."),
        }),
        None => Ok(()),
    }
}

fn damaged(key: &str) -> AuthError {
    AuthError::Store(StoreError::Corrupt {
        place: format!("The setting {key}"),
        problem:
            "it was not sealed by this node's seal.key; restore that file, or invite the user again"
                .into(),
    })
}

/// The code of a secret at a time, as an authenticator shows it.
#[cfg(test)]
pub(super) fn code_at(base32: &str, secs: u64) -> String {
    let secret = Secret::try_from_base32(base32).unwrap();
    totp(&secret).unwrap().generate(secs).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B, SHA-1, the last six of the eight digits given there.
        let totp = totp(b"12345678901234567890").unwrap();
        for (secs, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
        ] {
            assert_eq!(totp.generate(secs).to_string(), code);
        }
    }
}
