//! Signing in with a password, step by step, under the eyes of the guard.
//!
//! Each step first asks [`Guards`](super::lockout::Guards) whether it may be tried at all, does
//! its work where blocking is allowed, and tells the guard how it went; until then the try counts
//! as one that may fail. What is dear (hashing) is done for unknown and for known users alike.

use std::sync::Arc;

use store::Command;

use super::limits::{KNOWN_PLACES_MAX, TICKET_TRIES_MAX};
use super::lockout::{Burst, Source};
use super::users::{User, good_name, read};
use super::{Auth, AuthError, Caller, Proof, Redeem, password, secret, totp};
use crate::admin::types::TotpReply;

/// How far signing in has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignIn {
    /// All the way.
    Proved(Proof),
    /// The password is right; a one-time code must follow, with this ticket.
    CodeNeeded {
        /// What the second step shows.
        ticket: String,
    },
}

/// Somebody whose password was right and whose code is awaited.
pub(super) struct Ticket {
    name: String,
    epoch: i64,
    /// Codes that were tried, those under way included.
    tries: u32,
}

/// A try that is under way. One that ends without a word was no failure.
struct Try {
    auth: Arc<Auth>,
    name: String,
    source: Source,
    known: bool,
}

impl Try {
    fn passed(&self) -> Result<(), AuthError> {
        self.auth.passed(&self.name, &self.source, self.known)
    }

    fn failed(&self) {
        self.auth.failed(&self.name, &self.source, self.known);
    }
}

impl Drop for Try {
    fn drop(&mut self) {
        let mut guards = self.auth.guards();
        guards.release(&self.name, &self.source, self.known);
    }
}

impl Auth {
    /// The first step: name and password.
    ///
    /// # Errors
    /// [`AuthError::Wrong`], [`AuthError::Later`] or [`AuthError::Busy`].
    pub async fn sign_in(
        self: &Arc<Self>,
        name: &str,
        password: &[u8],
        source: &Source,
    ) -> Result<SignIn, AuthError> {
        let user = self.prove_password(name, password, source).await?;
        if !user.second_factor {
            return Ok(SignIn::Proved(Proof::Password));
        }
        let now = self.clock.micros();
        let ticket = secret::encode(&secret::random::<32>());
        let held = Ticket {
            name: name.into(),
            epoch: user.epoch,
            tries: 0,
        };
        let digest = secret::digest(ticket.as_bytes());
        self.tickets.put(digest, name, now, held);
        Ok(SignIn::CodeNeeded { ticket })
    }

    /// The second step: a one-time code or a recovery code. Answers with the user's name.
    ///
    /// # Errors
    /// As [`Auth::sign_in`].
    pub async fn second_factor(
        self: &Arc<Self>,
        ticket: &str,
        code: &str,
        source: &Source,
    ) -> Result<(String, Proof), AuthError> {
        let digest = secret::digest(ticket.as_bytes());
        let now = self.clock.micros();
        let held = self.tickets.with(&digest, now, |held| {
            held.tries += 1;
            (held.tries <= TICKET_TRIES_MAX).then(|| (held.name.clone(), held.epoch))
        });
        let (name, epoch) = held.flatten().ok_or(AuthError::Wrong)?;
        let (auth, of, code) = (Arc::clone(self), name.clone(), code.to_owned());
        self.guarded(&name, source, move || {
            if auth.active(&of)?.epoch != epoch {
                return Err(AuthError::Wrong);
            }
            auth.check_code(&of, &code)
        })
        .await?;
        // Used up: of two right codes that came at once, one signs in.
        self.tickets.take(&digest, now).ok_or(AuthError::Wrong)?;
        Ok((name, Proof::PasswordAndTotp))
    }

    /// Sets one's own password, given the one until now (and a code, where one is needed).
    ///
    /// # Errors
    /// As [`Auth::sign_in`], and when the new password cannot be used.
    pub async fn change_password(
        self: &Arc<Self>,
        name: &str,
        old: &str,
        code: Option<&str>,
        new: &str,
        source: &Source,
    ) -> Result<(), AuthError> {
        let user = self.prove_password(name, old.as_bytes(), source).await?;
        if old == new {
            return Err(AuthError::BadPassword {
                why: "it is the one until now; choose another",
            });
        }
        if user.second_factor {
            let code = code.ok_or(AuthError::SecondFactor)?.to_owned();
            let (auth, of) = (Arc::clone(self), name.to_owned());
            self.guarded(name, source, move || auth.check_code(&of, &code))
                .await?;
        }
        let turn = self.turn().await?;
        let (auth, name, new) = (Arc::clone(self), name.to_owned(), new.to_owned());
        let work = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let hash = password::hash(&name, &new)?;
            let now = auth.clock.micros();
            auth.edit(&name, &name, |held| {
                if held.epoch != user.epoch || held.locked.is_some() {
                    return Err(AuthError::Wrong);
                }
                held.password = Some(hash);
                held.given = false;
                held.password_at = Some(now);
                Ok(((), format!("user {name}: password changed")))
            })
        });
        work.await.map_err(|_| AuthError::Busy)?
    }

    /// Begins a second factor for the caller: a new secret, shown once. It counts from
    /// [`Auth::confirm_totp`] on. Where there is one already, its code (or a recovery code) is
    /// needed: an open session must not be enough to put another's authenticator in its place.
    ///
    /// # Errors
    /// When the caller is no signed-in person or must change the password first, and as
    /// [`Auth::sign_in`].
    pub async fn new_totp(
        self: &Arc<Self>,
        caller: &Arc<Caller>,
        code: Option<&str>,
        source: &Source,
    ) -> Result<TotpReply, AuthError> {
        totp::keeper(caller)?;
        let (auth, of) = (Arc::clone(self), Arc::clone(caller));
        let Some(code) = code.filter(|code| !code.trim().is_empty()) else {
            let work = tokio::task::spawn_blocking(move || auth.begin_totp(&of, false));
            return work.await.map_err(|_| AuthError::Busy)?;
        };
        let code = code.to_owned();
        self.guarded(&caller.name, source, move || {
            auth.check_code(&of.name, &code)?;
            auth.begin_totp(&of, true)
        })
        .await
    }

    /// Puts the new second factor in force, given a code of it. Answers with the recovery codes,
    /// which are shown once. Ends the user's sessions.
    ///
    /// # Errors
    /// [`AuthError::Wrong`] when the code is not right or none was begun lately, and as
    /// [`Auth::new_totp`].
    pub async fn confirm_totp(
        self: &Arc<Self>,
        caller: &Caller,
        code: &str,
        source: &Source,
    ) -> Result<Vec<String>, AuthError> {
        totp::keeper(caller)?;
        let (auth, name) = (Arc::clone(self), caller.name.clone());
        let code = code.trim().to_owned();
        self.guarded(&caller.name, source, move || auth.adopt_totp(&name, &code))
            .await
    }

    /// Ends the caller's second factor, given a code of it. Ends the user's sessions.
    ///
    /// # Errors
    /// As [`Auth::sign_in`].
    pub async fn remove_totp(
        self: &Arc<Self>,
        caller: &Caller,
        code: &str,
        source: &Source,
    ) -> Result<(), AuthError> {
        totp::person(caller)?;
        let (auth, name, code) = (Arc::clone(self), caller.name.clone(), code.to_owned());
        self.guarded(&caller.name, source, move || {
            auth.check_code(&name, &code)?;
            auth.drop_totp(&name)
        })
        .await
    }

    /// Enrols somebody with a password.
    ///
    /// # Errors
    /// As [`Auth::redeem`], and [`AuthError::Later`].
    pub async fn enrol(
        self: &Arc<Self>,
        name: &str,
        code: &str,
        password: &str,
        source: &Source,
    ) -> Result<(), AuthError> {
        if !good_name(name) {
            return Err(AuthError::Wrong);
        }
        let turn = self.turn().await?;
        let (auth, of) = (Arc::clone(self), name.to_owned());
        let (code, password) = (code.to_owned(), password.to_owned());
        self.guarded(name, source, move || {
            let _turn = turn;
            auth.redeem(&of, &code, Redeem::Password(password))
        })
        .await
    }

    /// The user, when this is the password. Without a second factor this ends the failures that
    /// were counted; with one, only the code does.
    pub(super) async fn prove_password(
        self: &Arc<Self>,
        name: &str,
        password: &[u8],
        source: &Source,
    ) -> Result<User, AuthError> {
        if !good_name(name) {
            return Err(AuthError::Wrong);
        }
        // Who must wait anyhow takes no turn; the try itself begins with the turn, so that those
        // who stand in line (tools with the right password among them) count for nothing yet.
        let known = self.looked_up(name, source).await?;
        let wait = self.guards().wait(name, source, known, self.clock.micros());
        if wait > 0 {
            return Err(AuthError::Later { secs: wait });
        }
        let turn = self.turn().await?;
        let attempt = self.admit(name, source, known)?;
        let (auth, of, password) = (Arc::clone(self), name.to_owned(), password.to_vec());
        let work = tokio::task::spawn_blocking(move || {
            // The turn ends with the work, not with the request: a client that hangs up early
            // must not start the next hash before this one is done.
            let _turn = turn;
            let user = auth.load(&of)?;
            let hash = user.as_ref().and_then(|user| user.password.as_deref());
            let right = password::check(&password, hash);
            match user.filter(|user| right && user.locked.is_none()) {
                Some(user) => {
                    if !user.second_factor {
                        attempt.passed()?;
                    }
                    Ok(user)
                }
                None => {
                    attempt.failed();
                    Err(AuthError::Wrong)
                }
            }
        });
        work.await.map_err(|_| AuthError::Busy)?
    }

    /// Does some other check of a user's secret under the guard.
    async fn guarded<T: Send + 'static>(
        self: &Arc<Self>,
        name: &str,
        source: &Source,
        check: impl FnOnce() -> Result<T, AuthError> + Send + 'static,
    ) -> Result<T, AuthError> {
        let known = self.looked_up(name, source).await?;
        let attempt = self.admit(name, source, known)?;
        let work = tokio::task::spawn_blocking(move || {
            let result = check();
            match &result {
                Ok(_) => attempt.passed()?,
                Err(AuthError::Wrong) => attempt.failed(),
                Err(_) => {}
            }
            result
        });
        work.await.map_err(|_| AuthError::Busy)?
    }

    /// Begins a try, if one may be made now.
    fn admit(self: &Arc<Self>, name: &str, source: &Source, known: bool) -> Result<Try, AuthError> {
        let now = self.clock.micros();
        let admitted = self.guards().admit(name, source, known, now);
        admitted.map_err(|secs| AuthError::Later { secs })?;
        Ok(Try {
            auth: Arc::clone(self),
            name: name.to_owned(),
            source: source.clone(),
            known,
        })
    }

    /// [`Auth::knows`], where blocking is allowed.
    async fn looked_up(self: &Arc<Self>, name: &str, source: &Source) -> Result<bool, AuthError> {
        let (auth, of, from) = (Arc::clone(self), name.to_owned(), source.clone());
        let known = tokio::task::spawn_blocking(move || auth.knows(&of, &from));
        known.await.map_err(|_| AuthError::Busy)?
    }

    /// Whether the user has signed in from there before. The operator's socket is always known.
    fn knows(&self, name: &str, source: &Source) -> Result<bool, AuthError> {
        if *source == Source::local() {
            return Ok(true);
        }
        let places: Vec<String> = read(&self.store, &format!("seen/{name}"))?.unwrap_or_default();
        Ok(places.contains(&place(name, source)))
    }

    fn passed(&self, name: &str, source: &Source, known: bool) -> Result<(), AuthError> {
        self.guards().passed(name, source);
        if known {
            return Ok(());
        }
        let key = format!("seen/{name}");
        let mut places: Vec<String> = read(&self.store, &key)?.unwrap_or_default();
        places.push(place(name, source));
        let over = places.len().saturating_sub(KNOWN_PLACES_MAX);
        places.drain(..over);
        // Not waited for: one that is lost is noted again.
        if let Ok(value) = serde_json::to_vec(&places) {
            self.store.submit(
                Command::Put {
                    key,
                    value: Some(value),
                },
                |_| {},
            );
        }
        Ok(())
    }

    /// Counts a failure, and writes down when there are many. Names that are no user's stay out of
    /// the audit log: people type passwords into the wrong field.
    fn failed(&self, name: &str, source: &Source, known: bool) {
        let now = self.clock.micros();
        let bursts = self.guards().failed(name, source, known, now);
        for burst in bursts {
            let why = match burst {
                Burst::User(count) => match self.load(name) {
                    Ok(Some(_)) => format!(
                        "{count} failed attempts to sign in as {name} from {source}; further ones have to wait"
                    ),
                    _ => continue,
                },
                Burst::Place(count) => {
                    format!(
                        "{count} failed attempts to sign in from {source}; further ones have to wait"
                    )
                }
            };
            if let Err(error) = self.account("sign-in-failed", &source.to_string(), why) {
                tracing::error!(%error, "failed sign-ins could not be accounted for");
            }
        }
    }
}

/// A place as it is remembered for a user: where people sign in from is nobody's to read.
fn place(name: &str, source: &Source) -> String {
    secret::digest(format!("{name}\0{source}").as_bytes())[..16].to_owned()
}
