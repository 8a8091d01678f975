//! Sessions: what a person who has signed in shows instead of signing in again.
//!
//! A session's value is 256 random bits, made anew at every sign-in and kept as its SHA-256. It
//! ends when it is ended, after half an hour without a request, after a working day, and with any
//! change of its user: it is bound to the user's epoch.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use policy::Duty;
use serde::{Deserialize, Serialize};
use store::Seq;

use super::limits::{SESSION_IDLE_SECS, SESSION_SECS_MAX, SESSIONS_MAX};
use super::tokens::stamp;
use super::users::{User, read, scan, write};
use super::{Auth, AuthError, Caller, Proof, duties, secret};
use crate::admin::types::SessionInfo;

const SESSION: &str = "session/";
const SEEN: &str = "session-seen/";
/// Starts every session's value; no token begins so.
pub(super) const SESSION_PREFIX: &str = "kurultai-session_";
const ID_CHARS: usize = 12;

/// A new session. Its value is not kept.
pub struct Started {
    /// What the person shows from now on.
    pub value: String,
    /// When it ends at the latest (RFC 3339).
    pub expires: String,
    /// Who it is.
    pub caller: Arc<Caller>,
}

/// A session as the store keeps it, under its digest.
#[derive(Serialize, Deserialize)]
struct Session {
    user: String,
    epoch: i64,
    proof: Proof,
    started: Seq,
    /// Duties beyond the user's own, by the groups that the identity provider stated.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    added: BTreeSet<Duty>,
}

impl Session {
    /// The session's user as a caller. The added duties are looked at anew each time: what the
    /// operator has given since may not go together with them.
    fn caller(&self, user: &User, now: Seq) -> Result<Arc<Caller>, AuthError> {
        let mut caller = user.caller(&self.user, self.proof, now);
        caller.duties.extend(&self.added);
        duties::separate(&caller.duties)?;
        Ok(Arc::new(caller))
    }
}

impl Auth {
    /// Begins a session for somebody who has just proved to be this user, with duties that were
    /// `added` to the user's own (by the groups that the identity provider stated; none otherwise).
    ///
    /// # Errors
    /// When the user is unknown or kept out ([`AuthError::Wrong`]), the duties must not meet in one
    /// person, or the store refuses.
    pub fn start_session(
        &self,
        name: &str,
        proof: Proof,
        added: &BTreeSet<Duty>,
    ) -> Result<Started, AuthError> {
        let _alone = self.alone();
        let now = self.clock.micros();
        let user = self.active(name)?;
        let mut held = Vec::new();
        for (digest, session) in scan::<Session>(&self.store, SESSION)? {
            if session.user != name {
                continue;
            }
            let seen = self.seen(&digest, &session)?;
            if session.epoch != user.epoch || !open(&session, seen, now) {
                self.drop_session(&digest)?;
            } else {
                held.push((seen, digest));
            }
        }
        held.sort();
        while held.len() >= SESSIONS_MAX {
            let (_, oldest) = held.remove(0);
            self.drop_session(&oldest)?;
        }
        let value = format!(
            "{SESSION_PREFIX}{}",
            secret::encode(&secret::random::<32>())
        );
        let session = Session {
            user: name.into(),
            epoch: user.epoch,
            proof,
            started: now,
            added: added.clone(),
        };
        let caller = session.caller(&user, now)?;
        let mut why = format!("signed in by {}", by(proof));
        if !added.is_empty() {
            why = format!("{why}; its groups add {}", duties::words(added, ", "));
        }
        self.account("sign-in", name, why)?;
        let digest = secret::digest(value.as_bytes());
        write(&self.store, &format!("{SESSION}{digest}"), Some(&session))?;
        Ok(Started {
            value,
            expires: stamp(now.saturating_add(SESSION_SECS_MAX * 1_000_000)),
            caller,
        })
    }

    /// Whose session this is; counts as a request of it.
    ///
    /// # Errors
    /// [`AuthError::Wrong`] when it is none, or none any more.
    pub fn session(&self, value: &str) -> Result<Arc<Caller>, AuthError> {
        let now = self.clock.micros();
        let digest = secret::digest(value.as_bytes());
        let session: Session =
            read(&self.store, &format!("{SESSION}{digest}"))?.ok_or(AuthError::Wrong)?;
        let user = self.active(&session.user)?;
        if session.epoch != user.epoch || !open(&session, self.seen(&digest, &session)?, now) {
            return Err(AuthError::Wrong);
        }
        self.note_use(&format!("{SEEN}{digest}"), now)?;
        session.caller(&user, now)
    }

    /// Ends a session; false when it was none.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn end_session(&self, value: &str) -> Result<bool, AuthError> {
        let digest = secret::digest(value.as_bytes());
        let held = self.store.get(&format!("{SESSION}{digest}"))?.is_some();
        if held {
            self.drop_session(&digest)?;
        }
        Ok(held)
    }

    /// A user's open sessions, without their values.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sessions(&self, name: &str) -> Result<Vec<SessionInfo>, AuthError> {
        let now = self.clock.micros();
        let Some(user) = self.load(name)? else {
            return Ok(Vec::new());
        };
        let mut list = Vec::new();
        for (digest, session) in scan::<Session>(&self.store, SESSION)? {
            let seen = self.seen(&digest, &session)?;
            if session.user == name && session.epoch == user.epoch && open(&session, seen, now) {
                list.push(SessionInfo {
                    id: digest[..ID_CHARS.min(digest.len())].to_owned(),
                    proof: session.proof,
                    started: stamp(session.started),
                    used: stamp(seen),
                });
            }
        }
        Ok(list)
    }

    /// The duties beyond their own that people's sessions prove at present, by name: until a session
    /// is ended, its term is over or anything about its user changes. That nobody has used it for a
    /// while takes nothing back from what the provider stated.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn added(&self) -> Result<HashMap<String, BTreeSet<Duty>>, AuthError> {
        let now = self.clock.micros();
        let mut added: HashMap<String, BTreeSet<Duty>> = HashMap::new();
        for (_, session) in scan::<Session>(&self.store, SESSION)? {
            if session.added.is_empty() || !open(&session, now, now) {
                continue;
            }
            let user = self.active(&session.user);
            if user.is_ok_and(|user| user.epoch == session.epoch) {
                added.entry(session.user).or_default().extend(session.added);
            }
        }
        Ok(added)
    }

    /// Ends every session of a user, at the wish of the actor.
    ///
    /// # Errors
    /// When there is no such user, the actor is a token of theirs, or the store refuses.
    pub fn end_sessions(&self, actor: &Caller, name: &str) -> Result<(), AuthError> {
        actor.require_person(name)?;
        let _alone = self.alone();
        if self.load(name)?.is_none() {
            return Err(AuthError::UnknownUser { name: name.into() });
        }
        self.account(
            "user",
            &actor.recorded(""),
            format!("sessions of user {name} ended"),
        )?;
        self.end_all_sessions(name)
    }

    pub(super) fn end_all_sessions(&self, name: &str) -> Result<(), AuthError> {
        for (digest, session) in scan::<Session>(&self.store, SESSION)? {
            if session.user == name {
                self.drop_session(&digest)?;
            }
        }
        Ok(())
    }

    fn drop_session(&self, digest: &str) -> Result<(), AuthError> {
        // Sessions are looked up at every request, so nothing that is remembered has to be forgotten.
        write::<()>(&self.store, &format!("{SESSION}{digest}"), None)?;
        write::<()>(&self.store, &format!("{SEEN}{digest}"), None)
    }

    /// When the session was last used.
    fn seen(&self, digest: &str, session: &Session) -> Result<Seq, AuthError> {
        let seen: Option<Seq> = read(&self.store, &format!("{SEEN}{digest}"))?;
        Ok(seen.unwrap_or(session.started).max(session.started))
    }
}

/// Whether a session is open by the time alone. A clock that steps back far closes it.
fn open(session: &Session, seen: Seq, now: Seq) -> bool {
    let since = |start: Seq| now.saturating_sub(start) / 1_000_000;
    (-SESSION_IDLE_SECS..SESSION_SECS_MAX).contains(&since(session.started))
        && since(seen) < SESSION_IDLE_SECS
}

/// A proof in words.
fn by(proof: Proof) -> &'static str {
    match proof {
        Proof::Socket => "the operator's socket",
        Proof::Password => "password",
        Proof::PasswordAndTotp => "password and one-time code",
        Proof::Token => "token",
        Proof::Passkey => "passkey",
        Proof::Oidc => "the identity provider",
        Proof::Certificate => "client certificate",
    }
}
