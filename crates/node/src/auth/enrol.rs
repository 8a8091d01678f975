//! Enrolment: how a person gets their own secrets without anybody else knowing them.
//!
//! An operator makes a one-time code and hands it over; with it the person sets a password or a
//! passkey. The same code brings back somebody who has lost theirs: redeeming it removes every old
//! credential, token and session. A code is 100 random bits, kept as a hash, good once, until its
//! end, and no longer than the next one that is made.

use serde::{Deserialize, Serialize};
use store::Seq;

use super::limits::{ENROLMENT_HOURS_DEFAULT, ENROLMENT_HOURS_MAX};
use super::tokens::stamp;
use super::users::read;
use super::{Auth, AuthError, Caller, UserChange, password, secret};
use crate::admin::types::InviteReply;

const ENROL: &str = "enrol/";

/// An enrolment code as the store keeps it.
#[derive(Serialize, Deserialize)]
struct Kept {
    digest: String,
    expires: Seq,
}

/// What a person sets in exchange for an enrolment code.
pub enum Redeem {
    /// A password.
    Password(String),
    /// A passkey, which the caller of [`Auth::redeem`] stores afterwards.
    Passkey,
}

impl Auth {
    /// Makes an enrolment code for a user, and the user if there is none.
    ///
    /// # Errors
    /// As [`Auth::put_user`], and when `hours` is out of range.
    pub fn invite(
        &self,
        actor: &Caller,
        name: &str,
        change: &UserChange,
        hours: Option<u32>,
    ) -> Result<InviteReply, AuthError> {
        let hours = hours.unwrap_or(ENROLMENT_HOURS_DEFAULT);
        if !(1..=ENROLMENT_HOURS_MAX).contains(&hours) {
            return Err(AuthError::unusable(format!(
                "An enrolment code lasts 1 to {ENROLMENT_HOURS_MAX} hours."
            )));
        }
        let _alone = self.alone();
        self.put(actor, name, change, None)?;
        let code = password::generate();
        let expires = self
            .clock
            .micros()
            .saturating_add(i64::from(hours) * 3_600_000_000);
        let kept = Kept {
            digest: secret::digest(code.as_bytes()),
            expires,
        };
        self.account(
            "user",
            &actor.recorded(""),
            format!(
                "user {name}: enrolment code made, good until {}",
                stamp(expires)
            ),
        )?;
        self.save(&format!("{ENROL}{name}"), Some(&kept))?;
        Ok(InviteReply {
            name: name.into(),
            code,
            expires: stamp(expires),
        })
    }

    /// Whether this code would enrol this user now. Changes nothing.
    ///
    /// # Errors
    /// [`AuthError::Wrong`] when it would not.
    pub fn enrolment(&self, name: &str, code: &str) -> Result<(), AuthError> {
        let kept: Option<Kept> = read(&self.store, &format!("{ENROL}{name}"))?;
        let digest = secret::digest(code.trim().as_bytes());
        let good = kept.is_some_and(|kept| {
            kept.expires > self.clock.micros()
                && secret::same(kept.digest.as_bytes(), digest.as_bytes())
        });
        if !good {
            return Err(AuthError::Wrong);
        }
        self.active(name).map(|_| ())
    }

    /// Uses up an enrolment code: removes every old credential, token and session of the user and
    /// sets the new password, if that is what it is used for.
    ///
    /// # Errors
    /// [`AuthError::Wrong`] when the code is not good; [`AuthError::BadPassword`] (the code is then
    /// still good); what the store said.
    pub fn redeem(&self, name: &str, code: &str, what: Redeem) -> Result<(), AuthError> {
        // Before the hash is computed: who has no code costs no time.
        self.enrolment(name, code)?;
        let hash = match &what {
            Redeem::Password(text) => Some(password::hash(name, text)?),
            Redeem::Passkey => None,
        };
        let way = match what {
            Redeem::Password(_) => "a password",
            Redeem::Passkey => "a passkey",
        };
        let _alone = self.alone();
        // Again under the lock, so that two at once cannot both use it.
        self.enrolment(name, code)?;
        let mut user = self.active(name)?;
        let what = format!("user {name} enrolled with {way}; earlier credentials ended");
        self.account("user", name, what)?;
        // The code goes with the credentials; should we stop in between, the operator makes another.
        self.clear_credentials(name)?;
        self.end_tokens(name)?;
        self.end_all_sessions(name)?;
        user.password = hash;
        user.given = false;
        user.password_at = Some(self.clock.micros());
        user.second_factor = false;
        self.save_user(name, user)
    }

    /// Whether an enrolment code is out for this user.
    pub(super) fn invited(&self, name: &str, now: Seq) -> Result<bool, AuthError> {
        let kept: Option<Kept> = read(&self.store, &format!("{ENROL}{name}"))?;
        Ok(kept.is_some_and(|kept| kept.expires > now))
    }
}
