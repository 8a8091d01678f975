//! Passkeys (WebAuthn Level 3): registering them and signing in with one.
//!
//! A passkey proves two things at once, that the person holds the device and that the device knew
//! the person, so it stands alone, without a password. The protocol is `webauthn-rs`'s; here is what
//! surrounds it: which passkeys a user has (settings `passkey/<user>/<digest of the credential>`),
//! the challenges that are open, and the counters.
//!
//! INVARIANT: a challenge is answered at most once, within minutes, and its state never leaves the
//! node. INVARIANT: a counter only grows; one that does not shows a copied key and is refused
//! ([`PasskeyError::Copied`], which the caller accounts for).
//!
//! A name without passkeys gets a challenge like any other, so that nobody learns from it who has
//! an account here. All calls but [`Passkeys::new`] read or write the store and block.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use openidconnect::url::Url;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Command, Store, StoreError};
use uuid::Uuid;
use webauthn_rs::prelude::{
    CredentialID, Passkey, PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Webauthn, WebauthnBuilder, WebauthnError,
};

use super::limits::{CHALLENGE_SECS_MAX, PASSKEY_NAME_CHARS_MAX, PASSKEYS_EACH_MAX};
use super::pending::Pending;
use super::users::good_name;
use super::{Source, secret};
use crate::clock::Clock;

const PASSKEY: &str = "passkey/";

/// The users' passkeys and the challenges that are open.
pub struct Passkeys {
    store: Store,
    clock: Clock,
    site: Result<Webauthn, NoSite>,
    open: Pending<Challenge>,
    /// Held while a passkey is read, judged and written, so that two answers cannot both be first.
    writing: Mutex<()>,
    /// Makes the credential ids that are shown for names without passkeys.
    decoys: secret::Key,
}

/// Why there can be no passkeys on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSite {
    /// The configuration states no origin.
    NoOrigin,
    /// The origin names an address instead of a host.
    NoName,
}

/// Why a passkey was not registered or not accepted.
#[derive(Debug)]
#[non_exhaustive]
pub enum PasskeyError {
    /// This node has no passkeys.
    NoSite(NoSite),
    /// The challenge is unknown, answered already, or too old.
    Gone,
    /// The answer is malformed or does not fit the challenge.
    Wrong,
    /// The passkey's counter did not grow: there may be a second copy of its key.
    Copied {
        /// Whose passkey it is.
        user: String,
        /// The passkey's name.
        passkey: String,
    },
    /// The invitation code is not good (any more).
    NotInvited,
    /// The passkey is registered already.
    Known,
    /// The user has as many passkeys as one may have.
    TooMany,
    /// The passkey's name is empty, too long or has control characters.
    BadName,
    /// The store could not answer.
    Store(StoreError),
}

/// A passkey, for its owner to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyInfo {
    /// What identifies it among the user's passkeys.
    pub id: String,
    /// The name its owner gave it.
    pub name: String,
    /// When it was registered (RFC 3339).
    pub created: String,
    /// When it was last used (RFC 3339).
    pub used: Option<String>,
}

/// What a browser is asked, and the ticket to answer with.
#[derive(Clone, Debug, Serialize)]
pub struct Asked {
    /// To be sent back with the answer.
    pub ticket: String,
    /// The options for `navigator.credentials` (`{"publicKey": …}`).
    pub options: Value,
}

/// A passkey as the store keeps it.
#[derive(Serialize, Deserialize)]
struct Kept {
    name: String,
    created: String,
    used: Option<String>,
    credential: Passkey,
}

struct Challenge {
    user: String,
    state: State,
}

enum State {
    Register(Box<PasskeyRegistration>),
    SignIn(Box<PasskeyAuthentication>),
    /// For a name without passkeys; no answer to it is right.
    Nobody,
}

impl Passkeys {
    /// The passkeys that `store` holds, for browsers at `origin`.
    pub fn new(store: Store, clock: Clock, origin: Option<&Url>, title: &str) -> Passkeys {
        Passkeys {
            store,
            clock,
            site: site(origin, title),
            open: Pending::new(CHALLENGE_SECS_MAX),
            writing: Mutex::new(()),
            decoys: secret::random(),
        }
    }

    /// Whether this node can have passkeys at all.
    ///
    /// # Errors
    /// The reason, in words for the operator.
    pub fn available(&self) -> Result<(), NoSite> {
        self.site.as_ref().map(drop).map_err(|why| *why)
    }

    /// Asks a signed-in user's browser to make a passkey.
    ///
    /// # Errors
    /// When this node has no passkeys, the user has too many, or the store cannot be read.
    pub fn begin_registration(&self, user: &str) -> Result<Asked, PasskeyError> {
        let held = self.kept(user)?;
        if held.len() >= PASSKEYS_EACH_MAX {
            return Err(PasskeyError::TooMany);
        }
        let exclude = held.iter().map(|(_, kept)| kept.credential.cred_id());
        self.begin(user, &format!("user {user}"), exclude.cloned().collect())
    }

    /// Asks the browser of somebody who enrols to make a passkey. Those that the user had end with
    /// the enrolment, so a device may make one anew.
    ///
    /// # Errors
    /// When this node has no passkeys.
    pub fn begin_enrolment(&self, user: &str, source: &Source) -> Result<Asked, PasskeyError> {
        self.begin(user, &source.to_string(), Vec::new())
    }

    fn begin(
        &self,
        user: &str,
        whose: &str,
        exclude: Vec<CredentialID>,
    ) -> Result<Asked, PasskeyError> {
        let site = self.site()?;
        let handle = Uuid::new_v5(&Uuid::NAMESPACE_OID, user.as_bytes());
        let (options, state) =
            site.start_passkey_registration(handle, user, user, Some(exclude))?;
        let state = State::Register(Box::new(state));
        self.ask(user, whose, state, as_json(&options)?)
    }

    /// Keeps the passkey that the user's browser made. `before` runs once the answer is known to be
    /// good and may still refuse; enrolling uses up its code there.
    ///
    /// # Errors
    /// When the ticket is not this user's open one, the answer does not fit it, the passkey is
    /// known already, or the store or `before` refuses.
    pub fn finish_registration(
        &self,
        user: &str,
        ticket: &str,
        name: &str,
        answer: &[u8],
        before: impl FnOnce() -> Result<(), PasskeyError>,
    ) -> Result<PasskeyInfo, PasskeyError> {
        let site = self.site()?;
        let name = name.trim();
        if name.is_empty()
            || name.chars().count() > PASSKEY_NAME_CHARS_MAX
            || name.chars().any(char::is_control)
        {
            return Err(PasskeyError::BadName);
        }
        let challenge = self.take(ticket)?;
        let State::Register(state) = challenge.state else {
            return Err(PasskeyError::Gone);
        };
        if challenge.user != user {
            return Err(PasskeyError::Gone);
        }
        let answer: RegisterPublicKeyCredential =
            serde_json::from_slice(answer).map_err(|_| PasskeyError::Wrong)?;
        let credential = site.finish_passkey_registration(&answer, &state)?;
        before()?;
        let _writing = self.writing();
        let id = secret::digest(credential.cred_id().as_slice());
        // An id that another account has already would let either sign in as the other.
        let known = self.store.scan(PASSKEY)?;
        if known
            .iter()
            .any(|(key, _)| key.rsplit('/').next() == Some(&id))
        {
            return Err(PasskeyError::Known);
        }
        if self.kept(user)?.len() >= PASSKEYS_EACH_MAX {
            return Err(PasskeyError::TooMany);
        }
        let kept = Kept {
            name: name.into(),
            created: self.clock.now().to_string(),
            used: None,
            credential,
        };
        self.save(&key(user, &id), Some(&kept))?;
        Ok(kept.info(id))
    }

    /// Asks whoever says to be `user`, at a place, for one of the user's passkeys.
    ///
    /// # Errors
    /// When this node has no passkeys, nobody can have this name, or the store cannot be read.
    pub fn begin_sign_in(&self, user: &str, source: &Source) -> Result<Asked, PasskeyError> {
        let site = self.site()?;
        if !good_name(user) {
            return Err(PasskeyError::Wrong);
        }
        let whose = source.to_string();
        let held = self.kept(user)?;
        if held.is_empty() {
            return self.ask(user, &whose, State::Nobody, self.decoy(site, user));
        }
        let credentials: Vec<Passkey> = held.into_iter().map(|(_, kept)| kept.credential).collect();
        let (options, state) = site.start_passkey_authentication(&credentials)?;
        let state = State::SignIn(Box::new(state));
        self.ask(user, &whose, state, as_json(&options)?)
    }

    /// The user whose passkey answered.
    ///
    /// # Errors
    /// When the ticket is not open, the answer does not fit it, the passkey is not the user's any
    /// more, its counter did not grow, or the store refuses.
    pub fn finish_sign_in(&self, ticket: &str, answer: &[u8]) -> Result<String, PasskeyError> {
        let site = self.site()?;
        let Challenge { user, state, .. } = self.take(ticket)?;
        let State::SignIn(state) = state else {
            return Err(PasskeyError::Wrong);
        };
        let answer: PublicKeyCredential =
            serde_json::from_slice(answer).map_err(|_| PasskeyError::Wrong)?;
        let id = secret::digest(answer.get_credential_id());
        let _writing = self.writing();
        let key = key(&user, &id);
        let Some(mut kept) = self.load(&key)? else {
            return Err(PasskeyError::Wrong);
        };
        let copied = |kept: &Kept| PasskeyError::Copied {
            user: user.clone(),
            passkey: kept.name.clone(),
        };
        let result = match site.finish_passkey_authentication(&answer, &state) {
            Err(WebauthnError::CredentialPossibleCompromise) => return Err(copied(&kept)),
            other => other?,
        };
        // The library compared with the counter as it was when the challenge was made; another
        // answer may have come in between.
        let before = counter(&kept.credential)?;
        if result.counter() > 0 && result.counter() <= before {
            return Err(copied(&kept));
        }
        kept.credential
            .update_credential(&result)
            .ok_or(PasskeyError::Wrong)?;
        kept.used = Some(self.clock.now().to_string());
        self.save(&key, Some(&kept))?;
        Ok(user)
    }

    /// A user's passkeys, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn list(&self, user: &str) -> Result<Vec<PasskeyInfo>, PasskeyError> {
        let mut list: Vec<PasskeyInfo> = self
            .kept(user)?
            .into_iter()
            .map(|(id, kept)| kept.info(id))
            .collect();
        list.sort_by(|a, b| (&a.created, &a.id).cmp(&(&b.created, &b.id)));
        Ok(list)
    }

    /// Removes one of a user's passkeys and says its name; `None` when there is none of this id.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn remove(&self, user: &str, id: &str) -> Result<Option<String>, PasskeyError> {
        let _writing = self.writing();
        let Some(kept) = self.load(&key(user, id))? else {
            return Ok(None);
        };
        self.save(&key(user, id), None)?;
        Ok(Some(kept.name))
    }

    fn site(&self) -> Result<&Webauthn, PasskeyError> {
        self.site.as_ref().map_err(|why| PasskeyError::NoSite(*why))
    }

    /// Opens a challenge, caused by somebody at a place or signed in.
    fn ask(
        &self,
        user: &str,
        whose: &str,
        state: State,
        options: Value,
    ) -> Result<Asked, PasskeyError> {
        let ticket = secret::encode(&secret::random::<32>());
        let challenge = Challenge {
            user: user.to_owned(),
            state,
        };
        let now = self.clock.micros();
        self.open.put(ticket.clone(), whose, now, challenge);
        Ok(Asked { ticket, options })
    }

    /// Closes a challenge, whatever becomes of its answer.
    fn take(&self, ticket: &str) -> Result<Challenge, PasskeyError> {
        let challenge = self.open.take(ticket, self.clock.micros());
        challenge.ok_or(PasskeyError::Gone)
    }

    /// What a name without passkeys is shown: the same credential id each time.
    fn decoy(&self, site: &Webauthn, user: &str) -> Value {
        let id = secret::mac(&self.decoys, &[b"passkey", user.as_bytes()]);
        json!({"publicKey": {
            "challenge": secret::encode(&secret::random::<32>()),
            "timeout": CHALLENGE_SECS_MAX * 1000,
            "rpId": site.get_allowed_origins().first().and_then(|origin| origin.domain()),
            "allowCredentials": [{"type": "public-key", "id": secret::encode(&id)}],
            "userVerification": "required",
        }})
    }

    fn kept(&self, user: &str) -> Result<Vec<(String, Kept)>, PasskeyError> {
        // A user name has no slash, so this prefix has no other user's keys.
        let prefix = format!("{PASSKEY}{user}/");
        let rows = self.store.scan(&prefix)?.into_iter();
        rows.map(|(key, value)| Ok((key[prefix.len()..].to_owned(), parse(&key, &value)?)))
            .collect()
    }

    fn load(&self, key: &str) -> Result<Option<Kept>, PasskeyError> {
        self.store
            .get(key)?
            .map(|value| parse(key, &value))
            .transpose()
    }

    fn save(&self, key: &str, kept: Option<&Kept>) -> Result<(), PasskeyError> {
        let value = kept.map(serde_json::to_vec).transpose();
        let value = value.map_err(|cause| corrupt(key, &cause))?;
        self.store.execute(Command::Put {
            key: key.to_owned(),
            value,
        })?;
        Ok(())
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn info(self, id: String) -> PasskeyInfo {
        PasskeyInfo {
            id,
            name: self.name,
            created: self.created,
            used: self.used,
        }
    }
}

/// The relying party of browsers at `origin`: its host name, and exactly that origin.
fn site(origin: Option<&Url>, title: &str) -> Result<Webauthn, NoSite> {
    let origin = origin.ok_or(NoSite::NoOrigin)?;
    let host = origin.domain().ok_or(NoSite::NoName)?;
    WebauthnBuilder::new(host, origin)
        .map(|builder| builder.rp_name(title))
        .and_then(WebauthnBuilder::build)
        .map_err(|_| NoSite::NoName)
}

/// The counter that a passkey showed last. `webauthn-rs` keeps it to itself but writes it out.
fn counter(credential: &Passkey) -> Result<u32, PasskeyError> {
    let value = as_json(credential)?;
    let counter = value.pointer("/cred/counter").and_then(Value::as_u64);
    counter
        .and_then(|counter| u32::try_from(counter).ok())
        .ok_or(PasskeyError::Wrong)
}

fn as_json(value: &impl Serialize) -> Result<Value, PasskeyError> {
    serde_json::to_value(value).map_err(|_| PasskeyError::Wrong)
}

fn key(user: &str, id: &str) -> String {
    format!("{PASSKEY}{user}/{id}")
}

fn parse(key: &str, value: &[u8]) -> Result<Kept, PasskeyError> {
    serde_json::from_slice(value).map_err(|cause| corrupt(key, &cause))
}

fn corrupt(key: &str, cause: &serde_json::Error) -> PasskeyError {
    PasskeyError::Store(StoreError::Corrupt {
        place: format!("The setting {key}"),
        problem: cause.to_string(),
    })
}

impl From<StoreError> for PasskeyError {
    fn from(error: StoreError) -> PasskeyError {
        PasskeyError::Store(error)
    }
}

impl From<WebauthnError> for PasskeyError {
    fn from(error: WebauthnError) -> PasskeyError {
        tracing::debug!(%error, "a passkey's answer was refused");
        PasskeyError::Wrong
    }
}

impl fmt::Display for NoSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoSite::NoOrigin => {
                "This node has no passkeys, because its configuration does not say which address \
                 browsers use: set origin under [people]."
            }
            NoSite::NoName => {
                "This node has no passkeys, because browsers tie them to a host name and origin \
                 under [people] has a bare address: use a name there."
            }
        })
    }
}

impl fmt::Display for PasskeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PasskeyError::NoSite(why) => why.fmt(f),
            PasskeyError::Gone => f.write_str("The passkey was asked for too long ago: try again."),
            PasskeyError::Wrong => {
                f.write_str("The passkey was not accepted: try again, or sign in another way.")
            }
            PasskeyError::Copied { .. } => f.write_str(
                "The passkey was refused, because there may be a second copy of it: sign in \
                 another way, remove it and tell the operator.",
            ),
            PasskeyError::NotInvited => f.write_str(
                "The user name or the invitation code is not right, or not valid any more.",
            ),
            PasskeyError::Known => f.write_str("This passkey is registered already."),
            PasskeyError::TooMany => write!(
                f,
                "One account has at most {PASSKEYS_EACH_MAX} passkeys: remove one first."
            ),
            PasskeyError::BadName => write!(
                f,
                "A passkey's name has 1 to {PASSKEY_NAME_CHARS_MAX} characters: choose another."
            ),
            PasskeyError::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PasskeyError {}
impl std::error::Error for NoSite {}
